"""A ledger of an older version that may not be written is read as a copy in memory, by several threads at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kept_ledgers import place_kept

from naslab.errors import LedgerError
from naslab.ledger import Ledger, engine


def test_four_threads_read_a_copy_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "studies.db"
    place_kept(1, str(path))
    monkeypatch.setattr(engine, "is_writable", lambda _: False)
    with Ledger.watch(path) as ledger, ThreadPoolExecutor(4) as threads:
        names = ledger.study_names()
        expected = [repr(ledger.outcomes(name)) for name in names]
        assert expected
        found = threads.map(lambda _: [repr(ledger.outcomes(name)) for name in names], range(12))
        assert all(each == expected for each in found)
        with pytest.raises(LedgerError, match="cannot be opened for writing"):
            ledger.set_trials(names[0], 99)
