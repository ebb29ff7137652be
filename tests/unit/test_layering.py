"""Imports run one way, and heavy packages load only where they are used."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import naslab

PACKAGE = Path(naslab.__file__).parent
ROOMS = (
    "passwords",
    "garbage",
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
        "bench/peer_botorch.py",
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


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def statements_of(path: Path) -> list[ast.AST]:
    """The statements of a file, with those within others."""
    found: list[ast.AST] = [tree_of(path)]
    for node in found:
        for part in ("body", "handlers", "orelse", "finalbody", "cases"):
            found += getattr(node, part, ())
    return found


@cache
def imports_of(path: Path, for_type_checkers: bool = True) -> list[tuple[str, bool]]:
    """Imported modules, and whether at the top level of the file; those for type checkers alone only where asked."""
    left_out = set() if for_type_checkers else {id(node) for node in typed_nodes(path)}
    top = {id(node) for node in tree_of(path).body}
    found = []
    for node in statements_of(path):
        if id(node) in left_out:
            continue
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


def test_imports_run_one_way() -> None:
    wrong = []
    for path in sources():
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for module, _ in imports_of(path):
            parts = module.split(".")
            if parts[0] == "naslab" and len(parts) > 1 and ROOMS.index(parts[1]) > ROOMS.index(own):
                wrong.append(f"{path.relative_to(PACKAGE)} imports {module}, which lies above it")
    assert not wrong, "\n".join(wrong)


def module_of(path: Path) -> str:
    return ".".join(("naslab", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


def modules_at_import(start: str, at_top: dict[str, set[str]]) -> set[str]:
    """What is loaded where a module of `at_top` is: what stands at the tops of files, from file to file."""
    found: set[str] = set()
    rest = [start]
    while rest:
        for module in at_top.get(rest.pop(), set()) - found:
            found.add(module)
            rest.append(module)
    return found


def test_an_import_in_a_function_spares_the_file_a_module() -> None:
    files = {module_of(path): path for path in sources()}
    at_top: dict[str, set[str]] = {}
    within: dict[str, set[str]] = {}
    for name, path in files.items():
        at_top[name], within[name] = set(), set()
        for module, is_at_top in imports_of(path):
            known = module if module in files else module.rpartition(".")[0] or module
            (at_top if is_at_top else within)[name].add(known)
        at_top[name].discard(name)
    typed = {name: typed_imports(path) for name, path in files.items()}
    needless = [
        f"{name} imports {module} in a function, which its top loads anyway"
        for name in files
        for module in sorted((within[name] - typed[name]) & modules_at_import(name, at_top) - {"naslab"})
    ]
    assert needless == [], "\n".join(needless)


RUN_ELSEWHERE = {
    *("naslab.estimators.inheritance", "naslab.estimators.inherited_run"),
    *("naslab.estimators.proxies.proxy", "naslab.estimators.proxies.measuring"),
}
"""Estimators, which are values, and the files that do their work: torch loads when they are run, in a function."""


def test_files_import_each_other_in_no_circle() -> None:
    files = {module_of(path): path for path in sources()}
    imported = {
        name: {
            module if module in files else module.rpartition(".")[0]
            for module, _ in imports_of(path, for_type_checkers=False)
        }
        - {name}
        for name, path in files.items()
    }
    assert {name for name in files if name in modules_at_import(name, imported)} == RUN_ELSEWHERE


def typed_imports(path: Path) -> set[str]:
    """Modules that a file imports for type checkers alone."""
    return {
        name
        for node in typed_nodes(path)
        if isinstance(node, ast.ImportFrom)
        for name in (node.module or "", *(f"{node.module}.{each.name}" for each in node.names))
    }


@cache
def typed_nodes(path: Path) -> tuple[ast.stmt, ...]:
    """What stands in a file's blocks for type checkers."""
    blocks = [node for node in statements_of(path) if isinstance(node, ast.If)]
    return tuple(node for block in blocks if ast.unparse(block.test) == "TYPE_CHECKING" for node in block.body)


def test_heavy_packages_stay_in_their_place() -> None:
    wrong = []
    for path in sources():
        relative = path.relative_to(PACKAGE).as_posix()
        for module, at_top in imports_of(path):
            allowed = HEAVY.get(module.split(".")[0]) if at_top else None
            if allowed is not None and not any(f"{relative}/".startswith(f"{place}/") for place in allowed):
                wrong.append(f"{relative} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, naslab; from naslab.cli.commands import LoadedCommands; dict(LoadedCommands()); "
        "print([m for m in ('torch','ray','optuna','plotly') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_help_loads_no_scientific_package() -> None:
    code = (
        "import sys; from naslab.cli.commands import LoadedCommands; dict(LoadedCommands()); "
        "print([m for m in ('numpy','scipy','sqlalchemy','sklearn') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
