"""Floor 2. Softmax and its logarithm along any axis of NumPy arrays, and their derivatives from the output."""

from __future__ import annotations

from math import prod

from numpy.typing import ArrayLike

from fastbp._core import _columns, _rows
from fastbp._core._program import run_op
from fastbp.ops.edge import MOVED, TRANSCENDENTAL, Array, as_rows, finished, like, output, real, row_major, rows_of
from fastbp.utils import check_axis


def _stacked(array: Array, axis: int) -> Array:
    """The array as (outer, n, inner), n along `axis`; without a copy if it is contiguous or a matrix of rows."""
    array = row_major(array)
    if array.ndim == 2:
        return array[None]
    return array.reshape(prod(array.shape[:axis]), array.shape[axis], -1)


def _forward(x: ArrayLike, axis: int, out: Array | None, log: bool) -> Array:
    x = real("x", x)
    axis, last = check_axis("x", x.ndim or 1, axis), x.ndim - 1  # a scalar is a vector of one
    target = output(out, x.shape, x.dtype, in_place=x)
    if x.size:
        work = TRANSCENDENTAL * float(x.size)
        if axis >= last:
            rows = as_rows(target)
            run_op(_rows.Softmax(rows_of(x), rows, log), len(rows), work)
        else:
            run_op(_columns.SoftmaxColumns(_stacked(x, axis), _stacked(target, axis), log), 1, work)
    return finished(target, out)


def _backward(dy: ArrayLike, y: ArrayLike, axis: int, out: Array | None, log: bool) -> Array:
    dy = real("dy", dy)
    y = like("y", y, dy, "dy")
    axis, last = check_axis("dy", dy.ndim or 1, axis), dy.ndim - 1
    target = output(out, dy.shape, dy.dtype, y, in_place=dy)
    if dy.size:
        work = 3 * MOVED * dy.size
        if axis >= last:
            rows = as_rows(target)
            run_op(_rows.SoftmaxGradient(rows_of(dy), rows_of(y), rows, log), len(rows), work)
        else:
            op = _columns.SoftmaxColumnsGradient(_stacked(dy, axis), _stacked(y, axis), _stacked(target, axis), log)
            run_op(op, 1, work)
    return finished(target, out)


def softmax(x: ArrayLike, axis: int = -1, out: Array | None = None) -> Array:
    """Softmax along an axis, exp(x - max) / sum (Bridle 1990).

    Parameters
    ----------
    x : array_like
        float32 or float64; no finite value overflows. Other axes than the last one are gone along where they lie.
    axis : int
        The values along it add up to 1.
    out : ndarray, optional
        Of the shape and dtype of x; may be x itself.

    Returns
    -------
    ndarray

    Raises
    ------
    TypeError, ValueError
        If x is not real, has no such axis, or `out` does not fit.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.softmax([[0.0, 0.0], [1000.0, 0.0]])
    array([[0.5, 0.5],
           [1. , 0. ]])
    >>> fb.ops.softmax([[0.0, 0.0], [1000.0, 0.0]], axis=0)
    array([[0. , 0.5],
           [1. , 0.5]])
    """
    return _forward(x, axis, out, log=False)


def softmax_backward(dy: ArrayLike, y: ArrayLike, axis: int = -1, out: Array | None = None) -> Array:
    """Gradient of `softmax` from its output y: y (dy - sum(dy y)) along the axis.

    Parameters
    ----------
    dy : array_like
        Gradient with respect to y.
    y : array_like
        What `softmax` returned, of the shape of dy.
    axis : int
        As it was given to `softmax`.
    out : ndarray, optional
        May be dy itself.

    Returns
    -------
    ndarray

    Raises
    ------
    TypeError, ValueError
        If the arrays do not fit each other, or have no such axis.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.softmax_backward([[1.0, 0.0]], [[0.5, 0.5]])
    array([[ 0.25, -0.25]])
    """
    return _backward(dy, y, axis, out, log=False)


def log_softmax(x: ArrayLike, axis: int = -1, out: Array | None = None) -> Array:
    """Logarithm of the softmax along an axis, x - max - log(sum(exp(x - max))). Arguments as `softmax`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.log_softmax([[0.0, 0.0], [1000.0, 0.0]]).round(4)
    array([[-6.931e-01, -6.931e-01],
           [ 0.000e+00, -1.000e+03]])
    """
    return _forward(x, axis, out, log=True)


def log_softmax_backward(dy: ArrayLike, y: ArrayLike, axis: int = -1, out: Array | None = None) -> Array:
    """Gradient of `log_softmax` from its output y: dy - exp(y) sum(dy) along the axis. Arguments as `softmax_backward`.

    Examples
    --------
    >>> import fastbp as fb, numpy as np
    >>> fb.ops.log_softmax_backward([[1.0, 0.0]], np.log([[0.5, 0.5]]))
    array([[ 0.5, -0.5]])
    """
    return _backward(dy, y, axis, out, log=True)
