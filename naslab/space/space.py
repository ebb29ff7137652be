"""SearchSpace: a template of an architecture with holes, and what can be done with the choices it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from naslab.arch.cost import cost
from naslab.arch.plan import Shape
from naslab.arch.spec import ArchSpec
from naslab.errors import SpecError
from naslab.space.counting import Counting
from naslab.space.decoding import Decoding
from naslab.space.genome import Encoding, Genome, Hole
from naslab.space.inputs import each_size, input_of, input_shapes, with_channels
from naslab.space.membership import genomes_of
from naslab.space.moves import GenomeMoves
from naslab.space.repairing import cheapest_genome, repaired_genome
from naslab.space.starting_point import starting_network
from naslab.space.template import normalised
from naslab.space.tree import Tree, grow_tree
from naslab.space.validation import refuse_bad_options
from naslab.space.walk import Chooser, checked, walk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_DRAWS = 200
"""Draws or moves in a row that are no networks before a space says so."""


class SearchSpace(msgspec.Struct, frozen=True, dict=True):
    """A template of an architecture with holes.

    The `template` is kept in its one form (see `naslab.space.template`): plain JSON values, equal for equal spaces. A
    bad one is refused here, with the path of the mistake: `SpecError`. `name` is what tables and messages call the
    space. Some combinations of options may still be no network, such as groups that do not divide a width: `size` and
    ranks count them, `decode` or `cost` raises for them, and `sample`, `mutate`, `cross`, `neighbours`, `enumerate` and
    `repair` never give them.

    >>> from naslab.arch import ConvBlock, MBConv
    >>> from naslab.space import choice
    >>> stage = {"block": choice(MBConv(), ConvBlock(kernel=5)), "width": choice(16, 32), "stride": 2}
    >>> space = SearchSpace({"input": [3, 32, 32], "stages": [stage, stage], "num_classes": 10})
    >>> space.size()
    16
    >>> import numpy as np
    >>> genome = space.sample(np.random.default_rng(0))
    >>> len(space.decode(genome).stages), space.contains(space.decode(genome))
    (2, True)
    """

    template: Any
    name: str = ""

    def __post_init__(self) -> None:
        written = self.template
        msgspec.structs.force_setattr(self, "template", normalised(written))
        self.__dict__["starting_point"] = starting_network(written)
        refuse_bad_options(self._tree, self._decoding)

    def __hash__(self) -> int:
        return hash((msgspec.json.encode(self.template), self.name))

    def size(self) -> int:
        """The exact number of genomes; conditional choices count only where they are active."""
        return self._counting.size

    @property
    def starting_network(self) -> tuple[str, ArchSpec] | None:
        """The network that the holes were cut into and its zoo name, empty without one; `None` where nobody knows.

        It is known of the template as it was written (`zoo`, `base`), and no part of the space: a ledger keeps none.
        """
        found: tuple[str, ArchSpec] | None = self.__dict__.get("starting_point")
        return found

    def holes(self) -> tuple[Hole, ...]:
        """Every hole, in the order of genomes, with its path, its options and whether they are ordered."""
        return tuple(self._tree.holes.values())

    def fill(self, choose: Chooser) -> Genome:
        """The genome that `choose` makes, asked once for each hole that its answers make active.

        >>> from naslab.space import load_space
        >>> space = load_space("nas_bench_macro")
        >>> space.fill(lambda hole: len(hole.options) - 1).genes[0]
        Gene(hole='stages[0].block', option=2)
        """
        return walk(self._tree, choose)

    def has(self, genome: Genome) -> bool:
        """Whether a genome takes an option of exactly the holes that are active in it."""
        try:
            checked(self._tree, genome)
        except SpecError:
            return False
        return True

    def decode(self, genome: Genome) -> ArchSpec:
        """The network of `genome`. Raises `SpecError` for a genome of another space, or options that clash."""
        return self._decoding.decode(genome)

    def is_network(self, genome: Genome) -> bool:
        """Whether the options of `genome` fit together: whether it decodes to a network that has a cost."""
        try:
            cost(self.decode(genome))
        except SpecError:
            return False
        return True

    def genome_at(self, rank: int) -> Genome:
        """The genome of a `rank` from 0 to `size() - 1`, without enumerating those before it; `IndexError` beyond."""
        return self._counting.genome_at(rank)

    def enumerate(self) -> Iterator[Genome]:
        """Every genome that is a network, lazily, in the order of ranks."""
        return filter(self.is_network, (self.genome_at(rank) for rank in range(self.size())))

    def sample(self, rng: np.random.Generator) -> Genome:
        """A genome, each that is a network equally likely. Raises `SpecError` if 200 in a row are none."""
        return self._first_network(self.genome_at(_rank_below(self.size(), rng)) for _ in range(MAX_DRAWS))

    def mutate(self, genome: Genome, rng: np.random.Generator, near: bool = False) -> Genome:
        """The genome with one active choice changed, what becomes active below it filled at random.

        A changed number of repeated stages inserts or deletes stages anywhere; two of them may also change places. With
        `near` an ordered choice moves d options away with odds of 1 / d^2. The genome itself comes back where the space
        holds no other.
        """
        return self._first_network(self._moves.mutated(genome, rng, near) for _ in range(MAX_DRAWS))

    def cross(self, one: Genome, two: Genome, rng: np.random.Generator) -> Genome:
        """A child that has each stage, and each choice outside the stages, from either parent at equal odds.

        Choices that neither parent makes are filled at random. `one` comes back where no child is a network.
        """
        children = (self._moves.crossed(one, two, rng) for _ in range(MAX_DRAWS))
        return next((child for child in children if self.is_network(child)), one)

    def neighbours(self, genome: Genome) -> Iterator[Genome]:
        """Every network one choice away, lazily, in a fixed order. Neighbourhood is mutual.

        An option with holes of its own comes with all their fillings. A number of repeated stages changes by one option
        up or down, at the end of the list, and comes last.
        """
        return filter(self.is_network, self._moves.neighbours(genome))

    def encode(self, genome: Genome) -> NDArray[np.float64]:
        """`genome` as a vector of shape (places,), different for different genomes.

        An ordered hole is its option's rank scaled to 0..1, or -1 where it is not active. Another hole is one-hot over
        its options, zeros where it is not active. Holes stand in the order of `holes()`.
        Raises `SpecError` for a genome of another space.
        """
        return self._encoding.encode(genome)

    def genome_of(self, arch: ArchSpec) -> Genome | None:
        """A genome whose network is the same as `arch` in canonical form, `None` where there is none."""
        return next(genomes_of(self._tree, self._decoding, arch), None)

    def contains(self, arch: ArchSpec) -> bool:
        """Whether some genome makes this network, compared by canonical form."""
        return self.genome_of(arch) is not None

    def repair(
        self, genome: Genome, excess: Callable[[ArchSpec], float], rng: np.random.Generator, max_steps: int = 32
    ) -> Genome | None:
        """A genome near `genome` whose network has no excess, `None` where `max_steps` single changes find none.

        `excess` says by how much a network breaks the limits, at most 0 where it meets them. Each step changes one
        choice: to a random one of those that meet the limits, else to the one that comes nearest.
        """
        return repaired_genome(genome, self._moves, self._price(excess), rng, max_steps)

    def cheapest(self, price: Callable[[ArchSpec], float], rng: np.random.Generator, starts: int = 4) -> Genome:
        """The genome of the lowest `price` that descents from `starts` random genomes find.

        It is the cheapest of the space where choices do not interact.
        """
        begin = [self.sample(rng) for _ in range(starts)]
        return cheapest_genome(begin, self._moves, self._price(price), rng)

    @property
    def inputs(self) -> tuple[Shape, ...]:
        """What its networks take, (channels, height, width); several where their resolution is a choice."""
        return input_shapes(self.template["input"])

    def for_data(
        self, channels: int, num_classes: int, resolution: tuple[int, int] | Sequence[tuple[int, int]] | None = None
    ) -> SearchSpace:
        """The same space for images of `channels` channels and for `num_classes` classes.

        Its networks take images of `resolution` (height, width), by default of the size that they took. Where it is
        several sizes, each network chooses one of them (elastic resolution).

        >>> from naslab.space import load_space
        >>> elastic = load_space("nas_bench_macro").for_data(3, 10, [(24, 24), (32, 32)])
        >>> elastic.size() // load_space("nas_bench_macro").size(), elastic.inputs
        (2, ((3, 24, 24), (3, 32, 32)))
        """
        own = self.template["input"]
        if resolution is not None:
            now = input_of(channels, each_size(resolution))
        else:
            now = own if {shape[0] for shape in self.inputs} == {channels} else with_channels(own, channels)
        fitted = self.template | {"input": now, "num_classes": num_classes}
        return self if fitted == self.template else self.refitted(fitted)

    def around(self, name: str, arch: ArchSpec) -> SearchSpace:
        """The space, which says that its holes are cut into the network `arch`, called `name` in the zoo."""
        made = SearchSpace(self.template, self.name)
        made.__dict__["starting_point"] = (name, arch)
        return made

    def refitted(self, template: Any) -> SearchSpace:
        """The space of another `template` that was made of this one's; its name and its starting network stay."""
        made = SearchSpace(template, self.name)
        made.__dict__["starting_point"] = self.starting_network
        return made

    def _first_network(self, genomes: Iterator[Genome]) -> Genome:
        error: SpecError | None = None
        for genome in islice(genomes, MAX_DRAWS):
            try:
                cost(self.decode(genome))
            except SpecError as clash:
                error = clash
            else:
                return genome
        raise SpecError("space", f"{MAX_DRAWS} draws in a row are no networks, the last for '{error}'")

    def _price(self, price: Callable[[ArchSpec], float]) -> Callable[[Genome], float]:
        """The price of a genome; infinite where it is no network."""

        def of(genome: Genome) -> float:
            return price(self.decode(genome)) if self.is_network(genome) else float("inf")

        return of

    @cached_property
    def _tree(self) -> Tree:
        return grow_tree(self.template)

    @cached_property
    def _decoding(self) -> Decoding:
        return Decoding(self._tree)

    @cached_property
    def _counting(self) -> Counting:
        return Counting(self._tree)

    @cached_property
    def _moves(self) -> GenomeMoves:
        return GenomeMoves(self._tree)

    @cached_property
    def _encoding(self) -> Encoding:
        return Encoding(self._tree.holes)


def _rank_below(size: int, rng: np.random.Generator) -> int:
    """A number from 0 to `size` - 1, each equally likely (to 2**-64 where the size has more than 63 bits)."""
    if size < 1 << 63:
        return int(rng.integers(size))
    return int.from_bytes(rng.bytes(size.bit_length() // 8 + 9), "little") % size
