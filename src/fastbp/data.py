"""Floor 3. The edge: arrays come in here, are checked once, and go to the kernels as they are where possible.

Rows of float32, float64 and uint8 in any strides, also memory-mapped, are used in place; the gather of a batch converts
and scales them. Other types are converted once. Class indices become a contiguous int32 array of our own, because a
kernel uses them as addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import inf, prod
from typing import Any, NamedTuple

import numpy as np

from fastbp.losses import Loss
from fastbp.tables import SparseRows, as_matrix, as_sparse, is_table, join
from fastbp.utils import check_count, check_number, described

# Types that the gather reads
IN_PLACE = frozenset(map(np.dtype, ("float32", "float64", "uint8")))
IGNORED = -1  # the class index of rows that do not count, as the kernels see it


class Rows(NamedTuple):
    """Data ready for the kernels; all arrays have the same number of rows."""

    x: tuple[Any, ...]  # of each input (rows, columns): arrays, or SparseRows
    y: tuple[np.ndarray, ...]  # of each output (rows,) int32 class indices, or (rows, columns)
    weights: tuple[np.ndarray | None, ...]  # of each output (rows, 1) of the model's type

    @property
    def size(self) -> int:
        """How many rows there are."""
        return int(self.x[0].shape[0])

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What a program has to know of them."""
        return tuple(Kind(y.ndim == 1, w is not None) for y, w in zip(self.y, self.weights, strict=True))

    @property
    def arrays(self) -> list[np.ndarray]:
        """All of them, as `Executable.bind` takes them: inputs, then each target with its weights."""
        pairs = zip(self.y, self.weights, strict=True)
        return [*self.x, *(array for pair in pairs for array in pair if array is not None)]

    def part(self, rows: slice) -> Rows:
        """Some of the rows, as views."""
        return self._each(lambda array: array[rows])

    def take(self, order: np.ndarray) -> Rows:
        """Copies of some of the rows."""
        return self._each(lambda array: array.take(order) if isinstance(array, SparseRows) else array[order])

    def join(self, others: Sequence[Rows]) -> Rows:
        """These rows and others of the same kinds behind them; the same arrays if there are no others."""
        rest = zip(*(other.arrays for other in others), strict=True)
        return self._each(lambda array: join([array, *next(rest)])) if others else self

    def _each(self, function: Callable[[Any], Any]) -> Rows:
        """A function of each array, in the order of `arrays`."""
        x = tuple(map(function, self.x))
        pairs = [(function(y), None if w is None else function(w)) for y, w in zip(self.y, self.weights, strict=True)]
        return Rows(x, tuple(y for y, _ in pairs), tuple(w for _, w in pairs))


class Kind(NamedTuple):
    """The targets of an output: class indices, or rows of numbers; with weights of the rows or without."""

    labels: bool
    weighted: bool


def check_several(name: str, given: Any, names: Sequence[str]) -> list[Any]:
    """One value for each of these inputs or outputs: of one the value itself; else a sequence, or a dict by name.

    Raises
    ------
    TypeError, ValueError
        If there is not one for each.
    """
    by_name = isinstance(given, dict) and not hasattr(given, "tocsr")  # SciPy has a sparse matrix that is a dict
    if len(names) == 1 and not by_name:
        return [given]
    if by_name:
        if set(given) != set(names):
            raise ValueError(f"expected {name} for {', '.join(names)}, got {', '.join(map(str, given)) or 'none'}")
        return [given[each] for each in names]
    if not isinstance(given, (list, tuple)):
        raise TypeError(
            f"expected {name} as a sequence of {len(names)}, for {', '.join(names)}, got {type(given).__name__}"
        )
    if len(given) != len(names):
        raise ValueError(f"expected {len(names)} of {name}, for {', '.join(names)}, got {len(given)}")
    return list(given)


def check_inputs(
    x: Any, names: Sequence[str], columns: Sequence[int | None], limits: Sequence[int | None], dtype: np.dtype
) -> tuple[Any, ...]:
    """Rows for each input of a model; see `check_x`."""
    given = check_several("x", x, names)
    arrays = tuple(
        named("input", name, names, partial(check_x, each, size, dtype, limit))
        for name, each, size, limit in zip(names, given, columns, limits, strict=True)
    )
    for array in arrays[1:]:
        if len(array) != len(arrays[0]):
            counts = ", ".join(str(len(each)) for each in arrays)
            raise ValueError(f"expected as many rows for each input, got {counts}")
    return arrays


def named(kind: str, name: str, names: Sequence[str], check: Callable[[], Any]) -> Any:
    """What a check returns; its error names the input or output, where there are several."""
    try:
        return check()
    except (TypeError, ValueError) as error:
        if len(names) == 1:
            raise
        raise type(error)(f"{kind} {name!r}: {error}") from error


def check_weights(
    sample_weight: Any, class_weight: Any, y: np.ndarray, outputs: int, loss: Loss, dtype: np.dtype
) -> np.ndarray | None:
    """Weights of the rows of one output, shape (rows, 1): of samples, of the classes they belong to, or their product.

    Rows of a class that the loss ignores weigh nothing. None if nobody speaks of weights.

    Raises
    ------
    TypeError, ValueError
        If weights do not fit the rows or the classes, or one is negative or not finite.
    """
    rows = len(y)
    weights = None if sample_weight is None else as_numbers("sample_weight", sample_weight)
    if weights is not None and weights.shape not in ((rows,), (rows, 1)):
        raise ValueError(f"expected sample_weight with shape ({rows},), got {weights.shape}")
    if class_weight is not None:
        of_rows = as_class_weights(class_weight, outputs)[as_classes(y, outputs)]
        weights = of_rows if weights is None else weights.reshape(rows) * of_rows
    if loss.ignore_class is not None:
        weights = np.where(y == IGNORED, 0.0, 1.0 if weights is None else weights.reshape(rows))
    if weights is None:
        return None
    with np.errstate(over="ignore"):  # what is too large for the type becomes infinite
        converted = np.ascontiguousarray(weights.reshape(rows, 1), dtype)
    right = np.isfinite(converted) & (converted >= 0)
    if not right.all():
        wrong = weights.reshape(rows, 1)[~right][0]
        raise ValueError(f"expected weights of at least 0 and finite in {dtype}, got {wrong:g}")
    return converted


def check_class_weights(given: Any, outputs: int | None) -> dict[int, float]:
    """The weights by class, for a model of so many outputs, where that is known.

    Raises
    ------
    TypeError, ValueError
        If there is no such class, or a weight is negative or not finite.
    """
    if not isinstance(given, dict):
        raise TypeError(f"expected class_weight as a dict of class index to weight, got {type(given).__name__}")
    classes = inf if outputs is None else max(outputs, 2)
    for index in given:
        if check_count("class of class_weight", index, 0) >= classes:
            raise ValueError(f"expected classes from 0 to {classes - 1} in class_weight, got {index}")
    return {index: check_number(f"weight of class {index}", weight, 0) for index, weight in given.items()}


def as_class_weights(given: Any, outputs: int) -> np.ndarray:
    """The weight of each class; of those that are not named 1."""
    weights = np.ones(max(outputs, 2))
    for index, weight in check_class_weights(given, outputs).items():
        weights[index] = weight
    return weights


def as_classes(y: np.ndarray, outputs: int) -> np.ndarray:
    """The class of each target: its index, its largest column, or the side of a half of one column."""
    if y.ndim == 1 and y.dtype == np.int32:
        return y
    if outputs > 1:
        columns: np.ndarray = y.argmax(axis=1)
        return columns
    beyond = y[(y < 0) | (y > 1)]
    if beyond.size:
        raise ValueError(f"expected targets from 0 to 1, of which class_weight can tell the class, got {beyond[0]:g}")
    return (y.reshape(-1) > 0.5).astype(np.intp)


def check_x(x: Any, columns: int | None, dtype: np.dtype, limit: int | None = None) -> np.ndarray | SparseRows:
    """Rows for a model of so many input columns (any number if None), shape (rows, columns).

    Arrays, what can be made one, tables, and SciPy's sparse matrices. With a limit they are indices below it, for
    embeddings: an int32 array of our own, as a kernel uses them as addresses.

    Raises
    ------
    TypeError
        If x does not hold real numbers.
    ValueError
        If its shape does not fit, there is no row, or a number is not an index below the limit.
    """
    if (
        type(x) is np.ndarray
        and x.dtype == dtype
        and limit is None
        and x.ndim == 2
        and x.shape[1] == columns
        and x.flags.carray
        and len(x)
    ):
        return x  # nothing to find out: predict of a row waits for this function
    sparse = hasattr(x, "tocsr") and limit is None
    array = as_sparse("x", x, columns, dtype) if sparse else as_rows("x", as_numbers("x", x), columns)
    if not array.shape[0]:
        raise ValueError(f"expected x with at least one row, got {array.shape}")
    if isinstance(array, SparseRows):
        return array
    return as_gatherable(array, dtype) if limit is None else as_indices(array, limit)


def check_y(y: np.ndarray, rows: int, outputs: int, loss: Loss, dtype: np.dtype) -> np.ndarray:
    """Targets for a model of so many outputs: class indices where the loss takes them, else rows of numbers.

    Raises
    ------
    ValueError
        If the shape does not fit, or a value is not a target of this loss.
    """
    if y.ndim == 0 or y.shape[0] != rows:
        raise ValueError(f"expected x and y with the same number of rows, got {rows} and {y.shape[0] if y.ndim else y}")
    if loss.labels:
        return as_labels(y, outputs, loss)
    if y.ndim == 1 and outputs > 1 and loss.one_class:
        raise ValueError(
            f"expected y with {outputs} columns for {loss.name}, got {y.shape}: "
            "for class indices use sparse_categorical_crossentropy, or utils.to_categorical(y)"
        )
    targets = as_rows("y", y, outputs)
    check_limits(targets, loss)
    return as_gatherable(targets, dtype)


def check_limits(y: np.ndarray, loss: Loss) -> None:
    """Targets are numbers between the limits of the loss, if it has any."""
    low, high = loss.limits
    if low == -inf and high == inf:
        return
    least, most = y.min(), y.max()
    if not (least >= low and most <= high):
        words = f"between {low:g} and {high:g}" if high < inf else f"of at least {low:g}"
        raise ValueError(f"expected y {words} for {loss.name}, got {most if least >= low else least:g}")


def looks_like_labels(y: np.ndarray, outputs: int) -> bool:
    """Whether targets are class indices by their shape alone: one column for several outputs."""
    return outputs > 1 and (y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1))


def as_numbers(name: str, value: Any) -> np.ndarray:
    """The value as an array of real numbers, not copied if it is one."""
    if hasattr(value, "toarray"):
        raise TypeError(f"expected {name} as a dense array, got {type(value).__name__}: use .toarray()")
    if is_table(value):
        return as_matrix(name, value)
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"expected {name} as an array without a mask, got {described(value)}: use .filled()")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(value).__name__
        raise ValueError(f"expected {name} as a rectangular array of numbers, got {kind}: {error}") from error
    if array.dtype.kind not in "fiub":
        got = "None" if value is None else f"dtype {array.dtype}"
        raise TypeError(f"expected {name} of real numbers, got {got}")
    return array


def as_rows(name: str, array: np.ndarray, columns: int | None) -> np.ndarray:
    """A view of shape (rows, columns); of an array with more axes all but the first make the columns."""
    shape = array.shape
    if len(shape) == 2 and shape[1] and columns in (None, shape[1]):
        return array
    if columns is None:
        raise ValueError(f"expected {name} with shape (rows, columns), got {shape}: or name an input_shape")
    if len(shape) == 1 and columns == 1:
        return array[:, None]
    if len(shape) >= 2 and prod(shape[1:]) == columns:
        return array.reshape(shape[0], columns)
    raise ValueError(f"expected {name} with {columns} column{'s' * (columns != 1)}, got {shape}")


def as_gatherable(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The array itself if the gather can read it, else a copy of the model's type."""
    if array.dtype in IN_PLACE and array.flags.aligned:
        return array
    if array.dtype == np.bool_:
        return array.view(np.uint8)
    return array.astype(dtype)


def as_indices(array: np.ndarray, limit: int) -> np.ndarray:
    """Indices from 0 to below a limit as a new contiguous int32 array."""
    wrong = ~((array >= 0) & (array < limit))
    if array.dtype.kind == "f":
        wrong |= array != np.floor(array)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"expected x of whole numbers from 0 to {limit - 1} for an Embedding, got {array[row, column]} "
            f"in column {column}, row {row}"
        )
    return np.array(array, np.int32, order="C")


def as_labels(y: np.ndarray, classes: int, loss: Loss) -> np.ndarray:
    """Class indices as a new contiguous int32 array, IGNORED where the loss ignores the class."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        hint = ": for one-hot rows use categorical_crossentropy" if y.shape[1:] == (classes,) else ""
        raise ValueError(f"expected y of class indices with shape ({y.shape[0]},) for {loss.name}, got {y.shape}{hint}")
    if y.dtype.kind == "f" and (fractions := y != np.floor(y)).any():
        raise ValueError(f"expected y of whole class indices for {loss.name}, got {y[fractions][0]:g}")
    ignored = None if loss.ignore_class is None else y == loss.ignore_class
    counted = y if ignored is None else y[~ignored]
    if counted.size and (counted.min() < 0 or counted.max() >= classes):
        wrong = counted.min() if counted.min() < 0 else counted.max()
        raise ValueError(f"expected labels from 0 to {classes - 1}, got {wrong:g}")
    labels = y.astype(np.int32)
    if ignored is not None:
        labels[ignored] = IGNORED
    return labels


def check_pair(name: str, value: Any) -> tuple[Any, Any, Any]:
    """The members of (x, y) or (x, y, sample_weight)."""
    if not isinstance(value, (tuple, list)) or len(value) not in (2, 3):
        got = f"{len(value)} members" if isinstance(value, (tuple, list)) else type(value).__name__
        raise ValueError(f"expected {name} as (x, y) or (x, y, sample_weight), got {got}")
    return value[0], value[1], value[2] if len(value) == 3 else None


def split(data: Rows, fraction: object) -> tuple[Rows, Rows]:
    """Training rows and the last part, a fraction of all, for validation; both are views."""
    share = check_number("validation_split", fraction, 0, 1, "[)")
    rows = data.size
    at = int(np.floor(rows * (1 - share)))
    if not 0 < at < rows:
        raise ValueError(
            f"expected validation_split to leave rows on both sides, got {share:g} of {rows} rows: "
            f"{at} to train and {rows - at} to validate"
        )
    return data.part(slice(at)), data.part(slice(at, None))
