"""Studies renamed, deleted, merged and added to, on a SQLite file and on a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
import pytest
from ledger_examples import example_candidate, example_outcome
from made_studies import made_problem, made_study
from own_searches import SPACE
from postgres import BACKENDS

import naslab
from naslab.analysis.facts import facts
from naslab.errors import StudyError, UnknownNameError
from naslab.estimators.inheritance import INHERITS
from naslab.ledger import Ledger


@pytest.fixture(params=BACKENDS)
def location(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where a ledger is to be made; blobs of a server's are in the working folder."""
    monkeypatch.chdir(tmp_path)
    if request.param == "sqlite":
        return str(tmp_path / "studies.db")
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture
def ledger(location: str) -> Iterator[Ledger]:
    """A ledger with two studies of one problem, of four and five trials."""
    with Ledger.open(location) as ledger:
        made_study(ledger, "one", seed=0, trials=4)
        made_study(ledger, "two", seed=1, trials=5, failing=(2,))
        yield ledger


def test_a_renamed_study_is_the_same_under_another_name(ledger: Ledger, location: str) -> None:
    before, outcomes, runs = ledger.study("one"), ledger.outcomes("one"), ledger.runs("one")
    kept = ledger.checkpoints("one").put(b"weights")
    ledger.set_trials("one", 9)
    naslab.rename_study("one", "first", location)
    assert ledger.study_names() == ["first", "two"]
    assert ledger.study("first") == msgspec.structs.replace(before, name="first", trials=9)
    assert (ledger.outcomes("first"), ledger.runs("first")) == (outcomes, runs)
    assert ledger.checkpoints("first").get(kept) == b"weights"
    with pytest.raises(UnknownNameError, match="unknown study 'one'"):
        ledger.outcomes("one")
    ledger.start("first", [example_candidate(17)])


def test_what_learns_from_a_study_follows_its_name(ledger: Ledger, location: str) -> None:
    names = ("predictor:study=one", "predictor:study=one_more", "predictor:batch=8,study=one")
    for index, estimator in enumerate(names):
        made_study(ledger, f"by{index}", trials=1, estimator=estimator)
    naslab.rename_study("one", "first", location)
    found = [ledger.study(f"by{index}").estimator for index in range(3)]
    assert found == ["predictor:study=first", "predictor:study=one_more", "predictor:batch=8,study=first"]


@pytest.mark.parametrize("change", ["renamed", "deleted"])
def test_a_study_that_goes_before_it_is_claimed_is_unknown(
    ledger: Ledger, location: str, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    claimed = ledger._claimed

    def late(study_id: int, name: str) -> AbstractContextManager[None]:
        if change == "renamed":
            naslab.rename_study("one", "first", location)
        else:
            naslab.delete_study("one", location)
        return claimed(study_id, name)

    monkeypatch.setattr(ledger, "_claimed", late)
    with pytest.raises(UnknownNameError, match="unknown study 'one'"), ledger.claim("one"):
        pytest.fail("what is driven now is no study, or another one")


@pytest.mark.parametrize(
    ("new", "told"), [("two", "study 'two' exists already"), (" ", "must be"), ("a\nb", "must be printable")]
)
def test_a_name_that_cannot_be_changes_nothing(ledger: Ledger, location: str, new: str, told: str) -> None:
    with pytest.raises(naslab.NaslabError, match=told):
        naslab.rename_study("one", new, location)
    assert ledger.study_names() == ["one", "two"]
    assert ledger.study("one").name == "one"


def test_a_study_that_is_driven_is_left_alone(ledger: Ledger, location: str) -> None:
    with ledger.claim("one"):
        for call in (
            lambda: naslab.rename_study("one", "first", location),
            lambda: naslab.delete_study("one", location),
            lambda: naslab.merge_studies(["two", "one"], "both", location),
        ):
            with pytest.raises(StudyError, match="study 'one' is being driven by"):
                call()
    assert ledger.study_names() == ["one", "two"]
    assert len(ledger.outcomes("one")) == 4


def test_a_deleted_study_takes_its_own_files_and_nothing_else(ledger: Ledger, location: str) -> None:
    store = ledger.checkpoints("one")
    store.put(b"weights")
    own = store.folder / "own" / "abc-0"
    own.mkdir(parents=True)
    (own / "epochs").write_text("3", encoding="utf-8")
    other = ledger.checkpoints("two").put(b"weights")
    shared = ledger.blobs.put(b"of the ledger")
    assert naslab.delete_study("one", location) == ("one", 4)
    assert ledger.study_names() == ["two"]
    assert not store.folder.exists()
    assert ledger.checkpoints("two").get(other) == b"weights"
    assert ledger.blobs.get(shared) == b"of the ledger"
    assert len(ledger.outcomes("two")) == 5
    made_study(ledger, "one", trials=2)
    assert [each.candidate.trial for each in ledger.outcomes("one")] == [0, 1]


def test_what_others_put_beside_checkpoints_stays(ledger: Ledger, location: str) -> None:
    store = ledger.checkpoints("one")
    store.put(b"weights")
    (store.folder / "notes.txt").write_text("mine", encoding="utf-8")
    outside = store.folder.parent / "outside"
    outside.mkdir()
    (outside / "photo.png").write_bytes(b"mine")
    (store.folder / "own").symlink_to(outside)
    naslab.delete_study("one", location)
    assert (store.folder / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert (outside / "photo.png").exists()
    assert not list(store.folder.glob("??/*"))


def test_merged_studies_hold_every_network_once_and_say_from_where(ledger: Ledger, location: str) -> None:
    made_study(ledger, "again", seed=0, trials=6, failing=(1,))
    found = naslab.merge_studies(["one", "two", "again"], "all", location)
    view = naslab.open_study("all", location)
    identities = [each.candidate.arch_id for each in view.outcomes]
    of_all = {each.candidate.arch_id for name in ("one", "two", "again") for each in ledger.outcomes(name)}
    assert sorted(identities) == sorted(of_all)
    assert [each.candidate.trial for each in view.outcomes] == list(range(len(identities)))
    assert [each.finished for each in view.outcomes] == sorted(each.finished for each in view.outcomes)
    assert [(each.name, each.num_outcomes, each.num_left_out) for each in found] == [
        ("one", 4, 0),
        ("two", 5, 0),
        ("again", 2, 4),
    ]
    assert view.record.merged == found
    assert (view.record.seed, view.record.strategy, view.record.trials) == (0, "random", 11)
    assert [run.command for run in view.runs] == [f"naslab search --seed {seed}" for seed in (0, 0, 1)]
    told = [each.value for each in facts(view).facts if each.name == "merged from"]
    assert told[2].startswith("again: 2 outcomes, 4 left out that others had; random, seed 0")
    for name in ("one", "two", "again"):
        was = {each.candidate.trial: each for each in ledger.outcomes(name)}
        for each in view.outcomes:
            if each.candidate.origin["merged_from"] == name:
                old = was[each.candidate.origin["merged_trial"]]
                assert (each.estimate, each.finished) == (old.estimate, old.finished)


def test_a_result_is_kept_rather_than_a_failure(ledger: Ledger, location: str) -> None:
    made_study(ledger, "whole", seed=1, trials=5)
    naslab.merge_studies(["two", "whole"], "both", location)
    outcomes = ledger.outcomes("both")
    assert len(outcomes) == 5
    assert all(each.is_complete for each in outcomes)
    assert sum(each.candidate.origin["merged_from"] == "whole" for each in outcomes) == 1


def test_parents_are_told_by_their_new_numbers(ledger: Ledger, location: str) -> None:
    made_study(ledger, "again", seed=0, trials=6)
    naslab.merge_studies(["one", "two", "again"], "all", location)
    outcomes = {each.candidate.trial: each for each in ledger.outcomes("all")}
    children = [each.candidate for each in outcomes.values() if each.candidate.origin.get("parents")]
    assert children
    for child in children:
        origin = child.origin
        [parent] = origin["parents"]
        was = {each.candidate.trial: each.candidate for each in ledger.outcomes(origin["merged_from"])}
        assert outcomes[parent].candidate.arch_id == was[origin["merged_trial"] - 1].arch_id


def test_promotions_and_checkpoints_of_rungs_are_merged(ledger: Ledger, location: str) -> None:
    from naslab.study.outcome import Fidelity

    for name, trials in (("r1", 2), ("r2", 3)):
        made_study(ledger, name, seed=trials, trials=trials)
        first = ledger.outcomes(name)[1]
        sha256 = ledger.checkpoints(name).put(name.encode())
        origin = {"operator": "promote", "from": 1, INHERITS: 0}
        candidate = msgspec.structs.replace(first.candidate, trial=9, fidelity=Fidelity(epochs=3), origin=origin)
        estimate = msgspec.structs.replace(first.estimate, weights_sha256=sha256)
        ledger.start(name, [candidate])
        ledger.finish(name, msgspec.structs.replace(first, candidate=candidate, estimate=estimate))
    naslab.merge_studies(["r1", "r2"], "both", location)
    outcomes = {each.candidate.trial: each for each in ledger.outcomes("both")}
    assert len(outcomes) == 7
    promoted = [each for each in outcomes.values() if each.candidate.origin.get("operator") == "promote"]
    for each in promoted:
        assert outcomes[each.candidate.origin["from"]].candidate.arch_id == each.candidate.arch_id
        assert outcomes[each.candidate.origin[INHERITS]].candidate.origin["merged_trial"] == 0
        content = ledger.checkpoints("both").get(each.estimate.weights_sha256)
        assert content == each.candidate.origin["merged_from"].encode()
    assert len(promoted) == 2


def test_studies_that_differ_are_not_merged(ledger: Ledger, location: str) -> None:
    made_study(ledger, "other goals", problem=made_problem(("accuracy", "params")))
    made_study(ledger, "other space", problem=made_problem(space=SPACE))
    made_study(ledger, "longer", epochs=3)
    made_study(ledger, "own code", made_with={"mine.evaluate": "abc"})
    for other, told in (
        ("other goals", "objectives.* is .* in 'one', .* in 'other goals'"),
        ("other space", "space.* in 'one', .* in 'other space'"),
        ("longer", "epochs is 1 in 'one', 3 in 'longer'"),
        ("own code", "made_with is {} in 'one'"),
    ):
        with pytest.raises(StudyError, match=told) as refused:
            naslab.merge_studies(["one", other], "both", location)
        assert len(str(refused.value).splitlines()) == 1
    for names, into, told in (
        (["one"], "both", "two or more studies"),
        (["one", "one"], "both", "two or more studies"),
        (["one", "two"], "one", "study 'one' exists already"),
        (["one", "tow"], "both", "unknown study 'tow'"),
        (["one", "two"], "a\nb", "must be printable"),
    ):
        with pytest.raises(naslab.NaslabError, match=told):
            naslab.merge_studies(names, into, location)
    assert "both" not in ledger.study_names()


def test_what_is_measured_later_is_with_the_outcome(ledger: Ledger) -> None:
    before = ledger.outcomes("one")[2]
    ledger.add_measured("one", [2, 3], {"latency_ms": 3.5, "odd": float("inf")}, {"later": {"latency_ms": 1}})
    after = ledger.outcomes("one")[2]
    assert after.estimate.measured == before.estimate.measured | {"latency_ms": 3.5, "odd": float("inf")}
    assert after.estimate.notes == {**before.estimate.notes, "later": {"latency_ms": 1}}
    assert (after.candidate, after.finished) == (before.candidate, before.finished)
    ledger.add_measured("one", [2], {"latency_ms": 4.5}, {})
    assert ledger.outcomes("one")[2].value("latency_ms") == 4.5
    assert ledger.outcomes("two")[2].estimate.measured == {}
    with pytest.raises(StudyError, match="trial 44 is not finished"):
        ledger.add_measured("one", [1, 44], {"latency_ms": 3.5}, {})
    assert "latency_ms" not in ledger.outcomes("one")[1].estimate.measured


def test_an_outcome_cannot_be_entered_into_a_study_that_is_gone(ledger: Ledger, location: str) -> None:
    with Ledger.open(location) as second:
        assert second.study("one").trials == 4
        naslab.delete_study("one", location)
        for call in (lambda: second.study("one"), lambda: second.start("one", [example_candidate(9)])):
            with pytest.raises(UnknownNameError):
                call()
        with pytest.raises(UnknownNameError):
            second.finish("one", example_outcome(example_candidate(0)))
