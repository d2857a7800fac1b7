"""Losses, metrics and reductions of fastbp.ops in NumPy alone, and what bench/test_ops.py calls them with.

A form takes scratch space `s`, then what the function of fastbp takes. Losses are means over rows, as by default.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ops_row import Draw, Row

EPSILON = np.float32(1e-7)
CLASSES = 16  # of confusion_counts


def mean(s, e):
    """Of all elements."""
    return np.float32(s.sum_rows(e).sum() / e.size)


def mean_of_squares(e):
    flat = e.reshape(-1)
    return np.float32(np.dot(flat, flat) / e.size)


# ---- errors


def mean_squared_error(s, prediction, target):
    np.subtract(prediction, target, out=s.a)
    value = mean_of_squares(s.a)
    s.a *= 2 / prediction.size
    return value, s.a


def mean_absolute_error(s, prediction, target):
    np.subtract(prediction, target, out=s.a)
    np.abs(s.a, out=s.b)
    value = mean(s, s.b)
    np.copysign(np.float32(1 / prediction.size), s.a, out=s.a)
    return value, s.a


def huber(s, prediction, target):  # delta 1: c (e - c / 2), c = clip(e)
    np.subtract(prediction, target, out=s.b)
    np.maximum(s.b, -1, out=s.a)
    np.minimum(s.a, 1, out=s.a)
    np.multiply(s.a, 0.5, out=s.c)
    s.b -= s.c
    value = np.float32(np.dot(s.a.reshape(-1), s.b.reshape(-1)) / prediction.size)
    s.a /= prediction.size
    return value, s.a


def log_cosh(s, prediction, target):  # |e| + log((1 + exp(-2 |e|)) / 2)
    np.subtract(prediction, target, out=s.a)
    np.abs(s.a, out=s.b)
    np.multiply(s.b, -2, out=s.c)
    np.exp(s.c, out=s.c)
    s.c += 1
    np.log(s.c, out=s.c)
    s.b += s.c
    value = np.float32(mean(s, s.b) - np.log(2))
    np.tanh(s.a, out=s.a)
    s.a /= prediction.size
    return value, s.a


def quantile(s, prediction, target):  # q 0.5
    np.subtract(prediction, target, out=s.a)
    np.abs(s.a, out=s.b)
    value = np.float32(mean(s, s.b) / 2)
    np.copysign(np.float32(0.5 / prediction.size), s.a, out=s.a)
    return value, s.a


def poisson(s, prediction, target):
    np.add(prediction, EPSILON, out=s.a)
    np.log(s.a, out=s.b)
    s.b *= target
    np.subtract(prediction, s.b, out=s.b)
    value = mean(s, s.b)
    np.divide(target, s.a, out=s.a)
    np.subtract(1, s.a, out=s.a)
    s.a /= prediction.size
    return value, s.a


def gaussian_nll(s, prediction, target, variance):
    np.maximum(variance, np.float32(1e-6), out=s.b)
    np.subtract(prediction, target, out=s.c)
    np.divide(s.c, s.b, out=s.a)
    s.c *= s.a
    np.log(s.b, out=s.dx)
    s.dx += s.c
    value = np.float32(mean(s, s.dx) / 2)
    np.subtract(1, s.c, out=s.c)
    s.c *= 0.5 / prediction.size
    s.c /= s.b
    s.a /= prediction.size
    return value, s.a, s.c


def hinge(s, prediction, target):
    np.multiply(prediction, target, out=s.b)
    np.subtract(1, s.b, out=s.b)
    np.maximum(s.b, 0, out=s.b)
    value = mean(s, s.b)
    np.greater(s.b, 0, out=s.a)
    s.a *= target
    s.a *= -1 / prediction.size
    return value, s.a


def squared_hinge(s, prediction, target):
    np.multiply(prediction, target, out=s.b)
    np.subtract(1, s.b, out=s.b)
    np.maximum(s.b, 0, out=s.b)
    value = mean_of_squares(s.b)
    np.multiply(s.b, target, out=s.a)
    s.a *= -2 / prediction.size
    return value, s.a


def cosine_similarity(s, prediction, target):
    rows = len(prediction)
    dot = np.vecdot(prediction, target)[:, None]
    p = np.maximum(np.sqrt(np.vecdot(prediction, prediction)), EPSILON)[:, None]
    t = np.maximum(np.sqrt(np.vecdot(target, target)), EPSILON)[:, None]
    cosine = dot / (p * t)
    np.multiply(prediction, cosine / (p * p * rows), out=s.a)
    np.multiply(target, 1 / (p * t * rows), out=s.b)
    s.a -= s.b
    return np.float32(-cosine.mean()), s.a


# ---- cross-entropies


def softmax_cross_entropy(s, logits, labels):
    np.maximum.reduce(logits, axis=1, keepdims=True, out=s.top)
    np.subtract(logits, s.top, out=s.a)
    at = s.starts + labels
    chosen = s.a.reshape(-1)[at]
    np.exp(s.a, out=s.a)
    total = s.sum_rows(s.a)
    s.a *= 1 / (total * len(labels))
    s.a.reshape(-1)[at] -= np.float32(1 / len(labels))
    np.log(total[:, 0], out=s.value)
    s.value -= chosen
    return np.float32(s.value.mean()), s.a


def categorical_cross_entropy(s, prediction, labels):
    at = s.starts + labels
    total = s.sum_rows(prediction)[:, 0]
    chosen = prediction.reshape(-1)[at] / total
    clipped = np.maximum(EPSILON, np.minimum(1 - EPSILON, chosen))
    inside = (chosen == clipped) / np.float32(len(labels))
    s.a[...] = (inside / total)[:, None]
    s.a.reshape(-1)[at] -= inside / (chosen * total)
    return np.float32(-np.log(clipped).mean()), s.a


def sigmoid_binary_cross_entropy(s, logits, target):
    z, gradient, e, tmp = logits, s.a, s.b, s.c  # e becomes max(z, 0) - z t + log(1 + exp(-|z|))
    np.copysign(z, -1, out=e)
    np.exp(e, out=e)
    e += 1
    np.log(e, out=e)
    np.maximum(z, 0, out=tmp)
    e += tmp
    np.multiply(z, target, out=tmp)
    e -= tmp
    value = mean(s, e)
    np.negative(z, out=gradient)
    np.exp(gradient, out=gradient)
    gradient += 1
    np.reciprocal(gradient, out=gradient)
    gradient -= target
    gradient *= 1 / z.size
    return value, gradient


def binary_cross_entropy(s, prediction, target):
    q, rest, e = s.a, s.b, s.c
    np.maximum(prediction, EPSILON, out=q)
    np.minimum(q, 1 - EPSILON, out=q)
    np.subtract(1, q, out=rest)
    np.log(q, out=e)
    e *= target
    np.log(rest, out=s.dx)
    rest *= q
    q -= target
    q /= rest
    np.subtract(1, target, out=rest)
    s.dx *= rest
    e += s.dx
    np.equal(prediction.clip(EPSILON, 1 - EPSILON, out=rest), prediction, out=rest)
    q *= rest
    q /= prediction.size
    return np.float32(-mean(s, e)), q


def kl_divergence(s, prediction, target):
    rows = len(prediction)
    np.maximum(prediction, EPSILON, out=s.a)
    np.minimum(s.a, 1, out=s.a)
    np.equal(prediction, s.a, out=s.c)
    np.maximum(target, EPSILON, out=s.b)
    np.minimum(s.b, 1, out=s.b)
    np.divide(s.b, s.a, out=s.a)
    np.log(s.a, out=s.dx)
    value = np.float32(np.dot(s.dx.reshape(-1), s.b.reshape(-1)) / rows)
    s.a *= s.c
    s.a *= -1 / rows
    return value, s.a


# ---- reductions and metrics


def row_sum(s, x):
    return np.dot(x, s.ones_c, out=s.value)


def logsumexp(s, x):
    np.maximum.reduce(x, axis=1, keepdims=True, out=s.top)
    np.subtract(x, s.top, out=s.a)
    np.exp(s.a, out=s.a)
    np.log(s.sum_rows(s.a)[:, 0], out=s.value)
    s.value += s.top[:, 0]
    return s.value


def argmax(s, x):
    return np.argmax(x, axis=1)


def one_hot(s, labels, classes):
    s.a[...] = 0
    s.a.reshape(-1)[s.starts + labels] = 1
    return s.a


def accuracy(s, prediction, labels):
    return np.float64(np.count_nonzero(np.argmax(prediction, axis=1) == labels) / len(labels))


def top_k_accuracy(s, prediction, labels):
    mine = prediction.reshape(-1)[s.starts + labels]
    np.greater(prediction, mine[:, None], out=s.a)
    return np.float64(np.count_nonzero(s.sum_rows(s.a)[:, 0] < 5) / len(labels))


def confusion_counts(s, true, predicted, classes):
    at = true * classes
    at += predicted
    return np.bincount(at, minlength=classes * classes).reshape(classes, classes)


def two(d: Any) -> tuple[Any, ...]:
    return d.normal(), d.normal()


def signs(d: Any) -> tuple[Any, ...]:
    return d.normal(), np.sign(d.normal())


def many_labels(d: Any) -> Any:
    return d.rng.integers(0, CLASSES, d.rows * d.columns)


ROWS = {
    "mean_squared_error": Row(two, 3, out=Draw.empty),
    "mean_absolute_error": Row(two, 3, out=Draw.empty),
    "huber": Row(two, 3, out=Draw.empty),
    "log_cosh": Row(two, out=Draw.empty),
    "quantile": Row(two, 3, out=Draw.empty),
    "poisson": Row(lambda d: (d.uniform(), d.uniform()), out=Draw.empty),
    "gaussian_nll": Row(lambda d: (d.normal(), d.normal(), d.uniform() + np.float32(0.1)), out=Draw.empty),
    "hinge": Row(signs, 3, out=Draw.empty),
    "squared_hinge": Row(signs, 3, out=Draw.empty),
    "cosine_similarity": Row(two, 3, out=Draw.empty),
    "softmax_cross_entropy": Row(lambda d: (d.normal(), d.labels(d.columns)), out=Draw.empty),
    "categorical_cross_entropy": Row(lambda d: (d.probabilities(), d.labels(d.columns)), out=Draw.empty),
    "sigmoid_binary_cross_entropy": Row(lambda d: (d.normal(), d.uniform()), out=Draw.empty),
    "binary_cross_entropy": Row(
        lambda d: (d.uniform() * np.float32(0.9) + np.float32(0.05), d.uniform()), out=Draw.empty
    ),
    "kl_divergence": Row(lambda d: (d.probabilities(), d.probabilities()), out=Draw.empty),
    "row_sum": Row(lambda d: (d.normal(),), 1),
    "logsumexp": Row(lambda d: (d.normal(),)),
    "argmax": Row(lambda d: (d.normal(),), 1),
    "one_hot": Row(lambda d: (d.labels(d.columns), d.columns), 1, out=Draw.empty),
    "accuracy": Row(lambda d: (d.normal(), d.labels(d.columns)), 1),
    "top_k_accuracy": Row(lambda d: (d.normal(), d.labels(d.columns)), 1),
    "confusion_counts": Row(lambda d: (many_labels(d), many_labels(d), CLASSES)),
}
