"""What each option of a command needs to have an effect, declared for every option there is.

An option that is given where it can have no effect is refused before anything is read or run. `ALWAYS` is the row of
those that have an effect whatever else is said; a test holds that no option is without a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from naslab.errors import SpecError


class Need(NamedTuple):
    """When an option has an effect: `is_met` by the values of all parameters; else the `rule` behind its name."""

    rule: str
    is_met: Callable[[Mapping[str, Any]], bool]


def flag_of(name: str) -> str:
    """A parameter as it is written on the command line.

    >>> flag_of("ray_address")
    '--ray-address'
    """
    return "--" + name.replace("_", "-")


def needs(*names: str) -> Need:
    """One of other options, by their names, is given."""
    rule = f"has no effect without {' or '.join(map(flag_of, names))}"
    return Need(rule, lambda given: any(given[name] not in (None, False, [], "") for name in names))


def needs_value(name: str, value: Any) -> Need:
    """Another option has a value."""
    return Need(f"has no effect without {flag_of(name)} {value}", lambda given: given[name] == value)


def unless(name: str, why: str) -> Need:
    """Another option is not given, which says `why`."""
    return Need(f"has no effect beside {flag_of(name)}, {why}", lambda given: given[name] in (None, False, [], (), ""))


def _doing(name: str, value: str) -> Need:
    """An argument is a word."""
    return Need(f"has no effect without the word {value}", lambda given: given[name] == value)


def is_of_study(model: str) -> bool:
    """Whether a MODEL is one of a study, as `mystudy:best`."""
    return ":" in model and not Path(model).is_file()


def is_dense(task: str | None) -> bool:
    """Whether a task finds objects or classes of pixels in an image."""
    return task in DENSE


DENSE = ("detection", "instance_segmentation", "keypoints", "segmentation")


def _trains(given: Mapping[str, Any]) -> bool:
    from naslab.estimators.named import read_name

    return given["estimator"] is None or read_name(given["estimator"]).trains


def _goes_on(given: Mapping[str, Any]) -> bool:
    from naslab.estimators.named import read_name

    return given["estimator"] is None or read_name(given["estimator"]).row.goes_on


def _reads_recipe(given: Mapping[str, Any]) -> bool:
    from naslab.estimators.named import read_name

    if given["estimator"] is None:
        return True
    name = read_name(given["estimator"]).row
    return name.kind != "proxy" and not name.brings_data and name.name not in ("full", "table")


def _runs_in_torch(given: Mapping[str, Any]) -> bool:
    return given["runtime"] != "onnxruntime" and Path(given["model"]).suffix != ".onnx"


def _classifies(given: Mapping[str, Any]) -> bool:
    from naslab.dense_prediction.facts import is_detector

    return not is_detector(Path(given["model"]))


def _is_timed(given: Mapping[str, Any]) -> bool:
    from naslab.targets.target import parse_target

    return parse_target(given["target"]).row.is_timed


def of_images(need: Need) -> Need:
    """A `need` of what is said of whole images, beside that."""
    rule = f"{need.rule}, and none" if need.rule else "has no effect"
    rule = f"{rule} beside --task {' or '.join(DENSE)}"
    return Need(rule, lambda given: need.is_met(given) and not is_dense(given["task"]))


ALWAYS = Need("", lambda _: True)
_TRAINED = needs("train")
_DENSE = Need(f"has no effect without --task {' or '.join(DENSE)}", lambda given: is_dense(given["task"]))
_NEW_FAMILY = Need(
    "has no effect without --train of a model that is no study's",
    lambda given: given["train"] and not is_of_study(given["model"]),
)
_OF_DETECTORS = "has no effect with a detector"
_WHOLE = Need(
    "has no effect on a Python file alone: add --onnx, or name a folder",
    lambda given: given["onnx"] is not None or given["out"].suffix != ".py",
)
_TIMED = Need("has no effect in a target that is not timed here", _is_timed)
_SPREAD = Need("has no effect where no target is timed", lambda given: given["metric"] is None and _is_timed(given))
_ONE_MODEL = unless("batch", "whose columns say it")
_OF_ESTIMATES = unless("target", "which measures latency")
_BY_GRID = unless("grid", "which names the candidates")
_BY_ESTIMATOR = Need("has no effect beside an --estimator that trains nothing", _trains)


def _always(*names: str) -> dict[str, Need]:
    return dict.fromkeys(names, ALWAYS)


NEEDS: dict[str, dict[str, Need]] = {
    "search": {
        **_always(
            "space",
            "strategy",
            "trials",
            "log",
            "hours",
            "objectives",
            "limit",
            "operators",
            "prefer",
            "seed",
            "dataset",
            "max_images",
        ),
        "data_dir": of_images(ALWAYS),
        **dict.fromkeys(("validation", "storage", "skip_unreadable", "channels"), of_images(needs("dataset"))),
        "task": needs("dataset"),
        **_always("resolution", "deterministic"),
        "epochs": unless("rungs", "which says the epochs of each rung"),
        "recipe": of_images(Need("has no effect beside an --estimator that does not train by it", _reads_recipe)),
        "keep": needs("rungs"),
        **dict.fromkeys(("rungs", "pause", "stop_early", "inherit"), _BY_ESTIMATOR),
        "pretrained": Need("has no effect beside an --estimator that trains in its own way or not at all", _goes_on),
        **dict.fromkeys(("kind", "levels", "head_channels"), _DENSE),
        **dict.fromkeys(("least_match", "keep_channels"), needs("pretrained")),
        "estimator": of_images(ALWAYS),
        "prior": of_images(ALWAYS),
        "pool": needs("prior"),
        **_always("baseline", "executor", "workers", "gpus_per_worker", "timeout", "memory"),
        "ray_address": needs_value("executor", "ray"),
        **_always("study", "ledger", "accept_changes", "json"),
    },
    "pareto": _always("study", "x", "y", "limit", "out", "ledger", "json"),
    "dashboard": _always("port", "host", "opens", "ledger"),
    "worker": _always("study", "idle", "device", "data_dir", "ledger", "json"),
    "report": _always("study", "out", "ledger", "json"),
    "rescale": {
        **_always("model", "phi", "target_macs", "target_params", "target_activations", "target_latency_ms"),
        "device": needs("target_latency_ms"),
        **_always("max_resolution", "rule", "coefficients", "rounding", "keep_stem", "keep_head", "train"),
        **_always("alpha", "beta", "gamma", "ledger", "out", "plot", "json"),
        **dict.fromkeys(("dataset", "epochs", "study", "pretrained"), _NEW_FAMILY),
        **dict.fromkeys(("workers", "data_dir", "seeds"), _TRAINED),
    },
    "fit-scaling": {
        **_always("model", "budget_ratio", "grid", "tolerance", "rounding", "resolution", "dataset", "max_images"),
        **dict.fromkeys(("points", "step"), _BY_GRID),
        **_always("data_dir", "epochs", "seeds", "executor", "workers", "gpus_per_worker", "timeout", "memory"),
        "ray_address": needs_value("executor", "ray"),
        **_always("study", "ledger", "save_to", "out", "json"),
    },
    "scaling-law": _always("study", "metric", "of", "out", "ledger", "json"),
    "data-law": _always(
        *("model", "images", "dataset", "data_dir", "epochs", "seeds", "workers", "study", "ledger", "out", "json")
    ),
    "compare": {
        **_always("table", "knobs", "objectives", "minimise", "features", "duration", "strategies", "trials", "seeds"),
        "data_dir": Need(
            "has no effect without --table nas_bench_macro or nas_bench_201",
            lambda given: given["table"] in ("nas_bench_macro", "nas_bench_201"),
        ),
        **_always("target", "reference", "processes", "workers", "training_seconds", "straggler_rate", "failure_rate"),
        **_always("noise", "out", "json"),
    },
    "calibrate": {
        **_always("space", "sample", "seed", "target", "out", "json"),
        "known": needs("target"),
        **dict.fromkeys(("estimators", "reference", "dataset", "max_images", "data_dir", "executor"), _OF_ESTIMATES),
        **dict.fromkeys(("workers", "gpus_per_worker", "timeout", "memory", "study", "ledger"), _OF_ESTIMATES),
        "epochs": needs_value("reference", "full"),
        "ray_address": needs_value("executor", "ray"),
    },
    "train": {
        **_always("model", "dataset", "epochs", "resolution", "seed", "device", "ledger", "out", "json", "max_images"),
        **_always("freeze_norm", "pretrained", "recipe"),
        **dict.fromkeys(("data_dir", "use_validation", "start_from", "seeds"), of_images(ALWAYS)),
        **dict.fromkeys(("bare", "licence", "layer_decay", "quantize"), of_images(ALWAYS)),
        **dict.fromkeys(("skip_unreadable", "channels"), of_images(needs("dataset"))),
        "task": needs("dataset"),
        **dict.fromkeys(("kind", "levels", "head_channels"), _DENSE),
        "least_match": needs("pretrained"),
        "tune": of_images(needs("pretrained", "start_from")),
    },
    "shrink": {
        **_always("model", "target_macs", "weights", "dataset", "data_dir", "max_images", "resolution", "trials"),
        **_always("epochs", "recipe", "least_match", "seed", "device", "ledger", "out", "json"),
    },
    "transfer": _always(
        *(
            "model",
            "pretrained",
            "dataset",
            "images",
            "max_images",
            "data_dir",
            "ways",
            "resolution",
            "epochs",
            "seeds",
        ),
        *("device", "ledger", "out", "json"),
    ),
    "supernet": {
        **_always("space", "out", "dataset", "max_images", "data_dir", "epochs", "recipe", "resolution", "seed"),
        **_always("device", "paths", "sandwich", "json"),
        "distill": Need("has no effect with --no-sandwich", lambda given: given["sandwich"]),
    },
    "slice": _always("supernet", "model", "out", "ledger", "data_dir", "json"),
    "export": {
        **_always("model", "onnx", "bare", "json"),
        **dict.fromkeys(
            ("dataset", "data_dir", "resolution", "num_classes", "ledger"), Need(_OF_DETECTORS, _classifies)
        ),
        "out": Need(f"{_OF_DETECTORS}, which becomes an ONNX file (--onnx)", _classifies),
        "weights": Need(_WHOLE.rule, lambda given: _classifies(given) and _WHOLE.is_met(given)),
        "licence": _WHOLE,
        **dict.fromkeys(("opset", "pixels"), needs("onnx")),
    },
    "predict": {
        **_always("model", "images", "json"),
        **dict.fromkeys(("top", "runtime", "ledger"), Need(_OF_DETECTORS, _classifies)),
        **dict.fromkeys(("out", "least_score"), Need("has no effect without a detector", lambda g: not _classifies(g))),
        "device": Need("has no effect in ONNX Runtime", _runs_in_torch),
    },
    "measure": {
        **_always("model", "metric", "ledger", "json"),
        **dict.fromkeys(
            ("target", "batch", "resolution", "dataset", "data_dir", "accuracy"),
            unless("metric", "which says what is measured"),
        ),
        **dict.fromkeys(("device", "again"), needs("metric")),
        "threads": _TIMED,
        "most_spread": _SPREAD,
    },
    "cost": {
        **_always("model", "batch", "ledger", "json"),
        **dict.fromkeys(("resolution", "num_classes", "layers"), _ONE_MODEL),
    },
    "show": {
        **_always("model", "resolution", "num_classes", "diagram", "ledger", "json"),
        "auxiliary": needs("diagram"),
    },
    "spaces": _always("json"),
    "zoo": _always("plot", "json"),
    "compare-studies": _always("groups", "reference", "out", "ledger", "json"),
    "studies": {
        **_always("action", "names", "ledger", "json"),
        "into": _doing("action", "merge"),
        "yes": _doing("action", "delete"),
    },
    "mirror": _always("study", "storage", "ledger", "json"),
    "doctor": _always("ledger", "json"),
    "estimators": _always("json"),
    "list": _always("kind", "json"),
    "init": _always("path", "dataset", "target_macs", "data_dir", "json"),
    "table": _always("study", "as_csv", "ledger", "json"),
    "convert": _always("source", "to", "notation", "out", "resolution", "num_classes", "ledger", "json"),
}
"""What the options need, by the command and the parameter."""


def require_effect(command: str, given: Mapping[str, Any], said: list[str]) -> None:
    """Raise `SpecError` for the first option of `command` that is said and can have no effect.

    `given` are the values of all its parameters, `said` the names of those that stand on the command line.
    """

    for name in said:
        need = NEEDS[command][name]
        if not need.is_met(given):
            raise SpecError("", f"{flag_of(name)} {need.rule}: leave it out")
