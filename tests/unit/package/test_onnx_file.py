"""ONNX: one file that says what it is, checked by ONNX Runtime; what cannot be written leaves nothing behind."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from networks import conv_net

from naslab.arch import Head
from naslab.cli.main import run
from naslab.errors import NaslabError
from naslab.lab.packages import export_network
from naslab.package.facts import Facts, Preprocessing
from naslab.package.prepared import packaged_module
from naslab.training import onnx_file
from naslab.training.onnx_file import OnnxOptions, logit_difference, write_onnx

pytestmark = pytest.mark.slow
ARCH = conv_net(input=(3, 8, 8))
HOW = Preprocessing(height=12, width=10, channels=3, mean=(99.5, 110.0, 120.0), deviation=(50.0, 60.0, 70.0))
FACTS = Facts(name="mine", arch=ARCH, preprocessing=HOW, class_names=tuple("ABCDEFGHIJ"))


@pytest.fixture(scope="module", autouse=True)
def runtime() -> Any:
    """Loaded by the tests that run, and not by every process that collects them."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    return pytest.importorskip("onnxruntime")


@pytest.mark.parametrize(("pixels", "opset"), [("float32", 18), ("uint8", 20)])
def test_it_is_one_file_that_takes_images_and_knows_its_classes(tmp_path, pixels, opset, runtime):
    import onnx

    path = tmp_path / "deep" / "net.onnx"
    export_network(ARCH, tmp_path / "net.py", "A network.", path, None, FACTS, options=OnnxOptions(opset, pixels))
    assert [each.name for each in path.parent.iterdir()] == ["net.onnx"]
    model = onnx.load(path, load_external_data=False)
    assert [each.version for each in model.opset_import if not each.domain] == [opset]
    told = {each.key: each.value for each in model.metadata_props}
    assert (json.loads(told["class_names"]), told["normalisation"]) == (list("ABCDEFGHIJ"), "inside")
    assert json.loads(told["preprocessing"])["mean"] == list(HOW.mean)
    session = runtime.InferenceSession(path)
    images = np.random.default_rng(0).integers(0, 256, (7, 3, 12, 10)).astype(pixels)
    expected = packaged_module(ARCH, HOW).eval()(torch.from_numpy(images)).detach().numpy()
    (given,) = session.run(None, {"images": images})
    assert np.allclose(given, expected, atol=1e-4)


def test_a_bare_one_takes_normalised_images(tmp_path, runtime):
    export_network(ARCH, tmp_path / "net.py", "A network.", tmp_path / "net.onnx", None, FACTS, is_bare=True)
    session = runtime.InferenceSession(tmp_path / "net.onnx")
    assert session.get_inputs()[0].shape[1:] == [3, 8, 8]
    assert session.get_modelmeta().custom_metadata_map["normalisation"] == "outside"


@pytest.mark.parametrize("change", [0.01, float("nan")])
def test_a_file_that_computes_something_else_is_refused(tmp_path, monkeypatch, change):
    class Other:
        def __init__(self, session):
            self.session = session

        def run(self, *given):
            return [self.session.run(*given)[0] * (1 + change)]

    own = onnx_file.onnx_session
    monkeypatch.setattr(onnx_file, "onnx_session", lambda file: Other(own(file)))
    with pytest.raises(NaslabError, match="the logits of ONNX Runtime differ"):
        export_network(ARCH, tmp_path / "net.py", "A network.", tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_network_whose_logits_float32_cannot_tell_is_said_to_be_one(tmp_path, monkeypatch):
    """Here for a factor that blows the last bit up; in a deep network with random weights for its depth."""

    class Told:
        def run(self, *given):
            return [np.zeros((1, 10))]

    module = packaged_module(ARCH, None).eval()
    module.register_forward_hook(lambda _, inputs, output: torch.sin(1e8 * output))
    monkeypatch.setattr(onnx_file, "_export", lambda *given: None)
    monkeypatch.setattr(onnx_file, "finish_onnx", lambda *given: None)
    monkeypatch.setattr(onnx_file, "onnx_session", lambda file: Told())
    with pytest.raises(NaslabError, match="change in the last bit of float32: train it first, or name its --weights"):
        write_onnx(module, ARCH.input, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_onnx_does_not_know_is_refused_before_anything_is_written(tmp_path, monkeypatch, capsys):
    text = "input: [3, 13, 17]\nnum_classes: 3\nstages:\n  - {block: {type: conv}, width: 4, stride: 2}\n"
    (tmp_path / "net.yaml").write_text(text + "head: {pool: max, pool_size: [2, 2]}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["naslab", "export", "net.yaml", "--out", "n.py", "--onnx", "n.onnx"])
    with pytest.raises(SystemExit) as end:
        run()
    shown = capsys.readouterr().err
    assert end.value.code == 2
    assert shown.startswith("naslab: the network cannot be written as ONNX: torch's exporter has no translation for")
    assert shown.count("\n") == 1
    assert [each.name for each in tmp_path.iterdir()] == ["net.yaml"]


@pytest.mark.parametrize("opset", [-1, 17, 1000])
def test_an_opset_that_is_not_written_is_refused(opset):
    with pytest.raises(NaslabError, match=f"--opset must be 18 to 25, got {opset}"):
        OnnxOptions(opset)


def test_a_network_too_large_for_one_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "MOST_BYTES", 1000)
    with pytest.raises(NaslabError, match="one ONNX file holds at most"):
        write_onnx(packaged_module(ARCH, None), ARCH.input, tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_missing_packages_are_named_with_their_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "PACKAGES", ("onnx", "no_such_package"))
    with pytest.raises(NaslabError, match=r"needs no_such_package: pip install 'naslab\[onnx\]'"):
        write_onnx(packaged_module(conv_net(head=Head()), None), (1, 8, 8), tmp_path / "a.onnx")


def test_differences_are_shares_of_the_largest_logit():
    ones = np.ones((2, 3))
    assert logit_difference(ones, ones) == 0
    assert logit_difference(ones[:1], ones) == float("inf")
    assert logit_difference(ones * np.nan, ones) == float("inf")
    assert logit_difference(ones * 100 + 1, ones * 100) == pytest.approx(0.01)
