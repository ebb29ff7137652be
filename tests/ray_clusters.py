"""Real Ray clusters of several nodes on this machine, for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from processes import HANG_SECONDS


@contextmanager
def several_nodes(num_cpus: Sequence[int]) -> Iterator[Any]:
    """A cluster with a node for each number of CPUs, as `ray.cluster_utils.Cluster`."""
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        for cpus in num_cpus:
            add_node(cluster, cpus)
        wait_for_nodes(cluster)
        yield cluster
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]


def add_node(cluster: Any, num_cpus: int, **settings: Any) -> Any:
    """Start a node, of which nothing is waited for; `settings` are those of Ray, as `node_name` and `env_vars`."""
    from naslab.execution.ray_connection import STARTS, unhurried

    own = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
    for left in reversed(range(STARTS)):
        try:
            with unhurried():
                return cluster.add_node(wait=False, num_cpus=num_cpus, **own, **settings)
        except Exception as error:  # of a node that ended itself, for its agent was slow to start
            if not left or "timed out during startup" not in str(error):
                raise
    raise AssertionError


def wait_for_nodes(cluster: Any) -> None:
    """Wait until every node that was started has joined."""
    if cluster.list_all_nodes():
        cluster.wait_for_nodes(timeout=HANG_SECONDS)


@contextmanager
def joined_cluster(num_cpus: Sequence[int]) -> Iterator[Any]:
    """Such a cluster, and this process connected to it."""
    import logging

    import ray

    with several_nodes(num_cpus) as cluster:
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        try:
            yield cluster
        finally:
            ray.shutdown()
