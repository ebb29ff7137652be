"""Recipe: how a network is trained, one value stored with every study."""

from __future__ import annotations

from typing import Literal

from naslab.arch.block import Spec, require
from naslab.errors import UnknownNameError


class Recipe(Spec, frozen=True):
    """How a candidate is trained. Learning rates are for the whole batch, `epochs` come from the fidelity.

    Schedules: `one_cycle` (Smith 2018, arXiv 1803.09820: up over the first quarter, down to 0, both linear), `cosine`
    (arXiv 1608.03983), `step` (times `step_factor` at each of `step_at`, shares of the training), `plateau` (times
    `step_factor` after `patience` epochs without a lower validation loss), `constant`; a linear warm-up of
    `warmup_epochs` goes before all but `one_cycle`.

    `cutout` is the side of the masked square in pixels (arXiv 1708.04552), `mixup` and `cutmix` the beta
    distribution's parameter (arXiv 1710.09412, 1905.04899; with both, each batch takes one of them), `ema_decay` keeps
    averaged weights for evaluation, `clip_norm` bounds the gradient's norm, `clip_ratio` each unit's gradient relative
    to its weights (arXiv 2102.06171). `precision` `auto` is bfloat16 where the device is a GPU: on a CPU with
    AVX-512 bfloat16 it made dense convolutions 1.5 times as fast and narrow depthwise ones half as fast. `momentum` is
    the first beta of AdamW.
    """

    optimizer: Literal["sgd", "adamw", "rmsprop"] = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    batch_size: int = 128
    schedule: Literal["cosine", "one_cycle", "step", "plateau", "constant"] = "one_cycle"
    warmup_epochs: float = 0.0
    step_at: tuple[float, ...] = (0.5, 0.75)
    step_factor: float = 0.1
    patience: int = 5
    label_smoothing: float = 0.0
    crop_padding: int = 0
    horizontal_flip: bool = False
    cutout: int = 0
    mixup: float = 0.0
    cutmix: float = 0.0
    ema_decay: float | None = None
    clip_norm: float | None = None
    clip_ratio: float | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def __post_init__(self) -> None:
        for name in ("learning_rate", "clip_norm", "clip_ratio"):
            value = getattr(self, name)
            require(value is None or value > 0, name, f"must be above 0, got {value}")
        for name in ("weight_decay", "warmup_epochs", "crop_padding", "cutout", "mixup", "cutmix"):
            value = getattr(self, name)
            require(value >= 0, name, f"must be at least 0, got {value}")
        require(self.batch_size >= 2, "batch_size", f"must be at least 2 (batch norm), got {self.batch_size}")
        require(self.patience >= 1, "patience", f"must be at least 1, got {self.patience}")
        require(0 <= self.momentum < 1, "momentum", f"must be in [0, 1), got {self.momentum}")
        require(0 <= self.label_smoothing < 1, "label_smoothing", f"must be in [0, 1), got {self.label_smoothing}")
        require(0 < self.step_factor < 1, "step_factor", f"must be between 0 and 1, got {self.step_factor}")
        in_order = list(self.step_at) == sorted(self.step_at) and all(0 < share < 1 for share in self.step_at)
        require(in_order, "step_at", f"must be ascending shares between 0 and 1, got {list(self.step_at)}")
        decay = self.ema_decay
        require(decay is None or 0 < decay < 1, "ema_decay", f"must be between 0 and 1, got {decay}")


RECIPES = ("short", "full")
"""The recipes known by name: for a search's estimates of a few epochs, and for training what was found."""


def named_recipe(name: str, dataset: str) -> Recipe:
    """The recipe of a name, fitted to a data set.

    >>> named_recipe("short", "digits").batch_size
    32
    """
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    is_tiny = dataset == "digits"
    has_mirror_images = not is_tiny
    short = Recipe(
        learning_rate=0.25 if is_tiny else 0.1,
        batch_size=32 if is_tiny else 128,
        label_smoothing=0.1 if is_tiny else 0.0,
        horizontal_flip=has_mirror_images,
    )
    if name == "short":
        return short
    return Recipe(
        learning_rate=short.learning_rate,
        batch_size=short.batch_size,
        schedule="cosine",
        warmup_epochs=1.0,
        label_smoothing=0.1,
        crop_padding=1 if is_tiny else 4,
        horizontal_flip=has_mirror_images,
    )


def default_recipe(dataset: str) -> Recipe:
    """What a search trains with unless told otherwise: the recipe `short`."""
    return named_recipe("short", dataset)
