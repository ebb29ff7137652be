"""The data that `naslab search` is asked for."""

from __future__ import annotations

import pytest
import typer

from naslab.cli.search import data_choice
from naslab.study.data_choice import DataChoice


def test_a_name_alone_stays_a_name():
    assert data_choice("digits", 100, "auto", False) == "digits"
    assert data_choice(None, None, "auto", False) is None


def test_where_images_lie_and_what_is_skipped_is_part_of_the_data():
    assert data_choice("digits", 100, "stream", False) == DataChoice(name="digits", max_images=100, storage="stream")
    assert data_choice("image_folder:x", None, "auto", True) == DataChoice(name="image_folder:x", skip_unreadable=True)


def test_such_data_are_named():
    with pytest.raises(typer.BadParameter, match="need a --dataset"):
        data_choice(None, None, "stream", False)
