"""Inputs that are broken or made to use up time and memory: one line that says what is wrong, and exit code 2."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import msgspec
import pytest
import torch
from mixed_study import example_view
from safetensors.torch import save
from torch import nn

from naslab.analysis.trials import trial_rows
from naslab.arch.modules import FractionalMaxPool
from naslab.blobs import BlobStore
from naslab.cli import main
from naslab.errors import DataError, LedgerError, NaslabError, SpecError, StudyError
from naslab.lab.priors import _known_networks
from naslab.lab.search_estimators import accuracy_predictor
from naslab.ledger.genomes import require_genomes_of
from naslab.optuna_edge import mirror_study
from naslab.space import load_space
from naslab.space.genome import Gene, Genome
from naslab.training import decode
from naslab.training.checkpoint import load_checkpoint
from naslab.training.onnx_file import write_onnx

NETWORK = "input: [3, 32, 32]\nnum_classes: 10\nstages:\n  - {block: {type: conv}, width: 8"
ALIASES = "b0: &b0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"b{i}: &b{i} [" + ", ".join([f"*b{i - 1}"] * 9) + "]\n" for i in range(1, 9)
)
FILES = {
    "deep.yaml": "[" * 500 + "]" * 500,
    "digits.yaml": "a: " + "1" * 10_000,
    "alias.yaml": ALIASES + NETWORK + "}\n",
    "repeats.yaml": NETWORK + ", repeats: 1000000000}\n",
    "wide.yaml": NETWORK.replace("8", "1000000000000") + "}\n",
    "big.yaml": NETWORK.replace("8", "{choice: [8, 18446744073709551616]}") + "}\n",
    "date.yaml": "input: 2024-02-31\n",
    "long.yaml": "input: " + "x" * 1_000_000,
    "rows.csv": "name,resolution\nresnet18,²\n",
    "cells.csv": "name\n" + "x" * 200_000 + "\n",
    "more.csv": "name\nresnet18,1\n",
    "recipe.json": '{"optimizer": "\\ud83d\\ude00"}',
    "half.json": '{"optimizer": "\\ud83d"}',
}


@pytest.mark.parametrize(
    "command",
    [
        "cost deep.yaml",
        "cost digits.yaml",
        "cost alias.yaml",
        "search alias.yaml --dataset digits --trials 1 --epochs 1",
        "cost repeats.yaml",
        "cost wide.yaml",
        "search big.yaml --dataset digits --trials 1 --epochs 1",
        "cost date.yaml",
        "cost long.yaml",
        "rescale resnet18 --phi 1e9",
        "rescale resnet18 --phi 100",
        "rescale resnet18 --phi 60",
        "rescale resnet18 --phi 1 --coefficients deep.yaml",
        "cost --batch rows.csv",
        "cost --batch cells.csv",
        "cost --batch more.csv",
        "cost resnet18 --resolution ²",
        "cost resnet18 --resolution 99999999",
        "cost resnet18 --resolution 1" + "0" * 5000,
        "cost " + "x" * 100_000,
        "search digits_demo --dataset digits --recipe recipe.json --trials 1",
        "search digits_demo --dataset digits --recipe half.json --trials 1",
        "compare --table cells.csv --knobs name --objectives name",
        "export alias.yaml --out /",
    ],
    ids=lambda command: command[:40],
)
def test_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys, command):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NASLAB_LEDGER", raising=False)
    monkeypatch.setattr("sys.argv", ["naslab", *command.split()])
    with pytest.raises(SystemExit) as end:
        main.run()
    shown = capsys.readouterr().err
    assert end.value.code == 2
    assert len(shown) < 2100
    assert shown.startswith("naslab: ")
    assert shown.count("\n") == 1


def test_memory_that_does_not_suffice_is_one_line(monkeypatch, capsys):
    def app(args: object) -> None:
        raise MemoryError

    monkeypatch.setattr(main, "app", app)
    with pytest.raises(SystemExit) as end:
        main.run()
    assert (end.value.code, capsys.readouterr().err.startswith("naslab: the memory")) == (2, True)


@pytest.mark.parametrize("gene", [Gene("stem[9].width", 0), Gene("stages[0].width", 10**6)])
def test_a_genome_of_another_space_is_a_damaged_ledger(gene):
    view = example_view(2)
    space, candidate = view.problem.space, view.outcomes[1].candidate
    require_genomes_of(space, [candidate])
    damaged = msgspec.structs.replace(candidate, genome=Genome((gene, *candidate.genome.genes[1:])))
    with pytest.raises(LedgerError, match=r"^trial 1 in the ledger is damaged \(its genome is none"):
        require_genomes_of(space, [view.outcomes[0].candidate, damaged])
    require_genomes_of(load_space("nas_bench_macro"), [msgspec.structs.replace(damaged, role="family")])


@pytest.mark.parametrize("gene", [Gene("stem[9].width", 0), Gene("stages[0].width", 99), Gene("stages[0].width", -1)])
def test_nothing_is_made_of_a_genome_of_another_space(gene):
    view = example_view(2)
    candidate = view.outcomes[1].candidate
    genome = Genome((gene, *candidate.genome.genes[1:]))
    with pytest.raises(SpecError, match=r"has no option -?\d+ here; where a ledger says it, restore that from a copy"):
        view.problem.space.encode(genome)
    damaged = msgspec.structs.replace(
        view.outcomes[1], candidate=msgspec.structs.replace(candidate, genome=genome, role="search")
    )
    study = msgspec.structs.replace(view, outcomes=(view.outcomes[0], damaged))
    for use in (trial_rows, accuracy_predictor, _known_networks):
        with pytest.raises(LedgerError, match=r"^trial 1 in the ledger is damaged \(its genome is none"):
            use(study)


@pytest.mark.parametrize("storage", ["optuna.db", "nothing://x", "sqlite:////nowhere/optuna.db"])
def test_a_storage_that_does_not_open_is_named(storage):
    with pytest.raises(StudyError, match=r"cannot be (opened .*|read;) write it as sqlite:///optuna\.db"):
        mirror_study(example_view(2), storage)


def test_deep_metadata_are_no_checkpoint(tmp_path):
    nested = "[" * 100_000 + "]" * 100_000
    metadata = {"format": "1", "origin": nested, "progress": nested}
    files = [save({"a": torch.ones(1)}, metadata), len(nested).to_bytes(8, "little") + nested.encode()]
    for content in files:
        with pytest.raises(DataError, match="is not a checkpoint") as caught:
            load_checkpoint(BlobStore(tmp_path).put(content), tmp_path)
        assert len(str(caught.value)) < 500


@pytest.mark.slow
def test_a_layer_that_onnx_does_not_know_is_named(tmp_path):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    with pytest.raises(NaslabError, match=r"no translation for aten\.fractional_max_pool2d; leave --onnx out"):
        write_onnx(FractionalMaxPool((2, 2), 0.7), (3, 8, 8), tmp_path / "a.onnx")
    with pytest.raises(NaslabError, match=r"no translation for aten\.adaptive_max_pool2d"):
        write_onnx(nn.AdaptiveMaxPool2d((3, 3)), (3, 8, 8), tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_fast", [True, False])
def test_an_image_that_unpacks_to_gigabytes_is_refused_unpacked(tmp_path: Path, monkeypatch, is_fast):
    if not is_fast:
        monkeypatch.setattr(decode, "fast_decoder", lambda: None)
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(150_001))), (b"IEND", b""))
    packed = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    with pytest.raises(DataError, match=r"bomb\.png cannot be read as an image: .*2500000000 pixels. exceeds limit"):
        decode.read_pixels(tmp_path / "bomb.png")
