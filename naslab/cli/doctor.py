"""`naslab doctor`: versions, devices, and whether the ledger answers."""

from __future__ import annotations

import typer

from naslab.cli.help_text import Command
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, print_table, tell


def doctor(ledger: LedgerOption = DEFAULT_LEDGER, json: JsonOption = False) -> None:
    """What this installation has: versions, processors, GPUs, the data folder, the ledger, and targets of measurements.

    Example: naslab doctor --json
    """
    from naslab.provenance import device_description, installed_versions, ledger_description, machine_description
    from naslab.targets.target import target_states

    facts = {
        "versions": installed_versions(),
        "machine": machine_description(),
        "devices": device_description(),
        "ledger": ledger_description(ledger),
        "targets": target_states(),
    }
    if json:
        print_json(facts)
        return
    for name, values in facts.items():
        print_table((name, ""), list(values.items()))
        tell()


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(doctor)
