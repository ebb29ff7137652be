"""The rank ensemble: a candidate's places among reference networks, and what its score depends on."""

from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naslab.errors import SpecError, UnknownNameError
from naslab.estimators.ensemble import (
    EnsembleMember,
    RankEnsemble,
    candidate_of,
    normal_score,
    rank_among,
    reference_networks,
)
from naslab.estimators.estimator import Workbench
from naslab.estimators.proxies.proxy import Probe
from naslab.space import load_space
from naslab.study.data_choice import DataChoice

SPACE = load_space("digits_demo")
PROBE = Probe(data=DataChoice(name="digits", max_images=200), batch_size=16)
MEMBERS = (EnsembleMember("layers"), EnsembleMember("params"), EnsembleMember("naswot", 2.0))
SMALL = RankEnsemble(space=SPACE, probe=PROBE, members=MEMBERS, num_reference=6)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12), st.floats(-1e7, 1e7), st.floats(-1e7, 1e7))
def test_a_larger_value_has_no_lower_place(reference, one, other):
    ascending = tuple(sorted(reference))
    low, high = sorted((one, other))
    assert -1 <= rank_among(low, ascending) <= rank_among(high, ascending) <= len(ascending)
    assert normal_score(low, ascending) <= normal_score(high, ascending)


@pytest.mark.parametrize(("value", "rank"), [(1, 0), (2, 1.5), (3, 3), (2.5, 2.5), (5, 3.5), (-1, -0.5), (1.5, 0.5)])
def test_places_are_counted_between_and_beyond(value, rank):
    assert rank_among(value, (1, 2, 2, 3)) == rank


def test_places_among_equal_networks():
    assert [rank_among(value, (4, 4, 4)) for value in (3, 4, 5)] == [-1, 1, 3]


def test_places_do_not_depend_on_the_scale():
    reference, value = (1.0, 2.0, 5.0, 9.0), 4.0
    assert normal_score(10 * value, tuple(10 * each for each in reference)) == normal_score(value, reference)
    assert normal_score(-value, tuple(sorted(-each for each in reference))) == pytest.approx(
        -normal_score(value, reference)
    )


def test_the_vote_is_the_mean_of_the_places():
    bench = Workbench(device="cpu", cache={})
    SMALL.prepare(bench)
    candidates = reference_networks(SPACE, 6, SMALL.seed)
    estimates = [SMALL.estimate(each, bench) for each in candidates]
    for name in SMALL.proxies:
        values = sorted(each.measured[name] for each in estimates)
        assert values == list(bench.cache[SMALL][name])
    for each in estimates:
        places = [normal_score(each.measured[name], bench.cache[SMALL][name]) for name in SMALL.proxies]
        assert each.measured["ensemble"] == pytest.approx((places[0] + places[1] + 2 * places[2]) / 4)


def test_a_member_below_zero_counts_against():
    bench = Workbench(device="cpu", cache={})
    against = RankEnsemble(
        space=SPACE,
        probe=PROBE,
        members=(EnsembleMember("layers", 2.0), EnsembleMember("params", -2.0)),
        num_reference=6,
    )
    against.prepare(bench)
    for each in reference_networks(SPACE, 6, against.seed):
        measured = against.estimate(each, bench).measured
        more, less = (normal_score(measured[name], bench.cache[against][name]) for name in ("layers", "params"))
        assert measured["ensemble"] == pytest.approx((more - less) / 2)


def test_a_score_is_a_function_of_the_candidate_alone():
    one, other = Workbench(device="cpu", cache={}), Workbench(device="cpu", cache={})
    candidates = [candidate_of(SPACE, SPACE.genome_at(rank), 5) for rank in (0, 7, 11)]
    forward = [SMALL.estimate(each, one).measured for each in candidates]
    backward = [SMALL.estimate(each, other).measured for each in reversed(candidates)]
    assert forward == backward[::-1]


def test_it_is_a_value():
    assert pickle.loads(pickle.dumps(SMALL)) == SMALL  # noqa: S301  (its own)
    assert hash(pickle.loads(pickle.dumps(SMALL))) == hash(SMALL)  # noqa: S301


def test_bad_members_are_refused():
    with pytest.raises(UnknownNameError, match="zico"):
        RankEnsemble(space=SPACE, probe=PROBE, members=(EnsembleMember("zicko"),))
    with pytest.raises(SpecError, match="twice"):
        RankEnsemble(space=SPACE, probe=PROBE, members=(EnsembleMember("zico"), EnsembleMember("zico", 2.0)))
    for weight, words in ((0.0, "0"), (math.nan, "nan"), (math.inf, "inf")):
        with pytest.raises(SpecError, match=f"finite and not 0, got {words} for zico"):
            RankEnsemble(space=SPACE, probe=PROBE, members=(EnsembleMember("zico", weight),))
    with pytest.raises(SpecError, match="at least one"):
        RankEnsemble(space=SPACE, probe=PROBE, members=())
    with pytest.raises(SpecError, match="num_reference"):
        RankEnsemble(space=SPACE, probe=PROBE, num_reference=1)
