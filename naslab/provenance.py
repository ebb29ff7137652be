"""Provenance: what every result states of the machine, the versions and the command that made it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from naslab.errors import LedgerError
from naslab.passwords import command_without_passwords, without_passwords

PACKAGES = ("naslab", "torch", "torchvision", "optuna", "ray", "numpy", "scipy", "plotly", "sqlalchemy", "msgspec")
SAME_EVERYWHERE = ("naslab", "torch")
"""What every machine that works on one study has in the same version, for its numbers stand beside those of others."""


def installed_versions(*more: str) -> dict[str, str]:
    """The versions of Python and of the packages that results depend on, and of `more`; nothing is imported."""
    found = {"python": platform.python_version()}
    for package in (*PACKAGES, *more):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def other_version(there: Mapping[str, str], here: Mapping[str, str]) -> tuple[str, str, str] | None:
    """The first package of `SAME_EVERYWHERE` that two machines have in two versions: its name, and both.

    `there` and `here` are what `installed_versions` gave; what one of them does not tell is taken for equal.

    >>> other_version({"naslab": "1.0", "torch": "2.11.0"}, {"naslab": "1.0", "torch": "2.12.0"})
    ('torch', '2.11.0', '2.12.0')
    """
    for package in SAME_EVERYWHERE:
        theirs, own = there.get(package, ""), here.get(package, "")
        if theirs and own and theirs != own:
            return package, theirs, own
    return None


def machine_description() -> dict[str, Any]:
    """The processor, its cores that this process may use, memory and system.

    Keys `processor`, `cores`, `memory_gib` (GiB) and `system`.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    return {
        "processor": _processor(),
        "cores": cores,
        "memory_gib": round(pages / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def device_description() -> dict[str, Any]:
    """The GPUs that torch sees, and the folder that data sets are looked for in.

    Keys `gpus` (names, or `none`) and `data_folder` (or `not set`).
    """
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    folder = without_passwords(os.environ.get("NASLAB_DATA", "not set"))
    return {"gpus": ", ".join(gpus) or "none", "data_folder": folder}


def ledger_description(location: str) -> dict[str, Any]:
    """Whether the ledger at `location` (a file or a database URL) answers, and how many studies it holds.

    Keys `location` (without a password), `state` and, where it answers, `studies`; an error is told in `state`, not
    raised.
    """
    from naslab.ledger.ledger import Ledger
    from naslab.ledger.location import locate

    told = {"location": without_passwords(location)}
    try:
        place = locate(location)
        if place.path is not None and not place.path.exists():
            return {**told, "state": "not there yet; the first search makes it"}
        with Ledger.open(location, create=False) as opened:
            return {**told, "state": "answers", "studies": len(opened.study_names())}
    except LedgerError as error:
        return {**told, "state": str(error)}


def command_line() -> str:
    """The command that runs, as one would type it; passwords are left out (`naslab.passwords`)."""
    program = Path(sys.argv[0]).name
    return command_without_passwords(["naslab" if program in ("naslab", "__main__.py") else program, *sys.argv[1:]])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
