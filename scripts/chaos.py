"""Kills and other faults in small searches, and what is left of them, checked by plain SQL.

    .venv/bin/python scripts/chaos.py [--kills 40] [--seconds 240] [--trials 60] [--ledger sqlite|postgresql] [--trains]
        [--warm] [--ray] [--faults NAME ...]

A driver and several workers that join by the ledger (`naslab worker`) are ended by SIGKILL at random, and begun again;
of a PostgreSQL server also the server itself, at once (SIGQUIT) and with a restart. `FAULTS` has a row for each of
these, and for networks that are cut, disks that are full and clocks that jump. With `--ray` workers are actors on a
cluster, which are killed, and so are its nodes and its head. With `--trains` candidates are trained on the digits for
an epoch, else a proxy is computed. The table says what was asked, done, lost, repeated and left behind: none of the
last three may be there. With `--warm` programs are forks of one that has the libraries loaded (`tests/warm_start.py`),
so that a thousand kills take no hours of imports.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from chaos_attack import BY_LEDGER, FAULTS, Attack
from chaos_faults import database
from chaos_ray import RAY_NAMES, by_ray
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from naslab.ledger.location import locate
from naslab.provenance import installed_versions, machine_description

NAMES = (*(each.name for each in FAULTS), *RAY_NAMES)


class Rule(NamedTuple):
    """What must hold of the rows of a ledger: a name, and the query that counts what breaks it."""

    name: str
    query: str


RULES = (
    Rule("lost: started and not finished", "SELECT count(*) FROM trials LEFT JOIN outcomes "
         "USING (study_id, trial) WHERE outcomes.trial IS NULL"),
    Rule("repeated: finished twice", "SELECT count(*) FROM (SELECT trial FROM outcomes GROUP BY study_id, trial "
         "HAVING count(*) > 1) AS twice"),
    Rule("repeated: one network in two trials", "SELECT count(*) FROM (SELECT arch_id FROM trials GROUP BY study_id, "
         "arch_id HAVING count(*) > 1) AS twice"),
    Rule("left behind: leases", "SELECT count(*) FROM leases"),
    Rule("left behind: progress", "SELECT count(*) FROM progress"),
    Rule("measurements without an outcome", "SELECT count(*) FROM measurements LEFT JOIN outcomes "
         "USING (study_id, trial) WHERE outcomes.trial IS NULL"),
)  # fmt: skip


def run(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Search under kills until everything is done; the counts and what the ledger holds then."""
    gathered = by_ray(given.workers) if given.ray else nullcontext(BY_LEDGER)
    with database(given.ledger, folder) as place, gathered as team:
        attack = Attack(given, folder, place, team)
        attack.run()
        held = rows_of(place.address, is_postgresql=place.server is not None)
    return {"kills": dict(attack.kills), "asked": attack.asked, **held, "is_given_up": attack.is_given_up}


def rows_of(place: str, is_postgresql: bool) -> dict[str, Any]:
    """What plain SQL finds in a ledger: outcomes, those that failed, and how often each rule is broken."""
    engine = create_engine(locate(place).url, poolclass=NullPool)
    with engine.connect() as connection:
        if is_postgresql:
            connection.execute(text("SET search_path TO naslab"))

        def count(query: str) -> int:
            return int(connection.execute(text(query)).scalar_one())

        found = {
            "done": count("SELECT count(*) FROM outcomes"),
            "failed": count("SELECT count(*) FROM outcomes WHERE failure IS NOT NULL"),
            "broken": {rule.name: count(rule.query) for rule in RULES},
        }
    engine.dispose()
    return found


def is_whole(found: dict[str, Any]) -> bool:
    """Whether everything asked for is there once, and nothing else."""
    return bool(found["done"] == found["asked"] and not any(found["broken"].values()) and not found["is_given_up"])


def markdown(value: dict[str, Any]) -> str:
    """The table as a page."""
    found, machine = value["found"], value["machine"]
    kills = ", ".join(f"{name}: {count}" for name, count in sorted(found["kills"].items()))
    lines = [
        "# Kills and other faults",
        "",
        f"`{value['command']}`: {machine['processor']}, {machine['system']}, naslab {value['versions']['naslab']}.",
        "",
        f"{sum(found['kills'].values())} faults ({kills}) in {value['seconds']:.0f} s.",
        "",
        "| what | count |",
        "|---|---:|",
        f"| asked | {found['asked']} |",
        f"| done | {found['done']} |",
        f"| of these failed (a worker died twice on one) | {found['failed']} |",
        f"| given up before all was done: what was in flight counts as lost | {int(found['is_given_up'])} |",
        *(f"| {name} | {count} |" for name, count in found["broken"].items()),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Kill, check, print the table; exit code 1 where anything was lost, repeated or left behind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledger", choices=("sqlite", "postgresql"), default="postgresql")
    parser.add_argument("--kills", type=int, default=40, help="at most so many")
    parser.add_argument(
        "--seconds", type=float, default=240, help="kill for so long; twice that is the whole run's end"
    )
    parser.add_argument("--every", type=float, default=5, help="seconds between two kills, on average")
    parser.add_argument("--trials", type=int, default=60, help="and as many more while kills are left")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--silent", type=float, default=8, help="seconds until a silent worker counts as dead")
    parser.add_argument("--faults", nargs="*", choices=NAMES, help="by default all that are possible here")
    parser.add_argument("--ray", action="store_true", help="workers are actors on a Ray cluster of three nodes")
    parser.add_argument("--trains", action="store_true")
    parser.add_argument("--warm", action="store_true", help="programs start as forks, without imports")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="both files, no ending")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = run(given, Path(folder))
        if not is_whole(found):
            print(Path(folder, "driver.log").read_text()[-3000:], file=sys.stderr)
            print(Path(folder, "workers.log").read_text()[-3000:], file=sys.stderr)
    value = {
        "command": shlex.join(["scripts/chaos.py", *sys.argv[1:]]),
        "machine": machine_description(),
        "versions": installed_versions(),
        "seconds": time.monotonic() - began,
        "found": found,
    }
    if given.out is not None:
        given.out.with_suffix(".json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
        given.out.with_suffix(".md").write_text(markdown(value), encoding="utf-8")
    print(markdown(value))
    sys.exit(not is_whole(found))


if __name__ == "__main__":
    main()
