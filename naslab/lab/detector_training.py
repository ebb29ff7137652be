"""Training a detector or segmenter into a folder.

naslab.train_detector("mobilenet_v2", task="detection", dataset="coco:photos", out="found")
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from naslab import provenance
from naslab.arguments import either, flag, function, instance, number, one_of, optional, path, takes, text, whole
from naslab.atomic_write import DRAFT_PREFIX, atomic_write, json_content, make_folder, put_in_place, require_writable
from naslab.dense_prediction.dense_recipe import DenseRecipe, read_dense_recipe
from naslab.dense_prediction.facts import DETECTOR_FILE, WEIGHTS_FILE, DenseFacts
from naslab.dense_prediction.tasks import DENSE_TASKS, DenseTask, DenseTaskRow, levels_of_kind
from naslab.errors import SpecError
from naslab.lab.backbones import SOURCE, STRIDES
from naslab.lab.detectors import WIDTH, begun_with, source_of, statistics_of
from naslab.lab.models import COUNT, LEDGER, MODEL, RESOLUTION, SEED, AnyModel, AnyResolution, Model, find_model
from naslab.lab.result_files import RESULT_FILE, result_in

if TYPE_CHECKING:
    from naslab.dense_prediction.annotations import AnnotatedSet
    from naslab.dense_prediction.fit import DenseEpoch
    from naslab.pretrained.start import Pretrained

HOW_TO_TRAIN_DETECTORS = {
    "task": one_of(*DENSE_TASKS),
    "dataset": text("the name of a data set, as coco:DIR"),
    "out": path("a folder"),
    "kind": optional(text("the name of a kind")),
    "epochs": COUNT,
    "recipe": optional(either(instance(DenseRecipe, words="a DenseRecipe"), path("its file"))),
    "levels": optional(STRIDES),
    "resolution": RESOLUTION,
    "channels": whole(4),
    "seed": SEED,
    "device": text("a torch device, or auto"),
    "pretrained": SOURCE,
    "least_match": number(),
    "freeze_norm": flag(),
    "max_images": optional(whole(2)),
    "ledger": LEDGER,
    "report": function(),
    "note": function(),
}


@takes(model=MODEL, **HOW_TO_TRAIN_DETECTORS)
def train_detector(
    model: AnyModel,
    *,
    task: DenseTask,
    dataset: str,
    out: str | Path = "trained",
    kind: str | None = None,
    epochs: int = 20,
    recipe: DenseRecipe | str | Path | None = None,
    levels: Sequence[int] | None = None,
    resolution: AnyResolution | None = None,
    channels: int = WIDTH,
    seed: int = 0,
    device: str = "auto",
    pretrained: str | Path | None = None,
    least_match: float = 0.9,
    freeze_norm: bool = False,
    max_images: int | None = None,
    ledger: str | Path = "naslab.db",
    report: Callable[[DenseEpoch], None] = lambda _: None,
    note: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Train a detector or segmenter on a network, evaluate it once at the end, and write its folder; the result.

    `task` is `detection`, `instance_segmentation`, `keypoints` or `segmentation`; `dataset` is `coco:DIR`, `voc:DIR`,
    `yolo:DIR` or `masks:DIR`, of which `max_images` training images are used, and which is checked whole before. `kind`
    is a network of the task (`fcn` and `deeplabv3` beside a U-Net), on the maps of `model` at `levels`, its heads of
    `channels`. Images are resized to `resolution`, by default the network's own. It is trained for `epochs` from `seed`
    on `device`, as the `recipe` says, a `naslab.DenseRecipe` or its file; `pretrained` and `least_match` are those of
    `naslab.train`, with `freeze_norm` batch norms stay. `ledger` is where studies are looked for, `report` is called
    with every epoch, `note` with what is to be said. A folder `out` that holds this training already, of the same data
    and weights to begin with, is read and not trained again. Raises `SpecError` for options that do not go together,
    `DataError` for data that disagree, and `WriteError` where the folder cannot be written.

    >>> import naslab
    >>> naslab.train_detector("resnet18", task="detection", dataset="coco:photos", out="found")  # doctest: +SKIP
    """
    from naslab.dense_prediction.choosing import open_annotated
    from naslab.dense_prediction.content import content_hash as content_of_data
    from naslab.pretrained.features import chosen_levels
    from naslab.pretrained.search_start import content_hash as content_of_weights
    from naslab.training.device import choose_device

    row = DENSE_TASKS[task]
    kind = _kind_of(row, task, kind)
    found = _with_images(find_model(model, ledger, resolution))
    strides = tuple(levels or levels_of_kind(kind))
    chosen_levels(found.arch, strides, found.name)
    used = choose_device(device)
    folder = Path(out)
    how = _recipe_of(recipe)
    data = open_annotated(dataset, task)
    source = source_of(found, pretrained, ledger)
    asked = {
        "arch_id": found.arch_id,
        "task": task,
        "kind": kind,
        "dataset": dataset,
        "data_sha256": content_of_data(data),
        "epochs": epochs,
        "levels": strides,
        "side": found.arch.input[1:],
        "channels": channels,
        "seed": seed,
        "pretrained": None if pretrained is None else str(pretrained),
        "begun_with_sha256": None if source is None else content_of_weights(source),
        "least_match": None if source is None else least_match,
        "freeze_norm": freeze_norm,
        "max_images": max_images,
        "recipe": how,
    }
    done = result_in(folder, msgspec.to_builtins(asked), _asked_then)
    if done is not None:
        note(f"{folder} holds this training already: it is read")
        return done
    begun = begun_with(found, source, least_match, seed)
    for line in (*data.notes, *(() if begun is None else begun.lines)):
        note(line)
    facts = _facts(found, begun, data.classes, data.keypoints, task, kind, strides, channels, freeze_norm)
    make_folder(folder)
    for name in (DETECTOR_FILE, WEIGHTS_FILE, RESULT_FILE):
        require_writable(folder / name)
    module, measured = _trained(facts, data, begun, epochs, seed, used, max_images, how, report)
    digest = _put_weights(module, folder)
    atomic_write(folder / DETECTOR_FILE, json_content(facts))
    result = {
        "model": found.name,
        **asked,
        **measured,
        "main": row.main,
        "device": used,
        "weights_sha256": digest,
        "notes": ({} if begun is None else {"pretrained": begun.told}) | ({"data": data.notes} if data.notes else {}),
        "asked": asked,
        "folder": str(folder),
    }
    plain: dict[str, Any] = msgspec.to_builtins(result)
    atomic_write(folder / RESULT_FILE, json_content(plain))
    return plain


def _recipe_of(recipe: DenseRecipe | str | Path | None) -> DenseRecipe:
    """The recipe that is asked for, the usual one where none is."""
    if isinstance(recipe, str | Path):
        return read_dense_recipe(Path(recipe))
    return recipe or DenseRecipe()


def _kind_of(row: DenseTaskRow, task: DenseTask, kind: str | None) -> str:
    """The kind of network that is asked for, or the task's first; refused where the task has no such kind."""
    kind = kind or row.kinds[0]
    if kind not in row.kinds:
        raise SpecError("kind", f"of the task {task} must be one of {', '.join(row.kinds)}, got '{kind}'")
    return kind


def _with_images(found: Model) -> Model:
    """The model, refused where it takes no images of 1 or 3 channels."""
    if found.arch.input[0] not in (1, 3):
        raise SpecError("model", f"must take images of 1 or 3 channels, {found.name} takes {found.arch.input[0]}")
    return found


def _asked_then(result: dict[str, Any]) -> dict[str, Any]:
    asked = result.get("asked")
    return asked if isinstance(asked, dict) else {}


def _trained(
    facts: DenseFacts,
    data: AnnotatedSet,
    begun: Pretrained | None,
    epochs: int,
    seed: int,
    device: str,
    max_images: int | None,
    recipe: DenseRecipe,
    report: Callable[[DenseEpoch], None],
) -> tuple[Any, dict[str, Any]]:
    """The module of `facts`, trained and evaluated once, and what was measured, by the names of the result."""
    from naslab.dense_prediction.evaluation import evaluate, told
    from naslab.dense_prediction.fit import fit
    from naslab.dense_prediction.macs import dense_cost
    from naslab.dense_prediction.package import make_module, sizes_of
    from naslab.pretrained.features import load_features

    trained, tested, part = data.split()
    trained = trained[:max_images]
    num_classes = len(data.classes)
    module = make_module(facts, seed)
    if begun is not None:
        load_features(_body(module), begun.weights)
    began = time.perf_counter()
    given: dict[str, Any] = {"channels": facts.arch.input[0], "side": facts.side, "device": device}
    curve = fit(
        module,
        trained,
        facts.task,
        num_classes,
        **given,
        epochs=epochs,
        seed=seed,
        is_pretrained=begun is not None,
        recipe=recipe,
        report=report,
    )
    values = evaluate(module, tested, facts.task, num_classes, **given)
    return module, {
        **told(values, data.classes),
        "cost": dense_cost(facts.arch, facts.kind, num_classes, facts.levels, sizes_of(facts), *facts.side),
        "num_train_images": len(trained),
        "num_test_images": len(tested),
        "tested_on": part,
        "curve": curve,
        "wall_seconds": time.perf_counter() - began,
    }


def _put_weights(module: Any, folder: Path) -> str:
    """The SHA-256 of the weights, which are in `folder` now; a result of an earlier training there is gone."""
    from naslab.training.weights import save_weights

    draft = folder / f"{DRAFT_PREFIX}{WEIGHTS_FILE}"
    try:
        digest = save_weights(module, draft)
        (folder / RESULT_FILE).unlink(missing_ok=True)
        put_in_place(draft, folder / WEIGHTS_FILE)
    finally:
        draft.unlink(missing_ok=True)
    return digest


def _facts(
    found: Model,
    begun: Pretrained | None,
    classes: tuple[str, ...],
    keypoints: tuple[str, ...],
    task: DenseTask,
    kind: str,
    levels: tuple[int, ...],
    channels: int,
    freeze_norm: bool,
) -> DenseFacts:
    mean, deviation = statistics_of(found, begun)
    arch = found.arch if begun is None else begun.arch
    return DenseFacts(
        name=found.name,
        arch=arch,
        task=task,
        kind=kind,
        levels=levels,
        classes=classes,
        keypoints=keypoints if task == "keypoints" else (),
        side=arch.input[1:],
        mean=tuple(each / 255 for each in mean),
        deviation=tuple(each / 255 for each in deviation),
        channels=channels,
        freeze_norm=freeze_norm,
        versions=provenance.installed_versions("safetensors", "torchvision"),
    )


def _body(module: Any) -> Any:
    return module.body if hasattr(module, "body") else module.backbone.body
