"""Recipe: how a network is trained, one value stored with every study."""

from __future__ import annotations

from typing import Literal

from naslab.arch.block import Spec, require


class Recipe(Spec, frozen=True):
    """How a candidate is trained. Learning rates are for the whole batch, `epochs` come from the fidelity."""

    optimizer: Literal["sgd", "adamw", "rmsprop"] = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    batch_size: int = 128
    schedule: Literal["cosine", "one_cycle", "constant"] = "one_cycle"
    label_smoothing: float = 0.0
    crop_padding: int = 0
    horizontal_flip: bool = False

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, "learning_rate", f"must be above 0, got {self.learning_rate}")
        require(self.batch_size >= 1, "batch_size", f"must be at least 1, got {self.batch_size}")
        require(0 <= self.label_smoothing < 1, "label_smoothing", f"must be in [0, 1), got {self.label_smoothing}")
