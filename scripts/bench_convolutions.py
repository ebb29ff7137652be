"""How fast convolutions of MBConv networks are on a CPU: PyTorch's own way, and what training takes instead.

    export MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=2147483648  # as the workers of a search have it
    .venv/bin/python scripts/bench_convolutions.py [--repeats 7] [--out results/train_bench/convolutions.md]

One thread, batches of 64, channels last. A figure is the median time of a forward pass with the gradients of images and
weights; both ways run in turn within each repeat, and the ratio is the median of the repeats' own. In float32, and in
bfloat16 as autocast computes it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from naslab.provenance import installed_versions, machine_description
from naslab.training.cpu_convolutions import CpuConvolutions

BATCH = 64


class Layer(NamedTuple):
    """A convolution: channels in and out, the kernel's and the map's side, stride, groups."""

    channels: int
    out: int
    kernel: int
    side: int
    stride: int = 1
    groups: int = 1

    def __str__(self) -> str:
        kind = "depthwise" if self.groups > 1 else "pointwise"
        stride = f", stride {self.stride}" if self.stride > 1 else ""
        return (
            f"{kind} {self.kernel} x {self.kernel}{stride}, {self.channels} to {self.out} at {self.side} x {self.side}"
        )


def depthwise(channels: int, kernel: int, side: int, stride: int = 1) -> Layer:
    """A depthwise convolution."""
    return Layer(channels, channels, kernel, side, stride, channels)


LAYERS = (
    depthwise(96, 3, 32, 2),
    depthwise(384, 3, 16),
    depthwise(768, 3, 8, 2),
    depthwise(384, 5, 16),
    depthwise(384, 5, 16, 2),
    depthwise(384, 7, 16),
    depthwise(768, 5, 8),
    depthwise(768, 5, 8, 2),
    depthwise(1536, 3, 2),
    depthwise(1536, 5, 4),
    Layer(64, 384, 1, 16),
    Layer(128, 768, 1, 8),
    Layer(768, 128, 1, 8),
    Layer(256, 1536, 1, 4),
    Layer(1536, 256, 1, 4),
    Layer(1536, 256, 1, 2),
)


def seconds(step: Callable[[], None], least: float = 0.05) -> float:
    """Of one step, of as many as take `least` seconds."""
    count, begun = 0, time.perf_counter()
    while (spent := time.perf_counter() - begun) < least:
        step()
        count += 1
    return spent / count


def measured(layer: Layer, dtype: torch.dtype, repeats: int) -> tuple[list[float], list[float]]:
    """Seconds of PyTorch's own way and of naslab's, repeat by repeat."""
    module = nn.Conv2d(layer.channels, layer.out, layer.kernel, layer.stride, layer.kernel // 2, groups=layer.groups)
    module = module.to(memory_format=torch.channels_last)
    images = torch.randn(BATCH, layer.channels, layer.side, layer.side, dtype=dtype)
    images = images.contiguous(memory_format=torch.channels_last).requires_grad_()
    slope = torch.ones_like(module(images.detach().float()), dtype=dtype)

    def step(is_own: bool) -> None:
        way = nullcontext() if is_own else CpuConvolutions()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16), way:
            out = module(images)
        torch.autograd.grad(out, (images, *module.parameters()), slope)

    for is_own in (True, False):
        step(is_own)
    pairs = [(seconds(lambda: step(True)), seconds(lambda: step(False))) for _ in range(repeats)]
    return [own for own, _ in pairs], [fast for _, fast in pairs]


def row(layer: Layer, dtype: torch.dtype, repeats: int) -> str:
    """A line of the table."""
    own, fast = measured(layer, dtype, repeats)
    ratios = sorted(a / b for a, b in zip(own, fast, strict=True))
    times = [f"{1000 * statistics.median(each):.2f}" for each in (own, fast)]
    spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    return f"| {layer} | {times[0]} | {times[1]} | {spread} |"


def main() -> None:
    """Measure every layer and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("results/train_bench/convolutions.md"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    machine, versions = machine_description(), installed_versions()
    lines = [
        "# Convolutions on a CPU",
        "",
        f"`scripts/bench_convolutions.py --repeats {given.repeats}`: {machine['processor']}, {machine['cores']} cores, "
        f"one thread, load average {load:.1f} at the start; python {versions['python']}, torch {versions['torch']}; "
        f"freed memory is {'kept' if os.environ.get('MALLOC_MMAP_MAX_') == '0' else 'returned to the system'}.",
        "",
        f"Milliseconds of a forward pass with its gradients, {BATCH} images, channels last: medians. Times as fast: "
        "median of the repeats (smallest to largest).",
    ]
    for dtype in (torch.float32, torch.bfloat16):
        lines += ["", f"## {str(dtype).removeprefix('torch.')}", ""]
        lines += ["| layer | PyTorch's own | naslab | times as fast |", "|---|---:|---:|---:|"]
        lines += [row(layer, dtype, given.repeats) for layer in LAYERS]
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
