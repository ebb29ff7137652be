"""What every estimator that has a name promises to searches and calibrations, run in the test's own process."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from in_process import workers_in_process

import naslab
from naslab.analysis.ranking import ranking_words
from naslab.arch import ConvBlock, MBConv, cost
from naslab.errors import DataError, NaslabError, SpecError, StudyError
from naslab.estimators.known_table import genome_key
from naslab.estimators.named import estimator_names, read_name
from naslab.estimators.rows import ROWS
from naslab.lab.calibration import plan_calibration
from naslab.space import SearchSpace, choice
from naslab.study.outcome import Fidelity
from naslab.study.problem import Objective

LAYER = {"block": choice(ConvBlock(), MBConv()), "width": choice(4, 8, 12)}
SPACE = SearchSpace({"input": [1, 8, 8], "stages": [LAYER, LAYER], "num_classes": 10}, "toys")
"""36 small networks for the images of digits."""
EXAMPLES = {
    "ensemble": "ensemble:reference=4,batch=8",
    "short": "short:epochs=1,images=60,batch=16",
    "extrapolated": "extrapolated:epochs=3,of=4,batch=16",
    "full": "full:epochs=1",
    "supernet": "supernet:path={folder}/toys.safetensors,images=32",
    "predictor": "predictor:study=taught",
    "table": "table:path={folder}/known.csv",
}
"""A cheap form of each name; proxies are fine as they are."""
IN_CALIBRATIONS = {"predictor": "predictor:known=10"}


QUICK = ("params", "naswot", "ensemble")
"""Of the many proxies a count, one that needs images, and several together; the slow tests have the others."""
DRIVERS = [
    pytest.param(row.name, marks=[pytest.mark.slow] if row.kind == "proxy" and row.name not in QUICK else [])
    for row in ROWS
]


class Bench(NamedTuple):
    """A folder with a ledger that holds the study `taught`, a supernet and a table of results."""

    folder: Path

    def text(self, name: str) -> str:
        return EXAMPLES.get(name, name).format(folder=self.folder)

    def search(self, estimator: str | None, study: str, trials: int = 3, **asked: Any) -> naslab.StudyView:
        given = {"dataset": "digits", "max_images": 100, "strategy": "random", "ledger": self.folder / "a.db", **asked}
        return naslab.search(given.pop("space", SPACE), estimator=estimator, study=study, trials=trials, **given)


@pytest.fixture(scope="module", autouse=True)
def own_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, workers_in_process():
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def bench(own_process: None, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("lab")
    write_table(folder / "known.csv")
    naslab.train_supernet(SPACE, folder / "toys.safetensors", dataset="digits", max_images=100, epochs=1, paths=1)
    made = Bench(folder)
    made.search(None, "taught", trials=10, epochs=1)
    made.search("macs", "scored")
    return made


def write_table(path: Path, but: str = "") -> None:
    """Made-up results of the whole space, but for one of its keys."""
    rows = {genome_key(each): 50 + sum(gene.option for gene in each.genes) for each in SPACE.enumerate()}
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("arch", "mean_acc"), *((key, rows[key]) for key in rows if key != but)])


@pytest.mark.parametrize("name", DRIVERS)
def test_it_drives_a_search_that_is_resumed_and_reported(name: str, bench: Bench) -> None:
    text, known = bench.text(name), read_name(bench.text(name))
    view = bench.search(text, f"by {name}", limits=["macs<=1e7"])
    assert [each.estimate.failure for each in view.outcomes] == [None] * 3
    assert view.record.estimator == str(known)
    assert view.problem.objectives[0] == Objective(metric=known.metric, maximise=True)
    assert all(known.metric in each.estimate.measured for each in view.outcomes)
    assert bench.search(text, f"by {name}", limits=["macs<=1e7"]).outcomes == view.outcomes
    more = bench.search(text, f"by {name}", trials=4, limits=["macs<=1e7"])
    assert (len(more.outcomes), more.outcomes[:3]) == (4, view.outcomes)
    if known.options.fidelity is not None:
        assert {each.candidate.fidelity for each in more.outcomes} == {known.options.fidelity}
    report = bench.folder / f"{name}.html"
    naslab.write_report(more, report, bench.folder / "a.db")
    shown = report.read_text(encoding="utf-8")
    assert ranking_words(more.record) in shown
    assert ("nothing was trained" in shown) != known.trains
    assert f"best {known.metric}" in shown
    if known.row.kind == "proxy":
        visible = re.sub(r"<(script|style).*?</\1>", "", shown, flags=re.DOTALL)
        assert "accuracy" not in visible
    assert naslab.pareto_front(more).front
    assert naslab.front_figure(more).data


@pytest.mark.parametrize("name", estimator_names())
def test_it_can_be_calibrated(name: str, bench: Bench) -> None:
    text = IN_CALIBRATIONS.get(name, bench.text(name))
    reference = str(bench.folder / "known.csv")
    plan = plan_calibration(SPACE, text, reference=reference, sample=10, dataset="digits", max_images=100)
    assert [each.row.name for each in plan.estimators] == [name]


@pytest.mark.parametrize("name", ["supernet", "table", "predictor"])
def test_it_does_not_go_on_where_what_it_knows_has_changed(name: str, bench: Bench, tmp_path: Path) -> None:
    made = Bench(tmp_path)
    for file in bench.folder.iterdir():
        if file.is_file() and file.suffix in (".csv", ".safetensors", ".db", ".db-wal"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    made.search(made.text(name), "known", trials=1)
    if name == "table":
        write_table(tmp_path / "known.csv", but="never")
        with (tmp_path / "known.csv").open("a") as added:
            added.write("never,1\n")
    elif name == "supernet":
        path = tmp_path / "toys.safetensors"
        path.unlink()
        naslab.train_supernet(SPACE, path, dataset="digits", max_images=100, epochs=1, paths=1, seed=1)
    else:
        made.search(None, "taught", trials=11, epochs=1)
    with pytest.raises(StudyError, match="was made with another file or study behind its estimator"):
        made.search(made.text(name), "known", trials=2)


def test_baselines_are_estimated_as_the_candidates_are(bench: Bench) -> None:
    view = bench.search("naswot:batch=8", "beside", trials=1, baselines=["resnet20_cifar"])
    [beside] = view.baselines
    assert beside.is_complete
    assert beside.estimate.measured.keys() == {"naswot"}
    assert beside.candidate.fidelity == view.outcomes[0].candidate.fidelity


def test_a_network_that_a_table_lacks_is_a_failed_outcome(bench: Bench) -> None:
    whole = bench.search(bench.text("table"), "whole")
    lacking = bench.folder / "lacking.csv"
    write_table(lacking, but=genome_key(whole.outcomes[1].candidate.genome))
    view = bench.search(f"table:path={lacking}", "lacking")
    assert [each.is_complete for each in view.outcomes] == [True, False, True]
    assert view.outcomes[1].estimate.failure.reason == "invalid"  # type: ignore[union-attr]


def test_an_old_name_is_understood() -> None:
    assert str(read_name("foretold:epochs=3,of=4")) == "extrapolated:epochs=3,of=4"


def test_a_described_score_that_is_a_cost_is_made_large_alone(bench: Bench) -> None:
    view = bench.search("macs", "largest")
    assert [(goal.metric, goal.maximise) for goal in view.problem.objectives] == [("macs", True)]
    [best] = naslab.pareto_front(view).front
    assert best.value("macs") == max(each.value("macs") for each in view.outcomes)


@pytest.mark.parametrize("strategy", ["evolution", "bayes", "nsga2", "local", "auto"])
@pytest.mark.parametrize("name", ["layers", "macs"])
def test_every_kind_of_strategy_learns_of_scores(strategy: str, name: str, bench: Bench) -> None:
    """A score of its own, and one that is a cost which searches make small otherwise."""
    view = bench.search(name, f"{strategy} by {name}", trials=14, strategy=strategy)
    assert [each.is_complete for each in view.outcomes] == [True] * 14
    [*_, last] = sorted(SPACE.enumerate(), key=lambda genome: cost(SPACE.decode(genome)).macs)
    if (strategy, name) == ("bayes", "macs"):
        assert last in [each.candidate.genome for each in view.outcomes]


def test_an_early_fidelity_is_that_of_the_candidates(bench: Bench) -> None:
    view = bench.search("extrapolated:epochs=3,of=4,batch=16", "early", trials=1)
    assert view.outcomes[0].candidate.fidelity == Fidelity(epochs=3, schedule_epochs=4)
    assert view.record.epochs == 3


REFUSED: list[tuple[str, dict[str, Any], type[NaslabError], str]] = [
    ("naswot", {"objectives": ["accuracy"]}, StudyError, "leave the objective accuracy out; there are naswot, macs"),
    ("naswot", {"objectives": ["naswot", "latency_ms"]}, StudyError, "leave the objective latency_ms out"),
    ("naswot", {"rungs": (1, 2)}, StudyError, "trains nothing: leave rungs, inherit and stop_early out"),
    ("ensemble", {"inherit": True}, StudyError, "trains nothing: leave rungs, inherit and stop_early out"),
    ("short", {"rungs": (1, 2)}, StudyError, "trains in its own way: leave rungs, inherit and stop_early out"),
    ("naswot", {"pause": True}, StudyError, "trains nothing: leave rungs, inherit, stop_early and pause out"),
    ("short:epochs=2", {"epochs": 4}, StudyError, "trains networks for 2 epochs: leave epochs out"),
    ("table:path={folder}/known.csv", {"baselines": ["resnet20_cifar"]}, StudyError, "and baselines out"),
    ("table:path={folder}/known.csv,key=no", {}, DataError, "has no column"),
    ("table", {}, DataError, "no table of known results of space 'toys'"),
    ("table:path=a,name=b", {}, SpecError, "give path or name, not both"),
    ("table:path={folder}/other.csv", {}, DataError, "is not of this space"),
    ("predictor", {}, SpecError, "as study=NAME"),
    ("predictor:study=scored", {}, StudyError, "that study has measured nothing"),
    ("naswot", {"stop_early": 0.95}, StudyError, "trains nothing: leave rungs, inherit and stop_early out"),
    ("naswott", {}, NaslabError, "did you mean 'naswot'"),
]


@pytest.mark.parametrize(("text", "asked", "error", "words"), REFUSED)
def test_what_makes_no_sense_is_refused_in_one_line_before_there_is_a_study(
    text: str, asked: dict[str, Any], error: type[NaslabError], words: str, bench: Bench
) -> None:
    (bench.folder / "other.csv").write_text("arch,mean_acc\n99999,50\n")
    with pytest.raises(error, match=words) as raised:
        bench.search(text.format(folder=bench.folder), "never", **asked)
    assert "\n" not in str(raised.value)
    with pytest.raises(NaslabError):
        naslab.open_study("never", bench.folder / "a.db")
