"""Samplers made anew with a seed: every random generator inside a copy of them starts from it."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

OPAQUE = (str, bytes, int, float, type(None), type, np.ndarray, FunctionType, MethodType, BuiltinFunctionType)
"""What holds no generator of its own."""


def reseeded(sampler: BaseSampler, seed: int) -> BaseSampler:
    """A copy of a sampler whose generators, those of its parts among them, are seeded from `seed`."""
    fresh = copy.deepcopy(sampler)
    seeds = np.random.default_rng(seed)
    for part in _parts(fresh, set()):
        number = int(seeds.integers(2**31))
        if isinstance(part, np.random.RandomState | random.Random):
            part.seed(number)
        elif isinstance(part, np.random.Generator):
            part.bit_generator.state = type(part.bit_generator)(number).state
    return fresh


def _parts(owner: Any, met: set[int]) -> Iterator[Any]:
    """Everything that an object holds, itself first, each once, in a fixed order."""
    if isinstance(owner, OPAQUE) or id(owner) in met:
        return
    met.add(id(owner))
    if _is_lazy(owner):
        yield owner.rng
        return
    yield owner
    held = owner.values() if isinstance(owner, dict) else owner if isinstance(owner, list | tuple) else ()
    for part in [*held, *getattr(owner, "__dict__", {}).values()]:
        yield from _parts(part, met)


def _is_lazy(owner: Any) -> bool:
    """Whether an object is Optuna's generator that is made at its first use."""
    from optuna.samplers._lazy_random_state import LazyRandomState

    return isinstance(owner, LazyRandomState)
