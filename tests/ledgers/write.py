"""Writes a ledger with everything that a ledger can hold, by commands of the installed naslab, and dumps it as SQL.

The tests keep one such dump for every version of the ledger, made by the last program of that version:

    PYTHONPATH=CHECKOUT python tests/ledgers/write.py tests/ledgers/version_2.sql.gz

`version_1.sql.gz` is of commit e6317f9, where extrapolated results were named otherwise (a second argument `foretold`),
`version_2.sql.gz` of commit 41770d3, `version_4.sql.gz` of d577c48, `version_5.sql.gz` of dccfee7 and
`version_6.sql.gz` of cf801cf.
The digits of scikit-learn are the data; a few minutes on two cores.
"""

from __future__ import annotations

import gzip
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

SPACE = """
input: [1, 8, 8]
num_classes: 10
stem: [{block: {type: conv}, width: 8}]
stages:
  - {block: {choice: [{type: residual}, {type: inverted_bottleneck, expansion: 2}]}, width: {choice: [8, 12, 16, 20]},
     repeats: {choice: [1, 2, 3]}, stride: 2}
"""
DIGITS = ("--dataset", "digits", "--workers", "2")
SMALL = (*DIGITS, "--max-images", "200")
PROGRAM = "import sys; sys.argv[0] = 'naslab'; from naslab.cli.main import run; run()"


def main() -> None:
    """Run the commands, stop one in the middle, dump the ledger."""
    out = Path(sys.argv[1]).absolute()
    extrapolated = sys.argv[2] if len(sys.argv) > 2 else "extrapolated"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("space.yaml").write_text(SPACE, encoding="utf-8")
        search = ("search", "space.yaml")
        naslab(*search, *SMALL, "--study", "plain", "--trials", "6", "--epochs", "1", "--baseline", "resnet20_cifar")
        naslab("rescale", "plain:best", "--phi", "1", "2", "--train", "--workers", "2")
        naslab(*search, *SMALL, "--study", "rungs", "--trials", "6", "--rungs", "1,2", "--keep", "1/2")
        naslab(
            *search, *SMALL, "--study", "inherit", "--trials", "8", "--epochs", "1", "--strategy", "local", "--inherit"
        )
        stopping = ("--trials", "10", "--epochs", "8", "--stop-early", "0.6")
        naslab(*search, *SMALL, "--study", "stopped", *stopping)
        naslab(*search, *DIGITS, "--study", "failing", "--trials", "2", "--epochs", "300", "--timeout", "2")
        naslab(*search, *SMALL, "--study", "exhausted", "--trials", "24", "--epochs", "1", "--strategy", "tpe")
        latency = ("--objectives", "accuracy,latency_ms", "--limit", "macs<=1e6")
        few = ("--trials", "4", "--epochs", "1", "--strategy", "local")
        naslab(*search, *SMALL, "--study", "latency", *few, *latency)
        predictor = ("--estimator", "predictor:study=exhausted")
        naslab(*search, *SMALL, "--study", "predicted", "--trials", "6", *predictor)
        estimators = f"naswot,{extrapolated}:epochs=3,{extrapolated}:epochs=2,by=loss"
        calibration = ("--estimators", estimators, "--reference", "full", "--epochs", "4", "--sample", "10")
        naslab("calibrate", "space.yaml", *SMALL, "--study", "trust", *calibration)
        fit = ("--epochs", "1", "--seeds", "1", "--points", "3", "--study", "surface")
        naslab("fit-scaling", "plain:best", *fit, "--max-images", "200", "--workers", "2")
        interrupt(*search, *DIGITS, "--study", "running", "--trials", "6", "--epochs", "20")
        dump(Path("naslab.db"), out, folder)


def naslab(*arguments: str) -> None:
    """One command; its failure is shown and may be part of what is kept."""
    print("naslab", *arguments, flush=True)
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True)
    print(done.stdout[-300:] if done.returncode == 0 else done.stderr[-2000:], flush=True)


def interrupt(*arguments: str) -> None:
    """A search killed once it has candidates in flight."""
    driver = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.DEVNULL, stderr=-3)
    flying = "SELECT count(*) FROM trials JOIN studies USING (study_id) WHERE name = 'running'"
    for _ in range(600):
        time.sleep(0.1)
        with closing(sqlite3.connect("naslab.db")) as connection:
            if connection.execute(flying).fetchone()[0] and driver.poll() is None:
                break
    time.sleep(2)
    driver.send_signal(signal.SIGKILL)
    driver.wait()


def dump(ledger: Path, out: Path, folder: str) -> None:
    """The ledger as SQL text, compressed the same way each time."""
    with closing(sqlite3.connect(ledger)) as connection:
        text = "\n".join(connection.iterdump()) + "\n"
    text = re.sub(r'"system":"(\w+)[^"]*"', r'"system":"\1"', text).replace(folder, ".")
    out.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{out}: {len(text):,} characters, {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
