"""What our own table says: how far its accuracies can be trusted, how early they rank networks, and which rules hold.

    python scripts/read_fashion_table.py [--out results/fashion_mixed]

Reads the table `fashion_mixed` that comes with naslab and trains nothing. Writes OUT/findings.md.

Noise: what a second training of the same network says of the first. Epochs: how validation after each epoch of one
training ranks networks by the validation after the last epoch of another, so that luck in common does not help. Rules:
how much of what macs leave unexplained one property of a network explains, for networks it was not fitted to (ten
folds), so that rules of many classes are not favoured.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from naslab.analysis.rank_agreement import Agreement, kendall_tau, resampled_agreement
from naslab.atomic_write import atomic_write
from naslab.bench.fashion_mixed import SPACE, FashionTable, read_fashion_table
from naslab.space import Genome, SearchSpace, load_space
from naslab.space.genome import Hole

Matrix = NDArray[np.float64]
FOLDS, RESAMPLES, DRAWN_BY = 10, 100, 20_261_130
FIRST, SECOND = 0, 1
"""The seeds that are compared."""
INSIDE = re.compile(r"\.block\.choice\[\d+\]")
NO_CHOICE = {"repeats": 1, "kernel": 3, "expansion": 1}
"""What blocks have that leave no choice of it."""


class Rule(NamedTuple):
    """A property of networks: its values as columns of shape (networks, columns), and their names where it has few."""

    name: str
    columns: Matrix
    labels: tuple[str, ...] = ()


def variances(values: Matrix) -> tuple[float, float]:
    """The variance between networks and that between the trainings of one network of `values`, (networks, seeds).

    By one-way analysis of variance with random effects, from networks of two trainings at least; the first is 0 where
    nothing is left of it.
    """
    several = values[np.isfinite(values).sum(axis=1) > 1]
    counts = np.isfinite(several).sum(axis=1)
    means = np.nanmean(several, axis=1)
    within = float(np.nansum((several - means[:, None]) ** 2) / (counts - 1).sum())
    total = float(np.nanmean(several))
    between = float((counts * (means - total) ** 2).sum() / (len(counts) - 1))
    size = (counts.sum() - (counts**2).sum() / counts.sum()) / (len(counts) - 1)
    return max(0.0, (between - within) / float(size)), within


def ceiling(between: float, within: float, trainings: float) -> float:
    """Kendall's tau that the networks' own quality has with the mean of so many `trainings`, were all normal.

    >>> round(ceiling(1.0, 1.0, 1), 2), round(ceiling(1.0, 0.0, 1), 2)
    (0.5, 1.0)
    """
    return 2 / math.pi * math.asin(math.sqrt(between / (between + within / trainings)))


def agreement(one: Matrix, other: Matrix) -> Agreement:
    """Kendall's tau of two columns, with its interval over networks."""
    rng = np.random.default_rng(DRAWN_BY)
    picks = [rng.integers(len(one), size=len(one)) for _ in range(RESAMPLES)]
    return resampled_agreement(kendall_tau, one, other, picks)


def one_hot(values: Sequence[str]) -> tuple[Matrix, tuple[str, ...]]:
    """A column for each value, and the values."""
    labels = tuple(sorted(set(values)))
    return np.array([[value == label for label in labels] for value in values], dtype=np.float64), labels


def choices(genome: Genome, holes: Sequence[Hole]) -> dict[str, str]:
    """What a network takes, by place and property: that of a block alone is called as that of its stage."""
    labels = {hole.path: hole.labels for hole in holes}
    return {INSIDE.sub("", path): labels[path][option] for path, option in genome.genes}


def rules(space: SearchSpace, table: FashionTable) -> list[Rule]:
    """The properties that are tried."""
    taken = [choices(genome, space.holes()) for genome in table.genomes]

    def numbers(name: str, values: Sequence[float] | Matrix) -> Rule:
        return Rule(name, np.array(values, dtype=np.float64)[:, None])

    found = [Rule(name, *one_hot([each.get(name, "none") for each in taken])) for name in sorted(set().union(*taken))]
    stages = [f"stages[{stage}]" for stage in range(3)]
    for kind in sorted({each[f"{stages[0]}.block"] for each in taken}):
        counts = [sum(each[f"{stage}.block"] == kind for stage in stages) for each in taken]
        found.append(numbers(f"stages of {kind}", counts))
    for name in ("repeats", "kernel", "expansion"):
        sums = [sum(float(each.get(f"{stage}.{name}", NO_CHOICE[name])) for stage in stages) for each in taken]
        found.append(numbers(f"{name}, sum of the stages", sums))
    widths = [[float(each[f"{stage}.width"]) for stage in stages] for each in taken]
    found.append(
        numbers("growth of width, last over first stage", [math.log(last / first) for first, _, last in widths])
    )
    found.append(numbers("log of params", np.log(table.costs[:, 1])))
    return [*found, numbers("log of activations", np.log(table.costs[:, 2]))]


def basis(macs: Matrix) -> Matrix:
    """A cubic of the logarithm of macs: shape (networks, 4)."""
    scaled = (np.log(macs) - np.log(macs).mean()) / np.log(macs).std()
    return np.stack([scaled**power for power in range(4)], axis=1)


def residuals(columns: Matrix, values: Matrix, folds: NDArray[np.int64]) -> Matrix:
    """What a linear model of `columns` leaves of `values` in each of `folds`, fitted to the others."""
    left = np.empty(len(values))
    for fold in range(FOLDS):
        judged = folds == fold
        weights = np.linalg.lstsq(columns[~judged], values[~judged], rcond=None)[0]
        left[judged] = values[judged] - columns[judged] @ weights
    return left


def explained(rule: Rule, plain: Matrix, values: Matrix, folds: NDArray[np.int64]) -> float:
    """The share of the variance that macs leave which `rule` takes away, for networks it was not fitted to."""
    before = residuals(plain, values, folds)
    after = residuals(np.column_stack((plain, rule.columns)), values, folds)
    return 1 - float((after**2).sum() / (before**2).sum())


def effect(rule: Rule, plain: Matrix, values: Matrix) -> str:
    """What a rule says, at equal macs: its best and worst class, or points for a deviation of its number."""
    weights = np.linalg.lstsq(np.column_stack((plain, rule.columns)), values, rcond=None)[0][plain.shape[1] :]
    if not rule.labels:
        return f"{weights[0] * rule.columns.std():+.2f} a deviation"
    best, worst = int(np.argmax(weights)), int(np.argmin(weights))
    return f"{rule.labels[best]} over {rule.labels[worst]}: {weights[best] - weights[worst]:+.2f}"


def noise_lines(table: FashionTable) -> list[str]:
    """How far accuracies can be trusted."""
    heads = ["accuracy", "networks trained twice", "between networks", "between trainings", "tau of two trainings"]
    heads += [f"ceiling of tau, {what}" for what in ("one training", "mean of two", "of three")]
    lines = [f"| {' | '.join(heads)} |", "|---|---:|---:|---:|---|---:|---:|---:|"]
    for name, values in (("validation", table.validation[-1]), ("test", table.test)):
        between, within = variances(values)
        both = np.isfinite(values[:, [FIRST, SECOND]]).all(axis=1)
        found = agreement(values[both, FIRST], values[both, SECOND])
        ceilings = " | ".join(f"{ceiling(between, within, count):.2f}" for count in (1, 2, 3))
        several = int((np.isfinite(values).sum(axis=1) > 1).sum())
        spread = f"{math.sqrt(between):.2f} | {math.sqrt(within):.2f}"
        lines.append(f"| {name} | {several} | {spread} | {found.words()} | {ceilings} |")
    return lines


def epoch_lines(table: FashionTable) -> list[str]:
    """How early a training ranks networks."""
    both = np.isfinite(table.validation[-1][:, [FIRST, SECOND]]).all(axis=1)
    final = table.validation[-1, :, SECOND][both]
    own = table.validation[-1, :, FIRST][both]
    lines = ["| epoch | tau with the end of another training | tau with its own end |", "|---:|---|---|"]
    for epoch in range(len(table.validation)):
        now = table.validation[epoch, :, FIRST][both]
        lines.append(f"| {epoch + 1} | {agreement(now, final).words()} | {agreement(now, own).words()} |")
    for last in (3, 6):
        mean = table.validation[-last:, :, FIRST][:, both].mean(axis=0)
        name = f"mean of the last {last}"
        lines.append(f"| {name} | {agreement(mean, final).words()} | {agreement(mean, own).words()} |")
    return lines


def rule_lines(table: FashionTable) -> list[str]:
    """Which property explains most at equal macs."""
    accuracy = np.nanmean(table.test, axis=1)
    plain = basis(table.costs[:, 0])
    rng = np.random.default_rng(DRAWN_BY)
    folds = [rng.permutation(np.arange(len(accuracy)) % FOLDS) for _ in range(5)]
    told = []
    for rule in rules(load_space(SPACE), table):
        shares = [explained(rule, plain, accuracy, each) for each in folds]
        told.append((float(np.mean(shares)), rule.name, effect(rule, plain, accuracy)))
    left = residuals(plain, accuracy, folds[0])
    by_macs = 1 - float((left**2).sum() / ((accuracy - accuracy.mean()) ** 2).sum())
    lines = [
        f"Macs alone explain {100 * by_macs:.0f} % of the variance of test accuracy (a cubic of their logarithm); what "
        f"they leave has a deviation of {left.std():.2f} points.",
        "",
        "| rule | of the rest it explains | what it says, in points at equal macs |",
        "|---|---:|---|",
    ]
    return lines + [f"| {name} | {100 * share:.1f} % | {says} |" for share, name, says in sorted(told, reverse=True)]


def page(table: FashionTable) -> str:
    """The findings."""
    trained = np.isfinite(table.test)
    counts = ", ".join(f"{int(count)} of seed {seed}" for seed, count in enumerate(trained.sum(axis=0)))
    accuracy = np.nanmean(table.test, axis=1)
    return "\n".join(
        [
            "# What the table says",
            "",
            f"`scripts/read_fashion_table.py` on {int(trained.sum()):,} trainings of {len(table.genomes):,} networks "
            f"({counts}). Test accuracy is {accuracy.mean():.2f} % on average (standard deviation "
            f"{accuracy.std():.2f}, {accuracy.min():.1f} to {accuracy.max():.1f}). Intervals are of 90 %, over "
            "networks.",
            "",
            "## Noise",
            "",
            "Standard deviations in points, of accuracies after 12 epochs. The ceiling is what a perfect estimator of "
            "the quality of networks would reach where accuracies are normal: no rank agreement above it is to be "
            "hoped for.",
            "",
            *noise_lines(table),
            "",
            "## How well an early epoch ranks the last",
            "",
            *epoch_lines(table),
            "",
            "## One rule at equal macs",
            "",
            *rule_lines(table),
            "",
        ]
    )


def main() -> None:
    """Read the table and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, help="a table as `make_fashion_table.py publish` writes it")
    parser.add_argument("--out", type=Path, default=Path("results/fashion_mixed"))
    given = parser.parse_args()
    atomic_write(given.out / "findings.md", page(read_fashion_table(given.table)))


if __name__ == "__main__":
    main()
