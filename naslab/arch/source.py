"""From a built network to Python source that needs torch alone: the plain model to take home."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from naslab.arch import graphs, modules
from naslab.errors import SpecError

INDENT = "    "


def network_source(module: nn.Module, title: str) -> str:
    """A Python file that defines `network()`, which makes the same module with fresh weights.

    The file imports torch and nothing else; `title` opens its docstring. The parameters have the names of `module`, so
    its weights load into the new one.

    >>> from naslab.arch.build import module_of
    >>> from naslab.arch.plan import Linear, seq
    >>> print(network_source(module_of(seq(classifier=Linear(8, 2))), "A classifier.").split("def ")[1].rstrip())
    network() -> nn.Module:
        \"\"\"The network with fresh weights.\"\"\"
        return nn.Sequential(OrderedDict([
            ("classifier", nn.Linear(in_features=8, out_features=2, bias=True)),
        ]))
    """
    kinds = {type(each) for each in module.modules()}
    definitions = [inspect.getsource(kind) for kind in OWN if kind in kinds]
    if kinds & {graphs.Dag, graphs.History, graphs.Supervised}:
        definitions.append(_body(inspect.getsource(graphs)))
    made = f"return {_expression(module, INDENT)}"
    if graphs.Dag in kinds:
        made = f"{made.replace('return ', 'made = ', 1)}\n{INDENT}share_paths(made)\n{INDENT}return made"
    maker = f'def network() -> nn.Module:\n{INDENT}"""The network with fresh weights."""\n{INDENT}{made}\n'
    docstring = '"""' + title.replace("\\", "").replace('"""', "'''") + '"""\n'
    return "\n\n".join([docstring + _IMPORTS, *(text.rstrip() + "\n" for text in definitions), maker])


_IMPORTS = """
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
"""

OWN: tuple[type[nn.Module], ...] = (
    modules.Residual,
    modules.Gate,
    modules.Concat,
    modules.ChannelNorm,
    modules.ChannelLinear,
    modules.ChannelScale,
    modules.ChannelPad,
    modules.DropPath,
    modules.ChannelSlice,
    modules.Subsample,
    modules.FractionalMaxPool,
    modules.ScaledActivation,
    modules.StandardizedConv2d,
)
"""The modules that torch lacks, in the order of their definition."""


def _expression(module: nn.Module, indent: str) -> str:
    """The call that makes a module, its lines after the first under `indent`."""
    write = _WRITERS.get(type(module))
    if write is not None:
        return write(module, indent)
    if next(module.children(), None) is not None:
        raise SpecError("", f"the source writer does not know the module {type(module).__name__}")
    # A leaf prints as the call that makes it.
    return repr(module) if type(module) in OWN else f"nn.{module!r}"


def _named_parts(parts: dict[str, nn.Module], indent: str) -> str:
    inner = indent + INDENT
    lines = [f'{inner}("{name}", {_expression(part, inner)}),\n' for name, part in parts.items()]
    return f"OrderedDict([\n{''.join(lines)}{indent}])"


def _call(name: str, arguments: list[str], indent: str) -> str:
    inner = indent + INDENT
    return f"{name}(\n{''.join(f'{inner}{argument},{chr(10)}' for argument in arguments)}{indent})"


def _container(name: str) -> Callable[[Any, str], str]:
    return lambda module, indent: f"{name}({_named_parts(dict(module.named_children()), indent)})"


def _residual(module: modules.Residual, indent: str) -> str:
    inner = indent + INDENT
    parts = [_expression(module.body, inner), _expression(module.shortcut, inner)]
    return _call("Residual", [*parts, f"drop_rate={module.drop_rate!r}", f"scale={module.scale!r}"], indent)


def _gate(module: modules.Gate, indent: str) -> str:
    return f"Gate({_expression(module.body, indent)})"


def _scaled_activation(module: modules.ScaledActivation, indent: str) -> str:
    return f"ScaledActivation({_expression(module.activation, indent)}, {module.gain!r})"


def _average(module: nn.AvgPool2d, indent: str) -> str:
    """Its own print leaves out whether padding counts."""
    settings = (module.kernel_size, module.stride, module.padding, module.ceil_mode, module.count_include_pad)
    return f"nn.AvgPool2d({', '.join(map(repr, settings))})"


def _dag(module: graphs.Dag, indent: str) -> str:
    parts = _named_parts(dict(module.named_children()), indent + INDENT)
    settings = [repr(list(module.reads)), repr(module.outputs), repr(module.num_inputs), repr(module.drop_rate)]
    return _call("Dag", [parts, *settings], indent)


def _supervised(module: graphs.Supervised, indent: str) -> str:
    parts = {name: part for name, part in module.named_children() if part is not module.auxiliary}
    heads = dict(module.auxiliary.named_children())
    inner = indent + INDENT
    given = [_named_parts(parts, inner), _named_parts(heads, inner), repr(tuple(module.loss_weights))]
    return _call("Supervised", given, indent)


_WRITERS: dict[type[nn.Module], Callable[[Any, str], str]] = {
    nn.AvgPool2d: _average,
    nn.Sequential: _container("nn.Sequential"),
    modules.Concat: _container("Concat"),
    graphs.History: _container("History"),
    graphs.Dag: _dag,
    graphs.Supervised: _supervised,
    modules.Residual: _residual,
    modules.Gate: _gate,
    modules.ScaledActivation: _scaled_activation,
}


def _body(text: str) -> str:
    """A file's text without its docstring and imports."""
    first = next(
        node
        for node in ast.parse(text).body
        if not isinstance(node, ast.Import | ast.ImportFrom)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    )
    return "\n".join(text.splitlines()[first.lineno - 1 :]) + "\n"
