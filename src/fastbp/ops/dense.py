"""Floor 2. Products: dense layers and their gradients, on NumPy arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fastbp._core import _dense, _kernels
from fastbp._core._program import run_op
from fastbp.ops.activation import softmax
from fastbp.ops.edge import Array, finished, matrix, output, real, row_major


def dense(
    x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, activation: str = "linear", out: Array | None = None
) -> Array:
    """Output of a dense layer, activation(x @ w + b).

    Parameters
    ----------
    x : array_like, shape (batch, fan_in)
        float32 or float64, any strides.
    w : array_like, shape (fan_in, fan_out)
    b : array_like, shape (fan_out,), optional
    activation : {"linear", "relu", "leaky_relu", "sigmoid", "tanh", "softmax"}
    out : ndarray, shape (batch, fan_out), optional
        Where to write; may not overlap an input.

    Returns
    -------
    ndarray, shape (batch, fan_out)

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, the activation is unknown, or `out` overlaps an input.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.ops.dense(np.array([[1.0, -2.0]]), np.eye(2), np.zeros(2), "relu")
    array([[1., 0.]])
    """
    x = matrix("x", x)
    w = matrix("w", w, x.dtype, rows=x.shape[1])
    if b is not None:
        b = real("b", b, x.dtype)
        if b.shape != w.shape[1:]:
            raise ValueError(f"expected b with shape {w.shape[1:]}, got {b.shape}")
        b = np.ascontiguousarray(b)
    if activation not in _kernels.ACTIVATIONS and activation != "softmax":
        raise ValueError(f"expected activation as one of {', '.join(_kernels.ACTIVATIONS)}, softmax, got {activation!r}")
    target = output(out, (x.shape[0], w.shape[1]), x.dtype, x, w, b)
    elementwise = "linear" if activation == "softmax" else activation
    alpha = 0.2 if activation == "leaky_relu" else 0.0
    run_op(_dense.Dense(x, w, b, target, elementwise, alpha), len(x), 2.0 * x.size * w.shape[1])
    if activation == "softmax":
        softmax(target, out=target)
    return finished(target, out)


def matmul(a: ArrayLike, b: ArrayLike, out: Array | None = None) -> Array:
    """Product of two matrices.

    Parameters
    ----------
    a : array_like, shape (m, k)
    b : array_like, shape (k, n)
        Of the same dtype, float32 or float64; any strides, so that a transpose costs nothing.
    out : ndarray, shape (m, n), optional
        Where to write; may not overlap an input.

    Returns
    -------
    ndarray, shape (m, n)
        Each element is one chain of fused multiply-adds over k, in order: the same bits on any number of threads.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, or `out` overlaps an input.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.ops.matmul(np.eye(2), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 2.],
           [3., 4.]])
    """
    a = matrix("a", a)
    b = matrix("b", b, a.dtype, rows=a.shape[1])
    target = output(out, (a.shape[0], b.shape[1]), a.dtype, a, b)
    run_op(_dense.Matmul(a, b, target), a.shape[1], 2.0 * a.size * b.shape[1])
    return finished(target, out)


def dense_backward(dz: ArrayLike, x: ArrayLike, w: ArrayLike) -> tuple[Array, Array, Array]:
    """Gradients of z = x @ w + b.

    Parameters
    ----------
    dz : array_like, shape (batch, fan_out)
        Gradient of the loss with respect to z.
    x : array_like, shape (batch, fan_in)
    w : array_like, shape (fan_in, fan_out)

    Returns
    -------
    dx, dw, db : ndarray
        dz @ w.T, x.T @ dz and dz.sum(axis=0), of the shapes of x, w and (fan_out,).

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> dx, dw, db = fb.ops.dense_backward(np.ones((3, 2)), np.ones((3, 4)), np.ones((4, 2)))
    >>> dx.shape, dw.shape, db
    ((3, 4), (4, 2), array([3., 3.]))
    """
    dz = matrix("dz", dz)
    x = matrix("x", x, dz.dtype, rows=dz.shape[0])
    w = matrix("w", w, dz.dtype, rows=x.shape[1], columns=dz.shape[1])
    return matmul(dz, w.T), matmul(x.T, dz), column_sum(dz)


def column_sum(x: ArrayLike) -> Array:
    """Sum over the rows of a matrix, x.sum(axis=0).

    Parameters
    ----------
    x : array_like, shape (rows, columns)

    Returns
    -------
    ndarray, shape (columns,)
        Each element added up from the first row to the last.

    Raises
    ------
    TypeError, ValueError
        If x is not a matrix of real numbers.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.column_sum([[1.0, 2.0], [3.0, 4.0]])
    array([4., 6.])
    """
    x = row_major(matrix("x", x))
    out = np.empty(x.shape[1], x.dtype)
    run_op(_dense.BiasGradient(x, out), len(x), 4.0 * x.size)
    return out
