"""Latencies learned from measured networks: the file, how right it is, and searches that aim at it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from own_searches import own_folder, search

import naslab
from naslab.arch import ArchSpec, arch_id
from naslab.cli.main import run
from naslab.errors import DataError, NaslabError, SpecError
from naslab.lab import latency as latency_lab
from naslab.lab.calibration import distinct_networks
from naslab.latency_models import latency_of, reader_of
from naslab.latency_models.predicted import FittedLatency, LatencyModel, fitted, network_features, read_model
from naslab.space import load_space
from naslab.targets.pace import BestPace
from naslab.targets.target import Deployed, Target
from naslab.zoo import model

SEEN: list[str] = []


def made_up(arch: ArchSpec) -> float:
    """Milliseconds of a machine that computes, reads and starts layers at fixed rates."""
    features = network_features(arch)
    rates = {"macs": 2e-6, "in": 1e-5, "out": 2e-5, "layers": 0.01, "base": 0.05}
    return sum(rates.get(name.rsplit(" ", 1)[-1], 0.0) * value for name, value in features.items())


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that takes what was made up, within 1 %."""

    def measured(networks: Sequence[Deployed], target: Target, best: BestPace) -> list[float]:
        best.see([0.5])
        return [_told(each) for each in networks]

    def _told(deployed: Deployed) -> float:
        SEEN.append(deployed.name)
        return made_up(deployed.arch) * (1 + 0.01 * math.sin(len(SEEN)))

    SEEN.clear()
    monkeypatch.setattr(latency_lab, "quiet_latencies", measured)


@pytest.fixture
def calibrated(machine: None, tmp_path: Path) -> Callable[..., LatencyModel]:
    def made(**changes):
        return naslab.calibrate_latency(
            "digits_demo", "torch", tmp_path / "t.json", **{"known": 60, "sample": 20, "seed": 3} | changes
        )

    return made


def test_unseen_networks_are_told_nearly_as_measured(calibrated, tmp_path: Path) -> None:
    found = calibrated()
    assert found.judged is not None
    assert found.judged.num_networks == 20
    assert found.judged.median_error < 0.02
    assert found.judged.tau_low <= found.judged.tau <= found.judged.tau_high
    assert found.judged.tau > 0.95
    assert not set(found.known) & set(found.unseen)
    assert read_model(tmp_path / "t.json") == found
    assert found.best_pace_ms == 0.5


def test_the_same_call_goes_on(calibrated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = calibrated(known=20, sample=10)
    assert len(SEEN) == 30
    more = calibrated(known=25, sample=12)
    assert len(SEEN) == 37
    assert before.known.items() <= more.known.items()
    own = latency_lab.quiet_latencies
    monkeypatch.setattr(latency_lab, "BATCH", 3)

    def stopping(*rest):
        if len(SEEN) == 40:
            raise KeyboardInterrupt
        return own(*rest)

    monkeypatch.setattr(latency_lab, "quiet_latencies", stopping)
    with pytest.raises(KeyboardInterrupt):
        calibrated(known=30, sample=12)
    monkeypatch.setattr(latency_lab, "quiet_latencies", own)
    assert len(calibrated(known=30, sample=12).known) == 30
    assert len(SEEN) == 42


def test_a_file_of_an_earlier_version_is_fitted_anew_from_what_was_measured(calibrated, tmp_path: Path) -> None:
    found = calibrated()
    path = tmp_path / "t.json"
    older = json.loads(path.read_text()) | {"format": 1, "coefficients": {"depthwise 3 whole macs": 1.0}}
    path.write_text(json.dumps(older))
    with pytest.raises(DataError, match="fitted by an earlier version of naslab: run its naslab calibrate"):
        read_model(path)
    SEEN.clear()
    assert calibrated().coefficients == found.coefficients
    assert SEEN == []
    assert read_model(path).format == 2


@pytest.mark.parametrize("use", [read_model, None], ids=["read", "calibrate"])
def test_a_file_of_a_later_version_is_refused(calibrated, tmp_path: Path, use) -> None:
    calibrated()
    path = tmp_path / "t.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 9}))
    with pytest.raises(DataError, match="has the format 9, this version of naslab reads 2: update it"):
        (use or (lambda _: calibrated()))(path)


def test_a_latency_is_the_sum_of_its_parts(calibrated) -> None:
    told = FittedLatency(calibrated().coefficients)
    space = load_space("digits_demo")
    source = np.random.default_rng(1)
    for _ in range(30):
        arch = space.decode(space.sample(source))
        whole = sum(told.coefficients[name] * value for name, value in network_features(arch).items())
        assert told(arch) == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"known": 19}, SpecError, "known: must be at least 20 networks, got 19"),
        ({"sample": 9}, SpecError, "sample: must be at least 10 networks, got 9"),
        ({"seed": 4}, DataError, "is of the seed '3', not '4': name another file"),
    ],
)
def test_what_cannot_be_learned_is_refused(calibrated, change, error, message) -> None:
    calibrated(known=20, sample=10)
    count = len(SEEN)
    with pytest.raises(error, match=message):
        calibrated(**{"known": 20, "sample": 10} | change)
    assert len(SEEN) == count


@pytest.mark.parametrize("target", ["table:a.csv", "predicted:a.json", "cuda", "command:a {onnx}"])
def test_other_targets_are_refused(target: str, tmp_path: Path) -> None:
    with pytest.raises(NaslabError, match=r"one that is timed on the processors here|needs"):
        naslab.calibrate_latency("digits_demo", target, tmp_path / "t.json")
    assert not list(tmp_path.iterdir())


def test_networks_of_other_layers_are_named(calibrated, tmp_path: Path) -> None:
    calibrated()
    target = f"predicted:{tmp_path / 't.json'}"
    with pytest.raises(DataError, match=r"knows no '.*', which alexnet has: it learned from networks of another space"):
        latency_of(target, model("alexnet"), "alexnet")
    read = reader_of(target)
    assert read is not None
    assert read(model("alexnet")) == float("inf")
    with pytest.raises(SpecError, match="at least 20 networks, got 1"):
        fitted([model("lenet5")], [1.0])


@pytest.mark.parametrize("content", ["", "[]", '{"target": "torch"}', '{"target": 3, "space": "a", "seed": 0}'])
def test_a_file_that_is_none_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(NaslabError, match=r"t\.json"):
        latency_of(f"predicted:{tmp_path / 't.json'}", model("lenet5"))


def test_an_unfinished_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('{"target": "torch", "space": "a", "seed": 0}')
    with pytest.raises(DataError, match="is not finished: run its naslab calibrate --target torch again"):
        latency_of(f"predicted:{tmp_path / 't.json'}", model("lenet5"))


def test_a_search_aims_at_it(machine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from own_searches import SPACE

    path = tmp_path / "own.json"
    naslab.calibrate_latency(SPACE, "torch", path, known=20, sample=10)
    name = f"latency_ms@predicted:{path}"
    values = [
        latency_of(f"predicted:{path}", SPACE.decode(each)) for each in distinct_networks(SPACE, 20, [5]).values()
    ]
    bound = float(np.median(values))
    with own_folder(tmp_path, monkeypatch):
        study = search(
            lambda network, trial: trial.number, trials=8, objectives=("f1:max", name), limits=(f"{name}<={bound:g}",)
        )
    assert len(study.outcomes) == 8
    for outcome in study.outcomes:
        assert outcome.is_complete
        assert outcome.value(name) == latency_of(f"predicted:{path}", outcome.candidate.arch) <= bound


def test_the_command_prints_how_right_it_is(machine: None, monkeypatch, capsys, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    said = ["naslab", "calibrate", "digits_demo", "--target", "torch", "--known", "20", "--sample", "10"]
    monkeypatch.setattr("sys.argv", [*said, "--out", "t.json", "--json"])
    with pytest.raises(SystemExit, match="0"):
        run()
    value = json.loads(capsys.readouterr().out)
    assert value["target"] == "predicted:t.json"
    assert {"median_error", "tau", "num_networks"} <= value["judged"].keys()
    monkeypatch.setattr("sys.argv", said)
    with pytest.raises(SystemExit, match="2"):
        run()
    assert "name a file, as --out latency.json" in capsys.readouterr().err


def test_identities_are_those_of_the_ledger(calibrated) -> None:
    found = calibrated(known=20, sample=10)
    space = load_space("digits_demo")
    assert {arch_id(space.decode(each)) for each in distinct_networks(space, 10, [3]).values()} == set(found.unseen)
