"""Every test here has a cache folder of its own, and no data folder unless it asks for one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REAL_DATA = os.environ.get("NASLAB_DATA")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NASLAB_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def real_data() -> Path:
    if not REAL_DATA:
        pytest.skip("NASLAB_DATA does not name a folder of data sets")
    return Path(REAL_DATA)
