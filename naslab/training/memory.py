"""How much memory the training of a candidate takes, predicted from its description alone: no torch here.

Compared with the allocations of whole training steps on a CPU (`tests/unit/training/test_memory.py`), not yet with a
GPU's.
"""

from __future__ import annotations

import logging
from functools import cache, lru_cache

import msgspec

from naslab.arch import ArchSpec, cost
from naslab.arch.cost import BYTES_PER_VALUE, layer_costs
from naslab.arch.kept import kept_values, unknown_memory
from naslab.arch.lower import lower
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Candidate
from naslab.study.recipe import Recipe
from naslab.training.datasets.info import facts_of
from naslab.training.fidelity import arch_at

logger = logging.getLogger(__name__)

MARGIN = 1.15
"""What is added for the allocator's gaps, buffers of norms and small temporary maps."""
WEIGHT_COPIES = 4
"""Copies of the largest layer's weights that a convolution's own work space takes: what oneDNN took."""
REDUCED_BYTES = 2
OPTIMIZER_COPIES = {"sgd": 1, "adamw": 2, "rmsprop": 2}
EVALUATED_IMAGES = 256
EVALUATED_STEPS = 8
"""An evaluation looks at so many images at once, and at no more than so many batches (`naslab.training.evaluation`)."""
CONTEXT_BYTES = {"cpu": 300 * 2**20, "cuda": 700 * 2**20}
"""What a process takes on its device before it trains anything: libraries on a host, a context with them on a GPU."""


class MemoryNeed(msgspec.Struct, frozen=True):
    """Bytes that a training takes at its peak, by what they are for.

    `weights` are all copies of them (averaged, best, in bfloat16), `gradients` and `optimizer` go with them. `maps` are
    those kept for the backward pass with the largest gradients, or those of an evaluation where they are more; both
    where steps are recorded, for the memory of a recording stays its own. `workspace` is the convolutions' own.
    """

    weights: int
    gradients: int
    optimizer: int
    maps: int
    workspace: int

    @property
    def total(self) -> int:
        """All of them, with a margin."""
        return round(MARGIN * (self.weights + self.gradients + self.optimizer + self.maps + self.workspace))


@lru_cache(maxsize=1024)
def training_memory(arch: ArchSpec, recipe: Recipe, device: str = "cpu") -> MemoryNeed | None:
    """The memory that training a network by a recipe takes on a device (`cpu`, `cuda:0`), but for the data set.

    On a CPU `auto` counts as float32, which is the most that it can be. `None` where a layer of the network does not
    declare which maps it keeps; a warning names it once.

    >>> from naslab.zoo import model
    >>> need = training_memory(model("resnet20_cifar"), Recipe())
    >>> need.weights, need.maps // 2**20
    (1078888, 194)
    """
    plan = lower(arch, auxiliary=True)
    maps = kept_values(plan, arch.input)
    if maps is None:
        tell_unknown(unknown_memory(plan))
        return None
    is_reduced = recipe.precision == "bfloat16" or (recipe.precision == "auto" and device.startswith("cuda"))
    params = cost(arch).params
    largest = max((row.params for row in layer_costs(arch)), default=0)
    copies = 1 + (recipe.ema_decay is not None) + (recipe.stop_patience is not None)
    value_bytes = REDUCED_BYTES if is_reduced else BYTES_PER_VALUE
    kept = maps.peak * recipe.batch_size * value_bytes
    evaluated = min(EVALUATED_IMAGES, EVALUATED_STEPS * recipe.batch_size)
    seen = cost(arch).peak_activation_bytes * evaluated * value_bytes // BYTES_PER_VALUE
    images = arch.input[0] * arch.input[1] * arch.input[2] * recipe.batch_size * BYTES_PER_VALUE
    is_recorded = recipe.graphs != "off" and device.startswith("cuda")
    return MemoryNeed(
        weights=params * (BYTES_PER_VALUE * copies + (REDUCED_BYTES if is_reduced else 0)),
        gradients=params * BYTES_PER_VALUE,
        optimizer=params * BYTES_PER_VALUE * OPTIMIZER_COPIES[recipe.optimizer],
        maps=(kept + seen if is_recorded else max(kept, seen)) + 2 * images,
        workspace=WEIGHT_COPIES * largest * BYTES_PER_VALUE,
    )


@cache
def tell_unknown(kinds: tuple[str, ...]) -> None:
    """Warn, once for each set of layers, that nothing is predicted of networks with them."""
    logger.warning(
        "the training memory of networks with %s is not known: they are trained as if there were room for them; "
        "give Declaration(memory=...) to have it predicted",
        ", ".join(kinds),
    )


class WorkerMemory(msgspec.Struct, frozen=True):
    """What a worker process takes of its device: itself, the images of `data`, and the candidate that it trains.

    It is trained by `recipe`; `data_dir` is where the data are looked for.
    """

    recipe: Recipe
    data: DataChoice
    data_dir: str | None = None

    def idle_bytes(self, device: str) -> int:
        """What a worker takes that trains nothing yet: its process, and the images that it holds."""
        facts = facts_of(self.data, self.data_dir)
        held = facts.num_train if self.data.max_images is None else min(facts.num_train, self.data.max_images)
        images = 0 if self.data.storage == "stream" else held * facts.image_bytes
        return CONTEXT_BYTES["cuda" if device.startswith("cuda") else "cpu"] + images

    def candidate_bytes(self, candidate: Candidate, device: str) -> int | None:
        """What training a candidate takes beside that, at the width and resolution of its fidelity, where known."""
        need = training_memory(arch_at(candidate.arch, candidate.fidelity), self.recipe, device)
        return None if need is None else need.total


class GivenMemory(msgspec.Struct, frozen=True):
    """What a worker takes whose candidates may take `num_bytes` each, of trainings of which nothing else is known."""

    num_bytes: int

    def idle_bytes(self, device: str) -> int:
        """What a worker takes that trains nothing yet: its process on a host, a context on a GPU."""
        return CONTEXT_BYTES["cuda" if device.startswith("cuda") else "cpu"]

    def candidate_bytes(self, candidate: Candidate, device: str) -> int:
        """What any candidate may take beside that."""
        return self.num_bytes
