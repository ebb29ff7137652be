"""naslab: a neural architecture search and scaling lab.

    import naslab
    study = naslab.search("digits_demo", trials=20, epochs=4)
    naslab.front_figure(study).show()

Everything below loads when it is first used, so `import naslab` takes milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the table below in a form that type checkers read; a test holds that both agree
    from naslab.analysis.study import StudyView as StudyView
    from naslab.arch import ArchSpec as ArchSpec
    from naslab.arch import Cost as Cost
    from naslab.arch import load_arch as load_arch
    from naslab.dense_prediction.dense_recipe import DenseRecipe as DenseRecipe
    from naslab.errors import NaslabError as NaslabError
    from naslab.estimators.short_function import short_training as short_training
    from naslab.estimators.trial import Trial as Trial
    from naslab.execution.workers import Workers as Workers
    from naslab.lab.backbones import backbone as backbone
    from naslab.lab.backbones import features as features
    from naslab.lab.backbones import register_with_timm as register_with_timm
    from naslab.lab.calibration import calibrate as calibrate
    from naslab.lab.comparing import compare_studies as compare_studies
    from naslab.lab.detecting import detect as detect
    from naslab.lab.detector_training import train_detector as train_detector
    from naslab.lab.detectors import detector as detector
    from naslab.lab.detectors import detector_cost as detector_cost
    from naslab.lab.detectors import segmenter as segmenter
    from naslab.lab.latency import calibrate_latency as calibrate_latency
    from naslab.lab.measuring import measure as measure
    from naslab.lab.models import find_model as find_model
    from naslab.lab.networks import arch_id as arch_id
    from naslab.lab.networks import build as build
    from naslab.lab.networks import cost as cost
    from naslab.lab.networks import family as family
    from naslab.lab.networks import meet_budget as meet_budget
    from naslab.lab.networks import rescale as rescale
    from naslab.lab.networks import save_arch as save_arch
    from naslab.lab.networks import scale as scale
    from naslab.lab.predicting import from_pretrained as from_pretrained
    from naslab.lab.predicting import predict as predict
    from naslab.lab.reading import front_figure as front_figure
    from naslab.lab.reading import open_study as open_study
    from naslab.lab.reading import pareto_front as pareto_front
    from naslab.lab.reading import write_report as write_report
    from naslab.lab.scaling import fit_compound as fit_compound
    from naslab.lab.scaling import fit_data_law as fit_data_law
    from naslab.lab.search import search as search
    from naslab.lab.search_estimators import accuracy_predictor as accuracy_predictor
    from naslab.lab.seeds import train_seeds as train_seeds
    from naslab.lab.shrinking import shrink as shrink
    from naslab.lab.studies import delete_study as delete_study
    from naslab.lab.studies import merge_studies as merge_studies
    from naslab.lab.studies import rename_study as rename_study
    from naslab.lab.study_measuring import measure_study as measure_study
    from naslab.lab.supernet import export_shared_weights as export_shared_weights
    from naslab.lab.supernet import train_supernet as train_supernet
    from naslab.lab.training import train as train
    from naslab.lab.transfer import transfer as transfer
    from naslab.scaling import Compound as Compound
    from naslab.scaling import Member as Member
    from naslab.scaling.laws import fit_power_law as fit_power_law
    from naslab.space import SearchSpace as SearchSpace
    from naslab.space import choice as choice
    from naslab.space import load_space as load_space
    from naslab.study.recipe import Recipe as Recipe
    from naslab.training.datasets.given import Data as Data
    from naslab.zoo import model as model

_HOMES = {
    "ArchSpec": "naslab.arch",
    "Compound": "naslab.scaling",
    "Cost": "naslab.arch",
    "Data": "naslab.training.datasets.given",
    "DenseRecipe": "naslab.dense_prediction.dense_recipe",
    "Member": "naslab.scaling",
    "NaslabError": "naslab.errors",
    "Recipe": "naslab.study.recipe",
    "SearchSpace": "naslab.space",
    "StudyView": "naslab.analysis.study",
    "Trial": "naslab.estimators.trial",
    "Workers": "naslab.execution.workers",
    "accuracy_predictor": "naslab.lab.search_estimators",
    "arch_id": "naslab.lab.networks",
    "backbone": "naslab.lab.backbones",
    "build": "naslab.lab.networks",
    "calibrate": "naslab.lab.calibration",
    "calibrate_latency": "naslab.lab.latency",
    "choice": "naslab.space",
    "compare_studies": "naslab.lab.comparing",
    "cost": "naslab.lab.networks",
    "delete_study": "naslab.lab.studies",
    "detect": "naslab.lab.detecting",
    "detector": "naslab.lab.detectors",
    "detector_cost": "naslab.lab.detectors",
    "export_shared_weights": "naslab.lab.supernet",
    "family": "naslab.lab.networks",
    "features": "naslab.lab.backbones",
    "find_model": "naslab.lab.models",
    "fit_compound": "naslab.lab.scaling",
    "fit_data_law": "naslab.lab.scaling",
    "fit_power_law": "naslab.scaling.laws",
    "from_pretrained": "naslab.lab.predicting",
    "front_figure": "naslab.lab.reading",
    "load_arch": "naslab.arch",
    "load_space": "naslab.space",
    "measure": "naslab.lab.measuring",
    "measure_study": "naslab.lab.study_measuring",
    "meet_budget": "naslab.lab.networks",
    "merge_studies": "naslab.lab.studies",
    "model": "naslab.zoo",
    "open_study": "naslab.lab.reading",
    "pareto_front": "naslab.lab.reading",
    "predict": "naslab.lab.predicting",
    "register_with_timm": "naslab.lab.backbones",
    "rename_study": "naslab.lab.studies",
    "rescale": "naslab.lab.networks",
    "save_arch": "naslab.lab.networks",
    "scale": "naslab.lab.networks",
    "search": "naslab.lab.search",
    "segmenter": "naslab.lab.detectors",
    "short_training": "naslab.estimators.short_function",
    "shrink": "naslab.lab.shrinking",
    "train": "naslab.lab.training",
    "train_detector": "naslab.lab.detector_training",
    "train_seeds": "naslab.lab.seeds",
    "train_supernet": "naslab.lab.supernet",
    "transfer": "naslab.lab.transfer",
    "write_report": "naslab.lab.reading",
}
"""Every export and the module that it comes from: `__all__`, `dir()` and loading at first use are made of it."""

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'naslab' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
