"""`python -m naslab` is the command `naslab`."""

from __future__ import annotations

from naslab.cli.main import run

if __name__ == "__main__":
    run()
