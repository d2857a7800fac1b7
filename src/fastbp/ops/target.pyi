# Floor 2. What target.pyx shows to Python.

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastbp.ops.edge import Array

def is_labels(value: ArrayLike) -> bool: ...
def labels_of(name: str, value: ArrayLike, rows: int, classes: int, ignore_index: int | None = None) -> Array: ...
def weights_of(name: str, value: ArrayLike, n: int) -> Array: ...
def row_weights(
    rows: int,
    dtype: np.dtype[Any],
    sample_weight: Array | None,
    class_weight: Array | None = None,
    labels: Array | None = None,
    row_factor: Array | None = None,
) -> tuple[Array, float]: ...
def set_ones(out: Array, labels: Array) -> None: ...
def count_pairs(row_name: str, rows: ArrayLike, column_name: str, columns: ArrayLike, classes: int) -> Array: ...
