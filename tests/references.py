"""The mathematics of every kernel in plain float64 NumPy, one row an op, as tests/test_kernels.py runs them.

A row has the arrays that go in, what runs the op, what it should give, and the sizes worth trying. Adding an op is one
new row. Gradients are rows like any other; `value_of` names the function whose derivative a row must be.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import references_norm

import fastbp as fb
from fastbp._core import _dense, _losses, _program, _rows

EPSILON = 1e-7  # of the cross-entropies of probabilities

# (rows, columns): nothing, one, each side of a vector of 16, 32 and 64 bytes, primes, more than a block
ROW_SIZES = [
    *((0, 3), (3, 0), (0, 0), (1, 1), (2, 3), (3, 2), (1, 5), (5, 4), (3, 7), (2, 8), (4, 9), (13, 15), (7, 16)),
    *((3, 17), (2, 31), (5, 33), (31, 13), (257, 5), (1031, 1), (1, 1031), (37, 257)),
]
LOSS_SIZES = [size for size in ROW_SIZES if size[1]]  # a mean over no columns is not defined
# (m, k, n): small, tails of every kind, then more than a block of k, with a's rows packed, and more than a block of all
GEMM_SIZES = [
    *((0, 3, 2), (3, 0, 2), (2, 3, 0), (0, 0, 0), (1, 1, 1), (2, 3, 5), (1, 7, 1), (5, 1, 9), (6, 16, 8), (7, 17, 16)),
    *((13, 5, 17), (3, 31, 24), (4, 257, 33), (1, 300, 65), (48, 64, 32), (49, 31, 67), (1031, 3, 2), (7, 1031, 5)),
    *((53, 300, 131), (50, 129, 600), (223, 513, 1031)),
]
DENSE_SIZES = GEMM_SIZES[:-2]
# (batch, fan_in, fan_out) with a batch that is summed over: the gradient stays in L1 up to 256 rows
SUM_SIZES = [(1, 1, 1), (2, 3, 5), (5, 7, 1), (32, 17, 33), (31, 13, 129), (256, 9, 16), (300, 5, 3), (257, 131, 67)]


@dataclass(frozen=True)
class Row:
    """An op.

    inputs(draw, *size) gives its float64 arrays and integers; run(outputs, *arrays) runs it, where outputs(shape) is a
    new array with guard bytes around it and outputs.copy(array) another that holds `array`; reference(*arrays) is what
    it should give. `slack` is the error allowed, in roundings of numbers of size 1, for each size.
    """

    inputs: Callable[..., tuple[Any, ...]]
    run: Callable[..., tuple[np.ndarray, ...]]
    reference: Callable[..., tuple[np.ndarray, ...]]
    sizes: list[tuple[int, ...]]
    slack: Callable[..., float] = lambda *size: 16.0
    contiguous_rows: bool = False  # an op of floor 1 whose callers see to that


# ---- what goes in


class Draw:
    """Random numbers. Sizes of 1 or so, none so close to 0 that rounding could move it across."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def normal(self, *shape: int) -> np.ndarray:
        x = self.rng.normal(size=shape)
        return x + np.copysign(0.01, x)

    def probability(self, *shape: int) -> np.ndarray:
        return self.rng.uniform(0.05, 0.95, shape)

    def distribution(self, *shape: int) -> np.ndarray:
        p = self.rng.uniform(0.05, 1, shape)
        return p / p.sum(axis=-1, keepdims=True) if p.size else p

    def labels(self, rows: int, classes: int) -> np.ndarray:
        return self.rng.integers(0, max(classes, 1), rows).astype(np.int32)

    def order(self, rows: int) -> np.ndarray:
        return self.rng.integers(0, max(rows, 1), rows)


def one(draw: Draw, *size: int) -> tuple[np.ndarray, ...]:
    return (draw.normal(*size),)


def gradient_and(output: Callable[[np.ndarray], np.ndarray]) -> Callable[..., tuple[np.ndarray, ...]]:
    return lambda draw, *size: (draw.normal(*size), output(draw.normal(*size)))


def normal_and(kind: str) -> Callable[..., tuple[np.ndarray, ...]]:
    return lambda draw, *size: (draw.normal(*size), getattr(draw, kind)(*size))


def probability_and(kind: str) -> Callable[..., tuple[np.ndarray, ...]]:
    return lambda draw, *size: (draw.probability(*size), getattr(draw, kind)(*size))


def dense_arrays(draw: Draw, m: int, k: int, n: int) -> tuple[np.ndarray, ...]:
    return draw.normal(m, k), draw.normal(k, n), draw.normal(n)


def backward_arrays(draw: Draw, m: int, k: int, n: int) -> tuple[np.ndarray, ...]:
    return draw.normal(m, n), draw.normal(m, k), draw.normal(k, n)


def state_arrays(states: int) -> Callable[..., tuple[np.ndarray, ...]]:
    return lambda draw, *size: (draw.normal(*size), draw.normal(*size), *(abs(draw.normal(*size)),) * states)


# ---- functions of one array


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def relu(x: np.ndarray) -> np.ndarray:
    return np.where(x <= 0, 0, x)


def leaky_relu(x: np.ndarray, slope: float = 0.2) -> np.ndarray:
    return np.where(x <= 0, slope * x, x)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=-1, keepdims=True, initial=-np.inf))
    return e / e.sum(axis=-1, keepdims=True)


FORWARD = {
    "linear": lambda x: x,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "softmax": softmax,
}
BACKWARD = {  # from the output
    "linear": lambda dy, y: dy,
    "relu": lambda dy, y: dy * (y > 0),
    "leaky_relu": lambda dy, y: dy * np.where(y > 0, 1, 0.2),
    "sigmoid": lambda dy, y: dy * y * (1 - y),
    "tanh": lambda dy, y: dy * (1 - y * y),
    "softmax": lambda dy, y: y * (dy - (dy * y).sum(axis=-1, keepdims=True)),
}


# ---- losses of each row, with their gradient


def dense_target(p: np.ndarray, target: np.ndarray) -> np.ndarray:
    return np.eye(p.shape[1])[target] if target.dtype.kind == "i" else target


def squared_error(p, t):
    return ((p - t) ** 2).mean(axis=1), 2 * (p - t) / p.shape[1]


def absolute_error(p, t):
    return abs(p - t).mean(axis=1), np.sign(p - t) / p.shape[1]


def binary_crossentropy_logits(z, t):
    value = np.maximum(z, 0) - z * t + np.log1p(np.exp(-abs(z)))
    return value.mean(axis=1), (sigmoid(z) - t) / z.shape[1]


def binary_crossentropy(p, t):
    q = np.clip(p, EPSILON, 1 - EPSILON)
    slope = np.where(p == q, (q - t) / (q * (1 - q)), 0)
    return -(t * np.log(q) + (1 - t) * np.log1p(-q)).mean(axis=1), slope / p.shape[1]


def categorical_crossentropy_logits(z, target):
    t = dense_target(z, target)
    shifted = z - z.max(axis=1, keepdims=True, initial=-np.inf)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    value = -np.where(t == 0, 0, t * log_p).sum(axis=1)
    return value, softmax(z) * t.sum(axis=1, keepdims=True) - t


def categorical_crossentropy(p, target):
    t = dense_target(p, target)
    total = p.sum(axis=1, keepdims=True)
    q = p / total
    clipped = np.clip(q, EPSILON, 1 - EPSILON)
    slope = np.where(q == clipped, -t / clipped, 0)
    return -(t * np.log(clipped)).sum(axis=1), (slope - (slope * q).sum(axis=1, keepdims=True)) / total


LOSSES = {
    "mean_squared_error": squared_error,
    "mean_absolute_error": absolute_error,
    "binary_crossentropy": binary_crossentropy,
    "binary_crossentropy_logits": binary_crossentropy_logits,
    "categorical_crossentropy": categorical_crossentropy,
    "categorical_crossentropy_logits": categorical_crossentropy_logits,
}


def binary_accuracy(p, t):
    return (((p > 0.5) == (t > 0.5)).mean(axis=1),)


def categorical_accuracy(p, target):
    return ((p.argmax(axis=1) == dense_target(p, target).argmax(axis=1)).astype(float),)


# ---- updates

RATE, MOMENTUM, DECAY, EPS, STEP = 0.125, 0.75, 0.875, 1e-3, 3


def sgd(w, g):
    return (w - RATE * g,)


def momentum(w, g, velocity):
    velocity = MOMENTUM * velocity - RATE * g
    return w + velocity, velocity


def nesterov(w, g, velocity):
    velocity = MOMENTUM * velocity - RATE * g
    return w + MOMENTUM * velocity - RATE * g, velocity


def adam(w, g, m, v, rate=RATE):
    m = MOMENTUM * m + (1 - MOMENTUM) * g
    v = DECAY * v + (1 - DECAY) * g * g
    return w - rate * m / (np.sqrt(v) + EPS), m, v


def adam_of_step(w, g, m, v):
    return adam(w, g, m, v, RATE * np.sqrt(1 - DECAY**STEP) / (1 - MOMENTUM**STEP))


UPDATES = {"sgd": (sgd, 0), "momentum": (momentum, 1), "nesterov": (nesterov, 1), "adam": (adam, 2)}


# ---- running


def into(function: Callable[..., np.ndarray], *more: Any) -> Callable[..., tuple[np.ndarray, ...]]:
    """A function of fastbp.ops with an `out` of the shape of its first array."""
    return lambda outputs, *arrays: (function(*arrays, *more, out=outputs(arrays[0].shape)),)


def product_into(function: Callable[..., np.ndarray], *more: Any) -> Callable[..., tuple[np.ndarray, ...]]:
    """A function of fastbp.ops with an `out` of the shape of its first two arrays' product."""
    return lambda outputs, a, b, *arrays: (function(a, b, *arrays, *more, out=outputs((len(a), b.shape[1]))),)


def changed(function: Callable[..., Any], **options: Any) -> Callable[..., tuple[np.ndarray, ...]]:
    """An update of fastbp.ops, on copies of the weight and its state."""

    def run(outputs: Any, w: np.ndarray, g: np.ndarray, *states: np.ndarray) -> tuple[np.ndarray, ...]:
        places = [outputs.copy(array) for array in (w, *states)]
        assert function(places[0], g, *places[1:], **options) is places[0]
        return tuple(places)

    return run


def loss_op(kind: str) -> Callable[..., tuple[np.ndarray, ...]]:
    def run(outputs: Any, p: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, ...]:
        value, gradient = outputs(p.shape[:1]), outputs(p.shape)
        _program.run_op(_losses.Loss(kind, p, target, value, gradient, mean=False), len(p), 1.0)
        return value, gradient

    return run


def metric_op(kind: str) -> Callable[..., tuple[np.ndarray, ...]]:
    def run(outputs: Any, p: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, ...]:
        value = outputs(p.shape[:1])
        _program.run_op(_losses.Metric(kind, p, target, value), len(p), 1.0)
        return (value,)

    return run


def dense_by_parts(kind: str) -> Callable[..., tuple[np.ndarray, ...]]:
    """activation(x w + b), shared as the layers with large weights are."""

    def run(outputs: Any, x: np.ndarray, w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
        z = outputs((len(x), w.shape[1]))
        op = _dense.Dense(x, w, np.ascontiguousarray(b), z, kind, by_rows=False)
        _program.run_op(op, len(x), 1.0)
        return (z,)

    return run


def dense_in_halves(kind: str) -> Callable[..., tuple[np.ndarray, ...]]:
    """activation(x w + b), as where a large weight meets few rows."""

    def run(outputs: Any, x: np.ndarray, w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
        halves, z = outputs((len(x), 2 * w.shape[1])), outputs((len(x), w.shape[1]))
        _program.run_op(_dense.PartialDense(x, w, np.ascontiguousarray(b), halves), len(x), 1.0)
        _program.run_op(_rows.SumOfParts(halves, z, kind), len(x), 1.0)
        return (z,)

    return run


def backward_op(kind: str, by_rows: bool = True) -> Callable[..., tuple[np.ndarray, ...]]:
    """dx = (dz w.T) * activation'(x), as between two dense layers."""

    def run(outputs: Any, dz: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
        dx = outputs(x.shape)
        _program.run_op(_dense.InputGradient(dz, w, dx, x, kind, 0.2, by_rows), len(dz), 1.0)
        return (dx,)

    return run


def weight_and_bias(kind: str | None) -> Callable[..., tuple[np.ndarray, ...]]:
    """dw and db where kind is None; else the weight and bias that they change, the gradients in L1 alone."""

    def run(outputs: Any, dz: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
        b = w[0]
        if kind is None:
            dw, db = outputs(w.shape), outputs(b.shape)
            _program.run_op(_dense.WeightGradient(x, dz, dw), len(dz), 1.0)
            _program.run_op(_dense.BiasGradient(dz, db), len(dz), 1.0)
            return dw, db
        dw = None if len(dz) <= _dense.depth(dz.dtype) else outputs(w.shape)
        places = [[outputs.copy(a) for a in weight_and_states(kind, array)] for array in (w, b)]
        rules = [_dense.Rule(kind, place[0], place[1:], MOMENTUM, DECAY, EPS) for place in places]
        _program.run_op(_dense.WeightGradient(x, dz, dw, rules[0]), len(dz), 1.0, RATE)
        _program.run_op(_dense.BiasGradient(dz, None, rules[1]), len(dz), 1.0, RATE)
        return (*places[0], *places[1])

    return run


def weight_and_bias_in_halves(kind: str) -> Callable[..., tuple[np.ndarray, ...]]:
    """The same weight and bias, by gradients of halves of the batch, as where a small weight meets many rows."""

    def run(outputs: Any, dz: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
        places = [[outputs.copy(a) for a in weight_and_states(kind, array)] for array in (w, w[0])]
        halves = [outputs((2, 16 * (array.size // 16 + 1))) for array in (w, w[0])]
        _program.run_op(_dense.PartialWeightGradient(x, dz, halves[0]), len(dz), 1e9)  # on all threads
        _program.run_op(_dense.PartialBiasGradient(dz, halves[1]), len(dz), 1e9)
        for place, half in zip(places, halves, strict=True):
            rule = _dense.Rule(kind, place[0], place[1:], MOMENTUM, DECAY, EPS)
            _program.run_op(_dense.ApplyUpdate(half, rule, in_parts=True), len(dz), 1e9, RATE)
        return (*places[0], *places[1])

    return run


def weight_and_bias_reference(kind: str | None) -> Callable[..., tuple[np.ndarray, ...]]:
    def reference(dz: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
        if kind is None:
            return x.T @ dz, dz.sum(axis=0)
        function, _ = UPDATES[kind]
        (w, *w_states), (b, *b_states) = weight_and_states(kind, w), weight_and_states(kind, w[0])
        return (*function(w, x.T @ dz, *w_states), *function(b, dz.sum(axis=0), *b_states))

    return reference


def weight_and_states(kind: str, array: np.ndarray) -> list[np.ndarray]:
    return [abs(array) / divisor for divisor in (1, *range(1, 1 + UPDATES[kind][1]))]


def weight_and_bias_row(kind: str | None, run: Callable[..., Any] = weight_and_bias) -> Row:
    return Row(
        lambda draw, batch, k, n: (draw.normal(batch, n), draw.normal(batch, k), draw.normal(k, n)),
        run(kind),
        weight_and_bias_reference(kind),
        SUM_SIZES,
        lambda batch, k, n: 64 + 16 * batch,
        contiguous_rows=True,
    )


def gather_op(by_rows: bool) -> Callable[..., tuple[np.ndarray, ...]]:
    def run(outputs: Any, x: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, ...]:
        out = outputs(x.shape)
        op = _rows.Gather(out, 0.5, by_rows)
        op.bind(x, order)
        _program.run_op(op, len(x), 1.0)
        return (out,)

    return run


def total_op(outputs: Any, x: np.ndarray) -> tuple[np.ndarray, ...]:
    total = np.ones(1)
    _program.run_op(_losses.Accumulate(np.ascontiguousarray(x[:, 0]), total), len(x), 1.0)
    return (total,)


# ---- the table

ROWS = {
    "matmul": Row(
        lambda draw, m, k, n: (draw.normal(m, k), draw.normal(k, n)),
        product_into(fb.ops.matmul),
        lambda a, b: (a @ b,),
        GEMM_SIZES,
        lambda m, k, n: 8 + 2 * k,
    ),
    "dense without bias": Row(
        lambda draw, m, k, n: (draw.normal(m, k), draw.normal(k, n)),
        product_into(fb.ops.dense),
        lambda a, b: (a @ b,),
        DENSE_SIZES,
        lambda m, k, n: 8 + 2 * k,
    ),
    "dense_backward": Row(
        backward_arrays,
        lambda outputs, *arrays: fb.ops.dense_backward(*arrays),
        lambda dz, x, w: (dz @ w.T, x.T @ dz, dz.sum(axis=0)),
        DENSE_SIZES,
        lambda m, k, n: 8 + 2 * (m + k + n),
    ),
    "column_sum": Row(
        one,
        lambda outputs, x: (fb.ops.column_sum(x),),
        lambda x: (x.sum(axis=0),),
        ROW_SIZES,
        lambda rows, columns: 8 + 2 * rows,
    ),
    "sgd": Row(state_arrays(0), changed(fb.ops.sgd, learning_rate=RATE), sgd, ROW_SIZES),
    "momentum": Row(
        state_arrays(1), changed(fb.ops.momentum, learning_rate=RATE, momentum=MOMENTUM), momentum, ROW_SIZES
    ),
    "nesterov": Row(
        state_arrays(1),
        changed(fb.ops.momentum, learning_rate=RATE, momentum=MOMENTUM, nesterov=True),
        nesterov,
        ROW_SIZES,
    ),
    "adam": Row(
        state_arrays(2),
        changed(fb.ops.adam, step=STEP, learning_rate=RATE, beta_1=MOMENTUM, beta_2=DECAY, epsilon=EPS),
        adam_of_step,
        ROW_SIZES,
    ),
    "gather_rows": Row(
        normal_and_order := lambda draw, rows, columns: (draw.normal(rows, columns), draw.order(rows)),
        lambda outputs, x, order: (fb.ops.gather_rows(x, order, scale=0.5),),
        lambda x, order: (0.5 * x[order],),
        ROW_SIZES,
    ),
    "gather": Row(normal_and_order, gather_op(True), lambda x, order: (0.5 * x[order],), ROW_SIZES),
    "gather by columns": Row(normal_and_order, gather_op(False), lambda x, order: (0.5 * x[order],), ROW_SIZES),
    "total": Row(one, total_op, lambda x: (1 + x[:, 0].sum(keepdims=True),), LOSS_SIZES, contiguous_rows=True),
}
for kind in ("relu", "leaky_relu", "sigmoid", "tanh", "softmax"):
    forward, backward = FORWARD[kind], BACKWARD[kind]
    ROWS[kind] = Row(one, into(getattr(fb.ops, kind)), lambda x, f=forward: (f(x),), ROW_SIZES)
    ROWS[f"{kind}_backward"] = Row(
        gradient_and(forward),
        into(getattr(fb.ops, f"{kind}_backward")),
        lambda dy, y, f=backward: (f(dy, y),),
        ROW_SIZES,
    )
for kind, forward in FORWARD.items():
    ROWS[f"dense, {kind}"] = Row(
        dense_arrays,
        product_into(fb.ops.dense, kind),
        lambda x, w, b, f=forward: (f(x @ w + b),),
        DENSE_SIZES,
        lambda m, k, n: 16 + 2 * k,
    )
for kind in ("relu", "leaky_relu", "sigmoid", "tanh"):
    ROWS[f"input gradient, {kind}"] = Row(
        backward_arrays,
        backward_op(kind),
        lambda dz, x, w, f=BACKWARD[kind]: (f(dz @ w.T, x),),
        DENSE_SIZES,
        lambda m, k, n: 64 + 16 * n,
        contiguous_rows=True,
    )
ROWS["dense by parts, tanh"] = Row(
    dense_arrays,
    dense_by_parts("tanh"),
    lambda x, w, b: (np.tanh(x @ w + b),),
    DENSE_SIZES,
    lambda m, k, n: 16 + 2 * k,
)
ROWS["dense in halves, tanh"] = Row(
    dense_arrays,
    dense_in_halves("tanh"),
    lambda x, w, b: (np.tanh(x @ w + b),),
    DENSE_SIZES,
    lambda m, k, n: 16 + 2 * k,
)
ROWS["input gradient by parts, tanh"] = Row(
    backward_arrays,
    backward_op("tanh", by_rows=False),
    lambda dz, x, w: (BACKWARD["tanh"](dz @ w.T, x),),
    DENSE_SIZES,
    lambda m, k, n: 64 + 16 * n,
    contiguous_rows=True,
)
for kind in (None, *UPDATES):
    ROWS[f"weight and bias, {kind}"] = weight_and_bias_row(kind)
ROWS["weight and bias in halves, adam"] = weight_and_bias_row("adam", weight_and_bias_in_halves)
for kind, reference in LOSSES.items():
    prediction = normal_and if kind.endswith("logits") or kind.startswith("mean") else probability_and
    target = "distribution" if kind.startswith("categorical") else "probability"
    slack = (lambda *size: 256.0) if prediction is probability_and else (lambda *size: 16.0)  # slopes of up to 1 / 0.05
    ROWS[f"loss, {kind}"] = Row(prediction(target), loss_op(kind), reference, LOSS_SIZES, slack, contiguous_rows=True)
    if kind.startswith("categorical"):
        ROWS[f"loss, {kind} of labels"] = Row(
            prediction("labels"), loss_op(kind), reference, LOSS_SIZES, slack, contiguous_rows=True
        )
for name, arrays, reference in (
    ("binary_accuracy", "probability", binary_accuracy),
    ("categorical_accuracy", "distribution", categorical_accuracy),
    ("categorical_accuracy", "labels", categorical_accuracy),
):
    ROWS[f"metric, {name} of {arrays}"] = Row(
        probability_and(arrays), metric_op(name), reference, LOSS_SIZES, contiguous_rows=True
    )
ROWS |= references_norm.rows(Row, ROW_SIZES)

# ---- the rows of other files, which use the definitions above

import references_activation  # noqa: E402
import references_loss  # noqa: E402
import references_update  # noqa: E402, F401 (puts its rows here itself)

FORWARD |= references_activation.FORWARD
BACKWARD |= references_activation.BACKWARD
ROWS |= references_activation.ROWS
LOSSES |= references_loss.LOSSES
ROWS |= references_loss.ROWS
