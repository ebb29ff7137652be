"""What `auto` takes, and that a study keeps it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from naslab.space import load_space
from naslab.strategies.choosing import AUTO, choose_strategy
from naslab.strategies.registry import make_strategy, strategy_names
from naslab.study.problem import DataChoice, Objective, Problem
from naslab.study.recipe import Recipe

METRICS = ("accuracy", "macs", "params", "latency_ms")


def problem_of(space: str, objectives: int) -> Problem:
    goals = tuple(map(Objective.named, METRICS[:objectives]))
    return Problem(load_space(space), goals, DataChoice(name="cifar10"), Recipe())


@pytest.mark.parametrize(
    ("space", "objectives", "trials", "name"),
    [
        ("mixed_cifar", 1, 50, "bayes"),
        ("mixed_cifar", 3, 500, "bayes"),
        ("mixed_cifar", 4, 500, "bayes"),
        ("mixed_cifar", 1, 5000, "evolution"),
        ("mixed_cifar", 2, 5000, "nsga2"),
        ("mixed_cifar", 4, 5000, "nsga3"),
        ("nas_bench_macro", 2, 6561, "random"),
    ],
)
def test_the_choice_follows_the_space_the_budget_and_the_objectives(
    space: str, objectives: int, trials: int, name: str
) -> None:
    problem = problem_of(space, objectives)
    choice = choose_strategy(problem, trials)
    assert choice.name == name
    assert str(trials) in choice.reason or str(objectives) in choice.reason
    assert make_strategy(choice.name, problem).ask(1)


@pytest.mark.parametrize(
    ("objectives", "trials", "words", "name"),
    [
        (1, 50, {"by_time": True}, "bayes_per_second"),
        (2, 5000, {"by_time": True}, "nsga2"),
        (1, 50, {"inherits": True}, "evolution"),
        (2, 50, {"inherits": True}, "nsga2"),
        (2, 5000, {"needs_model": True}, "bayes"),
        (1, 50, {"needs_model": True, "inherits": True, "by_time": True}, "bayes_per_second"),
    ],
)
def test_the_choice_follows_what_else_is_asked_for(
    objectives: int, trials: int, words: dict[str, bool], name: str
) -> None:
    assert choose_strategy(problem_of("mixed_cifar", objectives), trials, **words).name == name


def test_auto_is_no_strategy_of_its_own() -> None:
    assert AUTO not in strategy_names()


def test_the_registry_loads_no_scientific_library_before_a_strategy_needs_it() -> None:
    code = (
        "import sys, naslab.lab.search; from naslab.strategies.registry import strategy_names; strategy_names();"
        "print([m for m in ('scipy', 'sklearn', 'optuna', 'torch') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
