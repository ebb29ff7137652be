"""The canonical form: one way to write networks that compute the same, as far as single stages show that they do.

A supernet names its weights by it, and a space finds networks by it. Networks with equal canonical forms lower to the
same plan; some whose canonical forms differ do too. Identities are therefore those of plans (`naslab.arch.identity`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from itertools import chain

import msgspec

from naslab.arch.block import BlockActivation, Context
from naslab.arch.blocks import ConvBlock, Skip
from naslab.arch.cost import Place, counted_at
from naslab.arch.lower import lower_block
from naslab.arch.memo import Memo
from naslab.arch.plan import Act, Concat, Conv, Identity, Layer, Norm, Sequence, Shape
from naslab.arch.sides import keeping
from naslab.arch.spec import ArchSpec, Stage
from naslab.errors import SpecError


@lru_cache(maxsize=1024)
def canonical(arch: ArchSpec) -> ArchSpec:
    """The same network without blocks that do nothing, and with equal neighbouring stages merged.

    Each block is the simplest that gives the same network there (`Block.canonical`); one that lowers to a single
    convolution is a `ConvBlock`. Raises `SpecError` where a layer does not fit its input.

    >>> from naslab.arch import ArchSpec, MBConv, Skip, Stage
    >>> one = Stage(block=MBConv(), width=8)
    >>> arch = ArchSpec(input=(8, 4, 4), stages=(one, Stage(block=Skip()), one), num_classes=2)
    >>> canonical(arch).stages == (Stage(block=MBConv(), width=8, repeats=2),)
    True
    """
    shape = arch.input
    stem, shape, _ = _canonical_stages(arch.stem, shape, arch.context)
    taps = tuple(each.after for each in arch.auxiliary)
    stages, _, moved = _canonical_stages(arch.stages, shape, arch.context, taps)
    if stages == arch.stages and stem == arch.stem:
        return arch
    auxiliary = tuple(
        msgspec.structs.replace(each, after=after) for each, after in zip(arch.auxiliary, moved, strict=True)
    )
    return msgspec.structs.replace(arch, stem=stem, stages=stages or (Stage(block=Skip()),), auxiliary=auxiliary)


def _canonical_stages(
    stages: tuple[Stage, ...], shape: Shape, context: Context, taps: tuple[int, ...] = ()
) -> tuple[tuple[Stage, ...], Shape, tuple[int, ...]]:
    """The stages in canonical form, the shape behind them, and where the stages `taps` have gone.

    A stage that an auxiliary head reads stays, and nothing behind it is merged into it.
    """
    kept: list[Stage] = []
    moved: list[int] = []
    for index, stage in enumerate(stages):
        simple, shape = _simplest_at[shape, context][stage]
        if not simple and index in taps:
            simple = (stage,)
        for each in simple:
            last = kept[-1] if kept and len(kept) - 1 not in moved else None
            if last is not None and _repeats(last, each):
                kept[-1] = msgspec.structs.replace(last, repeats=last.repeats + each.repeats)
            else:
                kept.append(each)
        if index in taps:
            moved.append(len(kept) - 1)
    return tuple(kept), shape, tuple(moved)


def _repeats(last: Stage, stage: Stage) -> bool:
    """Whether `stage` goes on as the repeats of `last` would."""
    if stage.stride != 1 or stage.width != last.width:
        return False
    block = last.block.repeated(last.repeats)
    return stage.block == (block if stage.width is None else block.canonical(stage.width, stage.width, 1))


def _simplest(place: Place, stage: Stage) -> tuple[tuple[Stage, ...], Shape]:
    """The stage's simplest form at a place, and the shape behind it.

    It is no stage if it does nothing, two if its first block is another's.
    Only a block of depth 1 can be a plain convolution, and the depth is counted already.
    """
    shape, context = place
    out_shape, *_, span = counted_at[place][stage]
    block = stage.block.canonical(shape[0], stage.width, stage.stride)
    if block is None:
        return (), out_shape
    if getattr(block, "activation", None) == context.activation:
        block = msgspec.structs.replace(block, activation=None)
    does_repeat = stage.repeats > 1 and block.canonical(out_shape[0], stage.width, 1) is not None
    repeats = stage.repeats if does_repeat else 1
    width = stage.width or _explicit_width(stage, shape, context)
    simple = stage
    if (block, width, repeats) != (stage.block, stage.width, stage.repeats):
        simple = msgspec.structs.replace(stage, block=block, width=width, repeats=repeats)
    return (_plain_blocks(simple, shape, context) if span[0] == repeats else (simple,)), out_shape


_simplest_at: Memo[Place, Memo[Stage, tuple[tuple[Stage, ...], Shape]]] = Memo(
    lambda place: Memo(partial(_simplest, place))
)


def _plain_blocks(stage: Stage, shape: Shape, context: Context) -> tuple[Stage, ...]:
    """The stage with those of its blocks that are plain convolutions written as such."""
    first = _plain_block(msgspec.structs.replace(stage, repeats=1), shape, context)
    if stage.repeats == 1:
        return (first,)
    behind = counted_at[shape, context][first][0]
    rest = _plain_block(msgspec.structs.replace(stage, repeats=stage.repeats - 1, stride=1), behind, context)
    if rest.block == first.block:
        return (msgspec.structs.replace(first, repeats=stage.repeats),)
    return first, rest


def _plain_block(stage: Stage, shape: Shape, context: Context) -> Stage:
    """The stage as `Skip` or `ConvBlock` where its block lowers to just the layers that one of them does."""
    layers = _layers(lower_block(stage, shape, stage.stride, context))
    if not layers or not isinstance(layers[0], Conv) or not all(isinstance(each, Norm | Act) for each in layers[1:]):
        return stage
    for block in _plain_forms(layers[0], layers[1:], context):
        plain = msgspec.structs.replace(stage, block=block, width=layers[0].out_channels)
        if _layers(lower_block(plain, shape, stage.stride, context)) == layers:
            return stage if plain == stage else plain
    return stage


def _plain_forms(conv: Conv, rest: tuple[Layer, ...], context: Context) -> Iterator[Skip | ConvBlock]:
    """Blocks that may lower to a convolution and what is behind it, the one that says least first."""
    yield Skip()
    if not all(side % 2 for side in conv.kernel):
        return
    kind: BlockActivation = next((each.kind for each in rest if isinstance(each, Act)), "none")
    for has_norm in (True, False):
        for bias in (None, conv.bias):
            yield ConvBlock(
                kernel=conv.kernel,
                groups=conv.groups,
                activation=None if kind == context.activation else kind,
                padding=None if conv.padding == keeping(conv.kernel, conv.dilation) else conv.padding,
                dilation=conv.dilation,
                norm=has_norm,
                bias=bias,
            )


def _layers(layer: Layer) -> tuple[Layer, ...]:
    """The layers of a row in order, without what they are called and how they are grouped."""
    if isinstance(layer, Sequence):
        return tuple(chain.from_iterable(map(_layers, layer.layers)))
    if isinstance(layer, Concat) and len(layer.branches) == 1:
        return _layers(layer.branches[0])
    return () if isinstance(layer, Identity) else (layer,)


def _explicit_width(stage: Stage, shape: Shape, context: Context) -> int | None:
    """The width of a stage that has none, where leaving it to the block means keeping the input's channels."""
    kept = msgspec.structs.replace(stage, width=shape[0])
    try:
        same = lower_block(kept, shape, stage.stride, context) == lower_block(stage, shape, stage.stride, context)
    except SpecError:  # the block makes a width of its own and takes no other
        return None
    return shape[0] if same else None
