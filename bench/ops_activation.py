"""The activations and elementary functions in their best form in NumPy alone, and their rows in the benchmark.

test_ops.py takes the rows.
Left out, slower or equal: np.where and masks (mispredicted branches), log1p (slower than log(1 + e)), maximum and
minimum for clip. Erf, which NumPy lacks, is a rational function times an exponential.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from ops_row import Row

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


# ---- elementwise, forward


def relu6(s, x, out):
    return np.clip(x, 0, 6, out=out)


def elu(s, x, alpha, out):
    np.minimum(x, 0, out=out)
    np.expm1(out, out=out)
    out *= alpha
    np.maximum(x, 0, out=s.a)
    out += s.a
    return out


def selu(s, x, out):
    elu(s, x, SELU_ALPHA, out)
    out *= SELU_SCALE
    return out


def celu(s, x, alpha, out):
    np.minimum(x, 0, out=out)
    out *= 1 / alpha
    np.expm1(out, out=out)
    out *= alpha
    np.maximum(x, 0, out=s.a)
    out += s.a
    return out


def hard_sigmoid(s, x, out):
    np.multiply(x, 1 / 6, out=out)
    out += 0.5
    return np.clip(out, 0, 1, out=out)


def softplus(s, x, out):
    np.copysign(x, -1, out=out)
    np.exp(out, out=out)
    out += 1
    np.log(out, out=out)
    np.maximum(x, 0, out=s.a)
    out += s.a
    return out


def log_sigmoid(s, x, out):
    np.copysign(x, -1, out=out)
    np.exp(out, out=out)
    out += 1
    np.log(out, out=out)
    np.minimum(x, 0, out=s.a)
    return np.subtract(s.a, out, out=out)


def hard_tanh(s, x, out):
    return np.clip(x, -1, 1, out=out)


def softsign(s, x, out):
    np.abs(x, out=out)
    out += 1
    return np.divide(x, out, out=out)


def exponential(s, x, out):
    return np.exp(x, out=out)


def erf(s, x, out):
    """Abramowitz and Stegun 7.1.26: 1.5e-7 at most from the true value."""
    t, e = s.b, s.c
    np.abs(x, out=e)
    np.multiply(e, 0.3275911, out=t)
    t += 1
    np.reciprocal(t, out=t)
    np.multiply(t, 1.061405429, out=out)
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        out += coefficient
        out *= t
    np.multiply(e, e, out=e)
    np.negative(e, out=e)
    np.exp(e, out=e)
    out *= e
    np.subtract(1, out, out=out)
    return np.copysign(out, x, out=out)


def normal_cdf(s, x, out):
    np.multiply(x, math.sqrt(0.5), out=s.a)
    erf(s, s.a, out)
    out += 1
    out *= 0.5
    return out


def gelu(s, x, approximate, out):
    normal_cdf(s, x, out)
    out *= x
    return out


def sigmoid_of(x, out):
    np.negative(x, out=out)
    np.exp(out, out=out)
    out += 1
    return np.reciprocal(out, out=out)


def silu(s, x, out):
    sigmoid_of(x, out)
    out *= x
    return out


def mish(s, x, out):
    np.exp(x, out=s.a)  # n / (n + 2), n = e (e + 2): fewer passes than tanh of softplus
    np.add(s.a, 2, out=out)
    out *= s.a
    np.add(out, 2, out=s.a)
    out /= s.a
    out *= x
    return out


def hard_swish(s, x, out):
    np.add(x, 3, out=out)
    np.clip(out, 0, 6, out=out)
    out *= x
    out *= 1 / 6
    return out


def prelu(s, x, slope, out):
    np.minimum(x, 0, out=out)
    out *= slope
    np.maximum(x, 0, out=s.a)
    out += s.a
    return out


# ---- elementwise, backward


def where_inside(s, dy, y, low, high, out):
    """dy where low < y < high, else 0."""
    np.greater(y, low, out=out)
    np.less(y, high, out=s.a)
    out *= s.a
    out *= dy
    return out


def relu6_backward(s, dy, y, out):
    return where_inside(s, dy, y, 0, 6, out)


def hard_tanh_backward(s, dy, y, out):
    return where_inside(s, dy, y, -1, 1, out)


def hard_sigmoid_backward(s, dy, y, out):
    where_inside(s, dy, y, 0, 1, out)
    out *= 1 / 6
    return out


def elu_backward(s, dy, y, alpha, out):
    np.minimum(y, 0, out=out)
    out += alpha
    if alpha != 1:
        np.greater(y, 0, out=s.a)
        s.a *= 1 - alpha
        out += s.a
    out *= dy
    return out


def selu_backward(s, dy, y, out):
    np.minimum(y, 0, out=out)
    out += SELU_SCALE * SELU_ALPHA
    np.greater(y, 0, out=s.a)
    s.a *= SELU_SCALE - SELU_SCALE * SELU_ALPHA
    out += s.a
    out *= dy
    return out


def celu_backward(s, dy, y, alpha, out):
    np.minimum(y, 0, out=out)
    out *= 1 / alpha
    out += 1
    out *= dy
    return out


def softplus_backward(s, dy, y, out):
    np.negative(y, out=out)
    np.exp(out, out=out)
    np.subtract(1, out, out=out)
    out *= dy
    return out


def log_sigmoid_backward(s, dy, y, out):
    np.exp(y, out=out)
    np.subtract(1, out, out=out)
    out *= dy
    return out


def softsign_backward(s, dy, y, out):
    np.abs(y, out=out)
    np.subtract(1, out, out=out)
    np.multiply(out, out, out=out)
    out *= dy
    return out


def exponential_backward(s, dy, y, out):
    return np.multiply(dy, y, out=out)


def gelu_backward(s, dy, x, approximate, out):
    normal_cdf(s, x, out)
    np.multiply(x, x, out=s.a)
    s.a *= -0.5
    np.exp(s.a, out=s.a)
    s.a *= 1 / math.sqrt(2 * math.pi)
    s.a *= x
    out += s.a
    out *= dy
    return out


def silu_backward(s, dy, x, out):
    sigmoid_of(x, s.a)
    np.subtract(1, s.a, out=out)
    out *= x
    out += 1
    out *= s.a
    out *= dy
    return out


def mish_backward(s, dy, x, out):
    """n / (n + 2) + 4 x e (1 + e) / (n + 2)², n = e (e + 2)."""
    e, n, d = s.a, s.b, s.c
    np.exp(x, out=e)
    np.add(e, 2, out=n)
    n *= e
    np.add(n, 2, out=d)
    np.reciprocal(d, out=d)
    np.add(e, 1, out=out)
    out *= e
    out *= x
    out *= d
    out *= 4
    out += n
    out *= d
    out *= dy
    return out


def hard_swish_backward(s, dy, x, out):
    np.multiply(x, 1 / 3, out=out)
    out += 0.5
    np.greater(x, -3, out=s.a)
    out *= s.a
    np.less(x, 3, out=s.a)
    out *= s.a
    np.greater_equal(x, 3, out=s.a)
    out += s.a
    out *= dy
    return out


def prelu_backward(s, dy, x, slope, out):
    np.minimum(x, 0, out=s.a)
    np.multiply(s.a, dy, out=s.a)
    np.dot(s.ones_r, s.a, out=s.column)
    np.less_equal(x, 0, out=out)
    np.multiply(out, slope - 1, out=out)
    out += 1
    out *= dy
    return out, s.column


# ---- logarithm of softmax, along rows


def log_softmax(s, x, axis, out):
    np.maximum.reduce(x, axis=1, keepdims=True, out=s.top)
    np.subtract(x, s.top, out=out)
    np.exp(out, out=s.a)
    np.log(s.sum_rows(s.a), out=s.row)
    s.row += s.top
    return np.subtract(x, s.row, out=out)


def log_softmax_backward(s, dy, y, axis, out):
    np.exp(y, out=out)
    out *= s.sum_rows(dy)
    return np.subtract(dy, out, out=out)


# ---- elementary functions


def exp(s, x, out):
    return np.exp(x, out=out)


def expm1(s, x, out):
    return np.expm1(x, out=out)


def log(s, x, out):
    return np.log(x, out=out)


def log1p(s, x, out):
    return np.log1p(x, out=out)


def expit(s, x, out):
    return sigmoid_of(x, out)


# ---- rows


def forward(d):
    return d.normal(), d.empty()


def positive(d):
    return d.uniform() + np.float32(0.01), d.empty()


def with_parameter(value):
    return lambda d: (d.normal(), value, d.empty())


def backward(d):
    return d.normal(), d.normal(), d.empty()


def backward_of_positive(d):
    return d.normal(), positive(d)[0], d.empty()


def backward_with_parameter(value):
    return lambda d: (d.normal(), d.uniform() - np.float32(0.5), value, d.empty())


_FORWARD = (
    "relu6",
    "selu",
    "hard_sigmoid",
    "log_sigmoid",
    "hard_tanh",
    "softplus",
    "softsign",
    "exponential",
    "silu",
    "mish",
    "hard_swish",
    "exp",
    "expm1",
    "erf",
    "expit",
)
_BACKWARD = (
    "relu6_backward",
    "selu_backward",
    "hard_sigmoid_backward",
    "hard_tanh_backward",
    "softsign_backward",
    "exponential_backward",
    "silu_backward",
    "mish_backward",
    "hard_swish_backward",
)
ROWS = {
    **dict.fromkeys(_FORWARD, Row(forward)),
    **dict.fromkeys(("log", "log1p"), Row(positive)),
    **dict.fromkeys(_BACKWARD, Row(backward)),
    "softplus_backward": Row(backward_of_positive),
    "log_sigmoid_backward": Row(lambda d: (d.normal(), -positive(d)[0], d.empty())),
    "elu": Row(with_parameter(1.0)),
    "celu": Row(with_parameter(1.0)),
    "elu_backward": Row(backward_with_parameter(1.0)),
    "celu_backward": Row(backward_with_parameter(1.0)),
    "gelu": Row(with_parameter(False)),
    "gelu_backward": Row(lambda d: (d.normal(), d.normal(), False, d.empty())),
    "prelu": Row(lambda d: (d.normal(), d.normal(d.columns), d.empty())),
    "prelu_backward": Row(lambda d: (d.normal(), d.normal(), d.normal(d.columns), d.empty())),
    "log_softmax": Row(with_parameter(-1)),
    "log_softmax_backward": Row(lambda d: (d.normal(), np.log(d.probabilities()), -1, d.empty())),
}
# Those that take less time to compute than to move: arrays read and written.
BY_MEMORY = ("relu6", "hard_tanh", "hard_sigmoid", "hard_swish", "softsign", "prelu")
MOVES = dict.fromkeys(BY_MEMORY, 2) | {f"{name}_backward": 3 for name in (*BY_MEMORY, "exponential")}
for moved, number in MOVES.items():
    ROWS[moved] = replace(ROWS[moved], moves=number)
