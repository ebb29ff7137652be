"""A limit on the memory that a worker's candidates may take: of the GPU's, or of the process's own."""

from __future__ import annotations

import sys
from pathlib import Path

from naslab.errors import WorkerError

_STATUS = Path("/proc/self/status")


def limit_memory(device: str, num_bytes: int) -> None:
    """Let this process take at most `num_bytes` more than it has; what asks for more is told that memory ran out.

    On a GPU, a torch `device` such as `cuda:0`, that counts what torch takes of its memory; else what the process
    allocates for itself, each process that it starts alike. Raises `WorkerError` where the system has no such limit.
    """
    if device.startswith("cuda"):
        import torch

        total = torch.cuda.get_device_properties(device).total_memory
        wanted = torch.cuda.memory_reserved(device) + num_bytes
        torch.cuda.set_per_process_memory_fraction(min(1.0, wanted / total), device)
        return
    if sys.platform != "linux":
        raise WorkerError("memory is limited on Linux and on GPUs alone: leave --memory (memory_bytes) out")
    import resource  # which Windows lacks

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = allocated_bytes() + num_bytes
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))


def allocated_bytes() -> int:
    """The bytes of this process's own memory, as Linux counts them for its limit (`VmData`)."""
    lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="utf-8").splitlines())
    return 1024 * int(lines["VmData"].split()[0])
