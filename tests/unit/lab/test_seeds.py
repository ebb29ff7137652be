"""`naslab train STUDY:front --seeds 3`: a folder for each network and seed, means with errors, nothing twice."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from made_studies import made_study, naslab

import naslab as lab
from naslab.arch import ArchSpec
from naslab.arch.build import build
from naslab.errors import DivergedError
from naslab.ledger import Ledger
from naslab.study.outcome import EpochRecord
from naslab.training.fit import FitResult
from naslab.training.weights import save_weights

TRAINED: list[tuple[int, int]] = []
BROKEN: set[int] = set()
"""Seeds that diverge."""


def fitted(arch: ArchSpec, choice: Any, recipe: Any, epochs: int, **given: Any) -> FitResult:
    """In the place of a training: a test accuracy that follows from the width of the first stage and the seed."""
    seed = given["seed"]
    if seed in BROKEN:
        raise DivergedError("the training loss became nan")
    TRAINED.append((arch.stages[0].width or 0, seed))
    given["report"](EpochRecord(1, 1.0, 1.0, 50.0, 0.1))
    digest = save_weights(build(arch, seed), given["save_to"])
    accuracy = 50.0 + (arch.stages[0].width or 0) + seed**2
    return FitResult(
        test_accuracy=accuracy,
        test_accuracy_sem=1.0,
        test_loss=1.0,
        num_test_images=359,
        curve=(),
        wall_seconds=0.1,
        device="cpu",
        weights_sha256=digest,
        mean=(78.0,),
        deviation=(96.0,),
        test_metrics={"macro_f1": accuracy / 200},
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("naslab.training.fit.fit_and_test", fitted)
    monkeypatch.chdir(tmp_path)
    TRAINED.clear()
    BROKEN.clear()
    with Ledger.open(tmp_path / "l.db") as ledger:
        made_study(ledger, "own", trials=4)
    return tmp_path


def front(folder: Path) -> list[int]:
    return [each["trial"] for each in naslab(folder, "pareto", "own", "--json").value["front"]]


def test_every_network_of_the_front_for_every_seed(folder: Path) -> None:
    trials = front(folder)
    value = naslab(folder, "train", "own:front", "--seeds", "3", "--epochs", "1", "--out", "fr", "--json").value
    assert [each["trial"] for each in value["networks"]] == trials
    assert len(trials) > 1
    for each in value["networks"]:
        values = [run["measured"]["accuracy"] for run in each["runs"]]
        mean = sum(values) / 3
        error = math.sqrt(sum((one - mean) ** 2 for one in values) / 2 / 3)
        assert each["test"]["accuracy"] == {"mean": mean, "standard_error": pytest.approx(error), "num_seeds": 3}
        assert set(each["test"]) == {"accuracy", "macro_f1"}
        assert [run["folder"] for run in each["runs"]] == [f"fr/trial-{each['trial']}-seed-{seed}" for seed in range(3)]
    found = lab.find_model(f"fr/trial-{trials[0]}-seed-2")
    assert found.facts is not None
    assert (found.facts.study, found.facts.trial, found.facts.seed) == ("own", trials[0], 2)
    assert json.loads((folder / "fr" / "seeds.json").read_text())["networks"] == value["networks"]
    shown = naslab(folder, "train", "own:front", "--seeds", "3", "--epochs", "1", "--out", "fr")
    assert "test accuracy (%)" in shown.out
    assert "±" in shown.out


def test_what_is_done_is_not_trained_again(folder: Path) -> None:
    trials = front(folder)
    arguments = ("train", "own:front", "--epochs", "1", "--out", "fr", "--json")
    first = naslab(folder, *arguments, "--seeds", "2").value
    assert len(TRAINED) == 2 * len(trials)
    (folder / "fr" / f"trial-{trials[1]}-seed-1" / "result.json").unlink()  # as where it was interrupted
    again = naslab(folder, *arguments, "--seeds", "3").value
    assert len(TRAINED) == 2 * len(trials) + 1 + len(trials)
    new = [[run["is_new"] for run in each["runs"]] for each in again["networks"]]
    assert new == [[False, number == 1, True] for number in range(len(trials))]
    for before, after in zip(first["networks"], again["networks"], strict=True):
        assert [run["measured"] for run in before["runs"]] == [run["measured"] for run in after["runs"][:2]]


def test_one_network_from_several_seeds_and_a_training_that_diverges(folder: Path) -> None:
    BROKEN.add(5)
    table = lab.train_seeds("own:best", 3, "one", epochs=1, seed=4, ledger="l.db")
    [network] = table.networks
    assert [run.folder for run in network.runs] == [f"one/seed-{seed}" for seed in (4, 5, 6)]
    assert network.runs[1].failure == "the training loss became nan"
    assert network.means["accuracy"].num_seeds == 2
    BROKEN.clear()
    again = lab.train_seeds("own:best", 3, "one", epochs=1, seed=4, ledger="l.db")
    assert [run.is_new for run in again.networks[0].runs] == [False, True, False]
    alone = lab.train_seeds("own:best", 1, "two", epochs=1, ledger="l.db").networks[0].means["accuracy"]
    assert alone.standard_error is None


REFUSED = (
    (("own:front", "--epochs", "2"), "holds another training: epochs is 1 there, asked for 2; name another folder"),
    (("own:front", "--epochs", "1", "--recipe", "short"), "holds another training: recipe."),
    (("own:front", "--epochs", "1", "--use-validation"), "use_validation is false there, asked for true"),
    (("own:front", "--epochs", "1", "--start-from", "w.safetensors"), "start_from: is the weights of one network"),
    (("own:front@macs<=1",), "no trial of the study meets macs<=1"),
    (("onw:front",), "unknown study 'onw' (did you mean 'own'"),
    (("own:front", "--seeds", "2", "--dataset", "digit"), "did you mean 'digits'"),
)


def test_what_cannot_be_is_said_before_anything_is_trained(folder: Path) -> None:
    assert naslab(folder, "train", "own:front", "--epochs", "1", "--out", "fr").code == 0
    TRAINED.clear()
    for arguments, told in REFUSED:
        assert told in naslab(folder, "train", *arguments, "--out", "fr").refusal()
        assert not TRAINED


def test_a_damaged_result_is_named(folder: Path) -> None:
    assert naslab(folder, "train", "own:best", "--seeds", "1", "--epochs", "1", "--out", "fr").code == 0
    (folder / "fr" / "seed-0" / "result.json").write_text("{", encoding="utf-8")
    told = naslab(folder, "train", "own:best", "--seeds", "1", "--epochs", "1", "--out", "fr").refusal()
    assert told.startswith("fr/seed-0 holds no result that can be read")


@pytest.mark.parametrize("broken", [{0}, set()], ids=["diverges", "is refused"])
def test_a_training_that_ends_early_leaves_the_folder_as_it_was(folder: Path, broken: set[int]) -> None:
    command = ("train", "own:0", "--out", "one")
    assert naslab(folder, *command).code == 0
    before = {path.name: path.read_bytes() for path in Path("one").iterdir()}
    BROKEN.update(broken)
    assert naslab(folder, *command, *(() if broken else ("--licence", "postgresql://me:secret@host/lab"))).code == 2
    assert {path.name: path.read_bytes() for path in Path("one").iterdir()} == before


def test_a_link_in_the_place_of_a_result_is_refused_before_training(folder: Path) -> None:
    Path("one").mkdir()
    Path("one/result.json").symlink_to(folder / "elsewhere")
    assert naslab(folder, "train", "own:0", "--out", "one").code == 2
    assert TRAINED == []
