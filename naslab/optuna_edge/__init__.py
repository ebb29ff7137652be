"""The edges to Optuna: naslab's strategies as its samplers, and naslab's studies in its storages.

The other way round, `naslab.search` takes any sampler of Optuna as its strategy. Importing this module imports Optuna.
"""

from naslab.optuna_edge.mirror import Mirrored, mirror_study
from naslab.optuna_edge.sampler import NaslabSampler
from naslab.optuna_edge.trials import suggest_arch, suggest_genome

__all__ = ["Mirrored", "NaslabSampler", "mirror_study", "suggest_arch", "suggest_genome"]
