"""Floor 2. PReLU, a rectifier with learnt slopes, on NumPy arrays, and the gradients of its input and slopes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fastbp._core import _columns, _losses
from fastbp._core._program import run_op
from fastbp.ops.edge import MOVED, Array, as_rows, finished, like, output, real, rows_of, shaped


def prelu(x: ArrayLike, slope: ArrayLike, out: Array | None = None) -> Array:
    """Parametric rectifier: x where x > 0, else slope x (He et al. 2015).

    Parameters
    ----------
    x : array_like, shape (..., columns)
        float32 or float64.
    slope : array_like, shape (columns,) or ()
        Of the dtype of x, or a plain number; one for each position along the last axis, or one for all.
    out : ndarray, optional
        Of the shape and dtype of x; may be x itself.

    Returns
    -------
    ndarray

    Raises
    ------
    TypeError, ValueError
        If x is not real, or `slope` or `out` does not fit.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.prelu([[-1.0, -1.0], [3.0, 3.0]], [0.5, -2.0])
    array([[-0.5,  2. ],
           [ 3. ,  3. ]])
    """
    x = real("x", x)
    slopes = shaped("slope", slope, x.dtype, x.shape[-1:], ())
    target = output(out, x.shape, x.dtype, slopes, in_place=x)
    if x.size:
        run_op(_columns.Prelu(rows_of(x), slopes, as_rows(target)), 1, 2 * MOVED * x.size)
    return finished(target, out)


def prelu_backward(dy: ArrayLike, x: ArrayLike, slope: ArrayLike, out: Array | None = None) -> tuple[Array, Array]:
    """Gradients of `prelu` from its input x: dx = dy where x > 0, else slope dy; dslope = sum(dy x where x < 0).

    Parameters
    ----------
    dy : array_like, shape (..., columns)
        Gradient with respect to what `prelu` returned.
    x : array_like
        What went into `prelu`, of the shape of dy.
    slope : array_like, shape (columns,) or ()
        As it was given to `prelu`.
    out : ndarray, optional
        Where to write dx; may be dy itself.

    Returns
    -------
    dx : ndarray
        Of the shape of x.
    dslope : ndarray
        Of the shape of slope. Each column is added up from the first row to the last, then the columns if they share
        one slope.

    Raises
    ------
    TypeError, ValueError
        If the arrays do not fit each other.

    Examples
    --------
    >>> import fastbp as fb
    >>> dx, dslope = fb.ops.prelu_backward([[1.0, 1.0]], [[-3.0, 2.0]], [0.5, 0.5])
    >>> dx, dslope
    (array([[0.5, 1. ]]), array([-3.,  0.]))
    """
    dy = real("dy", dy)
    x = like("x", x, dy, "dy")
    slopes = shaped("slope", slope, x.dtype, x.shape[-1:], ())
    target = output(out, dy.shape, dy.dtype, x, slopes, in_place=dy)
    sums = np.zeros(dy.shape[-1:] or 1, dy.dtype)
    if dy.size:
        run_op(_columns.Prelu(rows_of(x), slopes, as_rows(target), rows_of(dy), sums), 1, 3 * MOVED * dy.size)
    return finished(target, out), sums if slopes.ndim else sums.dtype.type(_losses.total(sums))
