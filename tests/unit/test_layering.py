"""Imports run one way, and heavy packages load only where they are used."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import naslab

PACKAGE = Path(naslab.__file__).parent
ROOMS = (
    "passwords",
    "errors",
    "arguments",
    "outside",
    "regular_files",
    "reading",
    *("atomic_write", "blobs", "pareto"),
    *("arch", "latency_models", "metrics", "zoo", "notations", "scaling", "space", "study", "ledger"),
    *(
        "provenance",
        "training",
        "package",
        "pretrained",
        "dense_prediction",
        "targets",
        "strategies",
        "estimators",
        "execution",
    ),
    *("analysis", "bench", "loggers", "figures"),
    *("optuna_edge", "lab", "live", "tune", "cli"),
)
"""The members of the package in order: each may import those before it, at the top of a file or within a function."""

HEAVY = {
    "torch": {
        *(f"arch/{name}.py" for name in ("build", "torch_layers", "layer_modules", "modules", "graphs", "source")),
        *(f"package/{name}.py" for name in ("prepared", "folder", "predict", "contents", "hub")),
        *(
            "training",
            "estimators",
            "pretrained",
            "dense_prediction",
            "targets/torch_runtime.py",
            "targets/accuracy.py",
            "loggers/tensorboard_destination.py",
        ),
    },
    "torchvision": {"training", "estimators", "pretrained/backbones.py", "dense_prediction"},
    "ray": {"execution"},
    "optuna": {"strategies/optuna_bridge.py", "execution/tune.py", "optuna_edge"},
    "plotly": {"figures"},
    "starlette": {"live/app.py", "live/guard.py"},
    "uvicorn": set(),
    "mlflow": {"loggers/mlflow_destination.py"},
    "wandb": {"loggers/wandb_destination.py"},
}


NO_ROOMS = frozenset({"__init__", "__main__"})


def sources() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem not in NO_ROOMS)


def imports_of(path: Path) -> list[tuple[str, bool]]:
    """Imported modules, and whether at the top level of the file (not for type checkers alone)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = {id(node) for node in tree.body}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [(f"{node.module}.{alias.name}", id(node) in top) for alias in node.names]
    return found


def test_every_import_goes_down_in_the_drawing() -> None:
    page = (PACKAGE.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    drawn = {
        room: int(floor)
        for floor, rooms in re.findall(r"^ ?(\d+)  (\w+(?: +\w+)*)$", page, re.MULTILINE)
        for room in rooms.split()
    }
    assert drawn.keys() == set(ROOMS)
    for path in sources():
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for module, _ in imports_of(path):
            package, _, rest = module.partition(".")
            other = rest.partition(".")[0]
            if package == "naslab" and other in drawn and other != room:
                assert drawn[other] < drawn[room], f"{path.relative_to(PACKAGE)} imports {module}"


def test_the_package_as_a_program_is_the_command_alone() -> None:
    assert imports_of(PACKAGE / "__main__.py") == [("__future__.annotations", True), ("naslab.cli.main.run", True)]


def test_every_member_has_its_place() -> None:
    members = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert members - NO_ROOMS == set(ROOMS)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for module, _ in imports_of(path):
        parts = module.split(".")
        if parts[0] == "naslab" and len(parts) > 1:
            assert ROOMS.index(parts[1]) <= ROOMS.index(own), f"{own} imports {module}, which lies above it"


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_packages_stay_in_their_place(path: Path) -> None:
    relative = path.relative_to(PACKAGE).as_posix()
    for module, at_top in imports_of(path):
        allowed = HEAVY.get(module.split(".")[0])
        if allowed is not None and at_top:
            assert any(relative == place or relative.startswith(place + "/") for place in allowed), (
                f"{relative} imports {module}"
            )


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, naslab, naslab.cli.main; print([m for m in ('torch','ray','optuna','plotly') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_help_loads_no_scientific_package() -> None:
    code = (
        "import sys, naslab.cli.main; print([m for m in ('numpy','scipy','sqlalchemy','sklearn') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
