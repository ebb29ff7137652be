"""Who may drive a study: nothing is written before the claim, and a study without outcomes may become another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ledger_examples import example_candidate, example_outcome, example_study
from postgres import BACKENDS
from processes import HANG_SECONDS, several_programs
from sqlalchemy import create_engine, text
from tiny_search import Instant

from naslab.errors import StudyError
from naslab.execution.events import Event, StudyOpened, StudyRestarted, TrialsReached, VersionChanged
from naslab.execution.workers import Workers
from naslab.lab.calibration import calibrate
from naslab.lab.differences import first_difference
from naslab.lab.families import train_family
from naslab.lab.models import find_model
from naslab.lab.reading import open_study
from naslab.lab.records import taken_up
from naslab.lab.scaling import fit_data_law
from naslab.lab.search import search
from naslab.ledger import Ledger
from naslab.ledger.location import locate
from naslab.ledger.record import RunRecord

SPACE = {
    "input": [1, 8, 8],
    "stages": [
        {"block": {"type": "conv"}, "width": {"choice": [4, 8]}},
        {"block": {"type": "conv"}, "width": {"choice": [8, 16, 24]}, "repeats": {"choice": [1, 2]}},
    ],
    "num_classes": 10,
}


@pytest.fixture(params=BACKENDS)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a ledger is to be made."""
    if request.param == "sqlite":
        return str(tmp_path / "studies.db")
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Workers that answer at once, and a space in a file."""
    monkeypatch.setattr(Workers, "start", lambda *_, **__: Instant(1))
    path = tmp_path / "space.json"
    path.write_bytes(msgspec.json.encode(SPACE))
    return path


def everything(location: str) -> dict[str, list[Any]]:
    """Every row of a ledger's tables."""
    place = locate(location)
    engine = create_engine(place.url)
    prefix = "" if place.path is not None else "naslab."
    with engine.connect() as connection:
        tables = ("studies", "runs", "trials", "outcomes", "measurements")
        found = {name: connection.execute(text(f"SELECT * FROM {prefix}{name}")).all() for name in tables}
    engine.dispose()
    return {name: [tuple(row) for row in rows] for name, rows in found.items()}


def run_search(space: Path, location: str, trials: int, **more: Any) -> object:
    given: dict[str, Any] = {"dataset": "digits", "strategy": "random", "ledger": location, "study": "s", **more}
    return search(space, trials=trials, **given)


def run_calibration(space: Path, location: str, trials: int) -> object:
    return calibrate(space, ["params"], reference="full", dataset="digits", sample=10, ledger=location, study="s")


def run_law(space: Path, location: str, trials: int) -> object:
    images = range(100, 100 + 50 * (4 + trials), 50)
    return fit_data_law(find_model("lenet5"), images=images, dataset="digits", ledger=location, study="s")


def run_family(space: Path, location: str, trials: int) -> object:
    view = open_study("s", location)
    arch = view.problem.space.decode(view.problem.space.genome_at(0))
    return train_family(view, [(arch, {"phi": float(trials)})], location)  # type: ignore[list-item]


DRIVERS: dict[str, tuple[Callable[[Path, str, int], object], str]] = {
    "search": (run_search, "s"),
    "calibrate": (run_calibration, "s/reference full:epochs=20"),
    "law": (run_law, "s"),
    "family": (run_family, "s"),
}


@pytest.mark.slow
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_refused_driver_has_written_nothing(instant: Path, location: str, driver: str) -> None:
    drive, study = DRIVERS[driver]
    (run_search if driver == "family" else drive)(instant, location, 3)
    before = everything(location)
    with (
        Ledger.open(location) as other,
        other.claim(study),
        pytest.raises(StudyError, match=rf"study '{study}' is being driven by .*process"),
    ):
        drive(instant, location, 5)
    assert everything(location) == before
    drive(instant, location, 5)
    assert everything(location) != before or driver == "calibrate"


ATTEMPTS = 3


def contend(location: str, barrier: Barrier, said: Any) -> None:
    """Make one study after another at the same moment as others do, and hold each until everyone has tried."""
    with Ledger.open(location) as ledger:
        for attempt in range(ATTEMPTS):
            record = msgspec.structs.replace(example_study(f"contended{attempt}"), trials=7)
            barrier.wait(HANG_SECONDS)
            try:
                with taken_up(ledger, record, lambda _: None):
                    ledger.add_run(record.name, RunRecord(command="mine", started=1.0))
                    said.put((attempt, "won"))
                    barrier.wait(HANG_SECONDS)
            except Exception as error:  # noqa: BLE001 - told to the test
                said.put((attempt, str(error)))
                barrier.wait(HANG_SECONDS)


def test_of_several_that_make_one_study_one_drives_it_and_the_others_are_told(location: str) -> None:
    Ledger.open(location).close()
    context = several_programs()
    barrier, said = context.Barrier(4), context.Queue()
    processes = [context.Process(target=contend, args=(location, barrier, said)) for _ in range(4)]
    for process in processes:
        process.start()
    told = [said.get(timeout=HANG_SECONDS) for _ in range(4 * ATTEMPTS)]
    for process in processes:
        process.join(HANG_SECONDS)
    for attempt in range(ATTEMPTS):
        others = [answer for number, answer in told if (number, answer != "won") == (attempt, True)]
        assert told.count((attempt, "won")) == 1
        assert len(others) == 3
        assert all(f"study 'contended{attempt}' is being driven by" in each for each in others), others
    rows = everything(location)
    assert (len(rows["studies"]), len(rows["runs"])) == (ATTEMPTS, ATTEMPTS)


def test_the_thread_that_drives_a_study_may_claim_it_again_and_no_other(location: str) -> None:
    with Ledger.open(location) as ledger:
        with ledger.claim_or_create(example_study()) as is_new:
            assert is_new
            with ledger.claim("digits"):
                pass
            with (
                Ledger.open(location) as other,
                pytest.raises(StudyError, match="being driven"),
                other.claim_or_create(example_study()),
            ):
                pass
        with ledger.claim_or_create(example_study()) as is_new:
            assert not is_new


def test_a_study_that_cannot_be_claimed_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "studies.db.claim1").symlink_to(tmp_path / "elsewhere")
    with Ledger.open(tmp_path / "studies.db") as ledger:
        with pytest.raises(Exception, match="it is a link"), ledger.claim_or_create(example_study()):
            pass
        assert ledger.study_names() == []


def changed(space: dict[str, Any], width: list[int]) -> dict[str, Any]:
    first, second = space["stages"]
    return {**space, "stages": [first, {**second, "width": {"choice": width}}]}


def test_a_study_without_an_outcome_becomes_another_search(
    instant: Path, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Instant):
        def wait(self, timeout: float) -> Any:
            raise StudyError("no data")

    with monkeypatch.context() as broken:
        broken.setattr(Workers, "start", lambda *_, **__: Broken(1))
        with pytest.raises(StudyError, match="no data"):
            run_search(instant, location, 3)
    assert len(everything(location)["trials"]) == 1
    instant.write_bytes(msgspec.json.encode(changed(SPACE, [8, 12])))
    events: list[Event] = []
    run_search(instant, location, 4, on_event=events.append)
    [restarted] = [each for each in events if isinstance(each, StudyRestarted)]
    assert restarted.difference == "space.stages[1].width.choice is [8, 16, 24] there, asked for [8, 12]"
    rows = everything(location)
    assert (len(rows["studies"]), len(rows["runs"]), len(rows["outcomes"])) == (1, 1, 4)
    assert open_study("s", location).problem.space.template["stages"][1]["width"] == {"choice": [8, 12]}
    instant.write_bytes(msgspec.json.encode(SPACE))
    with pytest.raises(
        StudyError,
        match=r"study 's' was made with another space: space\.stages\[1\]\.width\.choice is \[8, 12\] there, asked for "
        r"\[8, 16, 24\]; continue it as it was",
    ):
        run_search(instant, location, 4)
    assert everything(location) == rows


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"max_images": 300}, r"another data: data\.max_images is null there, asked for 300"),
        ({"recipe": "full"}, r"another recipe: recipe\.\w+ is .* there, asked for"),
        ({"limits": ["macs<=1e6"]}, r"another limits: limits is \[\] there, asked for \[\"macs<=1e\+06\"\]"),
        ({"objectives": ["accuracy", "params"]}, r"objectives\[1\]\.metric is \"macs\" there, asked for \"params\""),
        ({"seed": 4}, r"another seed: seed is 0 there, asked for 4"),
        ({"rungs": (1, 3)}, r"another rungs: rungs is null there, asked for \{"),
    ],
)
def test_a_refusal_names_the_first_thing_that_differs(
    instant: Path, tmp_path: Path, asked: dict[str, Any], told: str
) -> None:
    location = str(tmp_path / "studies.db")
    run_search(instant, location, 2)
    with pytest.raises(StudyError, match=told):
        run_search(instant, location, 2, **asked)


@pytest.mark.parametrize(
    ("there", "asked", "found"),
    [
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}, None),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, ("a[1].b", 2, 3)),
        ({"a": [{"b": 2}]}, {"a": [{"b": 2}, {"b": 3}]}, ("a[1]", ..., {"b": 3})),
        ({"a": 1, "b": 2}, {"a": 1}, ("b", 2, ...)),
        ({"a": 1}, {"a": 1.0}, None),
        ({"a": 1}, {"a": True}, ("a", 1, True)),
        ({"a": [1, 2]}, {"a": [1]}, ("a", [1, 2], [1])),
    ],
)
def test_the_first_difference(there: Any, asked: Any, found: Sequence[Any] | None) -> None:
    told = first_difference(there, asked)
    if found is None:
        assert told is None
    else:
        assert told is not None
        assert told[0] == found[0]
        assert [own for own, side in zip(told[1:], found[1:], strict=True) if side is not ...] == [
            side for side in found[1:] if side is not ...
        ]


def test_a_field_that_was_written_out_is_the_same_as_its_default(tmp_path: Path, instant: Path) -> None:
    location = str(tmp_path / "studies.db")
    run_search(instant, location, 1)
    with Ledger.open(location) as ledger:
        record = ledger.study("s")
        problem = {**record.problem, "data": {**record.problem["data"], "max_images": None}}
        assert problem != record.problem
        with taken_up(ledger, msgspec.structs.replace(record, problem=problem), lambda _: None):
            pass


@pytest.fixture
def driven_before(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "studies.db") as ledger:
        ledger.create_study(example_study())
        ledger.start("digits", [example_candidate(0)])
        ledger.finish("digits", example_outcome(example_candidate(0)))
        yield ledger


def test_another_version_of_naslab_is_told(driven_before: Ledger) -> None:
    for before, told in (("0.0.1", ["0.0.1"]), (version("naslab"), [])):
        driven_before.add_run("digits", RunRecord(command="naslab search", started=1.0, versions={"naslab": before}))
        events: list[Event] = []
        with taken_up(driven_before, example_study(), events.append):
            pass
        assert [each.before for each in events if isinstance(each, VersionChanged)] == told


def test_a_study_with_an_outcome_is_not_begun_anew(driven_before: Ledger) -> None:
    with pytest.raises(StudyError, match="has outcomes"):
        driven_before.restart(example_study())
    assert len(driven_before.outcomes("digits")) == 1


@pytest.mark.parametrize(
    "more",
    [{}, {"rungs": (1, 3)}, {"pause": True, "strategy": "bayes"}, {"limits": ["macs<=1e6"]}],
    ids=["trials", "rungs", "pauses", "limits"],
)
def test_fewer_trials_than_are_finished_change_no_study(instant: Path, tmp_path: Path, more: dict[str, Any]) -> None:
    location = str(tmp_path / "studies.db")
    run_search(instant, location, 6, **more)
    before = len(everything(location)["trials"])
    for asked, kept in ((3, 6), (6, 6), (1, 6)):
        events: list[Event] = []
        run_search(instant, location, asked, on_event=events.append, **more)
        told = [each for each in events if isinstance(each, TrialsReached)]
        assert told == ([TrialsReached(kept, asked)] if asked < kept else [])
        assert len(everything(location)["trials"]) == before
        assert open_study("s", location).record.trials == kept
        opened = [each.record.trials for each in events if isinstance(each, StudyOpened)]
        assert opened == [kept]


def test_a_budget_may_fall_to_what_is_finished(instant: Path, tmp_path: Path) -> None:
    location = str(tmp_path / "studies.db")
    run_search(instant, location, 3)
    with Ledger.open(location) as ledger:
        ledger.set_trials("s", 8)
    events: list[Event] = []
    run_search(instant, location, 4, on_event=events.append)
    assert open_study("s", location).record.trials == 4
    assert not any(isinstance(each, TrialsReached) for each in events)
