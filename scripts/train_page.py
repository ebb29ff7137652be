"""The page of `bench_train.py`: its measurements as Markdown."""

from __future__ import annotations

import statistics
from typing import Any

from bench_train import BUSY, ENGINE, ENGINE_FLOAT32, ENGINE_GRAPHS, PASSES, PLAIN, ratios

PRECISIONS = {ENGINE_FLOAT32: "torch.float32", ENGINE: "torch.bfloat16", ENGINE_GRAPHS: "torch.bfloat16"}


def page(value: dict[str, Any]) -> str:
    """The measurements as a page."""
    machine = value["machine"]
    versions = ", ".join(
        f"{name} {version}" for name, version in value["versions"].items() if version != "not installed"
    )
    where = "one thread" if value["device"] == "cpu" else machine["gpus"]
    lines = [
        "# How fast candidates are trained",
        "",
        f"`{value['command']}`: {value['repeats']} repeats, interleaved in one process.",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}; {where}; "
        f"load average {value['load']:.2f} at the start.",
        *(["**The machine was busy: the figures say little.**"] if value["load"] > BUSY else []),
        f"{versions}.",
        "",
        f"A candidate: the network built, one epoch of {value['images']} CIFAR-10 images of 32 x 32 pixels with crops "
        f"and mirror images in batches of 128, SGD with Nesterov momentum, {value['validation_images']} images "
        "evaluated. Medians of the repeats (smallest to largest). Times the plain loop: repeat by repeat. The share of "
        f"the peak is {PASSES} operations a multiply-accumulate and image, over what a large matrix product reaches "
        f"here ({', '.join(f'{rate / 1e9:,.0f} GFLOP/s in {kind}' for kind, rate in value['peak'].items())}).",
    ]
    for name, rows in value["seconds"].items():
        lines += [
            "",
            f"## {name}: {value['macs'][name] / 1e6:.1f} M multiply-accumulates",
            "",
            *_network(value, name, rows),
        ]
    lines += ["", "## Batches alone", "", "| | images a second |", "|---|---:|"]
    lines += [f"| {name} | {spread(rates)} |" for name, rates in value["loader"].items()]
    faster = statistics.median(value["loader"][ENGINE]) / statistics.median(value["loader"][PLAIN])
    lines += ["", f"naslab's are made {faster:.1f} times as fast.", "", *_together(value)]
    lines += ["", "## Asked", "", "| | at least | measured | met |", "|---|---:|---:|---|"]
    lines += [
        f"| {row['what']} | {row['asked']:g} | {row['measured']:.2f} | {'yes' if row['met'] else 'no'} |"
        for row in value["asked"]
    ]
    return "\n".join(lines) + "\n"


def _network(value: dict[str, Any], name: str, rows: dict[str, list[float]]) -> list[str]:
    lines = [
        "| | images a second | candidates an hour | times the plain loop | share of the peak | training loss |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for each, seconds in rows.items():
        rates = [value["images"] / every for every in seconds]
        peak = value["peak"][PRECISIONS.get(each, "torch.float32")]
        share = PASSES * value["macs"][name] * statistics.median(rates) / peak
        hourly = 3600 / statistics.median(seconds)
        lines.append(
            f"| {each} | {spread(rates)} | {hourly:,.0f} | {spread(ratios(value, name, each), 2)} | {share:.1%} | "
            f"{value['losses'][name][each]:.3f} |"
        )
    return lines


def _together(value: dict[str, Any]) -> list[str]:
    """Workers beside each other: on the cores, or on the GPU."""
    if "packed" in value:
        return _packed(value)
    rows = [f"| {name} | {spread(rates)} |" for name, rates in value["cores"].items()]
    return ["## Workers", "", "| ResNet-20 | candidates an hour |", "|---|---:|", *rows]


def _packed(value: dict[str, Any]) -> list[str]:
    """Ways of packing candidates on the GPU; the share of the peak is that of bfloat16."""
    work = PASSES * value["macs"]["ResNet-20"] * value["images"] / value["peak"]["torch.bfloat16"]
    lines = [
        "## Candidates at once on the GPU",
        "",
        f"NVIDIA's MPS was {'' if value['has_mps'] else 'not '}running.",
        "",
        "| ResNet-20 | at once | candidates an hour | share of the peak |",
        "|---|---:|---:|---:|",
    ]
    for way, rows in value["packed"].items():
        for size, rates in rows.items():
            measured = f"{spread(rates)} | {work * statistics.median(rates) / 3600:.1%}" if rates else "no time left | "
            lines.append(f"| {way} | {size} | {measured} |")
    return lines


def spread(values: list[float], digits: int = 0) -> str:
    """The median, and the smallest and largest figure."""
    middle, least, most = (f"{each:,.{digits}f}" for each in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({least} to {most})"
