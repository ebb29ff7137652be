"""Mutants of a source file: the file with one small fault in its arithmetic, its conditions or its statements.

A mutant is made from the syntax tree (an operator, a number, a condition, a statement) and written back in the place of
that part, so that all other lines stay as they are. Left alone are what no test should look at: annotations, messages
of errors, assertions, decorators, type aliases, and numbers that a module names in capitals.
"""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Iterator
from itertools import cycle
from typing import NamedTuple


class Mutant(NamedTuple):
    """A fault: where, of which kind, and the part's text before and after; `source` is the whole file with it."""

    line: int
    kind: str
    before: str
    after: str
    source: str


class Fault(NamedTuple):
    """A part of a syntax tree, and the text that takes its place."""

    kind: str
    node: ast.expr | ast.stmt
    after: str


ARITHMETIC: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(),
    ast.Sub: ast.Add(),
    ast.Mult: ast.Div(),
    ast.Div: ast.Mult(),
    ast.FloorDiv: ast.Mult(),
    ast.Mod: ast.FloorDiv(),
    ast.Pow: ast.Mult(),
    ast.BitAnd: ast.BitOr(),
    ast.BitOr: ast.BitAnd(),
}
COMPARISONS: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.LtE(),
    ast.LtE: ast.Lt(),
    ast.Gt: ast.GtE(),
    ast.GtE: ast.Gt(),
    ast.Eq: ast.NotEq(),
    ast.NotEq: ast.Eq(),
    ast.Is: ast.IsNot(),
    ast.IsNot: ast.Is(),
    ast.In: ast.NotIn(),
    ast.NotIn: ast.In(),
}
OTHER_FUNCTION = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "floor": "ceil",
    "ceil": "floor",
    "minimum": "maximum",
    "maximum": "minimum",
    "argmin": "argmax",
    "argmax": "argmin",
}
ORDERED = ("sorted", "sort")
UNREAD = ("require", "cast", "TypeVar")
"""Functions of whose arguments only the first is looked at: the others are words."""


def mutants_of(source: str) -> list[Mutant]:
    """Every mutant of a file, in the order of its lines."""
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    raw = source.encode()
    made = []
    for kind, node, after in _faults(ast.parse(source)):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        begin, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        text = (raw[:begin] + after.encode() + raw[end:]).decode()
        made.append(Mutant(node.lineno, kind, " ".join(raw[begin:end].decode().split()), after, text))
    return sorted(made, key=lambda mutant: mutant.line)


def sampled(mutants: list[Mutant], count: int, seed: str) -> list[Mutant]:
    """A sample drawn from a seed: the kinds of faults in turn, of each kind any; in the order of the lines."""
    source = random.Random(seed)
    kinds: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        kinds.setdefault(mutant.kind, []).append(mutant)
    for pool in kinds.values():
        source.shuffle(pool)
    order = list(kinds)
    source.shuffle(order)
    drawn: list[Mutant] = []
    for kind in cycle(order):
        if len(drawn) == min(count, len(mutants)):
            break
        if kinds[kind]:
            drawn.append(kinds[kind].pop())
    return sorted(drawn, key=lambda mutant: (mutant.line, mutant.after))


def _faults(tree: ast.Module) -> Iterator[Fault]:
    pending: list[ast.AST] = [node for node in tree.body if not _is_declaration(node)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.stmt):
            yield from _statement_faults(node)
        if isinstance(node, ast.expr):
            yield from _expression_faults(node)
        pending += _parts(node)


def _is_declaration(node: ast.stmt) -> bool:
    """Whether a module's statement only names a type, another module or a number."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.AnnAssign):
        return _is_constant(node.target, node.value) or ast.unparse(node.annotation) == "TypeAlias"
    if isinstance(node, ast.Assign):
        return _is_constant(node.targets[0], node.value) or isinstance(node.value, ast.Subscript)
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _is_constant(target: ast.expr, value: ast.expr | None) -> bool:
    named = isinstance(target, ast.Name) and target.id.strip("_").isupper()
    number = value.operand if isinstance(value, ast.UnaryOp) else value
    return named and (value is None or isinstance(number, ast.Constant))


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a node in which faults are looked for."""
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return
    if isinstance(node, ast.FunctionDef):
        yield from (node.args, *node.body)
    elif isinstance(node, ast.ClassDef):
        yield from node.body
    elif isinstance(node, ast.arguments):
        yield from (each for each in (*node.defaults, *node.kw_defaults) if each is not None)
    elif isinstance(node, ast.AnnAssign):
        yield from [node.value] if node.value else []
    elif isinstance(node, ast.Call) and _name_of(node) == "isinstance":
        yield node.args[0]
    elif isinstance(node, ast.Call) and _name_of(node) in UNREAD:
        yield from node.args[:1]
    elif isinstance(node, ast.keyword):
        yield from [] if node.arg == "strict" else [node.value]
    else:
        yield from ast.iter_child_nodes(node)


def _name_of(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _statement_faults(node: ast.stmt) -> Iterator[Fault]:
    match node:
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.Continue():
            yield Fault("statement", node, "pass")
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield Fault("statement", node, "pass")
        case ast.AugAssign(op=op):
            yield Fault("statement", node, "pass")
            if type(op) in ARITHMETIC:
                changed = copy.deepcopy(node)
                changed.op = ARITHMETIC[type(op)]
                yield Fault("arithmetic", node, ast.unparse(changed))
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield Fault("return", node, "return None")
        case ast.If(test=test):
            yield Fault("condition", test, f"(not ({ast.unparse(test)}))")


def _expression_faults(node: ast.expr) -> Iterator[Fault]:
    match node:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC and not _is_text(left, right):
            yield Fault("arithmetic", node, f"({ast.unparse(ast.BinOp(left, ARITHMETIC[type(op)], right))})")
        case ast.Compare(left=left, ops=[op, *rest], comparators=others) if type(op) in COMPARISONS:
            changed = ast.Compare(left, [COMPARISONS[type(op)], *rest], others)
            yield Fault("comparison", node, f"({ast.unparse(changed)})")
        case ast.BoolOp(op=op, values=values):
            other: ast.boolop = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield Fault("boolean", node, f"({ast.unparse(ast.BoolOp(other, values))})")
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand) if not isinstance(operand, ast.Constant):
            yield Fault("sign or not", node, f"({ast.unparse(operand)})")
        case ast.IfExp(test=test):
            yield Fault("condition", test, f"(not ({ast.unparse(test)}))")
        case ast.Constant(value=bool() as truth):
            yield Fault("constant", node, str(not truth))
        case ast.Constant(value=int() | float() as number):
            yield Fault("constant", node, f"({number + 1!r})")
            if number != 0:
                yield Fault("constant", node, "0")
        case ast.Call():
            yield from _call_faults(node)


def _call_faults(node: ast.Call) -> Iterator[Fault]:
    """Another function of the same arguments, or the other order."""
    name = _name_of(node)
    if name in OTHER_FUNCTION:
        changed = copy.deepcopy(node)
        if isinstance(changed.func, ast.Name):
            changed.func.id = OTHER_FUNCTION[name]
        elif isinstance(changed.func, ast.Attribute):
            changed.func.attr = OTHER_FUNCTION[name]
        yield Fault("function", node, ast.unparse(changed))
    elif name in ORDERED and isinstance(node.func, ast.Name):
        yield Fault("function", node, f"{ast.unparse(node)}[::-1]")
    elif name == "argsort":
        yield Fault("function", node, f"({ast.unparse(node)})[::-1]")


def _is_text(*sides: ast.expr) -> bool:
    """Whether an operator joins texts, lists or kinds and not numbers: any fault in it is seen at once."""
    return any(
        isinstance(side, ast.JoinedStr | ast.List | ast.Tuple | ast.Dict)
        or (isinstance(side, ast.Constant) and (side.value is None or isinstance(side.value, str)))
        for side in sides
    )
