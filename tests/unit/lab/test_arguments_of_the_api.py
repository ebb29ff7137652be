"""Every public function says what each of its arguments may be, and refuses anything else by name, in one line."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

import naslab
from naslab.arch import ConvBlock, Head, Stage
from naslab.arguments import either, many, number, one_of, optional, path, text, whole
from naslab.errors import NaslabError, SpecError, StudyError
from naslab.estimators.trial import Trial

WRONG: tuple[Any, ...] = (None, "x", -5, math.nan, [], object())
FUNCTIONS = [name for name in naslab.__all__ if inspect.isfunction(getattr(naslab, name))]
STAGES = (Stage(block=ConvBlock(), width=8),)


class WorkError(Exception):
    """Raised in the place of the work: every argument was taken."""


class OpenedTrial(Trial):
    """A trial whose data are asked for."""

    def __init__(self) -> None:
        pass

    @property
    def data(self) -> Any:
        raise WorkError


RIGHT: dict[str, dict[str, Any]] = {
    "accuracy_predictor": {"study": "a study"},
    "arch_id": {"arch": "lenet5"},
    "build": {"arch": "lenet5"},
    "backbone": {"network": "mobilenet_v2"},
    "calibrate": {"space": "digits_demo", "estimators": "layers", "reference": "full", "sample": 10},
    "calibrate_latency": {"space": "digits_demo", "target": "torch", "out": "latency.json"},
    "choice": {},
    "compare_studies": {"groups": ["a study", "another"]},
    "cost": {"arch": "lenet5"},
    "delete_study": {"name": "a study"},
    "detect": {"folder": "found", "images": ["photo.png"]},
    "detector": {"network": "mobilenet_v2", "num_classes": 2},
    "detector_cost": {"network": "mobilenet_v2", "num_classes": 2},
    "export_shared_weights": {"supernet": "supernet.safetensors", "model": "lenet5", "out": "out.safetensors"},
    "family": {"arch": "lenet5", "phis": [0]},
    "features": {"network": "mobilenet_v2"},
    "register_with_timm": {"model": "mobilenet_v2"},
    "find_model": {"text": "lenet5"},
    "fit_compound": {"model": "lenet5", "dataset": "digits"},
    "fit_data_law": {"model": "lenet5", "dataset": "digits", "images": [50, 100, 200, 400, 800]},
    "fit_power_law": {"costs": [1, 2, 4, 8, 16], "errors": [9, 7, 6, 5, 4.5], "num_resamples": 2},
    "from_pretrained": {"name": "trained"},
    "front_figure": {"study": "a study"},
    "load_arch": {"path": "there.yaml"},
    "load_space": {"name_or_path": "digits_demo"},
    "measure": {"model": "lenet5"},
    "measure_study": {"study": "a study", "metric": "latency_ms"},
    "meet_budget": {"arch": "lenet5", "metric": "macs", "target": 4e5},
    "merge_studies": {"names": ["a study", "another"], "into": "both"},
    "model": {"name": "lenet5"},
    "open_study": {"name": "a study"},
    "pareto_front": {"study": "a study"},
    "predict": {"model": "trained", "images": ["photo.png"]},
    "rename_study": {"old": "a study", "new": "another"},
    "rescale": {"arch": "lenet5", "phi": 0},
    "save_arch": {"arch": "lenet5", "path": "lenet5.yaml"},
    "scale": {"arch": "lenet5"},
    "search": {"space": "digits_demo"},
    "segmenter": {"network": "mobilenet_v2", "num_classes": 2},
    "short_training": {"network": nn.Identity(), "trial": OpenedTrial()},
    "train": {"model": "lenet5", "dataset": "digits"},
    "train_detector": {"model": "resnet18", "task": "detection", "dataset": "coco:photos"},
    "train_seeds": {"model": "lenet5", "dataset": "digits", "out": "x"},
    "train_supernet": {"space": "digits_demo", "out": "supernet.safetensors"},
    "shrink": {"model": "lenet5", "target_macs": "0.5x"},
    "transfer": {"model": "lenet5", "pretrained": "w.safetensors", "datasets": ["digits"]},
    "write_report": {"study": "a study", "path": "report.html"},
}
"""Arguments with which each function goes on to its work."""


@pytest.fixture(autouse=True)
def no_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def work(*_: Any, **__: Any) -> Any:
        raise WorkError

    import naslab.lab.latency
    import naslab.lab.measuring
    import naslab.lab.predicting
    import naslab.lab.shrinking
    import naslab.training.fit
    import naslab.training.supernet.export
    import naslab.training.supernet.training
    from naslab.ledger.ledger import Ledger

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Ledger, "open", work)
    monkeypatch.setattr(naslab.lab.predicting, "_loaded", work)
    monkeypatch.setattr(naslab.lab.measuring, "measure_deployed", work)
    monkeypatch.setattr(naslab.lab.latency, "distinct_networks", work)
    for at in (naslab.training.fit, naslab.lab.shrinking):
        monkeypatch.setattr(at, "fit_and_test", work)
    monkeypatch.setattr(naslab.training.supernet.training, "train_supernet", work)
    monkeypatch.setattr(naslab.training.supernet.export, "write_slice", work)


def arguments() -> list[tuple[str, str]]:
    found = []
    for name in FUNCTIONS:
        parameters = inspect.signature(getattr(naslab, name)).parameters.values()
        found += [(name, each.name) for each in parameters if each.kind is not inspect.Parameter.VAR_POSITIONAL]
    return found


def is_refused(function: str, argument: str, annotation: str) -> list[Any]:
    """The values that an annotation excludes: nothing here is negative but a step of scaling."""
    lacks_none = [] if "None" in annotation else [None]
    plain = annotation.replace(" | None", "")
    if plain == "int":
        return [*lacks_none, "x", -5, math.nan, []]
    if plain == "float":
        return [*lacks_none, "x", math.nan, []]
    if plain == "bool":
        return [None, "x", -5, math.nan, []]
    if plain in ("str", "str | Path"):
        return [*lacks_none, -5, math.nan, []]
    return [-5, math.nan] if plain in ("Sequence[str]", "AnyModel", "SearchSpace | str | Path") else []


@pytest.mark.parametrize(("function", "argument"), arguments())
def test_a_wrong_value_is_refused_by_the_name_of_its_argument(function: str, argument: str) -> None:
    called = getattr(naslab, function)
    annotation = str(inspect.signature(called).parameters[argument].annotation)
    excluded = is_refused(function, argument, annotation)
    for wrong in WRONG:
        given = {**RIGHT[function], argument: wrong}
        refusal = None
        try:
            called(**given)
        except NaslabError as error:
            refusal = str(error)
        except WorkError:
            pass
        assert refusal is None or (len(refusal.splitlines()) == 1 and len(refusal) < 1000), (wrong, refusal)
        if type(wrong) is object or any(wrong is each or (wrong == each and wrong is not None) for each in excluded):
            assert refusal is not None, f"{argument}={wrong!r} is taken"
            assert argument in refusal, f"{refusal} does not name {argument}"
    assert not [each for each in Path().iterdir() if each.name not in ("lenet5.yaml", "x")], "something was written"


def test_every_function_is_walked() -> None:
    assert RIGHT.keys() == set(FUNCTIONS)


FIELDS: dict[str, dict[str, Any]] = {
    "ArchSpec": {"input": (3, 8, 8), "stages": STAGES, "num_classes": 2},
    "Compound": {},
    "DenseRecipe": {},
    "Recipe": {},
    "SearchSpace": {
        "template": {"input": [3, 8, 8], "stages": [{"block": naslab.choice(ConvBlock())}], "num_classes": 2}
    },
    "Workers": {},
}
"""Right values of the fields that have no default, of classes that people make values of."""


@pytest.mark.parametrize("kind", FIELDS)
def test_a_value_with_a_wrong_field_is_refused_where_it_is_made_or_used(kind: str) -> None:
    made = getattr(naslab, kind)
    for field in made.__struct_fields__:
        for wrong in WRONG:
            refused = False
            try:
                value = made(**{**FIELDS[kind], field: wrong})
                if kind == "ArchSpec":
                    naslab.cost(value)
            except NaslabError as error:
                refused = len(str(error).splitlines()) == 1
            assert refused or type(wrong) is not object or (kind, field) == ("SearchSpace", "name"), field


@pytest.mark.parametrize(
    "model",
    ["lenet5", naslab.model("lenet5"), "there.yaml", Path("there.yaml"), naslab.find_model("lenet5")],
    ids=["name", "arch", "text", "path", "model"],
)
def test_a_network_is_taken_by_whatever_it_is_called(model: Any) -> None:
    arch = naslab.model("lenet5")
    naslab.save_arch(arch, "there.yaml")
    assert naslab.cost(model).params == 61_706
    assert naslab.arch_id(model) == naslab.arch_id(arch)
    assert naslab.rescale(model, phi=0).arch == arch
    assert sum(each.numel() for each in naslab.build(model).parameters()) == 61_706
    assert naslab.find_model(model, resolution=64).arch.input == (1, 64, 64)
    with pytest.raises(WorkError):
        naslab.train(model, dataset="digits")
    with pytest.raises(WorkError):
        naslab.fit_compound(model, dataset="digits")


def test_one_value_is_taken_where_a_list_is_meant() -> None:
    from naslab.lab import search as lab

    taken: list[Any] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lab, "run_search", lambda options, _: taken.append(options))
        naslab.search("digits_demo", objectives="accuracy", limits="macs<=1e6", baselines="resnet18", rungs="1,3")
    options = taken[0]
    assert (options.objectives, options.limits, options.baselines) == (("accuracy",), ("macs<=1e6",), ("resnet18",))
    assert options.rungs.epochs == (1, 3)
    assert [member.phi for member in naslab.family("lenet5", 0)] == [0]


def test_numbers_of_numpy_are_numbers_and_truth_values_are_none() -> None:
    assert whole(1).taken("epochs", np.int64(3)) == 3
    assert number().taken("phi", np.float32(0.5)) == 0.5
    for kind in (whole(), number()):
        with pytest.raises(SpecError, match="got True"):
            kind.taken("epochs", True)
    with pytest.raises(SpecError, match="at most 9,223,372,036,854,775,807"):
        whole(0).taken("seed", 2**63)
    with pytest.raises(SpecError, match=r"phis\[1\]: must be a finite number, got 'x'"):
        many(number()).taken("phis", [1, "x"])
    with pytest.raises(SpecError, match="did you mean 'macs'"):
        either(one_of("macs", "params"), text()).taken("metric", "mac")
    assert optional(text()).taken("study", None) is None


def test_a_head_of_another_type_is_named() -> None:
    with pytest.raises(SpecError, match=r"^head: "):
        naslab.cost(naslab.ArchSpec(input=(3, 8, 8), stages=STAGES, num_classes=2, head="x"))  # type: ignore[arg-type]
    assert naslab.cost(naslab.ArchSpec(input=[3, 8, 8], stages=list(STAGES), num_classes=2, head=Head())).params > 0  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["\ud800", "a" * 300, "folder/" + "é" * 200 + "/net.yaml"])
@pytest.mark.parametrize(
    ("function", "argument"),
    [
        ("cost", "arch"),
        ("load_arch", "path"),
        ("open_study", "ledger"),
        ("features", "network"),
        ("features", "pretrained"),
        ("from_pretrained", "name"),
        ("predict", "images"),
    ],
)
def test_names_that_no_file_has_are_refused(function: str, argument: str, wrong: str) -> None:
    given = {**RIGHT[function], argument: wrong}
    with pytest.raises(SpecError, match=rf"^{argument}\S*: (the name of a file has at most 255 bytes|must be )"):
        getattr(naslab, function)(**given)


def test_names_of_studies_that_are_no_text_are_refused() -> None:
    with pytest.raises(SpecError, match=r"^study: must be .*, got '.udc00'$"):
        naslab.pareto_front("\udc00", ledger="there.db")
    assert path().taken("ledger", "postgresql://me:" + "token" * 300 + "@host/lab")


def test_an_array_is_no_whole_number() -> None:
    for wrong in (np.zeros(3), np.zeros((2, 2), int), np.zeros(0)):
        with pytest.raises(SpecError, match=r"^epochs: must be a whole number.*, got an object of the type ndarray"):
            whole(1).taken("epochs", wrong)


def test_a_size_of_several_that_is_none_is_refused() -> None:
    for wrong in ([None], [(64, 64), None]):
        with pytest.raises(SpecError, match=r"^resolution: must be .*a size"):
            naslab.search("digits_demo", resolution=wrong)  # type: ignore[arg-type]


def test_numbers_beyond_floats_are_no_points_of_a_law() -> None:
    with pytest.raises(StudyError, match="at most 1e308"):
        naslab.fit_power_law([1e6, 2e6, 3e6, 10**400], [5.0, 4.0, 3.0, 2.0])


@pytest.mark.parametrize("given", ["x", "x,"])
def test_no_message_quotes_a_long_value_whole(given: str) -> None:
    for call in (
        lambda: naslab.search("digits_demo", objectives=given * 100_000),
        lambda: naslab.search("digits_demo", limits=given * 100_000),
        lambda: naslab.search("digits_demo", strategy=given * 100_000),
        lambda: naslab.load_space(given * 100_000),
        lambda: naslab.model(given * 100_000),
    ):
        with pytest.raises(naslab.NaslabError) as error:
            call()
        assert len(str(error.value)) < 3000
