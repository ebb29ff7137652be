"""The commands of the files for clusters, started for real: on PostgreSQL, and on a Ray cluster of two nodes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from postgres import PASSWORD
from processes import HANG_SECONDS
from ray_clusters import several_nodes

from naslab.ledger import Ledger

FOLDER = Path(__file__).parents[2] / "examples" / "cluster"
ADDRESS = "postgresql://naslab@database/naslab"
SMALL = ["--trials", "4", "--epochs", "1", "--max-images", "200"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What the commands find: `naslab`, an `srun` that runs its words, and the database's password."""
    for name, program in (("naslab", f'{shlex.quote(sys.executable)} -m naslab "$@"'), ("srun", '"$@"')):
        (tmp_path / name).write_text(f"#!/bin/bash\nexec {program}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PGPASSWORD": PASSWORD,
        "OMP_NUM_THREADS": "1",
    }


def words_of(command: str, database: str, *more: str) -> list[str]:
    """A command of an example with this `database`, and with `more` options in place of its own."""
    words = shlex.split(command.replace(ADDRESS, database.replace(f":{PASSWORD}", "")))
    assert words.count(database.replace(f":{PASSWORD}", "")) == 1
    for option in more[::2]:
        if option in words:
            place = words.index(option)
            del words[place : place + 2]
    return [*words, *more]


@contextmanager
def running(commands: Sequence[Sequence[str | Path]], environment: dict[str, str]) -> Iterator[list[Any]]:
    """Programs that run, and are ended with the block."""
    programs: list[subprocess.Popen[str]] = []
    try:
        for words in commands:
            programs.append(subprocess.Popen(words, env=environment, start_new_session=True, text=True))
        yield programs
    finally:
        for each in programs:
            if each.poll() is None:
                os.killpg(each.pid, 9)
            each.wait(HANG_SECONDS)


def require_whole_study(database: str, study: str) -> None:
    """The study of a small search is there, each trial once and by the workers that joined."""
    with Ledger.open(database, create=False) as ledger:
        outcomes = ledger.outcomes(study)
    assert sorted(each.candidate.trial for each in outcomes) == [0, 1, 2, 3]
    assert all(each.is_complete for each in outcomes)


@pytest.mark.slow
def test_driver_and_workers_of_the_compose_file_search(postgres_database: str, environment: dict[str, str]) -> None:
    services = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))["services"]
    driver = ["naslab", *words_of(services["driver"]["command"], postgres_database, *SMALL)]
    worker = ["naslab", *words_of(services["worker"]["command"], postgres_database, "--idle", "5")]
    Ledger.open(postgres_database).close()
    with running([driver], environment) as [search]:
        # As Compose restarts a worker that finds no study yet.
        restarted = ["bash", "-c", f"until {shlex.join(worker)}; do sleep 1; done"]
        with running([restarted, restarted], environment):
            assert search.wait(HANG_SECONDS) == 0
    require_whole_study(postgres_database, "digits")


@pytest.mark.slow
def test_workers_of_the_slurm_script_search(postgres_database: str, environment: dict[str, str]) -> None:
    database = postgres_database.replace(f":{PASSWORD}", "")
    words = ["search", "digits_demo", "--executor", "ledger", "--workers", "4", "--study", "array", *SMALL]
    environment |= {"NASLAB_LEDGER": database, "NASLAB_STUDY": "array", "SLURM_CPUS_PER_TASK": "1"}
    with running([["naslab", *words, "--ledger", database]], environment) as [search]:
        task = ["bash", "-c", f"until bash {shlex.quote(str(FOLDER / 'slurm.sh'))}; do sleep 1; done"]
        with running([task, task], environment):
            assert search.wait(HANG_SECONDS) == 0
    require_whole_study(postgres_database, "array")


@pytest.mark.slow
def test_the_entrypoint_of_the_rayjob_searches(postgres_database: str, environment: dict[str, str]) -> None:
    job = yaml.safe_load((FOLDER / "rayjob.yaml").read_text(encoding="utf-8"))
    entrypoint = words_of(job["spec"]["entrypoint"], postgres_database, *SMALL)
    with (
        several_nodes(num_cpus=[0, 1, 1]) as cluster,
        running([entrypoint], environment | {"RAY_ADDRESS": cluster.address}) as [search],
    ):
        assert search.wait(HANG_SECONDS) == 0
    require_whole_study(postgres_database, "digits")
