"""NSGA-II on ZDT1 and on tables of networks, against itself without near mutations and against pymoo.

    NASLAB_DATA=DIR .venv/bin/python scripts/bench_nsga2.py [--seeds 30] [--trials 200] [--out OUT]

ZDT1 (Zitzler et al. 2000) is written as a space of choices: each of its variables has one of a grid of values from 0 to
1, as an ordered knob, and all combinations are the table. 20 parents, one worker, equal seeds. pymoo, where it is
installed, has the same table as whole numbers, its defaults for them (SBX and polynomial mutation, rounded, no
duplicates) and 20 parents, too. Figures are shares of the hypervolume of the whole table, from its worst row; pairs of
equal seeds are compared by Wilcoxon's signed ranks.

Writes OUT.json and OUT.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from naslab.bench.known_tables import load_nas_bench_macro
from naslab.bench.made_table import make_table
from naslab.bench.simulate import simulate
from naslab.bench.table import TableDomain, TableSpace, full_keys
from naslab.errors import SpecError
from naslab.pareto import hypervolume
from naslab.provenance import installed_versions, machine_description
from naslab.space import Genome
from naslab.space.genome import Hole
from naslab.strategies.composed import Search
from naslab.strategies.nsga2 import NSGA2

POPULATION = 20
NEAR, UNIFORM, PYMOO = "nsga2", "nsga2, all options alike", "pymoo, whole numbers"
Losses = NDArray[np.float64]


class AlikeSpace(TableSpace):
    """A table's space whose mutations forget that options are ordered: NSGA-II as it was."""

    def mutate(self, genome: Genome, rng: np.random.Generator, near: bool = False) -> Genome:
        """Another option of a knob, all equally likely."""
        return super().mutate(genome, rng)


def zdt1(variables: int, values: int) -> TableDomain:
    """ZDT1 of `variables`, each on a grid of `values`: f1 = x1, f2 = g (1 - sqrt(f1 / g)), g = 1 + 9 mean(x2 ...)."""
    knobs = [Hole(path=f"x{index}", options=tuple(range(values))) for index in range(variables)]
    keys = full_keys(knobs)
    x = keys / (values - 1)
    g = 1 + 9 * x[:, 1:].mean(axis=1)
    losses = np.stack([x[:, 0], g * (1 - np.sqrt(x[:, 0] / g))], axis=1)
    return TableDomain(TableSpace(knobs, keys), losses)


def macro() -> TableDomain:
    """NAS-Bench-Macro, accuracy and macs."""
    folder = os.environ.get("NASLAB_DATA")
    if folder is None:
        raise SpecError("NASLAB_DATA", "must name the folder of nas_bench_macro")
    return load_nas_bench_macro(Path(folder), ("accuracy", "macs"))


TABLES: dict[str, Callable[[], TableDomain]] = {
    "ZDT1, 3 variables of 21 values": lambda: zdt1(3, 21),
    "ZDT1, 4 variables of 16 values": lambda: zdt1(4, 16),
    "ZDT1, 5 variables of 11 values": lambda: zdt1(5, 11),
    "made up, small": lambda: make_table(objectives=("score", "macs"), seed=3),
    "made up, large": lambda: make_table((8, 8, 6), (5, 4, 4, 3), objectives=("score", "macs"), seed=2),
    "NAS-Bench-Macro": macro,
}


def searched(domain: TableDomain, space: TableSpace, seed: int, trials: int) -> Losses:
    """The losses that a search of `space` finds, shape (trials, objectives)."""
    trace = simulate(domain, Search(domain, NSGA2(space, POPULATION), seed), trials, seed=seed)
    return np.asarray(domain.losses[trace.rows])


def with_pymoo(domain: TableDomain, seed: int, trials: int) -> Losses:
    """The losses that pymoo's NSGA-II finds on a table that holds all combinations, shape (trials, objectives)."""
    from pymoo.algorithms.moo import nsga2 as peer
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling
    from pymoo.optimize import minimize

    counts = np.array([len(knob.options) for knob in domain.space.knobs])
    found: list[Losses] = []

    class Table(Problem):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(n_var=len(counts), n_obj=domain.num_objectives, xl=0, xu=counts - 1, vtype=int)

        def _evaluate(self, x: NDArray[np.int64], out: dict[str, Any], *_: Any, **__: Any) -> None:
            rows = np.ravel_multi_index(tuple(x.T.astype(int)), tuple(counts))
            out["F"] = domain.losses[rows]
            found.append(out["F"])

    algorithm = peer.NSGA2(
        pop_size=POPULATION,
        sampling=IntegerRandomSampling(),
        crossover=SBX(vtype=float, repair=RoundingRepair()),
        mutation=PM(vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )
    minimize(Table(), algorithm, ("n_eval", trials), seed=seed, verbose=False)
    return np.concatenate(found)[:trials]


def shares(domain: TableDomain, given: argparse.Namespace) -> dict[str, list[float]]:
    """The share of the table's hypervolume that each contender found, one figure a seed."""
    whole = hypervolume(domain.losses, domain.reference)
    alike = AlikeSpace(domain.space.knobs, domain.space.keys)
    ways: dict[str, Callable[[int], Losses]] = {
        NEAR: lambda seed: searched(domain, domain.space, seed, given.trials),
        UNIFORM: lambda seed: searched(domain, alike, seed, given.trials),
    }
    is_full = domain.space.size() == np.prod([len(knob.options) for knob in domain.space.knobs])
    if is_full and importlib.util.find_spec("pymoo") is not None:
        ways[PYMOO] = lambda seed: with_pymoo(domain, seed, given.trials)
    return {
        name: [hypervolume(way(seed), domain.reference) / whole for seed in range(given.seeds)]
        for name, way in ways.items()
    }


def markdown(value: dict[str, Any]) -> str:
    """The figures as a page."""
    machine = value["machine"]
    lines = [
        "# NSGA-II with and without near mutations",
        "",
        f"`{value['command']}`: {value['seeds']} seeds, {value['trials']} evaluations, {POPULATION} parents.",
        f"{machine['processor']}, {machine['system']}; numpy {value['versions']['numpy']}, "
        f"pymoo {value['versions'].get('pymoo', 'not installed')}.",
        "",
        "Means ± a standard error, (medians), of the share of the whole table's hypervolume from its worst row. "
        "ZDT1: each variable on an even grid of values from 0 to 1, all combinations. p: of the pairs with `nsga2`.",
        "",
        "| table | contender | share | p |",
        "|---|---|---:|---:|",
    ]
    for table, rows in value["shares"].items():
        for name, found in rows.items():
            error = np.std(found, ddof=1) / np.sqrt(len(found))
            share = f"{np.mean(found):.4f} ± {error:.4f} ({np.median(found):.4f})"
            p = "" if name == NEAR or found == rows[NEAR] else f"{wilcoxon(rows[NEAR], found).pvalue:.2g}"
            lines.append(f"| {table} | {name} | {share} | {p} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Search every table with every contender, write both files and print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--tables", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--out", type=Path, default=Path("results/strategies/nsga2"), help="both files, no ending")
    given = parser.parse_args()
    value: dict[str, Any] = {
        "command": shlex.join(["scripts/bench_nsga2.py", *sys.argv[1:]]),
        "machine": machine_description(),
        "versions": installed_versions("pymoo"),
        "seeds": given.seeds,
        "trials": given.trials,
        "shares": {},
    }
    for name in given.tables:
        value["shares"][name] = shares(TABLES[name](), given)
        print(name, file=sys.stderr, flush=True)
    given.out.with_suffix(".json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    given.out.with_suffix(".md").write_text(markdown(value), encoding="utf-8")
    print(markdown(value))


if __name__ == "__main__":
    main()
