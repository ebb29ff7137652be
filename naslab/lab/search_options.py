"""SearchOptions: every option of a search, defined once, with what is said about it wherever it is offered.

The signature of `naslab.search`, the parameters of the command `naslab search` and the fields of `StudyRecord` agree
with it, which a test holds. Help texts may hold `{strategies}` and the like, the names of a registry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from naslab.estimators.estimator import Estimator
    from naslab.execution.workers import Workers
    from naslab.lab.models import AnyResolutions
    from naslab.space import SearchSpace
    from naslab.strategies.strategy import Strategy
    from naslab.study.data_choice import DataChoice
    from naslab.study.recipe import Recipe
    from naslab.study.rungs import Rungs
    from naslab.training.datasets.given import Data

DEFAULT_EPOCHS = 4
"""Epochs of short training for each candidate, where neither the caller nor the estimator says a number."""

Panel = Literal["Search", "Data", "Training", "Estimates", "Workers", "Study"]
"""What an option is about: its place in a command's help."""


class OptionRow(NamedTuple):
    """What is said about an option.

    `record` names the fields of `StudyRecord` that hold it; none of an option that is of one run alone. Where
    `is_fixed` a study goes on with the same value only. `flags` are the command's parameters that make it up, the
    option's own name where there are none, each with its help.
    """

    panel: Panel
    help: str
    record: tuple[str, ...] = ()
    is_fixed: bool = False
    flags: tuple[tuple[str, str], ...] = ()

    def parts(self, name: str) -> dict[str, str]:
        """The command's parameters for the option `name`, with their help."""
        return dict(self.flags) or {name: self.help}


def _told(
    panel: Panel, help: str, *, fixed: str | tuple[str, ...] = (), grows: str = "", flags: dict[str, str] | None = None
) -> dict[str, OptionRow]:
    """A field's metadata; `fixed` are the record's fields that must stay the same, `grows` is one that may change."""
    record = (grows,) if grows else (fixed,) if isinstance(fixed, str) else fixed
    return {"told": OptionRow(panel, help, record, bool(fixed), tuple((flags or {}).items()))}


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """What a search was asked for, as the caller wrote it; nothing is checked or looked up yet.

    A dataclass, because its fields can say things about themselves without their types being loaded.

    >>> SearchOptions(space="digits_demo", trials=20).strategy
    'auto'
    """

    space: SearchSpace | str | Path = field(
        metadata=_told("Search", "A shipped space (see `naslab spaces`) or a YAML file.", fixed="problem")
    )
    strategy: str | BaseSampler | Strategy = field(
        default="auto",
        metadata=_told(
            "Search",
            "How candidates are chosen: {strategies}; auto chooses one; or your own, as my_code:MyStrategy.",
            fixed="strategy",
        ),
    )
    trials: int = field(
        default=50, metadata=_told("Search", "Candidates in all, over every run of the study.", grows="trials")
    )
    hours: float | None = field(
        default=None,
        metadata=_told(
            "Search", "Start nothing new once the study was searched this long, over every run; trials are the most."
        ),
    )
    objectives: Sequence[str] | None = field(
        default=None,
        metadata=_told(
            "Search",
            "Comma-separated: {metrics}, or the score of the estimator, which is the default in place of accuracy.",
            fixed="problem",
        ),
    )
    limits: Sequence[str] = field(
        default=(),
        metadata=_told(
            "Search",
            "Hard limits that are met before anything is trained.",
            fixed="problem",
            flags={
                "limit": "A hard limit met before training, as 'macs<=50M', of {limitable}; may be repeated.",
                "operators": "A named set that every layer must be of: {operators}.",
            },
        ),
    )
    prefer: Sequence[str] | None = field(
        default=None,
        metadata=_told(
            "Search",
            "The part of the front to search, as 'accuracy>=90'. It is no limit: networks beyond it are trained, "
            "too, and rank behind. For {with_preferences}; may be repeated.",
            fixed="problem",
        ),
    )
    seed: int = field(
        default=0, metadata=_told("Search", "Seed of the strategy, of the weights and of the batches.", fixed="seed")
    )
    deterministic: bool = field(
        default=False,
        metadata=_told(
            "Search",
            "The same study for any number of workers: outcomes are told in the order of trials.",
            fixed="deterministic",
        ),
    )
    dataset: str | DataChoice | Data | None = field(
        default=None,
        metadata=_told(
            "Data",
            "The data set, how it is split and where its images are held.",
            fixed="problem",
            flags={
                "dataset": "{datasets}; by default the space's own.",
                "validation": "The share of the training images that validates, where the data have no validation "
                "images of their own.",
                "storage": "Hold the images in memory, or read each batch from disk; auto streams what is too large.",
                "skip_unreadable": "Leave image files out that cannot be read.",
                "channels": "Make images of files grey (1) or coloured (3); by default as their files are.",
                "task": "What labels mean where they do not tell: classification, multilabel or regression; or what "
                "is searched for on each network, with --dataset coco:DIR and the like: detection, "
                "instance_segmentation, keypoints, segmentation.",
            },
        ),
    )
    resolution: AnyResolutions | None = field(
        default=None,
        metadata=_told(
            "Data",
            "Input size of the networks: 32, or height x width as 32x48; of several, as 128,160 or 128:224:32, each "
            "network chooses its own. By default the space's.",
            fixed="problem",
        ),
    )
    max_images: int | None = field(
        default=None, metadata=_told("Data", "Use this many of the data set's training images only.", fixed="problem")
    )
    data_dir: str | None = field(
        default=None, metadata=_told("Data", "Folder of the data sets; else NASLAB_DATA, else a download.")
    )
    rungs: Rungs | Sequence[int] | None = field(
        default=None,
        metadata=_told(
            "Training",
            "Epochs of each rung, and the share of each that is trained on to the next.",
            fixed="rungs",
            flags={
                "rungs": "Epochs of each rung, as 1,3,9: the best of each are trained on. Takes the place of --epochs.",
                "keep": "The share of each rung that is trained on to the next.",
            },
        ),
    )
    pause: bool = field(
        default=False,
        metadata=_told(
            "Training",
            "Pause trainings after every epoch; what is expected to gain most goes on, one of them or a new network. "
            "Trains as many epochs as --trials whole trainings have. For {with_pauses}.",
            fixed="rungs",
        ),
    )
    epochs: int | None = field(
        default=None, metadata=_told("Training", "Epochs of short training for each candidate.", fixed="epochs")
    )
    recipe: Recipe | str | Path | None = field(
        default=None, metadata=_told("Training", "{recipes} or a YAML or JSON file of its fields.", fixed="problem")
    )
    stop_early: float | None = field(
        default=None,
        metadata=_told(
            "Training",
            "End a training that will not reach the front at its cost with this confidence, as 0.95.",
            fixed="stop_early",
        ),
    )
    inherit: bool = field(
        default=False,
        metadata=_told(
            "Training", "Candidates begin with the weights of the networks they were made from.", fixed="inherit"
        ),
    )
    pretrained: str | Path | None = field(
        default=None,
        metadata=_told(
            "Training",
            "Candidates begin with these weights, sliced, widened or deepened: torchvision, timm:NAME, a file of "
            "either or of naslab, a trained folder, STUDY:TRIAL.",
            fixed="pretrained",
        ),
    )
    least_match: float = field(
        default=0.9,
        metadata=_told(
            "Training", "Refuse weights of which a smaller share fits the network that the space is around."
        ),
    )
    keep_channels: Literal["largest", "first"] = field(
        default="largest",
        metadata=_told(
            "Training",
            "Which channels of pretrained weights narrower candidates keep: the largest by L1, or the first; after an "
            "epoch of fine-tuning neither was better for sure.",
            fixed="pretrained",
        ),
    )
    baselines: Sequence[str] = field(
        default=(),
        metadata=_told(
            "Training",
            "Zoo networks to train with the same recipe after the search.",
            flags={"baseline": "A zoo network to train with the same recipe; may be repeated."},
        ),
    )
    estimator: str | Callable[..., Any] | Estimator | None = field(
        default=None,
        metadata=_told(
            "Estimates",
            "What ranks networks in place of short training.",
            fixed=("estimator", "estimator_file"),
            flags={
                "estimator": "What ranks networks in place of short training: {estimators}, with options (`naslab "
                "estimators`) as in supernet:path=FILE, extrapolated:epochs=3,of=4 or predictor:study=NAME, which "
                "predicts what another study would measure; or your own training function, as my_code:evaluate.",
                "kind": "What stands on each network in detection and segmentation, by default the first of the task.",
                "levels": "The strides of the maps that it stands on: 4,8,16,32; 16 for fcn and deeplabv3.",
                "head_channels": "Channels of its heads, 256.",
            },
        ),
    )
    workers: Workers | int | Literal["auto"] | None = field(
        default=None,
        metadata=_told(
            "Workers",
            "How many candidates are estimated at once, and where.",
            flags={
                "executor": "Worker processes here, Ray actors, or those that join by the ledger (naslab worker).",
                "workers": "Candidates at once, by default one a core or GPU; auto: as many as a Ray cluster has room "
                "for, while nodes join and leave.",
                "gpus_per_worker": "Share of a GPU for each worker; 0 keeps to the CPU, by default a GPU if any.",
                "ray_address": "An existing Ray cluster, as host:port or 'auto'.",
                "timeout": "Seconds after which an estimate that is not done fails.",
                "memory": "The most memory that a candidate may take beside its idle worker, as 4G; one that takes "
                "more fails as out of memory.",
            },
        ),
    )
    prior: str | None = field(
        default=None,
        metadata=_told(
            "Estimates",
            "What says before any training which networks are promising, for --strategy bayes: estimators that train "
            "nothing, as ensemble or naswot,synflow, and earlier studies, as study:NAME.",
            fixed="prior",
        ),
    )
    pool: int = field(
        default=1000,
        metadata=_told("Estimates", "Networks that the prior scores beside trials.", fixed="pool"),
    )
    study: str | None = field(
        default=None, metadata=_told("Study", "The study's name; by default SPACE-STRATEGY-SEED.", grows="name")
    )
    accept_changes: bool = field(
        default=False,
        metadata=_told("Study", "Go on with a study although your own code has changed since; the study says so."),
    )
    ledger: str | Path = field(default="naslab.db", metadata=_told("Study", "SQLite file or PostgreSQL URL."))


TOLD: dict[str, OptionRow] = {each.name: each.metadata["told"] for each in fields(SearchOptions)}
"""What is said about each option, by its name."""


def identity_fields() -> tuple[str, ...]:
    """The fields of `StudyRecord` that a study goes on with unchanged, in the order in which they are compared.

    >>> identity_fields()[:3]
    ('problem', 'strategy', 'seed')
    """
    return tuple(dict.fromkeys(name for told in TOLD.values() if told.is_fixed for name in told.record))
