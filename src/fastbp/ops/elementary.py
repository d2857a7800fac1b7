"""Floor 2. Elementary functions on NumPy arrays, those that the kernels are made of.

Each has its largest error in units of the last place, measured as bench/ulp.py does. NaN gives NaN; infinities give the
limit. All give the same bits on every processor with fused multiply-add.
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from fastbp._core import _rows
from fastbp.ops.activation import exponential, sigmoid
from fastbp.ops.edge import TRANSCENDENTAL, Array, elementwise, real


def _function(kind: str, x: ArrayLike, out: Array | None) -> Array:
    return elementwise(_rows.Function, (real("x", x),), out, TRANSCENDENTAL, kind)


def exp(x: ArrayLike, out: Array | None = None) -> Array:
    """Exponential function, as the activation `exponential`, within 1.1 units in the last place.

    Parameters
    ----------
    x : array_like
        float32 or float64.
    out : ndarray, optional
        Of the shape and dtype of x; may be x itself.

    Returns
    -------
    ndarray

    Raises
    ------
    TypeError, ValueError
        If x is not real, or `out` does not fit.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.exp([0.0, 1.0, -1000.0]).round(4)
    array([1.    , 2.7183, 0.    ])
    """
    return exponential(x, out)


def expm1(x: ArrayLike, out: Array | None = None) -> Array:
    """exp(x) - 1 without cancellation near 0, within 1.8 units in the last place (float64: 2.4). Arguments as `exp`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.expm1([1e-20, 1.0]).round(24)
    array([1.00000000e-20, 1.71828183e+00])
    """
    return _function("expm1", x, out)


def log(x: ArrayLike, out: Array | None = None) -> Array:
    """Natural logarithm, within 0.9 units in the last place; -inf at 0, NaN below. Arguments as `exp`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.log([1.0, 10.0, 0.0]).round(4)
    array([0.    , 2.3026,   -inf])
    """
    return _function("log", x, out)


def log1p(x: ArrayLike, out: Array | None = None) -> Array:
    """log(1 + x) without cancellation near 0, within 1.4 units in the last place. Arguments as `exp`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.log1p([1e-20, 1.0]).round(24)
    array([1.00000000e-20, 6.93147181e-01])
    """
    return _function("log1p", x, out)


def erf(x: ArrayLike, out: Array | None = None) -> Array:
    """Error function, 2 / sqrt(pi) times the integral of exp(-t²) from 0 to x, within 2.3 units in the last place.

    Arguments as `exp`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.erf([0.0, 0.5, 10.0]).round(4)
    array([0.    , 0.5205, 1.    ])
    """
    return _function("erf", x, out)


def expit(x: ArrayLike, out: Array | None = None) -> Array:
    """Logistic function, another name of `sigmoid`, within 2.5 units in the last place. Arguments as `exp`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.expit([0.0, 1000.0])
    array([0.5, 1. ])
    """
    return sigmoid(x, out)
