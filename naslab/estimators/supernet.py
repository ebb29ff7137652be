"""Estimates by weight sharing: a network's slice of a trained supernet, evaluated without any training."""

from __future__ import annotations

import msgspec

from naslab.arch import ArchSpec
from naslab.estimators.estimator import Workbench
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Candidate, Estimate
from naslab.study.recipe import Recipe


class SupernetEstimator(msgspec.Struct, frozen=True, kw_only=True):
    """The validation accuracy of a candidate with weights of a supernet, its batch norms recalibrated.

    `path` is a file of `naslab supernet`; `data` and `recipe` are the supernet's own where not given, `data_dir` is
    where the data set is looked for. `calibration_images` training images give the batch norms their statistics,
    `validation_images` bounds how many validation images are looked at, `latency` measures one image's forward pass
    too. A candidate's accuracy is for ranking: the
    weights are a compromise among all networks of the space (Guo et al. 2019, arXiv 1904.00420; Yu et al. 2020, arXiv
    1902.08142, find such rankings unsteady: see `naslab calibrate`). Images have the supernet's resolution, the
    fidelity plays no part. The note `supernet` is the file's SHA-256, `unshared` counts tensors that it lacks, which
    are random; more than a quarter of them is an `invalid` failure.

    >>> SupernetEstimator(path="space.safetensors").calibration_images
    512
    """

    path: str
    data: DataChoice | None = None
    recipe: Recipe | None = None
    data_dir: str | None = None
    calibration_images: int = 512
    validation_images: int | None = None
    latency: bool = False

    def require_space(self, arch: ArchSpec) -> None:
        """Raise `DataError` where the supernet is missing, damaged, half trained, or of another space than a network.

        For a driver to call before anything runs.
        """
        from naslab.estimators import supernet_run  # loads torch

        supernet_run.require_space(self, arch)

    def prepare(self, bench: Workbench) -> None:
        """Load the supernet and the data onto the worker's device; without its own, they are the supernet's.

        Raises `DataError` where either is missing or damaged, or the supernet is half trained.
        """
        from naslab.estimators import supernet_run  # loads torch, which a driver does without

        supernet_run.prepare(self, bench)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """Evaluate a candidate; its failures are values."""
        from naslab.estimators import supernet_run

        return supernet_run.estimate(self, candidate, bench)
