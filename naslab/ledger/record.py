"""StudyRecord: what a study is, as the ledger keeps it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from naslab.study.rungs import Rungs


class SourceChange(msgspec.Struct, frozen=True, kw_only=True):
    """A user's code that was another from some trial on.

    `changed` says which definitions differ and how (`mine.evaluate changed`), `num_outcomes` how many outcomes the
    study held by then, `accepted` when it was taken, in seconds since the epoch (UTC).
    """

    changed: tuple[str, ...]
    num_outcomes: int
    accepted: float


class MergedStudy(msgspec.Struct, frozen=True, kw_only=True):
    """A study whose outcomes went into another one: its `name`, `strategy`, `seed` and when it was `created`.

    `num_outcomes` is how many of its outcomes were taken; `num_left_out` those of networks that another study had, too.
    """

    name: str
    strategy: str
    seed: int
    created: float
    num_outcomes: int
    num_left_out: int


class PretrainedStart(msgspec.Struct, frozen=True, kw_only=True):
    """The weights that a study's candidates begin with: what was asked for, and what was found there.

    `source` names them as `naslab.search` takes it, `sha256` is the content hash of all their tensors and of what is
    known of them. `network` is the reference network that they were matched with, as plain JSON values, called `model`;
    `mean` and `deviation` of each channel normalise images, in values from 0 to 255, empty where the images' own do.
    `keep` says which channels narrower candidates keep: the `largest` (L1), or the `first`.
    """

    source: str
    sha256: str
    network: dict[str, Any]
    model: str = ""
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    keep: Literal["largest", "first"] = "largest"

    @property
    def words(self) -> str:
        """What tells these weights from others, for people."""
        return f"sha256 {self.sha256[:8]}, keeping the {self.keep} channels, of {self.source}"


class StudyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A study: its problem as plain JSON values, and what drives it.

    `name` is the study's in its ledger. `problem` is a `Problem` by `msgspec.to_builtins`, `strategy` names what
    proposes networks, `seed` is what all random draws follow from. `trials` is the total of networks asked for,
    where `rungs` pause that of the whole trainings whose epochs are shared out.
    `epochs` are those of a whole training, the last rung's where there are `rungs`. `stop_early` is the confidence with
    which hopeless trainings end before that, `None` where none does. With `inherit` candidates begin with the weights
    of the networks that they were made from, all others with those of `pretrained` where there are such. `estimator`
    names another way to estimate than training; `estimator_file`
    is the SHA-256 of the file that it reads, or of the results that it has learned from, where there are such.
    `made_with` is the source of what a user brought, by definition (`naslab.outside.source_of`), `changes` are those of
    it that were accepted since.
    `merged` are the studies that it was put together from.
    `prior` names the cheap estimators and the earlier studies that say which networks are promising, separated by
    commas, and `pool` is how many networks they score; empty and 0 without any.
    A `deterministic` study is the same whatever its number of workers. `created` is in seconds since the epoch (UTC).
    """

    name: str
    problem: dict[str, Any]
    strategy: str
    epochs: int
    seed: int
    trials: int
    created: float = 0.0
    rungs: Rungs | None = None
    stop_early: float | None = None
    inherit: bool = False
    pretrained: PretrainedStart | None = None
    estimator: str = ""
    estimator_file: str = ""
    deterministic: bool = False
    made_with: dict[str, str] = {}
    changes: tuple[SourceChange, ...] = ()
    merged: tuple[MergedStudy, ...] = ()
    prior: str = ""
    pool: int = 0

    @property
    def num_asked(self) -> int:
        """How many trials are asked for: networks, and with pauses the epochs of so many whole trainings.

        >>> StudyRecord(name="a", problem={}, strategy="bayes", epochs=4, seed=0, trials=50).num_asked
        50
        """
        return self.trials * (self.epochs if self.rungs is not None and self.rungs.pauses else 1)


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One launch of a study: the command, the machine and the versions that made its outcomes.

    `command` is the command line, `started` the time in seconds since the epoch (UTC). `machine` holds facts about the
    machine of the driver, `versions` those of naslab and its libraries, by name. `executor` is `local`, `ray` or
    `ledger`, with `num_workers` workers.
    """

    command: str
    started: float
    machine: dict[str, Any] = {}
    versions: dict[str, str] = {}
    executor: str = "local"
    num_workers: int = 1
