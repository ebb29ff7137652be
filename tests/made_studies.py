"""Studies of `digits_demo` written into a ledger without any training, and the commands run on them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from naslab.cli.main import run
from naslab.execution.source import make_candidate
from naslab.ledger import Ledger, RunRecord, StudyRecord
from naslab.space import SearchSpace, load_space
from naslab.strategies.registry import make_strategy
from naslab.study.outcome import Candidate, EpochRecord, Estimate, Failure, Outcome
from naslab.study.problem import DataChoice, Limit, Objective, Problem
from naslab.study.recipe import Recipe

Measured = Callable[[Candidate], dict[str, float]]
START = 1.7e9


def accuracy(candidate: Candidate) -> dict[str, float]:
    """More for more macs, and another one for each network."""
    return {"accuracy": 40 + 10 * (candidate.cost.macs % 1000) / 1000 + candidate.cost.macs / 1e5}


def made_problem(
    objectives: Sequence[str] = ("accuracy", "macs"), space: str | SearchSpace = "digits_demo", dataset: str = "digits"
) -> Problem:
    found = load_space(space) if isinstance(space, str) else space
    goals = tuple(map(Objective.named, objectives))
    limits = (Limit.parse("macs<=2e6"),)
    return Problem(space=found, objectives=goals, data=DataChoice(name=dataset), recipe=Recipe(), limits=limits)


def made_study(
    ledger: Ledger,
    name: str,
    seed: int = 0,
    trials: int = 5,
    measured: Measured = accuracy,
    problem: Problem | None = None,
    failing: Sequence[int] = (),
    role: Literal["search", "family", "baseline"] = "search",
    **record: Any,
) -> Problem:
    """A finished random search, its trials one after the other in ten seconds each, those of `failing` diverged."""
    problem = problem or made_problem()
    given: dict[str, Any] = {"strategy": "random", "epochs": 1, "seed": seed, "trials": trials, **record}
    ledger.create_study(StudyRecord(name=name, problem=msgspec.to_builtins(problem), created=START, **given))
    ledger.add_run(name, RunRecord(command=f"naslab search --seed {seed}", started=START + seed))
    for trial, proposal in enumerate(make_strategy("random", problem, seed=seed).ask(trials)):
        arch = problem.space.decode(proposal.genome)
        origin = proposal.origin if trial % 2 == 0 else {"operator": "mutate", "parents": [trial - 1]}
        candidate = make_candidate(arch, trial, given["epochs"], seed, role, proposal.genome, origin)
        estimate = Estimate(measured=measured(candidate), curve=(EpochRecord(1, 1.0, 1.0, 50.0, 9.0),), wall_seconds=9)
        if trial in failing:
            estimate = Estimate(failure=Failure("diverged", "the loss is not a number"), wall_seconds=2)
        ledger.start(name, [candidate])
        ledger.finish(name, Outcome(candidate=candidate, estimate=estimate, finished=START + seed + 10 * (trial + 1)))
    return problem


class Shown(msgspec.Struct):
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """The one JSON value on stdout."""
        return msgspec.json.decode(self.out)

    def refusal(self) -> str:
        """The one line that a command was refused by."""
        assert self.code == 2, (self.code, self.out, self.err)
        assert not self.out
        [line] = self.err.splitlines()
        assert line.startswith("naslab: ")
        assert len(line) < 1000
        return line.removeprefix("naslab: ")


def naslab(folder: Path, *arguments: str, answer: str = "") -> Shown:
    """Run the command in this process, in a folder whose ledger is `l.db`, with an answer on stdin."""
    out, err, code = StringIO(), StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["naslab", *arguments])
        patch.setattr(sys, "stdin", StringIO(answer))
        patch.chdir(folder)
        patch.setenv("NASLAB_LEDGER", "l.db")
        try:
            run()
        except SystemExit as end:
            code = int(end.code or 0)
    return Shown(code, out.getvalue(), err.getvalue())
