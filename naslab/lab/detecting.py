"""What trained detectors and segmenters find in image files.

naslab.detect("found", ["street.jpg"], out="drawn")
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from naslab.arguments import many, number, optional, path, takes, text
from naslab.atomic_write import make_folder, require_writable
from naslab.dense_prediction.facts import DenseFacts, is_detector
from naslab.dense_prediction.tasks import DENSE_TASKS
from naslab.errors import DataError
from naslab.lab.packages import require_shareable
from naslab.package.facts import NO_LICENCE

if TYPE_CHECKING:
    from naslab.training.onnx_file import OnnxOptions


class FoundObject(msgspec.Struct, frozen=True, kw_only=True):
    """An object that was found: `name` of its class, `score` from 0 to 1, and `box`, left, top, right and bottom.

    `keypoints` are x and y of its points by name, `area` the pixels of its mask, where the network finds these.
    """

    name: str
    score: float
    box: tuple[float, float, float, float]
    area: int | None = None
    keypoints: dict[str, tuple[float, float]] = {}


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in the image `file`: its `objects`, or the `shares` of its pixels by class; `drawn` shows it."""

    file: str
    objects: tuple[FoundObject, ...] = ()
    shares: dict[str, float] = {}
    drawn: str | None = None


@takes(
    folder=path("the folder or the ONNX file of a trained detector"),
    images=many(path("an image file or a folder of them")),
    out=optional(path("a folder")),
    least_score=number(least=0, most=1),
    device=text("a torch device, or auto"),
)
def detect(
    folder: str | Path,
    images: Sequence[str | Path],
    *,
    out: str | Path | None = None,
    least_score: float = 0.5,
    device: str = "auto",
) -> list[Found]:
    """What a trained detector or segmenter finds in image files, drawn into the folder `out` where one is named.

    `folder` is one that `naslab.train_detector` wrote, or an ONNX file that `naslab export` made of it, which runs in
    ONNX Runtime, and not on the `device`; `images` are files and folders of them. Objects of a score below
    `least_score` are left out. Each image is drawn as a PNG of its name. Raises `DataError` for a folder without a
    detector, for a file that is no image and for two images of one name.

    >>> import naslab
    >>> naslab.detect("found", ["street.jpg"], out="drawn")[0].objects[0].name  # doctest: +SKIP
    'car'
    """
    from naslab.dense_prediction.drawing import draw_classes, draw_objects, write_png
    from naslab.dense_prediction.evaluation import as_channels
    from naslab.dense_prediction.images import read_image
    from naslab.dense_prediction.runtimes import open_runner
    from naslab.package.predict import image_files
    from naslab.training.device import choose_device

    if not is_detector(Path(folder)):
        rule = "name a folder that naslab train --task detection wrote, or its ONNX file"
        raise DataError(f"{folder} holds no detector: {rule}")
    files = image_files([Path(each) for each in images])
    places = _places(files, out)
    used = choose_device(device)
    runner = open_runner(Path(folder), used)
    facts = runner.facts
    answers = []
    for file, place in zip(files, places, strict=True):
        pixels = read_image(file)
        seen = as_channels(pixels, facts.arch.input[0])
        if DENSE_TASKS[facts.task].finds_objects:
            found = runner.objects(seen)
            kept = found.scores >= least_score
            found = found.chosen(kept)
            drawn = pixels if place is None else draw_objects(pixels, found, facts.classes)
            answer = Found(file=str(file), objects=_objects(found, facts))
        else:
            classes = runner.classes(seen)
            drawn = pixels if place is None else draw_classes(pixels, classes, len(facts.classes))
            shares = {name: float((classes == label).mean()) for label, name in enumerate(facts.classes)}
            answer = Found(file=str(file), shares=shares)
        if place is not None:
            write_png(place, drawn)
            answer = msgspec.structs.replace(answer, drawn=str(place))
        answers.append(answer)
    return answers


def export_detector(
    folder: Path,
    path: Path,
    is_bare: bool = False,
    options: OnnxOptions | None = None,
    licence: str | None = None,
) -> None:
    """Write the trained detector or segmenter in `folder` as the ONNX file `path`, with its heads.

    It takes images as they are, unless `is_bare`; `options` are the opset and the type of images, `licence` is what
    others may do with it. Raises `DataError` for a damaged folder, `SpecError` for a licence that holds a password, and
    `NaslabError` for what cannot be written as ONNX; nothing is written then.
    """
    from naslab.dense_prediction.onnx_detectors import write_dense_onnx
    from naslab.dense_prediction.package import load_module

    require_shareable(licence)
    facts, module = load_module(folder, "cpu")
    write_dense_onnx(facts, module, path, is_bare, options, {"licence": licence or NO_LICENCE})


def _objects(found: Any, facts: DenseFacts) -> tuple[FoundObject, ...]:
    answers = []
    for index, label in enumerate(found.labels):
        points = () if found.keypoints is None else found.keypoints[index, :, :2].tolist()
        answers.append(
            FoundObject(
                name=facts.classes[label],
                score=float(found.scores[index]),
                box=tuple(found.boxes[index].tolist()),
                area=None if found.masks is None else int(found.masks[index].sum()),
                keypoints={name: (x, y) for name, (x, y) in zip(facts.keypoints, points, strict=False)},
            )
        )
    return tuple(answers)


def _places(files: Sequence[Path], out: str | Path | None) -> list[Path | None]:
    if out is None:
        return [None] * len(files)
    places = [Path(out) / f"{file.stem}.png" for file in files]
    for file, place in zip(files, places, strict=True):
        if places.count(place) > 1:
            raise DataError(f"two images would be drawn as {place}, {file} is one: draw them into folders of their own")
        if place.exists() and place.resolve() == file.resolve():
            raise DataError(f"{file} would be drawn over itself: name another folder (--out)")
    make_folder(Path(out))
    for place in places:
        require_writable(place)
    return [*places]
