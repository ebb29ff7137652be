"""Optuna's trials and naslab's networks: parameters are choices, with the options as they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.study import StudyDirection

from naslab.arch import ArchSpec
from naslab.space import Genome, SearchSpace
from naslab.space.genome import Hole
from naslab.study.problem import Problem

Option: TypeAlias = str | int | float | bool


def suggest_arch(trial: optuna.Trial, space: SearchSpace) -> ArchSpec:
    """The network that a trial's parameters make; its sampler is asked for every active choice of the space."""
    return space.decode(suggest_genome(trial, space))


def suggest_genome(trial: optuna.Trial, space: SearchSpace) -> Genome:
    """The genome that a trial's parameters make: one categorical parameter for each active choice, by its path."""

    def choose(hole: Hole) -> int:
        options = readable_options(hole)
        return options.index(trial.suggest_categorical(hole.path, options))

    return space.fill(choose)


def readable_options(hole: Hole) -> tuple[Option, ...]:
    """The options as Optuna keeps and shows them: numbers and words as they are, subtrees by their labels.

    >>> readable_options(Hole(path="kernel", options=(3, 5)))
    (3, 5)
    >>> readable_options(Hole(path="block", options=({"type": "mbconv"}, {"type": "conv"})))
    ('mbconv', 'conv')
    """
    is_plain = all(isinstance(option, str | int | float) for option in hole.options)
    return hole.options if is_plain and len(set(hole.options)) == len(hole.options) else hole.labels


def distributions_of(space: SearchSpace) -> dict[str, CategoricalDistribution]:
    """Every choice of a space as a parameter, by its path."""
    return {hole.path: CategoricalDistribution(readable_options(hole)) for hole in space.holes()}


def params_of(genome: Genome, space: SearchSpace) -> dict[str, Option]:
    """The parameters of a genome: its active choices alone."""
    options = {hole.path: readable_options(hole) for hole in space.holes()}
    return {gene.hole: options[gene.hole][gene.option] for gene in genome.genes}


def genome_of_params(params: Mapping[str, Any], space: SearchSpace) -> Genome | None:
    """The genome of parameters, `None` where they leave an active choice open or are of another space."""
    is_whole = True

    def choose(hole: Hole) -> int:
        nonlocal is_whole
        options = readable_options(hole)
        if params.get(hole.path) in options:
            return options.index(params[hole.path])
        is_whole = False
        return 0

    genome = space.fill(choose)
    return genome if is_whole else None


def directions_of(problem: Problem) -> list[StudyDirection]:
    """The directions of a problem's objectives, in their order."""
    return [StudyDirection.MAXIMIZE if each.maximise else StudyDirection.MINIMIZE for each in problem.objectives]
