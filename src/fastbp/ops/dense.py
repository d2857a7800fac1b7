"""Floor 2. Products: dense layers and their gradients, on NumPy arrays."""

from __future__ import annotations

from numpy.typing import ArrayLike

from fastbp._core import _dense, _kernels
from fastbp._core._program import run_op
from fastbp.ops.activation import ALPHAS
from fastbp.ops.edge import Array, finished, matrix, output, shaped
from fastbp.ops.reduce import column_sum, row_sum
from fastbp.ops.softmax import log_softmax, softmax
from fastbp.utils import check_count, lookup

# Activations that see all units of a sample; and all that there are, each with what it is for a single element.
ALONG_UNITS = {"softmax": softmax, "log_softmax": log_softmax}
ELEMENTWISE = {name: name for name in _kernels.ACTIVATIONS} | dict.fromkeys(ALONG_UNITS, "linear")


def dense(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    activation: str = "linear",
    sample_axis: int = 0,
    out: Array | None = None,
) -> Array:
    """Output of a dense layer, activation(x @ w + b); with samples in columns, activation(w @ x + b).

    Parameters
    ----------
    x : array_like, shape (batch, fan_in)
        float32 or float64, any strides. With samples in columns (fan_in, batch), as textbooks write Z = W A + b.
    w : array_like, shape (fan_in, fan_out)
        With samples in columns (fan_out, fan_in). Neither convention costs a copy.
    b : array_like, shape (fan_out,), optional
        With samples in columns also (fan_out, 1).
    activation : str
        Any elementwise activation of this module by its name, with its default parameters; "linear" for none,
        "gelu_tanh" for the approximate gelu; or "softmax" or "log_softmax", over the units of each sample. Those whose
        backward function wants its input (gelu, silu, mish, hard_swish) want z = dense(x, w, b), which is not kept.
    sample_axis : {0, 1}
        The axis of x along which samples stand: 0, one in each row; 1, one in each column.
    out : ndarray, shape (batch, fan_out), optional
        Where to write; may not overlap an input. With samples in columns (fan_out, batch).

    Returns
    -------
    ndarray, shape (batch, fan_out)
        With samples in columns (fan_out, batch).

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, the activation is unknown, or `out` overlaps an input.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.ops.dense(np.array([[1.0, -2.0]]), np.eye(2), np.zeros(2), "relu")
    array([[1., 0.]])
    >>> fb.ops.dense(np.array([[1.0], [-2.0]]), np.eye(2), np.zeros((2, 1)), "relu", sample_axis=1)
    array([[1.],
           [0.]])
    """
    x, columns = matrix("x", x), bool(check_count("sample_axis", sample_axis, 0, 1))
    fan_in, batch = x.shape if columns else x.shape[::-1]
    w = matrix("w", w, x.dtype, columns=fan_in) if columns else matrix("w", w, x.dtype, rows=fan_in)
    fan_out = w.shape[0] if columns else w.shape[1]
    if b is not None:
        shapes = ((fan_out,), (fan_out, 1)) if columns else ((fan_out,),)
        b = shaped("b", b, x.dtype, *shapes).reshape(-1)
    elementwise = lookup("activation", ELEMENTWISE, activation)
    target = output(out, (fan_out, batch) if columns else (batch, fan_out), x.dtype, x, w, b)
    alpha = ALPHAS.get(activation, 0.0)
    work = 2.0 * x.size * fan_out
    if columns:
        run_op(_dense.ColumnDense(w, x, b, target, elementwise, alpha), fan_in, work)
    else:
        run_op(_dense.Dense(x, w, b, target, elementwise, alpha), batch, work)
    if activation in ALONG_UNITS:
        ALONG_UNITS[activation](target, axis=0 if columns else -1, out=target)
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


def dense_backward(
    dz: ArrayLike,
    x: ArrayLike,
    w: ArrayLike,
    sample_axis: int = 0,
    out: tuple[Array | None, Array | None, Array | None] | None = None,
) -> tuple[Array, Array, Array]:
    """Gradients of z = x @ w + b, or of z = w @ x + b if samples stand in columns.

    Parameters
    ----------
    dz : array_like, shape (batch, fan_out)
        Gradient of the loss with respect to z.
    x : array_like, shape (batch, fan_in)
    w : array_like, shape (fan_in, fan_out)
    sample_axis : {0, 1}
        With 1, samples in columns, all of these are transposed, as for `dense`.
    out : tuple of three ndarrays or None, optional
        Where dx, dw and db go; none may overlap an input.

    Returns
    -------
    dx, dw, db : ndarray
        dz @ w.T, x.T @ dz and dz.sum(axis=0), of the shapes of x, w and (fan_out,). With samples in columns w.T @ dz,
        dz @ x.T and dz.sum(axis=1).

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
    dz, columns = matrix("dz", dz), bool(check_count("sample_axis", sample_axis, 0, 1))
    if columns:
        x = matrix("x", x, dz.dtype, columns=dz.shape[1])
        w = matrix("w", w, dz.dtype, rows=dz.shape[0], columns=x.shape[0])
    else:
        x = matrix("x", x, dz.dtype, rows=dz.shape[0])
        w = matrix("w", w, dz.dtype, rows=x.shape[1], columns=dz.shape[1])
    dx, dw, db = (None, None, None) if out is None else _three(out)
    for place, shape in ((dx, x.shape), (dw, w.shape), (db, dz.shape[:1] if columns else dz.shape[1:])):
        if place is not None:  # refused, if it is, before anything is written
            output(place, shape, dz.dtype, dz, x, w)
    if columns:
        return matmul(w.T, dz, out=dx), matmul(dz, x.T, out=dw), row_sum(dz, out=db)
    return matmul(dz, w.T, out=dx), matmul(x.T, dz, out=dw), column_sum(dz, out=db)


def _three(out: tuple[Array | None, ...]) -> tuple[Array | None, Array | None, Array | None]:
    if not isinstance(out, tuple) or len(out) != 3:
        got = f"{len(out)} of them" if isinstance(out, tuple) else type(out).__name__
        raise ValueError(f"expected out as a tuple of three arrays, for dx, dw and db, got {got}")
    return out
