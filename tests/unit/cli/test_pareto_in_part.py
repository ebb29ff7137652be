"""`naslab pareto` of very many trials reads those that its front needs: what it prints is that of all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from made_studies import Shown, accuracy, made_study, naslab

from naslab.analysis import thinned
from naslab.ledger import Ledger
from naslab.study.outcome import Candidate, Outcome


def measured(candidate: Candidate) -> dict[str, float]:
    """Every fourth has a latency, too."""
    timed = {"latency_ms": 1.0 + candidate.cost.params % 7} if candidate.trial % 4 == 0 else {}
    return accuracy(candidate) | timed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("many")
    with Ledger.open(made / "l.db") as ledger:
        made_study(ledger, "many", trials=60, measured=measured, failing=(3, 4))
    return made


def in_part(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Shown:
    """What the command prints where 10 trials are very many, and none may be read whole."""

    read = Ledger.outcomes

    def outcomes(ledger: Ledger, name: str, role: str | None = None) -> list[Outcome]:
        assert role in ("family", "baseline"), "the study is read whole"
        return read(ledger, name, role)

    with monkeypatch.context() as few:
        few.setattr(thinned, "MOST_READ", 10)
        few.setattr(Ledger, "outcomes", outcomes)
        few.setattr("naslab.cli.pareto.FEW_SAMPLED", 3)
        return naslab(folder, "pareto", "many", *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--x", "params"),
        ("--x", "latency_ms"),
        ("--x", "params", "--y", "accuracy"),
        ("--limit", "macs<=1.5M"),
        ("--limit", "accuracy>=45", "--limit", "latency_ms<=4", "--x", "params"),
        ("--limit", "accuracy>=101", "--limit", "macs<=1.5M"),
        ("--limit", "acuracy>=45"),
        ("--x", "energy_mj"),
        ("--x", "peak_memory_bytes"),
    ],
    ids=" ".join,
)
def test_axes_and_limits_need_no_other_trials(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    whole = naslab(folder, "pareto", "many", *arguments)
    assert in_part(folder, monkeypatch, *arguments) == whole
    assert (whole.code, bool(whole.out)) in ((0, True), (2, False))


def test_a_picture_of_the_axes_has_a_sample(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinned, "SAMPLE", 20)
    shown = in_part(folder, monkeypatch, "--x", "params", "--limit", "macs<=1.5M", "--out", "front.html")
    assert shown.code == 0, shown.err
    drawn = set(re.findall(r"trial \d+", (folder / "front.html").read_text(encoding="utf-8")))
    assert 10 < len(drawn) < 58


def test_all_dominated_networks_are_listed_as_json(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinned, "MOST_READ", 10)
    value = naslab(folder, "pareto", "many", "--x", "params", "--json").value
    assert len(value["front"]) + len(value["dominated"]) == 58
