"""A study of real networks with made-up accuracies, to test tables and figures without training anything.

Accuracies are a function of the seed and of the networks' costs; nobody measured them.
"""

from __future__ import annotations

import math
import random
from typing import Any

import msgspec

from naslab.analysis.study import StudyView
from naslab.arch import (
    ArchSpec,
    ConvBlock,
    DepthwiseSeparable,
    InvertedBottleneck,
    ResidualBlock,
    Stage,
    arch_id,
    cost,
)
from naslab.arch.blocks import AnyBlock
from naslab.ledger.record import RunRecord, StudyRecord
from naslab.space import Genome, SearchSpace
from naslab.space.genome import Gene
from naslab.study.outcome import Candidate, EpochRecord, Estimate, Failure, Fidelity, Outcome
from naslab.study.problem import DataChoice, Limit, Objective, Problem
from naslab.study.recipe import Recipe

BLOCKS: tuple[AnyBlock, ...] = (ResidualBlock(), InvertedBottleneck(expansion=3), DepthwiseSeparable())
WIDTHS = (16, 24, 32, 48)
DEPTHS = (1, 2, 3)
START = 1_760_000_000.0
TEMPLATE: dict[str, Any] = {
    "input": [1, 8, 8],
    "num_classes": 10,
    "stem": [{"block": {"type": "conv", "kernel": 3}, "width": 16}],
    "stages": [
        {
            "block": {"choice": [msgspec.to_builtins(block) for block in BLOCKS]},
            "width": {"choice": list(WIDTHS)},
            "repeats": {"choice": list(DEPTHS)},
            "stride": stride,
        }
        for stride in (1, 2, 1)
    ],
}


def network(choices: list[tuple[int, int, int]], side: int = 8) -> ArchSpec:
    """The network of (block, width, depth) indices, one triple a stage."""
    stages = tuple(
        Stage(block=BLOCKS[block], width=WIDTHS[width], repeats=DEPTHS[depth], stride=2 if index == 1 else 1)
        for index, (block, width, depth) in enumerate(choices)
    )
    return ArchSpec(
        input=(1, side, side), stem=(Stage(block=ConvBlock(kernel=3), width=16),), stages=stages, num_classes=10
    )


def outcome(
    trial: int,
    arch: ArchSpec,
    accuracy: float | None,
    *,
    genome: Genome | None = None,
    role: str = "search",
    origin: dict[str, Any] | None = None,
    finished: float = 0.0,
    epochs: int = 4,
    failure: Failure | None = None,
    measured: dict[str, float] | None = None,
) -> Outcome:
    """A finished candidate; without an accuracy it failed."""
    if accuracy is None and failure is None:
        failure = Failure(reason="diverged", message=f"the loss of trial {trial} was not a number in epoch 1")
    values = {"accuracy": accuracy, "accuracy_sem": sem(accuracy)} if accuracy is not None and not failure else {}
    return Outcome(
        candidate=Candidate(
            trial=trial,
            arch=arch,
            arch_id=arch_id(arch),
            cost=cost(arch),
            fidelity=Fidelity(epochs=epochs),
            seed=0,
            genome=genome or Genome(),
            role=role,  # type: ignore[arg-type]
            origin=origin or {},
        ),
        estimate=Estimate(
            measured={**values, **(measured or {})},
            curve=curve(accuracy, epochs) if values and accuracy is not None else (),
            failure=failure,
            wall_seconds=1.5,
            device="cpu",
        ),
        finished=finished,
    )


def sem(accuracy: float, images: int = 360) -> float:
    """The binomial standard error of an accuracy in per cent."""
    share = accuracy / 100
    return 100 * math.sqrt(max(0.0, share * (1 - share)) / images)


def curve(accuracy: float, epochs: int) -> tuple[EpochRecord, ...]:
    """A learning curve that ends at an accuracy."""
    return tuple(
        EpochRecord(
            epoch=epoch,
            train_loss=2.3 * math.exp(-epoch),
            validation_loss=2.3 * math.exp(-0.9 * epoch),
            validation_accuracy=accuracy * (1 - 0.6 * math.exp(-1.5 * epoch)) / (1 - 0.6 * math.exp(-1.5 * epochs)),
            wall_seconds=0.35 * epoch,
        )
        for epoch in range(1, epochs + 1)
    )


def problem(**changes: Any) -> Problem:
    """Accuracy up, macs down, at most 5 M macs, on the digits."""
    fields: dict[str, Any] = {
        "space": SearchSpace(template=TEMPLATE, name="three_stages"),
        "objectives": (Objective.named("accuracy"), Objective.named("macs")),
        "data": DataChoice(name="digits"),
        "recipe": Recipe(),
        "limits": (Limit.parse("macs<=5e6"),),
    }
    return Problem(**{**fields, **changes})


def searched(count: int, seed: int = 0) -> list[Outcome]:
    """Outcomes of a search, every eleventh failed; networks may repeat."""
    rng = random.Random(seed)
    found: list[Outcome] = []
    for trial in range(count):
        choices = [(rng.randrange(3), rng.randrange(4), rng.randrange(3)) for _ in range(3)]
        arch = network(choices)
        genes = tuple(
            Gene(f"stages[{stage}].{field}", option)
            for stage, triple in enumerate(choices)
            for field, option in zip(("block", "width", "repeats"), triple, strict=True)
        )
        accuracy = accuracy_of(arch, rng)
        paused = 3600.0 if trial >= count // 2 else 0.0
        failure = None
        if trial % 11 == 7:
            accuracy = None
            if trial % 2:
                failure = Failure(reason="timed_out", message="took longer than 60 s & was ended")
        finished = START + 2.0 * (trial + 1) + paused
        found.append(outcome(trial, arch, accuracy, genome=Genome(genes), finished=finished, failure=failure))
    return found


def accuracy_of(arch: ArchSpec, rng: random.Random) -> float | None:
    """A made-up accuracy that grows with the logarithm of the macs."""
    return min(99.4, 62 + 5.6 * math.log2(cost(arch).macs / 2e4) + rng.gauss(0, 2.2))


def study(count: int = 60, name: str = "digits-demo", **changes: Any) -> StudyView:
    """A whole study: a search in two runs, a rescaled family and two baselines."""
    rng = random.Random(1)
    members = []
    for index, (phi, side) in enumerate(((0, 8), (1, 10), (2, 12), (3, 15))):
        arch = network([(2, min(3, 1 + phi // 2), min(2, phi)), (1, 2, 1), (0, min(3, 1 + phi), 0)], side)
        origin = {"phi": float(phi), "width": 1.1**phi, "depth": 1.2**phi, "resolution": 1.15**phi}
        members.append(outcome(1000 + index, arch, 91.0 + 2 * phi, role="family", origin=origin, epochs=8))
    baselines = [
        outcome(
            2000 + index,
            network([(block, 3, 2)] * 3),
            accuracy_of(network([(block, 3, 2)] * 3), rng),
            role="baseline",
            origin={"zoo": label},
        )
        for index, (block, label) in enumerate(((0, "resnet20_cifar"), (2, "mobilenet_v1")))
    ]
    runs = tuple(
        RunRecord(
            command=f"naslab search three_stages --strategy tpe --trials {count} --limit 'macs<=5e6' --study {name}",
            started=START + pause,
            machine={"processor": "a test", "cores": 2, "memory_gib": 16, "gpus": []},
            versions={"naslab": "0.1.0", "torch": "2.11.0", "optuna": "5.0.0"},
            num_workers=2,
        )
        for pause in (0.0, 3600.0 + count)
    )
    record = StudyRecord(name=name, problem={}, strategy="tpe", epochs=4, seed=0, trials=count, created=START)
    fields: dict[str, Any] = {
        "record": record,
        "problem": problem(),
        "outcomes": tuple(searched(count)),
        "family": tuple(members),
        "baselines": tuple(baselines),
        "runs": runs,
        "num_in_flight": 1,
    }
    return StudyView(**{**fields, **changes})
