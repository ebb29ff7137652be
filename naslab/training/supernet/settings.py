"""SupernetSettings: what a supernet is trained on, and how."""

from __future__ import annotations

import msgspec

from naslab.arch.block import require
from naslab.space import SearchSpace
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import Recipe


class SupernetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A space, data, a recipe, and the paths that each batch trains.

    `num_paths` random networks (Guo et al. 2019, arXiv 1904.00420, train one); under the `sandwich` rule the largest
    and the smallest network as well (Yu and Huang 2019, arXiv 1903.05134, section 3.1), all others learning from the
    largest one's outputs where it is to `distill` (section 3.2). The step is along the mean of their gradients, where
    Yu and Huang take the sum. How much the sandwich rule or distilling improves the ranking of networks here was not
    measured: `naslab calibrate` measures it for a space. Raises `SpecError` for fewer than one epoch or path, and for
    `distill` without `sandwich`.
    """

    space: SearchSpace
    data: DataChoice
    recipe: Recipe
    epochs: int
    seed: int = 0
    num_paths: int = 2
    sandwich: bool = True
    distill: bool = False

    def __post_init__(self) -> None:
        sizes = " and ".join(f"{height}x{width}" for _, height, width in self.space.inputs)
        rule = f"a supernet is trained on images of one size, those of the space are {sizes}; give one"
        require(len(self.space.inputs) == 1, "resolution", rule)
        require(self.epochs >= 1, "epochs", f"must be at least 1, got {self.epochs}")
        require(self.num_paths >= 1, "num_paths", f"must be at least 1, got {self.num_paths}")
        require(self.sandwich or not self.distill, "distill", "needs the largest network of the sandwich rule")

    @property
    def size(self) -> tuple[int, int]:
        """The (height, width) of the images."""
        _, height, width = self.space.inputs[0]
        return height, width
