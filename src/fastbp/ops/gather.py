"""Floor 2. The gather of a batch's rows, converted and scaled on the way."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastbp._core import _rows
from fastbp._core._program import run_op
from fastbp.ops.edge import MOVED, REALS, Array, as_array, finished, output, real, real_type, row_numbers, shaped

# Integers that are gathered as they lie, and the smallest real type that holds all their values.
INTEGERS = {np.dtype(np.uint8): REALS[0], np.dtype(np.uint16): REALS[0], np.dtype(np.int32): REALS[1]}


def gather_rows(
    x: ArrayLike,
    index: ArrayLike,
    scale: ArrayLike = 1.0,
    shift: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
    out: Array | None = None,
) -> Array:
    """Rows of a matrix in a given order, converted and scaled on the way: scale * x[index] + shift.

    Parameters
    ----------
    x : array_like, shape (n, columns)
        uint8, uint16, int32, float32 or float64, any strides; read-only and memory-mapped arrays too.
    index : array_like of int, shape (rows,)
        From 0 to n - 1, in any order and any number of times.
    scale, shift : float, or array_like of shape (columns,), optional
        Of all columns, or of each. To standardize columns, 1 / deviation and -mean / deviation.
    dtype : {float32, float64}, optional
        Of the result; by default that of `out` if it is given, else that of x if it is a real type, else the smallest
        that holds all values of x's: float64 for int32.
    out : ndarray, optional
        Of shape (rows, columns) and the result's dtype; it may not overlap x.

    Returns
    -------
    ndarray, shape (rows, columns)

    Raises
    ------
    TypeError, ValueError, IndexError
        If x is of another dtype or rank, an index is negative or out of range, or scale, shift or `out` do not fit.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.ops.gather_rows(np.array([[0], [255]], np.uint8), [1, 0], scale=1 / 255)
    array([[1.],
           [0.]], dtype=float32)
    >>> fb.ops.gather_rows([[1.0, 2.0], [3.0, 4.0]], [1, 1], scale=[10.0, 100.0], shift=1.0)
    array([[ 31., 401.],
           [ 31., 401.]])
    """
    x = _source(x)
    rows = row_numbers("index", index, len(x))
    result_type = real_type(dtype, out, INTEGERS.get(x.dtype, x.dtype))
    target = output(out, (len(rows), x.shape[1]), result_type, x)
    if isinstance(scale, float) and shift is None:
        gather = _rows.Gather(target, scale)
    else:
        columns = _constants("scale", scale, target), _constants("shift", 0.0 if shift is None else shift, target)
        gather = _rows.Gather(target, 1.0, True, *columns)
    if target.size:
        gather.bind(x, rows)
        run_op(gather, len(rows), 2 * MOVED * target.size)
    return finished(target, out)


def _source(x: ArrayLike) -> Array:
    """x as a matrix that kernels can read, where it lies if they can."""
    array = as_array("x", x)
    if array.dtype in INTEGERS:
        if not array.flags.aligned or any(stride % array.itemsize for stride in array.strides):
            array = array.copy()
    elif array.dtype.newbyteorder("=") in INTEGERS:
        array = array.astype(array.dtype.newbyteorder("="))
    elif array.dtype in REALS or array.dtype.newbyteorder("=") in REALS:
        array = real("x", array)
    else:
        raise TypeError(f"expected x of dtype float32, float64, uint8, uint16 or int32, got {array.dtype}")
    if array.ndim != 2:
        raise ValueError(f"expected x with shape (rows, columns), got {array.shape}")
    return array


def _constants(name: str, value: ArrayLike, like: Array) -> Array:
    """One number for each column, from a scalar or a vector."""
    columns = np.empty(like.shape[1], like.dtype)
    columns[...] = shaped(name, value, None, like.shape[1:], ())
    return columns
