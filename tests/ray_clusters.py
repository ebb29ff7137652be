"""Real Ray clusters of several nodes on this machine, for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from processes import HANG_SECONDS


@contextmanager
def several_nodes(num_cpus: Sequence[int]) -> Iterator[Any]:
    """A cluster with a node for each number of CPUs, as `ray.cluster_utils.Cluster`."""
    from ray.cluster_utils import Cluster

    from naslab.execution.ray_connection import started_anew, unhurried

    cluster = Cluster()
    try:
        with unhurried():
            for cpus in num_cpus:
                add = partial(cluster.add_node, wait=False, num_cpus=cpus, include_dashboard=False)
                started_anew(partial(add, object_store_memory=80 * 2**20), lambda: None)
            cluster.wait_for_nodes(timeout=HANG_SECONDS)
        yield cluster
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]


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
