"""The files for clusters: their structure, and that every naslab command in them is one that there is."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from naslab.cli.main import app

FOLDER = Path(__file__).parents[2] / "examples" / "cluster"


def loaded(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def require_command(words: list[str]) -> None:
    """The words are a naslab command with options that it has, each with a value."""
    command = typer.main.get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    with command.make_context(words[0], list(words[1:]), resilient_parsing=False) as context:
        assert context.params["ledger"].startswith("postgresql://")


def test_compose_has_a_database_a_driver_and_workers() -> None:
    services = loaded("compose.yaml")["services"]
    assert set(services) == {"database", "driver", "worker"}
    known = {"image", "build", "command", "environment", "depends_on", "restart", "volumes", "healthcheck"}
    for name, service in services.items():
        assert service.keys() <= known, name
        assert set(service.get("depends_on", {})) <= set(services)
    for name in ("driver", "worker"):
        require_command(shlex.split(services[name]["command"]))
    assert services["driver"]["build"]["dockerfile"] == "examples/cluster/Dockerfile"


def test_the_rayjob_is_one() -> None:
    job = loaded("rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    program, *words = shlex.split(job["spec"]["entrypoint"])
    assert program == "naslab"
    require_command(words)
    cluster = job["spec"]["rayClusterSpec"]
    head, [group] = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    assert head["rayStartParams"]["dashboard-host"] == "127.0.0.1"
    assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for part in (head, group):
        [container] = part["template"]["spec"]["containers"]
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert container["image"] == "naslab"


def test_the_slurm_script_starts_workers(tmp_path: Path) -> None:
    stub = tmp_path / "srun"
    stub.write_text('#!/bin/bash\nprintf "%s\\n" "$@" "threads $OMP_NUM_THREADS"\n')
    stub.chmod(0o755)
    own = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_CPUS_PER_TASK": "4"}
    asked = {"NASLAB_LEDGER": "postgresql://ada@db.example/lab", "NASLAB_STUDY": "my study"}
    done = subprocess.run(["bash", FOLDER / "slurm.sh"], env=own | asked, capture_output=True, text=True, check=True)
    program, *words, threads = done.stdout.splitlines()
    assert (program, threads) == ("naslab", "threads 4")
    require_command(words)
    assert words[:3] == ["worker", "--study", "my study"]
    failed = subprocess.run(["bash", FOLDER / "slurm.sh"], env=own, capture_output=True, text=True, check=False)
    assert failed.returncode != 0
    assert "the address of the ledger" in failed.stderr


@pytest.mark.parametrize("name", ["README.md", "Dockerfile"])
def test_what_is_named_is_there(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    for path in re.findall(r"examples/cluster/[\w.]+|(?<=\]\()[\w.]+(?=\))", text):
        assert (FOLDER / Path(path).name).is_file(), path
