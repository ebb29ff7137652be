"""What code in workers prints: whole lines, bounded, from this process alone, shown behind its trial on stderr."""

from __future__ import annotations

import codecs
import io
import logging
import os
import pickle
import sys
from typing import Any

import pytest
from fake_estimators import numbered_candidate

from naslab.estimators.estimator import Workbench
from naslab.execution.events import LinePrinted, printed_line, tell_prints
from naslab.execution.printed import MOST_CHARACTERS, MOST_LINES, PrintedLines
from naslab.execution.worker import Placement, load_worker
from naslab.study.outcome import Candidate, Estimate


class Logging:
    """An estimator whose module makes a handler when it is loaded."""

    def __setstate__(self, _: dict[str, Any]) -> None:
        self.log = logging.Logger("trainings")
        self.log.addHandler(logging.StreamHandler())

    def __getstate__(self) -> dict[str, Any]:
        return {"is": "not empty"}

    def prepare(self, bench: Workbench) -> None:
        pass

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        self.log.error("estimates")
        return Estimate(measured={"accuracy": 50.0})


def lines_of(*texts: str) -> list[str]:
    said: list[str] = []
    with PrintedLines(io.StringIO()).given_to(said.append):
        for text in texts:
            sys.stdout.write(text)
    return said


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (("one\ntwo\n",), ["one", "two"]),
        (("begun ", "and ended\n", "not ended"), ["begun and ended", "not ended"]),
        (("\rstep 1", "\rstep 2", "\n"), ["step 2"]),
        (("a" * (MOST_CHARACTERS + 1) + "\n",), ["a" * MOST_CHARACTERS + "..."]),
    ],
)
def test_lines_are_given_whole(texts: tuple[str, ...], said: list[str]) -> None:
    assert lines_of(*texts) == said


def test_lines_are_bounded_and_that_is_said_once() -> None:
    said = lines_of(*(f"{number}\n" for number in range(3 * MOST_LINES)))
    assert said[:MOST_LINES] == [str(number) for number in range(MOST_LINES)]
    assert said[MOST_LINES:] == [f"... what it prints beyond {MOST_LINES} lines is left out"]


def test_what_is_begun_is_said_where_the_code_raises() -> None:
    said: list[str] = []

    def training() -> None:
        with PrintedLines(io.StringIO()).given_to(said.append):
            print("before", end="")
            raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        training()
    assert said == ["before"]


def test_other_processes_do_not_speak_to_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, said = io.StringIO(), list[str]()
    with PrintedLines(stream).given_to(said.append):
        monkeypatch.setattr(os, "getpid", lambda: -1)
        print("from a loader")
        monkeypatch.undo()
    assert (stream.getvalue(), said) == ("from a loader\n", [])


@pytest.mark.parametrize("data", ["\u65e5\n".encode(), bytearray(b"one\n"), b"\xff\n"])
def test_bytes_are_lines_too(data: bytes) -> None:
    said: list[str] = []
    with PrintedLines(io.StringIO()).given_to(said.append):
        for byte in data:
            sys.stdout.buffer.write(bytes([byte]))
    assert said == [data.decode(errors="replace")[:-1]]


def test_the_stream_is_one_as_programs_know_it() -> None:
    said: list[str] = []
    printed = PrintedLines(io.StringIO())
    with printed.given_to(said.append):
        assert sys.stdout.encoding == "utf-8"
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        print("begun \udcff")
        io.TextIOWrapper(sys.stdout.buffer).close()
        codecs.getwriter("utf-8")(sys.stdout.detach()).write("in its own way\n")  # type: ignore[union-attr]
    with printed.given_to(said.append):
        print("the next one")
    assert said == ["begun ?", "in its own way", "the next one"]


def test_what_a_candidate_leaves_behind_speaks_for_the_next_and_for_nobody_between() -> None:
    stream, said = io.StringIO(), list[str]()
    printed = PrintedLines(stream)
    with printed.given_to(lambda text: said.append(f"first: {text}")):
        handler = logging.StreamHandler(sys.stdout)
        print("\n" * MOST_LINES, end="")
        said.clear()
    log = logging.Logger("trainings")
    log.addHandler(handler)
    log.error("between")
    with printed.given_to(lambda text: said.append(f"second: {text}")):
        log.error("inside")
    assert (stream.getvalue(), said) == ("between\n", ["second: inside"])


def test_a_handler_that_a_module_makes_speaks_for_candidates() -> None:
    worker = load_worker(pickle.dumps(Logging()), Placement("worker-0", 0, "cpu", None, 1))
    said: list[str] = []
    worker.estimate(numbered_candidate(0), lambda _: None, said.append)
    assert said == ["estimates"]


def test_a_line_is_shown_behind_its_trial_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    event = LinePrinted(numbered_candidate(3), "loss \x1b[31m0.5")
    assert printed_line(event) == "trial 3 | loss \N{REPLACEMENT CHARACTER}[31m0.5"
    tell_prints(event)
    assert capsys.readouterr() == ("", printed_line(event) + "\n")
