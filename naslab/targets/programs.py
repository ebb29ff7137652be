"""The program of a target `command:...`: whether it can be run here."""

from __future__ import annotations

import shlex
import shutil

from naslab.errors import shown

PLACE = "{onnx}"
"""Where the path of the file belongs in a command."""


def missing_program(command: str) -> str:
    """What `command` lacks to be run here: a place for the file, or its program; nothing where both are there."""
    if PLACE not in command:
        return f"a command with {PLACE} where the file's path belongs, got '{shown(command)}'"
    try:
        words = shlex.split(command)
    except ValueError as error:
        return f"a command that a shell could read, got '{shown(command)}': {error}"
    if shutil.which(words[0]) is None:
        return f"the program '{shown(words[0])}', which is not found: name its path, or make it executable"
    return ""
