"""Workers that join by the ledger are killed while they have a candidate: nothing is lost, nothing is there twice."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import warm_start
from postgres import BACKENDS
from processes import HANG_SECONDS, wait_until
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

import naslab
from naslab.errors import LedgerError, NaslabError
from naslab.execution import lease_executor
from naslab.execution.workers import Workers
from naslab.ledger import Ledger
from naslab.ledger.leases import offered
from naslab.ledger.location import locate

WORKER = """
import sys, time
import naslab.lab.joining as joining
from naslab.study.outcome import Estimate
joining.BEAT_SECONDS = 0.2
if sys.argv[2] == "hangs":
    joining._estimated = lambda *_: time.sleep(1000)
joining.join(sys.argv[1], study="killed", device="cpu", idle_seconds=float(sys.argv[3]))
"""


@pytest.fixture(params=BACKENDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "studies.db") if request.param == "sqlite" else request.getfixturevalue("postgres_database")


def count_of(place: str, query: str) -> int:
    engine = create_engine(locate(place).url, poolclass=NullPool)
    with engine.connect() as connection:
        if "://" in place:
            connection.execute(text("SET search_path TO naslab"))
        return int(connection.execute(text(query)).scalar_one())


def has_taken(place: str) -> bool:
    """Whether a worker has a candidate."""
    try:
        with Ledger.open(place, create=False) as ledger:
            return "killed" in ledger.study_names() and any(each.worker for each in offered(ledger, "killed"))
    except LedgerError:
        return False


def test_a_killed_worker_costs_its_candidate_one_more_try(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_executor, "SILENT_SECONDS", 3.0)
    Ledger.open(place).close()
    found: list[Any] = []

    def drive() -> None:
        try:
            pool = Workers(kind="ledger", count=2)
            asked: dict[str, Any] = {"strategy": "random", "estimator": "params", "trials": 6, "study": "killed"}
            found.append(naslab.search("digits_demo", workers=pool, ledger=place, **asked))
        except NaslabError as error:
            found.append(error)

    driver = threading.Thread(target=drive)
    driver.start()
    assert wait_until(lambda: has_study(place))
    hanging = warm_start.Popen([sys.executable, "-c", WORKER, place, "hangs", "60"])
    try:
        assert wait_until(lambda: has_taken(place))
    finally:
        hanging.kill()
        hanging.wait(HANG_SECONDS)
    working = warm_start.Popen([sys.executable, "-c", WORKER, place, "works", "8"])
    driver.join(HANG_SECONDS)
    working.wait(HANG_SECONDS)
    [study] = found
    assert not isinstance(study, NaslabError), study
    assert len(study.outcomes) == 6
    assert all(each.is_complete for each in study.outcomes)
    assert sum("retried" in each.estimate.notes for each in study.outcomes) == 1
    twice = "SELECT count(*) FROM (SELECT arch_id FROM outcomes GROUP BY arch_id HAVING count(*) > 1) AS twice"
    counts = [
        count_of(place, query) for query in ("SELECT count(*) FROM outcomes", "SELECT count(*) FROM leases", twice)
    ]
    assert counts == [6, 0, 0]


def has_study(place: str) -> bool:
    with Ledger.open(place, create=False) as ledger:
        return "killed" in ledger.study_names() and bool(offered(ledger, "killed"))
