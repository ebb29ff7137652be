"""naslab: a neural architecture search and scaling lab.

    import naslab
    study = naslab.search("digits_demo", trials=20, epochs=4)
    naslab.front_figure(study).show()

Everything below loads when it is first used, so `import naslab` takes milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from naslab.analysis.study import StudyView
    from naslab.arch import ArchSpec, Cost, arch_id, cost, load_arch, save_arch
    from naslab.arch.build import build
    from naslab.calibration_lab import calibrate
    from naslab.errors import NaslabError
    from naslab.execution.workers import Workers
    from naslab.lab import front_figure, open_study, pareto_front, search, train, write_report
    from naslab.models import find_model
    from naslab.scaling import Compound, Member, family, meet_budget, rescale, scale
    from naslab.scaling.laws import fit_power_law
    from naslab.scaling_lab import fit_compound, fit_data_law
    from naslab.space import SearchSpace, choice, load_space
    from naslab.supernet_lab import export_shared_weights, train_supernet
    from naslab.training.recipe import Recipe
    from naslab.zoo import model

_HOMES = {
    "calibrate": "naslab.calibration_lab",
    "accuracy_predictor": "naslab.stand_in",
    "scale": "naslab.scaling",
    "meet_budget": "naslab.scaling",
    "export_shared_weights": "naslab.supernet_lab",
    "family": "naslab.scaling",
    "Member": "naslab.scaling",
    "Compound": "naslab.scaling",
    "ArchSpec": "naslab.arch",
    "Cost": "naslab.arch",
    "NaslabError": "naslab.errors",
    "Recipe": "naslab.training.recipe",
    "SearchSpace": "naslab.space",
    "StudyView": "naslab.analysis.study",
    "Workers": "naslab.execution.workers",
    "arch_id": "naslab.arch",
    "build": "naslab.arch.build",
    "choice": "naslab.space",
    "cost": "naslab.arch",
    "find_model": "naslab.models",
    "fit_compound": "naslab.scaling_lab",
    "fit_data_law": "naslab.scaling_lab",
    "fit_power_law": "naslab.scaling.laws",
    "front_figure": "naslab.lab",
    "load_arch": "naslab.arch",
    "load_space": "naslab.space",
    "model": "naslab.zoo",
    "open_study": "naslab.lab",
    "pareto_front": "naslab.lab",
    "rescale": "naslab.scaling",
    "save_arch": "naslab.arch",
    "search": "naslab.lab",
    "train": "naslab.lab",
    "train_supernet": "naslab.supernet_lab",
    "write_report": "naslab.lab",
}

__all__ = [
    "ArchSpec",
    "Compound",
    "Cost",
    "Member",
    "NaslabError",
    "Recipe",
    "SearchSpace",
    "StudyView",
    "Workers",
    "accuracy_predictor",
    "arch_id",
    "build",
    "calibrate",
    "choice",
    "cost",
    "export_shared_weights",
    "family",
    "find_model",
    "fit_compound",
    "fit_data_law",
    "fit_power_law",
    "front_figure",
    "load_arch",
    "load_space",
    "meet_budget",
    "model",
    "open_study",
    "pareto_front",
    "rescale",
    "save_arch",
    "scale",
    "search",
    "train",
    "train_supernet",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'naslab' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
