"""Targets: what they are called, what is refused, and what a process of its own says of a network."""

from __future__ import annotations

import json
import os
import re
import sys
from importlib import import_module

import msgspec
import pytest
import torch
from networks import conv_net
from processes import wait_until_dead

from naslab.arch import Head, cost
from naslab.cli.main import run
from naslab.errors import NaslabError, SpecError, UnknownNameError
from naslab.lab.measuring import measure
from naslab.provenance import machine_description
from naslab.targets import target as targets
from naslab.targets.measuring import measured_of, own_cores
from naslab.targets.metrics import require_metric
from naslab.targets.outside_command import run_command
from naslab.targets.process import Answer
from naslab.targets.target import ROWS, Target, missing_packages, parse_target, target_states

TIMED = [row.name for row in ROWS if row.is_timed and row.is_run and row.name not in ("cuda", "torch-compiled")]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_has_a_file_that_does_its_part(row):
    if row.is_run:
        home = import_module(f"naslab.targets.{row.home}")
        needed = ("prepare", "start", "network") if row.is_timed else ("latency",)
        assert [name for name in needed if not callable(getattr(home, name, None))] == []
    assert not row.packages or row.extra
    text = f"{row.name}:x" if row.argument else row.name
    assert parse_target(text).written == text


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("onnxruntim", UnknownNameError, "did you mean 'onnxruntime'"),
        ("table", SpecError, "is written table:FILE, got 'table'"),
        ("table:", SpecError, "is written table:FILE"),
        ("torch:fast", SpecError, "is written torch, got 'torch:fast'"),
    ],
)
def test_what_is_no_target_is_named(text, error, message):
    with pytest.raises(error, match=message):
        parse_target(text)


def test_a_runtime_that_is_installed_and_broken_is_named_with_its_extra(monkeypatch):
    def prepare(deployed, target, folder):
        raise ImportError("libopenvino.so: cannot open shared object file")

    monkeypatch.setattr("naslab.targets.target.missing_packages", lambda row: [])
    monkeypatch.setattr("naslab.targets.openvino_runtime.prepare", prepare)
    told = r"openvino-int8 cannot be loaded: libopenvino\.so: cannot .* anew: pip install 'naslab\[onnx,openvino\]'$"
    with pytest.raises(NaslabError, match=told):
        measure(conv_net(), "openvino-int8")


def test_a_runtime_that_is_not_installed_is_named_with_its_extra(monkeypatch):
    lacking = ROWS[0]._replace(packages=("no_such_package",), extra="onnx")
    monkeypatch.setattr(targets, "ROWS", (lacking,))
    with pytest.raises(NaslabError, match=r"the target torch needs no_such_package: pip install 'naslab\[onnx\]'"):
        measure(conv_net(), "torch")
    assert target_states() == {"torch": "needs naslab[onnx]: no_such_package"}


@pytest.mark.parametrize("name", [row.name for row in ROWS if not row.is_run])
def test_a_runtime_of_a_name_alone_is_refused(name, monkeypatch):
    row = next(row for row in ROWS if row.name == name)
    if missing_packages(row):
        with pytest.raises(NaslabError, match=rf"pip install 'naslab\[{name}\]'"):
            measure(conv_net(), name)
    monkeypatch.setattr(targets, "missing_packages", lambda row: [])
    with pytest.raises(NaslabError, match=r"does not run .* yet: export the network with --onnx"):
        measure(conv_net(), name)
    assert target_states()[name] == "not run by this version yet"


@pytest.mark.slow
@pytest.mark.parametrize("name", TIMED)
def test_a_network_is_measured(name):
    row = next(row for row in ROWS if row.name == name)
    if missing := missing_packages(row):
        pytest.skip(f"needs {', '.join(missing)}")
    found = measure(conv_net(), name, batch=2, most_spread=1e9)
    assert found.latency_ms > 0
    assert found.num_passes >= 21
    assert found.size_bytes > 1000
    assert found.peak_memory_bytes >= 0
    assert (found.target, found.threads, found.batch) == (name, 1, 2)
    assert found.latency_ms_iqr == pytest.approx(found.spread * found.latency_ms)


@pytest.mark.slow
def test_memory_is_that_of_the_network():
    wide = conv_net(head=Head(hidden=(4096, 4096)))
    found = measure(wide, "torch", most_spread=1e9)
    num_bytes = 4 * cost(wide).params
    assert found.size_bytes == pytest.approx(num_bytes, rel=0.01)
    assert num_bytes < found.peak_memory_bytes < 4 * num_bytes


@pytest.mark.slow
def test_the_command_prints_what_programs_read(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(
        "sys.argv", ["naslab", "measure", "lenet5", "--target", "torch", "--most-spread", "1e9", "--json"]
    )
    with pytest.raises(SystemExit, match="0"):
        run()
    value = json.loads(capsys.readouterr().out)
    assert value["target"] == "torch"
    assert {"latency_ms", "latency_ms_iqr", "size_bytes", "peak_memory_bytes", "other_load"} <= value.keys()


def test_passes_that_spread_are_refused_with_the_load_of_others():
    quiet = Answer((10.0,) * 21, cpu_seconds=1.0, wall_seconds=1.0, busy_seconds=1.0)
    found = measured_of(quiet, Target("torch"), 1)
    assert (found.latency_ms, found.spread, found.other_load, found.waited) == (10, 0, 0, 0)
    loud = msgspec.structs.replace(quiet, times_ms=(10.0,) * 11 + (20.0,) * 10, busy_seconds=2.5)
    with pytest.raises(NaslabError, match=r"100 % of the median of 10 ms, while others kept 1\.5 cores busy"):
        measured_of(loud, Target("torch"), 1)
    assert measured_of(loud, Target("torch"), 1, most_spread=1.0).latency_ms_iqr == 10


def test_more_threads_than_cores_are_refused():
    cores = machine_description()["cores"]
    assert len(own_cores(cores)) == cores
    with pytest.raises(SpecError, match="threads: must be at most"):
        own_cores(cores + 1)


def script(tmp_path, body):
    path = tmp_path / "bench.py"
    path.write_text(f"import sys\n{body}\n")
    return f"{sys.executable} {path} {{onnx}} --runs 10"


def test_a_command_says_its_last_number(tmp_path):
    command = script(tmp_path, "print(sys.argv[1:]); print('v2 of 2024'); print('median: 12.5 ms')")
    assert run_command(command, tmp_path / "a b.onnx") == 12.5


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("print('no luck')", r"printed no milliseconds above 0: no luck"),
        ("print(-3)", r"printed no milliseconds above 0: -3"),
        ("print('v1'); sys.exit('a\\nb\\nc\\nthe board is off')", r"ended with code 1: b \| c \| the board is off"),
        ("print('board 3 is busy'); sys.exit(' \\n')", r"ended with code 1: board 3 is busy"),
        ("import time; time.sleep(60)", r"is not done after 1\.5 s: it said nothing"),
        ("import time; print('step 1\\nstep 2', flush=True); time.sleep(60)", r"after 1\.5 s: step 1 \| step 2$"),
        ("import time; print('12', flush=True); print('é', file=sys.stderr); time.sleep(60)", r"after 1\.5 s: é$"),
    ],
)
def test_a_command_that_fails_is_one_line_with_the_last_it_said(tmp_path, body, message):
    with pytest.raises(NaslabError, match=message) as caught:
        run_command(script(tmp_path, body), tmp_path / "a.onnx", 1.5 if "sleep" in body else 60)
    assert "\n" not in str(caught.value)


@pytest.mark.timeout(60)
def test_what_a_command_started_ends_with_it_when_it_takes_too_long(tmp_path):
    note = tmp_path / "id"
    command = f"sh -c 'sleep 100000 & echo $! > {note}; wait' {{onnx}}"
    with pytest.raises(NaslabError, match=r"is not done after 0\.5 s"):
        run_command(command, tmp_path / "a.onnx", 0.5)
    assert wait_until_dead(int(note.read_text()))


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("no_such_program_here {onnx}", "the program 'no_such_program_here', which is not found"),
        ("'unclosed {onnx}", "a command that a shell could read"),
        ("ls", r"a command with \{onnx\} where"),
    ],
)
def test_a_command_that_cannot_run_is_refused_before_anything_is_exported(command, message):
    with pytest.raises(NaslabError, match=f"the target command needs {message}"):
        require_metric(f"latency_ms@command:{command}")


def test_a_shells_quotes_may_be_quoted():
    assert (
        parse_target("command:'ls {onnx}'") == parse_target('command:"ls {onnx}"') == parse_target("command:ls {onnx}")
    )
    assert parse_target("command:'a' {onnx} 'b'").argument == "'a' {onnx} 'b'"


def test_what_this_machine_lacks_is_said_beside_the_target(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setenv("CXX", "g++")
    states = target_states()
    assert states["cuda"] == "needs a GPU: torch sees none here"
    assert states["torch-compiled"] == "needs a compiler of C++: g++ and clang++ are not found"
    for name in ("cuda", "torch-compiled"):
        with pytest.raises(NaslabError, match=re.escape(f"the target {name} {states[name]}")):
            require_metric(f"latency_ms@{name}")


@pytest.mark.parametrize("command", ["no_such_program_here {onnx}", "'unclosed {onnx}"])
def test_a_command_that_does_not_start_is_one_line(tmp_path, command):
    with pytest.raises(NaslabError, match="does not start"):
        run_command(command, tmp_path / "a.onnx")


def test_a_network_is_measured_by_a_command(tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    body = "import os; print(os.path.getsize(sys.argv[1]) / 1e3)"
    found = measure(conv_net(), f"command:{script(tmp_path, body)}")
    assert found.latency_ms == found.size_bytes / 1e3
    assert (found.latency_ms_iqr, found.num_passes, os.listdir(tmp_path)) == (0, 3, ["bench.py"])
    with pytest.raises(NaslabError, match=r"the target command needs a command with \{onnx\}"):
        measure(conv_net(), "command:bench.sh")
