"""What every estimator does: turn a candidate into an estimate, inside a worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import msgspec

from naslab.arch.spec import ArchSpec
from naslab.study.outcome import Candidate, EpochRecord, Estimate
from naslab.training.turns import Turns

if TYPE_CHECKING:
    from torch import Tensor, nn

    from naslab.training.checkpoint import Checkpoint

Begin: TypeAlias = "Callable[[ArchSpec, int], nn.Module]"
"""Makes a network's module with its initial weights, given a seed."""


class Workbench(msgspec.Struct):
    """What a worker offers to estimators, kept between candidates.

    `device` is a torch device name, `threads` the CPU threads that torch may use, `worker` the worker's name in
    estimates. `cache` holds what is costly to load (the data set on the device), `report` takes each epoch as it ends.
    `turns` are those with the workers beside it: who measures time is alone, and trainings give way between steps.
    """

    device: str
    threads: int = 1
    worker: str = "worker-0"
    cache: dict[Any, Any] = {}
    report: Callable[[EpochRecord], None] = lambda _: None
    turns: Turns = msgspec.field(default_factory=Turns)


class Estimator(Protocol):
    """Turns candidates into estimates; a value that can be pickled, for it is sent to every worker.

    A worker is a process of its own. It calls `prepare` once, then `estimate` for one candidate after another, in no
    order that can be relied on. What is to be kept between them is kept in the workbench, not in the estimator.

    >>> from naslab.arch import arch_id, cost
    >>> from naslab.study.outcome import Fidelity
    >>> from naslab.zoo import model
    >>> class Smallness(msgspec.Struct, frozen=True):  # the fewer weights, the better
    ...     most_params: int
    ...     def prepare(self, bench):
    ...         pass  # no data to load into bench.cache
    ...     def estimate(self, candidate, bench):
    ...         return Estimate(measured={"smallness": 1 - candidate.cost.params / self.most_params})
    >>> arch = model("lenet5")
    >>> candidate = Candidate(
    ...     trial=0, arch=arch, arch_id=arch_id(arch), cost=cost(arch), fidelity=Fidelity(epochs=1), seed=0
    ... )
    >>> bench = Workbench(device="cpu")
    >>> smallness = Smallness(most_params=100_000)
    >>> smallness.prepare(bench)
    >>> round(smallness.estimate(candidate, bench).measured["smallness"], 3)
    0.383
    """

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """Estimate `candidate` at its fidelity, on the device and with the threads of `bench`.

        Its random numbers come from the candidate's seed, so that one estimated again, after its worker died say, gives
        equal numbers. `bench.report` is to be called with each epoch as it ends, if there are any. The worker's name,
        and device and time where they are left open, are filled in by the worker.

        What goes wrong with a candidate (divergence, lack of memory) is an estimate with a failure. So is what is
        raised here: the worker makes it one, and goes on with the next candidate.
        """
        ...

    def prepare(self, bench: Workbench) -> None:
        """Load into the cache of `bench` what every estimate needs, so that the first does not wait for it.

        Once more on the same cache it changes nothing. What is raised here ends the whole run: `DataError`,
        `DeviceError` and other errors of naslab as they are, anything else as a `WorkerError`.
        """
        ...


class NetworkTraining(Estimator, Protocol):
    """Trains networks, from weights that others made too: what inheritance and pretrained weights are built around.

    `checkpoints` is the folder of the states that trainings leave, named by their content hashes; a candidate that has
    a `start_from` goes on from one of its own.

    >>> from naslab.arch import arch_id, cost
    >>> from naslab.arch.build import build
    >>> from naslab.study.outcome import Fidelity
    >>> from naslab.zoo import model
    >>> class Untrained:  # counts the weights that a training would change
    ...     checkpoints = None
    ...     def prepare(self, bench):
    ...         pass
    ...     def estimate(self, candidate, bench, begin=None):
    ...         module = (begin or build)(candidate.arch, candidate.seed)
    ...         trained = sum(each.numel() for each in module.parameters() if each.requires_grad)
    ...         return Estimate(measured={"trained": trained})
    ...     def weights_of(self, checkpoint):
    ...         return {}
    >>> arch = model("lenet5")
    >>> candidate = Candidate(
    ...     trial=0, arch=arch, arch_id=arch_id(arch), cost=cost(arch), fidelity=Fidelity(epochs=1), seed=0
    ... )
    >>> bench = Workbench(device="cpu")
    >>> def frozen_module(arch, seed):
    ...     return build(arch, seed).requires_grad_(False)
    >>> frozen = Untrained().estimate(candidate, bench, begin=frozen_module)
    >>> Untrained().estimate(candidate, bench).measured, frozen.measured
    ({'trained': 61706}, {'trained': 0})
    """

    @property
    def checkpoints(self) -> str | None:
        """The folder of the states that trainings leave; `None` where they leave none."""
        ...

    def estimate(self, candidate: Candidate, bench: Workbench, begin: Begin | None = None) -> Estimate:
        """Train and evaluate `candidate` in the worker of `bench`; its failures are values.

        `begin` makes its module with the weights that training begins with: by default those of an initialisation.
        """
        ...

    def weights_of(self, checkpoint: Checkpoint) -> Mapping[str, Tensor]:
        """The tensors of the network that a training left in a `checkpoint`, by its names."""
        ...
