"""What outcomes say: outcomes in, tables out. Every table turns into JSON values by `rows()`; figures draw them."""

from naslab.analysis.calibration import CalibrationTable, EstimatorLine
from naslab.analysis.curves import CurveTable, LearningCurve, learning_curves
from naslab.analysis.facts import Fact, FactTable, facts
from naslab.analysis.failures import FailureGroup, FailureTable, failures
from naslab.analysis.family import FamilyTable, MeasuredMember, family
from naslab.analysis.front import FrontPoint, FrontTable, front
from naslab.analysis.preferences import Preference, PreferenceTable, preferences
from naslab.analysis.progress import ProgressTable, progress
from naslab.analysis.reference import ReferencePoint, reference_of_outcomes, reference_point
from naslab.analysis.study import StudyView, read_study

__all__ = [
    "CalibrationTable",
    "CurveTable",
    "EstimatorLine",
    "Fact",
    "FactTable",
    "FailureGroup",
    "FailureTable",
    "FamilyTable",
    "FrontPoint",
    "FrontTable",
    "LearningCurve",
    "MeasuredMember",
    "Preference",
    "PreferenceTable",
    "ProgressTable",
    "ReferencePoint",
    "StudyView",
    "facts",
    "failures",
    "family",
    "front",
    "learning_curves",
    "preferences",
    "progress",
    "read_study",
    "reference_of_outcomes",
    "reference_point",
]
