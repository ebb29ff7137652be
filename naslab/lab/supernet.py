"""Supernets from names: train one over a space, and take the weights of a network out of it.

naslab.train_supernet("digits_demo", "digits.safetensors", epochs=20)
naslab.search("digits_demo", estimator="supernet:path=digits.safetensors", trials=500)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from naslab.arguments import flag, function, path, takes, text
from naslab.lab.models import (
    COUNT,
    DATASET,
    FOLDER,
    MAX_IMAGES,
    MODEL,
    RECIPE,
    RESOLUTION,
    SEED,
    SPACE,
    AnyModel,
    AnyResolution,
    find_model,
    sides_of,
)
from naslab.lab.problems import make_problem
from naslab.metrics import ACCURACY
from naslab.space import SearchSpace
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import Recipe

if TYPE_CHECKING:
    from naslab.training.supernet.files import Supernet


@takes(
    space=SPACE,
    out=path("a file to write"),
    dataset=DATASET,
    max_images=MAX_IMAGES,
    epochs=COUNT,
    recipe=RECIPE,
    resolution=RESOLUTION,
    paths=COUNT,
    sandwich=flag(),
    distill=flag(),
    seed=SEED,
    device=text("a torch device, or auto"),
    data_dir=FOLDER,
    report=function(),
)
def train_supernet(
    space: SearchSpace | str | Path,
    out: str | Path,
    *,
    dataset: str | DataChoice | None = None,
    max_images: int | None = None,
    epochs: int = 20,
    recipe: Recipe | str | Path | None = None,
    resolution: AnyResolution | None = None,
    paths: int = 2,
    sandwich: bool = True,
    distill: bool = False,
    seed: int = 0,
    device: str = "auto",
    data_dir: str | Path | None = None,
    report: Callable[[int, float], None] = lambda epoch, loss: None,
) -> Supernet:
    """Train the weights that all networks of a space share into the file `out`; the same call again goes on with it.

    `space` is a space, the name of a shipped one or a YAML file; it is trained on `dataset`, at most `max_images`
    images of it, for `epochs` epochs with `recipe`. Each batch trains `paths` random networks (arXiv 1904.00420) and,
    with `sandwich`, the largest and the smallest one (arXiv 1903.05134), from whose largest the others learn with
    `distill`. `resolution` is the (height, width) of the images, or the side of square ones, where they are not to be
    the space's. `report` takes each epoch's number and mean loss. Raises `NaslabError` for whatever does not fit, and
    where `out` holds another supernet.

    >>> import naslab
    >>> naslab.train_supernet("digits_demo", "digits.safetensors", epochs=20)  # doctest: +SKIP
    >>> naslab.search("digits_demo", estimator="supernet:path=digits.safetensors", trials=500)  # doctest: +SKIP
    """
    from naslab.training.device import choose_device
    from naslab.training.supernet.settings import SupernetSettings
    from naslab.training.supernet.training import train_supernet as run

    problem = make_problem(space, dataset, [ACCURACY.name], (), recipe, max_images)
    trained = problem.space
    sides = sides_of(resolution)
    if sides is not None:
        trained = trained.for_data(trained.inputs[0][0], trained.template["num_classes"], sides)
    settings = SupernetSettings(
        space=trained,
        data=problem.data,
        recipe=problem.recipe,
        epochs=epochs,
        seed=seed,
        num_paths=paths,
        sandwich=sandwich,
        distill=distill,
    )
    return run(
        settings, out, device=choose_device(device), data_dir=None if data_dir is None else str(data_dir), report=report
    )


@takes(
    supernet=path("the file of a supernet"),
    model=MODEL,
    out=path("a file to write"),
    calibration_images=COUNT,
    data_dir=FOLDER,
)
def export_shared_weights(
    supernet: str | Path,
    model: AnyModel,
    out: str | Path,
    *,
    calibration_images: int = 512,
    data_dir: str | Path | None = None,
) -> str:
    """Write the weights that a network has in a supernet, batch norms recalibrated, as safetensors; their SHA-256.

    `supernet` is the supernet's file, `out` that of the weights; `naslab train --start-from` goes on from them. The
    network is that of `model` for the supernet's data, at its own resolution; its batch norms see `calibration_images`
    images. Raises `DataError` for a network that is not in the supernet's space.

    >>> import naslab
    >>> naslab.export_shared_weights("digits.safetensors", "mystudy:best", "best.safetensors")  # doctest: +SKIP
    """
    from naslab.training.supernet.export import write_slice

    folder = None if data_dir is None else str(data_dir)
    return write_slice(supernet, find_model(model).arch, out, calibration_images, folder)
