"""Floor 3. Tables and sparse matrices: columns of pandas, polars and Arrow as one array, rows of SciPy as they are."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class SparseRows:
    """A matrix in compressed sparse rows, as the gather of a batch reads it.

    Attributes
    ----------
    data : ndarray, shape (stored,)
        Of the model's type.
    indices : ndarray of int32, shape (stored,)
        Columns of `data`.
    indptr : ndarray of int64, shape (rows + 1,)
        Where each row begins in both.
    columns : int
    """

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    columns: int
    strides = (0, 0)  # no row lies in one piece

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.indptr) - 1, self.columns

    @property
    def dtype(self) -> np.dtype:
        """Of the numbers stored."""
        return self.data.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> SparseRows:
        """Neighbouring rows, as views."""
        first, end, step = rows.indices(len(self))
        assert step == 1
        return SparseRows(self.data, self.indices, self.indptr[first : max(first, end) + 1], self.columns)

    def take(self, rows: np.ndarray) -> SparseRows:
        """Copies of these rows."""
        starts = self.indptr[rows]
        counts = self.indptr[rows + 1] - starts
        indptr = np.concatenate([[0], np.cumsum(counts)])
        places = np.repeat(starts - indptr[:-1], counts) + np.arange(indptr[-1])
        return SparseRows(self.data[places], self.indices[places], indptr, self.columns)


def join(parts: Sequence[Any]) -> Any:
    """The rows of arrays, or of SparseRows, one behind the other."""
    if not isinstance(parts[0], SparseRows):
        return np.concatenate(parts)
    starts = np.cumsum([0, *(part.indptr[-1] - part.indptr[0] for part in parts)])
    indptr = [start + part.indptr[1:] - part.indptr[0] for start, part in zip(starts[:-1], parts, strict=True)]
    data, indices = (
        np.concatenate([getattr(part, name)[part.indptr[0] : part.indptr[-1]] for part in parts])
        for name in ("data", "indices")
    )
    return SparseRows(data, indices, np.concatenate([[0], *indptr]), parts[0].columns)


def as_sparse(name: str, matrix: Any, columns: int | None, dtype: np.dtype) -> SparseRows:
    """Rows of a SciPy sparse matrix or array of any format, for a model of so many columns.

    Raises
    ------
    TypeError
        If it does not hold real numbers.
    ValueError
        If its shape does not fit.
    """
    csr = matrix.tocsr()
    if csr.dtype.kind not in "fiub":
        raise TypeError(f"expected {name} of real numbers, got a sparse matrix of dtype {csr.dtype}")
    if len(csr.shape) != 2 or columns not in (None, csr.shape[1]):
        wanted = "(rows, columns)" if columns is None else f"(rows, {columns})"
        raise ValueError(f"expected {name} with shape {wanted}, got a sparse matrix of shape {csr.shape}")
    rows, width = csr.shape
    stored, starts = len(csr.indices), np.ascontiguousarray(csr.indptr, np.int64)
    sound = starts.size == rows + 1 and starts[0] == 0 and starts[-1] <= min(stored, len(csr.data))
    if not sound or (np.diff(starts) < 0).any() or (stored and not 0 <= csr.indices.min() <= csr.indices.max() < width):
        raise ValueError(f"expected {name} as a sparse matrix with sound indices, got indices outside {csr.shape}")
    return SparseRows(
        np.ascontiguousarray(csr.data, dtype), np.ascontiguousarray(csr.indices, np.int32), starts, int(width)
    )


def is_table(value: Any) -> bool:
    """Whether a value has named columns, as tables of pandas, polars and Arrow do."""
    return names_of(value) is not None


def names_of(value: Any) -> list[Any] | None:
    """The names of a table's columns; None for what is no table."""
    if not hasattr(value, "__array__") or isinstance(value, np.ndarray):
        return None
    names = getattr(value, "column_names", None)  # Arrow
    names = getattr(value, "columns", None) if names is None else names
    if names is None or callable(names) or getattr(value, "ndim", 2) != 2:
        return None
    return list(names) if all(isinstance(name, (str, int)) for name in names) else None


def as_matrix(name: str, table: Any) -> np.ndarray:
    """The columns of a table as one array, shape (rows, columns); missing values are NaN.

    Columns of one numeric type in one block are not copied.

    Raises
    ------
    TypeError
        If a column does not hold real numbers; its name is in the message.
    """
    if np.asarray(table[:0]).dtype.kind in "fiu":  # else all of it would become Python objects
        whole = np.asarray(table)
        if whole.dtype.kind in "fiu":  # missing values may change the type
            return whole
    names = names_of(table) or []
    columns = [as_column(name, label, table[label]) for label in names]
    matrix = np.empty((len(table), len(columns)), np.result_type(*columns), order="F")
    for j, column in enumerate(columns):
        matrix[:, j] = column
    return matrix


def as_column(name: str, label: Any, column: Any) -> np.ndarray:
    """One column as an array of real numbers."""
    array = np.asarray(column)
    if array.dtype == np.bool_:
        return array.view(np.uint8)
    if array.dtype.kind == "O" and hasattr(column, "to_numpy"):
        with suppress(TypeError, ValueError):  # types of pandas that know missing values
            array = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if array.dtype.kind not in "fiu" or array.ndim != 1:
        kind = getattr(column, "dtype", getattr(column, "type", array.dtype))
        raise TypeError(f"expected {name} of real numbers, got column {label!r} of {kind}: turn it into numbers")
    return array
