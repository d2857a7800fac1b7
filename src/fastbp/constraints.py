"""Floor 2. Constraints: what is done to a weight after each update. Formulas and defaults are Keras's."""

import math
from typing import Any

import numpy as np

from fastbp._core import _penalty, _vectors
from fastbp._core._ops import Op
from fastbp._core._program import run_op
from fastbp.registry import Configured
from fastbp.utils import check_count, check_number, resolve


class Constraint(Configured):
    """Base: called on an array, it returns one that fulfils it.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.constraints.MaxNorm(5.0)([[3.0, 9.0], [4.0, 12.0]]).round(2)
    array([[3., 3.],
           [4., 4.]])
    """

    name = ""

    def __call__(self, weight: Any) -> np.ndarray:
        """A constrained copy, float32 or float64."""
        given = np.asarray(weight)
        copy = np.array(given, given.dtype if given.dtype in (np.float32, np.float64) else np.float64, order="C")
        self.check(copy.shape)
        run_op(self.op(copy), 1, 4 * copy.size)
        return copy

    def check(self, shape: tuple[int, ...]) -> None:
        """ValueError if no weight of this shape can fulfil it."""

    def op(self, weight: np.ndarray) -> Op:
        """The op that constrains this weight, C-contiguous, in place."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Name and options, as `get` takes them."""
        return {"name": self.name, **vars(self)}


class NonNeg(Constraint):
    """Negative elements become 0."""

    name = "non_neg"

    def op(self, weight: np.ndarray) -> Op:
        """max(w, 0)."""
        return _vectors.VectorMap(weight, weight, "clip", 0.0, math.inf)


class MinMaxNorm(Constraint):
    """Norms are kept from min_value to max_value: w ← w · wanted / (norm + 1e-7).

    `wanted` is rate · clip(norm, min_value, max_value) + (1 - rate) · norm. Where the norm is in the interval already,
    w stays as it is to the last bit.

    Parameters
    ----------
    min_value, max_value : float
        At least 0.
    rate : float
        Above 0, at most 1: how much of the way is gone.
    axis : {0, 1}
        What a norm is taken along. 0: of each column of a kernel, the weights that come into one unit; of a bias as a
        whole. 1: of each row.

    Raises
    ------
    ValueError
        If an option is out of its range, or the weight has no such axis.
    """

    name = "min_max_norm"

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: int = 0) -> None:
        self.min_value = check_number("min_value", min_value, 0)
        self.max_value = check_number("max_value", max_value, self.min_value)
        self.rate = check_number("rate", rate, 0, 1, "(]")
        self.axis = check_axis(axis)

    def check(self, shape: tuple[int, ...]) -> None:
        """ValueError if there is no such axis."""
        if not self.axis < len(shape) <= 2:
            raise ValueError(
                f"expected a weight of {'1 or 2 axes' if self.axis == 0 else '2 axes'} for {self.name}, got {shape}"
            )

    def op(self, weight: np.ndarray) -> Op:
        """Norms cut to the interval."""
        return _penalty.LimitNorms(weight, self.min_value, self.max_value, self.rate, self.axis)


class MaxNorm(MinMaxNorm):
    """Norms are at most max_value (Srebro & Shraibman 2005), which goes well with dropout.

    Parameters
    ----------
    max_value : float
    axis : {0, 1}
        As for `MinMaxNorm`.
    """

    name = "max_norm"

    def __init__(self, max_value: float = 2.0, axis: int = 0) -> None:
        super().__init__(0.0, max_value, axis=axis)

    def get_config(self) -> dict[str, Any]:
        """Name and options, as `get` takes them."""
        return {"name": self.name, "max_value": self.max_value, "axis": self.axis}


class UnitNorm(MinMaxNorm):
    """Norms are 1.

    Parameters
    ----------
    axis : {0, 1}
        As for `MinMaxNorm`.
    """

    name = "unit_norm"

    def __init__(self, axis: int = 0) -> None:
        super().__init__(1.0, 1.0, axis=axis)

    def get_config(self) -> dict[str, Any]:
        """Name and options, as `get` takes them."""
        return {"name": self.name, "axis": self.axis}


def check_axis(axis: object) -> int:
    """0 or 1."""
    found = check_count("axis", axis, 0)
    if found > 1:
        raise ValueError(f"expected axis as 0 or 1, got {axis!r}")
    return found


CONSTRAINTS: dict[str, type[Constraint]] = {kind.name: kind for kind in (MaxNorm, MinMaxNorm, NonNeg, UnitNorm)}


def get(given: str | Constraint | dict[str, Any] | None) -> Constraint | None:
    """Constraint of a name, an object or a configuration; None for None."""
    if given is None:
        return None
    found: Constraint | type[Constraint] = resolve("constraint", Constraint, CONSTRAINTS, given)
    return found() if isinstance(found, type) else found
