"""Every function of fastbp.ops against its best form in NumPy alone (bench/numpy_forms.py, bench/ops_loss.py), float32.

    pytest bench --benchmark-columns=min,median,iqr,rounds
    pytest bench --write

A group of pytest-benchmark is one function at one size, with both sides in it.  The two are also compared.  A function
is one row of the table.  `--write` makes docs/performance/ops.md of the run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy_forms
import ops_activation
import ops_loss
import ops_norm
import ops_update
import pytest
from numpy_forms import FAN_OUT, Scratch
from ops_row import DTYPE, SIZES, Draw, Row

from fastbp import ops

TURNS = 2  # of each side
PARTS = (ops_activation, ops_loss, ops_norm, ops_update)


def forward(d: Draw) -> tuple[Any, ...]:
    return d.normal(), d.empty()


def backward(d: Draw) -> tuple[Any, ...]:
    return d.normal(), d.uniform() - np.float32(0.5), d.empty()


ROWS = {
    "relu": Row(forward, 2),
    "leaky_relu": Row(lambda d: (d.normal(), 0.2, d.empty()), 2),
    "sigmoid": Row(forward),
    "tanh": Row(forward),
    "softmax": Row(lambda d: (d.normal(), -1, d.empty())),
    "relu_backward": Row(backward, 3),
    "leaky_relu_backward": Row(lambda d: (d.normal(), d.normal(), 0.2, d.empty()), 3),
    "sigmoid_backward": Row(backward, 3),
    "tanh_backward": Row(backward, 3),
    "softmax_backward": Row(lambda d: (d.normal(), d.probabilities(), -1, d.empty()), 3),
    "matmul": Row(lambda d: (d.normal(), d.normal(d.columns, FAN_OUT), d.empty(d.rows, FAN_OUT))),
    "dense": Row(
        lambda d: (d.normal(), d.normal(d.columns, FAN_OUT), d.normal(FAN_OUT), "relu", 0, d.empty(d.rows, FAN_OUT)),
    ),
    "dense_backward": Row(
        lambda d: (d.normal(d.rows, FAN_OUT), d.normal(), d.normal(d.columns, FAN_OUT)),
        out=lambda d: (d.empty(), d.empty(d.columns, FAN_OUT), d.empty(FAN_OUT)),
    ),
    "column_sum": Row(lambda d: (d.normal(),), 1),
    "sgd": Row(lambda d: (d.normal(), d.normal(), 0.01), 3, changes=(0,)),
    "momentum": Row(lambda d: (d.normal(), d.normal(), d.normal(), 0.01, 0.9), 5, changes=(0, 2)),
    "adam": Row(lambda d: (d.normal(), d.normal(), d.normal(), d.uniform(), 10, 1e-3), 7, changes=(0, 2, 3)),
    "gather_rows": Row(
        lambda d: (d.rng.integers(0, 256, (4 * d.rows, d.columns), np.uint8), d.labels(4 * d.rows), 1 / 255)
    ),
}
for part in PARTS:
    ROWS |= part.ROWS


def side(name: str, size: tuple[int, int], which: str) -> tuple[Callable[[], Any], tuple[Any, ...]]:
    """The call to time, and its arguments."""
    draw = Draw(*size)
    arguments, options = ROWS[name].arguments(draw), ROWS[name].options(draw)
    if which == "fastbp":
        options |= {"out": make(draw)} if (make := ROWS[name].out) else {}
        return partial(getattr(ops, name), *arguments, **options), arguments
    form = next(getattr(part, name) for part in (numpy_forms, *PARTS) if hasattr(part, name))
    return partial(form, Scratch(*size, DTYPE), *arguments, **options), arguments


def results(name: str, size: tuple[int, int], which: str) -> list[np.ndarray]:
    """What one call returns, and what it changes."""
    call, arguments = side(name, size, which)
    returned = call()
    returned = returned if isinstance(returned, tuple) else (returned,)
    return [*(array for array in returned if array is not None), *(arguments[i] for i in ROWS[name].changes)]


def test_every_function_has_its_row():
    assert sorted(ROWS) == sorted(ops.__all__)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.compared])
def test_both_sides_compute_the_same(name):
    for ours, theirs in zip(results(name, SIZES[1], "fastbp"), results(name, SIZES[1], "numpy"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6 * max(1, abs(np.max(theirs))))


@pytest.mark.benchmark(max_time=0.2, warmup=False)
@pytest.mark.parametrize("which", ["fastbp", "numpy"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("turn", range(TURNS))  # minutes apart: a machine may be slow for longer than a function takes
def test_speed(benchmark, copied, name, size, turn, which):
    if size == SIZES[-1] and turn == 0 and ROWS[name].moves:
        copied()
    benchmark.group = f"{name} {size[0]} x {size[1]}"
    call, _ = side(name, size, which)
    call()
    benchmark(call)
