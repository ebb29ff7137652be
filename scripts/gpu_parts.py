"""The parts of `gpu_all.sh`: each in a process of its own, within its time, kept as it ends.

    scripts/gpu_all.sh [--wheels DIR] [--minutes 9] [--device cuda] [--out OUT] [--data-dir DIR] [--only PART ...]
    scripts/gpu_all.sh --download DIR

The parts: `tests` (tests/gpu), `train_bench` (the plain loop, Lightning, naslab, 1 to 16 candidates packed, CUDA graphs
on and off, the share of the device's peak), `search` (a packed search on CIFAR-10), `cifar_found` and `cifar_resnet20`
(whole CIFAR-10 schedules, the shorter first; what does not fit is left out). A part that fails or runs past its time is
said, the others go on, and the exit code is 1. A part that ended well is skipped the next time, so that a second call
continues. OUT/parts/PART.json says how each ended, with hardware and versions; OUT/README.md shows all.

It needs Python 3.11 or newer, torch and torchvision. Which packages are missing besides is said before anything runs;
`--wheels DIR` takes them from the wheels in one folder, which are unpacked into OUT/packages and used for this run
alone. `--download DIR` fetches those wheels with pip, for the Python, torch and platform of --for. Without ray the
workers are local processes. With `--device cpu` everything is rehearsed at tiny size, which measures nothing: the
results then may not lie in results/gpu.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results" / "gpu"
NEEDED = {
    "msgspec": "msgspec",
    "cloudpickle": "cloudpickle",
    "numpy": "numpy",
    "scipy": "scipy",
    "scikit-learn": "sklearn",
    "threadpoolctl": "threadpoolctl",
    "optuna": "optuna",
    "plotly": "plotly",
    "sqlalchemy": "sqlalchemy",
    "psycopg": "psycopg",
    "psycopg-binary": "psycopg_binary",
    "typer": "typer",
    "rich": "rich",
    "pyyaml": "yaml",
    "safetensors": "safetensors",
    "filelock": "filelock",
    "pytest": "pytest",
    "pytest-timeout": "pytest_timeout",
    "hypothesis": "hypothesis",
}
"""Packages and the modules that they bring: all that the parts use beside torch, torchvision and pillow."""
OPTIONAL = {"lightning": "lightning"}
"""Without these a contender is left out."""
WITHOUT_TORCH = ("lightning", "pytorch-lightning", "torchmetrics", "lightning-utilities")
"""Downloaded alone: they ask for torch, which is there."""
LINES_SHOWN = 12
SLOWER_ON_CPU = 5
"""How many times longer a part of a rehearsal may take."""


class Part(NamedTuple):
    """What is run, for how many seconds at most."""

    name: str
    command: list[str]
    seconds: float


def parts(given: argparse.Namespace) -> list[Part]:
    """The parts in their order, at full size on a GPU and at a tiny one on a CPU."""
    out, tiny = given.out, given.device == "cpu"
    python, scripts = sys.executable, ROOT / "scripts"
    bench = ["--images", "64", "--repeats", "1"] if tiny else ["--images", "10000", "--repeats", "3"]
    bench += ["--out", str(out / "train_bench")]
    sizes = [] if tiny else ["--packed", "1,2,4,8,16", "--minutes", "2.5"]
    searched = ["--strategy", "evolution", "--trials", "64", "--workers", "8"]
    if tiny:
        searched = ["--strategy", "evolution", "--trials", "2", "--limit", "macs<=8e6", "--max-images", "64"]
        searched += ["--workers", "1", "--gpus-per-worker", "0"]
    schedule = [python, str(scripts / "check_cifar.py"), "--device", given.device, "--out", str(out / "cifar")]
    schedule += ["--tiny"] if tiny else ["--full"]
    naslab = [python, "-c", "from naslab.cli.main import run; run()"]
    study = ["--study", "packed", "--ledger", str(out / "search" / "study.db"), "--epochs", "1"]
    slower = SLOWER_ON_CPU if tiny else 1
    found = [
        Part("tests", [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/gpu"], 120),
        Part(
            "train_bench",
            [python, str(scripts / "bench_train.py"), "--device", given.device, *bench, *sizes],
            200,
        ),
        Part("search", [*naslab, "search", "mixed_cifar", "--dataset", "cifar10", *study, *searched], 90),
        Part("cifar_found", [*schedule, "--networks", "found"], 240),
        Part("cifar_resnet20", [*schedule, "--networks", "ResNet-20"], 420),
    ]
    return [part._replace(seconds=slower * part.seconds) for part in found]


def run(part: Part, seconds: float, environment: dict[str, str], out: Path) -> dict[str, Any]:
    """Run a part, its output in OUT/logs; how it ended. Its processes are gone when this returns."""
    log = out / "logs" / f"{part.name}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    (out / "search").mkdir(parents=True, exist_ok=True)
    began, ended = time.monotonic(), "done"
    with log.open("wb") as file:
        try:
            process = subprocess.Popen(
                part.command, cwd=ROOT, env=environment, stdout=file, stderr=file, start_new_session=True
            )
        except OSError as error:
            return {"ended": f"did not start: {error}", "seconds": 0.0, "log": f"logs/{log.name}"}
        try:
            code = process.wait(seconds)
            ended = "done" if code == 0 else f"failed with exit code {code}"
        except subprocess.TimeoutExpired:
            ended = f"ran past its {seconds:.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return {"ended": ended, "seconds": round(time.monotonic() - began, 1), "log": f"logs/{log.name}"}


def measured_on(environment: dict[str, str]) -> dict[str, Any]:
    """Hardware and versions, told by a process that sees the packages."""
    program = (
        "import json; from naslab.provenance import *\n"
        "print(json.dumps({'hardware': machine_description() | {'gpus': device_description()['gpus']}, "
        "'versions': installed_versions('lightning', 'pillow', 'scikit-learn')}))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        sys.exit(f"naslab does not run here: {(found.stderr.strip() or 'no message').splitlines()[-1]}")
    return dict(json.loads(found.stdout))


def shown(command: Sequence[str]) -> str:
    """A command as it would be typed in the checkout, without where this machine has it."""
    return shlex.join(["python", *(word.removeprefix(f"{ROOT}/") for word in command[1:])])


def missing(packages: dict[str, str]) -> list[str]:
    """The packages whose modules this Python does not find."""
    return [package for package, module in packages.items() if importlib.util.find_spec(module) is None]


def unpacked(wheels: Path, folder: Path) -> None:
    """Unpack every wheel of a folder whose package this Python lacks, and let this process find them."""
    from importlib import metadata

    def name_of(text: str) -> str:
        return text.lower().replace("_", "-").replace(".", "-")

    files = sorted(wheels.glob("*.whl"))
    if not files:
        sys.exit(f"--wheels: no wheel lies in {wheels}; fetch them with scripts/gpu_all.sh --download {wheels}")
    here = {name_of(each.metadata["Name"]) for each in metadata.distributions() if each.metadata["Name"]}
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        if name_of(file.name.split("-")[0]) not in here:
            with zipfile.ZipFile(file) as wheel:
                wheel.extractall(folder)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()


def download(folder: Path, version: str) -> None:
    """Fetch the wheels that a machine with torch alone lacks, for CPython `version` (as 3.12) on Linux x86-64."""
    target = ["--only-binary", ":all:", "--python-version", version, "--implementation", "cp"]
    for glibc in ("2_28", "2_27", "2_17"):
        target += ["--platform", f"manylinux_{glibc}_x86_64"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(folder), *target]
    for wanted in ([*NEEDED], ["--no-deps", *WITHOUT_TORCH]):
        if (code := subprocess.run([*command, *wanted], check=False).returncode) != 0:
            sys.exit(f"pip download ended with {code}")
    sizes = [each.stat().st_size for each in folder.glob("*.whl")]
    print(f"{len(sizes)} wheels in {folder}, {sum(sizes) / 2**20:.0f} MiB")


def page(out: Path, names: Sequence[str], is_rehearsal: bool) -> str:
    """What each part came to, with what it was measured on."""
    lines = ["# On a GPU" if not is_rehearsal else "# A rehearsal without a GPU: nothing here is a measurement", ""]
    lines += ["| part | ended | seconds | command |", "|---|---|---:|---|"]
    about: dict[str, None] = {}
    for name in names:
        path = out / "parts" / f"{name}.json"
        if not path.exists():
            lines.append(f"| {name} | not run | - | - |")
            continue
        value = json.loads(path.read_text(encoding="utf-8"))
        lines.append(f"| {name} | {value['ended']} | {value['seconds']} | `{value['command']}` |")
        told = {**value["hardware"], **value["versions"]}
        about[", ".join(f"{key} {each}" for key, each in told.items() if each != "not installed")] = None
    lines += ["", *(f"{each}." for each in about)]
    return "\n".join(lines) + "\n"


def keep(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def is_done(path: Path) -> bool:
    """Whether a part ended well before."""
    return path.exists() and json.loads(path.read_text(encoding="utf-8"))["ended"] == "done"


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, with what they may not be told by name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, help="a folder of wheels for the packages that are missing")
    parser.add_argument("--minutes", type=float, default=9.0, help="for all parts together, start and end included")
    parser.add_argument("--device", default="cuda", choices=("cpu", "cuda"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--data-dir", default=os.environ.get("NASLAB_DATA"), help="of CIFAR-10; else NASLAB_DATA")
    parser.add_argument("--only", nargs="+", help="these parts alone")
    parser.add_argument("--download", type=Path, metavar="DIR", help="fetch the wheels into DIR, and end")
    parser.add_argument("--for", dest="version", default="3.12", help="the Python that --download fetches for")
    given = parser.parse_args(words)
    given.out = given.out.resolve()
    if given.device == "cpu" and given.out.is_relative_to(RESULTS.resolve()):
        parser.error("a rehearsal is no measurement: give --device cpu another --out than results/gpu")
    if given.minutes <= 0:
        parser.error(f"argument --minutes: must be above 0, got {given.minutes:g}")
    known = [part.name for part in parts(given)]
    for name in given.only or ():
        if name not in known:
            parser.error(f"argument --only: no part is called '{name}'; there are {', '.join(known)}")
    return given


def main() -> None:
    """Run the parts that are not done; exit code 1 where one is still not done."""
    began, given = time.monotonic(), arguments()
    if given.download is not None:
        download(given.download, given.version)
        return
    if missing({"torch": "torch", "torchvision": "torchvision"}):
        sys.exit("torch and torchvision must be installed")
    if given.wheels is not None:
        unpacked(given.wheels, given.out / "packages")
    if lacking := missing(NEEDED):
        sys.exit(f"these packages are missing: {' '.join(lacking)}; take them --wheels DIR (made with --download DIR)")
    for package in missing(OPTIONAL):
        print(f"{package} is missing: its contender is left out", flush=True)
    more = [str(ROOT), str(given.out / "packages"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(each for each in more if each)}
    environment |= {} if given.data_dir is None else {"NASLAB_DATA": str(Path(given.data_dir).resolve())}
    about = measured_on(environment)
    if given.device == "cuda" and about["hardware"]["gpus"] == "none":
        sys.exit("torch sees no CUDA device; rehearse with --device cpu --out DIR")
    names = [part.name for part in parts(given)]
    failed = False
    for part in parts(given):
        path = given.out / "parts" / f"{part.name}.json"
        if given.only and part.name not in given.only:
            continue
        if is_done(path):
            print(f"{part.name}: done before", flush=True)
            continue
        left = 60 * given.minutes - (time.monotonic() - began)
        if left < 1:
            print(f"{part.name}: no time is left, run again to continue", flush=True)
            failed = True
            continue
        ended = run(part, min(part.seconds, left), environment, given.out)
        keep(path, json.dumps({**ended, "command": shown(part.command), **about}, indent=2) + "\n")
        keep(given.out / "README.md", page(given.out, names, given.device == "cpu"))
        print(f"{part.name}: {ended['ended']}, {ended['seconds']} s", flush=True)
        if ended["ended"] != "done":
            failed = True
            lines = (given.out / ended["log"]).read_text(encoding="utf-8", errors="replace").splitlines()
            print("\n".join(f"    {line}" for line in lines[-LINES_SHOWN:]), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
