"""Files from outside: what is within the bounds is read, everything else ends in one error that says why."""

from __future__ import annotations

import gzip
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from naslab.errors import NaslabError, ReadError, SpecError, UnknownNameError, shown
from naslab.reading import (
    MAX_DEPTH,
    Bounds,
    json_values,
    read_bytes,
    read_rows,
    read_values,
    whole_number,
    yaml_values,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=30)
PIECES = st.sampled_from(
    [
        *"[]{},:-&*!|>#%@`'\"?\\ \n\tab1",
        "&a ",
        "*a",
        "<<: ",
        "!!int ",
        "!!set ",
        "!!binary ",
        "2024-02-31",
        "0x_",
        "1e999",
    ]
)


@given(VALUES)
def test_plain_values_come_back_as_they_were_written(value):
    assert json_values(json.dumps(value)) == value
    assert yaml_values(yaml.safe_dump(value, allow_unicode=True)) == value


@given(st.text() | st.lists(PIECES, max_size=30).map("".join))
def test_any_text_is_read_or_refused_on_one_line(text):
    for read in (json_values, yaml_values):
        refusal = ""
        try:
            json.dumps(read(text)).encode()
        except ReadError as error:
            refusal = str(error)
        assert len(refusal) < 1500
        assert "\n" not in refusal


@pytest.mark.parametrize("read", [yaml_values, json_values])
def test_nesting_is_bounded(read):
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert read(deepest)
    for depth in (MAX_DEPTH + 2, 500, 200_000):
        with pytest.raises(ReadError, match="may stand 64 deep within each other"):
            read("[" * depth + "]" * depth)


def test_aliases_count_as_what_they_stand_for():
    lines = ["b0: &b0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"b{i}: &b{i} [" + ", ".join([f"*b{i - 1}"] * 9) + "]" for i in range(1, 9)]
    with pytest.raises(ReadError, match=r"line \d: holds more than 250,000 values, aliases"):
        yaml_values("\n".join(lines))
    assert yaml_values("\n".join(lines[:4]))["b3"][8][8][8] == [1] * 9
    with pytest.raises(ReadError, match="'a' holds itself"):
        yaml_values("&a [*a]")


def test_the_number_of_values_is_bounded():
    few = Bounds(bytes=1000, nodes=10)
    assert yaml_values("[1, 2, 3]", bounds=few) == json_values("[1, 2, 3]", bounds=few) == [1, 2, 3]
    for read in (yaml_values, json_values):
        with pytest.raises(ReadError, match="more than 10 values"):
            read("[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]", bounds=few)
        with pytest.raises(ReadError, match="more than 10 values"):
            read('{"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}', bounds=few)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a: " + "1" * 10_000, "a number may have 100 digits, got 10,000"),
        ("a: " + "1" * 99, "a: an integer must fit 64 bits"),
        ("{choice: [8, 18446744073709551616]}", r"choice\[1\]: an integer must fit 64 bits, got 18446744073709551616"),
        ("a: !!int " + "1" * 5000, "a number may have 100 digits"),
        ("a: !!timestamp 2024-01-01", "the tag !!timestamp is no plain value"),
        ("a: !!binary aGk=", "the tag !!binary"),
        ("1: 2", "a key must be a text, got 1; put it in quotes"),
        ("a: " + "x" * 20_000, "a text may have 10,000 characters, got 20,000: xx"),
        ('"' + "x" * 20_000 + '": 1', "a text may have 10,000 characters"),
        ("a: 0x_", "is not YAML"),
        ("a: !!bool perhaps", "is not YAML"),
    ],
)
def test_what_yaml_may_not_hold_is_named(text, rule):
    with pytest.raises(ReadError, match=rule) as caught:
        yaml_values(text, "mine.yaml")
    assert "mine.yaml" in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("1" * 5000, "a number may have 100 digits, got 5,000"),
        ("[18446744073709551616]", r"\[0\]: an integer must fit 64 bits"),
        (r'{"a": "\ud83d"}', r"a: half of a surrogate pair is no character, got \\ud83d"),
        (r'{"\udc00": 1}', "half of a surrogate pair"),
        ('{"a": "' + "x" * 20_000 + '"}', "a: a text may have 10,000 characters"),
    ],
)
def test_what_json_may_not_hold_is_named(text, rule):
    with pytest.raises(ReadError, match=rule):
        json_values(text)


def test_dates_are_texts_and_pairs_of_surrogates_a_character(tmp_path):
    assert yaml_values("a: 2024-02-31\nb: 2024-01-01") == {"a": "2024-02-31", "b": "2024-01-01"}
    (tmp_path / "a.json").write_text(r'{"a": "\ud83d\ude00"}')
    assert read_values(tmp_path / "a.json") == {"a": "\U0001f600"}


def test_only_so_many_bytes_are_read_also_of_what_is_packed(tmp_path):
    few = Bounds(bytes=100, nodes=10)
    (tmp_path / "a").write_bytes(b"x" * 100)
    assert read_bytes(tmp_path / "a", few) == b"x" * 100
    (tmp_path / "a").write_bytes(b"x" * 101)
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"x" * 10_000_000))
    for name in ("a", "a.gz"):
        with pytest.raises(ReadError, match="more than 100 bytes"):
            read_bytes(tmp_path / name, few)
    with pytest.raises(ReadError, match="it is a device or a pipe"):
        read_values(type(tmp_path)("/dev/zero"))  # which has no end
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"x" * 50)[:-9])
    with pytest.raises(ReadError, match="cannot read"):
        read_bytes(tmp_path / "a.gz", few)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"name\n" + b"x" * 200_000, "line 2: field larger than field limit"),
        (b"name\n" + b"x" * 20_000, "line 2, cell 1: a cell may have 10,000 characters, got 20,000"),
        (b"name\n\xff", "not text in UTF-8: byte 5 is not UTF-8"),
    ],
)
def test_cells_are_bounded(tmp_path, content, rule):
    (tmp_path / "rows.csv").write_bytes(content)
    with pytest.raises(ReadError, match=rule):
        read_rows(tmp_path / "rows.csv")


def test_rows_keep_their_lines(tmp_path):
    (tmp_path / "rows.csv").write_text('a,b\n\n"1\n2",3\n4,5\n')
    header, lines = read_rows(tmp_path / "rows.csv")
    assert (header, [tuple(line) for line in lines]) == (["a", "b"], [(4, ["1\n2", "3"]), (5, ["4", "5"])])
    (tmp_path / "rows.csv").write_text("")
    assert read_rows(tmp_path / "rows.csv") == ([], [])


def test_numbers_are_of_ascii_digits():
    assert [whole_number(each) for each in ("0", "224", "²", "٣", "", "1.5", "-1", "1" * 19)] == [0, 224, *[None] * 6]


@given(st.text(max_size=3000) | st.integers() | st.sampled_from([10**5000, ["x" * 5000]]))
def test_a_value_is_shown_on_one_short_line(value):
    text = shown(value)
    assert len(text) <= 10 * 80
    assert text.isprintable()


def test_messages_cut_what_they_quote():
    for error in (
        SpecError("a" * 10_000, "b" * 10_000),
        UnknownNameError("model", "x" * 100_000, ["resnet18"]),
        ReadError("x" * 10_000, "y" * 10_000),
    ):
        assert isinstance(error, NaslabError)
        assert len(str(error)) < 1500
