"""Pictures of scaling: they show the tables they are given, and write one page that loads nothing else."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from scaling_studies import SMALL, family_view, grid_view

from naslab.analysis.scaling_family import scaled_family
from naslab.analysis.scaling_fit import fit_of_study
from naslab.analysis.scaling_law import family_law, scaling_laws
from naslab.arch import arch_id
from naslab.figures.law_section import law_section
from naslab.figures.scaling_family import cost_figure, measured_figure, write_family
from naslab.figures.scaling_fit import surface_figure
from naslab.figures.scaling_law import law_figure, name_rows, write_laws
from naslab.scaling import rescale
from naslab.study.outcome import Candidate


def lawful(candidate: Candidate) -> float:
    return 100 - (20 * (candidate.cost.macs / 1e6) ** -0.5 + 2 + 0.1 * candidate.seed)


def test_the_loss_surface_shows_every_point_and_stars_the_best() -> None:
    fit = fit_of_study(grid_view(lawful))
    surface, points, best = surface_figure(fit).data
    assert len(surface.a) == 231
    assert list(points.marker.color) == [point.error for point in fit.points]
    for depth, width, resolution in zip(points.a, points.b, points.c, strict=True):
        assert depth + width + resolution == pytest.approx(1)
    assert (best.a[0], best.b[0], best.c[0]) == (points.a[0], points.b[0], points.c[0])


def test_a_law_shows_points_band_and_forecasts(tmp_path: Path) -> None:
    table = scaling_laws(family_view((1, 2, 3, 4, 5), lawful, seeds=2), ("macs", "params"), num_resamples=20)
    made = law_figure(table, table.laws[0])
    by_name = {trace.name: trace for trace in made.data}
    points = by_name["networks (family)"]
    assert list(points.y) == [point.error for point in table.points]
    assert all(bar > 0 for bar in points.error_y.array)
    low, high = by_name["90 % band of the law"].y, made.data[0].y
    assert all(one <= other for one, other in zip(low, high, strict=True))
    assert len(by_name["forecasts (open: not supported)"].x) == 3
    write_laws(table, tmp_path / "laws.html")
    text = (tmp_path / "laws.html").read_text(encoding="utf-8")
    assert text.count("<figure") == 2
    assert "Error against params" in text


def test_names_of_forecasts_stand_beyond_their_intervals_and_apart() -> None:
    table = scaling_laws(family_view((1, 2, 3, 4, 5), lawful, seeds=2), ("macs",), num_resamples=20)
    law = table.laws[0]
    *_, names = law_figure(table, law).data
    ends = [(each.forecast.low, each.forecast.high) for each in law.forecasts]
    gaps = [max(low - y, y - high) for y, (low, high) in zip(names.y, ends, strict=True)]
    assert min(gaps) > 0.01 * max(high for _, high in ends)  # so that no cap of an interval strikes a letter
    assert [text.replace("<br>", "") for text in names.text] == [each.name for each in law.forecasts]
    assert not names.showlegend
    assert name_rows([0, 20, 40, 60, 200], [30, 30, 30, 30, 30]) == [0, 1, 0, 1, 0]


def test_the_section_of_a_law_forecasts_where_a_family_is_large_enough() -> None:
    found = family_law(family_view((1, 2, 3, 4, 5), lawful, seeds=2))
    section = law_section(found)
    assert found is not None
    assert section is not None
    [law] = found.laws
    assert (section.name, law.metric, found.of) == ("law", "macs", "family")
    for each in law.forecasts:
        assert f"{each.forecast.cost:,.0f}" in section.body
        assert f"{each.forecast.error:.3g} (" in section.body
    few = family_law(family_view((1, 2), lawful))
    assert few is None
    assert law_section(few) is None


def test_a_family_against_phi(tmp_path: Path) -> None:
    members = [rescale(SMALL, phi) for phi in (-1, 1, 2)]
    accuracies = {arch_id(member.arch): 90 + member.phi for member in members}
    table = scaled_family("small", SMALL, members, {"accuracy": accuracies})
    assert [each.phi for each in table.members] == [-1, 0, 1, 2]
    assert table.members[1].ratios == {"macs": 1, "params": 1, "activations": 1}
    assert math.isnan(table.members[1].value("accuracy"))
    assert [trace.name for trace in cost_figure(table).data] == ["macs", "params", "activations"]
    assert list(measured_figure(table, "accuracy").data[0].y) == [89, 91, 92]
    write_family(table, tmp_path / "family.html")
    text = (tmp_path / "family.html").read_text(encoding="utf-8")
    assert text.count("<figure") == 2
    assert "latency (ms, one image) of the family" not in text
