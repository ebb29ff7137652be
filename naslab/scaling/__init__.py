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
from naslab.scaling.family import Budget, Member, Scaling, family, rescale
from naslab.scaling.latency_budget import LatencyMet, meet_latency
from naslab.scaling.rounding import EFFICIENTNET, EFFICIENTNET_V2, PLAIN, PYCLS, ROUNDINGS, Rounding
from naslab.scaling.scale import Factors, scale
from naslab.scaling.tables import EFFICIENTNET_V2_TABLE, RESNET_RS, TABLES, StageFactors, scale_stages

__all__ = [
    "DEPTH",
    "EFFICIENTNET",
    "EFFICIENTNET_FACTORS",
    "EFFICIENTNET_RULE",
    "EFFICIENTNET_V2",
    "EFFICIENTNET_V2_TABLE",
    "FAST",
    "PLAIN",
    "PYCLS",
    "RESNET_RS",
    "RESOLUTION",
    "ROUNDINGS",
    "RULES",
    "TABLES",
    "UNIFORM",
    "WIDTH",
    "Budget",
    "Compound",
    "Factors",
    "LatencyMet",
    "Member",
    "Met",
    "Rounding",
    "Scaling",
    "StageFactors",
    "doubling",
    "family",
    "fast",
    "meet_budget",
    "meet_latency",
    "rescale",
    "scale",
    "scale_stages",
]
