"""Floor 4. Pictures of training and of what was learnt, by matplotlib (extra `plot`), with or without a screen."""

from fastbp.plots.confusion import confusion_matrix
from fastbp.plots.curves import history
from fastbp.plots.diagram import model_graph
from fastbp.plots.figure import check_path
from fastbp.plots.filters import weights
from fastbp.plots.flow import gradient_flow
from fastbp.plots.regions import decision_regions

__all__ = [
    "check_path",
    "confusion_matrix",
    "decision_regions",
    "gradient_flow",
    "history",
    "model_graph",
    "weights",
]
