"""Search spaces: templates of architectures with holes."""

from naslab.space.files import describe_space, load_space, space_names
from naslab.space.genome import Gene, Genome, Hole
from naslab.space.space import SearchSpace
from naslab.space.template import choice, repeat

__all__ = [
    "Gene",
    "Genome",
    "Hole",
    "SearchSpace",
    "choice",
    "describe_space",
    "load_space",
    "repeat",
    "space_names",
]
