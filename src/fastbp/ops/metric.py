"""Floor 2. What is counted from labels and predictions, on NumPy arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastbp._core import _losses
from fastbp._core._program import run_op
from fastbp.ops.edge import MOVED, REALS, Array, as_array, finished, matrix, output, real, real_type, row_major, shaped
from fastbp.ops.target import count_pairs, is_labels, labels_of, scores, set_ones
from fastbp.utils import as_number, check_count


def one_hot(labels: ArrayLike, classes: int, dtype: DTypeLike | None = None, out: Array | None = None) -> Array:
    """Labels as rows of zeros with a one.

    Parameters
    ----------
    labels : array_like of int, shape (rows,)
        From 0 to classes - 1.
    classes : int
    dtype : {float32, float64}, optional
        That of `out`, or float32.
    out : ndarray, shape (rows, classes), optional
        Of that dtype.

    Returns
    -------
    ndarray, shape (rows, classes)

    Raises
    ------
    TypeError, ValueError
        If labels are no integers or out of range, or dtype or `out` does not fit.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.one_hot([1, 0], 3)
    array([[0., 1., 0.],
           [1., 0., 0.]], dtype=float32)
    """
    kind, count = real_type(dtype, out, REALS[0]), check_count("classes", classes, 1)
    found = labels_of("labels", labels, -1, count)
    if out is None:
        target = np.zeros((len(found), count), kind)
    else:
        target = output(out, (len(found), count), kind, as_array("labels", labels))
        if not target.flags.c_contiguous:
            target = np.empty((len(found), count), kind)
        target[...] = 0
    set_ones(target, found)
    return finished(target, out)


def _share(kind: str, prediction: Array, target: Array, threshold: float) -> float:
    """Mean over rows of a metric."""
    rows = len(prediction)
    if not rows:
        return float("nan")
    right = np.empty(rows, prediction.dtype)
    run_op(_losses.Metric(kind, prediction, target, right, threshold), rows, 2 * MOVED * prediction.size)
    return _losses.total(right) / rows


def _scores_and_classes(prediction: ArrayLike, target: ArrayLike) -> tuple[Array, Array]:
    """Scores (rows, classes), and labels or one-hot rows."""
    p = row_major(scores("prediction", prediction))
    rows, classes = p.shape
    if is_labels(target, classes):
        return p, labels_of("target", target, rows, classes)
    return p, row_major(matrix("target", target, p.dtype, rows, classes))


def accuracy(prediction: ArrayLike, target: ArrayLike, threshold: float = 0.5) -> float:
    """Share of rows that are predicted right.

    Parameters
    ----------
    prediction : array_like, shape (rows, classes), (rows, 1) or (rows,)
        Scores of classes, of which the largest counts (the first of equals); or the probability of a one.
    target : array_like
        Labels (rows,) of int, or one-hot rows of the shape of prediction. Where predictions are probabilities: 0 or 1,
        of shape (rows,) or (rows, 1).
    threshold : float
        A probability above it predicts a one.

    Returns
    -------
    float
        NaN if there are no rows.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, or a label is out of range.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.accuracy([[0.1, 0.9], [0.8, 0.2]], [1, 1])
    0.5
    >>> fb.ops.accuracy([0.9, 0.2, 0.6], [1, 0, 0]) == 2 / 3
    True
    """
    p = real("prediction", prediction)
    if p.ndim == 1 or (p.ndim == 2 and p.shape[1] == 1):
        column = shaped("target", target, p.dtype, (len(p),), (len(p), 1)).reshape(-1, 1)
        return _share("binary_accuracy", row_major(p.reshape(-1, 1)), column, as_number("threshold", threshold))
    return _share("categorical_accuracy", *_scores_and_classes(p, target), 0.0)


def top_k_accuracy(prediction: ArrayLike, target: ArrayLike, k: int = 5) -> float:
    """Share of rows whose class is among the k with the largest scores: fewer than k columns are strictly larger.

    Parameters
    ----------
    prediction : array_like, shape (rows, classes)
        Scores. NaN is larger than any number, but a class whose own score is NaN is never right.
    target : array_like, shape (rows,) of int, or (rows, classes)
        Labels, or one-hot rows.
    k : int
        At least 1.

    Returns
    -------
    float
        NaN if there are no rows.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, a label is out of range, or k is below 1.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.top_k_accuracy([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]], [1, 2], k=2)
    0.5
    """
    count = check_count("k", k, 1)
    return _share("top_k_accuracy", *_scores_and_classes(prediction, target), float(count))


def confusion_counts(true_labels: ArrayLike, predicted_labels: ArrayLike, classes: int) -> Array:
    """How often each class was taken for each: element (i, j) counts the rows of class i that were predicted as j.

    Parameters
    ----------
    true_labels, predicted_labels : array_like of int, shape (rows,)
        From 0 to classes - 1.
    classes : int

    Returns
    -------
    ndarray of int64, shape (classes, classes)

    Raises
    ------
    TypeError, ValueError
        If labels are no integers, out of range, or not of the same number.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.confusion_counts([0, 1, 1], [0, 1, 0], 2)
    array([[1, 0],
           [1, 1]])
    """
    return count_pairs(
        "true_labels", true_labels, "predicted_labels", predicted_labels, check_count("classes", classes, 1)
    )
