"""A Tune experiment to kill and restore. Arguments: folder, trials, the trial from which on they wait."""

from __future__ import annotations

import sys
from pathlib import Path

import ray
from fake_estimators import Scripted
from ray import tune
from tiny_search import Counting, numbered_problem

from naslab.execution.ray_connection import unhurried
from naslab.execution.tune import Searcher, trainable


def main(folder: str, trials: str, holds_from: str) -> None:
    """Run the experiment, or restore it where there is one, and print its results."""
    # A cluster of its own: without an address Ray joins whatever was started last on this machine, dead or alive.
    with unhurried():
        ray.init(address="local", num_cpus=2, include_dashboard=False)
    home = Path(folder, "experiment")
    training = trainable(Scripted(folder, int(holds_from)), device="cpu")
    if tune.Tuner.can_restore(home):
        tuner = tune.Tuner.restore(str(home), training, resume_unfinished=True)
    else:
        tuner = tune.Tuner(
            training,
            tune_config=tune.TuneConfig(
                search_alg=Searcher(Counting(), numbered_problem(), epochs=2),
                num_samples=int(trials),
                max_concurrent_trials=2,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(name="experiment", storage_path=folder, verbose=0),
        )
    results = tuner.fit()
    print("trials", sorted((results[number].config or {})["trial"] for number in range(len(results))))
    print("errors", len(results.errors))
    print("best", (results.get_best_result("accuracy", "max").config or {})["trial"])


if __name__ == "__main__":
    main(*sys.argv[1:])
