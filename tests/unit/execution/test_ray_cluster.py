"""Ray: a real cluster of two nodes that loses one, and a cluster started for a run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_estimators import Scripted, run_file, runs_of
from processes import HANG_SECONDS, wait_until
from ray_clusters import joined_cluster
from tiny_search import Counting, numbered_problem, numbered_study

from naslab.errors import DeviceError, WorkerError
from naslab.execution.events import Event, TrialFinished, TrialRetried
from naslab.execution.ray_cluster import RayExecutor, share_of_gpus
from naslab.execution.search import run_search

TESTS = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_search_survives_the_loss_of_a_worker_and_of_a_node(tmp_path: Path) -> None:
    events: list[Event] = []
    finished: set[int] = set()
    with joined_cluster(num_cpus=[1, 1]) as cluster, numbered_study(tmp_path) as ledger:
        lost = cluster.list_all_nodes()[1:]

        def kill_fourth() -> None:  # two trials may finish at once: only its own file tells that it has begun
            assert wait_until(run_file(tmp_path, 3).exists)
            os.kill(int(run_file(tmp_path, 3).read_text()), signal.SIGKILL)
            (tmp_path / "go").touch()

        def disturb(event: Event) -> None:
            events.append(event)
            if not isinstance(event, TrialFinished):
                return
            finished.add(event.outcome.candidate.trial)
            if event.number >= 7 and 3 in finished and lost:
                cluster.remove_node(lost.pop(), allow_graceful=False)

        with RayExecutor(Scripted(str(tmp_path), holds_from=3), 2, cpus_per_worker=1) as executor:
            killer = threading.Thread(target=kill_fourth)
            killer.start()
            run_search("numbered", ledger, Counting(), executor, numbered_problem(), 2, 0, 12, disturb)
            killer.join()
        outcomes = ledger.outcomes("numbered")
    assert sorted(outcome.candidate.trial for outcome in outcomes) == list(range(12))
    assert all(outcome.is_complete for outcome in outcomes)
    retried = [event.candidate.trial for event in events if isinstance(event, TrialRetried)]
    assert 1 <= len(retried) <= 2
    assert sum(runs_of(tmp_path).values()) <= 12 + len(retried)


STARTED_FOR_THE_RUN = """
import sys
from fake_estimators import Scripted, numbered_candidate
from naslab.execution.ray_cluster import RayExecutor
with RayExecutor(Scripted(sys.argv[1]), 1) as executor:
    import ray
    print([node["NodeManagerAddress"] for node in ray.nodes()], flush=True)
    executor.submit(numbered_candidate(0, "dies"))
    while not [event for event in executor.wait(20) if hasattr(event, "estimate")]:
        pass  # the start of a worker takes what it takes
    executor.submit(numbered_candidate(1, "prints"))
    while not [event for event in executor.wait(20) if hasattr(event, "estimate")]:
        pass
print(ray.is_initialized())
"""


@pytest.mark.slow
def test_a_cluster_started_for_a_run_keeps_to_this_machine_and_off_stdout(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(TESTS), *sys.path))}
    shown = subprocess.run(
        [sys.executable, "-c", STARTED_FOR_THE_RUN, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (shown.returncode, shown.stdout) == (0, "['127.0.0.1']\nFalse\n"), shown.stderr
    assert wait_until(lambda: runs_of(tmp_path) == {0: 1, 1: 1})


NODE_THAT_DIES = """
import os, signal, threading, time
from pathlib import Path
from naslab.execution import ray_connection

def kill_first_node():
    while True:
        for each in Path("/proc").glob("[0-9]*"):
            try:
                words = (each / "cmdline").read_bytes().split(b"\\0")
                parent = int((each / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == os.getpid() and words[0].endswith(b"/raylet"):
                os.kill(int(each.name), signal.SIGKILL)
                return print("killed", flush=True)
        time.sleep(0.05)

ray_connection.SlowClock = lambda: time  # half a minute for each start
threading.Thread(target=kill_first_node, daemon=True).start()
with ray_connection.started(2):
    import ray
    print([node["Alive"] for node in ray.nodes()])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for the node's process in /proc")
def test_a_node_that_dies_as_it_starts_is_started_anew() -> None:
    environment = {**os.environ, "RAY_raylet_start_wait_time_s": "30"}
    shown = subprocess.run([sys.executable, "-c", NODE_THAT_DIES], env=environment, capture_output=True, text=True)
    assert (shown.returncode, shown.stdout) == (0, "killed\n[True]\n"), shown.stderr


def test_an_address_where_nothing_answers_is_named() -> None:
    with pytest.raises(WorkerError, match="'ray://host:10001' is a Ray Client address"):
        RayExecutor(Scripted(""), 1, address="ray://host:10001").__enter__()


def test_gpus_are_shared_out() -> None:
    assert share_of_gpus("auto", None, 2, 4.0) == 1.0
    assert share_of_gpus("auto", None, 3, 2.0) == 0.5
    assert share_of_gpus("cuda", 0.25, 3, 1.0) == 0.25
    assert share_of_gpus("cpu", 0.25, 3, 1.0) == share_of_gpus("auto", 0, 3, 1.0) == 0.0
    for device, share in (("cuda", None), ("auto", 0.5)):
        with pytest.raises(DeviceError, match="the Ray cluster has none"):
            share_of_gpus(device, share, 1, 0.0)


@pytest.fixture
def mute_server() -> Iterator[int]:
    """The port of something that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def searched(folder: Path, address: str, seconds: str) -> subprocess.CompletedProcess[str]:
    """What the command says of a search on a cluster at an address."""
    words = ["search", "digits_demo", "--dataset", "digits", "--executor", "ray", "--ray-address", address]
    return subprocess.run(
        [sys.executable, "-c", "from naslab.cli.main import run; run()", *words, "--trials", "1", "--ledger", "l.db"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "NASLAB_RAY_SECONDS": seconds},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )


@pytest.mark.slow
def test_a_cluster_that_does_not_answer_is_one_line_and_nothing_is_written(tmp_path: Path, mute_server: int) -> None:
    for address, seconds, why in (
        ("127.0.0.1:1", "60", "Connection refused"),
        (f"127.0.0.1:{mute_server}", "5", "nothing came of it in 5 seconds"),
        ("127.0.0.1:1", "soon", "NASLAB_RAY_SECONDS: must be a number of seconds above 0, got 'soon'"),
    ):
        told = searched(tmp_path, address, seconds)
        assert (told.returncode, told.stdout) == (2, ""), told.stderr
        assert told.stderr.startswith("naslab: "), told.stderr
        assert told.stderr.count("\n") == 1
        assert why in told.stderr
        assert list(tmp_path.iterdir()) == []


NOISY = """
import logging, os, sys
from pathlib import Path
from naslab.execution.ray_connection import noise_in, logger
logging.basicConfig()
with noise_in(Path(sys.argv[1])):
    os.write(2, b"from C++\\n")
    logger.warning("Ray: %s", "a node died")
    logging.getLogger("mine").warning("a word of mine")
    print("for people", file=sys.stderr)
print("after", file=sys.stderr)
os.write(2, b"also after\\n")
"""


def test_what_ray_says_goes_to_a_file_and_what_naslab_says_does_not(tmp_path: Path) -> None:
    log = tmp_path / "studies.db.ray.log"
    log.write_text("earlier\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", NOISY, str(log)]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert log.read_text() == "earlier\nfrom C++\nRay: a node died\n"
    assert told.stderr == "WARNING:mine:a word of mine\nfor people\nafter\nalso after\n"
