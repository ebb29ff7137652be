"""Actors, nodes and the head of a Ray cluster that die under a search; for `chaos.py`."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from chaos_attack import KILL_OF_DRIVER, Attack, Fault, Team, is_begun, kill

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from ray_clusters import add_node, wait_for_nodes

RAY_NAMES = ("kill of an actor", "loss of a node", "loss of the head")
NUM_NODES = 3
DRIVER_SECONDS = 60.0
"""How long a driver has to notice that its cluster is gone, before it is ended too."""


class RayCluster:
    """A cluster of three nodes on this machine; the first has the head."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin a new one, at an address of its own."""
        from ray.cluster_utils import Cluster

        self._cluster: Any = Cluster()
        self.nodes = [add_node(self._cluster, num_cpus=2) for _ in range(NUM_NODES)]
        wait_for_nodes(self._cluster)

    @property
    def address(self) -> str:
        """Where drivers join it."""
        return str(self._cluster.address)

    def actors(self) -> list[int]:
        """The processes of actors."""
        raylets = [found["raylet"][0].process.pid for each in self.nodes if "raylet" in (found := each.all_processes)]
        return [pid for raylet in raylets for pid in children(raylet) if is_actor(pid)]

    def lose(self, node: Any) -> None:
        """End a node at once; another one joins."""
        self._cluster.remove_node(node, allow_graceful=False)
        self.nodes = [each for each in self.nodes if each is not node]
        self.nodes.append(add_node(self._cluster, num_cpus=2))

    def end(self) -> None:
        """End the head at once, and with it all nodes."""
        for each in [found for node in self.nodes for found in node.all_processes.get("gcs_server", ())]:
            with suppress(ProcessLookupError):
                os.kill(each.process.pid, signal.SIGKILL)
        self._cluster.shutdown()


def children(pid: int) -> list[int]:
    """The processes that a process began."""
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def is_actor(pid: int) -> bool:
    """Whether a worker of Ray has become an actor, which its name tells."""
    try:
        told = Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return False
    return told.startswith("ray::") and "IDLE" not in told


@contextmanager
def by_ray(num_workers: int) -> Iterator[Team]:
    """Actors on a cluster of their own."""
    cluster = RayCluster()

    def executor(attack: Attack) -> list[str]:
        return ["--executor", "ray", "--ray-address", cluster.address, "--workers", str(num_workers)]

    def join(attack: Attack) -> None:
        if attack.due == math.inf and is_begun(attack.place.address):
            attack.due = time.monotonic() + attack.given.every

    def kill_actor(attack: Attack) -> bool:
        """End an actor, if there is one."""
        if pids := cluster.actors():
            os.kill(attack.rng.choice(pids), signal.SIGKILL)
        return bool(pids)

    def lose_node(attack: Attack) -> bool:
        """End a node that is not the head's."""
        cluster.lose(attack.rng.choice(cluster.nodes[1:]))
        return True

    def lose_head(attack: Attack) -> bool:
        """End the whole cluster; the driver ends, too, and the next one joins a new cluster."""
        cluster.end()
        with suppress(subprocess.TimeoutExpired):
            attack.driver.wait(DRIVER_SECONDS)
        kill(attack.driver)
        cluster.begin()
        return True

    strikes = zip(RAY_NAMES, (4, 2, 0.5), (kill_actor, lose_node, lose_head), strict=True)
    try:
        yield Team(executor, join, (KILL_OF_DRIVER, *(Fault(name, weight, strike) for name, weight, strike in strikes)))
    finally:
        cluster.end()
