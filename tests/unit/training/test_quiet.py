"""Other packages at work without what they print."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from torch import nn

from naslab.training.onnx_file import write_onnx_quickly
from naslab.training.quiet import quiet_compiled_code


def test_a_network_that_cannot_be_translated_prints_no_graph(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxscript")
    shuffled = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ChannelShuffle(2))
    assert not write_onnx_quickly(shuffled, (3, 8, 8), tmp_path / "net.onnx")
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_what_was_printed_before_and_after_is_there(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(1, b"before, ")
    with quiet_compiled_code():
        os.write(1, b"within, ")
    os.write(1, b"after")
    assert capfd.readouterr().out == "before, after"


def test_a_program_without_an_output_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(descriptor: int) -> int:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(os, "dup", closed)
    with quiet_compiled_code():
        done = True
    assert done
