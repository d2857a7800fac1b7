"""Normalisation and dropout: each function in its best form in NumPy alone.

Sums down and along an axis are products with ones, as in numpy_forms. NumPy's dropout draws float32 numbers with its
fastest generator, SFC64; its mask is another one, so what dropout returns is not compared.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ops_row import Row

GROUPS = 32
RATE = 0.25
ALPHA = -1.7580993408473766
GENERATOR = np.random.Generator(np.random.SFC64(0))

# ---- normalisation; `axis` is that of the statistics


def mean_over(s, x, axis):
    return np.dot(s.ones_r, x) / len(x) if axis == 0 else s.sum_rows(x) / np.float32(x.shape[1])


def inner(a, b, axis):
    """Mean of a b over an axis."""
    if axis == 0:
        return np.einsum("ij,ij->j", a, b) / np.float32(len(a))
    return (np.einsum("ij,ij->i", a, b) / np.float32(a.shape[1]))[:, None]


def centred(s, x, axis, epsilon, out):
    mean = mean_over(s, x, axis)
    np.subtract(x, mean, out=out)
    return mean, 1 / np.sqrt(inner(out, out, axis) + np.float32(epsilon))


def normalise(s, x, gamma, beta, axis, out):
    mean, rstd = centred(s, x, axis, 1e-3, out)
    if axis == 0:
        out *= rstd * gamma
    else:
        out *= rstd
        out *= gamma
    out += beta
    return out, mean.ravel(), rstd.ravel()


def batch_norm(s, x, gamma, beta, out):
    return normalise(s, x, gamma, beta, 0, out)


def layer_norm(s, x, gamma, beta, epsilon, out):
    return normalise(s, x, gamma, beta, 1, out)


def rms_norm(s, x, gamma, epsilon, out):
    rstd = 1 / np.sqrt(inner(x, x, 1) + np.float32(epsilon))
    np.multiply(x, rstd, out=out)
    out *= gamma
    return out, rstd[:, 0]


def group_norm(s, x, groups, gamma, beta, epsilon, out):
    parts, result = x.reshape(-1, x.shape[1] // groups), out.reshape(-1, x.shape[1] // groups)
    ones = np.ones(parts.shape[1], x.dtype)
    mean = np.dot(parts, ones)[:, None] / np.float32(parts.shape[1])
    np.subtract(parts, mean, out=result)
    rstd = 1 / np.sqrt(inner(result, result, 1) + np.float32(epsilon))
    result *= rstd
    out *= gamma
    out += beta
    return out, mean.reshape(len(x), -1), rstd.reshape(len(x), -1)


def batch_norm_backward(s, dy, x, gamma, mean, rstd, out):
    np.subtract(x, mean, out=s.a)
    s.a *= rstd
    dgamma, dbeta = np.einsum("ij,ij->j", dy, s.a), np.dot(s.ones_r, dy)
    s.a *= dgamma / len(x)
    np.subtract(dy, s.a, out=out)
    out -= dbeta / len(x)
    out *= gamma * rstd
    return out, dgamma, dbeta


def gradient_of_rows(dy, x, gamma, mean, rstd, xhat, g, out):
    """dx in `out`, xhat in `xhat`: arrays whose last axis is normalised."""
    n, ones = np.float32(x.shape[-1]), np.ones(x.shape[-1], x.dtype)
    np.multiply(dy, gamma, out=g)
    if mean is None:
        np.multiply(x, rstd[..., None], out=xhat)
    else:
        np.subtract(x, mean[..., None], out=xhat)
        np.multiply(xhat, rstd[..., None], out=xhat)
    dot = np.einsum("...j,...j->...", g, xhat) / n
    np.multiply(xhat, dot[..., None], out=out)
    np.subtract(g, out, out=out)
    if mean is not None:
        out -= (np.dot(g, ones) / n)[..., None]
    out *= rstd[..., None]


def layer_norm_backward(s, dy, x, gamma, mean, rstd, out):
    gradient_of_rows(dy, x, gamma, mean, rstd, s.a, s.b, out)
    return out, np.einsum("ij,ij->j", dy, s.a), np.dot(s.ones_r, dy)


def rms_norm_backward(s, dy, x, gamma, rstd, out):
    gradient_of_rows(dy, x, gamma, None, rstd, s.a, s.b, out)
    return out, np.einsum("ij,ij->j", dy, s.a)


def group_norm_backward(s, dy, x, gamma, mean, rstd, out):
    dy3, x3, xhat, g, dx = (a.reshape(len(x), mean.shape[1], -1) for a in (dy, x, s.a, s.b, out))
    gradient_of_rows(dy3, x3, gamma.reshape(mean.shape[1], -1), mean, rstd, xhat, g, dx)
    return out, np.einsum("ij,ij->j", dy, s.a), np.dot(s.ones_r, dy)


# ---- dropout


def draw(s, rate):
    """1 where an element is kept, else 0, in s.a."""
    GENERATOR.random(out=s.a, dtype=s.a.dtype)
    return np.greater_equal(s.a, rate, out=s.a)


def dropout(s, x, rate, seed, offset, out):
    np.multiply(x, np.float32(1 / (1 - rate)), out=out)
    out *= draw(s, rate)
    return out


dropout_backward = dropout


def alpha_dropout(s, x, rate, seed, offset, out):
    scale = np.float32(((1 - rate) * (1 + rate * ALPHA**2)) ** -0.5)
    mask = draw(s, rate)
    np.subtract(x, ALPHA, out=out)
    out *= mask
    out += np.float32(ALPHA * (1 - rate))
    out *= scale
    return out


def alpha_dropout_backward(s, dy, rate, seed, offset, out):
    np.multiply(dy, np.float32(((1 - rate) * (1 + rate * ALPHA**2)) ** -0.5), out=out)
    out *= draw(s, rate)
    return out


def random_bits(s, n, seed):
    return GENERATOR.integers(0, 1 << 32, n, np.uint32)


# ---- rows


def moments(x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    return x.mean(axis=axis), 1 / np.sqrt(x.var(axis=axis) + np.float32(1e-3))


def by_columns(d: Any) -> tuple[Any, ...]:
    x = d.normal()
    return d.normal(), x, d.normal(d.columns), *moments(x, 0), d.empty()


def by_rows(d: Any) -> tuple[Any, ...]:
    x = d.normal()
    return d.normal(), x, d.normal(d.columns), *moments(x, 1), d.empty()


def by_groups(d: Any) -> tuple[Any, ...]:
    x = d.normal()
    return d.normal(), x, d.normal(d.columns), *moments(x.reshape(d.rows, GROUPS, -1), 2), d.empty()


def by_squares(d: Any) -> tuple[Any, ...]:
    x = d.normal()
    return d.normal(), x, d.normal(d.columns), 1 / np.sqrt((x * x).mean(axis=1) + np.float32(1e-6)), d.empty()


def parameters(d: Any) -> tuple[np.ndarray, np.ndarray]:
    return d.normal(d.columns), d.normal(d.columns)


DROP = Row(lambda d: (d.normal(), RATE, 1, 0, d.empty()), compared=False)
ROWS = {
    "batch_norm": Row(lambda d: (d.normal(), *parameters(d)), 3, options=lambda d: {"out": d.empty()}),
    "batch_norm_backward": Row(by_columns, 5),
    "layer_norm": Row(lambda d: (d.normal(), *parameters(d), 1e-3, d.empty()), 2),
    "layer_norm_backward": Row(by_rows, 3),
    "rms_norm": Row(lambda d: (d.normal(), d.normal(d.columns), 1e-6, d.empty()), 2),
    "rms_norm_backward": Row(by_squares, 3),
    "group_norm": Row(lambda d: (d.normal(), GROUPS, *parameters(d), 1e-3, d.empty()), 2),
    "group_norm_backward": Row(by_groups, 3),
    "random_bits": Row(lambda d: (d.rows * d.columns, 1), compared=False),
    **dict.fromkeys(("dropout", "dropout_backward", "alpha_dropout", "alpha_dropout_backward"), DROP),
}
