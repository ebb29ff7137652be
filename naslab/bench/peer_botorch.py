"""BoTorch (Balandat et al. 2020, arXiv 1910.06403) as a contender of the bench: qLogNEI, and qLogNEHVI for several
objectives (Ament et al. 2023, arXiv 2310.20708), over the networks of the table."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from botorch.acquisition.logei import qLogNoisyExpectedImprovement
from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
from botorch.acquisition.multi_objective.objective import GenericMCMultiOutputObjective
from botorch.fit import fit_gpytorch_mll
from botorch.models import ModelListGP, SingleTaskGP
from botorch.models.transforms.input import FilterFeatures
from botorch.sampling.normal import SobolQMCNormalSampler
from botorch.utils.multi_objective.hypervolume import infer_reference_point
from botorch.utils.multi_objective.pareto import is_non_dominated
from gpytorch.mlls import ExactMarginalLogLikelihood
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from naslab.space import Genome
from naslab.strategies.candidates import Candidates, Catalogue
from naslab.strategies.composed import Proposer
from naslab.strategies.domain import Domain
from naslab.strategies.outcome_history import OutcomeHistory, best_first
from naslab.strategies.strategy import Proposal

FIRST = 10
"""Networks by chance before the first model."""
MAX_ENUMERATED = 20_000
"""All networks of a table of so many rows are looked at; of larger ones those of `SAMPLED` and near the best."""
SAMPLED, NEAR_BEST = 2_000, 5
MAX_SUGGESTIONS = 4
MC_SAMPLES = 128
AT_ONCE = 512
"""Networks whose expected improvement is computed together."""


def propose(domain: Domain, seed: int) -> Proposer:
    """BoTorch's proposer on `domain`, with the models and the samples that its own tutorials take."""
    return BoTorch(domain, seed)


class BoTorch:
    """A Gaussian process for each objective that is measured, fitted anew for every proposal.

    It sees the networks as our own models do: encoded choices and the logarithms of costs. Objectives that are known
    before training are known to it, too.
    """

    def __init__(self, domain: Domain, seed: int) -> None:
        self._domain = domain
        self._catalogue = Catalogue(domain)
        self._seed = seed
        is_small = domain.space.size() <= MAX_ENUMERATED
        self._all = self._catalogue.described(domain.space.enumerate()) if is_small else None

    def drafts(self, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Proposal]:
        """The networks of the largest expected improvement; by chance while little is known."""
        there = [each for each in history.told if each.losses is not None]
        if len(there) < FIRST:
            yield Proposal(self._domain.space.sample(rng), {"operator": "first"})
            return
        pool = self._all or self._pool(history, rng)
        open_rows = np.flatnonzero(pool.is_unseen(history.seen))
        if not len(open_rows):
            return
        losses = np.array([each.losses for each in there])
        known = self._rows([each.genome for each in there])
        pending = self._rows(list(history.pending.values()))
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of its own precision
            gains = self._gains(known, losses, pending, self._columns(pool.part(open_rows)))
        for row in open_rows[np.argsort(-gains, kind="stable")[:MAX_SUGGESTIONS]]:
            yield Proposal(pool.genomes[row], {"operator": "botorch"})

    def _pool(self, history: OutcomeHistory, rng: np.random.Generator) -> Candidates:
        """Networks of a large table: some by chance, and those near the best that are known."""
        space, told = self._domain.space, history.told
        best = [told[int(place)].genome for place in best_first(told)[:NEAR_BEST]]
        near = [each for genome in best for each in islice(space.neighbours(genome), SAMPLED // NEAR_BEST)]
        return self._catalogue.described([*near, *(space.sample(rng) for _ in range(SAMPLED))])

    def _rows(self, genomes: Sequence[Genome]) -> NDArray[np.float64]:
        """What is known of `genomes` before training, whether they meet limits or not: inputs, then known losses."""
        inputs = self._catalogue.inputs_of(list(genomes))
        return np.hstack((inputs, self._catalogue.known_losses_of(genomes))) if len(genomes) else np.zeros((0, 0))

    def _columns(self, candidates: Candidates) -> NDArray[np.float64]:
        """The same of candidates."""
        return np.hstack((candidates.inputs, candidates.known_losses))

    def _gains(
        self,
        known: NDArray[np.float64],
        losses: NDArray[np.float64],
        pending: NDArray[np.float64],
        candidates: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """The logarithm of the expected improvement by each of `candidates`, shape (candidates,)."""
        num_objectives = losses.shape[1]
        num_inputs = known.shape[1] - num_objectives
        centre, scale = losses.mean(axis=0), np.where(losses.std(axis=0) > 0, losses.std(axis=0), 1.0)
        rows, values = torch.tensor(np.nan_to_num(known)), torch.tensor((centre - losses) / scale)
        measured = [index for index in range(num_objectives) if not self._catalogue.is_known[index]]
        models = [_fitted(rows, values[:, [index]], num_inputs) for index in measured]
        sampler = SobolQMCNormalSampler(torch.Size([MC_SAMPLES]), seed=self._seed)
        common = {"sampler": sampler, "prune_baseline": True}
        if len(pending):
            common["X_pending"] = torch.tensor(np.nan_to_num(pending))
        if num_objectives == 1:
            acquisition = qLogNoisyExpectedImprovement(models[0], rows, **common)
        else:

            def all_objectives(samples: torch.Tensor, X: torch.Tensor | None = None) -> torch.Tensor:  # noqa: N803
                """The sampled objectives, between them the known ones of the networks `X`."""
                assert X is not None
                told = (torch.tensor(centre) - X[..., num_inputs:]) / torch.tensor(scale)
                found = told.expand(*samples.shape[:-1], num_objectives).clone()
                found[..., measured] = samples
                return found

            acquisition = qLogNoisyExpectedHypervolumeImprovement(
                ModelListGP(*models),
                infer_reference_point(values[is_non_dominated(values)]),
                rows,
                objective=GenericMCMultiOutputObjective(all_objectives),
                **common,
            )
        looked_at = torch.tensor(np.nan_to_num(candidates)).unsqueeze(1)
        with torch.no_grad():
            return torch.cat([acquisition(part) for part in torch.split(looked_at, AT_ONCE)]).numpy()


def _fitted(rows: torch.Tensor, values: torch.Tensor, num_inputs: int) -> SingleTaskGP:
    """A process over the first `num_inputs` columns, its length scales and noise fitted."""
    seen = FilterFeatures(torch.arange(num_inputs))
    model = SingleTaskGP(rows, values, input_transform=seen)
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    return model
