"""The nodes of a Ray cluster: which can work, which are left out and why, and those that join and leave."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

import ray
from ray import cloudpickle as ray_pickle
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy, NodeLabelSchedulingStrategy, NotIn

from naslab.errors import NaslabError, VersionError, WorkerError, shown
from naslab.execution import node_facts
from naslab.execution.clocks import clock_words
from naslab.execution.ray_connection import START_SECONDS, reach_seconds
from naslab.provenance import SAME_EVERYWHERE, installed_versions, other_version

LOOK_SECONDS = 2.0
"""How often nodes that joined and left are looked for."""
NODE_ID = "ray.io/node-id"
"""The label with which Ray tells nodes apart."""


class ClusterNode(NamedTuple):
    """A machine of a cluster: its identity, the name that people know it by, its CPUs and GPUs."""

    node_id: str
    name: str
    cpus: float
    gpus: float


class Share(NamedTuple):
    """What one worker reserves of its node: CPUs, and a GPU or a part of one.

    >>> Share(cpus=2, gpus=0.5).workers_on(ClusterNode("a1", "first", cpus=16, gpus=2.0))
    4
    """

    cpus: int
    gpus: float

    def workers_on(self, node: ClusterNode) -> int:
        """How many workers `node` has room for."""
        rooms = [node.cpus / self.cpus, *([node.gpus / self.gpus] if self.gpus else [])]
        return math.floor(min(rooms) + 1e-9)


class NodeWatch:
    """The nodes of the cluster that this program is connected to, each checked once before it counts.

    A node of another version of naslab or torch is left out, as is one that is given to `leave_out`; a clock that is
    far off is told. `usable` are the nodes that workers may run on, `left_out` says of others why not, both by their
    identities. Nodes without a CPU and a GPU, such as heads that are to do no work, do not count. `alive` lists the
    nodes, and by default asks Ray.

    >>> NodeWatch().begin()  # doctest: +SKIP
    ['left out: node spot-7 has torch 2.11.0, the driver 2.12.0; install the same']
    """

    def __init__(self, alive: Callable[[], Sequence[ClusterNode]] | None = None) -> None:
        self._alive = alive or alive_nodes
        self._asked: dict[str, tuple[Any, float]] = {}
        self._looked = -math.inf
        self._names: dict[str, str] = {}
        self._has_begun = False
        self.usable: dict[str, ClusterNode] = {}
        self.left_out: dict[str, str] = {}

    def begin(self) -> list[str]:
        """Check the nodes that there are; what is to be told of them, a line each.

        Those that do not answer within the time of `NASLAB_RAY_SECONDS` are taken up when they do; where none has
        answered by then, the first is waited for as long as a node may take to start. Raises `WorkerError` where there
        are nodes and none can work; one that has none yet may start some when workers ask for them.
        """
        began = time.monotonic()
        told = self._look()
        while self._asked and time.monotonic() < began + (reach_seconds() if self.usable else START_SECONDS):
            ray.wait([reference for reference, _ in self._asked.values()], timeout=0.1)
            told += self._look()
        whys = [*self.left_out.values(), *(f"node {self._names[node_id]} does not answer" for node_id in self._asked)]
        if whys and not self.usable:
            raise WorkerError(none_can_work(whys))
        self._has_begun = True
        return told

    def look(self) -> list[str]:
        """What is new of the nodes, a line each; nothing where the last look was a moment ago."""
        return self._look() if time.monotonic() >= self._looked + LOOK_SECONDS else []

    def leave_out(self, node_id: str, error: NaslabError) -> list[str]:
        """Use a node no more, since a worker there cannot be prepared for `error`; what is to be told of it.

        Where no other node can work it stays in use; `error` then names the nodes and what each of them lacks.
        """
        if node_id in self.left_out or node_id not in self._names:
            return []
        words = str(error) if isinstance(error, VersionError) else f"node {self._names[node_id]} cannot work: {error}"
        if not self.usable.keys() - {node_id}:
            if self.left_out:
                error.args = (none_can_work([*self.left_out.values(), words]),)
            return []
        self.usable.pop(node_id, None)
        self._asked.pop(node_id, None)
        return [self._leave_out(node_id, words)]

    def placement(self) -> Any:
        """Where Ray may put an actor: anywhere but on nodes that are left out, or not checked yet."""
        avoided = [*self.left_out, *self._asked]
        if not avoided:
            return "DEFAULT"
        return NodeLabelSchedulingStrategy(hard={NODE_ID: NotIn(*avoided)})  # type: ignore[no-untyped-call]

    def _look(self) -> list[str]:
        self._looked = time.monotonic()
        alive = {node.node_id: node for node in self._alive() if node.cpus or node.gpus}
        told = [f"node {node.name} left" for node_id, node in self.usable.items() if node_id not in alive]
        self.usable = {node_id: node for node_id, node in self.usable.items() if node_id in alive}
        self.left_out = {node_id: why for node_id, why in self.left_out.items() if node_id in alive}
        self._asked = {node_id: asked for node_id, asked in self._asked.items() if node_id in alive}
        self._names |= {node_id: node.name for node_id, node in alive.items()}
        for node_id in alive:
            if not any(node_id in each for each in (self.usable, self.left_out, self._asked)):
                self._asked[node_id] = ask_facts(node_id), time.time()
        for node_id, (reference, sent) in list(self._asked.items()):
            if ray.wait([reference], timeout=0)[0]:
                del self._asked[node_id]
                told += self._answered(alive[node_id], reference, sent)
        return told

    def _answered(self, node: ClusterNode, reference: Any, sent: float) -> list[str]:
        """Take up the answer of a node that was asked at the time `sent`; what is to be told of it."""
        try:
            versions, clock = ray.get(reference)
        except RayError as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            why = lines[-1] if lines else type(error).__name__
            return [self._leave_out(node.node_id, f"node {node.name} cannot work: {shown(why, 300)}")]
        if words := other_version_words(f"node {node.name}", versions, installed_versions()):
            return [self._leave_out(node.node_id, words)]
        self.usable[node.node_id] = node
        told = clock_words(node.name, clock, sent, time.time())
        return [f"node {node.name} joined", *told] if self._has_begun else told

    def _leave_out(self, node_id: str, why: str) -> str:
        self.left_out[node_id] = why
        return f"left out: {why}"


def none_can_work(whys: Iterable[str]) -> str:
    """The message where no node is left, for `whys` of each."""
    return f"no node of the Ray cluster can work: {shown('; '.join(whys), 1000)}"


def alive_nodes() -> list[ClusterNode]:
    """The nodes of the cluster that this program is connected to."""
    return [named_node(each) for each in ray.nodes() if each["Alive"]]  # type: ignore[no-untyped-call]


def named_node(told: dict[str, Any]) -> ClusterNode:
    """A node of what Ray tells of it: called as it was when it was started (`--node-name`), else as its host.

    >>> address = {"NodeManagerAddress": "10.0.0.7", "NodeManagerHostname": "spot-7", "NodeName": "10.0.0.7"}
    >>> named_node({"NodeID": "a1", **address, "Resources": {"CPU": 4.0}})
    ClusterNode(node_id='a1', name='spot-7', cpus=4.0, gpus=0.0)
    """
    name = told.get("NodeName") or told["NodeManagerAddress"]
    if name == told["NodeManagerAddress"]:
        name = told["NodeManagerHostname"]
    resources = told["Resources"]
    return ClusterNode(told["NodeID"], shown(name), resources.get("CPU", 0.0), resources.get("GPU", 0.0))


def ask_facts(node_id: str) -> Any:
    """Ray's reference to the `node_facts` of a node, where naslab may be missing: the function goes there as code."""
    with sent_as_code(node_facts):
        task = ray.remote(node_facts.node_facts).options(
            num_cpus=0,
            max_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False),
        )
        return task.remote(sys.path, SAME_EVERYWHERE)


@contextmanager
def sent_as_code(module: ModuleType) -> Iterator[None]:
    """Functions of `module` that are pickled within the block hold their code, not only their name."""
    ray_pickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        ray_pickle.unregister_pickle_by_value(module)  # type: ignore[no-untyped-call]


def other_version_words(machine: str, there: dict[str, str], here: dict[str, str]) -> str:
    """What is said of a `machine` whose versions, `there`, are not the driver's, `here`; nothing where they are.

    >>> other_version_words("node spot-7", {"torch": "2.11.0"}, {"torch": "2.12.0"})
    'node spot-7 has torch 2.11.0, the driver 2.12.0; install the same'
    """
    found = other_version(there, here)
    return "" if found is None else "{} has {} {}, the driver {}; install the same".format(machine, *found)
