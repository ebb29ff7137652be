"""Identities are equal where the lowered networks are, by a slow reference that spells them out, and nowhere else."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from random_networks import archs, fits

from naslab.arch import ArchSpec, AuxiliaryHead, Head, Skip, Stage, StochasticDepth, arch_id, canonical, lower
from naslab.arch.plan import Concat, Dag, Gate, History, Identity, Layer, Residual, Sequence, Supervised
from naslab.errors import SpecError

PROPERTY = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def spelled(arch: ArchSpec) -> tuple[Any, ...]:
    """The input and every layer of the lowered network in order, without names and groups."""
    plan = lower(arch, auxiliary=True)
    body, taps = (plan.body, plan.taps) if isinstance(plan, Supervised) else (plan, ())
    heads = {name: ("auxiliary", spelled_layer(layer), weight) for name, layer, weight in taps}
    layers: list[Any] = []
    for name, part in zip(body.names, body.layers, strict=True):
        if isinstance(part, History):
            for each in part.layers:
                layers += [*spelled_layer(each), "output"]
        else:
            layers += spelled_layer(part)
        layers += [heads[name]] if name in heads else []
    return arch.input, tuple(layers)


def spelled_layer(layer: Layer) -> tuple[Any, ...]:
    match layer:
        case Identity():
            return ()
        case Sequence(layers=layers):
            return tuple(each for part in layers for each in spelled_layer(part))
        case Concat(branches=(one,)):
            return spelled_layer(one)
        case Concat(branches=branches):
            return (("concat", tuple(map(spelled_layer, branches))),)
        case Residual():
            ways = spelled_layer(layer.body), spelled_layer(layer.shortcut)
            return (("residual", *ways, layer.drop_rate, layer.scale),)
        case Gate():
            return (("gate", spelled_layer(layer.body)),)
        case Dag():
            nodes = tuple(
                (spelled_layer(each.layer), each.inputs, each.join, each.shifted_like) for each in layer.nodes
            )
            return (("graph", nodes, layer.outputs, layer.num_inputs, layer.drop_rate),)
    return ((type(layer).__name__, repr(layer)),)


@st.composite
def rewritten(draw: st.DrawFn, arch: ArchSpec) -> ArchSpec:
    """The network written otherwise, in ways of which some change what it lowers to."""
    stages: list[Stage] = []
    for stage in arch.stages:
        changes = {
            field: getattr(stage.block, field) * draw(st.sampled_from((1, 0.999, 0.7)))
            for field in ("ratio", "expansion", "reduce_ratio")
            if isinstance(getattr(stage.block, field, None), int | float)
        }
        squeeze = getattr(stage.block, "se", None)
        if squeeze is not None:
            ratio = min(1.0, squeeze.ratio * draw(st.sampled_from((1, 1.001, 2))))
            changes["se"] = msgspec.structs.replace(squeeze, ratio=ratio)
        if getattr(stage.block, "activation", "none") is None and draw(st.booleans()):
            changes["activation"] = draw(st.sampled_from((arch.activation, "tanh")))
        stage = msgspec.structs.replace(stage, block=msgspec.structs.replace(stage.block, **changes))
        if stage.repeats > 1 and draw(st.booleans()):
            stages.append(msgspec.structs.replace(stage, repeats=1))
            stage = msgspec.structs.replace(stage, repeats=stage.repeats - 1, stride=1)
        stages += [stage, Stage(block=Skip())] if draw(st.booleans()) else [stage]
    depth = msgspec.structs.replace(arch.stochastic_depth, rule=draw(st.sampled_from(("linear", "uniform"))))
    stem = arch.stem
    if len(stages) > 1 and not depth.rate and draw(st.booleans()):
        stem, stages = (*stem, stages[0]), stages[1:]
    written = msgspec.structs.replace(arch, stem=stem, stages=tuple(stages), stochastic_depth=depth)
    return written if fits(written) else arch


@PROPERTY
@given(st.data())
def test_identities_are_equal_where_the_lowered_networks_are(data: st.DataObject) -> None:
    arch = data.draw(archs())
    found = [arch, canonical(arch), data.draw(archs()), *(data.draw(rewritten(arch)) for _ in range(4))]
    for one in found:
        for other in found:
            assert (arch_id(one) == arch_id(other)) == (spelled(one) == spelled(other))


@settings(PROPERTY, max_examples=60)
@given(archs(), st.data())
def test_auxiliary_heads_count_as_they_lower(arch: ArchSpec, data: st.DataObject) -> None:
    after = st.integers(0, len(arch.stages) - 1)
    heads = st.builds(Head, dropout=st.sampled_from((0.0, 0.5)), activation=st.sampled_from((None, "tanh")))
    auxiliary = st.builds(AuxiliaryHead, after=after, head=heads, weight=st.sampled_from((0.3, 0.4)))
    found = [msgspec.structs.replace(arch, auxiliary=(data.draw(auxiliary),)) for _ in range(4)] + [arch]
    for each in tuple(found):
        try:
            lower(each, auxiliary=True)
        except SpecError:  # it would read what does nothing
            assert arch_id(each) != arch_id(arch)
            found.remove(each)
    for one in found:
        for other in found:
            assert (arch_id(one) == arch_id(other)) == (spelled(one) == spelled(other))


@settings(PROPERTY, max_examples=60)
@given(archs(), archs())
def test_what_was_one_network_in_canonical_form_stays_one(one: ArchSpec, other: ArchSpec) -> None:
    assert arch_id(one) == arch_id(canonical(one))
    assert arch_id(other) == arch_id(canonical(other))
    if canonical(one) == canonical(other):
        assert arch_id(one) == arch_id(other)


@settings(PROPERTY, max_examples=60)
@given(archs(), st.floats(0.01, 0.9), st.sampled_from(("linear", "uniform")))
def test_any_rate_of_stochastic_depth_is_that_of_the_lowered_layers(arch: ArchSpec, rate: float, rule: Any) -> None:
    dropped = msgspec.structs.replace(arch, stochastic_depth=StochasticDepth(rate=rate, rule=rule))
    bare = msgspec.structs.replace(arch, stochastic_depth=StochasticDepth())
    assume(fits(dropped))
    assert (arch_id(dropped) == arch_id(bare)) == (spelled(dropped) == spelled(bare))
