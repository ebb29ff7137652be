"""How long it takes from an architecture to its params, multiply-accumulates and activations: naslab and its peers.

    .venv/bin/python scripts/bench_cost.py [--repeats 7] [--candidates 200] [--torch-threads N] [--out OUT]

All methods run in one process, interleaved: every repeat measures every method once on every case, in another order.

- naslab, cold: every cache of the package is emptied before each network.
- naslab, warm: a fresh value of a network that was not costed yet, of blocks that were seen before.
- peers: a fresh value of a network is built by naslab as a torch module (on the meta device where the name says so),
  then counted by the peer as its documentation tells. Peers that are not installed are left out, with the reason.

Beside it: 100,000 distinct candidates of a space costed from empty caches, and how many candidates a second are
sampled, decoded, costed and hashed. Writes OUT.json and OUT.md.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import torch

from naslab.arch import ArchSpec, cost
from naslab.arch.build import build
from naslab.provenance import installed_versions, machine_description
from naslab.space import Genome, SearchSpace, load_space
from naslab.zoo import model

sys.path.insert(0, str(Path(__file__).parent))
from cost_peers import PEERS, Peer

MODELS = ("efficientnet_b0", "resnet50", "mobilenet_v2", "densenet121")
SPACE = "mixed_cifar"
COLD, WARM, BUILD = "naslab, cold", "naslab, warm", "(building the module alone)"
INNER = 30
"""Networks that one measurement of naslab takes its median of at least: a single one is too short to time."""
WARM_UP = 30_000
"""Candidates of the space that are costed before the warm measurements: nearly all of its stages, each in its place."""
MANY = 100_000
BUSY = 0.5
"""A load average at the start above which something else was running."""
ASKED = {"cold": 300, "warm": 3000, "many_seconds": 5.0, "per_second": 10_000}
"""What is asked: times faster than the fastest peer on every case, seconds, candidates a second."""


class Case(NamedTuple):
    """Encoded networks that are measured together, and those whose blocks were seen before a warm measurement."""

    name: str
    archs: tuple[bytes, ...]
    before: tuple[bytes, ...]


def decoded(data: bytes) -> ArchSpec:
    """A network as a value that nothing has seen: not even its hash is known."""
    return msgspec.json.decode(data, type=ArchSpec)


def caches() -> list[Any]:
    """Every cached function of the package that is loaded."""
    found = {
        id(value): value
        for name, module in list(sys.modules.items())
        if name.startswith("naslab.")
        for value in vars(module).values()
        if hasattr(value, "cache_clear") and not isinstance(value, type)
    }
    return list(found.values())


def cost_caches() -> list[Any]:
    """The caches that a cost may come from."""
    return [each for each in caches() if each.__module__.startswith("naslab.arch")]


def timed(work: Callable[[], object]) -> float:
    """Seconds that a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def empty_caches() -> None:
    """Forget everything that a cost may come from."""
    for each in cost_caches():
        each.cache_clear()


def cold_seconds(case: Case) -> float:
    """One network from empty caches: the median over the case."""
    return cost_seconds(case, empty_caches)


def warm_seconds(case: Case) -> float:
    """One network that was not costed yet, of blocks that were: the median over the case."""
    for data in case.before:
        cost(decoded(data))
    return cost_seconds(case, cost.cache_clear)


def cost_seconds(case: Case, forget: Callable[[], None]) -> float:
    """The median time of a network's cost, `forget` called before each."""
    times = []
    for data in case.archs * max(1, INNER // len(case.archs)):
        arch = decoded(data)
        forget()
        start = time.perf_counter()
        cost(arch)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def build_seconds(case: Case) -> float:
    """The part of building in what peers take: the median over the case."""
    return statistics.median(timed(partial(build, arch)) for arch in map(decoded, case.archs))


def peer_seconds(case: Case, peer: Peer) -> float:
    """One network built and counted by a peer: the median over the case."""
    archs = [decoded(data) for data in case.archs]
    return statistics.median(timed(partial(built_and_counted, arch, peer)) for arch in archs)


def built_and_counted(arch: ArchSpec, peer: Peer) -> int:
    """What a peer reports for a fresh network."""
    with torch.device(peer.device):
        module = build(arch).eval()
        images = torch.zeros(1, *arch.input)
    return peer.count(module, images)


def sampled(space: SearchSpace, count: int, seed: int) -> list[Genome]:
    """Distinct genomes of a space."""
    rng = np.random.default_rng(seed)
    found: dict[Genome, None] = {}
    while len(found) < count:
        found[space.sample(rng)] = None
    return list(found)


def cases(candidates: int) -> list[Case]:
    """The four models, which have seen themselves before, and candidates of the space, which have seen others."""
    space = load_space(SPACE)
    archs = [msgspec.json.encode(space.decode(genome)) for genome in sampled(space, candidates + WARM_UP, seed=0)]
    models = [Case(name, *[(msgspec.json.encode(model(name)),)] * 2) for name in MODELS]
    chosen = tuple(archs[:candidates])
    return [*models, Case(f"{candidates} of {SPACE}", chosen, tuple(set(archs) - set(chosen)))]


def measured(repeats: int, candidates: int, peers: list[Peer]) -> dict[str, dict[str, list[float]]]:
    """Seconds by case and method, one figure a repeat."""
    methods: dict[str, Callable[[Case], float]] = {COLD: cold_seconds, WARM: warm_seconds, BUILD: build_seconds}
    methods |= {peer.name: partial(peer_seconds, peer=peer) for peer in peers}
    todo = cases(candidates)
    seconds: dict[str, dict[str, list[float]]] = {case.name: {name: [] for name in methods} for case in todo}
    for peer in peers:
        built_and_counted(decoded(todo[0].archs[0]), peer)
    for repeat in range(repeats):
        order = list(methods)
        order = order[repeat % len(order) :] + order[: repeat % len(order)]
        for case in todo:
            for name in order:
                gc.collect()
                seconds[case.name][name].append(methods[name](case))
        print(f"repeat {repeat + 1} of {repeats}", file=sys.stderr)
    return seconds


def many_seconds() -> float:
    """Seconds for the cost of 100,000 distinct candidates of the space, from empty caches."""
    space = load_space(SPACE)
    archs = {space.decode(genome): None for genome in sampled(space, MANY + MANY // 50, seed=2)}
    distinct = list(archs)[:MANY]
    if len(distinct) < MANY:
        sys.exit(f"only {len(distinct)} of the candidates differ")
    empty_caches()
    gc.collect()
    return timed(lambda: [cost(arch) for arch in distinct])


def candidates_per_second() -> float:
    """Candidates that are sampled, decoded, costed and hashed in a second, in a process without torch and the peers."""
    script = Path(__file__).with_name("candidate_rate.py")
    shown = subprocess.run([sys.executable, str(script), SPACE], capture_output=True, text=True, check=True)
    return float(shown.stdout)


def spread(values: list[float]) -> dict[str, float]:
    """The median, and the smallest and largest figure."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def report(given: argparse.Namespace, peers: list[Peer], left_out: dict[str, str]) -> dict[str, Any]:
    """All measurements with what they were made on."""
    load = [os.getloadavg()[0]]
    seconds = measured(given.repeats, given.candidates, peers)
    many, rate = [], []
    for _ in range(max(1, min(3, given.repeats))):
        many.append(many_seconds())
        rate.append(candidates_per_second())
    arch = model(MODELS[0])
    return {
        "command": " ".join(["scripts/bench_cost.py", *sys.argv[1:]]),
        "machine": machine_description(),
        "versions": installed_versions() | {peer.package: peer.version() for peer in peers},
        "load": [*load, os.getloadavg()[0]],
        "torch_threads": torch.get_num_threads(),
        "repeats": given.repeats,
        "seconds": {case: {name: spread(values) for name, values in row.items()} for case, row in seconds.items()},
        "reported": {"naslab": cost(arch).macs, **{peer.name: built_and_counted(arch, peer) for peer in peers}},
        "many": {"candidates": MANY, "seconds": spread(many)},
        "per_second": spread(rate),
        "left_out": left_out,
        "asked": asked(seconds, peers, many, rate),
    }


def asked(
    seconds: dict[str, dict[str, list[float]]], peers: list[Peer], many: list[float], rate: list[float]
) -> list[dict[str, Any]]:
    """What was asked, what was measured, and whether that is enough."""
    rows: list[dict[str, Any]] = []
    for case, times in seconds.items() if peers else ():
        fastest = min((peer.name for peer in peers), key=lambda name: min(times[name]))
        for state, name in (("cold", COLD), ("warm", WARM)):
            what = f"{name}: times faster than the fastest peer ({fastest}) on {case}"
            faster = min(times[fastest]) / statistics.median(times[name])
            rows.append({"what": what, "asked": ASKED[state], "measured": faster, "more": True})
    what = f"seconds for {MANY:,} distinct candidates of {SPACE}"
    rows.append({"what": what, "asked": ASKED["many_seconds"], "measured": statistics.median(many), "more": False})
    what = f"candidates of {SPACE} sampled, decoded, costed and hashed a second, in a process of their own"
    rows.append({"what": what, "asked": ASKED["per_second"], "measured": statistics.median(rate), "more": True})
    for row in rows:
        row["met"] = row["measured"] >= row["asked"] if row["more"] else row["measured"] <= row["asked"]
    return rows


INTRODUCTION = """
Milliseconds a network, from a fresh architecture value to its cost: the median of the repeats (the smallest to the
largest). A repeat's figure is itself a median, over the networks of the case. Cold: every cache of naslab emptied
before each network. Warm: a network not costed yet, of blocks seen before. Peers: the module built by naslab, then
counted; they report multiply-accumulates, some of them params, none of them activations. How many times faster is said
of naslab's median and the smallest figure of the fastest peer.
"""


def markdown(value: dict[str, Any]) -> str:
    """The measurements as a page."""
    machine, versions, rows = value["machine"], value["versions"], value["seconds"]
    known = ", ".join(f"{name} {version}" for name, version in versions.items() if version != "not installed")
    lines = [
        "# From an architecture to its cost",
        "",
        f"`{value['command']}`: {value['repeats']} repeats, interleaved in one process.",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}; "
        f"torch with {value['torch_threads']} threads; load average {value['load'][0]:.2f} at the start, "
        f"{value['load'][1]:.2f} at the end.",
        *(
            ["**The machine was busy: times are too long, of naslab and peers alike.**"]
            if value["load"][0] > BUSY
            else []
        ),
        f"{known}.",
        INTRODUCTION,
    ]
    lines += ["| method | " + " | ".join(rows) + " |", "|---|" + "---:|" * len(rows)]
    names = list(next(iter(rows.values())))
    lines += [f"| {name} | " + " | ".join(cell(rows[case][name]) for case in rows) + " |" for name in names]
    lines += ["", "| asked | | measured | met |", "|---|---:|---:|---|"]
    lines += [asked_line(row) for row in value["asked"]]
    lines += ["", f"Multiply-accumulates that each reports for {MODELS[0]}, converted from its own unit:", ""]
    lines += [f"- {name}: {number:,}" for name, number in value["reported"].items()]
    lines += [f"- {name}: left out, {reason}" for name, reason in value["left_out"].items()]
    return "\n".join(lines) + "\n"


def asked_line(row: dict[str, Any]) -> str:
    """One line of what was asked."""
    bound = f"{'at least' if row['more'] else 'at most'} {row['asked']:,}"
    return f"| {row['what']} | {bound} | {number(row['measured'])} | {'yes' if row['met'] else 'no'} |"


def cell(figures: dict[str, float]) -> str:
    """Milliseconds, with the spread."""
    median, smallest, largest = (number(1000 * figures[key]) for key in ("median", "min", "max"))
    return f"{median} ({smallest} to {largest})"


def number(value: float) -> str:
    """Three significant digits, never as a power of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main() -> None:
    """Measure, write both files, and print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("results/bench_cost"), help="both files, without the ending")
    parser.add_argument("--torch-threads", type=int, help="threads of the peers; torch's own choice unless given")
    given = parser.parse_args()
    if given.torch_threads:
        torch.set_num_threads(given.torch_threads)
    warnings.simplefilter("ignore")
    left_out = {peer.name: reason for peer in PEERS if (reason := peer.missing())}
    peers = [peer for peer in PEERS if peer.name not in left_out]
    value = report(given, peers, left_out)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.with_suffix(".json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    text = markdown(value)
    given.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
