"""The lab in a few lines of Python: search, train a family, train one network. The commands are thin over this."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from naslab.analysis.study import StudyView, read_study
from naslab.arch import ArchSpec, arch_id, cost, encode
from naslab.errors import StudyError
from naslab.estimators.short_training import ShortTraining
from naslab.execution.events import Event
from naslab.execution.search import run_candidates, run_search
from naslab.execution.workers import Workers
from naslab.facts import command_line, machine_facts, version_facts
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import RunRecord, StudyRecord
from naslab.outcome import Candidate, Fidelity
from naslab.problem import DataChoice, Limit, Objective, Problem
from naslab.space import SearchSpace, load_space
from naslab.strategies.registry import make_strategy
from naslab.training.datasets import dataset_facts
from naslab.training.recipe import Recipe, default_recipe

OnEvent = Callable[[Event], None]


def search(
    space: SearchSpace | str | Path,
    *,
    dataset: str | None = None,
    strategy: str = "evolution",
    trials: int = 50,
    epochs: int = 4,
    objectives: Sequence[str] = ("accuracy", "macs"),
    limits: Sequence[str] = (),
    workers: Workers | int | None = None,
    ledger: str | Path = "naslab.db",
    study: str | None = None,
    seed: int = 0,
    data_dir: str | None = None,
    recipe: Recipe | None = None,
    baselines: Sequence[str] = (),
    on_event: OnEvent = lambda _: None,
) -> StudyView:
    """Search a space and return the study; the same call again continues it.

    `trials` is a total over all calls. `baselines` are zoo networks, trained after the search with the same recipe.
    Every finished outcome is in the ledger before anything else happens. Raises `NaslabError` before the first trial
    for whatever does not fit.

    >>> import naslab
    >>> study = naslab.search("digits_demo", trials=2, epochs=1, ledger=":memory:")  # doctest: +SKIP
    """
    problem = make_problem(space, dataset, objectives, limits, recipe)
    record = StudyRecord(
        name=study or f"{problem.space.name or 'search'}-{strategy}-{seed}",
        problem=msgspec.to_builtins(problem),
        strategy=strategy,
        epochs=epochs,
        seed=seed,
        trials=trials,
        created=time.time(),
    )
    crew = workers if isinstance(workers, Workers) else Workers(count=workers)
    estimator = _estimator(problem, data_dir)
    brain = make_strategy(strategy, problem, seed)
    entrants = [(f"zoo:{name}", _baseline(name, problem)) for name in baselines]
    with Ledger.open(ledger) as opened, opened.claim(record.name):
        _open_study(opened, record)
        opened.add_run(record.name, _run_record(crew))
        with crew.start(estimator) as executor:
            run_search(record.name, opened, brain, executor, problem, epochs, seed, trials, on_event)
            _run_extras(opened, record, executor, "baseline", [(arch, {"zoo": name}) for name, arch in entrants], on_event)
        return read_study(opened, record.name)
