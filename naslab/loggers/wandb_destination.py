"""Trials as offline runs of Weights & Biases, grouped by study; `wandb sync` sends them where and when a user likes."""

from __future__ import annotations

from pathlib import Path

from naslab.loggers.logger import Destination, LoggedTrial, folder_of


class WandbDestination:
    """Writes offline runs to `folder`/wandb; which trials are there stands in `folder`/naslab."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def written(self, study: str) -> set[int]:
        """The trials of `study` whose runs are whole."""
        return {int(each.name) for each in self._marks(study).glob("*")}

    def write(self, trial: LoggedTrial) -> None:
        """Write a `trial` as an offline run."""
        import wandb

        self._folder.mkdir(parents=True, exist_ok=True)
        run = wandb.init(
            mode="offline",
            dir=str(self._folder),
            project="naslab",
            group=trial.study,
            name=f"{trial.study} {trial.label}",
            config={**trial.texts, "study": trial.study, "trial": trial.trial, "failure": trial.failure},
            reinit="create_new",  # a run that the user has open stays open
            settings=wandb.Settings(silent=True, x_disable_meta=True),  # which would hold the command's passwords
        )
        for epoch, values in trial.curve:
            run.log({f"curve/{name}": value for name, value in values.items()}, step=epoch)
        run.summary.update(trial.metrics)
        run.finish(exit_code=1 if trial.failure else 0)
        marks = self._marks(trial.study)
        marks.mkdir(parents=True, exist_ok=True)
        (marks / str(trial.trial)).touch()

    def close(self) -> None:
        """Every run is closed already."""

    def _marks(self, study: str) -> Path:
        return self._folder / "naslab" / folder_of(study)


def open_destination(target: str) -> Destination:
    """The destination that writes to the folder `target`."""
    return WandbDestination(Path(target))
