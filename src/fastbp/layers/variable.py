"""Floor 2. Variables: the named arrays of a layer, all of a model's in one flat aligned buffer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from fastbp._core import _memory
from fastbp.constraints import Constraint
from fastbp.initializers import Initializer
from fastbp.regularizers import Regularizer

LINE = 64  # bytes: every variable starts a cache line


@dataclass(eq=False)
class Variable:
    """A weight array of a layer.

    Attributes
    ----------
    name : str
        As the layer calls it: "kernel", "bias".
    path : str
        With the layer's name: "dense/kernel".
    shape : tuple of int
    initializer : Initializer
    learned : bool
        False for what training does not learn, such as moving averages.
    offset : int
        First element in the model's flat buffer.
    value : ndarray or None
        View of the flat buffer, once the layer is part of a built model.
    storage : Storage or None
        Where the value lies.
    holders : list of Layer
        The layer that it is a weight of, and those around that one.
    regularizer : Regularizer or None
        The penalty for its size.
    constraint : Constraint or None
        What is done to it after each update.
    """

    name: str
    path: str
    shape: tuple[int, ...]
    initializer: Initializer
    learned: bool = True
    offset: int = 0
    value: np.ndarray | None = None
    storage: Storage | None = None
    holders: list[Any] = field(default_factory=list)
    regularizer: Regularizer | None = None
    constraint: Constraint | None = None

    @property
    def frozen(self) -> bool:
        """Whether a layer that holds it is not trainable."""
        return not all(holder.trainable for holder in self.holders)

    @property
    def trainable(self) -> bool:
        """Whether training changes it by its gradient."""
        return self.learned and not self.frozen

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    def place(self) -> np.ndarray:
        """The value, in place; ValueError if there is none yet."""
        if self.value is None:
            raise ValueError(f"expected {self.path} to have a value, but its model is not built yet")
        return self.value

    def numpy(self) -> np.ndarray:
        """A copy of the value."""
        return self.place().copy()

    def __repr__(self) -> str:
        return f"<Variable {self.path} {self.shape}>"


@dataclass(eq=False)
class Storage:
    """A flat buffer with the values of variables.

    Attributes
    ----------
    array : ndarray, shape (size,)
    stale : bool
        Whether some have moved to another one since: whoever computes here has to look again.
    """

    array: np.ndarray
    stale: bool = False


_stored: ContextVar[Mapping[str, np.ndarray] | None] = ContextVar("stored", default=None)


@contextmanager
def taken_from(arrays: Mapping[str, np.ndarray]) -> Iterator[None]:
    """Inside, variables take their first values from these arrays, by their paths; initializers draw nothing.

    Raises
    ------
    ValueError
        If there is no array for one, or of another shape or dtype; that is found out before memory is taken.
    """
    token = _stored.set(arrays)
    try:
        yield
    finally:
        _stored.reset(token)


def check_stored(arrays: Mapping[str, np.ndarray], variables: Sequence[Variable], dtype: np.dtype) -> None:
    """There is an array for each variable."""
    for variable in variables:
        array = arrays.get(variable.path)
        if array is None:
            raise ValueError(f"expected an array for {variable.path} of shape {variable.shape}, got none")
        if array.shape != variable.shape or array.dtype != dtype:
            expected = f"{dtype} of shape {variable.shape}"
            raise ValueError(f"expected {variable.path} as {expected}, got {array.dtype} of shape {array.shape}")


def store(variables: Sequence[Variable], dtype: np.dtype, rng: np.random.Generator) -> Storage:
    """The storage that has all of the variables: the one they are in, or a new one.

    There, those with a value keep it and the others draw their first one. If anything fails, no variable has changed.
    """
    homes = {variable.storage for variable in variables}
    if len(homes) == 1 and (home := homes.pop()) is not None and not home.stale:
        return home
    storage = Storage(allocate(variables, dtype, rng))
    for variable in variables:
        if variable.storage is not None:
            variable.storage.stale = True
        variable.storage = storage
    return storage


def allocate(variables: Sequence[Variable], dtype: np.dtype, rng: np.random.Generator) -> np.ndarray:
    """Put the variables into a new flat buffer."""
    stored = _stored.get()
    if stored is not None:
        check_stored(stored, variables, dtype)
    line = LINE // dtype.itemsize
    offsets, size = [], 0
    for variable in variables:
        offsets.append(size)
        size += -(-variable.size // line) * line
    flat: np.ndarray = _memory.zeros(size, dtype)
    views = [flat[at : at + v.size].reshape(v.shape) for at, v in zip(offsets, variables, strict=True)]
    for view, variable in zip(views, variables, strict=True):
        value = variable.value
        if value is None:
            value = variable.initializer(variable.shape, dtype, rng) if stored is None else stored[variable.path]
        view[...] = checked(variable, value, dtype)
    for variable, offset, view in zip(variables, offsets, views, strict=True):
        variable.offset, variable.value = offset, view
    return flat


def assign(variables: Sequence[Variable], values: Any) -> None:
    """Copy arrays into variables: all of them, or none if one does not fit."""
    arrays = list(values)
    if len(arrays) != len(variables):
        raise ValueError(f"expected {len(variables)} weight arrays, got {len(arrays)}")
    places = [variable.place() for variable in variables]
    arrays = [checked(v, array, place.dtype) for v, array, place in zip(variables, arrays, places, strict=True)]
    # an array given may be a view of a variable that is written before it is read
    arrays = [array.copy() if any(np.may_share_memory(array, place) for place in places) else array for array in arrays]
    for place, array in zip(places, arrays, strict=True):
        place[...] = array


def checked(variable: Variable, value: Any, dtype: np.dtype) -> np.ndarray:
    """The value as an array of real numbers in the variable's shape, none too large for the dtype."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"expected {variable.path} of real numbers, got dtype {array.dtype}")
    if array.shape != variable.shape:
        raise ValueError(f"expected {variable.path} with shape {variable.shape}, got {array.shape}")
    if np.issubdtype(array.dtype, np.floating) and not np.can_cast(array.dtype, dtype):
        most = np.abs(array[np.isfinite(array)]).max(initial=0)
        if most > np.finfo(dtype).max:
            raise ValueError(f"expected {variable.path} of numbers that {dtype} has, got {most:g}")
    return array
