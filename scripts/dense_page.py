"""The page of `prove_dense.py`: what detectors and segmenters on several backbones found, from their rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from proof_table import Row, markdown_table, mean_and_error

PRETRAINED, SCRATCH, EQUAL = "pretrained", "scratch", "equal"
STARTS = (SCRATCH, PRETRAINED, EQUAL)
TITLES = {SCRATCH: "scratch", PRETRAINED: "pretrained", EQUAL: "pretrained, whole rate"}
"""What a detector or segmenter begins with, in the words of columns."""
TASKS = {
    "detection": (("box_ap", "AP"), ("box_ap50", "AP50"), ("box_ap_voc11", "AP of 11 recalls")),
    "segmentation": (("mean_iou", "mean IoU"), ("pixel_accuracy", "pixel accuracy")),
}
"""The metrics of a page by their names in results, the main one first."""
HEAD = """\
# Detection and segmentation on backbones of equal macs

Scenes of Fashion-MNIST articles on textured canvases (`scripts/make_scenes.py`); those of the test are made of test
articles. Four backbones of equal macs, with nothing but pooling before their classifiers: `found`, the best of a search
on Fashion-MNIST's classes (`space.yaml`), widened to the budget; `rescaled`, the best of that search within half of it,
brought to it in depth and width by compound scaling; ResNet-18 narrowed; and MobileNetV2, whose macs are the budget.
Each learned Fashion-MNIST's classes once before (`pretrained`) or nothing (`scratch`); all else is alike but for the
mean and deviation of pixels, those of the weights or of ImageNet, and the learning rate of pretrained networks, where
the recipe of a task says so. In per cent, mean and standard error over seeds. A difference to `scratch` is that of
equal seeds; its error does not hold that of another training on Fashion-MNIST.
"""


def page(rows: Collection[Row], findings: str = "") -> str:
    """All that the `rows` of `prove_dense.py` tell, of both tasks in the settings that ran last, behind `findings`."""
    lines = [HEAD, *([findings] if findings else []), *network_lines(rows)]
    for task in TASKS:
        of_task = rows_of(task, rows)
        if of_task:
            lines += ["", f"## {task.capitalize()}", "", *task_lines(task, of_task), *run_lines(task, of_task, rows)]
    return "\n".join([*lines, ""])


def rows_of(task: str, rows: Collection[Row]) -> list[Row]:
    """The trainings of a task in the setting that it was run in last; all of them where the run says none."""
    last = [row.get("setting") for row in rows if row.get("run") == task][-1:]
    of_task = [row for row in rows if row.get("task") == task]
    if last in ([], [None]):
        return of_task
    return [row for row in of_task if row["key"].partition(", seed ")[2].partition(", ")[2] == last[0]]


def network_lines(rows: Collection[Row]) -> list[str]:
    """The networks with what they learned before, and the search."""
    learned = {row["learned"]: row for row in rows if "learned" in row}
    told = [
        (row["network"], f"{row['macs']:,}", f"{row['params']:,}", accuracy_of(learned.get(row["network"])))
        for row in rows
        if "network" in row
    ]
    lines = markdown_table(("network", "macs", "params", "Fashion-MNIST, test, %"), told)
    if learned:
        one = next(iter(learned.values()))
        lines += [
            "",
            f"Learned before from {one['images']:,} images in {one['epochs']} epochs, a fifth of them validating.",
        ]
    for row in rows:
        if "searched" in row:
            best = f"the best of {row['trials']} networks has {row['accuracy']:.1f} % of validation images"
            lines.append(f"The search, within {row['searched']:,.0f} macs: {best}.")
    return lines


def accuracy_of(row: Row | None) -> str:
    """What a network learned before, as text."""
    return "-" if row is None else f"{row['accuracy']:.1f}"


def task_lines(task: str, rows: Sequence[Row]) -> list[str]:
    """The table of a task."""
    (_, main), *others = TASKS[task]
    starts = [start for start in STARTS if any(row["start"] == start for row in rows)]
    begun = [start for start in starts if start != SCRATCH]
    head = (
        *("network", "macs, whole", *(f"{main}, {TITLES[start]}" for start in starts)),
        *("difference" if start == PRETRAINED else f"difference, {TITLES[start]}" for start in begun),
        *(f"{title}, {TITLES[start]}" for _, title in others for start in starts),
    )
    names = dict.fromkeys(row["backbone"] for row in rows)
    lines = [cells(task, [row for row in rows if row["backbone"] == name], starts) for name in names]
    return markdown_table(head, lines)


def cells(task: str, rows: Sequence[Row], starts: Sequence[str]) -> list[str]:
    """What a network did in a task, by what it began with, in per cent."""
    (main, _), *others = TASKS[task]
    found = {
        metric: {
            start: {row["seed"]: 100 * row["metrics"][metric] for row in rows if row["start"] == start}
            for start in starts
        }
        for metric in (main, *(metric for metric, _ in others))
    }
    scratch = found[main].get(SCRATCH, {})
    gains = [
        [value - scratch[seed] for seed, value in found[main][start].items() if seed in scratch]
        for start in starts
        if start != SCRATCH
    ]
    words = {metric: [mean_and_error(list(each.values())) for each in by.values()] for metric, by in found.items()}
    rest = [word for metric, _ in others for word in words[metric]]
    return [rows[0]["backbone"], f"{rows[0]['cost']['macs']:,}", *words[main], *map(mean_and_error, gains), *rest]


def run_lines(task: str, of_task: Sequence[Row], rows: Collection[Row]) -> list[str]:
    """How a task was run, of whose trainings `of_task` are shown, and how long these took."""
    seeds = len({row["seed"] for row in of_task})
    scenes = f"{of_task[0]['num_train_images']} to train on, {of_task[0]['num_test_images']} to test"
    minutes = sum(row["wall_seconds"] for row in of_task) / 60
    load = max(row["load"] for row in of_task)
    told = {
        "scenes": scenes,
        "trainings": f"{len(of_task)}, {seeds} seeds; {minutes:.0f} minutes together at a load of up to {load:g}",
    }
    for row in rows:
        if row.get("run") == task:
            told |= row["told"]
    return ["", *(f"- {name}: {value}" for name, value in told.items())]
