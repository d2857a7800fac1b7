"""Floor 2. The edge of the functional ops: what comes in is checked here once, and used where it lies if it can be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp._core import _memory

Array = NDArray[Any]
REALS = (np.dtype(np.float32), np.dtype(np.float64))
TRANSCENDENTAL = 20  # operations that an exponential is worth


# -- the edge ----------------------------------------------------------------------------------------------------------


def real(name: str, value: ArrayLike, dtype: np.dtype[Any] | None = None) -> Array:
    """`value` as an array of a real type: of `dtype` if given, else its own, float64 for anything but a real."""
    if type(value) is np.ndarray and value.dtype in (REALS if dtype is None else (dtype,)):
        flags = value.flags
        if flags.aligned and (flags.forc or not any(stride % value.itemsize for stride in value.strides)):
            return value
    return _converted(name, np.asarray(value), dtype)


def _converted(name: str, array: Array, dtype: np.dtype[Any] | None) -> Array:
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise TypeError(f"expected {name} of real numbers, got dtype {array.dtype}")
    if dtype is not None and array.dtype in REALS and array.dtype != dtype:
        raise TypeError(f"expected {name} of dtype {dtype}, as the other arrays, got {array.dtype}")
    if array.dtype not in REALS:
        return array.astype(dtype or np.float64)
    # of another byte order, misaligned, or with strides that are no whole elements
    return np.require(array, array.dtype.newbyteorder("="), ["A", "C"]).copy()


def matrix(
    name: str, value: ArrayLike, dtype: np.dtype[Any] | None = None, rows: int | None = None, columns: int | None = None
) -> Array:
    """`value` as a matrix of a real type, of so many rows and columns where they are given."""
    array = real(name, value, dtype)
    shape = array.shape
    if len(shape) != 2 or (rows is not None and shape[0] != rows) or (columns is not None and shape[1] != columns):
        want = f"({'rows' if rows is None else rows}, {'columns' if columns is None else columns})"
        raise ValueError(f"expected {name} with shape {want}, got {shape}")
    return array


def row_major(array: Array) -> Array:
    """The array itself if its rows are contiguous, else a copy."""
    return array if has_contiguous_rows(array) else np.ascontiguousarray(array)


def has_contiguous_rows(array: Array) -> bool:
    """Whether a kernel can walk the array row by row: neighbours in a row are neighbours in memory."""
    if array.flags.c_contiguous:
        return True
    if array.ndim != 2 or array.strides[1] != array.itemsize:
        return False
    return array.strides[0] >= array.shape[1] * array.itemsize and array.strides[0] % array.itemsize == 0


def output(
    out: Array | None,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    *inputs: Array | None,
    in_place: Array | None = None,
) -> Array:
    """`out`, checked, or a new array. It may be exactly `in_place`; it may not overlap another input."""
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray) or out.dtype != dtype or out.shape != shape:
        got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ValueError(f"expected out as a {dtype} array of shape {shape}, got {got}")
    if not out.flags.writeable:
        raise ValueError("expected out to be writeable, got a read-only array")
    if not has_contiguous_rows(out):
        raise ValueError(f"expected out with contiguous rows, got strides {out.strides}")
    for array in inputs:
        if array is not None and _memory.overlap(out, array):
            raise ValueError("expected out not to overlap an input")
    if in_place is not None and out is not in_place and _memory.overlap(out, in_place):
        same = out.ctypes.data == in_place.ctypes.data and out.strides == in_place.strides
        if not same:
            raise ValueError("expected out not to overlap an input, or to be exactly the one it may replace")
    return out


def rows_of(x: Array) -> Array:
    """x as a matrix of rows along its last axis, without a copy where rows are contiguous."""
    return row_major(as_rows(x))


def as_rows(out: Array) -> Array:
    """`out` as a matrix, never a copy."""
    if out.ndim < 2:
        return out.reshape(1, -1)
    return out if out.ndim == 2 else out.view().reshape(-1, out.shape[-1])
