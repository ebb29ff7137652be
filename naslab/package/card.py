"""The model card of a package: what it is, how good, how an image becomes its input, the front it came from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import yaml

from naslab.arch import cost
from naslab.errors import counted, shown
from naslab.metrics import MACS, PARAMS
from naslab.package.facts import Facts

CARD_FILE = "README.md"
PIPELINE = {"classification": "image-classification", "multilabel": "image-classification"}
CODE = 'import naslab\n\nnetwork = naslab.from_pretrained("FOLDER or USER/NAME")'
MOST_CLASSES = 50
MOST_OF_A_CELL = 200


def model_card(facts: Facts) -> str:
    """The card as Markdown with the header that the Hub reads; texts from outside cannot end a table or a line.

    >>> from naslab.zoo import model
    >>> model_card(Facts(name="mine", arch=model("lenet5"))).splitlines()[:2]
    ['---', 'library_name: naslab']
    """
    told = facts.published()
    head = {
        "library_name": "naslab",
        "license": "other",
        "tags": ["naslab", "neural-architecture-search", told.task],
        **({"pipeline_tag": PIPELINE[told.task]} if told.task in PIPELINE else {}),
    }
    parts = [
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---",
        f"# {_cell(told.name)}",
        _about(told),
        *_section("Metrics", ("metric", "value", "standard error", "images"), _metrics(told)),
        *_section("Front", _front_columns(told), _front(told)),
        f"## Use\n\n```python\n{CODE}\n```\n\n{_use(told)}",
        f"## Licence\n\n{_cell(told.licence)}",
    ]
    return "\n\n".join(parts) + "\n"


def _about(facts: Facts) -> str:
    size = cost(facts.arch)
    lines = [f"A convolutional network for {facts.task}, {size.params:,} {PARAMS.name}, {size.macs:,} {MACS.name}."]
    if facts.data is not None:
        lines.append(f"Trained on {_cell(facts.data.name)} (fingerprint {_cell(facts.fingerprint or 'unknown')}).")
    if facts.epochs is not None:
        lines.append(
            f"{counted(facts.epochs, 'epoch')}, seed {facts.seed}, made by naslab {facts.versions.get('naslab', '')}."
        )
    if facts.study is not None:
        lines.append(f"Trial {facts.trial} of the study {_cell(facts.study)}.")
    if facts.class_names:
        names = ", ".join(_cell(name) for name in facts.class_names[:MOST_CLASSES])
        lines.append(f"Outputs, in order: {names}{' ...' if len(facts.class_names) > MOST_CLASSES else ''}.")
    return "\n".join(lines)


def _use(facts: Facts) -> str:
    how = facts.preprocessing
    if how is None:
        return "How an image becomes its input is not known."
    return (
        f"It takes images as they are, uint8 or float from 0 to 255, of shape (batch, {how.channels}, {how.height}, "
        f"{how.width}); `naslab predict FOLDER IMAGES` cuts and resizes image files so."
    )


def _metrics(facts: Facts) -> list[tuple[str, ...]]:
    return [
        (name, f"{each.value:.4g}", _number(each.standard_error), _number(each.num_images))
        for name, each in facts.metrics.items()
    ]


def _front_columns(facts: Facts) -> tuple[str, ...]:
    return ("trial", *(facts.front[0].values if facts.front else ()))


def _front(facts: Facts) -> list[tuple[str, ...]]:
    rows = []
    for entry in facts.front:
        mark = " (this)" if entry.trial == facts.trial else ""
        rows.append((f"{entry.trial}{mark}", *(_number(value) for value in entry.values.values())))
    return rows


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"


def _section(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A title with a table below it; nothing where there are no rows."""
    lines = [_row(row) for row in rows]
    if not lines:
        return []
    return [f"## {title}", "\n".join([_row(columns), _row(["---"] * len(columns)), *lines])]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_cell(each) for each in cells) + " |"


def _cell(text: str) -> str:
    """A text from outside on one line, without what Markdown or HTML would read."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", shown(text, MOST_OF_A_CELL)) if text != "---" else text
