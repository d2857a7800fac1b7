"""Floor 2. Normalisation over each row, or over groups of its channels, and its gradients on NumPy arrays.

All of them, batch normalisation too, return a `Normalized`: the result, and the mean and the reciprocal standard
deviation that a gradient needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastbp._core import _norm
from fastbp._core._program import run_op
from fastbp.ops.edge import Array, finished, like, output, real, row_major, rows_of, shaped
from fastbp.utils import check_axis, check_count, check_number

WORK = 32.0  # operations that an element is worth: it is read two or three times


class Normalized(NamedTuple):
    """What a normalisation returns: y = (x - mean) rstd gamma + beta, and the moments it was made with."""

    y: Array
    mean: Array | None  # None: nothing was subtracted (rms_norm)
    rstd: Array  # 1 / sqrt(variance + epsilon)


def parameter(name: str, value: ArrayLike | None, x: Array, size: int) -> Array | None:
    """`value`, one element a column or channel, contiguous."""
    return None if value is None else shaped(name, value, x.dtype, (size,))


def check_epsilon(epsilon: float, x: Array) -> float:
    return check_number("epsilon", epsilon, 0, ends="()", dtype=x.dtype)


def _as_samples(x: Array) -> Array:
    """(batch, channels, ...) as a matrix of rows, without a copy where rows are contiguous."""
    return row_major(x) if x.ndim == 2 else np.ascontiguousarray(x).reshape(len(x), -1)


def _last_axis(name: str, x: ArrayLike, dtype: np.dtype[Any] | None = None) -> Array:
    array = real(name, x, dtype)
    check_axis(name, array.ndim, -1)
    return array


def _normalized(
    x: Array,
    rows: Callable[[Array], Array],
    groups: int,
    channels: int,
    parameters: tuple[ArrayLike | None, ArrayLike | None],
    moments: tuple[int, ...],
    centered: bool,
    epsilon: float,
    out: Array | None,
) -> Normalized:
    """Forward pass over rows(x), a matrix, in groups of neighbours; mean and rstd get the shape `moments`."""
    gamma, beta = (parameter(name, p, x, channels) for name, p in zip(("gamma", "beta"), parameters, strict=True))
    epsilon = check_epsilon(epsilon, x)
    y = output(out, x.shape, x.dtype, gamma, beta, in_place=x)
    mean, rstd = np.empty(moments, x.dtype) if centered else None, np.empty(moments, x.dtype)
    if x.size:
        source = rows(x)
        span = source.shape[1] // channels
        run_op(
            _norm.GroupNorm(source, gamma, beta, rows(y), mean, rstd, epsilon, groups, span), len(source), WORK * x.size
        )
    else:
        for array in (mean, rstd):
            if array is not None:
                array[...] = np.nan
    return Normalized(finished(y, out), mean, rstd)


def _gradients(
    dy: Array,
    x: ArrayLike,
    rows: Callable[[Array], Array],
    channels: int,
    gamma: ArrayLike | None,
    mean: Array | None,
    rstd: Array,
    out: Array | None,
) -> tuple[Array, ...]:
    """dx, dgamma and, if there is a mean, dbeta. As many groups as rstd has columns."""
    x = like("x", x, dy, "dy")
    gamma = parameter("gamma", gamma, dy, channels)
    dx = output(out, dy.shape, dy.dtype, x, gamma, mean, rstd, in_place=dy)
    parts = 1 if mean is None else 2
    if not dy.size:
        return finished(dx, out), *np.zeros((parts, channels), dy.dtype)
    source = rows(dy)
    count, span, groups = len(source), source.shape[1] // channels, rstd.size // len(source)
    parameters = np.empty((parts, channels), dy.dtype)
    op = _norm.GroupNormGradient(source, rows(x), gamma, mean, rstd, rows(dx), parameters, groups, span)
    run_op(op, count, WORK * dy.size)
    return finished(dx, out), *parameters


def layer_norm(
    x: ArrayLike,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    epsilon: float = 1e-3,
    out: Array | None = None,
) -> Normalized:
    """Layer normalisation along the last axis, (x - mean) rstd gamma + beta (Ba, Kiros & Hinton 2016).

    rstd = 1 / sqrt(variance + epsilon), with the mean of squared deviations for the variance.

    Parameters
    ----------
    x : array_like, shape (..., features)
        float32 or float64, any strides.
    gamma, beta : array_like, shape (features,), optional
        1 and 0 where they are not given.
    epsilon : float
    out : ndarray, optional
        Of the shape and dtype of x; may be x itself.

    Returns
    -------
    Normalized
        y, and the mean and rstd of each row, of the shape of x without its last axis (NaN if there are no features).

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, epsilon is not above 0, or `out` overlaps an input.

    Examples
    --------
    >>> import fastbp as fb
    >>> y, mean, rstd = fb.ops.layer_norm([[1.0, 3.0], [5.0, 5.0]], epsilon=1e-9)
    >>> y.round(4), mean
    (array([[-1.,  1.],
           [ 0.,  0.]]), array([2., 5.]))
    """
    x = _last_axis("x", x)
    return _normalized(x, rows_of, 1, x.shape[-1], (gamma, beta), x.shape[:-1], True, epsilon, out)


def layer_norm_backward(
    dy: ArrayLike, x: ArrayLike, gamma: ArrayLike | None, mean: ArrayLike, rstd: ArrayLike, out: Array | None = None
) -> tuple[Array, Array, Array]:
    """Gradients of `layer_norm`: of x, gamma and beta.

    With xhat = (x - mean) rstd and g = dy gamma: dx = rstd (g - mean(g) - xhat mean(g xhat)), means over the last axis;
    dgamma = sum(dy xhat) and dbeta = sum(dy) over all others.

    Parameters
    ----------
    dy : array_like, shape (..., features)
        Gradient with respect to y.
    x, gamma : array_like
        As given to `layer_norm`.
    mean, rstd : array_like
        As it returned them.
    out : ndarray, optional
        For dx; may be dy itself.

    Returns
    -------
    dx : ndarray
        Of the shape of x.
    dgamma, dbeta : ndarray, shape (features,)
        Also if gamma is None: those of a gamma of ones.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, or `out` overlaps an input.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> x = np.array([[1.0, 2.0, 6.0]])
    >>> y, mean, rstd = fb.ops.layer_norm(x)
    >>> dx, dgamma, dbeta = fb.ops.layer_norm_backward(np.ones((1, 3)), x, None, mean, rstd)
    >>> abs(dx).max() < 1e-15, dbeta
    (np.True_, array([1., 1., 1.]))
    """
    dy = _last_axis("dy", dy)
    mean, rstd = shaped("mean", mean, dy.dtype, dy.shape[:-1]), shaped("rstd", rstd, dy.dtype, dy.shape[:-1])
    dx, dgamma, dbeta = _gradients(dy, x, rows_of, dy.shape[-1], gamma, mean, rstd, out)
    return dx, dgamma, dbeta


def rms_norm(
    x: ArrayLike, gamma: ArrayLike | None = None, epsilon: float = 1e-6, out: Array | None = None
) -> Normalized:
    """Division by the root mean square along the last axis, x rstd gamma (Zhang & Sennrich 2019).

    rstd = 1 / sqrt(mean(x²) + epsilon). Arguments as `layer_norm`; the `mean` that is returned is None.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.rms_norm([[3.0, 4.0, 0.0, 0.0]]).y.round(4)
    array([[1.2, 1.6, 0. , 0. ]])
    """
    x = _last_axis("x", x)
    return _normalized(x, rows_of, 1, x.shape[-1], (gamma, None), x.shape[:-1], False, epsilon, out)


def rms_norm_backward(
    dy: ArrayLike, x: ArrayLike, gamma: ArrayLike | None, rstd: ArrayLike, out: Array | None = None
) -> tuple[Array, Array]:
    """Gradients of `rms_norm`: of x and gamma.

    With xhat = x rstd and g = dy gamma: dx = rstd (g - xhat mean(g xhat)), the mean over the last axis;
    dgamma = sum(dy xhat) over all others. Arguments otherwise as `layer_norm_backward`.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> x = np.array([[3.0, 4.0]])
    >>> dx, dgamma = fb.ops.rms_norm_backward(x, x, None, fb.ops.rms_norm(x).rstd)
    >>> abs(dx).max() < 1e-6, dgamma.round(4)
    (np.True_, array([2.5456, 4.5255]))
    """
    dy = _last_axis("dy", dy)
    rstd = shaped("rstd", rstd, dy.dtype, dy.shape[:-1])
    dx, dgamma = _gradients(dy, x, rows_of, dy.shape[-1], gamma, None, rstd, out)
    return dx, dgamma


def _samples(name: str, value: ArrayLike) -> Array:
    array = real(name, value)
    if array.ndim < 2:
        raise ValueError(f"expected {name} with shape (batch, channels, ...), got {array.shape}")
    return array


def group_norm(
    x: ArrayLike,
    groups: int,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    epsilon: float = 1e-3,
    out: Array | None = None,
) -> Normalized:
    """Group normalisation, (x - mean) rstd gamma + beta in each group of channels of a sample (Wu & He 2018).

    One group is layer normalisation over all of a sample, and a group for each channel instance normalisation.

    Parameters
    ----------
    x : array_like, shape (batch, channels, ...)
        float32 or float64, any strides. Channels first; what follows belongs to the channel.
    groups : int
        Divides the number of channels.
    gamma, beta : array_like, shape (channels,), optional
        1 and 0 where they are not given.
    epsilon : float
    out : ndarray, optional
        Of the shape and dtype of x; may be x itself.

    Returns
    -------
    Normalized
        y, and mean and rstd, shape (batch, groups) (NaN if there are no channels).

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, groups does not divide the channels, epsilon is not above 0, or `out` overlaps
        an input.

    Examples
    --------
    >>> import fastbp as fb
    >>> y, mean, rstd = fb.ops.group_norm([[1.0, 3.0, 10.0, 30.0]], 2, epsilon=1e-9)
    >>> y.round(4), mean
    (array([[-1.,  1., -1.,  1.]]), array([[ 2., 20.]]))
    """
    x, groups = _samples("x", x), check_count("groups", groups, 1)
    channels = x.shape[1]
    if channels % groups:
        raise ValueError(f"expected groups to divide the {channels} channels, got {groups}")
    return _normalized(x, _as_samples, groups, channels, (gamma, beta), (len(x), groups), True, epsilon, out)


def group_norm_backward(
    dy: ArrayLike, x: ArrayLike, gamma: ArrayLike | None, mean: ArrayLike, rstd: ArrayLike, out: Array | None = None
) -> tuple[Array, Array, Array]:
    """Gradients of `group_norm`: of x, gamma and beta.

    As `layer_norm_backward`, with means over a group of a sample and sums over all but the channels. Arguments as
    there; mean and rstd, shape (batch, groups), say how many groups there are.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> x = np.arange(8.0).reshape(1, 4, 2)
    >>> y, mean, rstd = fb.ops.group_norm(x, 2)
    >>> dx, dgamma, dbeta = fb.ops.group_norm_backward(np.ones((1, 4, 2)), x, None, mean, rstd)
    >>> dx.shape, dgamma.round(4), dbeta
    ((1, 4, 2), array([-1.7881,  1.7881, -1.7881,  1.7881]), array([2., 2., 2., 2.]))
    """
    dy = _samples("dy", dy)
    rstd = real("rstd", rstd, dy.dtype)
    channels = dy.shape[1]
    if rstd.ndim != 2 or len(rstd) != len(dy) or not rstd.shape[1] or channels % rstd.shape[1]:
        raise ValueError(
            f"expected rstd with shape ({len(dy)}, groups), groups a divisor of {channels}, got {rstd.shape}"
        )
    mean, rstd = shaped("mean", mean, dy.dtype, rstd.shape), np.ascontiguousarray(rstd)
    dx, dgamma, dbeta = _gradients(dy, x, _as_samples, channels, gamma, mean, rstd, out)
    return dx, dgamma, dbeta
