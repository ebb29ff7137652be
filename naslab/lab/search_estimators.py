"""Estimators that take the place of training in a search: a supernet, or a predictor of what a study has measured."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from naslab.analysis.front import widest
from naslab.analysis.study import StudyView, read_study
from naslab.arch import ArchSpec
from naslab.errors import StudyError
from naslab.estimators.estimator import Estimator
from naslab.estimators.named import EstimatorName, PredictorOptions, Setting, read_name
from naslab.estimators.predictor import AccuracyPredictor, KnownResult
from naslab.estimators.proxies.proxy import Probe
from naslab.estimators.supernet import SupernetEstimator
from naslab.lab.records import file_sha256
from naslab.ledger.ledger import Ledger
from naslab.metrics import ACCURACY, TIMING, in_words
from naslab.study.problem import Problem

FORMS = "supernet:path=FILE or predictor:study=NAME"


class SearchEstimator(NamedTuple):
    """An estimator, the one form of its name, and the SHA-256 of what it knows: a study goes on with the same alone."""

    name: str
    estimator: Estimator
    sha256: str


def find_search_estimator(
    text: str, problem: Problem, archs: Sequence[ArchSpec], ledger: str | Path, data_dir: str | None, seed: int
) -> SearchEstimator:
    """The estimator of a name; a predictor learns from a study of the ledger.

    Raises `StudyError` for estimators that a search cannot have, `DataError` for a supernet of another space than that
    of `archs`, and `NaslabError` for whatever else does not fit.
    """
    name = read_name(text)
    if isinstance(name.options, PredictorOptions) and name.options.study:
        predictor = _predictor(name.options, problem, ledger, data_dir)
        return SearchEstimator(str(name), predictor, hashlib.sha256(msgspec.json.encode(predictor.known)).hexdigest())
    if name.entry.name != "supernet":
        raise StudyError(f"a search is estimated by training, {FORMS}, not by '{name}'")
    return _supernet(name, problem, archs, data_dir, seed)


def accuracy_predictor(
    study: StudyView, proxies: Sequence[str] = (), data_dir: str | None = None, batch_size: int = 32
) -> AccuracyPredictor:
    """An estimator that predicts what `study` would measure, learned from its outcomes at one fidelity.

    It is that which most of its networks have, with rungs the first; trainings that were stopped early are left out.
    `proxies` are scored on `batch_size` images. Raises `SpecError` below 10 complete outcomes of networks of the
    study's space.

    >>> import naslab
    >>> predictor = naslab.accuracy_predictor(naslab.open_study("mystudy"), proxies=["naswot"])  # doctest: +SKIP
    """
    measured = [each for each in study.outcomes if each.candidate.genome.genes and "stopped" not in each.estimate.notes]
    known = tuple(
        KnownResult(each.candidate.genome, each.value(ACCURACY.name), each.candidate.seed) for each in widest(measured)
    )
    probe = Probe(data=study.problem.data, data_dir=data_dir, batch_size=batch_size)
    return AccuracyPredictor(problem=study.problem, known=known, proxies=tuple(proxies), probe=probe)


def _supernet(
    name: EstimatorName, problem: Problem, archs: Sequence[ArchSpec], data_dir: str | None, seed: int
) -> SearchEstimator:
    estimator = name.make(Setting(problem, data_dir, seed)).estimator
    assert isinstance(estimator, SupernetEstimator)
    for arch in archs:
        estimator.require_space(arch)
    return SearchEstimator(str(name), estimator, file_sha256(estimator))


def _predictor(
    options: PredictorOptions, problem: Problem, ledger: str | Path, data_dir: str | None
) -> AccuracyPredictor:
    with Ledger.open(ledger, create=False) as opened:
        study = read_study(opened, options.study)
    name = f"predictor:study={options.study}"
    if study.record.estimator:
        raise StudyError(f"{name}: that study has measured nothing, it is estimated by {study.record.estimator}")
    ours = _ground(problem)
    for part, theirs in _ground(study.problem).items():
        if theirs != ours[part]:
            raise StudyError(f"{name}: that study is of another {part} than the search")
    if timed := problem.measured_by(TIMING):
        raise StudyError(f"{name}: it predicts {ACCURACY.name}; leave the objective {in_words(timed, 'and')} out")
    if options.known != PredictorOptions().known:
        raise StudyError("predictor:known is for calibrations; a search's predictor learns from all of its study")
    return accuracy_predictor(study, options.proxy_names, data_dir, options.batch)


def _ground(problem: Problem) -> dict[str, bytes]:
    """What accuracies depend on: the space, the data wherever they are held, the recipe."""
    data = msgspec.structs.replace(problem.data, storage="auto", skip_unreadable=False)
    parts = {"space": problem.space, "data": data, "recipe": problem.recipe}
    return {name: msgspec.json.encode(part) for name, part in parts.items()}
