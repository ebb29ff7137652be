"""The CIFAR-10 sanity check: what it says of a result, and the network that it finds."""

from __future__ import annotations

import os
from pathlib import Path

import check_cifar as script
import msgspec
import pytest

from naslab.arch import cost
from naslab.zoo import model

RESNET = script.SHORT[0]
IDS = {script.RESNET: "r", script.FOUND: "f"}


def training(accuracy: float, seed: int = 0, form: str = "short") -> script.Training:
    return script.Training(
        form=form,
        network=script.RESNET,
        arch_id="r",
        recipe=RESNET.recipe,
        epochs=RESNET.epochs,
        seed=seed,
        test_accuracy=accuracy,
        test_accuracy_sem=0.4,
        validation=[accuracy],
        seconds=600.0,
        device="cpu",
        hardware={"processor": "a processor"},
        versions={"torch": "2.15.0"},
        command="check_cifar.py",
    )


def test_a_mean_below_what_was_expected_is_said_to_be() -> None:
    assert script.verdict(RESNET, []) == "not run"
    assert script.verdict(RESNET, [RESNET.low]) == "reached"
    assert script.verdict(RESNET, [RESNET.low - 2, RESNET.low + 1]).startswith("NOT reached")
    assert "more than expected" in script.verdict(RESNET, [RESNET.high + 1])


def test_the_page_shows_every_check_and_what_was_run(tmp_path: Path) -> None:
    done = [training(75.0), training(76.5, seed=1)]
    script.write(tmp_path, done, IDS, "a network")
    page = (tmp_path / "table.md").read_text()
    [row] = [line for line in page.splitlines() if line.startswith("| short | ResNet-20")]
    assert "75.00 ± 0.40, 76.50 ± 0.40 | reached | 10 | cpu |" in row
    assert page.count("| not run |") == 3
    assert page.count("a processor") == 1
    assert script.read_done(tmp_path / "table.json") == done
    assert script.read_done(tmp_path / "missing.json") == []


def test_trainings_of_another_form_network_or_length_are_not_of_a_check() -> None:
    assert script.is_of(training(75.0), RESNET, "short", IDS)
    assert not script.is_of(training(75.0, form="full"), RESNET, "short", IDS)
    assert not script.is_of(msgspec.structs.replace(training(75.0), arch_id="f"), RESNET, "short", IDS)
    assert not script.is_of(msgspec.structs.replace(training(75.0), epochs=5), RESNET, "short", IDS)


@pytest.mark.skipif("NASLAB_DATA" not in os.environ, reason="NAS-Bench-Macro's table is not here: set NASLAB_DATA")
def test_the_found_network_is_within_resnet_20s_macs_and_its_accuracy_is_published() -> None:
    arch, key, published = script.found_network(None)
    assert cost(arch).macs <= cost(model("resnet20_cifar")).macs
    assert (key, round(published, 2)) == ("11110101", 91.75)
    full = script.FULL[1]
    assert full.low < published < full.high
