"""The options of a search are defined once: signature, record and command agree with `SearchOptions`."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, FrozenInstanceError, fields
from typing import Any

import pytest

from naslab.cli import search as command
from naslab.lab import search as lab
from naslab.lab.problems import make_problem
from naslab.lab.search_options import TOLD, SearchOptions, identity_fields
from naslab.ledger.record import StudyRecord

OPTIONS = {each.name: each for each in fields(SearchOptions)}
PER_CALL = "on_event"
FORMS = {"json", "log"}
"""How the command prints and where else it tells what happens, which are no options of a search."""


def parameters(function: Any) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function, eval_str=False).parameters)


def test_the_signature_is_that_of_the_options() -> None:
    signature = parameters(lab.search)
    assert signature.keys() == OPTIONS.keys() | {PER_CALL}
    for name, option in OPTIONS.items():
        default = inspect.Parameter.empty if option.default is MISSING else option.default
        assert signature[name].default == default, name
        assert signature[name].annotation == option.type, name


def test_every_argument_reaches_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[SearchOptions] = []
    monkeypatch.setattr(lab, "run_search", lambda options, on_event: taken.append(options))
    given: dict[str, Any] = {"max_images": 50, "trials": 7, "epochs": 3, "workers": 2, "seed": 5, "inherit": True}
    given |= {"least_match": 0.5, "pause": True}
    given["deterministic"] = True
    given |= {"hours": 2.0, "pool": 9}
    given |= {
        "objectives": ("a metric",),
        "limits": ("a limit",),
        "prefer": ("a part",),
        "baselines": ("a network",),
        "rungs": (1, 3),
    }
    given |= {"stop_early": 0.9, "accept_changes": True} | {
        name: f"a {name}" for name in OPTIONS if name not in {*given, "stop_early", "accept_changes"}
    }
    lab.search(**given)
    assert {name: getattr(taken[0], name) for name in OPTIONS} == given
    with pytest.raises(FrozenInstanceError):
        taken[0].seed = 1  # type: ignore[misc]


def test_the_command_has_every_option_and_no_other() -> None:
    told = {flag: option for option, each in TOLD.items() for flag in each.parts(option)}
    flags = parameters(command.search)
    assert flags.keys() == told.keys() | FORMS
    assert told.keys() >= set(TOLD) - {"limits", "baselines"}
    for name, option in OPTIONS.items():
        if name in flags and option.default is not MISSING:
            assert flags[name].default == option.default, name
    named = [make_problem("digits_demo", None, ["macs"], (), recipe) for recipe in ("short", None)]
    assert named[0] == named[1]


def test_every_flag_of_the_command_reaches_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: dict[str, Any] = {}

    class EnoughError(Exception):
        pass

    def search(space: str, **given: Any) -> None:
        taken.update(given, space=space)
        raise EnoughError

    monkeypatch.setattr(lab, "search", search)
    flags: dict[str, Any] = {
        "limit": ["macs<=1e6"],
        "prefer": ["accuracy>=90"],
        "baseline": ["resnet18"],
        "rungs": "1,3",
        "keep": "1/2",
        "dataset": "digits",
    }
    flags |= {"storage": "stream", "skip_unreadable": True, "objectives": "accuracy, params", "executor": "ray"}
    flags |= {
        "workers": 3,
        "gpus_per_worker": 0.5,
        "ray_address": "here:1",
        "timeout": 9.0,
        "memory": "2G",
        "max_images": 50,
        "validation": 0.5,
    }
    flags |= {name: f"a {name}" for name in OPTIONS if name not in flags and name not in ("limits", "baselines")}
    with pytest.raises(EnoughError):
        command.search(**flags)
    del taken[PER_CALL]
    assert taken.keys() == OPTIONS.keys()
    plain = [name for name in OPTIONS if isinstance(flags.get(name), str) and flags[name].startswith("a ")]
    assert {name: taken[name] for name in plain} == {name: f"a {name}" for name in plain}
    assert (list(taken["limits"]), list(taken["baselines"])) == (["macs<=1e6"], ["resnet18"])
    assert taken["prefer"] == ["accuracy>=90"]
    assert (taken["rungs"].epochs, taken["rungs"].keep, taken["objectives"]) == ((1, 3), 0.5, ["accuracy", "params"])
    data, pool = taken["dataset"], taken["workers"]
    assert (data.name, data.storage, data.skip_unreadable, data.max_images) == ("digits", "stream", True, 50)
    assert data.validation_fraction == 0.5
    asked = (pool.kind, pool.count, pool.gpus_per_worker, pool.address, pool.timeout_seconds, pool.memory_bytes)
    assert asked == ("ray", 3, 0.5, "here:1", 9.0, 2 * 10**9)


def test_the_record_holds_what_the_options_say_that_it_does() -> None:
    held = [name for told in TOLD.values() for name in told.record]
    assert {*held, "created", "made_with", "changes", "merged"} == set(
        StudyRecord.__struct_fields__
    )  # as made, not as asked
    assert set(identity_fields()) == set(held) - {"trials", "name"}
    assert all(told.record for told in TOLD.values() if told.is_fixed)


@pytest.mark.parametrize(("estimator", "builds"), [("params", False), ("naswot", True), (None, True)])
def test_candidates_that_are_never_built_wait_for_no_memory(estimator: str | None, builds: bool) -> None:
    plan = lab.plan_search(SearchOptions(space="digits_demo", estimator=estimator))
    assert (plan.memory is not None) == builds


@pytest.mark.parametrize(
    ("options", "is_known"),
    [
        ({}, False),
        ({"prior": "layers", "strategy": "bayes"}, True),
        ({"objectives": ("params", "size_bytes@onnxruntime")}, True),
    ],
)
def test_memory_is_predicted_where_networks_are_built(options: dict[str, Any], is_known: bool) -> None:
    plan = lab.plan_search(SearchOptions(space="digits_demo", estimator="params", **options))
    assert (plan.memory is not None) is is_known
