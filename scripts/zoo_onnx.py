"""Every network of the zoo as an ONNX file, checked by ONNX Runtime against torch, or the reason why not.

    python scripts/zoo_onnx.py --out results/targets/zoo_onnx.csv --most-seconds 600

Networks that the table has already are left out, so the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from pathlib import Path

import naslab
from naslab.arch.build import build
from naslab.errors import NaslabError
from naslab.training.onnx_file import write_onnx
from naslab.zoo import model_names

COLUMNS = ("network", "result", "megabytes", "seconds")


def written(name: str) -> tuple[str, float]:
    """What became of a network, `written` or the reason why not, and the file's size in megabytes."""
    arch = naslab.model(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        try:
            write_onnx(build(arch, seed=0), arch.input, path)
        except NaslabError as error:
            return str(error), 0.0
        return "written", path.stat().st_size / 1e6


def main() -> None:
    """Add the networks that the table lacks, until the time is over."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--most-seconds", type=float, default=1e9)
    chosen = parser.parse_args()
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    done = set()
    if chosen.out.exists():
        with chosen.out.open(encoding="utf-8") as file:
            done = {row["network"] for row in csv.DictReader(file)}
    else:
        chosen.out.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    began = time.monotonic()
    names = sorted(set(model_names()) - done, key=lambda name: naslab.cost(naslab.model(name)).params)
    for name in names:
        if time.monotonic() - began > chosen.most_seconds:
            break
        started = time.monotonic()
        result, size = written(name)
        with chosen.out.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerow((name, result, f"{size:.1f}", f"{time.monotonic() - started:.0f}"))


if __name__ == "__main__":
    main()
