"""`naslab rescale`: a family from any network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
import typer

from naslab.arch import arch_id, save_arch
from naslab.atomic_write import make_folder
from naslab.cli.family_output import show_members
from naslab.cli.fit_scaling import require_figure_name
from naslab.cli.help_text import Command, completing
from naslab.cli.options import ModelArgument, PretrainedOption
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, say
from naslab.cli.scaling_rule import Chosen, chosen_rule
from naslab.metrics import ACCURACY, ACTIVATIONS, LATENCY, MACS, PARAMS

if TYPE_CHECKING:
    from naslab.arch import ArchSpec
    from naslab.lab.models import Model
    from naslab.scaling import LatencyMet, Member, Met


def rescale(
    model: ModelArgument,
    phi: Annotated[
        list[float] | None,
        typer.Option(
            help="Steps of the rule, as --phi 1 2 3; negative ones go below the model.", rich_help_panel="How far"
        ),
    ] = None,
    target_macs: Annotated[
        float | None, typer.Option(help="Multiply-accumulates to meet after rounding.", rich_help_panel="How far")
    ] = None,
    target_params: Annotated[
        float | None, typer.Option(help="Parameters to meet after rounding.", rich_help_panel="How far")
    ] = None,
    target_activations: Annotated[
        float | None, typer.Option(help="Activations to meet after rounding.", rich_help_panel="How far")
    ] = None,
    target_latency_ms: Annotated[
        float | None,
        typer.Option(
            help="Milliseconds of one image's forward pass to meet, measured on --device.", rich_help_panel="How far"
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Where latencies are measured, as cpu or cuda.", rich_help_panel="How far")
    ] = "cpu",
    max_resolution: Annotated[
        int | None, typer.Option(min=1, help="Pixels that no side grows beyond.", rich_help_panel="How far")
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option(
            help="{rules}, by default efficientnet; {rule_tables} are tables whose steps are phi 0, 1, 2, ...",
            rich_help_panel="Rule",
        ),
    ] = None,
    coefficients: Annotated[
        str | None,
        typer.Option(
            help="A coefficients file of `naslab fit-scaling`, or its study, instead of a rule.",
            rich_help_panel="Rule",
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(help="Depth multiplier of one step, instead of the rule's.", rich_help_panel="Rule"),
    ] = None,
    beta: Annotated[float | None, typer.Option(help="Width multiplier of one step.", rich_help_panel="Rule")] = None,
    gamma: Annotated[
        float | None, typer.Option(help="Resolution multiplier of one step.", rich_help_panel="Rule")
    ] = None,
    rounding: Annotated[
        str | None, typer.Option(help="{roundings}; by default efficientnet.", rich_help_panel="Rule")
    ] = None,
    keep_stem: Annotated[
        bool, typer.Option("--keep-stem", help="Leave the stem's width as it is.", rich_help_panel="Rule")
    ] = False,
    keep_head: Annotated[
        bool, typer.Option("--keep-head", help="Leave the head's width as it is.", rich_help_panel="Rule")
    ] = False,
    train: Annotated[
        bool,
        typer.Option("--train", help="Train each member with the study's recipe.", rich_help_panel="Training"),
    ] = False,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Data set for --train of a model that is no study's: {datasets}.",
            rich_help_panel="Training",
            autocompletion=completing("datasets"),
        ),
    ] = None,
    epochs: Annotated[
        int,
        typer.Option(min=1, help="Epochs for --train of a model that is no study's.", rich_help_panel="Training"),
    ] = 4,
    seeds: Annotated[
        int,
        typer.Option(
            min=1,
            help="Seeds that --train trains each member from, and the model with them.",
            rich_help_panel="Training",
        ),
    ] = 1,
    pretrained: PretrainedOption = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Members trained at once.", rich_help_panel="Training")
    ] = None,
    data_dir: Annotated[str | None, typer.Option(help="Folder of the data sets.", rich_help_panel="Training")] = None,
    study: Annotated[
        str | None, typer.Option(help="Study that keeps the members of such a model.", rich_help_panel="Study")
    ] = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    out: Annotated[
        Path, typer.Option(help="Folder for the members' architecture files.", rich_help_panel="Output")
    ] = Path("family"),
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Write costs and accuracy against phi to this self-contained HTML file.", rich_help_panel="Output"
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a family: depth, width and resolution scaled together, and budgets met after rounding.

    Example: naslab rescale efficientnet_b0 --phi 1 2 3 --target-macs 600e6 --out family
    """
    from naslab.lab.families import fitted_model
    from naslab.lab.models import SEEDS, find_model

    targets = {MACS.name: target_macs, PARAMS.name: target_params, ACTIVATIONS.name: target_activations}
    wanted = {metric: value for metric, value in targets.items() if value is not None}
    if not phi and not wanted and target_latency_ms is None:
        raise typer.BadParameter(
            "say how far to scale: --phi 1 2 3, --target-macs 600e6, --target-params 10e6 or --target-latency-ms 5"
        )
    require_figure_name(plot)
    SEEDS.taken("seeds", seeds)
    found = find_model(model, ledger)
    if train:
        found = for_dataset(found, dataset)
    if pretrained is not None:
        found = fitted_model(found, pretrained, ledger)
    how = chosen_rule(found, rule, coefficients, alpha, beta, gamma, max_resolution, rounding, ledger)
    how = how.keeping(stem=keep_stem, head=keep_head)
    entries = make_members(found, phi or [], wanted, how)
    if target_latency_ms is not None:
        entries.append(latency_member(found, target_latency_ms, how, device))
    files = write_members(entries, out)
    accuracies: dict[str, float] = {}
    if train:
        accuracies = train_members(
            *(found, entries, dataset, epochs, study, workers, ledger, data_dir),
            quiet=json,
            pretrained=pretrained,
            seeds=seeds,
        )
    if plot is not None:
        write_plot(found, entries, accuracies, plot)
    rows = [
        member_row(entry, file, accuracies.get(identity(entry.member)))
        for entry, file in zip(entries, files, strict=True)
    ]
    if json:
        print_json({"model": model, "members": rows, "figure": None if plot is None else str(plot)})
        return
    show_members(found, rows)
    if plot is not None:
        say(f"wrote {plot}")


class Entry(NamedTuple):
    """A `member` of the family; `met` says how its budget was met, `timed` how its latency was, where it has one.

    `load` is what else ran while the latency was measured, as `naslab.estimators.latency` tells it.
    """

    member: Member
    met: Met | None = None
    timed: LatencyMet | None = None
    load: Mapping[str, Any] = {}


def for_dataset(found: Model, dataset: str | None) -> Model:
    """The model with the channels and classes of `dataset`, on which its family is to be trained.

    A model of a study has those of the study's data set already and stays as it is, and so does any without `dataset`.
    """
    from naslab.lab.models import Model
    from naslab.training.datasets.info import dataset_facts

    if found.study is not None or dataset is None:
        return found
    facts = dataset_facts(dataset)
    shape = (facts.channels, *found.arch.input[1:])
    return Model(found.name, msgspec.structs.replace(found.arch, input=shape, num_classes=facts.num_classes))


def make_members(found: Model, phis: Sequence[float], targets: dict[str, float], how: Chosen) -> list[Entry]:
    """The members of the model `found` at each of `phis`, then those that meet each budget, by the rule `how`.

    `targets` are amounts to meet after rounding, by the metric of a cost. Raises `typer.BadParameter` where the rule is
    a table and there are budgets.
    """
    from naslab.scaling import meet_budget
    from naslab.scaling import rescale as scaled
    from naslab.scaling.tables import member_of

    if how.table is not None:
        if targets:
            raise typer.BadParameter(f"the rule '{how.name}' is a table and meets no budget: take --phi, or another")
        return [Entry(member_of(found.arch, how.table, phi, how.name, how.rounding)) for phi in phis]
    assert how.compound is not None
    ends = {"scale_stem": how.scale_stem, "scale_head": how.scale_head}
    entries = [Entry(scaled(found.arch, phi, how.compound, how.rounding, **ends)) for phi in phis]
    for metric, target in targets.items():
        met = meet_budget(found.arch, metric, target, how.compound, rounding=how.rounding, **ends)
        entries.append(Entry(met.member, met))
    return entries


def latency_member(found: Model, target_ms: float, how: Chosen, device: str) -> Entry:
    """The member of the model `found` whose forward pass of one image comes nearest to `target_ms` milliseconds.

    Members are made by the rule `how` and timed on `device`, a torch device. Raises `typer.BadParameter` where the rule
    is a table.
    """
    from naslab.estimators.latency import MeasuredLatency, measure_arch
    from naslab.scaling import meet_latency

    if how.compound is None:
        raise typer.BadParameter(f"the rule '{how.name}' is a table and meets no latency: take --phi, or another")
    loads: dict[str, Mapping[str, Any]] = {}

    def measured(arch: ArchSpec) -> MeasuredLatency:
        seen = measure_arch(arch, device)
        loads[arch_id(arch)] = seen.load
        return seen

    timed = meet_latency(
        found.arch,
        target_ms,
        measured,
        how.compound,
        rounding=how.rounding,
        scale_stem=how.scale_stem,
        scale_head=how.scale_head,
    )
    return Entry(timed.nearest.member, None, timed, loads[identity(timed.nearest.member)])


def write_plot(found: Model, entries: Sequence[Entry], accuracies: dict[str, float], path: Path) -> None:
    """Write the figures of the family of the model `found` as a page to `path`.

    The members are those of `entries` and all that were timed on the way to a latency. `accuracies` are in per cent, by
    identity of the network. Raises `WriteError` where the file cannot be written.
    """
    from naslab.analysis.scaling_family import scaled_family
    from naslab.figures.scaling_family import write_family

    timed = [each for entry in entries if entry.timed is not None for each in entry.timed.measured]
    latencies = {identity(each.member): each.median_ms for each in timed}
    measured = {ACCURACY.name: accuracies, LATENCY.name: latencies}
    members = [entry.member for entry in entries] + [each.member for each in timed]
    distinct = {identity(member): member for member in members}
    write_family(scaled_family(found.name, found.arch, list(distinct.values()), measured), path)


def write_members(entries: Sequence[Entry], out: Path) -> list[Path]:
    """Write each member as an architecture file into the folder `out`, which is made; returns the files in order."""
    make_folder(out)
    files = []
    for entry in entries:
        path = out / f"{file_name(entry)}.yaml"
        save_arch(entry.member.arch, path)
        files.append(path)
    return files


def file_name(entry: Entry) -> str:
    """The name of a member's file, without its ending: what was asked of it (`phi_1`, `macs_6e+08`)."""
    if entry.timed is not None:
        return f"{LATENCY.name}_{entry.timed.target_ms:g}"
    budget = entry.member.budget
    return f"phi_{entry.member.phi:g}" if budget is None else f"{budget.metric}_{budget.amount:g}"


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
    pretrained: str | None = None,
    seeds: int = 1,
) -> dict[str, float]:
    """Train the members of `entries`; returns accuracies in per cent by identity, that of the model among them.

    A model `found` in a study is trained in that study of `ledger`, with its data set and recipe. Any other is trained
    in a new study called `study`, by default after the model, on `dataset` for `epochs`, and the model with them; all
    begin with the weights `pretrained` of the model where they are given. Each is trained from as many `seeds`, of
    which the means are returned; of more than one the model is among them, as phi 0. `workers` networks are trained at
    once, `None` for as many as suit the machine. Without `quiet` a terminal shows how far they are.
    """
    from naslab.analysis.family import rescaled_family
    from naslab.cli.progress import Display
    from naslab.execution.workers import Workers
    from naslab.lab.families import study_of_one, train_family
    from naslab.lab.reading import open_study

    pool = Workers(count=workers)
    with Display(quiet=quiet) as display:
        if found.study is not None:
            view = open_study(found.study, ledger)
        else:
            view = study_of_one(found, dataset, epochs, study, pool, ledger, data_dir, display.show, pretrained)
        base = {"base_trial": found.trial or 0}
        listed = [(entry.member.arch, {**entry.member.origin, **base}) for entry in entries]
        if seeds > 1:
            listed.insert(0, (found.arch, {"phi": 0.0, **base}))
        view = train_family(view, listed, ledger, pool, data_dir, display.show, seeds)
    alone = {each.candidate.arch_id: each.value(ACCURACY.name) for each in view.outcomes if each.is_complete}
    return alone | {each.arch_id: each.value(ACCURACY.name) for each in rescaled_family(view).measured}


def identity(member: Member) -> str:
    """The identity of a member's network."""
    return arch_id(member.arch)


def member_row(entry: Entry, file: Path, accuracy: float | None) -> dict[str, Any]:
    """A member as values for JSON: what was asked, what rounding made of it, its `file`, and its accuracy if known."""
    member, met, timed, load = entry
    row: dict[str, Any] = {
        "phi": member.phi,
        "depth": member.factors.depth,
        "width": member.factors.width,
        "resolution": member.factors.resolution,
        "input": list(member.arch.input),
        PARAMS.name: member.cost.params,
        MACS.name: member.cost.macs,
        ACTIVATIONS.name: member.cost.activations,
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
    if timed is not None:
        row |= {
            "target_metric": LATENCY.name,
            "target": timed.target_ms,
            "achieved": timed.nearest.median_ms,
            LATENCY.interquartile_range: timed.nearest.iqr_ms,
            "load": load or None,
            "deviation": timed.deviation,
            "within_tolerance": timed.is_within,
            "moves": list(member.moves),
            "below": None if timed.below is None else timed.below.median_ms,
            "above": None if timed.above is None else timed.above.median_ms,
            "measured": [
                {"phi": each.member.phi, **LATENCY.measured(each.median_ms, each.iqr_ms)} for each in timed.measured
            ],
        }
    if accuracy is not None:
        row[ACCURACY.name] = accuracy
    return row


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(rescale)
