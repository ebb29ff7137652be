"""Finding a network by what users call it: a zoo name, a file, a folder that `naslab train` wrote, `STUDY:best`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from naslab.arch import ArchSpec, arch_id, load_arch
from naslab.arch.plan import HeightWidth
from naslab.errors import NaslabError, SpecError, StudyError, UnknownNameError, shown
from naslab.package.facts import Facts, is_package, open_facts
from naslab.reading import whole_number
from naslab.study.outcome import Outcome


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


def find_model(
    text: str, ledger: str = "naslab.db", resolution: HeightWidth | None = None, num_classes: int | None = None
) -> Model:
    """The network that `text` names, at another `resolution` (height, width) or number of classes where asked.

    `text` is a zoo name, an architecture file, a folder or weights that `naslab train` wrote, or `STUDY:TRIAL` or
    `STUDY:best` of a study of `ledger`; `num_classes` is how many classes it is to tell apart. Raises
    `UnknownNameError` with the nearest names, `SpecError` for a file that breaks a rule, and `DataError` for a damaged
    package.

    >>> find_model("efficientnet_b0").arch.input
    (3, 224, 224)
    """
    from naslab import zoo

    if text in zoo.model_names():
        arch = zoo.model(text, num_classes=num_classes, resolution=resolution)
        return Model(text, arch)
    if is_package(Path(text)):
        return _packaged(text, resolution, num_classes)
    if Path(text).suffix in (".yaml", ".yml", ".json") or Path(text).is_file():
        return Model(text, _fitted(_arch_file(Path(text)), resolution, num_classes))
    if ":" in text:
        study, _, which = text.rpartition(":")
        outcome = find_outcome(study, which, ledger)
        arch = _fitted(outcome.candidate.arch, resolution, num_classes)
        return Model(text, arch, study, outcome.candidate.trial)
    raise UnknownNameError("model", text, zoo.model_names())


def find_outcome(study: str, which: str, ledger: str) -> Outcome:
    """The outcome of trial `which` of `study` in `ledger`.

    `best` is best in its first objective, of equals in the next, among the networks at the highest fidelity that any
    reached, the highest rung. Raises `StudyError` where there is no such trial.
    """
    from naslab.analysis.front import comparable
    from naslab.analysis.study import read_study
    from naslab.ledger.ledger import Ledger

    with Ledger.open(ledger, create=False) as opened:
        view = read_study(opened, study)
    everything = (*view.outcomes, *view.family, *view.baselines)
    if which == "best":
        complete = comparable(view.outcomes)
        if not complete:
            raise StudyError(f"study '{study}' has no finished trial without a failure, so none is best")
        goals = view.problem.objectives
        return min(complete, key=lambda outcome: [goal.loss(outcome.value(goal.metric)) for goal in goals])
    trial = whole_number(which)
    if trial is None:
        raise StudyError(f"a trial is a number or 'best', got '{shown(which)}'")
    for outcome in everything:
        if outcome.candidate.trial == trial:
            return outcome
    last = max((outcome.candidate.trial for outcome in everything), default=None)
    there = "it has no finished trials" if last is None else f"its finished trials go up to {last}"
    raise StudyError(f"study '{study}' has no finished trial {trial}; {there}")


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


def _packaged(text: str, resolution: HeightWidth | None, num_classes: int | None) -> Model:
    facts, weights = open_facts(Path(text))
    arch = _fitted(facts.arch, resolution, num_classes)
    return Model(text, arch, weights=weights, facts=facts)


def _arch_file(path: Path) -> ArchSpec:
    try:
        return load_arch(path)
    except SpecError as error:
        raise NaslabError(f"{path}: {error}") from None


def _fitted(arch: ArchSpec, resolution: HeightWidth | None, num_classes: int | None) -> ArchSpec:
    """The network on another input size or number of classes; its layers are the same."""
    return msgspec.structs.replace(
        arch,
        input=arch.input if resolution is None else (arch.input[0], *resolution),
        num_classes=arch.num_classes if num_classes is None else num_classes,
    )
