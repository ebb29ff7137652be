"""The proofs of known weights at a tiny size: what is there is not done again, and pages hold what rows do."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dense_page
import prove_dense
import prove_slicing
import prove_transfer
import pytest
from proof_table import Table, mean_and_error

import naslab
from naslab.analysis.transfer import TransferCell, TransferTable
from naslab.arch import cost, load_arch
from naslab.errors import DataError
from naslab.space import load_space

SPACE = Path(__file__).parents[3] / "results" / "detection" / "space.yaml"


def test_rows_are_made_once_and_failures_are_told(tmp_path: Path) -> None:
    table, made = Table(tmp_path / "new" / "rows.jsonl"), []

    def make() -> dict[str, Any]:
        made.append(len(made))
        return {"value": len(made)}

    assert table.row("one", make) == table.row("one", make) == {"key": "one", "value": 1}
    assert Table(tmp_path / "new" / "rows.jsonl").row("one", make, is_wanted=True)["value"] == 2
    assert table.rows == {"one": {"key": "one", "value": 2}}

    def refused() -> dict[str, Any]:
        raise DataError("no images")

    assert table.row("two", refused) == {"key": "two", "failure": "no images"}


def test_means_have_errors_where_there_are_seeds() -> None:
    assert [mean_and_error(values) for values in ([], [70.04], [70.0, 72.0])] == ["-", "70.0", "71.0 ± 1.0"]
    assert mean_and_error([1.0, 2.0, 3.0], digits=3) == "2.000 ± 0.577"


def test_corners_of_transfer_are_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int, str, int]] = []
    worth = {"head": 70.0, "last:2": 60.0, "all": 70.5, "scratch": 20.0}

    def transfer(model: Any, pretrained: str, **given: Any) -> TransferTable:
        (dataset,), (images,), (way,) = given["datasets"], given["images"], given["ways"]
        assert (pretrained, model.arch.input) == ("w.pth", (3, 64, 64))
        seen.append((dataset, images, way, given["epochs"]))
        cell = TransferCell(dataset=dataset, images=images, way=way, accuracies=(worth[way] - 1, worth[way] + 1))
        return TransferTable(
            model=model.name, source=pretrained, epochs=1, ways=(way,), num_validation={dataset: 400}, cells=(cell,)
        )

    monkeypatch.setattr(naslab, "transfer", transfer)
    monkeypatch.setattr(prove_transfer, "draw", lambda *_: None)
    arguments = ["--weights", "w.pth", "--model", "mobilenet_v2", "--datasets", "cifar10", "digits"]
    arguments += ["--images", "5", "9", "--epochs", "8", "4", "--out", str(tmp_path)]
    prove_transfer.main(arguments)
    prove_transfer.main(arguments)
    assert len(seen) == len(set(seen)) == 16
    assert {(images, epochs) for _, images, _, epochs in seen} == {(5, 8), (9, 4)}
    page = (tmp_path / "README.md").read_text()
    assert "| digits | 9 | 4 | 70.0 ± 1.0 | 60.0 ± 1.0 | 70.5 ± 1.0 | 20.0 ± 1.0 | head |" in page
    assert "400 of cifar10, 400 of digits, the same for all: at most 2.5 points of standard error" in page
    assert len(json.loads((tmp_path / "table.json").read_text())["cells"]) == 16
    lines = (tmp_path / "rows.jsonl").read_text().splitlines()
    (tmp_path / "rows.jsonl").write_text("\n".join(lines[:-1]) + "\n")
    given = SimpleNamespace(model="m", weights="w.pth", images=[5, 9], epochs=[8, 4], datasets=["cifar10", "digits"])
    half = prove_transfer.table_of(given, Table(tmp_path / "rows.jsonl").rows)
    assert "| digits | 9 | 4 | 70.0 ± 1.0 | 60.0 ± 1.0 | 70.5 ± 1.0 | - | - |" in prove_transfer.page(given, half, {})


def test_narrower_networks_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def fitted(module: Any, arch: Any, split: Any, dataset: str, epochs: int, seed: int) -> float:
        seen.append(epochs)
        return 80.0 + seed

    monkeypatch.setattr(prove_slicing, "fitted", fitted)
    monkeypatch.setattr(prove_slicing, "as_they_are", lambda *_: 10.0)
    monkeypatch.setattr(prove_slicing, "WIDTHS", (0.5,))
    monkeypatch.setattr(prove_slicing, "NETWORKS", dict(list(prove_slicing.NETWORKS.items())[:1]))
    arguments = ["--dataset", "digits", "--max-images", "60", "--epochs", "2", "--seeds", "2", "--out", str(tmp_path)]
    prove_slicing.main(arguments)
    count = len(seen)
    prove_slicing.main(arguments)
    assert len(seen) == count == 2 * (1 + 3)
    page = (tmp_path / "README.md").read_text()
    assert page.count("| 10.0 ± 0.0 | 80.5 ± 0.5 |") == 3
    assert page.count("| 2 epochs |") == 1


@pytest.fixture
def detectors(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was trained: detectors that find more from weights, by seed; and a search of two networks."""
    seen: list[dict[str, Any]] = []

    def train_detector(model: Any, **given: Any) -> dict[str, Any]:
        seen.append({"model": model, **given})
        value = 0.2 + 0.1 * (given["pretrained"] is not None) + 0.01 * given["seed"]
        names = [name for name, _ in dense_page.TASKS[given["task"]]]
        return {
            "metrics": dict.fromkeys(names, value),
            "classes": {},
            "cost": {"macs": 12345},
            "num_train_images": 15,
            "num_test_images": 10,
            "wall_seconds": 60.0,
            "curve": [{"loss": 1.0}],
        }

    def search(space: Path, **given: Any) -> Any:
        seen.append({"space": space, **given})
        return SimpleNamespace(outcomes=[outcome(trial) for trial in range(3)])

    def outcome(trial: int) -> Any:
        loaded = load_space(SPACE)
        arch = min((loaded.decode(loaded.sample(rng)) for _ in range(20)), key=lambda each: cost(each).macs)
        values = {"accuracy": 80.0 + trial, "macs": cost(arch).macs}
        return SimpleNamespace(
            is_complete=trial < 2, value=values.__getitem__, candidate=SimpleNamespace(trial=trial, arch=arch)
        )

    def train(arch: Any, *, save_to: Path, **_: Any) -> Any:
        save_to.write_bytes(b"weights")
        seen.append({"learned": arch})
        return SimpleNamespace(result=SimpleNamespace(test_accuracy=85.0, curve=(1, 2, 3)))

    import numpy as np

    rng = np.random.default_rng(0)
    for name, function in (("train_detector", train_detector), ("search", search), ("train", train)):
        monkeypatch.setattr(naslab, name, function)
    return seen


def test_backbones_of_equal_macs_are_compared(tmp_path: Path, detectors: list[dict[str, Any]]) -> None:
    work = tmp_path / "work"
    work.mkdir()
    arguments = ["--scenes", "scenes", "--work", str(work), "--out", str(tmp_path / "out"), "--seeds", "2"]
    arguments += ["--space", str(SPACE)]
    for task in ("detection", "segmentation"):
        prove_dense.main([task, *arguments])
    count = len(detectors)
    prove_dense.main(["detection", *arguments])
    assert len(detectors) == count
    trained = [each for each in detectors if "task" in each]
    assert len(trained) == 2 * 4 * 2 * 2
    assert len([each for each in detectors if "learned" in each]) == 4
    macs = {name: cost(load_arch(tmp_path / "out" / f"{name}.yaml")).macs for name in ("rescaled", "resnet18")}
    budget = cost(load_arch(tmp_path / "out" / "mobilenet_v2.yaml")).macs
    assert all(abs(each / budget - 1) < 0.02 for each in macs.values())
    page = (tmp_path / "out" / "README.md").read_text()
    assert page.count("| 12,345 | 20.5 ± 0.5 | 30.5 ± 0.5 | 10.0 ± 0.0 | 20.5 ± 0.5 | 30.5 ± 0.5 |") == 8
    assert "Learned before from 5,000 images in 3 epochs, a fifth of them validating." in page
    assert page.count("- trainings: 16, 2 seeds; 16 minutes together") == 2
    (work / "found.safetensors").unlink()
    prove_dense.main(["detection", *arguments])
    assert [each for each in detectors[count:] if "task" in each] == []
    assert len(detectors) == count + 1


def test_a_page_shows_the_setting_that_ran_last(tmp_path: Path, detectors: list[dict[str, Any]]) -> None:
    arguments = ["detection", "--scenes", "scenes", "--work", str(tmp_path), "--out", str(tmp_path), "--seeds", "1"]
    arguments += ["--space", str(SPACE), "--backbones", "mobilenet_v2", "--epochs", "3"]
    prove_dense.main(arguments)
    (tmp_path / "findings.md").write_text("Weights help.\n")
    other = [*arguments, "--learning-rate", "3e-3", "--boxes", "64", "--resolution", "96", "--body-share", "1"]
    prove_dense.main([*other, "--starts", "scratch", "pretrained", "equal"])
    trained = [each for each in detectors if "task" in each]
    assert [each["recipe"].boxes for each in trained] == [512, 512, 64, 64, 64]
    assert [each["resolution"] for each in trained] == [None, None, 96, 96, 96]
    assert len({each["out"] for each in trained}) == 5
    page = (tmp_path / "README.md").read_text()
    assert "Weights help." in page
    assert "- trainings: 3, 1 seeds" in page
    assert "difference, pretrained, whole rate" in page
    rates = "a learning rate of 0.003, times 1 for a pretrained network"
    assert f"- how: 3 epochs, batches of 8, {rates}, at most 64 boxes of an image; images of 96 pixels" in page
    prove_dense.main([*arguments, "--starts", "equal"])
    assert [each["recipe"].body_share for each in detectors if "task" in each][-1] == 1.0
    page = (tmp_path / "README.md").read_text()
    assert "| mobilenet_v2 | 12,345 | 20.0 | 30.0 | 30.0 | 10.0 | 10.0 |" in page
    assert "- trainings: 3, 1 seeds" in page


def test_released_weights_are_compared_at_their_own_macs(tmp_path: Path, detectors: list[dict[str, Any]]) -> None:
    arguments = ["detection", "--scenes", "scenes", "--work", str(tmp_path), "--out", str(tmp_path), "--seeds", "1"]
    arguments += ["--space", str(SPACE), "--backbones", "mobilenet_v2", "--known", "resnet18=r.pth"]
    prove_dense.main(arguments)
    trained = [each for each in detectors if "task" in each]
    assert [each["pretrained"] for each in trained][2:] == [Path("r.pth"), None]
    assert trained[2]["model"].arch.input == (3, 64, 64)
    assert "| resnet18, released weights |" in (tmp_path / "README.md").read_text()
