"""`naslab list` and `--version`: what has a name, and which version this is."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from made_studies import naslab

from naslab.cli.help_text import REGISTRIES
from naslab.cli.list import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_listed_with_a_line_for_each_name(kind: str, tmp_path) -> None:
    rows = naslab(tmp_path, "list", kind, "--json").value
    names = [row["name"] for row in rows]
    assert len(set(names)) == len(names) > 0
    if kind in REGISTRIES and kind != "targets":
        assert set(names) == set(REGISTRIES[kind]())
    assert all("\n" not in row["summary"] and len(row["summary"]) < 400 for row in rows)


def test_what_comes_with_a_summary_has_one(tmp_path) -> None:
    for kind in ("strategies", "estimators", "blocks", "metrics", "spaces", "networks"):
        assert all(row["summary"] for row in naslab(tmp_path, "list", kind, "--json").value), kind


def test_what_an_installed_package_publishes_is_listed_with_what_it_names(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "site" / "theirs-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    kinds = ("strategies", "estimators", "blocks", "metrics", "datasets")
    (info / "entry_points.txt").write_text("\n".join(f"[naslab.{kind}]\nown_one = theirs:{kind}" for kind in kinds))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    for kind in kinds:
        last = naslab(tmp_path, "list", kind, "--json").value[-1]
        assert last == {"name": "own_one", "summary": f"published by an installed package: theirs:{kind}"}


def test_without_a_kind_the_kinds_are_listed_and_another_is_refused(tmp_path) -> None:
    rows = naslab(tmp_path, "list", "--json").value
    assert [row["name"] for row in rows] == list(KINDS)
    assert {row["name"]: row["summary"] for row in rows}["operators"] == "1 name"
    assert "did you mean 'strategies'" in naslab(tmp_path, "list", "strategy").refusal()


def test_the_version_is_printed(tmp_path) -> None:
    assert naslab(tmp_path, "--version").out == f"naslab {version('naslab')}\n"
