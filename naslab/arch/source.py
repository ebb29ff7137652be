"""From a built network to Python source that needs torch alone: the plain model to take home."""

from __future__ import annotations

import ast
import builtins
import inspect
import symtable
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType, ModuleType

from torch import nn

from naslab.arch import graphs
from naslab.arch.layer_modules import INDENT
from naslab.arch.torch_layers import file_of, writer_of
from naslab.errors import SpecError


def network_source(module: nn.Module, title: str, constants: Mapping[str, object] = MappingProxyType({})) -> str:
    """A Python file that defines `network()`, which makes the same module with fresh weights.

    The file imports torch and nothing else; `title` opens its docstring, `constants` are values that it defines, by
    name. The parameters have the names of `module`, so its weights load into the new one. Raises `SpecError` for a
    module that cannot be written.

    >>> from naslab.arch.build import module_of
    >>> from naslab.arch.plan import Linear, seq
    >>> print(network_source(module_of(seq(classifier=Linear(8, 2))), "A classifier.").split("def ")[1].rstrip())
    network() -> nn.Module:
        \"\"\"The network with fresh weights.\"\"\"
        return nn.Sequential(OrderedDict([
            ("classifier", nn.Linear(in_features=8, out_features=2, bias=True)),
        ]))
    """
    definitions = _definitions({type(each) for each in module.modules()})
    made = f"return {_expression(module, INDENT)}"
    if any(isinstance(each, graphs.Dag) for each in module.modules()):
        made = f"{made.replace('return ', 'made = ', 1)}\n{INDENT}share_paths(made)\n{INDENT}return made"
    maker = f'def network() -> nn.Module:\n{INDENT}"""The network with fresh weights."""\n{INDENT}{made}\n'
    docstring = '"""' + title.replace("\\", "").replace('"""', "'''") + '"""\n'
    values = "\n".join(f"{name} = {value!r}" for name, value in constants.items())
    head = docstring + _IMPORTS + (f"\n{values}\n" if values else "")
    _require_defined("\n\n".join([head, *definitions]))
    return "\n\n".join([head, *(text.rstrip() + "\n" for text in definitions), maker])


_IMPORTS = """
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
"""


def _require_defined(text: str) -> None:
    """Raises `SpecError` where a class or function of a file reads a name that the file does not define."""
    top = symtable.symtable(text, "network.py", "exec")
    known = {each.get_name() for each in top.get_symbols() if each.is_assigned() or each.is_imported()}
    known |= {*dir(builtins)}
    read = [(each.get_name(), "the file") for each in top.get_symbols() if each.is_referenced()]
    for name, owner in (*_global_names(top), *read):
        if name not in known:
            rule = f"{owner} uses '{name}', which the written file does not define"
            raise SpecError("", f"{rule}: a module of your own may use torch, Tensor, nn and functional alone")


def _global_names(table: symtable.SymbolTable, owner: str = "") -> Iterator[tuple[str, str]]:
    """Each global name that the classes and functions in a table read, with the outermost that reads it."""
    for inner in table.get_children():
        outermost = owner or f"the {inner.get_type()} {inner.get_name()}"
        for each in inner.get_symbols():
            if each.is_global() and each.is_referenced():
                yield each.get_name(), outermost
        yield from _global_names(inner, outermost)


def _definitions(kinds: Iterable[type[nn.Module]]) -> list[str]:
    """The text of every class that torch lacks, by files and lines, with those they derive from; then whole files."""
    files: dict[str, ModuleType] = {}
    places: dict[type, tuple[str, int, str]] = {}
    for kind in kinds:
        file = file_of(kind)
        if file is not None:
            files[file.__name__] = file
        elif not _is_torchs(kind):
            places |= {each: (each.__module__, *_text_of(each)) for each in kind.__mro__ if not _is_known(each)}
    # A class comes after those that it derives from, wherever they are.
    ordered = {each: None for kind in sorted(places, key=places.__getitem__) for each in reversed(kind.__mro__)}
    return [places[each][2] for each in ordered if each in places] + [
        _body(inspect.getsource(file)) for file in files.values()
    ]


def _is_known(kind: type) -> bool:
    """Whether a class is torch's or Python's own."""
    return _is_torchs(kind) or kind.__module__.partition(".")[0] in sys.stdlib_module_names


def _is_torchs(kind: type) -> bool:
    return kind.__module__.startswith("torch.")


def _text_of(kind: type) -> tuple[int, str]:
    """The first line of a class in its file, and its text."""
    try:
        lines, first = inspect.getsourcelines(kind)
    except (OSError, TypeError):
        raise SpecError("", f"the source writer finds no file that defines the module {kind.__name__}") from None
    return first, "".join(lines)


def _expression(module: nn.Module, indent: str) -> str:
    """The call that makes a module, its lines after the first under `indent`."""
    write = writer_of(module)
    if write is not None:
        return write(module, indent, _expression)
    if next(module.children(), None) is not None:
        raise SpecError("", f"the source writer does not know the module {type(module).__name__}")
    # A leaf prints as the call that makes it.
    return f"nn.{module!r}" if _is_torchs(type(module)) else _own_call(module)


def _own_call(module: nn.Module) -> str:
    """The printed form of a module whose class torch lacks. Raises `SpecError` where that call cannot make it."""
    printed, kind = repr(module), type(module)
    try:
        call = ast.parse(printed, mode="eval").body
        assert isinstance(call, ast.Call)
        inspect.signature(kind).bind(*call.args, **{each.arg or "": each.value for each in call.keywords})
    except (SyntaxError, AssertionError, TypeError):
        rule = f"the module {kind.__name__} prints as '{printed}', which is not the call that makes it"
        raise SpecError("", f"{rule}: print its arguments in extra_repr, or give TorchLayer(write=...)") from None
    return printed


def _body(text: str) -> str:
    """A file's text without its docstring and imports."""
    first = next(
        node
        for node in ast.parse(text).body
        if not isinstance(node, ast.Import | ast.ImportFrom)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    )
    return "\n".join(text.splitlines()[first.lineno - 1 :]) + "\n"
