"""Floor 2. Clipping of gradients, by value and by norm, and the moving average of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from fastbp._core import _memory, _vectors
from fastbp._core._program import run_op
from fastbp.ops.edge import MOVED, Array, changeable, elementwise, finished, like, output, real, together
from fastbp.utils import as_number, check_number


def _scaled(g: Array, factor: float, out: Array | None) -> Array:
    return elementwise(_vectors.VectorMap, (g,), out, 2 * MOVED, "scale", factor, 0.0)


def clip_by_value(g: ArrayLike, low: float, high: float, out: Array | None = None) -> Array:
    """Gradient cut to an interval, min(max(g, low), high), element by element. NaN stays NaN.

    Parameters
    ----------
    g : array_like
        float32 or float64.
    low, high : float
        Low at most high; either may be infinite.
    out : ndarray, optional
        Of the shape and dtype of g; may be g itself.

    Returns
    -------
    ndarray

    Raises
    ------
    TypeError, ValueError
        If g is not real, low is above high or one of them NaN, or `out` does not fit.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.clip_by_value([-3.0, 0.5, 3.0], -1, 1)
    array([-1. ,  0.5,  1. ])
    """
    low, high = as_number("low", low), as_number("high", high)
    if not low <= high:
        raise ValueError(f"expected low to be at most high, got {low} and {high}")
    return elementwise(_vectors.VectorMap, (real("g", g),), out, 2 * MOVED, "clip", low, high)


def clip_by_norm(g: ArrayLike, max_norm: float, out: Array | None = None) -> Array:
    """Gradient scaled down to a norm, g * max_norm / max(norm, max_norm), norm = sqrt(sum(g²)) (Pascanu et al. 2013).

    Parameters
    ----------
    g : array_like
        float32 or float64.
    max_norm : float
        Above 0.
    out : ndarray, optional
        Of the shape and dtype of g; may be g itself.

    Returns
    -------
    ndarray
        NaN everywhere if there is a NaN in g; zeros, and NaN where g is infinite, if its norm is.

    Raises
    ------
    TypeError, ValueError
        If g is not real, max_norm is not above 0, or `out` does not fit.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.clip_by_norm([3.0, 4.0], 1.0)
    array([0.6, 0.8])
    """
    g = real("g", g)
    return _scaled(g, _factor(_check_norm(max_norm), sqrt(_sum_of_squares([g]))), out)


def global_norm(gradients: Sequence[ArrayLike]) -> float:
    """Euclidean norm of all elements of several arrays, sqrt(sum g²) (Pascanu et al. 2013).

    Squares are added in double, in an order that depends neither on the threads nor on strides. In float64, elements
    beyond 1e154 overflow to inf.

    Parameters
    ----------
    gradients : sequence of array_like
        float32 or float64, any shapes.

    Returns
    -------
    float

    Raises
    ------
    TypeError
        If an array is not real.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.global_norm([[1.0, 2.0], [[2.0], [4.0]]])
    5.0
    """
    return sqrt(_sum_of_squares([real(f"gradients[{i}]", g) for i, g in enumerate(gradients)]))


def clip_by_global_norm(gradients: Sequence[Array], max_norm: float) -> float:
    """Several gradients scaled down together, in place, so that their `global_norm` is at most max_norm.

    Each is multiplied by max_norm / max(norm, max_norm) (Pascanu, Mikolov & Bengio 2013).

    Parameters
    ----------
    gradients : sequence of ndarray
        float32 or float64, any shapes and strides; changed.
    max_norm : float
        Above 0.

    Returns
    -------
    float
        The norm before. Where it is not finite, what is left of the gradients is as in `clip_by_norm`.

    Raises
    ------
    TypeError, ValueError
        If something is no array of reals that can be written, two of them overlap, or max_norm is not above 0. Then
        nothing has changed.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> a, b = np.array([3.0]), np.array([4.0])
    >>> fb.ops.clip_by_global_norm([a, b], 1.0), a, b
    (5.0, array([0.6]), array([0.8]))
    """
    most = _check_norm(max_norm)
    places = [_place(f"gradients[{i}]", g) for i, g in enumerate(gradients)]
    for i, g in enumerate(places):
        for j in range(i):
            if _memory.overlap(g, places[j]):
                raise ValueError(f"expected gradients not to overlap, got {j} and {i} that do")
    norm = sqrt(_sum_of_squares(places))
    factor = _factor(most, norm)
    if factor != 1:
        for g in places:
            _scaled(g, factor, g)
    return norm


def ema(average: Array, x: ArrayLike, decay: float) -> Array:
    """Exponential moving average, average = decay * average + (1 - decay) * x, in place (Polyak & Juditsky 1992).

    Parameters
    ----------
    average : ndarray
        float32 or float64, any strides; changed.
    x : array_like
        Of the shape and dtype of average.
    decay : float
        From 0 to 1.

    Returns
    -------
    ndarray
        average itself.

    Raises
    ------
    TypeError, ValueError
        If the arrays do not fit each other, overlap or cannot be written, or decay is out of range.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.ops.ema(np.array([1.0, 2.0]), [5.0, 2.0], 0.75)
    array([2., 2.])
    """
    decay = check_number("decay", decay, 0, 1)
    place = _place("average", average)
    x = like("x", x, place, "average")
    target = output(average, x.shape, x.dtype, x, in_place=place)
    if x.size:
        x, into, before = together(x, target, place)
        run_op(_vectors.VectorMap(x, into, "blend", decay, 1 - decay, before), 1, 3 * MOVED * x.size)
    return finished(target, average)


def _place(name: str, array: Array) -> Array:
    """The array, or one on its memory, as kernels can change it."""
    plain = changeable(name, array).view(np.ndarray)
    if real(name, plain) is not plain:
        raise TypeError(f"expected {name} aligned and in the byte order of this machine, got {array.dtype}")
    return plain


def _sum_of_squares(gradients: Sequence[Array]) -> float:
    """In one op for all arrays of a type."""
    total = 0.0
    for dtype in dict.fromkeys([g.dtype for g in gradients]):
        op = _vectors.SumOfSquares(tuple([np.ascontiguousarray(g) for g in gradients if g.dtype == dtype]))
        run_op(op, 1, 2 * MOVED * sum([g.size for g in gradients if g.dtype == dtype]))
        total += op.total()
    return total


def _check_norm(max_norm: float) -> float:
    return check_number("max_norm", max_norm, 0, ends="(]")


def _factor(max_norm: float, norm: float) -> float:
    """max_norm / max(norm, max_norm), NaN if the norm is."""
    return 1.0 if norm <= max_norm else max_norm / norm
