"""What all commands have in common: options that are checked together, and help texts that list names.

The registries that names come from are loaded when such a help is printed and not before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from rich.markup import escape
from typer.core import TyperCommand

from naslab.cli.needs import require_effect


class Command(TyperCommand):
    """A command in whose help `{strategies}` and the like stand for the names of a registry; see `REGISTRIES`.

    Options that can have no effect are refused; see `naslab.cli.needs`.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help with every name in its place, and square brackets as they are."""
        written: list[tuple[Any, str | None]] = [(each, getattr(each, "help", None)) for each in (self, *self.params)]
        try:
            for each, text in written:
                each.help = escape(filled(for_command_line(text))) if text else text
            super().format_help(ctx, formatter)
        finally:
            for each, text in written:
                each.help = text

    def invoke(self, ctx: Any) -> Any:
        """Run the command, unless an option that was given can have no effect: `SpecError`."""
        said = [
            each.name
            for each in self.params
            if each.name in ctx.params and ctx.get_parameter_source(each.name).name == "COMMANDLINE"
        ]
        require_effect(str(self.name), ctx.params, said)
        return super().invoke(ctx)


def for_command_line(text: str) -> str:
    """A docstring as a help: its paragraphs in one line each, which the screen folds, without the errors raised.

    Those are for who calls the function; a command line is refused in words.

    >>> for_command_line("Compare\\nstudies. Raises\\n`SpecError` for no name.\\n\\nExample: naslab compare a b")
    'Compare studies.\\n\\nExample: naslab compare a b'
    """
    paragraphs = (re.sub(r"\s*\n(?! )", " ", each) for each in text.split("\n\n"))
    return "\n\n".join(kept for each in paragraphs if (kept := re.sub(r"\s*\bRaises `.*", "", each).strip()))


def filled(text: str) -> str:
    """A text with the names of registries in place of `{strategies}` and the like.

    >>> filled("One of {roundings}.")
    'One of efficientnet, efficientnet_v2, pycls, plain.'
    """
    return re.sub(r"\{(\w+)\}", lambda match: ", ".join(REGISTRIES[match[1]]()), text)


def completing(registry: str) -> Callable[[str], list[str]]:
    """What completes an option in the shell: the names of a `registry` of `REGISTRIES`, loaded on the tab key.

    Names with a part to fill in, as `image_folder:PATH`, are left out. Of a list with commas the last is completed.

    >>> complete = completing("roundings")
    >>> complete("eff"), complete("plain,py"), complete("mine")
    (['efficientnet', 'efficientnet_v2'], ['plain,pycls'], [])
    """

    def complete(incomplete: str) -> list[str]:
        before, comma, begun = incomplete.rpartition(",")
        names = (name for name in REGISTRIES[registry]() if re.fullmatch(r"[\w.-]+", name))
        return [f"{before}{comma}{name}" for name in names if name.startswith(begun)]

    return complete


def _strategies() -> Iterable[str]:
    from naslab.strategies.registry import strategy_names

    return strategy_names()


def _spaces() -> Iterable[str]:
    from naslab.space import space_names

    return space_names()


def _models() -> Iterable[str]:
    from naslab.zoo import model_names

    return model_names()


def _with_pauses() -> Iterable[str]:
    from naslab.strategies.registry import WITH_PAUSES

    return WITH_PAUSES


def _with_preferences() -> Iterable[str]:
    from naslab.strategies.registry import WITH_PREFERENCES

    return WITH_PREFERENCES


def _estimators() -> Iterable[str]:
    from naslab.estimators.named import estimator_names

    return estimator_names()


def _recipes() -> Iterable[str]:
    from naslab.study.recipe import RECIPES

    return RECIPES


def _datasets() -> Iterable[str]:
    from naslab.training.datasets.info import dataset_names

    return dataset_names()


def _loggers() -> Iterable[str]:
    from naslab.loggers.registry import logger_words

    return logger_words()


def _metrics() -> Iterable[str]:
    from naslab.metrics import DEPLOYED_METRICS, MICROCONTROLLER_METRICS, TASK_METRICS, metrics

    own = (row.name for row in (*metrics(), *TASK_METRICS, *MICROCONTROLLER_METRICS[:2]))
    return (*own, *(f"{name}@TARGET" for name in DEPLOYED_METRICS))


def _operators() -> Iterable[str]:
    from naslab.metrics import FOREIGN_LAYERS

    return FOREIGN_LAYERS


def _limitable() -> Iterable[str]:
    from naslab.metrics import DEPLOYED_METRICS, MICROCONTROLLER_METRICS, metrics

    own = (row.name for row in (*metrics(), *MICROCONTROLLER_METRICS[:2]) if row.is_limitable)
    return (*own, *(f"{row.name}@TARGET" for row in DEPLOYED_METRICS.values() if row.is_limitable))


def _rules() -> Iterable[str]:
    from naslab.scaling.compound import RULES

    return RULES


def _rule_tables() -> Iterable[str]:
    from naslab.scaling.tables import TABLES

    return TABLES


def _roundings() -> Iterable[str]:
    from naslab.scaling.rounding import ROUNDINGS

    return ROUNDINGS


def _targets() -> Iterable[str]:
    from naslab.targets.target import ROWS

    return (row.written for row in ROWS)


REGISTRIES: dict[str, Callable[[], Iterable[str]]] = {
    "strategies": _strategies,
    "spaces": _spaces,
    "models": _models,
    "with_pauses": _with_pauses,
    "with_preferences": _with_preferences,
    "estimators": _estimators,
    "recipes": _recipes,
    "datasets": _datasets,
    "loggers": _loggers,
    "metrics": _metrics,
    "limitable": _limitable,
    "operators": _operators,
    "rules": _rules,
    "rule_tables": _rule_tables,
    "roundings": _roundings,
    "targets": _targets,
}
"""What gives the names that stand for a word in braces."""
