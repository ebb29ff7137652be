"""Made-up priors agree with the results as far as they say."""

from __future__ import annotations

import numpy as np
import pytest

from naslab.bench.made_prior import with_made_prior
from naslab.bench.made_table import make_table
from naslab.errors import UnknownNameError


@pytest.mark.parametrize(
    ("kind", "least", "most"), [("right", 0.75, 0.85), ("inverted", -0.85, -0.75), ("shuffled", -0.1, 0.1)]
)
def test_scores_correlate_as_their_kind_says(kind: str, least: float, most: float) -> None:
    table = with_made_prior(make_table(seed=2), kind)
    assert table.prior is not None
    rows = [table.space.row(genome) for genome in table.prior.genomes]
    found = np.corrcoef(-table.losses[[row for row in rows if row is not None], 0], table.prior.scores[:, 0])[0, 1]
    assert least < found < most


def test_another_kind_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'shuffled'"):
        with_made_prior(make_table(), "shufled")
