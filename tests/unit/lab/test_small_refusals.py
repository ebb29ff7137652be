"""Questions that end in one line with what to do instead, and results that are found however they are written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from naslab.analysis.facts import budget_words
from naslab.arch import arch_id
from naslab.arch.declaration import COUNTERS, Counts, Declaration, Layer, Shape, declare, no_weights
from naslab.arch.layer_modules import module_of
from naslab.arch.layers import combinators
from naslab.arch.plan import seq
from naslab.arch.tally import tally
from naslab.arch.torch_layers import TorchLayer, declare_module
from naslab.errors import DataError, NaslabError, SpecError, StudyError, UnreadableError
from naslab.estimators.estimator import Workbench
from naslab.estimators.known_table import KnownTable, genome_key, genome_of_key
from naslab.estimators.named import read_name
from naslab.estimators.rows import Setting
from naslab.execution.source import make_candidate
from naslab.lab.problems import make_problem
from naslab.ledger.record import StudyRecord
from naslab.metrics import ACCURACY
from naslab.space import SearchSpace, choice, load_space

TWINS = SearchSpace(
    {
        "input": [1, 8, 8],
        "num_classes": 10,
        "stages": [
            {"block": {"type": "residual", "se": {"ratio": choice(1 / 16, 1 / 32)}}, "width": choice(16, 32)},
        ],
    },
    "twins",
)
"""A space in which two choices make one network: a squeeze-excite ratio of 1/16 and of 1/32 of 16 channels."""


def test_a_table_holds_a_network_under_whichever_of_its_keys(tmp_path: Path) -> None:
    genomes = [TWINS.genome_at(rank) for rank in range(TWINS.size())]
    networks: dict[str, list[str]] = {}
    for each in genomes:
        networks.setdefault(arch_id(TWINS.decode(each)), []).append(genome_key(each))
    one, other = next(keys for keys in networks.values() if len(keys) == 2)
    path = tmp_path / "known.csv"
    path.write_text(f"arch,mean_acc\n{one},91.5\n")
    made = read_name(f"table:path={path}").make(Setting(make_problem(TWINS, "digits", None, (), None)))
    twin = genome_of_key(TWINS, other)
    assert twin is not None
    candidate = make_candidate(TWINS.decode(twin), 0, 1, 0, "search", twin)
    bench = Workbench(device="cpu", cache={})
    assert made.estimator.estimate(candidate, bench).measured[ACCURACY.name] == 91.5
    alone = KnownTable(path=str(path)).estimate(candidate, bench)
    assert alone.failure is not None, "without a space only the very key is found"
    absent = genome_of_key(TWINS, next(keys for keys in networks.values() if one not in keys)[0])
    assert absent is not None
    with pytest.raises(DataError, match="knows 1 of the 4 genomes of this space, too few"):
        made.require(make_candidate(TWINS.decode(absent), 0, 1, 0, "search", absent))
    path.write_text("arch,mean_acc\n999,91.5\n")
    with pytest.raises(DataError, match=r"is not of this space: '.+' is not in"):
        made.require(make_candidate(TWINS.decode(absent), 0, 1, 0, "search", absent))


def test_keys_are_read_as_they_are_written() -> None:
    space = load_space("nas_bench_macro")
    for rank in (0, 1, 2187, space.size() - 1):
        made = space.genome_at(rank)
        assert genome_of_key(space, genome_key(made)) == made
    assert [genome_of_key(space, key) for key in ("", "0120120", "012012012", "9120120x", "3" * 8)] == [None] * 5


@pytest.mark.parametrize(
    ("objectives", "limits", "words"),
    [
        (("naswot", "macs"), (), "add --estimator naswot"),
        (("ensemble",), (), "add --estimator ensemble"),
        (None, ("accuracy>=90",), "accuracy is known after training"),
        (None, ("mac<=3",), "did you mean 'macs'"),
    ],
)
def test_a_name_that_is_known_elsewhere_says_where(
    objectives: tuple[str, ...] | None, limits: tuple[str, ...], words: str
) -> None:
    with pytest.raises(NaslabError, match=words):
        make_problem("digits_demo", "digits", objectives, limits, None)


@pytest.mark.parametrize("images", [1, 9, 10**6])
def test_images_that_no_training_has_are_refused_before_it(images: int) -> None:
    setting = Setting(make_problem("digits_demo", "digits", None, (), None))
    for name in ("short", "extrapolated:epochs=4,of=8"):
        said = f"{name}{',' if ':' in name else ':'}images={images}"
        with pytest.raises(SpecError, match=rf"must be 10 \(one a class of digits\) to .* got {images:,}"):
            read_name(said).make(setting)
    read_name("short:images=10").make(setting)


@pytest.mark.parametrize(("name", "words"), [("table:key=name", "names columns"), ("predictor:batch=8", "no effect")])
def test_options_of_an_estimator_that_have_no_effect_are_refused(name: str, words: str) -> None:
    with pytest.raises(NaslabError, match=words):
        read_name(name).make(Setting(make_problem("nas_bench_macro", "cifar10", None, (), None)))


def test_one_epoch_is_one_epoch() -> None:
    record = StudyRecord(name="a", problem={}, strategy="random", epochs=1, seed=0, trials=4)
    assert budget_words(record) == "4 trials of 1 epoch"


def test_a_value_of_this_version_that_it_cannot_read_is_damaged() -> None:
    error = UnreadableError("trial 3", "field wall_seconds: expected float")
    assert "restore the ledger from a copy" in str(error.written_by(["1.2"], "1.2"))
    assert "naslab 1.1 wrote it, this is 1.2" in str(error.written_by(["1.1"], "1.2"))
    assert "naslab 1.1, 1.2 wrote it" in str(error.written_by(["1.1", "1.2"], "1.2"))


class Clumsy(Layer, frozen=True, gc=False):
    """A layer from outside whose functions raise."""


@pytest.fixture
def clumsy() -> Iterator[Clumsy]:
    def count(layer: Clumsy, shape: Shape, keep: bool) -> Counts:
        return [][1]  # type: ignore[no-any-return]

    def build(layer: Clumsy) -> None:
        raise ValueError("no such window")

    declare(Clumsy, Declaration(count=count, weights=no_weights, torch_module=__name__))
    declare_module(Clumsy, TorchLayer(build=build))  # type: ignore[arg-type]
    yield Clumsy()
    COUNTERS.pop(Clumsy)


def test_a_layer_from_outside_that_raises_is_named(clumsy: Clumsy) -> None:
    with pytest.raises(SpecError, match=r"^odd: the layer Clumsy cannot be counted: its `count` raised IndexError"):
        tally(seq(odd=clumsy), (3, 8, 8))
    with pytest.raises(SpecError, match=r"^body\.odd: the layer Clumsy cannot be counted"):
        tally(combinators.Residual(seq(odd=clumsy)), (3, 8, 8))
    with pytest.raises(SpecError, match=r"the layer Clumsy cannot be built: .* raised ValueError 'no such window'"):
        module_of(seq(odd=clumsy))


def test_a_study_that_trains_nothing_is_not_asked_for_epochs() -> None:
    from naslab.lab.search import plan_search
    from naslab.lab.search_options import SearchOptions

    with pytest.raises(StudyError, match="'naswot' trains nothing: leave epochs out"):
        plan_search(SearchOptions(space="digits_demo", estimator="naswot", epochs=4))


def test_families_released_with_other_padding_say_so() -> None:
    from naslab.analysis.zoo import zoo_table
    from naslab.zoo.entry import SAME_PADDED

    rows = zoo_table()
    assert {row.family for row in rows if not row.has_released_windows} == set(SAME_PADDED)
    others = {row.family for row in rows} - set(SAME_PADDED)
    assert {"AlexNet", "GoogLeNet"} <= others
