"""Floor 3. What the compiler knows of a kind of op: how it is made, written, shared and paid for.

The rows of this sort are in `kinds`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from math import prod
from typing import Any

import numpy as np

from .tape import Op, Tensor

__all__ = [
    "Arrays",
    "Make",
    "Names",
    "OpKind",
    "Shared",
    "each",
    "elements",
    "of_outer_product",
    "of_output",
    "of_product",
]

Arrays = Sequence[Any]
Make = Callable[[Op, Arrays, Arrays, bool], Any]


class Shared(Enum):
    """How threads share an op."""

    ROWS = auto()  # by rows of the batch
    COLUMNS = auto()  # by columns of the batch, since it needs all rows of one
    EITHER = auto()  # by rows, or by columns next to an op that needs these
    PRODUCT = auto()  # likewise, but it reads all columns; where its weight is large, by parts of what it makes
    PARTS = auto()  # by parts of what it makes, from the whole batch


class Names:
    """What formulas are written with: names of what an op reads and makes; those of the inputs are "" where none is.

    Attributes
    ----------
    a, b, c : str
        The first three inputs.
    inputs, batches : str
        All inputs; those that are no parameters.
    y, outputs : str
        The first output; all of them.
    plus : str
        " + c", if there is one.
    kernel : str
        The function that the op computes or ends with.
    """

    def __init__(self, op: Op) -> None:
        names = ["" if tensor is None else tensor.name for tensor in op.inputs]
        self.attrs = op.attrs
        self.a, self.b, self.c = (*names, "", "", "")[:3]
        self.inputs = ", ".join(names)
        self.batches = ", ".join(t.name for t in op.inputs if t is not None and t.kind != "parameter")
        self.y, self.outputs = op.outputs[0].name, ", ".join(tensor.name for tensor in op.outputs)
        self.plus = f" + {self.c}" if self.c else ""
        self.kernel = op.attrs.get("kernel", "linear")
        self.parameters = [tensor.name for tensor in op.outputs if tensor.kind == "parameter"]

    def through(self, what: str) -> str:
        """The activation of it, if there is one."""
        return what if self.kernel == "linear" else f"{self.kernel}({what})"


def elements(tensor: Tensor, batch: int) -> int:
    """How many numbers a tensor has in a step."""
    return prod(tensor.shape) * (batch if tensor.kind in ("batch", "statistic") else 1)


# -- costs: operations of a step, a multiply-add counted as two. Rough: a transcendental is some twenty.


def each(count: int = 1, of: int = 0) -> Callable[[Op, int], int]:
    """So many operations for each element of that input."""

    def flops(op: Op, batch: int) -> int:
        source = op.inputs[of]
        assert source is not None
        return count * elements(source, batch)

    return flops


of_input = each()


def of_output(op: Op, batch: int) -> int:
    """One operation for each element that is made."""
    return elements(op.outputs[0], batch)


def of_product(op: Op, batch: int) -> int:
    """Those of the rows of the batch times a weight, the second input."""
    assert op.inputs[1] is not None
    return 2 * batch * prod(op.inputs[1].shape)


def of_outer_product(op: Op, batch: int) -> int:
    """Those of a weight's gradient from two rows for each row of the batch."""
    x, dz = op.inputs[:2]
    assert x is not None
    assert dz is not None
    return 2 * batch * prod(x.shape) * prod(dz.shape)


@dataclass(frozen=True, slots=True)
class OpKind:
    """What the compiler knows of a kind of op.

    Attributes
    ----------
    make : callable
        From the op, the arrays of its inputs and of its outputs and whether it is shared by rows: the op of floor 1.
    formula : callable
        The op as an equation, from `Names`.
    shared : Shared
    flops : callable
        Operations of a step, from the op and the rows of a batch.
    binds : tuple of str
        For the first inputs, the methods by which the op of floor 1 takes the caller's whole array in their place. What
        has none reads a buffer, which a gather fills.
    writes : bool
        Whether the op can write to the caller's whole array.
    uses_up : callable, optional
        Of gradients whose kernels can end with the update: whether it uses them up in cache, from rows of a batch and
        type.
    calls_python : bool
        Whether it runs what a user wrote, which may raise and so end the step.
    """

    make: Make
    formula: Callable[[Names], str]
    shared: Shared = Shared.PARTS
    flops: Callable[[Op, int], int] = of_input
    binds: tuple[str, ...] = ()
    writes: bool = False
    uses_up: Callable[[int, np.dtype[Any]], bool] | None = None
    calls_python: bool = False

    def binder(self, position: int) -> str:
        """The method that takes the caller's array for that input, "" if there is none."""
        return self.binds[position] if position < len(self.binds) else ""
