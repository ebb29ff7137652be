"""`python -m naslab` is the command."""

from __future__ import annotations

import runpy
import sys

import pytest


def test_the_package_is_run_as_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delitem(sys.modules, "naslab.__main__", raising=False)  # other tests may have imported it
    monkeypatch.setattr(sys, "argv", ["naslab", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("naslab", run_name="__main__")
    assert not ended.value.code
    assert "naslab" in capsys.readouterr().out
