"""Floor 2. Batch normalisation and its gradients on NumPy arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fastbp._core import _memory, _norm
from fastbp._core._program import run_op
from fastbp.ops.edge import Array, changeable, finished, like, matrix, output, row_major, shaped
from fastbp.ops.norm import WORK, Normalized, check_epsilon, parameter
from fastbp.utils import check_flag, check_number, described


def batch_norm(
    x: ArrayLike,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    *,
    running_mean: Array | None = None,
    running_variance: Array | None = None,
    training: bool = True,
    momentum: float = 0.99,
    epsilon: float = 1e-3,
    out: Array | None = None,
) -> Normalized:
    """Batch normalisation, (x - mean) rstd gamma + beta, rstd = 1 / sqrt(variance + epsilon) (Ioffe & Szegedy 2015).

    In training, mean and variance are those of each column of x; the variance is the mean of squared deviations, that
    is, biased. Running moments, if given, follow: running = momentum running + (1 - momentum) batch. That of the
    variance follows the biased one, as in Keras 3. In inference the running moments are used and stay as they are.

    Parameters
    ----------
    x : array_like, shape (batch, features)
        float32 or float64, any strides.
    gamma, beta : array_like, shape (features,), optional
        1 and 0 where they are not given.
    running_mean, running_variance : ndarray, shape (features,), optional
        Of the dtype of x, C-contiguous; both or neither. Changed in training, needed in inference.
    training : bool
    momentum : float
        From 0 to 1.
    epsilon : float
    out : ndarray, shape (batch, features), optional
        May be x itself.

    Returns
    -------
    Normalized
        y, and the mean and rstd of each column, shape (features,), that y was made with. In training on an empty batch
        these are NaN, and the running moments stay.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, moments are missing or, in inference, a running variance is negative, an option
        is out of range, or `out` overlaps an input.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> y, mean, rstd = fb.ops.batch_norm([[1.0, 5.0], [3.0, 5.0]], epsilon=1e-9)
    >>> y.round(4), mean
    (array([[-1.,  0.],
           [ 1.,  0.]]), array([2., 5.]))
    """
    x = row_major(given := matrix("x", x))
    columns = x.shape[1]
    gamma, beta = parameter("gamma", gamma, x, columns), parameter("beta", beta, x, columns)
    epsilon, momentum = check_epsilon(epsilon, x), check_number("momentum", momentum, 0, 1)
    if (running_mean is None) != (running_variance is None) or (running_mean is None and not training):
        raise ValueError("expected running_mean and running_variance, both or, in training, neither")
    if not check_flag("training", training):
        mean = shaped("running_mean", running_mean, x.dtype, (columns,))
        variance = shaped("running_variance", running_variance, x.dtype, (columns,))
        y = output(out, x.shape, x.dtype, gamma, beta, mean, variance, in_place=given)
        return _inference(x, gamma, beta, mean, variance, epsilon, y, out)
    y = output(out, x.shape, x.dtype, gamma, beta, running_mean, running_variance, in_place=given)
    running = _running(running_mean, running_variance, x, (x, gamma, beta))
    mean, rstd = np.empty((2, columns), x.dtype) if x.size else np.full((2, columns), np.nan, x.dtype)
    if x.size:
        op = _norm.BatchNorm(x, gamma, beta, y, mean, rstd, epsilon, *running, momentum)
        run_op(op, len(x), WORK * x.size)
    return Normalized(finished(y, out), mean, rstd)


def _inference(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    mean: Array,
    variance: Array,
    epsilon: float,
    y: Array,
    out: Array | None,
) -> Normalized:
    """Batch normalisation of x by given moments into y."""
    if (variance < 0).any():
        raise ValueError(f"expected running_variance of at least 0, got {variance.min()}")
    mean, rstd = mean.copy(), variance + x.dtype.type(epsilon)
    np.sqrt(rstd, out=rstd)
    np.reciprocal(rstd, out=rstd)
    factors = np.array([rstd if gamma is None else rstd * gamma, np.zeros_like(rstd) if beta is None else beta])
    if x.size:
        run_op(_norm.BatchNormInference(x, y, mean, factors), len(x), WORK / 2 * x.size)
    return Normalized(finished(y, out), mean, rstd)


def _running(
    mean: Array | None, variance: Array | None, x: Array, others: tuple[Array | None, ...]
) -> tuple[Array | None, Array | None]:
    """Running moments as they are, if they can be changed in place."""
    if mean is None or variance is None:
        return None, None
    for name, array in (("running_mean", mean), ("running_variance", variance)):
        changeable(name, array)
        if array.dtype != x.dtype or array.shape != x.shape[1:]:
            raise ValueError(f"expected {name} as a {x.dtype} array of shape {x.shape[1:]}, got {described(array)}")
        if not (array.flags.c_contiguous and array.flags.behaved):
            raise ValueError(f"expected {name} to be C-contiguous, since it is changed in place")
        if any(other is not None and _memory.overlap(array, other) for other in others):
            raise ValueError(f"expected {name} not to overlap another argument")
    if _memory.overlap(mean, variance):
        raise ValueError("expected running_mean and running_variance not to overlap")
    return mean, variance


def batch_norm_backward(
    dy: ArrayLike, x: ArrayLike, gamma: ArrayLike | None, mean: ArrayLike, rstd: ArrayLike, out: Array | None = None
) -> tuple[Array, Array, Array]:
    """Gradients of `batch_norm` in training: of x, gamma and beta.

    With xhat = (x - mean) rstd: dgamma = sum(dy xhat), dbeta = sum(dy) and
    dx = gamma rstd (dy - mean(dy) - xhat mean(dy xhat)), sums and means over the batch.

    Parameters
    ----------
    dy : array_like, shape (batch, features)
        Gradient with respect to y.
    x, gamma : array_like
        As given to `batch_norm`.
    mean, rstd : array_like, shape (features,)
        As it returned them.
    out : ndarray, shape (batch, features), optional
        For dx; may be dy itself.

    Returns
    -------
    dx : ndarray, shape (batch, features)
    dgamma, dbeta : ndarray, shape (features,)
        Also if gamma is None: those of a gamma of ones.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, or `out` overlaps an input.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> x = np.array([[1.0], [2.0], [6.0]])
    >>> y, mean, rstd = fb.ops.batch_norm(x)
    >>> dx, dgamma, dbeta = fb.ops.batch_norm_backward(np.ones((3, 1)), x, None, mean, rstd)
    >>> dx.round(4).tolist(), dbeta
    ([[0.0], [0.0], [0.0]], array([3.]))
    """
    dy = row_major(given := matrix("dy", dy))
    x = row_major(like("x", x, dy, "dy"))
    columns = dy.shape[1]
    gamma = parameter("gamma", gamma, dy, columns)
    mean, rstd = shaped("mean", mean, dy.dtype, (columns,)), shaped("rstd", rstd, dy.dtype, (columns,))
    dx = output(out, dy.shape, dy.dtype, x, gamma, mean, rstd, in_place=given)
    dgamma, dbeta = np.empty((2, columns), dy.dtype) if dy.size else np.zeros((2, columns), dy.dtype)
    if dy.size:
        run_op(_norm.BatchNormGradient(dy, x, gamma, mean, rstd, dx, dgamma, dbeta), len(dy), WORK * dy.size)
    return finished(dx, out), dgamma, dbeta
