"""A process that outwaits a driver and then ends what is left of the Ray cluster that it had started.

Ray's own helpers outlive a killed driver by up to a minute. Run as a script: stdin tells the name of the cluster's
session and closes with the driver. Needs `/proc`; without it Ray's minute stands.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path


def main() -> None:
    """Wait for the driver to end, then kill what has a log of the cluster's session open."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    driver = os.getppid()
    session = sys.stdin.read().strip()
    for _ in range(3 if session else 0):  # what is dying may still have started something
        for pid in users_of(session):
            if pid != driver:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def users_of(folder_name: str) -> set[int]:
    """The processes that have a file below a folder of this name open."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # another user's, or gone
            if f"/{folder_name}/" in str(link.readlink()):
                found.add(int(link.parts[2]))
    return found


if __name__ == "__main__":
    main()
