"""The mathematics of the activations, of softmax along any axis and of the elementary functions, in float64 NumPy.

Imported by references.py, which has the table that these rows go into.
"""

import math

import numpy as np
from references import (
    DENSE_SIZES,
    ROW_SIZES,
    Row,
    backward_arrays,
    backward_op,
    dense_arrays,
    gradient_and,
    into,
    one,
    product_into,
    sigmoid,
    softmax,
)

import fastbp as fb
from fastbp._core._kernels import FROM_INPUT

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
TANH_FORM = math.sqrt(2 / math.pi), 0.044715

erf = np.vectorize(math.erf, otypes=[float])


def normal_cdf(x):
    return np.vectorize(lambda value: math.erfc(-value / math.sqrt(2)) / 2, otypes=[float])(x)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def softplus(x):
    return np.logaddexp(0, x)


def softplus_derivative(x):
    return sigmoid(x)


def inner(x):
    """What the tanh form of gelu takes the tanh of, and its derivative."""
    slope, cube = TANH_FORM
    return slope * (x + cube * x**3), slope * (1 + 3 * cube * x * x)


def gelu_tanh_derivative(x):
    z, dz = inner(x)
    return (1 + np.tanh(z)) / 2 + x * dz / (2 * np.cosh(z) ** 2)


def mish_derivative(x):
    t = np.tanh(softplus(x))
    return t + x * (1 - t * t) * sigmoid(x)


def log_softmax(x, axis=-1):
    shifted = x - x.max(axis=axis, keepdims=True, initial=-np.inf)
    return shifted - np.log(np.maximum(np.exp(shifted).sum(axis=axis, keepdims=True), 1))  # 0 only where nothing is


def softmax_backward(dy, y):
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def along(function, axis):
    """A function of rows, along another axis."""
    return lambda *arrays: function(*(a.swapaxes(axis, -1) for a in arrays)).swapaxes(axis, -1)


def bounded(low, high):
    return lambda y: (y > low) & (y < high)


FORWARD = {
    "elu": elu,
    "selu": lambda x: SELU_SCALE * elu(x, SELU_ALPHA),
    "celu": elu,
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "log_sigmoid": lambda x: -softplus(-x),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "softplus": softplus,
    "softsign": lambda x: x / (1 + abs(x)),
    "relu6": lambda x: np.clip(x, 0, 6),
    "exponential": np.exp,
    "gelu": lambda x: x * normal_cdf(x),
    "gelu_tanh": lambda x: x * (1 + np.tanh(inner(x)[0])) / 2,
    "silu": lambda x: x * sigmoid(x),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "hard_swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "log_softmax": log_softmax,
}
# From the output, or the input for those in FROM_INPUT.
BACKWARD = {
    "elu": lambda dy, y: dy * np.where(y > 0, 1, y + 1),
    "selu": lambda dy, y: dy * np.where(y > 0, SELU_SCALE, y + SELU_SCALE * SELU_ALPHA),
    "celu": lambda dy, y: dy * np.where(y > 0, 1, y + 1),
    "hard_sigmoid": lambda dy, y: dy * bounded(0, 1)(y) / 6,
    "log_sigmoid": lambda dy, y: dy * -np.expm1(y),
    "hard_tanh": lambda dy, y: dy * bounded(-1, 1)(y),
    "softplus": lambda dy, y: dy * -np.expm1(-y),
    "softsign": lambda dy, y: dy * (1 - abs(y)) ** 2,
    "relu6": lambda dy, y: dy * bounded(0, 6)(y),
    "exponential": lambda dy, y: dy * y,
    "gelu": lambda dy, x: dy * (normal_cdf(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)),
    "gelu_tanh": lambda dy, x: dy * gelu_tanh_derivative(x),
    "silu": lambda dy, x: dy * sigmoid(x) * (1 + x * (1 - sigmoid(x))),
    "mish": lambda dy, x: dy * mish_derivative(x),
    "hard_swish": lambda dy, x: dy * np.where(x <= -3, 0, np.where(x >= 3, 1, (2 * x + 3) / 6)),
    "log_softmax": lambda dy, y: dy - np.exp(y) * dy.sum(axis=-1, keepdims=True),
}


def two_arrays(draw, *size):
    return draw.normal(*size), draw.normal(*size)


def prelu(x, slope):
    return np.where(x > 0, x, slope * x)


def prelu_backward(dy, x, slope):
    return np.where(x > 0, dy, slope * dy), (dy * np.minimum(x, 0)).sum(axis=0)


def of_one_slope(dy, x, slope):
    dx, dslope = prelu_backward(dy, x, slope)
    return dx, dslope.sum()


def with_slopes(arrays):
    """So many matrices, and a slope for each of their columns."""
    return lambda draw, *size: (*(draw.normal(*size) for _ in range(arrays)), draw.normal(size[1]))


def by_rows(rows, columns):
    return 16 + 2 * (rows + columns)


ROWS = {
    "prelu": Row(with_slopes(1), into(fb.ops.prelu), lambda x, s: (prelu(x, s),), ROW_SIZES),
    "prelu, one slope": Row(one, into(fb.ops.prelu, -1.5), lambda x: (prelu(x, -1.5),), ROW_SIZES),
    "prelu_backward": Row(
        with_slopes(2),
        lambda outputs, dy, x, s: fb.ops.prelu_backward(dy, x, s, out=outputs(dy.shape)),
        prelu_backward,
        ROW_SIZES,
        by_rows,
    ),
    "prelu_backward, one slope": Row(
        two_arrays,
        lambda outputs, dy, x: fb.ops.prelu_backward(dy, x, 0.3, out=outputs(dy.shape)),
        lambda dy, x: of_one_slope(dy, x, 0.3),
        ROW_SIZES,
        lambda rows, columns: 64 + 2 * rows * columns**0.5,
    ),
}
for kind, forward in FORWARD.items():
    backward, name, more = BACKWARD[kind], kind, ()
    if kind == "gelu_tanh":
        name, more = "gelu", (True,)
    row = name + (", tanh form" if more else "")
    ROWS[row] = Row(one, into(getattr(fb.ops, name), *more), lambda x, f=forward: (f(x),), ROW_SIZES)
    ROWS[row.replace(name, f"{name}_backward")] = Row(
        two_arrays if kind in FROM_INPUT else gradient_and(forward),
        into(getattr(fb.ops, f"{name}_backward"), *more),
        lambda dy, saved, f=backward: (f(dy, saved),),
        ROW_SIZES,
        by_rows,
    )
for kind in ("selu", "gelu", "log_softmax"):
    ROWS[f"dense, {kind}"] = Row(
        dense_arrays,
        product_into(fb.ops.dense, kind),
        lambda x, w, b, f=FORWARD[kind]: (f(x @ w + b),),
        DENSE_SIZES,
        lambda m, k, n: 16 + 4 * k,
    )
for kind in ("selu", "silu"):
    ROWS[f"input gradient, {kind}"] = Row(
        backward_arrays,
        backward_op(kind),
        lambda dz, x, w, f=BACKWARD[kind]: (f(dz @ w.T, x),),
        DENSE_SIZES,
        lambda m, k, n: 64 + 16 * n,
        contiguous_rows=True,
    )
for kind, forward, backward in (
    ("softmax", along(softmax, 0), along(softmax_backward, 0)),
    ("log_softmax", along(log_softmax, 0), along(BACKWARD["log_softmax"], 0)),
):
    ROWS[f"{kind}, axis 0"] = Row(one, into(getattr(fb.ops, kind), 0), lambda x, f=forward: (f(x),), ROW_SIZES, by_rows)
    ROWS[f"{kind}_backward, axis 0"] = Row(
        gradient_and(forward),
        into(getattr(fb.ops, f"{kind}_backward"), 0),
        lambda dy, y, f=backward: (f(dy, y),),
        ROW_SIZES,
        by_rows,
    )
for name, function in {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "erf": erf,
    "expit": sigmoid,
}.items():
    ROWS[name] = Row(
        (lambda draw, *size: (draw.probability(*size),)) if name.startswith("log") else one,
        into(getattr(fb.ops, name)),
        lambda x, f=function: (f(x),),
        ROW_SIZES,
    )
