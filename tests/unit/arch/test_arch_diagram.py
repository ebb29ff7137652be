"""The diagram of a plan: nothing lost, nothing twice, every arrow between two boxes that fit."""

from __future__ import annotations

import pytest

from naslab.arch import cost
from naslab.arch.diagram import JOINS, Arrow, Connection, Diagram, DiagramBox, diagram
from naslab.arch.plan import Layer
from naslab.errors import SpecError
from naslab.zoo import model, model_names


def leaves_of(drawn: Diagram) -> dict[str, DiagramBox]:
    return {box.path: box for box in drawn.leaves()}


def groups_of(boxes: tuple[DiagramBox, ...]) -> list[DiagramBox]:
    return [each for box in boxes if box.boxes for each in (box, *groups_of(box.boxes))]


def counts(box: DiagramBox) -> tuple[int, int, int]:
    return box.params, box.macs, box.activations


@pytest.mark.parametrize("name", model_names())
def test_layers_are_drawn_once_and_cost_what_the_network_costs(name: str) -> None:
    arch = model(name)
    drawn = diagram(arch)
    boxes = list(drawn.leaves())
    total = cost(arch)
    assert tuple(map(sum, zip(*map(counts, boxes), strict=True))) == (total.params, total.macs, total.activations)
    paths = [box.path for box in boxes] + [box.path for box in groups_of(drawn.boxes)]
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("name", ["resnet1202_cifar", "googlenet", "densenet121", "nasnet_a_large", "fractalnet40"])
def test_arrows_lead_from_the_input_to_the_output(name: str) -> None:
    drawn = diagram(model(name))
    boxes = leaves_of(drawn)
    order = {path: index for index, path in enumerate(boxes)}
    assert all(order[arrow.source] < order[arrow.target] for arrow in drawn.arrows)
    assert set(order) - {arrow.target for arrow in drawn.arrows} == {"input"}
    assert set(order) - {arrow.source for arrow in drawn.arrows} == {"output"}


@pytest.mark.parametrize("name", ["efficientnet_b0", "resnet50", "googlenet", "densenet121", "nasnet_a_mobile"])
def test_a_layer_reads_one_map_of_its_own_shape_and_a_join_several(name: str) -> None:
    drawn = diagram(model(name))
    boxes = leaves_of(drawn)
    for path, box in boxes.items():
        sources = [boxes[arrow.source].out_shape for arrow in drawn.arrows if arrow.target == path]
        if box.kind == "Stack":
            assert box.out_shape == (sum(shape[0] for shape in sources), *sources[0][1:])
        elif box.kind in JOINS:
            assert len(sources) >= 2
        elif box.kind != "Input":
            (source,) = sources
            assert box.in_shape[0] == source[0]


def test_a_group_costs_what_is_in_it() -> None:
    drawn = diagram(model("efficientnet_b0"))
    groups = groups_of(drawn.boxes)
    assert len(groups) > 60
    for group in groups:
        assert counts(group) == tuple(map(sum, zip(*map(counts, group.boxes), strict=True)))


def test_shortcuts_and_gates_are_told_apart() -> None:
    drawn = diagram(model("efficientnet_b0"))
    block = "stage1.1"
    assert Arrow("stage1.0.project.norm", f"{block} add", Connection.SHORTCUT) in drawn.arrows
    assert Arrow(f"{block}.body.project.norm", f"{block} add", Connection.MAIN) in drawn.arrows
    gated = [arrow for arrow in drawn.arrows if arrow.target == f"{block}.body.se multiply"]
    assert gated == [
        Arrow(f"{block}.body.depthwise.act", f"{block}.body.se multiply", Connection.MAIN),
        Arrow(f"{block}.body.se.body.gate", f"{block}.body.se multiply", Connection.GATE),
    ]


def test_paths_of_layers_are_those_of_the_built_module() -> None:
    torch_build = pytest.importorskip("naslab.arch.build")
    arch = model("se_resnext50_32x4d", resolution=64)
    modules = dict(torch_build.build(arch).named_modules())
    layers = [box for box in diagram(arch).leaves() if box.kind not in JOINS and box.params]
    assert layers
    for box in layers:
        assert sum(parameter.numel() for parameter in modules[box.path].parameters()) == box.params


def test_a_cell_reads_the_output_before_the_last() -> None:
    drawn = diagram(model("nasnet_a_mobile"))
    boxes = leaves_of(drawn)
    joins = {box.path: box for box in boxes.values() if box.kind in JOINS}
    read = {arrow.source for arrow in drawn.arrows if arrow.target.startswith("stage0.2.")}
    assert {path for path in read if not path.startswith("stage0.2")} == {"stage0.0 stack", "stage0.1 stack"}
    assert len(joins) > 60


def test_auxiliary_heads_hang_where_they_read() -> None:
    arch = model("googlenet")
    drawn = diagram(arch, auxiliary=True)
    heads = [box for box in drawn.boxes if box.path.startswith("auxiliary.")]
    assert [head.name for head in heads] == [f"auxiliary.stage{each.after}" for each in arch.auxiliary]
    entries = [arrow for arrow in drawn.arrows if arrow.target == next(heads[0].leaves()).path]
    assert [arrow.source for arrow in entries] == [f"stage{arch.auxiliary[0].after}.0 stack"]


def test_an_unknown_layer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mystery(Layer, frozen=True):
        """A layer that no interpreter knows."""

    monkeypatch.setattr("naslab.arch.diagram.lower", lambda arch, auxiliary: Mystery())
    with pytest.raises(SpecError, match="the diagram does not know the layer Mystery"):
        diagram(model("lenet5"))
