#!/usr/bin/env bash
# Checks another Python without torch: compiles every file, then the tests of spaces, costs, scaling and ledgers.
# Arguments: the interpreter, as python3.12, and a folder for its environment. An interpreter that is not here is no error.
set -euo pipefail
name=$1 env=$2
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
python=$(command -v "$name" || true)
# pyenv's shims answer for versions that are not selected, and fail.
if [ -z "$python" ] || ! "$python" -c '' 2>/dev/null; then
    python=$(ls "$HOME"/.pyenv/versions/"${name#python}".*/bin/"$name" 2>/dev/null | tail -1 || true)
fi
if [ -z "$python" ]; then
    echo "no $name here: not checked"
    exit 0
fi
"$python" -m venv "$env"
"$env/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt \
    cloudpickle msgspec numpy scipy sqlalchemy 'psycopg[binary]' optuna pyyaml typer rich filelock threadpoolctl hypothesis pytest \
    pytest-timeout
"$env/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --editable .
"$env/bin/python" -m compileall -q naslab tests scripts
export PYTHONPATH=$root
"$env/bin/python" -m pytest -p no:cacheprovider tests/unit/space tests/unit/study tests/unit/scaling tests/unit/ledger \
    tests/contracts/test_ledger.py tests/golden/test_zoo.py tests/golden/test_scaling.py tests/properties/test_space.py \
    tests/unit/test_pareto.py tests/unit/execution/test_worker_pool.py tests/unit/execution/test_search.py \
    --ignore tests/unit/scaling/test_grid.py --ignore tests/unit/scaling/test_latency_budget.py
"$env/bin/python" -c "from naslab.cli.main import run; run()" cost efficientnet_b0 --json | grep -q 385814752
echo "$("$python" --version): the tests that need no torch pass"
