"""Identities are equal where the lowered networks are, by a slow reference that spells them out, and nowhere else."""

from __future__ import annotations

from typing import Any

import msgspec
import networkx as nx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from networkx.algorithms import isomorphism as iso
from random_networks import archs, fits

from naslab.arch import ArchSpec, AuxiliaryHead, Head, Skip, Stage, StochasticDepth, arch_id, canonical, lower
from naslab.arch.plan import Act, Concat, Dag, Gate, History, Identity, Layer, Node, Residual, Sequence, Supervised
from naslab.arch.plan_rows import layer_rows
from naslab.errors import SpecError

PROPERTY = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


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


class SpelledGraph:
    """A graph that is equal to every graph that lists the same nodes otherwise, by networkx's search (VF2)."""

    def __init__(self, layer: Dag) -> None:
        self.graph = nx.MultiDiGraph()
        self.rest = layer.num_inputs, layer.drop_rate
        for value in range(layer.num_inputs):
            self.graph.add_node(value, what=("input", value))
        for value, node in enumerate(layer.nodes, layer.num_inputs):
            self.graph.add_node(value, what=(spelled_layer(node.layer), node.join))
            for slot, read in enumerate(node.inputs):
                self.graph.add_edge(read, value, slot=slot if node.join == "concat" and len(node.inputs) > 1 else -1)
            if node.shifted_like is not None:
                self.graph.add_edge(node.shifted_like, value, slot="shift")
        for place, value in enumerate(layer.outputs):
            self.graph.add_node(("out", place), what=("output", place))
            self.graph.add_edge(value, ("out", place), slot=0)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SpelledGraph) or self.rest != other.rest:
            return False
        same_edges = iso.categorical_multiedge_match("slot", None)
        return bool(nx.is_isomorphic(self.graph, other.graph, lambda a, b: a["what"] == b["what"], same_edges))

    __hash__ = None  # type: ignore[assignment]


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
            return (("graph", SpelledGraph(layer)),)
    return ((type(layer).__name__, repr(layer)),)


@st.composite
def rewritten(draw: st.DrawFn, arch: ArchSpec) -> ArchSpec:
    """The network written otherwise, in ways of which some change what it lowers to."""
    stages: list[Stage] = []
    for stage in arch.stages:
        changes = {
            field: getattr(stage.block, field) * draw(st.sampled_from((1, 0.999, 0.7)))
            for field in ("ratio", "expansion", "reduce_ratio")
            if isinstance(getattr(stage.block, field, None), int | float) and not getattr(stage.block, "hidden", None)
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


@pytest.mark.slow
@PROPERTY
@given(st.data())
def test_identities_are_equal_where_the_lowered_networks_are(data: st.DataObject) -> None:
    arch = data.draw(archs())
    found = [arch, canonical(arch), data.draw(archs()), *(data.draw(rewritten(arch)) for _ in range(4))]
    for one in found:
        for other in found:
            assert (arch_id(one) == arch_id(other)) == (spelled(one) == spelled(other))


@pytest.mark.slow
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


@PROPERTY
@given(st.data())
def test_graphs_that_list_their_nodes_otherwise_are_one_network(data: st.DataObject) -> None:
    kinds = st.sampled_from((Act("relu"), Act("tanh"), Identity()))
    nodes: list[Node] = []
    for index in range(data.draw(st.integers(1, 7))):
        reads = data.draw(st.lists(st.integers(0, index), min_size=1, max_size=3))
        nodes.append(Node(data.draw(kinds), tuple(reads)))
    outputs = tuple(data.draw(st.lists(st.integers(0, len(nodes)), min_size=1, max_size=3, unique=True)))
    graph = Dag(tuple(f"n{index}" for index in range(len(nodes))), tuple(nodes), outputs)
    # Any order in which every node stands behind those that it reads, with the values of each in any order.
    left, places, moved = set(range(1, len(nodes) + 1)), {0: 0}, []
    while left:
        ready = sorted(each for each in left if set(nodes[each - 1].inputs) <= places.keys())
        chosen = data.draw(st.sampled_from(ready))
        left.remove(chosen)
        node = nodes[chosen - 1]
        moved.append(Node(node.layer, tuple(data.draw(st.permutations([places[each] for each in node.inputs])))))
        places[chosen] = len(moved)
    other = Dag(graph.names, tuple(moved), tuple(places[each] for each in outputs))
    assert layer_rows(other) == layer_rows(graph)
    first = data.draw(st.integers(0, len(nodes) - 1))
    changed = msgspec.structs.replace(nodes[first], inputs=(data.draw(st.integers(0, first)),))
    third = msgspec.structs.replace(graph, nodes=(*nodes[:first], changed, *nodes[first + 1 :]))
    assert (layer_rows(third) == layer_rows(graph)) == (SpelledGraph(third) == SpelledGraph(graph))
