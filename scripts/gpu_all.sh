#!/usr/bin/env bash
# All that only a GPU can show, in one command and under nine minutes; what was done before is skipped.
#
#   scripts/gpu_all.sh [--wheels DIR] [--out DIR] [--data-dir DIR]    measure; writes results/gpu unless told otherwise
#   scripts/gpu_all.sh --device cpu --out DIR                         a rehearsal at tiny size, never in results/gpu
#   scripts/gpu_all.sh --download DIR                                 what a machine with torch alone lacks, as wheels
#
# PYTHON names the interpreter, python3 unless set. `scripts/gpu_parts.py --help` shows every option.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
exec "${PYTHON:-python3}" "$root/scripts/gpu_parts.py" "$@"
