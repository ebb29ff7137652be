"""Tables as Plotly figures, and the report of a study. Figures never compute: tables come from `naslab.analysis`."""

from naslab.figures.calibration import calibration_figure
from naslab.figures.curves import curves_figure
from naslab.figures.family import family_figure
from naslab.figures.front import front_figure
from naslab.figures.preferences import preferences_figure
from naslab.figures.progress import progress_figure
from naslab.figures.report import write_report
from naslab.figures.write import write_figure
from naslab.figures.zoo import zoo_figure

__all__ = [
    "calibration_figure",
    "curves_figure",
    "family_figure",
    "front_figure",
    "preferences_figure",
    "progress_figure",
    "write_figure",
    "write_report",
    "zoo_figure",
]
