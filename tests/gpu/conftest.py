"""Tests of what only a CUDA device can show: `pytest tests/gpu`. Without one they are skipped.

They are written to pass in one go on a machine with one NVIDIA GPU, in a few minutes, with the digits of scikit-learn
alone.
"""

from __future__ import annotations

import pytest
import torch
from one_gpu import DEVICE

from naslab.study.data_choice import DataChoice
from naslab.training.data import DataSplit, load_dataset


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skipped = pytest.mark.skip(reason="torch sees no CUDA device here")
    for item in items:
        if "tests/gpu/" in item.path.as_posix():
            item.add_marker(pytest.mark.gpu)
            if not torch.cuda.is_available():
                item.add_marker(skipped)


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def digits(cache) -> DataSplit:
    """1,150 training images of 8 x 8: with batches of 100 ten are of 96 and two of 95."""
    return load_dataset(DataChoice(name="digits"), device=DEVICE)


@pytest.fixture(autouse=True)
def memory_given_back():
    yield
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
