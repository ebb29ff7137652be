"""Names of files and folders that systems and programs leave among images, and that are none of the user's."""

from __future__ import annotations

from pathlib import Path

from naslab.regular_files import files_below

FOREIGN = frozenset(
    {
        *("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "network trash folder", "temporary items"),
        *("$recycle.bin", "system volume information", "recycler", "found.000", "lost+found"),
        *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@tmp", "_gsdata_"),
        *("__pycache__", "cvs", "node_modules"),
    }
)
"""Names in lower case: of macOS, Windows, network storage, and of programs."""


def is_foreign(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or left by a system, an archive or a program.

    >>> [is_foreign(name) for name in (".ipynb_checkpoints", "._x.png", "Thumbs.db", "__MACOSX", "rose")]
    [True, True, True, True, False]
    """
    return name.startswith((".", "~$")) or name.endswith("~") or name.lower() in FOREIGN


def own_files(folder: Path, endings: frozenset[str]) -> list[Path]:
    """The files under a folder, at every depth, whose names end so, sorted; hidden and foreign ones are left out.

    Links that lead nowhere are among them: they are images that cannot be read.
    """
    found = []
    for path in files_below(folder):
        if path.suffix.lower() not in endings or any(map(is_foreign, path.relative_to(folder).parts)):
            continue
        if path.is_file() or (path.is_symlink() and not path.exists()):
            found.append(path)
    return sorted(found)


def own_folders(folder: Path) -> list[Path]:
    """The folders directly in a folder, sorted; hidden and foreign ones are left out."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not is_foreign(path.name))
