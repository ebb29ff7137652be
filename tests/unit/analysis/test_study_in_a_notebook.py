"""A study shows itself in a notebook, whatever it is called and however far it is."""

from __future__ import annotations

import msgspec
import synthetic_study as synthetic


def test_a_study_shows_its_front_and_no_markup_of_its_name() -> None:
    shown = synthetic.study(name="<img src=x>")._repr_html_()
    assert "<img" not in shown
    assert shown.count("<tr>") == 1 + 9
    assert "60 of 60 trials" in shown
    assert "<th>accuracy (%)</th><th>macs</th>" in shown
    assert shown.count('<td style="text-align: left">') == 2 * 9, "words begin at the left, numbers stay at the right"


def test_a_study_without_a_front_says_why() -> None:
    shown = msgspec.structs.replace(synthetic.study(count=4), outcomes=())._repr_html_()
    assert "no finished trial yet" in shown
