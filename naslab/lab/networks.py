"""What `naslab` does with one network, whichever way it is named: cost, identity, module, file, rescaled family.

The readings of descriptions themselves are in `naslab.arch` and `naslab.scaling`; these find the network first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from naslab import arch as descriptions
from naslab import scaling
from naslab.arch import ArchSpec, Cost
from naslab.arguments import Kind, either, flag, instance, many, number, one_of, optional, path, takes, whole
from naslab.lab.models import MODEL, AnyModel, find_model
from naslab.metrics import COST_METRICS
from naslab.scaling import ROUNDINGS, RULES, Compound, Member, Met, Rounding

if TYPE_CHECKING:
    from torch import nn


def _named(kind: type, what: str, named: dict[str, object]) -> Kind:
    """A value of a kind, or the name of one."""
    by_name = one_of(*named)
    words = f"a {kind.__name__}, or the name of one: {', '.join(named)}"
    return either(instance(kind, words=what), by_name._replace(read=lambda name: named[by_name.read(name)]))._replace(
        words=words
    )


RULE = _named(Compound, "a rule", dict(RULES))
ROUNDING = _named(Rounding, "a rounding", dict(ROUNDINGS))


@takes(arch=MODEL)
def cost(arch: AnyModel) -> Cost:
    """Exact parameters, multiply-accumulates, activations and peak activation memory of a network.

    `arch` is a network, or what `naslab.find_model` finds one by. Raises `SpecError` where a layer does not fit its
    input.

    >>> import naslab
    >>> naslab.cost("resnet18").params
    11689512
    """
    return descriptions.cost(find_model(arch).arch)


@takes(arch=MODEL)
def arch_id(arch: AnyModel) -> str:
    """The identity of a network: equal for networks of equal layers, however they were described.

    `arch` is a network, or what `naslab.find_model` finds one by.

    >>> import naslab
    >>> naslab.arch_id("resnet18") == naslab.arch_id(naslab.model("resnet18"))
    True
    """
    return descriptions.arch_id(find_model(arch).arch)


@takes(arch=MODEL, seed=optional(whole(0)), auxiliary=flag())
def build(arch: AnyModel, seed: int | None = None, auxiliary: bool = False) -> nn.Module:
    """A torch module of a network: images (batch, channels, height, width) in, logits (batch, classes) out.

    `arch` is a network, or what `naslab.find_model` finds one by. With a `seed` the weights are a function of it.
    With `auxiliary` the heads that are there in training only are built too, as `naslab.arch.build.build` says, which
    raises `SpecError` where a layer does not fit its input.

    >>> import naslab, torch
    >>> naslab.build("lenet5", seed=0)(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 10])
    """
    from naslab.arch.build import build as build_module

    return build_module(find_model(arch).arch, seed, auxiliary)


@takes(arch=MODEL, path=path())
def save_arch(arch: AnyModel, path: str | Path) -> None:
    """Write a network to a file: JSON for `.json`, YAML otherwise. A crash leaves no half-written file.

    `arch` is a network, or what `naslab.find_model` finds one by. Raises `WriteError` where `path` cannot be written.

    >>> import naslab, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     naslab.save_arch("lenet5", f"{folder}/lenet5.yaml")
    ...     naslab.load_arch(f"{folder}/lenet5.yaml") == naslab.model("lenet5")
    True
    """
    descriptions.save_arch(find_model(arch).arch, path)


@takes(
    arch=MODEL,
    depth=number(above=0),
    width=number(above=0),
    resolution=number(above=0),
    rounding=ROUNDING,
    scale_stem=flag(),
    scale_head=flag(),
    scale_groups=flag(),
)
def scale(
    arch: AnyModel,
    depth: float = 1.0,
    width: float = 1.0,
    resolution: float = 1.0,
    rounding: Rounding | str = scaling.EFFICIENTNET,
    scale_stem: bool = True,
    scale_head: bool = True,
    scale_groups: bool = True,
) -> ArchSpec:
    """A network with its `depth`, `width` and `resolution` multiplied and rounded.

    `arch` is a network, or what `naslab.find_model` finds one by. `rounding` is a rounding or its name; `scale_stem`,
    `scale_head` and `scale_groups` are those of `naslab.scaling.scale`, which says what is done and what it raises.

    >>> import naslab
    >>> naslab.scale("resnet18", resolution=0.5).input
    (3, 112, 112)
    """
    assert isinstance(rounding, Rounding)
    return scaling.scale(
        find_model(arch).arch, depth, width, resolution, rounding, scale_stem, scale_head, scale_groups
    )


@takes(arch=MODEL, phi=number(), compound=RULE, rounding=ROUNDING, scale_stem=flag(), scale_head=flag())
def rescale(
    arch: AnyModel,
    phi: float,
    compound: Compound | str = scaling.EFFICIENTNET_RULE,
    rounding: Rounding | str = scaling.EFFICIENTNET,
    scale_stem: bool = True,
    scale_head: bool = True,
) -> Member:
    """The member of a network's family at `phi`; 0 is the network itself, negative goes below it.

    `arch` is a network, or what `naslab.find_model` finds one by. `compound` is the rule and `rounding` how its
    products become whole, each a value or its name; without `scale_stem` or `scale_head` the widths of the stem or the
    head stay. Raises `SpecError` where no channels, no pixels or no valid network are left.

    >>> import naslab
    >>> naslab.rescale("resnet18", phi=1).arch.input
    (3, 258, 258)
    >>> naslab.rescale("regnet_y_400mf", 1, "fast", "pycls").arch.input
    (3, 232, 232)
    """
    assert isinstance(compound, Compound)
    assert isinstance(rounding, Rounding)
    return scaling.rescale(find_model(arch).arch, phi, compound, rounding, scale_stem, scale_head)


@takes(arch=MODEL, phis=many(number()), compound=RULE, rounding=ROUNDING, scale_stem=flag(), scale_head=flag())
def family(
    arch: AnyModel,
    phis: Sequence[float] | float,
    compound: Compound | str = scaling.EFFICIENTNET_RULE,
    rounding: Rounding | str = scaling.EFFICIENTNET,
    scale_stem: bool = True,
    scale_head: bool = True,
) -> list[Member]:
    """The members of a network's family at several `phis`, in the order given.

    `arch`, `compound`, `rounding`, `scale_stem` and `scale_head` are those of `rescale`, which also says what it
    raises.

    >>> import naslab
    >>> [member.cost.params for member in naslab.family("efficientnet_b0", [-1, 0, 1])]
    [4548152, 5288548, 9109994]
    """
    assert isinstance(phis, tuple)
    found = find_model(arch).arch
    return [rescale(found, phi, compound, rounding, scale_stem, scale_head) for phi in phis]


@takes(
    arch=MODEL,
    metric=one_of(*COST_METRICS),
    target=number(above=0),
    compound=RULE,
    tolerance=number(least=0),
    rounding=ROUNDING,
    scale_stem=flag(),
    scale_head=flag(),
)
def meet_budget(
    arch: AnyModel,
    metric: str,
    target: float,
    compound: Compound | str = scaling.EFFICIENTNET_RULE,
    tolerance: float = 0.02,
    rounding: Rounding | str = scaling.EFFICIENTNET,
    scale_stem: bool = True,
    scale_head: bool = True,
) -> Met:
    """A network scaled by a rule so that its exact cost is nearest to `target`.

    `arch` is a network, or what `naslab.find_model` finds one by; `metric` is one of the cost, with `target` in its
    unit, which may be missed by the share `tolerance`. `compound`, `rounding`, `scale_stem` and `scale_head` are those
    of `rescale`. How it is found, and what is raised where it is out of reach, says `naslab.scaling.meet_budget`.

    >>> import naslab
    >>> naslab.meet_budget("efficientnet_b0", "macs", 600e6).achieved
    605725088
    """
    assert isinstance(compound, Compound)
    assert isinstance(rounding, Rounding)
    return scaling.meet_budget(
        find_model(arch).arch, metric, target, compound, tolerance, rounding, scale_stem, scale_head
    )
