"""Pages hold the smallest plotly.js that draws their figures."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

import plotly.graph_objects as go
import pytest
from plotly.offline import get_plotlyjs

from naslab.figures import write_figure
from naslab.figures.markup import element
from naslab.figures.page import BASIC_BUNDLE, BASIC_KINDS, figure_block, kinds_of, page, plotly_script

PUBLISHED = "99784e3abfb07b142a15e521a439e6d9addceadb3f79553fd24c72774f0649ba"


@pytest.mark.parametrize(
    ("trace", "script"),
    [
        (go.Scatter(x=[1], y=[2]), plotly_script()),
        (go.Bar(x=[1], y=[2]), plotly_script()),
        (go.Scatterternary(a=[1], b=[2], c=[3]), get_plotlyjs()),
    ],
)
def test_a_figure_has_the_script_that_draws_it(tmp_path: Path, trace: object, script: str) -> None:
    write_figure(go.Figure([trace]), tmp_path / "figure.html")
    assert script in (tmp_path / "figure.html").read_text(encoding="utf-8")


def test_one_figure_of_another_kind_is_enough() -> None:
    plain, other = go.Figure([go.Scatter(x=[1], y=[2])]), go.Figure([go.Heatmap(z=[[1]], hovertext=[["</script>"]])])
    body = element("main", figure_block(plain, "one"), figure_block(other, "two"))
    assert kinds_of(body) == {"scatter", "heatmap"}
    assert get_plotlyjs() in page("both", body)


def test_the_basic_bundle_is_the_one_that_was_published_and_is_small() -> None:
    text = plotly_script(BASIC_KINDS)
    assert hashlib.sha256(text.encode()).hexdigest() == PUBLISHED
    assert len(text) < len(get_plotlyjs()) / 3
    assert "MIT License" in (resources.files("naslab.figures") / "plotly-basic.LICENSE.txt").read_text("utf-8")
    assert BASIC_BUNDLE in {each.name for each in resources.files("naslab.figures").iterdir()}
