"""`naslab export`: the plain model to take home, and detectors as ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from naslab.cli.help_text import Command
from naslab.cli.options import DataDirOption, LicenceOption, ModelArgument, StudyDatasetOption
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, say, say_idle_strides
from naslab.errors import SpecError

if TYPE_CHECKING:
    from naslab.training.onnx_file import OnnxOptions


def export(
    model: ModelArgument,
    dataset: StudyDatasetOption = None,
    data_dir: DataDirOption = None,
    resolution: Annotated[
        str | None, typer.Option(help="Input size: 224, or height x width as 224x160.", rich_help_panel="Network")
    ] = None,
    num_classes: Annotated[int | None, typer.Option(help="Number of classes.", rich_help_panel="Network")] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights (safetensors), by default those of a trained MODEL.", rich_help_panel="Network"),
    ] = None,
    bare: Annotated[
        bool,
        typer.Option("--bare", help="Leave normalisation outside of the network.", rich_help_panel="Network"),
    ] = False,
    opset: Annotated[int | None, typer.Option(help="Opset of the ONNX file.", rich_help_panel="ONNX")] = None,
    pixels: Annotated[
        Literal["float32", "uint8"], typer.Option(help="Type of the ONNX network's images.", rich_help_panel="ONNX")
    ] = "float32",
    onnx: Annotated[
        Path | None, typer.Option(help="Write an ONNX file as well (naslab[onnx]).", rich_help_panel="ONNX")
    ] = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    out: Annotated[
        Path, typer.Option(help="The Python file, or a folder for weights and facts too.", rich_help_panel="Output")
    ] = Path("network.py"),
    licence: LicenceOption = None,
    json: JsonOption = False,
) -> None:
    """Write a network as one Python file that needs torch alone, and as one ONNX file where asked.

    Where the data are known (a folder of naslab train, a study, --dataset) both take images as they are, from 0 to 255:
    the Python file uint8 or float, the ONNX file the type of --pixels. The ONNX file holds class names and facts; ONNX
    Runtime has checked it. A detector or segmenter (a folder of naslab train --task detection, say) becomes an ONNX
    file with its heads.

    Example: naslab export trained --out network.py --onnx network.onnx

    Example: naslab export found --onnx found.onnx
    """
    from naslab.dense_prediction.facts import is_detector
    from naslab.lab.models import find_model, parse_resolution
    from naslab.lab.packages import export_folder, export_network, facts_of_model
    from naslab.training.onnx_file import OPSET, OnnxOptions

    options = OnnxOptions(OPSET if opset is None else opset, pixels)
    if is_detector(Path(model)):
        _export_detector(Path(model), onnx, bare, options, licence, json)
        return
    found = find_model(model, ledger, parse_resolution(resolution), num_classes)
    say_idle_strides(found.arch)
    facts = facts_of_model(found, dataset, ledger, data_dir, licence)
    title = f"{found.name}, written by naslab."
    trained = weights or found.weights
    if out.suffix == ".py":
        written = export_network(found.arch, out, title, onnx, trained, facts, bare, options)
    else:
        written = export_folder(out, facts, trained, title, onnx, bare, options)
    if json:
        print_json({"model": model, "files": [str(path) for path in written]})
        return
    say("wrote " + ", ".join(map(str, written)))
    if facts.preprocessing is None:
        say("it takes normalised images, for its data are not known: name them by --dataset to have that inside")


def _export_detector(
    model: Path, onnx: Path | None, bare: bool, options: OnnxOptions, licence: str | None, json: bool
) -> None:
    """Write a detector or segmenter as an ONNX file, and say so."""
    from naslab.lab.detecting import export_detector

    if onnx is None:
        raise SpecError("", f"a detector or segmenter, as {model}, becomes an ONNX file: name it, as --onnx found.onnx")
    if model.is_file():
        raise SpecError("", f"{model} is an ONNX file already: name the folder that naslab train wrote")
    export_detector(model, onnx, bare, options, licence)
    if json:
        print_json({"model": str(model), "files": [str(onnx)]})
        return
    say(f"wrote {onnx}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(export)
