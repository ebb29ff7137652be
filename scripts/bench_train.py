"""How fast the training engine is against the loop a user would write, and against Lightning.

    .venv/bin/python scripts/bench_train.py [--repeats 5] [--images 1024] [--data-dir DATA] [--out OUT]
    .venv/bin/python scripts/bench_train.py --device cuda --images 10000 --repeats 3 --packed 1,4,8,16 --minutes 8

One candidate is a network built, trained for one epoch of CIFAR-10 images (crops, mirror images, batches of 128, SGD
with Nesterov momentum, one-cycle rates) and evaluated on a quarter as many. All contenders train the same networks on
the same images in one process, interleaved: every repeat runs each of them once, in another order. On a CPU with one
thread; besides, batches alone against Pillow's, and two workers of one thread against one of two. On a GPU besides,
several candidates at once: each in a process of its own, with its steps recorded as CUDA graphs and without, and all in
one process, recorded, each on a stream of its own. What has not begun after --minutes is left out, which the page says.
Processes share a GPU by turns, unless NVIDIA's MPS runs (`nvidia-cuda-mps-control -d` before this script), with which
their kernels run side by side: measure with it and without. Writes OUT/table.json and OUT/table.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import torch

from naslab.arch import ArchSpec, ConvBlock, Head, MBConv, ResidualBlock, Stage, cost
from naslab.estimators.short_training import ShortTraining
from naslab.execution.executor import Finished
from naslab.execution.local import LocalExecutor
from naslab.execution.source import make_candidate
from naslab.provenance import device_description, installed_versions, machine_description
from naslab.space.files import load_space
from naslab.space.nas_bench_macro import nas_bench_macro_genome
from naslab.study.data_choice import DataChoice
from naslab.training.augment import Normaliser, training_batches
from naslab.training.data import DataSplit, load_dataset
from naslab.training.halving import free_memory
from naslab.zoo.mobilenet_v2 import mobilenet_v2
from naslab.zoo.registry import model

sys.path.insert(0, str(Path(__file__).parent))
from train_contenders import (
    RECIPE,
    SIDE,
    Contender,
    engine,
    has_lightning,
    lightning_loop,
    loaders,
    plain_loop,
    streamed,
)

PLAIN, LIGHTNING = "plain loop", "Lightning"
ENGINE, ENGINE_FLOAT32, ENGINE_GRAPHS = "naslab", "naslab, float32", "naslab, CUDA graphs"
PROCESSES, PROCESSES_GRAPHS, STREAMS = "processes", "processes, CUDA graphs", "streams of one process, CUDA graphs"
VALIDATION_FRACTION = 0.2
BUSY = 0.5
"""A load average at the start above which something else was running."""
ASKED = {"MobileNetV2-0.25": 1.45, "ResNet-20": 2.0, "two workers": 1.0, "packed": 10.0}
PASSES = 6
"""Operations a multiply-accumulate costs in training: two forward, and twice as many backward."""
BEST_OF_MACRO = "22212220"
"""Seven MBConv, six of them of 5 x 5 kernels (arXiv 2103.11922)."""
PRODUCT_SIDE = {"cpu": 1024, "cuda": 8192}


def networks() -> dict[str, ArchSpec]:
    """ResNet-20, a small MobileNetV2 that keeps the resolution in its stem, two of both kinds of kernels or blocks."""
    small = mobilenet_v2(0.25, num_classes=10, resolution=SIDE)
    stem = msgspec.structs.replace(small.stem[0], stride=1)
    mixed = ArchSpec(
        input=(3, SIDE, SIDE),
        stem=(Stage(block=ConvBlock(), width=16),),
        stages=(
            Stage(block=ResidualBlock(), width=16, repeats=2),
            Stage(block=MBConv(expansion=3), width=32, repeats=2, stride=2),
            Stage(block=ResidualBlock(), width=48, stride=2),
            Stage(block=MBConv(expansion=4, kernel=5), width=64, repeats=2),
        ),
        head=Head(dropout=0.1),
        num_classes=10,
    )
    return {
        "ResNet-20": model("resnet20_cifar"),
        "MobileNetV2-0.25": msgspec.structs.replace(small, stem=(stem,)),
        "mixed": mixed,
        "NAS-Bench-Macro's best": load_space("nas_bench_macro").decode(nas_bench_macro_genome(BEST_OF_MACRO)),
    }


class Run(NamedTuple):
    """One candidate: its seconds, and the training loss that shows that it learnt."""

    seconds: float
    loss: float


def contenders(device: torch.device) -> dict[str, Contender]:
    """What is compared; Lightning where it is installed, recorded steps on a GPU."""
    found: dict[str, Contender] = {PLAIN: plain_loop}
    if has_lightning():
        found[LIGHTNING] = lightning_loop
    found |= {ENGINE_FLOAT32: engine("float32"), ENGINE: engine("auto")}
    return found | ({ENGINE_GRAPHS: engine("auto", "on")} if device.type == "cuda" else {})


def timed(contender: Contender, arch: ArchSpec, data: DataSplit) -> Run:
    """One candidate from its description to its accuracy."""
    started = time.perf_counter()
    result = contender(arch, data)
    if data.mean.device.type == "cuda":
        torch.cuda.synchronize()
    return Run(time.perf_counter() - started, result.loss)


def interleaved(repeats: int, data: DataSplit, warm: DataSplit) -> dict[str, dict[str, list[Run]]]:
    """Every contender once a repeat on every network, in another order each time; one short run of each warms up."""
    found = contenders(data.mean.device)
    runs: dict[str, dict[str, list[Run]]] = {name: {each: [] for each in found} for name in networks()}
    order = list(found)
    for name, arch in networks().items():
        for each in order:
            timed(found[each], arch, warm)
        print(f"{name}: warm", file=sys.stderr, flush=True)
    for repeat in range(repeats):
        for name, arch in networks().items():
            random.Random(f"{repeat} {name}").shuffle(order)
            for each in order:
                runs[name][each].append(timed(found[each], arch, data))
        print(f"repeat {repeat + 1} of {repeats}", file=sys.stderr, flush=True)
    return runs


def loader_rates(data: DataSplit, repeats: int) -> dict[str, list[float]]:
    """Images a second of the training batches alone: made on the device, and by Pillow and torch's loader."""

    def made() -> Iterator[Any]:
        generator = torch.Generator(data.mean.device).manual_seed(0)
        return training_batches(data, RECIPE, Normaliser(data, (SIDE, SIDE)), generator, random.Random(0))

    ways: dict[str, Callable[[], Iterator[Any]]] = {ENGINE: made, PLAIN: lambda: iter(loaders(data)[0])}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            started = time.perf_counter()
            for _ in way():
                pass
            rates[name].append(len(data.train) / (time.perf_counter() - started))
    return rates


def worker_rates(ways: dict[str, LocalExecutor], rounds: int) -> dict[str, list[float]]:
    """Candidates an hour of executors that are all ready, each alone in turn: four candidates a round."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for executor in ways.values():
        drained(executor, executor.num_slots)  # its workers have started, and one candidate each
    for _ in range(rounds):
        for name, executor in ways.items():
            started = time.perf_counter()
            drained(executor, 4)
            rates[name].append(4 * 3600 / (time.perf_counter() - started))
    return rates


def drained(executor: LocalExecutor, count: int) -> None:
    """Train `count` candidates, as many at once as there are slots; an error if one of them fails."""
    arch = networks()["ResNet-20"]
    waiting = [make_candidate(arch, trial, 1, trial, "search") for trial in range(count)]
    busy = 0
    while waiting or busy:
        while waiting and busy < executor.num_slots:
            executor.submit(waiting.pop())
            busy += 1
        for event in executor.wait(1.0):
            if isinstance(event, Finished):
                busy -= 1
                if event.estimate.failure is not None:
                    raise SystemExit(f"a candidate failed: {event.estimate.failure.message}")


def shared_cores(choice: DataChoice, data_dir: str | None, rounds: int) -> dict[str, list[float]]:
    """Two workers of one thread against one of two, candidates an hour."""
    estimator = ShortTraining(data=choice, recipe=RECIPE, data_dir=data_dir)
    with LocalExecutor(estimator, 1, "cpu") as one, LocalExecutor(estimator, 2, "cpu") as two:
        return worker_rates({"one worker, all cores": one, "two workers": two}, rounds)


def packed(
    choice: DataChoice, data: DataSplit, data_dir: str | None, sizes: list[int], deadline: float
) -> dict[str, dict[str, list[float]]]:
    """Candidates an hour of a GPU by way of packing and number at once; what has not begun at the deadline is empty."""
    ways: dict[str, Callable[[int], list[float]]] = {
        PROCESSES_GRAPHS: lambda size: by_processes(choice, data_dir, size, "on"),
        STREAMS: lambda size: by_streams(data, size),
        PROCESSES: lambda size: by_processes(choice, data_dir, size, "off"),
    }
    rates: dict[str, dict[str, list[float]]] = {way: {} for way in ways}
    for size in sorted(sizes, reverse=True):
        for way, measured in ways.items():
            rates[way][str(size)] = measured(size) if time.perf_counter() < deadline else []
            print(f"{way}, {size} at once: {rates[way][str(size)]}", file=sys.stderr, flush=True)
    return rates


def by_processes(
    choice: DataChoice, data_dir: str | None, size: int, graphs: Literal["off", "on"], rounds: int = 2
) -> list[float]:
    """Candidates an hour of as many processes on one GPU, once they are ready."""
    recipe = msgspec.structs.replace(RECIPE, graphs=graphs)
    rates = []
    with LocalExecutor(ShortTraining(data=choice, recipe=recipe, data_dir=data_dir), size, "cuda:0") as executor:
        drained(executor, size)
        for _ in range(rounds):
            started = time.perf_counter()
            drained(executor, 2 * size)
            rates.append(2 * size * 3600 / (time.perf_counter() - started))
    return rates


def by_streams(data: DataSplit, size: int, rounds: int = 2) -> list[float]:
    """Candidates an hour of as many streams of this process."""
    rates = []
    for _ in range(rounds):
        started = time.perf_counter()
        streamed(networks()["ResNet-20"], data, size)
        if data.mean.device.type == "cuda":
            torch.cuda.synchronize()
        rates.append(size * 3600 / (time.perf_counter() - started))
        free_memory()
    return rates


def peak_rate(device: torch.device, kind: torch.dtype) -> float:
    """Operations a second of a large matrix product: what the device reaches in that precision, the best of 5."""
    side = PRODUCT_SIDE[device.type]
    left = torch.randn(side, side, device=device).to(kind)
    best = 0.0
    for _ in range(6):
        started = time.perf_counter()
        left @ left
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2 * side**3 / (time.perf_counter() - started))
    return best


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """All measurements with what they were made on."""
    began, load = time.perf_counter(), os.getloadavg()[0]
    torch.set_num_threads(1)
    choice = DataChoice(name="cifar10", max_images=given.images * 5 // 4, validation_fraction=VALIDATION_FRACTION)
    data = load_dataset(choice, given.data_dir, given.device)
    warm = load_dataset(DataChoice(name="cifar10", max_images=320), given.data_dir, given.device)
    device = data.mean.device
    runs = interleaved(given.repeats, data, warm)
    value: dict[str, Any] = {
        "command": " ".join(["scripts/bench_train.py", *sys.argv[1:]]),
        "machine": machine_description() | {"gpus": device_description()["gpus"]},
        "versions": installed_versions("lightning", "pillow"),
        "load": load,
        "device": given.device,
        "repeats": given.repeats,
        "images": len(data.train),
        "validation_images": len(data.validation),
        "macs": {name: cost(arch).macs for name, arch in networks().items()},
        "peak": {str(kind): peak_rate(device, kind) for kind in (torch.float32, torch.bfloat16)},
        "seconds": {
            name: {each: [run.seconds for run in row] for each, row in rows.items()} for name, rows in runs.items()
        },
        "losses": {name: {each: row[-1].loss for each, row in rows.items()} for name, rows in runs.items()},
        "loader": loader_rates(data, given.repeats),
    }
    if given.device == "cpu":
        value["cores"] = shared_cores(choice, given.data_dir, 2)
    else:
        sizes = [int(size) for size in given.packed.split(",")]
        value["packed"] = packed(choice, data, given.data_dir, sizes, began + 60 * given.minutes)
        value["has_mps"] = is_mps_running()
    return value | {"asked": asked(value)}


def is_mps_running() -> bool:
    """Whether NVIDIA's Multi-Process Service shares the GPU among processes."""
    return Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps"), "control").exists()


def ratios(value: dict[str, Any], name: str, contender: str) -> list[float]:
    """How many times faster than the plain loop a contender was, repeat by repeat."""
    rows = value["seconds"][name]
    return [plain / own for plain, own in zip(rows[PLAIN], rows[contender], strict=True)]


def asked(value: dict[str, Any]) -> list[dict[str, Any]]:
    """What was asked, what was measured, and whether that is enough."""
    rows = []
    if value["device"] == "cpu":
        for name in ("MobileNetV2-0.25", "ResNet-20"):
            rows.append((f"{name}: times the plain loop", ASKED[name], statistics.median(ratios(value, name, ENGINE))))
        one, two = (statistics.median(rates) for rates in value["cores"].values())
        rows.append(("two workers of one thread: times one of two", ASKED["two workers"], two / one))
    else:
        plain = statistics.median(value["seconds"]["ResNet-20"][PLAIN])
        best = max(statistics.median(rates) for way in value["packed"].values() for rates in way.values() if rates)
        rows.append(("ResNet-20, packed: times the plain loop's candidates", ASKED["packed"], best * plain / 3600))
    return [{"what": what, "asked": least, "measured": seen, "met": seen >= least} for what, least, seen in rows]


def main() -> None:
    """Measure, write both files, and print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--images", type=int, default=1024, help="training images of a candidate")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--packed", default="1,2,4,8,16", help="on a GPU: how many candidates train at once")
    parser.add_argument("--minutes", type=float, default=8.0, help="on a GPU: no packing begins after as many")
    parser.add_argument("--data-dir", default=os.environ.get("NASLAB_DATA"))
    parser.add_argument("--out", type=Path, default=Path("results/train_bench"))
    given = parser.parse_args()
    from train_page import page

    value = measure(given)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "table.json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    text = page(value)
    (given.out / "table.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
