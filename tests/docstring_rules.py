"""What a docstring of the public surface must say, found in the source alone: parameters, shapes, errors."""

from __future__ import annotations

import ast
import doctest
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import naslab

PACKAGE = Path(naslab.__file__).parent

PLAIN = {
    "seed": "the integer that every random draw follows from",
    "rng": "the numpy generator that random draws are taken from",
    "path": "the file that is read or written",
    "device": "a torch device name, or `auto`",
    "data_dir": "the folder that data sets are kept in",
}
"""Parameters that mean one thing in the whole package: said here once, and plain from their name and type."""

PLAIN_IN = {
    "zoo": {
        "num_classes": "how many classes the network tells apart",
        "resolution": "the side of its square images in pixels, or (height, width)",
        "in_channels": "the channels of its images",
    },
}
"""The same within one room."""

MANY = 4
"""Functions with as many parameters name each of them."""

ARRAYS = {"NDArray", "ArrayLike", "ndarray", "Tensor"}
HOLDERS = {"Mapping", "MutableMapping", "dict", "Callable", "Literal", "type"}
"""Of what these hold nobody can state one shape."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Said:
    """A public function, method or constructor: where it is, its definition, and all that its docstring says.

    A method says what the method that it implements says: that of a base class, or of a protocol whose methods its
    class has. A constructor says what its class and that class's bases say.
    """

    module: str
    name: str
    node: Function
    text: str
    is_protocol: bool

    @property
    def place(self) -> str:
        return f"{self.module}:{self.node.lineno} {self.name}"

    @property
    def room(self) -> str:
        return self.module.split(".")[1] if "." in self.module else self.module


@cache
def public_functions() -> list[Said]:
    """Everything that a user may call, in the order of the files."""
    return [said for path in sorted(PACKAGE.rglob("*.py")) for said in _of_file(path)]


def of_source(module: str, source: str) -> list[Said]:
    """Everything that a user may call in the source of one module."""
    return list(_of_tree(module, ast.parse(source)))


def _of_file(path: Path) -> Iterator[Said]:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return _of_tree(".".join(parts[:-1] if parts[-1] == "__init__" else parts), _parsed(path))


def _of_tree(module: str, tree: ast.Module) -> Iterator[Said]:
    for node in tree.body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield Said(module, node.name, node, ast.get_docstring(node) or "", False)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _of_class(module, node)


def _of_class(module: str, owner: ast.ClassDef) -> Iterator[Said]:
    above = [_classes()[name] for name in _bases(owner) if name in _classes()]
    about = "\n".join(ast.get_docstring(each) or "" for each in (owner, *above))
    is_protocol = _is_protocol(owner)
    for node in owner.body:
        if not isinstance(node, Function) or _is_overload_or_setter(node):
            continue
        inherited = [_methods(each).get(node.name) for each in (*above, *_implemented(owner))]
        own = "\n".join(ast.get_docstring(each) or "" for each in (node, *inherited) if each is not None)
        if node.name in _TOLD_BY_CLASS:
            yield Said(module, f"{owner.name}.{node.name}", node, f"{about}\n{own}", is_protocol)
        elif not node.name.startswith("_"):
            yield Said(module, f"{owner.name}.{node.name}", node, own, is_protocol)


_TOLD_BY_CLASS = {"__init__", "__post_init__", "__call__", "forward"}
"""Methods that a class's own docstring may speak for."""


@cache
def _classes() -> dict[str, ast.ClassDef]:
    """Every class of the package by its name."""
    trees = [_parsed(path) for path in sorted(PACKAGE.rglob("*.py"))]
    return {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}


@cache
def _bases(owner: ast.ClassDef) -> list[str]:
    """The names of all that a class derives from, those of other packages with their module."""
    found = [ast.unparse(base).split("[")[0] for base in owner.bases]
    return [*found, *(name for each in found if each in _classes() for name in _bases(_classes()[each]))]


def _is_protocol(owner: ast.ClassDef) -> bool:
    return "Protocol" in _bases(owner)


def _methods(owner: ast.ClassDef) -> dict[str, Function]:
    return {node.name: node for node in owner.body if isinstance(node, Function)}


def _implemented(owner: ast.ClassDef) -> list[ast.ClassDef]:
    """The protocols whose methods a class has all, by name."""
    own = {name for each in (owner.name, *_bases(owner)) if each in _classes() for name in _names(_classes()[each])}
    wanted = [each for each in _classes().values() if _is_protocol(each) and each is not owner]
    return [each for each in wanted if set(_methods(each)) <= own]


def _names(owner: ast.ClassDef) -> set[str]:
    """Methods, fields and attributes set in the constructor."""
    fields = {
        each.id
        for node in owner.body
        if isinstance(node, ast.AnnAssign | ast.Assign)
        for target in ([node.target] if isinstance(node, ast.AnnAssign) else node.targets)
        for each in ast.walk(target)
        if isinstance(each, ast.Name)
    }
    made = {
        node.attr
        for node in ast.walk(owner)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }
    return set(_methods(owner)) | fields | made


def _is_overload_or_setter(node: Function) -> bool:
    return any(ast.unparse(each).endswith(("overload", ".setter")) for each in node.decorator_list)


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


# -- parameters


def parameters(node: Function) -> list[ast.arg]:
    """All parameters but `self` and `cls`."""
    spec = node.args
    listed = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, *filter(None, (spec.vararg, spec.kwarg))]
    return [each for each in listed if each.arg not in ("self", "cls")]


def unnamed_parameters(said: Said, at_least: int = MANY) -> list[str]:
    """Parameters that the docstring does not name in backticks, of functions with `at_least` of them."""
    every = parameters(said.node)
    if len(every) < at_least:
        return []
    return [each.arg for each in every if not _is_plain(said, each) and not is_named(each.arg, said.text)]


def is_named(name: str, text: str) -> bool:
    """Whether a docstring has a name in backticks, alone or in an expression."""
    return any(re.search(rf"\b{name}\b", code) for code in re.findall(r"`([^`]+)`", text))


def _is_plain(said: Said, parameter: ast.arg) -> bool:
    """Whether a parameter is said elsewhere: in the lists above, or to whoever asks a command for help."""
    known = {*PLAIN, *PLAIN_IN.get(said.room, {})}
    return parameter.arg in known or parameter.arg.startswith("_") or _has_help(said, parameter)


def _has_help(said: Said, parameter: ast.arg) -> bool:
    if said.room != "cli" or parameter.annotation is None:
        return False
    return any(each in _written_out(said.module, ast.unparse(parameter.annotation)) for each in _WITH_HELP)


_WITH_HELP = ("help=", "search_option(")
"""An option's own help, and an option of the command line that takes its help from the search option of that name."""


def _written_out(module: str, annotation: str) -> str:
    """An annotation, with that of the alias that it may be."""
    aliases = {
        ast.unparse(node.targets[0]): ast.unparse(node.value)
        for path in (PACKAGE / "cli").glob("*.py")
        for node in _parsed(path).body
        if isinstance(node, ast.Assign)
    }
    return annotation + aliases.get(annotation.split("|")[0].strip(), "")


# -- shapes


@cache
def array_names() -> frozenset[str]:
    """Names that stand for an array anywhere in the package: `NDArray`, `Tensor`, and aliases of them."""
    nodes = [node for path in PACKAGE.rglob("*.py") for node in _parsed(path).body]
    aliases = {ast.unparse(node.targets[0]): node.value for node in nodes if isinstance(node, ast.Assign)}
    aliases |= {
        ast.unparse(node.target): node.value for node in nodes if isinstance(node, ast.AnnAssign) and node.value
    }
    known = set(ARRAYS)
    while more := {name for name, value in aliases.items() if name not in known and _is_alias(value, known)}:
        known |= more
    return frozenset(known)


def _is_alias(value: ast.expr, known: set[str]) -> bool:
    return isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.BinOp) and _holds(value, known)


def _holds(annotation: ast.expr, names: set[str] | frozenset[str]) -> bool:
    if isinstance(annotation, ast.Subscript):
        outer = ast.unparse(annotation.value).split(".")[-1]
        return outer in names or (outer not in HOLDERS and _holds(annotation.slice, names))
    if isinstance(annotation, ast.Name):
        return annotation.id in names
    if isinstance(annotation, ast.Attribute):
        return annotation.attr in names
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return _holds(ast.parse(annotation.value, mode="eval").body, names)
        except SyntaxError:  # a text, not an annotation in quotes
            return False
    return any(_holds(each, names) for each in ast.iter_child_nodes(annotation) if isinstance(each, ast.expr))


def handles_arrays(said: Said) -> bool:
    """Whether an array goes in or comes out."""
    annotations = [each.annotation for each in parameters(said.node)] + [said.node.returns]
    return any(_holds(each, array_names()) for each in annotations if each is not None)


def lacks_shape(said: Said) -> bool:
    """Whether arrays go in or come out and no shape is said, in that word."""
    return handles_arrays(said) and not re.search(r"\bshapes?\b|\bscalar\b", said.text)


# -- errors


@cache
def error_names() -> frozenset[str]:
    """`NaslabError` and all that derives from it."""
    return frozenset(name for name, node in _classes().items() if "NaslabError" in (name, *_bases(node)))


def raised(said: Said) -> set[str]:
    """The errors of naslab that the function raises in its own lines."""
    found = set()
    for node in _own_lines(said.node):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            found.add(ast.unparse(node.exc.func))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in _REQUIRING:
            found.add("SpecError")
    return found & error_names()


_REQUIRING = {"require", "require_odd", "require_positive", "require_divides", "require_same_shape"}


def _own_lines(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Function | ast.Lambda | ast.ClassDef):
            yield child
            yield from _own_lines(child)


def unsaid_errors(said: Said) -> list[str]:
    """Errors that the function raises itself and that its docstring does not name."""
    return sorted(name for name in raised(said) if name not in said.text)


# -- examples


@cache
def protocols() -> dict[str, ast.ClassDef]:
    """Every public protocol of the package by its name."""
    return {name: node for name, node in _classes().items() if _is_protocol(node) and not name.startswith("_")}


def is_shown(protocol: ast.ClassDef) -> bool:
    """Whether an example of a protocol's docstring implements all of it, then uses what it made, and none is skipped.

    Of a protocol that is called alone a function with its parameters does.
    """
    examples = doctest.DocTestParser().get_examples(ast.get_docstring(protocol) or "")
    if any(doctest.SKIP in each.options for each in examples):
        return False
    made = {
        node.name: place
        for place, example in enumerate(examples)
        for node in ast.parse(example.source).body
        if isinstance(node, Function | ast.ClassDef) and _implements(node, protocol)
    }
    used = [{node.id for node in ast.walk(ast.parse(each.source)) if isinstance(node, ast.Name)} for each in examples]
    return any(name in names for name, place in made.items() for names in used[place + 1 :])


def _implements(node: Function | ast.ClassDef, protocol: ast.ClassDef) -> bool:
    wanted = _methods(protocol)
    if isinstance(node, ast.ClassDef):
        return _names(protocol) <= _names(node)
    return set(wanted) == {"__call__"} and parameter_names(node) == parameter_names(wanted["__call__"])


def parameter_names(node: Function) -> list[str]:
    """The names of all parameters but `self` and `cls`."""
    return [each.arg for each in parameters(node)]


# -- all of it


def breaches(said: Said) -> list[str]:
    """What a docstring owes, one line each."""
    found = []
    if missing := unnamed_parameters(said, 1 if said.is_protocol or is_registered(said) else MANY):
        found.append(f"does not name {', '.join(missing)}")
    if lacks_shape(said):
        found.append("says no shape")
    if unsaid := unsaid_errors(said):
        found.append(f"does not say that it raises {', '.join(unsaid)}")
    if said.is_protocol and not said.text.strip() and not said.node.name.startswith("__"):
        found.append("says nothing")
    return [f"{said.place} {each}" for each in found]


def is_registered(said: Said) -> bool:
    """Whether a registry holds it: the making of a strategy, a constructor of the zoo."""
    if said.room == "zoo":
        return said.node.returns is not None and ast.unparse(said.node.returns) == "ArchSpec"
    if said.room == "strategies" and said.node.name == "__init__":
        return "Proposer" in {each.name for each in _implemented(_classes()[said.name.split(".")[0]])}
    return False


def undescribed_fields(kind: type) -> list[str]:
    """Fields of a class, its own and inherited ones, that no docstring names and none below them describes."""
    owners = [_classes()[each.__name__] for each in kind.__mro__ if each.__name__ in _classes()]
    text = "\n".join(ast.get_docstring(each) or "" for each in owners)
    return [
        ast.unparse(field.target)
        for owner in owners
        for field, below in pairwise([*owner.body, ast.Pass()])
        if isinstance(field, ast.AnnAssign) and not _is_text(below)
        if not is_named(ast.unparse(field.target), text)
    ]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
