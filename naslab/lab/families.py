"""Training a family of rescaled networks beside the study that they come from, or beside a study of one network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from naslab.analysis.study import StudyView, read_study
from naslab.arch import ArchSpec, encode
from naslab.errors import StudyError
from naslab.execution.events import Observer, StudyOpened, ignore
from naslab.execution.workers import Workers
from naslab.lab.models import Model
from naslab.lab.problems import ListedNetwork
from naslab.lab.records import run_record
from naslab.lab.search import run_listed, search
from naslab.lab.search_estimators import estimator_of
from naslab.ledger.ledger import Ledger
from naslab.ledger.location import locate
from naslab.space import SearchSpace
from naslab.study.data_choice import OWN_DATA
from naslab.training.memory import WorkerMemory


def train_family(
    study: StudyView,
    listed: Sequence[ListedNetwork],
    ledger: str | Path,
    workers: Workers | None = None,
    data_dir: str | None = None,
    on_event: Observer = ignore,
) -> StudyView:
    """Train the networks `listed` with the recipe, epochs and data of `study`, and keep them in it as its family.

    `ledger` holds the study, `workers` say where to train, `on_event` is called with what happens. The study as it is
    then. Raises `StudyError` for a study whose training function brings its own data.
    """
    if study.problem.data.name == OWN_DATA:
        told = f"study '{study.record.name}' is trained by {study.record.estimator}, which brings its own data"
        raise StudyError(f"{told}: naslab cannot train rescaled networks for it, so print the family without training")
    pool = workers or Workers()
    log = locate(ledger).ray_log
    with pool.connection(log), Ledger.open(ledger, create=False) as opened, opened.claim(study.record.name):
        opened.add_run(study.record.name, run_record(pool))
        on_event(StudyOpened(study.record, study.problem, study.outcomes))
        memory = WorkerMemory(study.problem.recipe, study.problem.data)
        with pool.start(estimator_of(study.problem, data_dir), memory) as executor:
            run_listed(opened, study.record, executor, "family", listed, on_event)
        return read_study(opened, study.record.name)


def study_of_one(
    model: Model,
    dataset: str | None,
    epochs: int,
    study: str | None,
    workers: Workers,
    ledger: str | Path,
    data_dir: str | None = None,
    on_event: Observer = ignore,
) -> StudyView:
    """A study that holds `model` alone, trained on `dataset` for `epochs`: what a family of it is compared with.

    It is called `study`, by default after the model, and kept in `ledger`; `workers` say where to train, `on_event` is
    called with what happens.
    """
    return search(
        space_of_one(model.arch, Path(model.name).stem),
        dataset=dataset,
        strategy="random",
        trials=1,
        epochs=epochs,
        workers=workers,
        ledger=ledger,
        study=study or f"{Path(model.name).stem}-family",
        data_dir=data_dir,
        on_event=on_event,
    )


def space_of_one(arch: ArchSpec, name: str) -> SearchSpace:
    """The space that holds one network: a space needs a hole, so its activation is chosen from one."""
    return SearchSpace(template={**encode(arch), "activation": {"choice": [arch.activation]}}, name=name)
