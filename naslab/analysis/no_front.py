"""Why a study has no front: in words, with what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from naslab.errors import counted
from naslab.metrics import metrics
from naslab.study.outcome import Outcome
from naslab.study.problem import Objective


def nothing_to_show(outcomes: Sequence[Outcome], objectives: Sequence[Objective]) -> str:
    """Why there is no front of `outcomes` in `objectives`, and what to do."""
    if not outcomes:
        return "the study has no finished trial yet; run its search, or wait for the first one"
    reasons = Counter(each.estimate.failure.reason for each in outcomes if each.estimate.failure is not None)
    if reasons.total() == len(outcomes):
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        first = next(each.estimate.failure for each in outcomes if each.estimate.failure is not None)
        count = len(outcomes)
        none = "the study's one trial is not" if count == 1 else f"none of the study's {counted(count, 'trial')} is"
        return f"{none} complete ({told}); the first says: {first.message}"
    names = ", ".join(each.metric for each in objectives)
    described = {row.name for row in metrics() if row.is_described}
    measured = sorted({name for each in outcomes for name in each.estimate.measured} | described)
    return f"no trial of the study has all of {names}; its trials have {', '.join(measured)}"
