"""Objects of users' code by name: `package.module:name`, or a published entry point."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from naslab.errors import NaslabError, nearest, shown

Group = Literal["naslab.blocks", "naslab.strategies", "naslab.estimators", "naslab.metrics", "naslab.datasets"]
"""The groups of entry points by which distributions publish parts for naslab."""

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_PACKAGE = f"{Path(__file__).parents[1]}/"


class OutsideError(NaslabError):
    """A name from outside that leads nowhere, or to something of the wrong kind.

    `what` is what it should be (`estimator`), `name` what was written, `rule` says what is wrong with it.
    """

    def __init__(self, what: str, name: str, rule: str) -> None:
        self.what = what
        self.name = name
        self.rule = rule
        super().__init__(f"{what} {shown(name, 200)}: {rule}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.what, self.name, self.rule)


def is_outside(text: str) -> bool:
    """Whether a text has the form `package.module:name`.

    >>> is_outside("my_code:evaluate"), is_outside("short:epochs=2"), is_outside("resnet18")
    (True, False, False)
    """
    return _NAME.fullmatch(text) is not None


def load_outside(text: str, what: str) -> Any:
    """The object that `package.module:name` names; the module may also lie in the working folder.

    `what` says in messages what the object is to be, as `estimator`. The working folder is put at the end of Python's
    path and stays there, so that what the module imports later is found as well. Raises `OutsideError` where the text
    has another form, where there is no such module, where the module cannot be imported, and where it has no such name.

    >>> load_outside("math:sqrt", "metric")(9.0)
    3.0
    """
    if not is_outside(text):
        raise OutsideError(what, text, "must look like package.module:name")
    module_name, _, path = text.partition(":")
    found: Any = _imported(module_name, what, text)
    for part in path.split("."):
        if not hasattr(found, part):
            raise OutsideError(what, text, _lacking(found, part))
        found = getattr(found, part)
    return found


def published(group: Group) -> dict[str, tuple[str, ...]]:
    """The entry points of a group that installed distributions have: by name, what each names, sorted."""
    from importlib.metadata import entry_points  # loads what only names from outside need

    found: dict[str, set[str]] = {}
    for entry in entry_points(group=group):
        found.setdefault(entry.name, set()).add(entry.value.partition("[")[0].replace(" ", ""))
    return {name: tuple(sorted(values)) for name, values in sorted(found.items())}


def find_outside(text: str, what: str, group: Group) -> Any | None:
    """The object behind `package.module:name`, or behind an entry point called `text`; `None` where it is neither.

    `what` says in messages what it is to be, `group` is where distributions publish such things. Raises `OutsideError`
    as `load_outside`, and where two distributions publish the name for different things.
    """
    if is_outside(text):
        return load_outside(text, what)
    values = published(group).get(text, ())
    if len(values) > 1:
        raise OutsideError(what, text, f"it is published for {' and for '.join(values)}: write one of these")
    return load_outside(values[0], what) if values else None


def name_of(thing: object) -> str:
    """What an object from outside is called, as `package.module:name`.

    >>> import math
    >>> name_of(math.sqrt), name_of(partial(math.sqrt))
    ('math:sqrt', 'math:sqrt')
    """
    own = owner_of(thing)
    within = own.__qualname__.replace(".<locals>", "").replace("<lambda>", "lambda_")
    return f"{_module_name(own)}:{within}"


def require_takes(function: Callable[..., Any], what: str, *arguments: str) -> None:
    """Raise `OutsideError` unless `function` can be called with as many positional arguments as are named.

    `what` says what it is to be; `arguments` are their names in the message.
    """
    name = name_of(function)
    if not callable(function):
        rule = f"must be a function of ({', '.join(arguments)}), got {type(function).__name__} {shown(repr(function))}"
        raise OutsideError(what, name, rule)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of C code; it will say itself
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        rule = f"must take ({', '.join(arguments)}), but takes {signature}"
        raise OutsideError(what, name, rule) from None


def is_naslabs(file: str) -> bool:
    """Whether a file is one of this package."""
    return file.startswith(_PACKAGE)


def owner_of(thing: object) -> Any:
    """What of an object has a name: a function or class itself, the class of an instance."""
    while isinstance(thing, partial):
        thing = thing.func
    thing = inspect.unwrap(thing) if callable(thing) else thing
    if inspect.ismethod(thing):
        return thing.__func__
    return thing if hasattr(thing, "__qualname__") else type(thing)


def _module_name(own: Any) -> str:
    """The module of a function or class; of the running script, the name by which others import it."""
    module = getattr(own, "__module__", None) or "builtins"
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(script).stem if module == "__main__" and script else module


def _imported(module_name: str, what: str, text: str) -> ModuleType:
    """A module, looked for in the working folder too."""
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)
        importlib.invalidate_caches()
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name + ".").startswith(error.name + "."):
            known = [path.stem for path in Path(folder).glob("*.py")]
            near = nearest(module_name, known).removesuffix(" (there are none)")
            rule = f"there is no module '{error.name}' in the working folder {folder} or on Python's path{near}"
            raise OutsideError(what, text, rule) from None
        raise OutsideError(what, text, _broken(error, module_name)) from error
    except (Exception, SystemExit) as error:
        raise OutsideError(what, text, _broken(error, module_name)) from error


def _broken(error: BaseException, module_name: str) -> str:
    """Why a module cannot be imported, with the line of the user's code, on one line."""
    if isinstance(error, SyntaxError):
        place = f"{error.filename}, line {error.lineno}"
    else:
        frames = [each for each in traceback.extract_tb(error.__traceback__) if not _is_importing(each.filename)]
        place = f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else module_name
    told = " ".join((str(error) or "no message").split())
    return f"importing it fails: {type(error).__name__}: {told} ({place})"


def _is_importing(file: str) -> bool:
    return is_naslabs(file) or file.startswith("<frozen") or Path(file).parent.name == "importlib"


def _lacking(owner: object, part: str) -> str:
    """Why there is no such name, with near ones; and where a file of the working folder is hidden by another module."""
    named = [each for each in vars(owner) if not each.startswith("_")] if hasattr(owner, "__dict__") else []
    if not isinstance(owner, ModuleType):
        return f"'{getattr(owner, '__qualname__', type(owner).__name__)}' has no '{part}'{nearest(part, named)}"
    file = getattr(owner, "__file__", None)
    own = Path.cwd() / f"{owner.__name__}.py"
    hidden = ""
    if own.is_file() and (file is None or Path(file).resolve() != own.resolve()):
        hidden = f"; {own} is hidden by it: give yours another name"
    return f"module {owner.__name__} ({file or 'built in'}) has no '{part}'{nearest(part, named)}{hidden}"
