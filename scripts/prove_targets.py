"""What the proofs of deployment ask, each network or training saved as it ends and left out when it is there already.

    python scripts/prove_targets.py ranks --out results/targets --networks 60 --predictor FILE --table FILE
    python scripts/prove_targets.py blocks --out results/targets --images 5000 --epochs 8 --seeds 3
    python scripts/prove_targets.py search --space results/targets/space.yaml --out results/targets --images 4000 \
        --validation 0.5 --trials 20 --epochs 3

`ranks`: networks of a space and of the zoo, timed in every target: how macs, params, torch's latency, a predictor
(`--predictor`) and a table of operator latencies (`--table`) rank them, and what a front drawn on each loses. A table
tells of the operators that it holds alone: that of once-for-all of no network of the space or the zoo, so networks of
once-for-all at its width are a third group where there is a table. `blocks`: accuracy before and after 8 bits by kind
of block and activation. `search`: accuracy and latency in 8 bits as objectives against accuracy and macs, both judged
as deployed. Times are those of a pass at a good pace of the core (`naslab.targets.pace`).
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from proof_table import Row, Table

import naslab
from naslab.analysis.rank_agreement import Agreement, rank_agreement
from naslab.arch import ArchSpec, decode_arch
from naslab.arch.build import build
from naslab.atomic_write import atomic_write
from naslab.errors import NaslabError
from naslab.lab.calibration import distinct_networks
from naslab.lab.latency import BATCH
from naslab.latency_models import latency_of
from naslab.pareto import hypervolume, is_non_dominated
from naslab.provenance import command_line, machine_description
from naslab.scaling.scale import scale
from naslab.space import load_space
from naslab.study.data_choice import VALIDATION_FRACTION, DataChoice
from naslab.study.recipe import Recipe, named_recipe
from naslab.targets.accuracy import accuracy_of_module
from naslab.targets.measuring import quiet_latencies
from naslab.targets.pace import BestPace
from naslab.targets.target import Deployed, parse_target
from naslab.training.data import load_dataset, load_test_set
from naslab.training.fit import fit_and_test
from naslab.training.weights import load_weights

TARGETS = ("torch", "onnxruntime", "onnxruntime-int8", "openvino")
JUDGES = TARGETS[1:]
INT8 = "onnxruntime-int8"
JUDGE_SEED = 1000
ZOO = (
    *("mobilenet_v1_025", "mobilenet_v1_050", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"),
    *("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "squeezenet1_0", "squeezenet1_1", "mnasnet_a1", "efficientnet_b0"),
    *("efficientnet_lite0", "resnet18", "resnet34", "resnet50", "googlenet", "densenet121", "regnet_y_400mf"),
    *("alexnet", "nasnet_a_mobile"),
)
"""Twenty networks of the literature; those that this version does not have are left out, and told."""
KINDS: dict[str, dict[str, Any]] = {
    "mbconv, squeeze-excite": {"type": "mbconv", "expansion": 3, "se": {"ratio": 0.25}},
    "inverted bottleneck": {"type": "inverted_bottleneck", "expansion": 3},
    "residual": {"type": "residual"},
    "inception": {"type": "inception"},
    "depthwise separable": {"type": "depthwise_separable"},
}
ACTIVATIONS = ("relu", "relu6", "silu", "hardswish")
TABLE_SPACE, TABLE_WIDTH, TABLE_SIDES = "once_for_all_mobilenet_v3", 1.2, (160, 192, 224)
"""What the table of the Note10 holds the operators of: a space, its width multiplier, and resolutions."""
CHEAP = ("macs", "params", "predicted", "table")
"""What is known of a network without running it."""
Numbers = NDArray[np.float64]


def ranks(given: argparse.Namespace) -> Row:
    """How cheap measures rank networks by their latency in targets, and what a front on each of them loses."""
    table = Table(given.out / "ranks.jsonl")
    groups: dict[str, list[str]] = {given.space: [], "zoo": [], TABLE_SPACE: []}
    best = BestPace(min((row["best_pace_ms"] for row in table.rows.values() if "best_pace_ms" in row), default=None))
    every = list(networks(given))
    for place in range(0, len(every), BATCH):
        batch = [Deployed(name, arch) for _, name, arch in every[place : place + BATCH]]
        for target in TARGETS:
            time_together(table, batch, target, best)
    for group, name, arch in every:
        groups[group].append(name)
        table.row(f"{name} told", partial(told, arch, given.predictor, given.table))
    return {group: agreements(table.rows, names, given.resamples) for group, names in groups.items() if names}


def time_together(table: Table, batch: Sequence[Deployed], target: str, best: BestPace) -> None:
    """The rows of those of a batch that have none in a target; one by one where the target refuses one of them."""
    missing = [each for each in batch if f"{each.name} {target}" not in table.rows]
    try:
        found = quiet_latencies(missing, parse_target(target), best) if missing else []
    except NaslabError:
        found = []
    for each, latency in zip(missing, found, strict=False):
        table.row(f"{each.name} {target}", partial(dict, latency_ms=latency, best_pace_ms=best.least_ms))
    for each in missing[len(found) :]:
        table.row(f"{each.name} {target}", partial(timed, each, target, best))


def networks(given: argparse.Namespace) -> Iterator[tuple[str, str, ArchSpec]]:
    """The networks of the space, those of the zoo, and those that a table tells of: group, name and description."""
    space = load_space(given.space)
    for name, genome in distinct_networks(space, given.networks, [given.seed]).items():
        yield given.space, name, space.decode(genome)
    for name in ZOO[: given.zoo]:
        try:
            yield "zoo", name, naslab.model(name)
        except NaslabError as error:
            print(f"{name}: {error}")
    if given.table is not None and given.table_networks:
        space = load_space(TABLE_SPACE)
        drawn = distinct_networks(space, given.table_networks, [given.seed]).items()
        for (name, genome), side in zip(drawn, cycle(TABLE_SIDES), strict=False):
            arch = scale(space.decode(genome), width=TABLE_WIDTH)
            yield TABLE_SPACE, f"{name}-{side}", replace(arch, input=(3, side, side))


def timed(deployed: Deployed, target: str, best: BestPace) -> Row:
    """A network's latency in a target, on one thread."""
    (latency,) = quiet_latencies([deployed], parse_target(target), best)
    return {"latency_ms": latency, "best_pace_ms": best.least_ms}


def told(arch: ArchSpec, predictor: Path | None, table: Path | None) -> Row:
    """What is known of a network without running it, and why a file does not tell its latency."""
    size = naslab.cost(arch)
    row: Row = {"macs": size.macs, "params": size.params}
    for kind, file in (("predicted", predictor), ("table", table)):
        if file is not None:
            try:
                row[kind] = latency_of(f"{kind}:{file}", arch)
            except NaslabError as error:
                row[f"no {kind}"] = str(error)
    return row


def agreements(rows: dict[str, Row], names: Sequence[str], num_resamples: int) -> Row:
    """Kendall's tau of every cheap measure with the latency in each target, and what choosing on the measure keeps."""
    found: Row = {"networks": len(names)}
    for judge in JUDGES:
        known = [name for name in names if "latency_ms" in rows[f"{name} {judge}"]]
        truth = np.array([rows[f"{name} {judge}"]["latency_ms"] for name in known])
        params = np.array([rows[f"{name} told"]["params"] for name in known])
        cheap = {key: [rows[f"{name} told"].get(key) for name in known] for key in CHEAP}
        cheap["torch"] = [rows[f"{name} torch"].get("latency_ms") for name in known]
        whole = {key: np.array(each, float) for key, each in cheap.items() if len(known) > 2 and None not in each}
        found[judge] = {
            "networks": len(known),
            "tau": {key: with_interval(rank_agreement(each, truth, num_resamples).tau) for key, each in whole.items()},
            "kept_of_hypervolume": {
                key: kept_of_hypervolume(params, each, truth) for key, each in whole.items() if key != "params"
            },
        }
    return found


def with_interval(found: Agreement) -> Row:
    """An agreement with its interval of 90 %."""
    return {"value": found.value, "low": found.low, "high": found.high}


def kept_of_hypervolume(params: Numbers, cheap: Numbers, latency: Numbers) -> float:
    """The share of the hypervolume of (parameters up, latency down) that the front of (parameters, `cheap`) keeps.

    All are of shape (networks,). Parameters stand for accuracy, which untrained networks have not: the larger, the
    better. So they are no cheap measure of the latency here: a front on parameters against themselves is everything.
    """
    points = np.stack([-np.log(params), np.log(latency)], axis=1)
    reference = points.max(axis=0) + 1e-9
    chosen = points[is_non_dominated(np.stack([-params, cheap], axis=1))]
    return hypervolume(chosen, reference) / hypervolume(points, reference)


def blocks(given: argparse.Namespace) -> Row:
    """Accuracy before and after 8 bits, by kind of block and activation, over seeds."""
    table = Table(given.out / "blocks.jsonl")
    summary: Row = {}
    for kind in given.kinds or KINDS:
        for activation in given.activations:
            keys = [f"{kind} {activation} {seed}" for seed in range(given.seeds)]
            made = [table.row(key, partial(trained, given, kind, activation, seed)) for seed, key in enumerate(keys)]
            summary[f"{kind} {activation}"] = over_seeds([row for row in made if "failure" not in row])
    return summary


def block_net(kind: str, activation: str, channels: int) -> ArchSpec:
    """A small network of one kind of block."""
    stages = [{"block": KINDS[kind], "width": width, "stride": 2, "repeats": 2} for width in (24, 48)]
    stem = [{"block": {"type": "conv"}, "width": 16}]
    size = 8 if channels == 1 else 32
    return decode_arch(
        {"input": [channels, size, size], "num_classes": 10, "activation": activation, "stem": stem, "stages": stages}
    )


def trained(given: argparse.Namespace, kind: str, activation: str, seed: int) -> Row:
    """One training, and the accuracies on validation images in torch and in 8 bits."""
    data = DataChoice(name=given.dataset, max_images=given.images)
    arch = block_net(kind, activation, 1 if given.dataset == "digits" else 3)
    return fitted(arch, data, named_recipe("short", given.dataset), given.epochs, seed, given.targets)


def fitted(
    arch: ArchSpec,
    data: DataChoice,
    recipe: Recipe,
    epochs: int,
    seed: int,
    targets: Sequence[str],
    on_test: bool = False,
) -> dict[str, Any]:
    """A network trained from `seed`: the accuracy in torch, `float`, and in each of `targets`.

    They are those on the validation images, or on the test images.
    """
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "w.safetensors"
        found = fit_and_test(arch, data, recipe, epochs, seed=seed, save_to=weights)
        module = build(arch)
        load_weights(module, weights)
    split = load_dataset(data)
    row: Row = {"float": found.curve[-1].validation_accuracy}
    if on_test:
        row["float"], split = found.test_accuracy, split._replace(validation=load_test_set(data))
    row["images"] = len(split.validation)
    for target in targets:
        row[target] = accuracy_of_module(module.eval(), arch, split, parse_target(target)).accuracy
    return row


def over_seeds(rows: Sequence[Row]) -> Row:
    """Means over seeds, and the change by 8 bits with its standard error."""
    found: Row = {"seeds": len(rows)}
    for name in [name for name in (rows[0] if rows else {}) if name not in ("key", "images")]:
        values = np.array([row[name] for row in rows])
        changes = values - np.array([row["float"] for row in rows])
        error = changes.std(ddof=1) / math.sqrt(len(rows)) if len(rows) > 1 else None
        found[name] = {"mean": values.mean(), "change": changes.mean(), "change_error": error}
    return found


def search(given: argparse.Namespace) -> Row:
    """One search on what is deployed against one on accuracy and macs, of the same budget, both fronts judged alike.

    Each network of a front is trained again from another seed on the same images, and judged in 8 bits: by its accuracy
    on test images, which no search saw, and by its latency.
    """
    table = Table(given.out / "search.jsonl")
    goals = {"deployed": [f"accuracy@{INT8}", f"latency_ms@{INT8}"], "macs": ["accuracy", "macs"]}
    points: dict[str, list[list[float]]] = {}
    for seed in range(given.seeds):
        for name, objectives in goals.items():
            study = naslab.search(
                given.space,
                dataset=searched_data(given),
                strategy="nsga2",
                objectives=objectives,
                trials=given.trials,
                epochs=given.epochs,
                seed=seed,
                study=f"{name}-{seed}",
                ledger=given.out / "search.db",
            )
            front = [f"{name}-{seed}:{point.trial}" for point in naslab.pareto_front(study).front]
            rows = [table.row(each, partial(judged, given, each)) for each in front]
            points[f"{name}-{seed}"] = [[-row["accuracy"], row["latency_ms"]] for row in rows if "failure" not in row]
    every = [point for part in points.values() for point in part]
    reference = [0.0, max(latency for _, latency in every) * 1.1]
    return {name: {"hypervolume": hypervolume(part, reference), "front": part} for name, part in points.items()}


def searched_data(given: argparse.Namespace) -> DataChoice:
    """The images of the searches."""
    return DataChoice(name=given.dataset, max_images=given.images, validation_fraction=given.validation)


def judged(given: argparse.Namespace, model: str) -> Row:
    """A network of a front, trained again: its accuracy on test images and its latency, both in 8 bits."""
    arch = naslab.find_model(model, given.out / "search.db").arch
    data = searched_data(given)
    recipe = named_recipe("short", given.dataset)
    accuracies = fitted(arch, data, recipe, given.epochs, JUDGE_SEED, (INT8,), on_test=True)
    return {
        "accuracy": accuracies[INT8],
        "float": accuracies["float"],
        **timed(Deployed(model, arch), INT8, BestPace()),
    }


PARTS = {"ranks": ranks, "blocks": blocks, "search": search}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a part, and write its summary beside its rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--space", default="mixed_cifar")
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--zoo", type=int, default=len(ZOO))
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--predictor", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--table-networks", type=int, default=20)
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--images", type=int)
    parser.add_argument("--validation", type=float, default=VALIDATION_FRACTION)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", choices=list(KINDS))
    parser.add_argument("--activations", nargs="*", choices=ACTIVATIONS, default=list(ACTIVATIONS))
    parser.add_argument("--targets", nargs="*", default=[INT8, "openvino-int8"])
    given = parser.parse_args(arguments)
    summary = PARTS[given.part](given)
    told = {"command": command_line(), "machine": machine_description(), "summary": summary}
    atomic_write(given.out / f"{given.part}.json", json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
