"""The keys of NAS-Bench-Macro (Su et al. 2021, arXiv 2103.11922): eight digits, one a layer."""

from __future__ import annotations

import re

from naslab.errors import SpecError
from naslab.space.genome import Gene, Genome

NUM_LAYERS = 8


def nas_bench_macro_key(genome: Genome) -> str:
    """The key of a genome of the space `nas_bench_macro`.

    >>> nas_bench_macro_key(nas_bench_macro_genome("22212220"))
    '22212220'
    """
    return "".join(str(gene.option) for gene in genome.genes)


def nas_bench_macro_genome(key: str) -> Genome:
    """The genome of a key of eight digits, one a layer.

    A 0 is the identity, 1 an MBConv of kernel 3 and expansion 3, 2 one of kernel 5 and expansion 6. Raises `SpecError`
    for another key.

    >>> nas_bench_macro_genome("22212220").genes[3].option
    1
    """
    if not re.fullmatch(rf"[012]{{{NUM_LAYERS}}}", key):
        raise SpecError("key", f"must be {NUM_LAYERS} digits, each 0, 1 or 2, got '{key}'")
    return Genome(tuple(Gene(f"stages[{layer}].block", int(digit)) for layer, digit in enumerate(key)))
