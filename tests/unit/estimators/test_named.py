"""Estimators by name: read, written in one form, refused with the nearest names."""

from __future__ import annotations

import pytest

from naslab.errors import SpecError, UnknownNameError
from naslab.estimators.ensemble import MEMBERS, EnsembleMember, RankEnsemble
from naslab.estimators.named import Setting, estimator_names, read_name, read_names
from naslab.estimators.proxies.proxy import PROXIES, Proxy
from naslab.estimators.short_training import ShortTraining
from naslab.lab.problems import make_problem
from naslab.study.outcome import Fidelity

NEED_MORE = ("predictor", "supernet", "table")
"""Known results, a trained supernet, a table."""
SETTING = Setting(make_problem("digits_demo", None, ("accuracy",), (), None), seed=4)


def test_options_with_commas_stay_with_their_name():
    names = read_names(" short:epochs=2,images=500,resolution=16 , naswot,ensemble:members=macs+naswot,reference=8,")
    assert [str(each) for each in names] == [
        "short:epochs=2,images=500,resolution=16",
        "naswot",
        "ensemble:members=macs+naswot,reference=8",
    ]


def test_a_name_has_one_form_and_is_asked_for_once():
    assert str(read_name("short:images=10,epochs=1")) == str(read_name("short:images=10"))
    assert len(read_names("naswot,naswot:batch=32,macs")) == 2
    assert str(read_name("short:width=0.5")) == "short:width=0.5"
    assert read_name("naswot").whole == "naswot batch=32"


@pytest.mark.parametrize("name", [name for name in estimator_names() if name not in NEED_MORE])
def test_every_name_makes_an_estimator(name):
    made = read_name(name).make(SETTING)
    if name in PROXIES:
        assert made.estimator == Proxy(name=name, probe=made.estimator.probe)
        assert read_name(name).metric == name


def test_options_reach_the_estimator():
    short = read_name("short:epochs=3,images=200,resolution=6,width=0.5").make(SETTING)
    assert isinstance(short.estimator, ShortTraining)
    assert short.fidelity == Fidelity(epochs=3, images=200, resolution=(6, 6), width=0.5)
    recipe = SETTING.problem.recipe
    assert short.estimator.recipe == recipe
    halved = read_name("short:batch=16").make(SETTING).estimator.recipe
    assert recipe.batch_size == 32
    assert (halved.batch_size, halved.learning_rate) == (16, recipe.learning_rate / 2)
    ensemble = read_name("ensemble:members=macs+naswot*2,reference=8,batch=20").make(SETTING).estimator
    assert isinstance(ensemble, RankEnsemble)
    assert ensemble.members == (EnsembleMember("macs"), EnsembleMember("naswot", 2.0))
    assert (ensemble.num_reference, ensemble.probe.batch_size) == (8, 20)
    assert ensemble.seed == 4


def test_the_ensembles_own_members_are_those_written():
    assert read_name("ensemble").make(SETTING).estimator.members == MEMBERS
    spoken = read_name("ensemble:members=layers+macs*-0.5").make(SETTING).estimator
    assert spoken.members == (EnsembleMember("layers"), EnsembleMember("macs", -0.5))


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("naswott", UnknownNameError, "did you mean 'naswot'"),
        ("short:epoch=1", UnknownNameError, "did you mean 'epochs'"),
        ("macs:batch=3", UnknownNameError, "option of macs"),
        ("short:epochs=one", SpecError, "short:epochs: expected `int`"),
        ("short:epochs=0", SpecError, "short:epochs: must be above 0"),
        ("ensemble:members=naswot*x", SpecError, "a weight is a number"),
        ("short:epochs", SpecError, "looks like epochs=1"),
    ],
)
def test_what_is_wrong_is_named(text, error, words):
    with pytest.raises(error, match=words):
        read_name(text).make(SETTING)


def test_a_predictor_without_known_results_is_refused():
    with pytest.raises(SpecError, match="needs 100 known results, there are 0"):
        read_name("predictor").make(SETTING)
