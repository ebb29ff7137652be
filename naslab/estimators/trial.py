"""Trial: what a user's training function is told of the network that it is to train, and what it may say meanwhile."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from naslab.arch.cost import Cost
from naslab.arch.spec import ArchSpec
from naslab.errors import NaslabError, shown
from naslab.metrics import ACCURACY
from naslab.study.outcome import Candidate, EpochRecord, Fidelity
from naslab.study.recipe import Recipe

if TYPE_CHECKING:
    from naslab.training.data import DataSplit


class ReturnedError(NaslabError):
    """What a user's function returned or reported that is no number, or lacks one that was asked for."""


class StudyParts(NamedTuple):
    """What a trial tells of its study: `load` gives its data on the worker's device, `recipe` is its recipe.

    `metrics` are the objectives that naslab's evaluation measures beside accuracy, `is_inherited` says whether the
    network begins with weights of a parent.
    """

    load: Callable[[], DataSplit]
    recipe: Recipe | None = None
    metrics: tuple[str, ...] = ()
    is_inherited: bool = False


def no_data() -> DataSplit:
    """Raise `ReturnedError`: there is no study."""
    raise ReturnedError("this trial is of no study, and so has no data")


class Trial:
    """One training of a network by a user's function `evaluate(network, trial)`.

    It is made by naslab: `candidate` is what is trained, `arch` the network at the candidate's fidelity, `device` the
    worker's torch device name and `folder` where checkpoints may lie, if anywhere. `pass_on` takes each epoch as it is
    reported, `is_clear` says of the epochs so far whether the training may stop, `study` what it is a part of.

    Its attributes:

    - `number` is the trial's in the study, `arch` the network's description, `cost` its macs, params, activations and
      peak activation bytes, `seed` the study's, which torch, numpy and `random` are seeded with before each trial;
    - `device` is a torch device name such as `cuda:0` or `cpu`; the network is there already;
    - `epochs` is how long to train; `schedule_epochs` how long the learning rate's schedule is: with rungs, `epochs`
      are its beginning; `fidelity` holds these and the rest (`images`, `resolution`, `width`);
    - `folder` is this network's own folder for checkpoints, made when it is asked for. A trial that runs again after a
      crash, and the same network on the next rung, find what was left there;
    - `data` is the study's data set on the device, where it names one (`--dataset`): `data.train` and `data.validation`
      with `images` and `labels`, `data.mean` and `data.deviation`; `recipe` is the study's recipe, and `metrics` are
      those of its objectives that naslab's evaluation can measure beside accuracy;
    - `is_inherited` says whether the network begins with weights of a parent (`inherit`). Children begin with what
      `network` holds when the function returns, and on a higher rung it is given with what it was left with below.

    >>> def evaluate(network, trial):
    ...     for epoch in range(1, trial.epochs + 1):
    ...         f1 = 0.5  # train `network` for an epoch and measure it
    ...         trial.report(epoch, f1=f1)
    ...         if trial.should_stop():
    ...             break
    ...     return {"f1": f1}
    """

    def __init__(
        self,
        candidate: Candidate,
        arch: ArchSpec,
        device: str,
        folder: Path | None = None,
        pass_on: Callable[[EpochRecord], None] = lambda _: None,
        is_clear: Callable[[Sequence[EpochRecord]], bool] = lambda _: False,
        study: StudyParts | None = None,
    ) -> None:
        self.number: int = candidate.trial
        self.arch = arch
        self.cost: Cost = candidate.cost
        self.seed: int = candidate.seed
        self.device = device
        self.fidelity: Fidelity = candidate.fidelity
        self.curve: list[EpochRecord] = []
        self.has_stopped = False
        self._study = study or StudyParts(no_data)
        self.metrics = self._study.metrics
        self.is_inherited = self._study.is_inherited
        self._folder = folder
        self._pass_on = pass_on
        self._is_clear = is_clear
        self._started = time.perf_counter()

    @property
    def epochs(self) -> int:
        """How many epochs to train for, those of earlier rungs counted in."""
        return self.fidelity.epochs

    @property
    def schedule_epochs(self) -> int:
        """How many epochs the schedule of the learning rate has; `epochs` where there are no rungs."""
        return self.fidelity.schedule_epochs or self.fidelity.epochs

    @property
    def data(self) -> DataSplit:
        """The study's data on the device; raises `ReturnedError` where it names none, `DataError` for damaged ones."""
        return self._study.load()

    @property
    def recipe(self) -> Recipe:
        """The study's recipe, which a function of your own may read or leave alone."""
        return self._study.recipe or Recipe()

    @property
    def folder(self) -> Path:
        """The network's own folder for checkpoints, made when asked for; raises `ReturnedError` where there is none."""
        if self._folder is None:
            raise ReturnedError("this run keeps no checkpoints: leave trial.folder alone, or search with a ledger")
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def report(self, epoch: int, **values: float) -> None:
        """Say what an epoch gave, as `trial.report(1, f1=0.8, loss=0.3)`: shown live, kept, and read by `should_stop`.

        `epoch` counts from 1. The names `train_loss`, `validation_loss` and `accuracy` (of validation, per cent) are
        drawn as those of naslab's own training. Raises `ReturnedError` for what is not a number.
        """
        told = {name: number(name, value) for name, value in values.items()}
        record = EpochRecord(
            epoch=epoch,
            train_loss=told.pop("train_loss", math.nan),
            validation_loss=told.pop("validation_loss", math.nan),
            validation_accuracy=told.pop(ACCURACY.name, math.nan),
            wall_seconds=time.perf_counter() - self._started,
            values=told,
        )
        self.curve = [each for each in self.curve if each.epoch < epoch] + [record]
        self._pass_on(record)

    def should_stop(self) -> bool:
        """Whether it is clear from what was reported that this network will not reach the front; return then.

        Only where the search was asked to stop early (`stop_early`), and each epoch says every measured objective.
        """
        self.has_stopped = self.has_stopped or self._is_clear(self.curve)
        return self.has_stopped


def number(name: str, value: object) -> float:
    """A number that a user's function gave under a `name`, as a float: Python's, numpy's, or a tensor of one element.

    Raises `ReturnedError` where it is none, or not finite.

    >>> number("f1", 0.5)
    0.5
    """
    if not isinstance(value, bool | str | bytes | complex):
        item = getattr(value, "item", None)
        try:
            found = float(item() if callable(item) else value)  # type: ignore[arg-type]
        except (TypeError, ValueError, RuntimeError):
            pass
        else:
            if math.isfinite(found):
                return found
            raise ReturnedError(f"{name} is {found}")
    raise ReturnedError(f"{name} must be a number, got {type(value).__name__} {shown(repr(value))}")


def numbers(returned: object, wanted: Sequence[str], described: Sequence[str], function: str) -> dict[str, float]:
    """What a user's `function` `returned`, by name: a mapping of numbers, or the number of the one objective `wanted`.

    `described` are metrics that the network's description tells, which a function cannot say. Raises `ReturnedError`
    for anything else, and where one of `wanted` is missing.

    >>> numbers(0.5, ["f1"], ["macs"], "mine:evaluate")
    {'f1': 0.5}
    """
    if not isinstance(returned, Mapping):
        if len(wanted) != 1 or returned is None:
            names = ", ".join(wanted) or "its measurements"
            got = "nothing" if returned is None else f"{type(returned).__name__} {shown(repr(returned))}"
            raise ReturnedError(f"{function} must return a dict of numbers with {names}, got {got}")
        return {wanted[0]: number(wanted[0], returned)}
    for name in returned:
        if not isinstance(name, str) or not name.isidentifier():
            raise ReturnedError(f"{function} must return numbers by names such as f1, got {shown(repr(name))}")
        if name in described:
            raise ReturnedError(f"{function} returned {name}, which the network's description tells: leave it out")
    found = {name: number(name, value) for name, value in returned.items()}
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ReturnedError(
            f"{function} returned no {', '.join(missing)}: it returned {', '.join(found) or 'an empty dict'}"
        )
    return found
