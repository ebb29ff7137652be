"""A table of our own: networks of mixed blocks, drawn uniformly, all trained on a fixed part of Fashion-MNIST.

    NASLAB_DATA=DIR OMP_NUM_THREADS=1 MALLOC_MMAP_MAX_=0 python scripts/make_fashion_table.py train --processes 2
    NASLAB_DATA=DIR taskset -c 0 python scripts/make_fashion_table.py time
    python scripts/make_fashion_table.py publish

`train` trains 500 networks from one seed, then from a second, then the next 500 so, then the first 300 from a third: a
row of OUT/trainings.csv each, with the losses and the validation accuracy of every epoch and the test accuracy at the
end, which chose nothing. Beside other work seconds of the clock are longer; those of the processor, which hold the test
too, are not. `time` measures latencies in ONNX Runtime on a core without other work: a row of OUT/networks.csv each. A
row is on the disk as soon as it is there, and what is there is not done again, so the same calls go on where they
stopped, on this machine or the next. Networks come in the order drawn, so a part of the table is a fair sample too.
Data, recipe and space are fixed here, for all rows must be of one kind.

`publish` writes what is there as the table that comes with naslab, TABLES/fashion_mixed.csv.gz: a row a training, with
what is known of its network.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from proof_table import told_of_run

import naslab
from naslab.arch import ArchSpec
from naslab.atomic_write import atomic_write, json_content
from naslab.estimators.known_table import FASHION_FILE, KEY, genome_key
from naslab.lab.calibration import distinct_networks
from naslab.space import Genome, load_space
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import named_recipe
from naslab.targets.measuring import quiet_latencies
from naslab.targets.pace import BestPace
from naslab.targets.target import Deployed, parse_target
from naslab.training.fit import fit_and_test

SPACE = "fashion_mixed"
DATA = DataChoice(name="fashion_mnist", max_images=2000, validation_fraction=0.5)
EPOCHS = 12
SEEDS, MORE_SEEDS, HAVE_MORE = 2, 3, 300
"""Every network is trained from `SEEDS` seeds, the first `HAVE_MORE` from `MORE_SEEDS`."""
TRAINED_TOGETHER = 500
"""Networks that are trained from a seed before they are from the next: so a part of the table tells noise, too."""
DRAWN_BY = (2026, 11)
TARGET = "onnxruntime"
TIMED_TOGETHER = 60
"""Networks whose passes are measured in turns, so that a slow minute meets all of them."""
CURVES = ("train_loss", "validation_loss", "validation_accuracy")
TRAININGS = (
    *("network", "seed", "wall_seconds", "cpu_seconds", "test_accuracy", "test_loss"),
    *(f"{curve}_{epoch}" for curve in CURVES for epoch in range(1, EPOCHS + 1)),
)
PUBLISHED = (KEY, "params", "macs", "activations", "latency_ms", *TRAININGS[1:])
NETWORKS = ("network", "genome", "params", "macs", "activations", "latency_ms", "pace_ms")


class Rows:
    """The rows of a CSV file under `columns`; a last line that was cut short is done again."""

    def __init__(self, path: Path, columns: Sequence[str], keys: int) -> None:
        self._path, self._columns, self._keys = path, columns, keys
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8") if path.exists() else ",".join(columns) + "\n"
        atomic_write(path, text[: text.rfind("\n") + 1])

    def done(self) -> set[tuple[int, ...]]:
        """What is there, by its first columns."""
        with self._path.open(encoding="utf-8", newline="") as file:
            return {tuple(int(row[name]) for name in self._columns[: self._keys]) for row in csv.DictReader(file)}

    def add(self, row: Sequence[object]) -> None:
        """Write a row, to the disk."""
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(row)
        with self._path.open("a", encoding="utf-8", newline="") as file:
            file.write(line.getvalue())


def drawn(count: int) -> list[tuple[Genome, ArchSpec]]:
    """The first `count` networks of the table."""
    space = load_space(SPACE)
    return [(genome, space.decode(genome)) for genome in distinct_networks(space, count, DRAWN_BY).values()]


def trained(number: int, arch: ArchSpec, seed: int) -> list[Any]:
    """The row of one training."""
    begun = time.process_time()
    found = fit_and_test(arch, DATA, named_recipe("short", DATA.name), EPOCHS, seed=seed)
    seconds = [f"{found.wall_seconds:.2f}", f"{time.process_time() - begun:.2f}"]
    curves = [f"{getattr(epoch, curve):.5g}" for curve in CURVES for epoch in found.curve]
    return [number, seed, *seconds, f"{found.test_accuracy:.2f}", f"{found.test_loss:.5g}", *curves]


def trainings(archs: Sequence[ArchSpec], done: set[tuple[int, ...]]) -> Iterator[tuple[int, ArchSpec, int]]:
    """Number, network and seed of what is to be trained, in the order of the table."""
    blocks = [
        range(first, min(first + TRAINED_TOGETHER, len(archs))) for first in range(0, len(archs), TRAINED_TOGETHER)
    ]
    wanted = [(seed, block) for block in blocks for seed in range(SEEDS)]
    wanted += [(seed, range(min(HAVE_MORE, len(archs)))) for seed in range(SEEDS, MORE_SEEDS)]
    for seed, numbers in wanted:
        for number in numbers:
            if (number, seed) not in done:
                yield number, archs[number], seed


def train(given: argparse.Namespace) -> None:
    """Train what is missing, until the minutes are over; a training that has begun is finished."""
    rows = Rows(given.out / "trainings.csv", TRAININGS, keys=2)
    wanted = trainings([arch for _, arch in drawn(given.networks)], rows.done())
    until = time.monotonic() + 60 * given.minutes
    with ProcessPoolExecutor(given.processes, mp_context=get_context("spawn")) as pool:
        running = set()
        for each in wanted:
            if time.monotonic() > until:
                break
            running.add(pool.submit(trained, *each))
            if len(running) == given.processes:
                ended, running = wait(running, return_when=FIRST_COMPLETED)
                keep(rows, ended)
        keep(rows, running)


def keep(rows: Rows, ended: Iterable[Any]) -> None:
    """Write what trainings gave that have ended, or end now."""
    for each in ended:
        rows.add(each.result())


def time_networks(given: argparse.Namespace) -> None:
    """Measure the latencies that are missing, until the minutes are over."""
    rows = Rows(given.out / "networks.csv", NETWORKS, keys=1)
    done = rows.done()
    wanted = [each for each in enumerate(drawn(given.networks)) if (each[0],) not in done]
    until, best = time.monotonic() + 60 * given.minutes, BestPace()
    for first in range(0, len(wanted), TIMED_TOGETHER):
        if time.monotonic() > until:
            break
        together = wanted[first : first + TIMED_TOGETHER]
        deployed = [Deployed(str(number), arch) for number, (_, arch) in together]
        latencies = quiet_latencies(deployed, parse_target(TARGET), best)
        for (number, (genome, arch)), latency in zip(together, latencies, strict=True):
            cost = naslab.cost(arch)
            described = json.dumps({gene.hole: gene.option for gene in genome.genes}, separators=(",", ":"))
            rows.add([number, described, cost.params, cost.macs, cost.activations, f"{latency:.4f}", best.least_ms])


def publish(given: argparse.Namespace) -> None:
    """Write the trainings that are there, each with what is known of its network, as one compressed table."""
    networks = drawn(given.networks)
    with (given.out / "networks.csv").open(encoding="utf-8", newline="") as file:
        latencies = {int(row["network"]): row["latency_ms"] for row in csv.DictReader(file)}
    with (given.out / "trainings.csv").open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: (int(row["network"]), int(row["seed"])))
    costs = {number: naslab.cost(networks[number][1]) for number in {int(row["network"]) for row in rows}}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(PUBLISHED)
    for row in rows:
        number = int(row["network"])
        cost = costs[number]
        known = [genome_key(networks[number][0]), cost.params, cost.macs, cost.activations, latencies.get(number, "")]
        writer.writerow([*known, *(row[name] for name in TRAININGS[1:])])
    atomic_write(given.tables / FASHION_FILE, gzip.compress(text.getvalue().encode("ascii"), mtime=0))


PARTS = {"train": train, "time": time_networks, "publish": publish}


def main(arguments: Sequence[str] | None = None) -> None:
    """Do a part of the table, and write beside it how it was made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--out", type=Path, default=Path("results/fashion_mixed"))
    parser.add_argument("--tables", type=Path, default=Path("results/tables"))
    parser.add_argument("--networks", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=600.0)
    given = parser.parse_args(arguments)
    PARTS[given.part](given)
    if given.part != "publish":
        atomic_write(given.out / f"{given.part}.json", json_content(told_of_run()))


if __name__ == "__main__":
    main()
