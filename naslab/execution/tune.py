"""Ray Tune's edge: a strategy as a Tune search algorithm, an estimator as a Tune trainable.

An existing Tune experiment runs a naslab search with its own `Tuner`, schedulers and cluster. Set `reuse_actors=True`,
so that workers keep torch and the data between trials, and `max_concurrent_trials`.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from typing import Any

import msgspec
from ray import tune
from ray.tune import search

from naslab.atomic_write import atomic_write
from naslab.errors import SpaceExhaustedError
from naslab.estimators.estimator import Estimator
from naslab.execution.source import make_candidate
from naslab.execution.worker import Done, Placement, Refused, Worker
from naslab.metrics import ACCURACY, measured_rows
from naslab.regular_files import read_regular
from naslab.strategies.strategy import Strategy
from naslab.study.outcome import Candidate, EpochRecord, Estimate, Failure, Fidelity, Outcome
from naslab.study.problem import Problem


class SearcherState(msgspec.Struct, frozen=True):
    """What a searcher needs to go on: the outcomes told, and the candidates of Tune's unfinished trials."""

    told: tuple[Outcome, ...]
    running: dict[str, Candidate]


class Searcher(search.Searcher):
    """A strategy as a Tune search algorithm. A trial's config is a `Candidate` in plain JSON values.

    `strategy` is fresh, on `problem`; candidates are to be trained for `epochs`. `config["arch"]` is the network
    (`naslab.arch.decode_arch`); a trainable of one's own reports `accuracy` and whatever else the objectives measure.
    Every result is told to the strategy, failed trials and those that a scheduler stopped (at the epochs they reached)
    among them. Ends the experiment where the space is exhausted. `Tuner.restore` continues with what was told.

    >>> tune.Tuner(
    ...     trainable(estimator),
    ...     tune_config=tune.TuneConfig(
    ...         search_alg=Searcher(strategy, problem, epochs=4),
    ...         num_samples=50, max_concurrent_trials=4, reuse_actors=True,
    ...     ),
    ... ).fit()  # doctest: +SKIP
    """

    def __init__(self, strategy: Strategy, problem: Problem, epochs: int = 1, seed: int = 0) -> None:
        goal = problem.objectives[0]
        super().__init__(metric=goal.metric, mode="max" if goal.maximise else "min")
        self._strategy = strategy
        self._problem = problem
        self._epochs = epochs
        self._seed = seed
        self._told: list[Outcome] = []
        self._running: dict[str, Candidate] = {}

    def suggest(self, trial_id: str) -> Any:
        """The next candidate as a config; `FINISHED` where the space is exhausted."""
        try:
            [proposal] = self._strategy.ask(1)
        except SpaceExhaustedError:
            return self.FINISHED
        arch = self._problem.space.decode(proposal.genome)
        number = len(self._told) + len(self._running)
        candidate = make_candidate(arch, number, self._epochs, self._seed, "search", proposal.genome, proposal.origin)
        self._running[trial_id] = candidate
        return msgspec.json.decode(msgspec.json.encode(candidate))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell the strategy the `result` of the trial `trial_id`, or that it failed (`error`)."""
        candidate = self._running.pop(trial_id, None)
        if candidate is None:
            return  # a trial of an earlier life that was told then
        self._tell([outcome_of(candidate, result or {}, error)])

    def save(self, checkpoint_path: str) -> None:
        """Write what was told and what is running."""
        state = SearcherState(tuple(self._told), self._running)
        atomic_write(checkpoint_path, msgspec.json.encode(state))

    def restore(self, checkpoint_path: str) -> None:
        """Replay what was told to the fresh strategy, and take the unfinished trials as its own."""
        state = msgspec.json.decode(read_regular(checkpoint_path), type=SearcherState)
        self._tell(state.told[len(self._told) :])
        self._strategy.adopt(list(state.running.values()))
        self._running = dict(state.running)

    def _tell(self, outcomes: list[Outcome] | tuple[Outcome, ...]) -> None:
        self._told += outcomes
        self._strategy.tell(outcomes)


def outcome_of(candidate: Candidate, result: dict[str, Any], has_failed: bool) -> Outcome:
    """A Tune `result` of `candidate` as an outcome, at the epochs that the trial reached."""
    names = [name for row in measured_rows(result) for name in row.keys if name in result]
    measured = {name: float(result[name]) for name in names}
    failure = None
    if has_failed or not measured or not all(math.isfinite(value) for value in measured.values()):
        failure = Failure(
            "error", "the Tune trial failed" if has_failed else "the Tune trial reported no finite result"
        )
    reached = min(candidate.fidelity.epochs, int(result.get("training_iteration", candidate.fidelity.epochs)))
    return Outcome(
        candidate=msgspec.structs.replace(candidate, fidelity=Fidelity(epochs=reached)),
        estimate=Estimate(measured=measured, failure=failure, wall_seconds=float(result.get("time_total_s", 0.0))),
        finished=time.time(),
    )


def trainable(estimator: Estimator, device: str = "auto") -> type[tune.Trainable]:
    """A Tune trainable that estimates the candidate of its config and reports every epoch.

    A result holds the objectives' values by name (`accuracy`, `macs`, ..), so that schedulers can stop a trial; a
    candidate that fails fails the trial. Give it GPUs with `tune.with_resources(trainable(estimator), {"gpu": 0.5})`.
    """

    class Estimation(EstimatorTrainable):
        pass

    Estimation.estimator = estimator
    Estimation.device = device
    return Estimation


class EstimatorTrainable(tune.Trainable):
    """One `Worker` in a Tune actor; a step is an epoch."""

    estimator: Estimator
    device: str

    def setup(self, config: dict[str, Any]) -> None:
        """Prepare the worker, once an actor; raises what the preparation raised."""
        resources = self.trial_resources.required_resources if self.trial_resources else {}
        threads = max(1, int(resources.get("CPU", 1)))
        self._worker = Worker(self.estimator, Placement("tune", 0, self.device, None, threads))
        answer = self._worker.prepare()
        if isinstance(answer, Refused):
            raise answer.error
        self._run = EpochStream(self._worker, config)

    def step(self) -> dict[str, Any]:
        """The next epoch; with the last one the estimate."""
        message = self._run.next()
        if isinstance(message, EpochRecord):
            values = {ACCURACY.name: message.validation_accuracy, "train_loss": message.train_loss}
            return {**values, **self._run.costs, "done": False}
        failure = message.estimate.failure
        if failure is not None:
            raise RuntimeError(f"{failure.reason}: {failure.message}\n{failure.traceback}".rstrip())
        return {**message.estimate.measured, **self._run.costs, "done": True}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next trial's candidate with the worker as it is."""
        self._run.stop()
        self._run = EpochStream(self._worker, new_config)
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Nothing: an interrupted trial begins anew."""
        return {}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing to load."""

    def cleanup(self) -> None:
        """Leave the training at its next epoch."""
        self._run.stop(wait=False)


class StoppedError(Exception):
    """Ends a training that Tune stopped, from inside its report."""


class EpochStream:
    """A candidate's estimate on a thread, epoch by epoch."""

    def __init__(self, worker: Worker, config: dict[str, Any]) -> None:
        fields = {name: config[name] for name in Candidate.__struct_fields__ if name in config}
        self._candidate = msgspec.convert(fields, Candidate)
        self.costs: dict[str, int] = msgspec.structs.asdict(self._candidate.cost)
        self._said: queue.SimpleQueue[EpochRecord | Done] = queue.SimpleQueue()
        self._num_epochs = 0
        self._is_stopped = False
        self._thread = threading.Thread(target=self._estimate, args=(worker,), daemon=True)
        self._has_started = False

    def next(self) -> EpochRecord | Done:
        """The next epoch; for the last one the estimate in its place."""
        if not self._has_started:
            self._thread.start()
            self._has_started = True
        message = self._said.get()
        if isinstance(message, EpochRecord):
            self._num_epochs += 1
            if self._num_epochs >= self._candidate.fidelity.epochs:
                message = self._said.get()
        return message

    def stop(self, wait: bool = True) -> None:
        """End the training at its next epoch."""
        self._is_stopped = True
        if wait and self._has_started:
            self._thread.join()

    def _estimate(self, worker: Worker) -> None:
        self._said.put(worker.estimate(self._candidate, self._report))

    def _report(self, epoch: EpochRecord) -> None:
        if self._is_stopped:
            raise StoppedError
        self._said.put(epoch)
