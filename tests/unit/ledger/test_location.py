"""Where a ledger is: paths and URLs, and passwords that are never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from naslab.errors import LedgerError
from naslab.ledger.location import locate


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("studies.db", "studies.db"),
        (Path("a folder/studies.db"), "a folder/studies.db"),
        ("sqlite:///studies.db", "studies.db"),
        ("sqlite:////var/lib/studies.db", "/var/lib/studies.db"),
        ("odd?name#1%20.db", "odd?name#1%20.db"),
    ],
)
def test_files(given: str | Path, path: str) -> None:
    location = locate(given)
    assert location.path == Path(path)
    assert location.url.database == path
    assert str(location) == path


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"])
def test_servers(scheme: str) -> None:
    location = locate(f"{scheme}://ada:s3cret@db.example:5433/lab?sslmode=require")
    assert location.path is None
    assert location.url.drivername == "postgresql+psycopg"
    assert str(location) == "postgresql://ada:***@db.example:5433/lab?sslmode=require"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:s3cret@db/lab",
        "postgresql://db/lab?user=ada&password=s3cret",
        "postgresql://db/l?passfile=s3cret",
    ],
)
def test_no_password_is_shown(url: str) -> None:
    assert "s3cret" not in f"{locate(url)} {locate(url)!r}"


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("mysql://ada:s3cret@db/lab", "a ledger cannot be on 'mysql'"),
        ("postgresql://ada:s3c@ret@db/lab", "write one that belongs to the password as %40"),
        ("postgresql://ada:s3cret@db:port/lab", "cannot be read|names no database"),
        ("postgresql://ada:s3cret@db", "names no database"),
        ("ada:s3cret@db/lab", "without postgresql:// in front"),
        ("POSTGRES:ada:s3cret@db/lab", "neither a file nor a URL"),
        ("sqlite://", "cannot be in memory"),
        (":memory:", "cannot be in memory"),
        ("", "cannot be in memory"),
    ],
)
def test_what_is_no_location(url: str, rule: str) -> None:
    with pytest.raises(LedgerError, match=rule) as error:
        locate(url)
    assert "s3c" not in str(error.value)
    assert "ret@" not in str(error.value)
