"""What is asked of torch.cuda, of which a substitute takes note: the order of streams, and a recording that fails."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch

from naslab.training import capturing as cuda_capture
from naslab.training.capturing import CudaCapturer, cuda_capturer


class Stream:
    def __init__(self, log, name):
        self._log, self.name = log, name

    def wait_stream(self, other):
        self._log.append(f"{self.name} waits for {other.name}")


class Generator:
    def __init__(self, log):
        self._log = log

    def clone_state(self):
        return "the state before"

    def graphsafe_set_state(self, state):
        self._log.append(f"generator takes {state}")


class Graph:
    def __init__(self):
        self.replay = lambda: None


class FakeCuda:
    """The part of torch.cuda that is used."""

    CUDAGraph = Graph

    def __init__(self):
        self.log = []
        self.pools = []
        self.default_generators = [Generator([]), Generator(self.log)]
        self._current = Stream(self.log, "current")

    def Stream(self, device):  # noqa: N802 - as torch names it
        return Stream(self.log, "side")

    def current_stream(self, device):
        return self._current

    def graph_pool_handle(self):
        return object()

    @contextmanager
    def stream(self, stream):
        self.log.append(f"on {stream.name}")
        yield

    @contextmanager
    def device(self, device):
        yield

    @contextmanager
    def graph(self, recording, pool, stream, capture_error_mode):
        self.pools.append(pool)
        self.log.append(f"records on {stream.name}, errors of the {capture_error_mode}")
        yield


@pytest.fixture
def cuda(monkeypatch):
    fake = FakeCuda()
    monkeypatch.setattr(cuda_capture.torch, "cuda", fake)
    return fake


def test_work_runs_on_a_side_stream_between_what_comes_before_and_after(cuda):
    CudaCapturer(torch.device("cuda:1")).run(lambda: cuda.log.append("work"))
    assert cuda.log == ["side waits for current", "on side", "work", "current waits for side"]


def test_recordings_of_one_training_share_their_memory(cuda):
    capturer, other = CudaCapturer(torch.device("cuda:1")), CudaCapturer(torch.device("cuda:1"))
    for each in (capturer, capturer, other):
        each.capture(lambda: cuda.log.append("work"))()
    assert cuda.log[:2] == ["records on side, errors of the thread_local", "work"]
    assert cuda.pools[0] is cuda.pools[1]
    assert cuda.pools[0] is not cuda.pools[2]


def test_a_recording_that_fails_leaves_the_generator_as_it_was(cuda):
    def work():
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(torch.OutOfMemoryError):
        CudaCapturer(torch.device("cuda:1")).capture(work)
    assert cuda.log[-1] == "generator takes the state before"


def test_only_cuda_devices_record():
    assert cuda_capturer(torch.device("cpu")) is None
    assert cuda_capturer(torch.device("mps")) is None
