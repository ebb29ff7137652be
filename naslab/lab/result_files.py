"""The result file of a training in a folder, and whether it is of the training that is asked for now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from naslab.errors import ReadError, StudyError
from naslab.lab.differences import Difference, first_difference
from naslab.reading import read_values

RESULT_FILE = "result.json"
"""Written last of all into a folder: where it is, the training is done."""


def result_in(
    folder: Path, asked: dict[str, Any], asked_then: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any] | None:
    """What the result file in `folder` holds where it is of the training `asked` for; `None` where there is none yet.

    `asked_then(result)` is what was asked of the training of the file, by the names of `asked`. Raises `StudyError`
    where the folder holds another training, and where its result cannot be read.
    """
    file = folder / RESULT_FILE
    if not file.exists():
        return None
    mend = "name another folder (--out), or take it away"
    try:
        there = read_values(file)
    except ReadError as error:
        raise StudyError(f"{folder} holds no result that can be read ({error.reason}): {mend}") from None
    result: dict[str, Any] = there if isinstance(there, dict) else {}
    difference = first_difference(asked_then(result), msgspec.json.decode(msgspec.json.encode(asked)))
    if difference is not None:
        words = Difference(difference[0], *difference).words()
        raise StudyError(f"{folder} holds another training: {words}; {mend}")
    return result
