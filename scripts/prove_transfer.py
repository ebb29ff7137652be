"""What known weights are worth: the four corners of transfer (little or much data, similar or different) for one file.

    python scripts/prove_transfer.py --model efficientnet_lite0 --weights lite0.pth --datasets cifar10 fashion_mnist \\
        --images 10 50 250 --epochs 10 6 3 --resolution 64 --max-images 4000 --seeds 3 --out results/transfer/lite0

Every way to tune (a probe, the last stages, everything, from scratch) is trained by `naslab.transfer`: one number of
epochs for each number of images, the same for every way. A row is kept as its seeds end, and what is there is not
trained again. README.md, rows.jsonl, table.json and figure.html are in `--out`; the test set is not read.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from proof_table import Row, Table, markdown_table, told_of_run

import naslab
from naslab.analysis.transfer import TransferCell, TransferTable
from naslab.atomic_write import atomic_write
from naslab.figures.transfer import transfer_figure
from naslab.figures.write import write_figure
from naslab.lab.transfer import WAYS

HEAD = """\
# What the weights of {model} are worth, by how they are tuned

Validation accuracy in per cent, mean and standard error over seeds, each of which draws other images to train on.
`head` is a linear probe, `last:2` the head and the last two stages, `scratch` the same network, recipe and
normalisation of images without the weights. Epochs are equal for every way. Take: the cheapest way within one standard
error of the best.

![accuracies](figure.png)
"""


def corners(given: argparse.Namespace) -> Iterator[tuple[str, int, int, str]]:
    """Data set, images a class, epochs and way of each row, the cheapest first."""
    for images, epochs in zip(given.images, given.epochs, strict=True):
        for dataset in given.datasets:
            for way in WAYS:
                yield dataset, images, epochs, way


def trained(given: argparse.Namespace, dataset: str, images: int, epochs: int, way: str) -> Row:
    """The accuracies of one way, a seed each."""
    table = naslab.transfer(
        naslab.find_model(given.model, resolution=given.resolution),
        given.weights,
        datasets=[dataset],
        images=[images],
        ways=[way],
        seeds=given.seeds,
        epochs=epochs,
        max_images=given.max_images,
        data_dir=given.data_dir,
    )
    return {"num_validation": table.num_validation[dataset], "accuracies": table.cells[0].accuracies}


def table_of(given: argparse.Namespace, rows: dict[str, Row]) -> TransferTable:
    """The rows that are there as a table of `naslab.transfer`."""
    cells, validation = [], {}
    for dataset, images, epochs, way in corners(given):
        row = rows.get(key_of(dataset, images, epochs, way), {})
        if "accuracies" in row:
            accuracies = tuple(row["accuracies"])
            cells.append(TransferCell(dataset=dataset, images=images, way=way, accuracies=accuracies))
            validation[dataset] = row["num_validation"]
    return TransferTable(
        model=given.model,
        source=Path(given.weights).name,
        epochs=max(given.epochs),
        ways=WAYS,
        num_validation=validation,
        cells=tuple(cells),
    )


def key_of(dataset: str, images: int, epochs: int, way: str) -> str:
    """What a row is kept by."""
    return f"{dataset}, {images} images a class, {epochs} epochs, {way}"


def page(given: argparse.Namespace, table: TransferTable, told: dict[str, Any]) -> str:
    """The table as a page."""
    epochs = dict(zip(given.images, given.epochs, strict=True))
    rows = [
        (dataset, images, epochs[images], *words_of(table, dataset, images), taken(table, dataset, images))
        for dataset, images in table.corners
    ]
    validation = ", ".join(f"{count} of {name}" for name, count in table.num_validation.items())
    worst = 100 * max(math.sqrt(0.25 / count) for count in table.num_validation.values())
    told = {
        "validation images": f"{validation}, the same for all: at most {worst:.1f} points of standard error",
        **told,
    }
    table_lines = markdown_table(("data", "images a class", "epochs", *table.ways, "take"), rows)
    head = HEAD.format(model=table.model)
    return "\n".join([head, *table_lines, "", *(f"- {name}: {value}" for name, value in told.items()), ""])


def taken(table: TransferTable, dataset: str, images: int) -> str:
    """The way to take in a corner, a dash where one has not been trained."""
    return table.chosen(dataset, images).way if len(table.of(dataset, images)) == len(table.ways) else "-"


def words_of(table: TransferTable, dataset: str, images: int) -> list[str]:
    """The accuracies of a corner as text, a dash for ways that have not been trained."""
    found = {cell.way: cell.words.replace("+-", "±") for cell in table.of(dataset, images)}
    return [found.get(way, "-") for way in table.ways]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, and write the page, the numbers and the picture after every row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="efficientnet_lite0")
    parser.add_argument("--weights", required=True, help="as naslab train --pretrained takes them")
    parser.add_argument("--datasets", nargs="+", default=["cifar10", "fashion_mnist"])
    parser.add_argument("--images", nargs="+", type=int, default=[10, 50, 250])
    parser.add_argument("--epochs", nargs="+", type=int, default=[10, 6, 3], help="one for each of --images")
    parser.add_argument("--resolution", default="64")
    parser.add_argument("--max-images", type=int, default=4000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    rows = Table(given.out / "rows.jsonl")
    told: dict[str, Any] = {
        "images": f"resized to {given.resolution} pixels; of {given.max_images} of each data set a fifth validates",
        "seeds": given.seeds,
        **told_of_run(),
    }
    for dataset, images, epochs, way in corners(given):
        key = key_of(dataset, images, epochs, way)
        row = rows.row(key, partial(trained, given, dataset, images, epochs, way))
        print(key, row.get("accuracies") or row["failure"], flush=True)
        table = table_of(given, rows.rows)
        if table.cells:
            atomic_write(given.out / "table.json", json.dumps({**table.rows(), **told}, indent=1) + "\n")
            atomic_write(given.out / "README.md", page(given, table, told))
    draw(table_of(given, rows.rows), given.out)


def draw(table: TransferTable, folder: Path) -> None:
    """Write figure.html, and figure.png where Chromium is."""
    html = folder / "figure.html"
    write_figure(transfer_figure(table), html)
    try:
        from screenshot import screenshot

        screenshot(html, folder / "figure.png", width=1100)
    except (ImportError, SystemExit) as reason:
        print(f"no picture: {reason}")


if __name__ == "__main__":
    main()
