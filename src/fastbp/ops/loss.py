"""Floor 2. Losses on NumPy arrays: the value and the gradient of each row in one pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fastbp._core import _rows
from fastbp._core._program import run_op
from fastbp.ops.edge import TRANSCENDENTAL, Array, matrix, row_major


def _loss(kind: str, prediction: ArrayLike, target: ArrayLike, labels: bool = False) -> tuple[Array, Array]:
    prediction = row_major(matrix("prediction", prediction))
    rows, columns = prediction.shape
    if labels:
        target = _labels(target, rows, columns)
    else:
        target = row_major(matrix("target", target, prediction.dtype, rows, columns))
    value, gradient = np.empty(rows, prediction.dtype), np.empty(prediction.shape, prediction.dtype)
    op = _rows.Loss(kind, prediction, target, value, gradient, mean=False)
    run_op(op, rows, TRANSCENDENTAL * float(prediction.size))
    return value, gradient


def _labels(target: ArrayLike, rows: int, columns: int) -> Array:
    """Class indices, checked, as contiguous int32."""
    array = np.asarray(target)
    if array.shape != (rows,):
        raise ValueError(f"expected target with shape ({rows},) or ({rows}, {columns}), got {array.shape}")
    if array.size and not (array.min() >= 0 and array.max() < columns):
        raise ValueError(f"expected labels from 0 to {columns - 1}, got {array.min()} to {array.max()}")
    return np.ascontiguousarray(array, np.int32)


def softmax_cross_entropy(logits: ArrayLike, target: ArrayLike) -> tuple[Array, Array]:
    """Cross-entropy of softmax(logits), -sum(target log softmax(logits)), and its gradient.

    Parameters
    ----------
    logits : array_like, shape (batch, classes)
        float32 or float64; no finite value overflows.
    target : array_like, shape (batch,) of int, or (batch, classes)
        Class indices, or a distribution for each row.

    Returns
    -------
    value : ndarray, shape (batch,)
        The loss of each row.
    gradient : ndarray, shape (batch, classes)
        Of each row's own loss: softmax(logits) - target, not divided by the batch.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, or a label is out of range.

    Examples
    --------
    >>> import fastbp as fb
    >>> value, gradient = fb.ops.softmax_cross_entropy([[0.0, 0.0]], [1])
    >>> value.round(4), gradient
    (array([0.6931]), array([[ 0.5, -0.5]]))
    """
    labels = np.asarray(target).dtype.kind in "iu" and np.ndim(target) == 1
    return _loss("categorical_crossentropy_logits", logits, target, labels)


def sigmoid_binary_cross_entropy(logits: ArrayLike, target: ArrayLike) -> tuple[Array, Array]:
    """Binary cross-entropy of sigmoid(logits), the mean over the columns of a row, and its gradient.

    Parameters
    ----------
    logits : array_like, shape (batch, columns)
        float32 or float64; no finite value overflows.
    target : array_like, shape (batch, columns)
        From 0 to 1.

    Returns
    -------
    value : ndarray, shape (batch,)
        The loss of each row.
    gradient : ndarray, shape (batch, columns)
        Of each row's own loss: (sigmoid(logits) - target) / columns, not divided by the batch.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit.

    Examples
    --------
    >>> import fastbp as fb
    >>> value, gradient = fb.ops.sigmoid_binary_cross_entropy([[0.0]], [[1.0]])
    >>> value.round(4), gradient
    (array([0.6931]), array([[-0.5]]))
    """
    return _loss("binary_crossentropy_logits", logits, target)


def mean_squared_error(prediction: ArrayLike, target: ArrayLike) -> tuple[Array, Array]:
    """Squared error, the mean over the columns of a row, and its gradient.

    Parameters
    ----------
    prediction, target : array_like, shape (batch, columns)
        float32 or float64.

    Returns
    -------
    value : ndarray, shape (batch,)
        The loss of each row.
    gradient : ndarray, shape (batch, columns)
        Of each row's own loss: 2 (prediction - target) / columns, not divided by the batch.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.mean_squared_error([[1.0, 3.0]], [[1.0, 1.0]])
    (array([2.]), array([[0., 2.]]))
    """
    return _loss("mean_squared_error", prediction, target)
