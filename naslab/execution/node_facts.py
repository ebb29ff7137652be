"""What a node of a Ray cluster tells of itself, by the standard library alone: naslab may not be installed there."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from importlib import metadata


def node_facts(search_path: Sequence[str], packages: Sequence[str]) -> tuple[dict[str, str], float]:
    """The versions of `packages` on this machine, and what its clock says, in seconds since 1970.

    `search_path` is the driver's, in which workers look for modules as well. A package that is not there has the
    version `not installed`.

    >>> node_facts([], ["no_such_package"])[0]
    {'no_such_package': 'not installed'}
    """
    sys.path.extend(folder for folder in search_path if folder not in sys.path)
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions, time.time()
