"""What searches of a tiny space have in common."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from in_process import workers_in_process
from tiny_space import SPACE


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spaces") / "tiny.yaml"
    path.write_text(SPACE, encoding="utf-8")
    return path


@pytest.fixture
def in_process() -> Iterator[None]:
    with workers_in_process():
        yield
