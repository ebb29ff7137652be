"""Predictions over image files: the accuracies that the training reported, in torch and in ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from networks import conv_net
from PIL import Image

from naslab.cli.main import run
from naslab.errors import DataError, NaslabError
from naslab.lab.packages import export_folder
from naslab.lab.predicting import predict
from naslab.lab.training import train
from naslab.package.facts import WEIGHTS_FILE, Preprocessing
from naslab.package.folder import copy_weights, write_package
from naslab.package.predict import image_files, image_pixels
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import Recipe
from naslab.training.data import SPLIT_SEED
from naslab.training.datasets import split_indices
from naslab.training.datasets.folder_parts import list_folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Images of three classes that are told apart by their brightness, not well, of several sizes."""
    root, draw = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for label, name in enumerate(("dark", "grey", "light")):
        (root / name).mkdir()
        for index in range(40):
            values = draw.normal(100 + 8 * label, 30, (20 + index % 3, 24, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(values).save(root / name / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    recipe = Recipe(learning_rate=0.02, batch_size=16, test_views="flip")
    data = f"image_folder:{photos}@16x20"
    found = train(conv_net(input=(3, 24, 24)), dataset=data, epochs=4, recipe=recipe, save_to=folder / WEIGHTS_FILE)
    write_package(folder, found.facts, "A network.")
    return folder, found


def accuracy(predictions):
    right = [each.outputs[0].name == each.file.rsplit("/", 2)[-2] for each in predictions]
    return 100 * sum(right) / len(right)


def test_the_accuracy_is_that_of_the_test_images(trained, photos):
    folder, found = trained
    listing = list_folder(photos)["test"]
    seen = predict(folder, listing.files, top=1)
    assert accuracy(seen) == pytest.approx(found.result.test_accuracy)
    assert 40 < found.result.test_accuracy < 100
    assert found.facts.class_names == ("dark", "grey", "light")


def test_the_accuracy_is_that_of_the_validation_images(trained, photos):
    folder, found = trained
    listing = list_folder(photos)["train"]
    choice = DataChoice(name="digits")
    _, chosen = split_indices(listing.labels, choice.validation_fraction, SPLIT_SEED)
    facts = found.facts.metrics["validation_accuracy"]
    plain = folder.parent / "plain.safetensors"
    # the curve looks at each image once, the test at both views
    copy_weights(
        folder / WEIGHTS_FILE, plain, replace(found.facts, recipe=replace(found.facts.recipe, test_views="plain"))
    )
    seen = predict(plain, [listing.files[index] for index in chosen], top=1)
    assert accuracy(seen) == pytest.approx(facts.value)
    assert (facts.num_images, facts.value) == (len(chosen), found.result.curve[-1].validation_accuracy)
    assert 0 < facts.standard_error < 12


@pytest.mark.slow
def test_onnx_runtime_says_the_same(trained, photos, tmp_path):
    pytest.importorskip("onnxruntime")
    folder, found = trained
    plain = replace(found.facts, recipe=replace(found.facts.recipe, test_views="plain"))
    for is_bare in (False, True):
        place = tmp_path / f"bare_{is_bare}"
        export_folder(place, plain, folder / WEIGHTS_FILE, "A network.", place / "network.onnx", is_bare)
        expected = predict(place, [photos])
        given = predict(place / "network.onnx", [photos])
        assert [each.outputs[0].name for each in given] == [each.outputs[0].name for each in expected]
        first, second = ([output.value for each in seen for output in each.outputs] for seen in (given, expected))
        assert first == pytest.approx(second, abs=1e-4)
    assert predict(place, [photos], runtime="onnxruntime") == predict(
        tmp_path / "bare_False" / "network.onnx", [photos]
    )


def test_the_command_prints_the_most_probable_classes(trained, photos, monkeypatch, capsys):
    folder, _ = trained
    monkeypatch.setattr("sys.argv", ["naslab", "predict", str(folder), str(photos / "dark" / "0.png"), "--top", "2"])
    with pytest.raises(SystemExit, match="0"):
        run()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-2] in ("dark", "grey", "light") for line in lines[1:]] == [True, True]


def test_probabilities_sum_to_one(trained, photos):
    for each in predict(trained[0], [photos / "light"]):
        assert sum(output.value for output in each.outputs) == pytest.approx(1)
        assert [output.value for output in each.outputs] == sorted((o.value for o in each.outputs), reverse=True)


def test_what_cannot_be_predicted_is_named(trained, photos, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="holds no images"):
        predict(trained[0], [tmp_path / "empty"])
    with pytest.raises(DataError, match=r"damaged\.png cannot be read"):
        predict(trained[0], [photos / "dark", tmp_path / "damaged.png"])
    with pytest.raises(DataError, match="is not there"):
        predict(trained[0], [tmp_path / "nowhere.png"])
    with pytest.raises(DataError, match="resnet18 is not trained"):
        predict("resnet18", [photos])
    with pytest.raises(NaslabError, match="torch does not read ONNX"):
        predict("a.onnx", [photos], runtime="torch")


def test_hidden_files_are_no_images(tmp_path):
    for name in ("a.png", ".b.png", ".c/d.png", "e/f.PNG", "e/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [each.relative_to(tmp_path).as_posix() for each in image_files([tmp_path])] == ["a.png", "e/f.PNG"]


def test_grey_networks_take_coloured_files_as_pillow_makes_them_grey(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (9, 9, 3)).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    Image.fromarray(values[..., 0]).save(tmp_path / "b.png")
    grey = Preprocessing(height=9, width=9, channels=1, mean=(0.0,), deviation=(1.0,))
    expected = torch.from_numpy(np.array(Image.fromarray(values).convert("L")))
    assert torch.equal(image_pixels(tmp_path / "a.png", grey)[0], expected)
    assert torch.equal(image_pixels(tmp_path / "b.png", grey)[0], torch.from_numpy(values[..., 0]))
