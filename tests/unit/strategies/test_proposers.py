"""What tells the strategies apart: how each thinks, on a domain of 64 known networks."""

from __future__ import annotations

from itertools import islice, product

import numpy as np
import pytest

from naslab.bench.table import TableDomain, TableSpace
from naslab.errors import SpecError
from naslab.space import Genome
from naslab.space.genome import Hole
from naslab.strategies.aging_evolution import AgingEvolution
from naslab.strategies.composed import Search
from naslab.strategies.local_search import LocalSearch
from naslab.strategies.nsga2 import NSGA2
from naslab.strategies.optuna_bridge import SAMPLER_STATE, OptunaBridge, nsga2, tpe
from naslab.strategies.outcome_history import Observation, OutcomeHistory, best_first
from naslab.strategies.totals import Totals
from naslab.study.outcome import RESTART


def make_domain(objectives: int = 1) -> TableDomain:
    """Six switches; the first loss counts those that are off, the second those that are on."""
    holes = [Hole(path=f"stages[{index}].switch", options=("off", "on")) for index in range(6)]
    keys = np.array(list(product(range(2), repeat=6)))
    on = keys.sum(axis=1).astype(float)
    return TableDomain(TableSpace(holes, keys), np.stack([6 - on, on], axis=1)[:, :objectives])


def row(domain: TableDomain, text: str) -> Genome:
    return domain.space.genome(int(text, 2))


def heard(domain: TableDomain, *rows: str, origin: str = "sample") -> OutcomeHistory:
    history = OutcomeHistory(domain.num_objectives)
    tell(domain, history, *rows, origin=origin)
    return history


def tell(domain: TableDomain, history: OutcomeHistory, *rows: str, origin: str = "sample") -> None:
    for text in rows:
        seen = domain.look_up(row(domain, text))
        history.finish(Observation(seen.genome, seen.network_id, seen.losses, {"operator": origin}, len(history.told)))


def distance(one: Genome, two: Genome) -> int:
    return sum(a != b for a, b in zip(one.genes, two.genes, strict=True))


def test_best_first_puts_failures_last_and_the_uncrowded_before_the_crowded() -> None:
    losses = [None, (2.0, 2.0), (0.0, 4.0), (1.0, 3.0), (4.0, 0.0), (5.0, 5.0)]
    order = best_first(Observation(Genome(), "", each) for each in losses)
    assert order.tolist() == [2, 4, 1, 3, 5, 0]
    assert best_first([]).tolist() == []


def test_evolution_lets_the_oldest_die_however_good_it_was() -> None:
    domain = make_domain()
    history = heard(domain, "111111", "000000", "000001", "000011")
    drafts = islice(AgingEvolution(domain.space, population=3, sample=3).drafts(history, np.random.default_rng(0)), 8)
    drawn = list(drafts)
    assert {tuple(each.origin["parents"]) for each in drawn} == {(3,)}
    assert all(distance(each.genome, row(domain, "000011")) == 1 for each in drawn)


def test_evolution_begins_at_random_and_refuses_a_sample_beyond_its_population() -> None:
    domain = make_domain()
    first = next(AgingEvolution(domain.space).drafts(OutcomeHistory(1), np.random.default_rng(0)))
    assert first.origin == {"operator": "sample"}
    with pytest.raises(SpecError, match="sample: must be 1 to the population of 3, got 4"):
        AgingEvolution(domain.space, population=3, sample=4)


def test_nsga2_keeps_the_front_and_crosses_it() -> None:
    domain = make_domain(objectives=2)
    history = heard(domain, "000000", "111111", "000111", "010101")
    drafts = list(islice(NSGA2(domain.space, population=3).drafts(history, np.random.default_rng(0)), 30))
    assert {each.origin["operator"] for each in drafts} == {"cross", "mutate"}
    assert {parent for each in drafts for parent in each.origin["parents"]} <= {0, 1, 2, 3}


def test_local_search_climbs_at_the_first_improvement_and_restarts_when_done() -> None:
    domain = make_domain()
    climb = LocalSearch(domain, num_starts=1)
    history = heard(domain, "000011")
    draft = next(climb.drafts(history, np.random.default_rng(0)))
    assert distance(draft.genome, row(domain, "000011")) == 1
    tell(domain, history, "000111")
    draft = next(climb.drafts(history, np.random.default_rng(0)))
    assert distance(draft.genome, row(domain, "000111")) == 1
    tell(domain, history, "111111", *(f"{63 - 2**bit:06b}" for bit in range(6)))
    assert next(climb.drafts(history, np.random.default_rng(0))).origin == {"operator": RESTART}


def test_local_search_finds_the_top_of_a_single_hill_fast() -> None:
    """At most a start, six steps and the neighbours of each."""
    domain = make_domain()
    search = Search(domain, LocalSearch(domain, num_starts=1), seed=0)
    for _ in range(36):
        search.learn([domain.look_up(search.ask(1)[0].genome)])
    assert (0.0,) in [observation.losses for observation in search.history.told]


def test_the_bridge_tells_optuna_what_was_told_and_what_is_in_flight() -> None:
    domain = make_domain()
    history = heard(domain, "000000", "111111")
    history.finish(Observation(row(domain, "010101"), "21", None))
    history.start("42", row(domain, "101010"))
    study = OptunaBridge(domain.space, tpe)._study(history, tpe(0))
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "COMPLETE", "RUNNING"]
    assert [trial.value for trial in study.trials[:3]] == [6.0, 0.0, 6.0]
    assert [trial.constraints["failed"] for trial in study.trials[:3]] == [0.0, 0.0, 1.0]
    assert study.trials[3].params == {gene.hole: gene.option for gene in row(domain, "101010").genes}


def test_generations_of_a_sampler_come_back_with_the_outcomes() -> None:
    domain = make_domain()
    search = Search(domain, OptunaBridge(domain.space, nsga2), seed=0)
    generations = []
    for _ in range(45):
        proposal = search.ask(1)[0]
        generations.append(proposal.origin[SAMPLER_STATE]["NSGAIISampler:generation"])
        seen = domain.look_up(proposal.genome)
        search.learn([Observation(seen.genome, seen.network_id, seen.losses, proposal.origin)])
    assert generations == [0] * 20 + [1] * 20 + [2] * 5


def test_totals_count_what_is_alike() -> None:
    domain = make_domain()
    assert Totals(domain.space).of(row(domain, "110000")).tolist() == pytest.approx([4 / 6, 2 / 6])
    alone = TableSpace([Hole(path="kernel", options=(3, 5))], np.array([[0], [1]]))
    assert Totals(alone).num_columns == 0
