"""When the steps of a training are recorded as a CUDA graph and replayed, the step that does so, and what records.

A GPU step of a small network is hundreds of kernels of a few microseconds, and launching each from Python takes longer
than running it: replayed, a step is one launch. Not yet measured on a GPU (`tests/gpu`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor, nn

from naslab.arch.graphs import Dag
from naslab.errors import first_line
from naslab.study.recipe import Recipe, is_gradual
from naslab.training.augment import Batch

PAYS_BACK_AFTER = 100
"""Steps of a training on a GPU that `auto` records for; an estimate, not yet measured on a GPU: recording takes about
as long as a few dozen of the steps that it saves time in."""
WARM_STEPS = 3
"""Steps of each size of batch before it is recorded: libraries load their kernels and set up their work space."""
NOT_CAPTURED = "not_captured"
"""The name of the note on why steps were not recorded that the recipe asks to record."""

Advance: TypeAlias = Callable[[Batch], Tensor]
"""Updates weights by a batch and gives its loss."""
Remark: TypeAlias = Callable[[str, str], None]
"""Takes the name of a note and its text."""


class Capturer(Protocol):
    """Records work on a device: `torch.cuda.graph`, or a substitute where there is no GPU.

    One training has one of its own, and calls it from one thread.

    >>> class Again:  # records nothing: Python does the work anew at each replay
    ...     def run(self, work):
    ...         work()
    ...     def capture(self, work):
    ...         return work
    >>> total = torch.zeros(())
    >>> def add_all(batch):  # in place of an update of weights
    ...     return total.add_(batch.images.sum()).clone()
    >>> step = CapturedStep(add_all, Capture(Again(), remark=print))
    >>> batch = Batch(torch.ones(2, 1, 4, 4), torch.zeros(2, dtype=torch.int64))
    >>> [float(step(batch)) for _ in range(WARM_STEPS + 2)]  # the last two are replays
    [32.0, 64.0, 96.0, 128.0, 160.0]
    """

    def run(self, work: Callable[[], None]) -> None:
        """Call `work` now, once, on the stream that recordings are made on; what it raises is raised here."""
        ...

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record what `work` does on the device, without doing it; the function given back does what was recorded.

        That function may be called any number of times, with calls of `run` between them: it reads and writes the very
        tensors that `work` did. Raises `RuntimeError` where it cannot be recorded; nothing on the device has changed
        then.
        """
        ...


class Capture(NamedTuple):
    """What records a training's steps, `capturer`, and the function that takes a note where it fails, `remark`."""

    capturer: Capturer
    remark: Remark


def pays_to_capture(recipe: Recipe, device: torch.device, num_steps: int) -> bool:
    """Whether a training of `num_steps` steps on `device` records them, if they can be: as `recipe.graphs` says.

    >>> pays_to_capture(Recipe(graphs="auto"), torch.device("cpu"), 10**6)
    False
    """
    if recipe.graphs == "auto":
        return device.type == "cuda" and num_steps >= PAYS_BACK_AFTER
    return recipe.graphs == "on"


def what_forbids_capture(module: nn.Module, recipe: Recipe) -> str:
    """Why the steps of a module in training, its recipe's rates set, cannot be recorded; empty where they can.

    A replay repeats every number and every branch that Python had while recording: none may change between steps.

    >>> what_forbids_capture(nn.Linear(1, 1), Recipe(drop_block=0.1))
    'drop_block: its rate changes in every step'
    """
    if recipe.drop_block:
        return "drop_block: its rate changes in every step"
    if is_gradual(recipe.tune):
        return f"{recipe.tune}: what is trained changes between epochs"
    if any(isinstance(each, Dag) and each.drop_rate > 0 for each in module.modules()):
        return "drop-path: the path that a step keeps is drawn on the host"
    return ""


def wanted_capture(
    module: nn.Module,
    recipe: Recipe,
    device: torch.device,
    num_steps: int,
    remark: Remark,
    make_capturer: Callable[[torch.device], Capturer | None],
) -> Capture | None:
    """How a training of `num_steps` steps of `module` on `device` records them; `None` where it does not.

    `recipe.graphs` says whether it should (`pays_to_capture`), and `make_capturer` makes what records on the device,
    `None` where it has no CUDA graphs. Where recording is asked for and impossible, `remark` takes the note
    `not_captured` with the reason.
    """
    if not pays_to_capture(recipe, device, num_steps):
        return None
    reason = what_forbids_capture(module, recipe)
    capturer = None if reason else make_capturer(device)
    if capturer is None:
        remark(NOT_CAPTURED, reason or f"a {device.type} device has no CUDA graphs")
        return None
    return Capture(capturer, remark)


class CapturedStep:
    """A step that is done a few times, then recorded, once for each size of batch, and replayed from then on.

    Every update does the same work in the same order as `step` itself. Where recording fails, also for lack of memory,
    no weight has changed: the note `not_captured` says why, that step and all steps of batch sizes without a recording
    run unrecorded, and nothing more is recorded.
    """

    def __init__(self, step: Advance, capture: Capture) -> None:
        self._step = step
        self._capturer, self._remark = capture
        self._slots: dict[tuple[int, ...], _Slot] = {}
        self._has_failed = False

    def __call__(self, batch: Batch) -> Tensor:
        """Update the weights by a batch; its loss, a scalar tensor that the next batch of this size overwrites."""
        slot = self._slot_for(batch)
        slot.take(batch)
        if slot.replay is None and slot.num_steps >= WARM_STEPS and not self._has_failed:
            self._capture(slot)
        if slot.replay is None:
            self._capturer.run(partial(self._do, slot))
        else:
            slot.replay()
        slot.num_steps += 1
        return slot.loss

    def _slot_for(self, batch: Batch) -> _Slot:
        key = (*batch.images.shape, batch.other_labels is not None)
        if key not in self._slots:
            self._slots[key] = _Slot(batch)
        return self._slots[key]

    def _capture(self, slot: _Slot) -> None:
        try:
            slot.replay = self._capturer.capture(partial(self._do, slot))
        except RuntimeError as error:  # torch's errors of CUDA and of its memory among them
            self._has_failed = True
            cause = error.__context__ or error  # leaving a recording that failed raises once more
            self._remark(NOT_CAPTURED, first_line(cause))

    def _do(self, slot: _Slot) -> None:
        slot.loss.copy_(self._step(slot.batch))


class _Slot:
    """Where the batches of one size lie, and their loss: always in the same memory."""

    def __init__(self, batch: Batch) -> None:
        self.batch = Batch(*(None if each is None else torch.empty_like(each) for each in batch))  # type: ignore[arg-type]
        self.loss = torch.zeros((), device=batch.images.device)
        self.num_steps = 0
        self.replay: Callable[[], None] | None = None

    def take(self, batch: Batch) -> None:
        for own, given in zip(self.batch, batch, strict=True):
            if own is not None and given is not None:
                own.copy_(given)


def cuda_capturer(device: torch.device) -> CudaCapturer | None:
    """What records on a device; `None` for a device without CUDA graphs.

    >>> cuda_capturer(torch.device("cpu")) is None
    True
    """
    return CudaCapturer(device) if device.type == "cuda" else None


class CudaCapturer:
    """Records on a stream of its own. The recordings of one training share one pool of memory.

    They are replayed one after another, and each writes a value of the pool before it reads it: weights, the
    optimiser's states and batches lie outside of it.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def run(self, work: Callable[[], None]) -> None:
        """Call `work` on that stream, after what the current one was given before and before what it is given next.

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
