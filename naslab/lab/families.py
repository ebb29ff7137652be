"""Training a family of rescaled networks beside the study that they come from, or beside a study of one network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from naslab.analysis.study import StudyView, read_study
from naslab.arch import ArchSpec, encode
from naslab.errors import StudyError
from naslab.execution.events import Observer, StudyOpened, ignore
from naslab.execution.workers import Workers
from naslab.lab.listed_runs import run_listed
from naslab.lab.models import Model
from naslab.lab.problems import ListedNetwork
from naslab.lab.records import run_record
from naslab.lab.search import search
from naslab.lab.search_estimators import estimator_of
from naslab.ledger.ledger import Ledger
from naslab.ledger.location import locate
from naslab.space import SearchSpace
from naslab.study.data_choice import OWN_DATA
from naslab.training.datasets.class_names import class_names
from naslab.training.memory import WorkerMemory


def train_family(
    study: StudyView,
    listed: Sequence[ListedNetwork],
    ledger: str | Path,
    workers: Workers | None = None,
    data_dir: str | None = None,
    on_event: Observer = ignore,
    seeds: int = 1,
) -> StudyView:
    """Train the networks `listed` with the recipe, epochs and data of `study`, and keep them in it as its family.

    `ledger` holds the study, `workers` say where to train, `on_event` is called with what happens. Each is trained
    from as many `seeds`, the study's own first. The study as it is then. Networks begin with the pretrained weights of
    the study, if it was made with such. Raises `StudyError` for a study whose training function brings its own data,
    and `DataError` where those weights are others now.
    """
    if study.problem.data.name == OWN_DATA:
        told = f"study '{study.record.name}' is trained by {study.record.estimator}, which brings its own data"
        raise StudyError(f"{told}: naslab cannot train rescaled networks for it, so print the family without training")
    start = None
    if study.record.pretrained is not None:
        from naslab.pretrained.search_start import begin_again

        names = class_names(study.problem.data, None if data_dir is None else Path(data_dir))
        start = begin_again(study.record.pretrained, class_names=names, ledger=ledger, seed=study.record.seed)
    pool = workers or Workers()
    log = locate(ledger).ray_log
    with pool.connection(log), Ledger.open(ledger, create=False) as opened, opened.claim(study.record.name):
        opened.add_run(study.record.name, run_record(pool))
        on_event(StudyOpened(study.record, study.problem, study.outcomes))
        memory = WorkerMemory(study.problem.recipe, study.problem.data)
        with pool.start(estimator_of(study.problem, data_dir, start=start), memory) as executor:
            run_listed(opened, study.record, executor, "family", listed, on_event, seeds=seeds)
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
    pretrained: str | Path | None = None,
) -> StudyView:
    """A study that holds `model` alone, trained on `dataset` for `epochs`: what a family of it is compared with.

    It is called `study`, by default after the model, and kept in `ledger`; `workers` say where to train, `on_event` is
    called with what happens. The model begins with the weights `pretrained` where they are given, as those of its
    family will.
    """
    return search(
        space_of_one(model.arch, Path(model.name).stem).around(model.name, model.arch),
        dataset=dataset,
        strategy="random",
        trials=1,
        epochs=epochs,
        workers=workers,
        ledger=ledger,
        study=study or f"{Path(model.name).stem}-family",
        data_dir=data_dir,
        on_event=on_event,
        pretrained=pretrained,
    )


def fitted_model(model: Model, pretrained: str | Path, ledger: str | Path) -> Model:
    """The `model` with the windows and norms that the weights `pretrained` were learned with.

    `ledger` holds studies that are sources. Raises `DataError` for what is not there or holds no weights.
    """
    from naslab.pretrained.sources import read_source
    from naslab.pretrained.start import fitted

    return msgspec.structs.replace(model, arch=fitted(model.arch, read_source(pretrained, model.name, ledger))[0])


def space_of_one(arch: ArchSpec, name: str) -> SearchSpace:
    """The space that holds one network: a space needs a hole, so its activation is chosen from one."""
    return SearchSpace(template={**encode(arch), "activation": {"choice": [arch.activation]}}, name=name)
