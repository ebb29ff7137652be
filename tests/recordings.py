"""What stands in for CUDA graphs on a CPU.

`Recorder` is as strict as they are: it records the operators that work calls, with the numbers of the host as they were
and the tensors where they lay, refuses what reads a tensor back to the host, and replays the operators alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

READS_BACK = {torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default, torch.ops.aten.equal.default}


class Rerunner:
    """Work that is done anew by Python at each replay: it sees what the host has changed."""

    def __init__(self) -> None:
        self.num_runs = 0
        self.num_replays = 0
        self.num_captures = 0

    def run(self, work: Callable[[], None]) -> None:
        self.num_runs += 1
        work()

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        self.num_captures += 1
        return self._counted(work)

    def _counted(self, replay: Callable[[], None]) -> Callable[[], None]:
        def counted() -> None:
            self.num_replays += 1
            replay()

        return counted


class Recorder(Rerunner):
    """Work whose operators are replayed."""

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        self.num_captures += 1
        tape = _Tape()
        with tape:
            work()
        return self._counted(tape.replay)


class Refuser(Rerunner):
    """A device that runs out of memory as soon as it records."""

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        self.num_captures += 1
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore lines")


class _Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The operators called inside the block; calling them is their first replay."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[Any]]] = []
        self._is_done = True

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if operator in READS_BACK:
            raise RuntimeError(f"operation not permitted when stream is capturing: {operator}")
        given = kwargs or {}
        result = operator(*args, **given)
        if not _is_view(operator):
            self._calls.append((operator, args, given, tree_leaves(result)))
        return result

    def replay(self) -> None:
        if self._is_done:  # unlike CUDA's a recording on a CPU has done the work
            self._is_done = False
            return
        with torch.no_grad():
            for operator, args, kwargs, results in self._calls:
                for held, new in zip(results, tree_leaves(operator(*args, **kwargs)), strict=True):
                    if isinstance(held, Tensor) and held is not new:
                        held.copy_(new)


def _is_view(operator: Any) -> bool:
    """Whether an operator gives the same memory, seen in another way."""
    infos = [each.alias_info for each in operator._schema.returns]
    return any(info is not None and not info.is_write for info in infos)
