"""A found network against hand-made ones of the same space at equal macs, trained by the recipe of our own table.

    NASLAB_DATA=DIR OMP_NUM_THREADS=1 python scripts/prove_fashion.py [--macs 200000 600000 1200000] [--out DIR]

For each budget of macs the found network is that of the table `fashion_mixed` with the best mean validation accuracy
of its seeds within the budget, and once more that of the best accuracy as a Gaussian process over the table sees them,
without what it takes for noise: the best of many by what was measured was lucky, too. Hand-made ones have one block in
all stages, one kernel, one expansion, widths that double from stage to stage, a stem as wide as the first stage and as
many blocks in each stage: all of these with 80 to 100 % of the budget are trained from the seeds 0 and 1, and the one
of the best mean validation accuracy is kept. Then all are trained from five seeds that chose nothing, and their test
accuracies are compared: those of the first part are not kept. Each training is a row of OUT/proof.jsonl; the same call
goes on where it stopped. Writes OUT/proof.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import cache
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import make_fashion_table as made
import numpy as np
from numpy.typing import NDArray
from proof_table import Row, Table, markdown_table, mean_and_error, told_of_run

from naslab.arch import ArchSpec, cost
from naslab.atomic_write import atomic_write
from naslab.bench.fashion_mixed import SPACE, load_fashion_mixed, read_fashion_table
from naslab.errors import DataError, counted
from naslab.estimators.known_table import genome_key
from naslab.space import Genome, load_space
from naslab.space.genome import Hole
from naslab.strategies.candidates import Catalogue
from naslab.strategies.gaussian_process import Belief, Posterior, fit_kernel
from naslab.strategies.warping import Scale
from naslab.study.recipe import named_recipe
from naslab.training.fit import fit_and_test

CHOOSING_SEEDS = (0, 1)
FRESH_SEEDS = (100, 101, 102, 103, 104)
WIDTHS = ((8, 16, 32), (12, 24, 48), (16, 32, 64))
LEAST_SHARE = 0.8
"""Of a budget, that a hand-made network uses."""


class Design(NamedTuple):
    """A network with a name and its macs."""

    name: str
    genome: Genome
    arch: ArchSpec
    macs: int


def hand_made() -> list[Design]:
    """Every network of one block, kernel and expansion whose widths double, once."""
    space = load_space(SPACE)
    blocks = next(hole for hole in space.holes() if hole.path == "stages[0].block").labels
    found: dict[Genome, Design] = {}
    for kind, kernel, expansion, widths, repeats in product(blocks, (3, 5), (2, 4), WIDTHS, (1, 2)):
        wanted = {"block": kind, "kernel": str(kernel), "expansion": str(expansion), "repeats": str(repeats)}
        wanted |= {f"stages[{stage}].width": str(width) for stage, width in enumerate(widths)}
        wanted["stem[0].width"] = str(widths[0])

        def choose(hole: Hole, wanted: dict[str, str] = wanted) -> int:
            return hole.labels.index(wanted.get(hole.path) or wanted[hole.path.rpartition(".")[2]])

        genome = space.fill(choose)
        arch = space.decode(genome)
        taken = {gene.hole.rpartition(".")[2] for gene in genome.genes}
        details = [f"{name} {wanted[name]}" for name in ("kernel", "expansion") if name in taken]
        name = ", ".join(
            [kind, *details, f"widths {'-'.join(map(str, widths))}", counted(repeats, "block") + " a stage"]
        )
        found.setdefault(genome, Design(name, genome, arch, cost(arch).macs))
    return list(found.values())


def found_networks(macs: float) -> list[Design]:
    """The network of the table with the best mean validation accuracy within a budget, as measured and as smoothed.

    Raises `DataError` where no network is.
    """
    table = read_fashion_table()
    within = np.flatnonzero(table.costs[:, 0] <= macs)
    if not len(within):
        raise DataError(f"no network of the table is within {macs:,.0f} macs")
    found = []
    for how, means in (("as measured", measured()), ("as a Gaussian process sees them", smoothed())):
        genome = table.genomes[within[int(np.argmax(means[within]))]]
        arch = load_space(SPACE).decode(genome)
        found.append(Design(f"found, the best of {len(within)} {how}", genome, arch, cost(arch).macs))
    return found


def measured() -> NDArray[np.float64]:
    """The mean validation accuracy of each network of the table over the choosing seeds: shape (networks,).

    Raises `DataError` where one was not trained from all of them.
    """
    means = np.asarray(read_fashion_table().validation[-1][:, list(CHOOSING_SEEDS)].mean(axis=1))
    if not np.isfinite(means).all():
        raise DataError("a network of the table was not trained from both seeds")
    return means


@cache
def smoothed() -> NDArray[np.float64]:
    """The same without what a Gaussian process over choices, totals and costs takes for noise: shape (networks,)."""
    catalogue, means = Catalogue(load_fashion_mixed()), measured()
    inputs, scale = catalogue.inputs_of(list(read_fashion_table().genomes)), Scale.of(means)
    posterior = Posterior(fit_kernel(catalogue.parts(), inputs, scale.to(means)), inputs, inputs[:0])
    return scale.centre + scale.spread * Belief(posterior, scale.to(means), inputs[:0]).denoised()


def training(design: Design, seed: int, keeps_test: bool) -> Row:
    """A training by the table's recipe; its test accuracy is kept where it is asked for."""
    data = made.DATA
    result = fit_and_test(design.arch, data, named_recipe("short", data.name), made.EPOCHS, seed=seed)
    row: Row = {"validation": result.curve[-1].validation_accuracy}
    return row | ({"test": result.test_accuracy} if keeps_test else {})


def chosen(designs: Sequence[Design], macs: float, rows: Table) -> tuple[Design, int]:
    """The hand-made network of the best validation accuracy at a budget, and of how many it is."""
    near = [each for each in designs if LEAST_SHARE * macs <= each.macs <= macs]
    if not near:
        raise DataError(f"no hand-made network has {LEAST_SHARE:.0%} to 100 % of {macs:,.0f} macs")

    def mean(design: Design) -> float:
        keys = [(f"{genome_key(design.genome)}/{seed}", seed) for seed in CHOOSING_SEEDS]
        return fmean(rows.row(key, lambda seed=seed: training(design, seed, False))["validation"] for key, seed in keys)

    return max(near, key=mean), len(near)


def main() -> None:
    """Train what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--macs", type=float, nargs="+", default=[200_000.0, 600_000.0, 1_200_000.0])
    parser.add_argument("--out", type=Path, default=Path("results/fashion_mixed"))
    given = parser.parse_args()
    rows, designs, lines = Table(given.out / "proof.jsonl"), hand_made(), []
    for macs in given.macs:
        best, tried = chosen(designs, macs, rows)
        ends = {}
        for design in (*found_networks(macs), best):
            keys = [(f"{genome_key(design.genome)}/{seed}/test", seed) for seed in FRESH_SEEDS]
            made_rows = [rows.row(key, lambda seed=seed: training(design, seed, True)) for key, seed in keys]  # noqa: B023
            ends[design.name] = [row["test"] for row in made_rows]
            what = design.name if design is not best else f"hand-made, the best of {tried}: {design.name}"
            lines.append([f"{macs:,.0f}", what, f"{design.macs:,}", mean_and_error(ends[design.name], 2)])
        for name, accuracies in ends.items():
            if name != best.name:
                gains = [one - other for one, other in zip(accuracies, ends[best.name], strict=True)]
                lines.append([f"{macs:,.0f}", f"gain of {name}, seed by seed", "", mean_and_error(gains, 2)])
    told = told_of_run()
    head = ["macs at most", "network", "macs", "test accuracy, %, mean and standard error of five fresh seeds"]
    page = [
        "# Found and hand-made at equal macs",
        "",
        f"`{told['command']}`. {told['machine']}. {told['versions']}.",
        "",
    ]
    atomic_write(given.out / "proof.md", "\n".join([*page, *markdown_table(head, lines), ""]))


if __name__ == "__main__":
    main()
