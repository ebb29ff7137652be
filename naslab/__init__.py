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
    from naslab.errors import NaslabError
    from naslab.execution.workers import Workers
    from naslab.lab.calibration import calibrate
    from naslab.lab.models import find_model
    from naslab.lab.scaling import fit_compound, fit_data_law
    from naslab.lab.search import front_figure, open_study, pareto_front, search, train, write_report
    from naslab.lab.supernet import export_shared_weights, train_supernet
    from naslab.scaling import Compound, Member, family, meet_budget, rescale, scale
    from naslab.scaling.laws import fit_power_law
    from naslab.space import SearchSpace, choice, load_space
    from naslab.study.recipe import Recipe
    from naslab.zoo import model

_HOMES = {
    "calibrate": "naslab.lab.calibration",
    "accuracy_predictor": "naslab.lab.search_estimators",
    "scale": "naslab.scaling",
    "meet_budget": "naslab.scaling",
    "export_shared_weights": "naslab.lab.supernet",
    "family": "naslab.scaling",
    "Member": "naslab.scaling",
    "Compound": "naslab.scaling",
    "ArchSpec": "naslab.arch",
    "Cost": "naslab.arch",
    "NaslabError": "naslab.errors",
    "Recipe": "naslab.study.recipe",
    "SearchSpace": "naslab.space",
    "StudyView": "naslab.analysis.study",
    "Workers": "naslab.execution.workers",
    "arch_id": "naslab.arch",
    "build": "naslab.arch.build",
    "choice": "naslab.space",
    "cost": "naslab.arch",
    "find_model": "naslab.lab.models",
    "fit_compound": "naslab.lab.scaling",
    "fit_data_law": "naslab.lab.scaling",
    "fit_power_law": "naslab.scaling.laws",
    "front_figure": "naslab.lab.search",
    "load_arch": "naslab.arch",
    "load_space": "naslab.space",
    "model": "naslab.zoo",
    "open_study": "naslab.lab.search",
    "pareto_front": "naslab.lab.search",
    "rescale": "naslab.scaling",
    "save_arch": "naslab.arch",
    "search": "naslab.lab.search",
    "train": "naslab.lab.search",
    "train_supernet": "naslab.lab.supernet",
    "write_report": "naslab.lab.search",
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
