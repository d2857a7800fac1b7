"""Floor 2. Optimizer updates on NumPy arrays, in place; and the gather of a batch's rows."""

from __future__ import annotations

from math import isfinite, sqrt

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastbp._core import _dense, _rows
from fastbp._core._program import run_op
from fastbp.ops.edge import REALS, Array, real


def _update(kind: str, rate: float, w: Array, g: ArrayLike, *state: Array, **constants: float) -> Array:
    names = ("w", "velocity") if len(state) == 1 else ("w", "m", "v")
    for name, array in zip(names, (w, *state), strict=False):
        if not isinstance(array, np.ndarray) or array.dtype not in REALS:
            raise TypeError(f"expected {name} as a float32 or float64 array, got {getattr(array, 'dtype', array)!r}")
        if array.shape != w.shape or array.dtype != w.dtype:
            raise ValueError(f"expected {name} as {w.dtype} {w.shape}, as w, got {array.dtype} {array.shape}")
        if not (array.flags.c_contiguous and array.flags.writeable):
            raise ValueError(f"expected {name} to be C-contiguous and writeable, since it is changed in place")
    gradient = np.ascontiguousarray(real("g", g, w.dtype))
    if gradient.shape != w.shape:
        raise ValueError(f"expected g with shape {w.shape}, as w, got {gradient.shape}")
    for i, array in enumerate((w, *state)):
        if any(np.shares_memory(array, other) for other in (gradient, *state[i:])):
            raise ValueError("expected w, g and the state not to overlap")
    for name, value in (("rate", rate), *constants.items()):
        if not isfinite(value):
            raise ValueError(f"expected {name} to be finite, got {value}")
    constants = {"momentum": 0.0, "decay": 0.0, "epsilon": 0.0} | constants
    rule = _dense.Rule(kind, w.reshape(-1), [s.reshape(-1) for s in state], **constants)
    run_op(_dense.ApplyUpdate(gradient.reshape(-1), rule), 1, 4.0 * w.size * (1 + 4 * len(state)), rate)
    return w


def sgd(w: Array, g: ArrayLike, learning_rate: float = 0.01) -> Array:
    """Gradient descent, w -= learning_rate * g, in place.

    Parameters
    ----------
    w : ndarray
        float32 or float64, C-contiguous; changed.
    g : array_like
        Gradient, of the shape of w.
    learning_rate : float

    Returns
    -------
    ndarray
        w itself.

    Raises
    ------
    TypeError, ValueError
        If the arrays do not fit each other or overlap.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.ops.sgd(np.ones(2), np.array([1.0, -1.0]), 0.5)
    array([0.5, 1.5])
    """
    return _update("sgd", learning_rate, w, g)


def momentum(
    w: Array, g: ArrayLike, velocity: Array, learning_rate: float = 0.01, momentum: float = 0.9, nesterov: bool = False
) -> Array:
    """Gradient descent with momentum, in place on w and velocity.

    velocity = momentum * velocity - learning_rate * g, then w += velocity; with `nesterov`,
    w += momentum * velocity - learning_rate * g (Sutskever et al. 2013). Arguments otherwise as `sgd`.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.ops.momentum(np.ones(1), np.ones(1), np.zeros(1), 0.5)
    array([0.5])
    """
    return _update("nesterov" if nesterov else "momentum", learning_rate, w, g, velocity, momentum=momentum)


def adam(
    w: Array,
    g: ArrayLike,
    m: Array,
    v: Array,
    step: int,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> Array:
    """One step of Adam, in place on w, m and v (Kingma & Ba 2015; epsilon outside the bias correction).

    Parameters
    ----------
    w, m, v : ndarray
        Parameter and its first and second moments, of one dtype and shape, C-contiguous; changed. Moments start
        at zero.
    g : array_like
        Gradient, of the shape of w.
    step : int
        Number of this step, from 1.
    learning_rate, beta_1, beta_2, epsilon : float

    Returns
    -------
    ndarray
        w itself.

    Raises
    ------
    TypeError, ValueError
        If the arrays do not fit each other or overlap, step is less than 1, or a beta is not below 1.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> w, m, v = np.ones(2), np.zeros(2), np.zeros(2)
    >>> fb.ops.adam(w, np.array([3.0, -3.0]), m, v, step=1, learning_rate=0.1).round(4)
    array([0.9, 1.1])
    """
    if step < 1:
        raise ValueError(f"expected step of at least 1, got {step}")
    for name, beta in (("beta_1", beta_1), ("beta_2", beta_2)):
        if not 0 <= beta < 1:
            raise ValueError(f"expected {name} from 0 to below 1, got {beta}")
    rate = learning_rate * sqrt(1 - beta_2**step) / (1 - beta_1**step)
    return _update("adam", rate, w, g, m, v, momentum=beta_1, decay=beta_2, epsilon=epsilon)


def gather_rows(x: ArrayLike, index: ArrayLike, scale: float = 1.0, dtype: DTypeLike | None = None) -> Array:
    """Rows of a matrix in a given order, converted and scaled on the way: scale * x[index].

    Parameters
    ----------
    x : array_like, shape (n, columns)
        float32, float64 or uint8, any strides.
    index : array_like of int, shape (rows,)
        From 0 to n - 1.
    scale : float
    dtype : {float32, float64}, optional
        Of the result; that of x if it is a real type, else float32.

    Returns
    -------
    ndarray, shape (rows, columns)

    Raises
    ------
    TypeError, ValueError, IndexError
        If x is of another dtype or rank, or an index is out of range.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.ops.gather_rows(np.array([[0], [255]], np.uint8), [1, 0], scale=1 / 255)
    array([[1.],
           [0.]], dtype=float32)
    """
    x = np.asarray(x)
    if x.dtype != np.uint8:
        if x.dtype not in REALS:
            raise TypeError(f"expected x of dtype float32, float64 or uint8, got {x.dtype}")
        x = real("x", x)
    if x.ndim != 2:
        raise ValueError(f"expected x with shape (rows, columns), got {x.shape}")
    index = np.asarray(index)
    if index.ndim != 1 or (index.size and index.dtype.kind not in "iu"):
        raise TypeError(f"expected index as a vector of integers, got {index.dtype} {index.shape}")
    if index.size and not (index.min() >= 0 and index.max() < len(x)):
        raise IndexError(f"expected index from 0 to {len(x) - 1}, got {index.min()} to {index.max()}")
    result_type = np.dtype(dtype or (x.dtype if x.dtype in REALS else np.float32))
    if result_type not in REALS:
        raise TypeError(f"expected dtype float32 or float64, got {result_type}")
    out = np.empty((len(index), x.shape[1]), result_type)
    gather = _rows.Gather(out, scale)
    gather.bind(x, np.ascontiguousarray(index, np.int64))
    run_op(gather, len(index), float(out.size))
    return out
