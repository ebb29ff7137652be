"""The source behind an object from outside: which definitions it consists of, and a hash of each."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import sys
import sysconfig
import textwrap
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from naslab.outside.finding import is_naslabs, owner_of

_INSTALLED = ("site-packages", "dist-packages")
_PYTHONS = sysconfig.get_path("stdlib")
_OWN = frozenset({"naslab", "builtins"}) | sys.stdlib_module_names


def source_of(thing: object) -> dict[str, str]:
    """The SHA-256 of each definition of the user's code that an object is made of, by its dotted name.

    They are its own, and those that these use by name, in its module and in the modules under the same folder that are
    imported there. Comments and layout do not count, nor do naslab, Python's own library and installed packages that
    the object is no part of. Of what has no file, as in a console, its own text or compiled code counts.

    >>> import math
    >>> source_of(math.sqrt)
    {}
    """
    own = owner_of(thing)
    module = getattr(own, "__module__", None) or ""
    if module.partition(".")[0] in _OWN:
        return {}
    file = _file_of(module)
    if file is None:
        return _source_without_file(own)
    root = _root_of(module, file)
    waiting = [_Name(module, own.__qualname__.partition(".")[0])]
    found: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        path = _file_of(name.module)
        if str(name) in found or path is None or not _is_under(path, root):
            continue
        content = _content(path, name.module)
        if name.definition == "*":
            waiting += [_Name(name.module, each) for each in content]
            continue
        nodes = content.get(name.definition)
        if nodes is None:
            inside = _Name(f"{name.module}.{name.definition}", "*")  # `from package import module`
            waiting += [inside] if _file_of(inside.module) else []
            continue
        found[str(name)] = _sha256("\n".join(ast.dump(node) for node in nodes))
        waiting += [each for node in nodes for each in _used(node, name.module, path, content)]
    told = {each.replace("__main__.", f"{file.stem}."): sha256 for each, sha256 in found.items()}
    return dict(sorted(told.items())) or _source_without_file(own)


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The names in which two results of `source_of` differ, with how, sorted.

    >>> changed({"a.f": "1", "a.g": "2"}, {"a.f": "3", "a.h": "2"})
    ['a.f changed', 'a.g is gone', 'a.h is new']
    """
    both = {name: f"{name} changed" for name in before.keys() & now.keys() if before[name] != now[name]}
    gone = {name: f"{name} is gone" for name in before.keys() - now.keys()}
    new = {name: f"{name} is new" for name in now.keys() - before.keys()}
    return [told for _, told in sorted((both | gone | new).items())]


def users_traceback(error: BaseException) -> str:
    """The traceback of an error, of the user's code alone; the whole where none of it is the user's.

    Lines of naslab, of Python's library and of installed packages are left out, also those of the errors that caused
    it. A part that is published, and so installed itself, keeps all but naslab's.
    """
    told = traceback.TracebackException.from_exception(error)
    for is_kept in (_is_users, lambda frame: not is_naslabs(frame.filename)):
        if any(map(is_kept, told.stack)):
            _trim(told, is_kept)
            break
    return "".join(told.format())


def _trim(told: traceback.TracebackException | None, is_kept: Callable[[traceback.FrameSummary], bool]) -> None:
    """Leave out other lines, where one is left; the same of the errors behind it."""
    while told is not None:
        told.stack = traceback.StackSummary.from_list([frame for frame in told.stack if is_kept(frame)] or told.stack)
        _trim(told.__cause__, is_kept)
        told = told.__context__


def _is_users(frame: traceback.FrameSummary) -> bool:
    """Whether a line is of the user's own files, or of a console."""
    path = Path(frame.filename)
    is_pythons = frame.filename.startswith("<frozen") or path.is_relative_to(_PYTHONS)
    return not (is_pythons or is_naslabs(frame.filename) or any(part in _INSTALLED for part in path.parts))


class _Name(NamedTuple):
    """A definition of a module; `*` for all of them."""

    module: str
    definition: str

    def __str__(self) -> str:
        return f"{self.module}.{self.definition}"


def _file_of(module: str) -> Path | None:
    """The Python file of a module, whether it is imported yet or not; `None` where there is none."""
    loaded = sys.modules.get(module)
    if loaded is not None:
        file = getattr(loaded, "__file__", None)
    else:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError, AttributeError):
            return None
        file = None if spec is None else spec.origin
    return Path(file).resolve() if file and file.endswith(".py") and Path(file).is_file() else None


def _root_of(module: str, file: Path) -> Path:
    """The folder of the user's code: that in which the module's name begins, or an installed package's own."""
    if module == "__main__":
        return file.parent
    root = file.parents[module.count(".") + (file.name == "__init__.py")]
    if root.name not in _INSTALLED:
        return root
    top = root / module.partition(".")[0]
    return top if top.is_dir() else file


def _is_under(path: Path, root: Path) -> bool:
    if is_naslabs(str(path)) or not path.is_relative_to(root):
        return False
    return not any(part in _INSTALLED for part in path.relative_to(root).parts)


def _content(path: Path, module: str) -> dict[str, list[ast.stmt]]:
    """The statements of a file by the names that they define; those that define none under `(statements)`."""
    found: dict[str, list[ast.stmt]] = {}
    for node in ast.parse(path.read_bytes()).body:
        for name in _defined(node):
            found.setdefault(name, []).append(node)
    if module == "__main__":
        found.pop("(statements)", None)  # what a script does with its definitions
    return found


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(each.asname or each.name).partition(".")[0] for each in node.names]
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return []  # a docstring
    stored = [each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)]
    return list(dict.fromkeys(stored)) or ["(statements)"]


def _used(node: ast.stmt, module: str, path: Path, content: Mapping[str, list[ast.stmt]]) -> Iterator[_Name]:
    """The definitions that a statement uses by name: of its own module, and what it imports from others."""
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and each.id in content:
            yield _Name(module, each.id)
        elif isinstance(each, ast.Import):
            for alias in each.names:
                yield _Name(alias.name, "*")
        elif isinstance(each, ast.ImportFrom):
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            source = _resolved("." * each.level + (each.module or ""), package)
            for alias in each.names:
                yield _Name(source, alias.name)


def _resolved(name: str, package: str) -> str:
    try:
        return importlib.util.resolve_name(name, package)
    except ImportError:
        return name


def _source_without_file(own: Any) -> dict[str, str]:
    """The hash of what a console or a notebook defines: its text where that is kept, else its compiled code."""
    name = f"{own.__module__}.{own.__qualname__}"
    try:
        return {name: _sha256(ast.dump(ast.parse(textwrap.dedent(inspect.getsource(own)))))}
    except (OSError, TypeError, SyntaxError):
        code = getattr(own, "__code__", None)
        return {} if code is None else {name: _sha256(repr((code.co_code, code.co_names, code.co_consts)))}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
