"""The files whose mutants are made, and the tests that are to see them: edit here where a file or a test moves.

`TARGETS` is the list of a run, which takes minutes: counting, identities, spaces, fronts, promotion, laws, weight
transfer, the worker pool and the ledger's connections. `FURTHER` are more files, for `--all`. `BY_HAND` are faults that
the tests once did not see, most of a kind that `mutants.py` does not make: every run begins with them.
"""

from __future__ import annotations

import msgspec


class Target(msgspec.Struct, frozen=True):
    """A file, and the arguments that pytest gets: tests that take seconds and that should know the file by heart."""

    path: str
    tests: tuple[str, ...]


class Planted(msgspec.Struct, frozen=True):
    """A fault made by hand: in the file of `target` the text `before`, which stands there once, becomes `after`.

    The tests of `target` are the few that are to see this fault.
    """

    target: Target
    before: str
    after: str


COUNTING = (
    "tests/unit/arch/test_arch_errors.py",
    "tests/unit/arch/test_arch_cost.py",
    "tests/unit/arch/test_graphs.py",
    "tests/golden/test_zoo.py",
)
IDENTITY = ("tests/unit/arch/test_arch_identity.py", "tests/properties/test_identity.py")
SPACE = ("tests/unit/space/test_search_space.py", "tests/properties/test_space.py")
INHERITANCE = ("tests/unit/training/inheritance", "tests/properties/test_inheritance.py")
LEDGER = (
    "tests/contracts/test_ledger.py",
    "tests/unit/ledger",
    "tests/faults/test_ledger_faults.py",
    "-k",
    "not postgres",
)

TARGETS = (
    Target("naslab/arch/tally.py", COUNTING),
    Target("naslab/arch/identity.py", IDENTITY),
    Target("naslab/arch/plan_rows.py", IDENTITY),
    Target(
        "naslab/arch/canonical.py",
        ("tests/unit/arch/test_arch_canonical.py", "tests/unit/space/test_equal_networks.py"),
    ),
    Target("naslab/space/counting.py", SPACE),
    Target("naslab/space/moves.py", SPACE),
    Target("naslab/pareto.py", ("tests/unit/test_pareto.py",)),
    Target("naslab/execution/promotion.py", ("tests/unit/execution/test_promotion.py",)),
    Target("naslab/scaling/laws.py", ("tests/unit/scaling/test_laws.py", "-k", "not hold_the_truth")),
    Target("naslab/training/inheritance/weighted_layers.py", INHERITANCE),
    Target("naslab/execution/worker_pool.py", ("tests/unit/execution/test_worker_pool.py",)),
    Target("naslab/ledger/engine.py", ("tests/unit/ledger/test_engine.py", "tests/unit/ledger/test_migrations.py")),
)

FURTHER = (
    Target("naslab/arch/layers/convolution.py", COUNTING),
    Target("naslab/arch/layers/combinators.py", COUNTING),
    Target("naslab/arch/kept.py", ("tests/unit/arch/test_kept.py", "tests/unit/training/test_memory.py")),
    Target("naslab/arch/lower.py", COUNTING),
    Target("naslab/space/decoding.py", SPACE),
    Target("naslab/space/repairing.py", SPACE),
    Target("naslab/scaling/budget.py", ("tests/unit/scaling/test_budget.py",)),
    Target("naslab/scaling/rounding.py", ("tests/unit/scaling/test_scale.py", "tests/golden/test_scaling.py")),
    Target("naslab/scaling/compound.py", ("tests/unit/scaling/test_compound.py", "tests/golden/test_scaling.py")),
    Target("naslab/strategies/acquisition.py", ("tests/unit/strategies/test_acquisition.py",)),
    Target("naslab/strategies/gaussian_process.py", ("tests/unit/strategies/test_gaussian_process.py",)),
    Target("naslab/strategies/proposal_filter.py", ("tests/unit/strategies/test_proposers.py",)),
    Target("naslab/execution/admission.py", ("tests/unit/execution/test_admission.py",)),
    Target(
        "naslab/execution/search_source.py",
        (
            "tests/unit/execution/test_rung_source.py",
            "tests/unit/execution/test_accuracy_to_beat.py",
            "tests/unit/execution/test_inherit_source.py",
        ),
    ),
    Target("naslab/execution/search.py", ("tests/unit/execution/test_search.py",)),
    Target("naslab/ledger/claim.py", LEDGER),
    Target("naslab/ledger/rows.py", LEDGER),
    Target("naslab/training/inheritance/flow.py", INHERITANCE),
    Target("naslab/training/inheritance/insertion.py", INHERITANCE),
    Target("naslab/training/schedule.py", ("tests/unit/training/test_optimizer.py",)),
    Target("naslab/training/early_stopping.py", ("tests/unit/training/test_early_stopping.py",)),
    Target("naslab/estimators/extrapolation.py", ("tests/unit/estimators/test_extrapolation.py",)),
    Target("naslab/estimators/stopping.py", ("tests/unit/estimators/test_stopping.py",)),
)

_WEIGHTED = Target(
    "naslab/training/inheritance/weighted_layers.py",
    ("tests/unit/training/inheritance/test_scaled_maps.py", "-k", "makes_up_for_the_scale"),
)
_MOVES = Target("naslab/space/moves.py", ("tests/unit/space/test_search_space.py", "-k", "inserted"))
_LAWS = Target("naslab/scaling/laws.py", ("tests/unit/scaling/test_laws.py", "-k", "as_wide_as_students"))
_POOL = Target("naslab/execution/worker_pool.py", ("tests/unit/execution/test_worker_pool.py", "-k", "counted_anew"))
_ENGINE = Target("naslab/ledger/engine.py", ("tests/unit/ledger/test_engine.py",))
_WORKERS = ("tests/faults/test_execution_faults.py", "-k", "worker_started")
_CONV = 'groups, transfer.generator)\n    transfer.put(f"{new}.weight", made'
_LINEAR = '(1, 1), transfer.generator)\n    transfer.put(f"{new}.weight", made'

BY_HAND = (
    Planted(_WEIGHTED, f"{_CONV} / flow.scale)", f"{_CONV})"),
    Planted(_WEIGHTED, f"{_LINEAR} / flow.scale)", f"{_LINEAR})"),
    Planted(_MOVES, "own.insert(int(rng.integers(len(own) + 1)), {})", "own.append({})"),
    Planted(_LAWS, "inflated = residuals * math.sqrt(len(y) / free)", "inflated = residuals"),
    Planted(_POOL, "self._failed_starts = 0\n                slot", "slot"),
    Planted(_ENGINE, "PRAGMA synchronous=FULL", "PRAGMA synchronous=OFF"),
    Planted(Target("naslab/execution/local.py", _WORKERS), "os.killpg(process.pid,", "os.kill(process.pid,"),
    Planted(Target("naslab/execution/worker_process.py", _WORKERS), "os.killpg(0,", "os.kill(os.getpid(),"),
)

EQUIVALENT: dict[tuple[str, str, str], str] = {
    (_POOL.path, "self._sent = 0.0", "pass"): "it is set before it is read",
    (
        "naslab/arch/canonical.py",
        "all(isinstance(each, Norm | Act) for each in layers[1:])",
        "any((isinstance(each, Norm | Act) for each in layers[1:]))",
    ): "the layers of each plain form are compared with those of the block all the same",
    (
        "naslab/arch/plan_rows.py",
        "type(layer) in _NESTED",
        "(type(layer) not in _NESTED)",
    ): "both ways make the same row, one of them keeps it",
    (
        "naslab/training/schedule.py",
        "place < PEAK_AT",
        "(place <= PEAK_AT)",
    ): "both sides of the triangle meet at its peak",
}
"""Mutants that no test can kill, by (path, text before, text after), with the reason."""
