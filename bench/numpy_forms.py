"""Each function of fastbp.ops in its best form in NumPy alone, for bench/test_ops.py.

A form takes scratch space `s`, then what the function of fastbp takes. Every matrix it writes is there before.
Left out, slower or equal: sigmoid through tanh; masks in np.where or `where=` (mispredicted branches); sums along an
axis with add.reduce (np.dot with ones is faster); log1p (slower than log(1 + e)).
"""

from __future__ import annotations

import numpy as np

FAN_OUT = 128  # of the dense layers


class Scratch:
    """Arrays for the results and intermediate steps of forms on (rows, columns)."""

    def __init__(self, rows: int, columns: int, dtype: str):
        self.a, self.b, self.c = (np.empty((rows, columns), dtype) for _ in range(3))
        self.dx, self.dw, self.db = (np.empty(size, dtype) for size in ((rows, columns), (columns, FAN_OUT), FAN_OUT))
        self.bytes = np.empty((rows, columns), np.uint8)
        self.row, self.top = np.empty((rows, 1), dtype), np.empty((rows, 1), dtype)
        self.column, self.value = np.empty(columns, dtype), np.empty(rows, dtype)
        self.ones_r, self.ones_c = np.ones(rows, dtype), np.ones(columns, dtype)
        self.starts = np.arange(rows) * columns  # of each row in the flat array

    def sum_rows(self, x):
        """Sums along the last axis, (rows, 1)."""
        np.dot(x, self.ones_c, out=self.row[:, 0])
        return self.row


# ---- activations


def relu(s, x, out):
    return np.maximum(x, 0, out=out)


def leaky_relu(s, x, slope, out):
    np.multiply(x, slope, out=out)
    return np.maximum(x, out, out=out)


def sigmoid(s, x, out):
    np.negative(x, out=out)
    np.exp(out, out=out)
    out += 1
    return np.reciprocal(out, out=out)


def tanh(s, x, out):
    return np.tanh(x, out=out)


def softmax(s, x, axis, out):
    np.maximum.reduce(x, axis=1, keepdims=True, out=s.top)
    np.subtract(x, s.top, out=out)
    np.exp(out, out=out)
    out /= s.sum_rows(out)
    return out


def relu_backward(s, dy, y, out):
    np.greater(y, 0, out=out)  # 0 or 1
    out *= dy
    return out


def leaky_relu_backward(s, dy, y, slope, out):
    np.greater(y, 0, out=out)
    np.maximum(out, slope, out=out)
    out *= dy
    return out


def sigmoid_backward(s, dy, y, out):
    np.subtract(1, y, out=out)
    out *= y
    out *= dy
    return out


def tanh_backward(s, dy, y, out):
    np.multiply(y, y, out=out)
    np.subtract(1, out, out=out)
    out *= dy
    return out


def softmax_backward(s, dy, y, axis, out):
    np.vecdot(dy, y, out=s.row[:, 0])
    np.subtract(dy, s.row, out=out)
    out *= y
    return out


# ---- products


def matmul(s, a, b, out):
    return np.dot(a, b, out=out)


def dense(s, x, w, b, activation, sample_axis, out):
    assert activation == "relu", activation
    np.dot(x, w, out=out)
    out += b
    return np.maximum(out, 0, out=out)


def dense_backward(s, dz, x, w):
    return np.dot(dz, w.T, out=s.dx), np.dot(x.T, dz, out=s.dw), np.dot(s.ones_r, dz, out=s.db)


def column_sum(s, x):
    return np.dot(s.ones_r, x, out=s.column)


# ---- updates, in place, and the gather


def sgd(s, w, g, rate):
    np.multiply(g, rate, out=s.a)
    w -= s.a
    return w


def momentum(s, w, g, velocity, rate, momentum):
    velocity *= momentum
    np.multiply(g, rate, out=s.a)
    velocity -= s.a
    w += velocity
    return w


def adam(s, w, g, m, v, step, rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    m *= beta_1
    np.multiply(g, 1 - beta_1, out=s.a)
    m += s.a
    v *= beta_2
    np.multiply(g, g, out=s.a)
    s.a *= 1 - beta_2
    v += s.a
    np.sqrt(v, out=s.a)
    s.a += epsilon
    np.divide(m, s.a, out=s.a)
    s.a *= rate * (1 - beta_2**step) ** 0.5 / (1 - beta_1**step)
    w -= s.a
    return w


def gather_rows(s, x, index, scale):  # x uint8
    np.take(x, index, axis=0, out=s.bytes, mode="clip")  # "raise" would go through a buffer
    np.copyto(s.a, s.bytes)
    s.a *= scale
    return s.a


# ---- forms of other files
