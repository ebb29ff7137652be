"""A command line that cannot be read is refused in one line that says where its help is."""

from pathlib import Path

import pytest
from made_studies import naslab


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("search", "s.yaml", "--trails", "4"), "No such option: --trails"),
        (("search", "s.yaml", "--trials", "four"), "Invalid value for '--trials'"),
        (("search", "s.yaml", "--trials", "0"), "Invalid value for '--trials'"),
        (("search", "s.yaml", "--storage", "tape"), "'tape' is not one of 'auto', 'memory', 'stream'"),
        (("search", "s.yaml", "--trials"), "--trials"),
        (("search",), "Missing argument 'space'"),
        (("serch",), "No such command 'serch'. Did you mean 'search'?"),
        (("--bogus",), "No such option: --bogus"),
    ],
)
def test_the_line_says_what_is_wrong_and_where_the_help_is(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    line = naslab(tmp_path, *words).refusal()
    assert told in line
    assert line.endswith(" --help")


def test_without_a_word_the_help_is_shown(tmp_path: Path) -> None:
    shown = naslab(tmp_path)
    assert "Usage:" in shown.out + shown.err
