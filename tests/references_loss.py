"""Losses, metrics and reductions: their mathematics in plain float64 NumPy, and a row for each code path.

A loss here is loss(prediction, target, ...) -> (value of each row, gradient of it, ...); `reduced` makes of it what a
call with weights and a reduction should give.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from references import (
    LOSS_SIZES,
    ROW_SIZES,
    Draw,
    Row,
    binary_crossentropy,
    binary_crossentropy_logits,
    metric_op,
    normal_and,
    probability_and,
)
from references import LOSSES as OLDER
from references import categorical_crossentropy as categorical
from references import categorical_crossentropy_logits as softmax_crossentropy

import fastbp as fb
from fastbp._core import _losses, _program

EPSILON = 1e-7
REDUCTIONS = ("none", "sum", "mean")


# ---- losses of each row, with their gradient


def mean_of(value, slope):
    return value.mean(axis=1), slope / value.shape[1]


def weighted_binary_crossentropy_logits(z, t, alpha=3.0):
    softplus = np.log1p(np.exp(-abs(z))) + np.maximum(-z, 0)  # -log sigmoid(z)
    sigmoid = 1 / (1 + np.exp(-z))
    return mean_of(alpha * t * softplus + (1 - t) * (softplus + z), (1 - t) * sigmoid - alpha * t * (1 - sigmoid))


def huber(p, t, delta=1.0):
    e = p - t
    value = np.where(abs(e) <= delta, e * e / 2, delta * (abs(e) - delta / 2))
    return mean_of(value, np.clip(e, -delta, delta))


def log_cosh(p, t):
    return mean_of(np.logaddexp(p - t, t - p) - np.log(2), np.tanh(p - t))


def hinge(p, t):
    t = np.where(t == 0, -1, t)
    return mean_of(np.maximum(0, 1 - t * p), np.where(1 - t * p > 0, -t, 0))


def squared_hinge(p, t):
    t = np.where(t == 0, -1, t)
    return mean_of(np.maximum(0, 1 - t * p) ** 2, -2 * t * np.maximum(0, 1 - t * p))


def poisson(p, t):
    return mean_of(p - t * np.log(p + EPSILON), 1 - t / (p + EPSILON))


def quantile(p, t, q=0.3):
    e = t - p
    return mean_of(np.maximum(q * e, (q - 1) * e), np.where(e > 0, -q, np.where(e < 0, 1 - q, 0)))


def gaussian_nll(mean, t, variance=None, epsilon=0.25):
    variance = np.full(mean.shape, 0.5) if variance is None else variance
    v, e = np.maximum(variance, epsilon), mean - t
    value, by_mean = mean_of((np.log(v) + e * e / v) / 2, e / v)
    return value, by_mean, (1 / v - e * e / v**2) / 2 / mean.shape[1]


def kl_divergence(p, t):
    q, s = np.clip(p, EPSILON, 1), np.clip(t, EPSILON, 1)
    return (s * np.log(s / q)).sum(axis=1), np.where(p == q, -s / q, 0)


def cosine_similarity(p, t):
    p_length = np.maximum(np.sqrt((p * p).sum(axis=1, keepdims=True)), EPSILON)
    t_length = np.maximum(np.sqrt((t * t).sum(axis=1, keepdims=True)), EPSILON)
    cosine = (p * t).sum(axis=1, keepdims=True) / p_length / t_length
    along = np.where(p_length > EPSILON, cosine / p_length, 0)
    return -cosine[:, 0], (p * along - t / t_length) / p_length


def poisson_logits(z, t):
    return (np.exp(z) - t * z).mean(axis=1), (np.exp(z) - t) / z.shape[1]


LOSSES = {
    "weighted_binary_crossentropy_logits": weighted_binary_crossentropy_logits,
    "huber": huber,
    "log_cosh": log_cosh,
    "hinge": hinge,
    "squared_hinge": squared_hinge,
    "poisson": poisson,
    "poisson_logits": poisson_logits,
    "quantile": quantile,
    "gaussian_nll": gaussian_nll,
    "kl_divergence": kl_divergence,
    "cosine_similarity": cosine_similarity,
}


# ---- smoothing, weights and reductions


def smoothed(loss: Callable[..., Any], s: float, binary: bool) -> Callable[..., Any]:
    def function(p, t):
        t = np.eye(p.shape[1])[t] if t.dtype.kind == "i" else t
        return loss(p, t * (1 - s) + s / (2 if binary else p.shape[1]))

    return function


def reduced(found: tuple[np.ndarray, ...], weight: np.ndarray, reduction: str) -> tuple[np.ndarray, ...]:
    """Of the value and gradients of each row: what a call gives. Rows of weight 0 count nothing, whatever they hold."""
    value = np.where(weight == 0, 0, found[0] * weight)
    scale = 1.0
    if reduction == "mean":
        scale = 1 / weight.sum() if weight.sum() else 0.0
    gradients = [np.where(weight[:, None] == 0, 0, g * weight[:, None] * scale) for g in found[1:]]
    if reduction == "none":
        return value, *gradients
    total = value.sum() if reduction == "sum" else value.sum() / weight.sum() if weight.sum() else np.nan
    return np.array(total), *gradients


def weights_of(rows: int) -> np.ndarray:
    """Weights that float32 holds exactly, every third of them 0."""
    return np.array([0.5, 0.0, 2.0, 0.25, 3.0, 0.0, 1.0])[np.arange(rows) % 7]


def row(name: str, inputs: Any, loss: Any, sizes: Any = LOSS_SIZES, slack: float = 16.0, **options: Any) -> Row:
    """A row of the public function with an `out`; `weighted` and `reduction` are the test's own."""
    weighted, reduction = options.pop("weighted", False), options.get("reduction", "mean")

    def weights(p: np.ndarray) -> np.ndarray:
        return weights_of(len(p)) if weighted else np.ones(len(p))

    def run(outputs: Any, p: np.ndarray, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        more = {**options, "sample_weight": weights(p)} if weighted else options
        value, *gradients = getattr(fb.ops, name)(p, *arrays, **more, out=outputs(p.shape))
        return np.asarray(value), *gradients

    def reference(p: np.ndarray, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        return reduced(loss(p, *arrays), weights(p), reduction)

    return Row(inputs, run, reference, sizes, lambda *size: slack)


def labels_and(kind: str) -> Callable[..., tuple[np.ndarray, ...]]:
    return lambda draw, *size: (getattr(draw, kind)(*size), draw.labels(*size))


def signs(draw: Draw, *size: int) -> tuple[np.ndarray, ...]:
    return draw.normal(*size), np.sign(draw.normal(*size)) * (draw.rng.uniform(size=size) < 0.7)


def with_variance(draw: Draw, *size: int) -> tuple[np.ndarray, ...]:
    return draw.normal(*size), draw.normal(*size), draw.rng.uniform(-0.1, 2, size)


def classes_weighted(reduction: str) -> Row:
    """Class weights, sample weights and ignored rows, of labels."""

    def made_of(z: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        of_class = weights_of(z.shape[1] + 2)[2:]
        return of_class, weights_of(len(z))[::-1], int(z.shape[1] // 2)

    def run(outputs: Any, z: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, ...]:
        of_class, of_row, ignored = made_of(z, labels)
        options = {"class_weight": of_class, "sample_weight": of_row, "ignore_index": ignored, "reduction": reduction}
        value, gradient = fb.ops.softmax_cross_entropy(z, labels, **options, out=outputs(z.shape))
        return np.asarray(value), gradient

    def reference(z: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, ...]:
        of_class, of_row, ignored = made_of(z, labels)
        weight = np.where(labels == ignored, 0, of_class[labels] * of_row)
        return reduced(softmax_crossentropy(z, labels), weight, reduction)

    return Row(labels_and("normal"), run, reference, LOSS_SIZES)


ROWS: dict[str, Row] = {}
ELEMENTWISE: dict[str, tuple[Any, Any, dict[str, Any], float]] = {
    "mean_squared_error": (normal_and("normal"), OLDER["mean_squared_error"], {}, 32),
    "mean_absolute_error": (normal_and("normal"), OLDER["mean_absolute_error"], {}, 32),
    "huber": (normal_and("normal"), partial(huber, delta=0.75), {"delta": 0.75}, 32),
    "log_cosh": (normal_and("normal"), log_cosh, {}, 32),
    "quantile": (normal_and("normal"), partial(quantile, q=0.25), {"q": 0.25}, 32),
    "poisson": (probability_and("normal"), poisson, {}, 256),
    "hinge": (signs, hinge, {}, 32),
    "squared_hinge": (signs, squared_hinge, {}, 64),
    "cosine_similarity": (normal_and("normal"), cosine_similarity, {}, 64),
    "gaussian_nll": (with_variance, partial(gaussian_nll, epsilon=0.25), {"epsilon": 0.25}, 512),
    "kl_divergence": (probability_and("distribution"), kl_divergence, {}, 256),
    "sigmoid_binary_cross_entropy": (normal_and("probability"), binary_crossentropy_logits, {}, 32),
    "sigmoid_binary_cross_entropy with pos_weight": (
        normal_and("probability"),
        weighted_binary_crossentropy_logits,
        {"pos_weight": 3.0},
        64,
    ),
    "sigmoid_binary_cross_entropy smoothed": (
        normal_and("probability"),
        smoothed(binary_crossentropy_logits, 0.25, True),
        {"label_smoothing": 0.25},
        32,
    ),
    "binary_cross_entropy": (probability_and("probability"), binary_crossentropy, {}, 256),
    "binary_cross_entropy smoothed": (
        probability_and("probability"),
        smoothed(binary_crossentropy, 0.25, True),
        {"label_smoothing": 0.25},
        256,
    ),
    "softmax_cross_entropy of classes": (normal_and("distribution"), softmax_crossentropy, {}, 32),
    "softmax_cross_entropy of labels": (labels_and("normal"), softmax_crossentropy, {}, 32),
    "softmax_cross_entropy of classes smoothed": (
        normal_and("distribution"),
        smoothed(softmax_crossentropy, 0.25, False),
        {"label_smoothing": 0.25},
        32,
    ),
    "softmax_cross_entropy of labels smoothed": (
        labels_and("normal"),
        smoothed(softmax_crossentropy, 0.25, False),
        {"label_smoothing": 0.25},
        32,
    ),
    "categorical_cross_entropy of classes": (probability_and("distribution"), categorical, {}, 256),
    "categorical_cross_entropy of labels": (labels_and("probability"), categorical, {}, 256),
    "categorical_cross_entropy of labels smoothed": (
        labels_and("probability"),
        smoothed(categorical, 0.25, False),
        {"label_smoothing": 0.25},
        256,
    ),
}
for name, (inputs, loss, options, slack) in ELEMENTWISE.items():
    function = name.split(" ")[0]
    ROWS[f"{name}, rows"] = row(function, inputs, loss, slack=slack, reduction="none", **options)
    ROWS[f"{name}, weighted mean"] = row(function, inputs, loss, slack=slack, weighted=True, **options)
for reduction in ("sum", "mean"):
    # a sum of n numbers of size 1 is of size n
    inputs = normal_and("normal")
    ROWS[f"mean_squared_error, {reduction}"] = row(
        "mean_squared_error", inputs, OLDER["mean_squared_error"], slack=64, reduction=reduction
    )
ROWS["mean_squared_error, weighted rows"] = row(
    "mean_squared_error", normal_and("normal"), OLDER["mean_squared_error"], slack=64, reduction="none", weighted=True
)
for reduction in REDUCTIONS:
    ROWS[f"softmax_cross_entropy, weights of all kinds, {reduction}"] = classes_weighted(reduction)


# ---- metrics and reductions


def top_k(k: float) -> Callable[..., tuple[np.ndarray, ...]]:
    def reference(p, target):
        label = target if target.dtype.kind == "i" else target.argmax(axis=1)
        mine = np.take_along_axis(p, label[:, None], axis=1)
        return (((p > mine).sum(axis=1) < k).astype(float),)

    return reference


# ---- tallies


CUTS = np.array([0.1, 0.5, 0.9])
BINS = 13


def is_one(p: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Which columns are true, of labels or of numbers."""
    return np.arange(p.shape[1]) == target[:, None] if target.dtype.kind == "i" else target > 0.5


def class_of(target: np.ndarray) -> np.ndarray:
    return target if target.dtype.kind == "i" else target.argmax(axis=1)


def outcomes(p: np.ndarray, target: np.ndarray, w: np.ndarray) -> np.ndarray:
    one, sums = is_one(p, target), []
    for cut in CUTS:
        sums.append([w @ (p > cut), w @ one, w @ ((p > cut) & one)])
    return np.moveaxis(sums, 1, 2)


def outcomes_by_class(p: np.ndarray, target: np.ndarray, w: np.ndarray) -> np.ndarray:
    predicted, true = (np.arange(p.shape[1]) == c[:, None] for c in (p.argmax(axis=1), class_of(target)))
    return np.stack([w @ predicted, w @ true, w @ (predicted & true)], axis=-1)[None]


def confusion(p: np.ndarray, target: np.ndarray, w: np.ndarray) -> np.ndarray:
    table = np.zeros((p.shape[1], p.shape[1]))
    np.add.at(table, (class_of(target), p.argmax(axis=1)), w)
    return table


def histogram(p: np.ndarray, target: np.ndarray, w: np.ndarray) -> np.ndarray:
    table = np.zeros((p.shape[1], 2, BINS + 1))
    bins = np.maximum(np.ceil(p * BINS).astype(int) - 1, 0)
    np.add.at(table, (np.arange(p.shape[1]), is_one(p, target).astype(int), bins), w[:, None])
    return table


def moments(p: np.ndarray, t: np.ndarray, w: np.ndarray) -> np.ndarray:
    counting = t[w > 0]
    first = counting[0] if len(counting) else np.zeros(p.shape[1])
    total = np.full(p.shape[1], w.sum())
    return np.stack([total, first, w @ (t - first), w @ (t - first) ** 2, w @ (p - t) ** 2], axis=-1)


# kind, what is counted by, options, kinds of targets
TALLIES: list[tuple[str, Any, dict[str, Any], tuple[str, ...]]] = [
    ("outcomes", outcomes, {"thresholds": CUTS}, ("labels", "distribution")),
    ("outcomes", outcomes_by_class, {}, ("labels", "distribution")),
    ("confusion", confusion, {}, ("labels", "distribution")),
    ("histogram", histogram, {"bins": BINS}, ("labels", "probability")),
    ("moments", moments, {}, ("normal",)),
]


def tally_row(kind: str, counted: Any, options: dict[str, Any], inputs: Any) -> Row:
    def run(outputs: Any, p: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, ...]:
        w = weights_of(len(p)).astype(p.dtype)
        sums = np.zeros((1, counted(p, target, w).size))
        _program.run_op(_losses.Tally(kind, p, target, sums, np.ascontiguousarray(w), **options), len(p), 1.0)
        return (sums.reshape(counted(p, target, w).shape),)

    def reference(p: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, ...]:
        return (counted(p, target, weights_of(len(p))),)

    return Row(inputs, run, reference, LOSS_SIZES, lambda rows, columns: 16 + rows, contiguous_rows=True)


def number(function: Callable[..., float], *more: Any) -> Callable[..., tuple[np.ndarray, ...]]:
    return lambda outputs, *arrays: (np.array(float(function(*arrays, *more))),)


def one_column(draw: Draw, rows: int, columns: int) -> tuple[np.ndarray, ...]:
    return draw.probability(rows, 1), draw.labels(rows, 2)


def two_labels(draw: Draw, rows: int, columns: int) -> tuple[np.ndarray, ...]:
    return draw.labels(rows, columns), draw.labels(rows, columns)


def counts(true: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, ...]:
    table = np.zeros((1031, 1031))
    np.add.at(table, (true, predicted), 1)
    return (table,)


SOME = [size for size in LOSS_SIZES if size[0]]  # a share of no rows is not defined
ROWS |= {
    "row_sum": Row(
        lambda draw, *size: (draw.normal(*size),),
        lambda outputs, x: (fb.ops.row_sum(x, out=outputs(x.shape[:1])),),
        lambda x: (x.sum(axis=1),),
        ROW_SIZES,
        lambda rows, columns: 16 + columns,
    ),
    "logsumexp": Row(
        lambda draw, *size: (draw.normal(*size),),
        lambda outputs, x: (fb.ops.logsumexp(x, out=outputs(x.shape[:1])),),
        lambda x: (np.logaddexp.reduce(x, axis=1),),
        ROW_SIZES,
    ),
    "logsumexp along the first axis": Row(
        lambda draw, *size: (draw.normal(*size),),
        lambda outputs, x: (fb.ops.logsumexp(x, 0, out=outputs(x.shape[1:])),),
        lambda x: (np.logaddexp.reduce(x, axis=0),),
        ROW_SIZES,
    ),
    "argmax": Row(
        lambda draw, *size: (np.round(4 * draw.normal(*size)),),
        lambda outputs, x: (fb.ops.argmax(x).astype(float),),
        lambda x: (x.argmax(axis=1).astype(float),),
        LOSS_SIZES,
    ),
    "one_hot": Row(
        lambda draw, rows, columns: (draw.labels(rows, 7),),
        lambda outputs, labels: (fb.ops.one_hot(labels, 7, outputs.dtype, out=outputs((len(labels), 7))),),
        lambda labels: (np.eye(7)[labels],),
        SOME,
    ),
    "accuracy": Row(
        normal_and("labels"),
        number(fb.ops.accuracy),
        lambda p, t: (np.array((p.argmax(axis=1) == t).mean()),),
        [size for size in SOME if size[1] > 1],
    ),
    "accuracy of one-hot rows": Row(
        normal_and("distribution"),
        number(fb.ops.accuracy),
        lambda p, t: (np.array((p.argmax(axis=1) == t.argmax(axis=1)).mean()),),
        [size for size in SOME if size[1] > 1],
    ),
    "accuracy of probabilities": Row(
        one_column,
        number(fb.ops.accuracy),
        lambda p, t: (np.array(((p[:, 0] > 0.5) == t).mean()),),
        SOME,
    ),
    "top_k_accuracy": Row(
        lambda draw, *size: (np.round(draw.normal(*size)), draw.labels(*size)),
        number(fb.ops.top_k_accuracy, 3),
        lambda p, t: (np.array(top_k(3)(p, t)[0].mean()),),
        SOME,
    ),
    "confusion_counts": Row(
        two_labels,
        lambda outputs, true, predicted: (fb.ops.confusion_counts(true, predicted, 1031).astype(float),),
        counts,
        SOME,
    ),
    "metric, top_k_accuracy of distribution": Row(
        probability_and("distribution"), metric_op("top_k_accuracy"), top_k(0.5), LOSS_SIZES, contiguous_rows=True
    ),
}
ROWS["metric, one of distribution"] = Row(
    probability_and("distribution"), metric_op("one"), lambda p, t: (np.ones(len(p)),), LOSS_SIZES, contiguous_rows=True
)
for kind, counted, options, targets in TALLIES:
    for arrays in targets:
        ROWS[f"tally, {kind} of {arrays}, {', '.join(options)}"] = tally_row(
            kind, counted, options, probability_and(arrays)
        )
