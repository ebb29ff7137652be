"""Recording work on a CUDA device. Not yet run on a GPU (`tests/gpu`)."""

from __future__ import annotations

from collections.abc import Callable

import torch


def cuda_capturer(device: torch.device) -> CudaCapturer | None:
    """What records on a device; nothing for a device without CUDA graphs.

    >>> cuda_capturer(torch.device("cpu")) is None
    True
    """
    return CudaCapturer(device) if device.type == "cuda" else None


class CudaCapturer:
    """Records on a stream of its own, the recordings of one training sharing their memory.

    They may: each writes all that it reads but weights, states and batches, which lie elsewhere, and they are replayed
    one after another.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def run(self, work: Callable[[], None]) -> None:
        """Do work on that stream, between what was asked of the current one before and after.

        On the default stream autograd would tag its nodes with it, which cannot be recorded.
        """
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            work()
        current.wait_stream(self._stream)

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record work; torch's default generator of the device goes on from replay to replay.

        Raises `RuntimeError` (CUDA's errors and `torch.OutOfMemoryError` are such) where work waits for the device,
        is not allowed in a recording, or finds no memory.
        """
        recording = torch.cuda.CUDAGraph()
        generator = torch.cuda.default_generators[self._device.index or 0]
        before = generator.clone_state()
        try:
            # other threads of the process may go on using the device meanwhile
            with (
                torch.cuda.device(self._device),
                torch.cuda.graph(recording, self._pool, self._stream, capture_error_mode="thread_local"),
            ):
                work()
        except RuntimeError:
            # a recording that fails leaves the generator in it: every later draw would raise
            generator.graphsafe_set_state(before)
            raise
        return recording.replay
