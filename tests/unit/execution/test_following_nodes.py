"""Ray's executor on nodes that are made up, with actors in this process: who starts where while nodes come and go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_estimators import NeedsData, Scripted, runs_of
from ray.exceptions import RayActorError
from tiny_search import Counting, numbered_problem, numbered_study

from naslab.errors import DataError
from naslab.execution import ray_cluster, ray_nodes
from naslab.execution.events import Event, NodeChanged, TrialFinished, TrialRetried
from naslab.execution.ray_cluster import RayExecutor, RayWorker
from naslab.execution.ray_nodes import ClusterNode
from naslab.execution.search import run_search
from naslab.provenance import installed_versions


class Reference:
    """A value that is there once `make` can make it."""

    def __init__(self, make: Callable[[], Any], is_there: Callable[[], bool]) -> None:
        self.make = make
        self.is_there = is_there


class Stream:
    """References to the messages of a candidate."""

    def __init__(self, messages: Iterator[Any], actor: Actor) -> None:
        self._messages, self._actor = messages, actor

    def is_there(self) -> bool:
        return True

    def __next__(self) -> Reference:
        if self._actor.is_dead:
            raise RayActorError
        message = next(self._messages)
        return Reference(lambda: message, lambda: True)


class Actor:
    """A worker on the first node that has room and is not avoided, else one that waits for such a node."""

    def __init__(self, cluster: Cluster, arguments: tuple[Any, ...], avoided: set[str]) -> None:
        self.cluster, self.avoided = cluster, avoided
        self.worker = RayWorker(*arguments)
        self.node: str | None = None
        self.is_dead = False
        cluster.actors.append(self)
        self.live = SimpleNamespace(remote=lambda: Reference(self._end, lambda: self.is_dead))
        self.prepare = SimpleNamespace(remote=lambda: Reference(self._prepare, self.is_placed))
        self.estimate = SimpleNamespace(options=lambda **_: SimpleNamespace(remote=self._estimate))

    def is_placed(self) -> bool:
        free = (each for each in self.cluster.nodes if each not in self.avoided and self.cluster.has_room(each))
        self.node = self.node or next(free, None)
        return self.node is not None and not self.is_dead

    def _prepare(self) -> Any:
        self.cluster.speaking = self.node
        return self.worker.prepare()

    def _estimate(self, candidate: Any) -> Stream:
        return Stream(self.worker.estimate(candidate), self)

    def _end(self) -> None:
        raise RayActorError


class Cluster:
    """What the executor asks of the module `ray`: `nodes` of one CPU each, by name."""

    ObjectRef = Reference

    def __init__(self, *nodes: str) -> None:
        self.nodes = list(nodes)
        self.actors: list[Actor] = []
        self.speaking: str | None = None

    def has_room(self, node: str) -> bool:
        return not any(each.node == node and not each.is_dead for each in self.actors)

    def leaves(self, node: str) -> None:
        self.nodes.remove(node)
        for each in self.actors:
            each.is_dead |= each.node == node

    def alive(self) -> list[ClusterNode]:
        return [ClusterNode(name, name, 1.0, 0.0) for name in self.nodes]

    def remote(self, **_: Any) -> Any:
        def made(*arguments: Any, scheduling_strategy: Any) -> Actor:
            avoided = set() if scheduling_strategy == "DEFAULT" else set(scheduling_strategy)
            return Actor(self, arguments, avoided)

        return lambda kind: SimpleNamespace(
            options=lambda scheduling_strategy, **_: SimpleNamespace(
                remote=lambda *arguments: made(*arguments, scheduling_strategy=scheduling_strategy)
            )
        )

    def wait(self, awaited: Sequence[Any], num_returns: int = 1, timeout: float = 0.0) -> tuple[list[Any], list[Any]]:
        return [each for each in awaited if isinstance(each, str) or each.is_there()][:num_returns], []

    def get(self, reference: Any) -> Any:
        return (installed_versions(), time.time()) if isinstance(reference, str) else reference.make()

    def kill(self, actor: Actor, no_restart: bool) -> None:
        actor.is_dead = True

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_node_id=lambda: self.speaking)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster("one", "two")
    for module in (ray_cluster, ray_nodes):
        monkeypatch.setattr(module, "ray", made)
    monkeypatch.setattr(ray_cluster, "connected", lambda *_: nullcontext())
    monkeypatch.setattr(ray_nodes, "alive_nodes", made.alive)
    monkeypatch.setattr(ray_nodes, "ask_facts", lambda node_id: node_id)
    monkeypatch.setattr(ray_nodes, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(ray_nodes.NodeWatch, "placement", lambda watch: [*watch.left_out, *watch._asked] or "DEFAULT")
    return made


def test_there_are_as_many_workers_as_the_nodes_have_room_for(cluster: Cluster, tmp_path: Path) -> None:
    events: list[Event] = []
    slots: list[int] = []
    executor = RayExecutor(Scripted(str(tmp_path)), None, device="cpu")

    def disturb(event: Event) -> None:
        events.append(event)
        if isinstance(event, TrialFinished):
            slots.append(executor.num_slots)
            if event.number == 4:
                cluster.nodes += ["late", "later"]
            if event.number == 12:
                cluster.leaves("late")
                cluster.leaves("one")

    with numbered_study(tmp_path) as ledger:
        with executor:
            run_search("numbered", ledger, Counting(), executor, numbered_problem(), 2, 0, 24, disturb)
        outcomes = ledger.outcomes("numbered")
    told = [event.text for event in events if isinstance(event, NodeChanged)]
    assert told == ["node late joined", "node later joined", "node one left", "node late left"]
    assert sorted(each.candidate.trial for each in outcomes) == list(range(24))
    assert all(each.is_complete for each in outcomes)
    assert (slots[0], max(slots), slots[-1]) == (2, 4, 2)
    again = [event.candidate.trial for event in events if isinstance(event, TrialRetried)]
    assert len(again) <= 2  # what was on the nodes that left
    assert 24 <= sum(runs_of(tmp_path).values()) <= 24 + len(again)
    assert all(actor.is_dead for actor in cluster.actors)


def wait_often(executor: RayExecutor) -> None:
    for _ in range(20):
        executor.wait(0.01)


def test_a_node_without_the_data_is_left_out(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(estimator: NeedsData, bench: Any) -> None:
        if cluster.speaking in bare:
            raise DataError("no folder /nowhere; set --data-dir")
        Scripted.prepare(estimator, bench)

    bare = ["one"]
    monkeypatch.setattr(NeedsData, "prepare", prepare)
    events: list[Event] = []
    with numbered_study(tmp_path) as ledger:
        with RayExecutor(NeedsData(str(tmp_path)), 2, device="cpu") as executor:
            run_search("numbered", ledger, Counting(), executor, numbered_problem(), 2, 0, 6, events.append)
        outcomes = ledger.outcomes("numbered")
    told = [event.text for event in events if isinstance(event, NodeChanged)]
    assert told == ["left out: node one cannot work: no folder /nowhere; set --data-dir"]
    assert [each.is_complete for each in outcomes] == [True] * 6
    assert runs_of(tmp_path) == dict.fromkeys(range(6), 1)
    bare.append("two")
    with (
        RayExecutor(NeedsData(str(tmp_path)), 2, device="cpu") as executor,
        pytest.raises(DataError, match=r"node \w+ cannot work: no folder .*; node \w+ cannot work: no folder"),
    ):
        wait_often(executor)
