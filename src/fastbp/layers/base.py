"""Floor 2. The base of all layers: a name, weights, and what to write to the tape."""

import copy
import itertools
import operator
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Self

import numpy as np

from fastbp import config
from fastbp.layers.variable import Variable, assign
from fastbp.utils import check_count

_counters: defaultdict[str, Any] = defaultdict(itertools.count)


def unique_name(cls: type) -> str:
    """The class in snake case, with a number from the second one on: dense, dense_1, dense_2."""
    stem = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
    number = next(_counters[stem])
    return f"{stem}_{number}" if number else stem


def check_shape(shape: object) -> tuple[int]:
    """The shape of a row: (columns,), also when only a number is given."""
    try:
        sizes = (operator.index(shape),)  # type: ignore[arg-type]
    except TypeError:
        sizes = tuple(shape) if isinstance(shape, Iterable) else ()
    if len(sizes) != 1:
        raise ValueError(f"expected the shape of a row as (columns,), such as (784,), got {shape!r}")
    return (check_count("columns of a row", sizes[0], 1),)


class Layer:
    """Base of all layers.

    A subclass says what weights it needs (`variables`), what shape comes out (`compute_output_shape`) and which ops
    compute it (`record`).

    Parameters
    ----------
    name : str, optional
        Unique in a model; counted by class unless given.
    dtype : {"float32", "float64"}, optional
        Must be the same in all layers of a model that name one.
    input_shape : tuple of int, optional
        Shape of a row that comes in; on the first layer it takes the place of an `Input`.

    Attributes
    ----------
    weights : list of Variable
        Empty until the layer is part of a built model.
    """

    def __init__(self, name: str | None = None, dtype: object = None, input_shape: object = None) -> None:
        if name is not None and not (isinstance(name, str) and name):
            raise ValueError(f"expected name as a string that is not empty, got {name!r}")
        self.name = name or unique_name(type(self))
        self.dtype = None if dtype is None else config.real_type(dtype)
        self.input_shape = None if input_shape is None else check_shape(input_shape)
        self.output_shape: tuple[int] | None = None
        self.weights: list[Variable] = []

    @property
    def built(self) -> bool:
        """Whether the shapes are known and the weights are there."""
        return self.output_shape is not None

    def build(self, input_shape: tuple[int]) -> None:
        """Fix the shapes and make the variables, still without values."""
        self.output_shape = self.compute_output_shape(input_shape)
        self.weights = self.variables(input_shape)

    def unbuild(self) -> None:
        """Undo `build`."""
        self.output_shape, self.weights = None, []

    def compute_output_shape(self, input_shape: tuple[int]) -> tuple[int]:
        """Shape of a row that comes out."""
        return input_shape

    def variables(self, input_shape: tuple[int]) -> list[Variable]:
        """New variables for rows of this shape."""
        return []

    def record(self, tape: Any, x: Any) -> Any:
        """Write the layer's ops to a tape; returns the tensor that comes out."""
        raise NotImplementedError

    def count_params(self) -> int:
        """Number of weights."""
        return sum(variable.size for variable in self.weights)

    def get_weights(self) -> list[np.ndarray]:
        """Copies of the weight arrays."""
        return [variable.numpy() for variable in self.weights]

    def set_weights(self, weights: Any) -> None:
        """Copy arrays into the weights; if one does not fit, none has changed."""
        assign(self.weights, weights)

    def get_config(self) -> dict[str, Any]:
        """The layer's options, as its constructor takes them."""
        return {"name": self.name, "dtype": None if self.dtype is None else self.dtype.name}

    def clone(self, dtype: object = None) -> Self:
        """A layer of the same name and options without weights, in another dtype if one is given."""
        twin = copy.copy(self)
        twin.unbuild()
        twin.dtype = self.dtype if dtype is None else config.real_type(dtype)
        return twin

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"
