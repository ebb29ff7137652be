"""The report: its sections, what it escapes, what it leaves out."""

from __future__ import annotations

import errno
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
import synthetic_study as synthetic

from naslab.analysis.study import StudyView
from naslab.errors import NaslabError, StudyError
from naslab.figures import write_report
from naslab.figures.markup import Markup, element, table
from naslab.figures.page import POLICY
from naslab.figures.report_sections import retrain_command
from naslab.study.problem import Objective

VOID = {"meta", "link", "br", "hr", "img"}


class Outline(HTMLParser):
    """What a page holds: its elements, its text outside scripts, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" not in self.open and "style" not in self.open:
            self.words += data + "\n"

    def ids(self) -> list[str]:
        return [attributes["id"] or "" for _, attributes in self.elements if "id" in attributes]


def written(view: StudyView, folder: Path, ledger: str = "naslab.db") -> str:
    write_report(view, folder / "report.html", ledger)
    return (folder / "report.html").read_text(encoding="utf-8")


def without_library(text: str) -> str:
    """The page without plotly.js itself."""
    return re.sub(r"<script>.*?plotly\.js v.*?</script>", "", text, count=1, flags=re.DOTALL)


def test_a_report_has_every_section(tmp_path: Path) -> None:
    outline = Outline(written(synthetic.study(), tmp_path))
    assert not outline.open
    ids = outline.ids()
    assert len(ids) == len(set(ids))
    for name in ("front", "progress", "curves", "choices", "family", "failures", "facts"):
        assert name in ids
        assert f"{name}-heading" in ids
    for words in ("60 of 60", "9 networks", "1 in flight", "timed out", "phi 3", "resnet20_cifar", "Copy"):
        assert words in outline.words
    assert [tag for tag, _ in outline.elements].count("h1") == 1


@pytest.mark.slow
def test_every_network_of_the_front_has_a_command_to_train_it(tmp_path: Path) -> None:
    outline = Outline(written(synthetic.study(), tmp_path))
    commands = re.findall(r"naslab\s+train\s+digits-demo:(\d+)\s+--ledger\s+naslab\.db\s+--epochs\s+40", outline.words)
    assert len(commands) == 9


def test_commands_survive_a_shell() -> None:
    view = synthetic.study(count=1, name="two words; rm")
    assert retrain_command(view, 3, "my ledger.db") == (
        "naslab train 'two words; rm:3' --ledger 'my ledger.db' --epochs 40"
    )


def test_names_are_escaped(tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    view = synthetic.study(name=hostile, count=20)
    member = msgspec.structs.replace(
        view.baselines[0], candidate=msgspec.structs.replace(view.baselines[0].candidate, origin={"zoo": hostile})
    )
    text = without_library(written(msgspec.structs.replace(view, baselines=(member,)), tmp_path))
    assert "<script>alert" not in text
    assert "<img" not in text
    assert hostile in Outline(text).words


@pytest.mark.slow
def test_a_report_loads_nothing(tmp_path: Path) -> None:
    outline = Outline(written(synthetic.study(count=20), tmp_path))
    for tag, attributes in outline.elements:
        assert tag not in {"iframe", "object", "embed", "base", "form"}
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith(("#", "data:,"))
    assert ("meta", {"http-equiv": "Content-Security-Policy", "content": POLICY}) in outline.elements


def test_a_password_of_the_ledger_is_not_told(tmp_path: Path) -> None:
    text = written(synthetic.study(count=20), tmp_path, "postgresql://ada:secret@db.example/lab")
    assert "secret" not in without_library(text)
    assert "db.example/lab" in text


def test_what_a_study_has_not_is_left_out(tmp_path: Path) -> None:
    view = synthetic.study(count=7, family=(), baselines=(), runs=(), num_in_flight=0)
    bare = [
        msgspec.structs.replace(
            each,
            candidate=msgspec.structs.replace(each.candidate, genome=type(each.candidate.genome)()),
            estimate=msgspec.structs.replace(each.estimate, curve=()),
        )
        for each in view.outcomes
    ]
    outline = Outline(written(msgspec.structs.replace(view, outcomes=tuple(bare)), tmp_path))
    assert not {"curves", "choices", "family"} & set(outline.ids())
    assert "None of 7 trials failed." in outline.words


@pytest.mark.parametrize("metrics", [("accuracy",), ("accuracy", "macs", "params"), ("macs", "accuracy")])
def test_any_objectives_make_a_report(metrics: tuple[str, ...], tmp_path: Path) -> None:
    goals = tuple(Objective.named(metric) for metric in metrics)
    view = synthetic.study(count=20, problem=synthetic.problem(objectives=goals))
    assert "front-figure" in Outline(written(view, tmp_path)).ids()


def test_a_single_trial_makes_a_report(tmp_path: Path) -> None:
    assert "1 of 1" in Outline(written(synthetic.study(count=1), tmp_path)).words


def test_a_study_without_results_leaves_no_file(tmp_path: Path) -> None:
    view = synthetic.study(outcomes=())
    with pytest.raises(StudyError, match="no finished trial yet"):
        write_report(view, tmp_path / "report.html", "naslab.db")
    assert not list(tmp_path.iterdir())


def test_an_old_report_survives_a_failed_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(NaslabError, match="cannot write"):
        write_report(synthetic.study(count=5), path, "naslab.db")
    assert path.read_text(encoding="utf-8") == "old"


def test_markup_escapes_what_is_not_markup() -> None:
    assert element("p", "<b>", Markup("<b>"), attributes={"title": '"'}) == '<p title="&quot;">&lt;b&gt;<b></p>'
    made = table("A & B", ["name", "count"], [["x", "1"]], numeric=[1])
    assert '<th role="columnheader" scope="col" class="number">count</th>' in made
    assert '<th role="rowheader" scope="row">x</th><td role="cell" data-label="count" class="number">1</td>' in made
    assert "A &amp; B" in made
