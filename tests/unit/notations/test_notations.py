"""Notations: each reads its example, writes it again where it can be written, and refuses other texts by one line."""

from __future__ import annotations

import pytest

from naslab.arch import arch_id, cost
from naslab.errors import NaslabError, SpecError, UnknownNameError
from naslab.notations import NOTATIONS, Notation, notation_of, read_notation, write_notation
from naslab.zoo import model

every = pytest.mark.parametrize("notation", NOTATIONS, ids=lambda each: each.name)


@every
def test_it_reads_its_example_by_itself(notation: Notation) -> None:
    assert notation_of(notation.example, NOTATIONS) is notation
    assert cost(read_notation(notation.example)).macs > 0


@every
def test_what_it_writes_it_reads_again(notation: Notation) -> None:
    arch = read_notation(notation.example, notation.name)
    if notation.write is None:
        with pytest.raises(SpecError, match=f"'{notation.name}' is read, not written"):
            write_notation(arch, notation.name)
        return
    text = write_notation(arch, notation.name)
    assert arch_id(read_notation(text, notation.name)) == arch_id(arch)
    with pytest.raises(SpecError):
        write_notation(model("alexnet"), notation.name)


@every
@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
def test_half_a_text_is_one_line(notation: Notation, cut: float) -> None:
    with pytest.raises(NaslabError) as error:
        read_notation(notation.example[: int(len(notation.example) * cut)], notation.name)
    assert "\n" not in str(error.value)


@every
@pytest.mark.parametrize("text", ["", "(" * 5000, "[" * 90_000, "\0", "x" * 200_000, "{}", "[]", "[[[1]]]", "|||~"])
def test_other_texts_are_one_line(notation: Notation, text: str) -> None:
    with pytest.raises(NaslabError) as error:
        read_notation(text, notation.name)
    assert "\n" not in str(error.value)


def test_names_and_texts_that_are_none() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown notation 'nas_bench_2001' .did you mean 'nas_bench_201'"):
        read_notation("x", "nas_bench_2001")
    with pytest.raises(SpecError, match="none of the notations that are known"):
        read_notation("what is this")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("|none~0|+|none~0|none~1|", "must be three nodes like"),
        ("|none~0|+|none~0|none~2|+|none~0|none~1|none~2|", "node 2 must read each of 0 to 1 once, got 0, 2"),
        ("|none~0|+|none~0|non~1|+|none~0|none~1|none~2|", "unknown operation 'non' .did you mean 'none'"),
    ],
)
def test_bad_strings_of_nas_bench_201(text: str, rule: str) -> None:
    with pytest.raises(SpecError, match=rule):
        read_notation(text)
