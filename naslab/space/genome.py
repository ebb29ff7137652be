"""The choices of a space (holes), those that make one network (a genome), and genomes as vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from naslab.errors import SpecError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Hole(msgspec.Struct, frozen=True, eq=False, dict=True):
    """A choice among `options`, each a plain value or a subtree of the template.

    `path` names it within its space. It is ordered where its options are two or more numbers that rise or fall.

    >>> Hole(path="stages[0].block.kernel", options=(3, 5, 7)).is_ordered
    True
    >>> Hole(path="stages[0].block", options=({"type": "mbconv"}, {"type": "conv"})).labels
    ('mbconv', 'conv')
    """

    path: str
    options: tuple[Any, ...]
    is_shared: bool = False

    @cached_property
    def is_ordered(self) -> bool:
        """Whether the options lie on a line, so that neighbouring options are alike."""
        numbers = self.options
        if len(numbers) < 2 or not all(type(each) in (int, float) for each in numbers):
            return False
        rises = [after > before for before, after in pairwise(numbers)]
        return all(rises) or not any(rises)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """A short text for each option, all different."""
        short = tuple(_short(option) for option in self.options)
        if len(set(short)) == len(short):
            return short
        return tuple(_long(option) for option in self.options)


def other_option(hole: Hole, taken: int, rng: np.random.Generator, near: bool = False) -> int:
    """Another option of `hole` than `taken`, at random; it must have two at least.

    All are equally likely. With `near` one that lies d steps away on an ordered hole has odds of 1 / d^2, as polynomial
    mutation favours near values (Deb and Goyal 1996).

    >>> import numpy as np
    >>> other_option(Hole(path="kernel", options=(3, 5)), 1, np.random.default_rng(0))
    0
    """
    count = len(hole.options)
    if not near or not hole.is_ordered:
        return (taken + int(rng.integers(1, count))) % count
    import numpy as np

    others = [option for option in range(count) if option != taken]
    odds = np.array([1.0 / (option - taken) ** 2 for option in others])
    return others[int(rng.choice(len(others), p=odds / odds.sum()))]


def _short(option: Any) -> str:
    return option["type"] if isinstance(option, Mapping) and isinstance(option.get("type"), str) else _long(option)


def _long(option: Any) -> str:
    if isinstance(option, str):
        return option
    if not isinstance(option, Mapping):
        return msgspec.json.encode(option).decode()
    parts = [option["type"]] if isinstance(option.get("type"), str) else []
    parts += [f"{key}={_long(value)}" for key, value in option.items() if key != "type"]
    return " ".join(parts) or "{}"


class Gene(NamedTuple):
    """A hole of the template (`stages[0].block`) and the index of the option taken."""

    hole: str
    option: int


class Genome(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """The active choices only: shared holes first, then the others in the template's order.

    Equal genomes make the same choices.
    """

    genes: tuple[Gene, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as two tuples: a driver sends every candidate to a worker, and each gene by itself took a third."""
        return _genome_of, tuple(zip(*self.genes, strict=True))

    def get(self, hole: str) -> int | None:
        """The option taken at a hole, `None` where the hole is not active."""
        return next((gene.option for gene in self.genes if gene.hole == hole), None)


def _genome_of(holes: Sequence[str] = (), options: Sequence[int] = ()) -> Genome:
    return Genome(tuple(map(Gene._make, zip(holes, options, strict=True))))


class Encoding:
    """Genomes as vectors of a fixed length: one place for an ordered hole, one for each option of another hole."""

    def __init__(self, holes: Mapping[str, Hole]) -> None:
        import numpy as np

        self._slots: dict[str, tuple[int, bool, int]] = {}
        blank: list[float] = []
        for path, hole in holes.items():
            self._slots[path] = (len(blank), hole.is_ordered, len(hole.options))
            blank += [-1.0] if hole.is_ordered else [0.0] * len(hole.options)
        self._blank = np.array(blank)

    def encode(self, genome: Genome) -> NDArray[np.float64]:
        """The vector of `genome`: shape (places,), in the order of the holes.

        An ordered hole is its option's rank scaled to 0..1, or -1 where it is not active. Another hole is one-hot over
        its options, zeros where it is not active. Raises `SpecError` for a genome of another space.
        """
        vector = self._blank.copy()
        for path, option in genome.genes:
            start, is_ordered, count = self._slots.get(path, (0, False, 0))
            if not 0 <= option < count:
                raise SpecError(path, f"has no option {option} here; where a ledger says it, restore that from a copy")
            if is_ordered:
                vector[start] = option / (count - 1)
            else:
                vector[start + option] = 1.0
        return vector
