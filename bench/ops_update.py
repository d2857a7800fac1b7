"""Updates, clipping and the gather in their best form in NumPy alone, and their rows for bench/test_ops.py.

A form takes scratch space `s` (numpy_forms.Scratch), then what the function of fastbp takes. A row of ROWS is what
test_ops.Row is made of: arguments, sizes, and the numbers of the arguments that are changed.
"""

from __future__ import annotations

import numpy as np
from ops_row import Row


def adamw(s, w, g, m, v, step, rate, beta_1, beta_2, epsilon, weight_decay):
    w *= 1 - rate * weight_decay
    moments(s, g, m, v, beta_1, beta_2)
    np.sqrt(v, out=s.a)
    return quotient(s, w, m, rate * corrections(step, beta_1, beta_2), epsilon)


def amsgrad(s, w, g, m, v, v_max, step, rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    moments(s, g, m, v, beta_1, beta_2)
    np.maximum(v, v_max, out=v_max)
    np.sqrt(v_max, out=s.a)
    return quotient(s, w, m, rate * corrections(step, beta_1, beta_2), epsilon)


def nadam(s, w, g, m, v, step, rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    mu = beta_1 * (1 - 0.5 * 0.96 ** np.arange(1, step + 2))
    product = np.multiply.accumulate(mu)
    moments(s, g, m, v, beta_1, beta_2)
    np.multiply(m, mu[-1] / (1 - product[-1]), out=s.b)
    np.multiply(g, (1 - mu[-2]) / (1 - product[-2]), out=s.a)
    s.b += s.a
    np.multiply(v, 1 / (1 - beta_2**step), out=s.a)
    np.sqrt(s.a, out=s.a)
    return quotient(s, w, s.b, rate, epsilon)


def moments(s, g, m, v, beta_1, beta_2):
    m *= beta_1
    np.multiply(g, 1 - beta_1, out=s.a)
    m += s.a
    squares(s, g, v, beta_2)


def squares(s, g, v, rho):
    """v = rho v + (1 - rho) g^2"""
    v *= rho
    np.multiply(g, g, out=s.a)
    s.a *= 1 - rho
    v += s.a


def corrections(step, beta_1, beta_2):
    return (1 - beta_2**step) ** 0.5 / (1 - beta_1**step)


def quotient(s, w, m, rate, epsilon):
    """w -= rate m / (s.a + epsilon)"""
    s.a += epsilon
    np.divide(m, s.a, out=s.a)
    s.a *= rate
    w -= s.a
    return w


def adagrad(s, w, g, v, rate, epsilon=1e-7):
    np.multiply(g, g, out=s.a)
    v += s.a
    return root_step(s, w, g, v, rate, epsilon)


def rmsprop(s, w, g, v, rate, rho=0.9, epsilon=1e-7):
    squares(s, g, v, rho)
    return root_step(s, w, g, v, rate, epsilon)


def root_step(s, w, g, v, rate, epsilon):
    """w -= rate g / sqrt(v + epsilon)"""
    np.add(v, epsilon, out=s.a)
    np.sqrt(s.a, out=s.a)
    np.divide(g, s.a, out=s.a)
    s.a *= rate
    w -= s.a
    return w


def adadelta(s, w, g, v, u, rate, rho=0.95, epsilon=1e-7):
    squares(s, g, v, rho)
    np.add(u, epsilon, out=s.a)
    np.add(v, epsilon, out=s.b)
    s.a /= s.b
    np.sqrt(s.a, out=s.a)
    s.a *= g
    u *= rho
    np.multiply(s.a, s.a, out=s.b)
    s.b *= 1 - rho
    u += s.b
    s.a *= rate
    w -= s.a
    return w


def lion(s, w, g, m, rate, beta_1=0.9, beta_2=0.99):
    np.multiply(m, beta_1, out=s.a)
    np.multiply(g, 1 - beta_1, out=s.b)
    s.a += s.b
    np.sign(s.a, out=s.a)
    s.a *= rate
    w -= s.a
    m *= beta_2
    np.multiply(g, 1 - beta_2, out=s.b)
    m += s.b
    return w


def clip_by_value(s, g, low, high, out):
    return np.clip(g, low, high, out=out)


def norm(g):
    flat = g.reshape(-1)
    return float(np.dot(flat, flat)) ** 0.5


def clip_by_norm(s, g, max_norm, out):
    return np.multiply(g, max_norm / max(norm(g), max_norm), out=out)


def global_norm(s, gradients):
    return sum(norm(g) ** 2 for g in gradients) ** 0.5


def clip_by_global_norm(s, gradients, max_norm):
    before = global_norm(s, gradients)
    for g in gradients:
        g *= max_norm / max(before, max_norm)
    return before


def ema(s, average, x, decay):
    average *= decay
    np.multiply(x, 1 - decay, out=s.a)
    average += s.a
    return average


ROWS = {
    "adamw": Row(
        lambda d: (d.normal(), d.normal(), d.normal(), d.uniform(), 10, 1e-3, 0.9, 0.999, 1e-7, 0.004),
        7,
        (0, 2, 3),
    ),
    "amsgrad": Row(
        lambda d: (d.normal(), d.normal(), d.normal(), d.uniform(), d.uniform(), 10, 1e-3),
        9,
        (0, 2, 3, 4),
    ),
    "nadam": Row(
        lambda d: (d.normal(), d.normal(), d.normal(), d.uniform(), 10, 1e-3),
        7,
        (0, 2, 3),
    ),
    "adagrad": Row(lambda d: (d.normal(), d.normal(), d.uniform(), 1e-3), 5, (0, 2)),
    "rmsprop": Row(lambda d: (d.normal(), d.normal(), d.uniform(), 1e-3), 5, (0, 2)),
    "adadelta": Row(lambda d: (d.normal(), d.normal(), d.uniform(), d.uniform(), 1.0), 7, (0, 2, 3)),
    "lion": Row(lambda d: (d.normal(), d.normal(), d.normal(), 1e-3), 5, (0, 2)),
    "clip_by_value": Row(lambda d: (d.normal(), -0.5, 0.5, d.empty()), 2),
    "clip_by_norm": Row(lambda d: (d.normal(), 1.0, d.empty()), 3),
    "global_norm": Row(lambda d: ([d.normal(), d.normal(d.columns)],), 1),
    "clip_by_global_norm": Row(lambda d: ([d.normal(), d.normal(d.columns)], 1.0), 3),
    "ema": Row(lambda d: (d.normal(), d.normal(), 0.99), 3, (0,)),
}
