"""What a network may be called, wherever one is asked for: by the functions of `naslab` and by the commands.

A zoo name, an architecture file, a folder or weights that `naslab train` wrote, `STUDY:TRIAL`, `STUDY:best` or
`STUDY:best@macs<=5M`; from Python an `ArchSpec` or a `Model`, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias, cast

import msgspec

from naslab import zoo
from naslab.analysis.study import StudyView
from naslab.arch import ArchSpec, arch_id, decode_arch, encode, load_arch
from naslab.arch.block import Block
from naslab.arch.plan import HeightWidth
from naslab.arguments import (
    Kind,
    either,
    exactly,
    function,
    instance,
    many,
    optional,
    path,
    takes,
    text,
    whole,
)
from naslab.dense_prediction.facts import DETECTOR_FILE
from naslab.errors import DataError, NaslabError, SpecError, UnknownNameError, shown
from naslab.execution.workers import Workers
from naslab.lab.study_models import FRONT, find_outcome, front_outcomes, named_trials
from naslab.lab.study_models import find_study as find_study
from naslab.package.facts import Facts, is_package, open_facts
from naslab.reading import whole_number
from naslab.space import SearchSpace
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import Recipe
from naslab.training.datasets.given import Data


class Model(msgspec.Struct, frozen=True):
    """A network with the name it was asked for by; `study` and `trial` where it comes from a study.

    Of a trained one, which a folder or a file of weights holds, `weights` is that file and `facts` what is known of it.
    """

    name: str
    arch: ArchSpec
    study: str | None = None
    trial: int | None = None
    weights: Path | None = None
    facts: Facts | None = None

    @property
    def arch_id(self) -> str:
        """The identity of the network."""
        return arch_id(self.arch)


AnyModel: TypeAlias = Model | ArchSpec | str | Path
"""What may be given for a network."""
AnyResolution: TypeAlias = HeightWidth | int | str
"""What may be given for an input size: (height, width), the side of a square, or a text as `224x160`."""
AnyResolutions: TypeAlias = AnyResolution | Sequence[HeightWidth]
"""What may be given for one input size or several, of which each network of a space chooses one."""


def parse_resolution(text: str | None) -> HeightWidth | None:
    """`224` or `224x160` (height x width) as (height, width). Raises `SpecError` for another text.

    >>> parse_resolution("224x160")
    (224, 160)
    """
    if text is None:
        return None
    sides = [whole_number(part) for part in text.lower().split("x")]
    height, width = sides[0], sides[-1]
    if len(sides) > 2 or not height or not width:
        raise SpecError("resolution", f"must be a size or height x width like 224 or 224x160, got '{shown(text)}'")
    return height, width


def sides_of(resolution: AnyResolution | None) -> HeightWidth | None:
    """(height, width) of an input size however it is given. Raises `ValueError` for what is none.

    >>> sides_of(96), sides_of("224x160"), sides_of((224, 160)), sides_of(None)
    ((96, 96), (224, 160), (224, 160), None)
    """
    value = resolution
    if value is None or isinstance(value, str):
        return parse_resolution(value)
    listed = many(whole(1)).read(value)
    if len(listed) not in (1, 2):
        raise ValueError
    return listed[0], listed[-1]


def sizes_of(resolution: AnyResolutions | None) -> HeightWidth | tuple[HeightWidth, ...] | None:
    """`sides_of`, or several sizes: (height, width) of each, a text with commas, or a range `FROM:TO:STEP` of squares.

    Raises `SpecError` for a text that is none of these, and `ValueError` for what is no size otherwise.

    >>> sizes_of("96"), sizes_of("96,128x160"), sizes_of("128:224:32")
    ((96, 96), ((96, 96), (128, 160)), ((128, 128), (160, 160), (192, 192), (224, 224)))
    """
    if isinstance(resolution, list | tuple) and resolution and not isinstance(resolution[0], int):
        found_sides = [sides_of(each) for each in resolution]
        if None in found_sides:
            raise ValueError
        return tuple(sides for sides in found_sides if sides is not None)
    if not isinstance(resolution, str) or not {",", ":"} & set(resolution):
        return sides_of(cast("AnyResolution | None", resolution))
    found: list[HeightWidth] = []
    for part in resolution.split(","):
        if ":" not in part:
            sides = parse_resolution(part.strip())
            assert sides is not None
            found.append(sides)
            continue
        numbers = [whole_number(each.strip()) for each in part.split(":")]
        if len(numbers) != 3 or not all(numbers) or len(range(*_span(numbers))) not in range(1, 1001):
            rule = f"a range of sizes must look like 128:224:32, from, to and step, got '{shown(part)}'"
            raise SpecError("resolution", rule)
        found += [(side, side) for side in range(*_span(numbers))]
    return tuple(found)


def _span(numbers: list[int | None]) -> tuple[int, int, int]:
    """The arguments of `range` that give every size from the first to the last one."""
    first, last, step = (each or 1 for each in numbers)
    return first, last + 1, step


MODEL = either(
    instance(Model, ArchSpec, words="a zoo name, STUDY:TRIAL, STUDY:best, STUDY:best@macs<=5M, an ArchSpec, a Model"),
    path("an architecture file"),
)
RESOLUTION = optional(Kind("a size such as 224, a text such as 224x160, or (height, width)", sides_of))
RESOLUTIONS = optional(
    Kind("a size such as 224, a text such as 224x160, 128,160 or 128:224:32, or (height, width)", sizes_of)
)
SPACE = either(instance(SearchSpace, words="a SearchSpace, the name of a space"), path("a YAML file"))
STUDY = either(instance(StudyView, words="a study, as open_study gives it,"), text("the name of one"))
DATASET = optional(either(instance(DataChoice, Data, words="a DataChoice, a Data"), text("the name of a data set")))
RECIPE = optional(either(instance(Recipe, words="a Recipe, the name of one"), path("its file")))
WORKERS = optional(either(instance(Workers, words="a Workers"), exactly("auto"), whole(1)))
LEDGER = path("the file or the database URL of a ledger")
NAMES = many(text("a name"), split=",")
FOLDER = Kind("a folder, or None", lambda value: None if value is None else str(path().read(value)))
SEED = whole(0)
COUNT = whole(1, most=1_000_000)
TRIALS = whole(1, most=10**9)
SEEDS = whole(1, most=10_000)
NAME = optional(text())
MAX_IMAGES = optional(whole(2))
OBSERVER = function()
"""What the arguments that several functions have may be."""


@takes(text=MODEL, ledger=LEDGER, resolution=RESOLUTION, num_classes=optional(whole(1)))
def find_model(
    text: AnyModel,
    ledger: str | Path = "naslab.db",
    resolution: AnyResolution | None = None,
    num_classes: int | None = None,
) -> Model:
    """The network that `text` names, at another `resolution` (height, width) or number of classes where asked.

    `text` is a zoo name, an architecture file, a folder or weights that `naslab train` wrote, or `STUDY:TRIAL`,
    `STUDY:best` or `STUDY:best@macs<=5M` (the best within limits on anything that its trials have, with commas between
    them) of a study of `ledger`; a network itself, an `ArchSpec` or a `Model`, is taken as it is. `num_classes`
    is how many classes it is to tell apart. Raises `UnknownNameError` with the nearest names, `SpecError` for a file
    that breaks a rule, and `DataError` for a damaged package and for the folder of a detector.

    >>> find_model("efficientnet_b0").arch.input, find_model("resnet18", resolution=96).arch.input
    ((3, 224, 224), (3, 96, 96))
    """
    sides = sides_of(resolution)
    if isinstance(text, Model):
        return msgspec.structs.replace(text, arch=_fitted(_whole(text.arch), sides, num_classes))
    if isinstance(text, ArchSpec):
        return Model("network", _fitted(_whole(text), sides, num_classes))
    name = str(text)
    if name in zoo.model_names():
        return Model(name, zoo.model(name, num_classes=num_classes, resolution=sides))
    if is_package(Path(name)):
        return _packaged(name, sides, num_classes)
    if (Path(name) / DETECTOR_FILE).is_file():
        rule = "naslab predict and naslab export take it, and no other command"
        raise DataError(f"{name} is the folder of a detector or segmenter, which is no network by itself: {rule}")
    if isinstance(text, Path) or Path(name).suffix in (".yaml", ".yml", ".json") or Path(name).is_file():
        return Model(name, _fitted(_arch_file(Path(name)), sides, num_classes))
    asked = named_trials(name)
    if asked is not None:
        outcome = find_outcome(asked, ledger)
        arch = _fitted(outcome.candidate.arch, sides, num_classes)
        return Model(name, arch, asked.study, outcome.candidate.trial)
    raise UnknownNameError("model", name, zoo.model_names())


def is_front(text: AnyModel) -> bool:
    """Whether `text` names all networks of a front, as `STUDY:front` or `STUDY:front@macs<=5M`."""
    asked = named_trials(text) if isinstance(text, str) else None
    return asked is not None and asked.which == FRONT and not Path(str(text)).is_file()


def find_models(
    text: AnyModel, ledger: str | Path = "naslab.db", resolution: AnyResolution | None = None
) -> list[Model]:
    """The networks that `text` names at another `resolution` where asked: what `find_model` finds, or those of a front.

    Raises what `find_model` raises, and `StudyError` for a study of `ledger` without a front.
    """
    if not is_front(text):
        return [find_model(text, ledger, resolution)]
    asked = named_trials(str(text))
    assert asked is not None
    sides = sides_of(resolution)
    return [
        Model(f"{asked.study}:{trial}", _fitted(outcome.candidate.arch, sides, None), asked.study, trial)
        for outcome in front_outcomes(find_study(asked.study, ledger), asked.limits)
        for trial in [outcome.candidate.trial]
    ]


def _packaged(text: str, resolution: HeightWidth | None, num_classes: int | None) -> Model:
    facts, weights = open_facts(Path(text))
    return Model(text, _fitted(facts.arch, resolution, num_classes), weights=weights, facts=facts)


def _arch_file(path: Path) -> ArchSpec:
    try:
        return load_arch(path)
    except SpecError as error:
        raise NaslabError(f"{path}: {error}") from None


def _whole(arch: ArchSpec) -> ArchSpec:
    """The network as its file would be read, for what is put together in Python need not keep the types of its fields.

    One with a block of another package, which no file knows, stays as it is.
    """
    try:
        return decode_arch(encode(arch))
    except (TypeError, ValueError, AttributeError) as error:
        if any(isinstance(each, Block) and not type(each).__module__.startswith("naslab.") for each in _parts(arch)):
            return arch
        if isinstance(error, SpecError):
            raise
        raise SpecError("", f"an ArchSpec holds what a file can say: {shown(str(error), 200)}") from None


def _parts(value: object) -> Iterator[msgspec.Struct]:
    """Every struct within a value, itself first."""
    if isinstance(value, msgspec.Struct):
        yield value
        value = tuple(getattr(value, name) for name in value.__struct_fields__)
    if isinstance(value, tuple):
        for each in value:
            yield from _parts(each)


def _fitted(arch: ArchSpec, resolution: HeightWidth | None, num_classes: int | None) -> ArchSpec:
    """The network on another input size or number of classes; its layers are the same."""
    return msgspec.structs.replace(
        arch,
        input=arch.input if resolution is None else (arch.input[0], *resolution),
        num_classes=arch.num_classes if num_classes is None else num_classes,
    )
