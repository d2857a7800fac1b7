"""Floor 2. Metrics of decisions: precision, recall, F1 and the confusion matrix.

With several outputs a row predicts the class of its largest one if the loss is a categorical cross-entropy, else each
output decides for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np

from fastbp.losses import Loss
from fastbp.metrics.accuracy import check_thresholds
from fastbp.metrics.base import Metric, Sums
from fastbp.utils import check_count, check_number

AVERAGES = ("macro", "micro", "weighted", None)


def check_average(average: object) -> Any:
    """One of AVERAGES."""
    if average not in AVERAGES:
        raise ValueError(f"expected average as one of {', '.join(map(repr, AVERAGES))}, got {average!r}")
    return average


def check_class(class_id: int | None, outputs: int) -> None:
    """A class that the model has."""
    if class_id is not None and class_id >= outputs:
        raise ValueError(f"expected class_id below {outputs}, the number of outputs, got {class_id}")


def averaged(values: np.ndarray, support: np.ndarray, average: str | None) -> np.ndarray:
    """One number of those of the classes, along the last axis; a single one as it is, several too if `average` is None.

    Parameters
    ----------
    values, support : ndarray, shape (..., classes)
        Of each class its value, NaN if it has none, and the weight of its rows.
    average : {"macro", "micro", "weighted", None}
    """
    if values.shape[-1] == 1:
        return np.array(values[..., 0])
    if average is None:
        return values
    known = ~np.isnan(values)
    shares = known * (support if average == "weighted" else 1.0)
    return np.asarray((np.where(known, values, 0) * shares).sum(axis=-1) / shares.sum(axis=-1))


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, and 0 where that is 0 / 0."""
    return np.asarray(np.divide(part, whole, out=np.zeros(np.shape(whole)), where=whole != 0))


class _Outcomes(Metric):
    probabilities = True

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        class_id: int | None = None,
        name: str | None = None,
        average: str | None = "macro",
    ) -> None:
        super().__init__(name)
        self.thresholds: float | list[float] | None
        if isinstance(thresholds, (list, tuple, np.ndarray)):
            self.thresholds = [check_number("thresholds", threshold) for threshold in thresholds]
            check_count("number of thresholds", len(self.thresholds), 1)
        else:
            self.thresholds = None if thresholds is None else check_number("thresholds", thresholds)
        self.average = check_average(average)
        self.class_id = None if class_id is None else check_count("class_id", class_id, 0)

    def resolve(self, outputs: int, loss: Loss) -> Metric:
        """With a threshold, unless the largest output decides."""
        check_class(self.class_id, outputs)
        found = copy(self)
        if self.thresholds is None and not (loss.one_class and outputs > 1):
            found.thresholds = 0.5
        check_thresholds(self, found.cuts or [], loss)
        return found

    @property
    def cuts(self) -> list[float] | None:
        """The thresholds as a list; None where the largest output decides."""
        return [self.thresholds] if isinstance(self.thresholds, float) else self.thresholds

    def record(self, tape: Any, prediction: Any, target: Any, weight: Any) -> tuple[Any, ...]:
        """What was predicted, true and both, of each class."""
        shape = (len(self.cuts or [0]), prediction.shape[0], 3)
        return (tape.tally(self.name, prediction, target, "outcomes", shape, weight, thresholds=self.cuts),)

    def finish(self, sums: Sums, count: Any) -> np.ndarray:
        """The scores of the classes, averaged; for several thresholds a number of each."""
        counts = sums[0]  # (laps, thresholds, classes, 3)
        if self.class_id is not None:
            counts = counts[:, :, self.class_id : self.class_id + 1]
        elif self.average == "micro":
            counts = counts.sum(axis=2, keepdims=True)
        predicted, true, both = np.moveaxis(counts, -1, 0)
        found = averaged(self.score(predicted, true, both), true, self.average)
        return found if isinstance(self.thresholds, list) else found[:, 0]

    def score(self, predicted: np.ndarray, true: np.ndarray, both: np.ndarray) -> np.ndarray:
        """Of rows that were predicted, true and both."""
        raise NotImplementedError


class Precision(_Outcomes):
    """Share of what was predicted that is true; 0 if nothing was predicted.

    Parameters
    ----------
    thresholds : float or sequence of float, optional
        An output above it predicts its class; of several thresholds the metric is an array. Unless given, it is 0.5;
        but where the loss is a categorical cross-entropy, a row predicts the class of its largest output.
    class_id : int, optional
        This class alone.
    name : str, optional
    average : {"macro", "micro", "weighted", None}
        Of several outputs: the mean over classes; all decisions counted together (as Keras does); the mean weighted by
        how often a class is true; or an array with a number for each class.

    Raises
    ------
    ValueError
        If an option is none of these.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> model = fb.Sequential([fb.Activation("linear", input_shape=(1,))])
    >>> model.compile("sgd", "bce", metrics=[fb.metrics.Precision(0.3), "recall"])
    >>> model.evaluate(np.array([0.1, 0.4, 0.8]), np.array([0, 0, 1]), return_dict=True)["precision"]
    0.5
    """

    default_name = "precision"

    def score(self, predicted: np.ndarray, true: np.ndarray, both: np.ndarray) -> np.ndarray:
        """both / predicted."""
        return ratio(both, predicted)


class Recall(_Outcomes):
    """Share of what is true that was predicted; 0 if nothing is true. Parameters as `Precision`."""

    default_name = "recall"

    def score(self, predicted: np.ndarray, true: np.ndarray, both: np.ndarray) -> np.ndarray:
        """both / true."""
        return ratio(both, true)


class F1Score(_Outcomes):
    """Harmonic mean of precision and recall, 2 both / (predicted + true); 0 if there is neither.

    Parameters
    ----------
    average : {"macro", "micro", "weighted", None}
    threshold : float or sequence of float, optional
    name : str, optional
    class_id : int, optional
        All as for `Precision`; the order is Keras's.
    """

    default_name = "f1_score"

    def __init__(
        self,
        average: str | None = "macro",
        threshold: float | Sequence[float] | None = None,
        name: str | None = None,
        class_id: int | None = None,
    ) -> None:
        super().__init__(threshold, class_id, name, average)

    def score(self, predicted: np.ndarray, true: np.ndarray, both: np.ndarray) -> np.ndarray:
        """2 both / (predicted + true)."""
        return ratio(2 * both, predicted + true)

    def get_config(self) -> dict[str, Any]:
        """With the threshold under this class's name for it."""
        config = super().get_config()
        config["threshold"] = config.pop("thresholds")
        return config


class ConfusionMatrix(Metric):
    """How many rows of each class were taken for each: a matrix, the true classes down and the predicted ones across.

    Parameters
    ----------
    name : str, optional
    threshold : float
        Of a model with one output, above which it predicts a one; of several the largest decides.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> model = fb.Sequential([fb.Activation("linear", input_shape=(2,))])
    >>> model.compile("sgd", "crossentropy", metrics=["confusion_matrix"])
    >>> model.evaluate(np.eye(2)[[0, 1, 1]], np.array([0, 0, 1]))[1]
    array([[1, 1],
           [0, 1]])
    """

    default_name = "confusion_matrix"
    probabilities = True

    def __init__(self, name: str | None = None, threshold: float = 0.5) -> None:
        super().__init__(name)
        self.threshold = check_number("threshold", threshold)

    def resolve(self, outputs: int, loss: Loss) -> Metric:
        """Itself, if the threshold fits the outputs."""
        check_thresholds(self, [self.threshold] if outputs == 1 else [], loss)
        return self

    def record(self, tape: Any, prediction: Any, target: Any, weight: Any) -> tuple[Any, ...]:
        """The matrix, or what it is made of for one output."""
        outputs = prediction.shape[0]
        if outputs == 1:
            cuts = [self.threshold]
            return (tape.tally(self.name, prediction, target, "outcomes", (1, 1, 3), weight, thresholds=cuts),)
        return (tape.tally(self.name, prediction, target, "confusion", (outputs, outputs), weight),)

    def finish(self, sums: Sums, count: Any) -> np.ndarray:
        """The matrix: whole numbers, unless rows have weights."""
        matrix = sums[0]
        if matrix.shape[-1] == 3 and matrix.ndim == 4:
            predicted, true, both = matrix[:, 0, 0].T
            cells = [count - predicted - true + both, predicted - both, true - both, both]
            matrix = np.stack(cells, axis=-1).reshape(-1, 2, 2)
        return matrix.astype(np.int64 if isinstance(count, int) else np.float64)
