"""How a detector or segmenter is trained, one value. No torch here."""

from __future__ import annotations

from pathlib import Path

from naslab.arch.block import Spec, require
from naslab.arch.files import decode
from naslab.arguments import refuse_wrong_fields
from naslab.errors import SpecError
from naslab.study.recipe import RECIPES, Recipe
from naslab.training.recipe_files import fields_in, in_file


class DenseRecipe(Spec, frozen=True, omit_defaults=False):
    """How a detector or segmenter is trained: AdamW with a cosine that begins with a warm-up.

    A batch has `batch_size` images; `learning_rate` is the largest, reached after the share `warmup` of all steps, and
    that of a pretrained network is `body_share` of it. `weight_decay` is AdamW's, gradients are cut to the norm
    `clip`; `flip` mirrors every second image, drawn anew each epoch. A detector's heads learn from at most `boxes`
    proposals of an image, a quarter of them on objects where there are so many: 512 in torchvision, 64 in Fast R-CNN's
    paper (arXiv 1504.08083, section 2.3). On a processor they are much of what a step takes where images are small.

    Raises `SpecError` for values out of range.

    >>> DenseRecipe(boxes=64, learning_rate=2e-3).batch_size
    8
    """

    batch_size: int = 8
    learning_rate: float = 1e-3
    body_share: float = 0.2
    weight_decay: float = 1e-4
    warmup: float = 0.1
    clip: float = 5.0
    flip: bool = True
    boxes: int = 512

    def __post_init__(self) -> None:
        refuse_wrong_fields(self)
        require(self.batch_size >= 2, "batch_size", f"must be at least 2 (batch norm), got {self.batch_size}")
        for name in ("learning_rate", "clip"):
            value = getattr(self, name)
            require(value > 0, name, f"must be above 0, got {value}")
        for name in ("body_share", "weight_decay"):
            value = getattr(self, name)
            require(value >= 0, name, f"must be at least 0, got {value}")
        require(0 <= self.warmup <= 1, "warmup", f"must be from 0 to 1, got {self.warmup}")
        require(self.boxes >= 4, "boxes", f"must be at least 4, a quarter of which are objects, got {self.boxes}")

    def annealed_over(self, epochs: int) -> Recipe:
        """A recipe whose learning rate falls over so many `epochs` as this one's does."""
        return Recipe(schedule="cosine", warmup_epochs=self.warmup * epochs)


def read_dense_recipe(path: Path) -> DenseRecipe:
    """The recipe of a detector or segmenter in a YAML or JSON file of fields of `DenseRecipe`, as `{boxes: 64}`.

    Raises `SpecError` with the file and the field, and for the name of a classifier's recipe, `NaslabError` for a file
    that is missing, no YAML, or not a mapping of fields.
    """
    if str(path) in RECIPES:
        rule = f"must be a file of a detector's or segmenter's recipe, as 'boxes: 64', got '{path}', a classifier's"
        raise SpecError("recipe", rule)
    fields = fields_in(path)
    try:
        return decode(fields, DenseRecipe)
    except SpecError as error:
        raise in_file(error, path) from None
