"""Every function of fastbp.ops against its best form in NumPy alone (bench/numpy_forms.py), float32.

    pytest bench --benchmark-columns=min,median,iqr,rounds

A group of pytest-benchmark is one function at one size, with both sides in it.  Before anything is timed the two are
compared.  A function is one row of the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy_forms
import ops_norm
import pytest
from numpy_forms import FAN_OUT, Scratch

from fastbp import ops

DTYPE = "float32"
SIZES = [(32, 128), (256, 1024)]
ELEMENTWISE_SIZES = [*SIZES, (2048, 2048)]


class Draw:
    """Arrays for one size; the same numbers every time."""

    def __init__(self, rows: int, columns: int):
        self.rows, self.columns, self.rng = rows, columns, np.random.default_rng(0)

    def normal(self, *shape: int) -> np.ndarray:
        return self.rng.normal(size=shape or (self.rows, self.columns)).astype(DTYPE)

    def uniform(self) -> np.ndarray:
        """Between 0 and 1."""
        return self.rng.uniform(size=(self.rows, self.columns)).astype(DTYPE)

    def probabilities(self) -> np.ndarray:
        """Rows that sum to 1."""
        x = self.uniform()
        return x / x.sum(axis=1, keepdims=True)

    def empty(self, *shape: int) -> np.ndarray:
        return np.empty(shape or (self.rows, self.columns), DTYPE)

    def labels(self, count: int) -> np.ndarray:
        """A number below `count` for each row."""
        return self.rng.integers(0, count, self.rows)


@dataclass(frozen=True)
class Row:
    """A function: what it is called with, after nothing (ours) or scratch space (NumPy's)."""

    arguments: Callable[[Draw], tuple[Any, ...]]
    sizes: list[tuple[int, int]]
    changes: tuple[int, ...] = ()  # arguments changed in place, compared like results
    options: Callable[[Draw], dict[str, Any]] = lambda d: {}  # arguments by name
    compared: bool = True  # not if each side draws random numbers of its own


def forward(d: Draw) -> tuple[Any, ...]:
    return d.normal(), d.empty()


def backward(d: Draw) -> tuple[Any, ...]:
    return d.normal(), d.uniform() - np.float32(0.5), d.empty()


ROWS = {
    "relu": Row(forward, ELEMENTWISE_SIZES),
    "leaky_relu": Row(lambda d: (d.normal(), 0.2, d.empty()), ELEMENTWISE_SIZES),
    "sigmoid": Row(forward, ELEMENTWISE_SIZES),
    "tanh": Row(forward, ELEMENTWISE_SIZES),
    "softmax": Row(forward, SIZES),
    "relu_backward": Row(backward, ELEMENTWISE_SIZES),
    "leaky_relu_backward": Row(lambda d: (d.normal(), d.normal(), 0.2, d.empty()), ELEMENTWISE_SIZES),
    "sigmoid_backward": Row(backward, ELEMENTWISE_SIZES),
    "tanh_backward": Row(backward, ELEMENTWISE_SIZES),
    "softmax_backward": Row(lambda d: (d.normal(), d.probabilities(), d.empty()), SIZES),
    "matmul": Row(lambda d: (d.normal(), d.normal(d.columns, FAN_OUT), d.empty(d.rows, FAN_OUT)), SIZES),
    "dense": Row(
        lambda d: (d.normal(), d.normal(d.columns, FAN_OUT), d.normal(FAN_OUT), "relu", d.empty(d.rows, FAN_OUT)), SIZES
    ),
    "dense_backward": Row(lambda d: (d.normal(d.rows, FAN_OUT), d.normal(), d.normal(d.columns, FAN_OUT)), SIZES),
    "column_sum": Row(lambda d: (d.normal(),), SIZES),
    "softmax_cross_entropy": Row(lambda d: (d.normal(), d.labels(d.columns)), SIZES),
    "sigmoid_binary_cross_entropy": Row(lambda d: (d.normal(), d.uniform()), SIZES),
    "mean_squared_error": Row(lambda d: (d.normal(), d.normal()), SIZES),
    "sgd": Row(lambda d: (d.normal(), d.normal(), 0.01), ELEMENTWISE_SIZES, changes=(0,)),
    "momentum": Row(lambda d: (d.normal(), d.normal(), d.normal(), 0.01, 0.9), ELEMENTWISE_SIZES, changes=(0, 2)),
    "adam": Row(
        lambda d: (d.normal(), d.normal(), d.normal(), d.uniform(), 10, 1e-3), ELEMENTWISE_SIZES, changes=(0, 2, 3)
    ),
    "gather_rows": Row(
        lambda d: (d.rng.integers(0, 256, (4 * d.rows, d.columns), np.uint8), d.labels(4 * d.rows), 1 / 255), SIZES
    ),
}
ROWS |= ops_norm.rows(Row, SIZES)
CASES = [(name, size) for name, row in ROWS.items() for size in row.sizes]


def side(name: str, size: tuple[int, int], which: str) -> tuple[Callable[[], Any], tuple[Any, ...]]:
    """The call to time, and its arguments."""
    draw = Draw(*size)
    arguments, options = ROWS[name].arguments(draw), ROWS[name].options(draw)
    if which == "fastbp":
        return partial(getattr(ops, name), *arguments, **options), arguments
    form = getattr(numpy_forms, name, None) or getattr(ops_norm, name)
    return partial(form, Scratch(*size, DTYPE), *arguments, **options), arguments


def results(name: str, size: tuple[int, int], which: str) -> list[np.ndarray]:
    """What one call returns, and what it changes."""
    call, arguments = side(name, size, which)
    returned = call()
    returned = returned if isinstance(returned, tuple) else (returned,)
    return [*(r for r in returned if r is not None), *(arguments[i] for i in ROWS[name].changes)]


def test_every_function_has_its_row():
    assert sorted(ROWS) == sorted(ops.__all__)


@pytest.mark.parametrize("which", ["fastbp", "numpy"])
@pytest.mark.parametrize(("name", "size"), CASES, ids=[f"{name}-{size[0]}x{size[1]}" for name, size in CASES])
def test_speed(benchmark, name, size, which):
    both = [results(name, size, which) for which in ("fastbp", "numpy") if ROWS[name].compared]
    for ours, theirs in zip(*both, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6 * max(1, abs(theirs).max()))
    benchmark.group = f"{name} {size[0]} x {size[1]}"
    call, _ = side(name, size, which)
    benchmark(call)
