"""Studies that an older version made: reported, continued and judged as if this one had made them."""

from __future__ import annotations

from pathlib import Path

import pytest
from in_process import workers_in_process
from kept_ledgers import place_kept
from ledgers.write import SPACE

from naslab.errors import StudyError
from naslab.execution.workers import Workers
from naslab.lab.calibration import calibrate
from naslab.lab.reading import open_study, write_report
from naslab.lab.search import search
from naslab.ledger import Ledger


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder in which version 1 made its ledger."""
    monkeypatch.chdir(tmp_path)
    Path("space.yaml").write_text(SPACE, encoding="utf-8")
    place_kept(1, "naslab.db")
    return tmp_path


@pytest.mark.slow
def test_every_study_with_a_result_is_reported(folder: Path) -> None:
    with Ledger.open("naslab.db", create=False) as ledger:
        names = [name for name in ledger.study_names() if not name.startswith("trust/")]
    for name in names:
        view = open_study(name)
        if any(outcome.is_complete for outcome in view.outcomes):
            write_report(view, "report.html")
            assert name in Path("report.html").read_text(encoding="utf-8")
        else:
            assert name in ("failing", "running")
            with pytest.raises(StudyError, match="trial"):
                write_report(view, "report.html")


def test_a_calibration_is_read_anew_and_nothing_is_trained(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workers, "start", None)
    names = ("naswot", "extrapolated:epochs=3", "extrapolated:epochs=2,by=loss")
    table = calibrate(
        "space.yaml",
        names,
        reference="full",
        sample=10,
        dataset="digits",
        max_images=200,
        epochs=4,
        study="trust",
    )
    assert [(line.name, line.num_networks, line.problem) for line in table.lines] == [
        ("naswot", 10, ""),
        ("extrapolated:epochs=3", 10, ""),
        ("extrapolated:epochs=2,by=loss", 10, ""),
    ]


def test_a_search_goes_on_where_it_was(folder: Path) -> None:
    before = open_study("plain").outcomes
    with workers_in_process():
        view = search("space.yaml", dataset="digits", max_images=200, study="plain", trials=7, epochs=1)
    assert view.outcomes[:6] == before
    assert len(view.outcomes) == 7
    assert len({outcome.candidate.arch_id for outcome in view.outcomes}) == 7
