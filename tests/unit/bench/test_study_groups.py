"""Studies compared: one reference point, hypervolumes over candidates and seconds, bands over the seeds of a group."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from made_studies import made_problem, made_study, naslab

import naslab as lab
from naslab.analysis.study import StudyView
from naslab.figures.study_comparison import curve_words, reference_words, seconds_figure
from naslab.ledger import Ledger
from naslab.pareto import hypervolume


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("compared")
    with Ledger.open(made / "l.db") as ledger:
        for seed, trials in enumerate((6, 6, 4)):
            made_study(ledger, f"a-{seed}", seed=seed, trials=trials, failing=(2,))
        made_study(ledger, "b,odd", seed=7, trials=5)
        made_study(ledger, "other", trials=2, problem=made_problem(("accuracy", "params")))
        made_study(ledger, "long", trials=2, epochs=3)
        made_study(ledger, "failed", trials=2, failing=(0, 1))
    return made


def share(view: StudyView, count: int, reference: tuple[float, ...]) -> float:
    """The share of the box that the first outcomes dominate, computed apart."""
    done = [each for each in view.outcomes[:count] if each.is_complete]
    losses = [[-each.value("accuracy"), each.value("macs")] for each in done]
    box = (100 - reference[0]) * reference[1]
    return hypervolume(np.array(losses).reshape(-1, 2), (-reference[0], reference[1])) / box


def test_hypervolumes_are_means_over_the_studies_of_a_group(folder: Path) -> None:
    value = naslab(folder, "compare-studies", "a-0,a-1,a-2", "b,odd", "--json").value
    first, second = value["groups"]
    assert (first["label"], first["studies"]) == ("a", ["a-0", "a-1", "a-2"])
    assert (second["label"], second["studies"]) == ("b,odd", ["b,odd"])
    assert (first["trials"], first["failed"], second["failed"]) == ([6, 6, 4], 3, 0)
    reference = tuple(value["reference_point"].values())
    assert value["reference_point"] == {"accuracy": 0, "macs": 2e6}
    assert value["reference_rules"] == {"accuracy": "the least there is", "macs": "the hard limit"}
    views = [lab.open_study(f"a-{seed}", folder / "l.db") for seed in range(3)]
    for count in range(1, 7):
        each = [share(view, count, reference) for view in views]
        assert first["hypervolume_over_candidates"]["mean"][count - 1] == pytest.approx(np.mean(each))
        error = np.std(each, ddof=1) / math.sqrt(3)
        assert first["hypervolume_over_candidates"]["high"][count - 1] == pytest.approx(np.mean(each) + error)
    assert first["hypervolume_share"]["mean"] == pytest.approx(first["hypervolume_over_candidates"]["mean"][-1])
    assert second["hypervolume_over_candidates"]["low"] == second["hypervolume_over_candidates"]["high"]
    fronts = {each["study"]: each for group in value["groups"] for each in group["fronts"]}
    own = naslab(folder, "pareto", "a-1", "--json").value
    assert fronts["a-1"]["front"] == own["front"]
    assert fronts["a-1"]["hypervolume_share"] == pytest.approx(own["hypervolume_share"])


def test_over_seconds_a_study_has_what_it_had_found_by_then(folder: Path) -> None:
    value = naslab(folder, "compare-studies", "a-0", "a-1", "--json").value
    view = lab.open_study("a-0", folder / "l.db")
    assert value["seconds"] == sorted(set(value["seconds"]))
    for second, found in zip(value["seconds"], value["groups"][0]["hypervolume_over_seconds"]["mean"], strict=True):
        assert found == pytest.approx(share(view, int(second // 10), tuple(value["reference_point"].values())))


def test_the_common_front_is_counted_by_group(folder: Path) -> None:
    found = lab.compare_studies(["a-0,a-1", ["a-2"], "b,odd"], folder / "l.db")
    points = [
        (group.label, point.value("accuracy"), point.value("macs"))
        for group in found.groups
        for table in group.fronts
        for point in table.front
    ]
    kept = [
        label
        for label, accuracy, macs in points
        if not any(a >= accuracy and m <= macs and (a, m) != (accuracy, macs) for _, a, m in points)
    ]
    assert {group.label: group.num_on_common_front for group in found.groups} == {
        group.label: kept.count(group.label) for group in found.groups
    }


def test_a_reference_point_may_be_asked_for_and_a_group_named(folder: Path) -> None:
    value = naslab(
        folder, "compare-studies", "ours=a-0,a-1", "b,odd", "--reference", "macs=1.9M, accuracy=20", "--json"
    ).value
    assert value["groups"][0]["label"] == "ours"
    assert value["reference_point"] == {"accuracy": 20, "macs": 1.9e6}
    assert set(value["reference_rules"].values()) == {"as asked for"}
    view = lab.open_study("b,odd", folder / "l.db")
    assert value["groups"][1]["hypervolume_share"]["mean"] == pytest.approx(share(view, 5, (20, 1.9e6)))


def test_table_and_picture(folder: Path) -> None:
    shown = naslab(folder, "compare-studies", "a-0,a-1", "long", "--html", "compared.html")
    assert shown.code == 0, shown.err
    assert "best accuracy (%)" in shown.out
    assert "accuracy 0 (the least there is), macs 2e+06 (the hard limit)" in " ".join(shown.out.split())
    assert "note: the studies differ in the budget of a network: " in shown.err
    assert "1 trial" not in shown.err
    text = (folder / "compared.html").read_text(encoding="utf-8")
    assert "Hypervolume over candidates" in text
    assert "Hypervolume over time" in text
    assert "bands a standard error each way" in text
    assert "From its last candidate on a study is drawn with what it had reached." in text
    assert "the hard limit" in text


def test_of_single_studies_no_bands_are_told(folder: Path) -> None:
    found = lab.compare_studies(["a-0", "a-1"], folder / "l.db")
    assert "bands" not in curve_words(found)
    assert reference_words(found).startswith("Hypervolumes are measured from accuracy ")


def test_between_two_moments_the_drawn_hypervolume_stays(folder: Path) -> None:
    found = lab.compare_studies(["a-0,a-1", "a-2"], folder / "l.db")
    line = next(each for each in seconds_figure(found).data if each.name == "a" and each.line.width == 2)
    expected = found.groups[0].over_seconds.mean
    assert list(line.y[::2]) == expected
    assert list(line.y[1::2]) == expected[:-1]
    assert line.x[1::2] == line.x[2::2]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("a-0", "other"),
            "studies that are compared share their objectives: 'a-0' has accuracy:max, macs:min, 'other' ",
        ),
        (("a-0", "a-9"), "unknown study 'a-9'"),
        (("a-0,a-9", "b,odd"), "unknown study 'a-9'"),
        (("a-0,a-1",), "two or more studies are compared, or groups of them as A1,A2 B1,B2; got one"),
        (("a-0", "a-0"), "study 'a-0' is named twice"),
        (("x=a-0", "x=a-1"), "two groups are called 'x'"),
        (("a-0", "failed"), "study 'failed': none of the study's 2 trials is complete (2 diverged)"),
        (("a-0", ","), "a group of studies is written A1,A2 or name=A1,A2, got ','"),
        (("a-0", "a-1", "--reference", "macs=5"), "needs a value of accuracy, as accuracy=VALUE"),
        (("a-0", "a-1", "--reference", "mac=5"), "did you mean 'macs'"),
        (("a-0", "a-1", "--reference", "macs=5,accuracy=nan"), "must be a finite number of each objective"),
        (("a-0", "a-1", "--html", "compared.pdf"), "must end in .html, got 'compared.pdf'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_compared_is_one_line(folder: Path, arguments: tuple[str, ...], told: str) -> None:
    assert told in naslab(folder, "compare-studies", *arguments).refusal()
    assert not (folder / "compared.pdf").exists()
