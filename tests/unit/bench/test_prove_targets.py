"""The proofs of deployment at a tiny size: each part is saved as it ends, and what is there is not done again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import naslab
from naslab.arch import ArchSpec, cost
from naslab.errors import NaslabError
from naslab.targets.measuring import Measured

sys.path.insert(0, str(Path(__file__).parents[3] / "scripts"))
import prove_targets as script


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Targets in which networks were measured: as fast as they have macs, in OpenVINO as they have parameters."""
    seen: list[str] = []

    def measure(arch: ArchSpec, target: str, **_: Any) -> Measured:
        seen.append(target)
        size = cost(arch)
        if target == "torch" and len(seen) == 1:
            raise NaslabError("the passes spread too much")
        value = size.params if target == "openvino" else size.macs
        return Measured(target=target, threads=1, batch=1, latency_ms=value / 1e6, spread=0.0)

    monkeypatch.setattr(naslab, "measure", measure)
    return seen


def test_ranks_are_told_and_measured_once(tmp_path: Path, measured: list[str]) -> None:
    arguments = ["ranks", "--out", str(tmp_path), "--space", "digits_demo", "--networks", "4", "--zoo", "3"]
    arguments += ["--resamples", "2"]
    script.main(arguments)
    assert len(measured) == 7 * 4
    told = json.loads((tmp_path / "ranks.json").read_text())["summary"]
    assert told["zoo"]["onnxruntime"]["macs"]["value"] == 1
    assert told["zoo"]["openvino"]["params"]["value"] == 1
    assert told["zoo"]["onnxruntime"]["kept_of_hypervolume_on_macs"] == pytest.approx(1)
    assert "torch" not in told["digits_demo"]["onnxruntime"]  # one of them failed, and says why
    assert told["digits_demo"]["networks"] == 4
    lines = (tmp_path / "ranks.jsonl").read_text().splitlines()
    (tmp_path / "ranks.jsonl").write_text("\n".join(lines[:-3]) + "\n")
    script.main(arguments)
    assert len(measured) == 7 * 4 + 2
    assert sorted((tmp_path / "ranks.jsonl").read_text().splitlines()) == sorted(lines)


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
