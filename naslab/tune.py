"""The edge to Ray Tune: `naslab.tune.Searcher(strategy, problem)` and `naslab.tune.trainable(estimator)`.

Importing this module imports Ray.
"""

from naslab.execution.tune import Searcher, trainable

__all__ = ["Searcher", "trainable"]
