"""Floor 2. The area under a curve, ROC or precision and recall, from a histogram of the scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbp.losses import Loss
from fastbp.metrics.base import Metric, Sums
from fastbp.metrics.outcomes import averaged, check_average, check_class, ratio
from fastbp.utils import check_count


class AUC(Metric):
    """Area under a curve of decisions over all thresholds.

    The thresholds are evenly spaced, as in Keras, whose numbers these are: scores are counted in bins while the program
    runs, so a score counts as that of its bin. More thresholds come closer to the exact area, and cost no time.

    Parameters
    ----------
    num_thresholds : int
        At least 2.
    curve : {"ROC", "PR"}
        True positives over false ones, by trapezoids; or precision over recall, interpolated as in Davis & Goadrich
        (2006).
    name : str, optional
    average : {"macro", "micro", "weighted", None}
        Of several outputs, each against the rest: the mean over the classes that have an area; all scores counted
        together (as Keras does); the mean weighted by how often a class is true; or an array with a number for each.
    class_id : int, optional
        This class alone.

    Notes
    -----
    Outputs have to be probabilities: the area is NaN if one is not from 0 to 1. A class to which no row belongs, or for
    ROC every row, has no curve: its area is NaN.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> model = fb.Sequential([fb.Activation("linear", input_shape=(1,))])
    >>> model.compile("sgd", "bce", metrics=["auc"])
    >>> model.evaluate(np.array([0.0, 0.5, 0.3, 0.9]), np.array([0, 0, 1, 1]), return_dict=True)["auc"]
    0.75
    """

    default_name = "auc"
    probabilities = True

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        name: str | None = None,
        average: str | None = "macro",
        class_id: int | None = None,
    ) -> None:
        super().__init__(name)
        self.num_thresholds = check_count("num_thresholds", num_thresholds, 2)
        if curve not in CURVES:
            raise ValueError(f"expected curve as one of {', '.join(CURVES)}, got {curve!r}")
        self.curve = curve
        self.average = check_average(average)
        self.class_id = None if class_id is None else check_count("class_id", class_id, 0)

    def resolve(self, outputs: int, loss: Loss) -> Metric:
        """Itself, if the model has the class."""
        check_class(self.class_id, outputs)
        return self

    def record(self, tape: Any, prediction: Any, target: Any, weight: Any) -> tuple[Any, ...]:
        """Scores of zeros and ones in bins; the last has those that are no probabilities."""
        bins = self.num_thresholds - 1
        shape = (prediction.shape[0], 2, bins + 1)
        return (tape.tally(self.name, prediction, target, "histogram", shape, weight, bins=bins),)

    def finish(self, sums: Sums, count: Any) -> np.ndarray:
        """The areas of the classes, averaged."""
        counts = sums[0]  # (laps, classes, 2, bins + 1)
        if self.class_id is not None:
            counts = counts[:, self.class_id : self.class_id + 1]
        elif self.average == "micro":
            counts = counts.sum(axis=1, keepdims=True)
        # with the threshold below each bin, and above the last: how many scores are larger
        above = np.zeros_like(counts)
        above[..., :-1] = counts[..., -2::-1].cumsum(axis=-1)[..., ::-1]
        wrong, right = above[:, :, 0], above[:, :, 1]
        areas = averaged(CURVES[self.curve](wrong, right), right[..., 0], self.average)
        areas[counts[..., -1].any(axis=(1, 2))] = np.nan
        return areas


def roc_area(wrong: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Of false and true positives at each threshold, shape (..., thresholds), by trapezoids."""
    x, y = wrong / wrong[..., :1], right / right[..., :1]
    return np.asarray(((x[..., :-1] - x[..., 1:]) * (y[..., :-1] + y[..., 1:])).sum(axis=-1) / 2)


def pr_area(wrong: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Of false and true positives at each threshold: between two, true ones grow in proportion to all positives."""
    positive = wrong + right
    slope = ratio(right[..., :-1] - right[..., 1:], positive[..., :-1] - positive[..., 1:])
    intercept = right[..., 1:] - slope * positive[..., 1:]
    both = (positive[..., :-1] > 0) & (positive[..., 1:] > 0)
    growth = np.divide(positive[..., :-1], positive[..., 1:], out=np.ones(both.shape), where=both)
    gained = right[..., :-1] - right[..., 1:]
    return np.asarray((slope * (gained + intercept * np.log(growth))).sum(axis=-1) / right[..., 0])


CURVES = {"ROC": roc_area, "PR": pr_area}
