"""Floor 2. Losses on NumPy arrays: the value and its gradient in one pass. The cross-entropies are next door.

The loss of a row is a mean over its columns, or a sum where a row is a distribution; what a call returns is the sum or
the mean over rows, or the vector of them.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastbp._core import _losses
from fastbp._core._program import run_op
from fastbp.ops.edge import TRANSCENDENTAL, Array, finished, like, output, real, row_major
from fastbp.ops.target import check_targets, row_weights, weights_of
from fastbp.utils import check_number, lookup

Weights = tuple[Array | None, float]  # (rows,) and their sum

REDUCTIONS = {name: name for name in ("none", "sum", "mean")}
# Losses whose targets are probabilities, and the largest that one may be.
MOST = {
    **dict.fromkeys(("binary_crossentropy", "binary_crossentropy_logits", "weighted_binary_crossentropy_logits"), 1.0),
    **dict.fromkeys(("categorical_crossentropy", "categorical_crossentropy_logits", "kl_divergence"), inf),
}


# ---- how a loss is run


def _as_column(array: Array) -> Array:
    """A vector as a matrix of one column."""
    return array.reshape(-1, 1) if array.ndim == 1 else array


def _compared(prediction: ArrayLike, target: ArrayLike) -> tuple[Array, Array]:
    """Predictions and targets of one shape, (rows, columns) or (rows,)."""
    prediction = real("prediction", prediction)
    if prediction.ndim not in (1, 2):
        raise ValueError(f"expected prediction with shape (rows, columns) or (rows,), got {prediction.shape}")
    return prediction, like("target", target, prediction, "prediction")


def _weights(rows: int, dtype: Any, sample_weight: ArrayLike | None) -> Weights:
    if sample_weight is None:
        return None, rows
    return row_weights(rows, dtype, weights_of("sample_weight", sample_weight, rows))


def run_loss(
    kind: str,
    prediction: Array,
    target: Array,
    weights: Weights,
    reduction: str,
    out: Array | None,
    *,
    alpha: float = 0.0,
    smoothing: float = 0.0,
    in_place: bool = True,
    variance: Array | None = None,
) -> tuple[Any, ...]:
    """Value and gradient; with a variance also the gradient by that. `in_place`: `out` may be the prediction."""
    lookup("reduction", REDUCTIONS, reduction)
    weight, total = weights
    shape, dtype = prediction.shape, prediction.dtype
    if in_place:
        gradient = output(out, shape, dtype, target, variance, in_place=prediction)
    else:
        gradient = output(out, shape, dtype, target, prediction)
    value = np.empty(shape[0], dtype)
    scale = 1.0 if reduction != "mean" else 1.0 / total if total else 0.0
    if target.dtype.kind != "i":
        target = row_major(_as_column(target))
        if kind in MOST:
            check_targets(target, weight, MOST[kind])
    into = _as_column(gradient)
    p = row_major(_as_column(prediction))
    op = _losses.Loss(kind, p, target, value, into, False, scale, weight, alpha, smoothing)
    gradients = [gradient]
    if variance is not None:
        by_variance = np.empty(shape, dtype)
        op.set_variance(row_major(_as_column(variance)), _as_column(by_variance))
        gradients.append(by_variance)
    run_op(op, shape[0], TRANSCENDENTAL * float(p.size))
    gradients[0] = finished(gradient, out)
    if reduction == "none":
        return value, *gradients
    found = _losses.total(value)
    if reduction == "mean":
        found = found / total if total else float("nan")
    return found, *gradients


def run_compared(
    kind: str,
    prediction: ArrayLike,
    target: ArrayLike,
    sample_weight: ArrayLike | None,
    reduction: str,
    out: Array | None,
    constant: tuple[str, object, float, float] | None = None,
    smoothing: float = 0.0,
) -> tuple[Any, Any]:
    """A loss of its elements or rows; `constant` is the name of one, its value and what it lies between."""
    p, t = _compared(prediction, target)
    weights = _weights(p.shape[0], p.dtype, sample_weight)
    alpha = check_number(*constant, "()", p.dtype) if constant else 0.0
    value, gradient = run_loss(kind, p, t, weights, reduction, out, alpha=alpha, smoothing=smoothing)
    return value, gradient


# ---- errors of a prediction


def mean_squared_error(
    prediction: ArrayLike,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    out: Array | None = None,
) -> tuple[Any, Any]:
    """Squared error, the mean over the columns of a row, and its gradient.

    Parameters
    ----------
    prediction : array_like, shape (rows, columns) or (rows,)
        float32 or float64. A vector has one column.
    target : array_like
        Of the shape and dtype of prediction.
    sample_weight : array_like, shape (rows,), optional
        Multiplies the loss of each row, at least 0. A row of weight 0 does not count, whatever it holds, NaN included:
        its value and gradient are 0.
    reduction : {"mean", "sum", "none"}
        The weighted mean, sum(w_i loss_i) / sum(w_i); the sum of w_i loss_i; or the vector of them. If no row counts,
        the mean is NaN and the gradient 0.
    out : ndarray, of the shape and dtype of prediction, optional
        Where the gradient goes; may be the prediction itself.

    Returns
    -------
    value : float, or ndarray of shape (rows,) for "none"
        The sum over rows is made in double, in one order.
    gradient : ndarray, of the shape of prediction
        Of the value by the prediction; for "none", that of each row's own value.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, a weight is negative or not finite, or an option is not one of those above.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.mean_squared_error([[1.0, 3.0]], [[1.0, 1.0]])
    (2.0, array([[0., 2.]]))
    """
    return run_compared("mean_squared_error", prediction, target, sample_weight, reduction, out)


def mean_absolute_error(
    prediction: ArrayLike,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    out: Array | None = None,
) -> tuple[Any, Any]:
    """Absolute error, the mean over the columns of a row, and its gradient; 0 where the error is 0.

    Arguments as `mean_squared_error`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.mean_absolute_error([[1.0, 3.0]], [[1.0, 1.0]])
    (1.0, array([[0. , 0.5]]))
    """
    return run_compared("mean_absolute_error", prediction, target, sample_weight, reduction, out)


def huber(
    prediction: ArrayLike,
    target: ArrayLike,
    delta: float = 1.0,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    out: Array | None = None,
) -> tuple[Any, Any]:
    """Huber's loss of e = prediction - target: e² / 2 up to delta, then delta (abs(e) - delta / 2) (Huber 1964).

    Arguments as `mean_squared_error`; delta is above 0.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.huber([[1.5, 4.0]], [[1.0, 1.0]], reduction="sum")
    (1.3125, array([[0.25, 0.5 ]]))
    """
    return run_compared("huber", prediction, target, sample_weight, reduction, out, ("delta", delta, 0, inf))


def log_cosh(
    prediction: ArrayLike,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    out: Array | None = None,
) -> tuple[Any, Any]:
    """Logarithm of cosh(prediction - target), the mean over the columns of a row; the gradient is a tanh.

    Without overflow for any error, and accurate for small ones. Arguments as `mean_squared_error`.

    Examples
    --------
    >>> import fastbp as fb
    >>> value, gradient = fb.ops.log_cosh([[2000.0]], [[1000.0]])
    >>> round(value, 4), gradient
    (999.3069, array([[1.]]))
    """
    return run_compared("log_cosh", prediction, target, sample_weight, reduction, out)


def quantile(
    prediction: ArrayLike,
    target: ArrayLike,
    q: float = 0.5,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    out: Array | None = None,
) -> tuple[Any, Any]:
    """Pinball loss, q e or (q - 1) e of e = target - prediction, whichever is positive (Koenker & Bassett 1978).

    Its minimum is the q-th quantile of the target, 0 < q < 1; the gradient is 0 where e is 0. Other arguments as
    `mean_squared_error`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.quantile([[1.0, 1.0]], [[0.0, 2.0]], q=0.75)
    (0.5, array([[ 0.125, -0.375]]))
    """
    return run_compared("quantile", prediction, target, sample_weight, reduction, out, ("q", q, 0, 1))


def poisson(
    prediction: ArrayLike,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    out: Array | None = None,
) -> tuple[Any, Any]:
    """Poisson loss of a predicted rate, prediction - target log(prediction + 1e-7), and its gradient.

    The mean over the columns of a row, with Keras's epsilon and, as there, without the term log(target!), which no
    gradient depends on. NaN where a prediction is below -1e-7. Arguments as `mean_squared_error`.

    Examples
    --------
    >>> import fastbp as fb
    >>> value, gradient = fb.ops.poisson([[2.0]], [[3.0]])
    >>> round(value, 4), gradient.round(4)
    (-0.0794, array([[-0.5]]))
    """
    return run_compared("poisson", prediction, target, sample_weight, reduction, out)


def gaussian_nll(
    mean: ArrayLike,
    target: ArrayLike,
    variance: ArrayLike,
    epsilon: float = 1e-6,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    out: Array | None = None,
) -> tuple[Any, Any, Any]:
    """Negative log-likelihood of a normal distribution, (log v + (mean - target)² / v) / 2, v = max(variance, epsilon).

    As in PyTorch: without the constant log(2 pi) / 2; and the derivative by a variance below epsilon (a negative one
    too) is the one at epsilon, so that training can raise it again. The loss of a row is the mean over its columns.
    Source: Nix & Weigend 1994.

    Parameters
    ----------
    mean : array_like, shape (rows, columns) or (rows,)
        float32 or float64.
    target, variance : array_like
        Of the shape and dtype of mean.
    epsilon : float
        The least variance, above 0.
    sample_weight, reduction
        As in `mean_squared_error`.
    out : ndarray, of the shape and dtype of mean, optional
        Where the gradient by the mean goes; may be the mean itself.

    Returns
    -------
    value : float, or ndarray of shape (rows,) for "none"
    d_mean, d_variance : ndarray, of the shape of mean

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, a weight is negative or not finite, or an option is not one of those above.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.gaussian_nll([[1.0]], [[3.0]], [[1.0]])
    (2.0, array([[-2.]]), array([[-1.5]]))
    """
    mean, target = _compared(mean, target)
    variance = like("variance", variance, mean, "mean")
    weights = _weights(mean.shape[0], mean.dtype, sample_weight)
    least = check_number("epsilon", epsilon, 0, ends="()", dtype=mean.dtype)
    value, by_mean, by_variance = run_loss(
        "gaussian_nll", mean, target, weights, reduction, out, alpha=least, variance=variance
    )
    return value, by_mean, by_variance


# ---- margins and directions


def hinge(
    prediction: ArrayLike,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    out: Array | None = None,
) -> tuple[Any, Any]:
    """Hinge loss, max(0, 1 - target prediction), the mean over the columns of a row, and its gradient.

    Targets are -1 or 1. A target of 0 counts as -1, each by itself: Keras converts targets of 0 and 1 too, but decides
    for the batch as a whole. Arguments as `mean_squared_error`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.hinge([[0.5, 2.0]], [[1.0, 0.0]])
    (1.75, array([[-0.5,  0.5]]))
    """
    return run_compared("hinge", prediction, target, sample_weight, reduction, out)


def squared_hinge(
    prediction: ArrayLike,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    out: Array | None = None,
) -> tuple[Any, Any]:
    """Squared hinge loss, max(0, 1 - target prediction)², the mean over the columns of a row. Arguments as `hinge`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.squared_hinge([[0.5, 2.0]], [[1.0, 1.0]])
    (0.125, array([[-0.5, -0. ]]))
    """
    return run_compared("squared_hinge", prediction, target, sample_weight, reduction, out)


def cosine_similarity(
    prediction: ArrayLike,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    out: Array | None = None,
) -> tuple[Any, Any]:
    """Negative cosine of the angle between two rows, -p t / (abs(p) abs(t)), and its gradient.

    From -1, the same direction, to 1; as in Keras, lengths below 1e-7 count as 1e-7. Squares are summed as they are:
    rows longer than the square root of the largest number overflow. Arguments as `mean_squared_error`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.cosine_similarity([[2.0, 0.0]], [[0.0, 3.0]])
    (0.0, array([[ 0. , -0.5]]))
    """
    return run_compared("cosine_similarity", prediction, target, sample_weight, reduction, out)
