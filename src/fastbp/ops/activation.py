"""Floor 2. Activations and their derivatives, taken from the output, on NumPy arrays."""

from __future__ import annotations

from numpy.typing import ArrayLike

from fastbp._core import _rows
from fastbp._core._program import run_op
from fastbp.ops.edge import TRANSCENDENTAL, Array, as_rows, finished, like, output, real, rows_of, together


def _elementwise(kind: str, x: ArrayLike, out: Array | None, alpha: float = 0.0) -> Array:
    x = real("x", x)
    target = output(out, x.shape, x.dtype, in_place=x)
    if x.size:
        x, flat = together(x, target)
        run_op(_rows.Activation(x, flat, kind, alpha, False), 1, TRANSCENDENTAL * float(x.size))
    return finished(target, out)


def _elementwise_backward(kind: str, dy: ArrayLike, y: ArrayLike, out: Array | None, alpha: float = 0.0) -> Array:
    dy = real("dy", dy)
    y = like("y", y, dy, "dy")
    target = output(out, dy.shape, dy.dtype, y, in_place=dy)
    if dy.size:
        dy, y, flat = together(dy, y, target)
        run_op(_rows.ActivationGradient(dy, y, flat, kind, alpha, False), 1, 4.0 * dy.size)
    return finished(target, out)


def _slope(negative_slope: float) -> float:
    if not 0 <= negative_slope < float("inf"):
        raise ValueError(f"expected negative_slope to be finite and at least 0, got {negative_slope}")
    return float(negative_slope)


def relu(x: ArrayLike, out: Array | None = None) -> Array:
    """Rectifier, max(x, 0). NaN stays NaN.

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
    >>> fb.ops.relu([-1.0, 2.0])
    array([0., 2.])
    """
    return _elementwise("relu", x, out)


def leaky_relu(x: ArrayLike, negative_slope: float = 0.2, out: Array | None = None) -> Array:
    """Leaky rectifier: x where x > 0, else negative_slope * x (Maas, Hannun & Ng 2013). Arguments as `relu`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.leaky_relu([-1.0, 2.0])
    array([-0.2,  2. ])
    """
    return _elementwise("leaky_relu", x, out, _slope(negative_slope))


def sigmoid(x: ArrayLike, out: Array | None = None) -> Array:
    """Logistic function, 1 / (1 + exp(-x)), without overflow for any x. Arguments as `relu`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.sigmoid([0.0, -1000.0])
    array([0.5, 0. ])
    """
    return _elementwise("sigmoid", x, out)


def tanh(x: ArrayLike, out: Array | None = None) -> Array:
    """Hyperbolic tangent. Arguments as `relu`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.tanh([0.0, 100.0])
    array([0., 1.])
    """
    return _elementwise("tanh", x, out)


def relu_backward(dy: ArrayLike, y: ArrayLike, out: Array | None = None) -> Array:
    """Gradient of `relu` from its output y: dy where y > 0, else 0.

    Parameters
    ----------
    dy : array_like
        Gradient with respect to y.
    y : array_like
        What `relu` returned, of the shape of dy.
    out : ndarray, optional
        May be dy itself.

    Returns
    -------
    ndarray

    Raises
    ------
    TypeError, ValueError
        If the arrays do not fit each other.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.relu_backward([5.0, 5.0], [0.0, 2.0])
    array([0., 5.])
    """
    return _elementwise_backward("relu", dy, y, out)


def leaky_relu_backward(dy: ArrayLike, y: ArrayLike, negative_slope: float = 0.2, out: Array | None = None) -> Array:
    """Gradient of `leaky_relu` from its output y. Arguments as `relu_backward`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.leaky_relu_backward([5.0, 5.0], [-1.0, 2.0])
    array([1., 5.])
    """
    return _elementwise_backward("leaky_relu", dy, y, out, _slope(negative_slope))


def sigmoid_backward(dy: ArrayLike, y: ArrayLike, out: Array | None = None) -> Array:
    """Gradient of `sigmoid` from its output y: dy y (1 - y). Arguments as `relu_backward`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.sigmoid_backward([4.0], [0.5])
    array([1.])
    """
    return _elementwise_backward("sigmoid", dy, y, out)


def tanh_backward(dy: ArrayLike, y: ArrayLike, out: Array | None = None) -> Array:
    """Gradient of `tanh` from its output y: dy (1 - y²). Arguments as `relu_backward`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.tanh_backward([4.0], [0.5])
    array([3.])
    """
    return _elementwise_backward("tanh", dy, y, out)


def softmax(x: ArrayLike, out: Array | None = None) -> Array:
    """Softmax along the last axis, exp(x - max) / sum. Arguments as `relu`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.softmax([[0.0, 0.0], [1000.0, 0.0]])
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    x = real("x", x)
    target = output(out, x.shape, x.dtype, in_place=x)
    if x.size:
        rows = as_rows(target)
        run_op(_rows.Softmax(rows_of(x), rows), len(rows), TRANSCENDENTAL * float(x.size))
    return finished(target, out)


def softmax_backward(dy: ArrayLike, y: ArrayLike, out: Array | None = None) -> Array:
    """Gradient of `softmax` from its output y: y (dy - sum(dy y)) along the last axis. Arguments as `relu_backward`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.softmax_backward([[1.0, 0.0]], [[0.5, 0.5]])
    array([[ 0.25, -0.25]])
    """
    dy = real("dy", dy)
    y = like("y", y, dy, "dy")
    target = output(out, dy.shape, dy.dtype, y, in_place=dy)
    if dy.size:
        rows = as_rows(target)
        run_op(_rows.SoftmaxGradient(rows_of(dy), rows_of(y), rows), len(rows), 4.0 * dy.size)
    return finished(target, out)
