"""What code in workers prints: whole lines, bounded, from this process alone, shown behind its trial on stderr."""

from __future__ import annotations

import io
import os
import sys

import pytest
from fake_estimators import numbered_candidate

from naslab.execution.events import LinePrinted, printed_line, tell_prints
from naslab.execution.printed import MOST_CHARACTERS, MOST_LINES, printed_lines


def lines_of(*texts: str) -> list[str]:
    said: list[str] = []
    with printed_lines(io.StringIO(), said.append):
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
        with printed_lines(io.StringIO(), said.append):
            print("before", end="")
            raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        training()
    assert said == ["before"]


def test_other_processes_do_not_speak_to_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, said = io.StringIO(), list[str]()
    with printed_lines(stream, said.append):
        monkeypatch.setattr(os, "getpid", lambda: -1)
        print("from a loader")
        monkeypatch.undo()
    assert (stream.getvalue(), said) == ("from a loader\n", [])


def test_a_line_is_shown_behind_its_trial_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    event = LinePrinted(numbered_candidate(3), "loss \x1b[31m0.5")
    assert printed_line(event) == "trial 3 | loss \N{REPLACEMENT CHARACTER}[31m0.5"
    tell_prints(event)
    assert capsys.readouterr() == ("", printed_line(event) + "\n")
