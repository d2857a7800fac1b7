"""The mathematics of normalisation, dropout and their random bits in plain float64 NumPy: rows for references.ROWS."""

from collections.abc import Callable
from typing import Any

import numpy as np

import fastbp as fb

EPSILON, RMS_EPSILON, MOMENTUM = 1e-3, 1e-6, 0.75
RATE, SEED, OFFSET = 0.375, 0x0123456789ABCDEF, 7

# ---- normalisation


def centre(x, axis, keepdims=True):
    """Mean, NaN of nothing without a warning."""
    n = np.prod([x.shape[a] for a in np.atleast_1d(axis)])
    return x.sum(axis=axis, keepdims=keepdims) / n if n else np.full(x.sum(axis=axis, keepdims=keepdims).shape, np.nan)


def normalized(x, axis, epsilon=EPSILON):
    """(x - mean) rstd, mean and rstd."""
    mean = centre(x, axis)
    rstd = 1 / np.sqrt(centre((x - mean) ** 2, axis) + epsilon)
    return (x - mean) * rstd, mean, rstd


def normalized_gradient(g, x, axis, epsilon=EPSILON):
    """dx of `normalized` for the gradient g of its result, and that result."""
    xhat, _, rstd = normalized(x, axis, epsilon)
    return rstd * (g - centre(g, axis) - xhat * centre(g * xhat, axis)), xhat


def batch_norm(x, gamma=1.0, beta=0.0):
    xhat, mean, rstd = normalized(x, 0)
    return xhat * gamma + beta, mean[0], rstd[0]


def batch_norm_running(x, gamma, beta, running_mean, running_variance):
    y, mean, rstd = batch_norm(x, gamma, beta)
    if len(x):
        running_mean = MOMENTUM * running_mean + (1 - MOMENTUM) * mean
        running_variance = MOMENTUM * running_variance + (1 - MOMENTUM) * centre((x - mean) ** 2, 0)[0]
    return y, mean, rstd, running_mean, running_variance


def batch_norm_inference(x, gamma, beta, mean, variance):
    rstd = 1 / np.sqrt(abs(variance) + EPSILON)
    return (x - mean) * rstd * gamma + beta, mean, rstd


def batch_norm_backward(dy, x, gamma=1.0):
    dx, xhat = normalized_gradient(dy * gamma, x, 0)
    return dx, (dy * xhat).sum(axis=0), dy.sum(axis=0)


def layer_norm(x, gamma=1.0, beta=0.0):
    xhat, mean, rstd = normalized(x, -1)
    return xhat * gamma + beta, mean[..., 0], rstd[..., 0]


def layer_norm_backward(dy, x, gamma=1.0):
    dx, xhat = normalized_gradient(dy * gamma, x, -1)
    return dx, (dy * xhat).sum(axis=0), dy.sum(axis=0)


def rms_norm(x, gamma=1.0):
    rstd = 1 / np.sqrt(centre(x * x, -1) + RMS_EPSILON)
    return x * rstd * gamma, rstd[..., 0]


def rms_norm_backward(dy, x, gamma=1.0):
    g, rstd = dy * gamma, 1 / np.sqrt(centre(x * x, -1) + RMS_EPSILON)
    xhat = x * rstd
    return rstd * (g - xhat * centre(g * xhat, -1)), (dy * xhat).sum(axis=0)


def channelwise(parameter, x):
    return np.asarray(parameter).reshape(-1, *(1,) * (x.ndim - 2))


def split(x, groups):
    return x.reshape(len(x), groups, int(np.prod(x.shape[1:])) // groups)


def group_norm(x, groups, gamma=1.0, beta=0.0):
    xhat, mean, rstd = normalized(split(x, groups), 2)
    y = xhat.reshape(x.shape) * channelwise(gamma, x) + channelwise(beta, x)
    return y, mean[..., 0], rstd[..., 0]


def group_norm_backward(dy, x, groups, gamma=1.0):
    dx, xhat = normalized_gradient(split(dy * channelwise(gamma, x), groups), split(x, groups), 2)
    others = (0, *range(2, x.ndim))
    return dx.reshape(x.shape), (dy * xhat.reshape(x.shape)).sum(axis=others), dy.sum(axis=others)


# ---- random bits and dropout


def philox(counters: np.ndarray, key: int) -> np.ndarray:
    """Philox4x32-10 of counters (n, 4), as uint64 words below 2**32 (Salmon et al. 2011, section 3.3)."""
    c, k = [counters[:, i].astype(np.uint64) for i in range(4)], [key & 0xFFFFFFFF, key >> 32]
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        p, q = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [
            q >> np.uint64(32) ^ c[1] ^ np.uint64(k[0]),
            q & low,
            p >> np.uint64(32) ^ c[3] ^ np.uint64(k[1]),
            p & low,
        ]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack(c, axis=1)


def words(n: int, seed: int, offset: int) -> np.ndarray:
    """Words [offset, offset + n) of a seed's sequence."""
    first = offset // 4
    counters = [(first + i) % (1 << 128) for i in range(n // 4 + 2)]
    parts = np.array([[c >> 32 * k & 0xFFFFFFFF for k in range(4)] for c in counters], np.uint64)
    return philox(parts, seed).ravel()[offset % 4 :][:n].astype(np.uint32)


def kept(shape: tuple[int, ...], rate: float = RATE, seed: int = SEED, offset: int = OFFSET) -> np.ndarray:
    return words(int(np.prod(shape)), seed, offset).reshape(shape) >= round(rate * 2**32)


def dropout(x):
    return (np.where(kept(x.shape), x / (1 - RATE), 0),)


FLOOR = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717  # of SELU
ALPHA_SCALE = ((1 - RATE) * (1 + RATE * FLOOR**2)) ** -0.5


def alpha_dropout(x):
    return (np.where(kept(x.shape), x, FLOOR) * ALPHA_SCALE - ALPHA_SCALE * RATE * FLOOR,)


def alpha_dropout_backward(dy):
    return (np.where(kept(dy.shape), ALPHA_SCALE * dy, 0),)


# ---- the rows


def with_parameters(count: int) -> Callable[..., tuple[Any, ...]]:
    """x, and so many vectors with an element for each column."""
    return lambda draw, *size: (draw.normal(*size), *(draw.normal(size[1]) for _ in range(count)))


def gradient_with(count: int) -> Callable[..., tuple[Any, ...]]:
    """dy, x and so many vectors."""
    return lambda draw, *size: (draw.normal(*size), draw.normal(*size), *(draw.normal(size[1]) for _ in range(count)))


def forward(function: Callable[..., Any], **options: Any) -> Callable[..., tuple[np.ndarray, ...]]:
    """A normalisation into an `out`; its moments where they are not None."""

    def run(outputs: Any, x: np.ndarray, *parameters: np.ndarray) -> tuple[np.ndarray, ...]:
        y, mean, rstd = function(x, *parameters, **options, out=outputs(x.shape))
        return (y, rstd) if mean is None else (y, mean, rstd)

    return run


def backward(norm: Callable[..., Any], gradient: Callable[..., Any]) -> Callable[..., tuple[np.ndarray, ...]]:
    """A gradient into an `out`, from the moments that the forward pass returns."""

    def run(outputs: Any, dy: np.ndarray, x: np.ndarray, gamma: Any = None) -> tuple[np.ndarray, ...]:
        moments = [m for m in norm(x)[1:] if m is not None]
        return gradient(dy, x, gamma, *moments, out=outputs(x.shape))

    return run


def running(outputs: Any, x: np.ndarray, *parameters: np.ndarray) -> tuple[np.ndarray, ...]:
    mean, variance = (outputs.copy(p) for p in parameters[2:])
    moments = {"running_mean": mean, "running_variance": variance, "momentum": MOMENTUM}
    return (*fb.ops.batch_norm(x, *parameters[:2], **moments, out=outputs(x.shape)), mean, variance)


def inference(outputs: Any, x: np.ndarray, gamma: Any, beta: Any, mean: Any, variance: Any) -> tuple[np.ndarray, ...]:
    moments = {"running_mean": mean, "running_variance": abs(variance)}
    return fb.ops.batch_norm(x, gamma, beta, **moments, training=False, out=outputs(x.shape))


def in_groups(groups: int, function: Callable[..., Any], at: int = 1) -> Callable[..., Any]:
    """A function whose argument number `at` is the groups, as one without it."""
    return lambda *arrays, **options: function(*arrays[:at], groups, *arrays[at:], **options)


def dropped(function: Callable[..., Any]) -> Callable[..., tuple[np.ndarray, ...]]:
    return lambda outputs, x: (function(x, RATE, SEED, OFFSET, out=outputs(x.shape)),)


def bits_op(outputs: Any, x: np.ndarray) -> tuple[np.ndarray, ...]:
    return (fb.ops.random_bits(x.size, SEED, OFFSET).astype(np.float64),)


def rows(row: Callable[..., Any], sizes: list[tuple[int, int]]) -> dict[str, Any]:
    """Rows for references.ROWS, made by references.Row."""
    ops, table = fb.ops, {}
    one, none, gamma, both = (with_parameters(0), gradient_with(0), gradient_with(1), with_parameters(2))
    close, far = (lambda *size: 128.0), (lambda *size: 1024.0 + 16 * size[0])
    for name, forwards, backwards in (
        ("batch_norm", batch_norm, batch_norm_backward),
        ("layer_norm", layer_norm, layer_norm_backward),
    ):
        norm, gradient = getattr(ops, name), backward(getattr(ops, name), getattr(ops, f"{name}_backward"))
        table[f"{name} without parameters"] = row(one, forward(norm), forwards, sizes, close)
        table[name] = row(both, forward(norm), forwards, sizes, close)
        table[f"{name}_backward without gamma"] = row(none, gradient, backwards, sizes, far)
        table[f"{name}_backward"] = row(gamma, gradient, backwards, sizes, far)
    table["batch_norm with running moments"] = row(with_parameters(4), running, batch_norm_running, sizes, close)
    table["batch_norm in inference"] = row(with_parameters(4), inference, batch_norm_inference, sizes, close)
    gradient = backward(ops.rms_norm, ops.rms_norm_backward)
    table["rms_norm without gamma"] = row(one, forward(ops.rms_norm), rms_norm, sizes, close)
    table["rms_norm"] = row(with_parameters(1), forward(ops.rms_norm), rms_norm, sizes, close)
    table["rms_norm_backward without gamma"] = row(none, gradient, rms_norm_backward, sizes, far)
    table["rms_norm_backward"] = row(gamma, gradient, rms_norm_backward, sizes, far)
    shapes = [(0, 4), (1, 4), (3, 12), (2, 36), (5, 132), (37, 64), (2, 8, 0), (3, 4, 1), (2, 4, 5), (3, 12, 3, 7)]
    shapes += [(67, 8, 16), (2, 4, 1031), (5, 4, 2, 2, 9)]
    for groups in (1, 2, 4):
        norm, forwards = in_groups(groups, ops.group_norm), in_groups(groups, group_norm)
        gradient, backwards = backward(norm, ops.group_norm_backward), in_groups(groups, group_norm_backward, 2)
        table[f"group_norm in {groups}"] = row(both, forward(norm), forwards, shapes, close)
        table[f"group_norm_backward in {groups}"] = row(gamma, gradient, backwards, shapes, far)
    table["dropout"] = row(one, dropped(ops.dropout), dropout, sizes)
    table["dropout_backward"] = row(one, dropped(ops.dropout_backward), dropout, sizes)
    table["alpha_dropout"] = row(one, dropped(ops.alpha_dropout), alpha_dropout, sizes)
    table["alpha_dropout_backward"] = row(one, dropped(ops.alpha_dropout_backward), alpha_dropout_backward, sizes)
    table["random_bits"] = row(one, bits_op, lambda x: (words(x.size, SEED, OFFSET).astype(np.float64),), sizes)
    return table
