"""Every option of every command, with values that none has: one message and exit code 2, or the work itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from kept_ledgers import write_file

from naslab.cli.main import app, run

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
NETWORK = "input: [1, 8, 8]\nnum_classes: 10\nstages:\n  - {block: {type: conv}, width: 8}\n"
GIVEN = {
    "search": ("digits_demo", "--study", "hostile"),
    "pareto": ("plain",),
    "report": ("plain",),
    "rescale": ("net.yaml", "--phi", "1"),
    "fit-scaling": ("net.yaml", "--dataset", "digits"),
    "scaling-law": ("plain",),
    "data-law": ("net.yaml", "--dataset", "digits", "--images", "50", "100", "200", "400", "800"),
    "compare": ("--table", "known.csv", "--knobs", "a"),
    "calibrate": ("digits_demo", "--reference", "full", "--sample", "10", "--estimators", "layers"),
    "train": ("net.yaml", "--dataset", "digits"),
    "supernet": ("digits_demo", "--out", "shared.safetensors"),
    "slice": ("shared.safetensors", "net.yaml"),
    "export": ("net.yaml",),
    "cost": ("net.yaml",),
    "show": ("net.yaml",),
    "mirror": ("plain", "--storage", "sqlite:///optuna.db"),
    "worker": ("--idle", "0"),
}
"""What each command is given beside the hostile option; those without any have no option that takes a value."""
HOSTILE = ("²", "/", "nan")
CASES = [
    (name, each.opts[0])
    for name, command in COMMANDS.items()
    for each in command.params
    if each.param_type_name == "option" and not each.is_flag
]


class WorkError(Exception):
    """Raised in the place of the work: every option was taken."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("hostile")
    write_file(1, place / "naslab.db")
    (place / "net.yaml").write_text(NETWORK)
    (place / "known.csv").write_text("a,accuracy\n1,50\n2,60\n3,70\n")
    return place


@pytest.fixture(autouse=True)
def no_work(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    import naslab.bench.compare
    import naslab.estimators.latency
    import naslab.figures.report
    import naslab.lab.shrinking
    import naslab.training.fit
    import naslab.training.supernet.export
    import naslab.training.supernet.training
    from naslab.execution.workers import Workers
    from naslab.ledger.ledger import Ledger

    def work(*_: Any, **__: Any) -> Any:
        raise WorkError

    monkeypatch.chdir(folder)
    monkeypatch.delenv("NASLAB_LEDGER", raising=False)
    for at in (naslab.training.fit, naslab.lab.shrinking):
        monkeypatch.setattr(at, "fit_and_test", work)
    monkeypatch.setattr(naslab.training.supernet.training, "train_supernet", work)
    monkeypatch.setattr(naslab.training.supernet.export, "write_slice", work)
    monkeypatch.setattr(naslab.bench.compare, "compare", work)
    monkeypatch.setattr(naslab.estimators.latency, "measure_arch", work)
    monkeypatch.setattr(Workers, "start", work)
    monkeypatch.setattr(Ledger, "create_study", work)
    monkeypatch.setattr(Ledger, "claim_or_create", work)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "option"), CASES, ids=map(" ".join, CASES))
def test_a_value_that_no_option_has_ends_in_one_message(
    name: str, option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in HOSTILE:
        monkeypatch.setattr(sys, "argv", ["naslab", name, *GIVEN.get(name, ()), option, value])
        code = code_of_run()
        said = capsys.readouterr().err
        assert code in (0, 2, "work"), (value, said)
        assert "Traceback" not in said, value
        if code == 2 and "Usage" not in said:
            told = [line for line in said.splitlines() if line.startswith("naslab: ")]
            assert len(told) == 1, (value, said)


def code_of_run() -> object:
    """How the command ended: by its exit code, or `work` where every option was taken."""
    try:
        run()
    except WorkError:
        return "work"
    except SystemExit as ended:
        return ended.code or 0
    return 0
