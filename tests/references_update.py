"""The mathematics of updates, clipping, averages and the gather with constants of columns, for references.py."""

from collections.abc import Callable
from typing import Any

import numpy as np
from references import (
    DECAY,
    EPS,
    MOMENTUM,
    RATE,
    ROW_SIZES,
    ROWS,
    STEP,
    UPDATES,
    Draw,
    Row,
    adam,
    adam_of_step,
    changed,
    into,
    momentum,
    nesterov,
    sgd,
    weight_and_bias_row,
)

import fastbp as fb
from fastbp._core import _dense, _program, _vectors

# ---- rules, with the constants of references.py: new weight, then new state


def moments(g, m, v):
    return MOMENTUM * m + (1 - MOMENTUM) * g, DECAY * v + (1 - DECAY) * g**2


def nadam(w, g, m, v, rate=RATE, gradient_rate=0.0, correction=1.0):
    m, v = moments(g, m, v)
    return w - (rate * m + gradient_rate * g) / (np.sqrt(correction * v) + EPS), m, v


def nadam_of_step(w, g, m, v, step=STEP):
    """Dozat 2016, algorithm 2, with its schedule of the momentum."""
    mu = [MOMENTUM * (1 - 0.5 * 0.96**t) for t in range(1, step + 2)]
    m, v = moments(g, m, v)
    m_hat = mu[-1] * m / (1 - np.prod(mu)) + (1 - mu[-2]) * g / (1 - np.prod(mu[:-1]))
    return w - RATE * m_hat / (np.sqrt(v / (1 - DECAY**step)) + EPS), m, v


def amsgrad(w, g, m, v, v_max, rate=RATE):
    m, v = moments(g, m, v)
    v_max = np.maximum(v, v_max)
    return w - rate * m / (np.sqrt(v_max) + EPS), m, v, v_max


def amsgrad_of_step(w, g, m, v, v_max):
    return amsgrad(w, g, m, v, v_max, RATE * np.sqrt(1 - DECAY**STEP) / (1 - MOMENTUM**STEP))


def adagrad(w, g, v):
    v = v + g**2
    return w - RATE * g / np.sqrt(v + EPS), v


def adadelta(w, g, v, u):
    v = DECAY * v + (1 - DECAY) * g**2
    d = np.sqrt(u + EPS) / np.sqrt(v + EPS) * g
    return w - RATE * d, v, DECAY * u + (1 - DECAY) * d**2


def rmsprop(w, g, v):
    v = DECAY * v + (1 - DECAY) * g**2
    return w - RATE * g / np.sqrt(v + EPS), v


def rmsprop_momentum(w, g, v, velocity):
    step, v = rmsprop(0, g, v)
    velocity = MOMENTUM * velocity - step
    return w - velocity, v, velocity


def rmsprop_centered(w, g, v, average):
    v, average = DECAY * v + (1 - DECAY) * g**2, DECAY * average + (1 - DECAY) * g
    return w - RATE * g / np.sqrt(np.maximum(v - average**2, 0) + EPS), v, average


def rmsprop_centered_momentum(w, g, v, average, velocity):
    step, v, average = rmsprop_centered(0, g, v, average)
    velocity = MOMENTUM * velocity - step
    return w - velocity, v, average, velocity


def lion(w, g, m):
    return w - RATE * np.sign(MOMENTUM * m + (1 - MOMENTUM) * g), DECAY * m + (1 - DECAY) * g


UPDATES |= {
    "adamw": (adam, 2),
    "nadam": (nadam, 2),
    "amsgrad": (amsgrad, 3),
    "adagrad": (adagrad, 1),
    "adadelta": (adadelta, 2),
    "rmsprop": (rmsprop, 1),
    "rmsprop_momentum": (rmsprop_momentum, 2),
    "rmsprop_centered": (rmsprop_centered, 2),
    "rmsprop_centered_momentum": (rmsprop_centered_momentum, 3),
    "lion": (lion, 1),
}

# ---- options

WITH = {"l1": 0.25, "l2": 0.5, "clip_value": 1.25, "weight_decay": 0.75}


def with_options(rule: Callable[..., tuple[np.ndarray, ...]]) -> Callable[..., tuple[np.ndarray, ...]]:
    """A rule behind all the options of WITH."""

    def reference(w: np.ndarray, g: np.ndarray, *states: np.ndarray) -> tuple[np.ndarray, ...]:
        g = g + WITH["l2"] * w + WITH["l1"] * np.sign(w)
        g = np.clip(g, -WITH["clip_value"], WITH["clip_value"])
        return rule(w - RATE * WITH["weight_decay"] * w, g, *states)

    return reference


def decayed_adam(w, g, m, v):
    return adam_of_step(w - RATE * WITH["weight_decay"] * w, g, m, v)


# ---- functions of fastbp.ops: how each is called with the constants above, and its rule

ADAM = {"step": STEP, "learning_rate": RATE, "beta_1": MOMENTUM, "beta_2": DECAY, "epsilon": EPS}
RHO = {"learning_rate": RATE, "rho": DECAY, "epsilon": EPS}


def rmsprop_of(*names: str) -> Callable[..., np.ndarray]:
    """fb.ops.rmsprop, with its state beside v by position."""

    def function(w: np.ndarray, g: np.ndarray, v: np.ndarray, *states: np.ndarray, **constants: Any) -> np.ndarray:
        named = dict(zip(names, states, strict=True))
        rate = {"momentum": MOMENTUM} if "velocity" in names else {}
        return fb.ops.rmsprop(w, g, v, **RHO, centered="average" in names, **rate, **named, **constants)

    return function


# name: function, its constants, its rule, its arrays of state
CALLS: dict[str, tuple[Callable[..., np.ndarray], dict[str, Any], Callable[..., tuple[np.ndarray, ...]], int]] = {
    "sgd": (fb.ops.sgd, {"learning_rate": RATE}, sgd, 0),
    "momentum": (fb.ops.momentum, {"learning_rate": RATE, "momentum": MOMENTUM}, momentum, 1),
    "nesterov": (fb.ops.momentum, {"learning_rate": RATE, "momentum": MOMENTUM, "nesterov": True}, nesterov, 1),
    "adam": (fb.ops.adam, ADAM, adam_of_step, 2),
    "nadam": (fb.ops.nadam, ADAM, nadam_of_step, 2),
    "amsgrad": (fb.ops.amsgrad, ADAM, amsgrad_of_step, 3),
    "adagrad": (fb.ops.adagrad, {"learning_rate": RATE, "epsilon": EPS}, adagrad, 1),
    "adadelta": (fb.ops.adadelta, RHO, adadelta, 2),
    "rmsprop": (rmsprop_of(), {}, rmsprop, 1),
    "rmsprop, momentum": (rmsprop_of("velocity"), {}, rmsprop_momentum, 2),
    "rmsprop, centered": (rmsprop_of("average"), {}, rmsprop_centered, 2),
    "rmsprop, centered, momentum": (rmsprop_of("average", "velocity"), {}, rmsprop_centered_momentum, 3),
    "lion": (fb.ops.lion, {"learning_rate": RATE, "beta_1": MOMENTUM, "beta_2": DECAY}, lion, 1),
}


def with_states(states: int) -> Callable[..., tuple[np.ndarray, ...]]:
    """A weight, a gradient, and state such that a second moment is larger than the square of a first."""

    def arrays(draw: Draw, *size: int) -> tuple[np.ndarray, ...]:
        return (
            draw.normal(*size),
            draw.normal(*size),
            *(abs(draw.normal(*size)) / 2**k + 5 * (k == 0) for k in range(states)),
        )

    return arrays


def amplified(*size: int) -> float:
    return 64.0  # quotients by roots of sums near 0


for name, (function, constants, rule, states) in CALLS.items():
    ROWS[name] = Row(with_states(states), changed(function, **constants), rule, ROW_SIZES, amplified)
    ROWS[f"{name}, options"] = Row(
        with_states(states), changed(function, **constants, **WITH), with_options(rule), ROW_SIZES, amplified
    )
ROWS["adamw"] = Row(
    with_states(2),
    changed(fb.ops.adamw, **ADAM, weight_decay=WITH["weight_decay"]),
    decayed_adam,
    ROW_SIZES,
    amplified,
)
ROWS["adamw, options"] = Row(
    with_states(2), changed(fb.ops.adamw, **ADAM, **WITH), with_options(adam_of_step), ROW_SIZES, amplified
)
for name in UPDATES:
    ROWS[f"weight and bias, {name}"] = weight_and_bias_row(name)

# ---- clipping, averages, the gather


def clipped_by_norm(g):
    return (g * 2.5 / max(np.sqrt((g**2).sum()), 2.5),)


def global_norm_of(outputs: Any, *gradients: np.ndarray) -> tuple[np.ndarray, ...]:
    return (np.array([fb.ops.global_norm(gradients)]),)


def clip_together(outputs: Any, *gradients: np.ndarray) -> tuple[np.ndarray, ...]:
    places = [outputs.copy(g) for g in gradients]
    return (np.array([fb.ops.clip_by_global_norm(places, 2.5)]), *places)


def norm_and_clipped(*gradients: np.ndarray) -> tuple[np.ndarray, ...]:
    norm = np.sqrt(sum((g**2).sum() for g in gradients))
    return (np.array([norm]), *(g * 2.5 / max(norm, 2.5) for g in gradients))


def averaged(outputs: Any, average: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, ...]:
    place = outputs.copy(average)
    assert fb.ops.ema(place, x, 0.875) is place
    return (place,)


def pair(draw: Draw, *size: int) -> tuple[np.ndarray, ...]:
    return draw.normal(*size), draw.normal(*size)


def one(draw: Draw, *size: int) -> tuple[np.ndarray, ...]:
    return (draw.normal(*size),)


def columns_and_order(draw: Draw, rows: int, columns: int) -> tuple[np.ndarray, ...]:
    return draw.normal(rows, columns), draw.order(rows), draw.normal(columns), draw.normal(columns)


def gather_into(outputs: Any, x: np.ndarray, order: np.ndarray, *constants: np.ndarray) -> tuple[np.ndarray, ...]:
    return (fb.ops.gather_rows(x, order, *constants, out=outputs((len(order), x.shape[1]))),)


def updated_with_average(overwrite: float) -> Callable[..., tuple[np.ndarray, ...]]:
    """A step of SGD on a gradient with a limit to its norm, half the learning rate, and an average of the weight."""

    def run(outputs: Any, w: np.ndarray, g: np.ndarray, average: np.ndarray) -> tuple[np.ndarray, ...]:
        place, mean, partial = outputs.copy(w), outputs.copy(average), np.zeros(_vectors.blocks(g.size))
        rule = _dense.Rule("sgd", place, [], multiplier=0.5, average=mean)
        g = np.ascontiguousarray(g)
        squares = _vectors.SumOfSquares((g,), partial)
        update = _dense.ApplyUpdate(g, rule, partial, 2.5)
        numbers = np.array([[RATE, 0, 0, 0, 0, 0, 0.75, overwrite]])
        _program.Program([(1, 2, [squares]), (1, 2, [update])], 1).run(0, 1, numbers)
        return place, mean

    return run


def with_average(overwrite: float) -> Callable[..., tuple[np.ndarray, ...]]:
    def reference(w: np.ndarray, g: np.ndarray, average: np.ndarray) -> tuple[np.ndarray, ...]:
        w = w - 0.5 * RATE * clipped_by_norm(g)[0]
        average = 0.75 * average + 0.25 * w
        return (average if overwrite else w), average

    return reference


def mean_of_three(outputs: Any, *gradients: np.ndarray) -> tuple[np.ndarray, ...]:
    mean = outputs.copy(gradients[1])  # is forgotten where a sum starts
    numbers = np.zeros((1, 8))
    for number, gradient in enumerate(gradients):
        numbers[0, 4] = number > 0
        _program.Program([(1, 2, [_vectors.MeanGradient(np.ascontiguousarray(gradient), mean, 3)])], 1).run(
            0, 1, numbers
        )
    return (mean,)


def three(draw: Draw, *size: int) -> tuple[np.ndarray, ...]:
    return tuple(draw.normal(*size) for _ in range(3))


BIG_SIZES = [*ROW_SIZES, (131, 513)]  # more than three blocks of a sum of squares
ROWS |= {
    "clip_by_value": Row(one, into(fb.ops.clip_by_value, -0.5, 0.75), lambda g: (np.clip(g, -0.5, 0.75),), ROW_SIZES),
    "clip_by_norm": Row(one, into(fb.ops.clip_by_norm, 2.5), clipped_by_norm, BIG_SIZES),
    "global_norm": Row(pair, global_norm_of, lambda *g: norm_and_clipped(*g)[:1], BIG_SIZES),
    "clip_by_global_norm": Row(pair, clip_together, norm_and_clipped, BIG_SIZES),
    **{
        f"update with average, {overwrite}": Row(
            three, updated_with_average(overwrite), with_average(overwrite), BIG_SIZES, contiguous_rows=True
        )
        for overwrite in (0, 1)
    },
    "mean_gradient": Row(three, mean_of_three, lambda *g: (np.mean(g, axis=0),), BIG_SIZES, contiguous_rows=True),
    "ema": Row(pair, averaged, lambda average, x: (0.875 * average + 0.125 * x,), ROW_SIZES),
    "gather_rows, columns": Row(
        columns_and_order, gather_into, lambda x, order, scale, shift: (scale * x[order] + shift,), ROW_SIZES
    ),
}
