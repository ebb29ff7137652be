"""How well each estimator ranks networks of NAS-Bench-Macro, and what it takes: tau per device-second.

    NASLAB_DATA=DIR .venv/bin/python scripts/bench_estimators.py [--networks 100] [--minutes 15]
    NASLAB_DATA=DIR .venv/bin/python scripts/bench_estimators.py --full

The truth are the published accuracies (Su et al. 2021, arXiv 2103.11922: means of three trainings of 50 epochs).
Estimators run one after the other, cheap ones first, until the minutes are over; the same command continues, and what
is not complete says over how many networks it is. The reduced form trains on 4,000 images of CIFAR-10 and is for a CPU,
the full one on 40,000 and is for a GPU. Neither looks at the test set, nor at accuracies of the networks judged.

Short training is given a fidelity by what it costs: image passes, epochs x images, forward passes over the validation
images a third each, times the multiply-accumulates of its smaller and narrower proxy as a share of the network's.
The published cost is 50 epochs of 50,000 images.

Supernets are trained before, by `naslab supernet`, and join with `--more supernet:path=FILE`.

Writes OUT/table.json, OUT/table.md, OUT/figure.html, OUT/figure.png where Chromium is, and where networks were trained
OUT/curves.csv with every epoch of theirs.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from naslab.analysis.calibration import LEAST_NETWORKS, CalibrationTable, Estimated, EstimatorLine, values_of
from naslab.analysis.curve_agreement import CurveLine, curve_agreement
from naslab.arch import cost
from naslab.errors import NaslabError
from naslab.estimators.known_table import genome_key
from naslab.estimators.named import EstimatorName, Setting
from naslab.estimators.options import ShortOptions
from naslab.execution.events import Event, TrialFinished
from naslab.execution.local import threads_each
from naslab.execution.workers import Workers
from naslab.figures.calibration import write_calibration
from naslab.lab.calibration import CalibrationPlan, plan_calibration, read_calibration, run_estimator, run_reference
from naslab.ledger.ledger import Ledger
from naslab.provenance import device_description, installed_versions, machine_description
from naslab.training.fidelity import arch_at
from naslab.training.schedule import annealing

PUBLISHED_PASSES = 50 * 50_000
FORWARD_SHARE = 1 / 3
CHEAP = (
    "params,macs,activations,depth,layers,predictor:known=50,predictor:known=100,"
    "ensemble,naswot,synflow,grad_norm,jacob_cov,snip,zico"
)
REDUCED = (
    "short:epochs=2,images=1000,resolution=16,width=0.5,batch=32,"
    "short:epochs=4,images=3000,resolution=16,width=0.5,batch=32"
)
FULL = (
    "short:epochs=1,images=10000,batch=64,short:epochs=4,images=10000,resolution=16,batch=64,"
    "short:epochs=1,images=40000,short:epochs=1,images=40000,batch=64,short:epochs=4,images=10000,batch=64,"
    "short:epochs=4,images=40000,resolution=16,batch=64,short:epochs=8,images=10000,resolution=16,batch=64,"
    "extrapolated:epochs=4,of=8,images=10000,resolution=16,batch=64,"
    "short:epochs=16,images=10000,resolution=16,batch=64,"
    "extrapolated:epochs=8,of=16,images=10000,resolution=16,batch=64,ensemble:batch=128"
)
CURVES_NOTE = (
    "Beginnings of the curves above, on their schedule: nothing was trained for this. Training speed is minus the sum "
    "of training losses (arXiv 2006.04492); the extrapolated loss lets the validation loss fall on as the "
    "training loss did in the logarithm of epochs; the extrapolated accuracy is that of `extrapolated`."
)
EPOCH_FIELDS = ("epoch", "train_loss", "validation_loss", "validation_accuracy", "wall_seconds")
REDUCED_IMAGES = 5000
"""Of them a fifth validates."""


class TimeIsUpError(NaslabError):
    """The minutes are over; what is finished is in the ledger."""


def stop_at(end: float) -> Any:
    """An observer that ends the run at a time of `time.monotonic`, after an estimate."""

    def watch(event: Event) -> None:
        if isinstance(event, TrialFinished) and time.monotonic() > end:
            raise TimeIsUpError("the time is up; the same command continues")

    return watch


def measure(plan: CalibrationPlan, given: argparse.Namespace, end: float, ledger: Ledger) -> None:
    """Run estimators until the time is up."""
    pool = Workers(count=given.workers, device=given.device)
    run_reference(plan, ledger, pool)
    for name in plan.estimators:
        start = time.monotonic()
        if start > end:
            raise TimeIsUpError("the time is up; the same command continues")
        run_estimator(plan, name, ledger, pool, stop_at(end))
        print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


def passes(plan: CalibrationPlan, name: EstimatorName, num_training: int, num_validation: int) -> float | None:
    """Image passes of a short training, each of the whole network's macs; `None` of what is not one."""
    options = name.options
    if not isinstance(options, ShortOptions):
        return None
    archs = [plan.problem.space.decode(genome) for genome in plan.judged]
    shares = [cost(arch_at(arch, options.fidelity)).macs / cost(arch).macs for arch in archs]
    images = min(options.images or num_training, num_training)
    return options.epochs * (images + FORWARD_SHARE * num_validation) * sum(shares) / len(shares)


def beginnings(plan: CalibrationPlan, ledger: Ledger) -> dict[str, tuple[CurveLine, ...]]:
    """What the first epochs of each short training of several epochs tell, by its name."""
    truth = values_of(Estimated(plan.reference, "accuracy", ledger.outcomes(plan.reference_study)))
    judged = {each.arch_id for each in plan.jobs(plan.judged, plan.truth.fidelity)}
    known = {arch_id: value for arch_id, value in truth.items() if arch_id in judged}
    found = {}
    for name in plan.estimators:
        options, study = name.options, plan.study_of(name)
        if not isinstance(options, ShortOptions) or study not in ledger.study_names():
            continue
        if options.fidelity.schedule_epochs is not None or options.epochs == 1:
            continue
        outcomes = [each for each in ledger.outcomes(study) if each.is_complete and each.candidate.arch_id in known]
        if len(outcomes) >= LEAST_NETWORKS:
            falls = annealing(options.training(Setting(plan.problem)).recipe, options.epochs)
            found[str(name)] = curve_agreement(outcomes, known, falls, plan.seed)
    return found


def epochs_of(plan: CalibrationPlan, ledger: Ledger) -> list[dict[str, Any]]:
    """Every epoch of the judged networks' short trainings, as the rows of a table."""
    truth = values_of(Estimated(plan.reference, "accuracy", ledger.outcomes(plan.reference_study)))
    judged = {each.arch_id for each in plan.jobs(plan.judged, plan.truth.fidelity)}
    there = ledger.study_names()
    trained = [name for name in plan.estimators if isinstance(name.options, ShortOptions)]
    return [
        {
            "estimator": str(name),
            "seed": plan.seed,
            "arch": genome_key(outcome.candidate.genome),
            "published_accuracy": truth[outcome.candidate.arch_id],
            **{field: getattr(epoch, field) for field in EPOCH_FIELDS},
        }
        for name in trained
        if plan.study_of(name) in there
        for outcome in ledger.outcomes(plan.study_of(name))
        if outcome.is_complete and outcome.candidate.arch_id in judged
        for epoch in outcome.estimate.curve
    ]


def record(
    given: argparse.Namespace,
    plans: list[CalibrationPlan],
    tables: list[CalibrationTable],
    curves: list[dict[str, tuple[CurveLine, ...]]],
) -> dict[str, Any]:
    """Everything measured as plain values."""
    total = given.max_images or 50_000
    validating = round(total * plans[0].problem.data.validation_fraction)
    spent = {str(name): passes(plans[0], name, total - validating, validating) for name in plans[0].estimators}
    return {
        "command": shlex.join(["scripts/bench_estimators.py", *sys.argv[1:]]),
        "machine": machine_description() | {"gpus": device_description()["gpus"]},
        "versions": installed_versions(),
        "load": os.getloadavg(),
        "workers": given.workers,
        "repeats": len(given.seeds),
        "threads": threads_each(given.workers),
        "truth": "published accuracies, means of three trainings of 50 epochs; never shown to an estimator",
        "split": f"{total - validating} training images of CIFAR-10, {validating} validate",
        "published_passes": PUBLISHED_PASSES,
        "image_passes": {name: count for name, count in spent.items() if count is not None},
        "tables": [table.rows() for table in tables],
        "curves": [{name: [line.row() for line in lines] for name, lines in each.items()} for each in curves],
    }


def markdown(
    value: dict[str, Any], tables: list[CalibrationTable], curves: list[dict[str, tuple[CurveLine, ...]]]
) -> str:
    """The measurements as a page."""
    machine = value["machine"]
    known = ", ".join(f"{name} {version}" for name, version in value["versions"].items() if version != "not installed")
    lines = [
        "# What each estimator is worth",
        "",
        f"`{value['command']}`; {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, GPUs: "
        f"{machine['gpus']}; {value['workers']} workers, CPU threads of each: {value['threads']}, load average "
        f"{value['load'][0]:.1f} at the end; repeats: {value['repeats']}, a seed each. {known}.",
        "",
        f"Truth: {value['truth']}. Split: {value['split']}. Intervals are of 90 %, by resampling the networks; "
        "precision is the share of an estimator's best tenth that truly is of the best tenth. Device-seconds are "
        "processor time of one estimate on a CPU; passes are multiply-accumulates as a share of the published "
        "training's.",
    ]
    for table, each in zip(tables, curves, strict=True):
        lines += ["", f"## {table.num_networks} networks, seed {table.seed}, the best tenth is {table.num_top}", ""]
        lines += table_lines(table, value["image_passes"])
        for name, beginning in each.items():
            lines += ["", f"### The first epochs of `{name}`", "", CURVES_NOTE, "", *curve_lines(beginning)]
    return "\n".join(lines) + "\n"


def table_lines(table: CalibrationTable, image_passes: dict[str, float]) -> list[str]:
    """A table in Markdown."""
    heads = ["estimator", "networks", "tau", "rho", "tau, best tenth", "precision", "device-s", "tau per device-s"]
    heads += ["preparing, s", "passes"]
    lines = [row_line(heads), row_line(["---", *["---:"] * (len(heads) - 1)])]
    return lines + [row_line(cells(line, image_passes)) for line in table.lines]


def curve_lines(lines: tuple[CurveLine, ...]) -> list[str]:
    """What beginnings of curves tell, in Markdown."""
    heads = ["epochs seen", "score", "networks", "tau", "precision", "tau less that of all epochs' accuracy"]
    rows = [row_line(heads), row_line(["---:", "---", *["---:"] * (len(heads) - 2)])]
    return rows + [
        row_line(
            [
                f"{line.epochs} of {line.of_epochs}",
                line.score,
                f"{line.num_networks}",
                *(each.words() for each in (line.tau, line.precision, line.gain)),
            ]
        )
        for line in lines
    ]


def cells(line: EstimatorLine, image_passes: dict[str, float]) -> list[str]:
    """A line's cells; what has a problem says it instead of a tau."""
    share = image_passes.get(line.name)
    return [
        line.name,
        f"{line.num_networks}" + (f" ({line.num_failed} failed)" if line.num_failed else ""),
        line.problem or line.tau.words(),
        *(each.words() for each in (line.rho, line.top_tau, line.precision)),
        f"{line.device_seconds:.3g}",
        f"{line.tau.value / max(line.device_seconds, 1e-6):.3g}",
        f"{line.prepare_seconds:.2g}",
        "-" if share is None else f"{share / PUBLISHED_PASSES:.2%}",
    ]


def row_line(parts: list[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(parts) + " |"


def picture(page: Path, out: Path) -> None:
    """The figure as a picture where there is a browser."""
    sys.path.insert(0, str(Path(__file__).parent))
    try:
        from screenshot import screenshot

        screenshot(page, out, width=1100, select="figure:has(#calibration-0)")
    except (ImportError, SystemExit) as reason:
        print(f"no picture: {reason}", file=sys.stderr)


def parsed() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=15.0, help="end after this time; run again to continue")
    parser.add_argument("--full", action="store_true", help="all images and larger fidelities, for a GPU")
    parser.add_argument("--estimators", help="names with commas instead of the form's own")
    parser.add_argument("--more", default="", help="names beside the form's own, as extrapolation")
    parser.add_argument("--max-images", type=int, help=f"images of CIFAR-10; {REDUCED_IMAGES} in the reduced form")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="one repeat each: networks, weights, batches")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--ledger", default="bench_estimators.db")
    parser.add_argument("--out", type=Path, default=Path("results/estimators"))
    given = parser.parse_args()
    if given.max_images is None and not given.full:
        given.max_images = REDUCED_IMAGES
    own = f"{CHEAP},{FULL if given.full else REDUCED}"
    given.names = f"{given.estimators or own},{given.more}"
    return given


def main() -> None:
    """Measure what is not measured yet until the time is up, then write what there is."""
    given = parsed()
    end = time.monotonic() + 60 * given.minutes
    form = "full" if given.full else "reduced"
    plans = [
        plan_calibration(
            "nas_bench_macro",
            given.names,
            sample=given.networks,
            dataset="cifar10",
            max_images=given.max_images,
            seed=seed,
            study=f"{form}-{seed}",
        )
        for seed in given.seeds
    ]
    with Ledger.open(given.ledger) as ledger:
        try:
            for plan in plans:
                measure(plan, given, end, ledger)
        except TimeIsUpError as reason:
            print(reason, file=sys.stderr)
        begun = [plan for plan in plans if plan.reference_study in ledger.study_names()]
        tables = [read_calibration(plan, ledger) for plan in begun]
        curves = [beginnings(plan, ledger) for plan in begun]
        epochs = [row for plan in begun for row in epochs_of(plan, ledger)]
    given.out.mkdir(parents=True, exist_ok=True)
    value = record(given, plans, tables, curves)
    (given.out / "table.json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    (given.out / "table.md").write_text(markdown(value, tables, curves), encoding="utf-8")
    if epochs:
        with (given.out / "curves.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(epochs[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(epochs)
    write_calibration(tables, given.out / "figure.html", "What an estimate costs and how well it ranks")
    picture(given.out / "figure.html", given.out / "figure.png")
    print(markdown(value, tables, curves))


if __name__ == "__main__":
    main()
