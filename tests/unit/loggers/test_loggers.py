"""What loggers write is what the ledger has, once, also after a failure and when a study goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import synthetic_study as synthetic

from naslab.errors import NaslabError, StudyError
from naslab.execution.events import StudyOpened, TrialFinished, each_of
from naslab.loggers import open_logger
from naslab.loggers.logger import LoggedTrial, Logger
from naslab.study.outcome import Outcome

VIEW = synthetic.study(count=12)
OUTCOMES = VIEW.outcomes


class Kept:
    """A destination in memory, which refuses as often as it is told to."""

    def __init__(self, there: tuple[int, ...] = (), failures: int = 0) -> None:
        self.trials: list[LoggedTrial] = []
        self.there, self.failures = set(there), failures
        self.is_closed = False

    def written(self, study: str) -> set[int]:
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
    with pytest.raises(StudyError, match=told), Logger(Kept(failures=99)) as logger:
        run(logger)


@pytest.mark.parametrize(
    ("name", "words"), [("tensorbord:x", "tensorboard"), ("mlflow", "mlflow:URI"), ("wandb: ", "wandb:DIR")]
)
def test_a_wrong_name_is_refused_in_words(name: str, words: str) -> None:
    with pytest.raises(NaslabError, match=words):
        open_logger(name)


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

    client = MlflowClient(tracking_uri=folder.as_uri())
    [experiment] = [each for each in client.search_experiments() if each.name == VIEW.record.name]
    found = {}
    for each in client.search_runs([experiment.experiment_id]):
        if "naslab.trial" in each.data.tags:
            assert "mlflow.parentRunId" in each.data.tags
            history = client.get_metric_history(each.info.run_id, "validation_accuracy")
            curve = sorted((point.step, point.value) for point in history)
            found[int(each.data.tags["naslab.trial"])] = each.data.metrics, curve
    return found


@pytest.mark.parametrize(
    ("package", "address", "read"),
    [
        ("tensorboard", lambda folder: f"tensorboard:{folder}", from_tensorboard),
        ("mlflow", lambda folder: f"mlflow:{folder.as_uri()}", from_mlflow),
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
def test_weights_and_biases_has_an_offline_run_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    some = msgspec.structs.replace(VIEW, outcomes=OUTCOMES[:2])
    for _ in range(2):
        with open_logger(f"wandb:{tmp_path}") as logger:
            logger.show(StudyOpened(some.record, some.problem, some.outcomes))
    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == 2
