"""The data that `naslab search` is asked for."""

from __future__ import annotations

import pytest
import typer

from naslab.cli.main import app
from naslab.cli.search import data_choice
from naslab.study.data_choice import VALIDATION_FRACTION, DataChoice


def test_a_name_alone_stays_a_name():
    assert data_choice("digits", 100, "auto", False) == "digits"
    assert data_choice(None, None, "auto", False) is None


def test_where_images_lie_and_what_is_skipped_is_part_of_the_data():
    assert data_choice("digits", 100, "stream", False) == DataChoice(name="digits", max_images=100, storage="stream")
    assert data_choice("image_folder:x", None, "auto", True) == DataChoice(name="image_folder:x", skip_unreadable=True)


def test_the_share_of_validation_images_is_part_of_the_data():
    asked = DataChoice(name="digits", max_images=100, validation_fraction=0.7)
    assert data_choice("digits", 100, validation=0.7) == asked


def test_the_help_says_the_share_that_is_taken_by_itself():
    command = typer.main.get_command(app).commands["search"]  # type: ignore[attr-defined]
    [said] = [each.show_default for each in command.params if each.name == "validation"]
    assert said == str(VALIDATION_FRACTION) == str(DataChoice(name="digits").validation_fraction)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, 70.0, float("nan")])
def test_a_share_of_validation_images_is_between_0_and_1(share):
    with pytest.raises(typer.BadParameter, match="--validation must be between 0 and 1"):
        data_choice("digits", validation=share)


def test_such_data_are_named():
    with pytest.raises(typer.BadParameter, match="need a --dataset"):
        data_choice(None, None, "stream", False)
