"""The proofs of deployment at a tiny size: each part is saved as it ends, and what is there is not done again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import prove_targets as script
import pytest

from naslab.arch import ArchSpec, cost
from naslab.errors import NaslabError
from naslab.targets.pace import BestPace
from naslab.targets.target import Deployed, Target


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Targets in which networks were timed: as fast as they have macs, in OpenVINO as they have parameters.

    Torch refuses the first of them, with others and alone.
    """
    seen: list[str] = []
    refused: list[str] = []

    def quiet_latencies(networks: Sequence[Deployed], target: Target, best: BestPace) -> list[float]:
        if target.name == "torch":
            refused.append(networks[0].name)
            if refused[0] in [each.name for each in networks]:
                raise NaslabError("the target torch cannot run it")
        seen.extend([target.name] * len(networks))
        best.see([0.1])
        sizes = [cost(each.arch) for each in networks]
        return [(size.params if target.name == "openvino" else size.macs) / 1e6 for size in sizes]

    monkeypatch.setattr(script, "quiet_latencies", quiet_latencies)
    return seen


def test_ranks_are_told_and_measured_once(tmp_path: Path, measured: list[str]) -> None:
    arguments = ["ranks", "--out", str(tmp_path), "--space", "digits_demo", "--networks", "4", "--zoo", "3"]
    arguments += ["--resamples", "2"]
    script.main(arguments)
    assert len(measured) == 7 * 4 - 1
    told = json.loads((tmp_path / "ranks.json").read_text())["summary"]
    assert told["zoo"]["onnxruntime"]["tau"]["macs"]["value"] == 1
    assert told["zoo"]["openvino"]["tau"]["params"]["value"] == 1
    assert told["zoo"]["onnxruntime"]["kept_of_hypervolume"]["macs"] == pytest.approx(1)
    assert "torch" not in told["digits_demo"]["onnxruntime"]["tau"]  # one of them failed, and says why
    assert told["digits_demo"]["networks"] == 4
    lines = (tmp_path / "ranks.jsonl").read_text().splitlines()
    (tmp_path / "ranks.jsonl").write_text("\n".join(lines[:-9]) + "\n")  # seven are told, two timed
    script.main(arguments)
    assert len(measured) == 7 * 4 + 1
    assert sorted((tmp_path / "ranks.jsonl").read_text().splitlines()) == sorted(lines)


def test_a_table_ranks_networks_of_its_own_operators(
    tmp_path: Path, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def latency_of(target: str, arch: ArchSpec) -> float:
        if arch.stem[0].width != 24:
            raise NaslabError("the table lacks stem[0]")
        return float(cost(arch).macs)

    monkeypatch.setattr(script, "latency_of", latency_of)
    arguments = ["ranks", "--out", str(tmp_path), "--space", "digits_demo", "--networks", "3", "--zoo", "0"]
    script.main([*arguments, "--resamples", "2", "--table", "phone.csv", "--table-networks", "4"])
    told = json.loads((tmp_path / "ranks.json").read_text())["summary"]
    assert told[script.TABLE_SPACE]["openvino"]["networks"] == 4
    assert told[script.TABLE_SPACE]["onnxruntime"]["tau"]["table"]["value"] == 1
    assert "table" not in told["digits_demo"]["onnxruntime"]["tau"]
    rows = [json.loads(line) for line in (tmp_path / "ranks.jsonl").read_text().splitlines()]
    assert sum(row.get("no table") == "the table lacks stem[0]" for row in rows) == 3


def test_what_a_front_on_a_cheap_measure_keeps() -> None:
    params, latency = np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 4.0])
    assert script.kept_of_hypervolume(params, latency, latency) == pytest.approx(1)
    # The front on a measure that puts the largest network first is that one alone, the slowest: nothing is kept.
    assert script.kept_of_hypervolume(params, -latency, latency) == pytest.approx(0, abs=1e-6)


def test_blocks_are_compared_over_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[ArchSpec, int]] = []

    def fitted(arch: ArchSpec, data: object, recipe: object, epochs: int, seed: int, targets: object) -> dict[str, Any]:
        seen.append((arch, seed))
        return {"float": 90.0 + seed, "images": 10, script.INT8: 88.0 + 2 * seed}

    monkeypatch.setattr(script, "fitted", fitted)
    arguments = ["blocks", "--out", str(tmp_path), "--dataset", "digits", "--activations", "relu", "--seeds", "2"]
    script.main(arguments)
    script.main(arguments)
    assert len(seen) == len(script.KINDS) * 2
    told = json.loads((tmp_path / "blocks.json").read_text())["summary"]["residual relu"][script.INT8]
    assert (told["mean"], told["change"], told["change_error"]) == (89.0, -1.5, 0.5)
