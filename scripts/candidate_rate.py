"""How many candidates of a space are sampled, decoded, costed and hashed in a second of CPU time, in a process.

    .venv/bin/python scripts/candidate_rate.py [SPACE] [COUNT]

Prints one number. The caches start empty. One thread works: on an idle machine a second of CPU time is a second.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from naslab.arch import arch_id, cost
from naslab.space import load_space


def candidates_per_second(space_name: str, count: int) -> float:
    """Candidates a second of CPU time, the first ones included."""
    space = load_space(space_name)
    rng = np.random.default_rng(3)
    start = time.process_time()
    for _ in range(count):
        arch = space.decode(space.sample(rng))
        cost(arch)
        arch_id(arch)
    return count / (time.process_time() - start)


def main() -> None:
    """Measure the space and the number of candidates that the arguments say."""
    space_name = sys.argv[1] if len(sys.argv) > 1 else "mixed_cifar"
    print(candidates_per_second(space_name, int(sys.argv[2]) if len(sys.argv) > 2 else 20_000))


if __name__ == "__main__":
    main()
