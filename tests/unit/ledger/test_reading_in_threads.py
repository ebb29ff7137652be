"""Threads that are the first of a program to read of a ledger, all at once: those of workers, or of a live page."""

from __future__ import annotations

import json
import subprocess
import sys

from ledger_examples import example_candidate

from naslab.ledger.rows import candidate_row

READ = """
import json, sys, threading
from naslab.ledger.rows import read_candidate
arch, rest = json.loads(sys.stdin.read())
sys.setswitchinterval(1e-6)
begun = threading.Barrier(8)
found = []

def read():
    begun.wait()
    found.append(read_candidate(arch, rest, "trial 0", 1).trial)

threads = [threading.Thread(target=read) for _ in range(8)]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(sum(found))
"""


def test_threads_that_read_the_first_candidate_at_once() -> None:
    """Without a decoder made beforehand each of eight runs ended by a segmentation fault."""
    row = candidate_row(1, example_candidate(5))
    texts = json.dumps([row["arch"], row["candidate"]])
    done = subprocess.run([sys.executable, "-c", READ], input=texts, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "40\n"), done.stderr[-2000:]
