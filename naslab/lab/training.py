"""Training one network to the end, and writing it as files that need no naslab.

trained = naslab.train("mystudy:best", epochs=60)
print(trained.result.test_accuracy)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from naslab.arch import ArchSpec
from naslab.arguments import flag, function, number, optional, path, takes, text
from naslab.atomic_write import make_folder
from naslab.errors import DataError, SpecError
from naslab.lab.models import (
    COUNT,
    DATASET,
    FOLDER,
    LEDGER,
    MAX_IMAGES,
    MODEL,
    NAME,
    RECIPE,
    SEED,
    AnyModel,
    Model,
    find_model,
)
from naslab.lab.packages import Training, facts_of_training, require_shareable
from naslab.lab.packages import export_network as export_network
from naslab.lab.reading import open_study
from naslab.package.facts import Facts
from naslab.study.data_choice import OWN_DATA, DataChoice
from naslab.study.outcome import EpochRecord
from naslab.study.recipe import Recipe
from naslab.training.datasets.choosing import choose_data
from naslab.training.datasets.class_names import class_names
from naslab.training.datasets.fitting import require_measurable, require_recipe_fits, require_split
from naslab.training.datasets.given import Data
from naslab.training.datasets.info import dataset_names, facts_of
from naslab.training.recipe_files import find_recipe

if TYPE_CHECKING:
    from naslab.lab.quantising import Int8
    from naslab.training.fit import FitResult


class Trained(msgspec.Struct, frozen=True):
    """A network trained to the end: what was trained, on what, how, and how well it does on the test set.

    `facts` are all that its files say of it: how an image becomes its input, and what its outputs are called. `int8` is
    what quantisation-aware fine-tuning gained, where that was asked for.
    """

    arch: ArchSpec
    dataset: str
    recipe: Recipe
    result: FitResult
    facts: Facts
    int8: Int8 | None = None


HOW_TO_TRAIN = {
    "dataset": DATASET,
    "epochs": COUNT,
    "recipe": RECIPE,
    "seed": SEED,
    "device": text("a torch device, or auto"),
    "use_validation": flag(),
    "start_from": optional(path("a file of weights")),
    "pretrained": optional(path("weights, as read_source names them,")),
    "tune": optional(text("head, last:K, gradual:N, all or scratch")),
    "quantize": optional(text("int8")),
    "freeze_norm": flag(),
    "layer_decay": optional(number()),
    "least_match": number(),
    "max_images": MAX_IMAGES,
    "ledger": LEDGER,
    "data_dir": FOLDER,
    "licence": NAME,
    "report": function(),
    "note": function(),
}
"""What every function that trains networks to the end takes beside them."""


@takes(model=MODEL, save_to=optional(path("a file to write")), **HOW_TO_TRAIN)
def train(
    model: AnyModel,
    *,
    dataset: str | DataChoice | Data | None = None,
    epochs: int = 20,
    recipe: Recipe | str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
    use_validation: bool = False,
    start_from: str | Path | None = None,
    pretrained: str | Path | None = None,
    tune: str | None = None,
    quantize: str | None = None,
    freeze_norm: bool = False,
    layer_decay: float | None = None,
    least_match: float = 0.9,
    max_images: int | None = None,
    save_to: str | Path | None = None,
    ledger: str | Path = "naslab.db",
    data_dir: str | Path | None = None,
    licence: str | None = None,
    report: Callable[[EpochRecord], None] = lambda _: None,
    note: Callable[[str], None] = lambda _: None,
) -> Trained:
    """Train one network and read the test set once, at the end; its channels and classes follow the data set.

    `model` (what `naslab.find_model` finds a network by, or one) is trained on `dataset` for `epochs` epochs with
    `recipe` (a recipe, its name or its file); a network of a study of `ledger` is trained on the study's data unless
    another set is given: its name, a `DataChoice` or `Data`. With `use_validation` the validation images are trained
    on, too, and with `max_images` so many training images are used. `start_from` are weights to begin with, `save_to`
    takes the trained ones as safetensors, with all that is known of the network in their header, `licence` among it.
    `report` is called with every epoch.

    `pretrained` are weights of others to begin with: `torchvision`, `timm:NAME`, a file of either or of naslab, a
    trained folder, or `STUDY:TRIAL`. They are matched by structure; what was taken goes to `note`, a line at a time,
    and less than `least_match` is refused. Images are normalised as those that they were learned on. `tune` is what is
    then trained: the classifier (`head`), the head and the last K stages (`last:K`), the classifier and after every N
    epochs one stage more (`gradual:N`), `all`, or all from random weights (`scratch`); with `freeze_norm` batch norms
    stay, and each stage learns at `layer_decay` times the rate of the next.

    With `quantize` (`int8`) a trained network (a folder, or weights by `start_from` or `pretrained`) is fine-tuned as
    it computes in 8 bits, by torchao; the weights stay floating-point numbers, and quantised they lose less. What that
    gains over quantising the network as it was is in `int8`, and `int8.onnx` is written beside `save_to`.

    The `recipe` is by default `full`, `probe` for a classifier alone, and else `fine-tune` with `pretrained` or
    `quantize`. Raises `SpecError` for options that do not go together, `NaslabError` for data, weights or a device that
    do not fit.

    >>> import naslab
    >>> trained = naslab.train("mystudy:best", epochs=60)  # doctest: +SKIP
    >>> trained.result.test_accuracy  # doctest: +SKIP
    """
    from naslab.lab.quantising import INT8_FILE, PostTraining, require_quantisable, require_same_ends, weights_of
    from naslab.package.folder import copy_weights
    from naslab.pretrained.start import pretrained as begin_with
    from naslab.training.fit import fit_and_test
    from naslab.training.tuning import require_tunable

    require_shareable(licence)
    if tune is not None and pretrained is None and start_from is None:
        raise SpecError("tune", f"needs weights to begin with: give pretrained beside {tune}")
    if pretrained is not None and start_from is not None:
        raise SpecError("pretrained", "stands in place of start_from: leave one of them out")
    found = find_model(model, ledger)
    choice = data_of(found, dataset, ledger, data_dir)
    if max_images is not None:
        choice = msgspec.structs.replace(choice, max_images=max_images)
    info = facts_of(choice, data_dir)
    arch = msgspec.structs.replace(
        found.arch, input=(info.channels, *found.arch.input[1:]), num_classes=info.num_classes
    )
    how = recipe_of(recipe, choice.name, pretrained is not None, tune, freeze_norm, layer_decay, quantize)
    require_tunable(how, arch)
    if quantize is not None:
        has_weights = any(each is not None for each in (found.weights, start_from, pretrained)) and tune != SCRATCH
        if save_to is None:
            raise SpecError("quantize", "writes the network in 8 bits beside its weights: give save_to, a file")
        require_quantisable(quantize, found, has_weights, info.task, how, use_validation)
        if found.weights is not None and pretrained is None and start_from is None:
            require_same_ends(found.arch, arch, found.name, choice.name)
    require_recipe_fits(how, info, choice.name)
    require_measurable(info, choice.name)
    require_split(choice, data_dir)
    begun = None
    if pretrained is not None:
        names = class_names(choice, None if data_dir is None else Path(data_dir))
        begun = begin_with(
            arch, pretrained, model=found.name, ledger=ledger, class_names=names, least_share=least_match, seed=seed
        )
        arch = begun.arch
        for line in begun.lines:
            note(line)
    if save_to is not None:
        make_folder(Path(save_to).parent)
    beginning = None if begun is None else begun.scratch if tune == SCRATCH else begun.beginning
    post_training = None
    if quantize is not None:
        if beginning is None and start_from is None:
            beginning = weights_of(found)
        post_training = PostTraining(quantize, arch, choice, data_dir, start_from, beginning)
    result = fit_and_test(
        arch,
        choice,
        how,
        epochs,
        seed=seed,
        data_dir=data_dir,
        device=device,
        use_validation=use_validation,
        start_from=start_from,
        beginning=beginning,
        is_quantised=quantize is not None,
        save_to=save_to,
        report=report,
    )
    if begun is not None:
        result = msgspec.structs.replace(result, notes=result.notes | {"pretrained": begun.told})
    facts = facts_of_training(found, arch, Training(choice, how, epochs, seed, result), ledger, data_dir, licence)
    if save_to is not None:
        digest = copy_weights(Path(save_to), Path(save_to), facts)
        result = msgspec.structs.replace(result, weights_sha256=digest)
    int8 = None
    if post_training is not None and save_to is not None:
        int8 = post_training.beside(Path(save_to), facts, Path(save_to).with_name(INT8_FILE))
    return Trained(arch, choice.name, how, result, facts, int8)


SCRATCH = "scratch"
"""The `tune` that leaves pretrained weights out, for comparisons: all else is as with them."""


def recipe_of(
    recipe: Recipe | str | Path | None,
    dataset: str,
    is_pretrained: bool,
    tune: str | None,
    freeze_norm: bool,
    layer_decay: float | None,
    quantize: str | None = None,
) -> Recipe:
    """The `recipe` that is asked for, fitted to `dataset`, with what else is asked for of it.

    `is_pretrained` says whether there are weights to begin with, which `tune`, `freeze_norm` and `layer_decay` are for,
    as in `train`. With `quantize` it computes in float32, which 8 bits are simulated in, and step by step.
    """
    trained = "all" if tune == SCRATCH else tune
    begins = is_pretrained or quantize is not None
    default = "full" if not begins or tune == SCRATCH else "probe" if tune == "head" else "fine-tune"
    how = recipe if isinstance(recipe, Recipe) else find_recipe(recipe or default, dataset)
    if quantize is not None:
        how = msgspec.structs.replace(how, precision="float32", compile="off", graphs="off")
    return msgspec.structs.replace(
        how,
        tune=how.tune if trained is None else trained,
        freeze_norm=freeze_norm or how.freeze_norm,
        layer_decay=how.layer_decay if layer_decay is None else layer_decay,
    )


def data_of(
    model: Model, dataset: str | DataChoice | Data | None, ledger: str | Path, data_dir: str | Path | None = None
) -> DataChoice:
    """The data to train `model` on, checked whole: `dataset`, else its package's or its study's in `ledger`.

    Raises `DataError` without one, where some of it is missing or damaged, and where it is not what the study was
    made with.
    """
    if dataset is not None:
        return choose_data(dataset, data_dir)
    if model.facts is not None and model.facts.data is not None:
        return choose_data(model.facts.data, data_dir)
    if model.study is None:
        raise DataError(f"say what to train {model.name} on: --dataset {', '.join(dataset_names())}")
    begun = open_study(model.study, ledger).problem.data
    if begun.name == OWN_DATA:
        raise DataError(f"study '{model.study}' has {OWN_DATA}: say what to train {model.name} on, as --dataset digits")
    now = choose_data(begun, data_dir)
    if begun.fingerprint and now.fingerprint != begun.fingerprint:
        raise DataError(
            f"{begun.name} holds other images or labels than when the study {model.study} began; name the data to "
            "train on by --dataset"
        )
    return begun
