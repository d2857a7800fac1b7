"""Floor 2. Cross-entropies and divergences on NumPy arrays: the value and its gradient in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastbp.ops.dense import matmul
from fastbp.ops.edge import Array, as_array, matrix
from fastbp.ops.loss import Weights, run_compared, run_loss
from fastbp.ops.target import is_labels, labels_of, row_weights, scores, weights_of
from fastbp.utils import check_count, check_number

ClassWeights = ArrayLike | Mapping[int, float]


def _smoothing(value: float) -> float:
    return check_number("label_smoothing", value, 0, 1, "[)")


def _class_weights(given: ClassWeights, classes: int) -> Array:
    """A weight for each class, of which a mapping may leave some out: they count 1."""
    if isinstance(given, Mapping):
        weights = [1.0] * classes
        for label, weight in given.items():
            weights[check_count("class_weight for labels", label, 0, classes - 1)] = check_number(
                f"class_weight[{label}]", weight, 0
            )
        given = weights
    return weights_of("class_weight", given, classes)


def _categorical(
    kind: str,
    name: str,
    prediction: ArrayLike,
    target: ArrayLike,
    class_weight: ClassWeights | None,
    label_smoothing: float,
    ignore_index: int | None,
    sample_weight: ArrayLike | None,
    reduction: str,
    out: Array | None,
) -> tuple[Any, Any]:
    p = scores(name, prediction)
    rows, classes = p.shape
    smoothing = _smoothing(label_smoothing)
    of_class = None if class_weight is None else _class_weights(class_weight, classes)
    weight = None if sample_weight is None else weights_of("sample_weight", sample_weight, rows)
    labels = factor = None
    if is_labels(target, classes):
        ignored = None if ignore_index is None else check_count("ignore_index", ignore_index, -(2**63), 2**63 - 1)
        t = labels = labels_of("target", target, rows, classes, ignored)
    else:
        if ignore_index is not None:
            raise ValueError("expected target of integer labels where ignore_index is given, got rows of numbers")
        if (given := as_array("target", target)).ndim == 1:
            raise ValueError(f"expected target of integers where it is a vector, got dtype {given.dtype}")
        t = matrix("target", target, p.dtype, rows, classes)
        if of_class is not None:
            factor = matmul(np.asarray(t, np.float64), of_class.reshape(-1, 1)).reshape(-1)
    weights: Weights = (None, rows)
    if weight is not None or of_class is not None or ignore_index is not None:
        weights = row_weights(rows, p.dtype, weight, None if labels is None else of_class, labels, factor)
    replaces = kind != "categorical_crossentropy_logits" or (labels is not None and smoothing == 0)
    value, gradient = run_loss(kind, p, t, weights, reduction, out, smoothing=smoothing, in_place=replaces)
    return value, gradient


def softmax_cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    *,
    class_weight: ClassWeights | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    out: Array | None = None,
) -> tuple[Any, Any]:
    """Cross-entropy of softmax(logits), -sum(target log softmax(logits)), and its gradient.

    Parameters
    ----------
    logits : array_like, shape (rows, classes)
        float32 or float64; no finite value overflows.
    target : array_like, shape (rows,) of int, or (rows, classes)
        Class labels, or a distribution for each row.
    class_weight : array_like, shape (classes,), or mapping of labels to weights, optional
        Multiplies the loss of a row by its class's weight, at least 0; 1 for classes that a mapping leaves out. As in
        PyTorch, "mean" then divides by the sum of the weights. Where targets are distributions, the weight of a row is
        the mean of the class weights under it; PyTorch weighs each term of the row's sum, and divides by the rows.
    label_smoothing : float
        The part of each target that is shared out evenly among all classes, from 0 to below 1 (Szegedy et al. 2016).
        A class weight multiplies the smoothed loss as a whole, by the weight of the row's own class. In PyTorch it
        multiplies each term of it, so that the part of another class has that class's weight.
    ignore_index : int, optional
        Rows with this label do not count; it need not be a class.
    sample_weight : array_like, shape (rows,), optional
        Multiplies the loss of each row, at least 0. A row of weight 0 does not count, whatever it holds, NaN included:
        its value and gradient are 0.
    reduction : {"mean", "sum", "none"}
        The weighted mean, sum(w_i loss_i) / sum(w_i) where w is the product of all weights; the sum of w_i loss_i; or
        the vector of them. If no row counts, the mean is NaN and the gradient 0.
    out : ndarray, shape (rows, classes), optional
        Where the gradient goes. It may be `logits` itself if targets are labels and not smoothed, else it may not
        overlap an input.

    Returns
    -------
    value : float, or ndarray of shape (rows,) for "none"
        The sum over rows is made in double, in one order.
    gradient : ndarray, shape (rows, classes)
        Of the value by the logits; for "none", that of each row's own value.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, a label is out of range, a distribution has a negative or infinite element or
        NaN, a weight is negative or not finite, or an option is not one of those above.

    Examples
    --------
    >>> import fastbp as fb
    >>> value, gradient = fb.ops.softmax_cross_entropy([[0.0, 0.0], [0.0, 0.0]], [1, 0])
    >>> round(value, 4), gradient
    (0.6931, array([[ 0.25, -0.25],
           [-0.25,  0.25]]))
    """
    kind = "categorical_crossentropy_logits"
    options = (class_weight, label_smoothing, ignore_index, sample_weight, reduction, out)
    return _categorical(kind, "logits", logits, target, *options)


def categorical_cross_entropy(
    prediction: ArrayLike,
    target: ArrayLike,
    *,
    class_weight: ClassWeights | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    out: Array | None = None,
) -> tuple[Any, Any]:
    """Cross-entropy of probabilities, -sum(target log prediction), and its gradient.

    As Keras has it: each row is divided by its sum, then clipped to [1e-7, 1 - 1e-7]; where it was clipped, its
    derivative is 0. From logits, `softmax_cross_entropy` is faster and more accurate. Arguments as there, with
    probabilities (rows, classes) in the place of logits; `out` may be the prediction itself.

    Examples
    --------
    >>> import fastbp as fb
    >>> value, gradient = fb.ops.categorical_cross_entropy([[0.5, 0.5]], [1])
    >>> round(value, 4), gradient
    (0.6931, array([[ 1., -1.]]))
    """
    options = (class_weight, label_smoothing, ignore_index, sample_weight, reduction, out)
    return _categorical("categorical_crossentropy", "prediction", prediction, target, *options)


def sigmoid_binary_cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    *,
    pos_weight: float = 1.0,
    label_smoothing: float = 0.0,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    out: Array | None = None,
) -> tuple[Any, Any]:
    """Binary cross-entropy of p = sigmoid(logits), mean of -t log p - (1 - t) log(1 - p), and its gradient.

    Parameters
    ----------
    logits : array_like, shape (rows, columns) or (rows,)
        float32 or float64; no finite value overflows. The loss of a row is the mean over its columns.
    target : array_like, of the shape of logits
        From 0 to 1.
    pos_weight : float
        Multiplies the first term, so that ones count more or less than zeros, as in PyTorch; above 0. "mean" does not
        divide by it.
    label_smoothing : float
        Targets become t (1 - s) + s / 2; from 0 to below 1.
    sample_weight, reduction
        As in `softmax_cross_entropy`.
    out : ndarray, of the shape of logits, optional
        Where the gradient goes; may be `logits` itself.

    Returns
    -------
    value : float, or ndarray of shape (rows,) for "none"
    gradient : ndarray, of the shape of logits

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, a target is not from 0 to 1, a weight is negative or not finite, or an option is
        not one of those above.

    Examples
    --------
    >>> import fastbp as fb
    >>> value, gradient = fb.ops.sigmoid_binary_cross_entropy([[0.0], [0.0]], [[1.0], [0.0]])
    >>> round(value, 4), gradient
    (0.6931, array([[-0.25],
           [ 0.25]]))
    """
    smoothing, kind = _smoothing(label_smoothing), "binary_crossentropy_logits"
    weight = None
    if type(pos_weight) not in (int, float) or pos_weight != 1:
        kind, weight = f"weighted_{kind}", ("pos_weight", pos_weight, 0, inf)
    return run_compared(kind, logits, target, sample_weight, reduction, out, weight, smoothing)


def binary_cross_entropy(
    prediction: ArrayLike,
    target: ArrayLike,
    *,
    label_smoothing: float = 0.0,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    out: Array | None = None,
) -> tuple[Any, Any]:
    """Binary cross-entropy of probabilities p, mean of -t log p - (1 - t) log(1 - p), and its gradient.

    As in Keras, p is clipped to [1e-7, 1 - 1e-7]; where it was clipped, its derivative is 0. From logits,
    `sigmoid_binary_cross_entropy` is faster and more accurate. Arguments as there.

    Examples
    --------
    >>> import fastbp as fb
    >>> value, gradient = fb.ops.binary_cross_entropy([[0.5]], [[1.0]])
    >>> round(value, 4), gradient
    (0.6931, array([[-2.]]))
    """
    smoothing = _smoothing(label_smoothing)
    return run_compared("binary_crossentropy", prediction, target, sample_weight, reduction, out, None, smoothing)


def kl_divergence(
    prediction: ArrayLike,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    out: Array | None = None,
) -> tuple[Any, Any]:
    """Kullback-Leibler divergence of distributions, sum(target log(target / prediction)), and its gradient.

    As in Keras, both are clipped to [1e-7, 1]; where the prediction was clipped, its derivative is 0. The loss of a row
    is the sum over its columns. Targets are finite and at least 0; arguments otherwise as `mean_squared_error`.

    Examples
    --------
    >>> import fastbp as fb
    >>> value, gradient = fb.ops.kl_divergence([[0.5, 0.5]], [[0.25, 0.75]])
    >>> round(value, 4), gradient
    (0.1308, array([[-0.5, -1.5]]))
    """
    return run_compared("kl_divergence", prediction, target, sample_weight, reduction, out)
