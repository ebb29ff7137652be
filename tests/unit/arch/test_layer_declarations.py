"""Every reading of every layer, from its one declaration: what it says is what torch does."""

from __future__ import annotations

import math
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor, nn

from naslab.arch import ArchSpec, ConvBlock, Stage, declaration, layer_costs
from naslab.arch.build import TorchLayer, _initialised, declare_module, module_of
from naslab.arch.declaration import (
    ZERO,
    Keeps,
    Mixes,
    Moves,
    channel_effect,
    declaration_of,
    declare,
    declared_layers,
    keeps_zero,
    makes_new_map,
    passes_on,
    weights_of,
)
from naslab.arch.diagram import diagram, is_auxiliary
from naslab.arch.kept import kept_values
from naslab.arch.plan import (
    Act,
    ChannelLinear,
    ChannelPad,
    ChannelScale,
    ChannelShuffle,
    ChannelSlice,
    Conv,
    Dag,
    Dropout,
    DropPath,
    Flatten,
    FractionalPool,
    Gate,
    GlobalPool,
    History,
    Identity,
    Layer,
    Linear,
    LocalResponseNorm,
    Node,
    Norm,
    Pool,
    Residual,
    Sequence,
    Shape,
    Subsample,
    Supervised,
    Zeros,
    chain,
    concat,
    named_parts,
    seq,
)
from naslab.arch.source import network_source
from naslab.arch.tally import tally
from naslab.errors import SpecError
from naslab.training.inheritance.channels import channels_after
from naslab.training.inheritance.flow import Flow, spread
from naslab.training.inheritance.rules import LayerPair, TransferRule, declare_transfer, rule_of
from naslab.training.inheritance.transfer import transfer_layer
from naslab.training.inheritance.weight_transfer import WeightTransfer
from naslab.training.supernet.sharing import _tensors

FILTER = seq(conv=Conv(4, 4, (3, 3), padding=(1, 1)), norm=Norm(4), act=Act("relu"))
POOL = Pool("avg", (1, 1), (1, 1))
GRAPH = Dag(("left", "right", "sum"), (Node(FILTER, (0,)), Node(POOL, (0,)), Node(Identity(), (1, 2))), (2, 3))
SQUEEZE = seq(pool=GlobalPool(), reduce=Conv(4, 2, bias=True), expand=Conv(2, 4, bias=True), gate=Act("sigmoid"))
EXAMPLES: tuple[tuple[Layer, Shape], ...] = (
    (Conv(4, 6, (3, 3), (2, 2), (1, 1), bias=True), (4, 6, 6)),
    (Conv(4, 6, (3, 5), groups=2, dilation=(2, 1)), (4, 7, 7)),
    (Conv(4, 4, (3, 3), padding=(1, 1), groups=4), (4, 6, 6)),
    (Conv(4, 6, (3, 3), padding=(1, 1), bias=True, standardized=True), (4, 6, 6)),
    (Conv(4, 6, (3, 5), (2, 2), (1, 2), same=True), (4, 7, 6)),
    (Linear(5, 3), (5, 1, 1)),
    (Linear(5, 3, bias=False), (5, 1, 1)),
    (ChannelLinear(4, 3), (4, 5, 5)),
    (Norm(4), (4, 5, 5)),
    (Norm(4, "group", groups=2), (4, 5, 5)),
    (Norm(4, "layer"), (4, 5, 5)),
    (LocalResponseNorm(3), (4, 5, 5)),
    (ChannelScale(4, 0.5), (4, 5, 5)),
    (ChannelScale(1), (4, 5, 5)),
    *((Act(kind), (4, 5, 5)) for kind in ("relu", "silu", "gelu", "sigmoid")),
    (Act("hardsigmoid", 2.0), (4, 5, 5)),
    (Identity(), (4, 5, 5)),
    (Pool("max", (3, 3), (2, 2), (1, 1)), (4, 6, 6)),
    (Pool("avg", (3, 2), (2, 2), ceil=True), (4, 6, 6)),
    (Pool("avg", (3, 3), (2, 2), (1, 1), count_padding=True), (4, 6, 6)),
    (FractionalPool((2, 2), 0.7), (4, 8, 8)),
    (GlobalPool(), (4, 5, 5)),
    (GlobalPool("max", (2, 3)), (4, 5, 5)),
    (Subsample((2, 2), (1, 1)), (4, 5, 5)),
    (Zeros(6), (4, 5, 5)),
    (Zeros(4), (4, 5, 5)),
    (Flatten(), (4, 2, 3)),
    (ChannelPad(3), (4, 5, 5)),
    (ChannelSlice(1, 3), (4, 5, 5)),
    (ChannelShuffle(2), (6, 5, 5)),
    (Dropout(0.2), (4, 5, 5)),
    (Dropout(0.2, channelwise=True), (4, 5, 5)),
    (DropPath(0.2), (4, 5, 5)),
    (FILTER, (4, 5, 5)),
    (seq(pool=GlobalPool(size=(2, 2)), flatten=Flatten()), (4, 5, 5)),
    (seq(pool=GlobalPool(size=(2, 2)), flatten=Flatten(), linear=Linear(16, 3)), (4, 5, 5)),
    (Residual(FILTER, Conv(4, 4), drop_rate=0.1, scale=0.5), (4, 5, 5)),
    (Gate(SQUEEZE), (4, 5, 5)),
    (concat(one=Conv(4, 2), two=Identity(), three=FILTER), (4, 5, 5)),
    (GRAPH, (4, 5, 5)),
    (History(("0", "1"), (FILTER, Dag(("sum",), (Node(Identity(), (0, 1)),), (2,), num_inputs=2))), (4, 5, 5)),
    (Supervised(chain([FILTER, FILTER]), (("0", Conv(4, 2), 0.3),)), (4, 5, 5)),
)  # fmt: skip
PRIMITIVES = [(layer, shape) for layer, shape in EXAMPLES if not named_parts(layer)]
WHOLE_NETWORKS = (History, Supervised)
"""What `inherit` takes apart itself, block by block."""


def named(example: object) -> str | None:
    return str(example).partition("(")[0] if isinstance(example, Layer) else None


every_layer = pytest.mark.parametrize(("layer", "shape"), EXAMPLES, ids=named)
every_primitive = pytest.mark.parametrize(("layer", "shape"), PRIMITIVES, ids=named)


def built(layer: Layer) -> nn.Module:
    """The layer's module in evaluation mode, every tensor of it at random: nothing is what it was at first."""
    torch.manual_seed(3)
    module = module_of(layer).eval()
    with torch.no_grad():
        for value in module.state_dict().values():
            if value.is_floating_point():
                value.uniform_(0.2, 1.2)
    return module


def image(shape: Shape, layer: Layer) -> Tensor:
    """Two maps of positive values; vectors for a layer that takes vectors."""
    x = torch.rand(2, *shape, generator=torch.Generator().manual_seed(1)) + 0.1
    return x.flatten(1) if isinstance(layer, Linear) else x


def all_weights(layer: Layer, path: str = "") -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors that a layer and its parts declare, by name."""
    found = {f"{path}{each.name}": each.shape for each in weights_of(layer) or ()}
    for name, part in named_parts(layer):
        found |= all_weights(part, f"{path}{name}.")
    return found


def without_heads(names: dict[str, Any]) -> dict[str, Any]:
    """By convention auxiliary heads are no part of what is counted."""
    return {name: tuple(value.shape) for name, value in names.items() if not name.startswith("auxiliary.")}


def test_every_declared_layer_has_an_example() -> None:
    own = {kind for kind in declared_layers() if kind.__module__.startswith("naslab.arch.layers.")}
    assert {type(layer) for layer, _ in EXAMPLES} == own


@every_layer
def test_it_says_everything(layer: Layer, shape: Shape) -> None:
    row = declaration_of(layer)
    assert row is not None
    assert row.words is not None
    assert row.words(layer)
    assert weights_of(layer) is not None
    if not named_parts(layer):
        assert channel_effect(layer) is not None or rule_of(layer).transfer is not None


@every_layer
def test_it_is_built_as_it_is_counted(layer: Layer, shape: Shape) -> None:
    total = tally(layer, shape)
    module = built(layer)
    made = module(image(shape, layer))
    assert tuple(made.shape[1:]) in (total.out_shape, total.out_shape[:1])
    assert math.prod(made.shape[1:]) == math.prod(total.out_shape)
    assert sum(map(math.prod, without_heads(dict(module.named_parameters())).values())) == total.params


@every_layer
def test_its_tensors_are_those_of_its_module(layer: Layer, shape: Shape) -> None:
    module = _initialised(module_of(layer))
    assert all_weights(layer) == without_heads(module.state_dict())
    for each in weights_of(layer) or ():
        value = module.state_dict()[each.name]
        assert each.is_learned == (each.name in dict(module.named_parameters()))
        if isinstance(each.initial, float):
            assert torch.equal(value, torch.full_like(value, each.initial))
    shared = {row.name.removeprefix("at."): row.shape for row in _tensors(layer, "at", "key")}
    assert shared == without_heads(dict(module.named_parameters()))


@every_layer
def test_its_training_memory_is_known(layer: Layer, shape: Shape) -> None:
    kept = kept_values(layer, shape)
    assert kept is not None
    assert 0 <= kept.total <= kept.peak


@every_layer
def test_its_source_makes_it_again(layer: Layer, shape: Shape) -> None:
    module = built(layer)
    space: dict[str, Any] = {"__name__": "taken_home"}
    exec(compile(network_source(module, "One layer."), "network.py", "exec"), space)
    again = space["network"]().eval()
    again.load_state_dict(module.state_dict())
    assert str(again) == str(module)
    assert torch.equal(again(image(shape, layer)), module(image(shape, layer)))


@every_layer
def test_its_channels_are_those_counted(layer: Layer, shape: Shape) -> None:
    if isinstance(layer, WHOLE_NETWORKS):
        return
    assert channels_after(layer, shape[0], shape[1] * shape[2]) == tally(layer, shape).out_shape[0]


@every_layer
def test_an_equal_layer_takes_all_its_weights(layer: Layer, shape: Shape) -> None:
    if isinstance(layer, WHOLE_NETWORKS):
        return
    old, new = built(layer), module_of(layer).eval()
    given = {f"there.{name}": value for name, value in old.state_dict().items()}
    own = {f"here.{name}": value for name, value in new.state_dict().items()}
    transfer = WeightTransfer(given, own, seed=0)
    flow = Flow(spread(shape[0], shape[0]), shape[0], positions=(shape[1] * shape[2],) * 2)
    behind = transfer_layer(transfer, LayerPair("there", layer, "here", layer), flow)
    assert transfer.broken == transfer.fresh == transfer.widened == transfer.sliced == []
    assert behind.is_same
    new.load_state_dict({name.removeprefix("here."): value for name, value in transfer.child.items()})
    assert torch.equal(new(image(shape, layer)), old(image(shape, layer)))


@every_layer
def test_it_is_listed_and_drawn_with_all_its_costs(layer: Layer, shape: Shape, monkeypatch: pytest.MonkeyPatch) -> None:
    arch = ArchSpec(input=shape, stages=(Stage(block=ConvBlock()),), num_classes=2)
    row = Sequence(("only",), (layer,))
    for reading in ("cost", "diagram"):
        monkeypatch.setattr(import_module(f"naslab.arch.{reading}"), "lower", lambda *_: row)
    total = tally(layer, shape)
    drawn = [box for box in diagram(arch).leaves() if box.kind not in ("Input", "Output") and not is_auxiliary(box)]
    for rows in (layer_costs(arch), drawn):
        sums = tuple(sum(getattr(each, count) for each in rows) for count in ("params", "macs", "activations"))
        assert sums == (total.params, total.macs, total.activations)


@every_layer
def test_a_new_map_may_be_overwritten(layer: Layer, shape: Shape) -> None:
    if not makes_new_map(layer):
        return
    gradients = []
    for in_place in (True, False):
        module, x = built(layer), image(shape, layer).requires_grad_()
        before = x.detach().clone()
        made = module(x)
        (torch.relu_(made) if in_place else torch.relu(made)).square().sum().backward()
        assert torch.equal(x, before)
        gradients.append(x.grad)
    assert torch.equal(*gradients)


@every_primitive
def test_channels_go_where_it_says(layer: Layer, shape: Shape) -> None:
    """A map whose channels are told apart by their values; a kept one stays a function of itself alone."""
    effect = channel_effect(layer)
    module = built(layer)
    x = image(shape, layer)
    made = module(x)
    if isinstance(effect, Mixes):
        assert made.shape[1] == effect.made
    elif isinstance(effect, Moves):
        order = effect.order(tuple(range(shape[0])))
        expected = [torch.zeros_like(x[:, 0]) if channel == ZERO else x[:, channel] for channel in order]
        assert torch.equal(made, torch.stack(expected, 1))
    elif isinstance(effect, Keeps) and not isinstance(layer, Norm | LocalResponseNorm):
        for channel in range(shape[0]):
            alone = x.clone()
            alone[:, [other for other in range(shape[0]) if other != channel]] = 0.0
            torch.testing.assert_close(module(alone)[:, channel], made[:, channel])


@every_primitive
def test_what_passes_on_does_and_zeros_stay_zeros(layer: Layer, shape: Shape) -> None:
    module, x = built(layer), image(shape, layer)
    if passes_on(layer):
        assert torch.equal(module(x), x)
    if keeps_zero(layer):
        assert not module(torch.zeros_like(x)).any()
    row = declaration_of(layer)
    assert row is not None
    if row.zeroed_by:
        with torch.no_grad():
            for name in row.zeroed_by:
                if name in module.state_dict():
                    module.state_dict()[name].zero_()
        assert not module(x).any()


def test_a_layer_is_declared_once() -> None:
    row = declaration_of(Conv(1, 1))
    assert row is not None
    with pytest.raises(SpecError, match="the layer Conv is declared already"):
        declare(Conv, row)
    with pytest.raises(SpecError, match="the module of the layer Conv is declared already"):
        declare_module(Conv, TorchLayer(build=lambda layer: nn.Identity()))
    with pytest.raises(SpecError, match="the weight transfer of the layer Conv is declared already"):
        declare_transfer(Conv, TransferRule())


def test_no_two_layers_share_a_name() -> None:
    row = declaration_of(Conv(1, 1))
    assert row is not None
    namesake = type("Conv", (Layer,), {"__module__": "elsewhere"}, frozen=True)
    with pytest.raises(SpecError, match="another layer is called Conv, and identities tell layers by name: rename it"):
        declare(namesake, row)
    written = [type("OfANotebook", (Layer,), {"__module__": "notebook"}, frozen=True) for _ in range(2)]
    try:
        for kind in written:
            declare(kind, row)
    finally:
        for kind in written:
            del declaration._DECLARATIONS[kind], declaration.COUNTERS[kind]


@pytest.mark.parametrize(
    ("source", "reason"),
    [(None, "ModuleNotFoundError: No module named 'broken_rows'"), ("1 / 0", "ZeroDivisionError: division by zero")],
)
def test_a_torch_module_that_cannot_be_imported_is_named_with_its_layer(
    source: str | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source:
        (tmp_path / "broken_rows.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    kind = type("Unbuilt", (Layer,), {"__module__": "elsewhere"}, frozen=True)
    row = declaration_of(Conv(1, 1))
    assert row is not None
    monkeypatch.setitem(declaration._DECLARATIONS, kind, msgspec.structs.replace(row, torch_module="broken_rows"))
    with pytest.raises(SpecError, match=re.escape(f"'broken_rows' of the layer Unbuilt cannot be imported ({reason})")):
        module_of(kind())
