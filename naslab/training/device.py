"""Which device a worker trains on."""

from __future__ import annotations

import math
import os
import platform
import shutil
from pathlib import Path
from typing import NamedTuple

from naslab.errors import DeviceError, UnknownNameError, counted

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(asked: str, worker: int = 0, gpus_per_worker: float | None = None) -> str:
    """The torch device of worker `worker`: `cpu`, `mps` or `cuda:0`, workers taking the visible GPUs in turn.

    `auto` is a GPU where there is one. `gpus_per_worker` is the share of a GPU that each worker may take: 0.5 puts two
    workers on each, 0 keeps to the CPU, `None` puts no bound. Raises `UnknownNameError` where `asked` is no device's
    name, `DeviceError` where the GPU is not there or has no room for so many workers.

    >>> choose_device("cpu", worker=3)
    'cpu'
    """
    kind, _, number = asked.partition(":")
    if kind not in DEVICES or (number and not (kind == "cuda" and number.isdecimal())):
        raise UnknownNameError("device", asked, (*DEVICES, "cuda:0"))
    if kind == "cpu" or gpus_per_worker == 0:
        return "cpu"
    if kind == "mps":
        return _mps()
    num_gpus = count_gpus()
    if num_gpus == 0:
        if kind == "auto" and not gpus_per_worker:
            return "cpu"
        raise DeviceError(f"a GPU was asked for (device '{asked}') and this machine shows none; use device 'cpu'")
    if number and int(number) >= num_gpus:
        raise DeviceError(
            f"device '{asked}' was asked for and this machine shows {counted(num_gpus, 'GPU')}, counted from 0"
        )
    if number:
        return asked
    _check_share(worker, gpus_per_worker, num_gpus)
    return f"cuda:{worker % num_gpus}"


def count_gpus() -> int:
    """How many CUDA devices torch sees; torch is not loaded where the machine has no driver for one."""
    has_driver = any(Path(node).exists() for node in ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd"))
    if not has_driver and shutil.which("nvidia-smi") is None:
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


class DeviceMemory(NamedTuple):
    """The memory of a device, and how much of it nobody uses now, in bytes."""

    total_bytes: int
    free_bytes: int


def device_memory(device: str) -> DeviceMemory:
    """The memory of a torch device; of `cpu` and `mps` that of the machine or, where it has one, the container.

    >>> 0 < device_memory("cpu").free_bytes <= device_memory("cpu").total_bytes
    True
    """
    if not device.startswith("cuda"):
        return _host_memory()
    import torch

    free, total = torch.cuda.mem_get_info(device)
    return DeviceMemory(total, free)


def device_place(device: str) -> str:
    """What tells a device from all others: its machine and, for a GPU, its own identity, whatever its number here.

    >>> device_place("cpu") == device_place("cpu:0")
    True
    """
    if not device.startswith("cuda"):
        return f"{platform.node()}/{device.partition(':')[0]}"
    import torch

    return f"{platform.node()}/{torch.cuda.get_device_properties(device).uuid}"


def _host_memory() -> DeviceMemory:
    lines = dict(line.split(":") for line in _text(Path("/proc/meminfo")).splitlines() if ":" in line)
    if "MemTotal" not in lines or "MemAvailable" not in lines:  # no Linux
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return DeviceMemory(total, total // 2)
    total, free = (1024 * int(lines[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    limit, used = (_text(Path("/sys/fs/cgroup") / name).strip() for name in ("memory.max", "memory.current"))
    if limit.isdecimal() and used.isdecimal():
        total, free = min(total, int(limit)), min(free, max(0, int(limit) - int(used)))
    return DeviceMemory(total, free)


def _text(path: Path) -> str:
    """What a file of the system holds; nothing where there is none."""
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""


def _check_share(worker: int, gpus_per_worker: float | None, num_gpus: int) -> None:
    if not gpus_per_worker:
        return
    if gpus_per_worker > 1:
        raise DeviceError(f"a worker trains on one GPU, {gpus_per_worker:g} were asked for each")
    room = num_gpus * math.floor(1 / gpus_per_worker + 1e-9)
    if worker >= room:
        raise DeviceError(
            f"{worker + 1} workers at {gpus_per_worker:g} of a GPU each do not fit {counted(num_gpus, 'GPU')}: "
            f"at most {room} do"
        )


def _mps() -> str:
    import torch

    if not torch.backends.mps.is_available():
        raise DeviceError("device 'mps' was asked for and torch finds none here; use device 'cpu'")
    return "mps"
