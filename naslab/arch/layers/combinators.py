"""Combinators: layers made of layers. How each is counted is written here, with the names of its parts."""

from __future__ import annotations

from operator import length_hint

from naslab.arch.declaration import (
    COUNTERS,
    Counts,
    Declaration,
    Layer,
    NamedPart,
    Shape,
    always,
    declare,
    keeps_channels,
    makes_new_map,
)
from naslab.arch.layers.activation import Act, Identity
from naslab.arch.layers.rearrangement import Flatten
from naslab.arch.span import POINT, Span, joined, then
from naslab.arch.tally import part_counts, part_error
from naslab.errors import SpecError, counted


class Sequence(Layer, frozen=True, gc=False, cache_hash=True):
    """`layers` one after another, each under the one of `names` that its module has in the built network."""

    names: tuple[str, ...]
    layers: tuple[Layer, ...]


class Residual(Layer, frozen=True, gc=False):
    """`shortcut(x) + scale * body(x)`; in training the body is dropped per image with probability `drop_rate`.

    Stochastic depth: Huang et al. 2016, arXiv 1603.09382. Scaled residuals: arXiv 1602.07261, section 3.3.
    """

    body: Layer
    shortcut: Layer = Identity()
    drop_rate: float = 0.0
    scale: float = 1.0


class Gate(Layer, frozen=True, gc=False):
    """`x * body(x)`, the body's output broadcast over positions: squeeze-and-excitation (arXiv 1709.01507)."""

    body: Layer


class Concat(Layer, frozen=True, gc=False):
    """`branches` under their `names`, all on one input, their outputs stacked along the channels."""

    names: tuple[str, ...]
    branches: tuple[Layer, ...]


def _count_sequence(layer: Sequence, shape: Shape, keep: bool) -> Counts:
    params = macs = activations = peak = held = 0
    span = POINT
    kept = shape[0] * shape[1] * shape[2] if keep else 0
    rest = iter(layer.layers)
    try:
        for each in rest:
            if type(each) is Act and not keep:
                continue  # in place and without weights: no more than what is before it
            shape, more_params, more_macs, more_activations, more_peak, more = COUNTERS[type(each)](each, shape, keep)
            params += more_params
            macs += more_macs
            activations += more_activations
            if more_peak > peak:
                peak = more_peak
            if more is not POINT:
                span = more if span is POINT else then(span, more)
            if keep and more_peak > kept:  # it made a map of its own: from here on the input is held beside `peak`
                keep = False
                held = kept
                peak -= kept
    except Exception as error:  # noqa: BLE001  (a layer from outside may raise anything)
        raise part_error(layer.names[-1 - length_hint(rest)], each, error) from None
    return shape, params, macs, activations, held + peak or shape[0] * shape[1] * shape[2], span


def sequence_parts(layer: Sequence) -> tuple[NamedPart, ...]:
    """The layers of a sequence with their names."""
    return tuple(zip(layer.names, layer.layers, strict=True))


def row_words(names: tuple[str, ...]) -> str:
    """The parts of a row in words: their names, or how many they are where they have none.

    >>> row_words(("conv", "norm")), row_words(("0", "1"))
    ('conv, norm', '2 blocks')
    """
    return counted(len(names), "block") if names[0].isdigit() else ", ".join(names)


declare(
    Sequence,
    Declaration(
        count=_count_sequence,
        parts=sequence_parts,
        makes_new_map=lambda layer: bool(layer.layers) and makes_new_map(layer.layers[-1]),
        words=lambda layer: row_words(layer.names),
    ),
)


def _count_residual(layer: Residual, shape: Shape, keep: bool) -> Counts:
    out, params, macs, activations, peak, span = part_counts("body", layer.body, shape, True)
    size = out[0] * out[1] * out[2]
    if type(layer.shortcut) is Identity:
        if out != shape:
            raise SpecError("", f"the body makes {out} of {shape}; an identity shortcut cannot be added")
        return out, params, macs, activations, max(peak, 2 * size), span
    way, more_params, more_macs, more_activations, more_peak, more = part_counts(
        "shortcut", layer.shortcut, shape, keep
    )
    if way != out:
        raise SpecError("", f"the body makes {out}, the shortcut {way}")
    peak = max(peak, size + more_peak)
    return out, params + more_params, macs + more_macs, activations + more_activations, peak, joined((span, more))


declare(
    Residual,
    Declaration(
        count=_count_residual,
        parts=lambda layer: (("body", layer.body), ("shortcut", layer.shortcut)),
        makes_new_map=always,
        words=lambda layer: "residual block",
    ),
)


def _count_gate(layer: Gate, shape: Shape, keep: bool) -> Counts:
    out, params, macs, activations, peak, _ = part_counts("body", layer.body, shape, True)
    channels, height, width = shape
    if out[0] != channels:
        raise SpecError("", f"the gate makes {counted(out[0], 'channel')} for {channels}")
    size = channels * height * width
    product = (size + size if keep else size) + out[0] * out[1] * out[2]
    return shape, params, macs, activations, product if product > peak else peak, POINT


declare(
    Gate,
    Declaration(
        count=_count_gate,
        parts=lambda layer: (("body", layer.body),),
        words=lambda layer: "squeeze and excitation",
        channels=keeps_channels,
        keeps_zero=always,
    ),
)


def _count_concat(layer: Concat, shape: Shape, keep: bool) -> Counts:
    params = macs = activations = peak = channels = made = 0
    place: tuple[int, int] | None = None
    spans: list[Span] = []
    last = len(layer.branches) - 1
    passing = [is_view(branch) for branch in layer.branches]
    held = keep or True in passing
    for index, branch in enumerate(layer.branches):
        if type(branch) is Identity:
            out = shape  # no map of its own: the sum at the end counts it
        else:
            out, more_params, more_macs, more_activations, more_peak, span = part_counts(
                layer.names[index], branch, shape, held or index < last
            )
            params += more_params
            macs += more_macs
            activations += more_activations
            if made + more_peak > peak:
                peak = made + more_peak
            if not passing[index]:
                made += out[0] * out[1] * out[2]
            spans.append(span)
        if place is None:
            place = out[1:]
        elif place != out[1:]:
            raise SpecError(layer.names[index], f"makes a map of {out[1:]}, the branches before it make {place}")
        channels += out[0]
    assert place is not None
    alive = made
    if held:
        alive += shape[0] * shape[1] * shape[2]
    if last:
        alive += channels * place[0] * place[1]
    stack = (channels, *place)
    return stack, params, macs, activations, max(peak, alive), joined(spans)


def is_view(layer: Layer) -> bool:
    """Whether a layer's output is its input, no map of its own."""
    kind = type(layer)
    if kind is Sequence:
        return all(map(is_view, layer.layers))  # type: ignore[attr-defined]
    return kind is Identity or kind is Flatten


declare(
    Concat,
    Declaration(
        count=_count_concat,
        parts=lambda layer: tuple(zip(layer.names, layer.branches, strict=True)),
        makes_new_map=always,
        words=lambda layer: f"{counted(len(layer.branches), 'branch', 'branches')}, stacked",
    ),
)
