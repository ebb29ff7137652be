"""What loggers write is what the ledger has, once, also after a failure and when a study goes on."""

from __future__ import annotations

import json
import struct
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import synthetic_study as synthetic

from naslab.errors import NaslabError, SpecError, StudyError
from naslab.execution.events import StudyOpened, TrialFinished, each_of
from naslab.loggers import open_logger, registry
from naslab.loggers.logger import LoggedTrial, Logger, folder_of
from naslab.study.outcome import Outcome

VIEW = synthetic.study(count=12)
OUTCOMES = VIEW.outcomes


class Kept:
    """A destination in memory, which refuses as often as it is told to."""

    def __init__(self, there: tuple[int, ...] = (), failures: int = 0, away: str = "") -> None:
        self.trials: list[LoggedTrial] = []
        self.there, self.failures, self.away = set(there), failures, away
        self.is_closed = False

    def written(self, study: str) -> set[int]:
        if self.away:
            raise ConnectionError(self.away)
        return self.there

    def write(self, trial: LoggedTrial) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("no server")
        self.trials.append(trial)

    def close(self) -> None:
        self.is_closed = True


def run(logger: Logger, before: int = 4) -> None:
    show = each_of(logger.show)
    show(StudyOpened(VIEW.record, VIEW.problem, OUTCOMES[:before]))
    for number, outcome in enumerate(OUTCOMES[before:], start=before + 1):
        show(TrialFinished(outcome, number, len(OUTCOMES)))


def test_every_trial_is_written_once_and_in_order() -> None:
    kept = Kept(there=(OUTCOMES[1].candidate.trial,))
    with Logger(kept) as logger:
        run(logger)
        run(logger)
    trials = [each.candidate.trial for each in OUTCOMES]
    assert [each.trial for each in kept.trials] == [each for each in trials if each != trials[1]]
    assert kept.is_closed


def test_what_could_not_be_written_is_written_later() -> None:
    kept = Kept(failures=3)
    with Logger(kept) as logger:
        run(logger)
    assert [each.trial for each in kept.trials] == [each.candidate.trial for each in OUTCOMES]


def test_what_is_missing_in_the_end_is_told() -> None:
    told = r"12 trials .* could not be logged \(ConnectionError: no server\)"
    kept = Kept(failures=99)
    with pytest.raises(StudyError, match=told), Logger(kept) as logger:
        run(logger)
    assert kept.is_closed


def test_a_server_that_is_away_at_first_is_told_without_its_password() -> None:
    kept = Kept(away="https://me:opensesame@logs.example/ refused, https://opensesame@logs.example/ too")
    with pytest.raises(StudyError, match="could not be read") as told, Logger(kept) as logger:
        run(logger)
    assert "opensesame" not in "".join(traceback.format_exception(told.value))
    assert kept.is_closed


def test_an_address_that_cannot_be_opened_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise OSError("no such scheme as of odd://me:opensesame@logs.example/")

    monkeypatch.setattr(registry, "find_spec", lambda package: package)
    monkeypatch.setattr(registry, "import_module", refuse)
    address = "mlflow:odd://me:opensesame@logs.example/"
    with pytest.raises(SpecError, match="could not be opened") as told:
        open_logger(address)
    assert "opensesame" not in "".join(traceback.format_exception(told.value))


class Shut(Kept):
    """A destination that cannot be closed."""

    def close(self) -> None:
        raise ConnectionError("no server")


def fail(error: Exception) -> None:
    raise error


def test_a_run_that_ends_by_an_error_tells_that_one_and_not_its_log() -> None:
    with pytest.raises(KeyError, match="its own"), Logger(Shut()):
        fail(KeyError("its own"))
    with (
        pytest.raises(StudyError, match=r"could not be closed \(ConnectionError: no server\)"),
        Logger(Shut()) as logger,
    ):
        run(logger)


@pytest.mark.parametrize(
    ("name", "words"), [("tensorbord:x", "tensorboard"), ("mlflow", "mlflow:URI"), ("wandb: ", "wandb:DIR")]
)
def test_a_wrong_name_is_refused_in_words(name: str, words: str) -> None:
    with pytest.raises(NaslabError, match=words):
        open_logger(name)


@pytest.mark.parametrize("row", registry.ROWS, ids=lambda row: row.name)
def test_a_package_that_is_missing_is_told_with_its_extra(
    row: registry.LoggerRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda package: None)
    with pytest.raises(SpecError, match=rf"needs the package {row.package}: pip install 'naslab\[{row.extra}\]'"):
        open_logger(f"{row.name}:there")


def finite(outcome: Outcome) -> dict[str, float]:
    return LoggedTrial.of("s", outcome).metrics


Read = Callable[[Path], dict[int, tuple[dict[str, float], list[tuple[int, float]]]]]
"""What a destination has of each trial: its results, and (epoch, validation accuracy) of its curve."""


def from_tensorboard(folder: Path) -> dict[int, tuple[dict[str, float], list[tuple[int, float]]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    found = {}
    for run_folder in folder.glob("*/trial_*"):
        read = EventAccumulator(str(run_folder))
        read.Reload()
        results: dict[str, float] = {}
        curve: list[tuple[int, float]] = []
        for tag in read.Tags()["tensors"]:
            points = [(event.step, tensor_util.make_ndarray(event.tensor_proto)) for event in read.Tensors(tag)]
            if tag.startswith("result/"):
                results[tag.removeprefix("result/")] = float(points[-1][1])
            elif tag == "curve/validation_accuracy":
                curve = [(step, float(value)) for step, value in points]
        found[int(run_folder.name.removeprefix("trial_"))] = results, curve
    return found


def from_mlflow(folder: Path) -> dict[int, tuple[dict[str, float], list[tuple[int, float]]]]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder}.db")
    [experiment] = [each for each in client.search_experiments() if each.name == VIEW.record.name]
    found = {}
    for each in client.search_runs([experiment.experiment_id]):
        if "naslab.trial" in each.data.tags:
            assert "mlflow.parentRunId" in each.data.tags
            history = client.get_metric_history(each.info.run_id, "validation_accuracy")
            curve = sorted((point.step, point.value) for point in history)
            found[int(each.data.tags["naslab.trial"])] = each.data.metrics, curve
    return found


def records_of(file: Path) -> Iterator[Any]:
    """The records of an offline run, which lie in LevelDB's log format behind 7 bytes of wandb's own."""
    from wandb.proto.wandb_internal_pb2 import Record

    block, head = 32768, struct.Struct("<IHB")  # checksum, length, kind: 1 whole, 2 first, 3 middle, 4 last
    content, at, parts = file.read_bytes(), 7, b""
    while at + head.size <= len(content):
        if block - at % block < head.size:
            at += block - at % block
            continue
        _, length, kind = head.unpack_from(content, at)
        at += head.size + length
        parts += content[at - length : at]
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def from_wandb(folder: Path) -> dict[int, tuple[dict[str, float], list[tuple[int, float]]]]:
    found = {}
    for file in folder.glob("wandb/offline-run-*/run-*.wandb"):
        told: dict[str, dict[str, Any]] = {"config": {}, "summary": {}}
        curve: list[tuple[int, float]] = []
        for record in records_of(file):
            told["config"].update({each.key: json.loads(each.value_json) for each in record.run.config.update})
            for each in record.summary.update:
                told["summary"]["/".join((each.key, *each.nested_key)).strip("/")] = json.loads(each.value_json)
            if record.HasField("history"):
                items = {
                    "/".join((each.key, *each.nested_key)).strip("/"): json.loads(each.value_json)
                    for each in record.history.item
                }
                curve.append((record.history.step.num, items["curve/validation_accuracy"]))
        assert told["config"]["study"] == VIEW.record.name
        found[told["config"]["trial"]] = told["summary"], curve
    return found


@pytest.mark.parametrize(
    ("package", "address", "read"),
    [
        ("tensorboard", lambda folder: f"tensorboard:{folder}", from_tensorboard),
        ("mlflow", lambda folder: f"mlflow:sqlite:///{folder}.db", from_mlflow),
        ("wandb", lambda folder: f"wandb:{folder}", from_wandb),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_there_is_what_the_ledger_has(
    tmp_path: Path, package: str, address: Callable[[Path], str], read: Read
) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed")
    for _ in range(2):
        with open_logger(address(tmp_path / "runs")) as logger:
            run(logger)
    found = read(tmp_path / "runs")
    assert set(found) == {each.candidate.trial for each in OUTCOMES}
    for outcome in OUTCOMES:
        results, curve = found[outcome.candidate.trial]
        assert {name: results[name] for name in finite(outcome)} == finite(outcome)
        assert curve == [(each.epoch, each.validation_accuracy) for each in outcome.estimate.curve]


@pytest.mark.filterwarnings("ignore")
def test_weights_and_biases_has_an_offline_run_a_trial_and_no_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setattr(sys, "argv", ["naslab", "--ledger", "postgresql://me:opensesame@db/studies"])
    some = msgspec.structs.replace(VIEW, outcomes=OUTCOMES[:2])
    for _ in range(2):
        with open_logger(f"wandb:{tmp_path}") as logger:
            logger.show(StudyOpened(some.record, some.problem, some.outcomes))
    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == 2
    assert not any(b"opensesame" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_studies_of_like_names_have_folders_of_their_own() -> None:
    names = ("a/b", "a_b", "a:b", "..", ".", "study", "a b", " a b", "")
    folders = [folder_of(name) for name in names]
    assert len(set(folders)) == len(names)
    assert all(each.strip(". ") == each and "/" not in each for each in folders)
