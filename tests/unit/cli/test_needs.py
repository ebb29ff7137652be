"""Every option of every command has a row that says what it needs, and is refused where it can have no effect."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from naslab.cli.main import app, run
from naslab.cli.needs import ALWAYS, NEEDS, flag_of

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
REQUIRED = {
    "train": ("lenet5",),
    "search": ("digits_demo",),
    "rescale": ("lenet5", "--phi", "1"),
    "fit-scaling": ("lenet5", "--grid", "1.2,1.1,1.15"),
    "compare": ("--table", "known.csv"),
    "calibrate": ("digits_demo",),
    "supernet": ("digits_demo", "--out", "out.safetensors", "--no-sandwich"),
    "export": ("lenet5",),
    "predict": ("trained", "photo.png", "--runtime", "onnxruntime"),
    "measure": ("lenet5", "--target", "table:rows.csv"),
    "cost": ("--batch", "rows.csv"),
    "show": ("lenet5",),
    "studies": (),
}
"""What a command is given beside the option that can have no effect there."""
MEASURED = [name for name, need in NEEDS["measure"].items() if "beside --metric" in need.rule]
INSTEAD = {("measure", option): ("own", "--metric", "latency_ms") for option in MEASURED}
INSTEAD |= {
    (name, option): (model, "--task", "detection", "--dataset", "coco:photos")
    for name, model in (("train", "lenet5"), ("search", "digits_demo"))
    for option, need in NEEDS[name].items()
    if "and none beside" not in need.rule and "beside --task" in need.rule
}
INSTEAD |= {("predict", option): ("found", "photo.png") for option in ("top", "runtime", "ledger")}
INSTEAD |= {
    ("export", option): ("found",) for option, need in NEEDS["export"].items() if "with a detector" in need.rule
}
"""The same for some options of a command that have an effect beside that."""
BESIDE = {
    **dict.fromkeys(("rungs", "pause", "stop_early", "inherit", "recipe"), ("--estimator", "naswot")),
    "epochs": ("--rungs", "1,3"),
    "pretrained": ("--estimator", "naswot"),
}
OF_ESTIMATES = {option for option in NEEDS["calibrate"] if option not in ("known", "epochs", "ray_address")}
"""What a calibration of a target's latency has no use for, beside options that always have an effect."""
VALUES = {
    "pool": "8",
    "storage": "memory",
    "keep_channels": "first",
    "executor": "ray",
    "rungs": "1,3",
    "batch": "rows.csv",
    "recipe": "full",
    "study": "a",
    "pixels": "uint8",
    "task": "regression",
    "max_images": "2",
    "validation": "0.5",
    "kind": "unet",
    "head_channels": "8",
    "runtime": "torch",
}
CONDITIONAL = [(name, option) for name, rows in NEEDS.items() for option, need in rows.items() if need is not ALWAYS]


def test_no_option_is_without_a_row_and_no_row_without_an_option() -> None:
    there = {name: {each.name for each in command.params} for name, command in COMMANDS.items()}
    assert {name: set(rows) for name, rows in NEEDS.items()} == there


def test_every_command_checks_its_options() -> None:
    from naslab.cli.help_text import Command

    assert all(isinstance(command, Command) for command in COMMANDS.values())


@pytest.mark.parametrize(("name", "option"), CONDITIONAL, ids="-".join)
def test_an_option_without_effect_is_refused(
    name: str, option: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NASLAB_LEDGER", raising=False)
    parameter = next(each for each in COMMANDS[name].params if each.name == option)
    beside: tuple[str, ...] = BESIDE.get(option, ()) if name == "search" else ()
    if name == "calibrate" and option in OF_ESTIMATES:
        beside = ("--target", "onnxruntime")
    required = INSTEAD.get((name, option), REQUIRED[name])
    flag = parameter.opts[0]
    is_plain = name == "measure" and (name, option) in INSTEAD
    value = () if parameter.is_flag else ("1" if is_plain else VALUES.get(option, "1"),)
    monkeypatch.setattr("naslab.dense_prediction.facts.is_detector", lambda path: path.name == "found")
    monkeypatch.setattr(sys, "argv", ["naslab", name, *required, *beside, flag, *value])
    with pytest.raises(SystemExit) as ended:
        run()
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert said.out == ""
    assert said.err.startswith(f"naslab: {flag_of(option)} has no effect ")
    assert len(said.err.splitlines()) == 1
    assert not list(tmp_path.iterdir()), "something was written"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("search", "digits_demo", "--estimator", "naswot", "--epochs", "4"), "trains nothing: leave epochs out"),
        (("search", "digits_demo", "--ledger", "stduies/a.db"), "there is no folder stduies"),
        (("search", "nas_bench_macro", "--estimator", "table:key=name"), "names columns of a file"),
        (("search", "digits_demo", "--study", "a\udcff"), "no text in UTF-8"),
        (("export", "lenet5", "--out", "a.py", "--onnx", "/"), "cannot write /"),
        (
            ("rescale", "resnet20_cifar", "--phi", "1", "--out", "a_file"),
            "cannot write a_file: it is a file; name a folder",
        ),
        (("compare", "--table", "known.csv", "--knobs", "a", "--reference", "accuracy=nan"), "finite number"),
        (
            ("compare", "--table", "known.csv", "--knobs", "a", "--reference", "macs=1"),
            "did you mean|unknown objective",
        ),
        (("compare", "--table", "known.csv", "--knobs", "a", "--reference", "accuracy=99"), "choose a worse point"),
    ],
)
def test_one_line_and_nothing_written(
    arguments: tuple[str, ...],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NASLAB_LEDGER", raising=False)
    (tmp_path / "known.csv").write_text("a,accuracy\n1,50\n2,60\n3,70\n")
    (tmp_path / "a_file").write_text("")
    monkeypatch.setattr(sys, "argv", ["naslab", *arguments])
    with pytest.raises(SystemExit) as ended:
        run()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert len(said.splitlines()) == 1
    import re

    assert re.search(words, said), said
    assert {each.name for each in tmp_path.iterdir()} == {"known.csv", "a_file"}


IDLE = "input: [3, 8, 8]\nnum_classes: 2\nstages:\n" + "  - {block: {type: conv}, width: 4, stride: 2}\n" * 5


@pytest.mark.parametrize("command", [("cost",), ("show",), ("export", "--out", "net.py")], ids=lambda each: each[0])
def test_strides_without_effect_are_told(
    command: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text(IDLE)
    for sides, told in (("8", "on an input of 8 x 8 the stride of stages[3], stages[4] has no effect"), ("32", "")):
        name, *rest = command
        monkeypatch.setattr(sys, "argv", ["naslab", name, "net.yaml", "--resolution", sides, *rest])
        with pytest.raises(SystemExit) as ended:
            run()
        assert ended.value.code in (0, None)
        notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
        assert len(notes) == bool(told)
        assert told in "".join(notes)


def test_the_strides_of_a_space_are_told_when_its_study_opens() -> None:
    from naslab.cli.progress import Display
    from naslab.execution.events import StudyOpened
    from naslab.lab.problems import make_problem
    from naslab.ledger.record import StudyRecord
    from naslab.space import SearchSpace, choice

    stage = {"block": {"type": "conv"}, "width": choice(4, 8), "stride": 2}
    space = SearchSpace({"input": [1, 8, 8], "num_classes": 10, "stages": [stage] * 5}, "halved")
    problem = make_problem(space, "digits", None, (), None)
    record = StudyRecord(name="a", problem={}, strategy="random", epochs=1, seed=0, trials=4)
    said = Display(quiet=True)._line(StudyOpened(record, problem))
    assert "the stride of stages[3], stages[4] has no effect" in said
