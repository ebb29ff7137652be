"""Trials as runs of TensorBoard: a folder a trial, the curve by epochs, costs and results at the last one."""

from __future__ import annotations

from pathlib import Path

from naslab.loggers.logger import Destination, LoggedTrial, folder_of


class TensorBoardDestination:
    """Writes to `folder`/STUDY/trial_NUMBER."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def written(self, study: str) -> set[int]:
        """The trials of `study` whose folders are whole."""
        found = (self._folder / folder_of(study)).glob("trial_*/whole")
        return {int(each.parent.name.removeprefix("trial_")) for each in found}

    def write(self, trial: LoggedTrial) -> None:
        """Write a `trial` as a run of its own, marked as whole at the end."""
        from torch.utils.tensorboard import SummaryWriter

        folder = self._folder / folder_of(trial.study) / f"trial_{trial.trial:06d}"
        with SummaryWriter(str(folder)) as writer:
            for epoch, values in trial.curve:
                for name, value in values.items():
                    writer.add_scalar(
                        f"curve/{name}", value, epoch, trial.finished, new_style=True, double_precision=True
                    )
            last = trial.curve[-1][0] if trial.curve else 0
            for name, value in trial.metrics.items():
                writer.add_scalar(f"result/{name}", value, last, trial.finished, new_style=True, double_precision=True)
            for name, text in trial.texts.items():
                writer.add_text(name, text, last)
            if trial.failure:
                writer.add_text("failure", trial.failure, last)
        (folder / "whole").touch()

    def close(self) -> None:
        """Every run is closed already."""


def open_destination(target: str) -> Destination:
    """The destination that writes to the folder `target`."""
    return TensorBoardDestination(Path(target))
