"""Run every Python and shell example of the README as it stands, in a temporary folder.

    .venv/bin/python scripts/check_readme.py

`make` commands are left to the caller, who runs them on the checkout.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def examples(text: str) -> list[tuple[str, str]]:
    """The fenced blocks of a Markdown text as (language, code)."""
    return re.findall(r"^```(\w+)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def main() -> None:
    """Run the examples; the exit code is that of the first one that fails."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    ran = 0
    with tempfile.TemporaryDirectory() as folder:
        for language, code in examples((ROOT / "README.md").read_text(encoding="utf-8")):
            if language == "python":
                (Path(folder) / "example.py").write_text(code, encoding="utf-8")
                command = [sys.executable, "example.py"]
            elif language == "bash" and not code.lstrip().startswith(("make", "git clone", "pip")):
                command = ["bash", "-euo", "pipefail", "-c", code]
            else:
                continue
            print(f"-- {language}\n{code}", flush=True)
            if (status := subprocess.run(command, cwd=folder, env=environment, check=False).returncode) != 0:
                sys.exit(f"an example of the README ended with {status}")
            ran += 1
    if ran < 2:
        sys.exit(f"the README has {ran} examples that run; a Python and a shell example are expected")
    print(f"{ran} README examples ran")


if __name__ == "__main__":
    main()
