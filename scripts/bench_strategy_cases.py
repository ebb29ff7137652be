"""The cases of `bench_strategies.py`: tables of known results, the clusters that search them, and how many seeds."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from naslab.bench.cluster import Cluster
from naslab.bench.fashion_mixed import load_fashion_mixed
from naslab.bench.known_tables import MACRO_COSTS, MACRO_SCORES, load_nas_bench_macro
from naslab.bench.made_kinds import make_kind, told_noise
from naslab.bench.made_prior import PRIOR_KINDS, with_made_prior
from naslab.bench.made_table import make_table
from naslab.bench.nas_bench_201 import load_nas_bench_201
from naslab.bench.table import TableDomain
from naslab.errors import SpecError

NOISE = 0.15
"""Of made-up results, in deviations of the whole table's: about that of a run of NAS-Bench-Macro beside its top."""
SEEDS = {"bayes": 100, "tpe": 100, "cmaes": 60, "optuna_nsga2": 60, "optuna_nsga3": 60, "gp": 100}
PEER_SEEDS = {"smac": 20, "botorch": 20, "hyperopt": 8, "nevergrad": 20}
OTHER_SEEDS = 200
"""Of strategies that think for less than a millisecond."""


class Case(NamedTuple):
    """A table, the cluster that searches it, how many times the trials asked for, the strategies (all if empty), and
    the share of the usual seeds."""

    title: str
    load: Callable[[], TableDomain]
    cluster: Cluster
    times: int = 1
    strategies: tuple[str, ...] = ()
    share: float = 1.0

    def seeds(self, name: str, share: float) -> int:
        """How many searches of a strategy, two at least."""
        usual = (SEEDS | PEER_SEEDS).get(name, OTHER_SEEDS)
        return max(2, round(usual * self.share * share))


def macro(*objectives: str, duration: str | None = None) -> TableDomain:
    """NAS-Bench-Macro from the data folder."""
    return load_nas_bench_macro(data_folder(), objectives, duration=duration)


def scored_by(name: str, duration: str | None = None) -> TableDomain:
    """NAS-Bench-Macro with the scores of a proxy as a prior."""
    return load_nas_bench_macro(data_folder(), features=(*MACRO_COSTS, name), duration=duration)


def made_with(kind: str) -> TableDomain:
    """The small made-up table with a prior of a `kind`."""
    return with_made_prior(make_table(seed=1), kind)


def cells(*objectives: str) -> TableDomain:
    """NAS-Bench-201 on CIFAR-100 from the data folder."""
    return load_nas_bench_201(data_folder(), objectives)


def data_folder() -> Path:
    """Where the known tables are."""
    folder = os.environ.get("NASLAB_DATA")
    if folder is None:
        raise SpecError("NASLAB_DATA", "must name the folder of nas_bench_macro and nas_bench_201_cifar100")
    return Path(folder)


NOISY = Cluster(noise=NOISE)
ON_CLUSTERS = ("random", "evolution", "local", "nsga2", "tpe", "bayes")
ON_TWO = (
    "random",
    "quasi_random",
    "evolution",
    "local",
    "nsga2",
    "nsga3",
    "reinforce",
    "tpe",
    "optuna_nsga2",
    "optuna_nsga3",
    "bayes",
    "botorch",
)
"""Of those that take several objectives, the ones that think for less than a tenth of a second, and BoTorch."""
ON_MADE = (*ON_CLUSTERS, "optuna_nsga2")
CASES = {
    "macro": Case("NAS-Bench-Macro, accuracy", lambda: macro("accuracy"), Cluster()),
    "macro_two": Case(
        "NAS-Bench-Macro, accuracy and macs", lambda: macro("accuracy", "macs"), Cluster(), strategies=ON_TWO
    ),
    "cells": Case("NAS-Bench-201, CIFAR-100, 200 epochs", lambda: cells("accuracy"), Cluster(), share=0.2),
    "cells_short": Case(
        "NAS-Bench-201, CIFAR-100, 12 epochs of one seed", lambda: cells("accuracy_12"), Cluster(), share=0.2
    ),
    "cells_latency": Case(
        "NAS-Bench-201, CIFAR-100, accuracy and measured latency",
        lambda: cells("accuracy", "latency_ms"),
        Cluster(),
        strategies=ON_TWO,
        share=0.2,
    ),
    "fashion": Case("our own table, accuracy", load_fashion_mixed, Cluster(), share=0.2),
    **{
        kind: Case(
            f"our own table, accuracy and {named}",
            partial(load_fashion_mixed, objectives=("accuracy", metric)),
            Cluster(),
            strategies=ON_TWO,
            share=0.2,
        )
        for kind, named, metric in (
            ("fashion_two", "macs", "macs"),
            ("fashion_latency", "measured latency", "latency_ms"),
        )
    },
    "collapsed": Case(
        "made up, collapsed networks", lambda: make_kind("collapsed", 1), Cluster(), strategies=ON_MADE, share=0.2
    ),
    "told_noise": Case(
        "made up, measurements that say how sure they are", partial(told_noise, 1), Cluster(), strategies=ON_MADE
    ),
    "untold_noise": Case(
        "made up, the same without saying it", partial(told_noise, 1, False), Cluster(), strategies=ON_MADE
    ),
    "uneven_noise": Case(
        "made up, noise that differs", lambda: make_kind("uneven_noise", 1), Cluster(), strategies=ON_MADE, share=0.2
    ),
    "measured": Case(
        "made up, accuracy and measured latency",
        lambda: make_kind("measured", 1),
        Cluster(),
        strategies=ON_MADE,
        share=0.2,
    ),
    **{
        kind: Case(
            f"made up, {named}", partial(make_kind, kind, 1), Cluster(), strategies=(*ON_MADE, "nsga3"), share=0.2
        )
        for kind, named in (
            ("three", "accuracy, measured latency and macs"),
            ("four", "accuracy, measured latency, macs and params"),
        )
    },
    "made_small": Case("made up, small, with noise", lambda: make_table(seed=1), NOISY, strategies=ON_MADE, share=0.2),
    "made_large": Case(
        "made up, large, with noise",
        lambda: make_table((8, 8, 6), (5, 4, 4, 3), seed=2),
        NOISY,
        strategies=ON_MADE,
        share=0.2,
    ),
    "made_two": Case(
        "made up, small, score and macs, with noise",
        lambda: make_table(objectives=("score", "macs"), seed=3),
        NOISY,
        strategies=ON_MADE,
        share=0.2,
    ),
    "cluster": Case(
        "NAS-Bench-Macro, 100 simulated workers",
        lambda: macro("accuracy", duration="macs"),
        Cluster(workers=100),
        times=2,
        strategies=ON_CLUSTERS,
        share=0.25,
    ),
    **{
        f"cluster_{name}": Case(
            f"NAS-Bench-Macro, 100 simulated workers, {name} as prior",
            partial(scored_by, name, "macs"),
            Cluster(workers=100),
            times=2,
            strategies=("bayes",),
            share=0.25,
        )
        for name in MACRO_SCORES
    },
    **{
        f"macro_{name}": Case(
            f"NAS-Bench-Macro, accuracy, {name} as prior",
            partial(scored_by, name),
            Cluster(),
            strategies=("bayes",),
        )
        for name in MACRO_SCORES
    },
    **{
        f"prior_{kind}": Case(
            f"made up, small, with noise, {kind} prior",
            partial(made_with, kind),
            NOISY,
            strategies=("bayes",),
            share=0.2,
        )
        for kind in PRIOR_KINDS
    },
    "cluster_faults": Case(
        "NAS-Bench-Macro, 100 simulated workers, 5 % stragglers, 5 % failures",
        lambda: macro("accuracy", duration="macs"),
        Cluster(workers=100, straggler_rate=0.05, failure_rate=0.05),
        times=2,
        strategies=ON_CLUSTERS,
        share=0.1,
    ),
}
