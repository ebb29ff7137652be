"""Facts of a network: one definition in `network.json`, in the header of weights, and refused where they disagree."""

from __future__ import annotations

import json

import msgspec
import pytest
from networks import conv_net

from naslab.arch.build import build
from naslab.errors import DataError, NaslabError, SpecError
from naslab.lab.models import find_model
from naslab.package.facts import (
    FACTS_FILE,
    WEIGHTS_FILE,
    Facts,
    FrontEntry,
    Measurement,
    Preprocessing,
    facts_file_content,
    header,
    open_facts,
    read_facts,
    read_weights_facts,
)
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import Recipe
from naslab.training.weights import save_weights

GREY = Preprocessing(height=8, width=8, channels=1, mean=(0.1 + 0.2,), deviation=(1 / 3,))
FACTS = Facts(
    name="mine",
    arch=conv_net(),
    class_names=tuple("ABCDEFGHIJ"),
    preprocessing=GREY,
    metrics={"test_accuracy": Measurement(90.0, 1.5, 359), "test_loss": Measurement(0.3)},
    data=DataChoice(name="image_folder:/home/someone/flowers@32"),
    recipe=Recipe(),
    front=(FrontEntry(3, {"accuracy": 90.0}),),
)


def test_they_come_back_as_they_were(tmp_path):
    (tmp_path / FACTS_FILE).write_bytes(facts_file_content(FACTS))
    assert read_facts(tmp_path / FACTS_FILE) == FACTS
    save_weights(build(FACTS.arch), tmp_path / WEIGHTS_FILE, header(FACTS))
    assert read_weights_facts(tmp_path / WEIGHTS_FILE) == FACTS.published()
    assert open_facts(tmp_path) == (FACTS, tmp_path / WEIGHTS_FILE)
    assert open_facts(tmp_path / WEIGHTS_FILE)[0].class_names == FACTS.class_names


def test_no_header_names_a_folder_of_this_machine():
    assert "someone" not in json.dumps(header(FACTS))
    assert FACTS.published().data.name == "image_folder:flowers@32"


def test_a_package_is_a_model(tmp_path):
    (tmp_path / FACTS_FILE).write_bytes(facts_file_content(FACTS))
    save_weights(build(FACTS.arch), tmp_path / WEIGHTS_FILE, header(FACTS))
    for place in (tmp_path, tmp_path / WEIGHTS_FILE):
        model = find_model(str(place))
        assert (model.arch, model.weights) == (FACTS.arch, tmp_path / WEIGHTS_FILE)
    assert find_model(str(tmp_path), resolution=(16, 24)).arch.input == (1, 16, 24)


def test_weights_of_another_training_are_refused(tmp_path):
    other = msgspec.structs.replace(FACTS, seed=1)
    (tmp_path / FACTS_FILE).write_bytes(facts_file_content(FACTS))
    save_weights(build(FACTS.arch), tmp_path / WEIGHTS_FILE, header(other))
    with pytest.raises(DataError, match="of another training"):
        find_model(str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"class_names": ("a", "b")}, "class_names: must be 10"),
        ({"format": 2}, "format: is 2"),
        ({"preprocessing": msgspec.structs.replace(GREY, channels=2, mean=(1.0, 1.0), deviation=(1.0, 1.0))}, "input"),
    ],
)
def test_facts_that_contradict_one_another_are_refused(changes, rule):
    with pytest.raises(SpecError, match=rule):
        msgspec.structs.replace(FACTS, **changes)


@pytest.mark.parametrize(
    "values", [{"mean": (1.0, 2.0)}, {"deviation": (0.0,)}, {"mean": (float("nan"),)}, {"width": 0}]
)
def test_a_preprocessing_that_cannot_be_is_refused(values):
    with pytest.raises(SpecError):
        msgspec.structs.replace(GREY, **values)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"name": "a"}',
        b'{"name": "a", "arch": {"input": [3, 8, 8]}}',
        b'{"name": "a", "arch": 3, "class_names": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        facts_file_content(FACTS).replace(b'"height": 8', b'"height": "8"'),
        b"\xff\xfe",
    ],
    ids=range(8),
)
def test_damaged_facts_are_one_line(tmp_path, content):
    (tmp_path / FACTS_FILE).write_bytes(content)
    with pytest.raises(NaslabError) as caught:
        find_model(str(tmp_path))
    assert FACTS_FILE in str(caught.value)
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize(
    "content",
    [
        b"",
        (2**60).to_bytes(8, "little"),
        (100).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}",
        (30).to_bytes(8, "little") + b'{"__metadata__":{"naslab":"["}}'[:30],
        (27).to_bytes(8, "little") + b'{"__metadata__":{"naslab":3',
    ],
    ids=range(6),
)
def test_damaged_weights_are_one_line(tmp_path, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(NaslabError, match=r"a\.safetensors"):
        find_model(str(tmp_path / "a.safetensors"))
