"""What outcomes are called in tables and figures."""

from __future__ import annotations

from naslab.study.outcome import Outcome


def label_of(outcome: Outcome) -> str:
    """The name of a network's outcome: of a baseline its zoo name, of a rescaled member its phi, else its trial.

    Baselines say `zoo` in their origin, members of a family `phi`, and `rule` where a study holds several rules.
    """
    candidate = outcome.candidate
    if "zoo" in candidate.origin:
        return str(candidate.origin["zoo"])
    if "phi" in candidate.origin:
        rule = f"{candidate.origin['rule']}: " if "rule" in candidate.origin else ""
        return f"{rule}phi {candidate.origin['phi']:.4g}"
    return f"trial {candidate.trial}"
