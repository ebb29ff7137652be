#!/usr/bin/env bash
# Builds the wheel, installs it with its dependencies into an empty environment, and uses it from another folder.
set -euo pipefail
python=${1:-python3}
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m venv "$work/env"
pip() { "$work/env/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
pip wheel --no-deps --wheel-dir "$work" "$root"
pip install --no-compile --constraint "$root/constraints.txt" "$work"/naslab-*.whl
cd "$work"
"$work/env/bin/naslab" spaces --json | grep -q mixed_cifar
"$work/env/bin/naslab" cost efficientnet_b0 --json | grep -q 385814752
"$work/env/bin/naslab" search digits_demo --trials 2 --epochs 1 --json | grep -q '"complete": *2'
echo "the wheel works in an empty environment"
