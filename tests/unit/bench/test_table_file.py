"""Tables from files: what is read, and what is refused with which words."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from naslab.bench.table_file import load_table
from naslab.errors import DataError, NaslabError, UnknownNameError

GOOD = """kernel,kind,accuracy,macs
3,conv,90.0,1000
5,conv,91.5,2000
7,conv,,3000
3,mbconv,92.0,500
5,mbconv,93.0,900
5,mbconv,93.0,900
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_is_read(tmp_path: Path) -> None:
    domain = load_table(written(tmp_path, GOOD), ["kernel", "kind"], ["accuracy", "macs"], ["macs"], ["macs"])
    assert domain.losses.tolist() == [[-90.0, 1000.0], [-91.5, 2000.0], [-92.0, 500.0], [-93.0, 900.0]]
    kernel, kind = domain.space.holes()
    assert (kernel.options, kernel.is_ordered) == ((3.0, 5.0), True)
    assert (kind.options, kind.is_ordered) == (("conv", "mbconv"), False)
    network = domain.examine(domain.space.genome(1))
    assert network.losses == (None, 2000.0)
    assert network.features == (np.log(2000.0),)


def test_absent_rows_are_invalid_networks(tmp_path: Path) -> None:
    text = GOOD.replace("5,conv,91.5,2000\n", "")
    domain = load_table(written(tmp_path, text), ["kernel", "kind"], ["accuracy"])
    missing = domain.space.fill(lambda hole: 1 if hole.path == "kernel" else 0)
    assert not domain.examine(missing).is_feasible
    repaired = domain.repair(missing, np.random.default_rng(0))
    assert repaired is not None
    assert domain.examine(repaired).is_feasible


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the table has no rows"),
        ("kernel,kind,accuracy\n", "the table has no rows"),
        (GOOD.replace("91.5", "good"), "line 3, column 'accuracy': needs a number, got 'good'"),
        (GOOD.replace("93.0,900\n5", "93.5,900\n5"), "lines 6 and 7 have equal knobs and other results"),
        ("kernel,kind,accuracy\n3,a,1\n5,a,1\n", "'accuracy' never differs"),
        ("kernel,kind,accuracy\n3,a,\n5,a,nan\n", "the objective 'accuracy' has no number in any row"),
        ("kernel,kind,accuracy\n3,a,1\n,a,2\n", "line 3: the knob 'kernel' is empty"),
        ("kernel,kind,accuracy\n3,a,1\n5,a\n", "line 3: has 2 cells, the header 3"),
        ("kernel,kind,kind,accuracy\n3,a,b,1\n", "several columns are called 'kind'"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        load_table(written(tmp_path, text), ["kernel", "kind"], ["accuracy"])


def test_missing_columns_come_with_the_nearest(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    with pytest.raises(UnknownNameError, match="unknown knob column 'kernl' \\(did you mean 'kernel'"):
        load_table(path, ["kernl"], ["accuracy"])
    with pytest.raises(NaslabError, match="cannot read the table"):
        load_table(tmp_path / "absent.csv", ["kernel"], ["accuracy"])


def test_proxies_among_the_features_are_a_prior(tmp_path: Path) -> None:
    text = "kernel,accuracy,macs,naswot\n3,90.0,1000,5.0\n5,91.5,2000,\n7,92.0,3000,-1.0\n"
    domain = load_table(written(tmp_path, text), ["kernel"], ["accuracy"], (), ["naswot", "macs"])
    assert domain.prior is not None
    assert domain.prior.names == ("naswot",)
    np.testing.assert_array_equal(domain.prior.scores[:, 0], [5.0, np.nan, -1.0])
    assert domain.examine(domain.space.genome(2)).features == (np.log(3000.0),)
    assert load_table(written(tmp_path, text), ["kernel"], ["accuracy"], (), ["macs"]).prior is None
