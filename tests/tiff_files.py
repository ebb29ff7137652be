"""TIFFs written by hand, in forms that no library at hand writes."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np


def write_tiff(
    path: Path,
    array: Any,
    order: str = "<",
    compression: int = 1,
    tile: int | None = None,
    planar: int = 1,
    predictor: int = 1,
) -> None:
    """A TIFF of one image, of shape (height, width, bands), written by hand."""
    height, width, bands = array.shape
    kind = {"u": 1, "i": 2, "f": 3}[array.dtype.kind]
    array = array.astype(array.dtype.newbyteorder(order))
    planes = [array] if planar == 1 else [array[:, :, [band]] for band in range(bands)]
    parts: list[bytes] = []
    for plane in planes:
        if tile is None:
            halves = [plane[:4], plane[4:]]
        else:
            whole = np.zeros((-(-height // tile) * tile, -(-width // tile) * tile, plane.shape[2]), plane.dtype)
            whole[:height, :width] = plane
            halves = [whole[r : r + tile, c : c + tile] for r in range(0, height, tile) for c in range(0, width, tile)]
        for each in halves:
            if predictor == 2:
                each = np.concatenate([each[:, :1], np.diff(each, axis=1)], axis=1).astype(plane.dtype)
            raw = each.tobytes()
            parts.append(zlib.compress(raw) if compression == 8 else raw)
    place, offsets = 8, list[int]()
    for part in parts:
        offsets.append(place)
        place += len(part)
    tags: dict[int, list[int]] = {
        256: [width],
        257: [height],
        258: [8 * array.itemsize] * bands,
        259: [compression],
        262: [1],
        277: [bands],
    }
    tags |= {284: [planar], 317: [predictor], 339: [kind] * bands}
    sizes = [len(part) for part in parts]
    tags |= (
        {273: offsets, 278: [4], 279: sizes} if tile is None else {322: [tile], 323: [tile], 324: offsets, 325: sizes}
    )
    extra, entries = b"", b""
    after = place + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        value = struct.pack(f"{order}{len(values)}I", *values)
        if len(value) > 4:
            value, extra = struct.pack(f"{order}I", after + len(extra)), extra + value
        entries += struct.pack(f"{order}HHI", tag, 4, len(values)) + value.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", place)
    path.write_bytes(head + b"".join(parts) + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + extra)
