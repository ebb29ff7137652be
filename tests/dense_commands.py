"""What tests of detectors and segmenters share: a tiny network in a folder of its own, and commands run there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from naslab.cli.main import run

NETWORK = """
input: [3, 32, 32]
num_classes: 3
stages: [{block: {type: conv}, width: 6, stride: 2}, {block: {type: conv}, width: 8, stride: 2}]
"""
"""A network with maps at the strides 2 and 4."""


def folder_with(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "net.yaml", text: str = NETWORK) -> Path:
    """Go to a `folder`, where no ledger is named, and write a file `name` of `text` there, by default the network."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("NASLAB_LEDGER", raising=False)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run `naslab WORDS`: its exit code, what it printed, and what it said beside that."""
    monkeypatch.setattr(sys, "argv", ["naslab", *words])
    code = 0
    try:
        run()
    except SystemExit as ended:
        code = int(ended.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err
