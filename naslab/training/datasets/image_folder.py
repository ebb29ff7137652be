"""Image files with labels, decoded to one size: `image_folder:PATH` with a folder a class, `csv:FILE.csv` of paths.

`PATH/train`, `PATH/val` and `PATH/test` are the parts where they exist (`folder_parts`); else the test set is a fixed
stratified fifth. Images are resized to cover the size (64 pixels square unless `@HEIGHTxWIDTH` behind the name says
otherwise) and cut to its centre. They have the channels that their files have (`file_forms`).
"""

from __future__ import annotations

import hashlib
import re
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.arch.bounds import MAX_SIDE
from naslab.errors import DataError, counted, shown
from naslab.study.data_choice import FOLDER as IMAGE_FOLDER
from naslab.study.data_choice import DataChoice
from naslab.study.task import Task
from naslab.training.datasets.arrays import ImageArrays, Part, cached_array, cached_arrays, fingerprint
from naslab.training.datasets.csv_files import list_csv
from naslab.training.datasets.facts import DataFacts
from naslab.training.datasets.file_forms import COLOURED, FileForm, form_of
from naslab.training.datasets.folder_parts import PartFiles as PartFiles
from naslab.training.datasets.folder_parts import list_folder
from naslab.training.datasets.threads import mapped

CSV = "csv:"
DEFAULT_SIZE = 64
SHOWN_DAMAGED = 3
READ_AT_ONCE = 2**20


class FolderChoice(NamedTuple):
    """A folder of images or a table of their paths, `root`, and the size in pixels that they are brought to."""

    root: Path
    height: int
    width: int


class ImageFiles(NamedTuple):
    """A data set in files: its parts, what its labels mean, and the form and size that all images get."""

    parts: dict[Part, PartFiles]
    task: Task
    form: FileForm
    height: int
    width: int

    @property
    def image_bytes(self) -> int:
        """What one image takes, decoded."""
        return self.height * self.width * self.form.channels * (4 if self.form.is_float else 1)


def is_files(name: str) -> bool:
    """Whether a data set's name is that of image files: a folder of them, or a table of paths."""
    return name.startswith((IMAGE_FOLDER, CSV))


def parse_choice(name: str) -> FolderChoice:
    """The folder or table and the size that a data set's name asks for.

    A name that is there as a whole has no size in it: `photos@2024` may be a folder. Raises `DataError` for a name
    without a folder, and for a size below 1 pixel.

    >>> parse_choice("image_folder:flowers@48x64")
    FolderChoice(root=PosixPath('flowers'), height=48, width=64)
    """
    kind, _, rest = name.partition(":")
    match = re.fullmatch(r"(.+?)(?:@(\d{1,9})(?:x(\d{1,9}))?)?", rest)
    if match is None:
        raise DataError(f"'{shown(name)}' names no folder: write {kind}:PATH or {kind}:PATH@SIZE")
    whole = Path(rest).expanduser()
    if match[2] is None or whole.exists():
        return FolderChoice(whole, DEFAULT_SIZE, DEFAULT_SIZE)
    height = int(match[2])
    width = int(match[3] or height)
    if max(height, width) > MAX_SIDE:
        raise DataError(f"'{shown(name)}': images may have {MAX_SIDE:,} pixels a side, got {height} x {width}")
    if min(height, width) < 1:
        raise DataError(f"'{shown(name)}': images need at least 1 x 1 pixel, got {height} x {width}")
    return FolderChoice(Path(match[1]).expanduser(), height, width)


def open_files(choice: DataChoice) -> ImageFiles:
    """The image files of a choice, listed, and what their headers say.

    Raises `DataError` for an empty folder, a class that a part lacks, and files that have no form in common.
    """
    asked = parse_choice(choice.name)
    task: Task = "classification"
    if choice.name.startswith(CSV):
        if not asked.root.is_file():
            raise DataError(f"the table of images is not there: {asked.root}")
        parts, labels = list_csv(asked.root, choice.task, choice.own_validation)
        task = labels.task
    else:
        parts = list_folder(asked.root, choice.own_validation)
        if choice.task not in (None, "classification"):
            raise DataError(
                f"{choice.name}: a folder a class is one label an image, got task '{choice.task}'; use csv:"
            )
    files = [path for listing in parts.values() for path in listing.files]
    form = form_of(files) if choice.channels is None else FileForm(choice.channels)
    if choice.skip_unreadable:
        parts = {part: _readable(asked.root, part, listing, form, task) for part, listing in parts.items()}
    return ImageFiles(parts, task, form, asked.height, asked.width)


def files_facts(choice: DataChoice) -> DataFacts:
    """What a data set in files is, from its listing and the headers of its files; `fingerprint` is left empty."""
    files = open_files(choice)
    train = files.parts["train"]
    return DataFacts(
        channels=files.form.channels,
        height=files.height,
        width=files.width,
        num_classes=len(train.classes) or int(train.labels.shape[1]),
        num_train=len(train.files),
        task=files.task,
        classes=tuple(train.classes),
        has_validation="validation" in files.parts,
        value_bytes=4 if files.form.is_float else 1,
        num_skipped=sum(listing.num_skipped for listing in files.parts.values()),
    )


def checked_files(choice: DataChoice) -> DataFacts:
    """What a data set in files is, after every file of every part was read; with the fingerprint of the content.

    Raises `DataError` as `open_files` does, and naming the files that cannot be read.
    """
    facts = files_facts(choice)
    files = open_files(choice)
    if not choice.skip_unreadable:
        for part in files.parts:
            require_readable(files, part)
    return msgspec.structs.replace(facts, fingerprint=_content(choice))


def require_readable(files: ImageFiles, part: Part) -> None:
    """Raise `DataError` that names the files of a part that cannot be read."""
    from naslab.training.decode import read_pixels

    paths = files.parts[part].files
    bad = np.flatnonzero(unreadable_files(paths, files.form))
    if not bad.size:
        return
    reasons = []
    for index in bad[:SHOWN_DAMAGED]:
        try:
            read_pixels(paths[index], files.form)
        except DataError as error:
            reasons.append(str(error))
    more = f", and {bad.size - len(reasons)} more" if bad.size > len(reasons) else ""
    raise DataError(
        f"{'; '.join(reasons)}{more} ({bad.size} of {counted(len(paths), 'file')} of {part}); mend them, "
        "or leave out what cannot be read (--skip-unreadable)"
    )


def read_files(choice: DataChoice, part: Part) -> ImageArrays:
    """One part of a data set in files, decoded once and kept in the cache folder.

    Raises `DataError` as `open_files` does, and for files that cannot be read unless the choice leaves them out.
    """
    files = open_files(choice)
    listing = files.parts[part]
    form = "" if files.form == COLOURED else f"-{files.form.channels}{'f' if files.form.is_float else ''}"
    forced = "" if choice.channels is None else "-forced"
    key = f"folder-{part}-{files.height}x{files.width}{form}{forced}-{fingerprint(listing.files)}"
    if listing.labels.ndim == 1 and not choice.name.startswith(CSV):
        return cached_arrays(key, lambda: _decode(files, part))
    images = cached_arrays(key, lambda: _decode(files, part)._replace(labels=np.arange(len(listing.files)))).images
    return ImageArrays(images, listing.labels)


def _readable(root: Path, part: Part, listing: PartFiles, form: FileForm, task: Task) -> PartFiles:
    is_bad = unreadable_files(listing.files, form).astype(bool)
    kept = [path for path, bad in zip(listing.files, is_bad, strict=True) if not bad]
    labels = listing.labels[~is_bad]
    least = 2 if part == "train" else 1
    if task == "classification":
        for label in np.flatnonzero(np.bincount(labels, minlength=len(listing.classes)) < least):
            raise DataError(f"{root} holds too few images of class '{listing.classes[label]}' that can be read")
    elif len(kept) < least:
        raise DataError(f"{root} holds too few images of {part} that can be read")
    return PartFiles(kept, labels, listing.classes, int(is_bad.sum()))


def _decode(files: ImageFiles, part: Part) -> ImageArrays:
    from naslab.training.decode import fit_pixels, read_pixels

    listing = files.parts[part]
    kind = np.float32 if files.form.is_float else np.uint8
    images = np.empty((len(listing.files), files.height, files.width, files.form.channels), kind)

    def decode(index: int) -> bool:
        try:
            pixels = fit_pixels(read_pixels(listing.files[index], files.form), files.height, files.width)
        except DataError:
            return False
        images[index] = pixels.permute(1, 2, 0).numpy()
        return True

    if not all(mapped(decode, range(len(images)))):  # the other workers of this machine wait for it
        require_readable(files, part)
    return ImageArrays(images, listing.labels)


def unreadable_files(files: list[Path], form: FileForm = COLOURED) -> NDArray[np.uint8]:
    """For each file 1 where it cannot be read as an image of a form, else 0: uint8 of shape (files,).

    Each file is read once a machine; the answer is kept in the cache folder.
    """

    def is_unreadable(path: Path) -> bool:
        from naslab.training.decode import read_pixels

        try:
            read_pixels(path, form)
        except DataError:
            return True
        return False

    key = "" if form == COLOURED else f"{form.channels}{'f' if form.is_float else ''}-"
    return cached_array(
        f"unreadable2-{key}{fingerprint(files)}", lambda: np.array(mapped(is_unreadable, files), np.uint8)
    )


def _content(choice: DataChoice) -> str:
    """The fingerprint of what the files hold, of their names within the data set, and of their labels."""
    files = open_files(msgspec.structs.replace(choice, skip_unreadable=False))
    root = parse_choice(choice.name).root
    folder = root if root.is_dir() else root.parent
    whole = hashlib.blake2b(repr((files.task, choice.own_validation)).encode(), digest_size=12)
    for part, listing in sorted(files.parts.items()):
        digests = cached_array(f"content-{fingerprint(listing.files)}", partial(content_digests, listing.files))
        names = [
            path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name for path in listing.files
        ]
        whole.update(repr((part, listing.classes, names)).encode())
        whole.update(np.ascontiguousarray(listing.labels).tobytes() + digests.tobytes())
    return whole.hexdigest()


def content_digests(files: list[Path]) -> NDArray[np.uint8]:
    """A hash of what each of `files` holds, of shape (files, 16); zeros for one that cannot be read."""

    def of(path: Path) -> bytes:
        digest = hashlib.blake2b(digest_size=16)
        try:
            with open(path, "rb") as file:
                while block := file.read(READ_AT_ONCE):
                    digest.update(block)
        except OSError:
            return bytes(16)
        return digest.digest()

    return np.frombuffer(b"".join(mapped(of, files)), np.uint8).reshape(-1, 16)
