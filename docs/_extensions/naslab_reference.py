"""The pages that are written from the code at every build: commands, blocks, zoo, spaces, and what has a name.

They lie in `docs/reference/generated`, which git ignores.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml
from block_drawing import drawing
from sphinx.application import Sphinx

GENERATED = Path(__file__).parent.parent / "reference" / "generated"
ROOT = Path(__file__).parent.parent.parent


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}


def write_pages(_: Sphinx) -> None:
    """Write every generated page; one that is as it was is left alone, so that Sphinx need not read it again."""
    GENERATED.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        text, path = page(), GENERATED / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(_cell(each) for each in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    return re.sub(r"\s+", " ", str(value)).replace("|", "\\|").replace("<", "&lt;")


def paragraphs(docstring: str | None) -> str:
    """A docstring as Markdown: examples become blocks of Python."""
    parts = []
    for part in inspect.cleandoc(docstring or "").split("\n\n"):
        parts.append(f"```pycon\n{part}\n```" if part.lstrip().startswith(">>>") else part)
    return "\n\n".join(parts)


def commands_page() -> str:
    """Every command with its arguments and options, as `--help` shows them."""
    from typer.main import get_command

    from naslab.cli.help_text import filled, for_command_line
    from naslab.cli.main import app

    text = ["# Commands", "", "What `naslab COMMAND --help` says, from the same source."]
    commands: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    for name, command in sorted(commands.items()):
        text += ["", f"## naslab {name}", "", _help(filled(for_command_line(command.help or ""))), ""]
        panels: dict[str, list[tuple[str, str, str]]] = {}
        for each in command.params:
            help_text = filled(getattr(each, "help", "") or "")
            if each.param_type_name == "argument":
                panels.setdefault("Arguments", []).append((f"`{each.name}`", help_text, ""))
            elif not getattr(each, "hidden", False):
                panel = getattr(each, "rich_help_panel", None) or "Options"
                written = ", ".join(f"`{opt}`" for opt in (*each.opts, *each.secondary_opts))
                panels.setdefault(panel, []).append((written, help_text, _default(each)))
        for panel, rows in panels.items():
            text += [f"**{panel}**", "", table(("", "", "default"), rows)]
    return "\n".join(text) + "\n"


def _help(text: str) -> str:
    """The help of a command as Markdown: its examples become blocks of shell."""
    text = inspect.cleandoc(text.split("\f")[0])
    return re.sub(
        r"^Example: (.*(?:\n.+)*)",
        lambda match: f"```bash\n{' '.join(match[1].split())}\n```",
        text,
        flags=re.MULTILINE,
    )


def _default(option: Any) -> str:
    shown, default = getattr(option, "show_default", None), option.default
    if isinstance(shown, str):
        return shown
    if default is None or default == () or callable(default) or default is False or not shown:
        return ""
    return f"`{default}`"


def blocks_page() -> str:
    """Every block: what it is, its fields, and a drawing of one."""
    from naslab.arch.blocks import AnyBlock

    text = [
        "# Blocks",
        "",
        "The blocks that a stage may consist of, by their `type`. A field without a default must be given. Each",
        "drawing is a block of that type with its defaults where it has them, on a map of 32 channels and 16 x 16, of",
        "the same width where it may be: layers as they are built, with the shapes behind them.",
    ]
    kinds = [kind for kind in typing.get_args(AnyBlock) if kind.__struct_config__.tag != "outside"]
    rows = [
        (f"[`{kind.__struct_config__.tag}`](#{_anchor(kind)})", inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0])
        for kind in kinds
    ]
    text += ["", table(("type", ""), rows)]
    for kind in sorted(kinds, key=lambda each: each.__struct_config__.tag):
        text += ["", f"({_anchor(kind)})=", f"## {kind.__struct_config__.tag}", "", paragraphs(kind.__doc__), ""]
        fields = msgspec.structs.fields(kind)
        if fields:
            text += [table(("field", "type", "default"), [_field(kind, each) for each in fields])]
        drawn = drawing(kind)
        if drawn:
            text += ["", f'<div class="block-drawing">\n{drawn}\n</div>', ""]
    return "\n".join(text) + "\n"


def _anchor(kind: type) -> str:
    return f"block-{kind.__struct_config__.tag}"  # type: ignore[attr-defined]


def _field(kind: type, field: msgspec.structs.FieldInfo) -> tuple[str, str, str]:
    written = inspect.get_annotations(kind).get(field.name)
    for base in kind.__mro__:
        written = written or inspect.get_annotations(base).get(field.name)
    return f"`{field.name}`", f"`{written}`", "" if field.required else f"`{_plain(field)}`"


def _plain(field: msgspec.structs.FieldInfo) -> str:
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()  # type: ignore[operator]
    value = msgspec.to_builtins(default, str_keys=True)
    return yaml.safe_dump(value, default_flow_style=True, width=200).replace("\n...", "").strip()


def zoo_page() -> str:
    """Every network of the zoo, by family."""
    from naslab.arch import cost
    from naslab.zoo import model
    from naslab.zoo.registry import zoo_entries

    families: dict[str, list[Any]] = {}
    for entry in zoo_entries().values():
        families.setdefault(entry.family, []).append(entry)
    text = ["# Zoo", "", "Every name is a MODEL for the commands, and `naslab.model(NAME)` in Python."]
    for family, entries in families.items():
        papers = dict.fromkeys(f"*{each.paper.title}* ({each.paper.year})" for each in entries)
        text += ["", f"## {family}", "", "; ".join(papers), ""]
        rows = []
        for each in entries:
            arch = model(each.name)
            counted = cost(arch)
            side = " x ".join(map(str, arch.input[1:]))
            rows.append((f"`{each.name}`", side, f"{counted.params:,}", f"{counted.macs:,}"))
        text += [table(("name", "input", "params", "macs"), rows)]
    return "\n".join(text) + "\n"


def spaces_page() -> str:
    """Every shipped space, with its file."""
    from naslab.space import load_space, space_names
    from naslab.space.files import describe_space

    text = ["# Shipped spaces", "", "The files of `search_spaces/`; copy one to begin your own."]
    for name in space_names():
        size = load_space(name).size()
        count = f"{size:,}" if size < 10**7 else f"{size:.3g}"
        path = f"../../../search_spaces/{name}.yaml"
        text += ["", f"## {name}", "", f"{count} networks are described. {describe_space(name)}", ""]
        text += [f"```{{literalinclude}} {path}\n:language: yaml\n```"]
    return "\n".join(text) + "\n"


def names_page() -> str:
    """Strategies, estimators, recipes, metrics, targets and the other names that options take."""
    from naslab.cli.help_text import REGISTRIES
    from naslab.estimators.rows import ROWS
    from naslab.metrics import MICROCONTROLLER_METRICS, TASK_METRICS, metrics
    from naslab.strategies.registry import strategy_summaries
    from naslab.study.recipe import RECIPES, named_recipe
    from naslab.targets.target import target_states

    text = ["# Names", "", "What options take by name. Your own stand beside them, as `my_code:name`."]
    summaries = ((f"`{name}`", summary) for name, summary in strategy_summaries().items())
    text += ["", "## Strategies", "", table(("name", "what it is"), summaries), ""]
    text += ["`auto` chooses one for the problem and says why.", "", "## Estimators", ""]
    rows = [(f"`{row.name}`", row.kind, row.summary, _options(row.options)) for row in ROWS]
    text += [table(("name", "kind", "what it is", "options"), rows), "", "## Metrics", ""]
    known = (*metrics(), *TASK_METRICS, *MICROCONTROLLER_METRICS)
    listed = [(f"`{row.name}`", row.summary, row.unit, "max" if row.maximise else "min", row.stage) for row in known]
    text += [table(("name", "what it is", "unit", "better", "known"), listed), "", "## Targets", ""]
    text += [", ".join(f"`{name}`" for name in target_states()), "", "## Recipes", ""]
    text += ["As they are fitted to CIFAR-10. A file of these fields is a recipe too (`--recipe mine.yaml`).", ""]
    for name in RECIPES:
        lines = yaml.safe_dump(msgspec.to_builtins(named_recipe(name, "cifar10")), sort_keys=False)
        text += [f"### {name}", "", f"```yaml\n{lines}```", ""]
    for kind in ("datasets", "rules", "rule_tables", "roundings", "operators"):
        named = ", ".join(f"`{name}`" for name in REGISTRIES[kind]())
        text += [f"## {kind.replace('_', ' ').capitalize()}", "", named, ""]
    return "\n".join(text) + "\n"


def events_page() -> str:
    """What a run tells its observer."""
    from naslab.execution import events

    text = ["# Events", "", "What `on_event` of `naslab.search` is called with: values of `naslab.execution.events`."]
    for kind in typing.get_args(events.Event):
        kinds = {each.name: each.type for each in msgspec.structs.fields(kind)}
        fields = [(f"`{name}`", of.__name__ if isinstance(of, type) else of) for name, of in kinds.items()]
        text += ["", f"## {kind.__name__}", "", paragraphs(kind.__doc__), "", table(("field", "type"), fields)]
    return "\n".join(text) + "\n"


def _options(options: Callable[[], Any]) -> str:
    made = options()
    return ", ".join(f"`{name}={getattr(made, name)}`" for name in made.__struct_fields__)


def python_page() -> str:
    """Everything that `import naslab` gives."""
    import naslab

    text = ["# Python", "", "What `import naslab` gives. Errors are `naslab.NaslabError` and what derives from it."]
    for name in sorted(naslab.__all__, key=str.lower):
        value = getattr(naslab, name)
        kind = "autoclass" if inspect.isclass(value) else "autofunction" if callable(value) else ""
        if not kind:
            continue
        members = "   :members:\n   :undoc-members:\n" if kind == "autoclass" else ""
        home = f"{value.__module__}.{value.__qualname__}"
        text += ["", f"## {name}", "", f"```{{eval-rst}}\n.. {kind}:: {home}\n{members}```"]
    return "\n".join(text) + "\n"


def changes_page() -> str:
    """CHANGELOG.md; what it links to of the repository stands in its own words here."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]+\)", r"\1", text)


PAGES: dict[str, Callable[[], str]] = {
    "commands": commands_page,
    "blocks": blocks_page,
    "zoo": zoo_page,
    "spaces": spaces_page,
    "names": names_page,
    "python": python_page,
    "events": events_page,
    "changes": changes_page,
}
