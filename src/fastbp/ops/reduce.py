"""Floor 2. Sums and maxima along the rows of NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastbp._core import _dense, _rows
from fastbp._core._program import run_op
from fastbp.ops.edge import MOVED, TRANSCENDENTAL, Array, finished, matrix, output, real, row_major, rows_of
from fastbp.utils import check_axis


def column_sum(x: ArrayLike, out: Array | None = None) -> Array:
    """Sum over the rows of a matrix, x.sum(axis=0).

    Parameters
    ----------
    x : array_like, shape (rows, columns)
    out : ndarray, shape (columns,), optional
        Where to write; may not overlap x.

    Returns
    -------
    ndarray, shape (columns,)
        Each element added up from the first row to the last.

    Raises
    ------
    TypeError, ValueError
        If x is not a matrix of real numbers, or `out` does not fit.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.column_sum([[1.0, 2.0], [3.0, 4.0]])
    array([4., 6.])
    """
    x = row_major(matrix("x", x))
    target = output(out, x.shape[1:], x.dtype, x)
    run_op(_dense.BiasGradient(x, target), len(x), MOVED * x.size)
    return finished(target, out)


def row_sum(x: ArrayLike, out: Array | None = None) -> Array:
    """Sum over the columns of a matrix, x.sum(axis=1).

    Parameters
    ----------
    x : array_like, shape (rows, columns)
        float32 or float64, any strides.
    out : ndarray, shape (rows,), optional
        Where to write; may not overlap x.

    Returns
    -------
    ndarray, shape (rows,)
        Each row is added up in 64 (float32) or 32 (float64) interleaved chains that are folded at the end: in the same
        order on any number of threads, and with an error that grows with columns / 64.

    Raises
    ------
    TypeError, ValueError
        If x is not a matrix of real numbers, or `out` does not fit.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.row_sum([[1.0, 2.0], [3.0, 4.0]])
    array([3., 7.])
    """
    x = matrix("x", x)
    target = output(out, x.shape[:1], x.dtype, x)
    run_op(_rows.RowReduce("row_sum", row_major(x), target), len(x), MOVED * x.size)
    return finished(target, out)


def logsumexp(x: ArrayLike, axis: int = -1, out: Array | None = None) -> Any:
    """Logarithm of a sum of exponentials, log(sum(exp(x))) along an axis, without overflow.

    Its gradient is `softmax` along the same axis.

    Parameters
    ----------
    x : array_like
        float32 or float64, of at least one axis.
    axis : int
        Along another than the last, x is copied once.
    out : ndarray, optional
        Of x's shape without the axis, and its dtype; may not overlap x.

    Returns
    -------
    ndarray, or a scalar where x has one axis
        -inf where there is nothing to add up.

    Raises
    ------
    TypeError, ValueError
        If x is not real, has no such axis, or `out` does not fit.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.logsumexp([[1000.0, 1000.0], [0.0, -1000.0]]).round(4)
    array([1000.6931,    0.    ])
    """
    x = real("x", x)
    axis = check_axis("x", x.ndim, axis)
    if axis != x.ndim - 1:
        x = np.moveaxis(x, axis, -1)
    target = output(out, x.shape[:-1], x.dtype, x)
    if not target.flags.c_contiguous:
        target = np.empty(target.shape, x.dtype)
    if target.size:
        rows = rows_of(x) if x.size else x.reshape(target.size, 0)
        run_op(_rows.RowReduce("logsumexp", rows, target.reshape(-1)), len(rows), TRANSCENDENTAL * float(x.size))
    return finished(target, out)


def argmax(x: ArrayLike, axis: int = -1) -> Array:
    """Where the largest element of each row of a matrix is, as np.argmax: the first of equals; NaN is the largest.

    Parameters
    ----------
    x : array_like, shape (rows, columns)
        float32 or float64, any strides.
    axis : int
        0 for columns in the place of rows: then x is copied once, unless it is Fortran-ordered.

    Returns
    -------
    ndarray of int64, shape (rows,)

    Raises
    ------
    TypeError, ValueError
        If x is not a matrix of real numbers, has nothing along the axis, or the axis is neither 0, 1, -1 nor -2.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.argmax([[1.0, 3.0, 3.0], [0.0, -1.0, -2.0]])
    array([1, 0])
    """
    x = matrix("x", x)
    x = row_major(x if check_axis("x", 2, axis) else x.T)
    out = np.empty(len(x), np.int64)
    if len(x):
        if not x.shape[1]:
            raise ValueError(f"expected x with at least one element along axis {axis}, got none")
        run_op(_rows.RowReduce("argmax", x, out), len(x), 2 * MOVED * x.size)
    return out
