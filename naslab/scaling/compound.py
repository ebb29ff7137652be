"""Compound: one number that scales depth, width and resolution together, and the rules of the literature as values."""

from __future__ import annotations

import math

from msgspec.structs import replace

from naslab.arch.block import Spec, require
from naslab.arguments import refuse_wrong_fields
from naslab.errors import SpecError
from naslab.scaling.scale import Factors
from naslab.zoo.efficientnet import COEFFICIENTS


class Compound(Spec, frozen=True):
    """Depth alpha^phi, width beta^phi, resolution gamma^phi (Tan and Le 2019, arXiv 1905.11946, equation 3).

    `alpha`, `beta` and `gamma` are above 0, by default those of EfficientNet. Multiply-accumulates grow by about
    `growth`^phi; negative phi goes below the baseline. The resolution's factor stops at `most_resolution`
    (EfficientNetV2 caps its own, arXiv 2104.00298). Raises `SpecError` for values out of range, and where all three are
    1. With `scales_groups` the channels of a group follow the width, where the rounding scales them (pycls).

    >>> Compound().factors(2)
    Factors(depth=1.44, width=1.2100000000000002, resolution=1.3224999999999998)
    >>> round(Compound().growth, 5)
    1.92027
    """

    alpha: float = 1.2
    beta: float = 1.1
    gamma: float = 1.15
    most_resolution: float | None = None
    scales_groups: bool = False

    def __post_init__(self) -> None:
        refuse_wrong_fields(self)
        for field in ("alpha", "beta", "gamma"):
            value = getattr(self, field)
            require(math.isfinite(value) and value > 0, field, f"must be above 0 and finite, got {value}")
        require((self.alpha, self.beta, self.gamma) != (1, 1, 1), "", "alpha, beta and gamma of 1 scale nothing")
        most = self.most_resolution
        require(most is None or most >= 1, "most_resolution", f"must be a factor of at least 1, got {most}")

    @property
    def growth(self) -> float:
        """alpha * beta^2 * gamma^2: by what one step of phi multiplies multiply-accumulates, before rounding."""
        return self.alpha * self.beta**2 * self.gamma**2

    def factors(self, phi: float) -> Factors:
        """The multipliers of depth, width and resolution at `phi`.

        Raises `SpecError` where it is not finite, or a multiplier is beyond what `Factors` allow.
        """
        require(math.isfinite(phi), "phi", f"must be finite, got {phi}")
        try:
            depth, width, resolution = (base**phi for base in (self.alpha, self.beta, self.gamma))
        except OverflowError:
            raise SpecError(
                "phi", f"makes factors that are no finite numbers, got {phi:g}; take one nearer 0"
            ) from None
        if self.most_resolution is not None:
            resolution = min(resolution, self.most_resolution)
        try:
            return Factors(depth=depth, width=width, resolution=resolution)
        except SpecError as error:
            raise SpecError(f"phi {phi:g}: {error.field}", error.rule) from None


def doubling(depth: float = 0.0, width: float = 0.0, resolution: float = 0.0) -> Compound:
    """The rule that doubles multiply-accumulates with each phi and spends them in these shares.

    `depth`, `width` and `resolution` are shares of the logarithm of the growth, at least 0, and need not sum to 1.
    Raises `SpecError` for a negative share, or where all are 0.

    >>> doubling(depth=1).factors(2).depth
    4.0
    """
    shares = {"depth": depth, "width": width, "resolution": resolution}
    for field, share in shares.items():
        require(math.isfinite(share) and share >= 0, field, f"must be at least 0, got {share}")
    total = sum(shares.values())
    require(total > 0, "", "one of depth, width and resolution needs a share above 0")
    return Compound(
        alpha=2 ** (depth / total),
        beta=2 ** (width / total / 2),
        gamma=2 ** (resolution / total / 2),
    )


def fast(alpha: float = 0.8) -> Compound:
    """The family dWr of Dollar, Singh and Girshick 2021 (arXiv 2103.06877, equation 5): mostly width, `alpha` of it.

    At s = 2^phi depth grows by s^((1-a)/2), width by s^(a/2) and resolution by s^((1-a)/4). An alpha of 0.8 is the
    paper's fast scaling, 1/3 uniform, 1 width alone. Groups are scaled, too. Raises `SpecError` where it is not from 0
    to 1.

    >>> round(fast().factors(1).width, 6)
    1.319508
    """
    require(0 <= alpha <= 1, "alpha", f"must be 0 to 1, got {alpha}")
    rest = (1 - alpha) / 2
    return replace(doubling(depth=rest, width=alpha, resolution=rest), scales_groups=True)


EFFICIENTNET_RULE = Compound()
DEPTH = doubling(depth=1)
WIDTH = doubling(width=1)
RESOLUTION = doubling(resolution=1)
UNIFORM = doubling(depth=1, width=1, resolution=1)
"""Multiply-accumulates in equal shares: dwr."""
FAST = fast()
"""Mostly width, which adds the fewest activations: dWr."""

RULES: dict[str, Compound] = {
    "efficientnet": EFFICIENTNET_RULE,
    "depth": DEPTH,
    "width": WIDTH,
    "resolution": RESOLUTION,
    "uniform": UNIFORM,
    "fast": FAST,
}
"""The rules by name."""

EFFICIENTNET_FACTORS: dict[str, Factors] = {
    name: Factors(depth=depth, width=width, resolution=resolution / 224)
    for name, (width, depth, resolution, _) in {
        **COEFFICIENTS,
        "b8": (2.2, 3.6, 672, 0.5),
        "l2": (4.3, 5.3, 800, 0.5),
    }.items()
}
"""The factors of the released EfficientNets. They are a table, not the rule: from B4 on they exceed its powers."""
