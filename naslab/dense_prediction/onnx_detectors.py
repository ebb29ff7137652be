"""A trained detector or segmenter as one ONNX file with its heads, checked by ONNX Runtime before it is put in place.

torch's older exporter writes it, the one that torchvision's detectors have translations for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from naslab.atomic_write import draft_folder, put_in_place, require_writable
from naslab.dense_prediction.average_precision import box_overlaps
from naslab.dense_prediction.detectors import as_floats
from naslab.dense_prediction.facts import DETECTOR_KEY, DenseFacts
from naslab.dense_prediction.segmenters import Segmenter, resized
from naslab.dense_prediction.tasks import DENSE_TASKS
from naslab.errors import NaslabError, WriteError, first_line, shown
from naslab.package.predict import NORMALISATION
from naslab.training.onnx_file import (
    CHECKED_BATCHES,
    TOLERANCE,
    OnnxOptions,
    finish_onnx,
    logit_difference,
    require_onnx,
)
from naslab.training.onnx_session import INPUT, OUTPUT, noise_images, onnx_session
from naslab.training.quiet import quiet_compiled_code, quiet_packages

if TYPE_CHECKING:
    pass

NEWEST_OPSET = 20
"""Of torch's older exporter."""
SAME_OBJECTS = 0.95
"""The share of objects that both runtimes must find: one whose overlap or score is at an edge may fall either way."""
SAME_BOX, SAME_SCORE, SAME_MASK = 0.99, 1e-3, 0.01
"""What makes objects the same: their overlap at least, the difference of scores and of masks at most."""
ALL = -1.0
"""A score that every box is above."""


class WholeDetector(nn.Module):
    """A detector that takes one image as it is: of shape (1, channels, height, width), values from 0 to 255.

    It gives `boxes` of shape (objects, 4), `labels`, from 0, and `scores` of shape (objects,), where it finds them
    `masks` of shape (objects, height, width), from 0 to 1, and `keypoints` of shape (objects, points, 3). A bare one
    takes images that are normalised.
    """

    def __init__(self, detector: nn.Module, is_bare: bool) -> None:
        super().__init__()
        self.detector = detector
        self.is_bare = is_bare

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        image = images[0].to(torch.float32) if self.is_bare else as_floats(images[0])
        (found,) = self.detector([image])
        named = {**found, "labels": found["labels"] - 1}
        if "masks" in found:
            named["masks"] = found["masks"][:, 0]
        return tuple(named[name] for name in OBJECT_OUTPUTS if name in named)


class WholeSegmenter(nn.Module):
    """A segmenter that takes images as they are, of any size, and resizes them to `side` (height, width).

    They have the shape (batch, channels, height, width), values from 0 to 255; logits (batch, classes, height, width).
    A bare one takes images that are normalised.
    """

    def __init__(self, segmenter: Segmenter, side: tuple[int, int], is_bare: bool) -> None:
        super().__init__()
        self.segmenter, self.side, self.is_bare = segmenter, side, is_bare

    def forward(self, images: Tensor) -> Tensor:
        values = images.to(torch.float32) if self.is_bare else as_floats(images)
        logits = self.segmenter(resized(values, self.side))
        return functional.interpolate(logits, size=images.shape[-2:], mode="bilinear", align_corners=False)


OBJECT_OUTPUTS = ("boxes", "labels", "scores", "masks", "keypoints")
"""What a detector's file gives, as far as its task has it."""


def write_dense_onnx(
    facts: DenseFacts,
    module: nn.Module,
    path: Path,
    is_bare: bool = False,
    options: OnnxOptions | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the trained detector or segmenter `module`, of which `facts` are known, as one ONNX file at `path`.

    It takes images of any size as they are, normalisation inside unless `is_bare`: a detector one, of shape (1,
    channels, height, width), a segmenter any number. `options` are the opset and the type of images; the file holds the
    facts and more `metadata`. Before it is put in place, ONNX Runtime has found what torch finds in images of two
    sizes. Raises `NaslabError` where packages are missing, the opset is one that the exporter does not write, or
    answers differ, and `WriteError` where `path` cannot be written; nothing is written then.
    """
    require_writable(path)
    require_onnx(module)
    chosen = options or OnnxOptions()
    if chosen.opset > NEWEST_OPSET:
        raise NaslabError(f"--opset of a detector or segmenter must be at most {NEWEST_OPSET}, got {chosen.opset}")
    told = {**dense_header(facts), NORMALISATION: "outside" if is_bare else "inside", **(metadata or {})}
    finds = DENSE_TASKS[facts.task].finds_objects
    if is_bare:
        _leave_normalisation_outside(module, finds)
    with draft_folder(path.parent) as draft:
        file = draft / path.name
        images = {
            count: [_image(facts, count, scale, is_bare, chosen) for scale in ((1, 1), (0.75, 1.25))]
            for count in ((1,) if finds else CHECKED_BATCHES)
        }
        try:
            if finds:
                _write_detector(WholeDetector(module, is_bare).eval(), images[1], file, told, chosen)
            else:
                whole = WholeSegmenter(_segmenter(module), facts.side, is_bare).eval()
                _export(whole, images[CHECKED_BATCHES[-1]][0], file, [OUTPUT], chosen)
                finish_onnx(file, told, chosen)
                _check_logits(whole, [each for listed in images.values() for each in listed], file)
        except OSError as error:
            raise WriteError(path, error.strerror or str(error)) from error
        put_in_place(file, path)


def dense_header(facts: DenseFacts) -> dict[str, str]:
    """The metadata of an ONNX file: all `facts`, and the commonest by their names."""
    how = {"side": facts.side, "mean": facts.mean, "deviation": facts.deviation, "values": "from 0 to 1"}
    told = {DETECTOR_KEY: facts, "class_names": facts.classes, "preprocessing": how}
    if facts.keypoints:
        told["keypoints"] = facts.keypoints
    return {"task": facts.task, **{name: msgspec.json.encode(each).decode() for name, each in told.items()}}


def _write_detector(
    whole: WholeDetector, images: Sequence[Tensor], file: Path, told: Mapping[str, str], options: OnnxOptions
) -> None:
    """Trace a detector with a least score that every box is above, then put its own in.

    One that finds nothing in the image of noise would leave a file that never finds anything; and where all boxes are
    given, there is something to compare.
    """
    import onnx
    from onnx import numpy_helper

    heads: Any = whole.detector.roi_heads
    least = float(heads.score_thresh)
    del heads.score_thresh
    heads.register_buffer("score_thresh", torch.tensor(ALL))
    with torch.no_grad():
        num_outputs = len(whole(images[0]))
    _export(whole, images[0], file, _names(whole, num_outputs), options)
    finish_onnx(file, told, options)
    _check_objects(whole, images, file, ALL)
    model = onnx.load(str(file))
    (threshold,) = [each for each in model.graph.initializer if each.name.endswith("roi_heads.score_thresh")]
    threshold.CopyFrom(numpy_helper.from_array(np.array(least, np.float32), threshold.name))
    onnx.save(model, str(file))
    del heads.score_thresh
    heads.score_thresh = least
    _check_objects(whole, images, file, least)
    onnx_session(file).run(None, {INPUT: torch.zeros_like(images[0]).numpy()})  # where nothing may be found


def _names(whole: WholeDetector, count: int) -> list[str]:
    names = list(OBJECT_OUTPUTS[:3])
    if count > len(names):
        heads: Any = whole.detector.roi_heads
        names.append("masks" if heads.has_mask() else "keypoints")
    return names


def _export(whole: nn.Module, images: Tensor, file: Path, outputs: list[str], options: OnnxOptions) -> None:
    axes = {INPUT: {2: "height", 3: "width"}}
    if outputs == [OUTPUT]:
        axes = {name: {0: "batch", 2: "height", 3: "width"} for name in (INPUT, OUTPUT)}
    else:
        axes |= {name: {0: "objects"} for name in outputs}
    try:
        with quiet_packages(), quiet_compiled_code():
            torch.onnx.export(
                whole,
                (images,),
                str(file),
                input_names=[INPUT],
                output_names=outputs,
                dynamic_axes=axes,
                opset_version=options.opset,
                dynamo=False,
            )
    except (torch.onnx.OnnxExporterError, RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        rule = shown(first_line(error), 200)
        raise NaslabError(f"the detector cannot be written as ONNX: torch's exporter says {rule}") from None


def _check_logits(whole: nn.Module, images: Sequence[Tensor], file: Path) -> None:
    session = onnx_session(file)
    for each in images:
        with torch.inference_mode():
            expected = whole(each).numpy()
        (given,) = session.run(None, {INPUT: each.numpy()})
        difference = logit_difference(given, expected)
        if not difference <= TOLERANCE:
            raise NaslabError(
                f"the segmenter cannot be written as ONNX: for a batch of {len(each)} the logits of ONNX Runtime "
                f"differ from torch's by {difference:.2g} of the largest one, at most {TOLERANCE:g} may be; try "
                "another --opset"
            )


def _check_objects(whole: nn.Module, images: Sequence[Tensor], file: Path, least: float) -> None:
    session = onnx_session(file)
    names = [each.name for each in session.get_outputs()]
    for each in images:
        with torch.inference_mode():
            expected = dict(zip(names, (value.numpy() for value in whole(each)), strict=True))
        given = dict(zip(names, session.run(None, {INPUT: each.numpy()}), strict=True))
        share = min(share_found(given, expected, least), share_found(expected, given, least))
        if share < SAME_OBJECTS:
            raise NaslabError(
                f"the detector cannot be written as ONNX: torch and ONNX Runtime agree in {share:.0%} of the objects "
                f"that they find, at least {SAME_OBJECTS:.0%} must be; try another --opset"
            )


def share_found(given: Mapping[str, NDArray[Any]], wanted: Mapping[str, NDArray[Any]], least: float = 0.0) -> float:
    """The share of the objects `wanted` that are among those `given`: the same label, box, score, mask and points.

    Both hold arrays by the names of a detector's outputs. Those `wanted` of a score that is hardly above the `least`
    are left out. It is 1 where none are wanted.

    >>> one = {"boxes": np.array([[0.0, 0, 8, 8]]), "labels": np.array([1]), "scores": np.array([0.9])}
    >>> share_found(one, one), share_found({**one, "labels": np.array([0])}, one)
    (1.0, 0.0)
    """
    sure = np.flatnonzero(wanted["scores"] >= least + SAME_SCORE)
    if not sure.size:
        return 1.0
    overlaps = box_overlaps(
        given["boxes"].astype(np.float64), wanted["boxes"][sure].astype(np.float64), np.zeros(len(sure), bool)
    )
    found = 0
    for column, index in enumerate(sure):
        close = (given["labels"] == wanted["labels"][index]) & (overlaps[:, column] >= SAME_BOX)
        close &= np.abs(given["scores"] - wanted["scores"][index]) <= SAME_SCORE
        found += any(_is_alike(given, int(place), wanted, int(index)) for place in np.flatnonzero(close))
    return found / len(sure)


def _is_alike(given: Mapping[str, NDArray[Any]], place: int, wanted: Mapping[str, NDArray[Any]], index: int) -> bool:
    if "masks" in wanted and np.abs(given["masks"][place] - wanted["masks"][index]).mean() > SAME_MASK:
        return False
    if "keypoints" not in wanted:
        return True
    apart = np.abs(given["keypoints"][place, :, :2] - wanted["keypoints"][index, :, :2])
    return bool(np.median(apart) <= 1)


def _image(facts: DenseFacts, count: int, scale: tuple[float, float], is_bare: bool, options: OnnxOptions) -> Tensor:
    height, width = (max(1, round(side * each)) for side, each in zip(facts.side, scale, strict=True))
    noise = torch.from_numpy(noise_images((facts.arch.input[0], height, width), count, options.pixels))
    return noise / 255 if is_bare and options.pixels != "uint8" else noise


def _leave_normalisation_outside(module: nn.Module, finds: bool) -> None:
    if finds:
        transform: Any = module.transform
        transform.image_mean = [0.0] * len(transform.image_mean)
        transform.image_std = [1.0] * len(transform.image_std)
    else:
        segmenter = _segmenter(module)
        segmenter.mean.zero_()
        segmenter.deviation.fill_(1.0)


def _segmenter(module: nn.Module) -> Segmenter:
    assert isinstance(module, Segmenter)
    return module
