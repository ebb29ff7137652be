"""What happens once in all processes of a test: a fault that a second attempt does not meet."""

from __future__ import annotations

from pathlib import Path


def is_first_time(folder: str) -> bool:
    """Whether nothing asked this of the folder before, from whatever process."""
    try:
        Path(folder, "killed").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
