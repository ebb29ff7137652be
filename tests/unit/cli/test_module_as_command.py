"""`python -m naslab` is the command."""

from __future__ import annotations

import runpy
import subprocess
import sys

import pytest


def test_the_package_is_run_as_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delitem(sys.modules, "naslab.__main__", raising=False)  # other tests may have imported it
    monkeypatch.setattr(sys, "argv", ["naslab", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("naslab", run_name="__main__")
    assert not ended.value.code
    assert "naslab" in capsys.readouterr().out


def test_a_command_that_ends_looks_for_no_garbage() -> None:
    """In all that it has loaded; what is registered first runs last."""
    code = (
        "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 0)); "
        "from naslab.cli.main import run; run()"
    )
    shown = subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "True"
