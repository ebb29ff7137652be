"""The mutation run: its list points at files that are there, and its mutants are one fault each."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from mutants import mutants_of, sampled
from mutation_targets import BY_HAND, EQUIVALENT, FURTHER, TARGETS, Planted, Target

ROOT = Path(__file__).parents[2]


EVERY = (*TARGETS, *FURTHER, *(each.target for each in BY_HAND))


@pytest.mark.parametrize("target", dict.fromkeys(EVERY), ids=lambda target: target.path)
def test_every_listed_file_and_test_is_there(target: Target) -> None:
    assert (ROOT / target.path).is_file()
    tests = [each for each in target.tests if each.startswith("tests/")]
    assert tests
    for each in tests:
        assert (ROOT / each).exists(), each


def test_no_file_is_listed_twice() -> None:
    listed = [target.path for target in (*TARGETS, *FURTHER)]
    assert len(set(listed)) == len(listed)


@pytest.mark.parametrize("fault", BY_HAND, ids=lambda fault: f"{fault.target.path}: {fault.after}")
def test_faults_made_by_hand_fit_the_files_as_they_are_now(fault: Planted) -> None:
    source = (ROOT / fault.target.path).read_text()
    assert source.count(fault.before) == 1
    ast.parse(source.replace(fault.before, fault.after))


def test_equivalent_mutants_are_those_of_listed_files_as_they_are_now() -> None:
    """One whose line has changed is to be looked at again."""
    made = {
        (path, mutant.before, mutant.after)
        for path in {path for path, _, _ in EQUIVALENT}
        for mutant in mutants_of((ROOT / path).read_text())
    }
    assert EQUIVALENT.keys() <= made
    assert {path for path, _, _ in EQUIVALENT} <= {target.path for target in (*TARGETS, *FURTHER)}


EXAMPLE = '''"""A module."""

from math import floor

LIMIT = 3

def share(values: list[int | str], most: int = 5) -> float:
    """Its doc says 1 + 1."""
    assert values, 1 + 2
    total = 0
    for value in sorted(values):
        if value < LIMIT and not value == 2:
            total += value
    if total > most:
        raise ValueError(f"{total - most} too many")
    note(total)
    return -max(total, floor(total / most))
'''
CHANGES = {
    ("5", "(6)"),
    ("5", "0"),
    ("0", "(1)"),
    ("sorted(values)", "sorted(values)[::-1]"),
    ("value < LIMIT and not value == 2", "(not (value < LIMIT and (not value == 2)))"),
    ("value < LIMIT and not value == 2", "(value < LIMIT or not value == 2)"),
    ("value < LIMIT", "(value <= LIMIT)"),
    ("not value == 2", "(value == 2)"),
    ("value == 2", "(value != 2)"),
    ("2", "(3)"),
    ("2", "0"),
    ("total += value", "pass"),
    ("total += value", "total -= value"),
    ("total > most", "(not (total > most))"),
    ("total > most", "(total >= most)"),
    ('raise ValueError(f"{total - most} too many")', "pass"),
    ("note(total)", "pass"),
    ("return -max(total, floor(total / most))", "return None"),
    ("-max(total, floor(total / most))", "(max(total, floor(total / most)))"),
    ("max(total, floor(total / most))", "min(total, floor(total / most))"),
    ("floor(total / most)", "ceil(total / most)"),
    ("total / most", "(total * most)"),
}


def test_every_operator_makes_its_faults_and_words_are_left_alone() -> None:
    made = mutants_of(EXAMPLE)
    assert {(each.before, each.after) for each in made} == CHANGES
    assert len(made) == len(CHANGES)


def test_a_mutant_differs_in_the_lines_of_its_part_alone() -> None:
    for each in mutants_of(EXAMPLE):
        ast.parse(each.source)
        pairs = zip(EXAMPLE.splitlines(), each.source.splitlines(), strict=True)
        assert [1 + place for place, (old, new) in enumerate(pairs) if old != new] == [each.line]


def test_a_sample_follows_from_its_seed_and_a_larger_one_holds_it() -> None:
    every = mutants_of(EXAMPLE)
    small, large = sampled(every, 6, "a"), sampled(every, 11, "a")
    assert small == sampled(every, 6, "a")
    assert set(small) <= set(large)
    assert len({each.kind for each in small}) == 6
    assert small != sampled(every, 6, "b")
    assert sampled(every, 99, "a") == sorted(every, key=lambda each: (each.line, each.after))
