"""Networks in the notations of other projects: genotypes, matrices, block strings and configurations, read and written.

>>> from naslab.notations import read_notation, write_notation
>>> arch = read_notation("|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|")
>>> write_notation(arch, "nas_bench_201")
'|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|'
"""

from naslab.notations.notation import Notation, notation_of
from naslab.notations.registry import NOTATIONS, notation_named, read_notation, write_notation

__all__ = ["NOTATIONS", "Notation", "notation_named", "notation_of", "read_notation", "write_notation"]
