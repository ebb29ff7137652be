"""Starting points of templates: a zoo model or an architecture, some of whose values are replaced by holes."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from naslab.arch.files import decode
from naslab.arch.spec import ArchSpec
from naslab.errors import NaslabError, SpecError, nearest
from naslab.zoo import model

_STEP = re.compile(r"\.?([A-Za-z_]\w*)|\[(\d+|\*)\]")

Step = str | int
"""A field, an index, or `*` for every index."""


def expand_starting_point(template: dict[str, Any]) -> dict[str, Any]:
    """The template as one tree: `zoo` or `base` written out, with `holes` in the place of its values.

    A template with neither comes back as it is. Raises `SpecError` for an unknown field, an unknown model, or a path of
    `holes` that leads nowhere.

    >>> tree = expand_starting_point({"zoo": "resnet20_cifar", "holes": {"stages[0].repeats": {"choice": [2, 3]}}})
    >>> tree["stages"][0]["repeats"], tree["stages"][1]["repeats"]
    ({'choice': [2, 3]}, 3)
    """
    if "zoo" in template:
        known: tuple[str, ...] = ("zoo", "resolution", "num_classes", "in_channels", "holes")
        tree = _zoo_tree(template)
    elif "base" in template:
        known = ("base", "holes")
        tree = copy.deepcopy(template["base"])
        if not isinstance(tree, dict):
            raise SpecError("base", "must be an architecture")
    else:
        return template
    for key in template:
        if key not in known:
            raise SpecError("", f"unknown field '{key}' beside '{known[0]}'{nearest(key, known)}")
    holes = template.get("holes", {})
    if not isinstance(holes, dict):
        raise SpecError("holes", "must map paths such as 'stages[1].repeats' to holes")
    for path, hole in holes.items():
        _replace(tree, path, hole)
    return tree


def starting_network(template: Any) -> tuple[str, ArchSpec] | None:
    """The network that the holes of a template are cut into, without them, and its zoo name, empty where it has none.

    `None` for a template that begins with no network, or with none that stands without its holes.

    >>> name, arch = starting_network({"zoo": "resnet20_cifar", "holes": {"stages[0].repeats": {"choice": [2, 4]}}})
    >>> name, arch.stages[0].repeats
    ('resnet20_cifar', 3)
    """
    if not isinstance(template, dict) or not template.keys() & {"zoo", "base"}:
        return None
    alone = {key: value for key, value in template.items() if key != "holes"}
    try:
        return str(template.get("zoo", "")), decode(expand_starting_point(alone), ArchSpec)
    except SpecError:
        return None


def _zoo_tree(template: dict[str, Any]) -> dict[str, Any]:
    options = {key: template[key] for key in ("num_classes", "resolution", "in_channels") if key in template}
    for key, value in options.items():
        if type(value) is not int:
            raise SpecError(key, f"must be an integer, got {msgspec.json.encode(value).decode()}")
    if not isinstance(template["zoo"], str):
        raise SpecError("zoo", "must be the name of a model of the zoo")
    try:
        arch = model(template["zoo"], **options)
    except SpecError:
        raise
    except NaslabError as error:
        raise SpecError("zoo", str(error)) from None
    tree: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(arch))
    return tree


def _replace(tree: dict[str, Any], path: str, hole: Any) -> None:
    """Put a hole where a path leads, everywhere it leads."""
    steps = _steps(path)
    for place in list(_places(tree, steps, path)):
        parent: Any = tree
        for step in place[:-1]:
            if isinstance(step, str) and parent.get(step) is None:
                parent[step] = {}  # a part that the model leaves at its defaults
            parent = parent[step]
        parent[place[-1]] = copy.deepcopy(hole)
        if place[-1] == "expansion" and parent.get("hidden") is not None:
            del parent["hidden"]  # an inner width of the model's own, which an expansion stands in place of


def _steps(path: str) -> list[Step]:
    where = f"holes['{path}']"
    steps: list[Step] = []
    end = 0
    for match in _STEP.finditer(path):
        if match.start() != end:
            break
        end = match.end()
        steps.append(match[1] or ("*" if match[2] == "*" else int(match[2])))
    if end != len(path) or not steps:
        raise SpecError(where, "must be a path such as 'stages[1].repeats' or 'stages[*].block.kernel'")
    return steps


def _places(tree: Any, steps: list[Step], path: str) -> Iterator[list[Step]]:
    """Every place that the steps lead to, `*` written out."""
    if not steps:
        yield []
        return
    step, rest = steps[0], steps[1:]
    where = f"holes['{path}']"
    if isinstance(step, str) and step != "*":
        if not isinstance(tree, dict | None):
            raise SpecError(where, f"has no field '{step}' where it leads to {msgspec.json.encode(tree).decode()[:40]}")
        inner = (tree or {}).get(step)
        yield from ([step, *place] for place in _places(inner, rest, path))
        return
    if not isinstance(tree, list):
        raise SpecError(where, "an index needs a list such as 'stages'")
    if step != "*" and int(step) >= len(tree):
        raise SpecError(where, f"index {step} is beyond the {len(tree)} there are, 0 to {len(tree) - 1}")
    for index in range(len(tree)) if step == "*" else [int(step)]:
        yield from ([index, *place] for place in _places(tree[index], rest, path))
