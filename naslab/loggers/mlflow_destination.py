"""Trials as nested runs of MLflow: an experiment and a run a study, below it a run a trial."""

from __future__ import annotations

from naslab.loggers.logger import Destination, LoggedTrial

TRIAL, PARENT = "naslab.trial", "mlflow.parentRunId"
MOST_LETTERS = 500
"""Letters of a parameter, which MLflow bounds."""
AT_ONCE = 1000


class MlflowDestination:
    """Writes to the tracking server, database or folder `uri`."""

    def __init__(self, uri: str) -> None:
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient(tracking_uri=uri)
        self._experiments: dict[str, str] = {}
        self._parents: dict[str, str] = {}

    def written(self, study: str) -> set[int]:
        """The trials of `study` that have a finished run."""
        found, token = set(), None
        while True:
            runs = self._client.search_runs([self._experiment(study)], max_results=AT_ONCE, page_token=token)
            for run in runs:
                if run.info.status != "RUNNING" and TRIAL in run.data.tags:
                    found.add(int(run.data.tags[TRIAL]))
                elif TRIAL not in run.data.tags:
                    self._parents.setdefault(study, run.info.run_id)
            token = runs.token
            if not token:
                return found

    def write(self, trial: LoggedTrial) -> None:
        """Write a `trial` as a run below that of its study."""
        from mlflow.entities import Metric, Param, RunTag

        experiment, moment = self._experiment(trial.study), round(1000 * trial.finished)
        if trial.study not in self._parents:
            made = self._client.create_run(experiment, run_name=trial.study)
            self._parents[trial.study] = made.info.run_id
        tags = {TRIAL: str(trial.trial), PARENT: self._parents[trial.study]}
        run = self._client.create_run(experiment, tags=tags, run_name=trial.label).info.run_id
        last = trial.curve[-1][0] if trial.curve else 0
        values = [Metric(name, value, moment, epoch) for epoch, told in trial.curve for name, value in told.items()] + [
            Metric(name, value, moment, last) for name, value in trial.metrics.items()
        ]
        for first in range(0, len(values), AT_ONCE):
            self._client.log_batch(run, metrics=values[first : first + AT_ONCE])
        params = [Param(name, text[:MOST_LETTERS]) for name, text in trial.texts.items()]
        failure = [RunTag("naslab.failure", trial.failure)] if trial.failure else []
        self._client.log_batch(run, params=params, tags=failure)
        self._client.set_terminated(run, "FAILED" if trial.failure else "FINISHED", moment)

    def close(self) -> None:
        """End the runs of the studies."""
        for run in self._parents.values():
            self._client.set_terminated(run)

    def _experiment(self, study: str) -> str:
        if study not in self._experiments:
            found = self._client.get_experiment_by_name(study)
            self._experiments[study] = found.experiment_id if found else self._client.create_experiment(study)
        return self._experiments[study]


def open_destination(target: str) -> Destination:
    """The destination that writes to the tracking address `target`."""
    return MlflowDestination(target)
