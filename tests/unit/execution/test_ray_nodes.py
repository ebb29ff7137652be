"""Nodes of a real Ray cluster: those that join and leave, and those that cannot work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_estimators import NeedsData, Scripted, runs_of
from ray.exceptions import RayError
from ray_clusters import add_node, joined_cluster, several_nodes, wait_for_nodes
from tiny_search import Counting, numbered_problem, numbered_study

from naslab.errors import DataError, VersionError, WorkerError
from naslab.execution import node_facts, ray_nodes
from naslab.execution.events import Event, NodeChanged, TrialFinished, TrialRetried
from naslab.execution.ray_cluster import RayExecutor
from naslab.execution.ray_nodes import ClusterNode, NodeWatch, Share, sent_as_code
from naslab.execution.search import run_search
from naslab.execution.workers import Workers
from naslab.provenance import installed_versions

OLD_TORCH, NONE = "0.0.1", "not installed"
NOW = 1_800_000_000.0


def node_of_another_torch(folder: Path) -> dict[str, str]:
    """The environment of a node that has another version of torch."""
    facts = folder / "old" / f"torch-{OLD_TORCH}.dist-info" / "METADATA"
    facts.parent.mkdir(parents=True)
    facts.write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {OLD_TORCH}\n", encoding="utf-8")
    return {"PYTHONPATH": os.pathsep.join((str(folder / "old"), *sys.path))}


def node_an_hour_ahead(folder: Path) -> dict[str, str]:
    """The environment of a node whose clock, as Python tells it, is an hour ahead."""
    (folder / "early").mkdir()
    (folder / "early" / "sitecustomize.py").write_text(
        "import time\nplain = time.time\ntime.time = lambda: plain() + 3600\n", encoding="utf-8"
    )
    return {"PYTHONPATH": os.pathsep.join((str(folder / "early"), *sys.path))}


@pytest.mark.slow
def test_workers_follow_nodes_that_join_and_leave(tmp_path: Path) -> None:
    events: list[Event] = []
    slots: list[int] = []
    late: list[Any] = []
    with joined_cluster(num_cpus=[1, 1]) as cluster, numbered_study(tmp_path) as ledger:
        estimator = Scripted(str(tmp_path), gates=((4, "joined"), (12, "left")))
        executor = RayExecutor(estimator, None)

        def disturb(event: Event) -> None:
            events.append(event)
            if isinstance(event, TrialFinished) and event.number == 3:
                late.append(add_node(cluster, 2, node_name="late"))
            if isinstance(event, TrialFinished) and event.number == 10:
                cluster.remove_node(late.pop(), allow_graceful=False)
            if isinstance(event, NodeChanged):
                (tmp_path / event.text.rpartition(" ")[2]).touch()
            if isinstance(event, TrialFinished):
                slots.append(executor.num_slots)

        with executor:
            assert executor.num_slots == 2
            run_search("numbered", ledger, Counting(), executor, numbered_problem(), 2, 0, 20, disturb)
        outcomes = ledger.outcomes("numbered")
    assert [event.text for event in events if isinstance(event, NodeChanged)] == ["node late joined", "node late left"]
    assert sorted(outcome.candidate.trial for outcome in outcomes) == list(range(20))
    assert all(outcome.is_complete for outcome in outcomes)
    assert (slots[0], max(slots), slots[-1]) == (2, 4, 2)
    retried = [event.candidate.trial for event in events if isinstance(event, TrialRetried)]
    assert sum(runs_of(tmp_path).values()) <= 20 + len(retried)
    assert len(retried) <= 2  # what ran on the node that left


@pytest.mark.slow
def test_nodes_that_cannot_work_are_left_out_and_told_by_name(tmp_path: Path) -> None:
    events: list[Event] = []
    with joined_cluster(num_cpus=[1]) as cluster, numbered_study(tmp_path) as ledger:
        add_node(cluster, 1, node_name="old", env_vars=node_of_another_torch(tmp_path))
        add_node(cluster, 1, node_name="early", env_vars=node_an_hour_ahead(tmp_path))
        add_node(cluster, 1, node_name="bare", env_vars={"NASLAB_DATA": "/nowhere"})
        wait_for_nodes(cluster)

        def note(event: Event) -> None:
            events.append(event)
            if sum(isinstance(each, NodeChanged) for each in events) == 3:
                (tmp_path / "all_told").touch()

        estimator = NeedsData(str(tmp_path), gates=((8, "all_told"),))  # however slow the nodes are
        with RayExecutor(estimator, 4, cpus_per_worker=1) as executor:
            run_search("numbered", ledger, Counting(), executor, numbered_problem(), 2, 0, 12, note)
        outcomes = ledger.outcomes("numbered")
    told = [event.text for event in events if isinstance(event, NodeChanged)]
    *left_out, clock = sorted(told)
    assert left_out == [
        "left out: node bare cannot work: no folder /nowhere; set --data-dir",
        f"left out: node old has torch {OLD_TORCH}, the driver {installed_versions()['torch']}; install the same",
    ]
    assert re.fullmatch(r"the clock of node early is \d\d minutes ahead of the driver: set it", clock)
    assert [outcome.is_complete for outcome in outcomes] == [True] * 12
    assert runs_of(tmp_path) == dict.fromkeys(range(12), 1)


@pytest.mark.slow
def test_a_cluster_of_which_no_node_can_work_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with several_nodes(num_cpus=[]) as cluster:
        add_node(cluster, 1, node_name="old", env_vars=node_of_another_torch(tmp_path))
        wait_for_nodes(cluster)
        home = tmp_path / "home"
        home.mkdir()
        words = ["search", "digits_demo", "--dataset", "digits", "--trials", "1", "--ledger", "l.db"]
        told = subprocess.run(
            [sys.executable, "-m", "naslab", *words, "--executor", "ray", "--ray-address", cluster.address],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=home,
            capture_output=True,
            text=True,
        )
    assert (told.returncode, told.stdout) == (2, ""), told.stderr
    why = f"node old has torch {OLD_TORCH}, the driver {installed_versions()['torch']}; install the same"
    assert told.stderr == f"naslab: no node of the Ray cluster can work: {why}\n"
    assert [path.name for path in home.iterdir() if path.suffix != ".log"] == []  # what Ray said is kept


WITHOUT_NASLAB = """
import pickle, sys
class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "naslab":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
print(pickle.loads(sys.stdin.buffer.read())([], ["pip", "no_such_package"])[0]["no_such_package"])
"""


def test_a_node_without_naslab_tells_so() -> None:
    from ray import cloudpickle

    with sent_as_code(node_facts):
        code = cloudpickle.dumps(node_facts.node_facts)  # type: ignore[no-untyped-call]
    told = subprocess.run([sys.executable, "-c", WITHOUT_NASLAB], input=code, capture_output=True)
    assert told.stdout == b"not installed\n", told.stderr


class FakeRay:
    """Nodes that answer at once, each what it is told to: its versions and clock, or an error."""

    def __init__(self, here: dict[str, str]) -> None:
        self.here = here
        self.answers: dict[str, Any] = {}

    def wait(self, references: Sequence[str], timeout: float, num_returns: int = 1) -> tuple[list[str], list[str]]:
        done = [each for each in references if each in self.answers]
        return done[:num_returns], []

    def get(self, reference: str) -> Any:
        answer = self.answers[reference]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def joins(self, name: str, ahead: float = 0.0, **versions: str) -> ClusterNode:
        self.answers[name] = ({**self.here, **versions}, NOW + ahead)
        return ClusterNode(name, name, 1.0, 0.0)


@pytest.fixture
def fake_ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    fake = FakeRay(installed_versions())
    monkeypatch.setattr(ray_nodes, "ray", fake)
    monkeypatch.setattr(ray_nodes, "ask_facts", lambda node_id: node_id)
    monkeypatch.setattr(ray_nodes, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(ray_nodes, "time", SimpleNamespace(time=lambda: NOW, monotonic=time.monotonic))
    return fake


def test_each_node_is_checked_and_told_once(fake_ray: FakeRay) -> None:
    nodes = [fake_ray.joins("good"), fake_ray.joins("old", torch=OLD_TORCH), fake_ray.joins("bare", naslab=NONE)]
    nodes += [
        fake_ray.joins("early", ahead=3_600.0),
        fake_ray.joins("slow", ahead=-7_200.0),
        ClusterNode("head", "", 0, 0),
    ]
    watch = NodeWatch(alive=lambda: nodes)
    versions = installed_versions()
    assert watch.begin() == [
        f"left out: node old has torch {OLD_TORCH}, the driver {versions['torch']}; install the same",
        f"left out: node bare has naslab {NONE}, the driver {versions['naslab']}; install the same",
        "the clock of node early is 60 minutes ahead of the driver: set it",
        "the clock of node slow is 120 minutes behind the driver: set it",
    ]
    assert watch.look() == []
    assert (list(watch.usable), list(watch.left_out)) == (["good", "early", "slow"], ["old", "bare"])


def test_nodes_that_join_and_leave_are_told(fake_ray: FakeRay) -> None:
    nodes = [fake_ray.joins("first")]
    watch = NodeWatch(alive=lambda: nodes)
    assert watch.begin() == []
    nodes += [fake_ray.joins("late"), fake_ray.joins("old", torch=OLD_TORCH), ClusterNode("mute", "mute", 1.0, 0.0)]
    [late, old] = watch.look()
    assert late == "node late joined"
    assert old.startswith("left out: node old has torch")
    assert watch.placement() != "DEFAULT"
    del nodes[1:]
    assert watch.look() == ["node late left"]
    assert (list(watch.usable), watch.left_out, watch.placement()) == (["first"], {}, "DEFAULT")


def test_a_cluster_of_which_no_node_can_work_is_an_error(fake_ray: FakeRay) -> None:
    nodes = [fake_ray.joins("old", torch=OLD_TORCH), ClusterNode("torn", "torn", 1.0, 0.0)]
    fake_ray.answers["torn"] = RayError("The worker died\nno room")
    with pytest.raises(WorkerError) as caught:
        NodeWatch(alive=lambda: nodes).begin()
    assert str(caught.value) == (
        f"no node of the Ray cluster can work: node old has torch {OLD_TORCH}, the driver "
        f"{installed_versions()['torch']}; install the same; node torn cannot work: no room"
    )


def test_a_node_is_left_out_while_another_one_can_work(fake_ray: FakeRay) -> None:
    nodes = [fake_ray.joins(name) for name in ("first", "second")]
    watch = NodeWatch(alive=lambda: nodes)
    watch.begin()
    error = DataError("no folder /nowhere")
    assert watch.leave_out("first", error) == ["left out: node first cannot work: no folder /nowhere"]
    assert watch.leave_out("first", error) == []
    assert watch.leave_out("second", error) == []
    assert list(watch.usable) == ["second"]
    words = "node first cannot work: no folder /nowhere; node second cannot work: no folder /nowhere"
    assert str(error) == f"no node of the Ray cluster can work: {words}"


def test_a_node_that_does_not_answer_is_taken_up_when_it_does(
    fake_ray: FakeRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NASLAB_RAY_SECONDS", "0.001")
    nodes = [fake_ray.joins("first"), ClusterNode("mute", "mute", 1.0, 0.0)]
    watch = NodeWatch(alive=lambda: nodes)
    assert watch.begin() == []
    fake_ray.joins("mute")
    assert watch.look() == ["node mute joined"]
    monkeypatch.setattr(ray_nodes, "START_SECONDS", 0.001)
    with pytest.raises(WorkerError, match="no node of the Ray cluster can work: node silent does not answer"):
        NodeWatch(alive=lambda: [ClusterNode("silent", "silent", 1.0, 0.0)]).begin()
    assert NodeWatch(alive=list).begin() == []  # a cluster that starts nodes by itself


def test_a_late_node_may_be_left_out_before_it_was_checked(fake_ray: FakeRay) -> None:
    nodes = [fake_ray.joins("first")]
    watch = NodeWatch(alive=lambda: nodes)
    watch.begin()
    nodes.append(ClusterNode("mute", "mute", 1.0, 0.0))
    assert watch.look() == []
    error = VersionError("node mute has torch 0.0.1, the driver 2.12.0; install the same")
    assert watch.leave_out("mute", error) == [f"left out: {error}"]
    assert watch.look() == []


def test_room_for_workers_is_counted_by_node() -> None:
    assert Share(2, 0.0).workers_on(ClusterNode("a", "a", cpus=5.0, gpus=4.0)) == 2
    assert Share(1, 1.0).workers_on(ClusterNode("a", "a", cpus=8.0, gpus=0.0)) == 0
    assert Share(1, 0.1).workers_on(ClusterNode("a", "a", cpus=8.0, gpus=0.3)) == 3


def test_only_workers_that_join_by_the_ledger_are_a_number() -> None:
    assert Workers(kind="ray", count="auto").num_workers >= 1
    assert Workers(count="auto").num_workers == Workers().num_workers
    with pytest.raises(WorkerError, match="workers: must be how many candidates are offered at once, got 'auto'"):
        Workers(kind="ledger", count="auto")
