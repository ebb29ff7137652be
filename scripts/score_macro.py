"""The networks of NAS-Bench-Macro scored at initialisation by cheap proxies, once, as a prior for `naslab compare`.

    NASLAB_DATA=DIR OMP_NUM_THREADS=1 .venv/bin/python scripts/score_macro.py [--minutes 60] [--out results/tables]

Nothing is trained. Networks are initialised by SEED and look at the same batch of CIFAR-10, as those of a study of
that seed do. Each score is on the disk as soon as it is there, in OUT/parts: the same call goes on where it was
interrupted. Networks are scored in a random order, those that the ensemble compares with first, so that what is there
after a part of the time is a fair sample; the others have empty cells.

Writes OUT/nas_bench_macro_scores.csv.gz, a row a network with the votes of the ensemble beside the scores, and
OUT/nas_bench_macro_scores.json, which says how they were made.
"""

from __future__ import annotations

import argparse
import gzip
import math
import os
import shlex
import sys
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from naslab.arch import cost
from naslab.atomic_write import atomic_write, json_content
from naslab.bench.known_tables import SCORES_FILE, merged_key
from naslab.estimators.ensemble import RankEnsemble, candidate_of, reference_networks
from naslab.estimators.estimator import Workbench
from naslab.estimators.proxies.description import described
from naslab.estimators.proxies.measuring import measure
from naslab.estimators.proxies.proxy import Probe
from naslab.provenance import installed_versions, machine_description
from naslab.space import load_space
from naslab.space.nas_bench_macro import nas_bench_macro_genome, nas_bench_macro_key
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Candidate

MEASURED = "naswot"
"""The member of the ensemble that is measured; the description tells the others."""


class Scored(NamedTuple):
    """The score of a network by `MEASURED`, and the CPU seconds that it took."""

    score: float
    seconds: float


def known_scores(path: Path) -> dict[str, Scored]:
    """What a file of parts holds, by key; a line that was cut short is left out."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="ascii").splitlines(keepends=True)
    rows = [line.split(",") for line in lines if line.endswith("\n") and line.count(",") == 2]
    return {key: Scored(float(score), float(seconds)) for key, score, seconds in rows}


def score_all(keys: Sequence[str], probe: Probe, seed: int, path: Path, until: float) -> None:
    """Score those of `keys` that the file `path` does not hold, until the clock says `until`."""
    bench, space = Workbench(device="cpu"), load_space("nas_bench_macro")
    known = known_scores(path)
    left = [key for key in keys if key not in known]
    with path.open("a", encoding="ascii") as file:
        file.write("\n" * (file.tell() > 0))  # behind a line that was cut short
        for number, key in enumerate(left):
            if time.time() > until:
                return
            began = time.process_time()
            score = measure((MEASURED,), probe, candidate_of(space, nas_bench_macro_genome(key), seed), bench)[MEASURED]
            file.write(f"{key},{score!r},{time.process_time() - began:.4f}\n")
            file.flush()
            if number % 200 == 0:
                print(f"{number:,} of {len(left):,}", file=sys.stderr)


def rows_of(scores: dict[str, Scored], keys: Sequence[str], ensemble: RankEnsemble) -> list[str]:
    """The lines of the table: each of `keys` with its score and its vote, empty where it has none."""
    measured = {key: members_of(key, each.score, ensemble) for key, each in scores.items()}
    drawn = [key_of(each) for each in drawn_by(ensemble)]
    reference = {name: tuple(sorted(measured[key][name] for key in drawn)) for name in ensemble.proxies}
    lines = ["key,naswot,ensemble"]
    for key in keys:
        cells = [measured[key][MEASURED], ensemble.vote(measured[key], reference)] if key in measured else []
        lines.append(",".join([key, *(f"{cell:.8g}" for cell in cells), *[""] * (2 - len(cells))]))
    return lines


def members_of(key: str, score: float, ensemble: RankEnsemble) -> dict[str, float]:
    """The scores of the network of `key` by the members of the ensemble, where that by `MEASURED` is `score`."""
    arch = ensemble.space.decode(nas_bench_macro_genome(key))
    return {name: score if name == MEASURED else described(name, arch, cost(arch)) for name in ensemble.proxies}


def key_of(candidate: Candidate) -> str:
    """The key that the table has for the network of a candidate."""
    return merged_key(nas_bench_macro_key(candidate.genome))


def drawn_by(ensemble: RankEnsemble) -> list[Candidate]:
    """The networks that the ensemble compares with."""
    return reference_networks(ensemble.space, ensemble.num_reference, ensemble.seed)


def main() -> None:
    """Score until the minutes are over, and write what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=600.0)
    parser.add_argument("--out", type=Path, default=Path("results/tables"))
    given = parser.parse_args()
    until = time.time() + 60 * given.minutes
    probe = Probe(data=DataChoice(name="cifar10"), data_dir=os.environ["NASLAB_DATA"])
    ensemble = RankEnsemble(space=load_space("nas_bench_macro"), probe=probe, seed=given.seed)
    keys = sorted({merged_key("".join(digits)) for digits in product("012", repeat=8)})
    first = list(dict.fromkeys(key_of(each) for each in drawn_by(ensemble)))
    others = sorted(set(keys) - set(first))
    np.random.default_rng(given.seed).shuffle(others)
    path = given.out / "parts" / f"{MEASURED}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    score_all(first, probe, given.seed, path, math.inf)
    score_all(others, probe, given.seed, path, until)
    scores = known_scores(path)
    table = "\n".join(rows_of(scores, keys, ensemble)) + "\n"
    atomic_write(given.out / SCORES_FILE, gzip.compress(table.encode("ascii"), mtime=0))
    value = {
        "command": shlex.join(["scripts/score_macro.py", *sys.argv[1:]]),
        "networks": len(keys),
        "scored": len(scores),
        "seed": given.seed,
        "batch": probe.batch_size,
        "members": {each.proxy: each.weight for each in ensemble.members},
        "cpu_seconds_each": sum(each.seconds for each in scores.values()) / len(scores),
        "machine": machine_description(),
        "versions": installed_versions(),
    }
    atomic_write(given.out / SCORES_FILE.replace(".csv.gz", ".json"), json_content(value))
    print(f"{len(scores):,} of {len(keys):,} networks scored", file=sys.stderr)


if __name__ == "__main__":
    main()
