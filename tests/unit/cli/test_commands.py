"""The commands as a user runs them, on one small real study."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import warm_start
from in_process import workers_in_process
from tiny_space import SPACE

from naslab.arch import cost, load_arch
from naslab.arch.build import build
from naslab.cli.main import run
from naslab.errors import WriteError
from naslab.training.onnx_file import write_onnx
from naslab.zoo import model


class Shown(NamedTuple):
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> object:
        """The one JSON value on stdout."""
        return json.loads(self.out)


class Commands:
    """Runs `naslab` in this process, in a folder of its own, all commands on one ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str) -> Shown:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["naslab", *arguments])
            patch.chdir(self.folder)
            patch.delenv("NASLAB_LEDGER", raising=False)
            return captured_run()


def captured_run() -> Shown:
    """Run the command line as it stands in `sys.argv`."""
    from contextlib import redirect_stderr, redirect_stdout
    from io import StringIO

    out, err = StringIO(), StringIO()
    code = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            run()
        except SystemExit as end:
            code = int(end.code or 0)
    return Shown(code, out.getvalue(), err.getvalue())


SEARCH = (
    *("search", "digits_demo", "--study", "small", "--epochs", "1", "--max-images", "400"),
    *("--workers", "2", "--limit", "macs<=2e6"),
)


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    """A folder with a ledger that holds a finished study of three trials."""
    here = Commands(tmp_path_factory.mktemp("lab"))
    (here.folder / "tiny.yaml").write_text(SPACE, encoding="utf-8")
    shown = here(*SEARCH, "--trials", "3", "--baseline", "resnet20_cifar")
    assert shown.code == 0, shown.err
    assert "3/3" in shown.err
    assert "resnet20_cifar" in shown.err
    assert "Pareto front of small" in shown.out
    return here


def test_the_same_command_with_a_larger_total_continues(commands: Commands) -> None:
    with workers_in_process():
        shown = commands(*SEARCH, "--trials", "4", "--json")
    value = shown.value
    assert isinstance(value, dict)
    assert (value["trials"], value["failed"]) == (4, 0)
    assert "continuing: 3 finished" in shown.err
    again = commands(*SEARCH, "--trials", "4", "--json").value
    assert again == value


def test_pareto_gives_front_dominated_and_hypervolume(commands: Commands) -> None:
    value = commands("pareto", "small", "--x", "params", "--out", "front.html", "--json").value
    assert isinstance(value, dict)
    assert len(value["front"]) + len(value["dominated"]) >= 3
    assert 0 < value["hypervolume_share"] < 1
    assert set(value["reference_point"]) == {"accuracy", "params"}
    assert (commands.folder / "front.html").stat().st_size > 1e6


def test_best_is_the_most_accurate_and_of_equals_the_cheapest(commands: Commands) -> None:
    value = commands("pareto", "small", "--json").value
    assert isinstance(value, dict)
    points = [*value["front"], *value["dominated"]]
    best = min(points, key=lambda point: (-point["accuracy"], point["macs"]))
    found = commands("show", "small:best", "--json").value
    assert isinstance(found, dict)
    assert found["arch_id"] == best["arch_id"]
    assert found["arch_id"] != max(points, key=lambda point: (-point["accuracy"], point["macs"]))["arch_id"]


def test_report_is_one_file(commands: Commands) -> None:
    shown = commands("report", "small", "--out", "report.html")
    assert shown.code == 0, shown.err
    text = (commands.folder / "report.html").read_text(encoding="utf-8")
    assert "resnet20_cifar" in text
    assert "naslab search digits_demo" in text


def test_rescale_writes_what_it_says(commands: Commands) -> None:
    value = commands("rescale", "small:best", "--phi", "-1", "1", "2", "--out", "family", "--json").value
    assert isinstance(value, dict)
    assert [member["phi"] for member in value["members"]] == [-1, 1, 2]
    for member in value["members"]:
        arch = load_arch(commands.folder / member["file"])
        assert (cost(arch).macs, cost(arch).params) == (member["macs"], member["params"])


def test_rescale_meets_a_budget_and_says_how(commands: Commands) -> None:
    value = commands("rescale", "efficientnet_b0", "--target-macs", "600e6", "--out", "budget", "--json").value
    assert isinstance(value, dict)
    (member,) = value["members"]
    assert abs(member["macs"] / 600e6 - 1) <= 0.02
    assert member["achieved"] == member["macs"]
    assert member["below"] < 600e6 < member["above"]


def test_a_trained_family_joins_the_study(commands: Commands) -> None:
    with workers_in_process():
        shown = commands("rescale", "small:best", "--phi", "1", "--train", "--out", "trained_family", "--json")
    value = shown.value
    assert isinstance(value, dict)
    assert 0 <= value["members"][0]["accuracy"] <= 100
    commands("report", "small", "--out", "with_family.html")
    assert "phi 1" in (commands.folder / "with_family.html").read_text(encoding="utf-8")


def test_train_reads_the_test_set_once_and_writes_a_network(commands: Commands) -> None:
    shown = commands("train", "small:best", "--epochs", "1", "--out", "taken_home", "--json")
    value = shown.value
    assert isinstance(value, dict)
    assert value["num_test_images"] == 359
    assert json.loads((commands.folder / "taken_home" / "result.json").read_text()) == value
    assert load_arch(commands.folder / "taken_home" / "arch.yaml").num_classes == 10
    code = (
        "import safetensors.torch, network, sys; model = network.network(); "
        "model.load_state_dict(safetensors.torch.load_file('weights.safetensors')); "
        "assert not any(name.split('.')[0] == 'naslab' for name in sys.modules)"
    )
    warm_start.run([sys.executable, "-c", code], cwd=commands.folder / "taken_home", check=True)


@pytest.mark.slow
def test_export_writes_python_and_onnx(commands: Commands) -> None:
    pytest.importorskip("onnxruntime")
    shown = commands("export", "small:best", "--out", "best.py", "--onnx", "best.onnx", "--json")
    assert shown.value == {"model": "small:best", "files": ["best.py", "best.onnx"]}
    assert (commands.folder / "best.onnx").stat().st_size > 10_000


def test_a_trained_folder_is_a_model(commands: Commands) -> None:
    assert commands("train", "small:best", "--epochs", "1", "--out", "whole", "--licence", "CC0").code == 0
    facts = json.loads((commands.folder / "whole" / "network.json").read_text())
    assert (facts["class_names"], facts["licence"], facts["study"]) == ([*"0123456789"], "CC0", "small")
    assert facts["metrics"]["test_accuracy"]["num_images"] == 359
    assert facts["front"]
    assert len(facts["fingerprint"]) == 32
    shown = [commands("cost", model, "--json").value for model in ("whole", "whole/weights.safetensors")]
    assert shown[0]["macs"] == shown[1]["macs"] > 0
    assert commands("train", "whole", "--epochs", "1", "--out", "again").code == 0
    assert commands("export", "whole", "--out", "copy", "--json").code == 0
    copied = json.loads((commands.folder / "copy" / "network.json").read_text())
    assert copied == facts
    assert commands("export", "small:best", "--out", "copy_2").code == 2
    assert not (commands.folder / "copy_2").exists()
    assert commands("export", "small:best", "--out", "inside.py").code == 0
    assert "Preprocess(" in (commands.folder / "inside.py").read_text()
    assert commands("export", "whole", "--out", "bare.py", "--bare").code == 0
    assert "Preprocess(" not in (commands.folder / "bare.py").read_text()


def test_an_onnx_file_that_cannot_be_written_leaves_nothing_beside_it(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "net.onnx").mkdir()
    with pytest.raises(WriteError, match="it is a folder; name a file"):
        write_onnx(build(model("resnet20_cifar")), (3, 32, 32), tmp_path / "net.onnx")
    assert [each.name for each in tmp_path.iterdir()] == ["net.onnx"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("search", "digits_dmo"), "unknown search space 'digits_dmo' (did you mean 'digits_demo'?)"),
        (("search", "digits_demo", "--strategy", "evoluton"), "did you mean 'evolution'?"),
        (("search", "digits_demo", "--dataset", "digit"), "did you mean 'digits'?"),
        (("search", "digits_demo", "--objectives", "acuracy"), "did you mean 'accuracy'?"),
        (("search", "digits_demo", "--limit", "mac<=1e6"), "did you mean 'macs'?"),
        (("search", "digits_demo", "--limit", "macs<1e6"), "must look like 'macs<=50e6', got 'macs<1e6'"),
        (
            ("search", "tiny.yaml", "--dataset", "digits", "--limit", "macs<=10"),
            "limit macs<=10: the smallest cost found",
        ),
        (("search", "digits_demo", "--ray-address", "auto"), "has no effect without --executor ray"),
        (("search", "digits_demo", "--timeout", "0"), "timeout_seconds: must be above 0, got 0"),
        (("search", "digits_demo", "--baseline", "resnet20"), "did you mean 'resnet20_cifar'"),
        (("search", "digits_demo", "--study", "small"), "was made with another"),
        (("pareto", "smal"), "unknown study 'smal' (did you mean 'small'?)"),
        (("pareto", "small", "--x", "mac"), "did you mean 'macs'?"),
        (("report", "small", "--ledger", "none.db"), "there is no ledger at none.db"),
        (("cost", "efficientnet_bo"), "did you mean 'efficientnet_b"),
        (("cost", "small:77"), "has no finished trial 77"),
        (("cost", "small:first"), "a trial is a number or 'best', got 'first'"),
        (("cost", "none.yaml"), "cannot read none.yaml"),
        (("cost", "resnet18", "--resolution", "0"), "must be a size or height x width"),
        (("show", "googlenet", "--resolution", "16"), "stages[8]: a 3 x 3 window does not fit a map of 1 x 1"),
        (("show", "googlenet", "--resolution", "64", "--diagram", "x.html"), "--no-auxiliary draws the network"),
        (("rescale", "resnet18"), "say how far to scale"),
        (("rescale", "resnet18", "--phi", "1", "--rule", "deep"), "unknown rule 'deep'"),
        (("rescale", "resnet18", "--target-macs", "3"), "can be reached"),
        (("train", "resnet18"), "say what to train resnet18 on"),
        (("train", "resnet18", "--dataset", "digits", "--device", "cuda:9"), "there is no device 'cuda:9' here"),
        (("train", "small:best", "--data-dir", "none", "--dataset", "cifar10"), "none"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_input_is_one_clear_message(commands: Commands, arguments: tuple[str, ...], message: str) -> None:
    shown = commands(*arguments)
    assert shown.code == 2
    assert message in shown.err.replace("\n", " ")
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_a_file_with_a_misspelt_block_is_refused_in_one_line(commands: Commands) -> None:
    path = commands.folder / "misspelt.yaml"
    stage = "{width: 8, block: {choice: [{type: residul}, {type: mbconv}]}}"
    path.write_text(f"input: [1, 8, 8]\nnum_classes: 10\nstages: [{stage}]\n", encoding="utf-8")
    shown = commands("search", "misspelt.yaml")
    assert shown.code == 2
    assert "unknown block 'residul' (did you mean 'residual'" in shown.err
    assert len(shown.err.strip().splitlines()) == 1


def test_cost_is_exact_json(commands: Commands) -> None:
    value = commands("cost", "efficientnet_b0", "--json").value
    assert isinstance(value, dict)
    assert (value["params"], value["macs"], value["activations"]) == (5288548, 385814752, 6747036)
    layers = commands("cost", "resnet18", "--resolution", "224x160", "--layers", "--json").value
    assert isinstance(layers, dict)
    assert sum(layer["macs"] for layer in layers["layers"]) == layers["macs"]


def test_show_says_stages_depth_and_receptive_field(commands: Commands) -> None:
    value = commands("show", "vgg16", "--json").value
    assert isinstance(value, dict)
    assert (value["depth"], value["receptive_field"]) == (16, [212, 212])
    assert sum(stage["macs"] for stage in value["stages"]) == value["cost"]["macs"] == 15470264320
    assert "16 layers with weights" in commands("show", "vgg16").out


def test_show_draws_auxiliary_heads_unless_told_otherwise(commands: Commands) -> None:
    shown = commands("show", "googlenet", "--diagram", "heads.html")
    assert "auxiliary head behind stages[6], in training only, not counted; loss weight 0.3" in shown.out
    commands("show", "googlenet", "--no-auxiliary", "--diagram", "alone.html")
    pages = [(commands.folder / name).read_text(encoding="utf-8") for name in ("heads.html", "alone.html")]
    assert ["auxiliary.stage6" in page for page in pages] == [True, False]


def test_cost_of_many_models_in_one_call(commands: Commands) -> None:
    (commands.folder / "rows.csv").write_text("name,resolution,num_classes\nresnet18,224x160,10\nvgg16,,\n")
    rows = commands("cost", "--batch", "rows.csv", "--json").value
    assert isinstance(rows, list)
    assert [(row["name"], row["resolution"], row["num_classes"]) for row in rows] == [
        ("resnet18", "224x160", 10),
        ("vgg16", 224, 1000),
    ]
    assert rows[1]["params"] == 138357544
    assert "138,357,544" in commands("cost", "--batch", "rows.csv").out


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("resnet81,224,10", "rows.csv, line 3: unknown model 'resnet81'"),
        ("resnet18,axb,10", "rows.csv, line 3: resolution: must be a size"),
        ("resnet18,224,none", "rows.csv, line 3: num_classes: must be a whole number"),
        ("alexnet,20,10", "rows.csv, line 3: stages[3]: a 3 x 3 window does not fit"),
        ("\xff", "rows.csv is not text in UTF-8"),
    ],
)
def test_a_bad_row_is_named_by_its_line(commands: Commands, row: str, message: str) -> None:
    text = f"name,resolution,num_classes\nresnet18,224,10\n{row}\n"
    (commands.folder / "rows.csv").write_text(text, encoding="latin-1")
    shown = commands("cost", "--batch", "rows.csv", "--json")
    assert shown.code == 2
    assert message in " ".join(shown.err.split())


@pytest.mark.parametrize("command", ["spaces", "zoo", "studies", "doctor"])
def test_listings_are_json_or_tables(commands: Commands, command: str) -> None:
    assert commands(command, "--json").value
    shown = commands(command)
    assert shown.code == 0
    assert len(shown.out.splitlines()) > 1


@pytest.mark.parametrize(
    "command",
    [
        "search",
        "pareto",
        "report",
        "rescale",
        "compare",
        "train",
        "export",
        "cost",
        "show",
        "spaces",
        "zoo",
        "studies",
        "doctor",
    ],
)
def test_every_command_has_help_with_an_example(commands: Commands, command: str) -> None:
    shown = commands(command, "--help")
    assert shown.code == 0
    assert f"Example: naslab {command}" in " ".join(shown.out.split())


def test_a_pipe_that_closes_is_no_traceback(commands: Commands) -> None:
    command = f"{sys.executable} -c 'from naslab.cli.main import run; run()' zoo | head -1"
    shown = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=dict(os.environ), check=False)
    assert "Traceback" not in shown.stderr


def test_a_search_whose_trainings_take_too_long_says_so(commands: Commands) -> None:
    asked = ("--study", "hasty", "--epochs", "9999", "--trials", "1", "--workers", "1", "--timeout", "0.5")
    shown = commands("search", "digits_demo", *asked)
    assert shown.code == 2
    assert "the study's one trial is not complete (1 timed_out)" in shown.err
    assert "took longer than 0.5 seconds" in shown.err
