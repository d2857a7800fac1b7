"""Floor 2. The edge of the functional ops: what comes in is checked here once, and used where it lies if it can be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
REALS = (np.dtype(np.float32), np.dtype(np.float64))
TRANSCENDENTAL = 20  # operations that an exponential is worth


# -- the edge ----------------------------------------------------------------------------------------------------------


def real(name: str, value: ArrayLike, dtype: np.dtype[Any] | None = None) -> Array:
    """`value` as an array of a real type: of `dtype` if given, else its own, float64 for anything but a real."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise TypeError(f"expected {name} of real numbers, got dtype {array.dtype}")
    if dtype is not None and array.dtype in REALS and array.dtype != dtype:
        raise TypeError(f"expected {name} of dtype {dtype}, as the other arrays, got {array.dtype}")
    if array.dtype not in REALS or not array.dtype.isnative:
        array = array.astype(dtype or np.float64)
    if not array.flags.aligned or any(stride % array.itemsize for stride in array.strides):
        array = array.copy()
    return array


def matrix(name: str, value: ArrayLike, dtype: np.dtype[Any] | None = None, rows: int | None = None,
            columns: int | None = None) -> Array:
    array = real(name, value, dtype)
    want = f"({'rows' if rows is None else rows}, {'columns' if columns is None else columns})"
    if array.ndim != 2 or rows not in (None, array.shape[0]) or columns not in (None, array.shape[1]):
        raise ValueError(f"expected {name} with shape {want}, got {array.shape}")
    return array


def row_major(array: Array) -> Array:
    """The array itself if its rows are contiguous, else a copy."""
    if array.ndim < 2 or array.shape[1] <= 1:
        return array if array.flags.c_contiguous else np.ascontiguousarray(array)
    regular = array.strides[1] == array.itemsize and array.strides[0] >= array.shape[1] * array.itemsize
    return array if regular or array.shape[0] <= 1 and array.strides[1] == array.itemsize else np.ascontiguousarray(array)


def output(out: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any], *inputs: Array | None,
            in_place: Array | None = None) -> Array:
    """`out`, checked, or a new array. It may be exactly `in_place`; it may not overlap another input."""
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray) or out.dtype != dtype or out.shape != shape:
        got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ValueError(f"expected out as a {dtype} array of shape {shape}, got {got}")
    if not out.flags.writeable:
        raise ValueError("expected out to be writeable, got a read-only array")
    if row_major(out) is not out:
        raise ValueError(f"expected out with contiguous rows, got strides {out.strides}")
    for array in (*inputs, in_place):
        if array is not None and np.may_share_memory(out, array) and np.shares_memory(out, array):
            same = array is in_place and out.ctypes.data == array.ctypes.data and out.strides == array.strides
            if not same:
                raise ValueError("expected out not to overlap an input, or to be exactly the one it may replace")
    return out


def rows_of(x: Array) -> Array:
    """x as a matrix of rows along its last axis, without a copy where rows are contiguous."""
    x = x.reshape(1, -1) if x.ndim < 2 else x.reshape(-1, x.shape[-1]) if x.ndim > 2 else x
    return row_major(x)


def as_rows(out: Array) -> Array:
    """`out` as a matrix, never a copy."""
    if out.ndim < 2:
        return out.reshape(1, -1)
    return out if out.ndim == 2 else out.view().reshape(-1, out.shape[-1])
