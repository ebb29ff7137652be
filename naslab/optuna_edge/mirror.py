"""A study of naslab in a storage of Optuna, for optuna-dashboard and Optuna's own plots."""

from __future__ import annotations

import re
import warnings
from datetime import datetime, timedelta
from typing import Any

import msgspec
import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from naslab.analysis.study import StudyView
from naslab.errors import StudyError, shown
from naslab.ledger.genomes import require_genomes_of
from naslab.metrics import described_values
from naslab.optuna_edge.trials import directions_of, distributions_of, params_of
from naslab.study.outcome import Outcome
from naslab.study.problem import Problem

TRIAL = "naslab_trial"
"""The user attribute that holds a trial's number in the naslab study."""


class Mirrored(msgspec.Struct, frozen=True):
    """What a mirror holds: the name of the Optuna study, how many of its trials are new and how many there are."""

    study: str
    num_added: int
    num_trials: int


def mirror_study(view: StudyView, storage: str | BaseStorage) -> Mirrored:
    """Copy a study's searched trials into an Optuna storage; the same call again adds those that are new.

    Choices are categorical parameters, limits constraints (met where at most 0), failures failed trials with their
    reason, costs and measurements user attributes. Networks trained beside the search (baselines, families) make no
    choices of the space and stay out. Raises `StudyError` where the storage cannot be opened, or holds another study of
    that name.
    """
    require_genomes_of(view.problem.space, (outcome.candidate for outcome in view.outcomes))
    if isinstance(storage, BaseStorage):
        return _mirrored(view, storage)
    # the driver that naslab's own ledgers use
    url = re.sub(r"^postgres(?:ql)?://", "postgresql+psycopg://", storage)
    try:
        make_url(url)
    except (ArgumentError, ValueError):  # their messages quote what stands where the port should, as a password may
        raise StudyError("the storage's address cannot be read; write it as sqlite:///optuna.db") from None
    try:
        opened = RDBStorage(url)
    except (SQLAlchemyError, StorageInternalError, ImportError, ValueError) as error:
        raise _not_a_storage(error) from None
    try:
        return _mirrored(view, opened)
    finally:
        opened.remove_session()
        opened.engine.dispose()


def _mirrored(view: StudyView, storage: BaseStorage) -> Mirrored:
    try:
        study = _opened(view, storage)
    except (SQLAlchemyError, StorageInternalError) as error:
        raise _not_a_storage(error) from None
    there = {trial.user_attrs.get(TRIAL) for trial in study.get_trials(deepcopy=False)}
    distributions: dict[str, BaseDistribution] = dict(distributions_of(view.problem.space))
    new = [outcome for outcome in view.outcomes if outcome.candidate.trial not in there]
    study.add_trials(optuna_trial(outcome, view.problem, distributions) for outcome in new)
    return Mirrored(study.study_name, len(new), len(there) + len(new))


def _not_a_storage(error: Exception) -> StudyError:
    return StudyError(
        f"the storage cannot be opened as one of Optuna's ({shown(str(error).splitlines()[0], 200)}); write it as "
        "sqlite:///optuna.db, with a file of its own"
    )


def optuna_trial(outcome: Outcome, problem: Problem, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    """An outcome of `problem` as a finished trial of Optuna.

    `distributions` are those of the space's holes, by path (`distributions_of`).
    """
    candidate, estimate = outcome.candidate, outcome.estimate
    params = params_of(candidate.genome, problem.space)
    is_single = len(problem.objectives) == 1
    trial = create_trial(
        state=TrialState.COMPLETE if outcome.is_complete else TrialState.FAIL,
        values=[outcome.value(each.metric) for each in problem.objectives] if outcome.is_complete else None,
        params=params,
        distributions={path: distributions[path] for path in params},
        user_attrs=_attributes(outcome),
        # Optuna keeps intermediate values for one objective alone.
        intermediate_values={each.epoch: each.validation_accuracy for each in estimate.curve} if is_single else None,
        constraints={str(limit): limit.excess(candidate.arch, candidate.cost) for limit in problem.limits} or None,
    )
    trial.datetime_complete = datetime.fromtimestamp(outcome.finished)
    trial.datetime_start = trial.datetime_complete - timedelta(seconds=estimate.wall_seconds)
    return trial


def _attributes(outcome: Outcome) -> dict[str, Any]:
    candidate, estimate = outcome.candidate, outcome.estimate
    failure = estimate.failure
    failed = {} if failure is None else {"failure": failure.reason, "failure_message": failure.message}
    return {
        TRIAL: candidate.trial,
        "arch_id": candidate.arch_id,
        "epochs": candidate.fidelity.epochs,
        "wall_seconds": estimate.wall_seconds,
        **described_values(candidate.arch, candidate.cost),
        **estimate.measured,
        **failed,
    }


def _opened(view: StudyView, storage: BaseStorage) -> optuna.Study:
    name, directions = view.record.name, directions_of(view.problem)
    study = optuna.create_study(storage=storage, study_name=name, directions=directions, load_if_exists=True)
    is_mirror = all(TRIAL in trial.user_attrs for trial in study.get_trials(deepcopy=False))
    if study.directions != directions or not is_mirror:
        raise StudyError(
            f"the storage holds another study '{name}', which is no mirror of this one; name another storage"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # its interface may change; pinned versions are tested
        study.set_metric_names([each.metric for each in view.problem.objectives])
    return study
