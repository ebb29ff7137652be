"""What the identity of a network costs from empty caches: versions of naslab compared in turn.

    .venv/bin/python scripts/bench_identity.py TREE [TREE ...] [--repeats 15] [--rounds 15]

Each TREE is a checkout; the first is what the others are compared with. A repeat is one process for each tree, one
after the other. It reads each network anew, empties every cache of naslab, and times the network's cost and then its
identity, in microseconds of CPU time; the time of a network in a repeat is the smallest of `--rounds`, since whatever
else runs on the machine adds to it. Told are the median of the repeats (smallest to largest) and the median of the
paired ratios.
"""

from __future__ import annotations

import argparse
import functools
import gc
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

NAMES = ("efficientnet_b0", "resnet50", "mobilenet_v2", "densenet121", "efficientnet_v2_s", "convnext_tiny")
SPACES = ("mixed_cifar", "efficientnet_b0_like")
Times = dict[str, tuple[float, float]]
"""Of each network the microseconds of its cost and of its identity."""


def main() -> None:
    asked = parsed()
    if asked.measure:
        print(json.dumps(measured(asked.rounds)))
        return
    found: list[list[Times]] = [[] for _ in asked.trees]
    for repeat in range(asked.repeats):
        for times, tree in zip(found, asked.trees, strict=True):
            times.append(in_tree(Path(tree), asked.rounds))
        print(f"repeat {repeat + 1} of {asked.repeats}", file=sys.stderr, flush=True)
    for line in table(asked.trees, found):
        print(line)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What an identity costs from empty caches.")
    parser.add_argument("trees", nargs="*", help="checkouts of naslab, the first to compare with")
    parser.add_argument("--repeats", type=int, default=15, help="processes of each")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each network in a process")
    parser.add_argument("--measure", action="store_true", help="measure the version that is on the path, as JSON")
    return parser.parse_args()


def in_tree(tree: Path, rounds: int) -> Times:
    """The times of the version in the folder `tree`, from a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, __file__, "--measure", "--rounds", str(rounds)]
    said = subprocess.run(command, env=environment, cwd=tree, capture_output=True, text=True, check=True).stdout
    return {name: tuple(times) for name, times in json.loads(said).items()}


def measured(rounds: int) -> Times:
    """The times of every network in this process."""
    from naslab.arch import arch_id, cost, decode_arch

    texts = dict(networks())
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in texts}
    for _ in range(rounds):
        for name, written in texts.items():
            archs = [decode_arch(each) for each in written]
            empty()
            counting = identifying = 0.0
            for arch in archs:
                counting += seconds(cost, arch)
                identifying += seconds(arch_id, arch)
            times[name].append((1e6 * counting, 1e6 * identifying))
    return {name: (min(each[0] for each in pairs), min(each[1] for each in pairs)) for name, pairs in times.items()}


def networks() -> Iterator[tuple[str, list[bytes]]]:
    """Networks as JSON by name: those of the zoo, and of each space twenty that share their caches."""
    import numpy as np

    from naslab.arch import encode
    from naslab.space import load_space
    from naslab.zoo import model

    for name in NAMES:
        yield name, [encode(model(name))]
    for name in SPACES:
        space, rng = load_space(name), np.random.default_rng(3)
        yield f"20 of {name}", [encode(space.decode(space.sample(rng))) for _ in range(20)]


def empty() -> None:
    """Forget all that naslab keeps."""
    memo = importlib.import_module("naslab.arch.memo").Memo
    for each in gc.get_objects():
        is_kept = isinstance(each, functools._lru_cache_wrapper) and each.__module__.startswith("naslab.")
        if is_kept or isinstance(each, memo):
            each.cache_clear()


def seconds(work: Callable[[Any], object], given: object) -> float:
    """The CPU seconds of one call."""
    start = time.process_time()
    work(given)
    return time.process_time() - start


def table(trees: list[str], found: list[list[Times]]) -> Iterator[str]:
    """The times in Markdown, of each network and tree."""
    yield f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}."
    yield ""
    yield "| network | what | " + " | ".join(Path(each).name for each in trees) + " |"
    yield "|---|---|" + "---:|" * len(trees)
    for name in found[0][0]:
        for place, what in enumerate(("cost", "identity")):
            cells = []
            for times in found:
                own = [each[name][place] for each in times]
                ratio = statistics.median(
                    each[name][place] / first[name][place] for each, first in zip(times, found[0], strict=True)
                )
                cells.append(f"{statistics.median(own):.0f} ({min(own):.0f} to {max(own):.0f}), {ratio:.2f}")
            yield f"| {name} | {what} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
