"""`naslab supernet`, `naslab slice`, and searches whose networks inherit weights."""

from __future__ import annotations

import json

import pytest
from in_process import workers_in_process
from tiny_space import SPACE
from typer.testing import CliRunner

from naslab.arch import save_arch
from naslab.arch.build import build
from naslab.cli.main import app
from naslab.errors import NaslabError
from naslab.lab.reading import open_study
from naslab.space import load_space
from naslab.training.weights import load_weights


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(SPACE)
    return str(path)


def run(*words: str) -> str:
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*words: str) -> str:
    """What a command says that ends by an error of naslab's own."""
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, NaslabError), result.output
    return str(result.exception)


def test_a_supernet_from_training_to_a_start(space, tmp_path) -> None:
    file, start = str(tmp_path / "s.safetensors"), tmp_path / "start.safetensors"
    data = ("--dataset", "digits", "--max-images", "60", "--epochs", "1")
    told = json.loads(run("supernet", space, "--out", file, *data, "--json"))
    assert told["epochs"] == 1
    assert told["params"] > 1000
    arch = load_space(space).decode(load_space(space).genome_at(5))
    save_arch(arch, tmp_path / "arch.yaml")
    sliced = json.loads(run("slice", file, str(tmp_path / "arch.yaml"), "--out", str(start), "--json"))
    assert len(sliced["sha256"]) == 64
    load_weights(build(arch), start)


@pytest.mark.slow
def test_a_search_whose_mutations_inherit(space, tmp_path) -> None:
    ledger = str(tmp_path / "a.db")
    words = ("search", space, "--dataset", "digits", "--max-images", "60", "--epochs", "1", "--workers", "1")
    with workers_in_process():
        run(*words, "--trials", "5", "--strategy", "local", "--inherit", "--ledger", ledger, "--study", "s", "--json")
    outcomes = open_study("s", ledger).outcomes
    children = [each for each in outcomes if "inherits" in each.candidate.origin]
    assert len(outcomes) == 5
    assert children
    by_trial = {each.candidate.trial: each for each in outcomes}
    for child in children:
        parent = by_trial[child.candidate.origin["inherits"]]
        assert child.candidate.start_from == parent.estimate.weights_sha256
        assert child.estimate.notes["inherited"]["from"] == parent.candidate.trial
        assert "from_scratch" not in child.estimate.notes


def test_a_supernet_is_refused_before_a_search_by_it_begins(space, tmp_path) -> None:
    file, ledger = tmp_path / "s.safetensors", tmp_path / "a.db"
    data = ("--dataset", "digits", "--max-images", "60", "--epochs", "1")
    search = ("search", "digits_demo", "--estimator", f"supernet:path={file}", "--trials", "2", "--ledger", str(ledger))
    missing = refused(*search)
    assert "make one with `naslab supernet" in missing
    run("supernet", space, "--out", str(file), *data)
    other = refused(*search)
    assert "is a supernet of another space" in other
    assert not ledger.exists()


@pytest.mark.slow
def test_a_study_goes_on_with_its_own_supernet_alone(space, tmp_path) -> None:
    file, ledger = str(tmp_path / "s.safetensors"), str(tmp_path / "a.db")
    data = ("--dataset", "digits", "--max-images", "60", "--epochs", "1")
    run("supernet", space, "--out", file, *data)
    search = ("search", space, "--dataset", "digits", "--max-images", "60", "--estimator", f"supernet:path={file}")
    words = (*search, "--workers", "1", "--ledger", ledger, "--study", "s")
    with workers_in_process():
        run(*words, "--trials", "2", "--json")
    (tmp_path / "s.safetensors").unlink()
    run("supernet", space, "--out", file, *data, "--seed", "1")
    other = refused(*words, "--trials", "3")
    assert "was made with another file or study behind its estimator" in other
    assert len(open_study("s", ledger).outcomes) == 2
