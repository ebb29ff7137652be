"""Every example in a docstring runs."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import linecache
import pkgutil

import pytest

import naslab
from naslab.bench.peers import PEERS

MODULES = sorted(module.name for module in pkgutil.walk_packages(naslab.__path__, "naslab."))
MISSING = {peer.module: peer.package for peer in PEERS.values() if importlib.util.find_spec(peer.package) is None}
"""Modules that speak to a package which is not installed, and that package."""


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in MISSING:
        pytest.skip(f"{MISSING[name]} is not installed")
    # Before each example doctest looks whether any source file that was ever read has changed.
    monkeypatch.setattr(linecache, "checkcache", lambda filename=None: None)
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    modules = [name for name in MODULES if name not in MISSING]
    found = [test for name in modules for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(found) >= 100
