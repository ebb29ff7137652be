"""Search spaces: templates of architectures with holes."""

from naslab.space.genome import Genome
from naslab.space.space import SearchSpace

__all__ = ["Genome", "SearchSpace"]
