"""Messages count in the singular where there is one: `counted` says a number with its noun, and nothing else does."""

import re
from pathlib import Path

import pytest

import naslab
from naslab.errors import counted

PACKAGE = Path(naslab.__file__).parent
PLURAL = re.compile(
    r"\{(?!counted)[^{}\"]+\} (?:\w+ )?(?:epochs|trials|networks|images|outcomes|seeds|workers|classes)\b"
)
NEVER_ONE = (
    "lengths} epochs",  # several lengths
    "all {len(truth)} networks",  # as many as a calibration needs
    "all {len(true)} networks",
    "last.num_seeds} seeds",  # told above one
    "record.trials} networks are there",
    "none of the first {number} networks",
    "all {number} networks",
    "sorted(lengths)} trials",
    "Of {count:,} dominated networks",
    "{part} images",  # a part's name
    "{score} ranks networks",
    "max(images)} images a class",
    "len(distinct)} networks are within",
    "self.epochs))} epochs",  # a list
    "of {epochs} epochs{waiting}",  # those of rungs
    "worker + 1} workers",
)


def test_one_is_told_in_the_singular() -> None:
    assert [counted(number, "epoch") for number in (0, 1, 2)] == ["0 epochs", "1 epoch", "2 epochs"]
    assert counted(1, "class", "classes") == "1 class"


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_no_message_has_a_noun_in_the_plural_behind_any_number(file: Path) -> None:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        for found in PLURAL.finditer(line) if 'f"' in line else ():
            is_constant = re.match(r"\{[A-Z_]+\}", found[0]) is not None
            assert is_constant or any(each in line for each in NEVER_ONE), f"{file}:{number}: {line.strip()}"
