"""`STUDY:best@macs<=5M` and its kind: the best network of a study within limits, wherever a network is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from made_studies import made_study, naslab

from naslab.analysis import thinned
from naslab.errors import NaslabError, StudyError
from naslab.lab import study_models
from naslab.lab.models import find_model
from naslab.lab.reading import open_study
from naslab.lab.study_models import NamedTrials, best_outcome, find_outcome, named_trials
from naslab.ledger import Ledger


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("studies")
    with Ledger.open(made / "l.db") as ledger:
        made_study(ledger, "own", trials=8, failing=(2,))
        made_study(ledger, "odd:best@name", trials=3)
        made_study(ledger, "failed", trials=2, failing=(0, 1))
    return made


def test_best_within_limits_is_the_best_of_those_that_meet_them(folder: Path) -> None:
    view = open_study("own", folder / "l.db")
    complete = [each for each in view.outcomes if each.is_complete]
    bound = sorted(each.candidate.cost.macs for each in complete)[3]
    within = [each for each in complete if each.candidate.cost.macs <= bound]
    best = max(within, key=lambda each: each.value("accuracy"))
    assert best != max(complete, key=lambda each: each.value("accuracy"))
    found = find_model(f"own:best@macs<={bound}", folder / "l.db")
    assert (found.study, found.trial) == ("own", best.candidate.trial)
    least = sorted(each.value("accuracy") for each in complete)[2]
    both = find_model(f"own:best@accuracy>={least}, params<=1M,macs<={bound / 1000}k", folder / "l.db")
    assert both.trial == best.candidate.trial


def test_of_a_large_study_the_same_is_found_and_not_all_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = open_study("own", folder / "l.db")
    best = best_outcome(view)
    monkeypatch.setattr(thinned, "MOST_READ", 2)
    monkeypatch.setattr(study_models, "read_study", None)  # nothing is read whole
    assert find_outcome(NamedTrials("own", "best"), folder / "l.db") == best
    for outcome in view.outcomes:
        assert find_outcome(NamedTrials("own", str(outcome.candidate.trial)), folder / "l.db") == outcome
    with pytest.raises(StudyError, match="no finished trial 9; its finished trials go up to 7"):
        find_outcome(NamedTrials("own", "9"), folder / "l.db")


@pytest.mark.parametrize("command", ["cost", "show", "rescale --phi 1"])
def test_every_command_takes_it_for_a_network(folder: Path, command: str, tmp_path: Path) -> None:
    name, *options = command.split()
    out = ["--out", str(tmp_path / "family")] if name == "rescale" else []
    shown = naslab(folder, name, "own:best@macs<=1.9M", *options, *out, "--json")
    assert shown.code == 0, shown.err
    assert shown.value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("own:best@macs<=10", "no trial of the study meets macs<=10: its trials have macs from "),
        ("own:best@macs<=10,accuracy>=20", "comes nearest with "),
        ("own:best@mac<=5M", "unknown metric of a limit 'mac' (did you mean 'macs'?)"),
        ("own:best@latency_ms<=5", "unknown metric of a limit 'latency_ms'"),
        ("own:best@macs=5M", "must look like 'macs<=50e6', got 'macs=5M'"),
        ("own:best@flops<=5M", "what is counted here is macs"),
        ("own:best@", "must stand behind the @, as best@macs<=5M"),
        ("own:best@ , ", "must stand behind the @"),
        ("own:bset@macs<=5M", "a trial is a number or 'best', got 'bset@macs<=5M'"),
        ("own:front", "the front of study 'own' is several networks: name one of them, as 'own:best'"),
        ("own:front@macs<=5M", "is several networks"),
        ("failed:best@macs<=5M", "has no finished trial without a failure"),
        ("onw:best@macs<=5M", "unknown study 'onw' (did you mean 'own'"),
    ],
)
def test_what_names_no_network_is_refused_in_one_line(folder: Path, text: str, told: str) -> None:
    assert told in naslab(folder, "cost", text).refusal()


def test_the_nearest_is_the_one_that_breaks_the_limits_least(folder: Path) -> None:
    view = open_study("own", folder / "l.db")
    complete = [each for each in view.outcomes if each.is_complete]
    cheapest = min(complete, key=lambda each: each.candidate.cost.macs).candidate
    with pytest.raises(NaslabError, match=f"trial {cheapest.trial} comes nearest with {cheapest.cost.macs:,} macs"):
        find_model("own:best@macs<=1k", folder / "l.db")


def test_studies_with_odd_names_are_found_by_them(folder: Path) -> None:
    assert find_model("odd:best@name:best@macs<=2M", folder / "l.db").study == "odd:best@name"
    assert find_model("odd:best@name:2", folder / "l.db").trial == 2
    assert named_trials("a:best@b:best") == NamedTrials("a:best@b", "best")
    assert named_trials("resnet18") is None


def test_the_picture_shows_what_the_table_does(folder: Path) -> None:
    view = open_study("own", folder / "l.db")
    bound = sorted(each.candidate.cost.macs for each in view.outcomes if each.is_complete)[3]
    shown = naslab(folder, "pareto", "own", "--limit", f"macs<={bound}", "--out", "front.json", "--json")
    assert shown.code == 0, shown.err
    assert len(shown.value["front"]) + len(shown.value["dominated"]) == 4
    text = (folder / "front.json").read_text(encoding="utf-8")
    assert len(set(re.findall(r"<b>trial (\d+)", text))) == 4
