"""The one command for a GPU: what it does with parts that fail, hang or are done, and a rehearsal without a GPU."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import gpu_parts as script
import pytest

ROOT = Path(__file__).parents[3]
PARTS = {
    "good": "print('measured')",
    "bad": "import sys; print('the reason'); sys.exit(3)",
    "slow": "import subprocess, sys, time; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])",
    "last": "open('{out}/last', 'a').write('.')",
}


def run_parts(out: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> int:
    """The exit code of a rehearsal of PARTS."""

    def made(given: argparse.Namespace) -> list[script.Part]:
        seconds = {"slow": 1.0}
        return [
            script.Part(name, [sys.executable, "-c", program.replace("{out}", str(out))], seconds.get(name, 60.0))
            for name, program in PARTS.items()
        ]

    monkeypatch.setattr(script, "parts", made)
    monkeypatch.setattr(script, "measured_on", lambda environment: {"hardware": {"gpus": "none"}, "versions": {}})
    monkeypatch.setattr(sys, "argv", ["gpu_parts.py", "--device", "cpu", "--out", str(out), *more])
    with pytest.raises(SystemExit) as ended:
        script.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def ended(out: Path) -> dict[str, str]:
    return {path.stem: json.loads(path.read_text())["ended"] for path in sorted((out / "parts").iterdir())}


def test_a_part_that_fails_or_hangs_is_said_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_parts(tmp_path, monkeypatch) == 1
    expected = {"good": "done", "bad": "failed with exit code 3", "slow": "ran past its 1 s", "last": "done"}
    assert ended(tmp_path) == expected
    shown = capsys.readouterr().out
    assert "bad: failed with exit code 3" in shown
    assert "    the reason" in shown
    page = (tmp_path / "README.md").read_text()
    assert page.startswith("# A rehearsal without a GPU")
    assert all(f"| {name} | {how} |" in page for name, how in expected.items())


def test_what_is_done_is_skipped_and_the_rest_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_parts(tmp_path, monkeypatch)
    monkeypatch.setitem(PARTS, "bad", "print('mended')")
    monkeypatch.setitem(PARTS, "slow", "print('quick')")
    capsys.readouterr()
    assert run_parts(tmp_path, monkeypatch) == 0
    assert capsys.readouterr().out.count("done before") == 2
    assert set(ended(tmp_path).values()) == {"done"}
    assert (tmp_path / "last").read_text() == "."


def test_parts_without_time_are_left_to_another_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_parts(tmp_path, monkeypatch, "--minutes", "0.001") == 1
    assert not (tmp_path / "parts").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--device", "cpu"], "a rehearsal is no measurement"),
        (["--device", "cpu", "--out", str(script.RESULTS / "here")], "a rehearsal is no measurement"),
        (["--only", "test"], "no part is called 'test'"),
        (["--minutes", "-1"], "--minutes: must be above 0, got -1"),
    ],
)
def test_options_that_cannot_be(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        script.arguments(words)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_the_parts_fit_their_minutes_and_measure_what_was_asked() -> None:
    made = {part.name: " ".join(part.command) for part in script.parts(script.arguments([]))}
    assert list(made) == ["tests", "train_bench", "search", "cifar_found", "cifar_resnet20"]
    assert "--device cuda" in made["train_bench"]
    assert "--packed 1,2,4,8,16" in made["train_bench"]
    assert "--workers 8" in made["search"]
    assert "--full" in made["cifar_found"]
    assert script.arguments([]).minutes <= 9


def test_commands_are_shown_without_the_places_of_this_machine() -> None:
    for part in script.parts(script.arguments([])):
        line = script.shown(part.command)
        assert line.startswith("python ")
        assert str(ROOT) not in line
        assert sys.executable not in line


def test_wheels_of_packages_that_are_missing_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name in ("made_up_package", "numpy"):
        with zipfile.ZipFile(wheels / f"{name}-9.9-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}/__init__.py", "")
    monkeypatch.setattr(sys, "path", [*sys.path])
    script.unpacked(wheels, tmp_path / "packages")
    assert [each.name for each in (tmp_path / "packages").iterdir()] == ["made_up_package"]
    assert script.missing({"made-up-package": "made_up_package", "absent": "no_such_module"}) == ["absent"]


@pytest.mark.slow
def test_a_rehearsal_on_a_cpu(tmp_path: Path) -> None:
    data = os.environ.get("NASLAB_DATA")
    if data is None or not Path(data, "cifar10").exists():
        pytest.skip("NASLAB_DATA names no folder with CIFAR-10")
    command = ["bash", "scripts/gpu_all.sh", "--device", "cpu", "--out", str(tmp_path), "--only", "tests", "search"]
    environment = os.environ | {"PYTHON": sys.executable}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ended(tmp_path) == {"search": "done", "tests": "done"}
    kept = json.loads((tmp_path / "parts" / "search.json").read_text())
    assert kept["hardware"]["processor"]
    assert kept["versions"]["torch"]
    assert (tmp_path / "search" / "study.db").exists()
