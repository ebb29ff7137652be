"""An option that takes several values after one flag: `--phi 1 2 3`, negative ones too."""

from __future__ import annotations

FLAGS = ("--phi", "--images")


def spread(arguments: list[str]) -> list[str]:
    """The arguments with one flag a value.

    >>> spread(["model", "--phi", "-1", "2", "--train"])
    ['model', '--phi', '-1', '--phi', '2', '--train']
    """
    given: list[str] = []
    flag = None
    for argument in arguments:
        if argument in FLAGS:
            flag = argument
        elif flag is not None and is_number(argument):
            given += [flag, argument]
        else:
            flag = None
            given.append(argument)
    return given


def is_number(text: str) -> bool:
    """Whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
