"""What databases say of their faults, in words for users."""

from __future__ import annotations

import pytest
from psycopg import Error, errors
from sqlalchemy.exc import DBAPIError

from naslab.errors import LedgerError, UnreachedError
from naslab.ledger.faults import explained
from naslab.ledger.location import locate

ADDRESS = "postgresql://me:correct-horse@db.example/studies"


def told(error: Error) -> LedgerError:
    with pytest.raises(LedgerError) as caught, explained(locate(ADDRESS)):
        raise DBAPIError("INSERT", None, error)
    assert "correct-horse" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        errors.DiskFull('could not extend file "base/5/16384": No space left on device\nHINT: Check free disk space.'),
        errors.IoError("could not write to file: No space left on device"),
    ],
)
def test_a_full_disk_of_a_server_is_told_and_not_waited_for(error: Error) -> None:
    found = told(error)
    assert not isinstance(found, UnreachedError)
    assert "the disk of the server of ledger postgresql://" in str(found)
    assert str(found).endswith("make room and run the same command again, every finished outcome is kept")


def test_a_server_that_is_gone_is_one_that_is_not_reached() -> None:
    for error in (errors.AdminShutdown("terminating connection"), errors.OperationalError("connection refused")):
        assert isinstance(told(error), UnreachedError)
    assert "grant it CREATE" in str(told(errors.InsufficientPrivilege("permission denied for schema public")))
