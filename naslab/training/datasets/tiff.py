"""TIFF files of any number of bands and depth, which Pillow cuts to three bands or does not read.

The image of a file of either byte order is read, also of a BigTIFF, in strips or tiles, bands together or apart, not
compressed or by deflate, LZW or PackBits. Smaller copies and masks behind it are left aside; a file of several images
is refused.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from naslab.arch.bounds import MAX_CHANNELS, MAX_SIDE
from naslab.errors import counted

TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}
FORMATS = {1: "u", 2: "i", 3: "f"}
NONE, LZW, DEFLATE, OLD_DEFLATE, PACK_BITS = 1, 5, 8, 32946, 32773
ALPHA = (1, 2)
REDUCED, MASK = 1, 4
"""Bits of the tag 254: an image that is a smaller copy of another one, or its mask."""
MOST_TAGS = 4096
MOST_PAGES = 1000
MOST_PARTS = 1_000_000
MOST_BYTES = 2**31


class TiffHeader(NamedTuple):
    """The form of a TIFF's image, and its tags by number: tuples of integers."""

    width: int
    height: int
    bands: int
    bits: int
    number: str
    order: str
    tags: dict[int, tuple[int, ...]]

    @property
    def is_raw(self) -> bool:
        """Whether it is read here: more than 8 bits in several bands, bands that are no colours, or odd numbers."""
        photometric = self.tags.get(262, (1,))[0]
        alphas = sum(each in ALPHA for each in self.tags.get(338, ()))
        colours = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}.get(photometric, 0)
        if photometric in (0, 1, 2) and self.bands > 1 and self.bits > 8:
            return True
        if photometric in (0, 1) and self.bands == 1:  # Pillow takes signed bytes for others, and lacks these depths
            return (self.number, self.bits) in (("i", 8), ("f", 16), ("f", 64), ("u", 64), ("i", 64))
        return self.bands > 1 and self.bands != colours and not (alphas == 1 and self.bands == colours + 1)


def read_header(path: Path) -> TiffHeader:
    """The form of a file. Raises `ValueError` for what is no TIFF, has no image within the bounds, or several."""
    with open(path, "rb") as file:
        start = file.read(16)
        is_big = start[:4] in (b"II+\0", b"MM\0+")
        if not is_big and start[:4] not in (b"II*\0", b"MM\0*"):
            raise ValueError("it is no TIFF file")
        order = "<" if start[:2] == b"II" else ">"
        if len(start) < (16 if is_big else 8):
            raise ValueError("it is cut short")
        place = struct.unpack(f"{order}Q", start[8:])[0] if is_big else struct.unpack(f"{order}I", start[4:8])[0]
        tags, following = _directory(file, order, place, is_big)
        _require_one_image(file, order, following, is_big)
    missing = [tag for tag in (256, 257) if not tags.get(tag)]
    if missing:
        raise ValueError("it has no size")
    width, height, bands = tags[256][0], tags[257][0], tags.get(277, (1,))[0]
    bits, formats = tags.get(258, (1,)), tags.get(339, (1,))
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and 0 < bands <= MAX_CHANNELS):
        raise ValueError(f"it has {bands} bands of {height} x {width} pixels")
    if len(set(bits)) > 1 or len(set(formats)) > 1:
        raise ValueError(f"its bands are of different depths {bits[:8]}")
    return TiffHeader(width, height, bands, bits[0], FORMATS.get(formats[0], "?"), order, tags)


def _directory(file: Any, order: str, place: int, is_big: bool) -> tuple[dict[int, tuple[int, ...]], int]:
    """The whole numbers among the tags of the image at a place, and the place of the next image; 0 where none is."""
    file.seek(place)
    how_many, entry, offset = ("Q", "HHQ8s", "Q") if is_big else ("H", "HHI4s", "I")
    (count,) = struct.unpack(f"{order}{how_many}", _exactly(file, struct.calcsize(f"{order}{how_many}")))
    if count > MOST_TAGS:
        raise ValueError(f"its directory has {count} entries")
    size = struct.calcsize(f"{order}{entry}")
    entries = _exactly(file, size * count)
    (following,) = struct.unpack(f"{order}{offset}", _exactly(file, struct.calcsize(f"{order}{offset}")))
    tags: dict[int, tuple[int, ...]] = {}
    for first in range(0, size * count, size):
        tag, kind, number, value = struct.unpack(f"{order}{entry}", entries[first : first + size])
        if kind not in TYPES or number > MOST_PARTS:
            continue
        taken = struct.calcsize(f"{order}{number}{TYPES[kind]}")
        if taken > len(value):
            file.seek(struct.unpack(f"{order}{offset}", value)[0])
            value = _exactly(file, taken)
        tags[tag] = struct.unpack(f"{order}{number}{TYPES[kind]}", value[:taken])
    return tags, following


def _require_one_image(file: Any, order: str, place: int, is_big: bool) -> None:
    """Raise `ValueError` where another whole image is at a place, or follows there: it would be left out unseen."""
    pages = 1
    while place and pages < MOST_PAGES:
        tags, place = _directory(file, order, place, is_big)
        if not tags.get(254, (0,))[0] & (REDUCED | MASK):
            raise ValueError(
                "it holds several images, of which one would be read: write each to a file of its own, or all of them "
                "as the channels of a .npy"
            )
        pages += 1


def read_tiff(path: Path) -> NDArray[Any]:
    """The values of the image, of shape (height, width, bands), as they are in the file.

    Raises `ValueError` for a file that is damaged, or compressed in another way.
    """
    header = read_header(path)
    if header.bits not in (8, 16, 32, 64) or header.number == "?" or (header.number == "f" and header.bits == 8):
        raise ValueError(f"values of {header.bits} bits are not read")
    kind = np.dtype(f"{header.order}{header.number}{header.bits // 8}")
    if header.width * header.height * header.bands * kind.itemsize > MOST_BYTES:
        raise ValueError(f"{header.bands} bands of {header.height} x {header.width} pixels take more than 2 GiB")
    tags = header.tags
    is_tiled = 324 in tags
    part_width = tags[322][0] if is_tiled else header.width
    part_height = tags[323][0] if is_tiled else min(tags.get(278, (header.height,))[0], header.height)
    if not (0 < part_width <= 2 * MAX_SIDE and 0 < part_height <= 2 * MAX_SIDE):
        raise ValueError(f"its parts are of {part_height} x {part_width} pixels")
    offsets, sizes = tags.get(324 if is_tiled else 273, ()), tags.get(325 if is_tiled else 279, ())
    planes = header.bands if tags.get(284, (1,))[0] == 2 else 1
    across, down = -(-header.width // part_width), -(-header.height // part_height)
    if not len(offsets) == len(sizes) == planes * across * down:
        raise ValueError(f"it has {counted(len(offsets), 'part')} in place of {planes * across * down}")
    bands = header.bands // planes
    image = np.empty((header.height, header.width, header.bands), kind.newbyteorder("="))
    with open(path, "rb") as file:
        for number, (offset, size) in enumerate(zip(offsets, sizes, strict=True)):
            plane, place = divmod(number, across * down)
            top, left = place // across * part_height, place % across * part_width
            rows = part_height if is_tiled else min(part_height, header.height - top)
            file.seek(offset)
            wanted = rows * part_width * bands * kind.itemsize
            raw = _unpacked(_exactly(file, size), tags.get(259, (1,))[0], wanted)
            part = np.frombuffer(raw, kind, count=rows * part_width * bands).reshape(rows, part_width, bands)
            part = _unpredicted(part, tags.get(317, (1,))[0])
            inside = part[: header.height - top, : header.width - left]
            target = image[top : top + inside.shape[0], left : left + inside.shape[1]]
            target[:, :, plane : plane + bands] = inside
    return image


def _exactly(file: Any, size: int) -> bytes:
    if size > MOST_BYTES:
        raise ValueError("a part of it is larger than 2 GiB")
    content: bytes = file.read(size)
    if len(content) < size:
        raise ValueError("it is cut short")
    return content


def _unpacked(raw: bytes, compression: int, wanted: int) -> bytes:
    if compression == NONE:
        found = raw
    elif compression in (DEFLATE, OLD_DEFLATE):
        try:
            found = zlib.decompressobj().decompress(raw, wanted)
        except zlib.error as error:
            raise ValueError(f"it is damaged ({error})") from None
    elif compression == PACK_BITS:
        found = _unpacked_bits(raw, wanted)
    elif compression == LZW:
        found = _unpacked_lzw(raw, wanted)
    else:
        raise ValueError(
            f"its compression {compression} is not read with several bands; write it by deflate or without"
        )
    if len(found) < wanted:
        raise ValueError("it is cut short")
    return found


def _unpacked_bits(raw: bytes, wanted: int) -> bytes:
    found, place = bytearray(), 0
    while place < len(raw) and len(found) < wanted:
        code = raw[place]
        if code < 128:
            found += raw[place + 1 : place + 2 + code]
            place += 2 + code
        else:
            if code > 128:
                found += raw[place + 1 : place + 2] * (257 - code)
            place += 2 if code > 128 else 1
    return bytes(found)


def _unpacked_lzw(raw: bytes, wanted: int) -> bytes:
    """LZW as in TIFF 6.0, section 13: codes of 9 to 12 bits, the highest bit first; 256 clears, 257 ends."""
    clear, end = 256, 257
    table: list[bytes] = []
    found = bytearray()
    before, width, bits, held = b"", 9, 0, 0
    for byte in raw:
        held, bits = held << 8 | byte, bits + 8
        if bits < width:
            continue
        bits -= width
        code, held = held >> bits, held & (1 << bits) - 1
        if code == end or len(found) >= wanted:
            break
        if code == clear:
            table, before, width = [bytes([each]) for each in range(256)] + [b"", b""], b"", 9
            continue
        if not table or code > len(table) or (code == len(table) and not before):
            raise ValueError("it is damaged (LZW)")
        entry = table[code] if code < len(table) else before + before[:1]
        found += entry
        if before:
            table.append(before + entry[:1])
        before = entry
        width = min(12, max(9, (len(table) + 1).bit_length()))
    return bytes(found)


def _unpredicted(part: NDArray[Any], predictor: int) -> NDArray[Any]:
    if predictor == 1:
        return part
    if predictor == 2 and part.dtype.kind in "ui":
        native = part.astype(part.dtype.newbyteorder("="))
        return np.add.accumulate(native, axis=1, dtype=native.dtype)
    raise ValueError(f"its predictor {predictor} is not read with several bands; write it without")
