"""Floor 2. Derivatives of the elementwise activations, on NumPy arrays.

From the output y where it tells the derivative accurately, so that nobody has to keep the input; else from the input x.
Where a function has a kink, its derivative there is that of the side on which it is constant, or else of the left one.
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from fastbp._core import _rows
from fastbp._core._kernels import FROM_INPUT
from fastbp.ops.activation import ALPHAS, check_alpha
from fastbp.ops.edge import MOVED, Array, elementwise, like, real
from fastbp.utils import check_flag


def _backward(kind: str, dy: ArrayLike, saved: ArrayLike, out: Array | None, alpha: float = 0.0) -> Array:
    dy = real("dy", dy)
    saved = like("x" if kind in FROM_INPUT else "y", saved, dy, "dy")
    return elementwise(_rows.ActivationGradient, (dy, saved), out, 3 * MOVED, kind, alpha, False)


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
    return _backward("relu", dy, y, out)


def relu6_backward(dy: ArrayLike, y: ArrayLike, out: Array | None = None) -> Array:
    """Gradient of `relu6` from its output y: dy where 0 < y < 6, else 0. Arguments as `relu_backward`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.relu6_backward([5.0, 5.0], [6.0, 2.0])
    array([0., 5.])
    """
    return _backward("relu6", dy, y, out)


def leaky_relu_backward(
    dy: ArrayLike, y: ArrayLike, negative_slope: float = ALPHAS["leaky_relu"], out: Array | None = None
) -> Array:
    """Gradient of `leaky_relu` from its output y: dy where y > 0, else negative_slope dy. Arguments as `relu_backward`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.leaky_relu_backward([5.0, 5.0], [-1.0, 2.0])
    array([1., 5.])
    """
    return _backward("leaky_relu", dy, y, out, check_alpha("leaky_relu", negative_slope))


def elu_backward(dy: ArrayLike, y: ArrayLike, alpha: float = ALPHAS["elu"], out: Array | None = None) -> Array:
    """Gradient of `elu` from its output y: dy where y > 0, else dy (y + alpha). Arguments as `relu_backward`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.elu_backward([4.0, 4.0], [-0.5, 2.0])
    array([2., 4.])
    """
    return _backward("elu", dy, y, out, check_alpha("elu", alpha))


def selu_backward(dy: ArrayLike, y: ArrayLike, out: Array | None = None) -> Array:
    """Gradient of `selu` from its output y: 1.0507 dy where y > 0, else dy (y + 1.7581). Arguments as `relu_backward`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.selu_backward([4.0, 4.0], [-0.5, 2.0]).round(4)
    array([5.0324, 4.2028])
    """
    return _backward("selu", dy, y, out)


def celu_backward(dy: ArrayLike, y: ArrayLike, alpha: float = ALPHAS["celu"], out: Array | None = None) -> Array:
    """Gradient of `celu` from its output y: dy where y > 0, else dy (y / alpha + 1). Arguments as `relu_backward`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.celu_backward([4.0, 4.0], [-0.5, 2.0], alpha=2.0)
    array([3., 4.])
    """
    return _backward("celu", dy, y, out, check_alpha("celu", alpha))


def sigmoid_backward(dy: ArrayLike, y: ArrayLike, out: Array | None = None) -> Array:
    """Gradient of `sigmoid` from its output y: dy y (1 - y). Arguments as `relu_backward`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.sigmoid_backward([4.0], [0.5])
    array([1.])
    """
    return _backward("sigmoid", dy, y, out)


def hard_sigmoid_backward(dy: ArrayLike, y: ArrayLike, out: Array | None = None) -> Array:
    """Gradient of `hard_sigmoid` from its output y: dy / 6 where 0 < y < 1, else 0. Arguments as `relu_backward`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.hard_sigmoid_backward([6.0, 6.0], [0.5, 1.0])
    array([1., 0.])
    """
    return _backward("hard_sigmoid", dy, y, out)


def log_sigmoid_backward(dy: ArrayLike, y: ArrayLike, out: Array | None = None) -> Array:
    """Gradient of `log_sigmoid` from its output y: dy (1 - exp(y)). Arguments as `relu_backward`.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.ops.log_sigmoid_backward([4.0], [np.log(0.25)])
    array([3.])
    """
    return _backward("log_sigmoid", dy, y, out)


def tanh_backward(dy: ArrayLike, y: ArrayLike, out: Array | None = None) -> Array:
    """Gradient of `tanh` from its output y: dy (1 - y²). Arguments as `relu_backward`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.tanh_backward([4.0], [0.5])
    array([3.])
    """
    return _backward("tanh", dy, y, out)


def hard_tanh_backward(dy: ArrayLike, y: ArrayLike, out: Array | None = None) -> Array:
    """Gradient of `hard_tanh` from its output y: dy where -1 < y < 1, else 0. Arguments as `relu_backward`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.hard_tanh_backward([5.0, 5.0], [0.5, -1.0])
    array([5., 0.])
    """
    return _backward("hard_tanh", dy, y, out)


def softplus_backward(dy: ArrayLike, y: ArrayLike, out: Array | None = None) -> Array:
    """Gradient of `softplus` from its output y: dy (1 - exp(-y)). Arguments as `relu_backward`.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.ops.softplus_backward([4.0], [np.log(4)])
    array([3.])
    """
    return _backward("softplus", dy, y, out)


def softsign_backward(dy: ArrayLike, y: ArrayLike, out: Array | None = None) -> Array:
    """Gradient of `softsign` from its output y: dy (1 - |y|)². Arguments as `relu_backward`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.softsign_backward([4.0], [-0.5])
    array([1.])
    """
    return _backward("softsign", dy, y, out)


def exponential_backward(dy: ArrayLike, y: ArrayLike, out: Array | None = None) -> Array:
    """Gradient of `exponential` from its output y: dy y. Arguments as `relu_backward`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.exponential_backward([4.0], [0.5])
    array([2.])
    """
    return _backward("exponential", dy, y, out)


def gelu_backward(dy: ArrayLike, x: ArrayLike, approximate: bool = False, out: Array | None = None) -> Array:
    """Gradient of `gelu` from its input x: dy (P(X < x) + x exp(-x² / 2) / sqrt(2 pi)); or that of the approximation.

    Arguments as `relu_backward`, x as it went in: behind `dense` that is z = dense(x, w, b), which
    dense(x, w, b, "gelu") does not keep. So where there is to be a gradient, take the two functions one by one.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.gelu_backward([1.0, 1.0], [0.0, 1.0]).round(4)
    array([0.5   , 1.0833])
    """
    return _backward("gelu_tanh" if check_flag("approximate", approximate) else "gelu", dy, x, out)


def silu_backward(dy: ArrayLike, x: ArrayLike, out: Array | None = None) -> Array:
    """Gradient of `silu` from its input x: dy s (1 + x (1 - s)), s = sigmoid(x).

    Arguments as `relu_backward`, x as it went in.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.silu_backward([4.0], [0.0])
    array([2.])
    """
    return _backward("silu", dy, x, out)


def mish_backward(dy: ArrayLike, x: ArrayLike, out: Array | None = None) -> Array:
    """Gradient of `mish` from its input x: dy times the derivative of x tanh(softplus(x)).

    Arguments as `relu_backward`, x as it went in.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.mish_backward([5.0], [0.0])
    array([3.])
    """
    return _backward("mish", dy, x, out)


def hard_swish_backward(dy: ArrayLike, x: ArrayLike, out: Array | None = None) -> Array:
    """Gradient of `hard_swish` from its input x: dy (2 x + 3) / 6 for x from -3 to 3, 0 left of it, dy right of it.

    Arguments as `relu_backward`, x as it went in.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.hard_swish_backward([4.0, 4.0, 4.0], [-3.0, 0.0, 3.0])
    array([0., 2., 4.])
    """
    return _backward("hard_swish", dy, x, out)
