"""`naslab rescale`: a family from any network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, print_table, quantity, say

if TYPE_CHECKING:
    from naslab.models import Model
    from naslab.scaling import Compound, Member, Met


def rescale(
    model: Annotated[str, typer.Argument(help="A zoo name, an architecture file, STUDY:TRIAL or STUDY:best.")],
    phi: Annotated[
        list[float] | None, typer.Option(help="Steps of the rule, as --phi 1 2 3; negative ones go below the model.")
    ] = None,
    target_macs: Annotated[float | None, typer.Option(help="Multiply-accumulates to meet after rounding.")] = None,
    target_params: Annotated[float | None, typer.Option(help="Parameters to meet after rounding.")] = None,
    target_activations: Annotated[float | None, typer.Option(help="Activations to meet after rounding.")] = None,
    rule: Annotated[str, typer.Option(help="efficientnet, uniform, fast, depth, width, resolution.")] = "efficientnet",
    alpha: Annotated[float | None, typer.Option(help="Depth multiplier of one step, instead of the rule's.")] = None,
    beta: Annotated[float | None, typer.Option(help="Width multiplier of one step.")] = None,
    gamma: Annotated[float | None, typer.Option(help="Resolution multiplier of one step.")] = None,
    rounding: Annotated[str, typer.Option(help="efficientnet, efficientnet_v2, pycls or plain.")] = "efficientnet",
    out: Annotated[Path, typer.Option(help="Folder for the members' architecture files.")] = Path("family"),
    train: Annotated[bool, typer.Option("--train", help="Train each member with the study's recipe.")] = False,
    dataset: Annotated[str | None, typer.Option(help="Data set for --train of a model that is no study's.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs for --train of a model that is no study's.")] = 4,
    study: Annotated[str | None, typer.Option(help="Study that keeps the members of such a model.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Members trained at once.")] = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    data_dir: Annotated[str | None, typer.Option(help="Folder of the data sets.")] = None,
    json: JsonOption = False,
) -> None:
    """Make a family: depth, width and resolution scaled together, and budgets met after rounding.

    Example: naslab rescale efficientnet_b0 --phi 1 2 3 --target-macs 600e6 --out family
    """
    from naslab.models import find_model

    targets = {"macs": target_macs, "params": target_params, "activations": target_activations}
    wanted = {metric: value for metric, value in targets.items() if value is not None}
    if not phi and not wanted:
        raise typer.BadParameter("say how far to scale: --phi 1 2 3, --target-macs 600e6 or --target-params 10e6")
    found = find_model(model, ledger)
    entries = make_members(found, phi or [], wanted, chosen_rule(rule, alpha, beta, gamma), rounding)
    files = write_members(entries, out)
    accuracies: dict[str, float] = {}
    if train:
        accuracies = train_members(found, entries, dataset, epochs, study, workers, ledger, data_dir, quiet=json)
    rows = [
        member_row(entry, file, accuracies.get(identity(entry.member)))
        for entry, file in zip(entries, files, strict=True)
    ]
    if json:
        print_json({"model": model, "members": rows})
        return
    show_members(found, rows)


class Entry(NamedTuple):
    """A member, and how its budget was met where it has one."""

    member: Member
    met: Met | None


def chosen_rule(name: str, alpha: float | None, beta: float | None, gamma: float | None) -> Compound:
    """The rule of that name, with the coefficients that were given instead of its own."""
    import msgspec

    from naslab.errors import UnknownNameError
    from naslab.scaling import RULES

    if name not in RULES:
        raise UnknownNameError("rule", name, RULES)
    given = {"alpha": alpha, "beta": beta, "gamma": gamma}
    return msgspec.structs.replace(RULES[name], **{key: value for key, value in given.items() if value is not None})


def make_members(
    found: Model, phis: Sequence[float], targets: dict[str, float], rule: Compound, rounding_name: str
) -> list[Entry]:
    """The members at each phi, then those that meet each budget."""
    from naslab.errors import UnknownNameError
    from naslab.scaling import EFFICIENTNET, EFFICIENTNET_V2, PLAIN, PYCLS, meet_budget
    from naslab.scaling import rescale as scaled

    roundings = {"efficientnet": EFFICIENTNET, "efficientnet_v2": EFFICIENTNET_V2, "pycls": PYCLS, "plain": PLAIN}
    if rounding_name not in roundings:
        raise UnknownNameError("rounding", rounding_name, roundings)
    rounding = roundings[rounding_name]
    entries = [Entry(scaled(found.arch, phi, rule, rounding), None) for phi in phis]
    for metric, target in targets.items():
        met = meet_budget(found.arch, metric, target, rule, rounding=rounding)  # type: ignore[arg-type]
        entries.append(Entry(met.member, met))
    return entries


def write_members(entries: Sequence[Entry], out: Path) -> list[Path]:
    """Each member as an architecture file of the folder."""
    from naslab.arch import save_arch

    out.mkdir(parents=True, exist_ok=True)
    files = []
    for entry in entries:
        budget = entry.member.budget
        name = f"phi_{entry.member.phi:g}" if budget is None else f"{budget.metric}_{budget.amount:g}"
        path = out / f"{name}.yaml"
        save_arch(entry.member.arch, path)
        files.append(path)
    return files


def train_members(
    found: Model,
    entries: Sequence[Entry],
    dataset: str | None,
    epochs: int,
    study: str | None,
    workers: int | None,
    ledger: str,
    data_dir: str | None,
    quiet: bool,
) -> dict[str, float]:
    """Train the members in the model's study, or in a new one that holds the model alone; accuracies by identity."""
    from naslab.cli.progress import Display
    from naslab.execution.workers import Workers
    from naslab.lab import open_study, study_of_one, train_family

    crew = Workers(count=workers)
    with Display(quiet=quiet) as display:
        if found.study is not None:
            view = open_study(found.study, ledger)
        else:
            view = study_of_one(found, dataset, epochs, study, crew, ledger, data_dir, display.show)
        entrants = [(entry.member.arch, entry.member.origin) for entry in entries]
        view = train_family(view, entrants, ledger, crew, data_dir, display.show)
    return {outcome.candidate.arch_id: outcome.value("accuracy") for outcome in view.family if outcome.is_complete}


def identity(member: Member) -> str:
    """The identity of a member's network."""
    from naslab.arch import arch_id

    return arch_id(member.arch)


def member_row(entry: Entry, file: Path, accuracy: float | None) -> dict[str, Any]:
    """A member as plain values: what was asked, what rounding made of it."""
    member, met = entry
    row: dict[str, Any] = {
        "phi": member.phi,
        "depth": member.factors.depth,
        "width": member.factors.width,
        "resolution": member.factors.resolution,
        "input": list(member.arch.input),
        "params": member.cost.params,
        "macs": member.cost.macs,
        "activations": member.cost.activations,
        "file": str(file),
    }
    if met is not None:
        row |= {
            "target_metric": met.budget.metric,
            "target": met.budget.amount,
            "achieved": met.achieved,
            "deviation": met.deviation,
            "within_tolerance": met.is_within,
            "moves": list(member.moves),
            "below": None if met.below is None else getattr(met.below.cost, met.budget.metric),
            "above": None if met.above is None else getattr(met.above.cost, met.budget.metric),
        }
    if accuracy is not None:
        row["accuracy"] = accuracy
    return row


def show_members(found: Model, rows: Sequence[dict[str, Any]]) -> None:
    """The family as a table, what was asked beside what was achieved."""
    from naslab.arch import cost

    base = cost(found.arch)
    table = []
    for row in rows:
        asked = "-"
        if "target" in row:
            asked = f"{row['target_metric']} {quantity(row['target'])}, missed by {row['deviation']:+.2%}"
        factors = f"{row['depth']:.3g} / {row['width']:.3g} / {row['resolution']:.3g}"
        accuracy = f"{row['accuracy']:.2f}" if "accuracy" in row else "-"
        size = " x ".join(map(str, row["input"][1:]))
        table.append(
            (
                f"{row['phi']:.3g}",
                factors,
                size,
                row["params"],
                row["macs"],
                f"{row['macs'] / base.macs:.2f}",
                asked,
                accuracy,
            )
        )
    print_table(
        ("phi", "depth / width / resolution", "input", "params", "macs", "x macs", "asked", "accuracy %"),
        table,
        title=f"family of {found.name} ({quantity(base.params)} params, {quantity(base.macs)} macs)",
    )
    say("wrote " + ", ".join(row["file"] for row in rows))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(rescale)
