"""Floor 2. Metrics: numbers reported beside the loss.

A metric is a name, an object, any loss (its mean over rows), or a function f(y_true, y_pred) of the user's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fastbp.losses import LOSSES, Loss
from fastbp.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from fastbp.metrics.auc import AUC
from fastbp.metrics.base import Function, MeanLoss, Metric
from fastbp.metrics.outcomes import ConfusionMatrix, F1Score, Precision, Recall
from fastbp.metrics.regression import (
    CosineSimilarity,
    MeanAbsoluteError,
    MeanSquaredError,
    R2Score,
    RootMeanSquaredError,
)
from fastbp.utils import resolve

__all__ = [
    "AUC",
    "METRICS",
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "ConfusionMatrix",
    "CosineSimilarity",
    "F1Score",
    "Function",
    "MeanAbsoluteError",
    "MeanLoss",
    "MeanSquaredError",
    "Metric",
    "Precision",
    "R2Score",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "get",
]

METRICS: dict[str, Callable[..., Metric]] = {
    **{name: partial(MeanLoss, name) for name in LOSSES},
    "accuracy": Accuracy,
    "acc": Accuracy,
    "binary_accuracy": BinaryAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
    "sparse_top_k_categorical_accuracy": SparseTopKCategoricalAccuracy,
    "precision": Precision,
    "recall": Recall,
    "f1_score": F1Score,
    "f1": F1Score,
    "auc": AUC,
    "confusion_matrix": ConfusionMatrix,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
    "root_mean_squared_error": RootMeanSquaredError,
    "rmse": RootMeanSquaredError,
    "cosine_similarity": CosineSimilarity,
    "r2_score": R2Score,
    "r2": R2Score,
}


# What configurations may speak of
KINDS = {**METRICS, MeanLoss.default_name: MeanLoss, Function.default_name: Function}


def get(given: Any) -> Metric:
    """Metric of a name, an object, a loss, a function, or what `get_config` of one has returned.

    Its name is the one given, or that of the loss or the function.

    Raises
    ------
    TypeError, ValueError
        If it is none of these; of an unknown name the message has the nearest known one.

    Examples
    --------
    >>> import fastbp as fb
    >>> metric = fb.metrics.get("acc").resolve(outputs=1, loss=fb.losses.get("bce"))
    >>> metric.name, metric.kernel
    ('acc', 'binary_accuracy')
    >>> fb.metrics.get(fb.losses.Huber(2.0)).name
    'huber'
    """
    if isinstance(given, Loss):
        return MeanLoss(given)
    if callable(given) and not isinstance(given, (Metric, type)):
        return Function(given)
    table = KINDS if isinstance(given, dict) else METRICS
    found: Any = resolve("metric", Metric, table, given, key="kind")
    return found if isinstance(found, Metric) else found(name=given)


def get_all(given: object) -> list[Metric]:
    """Metrics of one or several names, objects, losses and functions, or of None."""
    items: list[Any] = list(given) if isinstance(given, (list, tuple)) else [] if given is None else [given]
    return [get(item) for item in items]
