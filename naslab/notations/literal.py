"""Texts that hold Python's lists, tuples, numbers and calls by name, as plain values; nothing is run."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from typing import Any

from naslab.errors import SpecError, shown

MAX_DEPTH = 16
"""Brackets within each other."""
MAX_RANGE = 100
"""Numbers of a `range`."""


def literal(text: str, notation: str, names: Mapping[str, str] | None = None) -> Any:
    """The value of a `text` in the form of Python literals: dicts, lists, tuples, texts and numbers.

    `NAME(key=value, ...)` is a dict, `range(2, 6)` a list, a bare name the text that `names` has for it. Raises
    `SpecError` that names the `notation` where the text is none.

    >>> literal("Genotype(normal=[('skip_connect', 0)], concat=range(2, 4))", "darts")
    {'normal': [['skip_connect', 0]], 'concat': [2, 3]}
    """
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise SpecError(notation, f"brackets may stand {MAX_DEPTH} deep within each other, these stand {deepest} deep")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise SpecError(notation, f"must be written as a Python literal, got '{shown(text[:60])}'") from None
    return _value(tree.body, notation, names or {})


def _value(node: ast.expr, notation: str, names: Mapping[str, str]) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | None):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(each, notation, names) for each in node.elts]
    if isinstance(node, ast.Dict) and all(isinstance(key, ast.Constant) for key in node.keys):
        keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
        return {str(key): _value(each, notation, names) for key, each in zip(keys, node.values, strict=True)}
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    if isinstance(node, ast.Call):
        return _call(node, notation, names)
    raise SpecError(notation, f"holds '{shown(ast.unparse(node)[:60])}', which is no list, text or number")


def _call(node: ast.Call, notation: str, names: Mapping[str, str]) -> Any:
    given = [_value(each, notation, names) for each in node.args]
    if isinstance(node.func, ast.Name) and node.func.id == "range" and not node.keywords:
        if 1 <= len(given) <= 2 and all(type(each) is int for each in given):
            numbers = range(*given)
            if len(numbers) <= MAX_RANGE:
                return list(numbers)
        raise SpecError(notation, f"a range takes one or two numbers at most {MAX_RANGE} apart, got {shown(given)}")
    if given or any(each.arg is None for each in node.keywords):
        raise SpecError(notation, f"a call takes values by name, got '{shown(ast.unparse(node)[:60])}'")
    return {str(each.arg): _value(each.value, notation, names) for each in node.keywords}
