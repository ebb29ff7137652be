"""From one architecture to a family: multipliers, rules, budgets."""

from naslab.scaling.budget import Met, meet_budget
from naslab.scaling.compound import (
    DEPTH,
    EFFICIENTNET_FACTORS,
    EFFICIENTNET_RULE,
    FAST,
    RESOLUTION,
    RULES,
    UNIFORM,
    WIDTH,
    Compound,
    doubling,
    fast,
)
from naslab.scaling.family import Budget, Member, family, rescale
from naslab.scaling.rounding import EFFICIENTNET, EFFICIENTNET_V2, PLAIN, PYCLS, Rounding
from naslab.scaling.scale import Factors, scale

__all__ = [
    "DEPTH",
    "EFFICIENTNET",
    "EFFICIENTNET_FACTORS",
    "EFFICIENTNET_RULE",
    "EFFICIENTNET_V2",
    "FAST",
    "PLAIN",
    "PYCLS",
    "RESOLUTION",
    "RULES",
    "UNIFORM",
    "WIDTH",
    "Budget",
    "Compound",
    "Factors",
    "Member",
    "Met",
    "Rounding",
    "doubling",
    "family",
    "fast",
    "meet_budget",
    "rescale",
    "scale",
]
