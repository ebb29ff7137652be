"""From what a caller asks for to a choice of data: checked whole, and fingerprinted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from naslab.study.data_choice import DataChoice
from naslab.training.datasets.dataset_readers import STORED
from naslab.training.datasets.given import Data
from naslab.training.datasets.info import checked_facts
from naslab.training.datasets.store import store_data


def choose_data(asked: str | DataChoice | Data | Any, data_dir: str | Path | None = None) -> DataChoice:
    """The choice that is `asked` for, by name, as a choice, as `Data` or a torch data set, with its fingerprint.

    All of the data, the test part too, is read or listed and checked here. Raises `DataError` for data that are
    missing, damaged or not of one form, and `UnknownNameError` for a name of no data set.

    >>> choose_data("digits").fingerprint
    ''
    """
    if not isinstance(asked, str | DataChoice):
        data = asked if isinstance(asked, Data) else Data(train=asked)
        facts = store_data(f"the given {data!r}", data).facts
        return DataChoice(name=f"{STORED}{facts.fingerprint}", fingerprint=facts.fingerprint)
    choice = DataChoice(name=asked) if isinstance(asked, str) else asked
    facts = checked_facts(choice, data_dir)
    return choice if not facts.fingerprint else msgspec.structs.replace(choice, fingerprint=facts.fingerprint)
