"""`naslab convert` with every notation: in, out and in again; bad input is one line and exit code 2."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest

from naslab.arch import arch_id
from naslab.cli.main import run
from naslab.notations import NOTATIONS, Notation, read_notation


class Shown(NamedTuple):
    """What the command printed and how it ended."""

    code: int
    out: str
    err: str


def converted(*arguments: str) -> Shown:
    out, err = StringIO(), StringIO()
    code = 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["naslab", "convert", *arguments])
        try:
            run()
        except SystemExit as exit:
            code = exit.code if isinstance(exit.code, int) else 0
    return Shown(code, out.getvalue(), err.getvalue())


@pytest.mark.parametrize("notation", NOTATIONS, ids=lambda each: each.name)
def test_a_text_goes_to_yaml_and_back(notation: Notation, tmp_path: Path) -> None:
    source, written = tmp_path / "source.txt", tmp_path / "network.yaml"
    source.write_text(notation.example)
    out = converted(str(source), "--out", str(written), "--json")
    assert out.code == 0, out.err
    found = json.loads(out.out)
    assert found["arch_id"] == arch_id(read_notation(notation.example))
    assert found["cost"]["macs"] > 0
    back = converted(str(written), "--to", notation.name)
    assert back.code == 0, back.err
    again = read_notation(back.out, notation.name)
    assert arch_id(again) == found["arch_id"]


@pytest.mark.parametrize(
    ("source", "name", "rule"),
    [
        ("[['ir_r2_k3_s2_e6']]", "timm", "says no 'c'"),
        ("[['ir_r2_k3_q2_c24']]", "timm", "'q2' is no option that is read"),
        ("[['mqa_r2_k3_c24']]", "timm", "unknown block 'mqa'"),
        ("MODEL: {TYPE: vit}", "pycls", "MODEL.TYPE must be one of regnet, anynet, effnet"),
        ("MODEL: {TYPE: regnet}\nREGNET: {DEPHT: 3}", "pycls", "REGNET has no 'DEPHT' (did you mean 'DEPTH'"),
        ("MODEL: {TYPE: effnet}\nEN: {DEPTHS: [1, 2], WIDTHS: [16]}", "pycls", "EN.WIDTHS must hold 2 numbers"),
        ('{"ks": [3], "e": [3], "d": [2]}', "once_for_all", "'d' must hold 5 whole numbers"),
        (json.dumps({"ks": [4] * 20, "e": [3] * 20, "d": [2] * 5}), "once_for_all", "ks[0] must be one of"),
        ('{"first_conv": {}, "blocks": []}', "once_for_all", "net_config.classifier must be an object"),
    ],
)
def test_bad_input_is_one_line(source: str, name: str, rule: str) -> None:
    for options in ([], ["--from", name]):
        out = converted(source, *options)
        assert out.code == 2
        assert out.out == ""
        assert rule in " ".join(out.err.split()), out.err
        assert out.err.strip().count("\n") == 0
