"""Floor 2. Activations on NumPy arrays, elementwise, and the table of their parameters.

The derivatives are in activation_backward.py. Where a function has a limit at an infinity, that is its value there; NaN
gives NaN.
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from fastbp._core import _rows
from fastbp.ops.edge import TRANSCENDENTAL, Array, elementwise, real
from fastbp.utils import check_flag, check_number

# The parameter of each activation that has one, unless another is given: the slope below zero of leaky_relu, minus the
# limit there of elu and celu. Layers and ops.dense have it from here.
ALPHAS = {"leaky_relu": 0.2, "elu": 1.0, "celu": 1.0}
LARGEST = 3.4e38  # that is finite in float32 too


def check_alpha(kind: str, value: float) -> float:
    """The parameter of an activation, checked: such that the sign of the output tells that of the input."""
    least = 1e-30 if kind == "celu" else 0  # celu divides by it
    name = "negative_slope" if kind == "leaky_relu" else "alpha"
    return check_number(name, value, least, LARGEST)


def activated(kind: str, x: ArrayLike, out: Array | None, alpha: float = 0.0) -> Array:
    """A member of the family, by its name."""
    return elementwise(_rows.Activation, (real("x", x),), out, TRANSCENDENTAL, kind, alpha, False)


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
        If x is not real, a parameter is out of its range, or `out` does not fit.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.relu([-1.0, 2.0])
    array([0., 2.])
    """
    return activated("relu", x, out)


def relu6(x: ArrayLike, out: Array | None = None) -> Array:
    """Rectifier with a ceiling, min(max(x, 0), 6) (Krizhevsky 2010). Arguments as `relu`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.relu6([-1.0, 2.0, 7.0])
    array([0., 2., 6.])
    """
    return activated("relu6", x, out)


def leaky_relu(x: ArrayLike, negative_slope: float = ALPHAS["leaky_relu"], out: Array | None = None) -> Array:
    """Leaky rectifier: x where x > 0, else negative_slope * x (Maas, Hannun & Ng 2013). Arguments as `relu`.

    `negative_slope` is at least 0, so that the sign of the output is that of the input.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.leaky_relu([-1.0, 2.0])
    array([-0.2,  2. ])
    """
    return activated("leaky_relu", x, out, check_alpha("leaky_relu", negative_slope))


def elu(x: ArrayLike, alpha: float = ALPHAS["elu"], out: Array | None = None) -> Array:
    """Exponential linear unit: x where x > 0, else alpha (exp(x) - 1) (Clevert, Unterthiner & Hochreiter 2016).

    `alpha` is at least 0. Arguments otherwise as `relu`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.elu([-1.0, 2.0]).round(4)
    array([-0.6321,  2.    ])
    """
    return activated("elu", x, out, check_alpha("elu", alpha))


def selu(x: ArrayLike, out: Array | None = None) -> Array:
    """Scaled elu, 1.0507 elu(x, 1.6733), which keeps mean 0 and variance 1 (Klambauer et al. 2017).

    Arguments as `relu`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.selu([-1.0, 2.0]).round(4)
    array([-1.1113,  2.1014])
    """
    return activated("selu", x, out)


def celu(x: ArrayLike, alpha: float = ALPHAS["celu"], out: Array | None = None) -> Array:
    """Continuously differentiable elu: x where x > 0, else alpha (exp(x / alpha) - 1) (Barron 2017).

    `alpha` is positive. Arguments otherwise as `relu`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.celu([-1.0, 2.0], alpha=0.5).round(4)
    array([-0.4323,  2.    ])
    """
    return activated("celu", x, out, check_alpha("celu", alpha))


def sigmoid(x: ArrayLike, out: Array | None = None) -> Array:
    """Logistic function, 1 / (1 + exp(-x)), without overflow for any x. Arguments as `relu`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.sigmoid([0.0, -1000.0])
    array([0.5, 0. ])
    """
    return activated("sigmoid", x, out)


def hard_sigmoid(x: ArrayLike, out: Array | None = None) -> Array:
    """Sigmoid in three straight lines, x / 6 + 1/2 between 0 and 1 (Courbariaux et al. 2015; slope as in Keras 3).

    Arguments as `relu`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.hard_sigmoid([-4.0, 0.0, 1.5, 3.0])
    array([0.  , 0.5 , 0.75, 1.  ])
    """
    return activated("hard_sigmoid", x, out)


def log_sigmoid(x: ArrayLike, out: Array | None = None) -> Array:
    """Logarithm of the sigmoid, min(x, 0) - log(1 + exp(-|x|)): no overflow, no cancellation. Arguments as `relu`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.log_sigmoid([0.0, -100.0]).round(4)
    array([  -0.6931, -100.    ])
    """
    return activated("log_sigmoid", x, out)


def tanh(x: ArrayLike, out: Array | None = None) -> Array:
    """Hyperbolic tangent. Arguments as `relu`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.tanh([0.0, 100.0])
    array([0., 1.])
    """
    return activated("tanh", x, out)


def hard_tanh(x: ArrayLike, out: Array | None = None) -> Array:
    """Tanh in three straight lines, x between -1 and 1 (Collobert 2004). Arguments as `relu`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.hard_tanh([-4.0, 0.5, 1.5])
    array([-1. ,  0.5,  1. ])
    """
    return activated("hard_tanh", x, out)


def softplus(x: ArrayLike, out: Array | None = None) -> Array:
    """Smooth rectifier log(1 + exp(x)), as max(x, 0) + log(1 + exp(-|x|)) (Dugas et al. 2001). Arguments as `relu`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.softplus([0.0, 1000.0]).round(4)
    array([6.931e-01, 1.000e+03])
    """
    return activated("softplus", x, out)


def softsign(x: ArrayLike, out: Array | None = None) -> Array:
    """Softsign, x / (1 + |x|) (Bergstra et al. 2009); 1 at infinity. Arguments as `relu`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.softsign([-1.0, 3.0])
    array([-0.5 ,  0.75])
    """
    return activated("softsign", x, out)


def exponential(x: ArrayLike, out: Array | None = None) -> Array:
    """Exponential function, exp(x), as an activation. Arguments as `relu`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.exponential([0.0, 1.0]).round(4)
    array([1.    , 2.7183])
    """
    return activated("exponential", x, out)


def gelu(x: ArrayLike, approximate: bool = False, out: Array | None = None) -> Array:
    """Gaussian error linear unit, x P(X < x) = x (1 + erf(x / sqrt 2)) / 2 (Hendrycks & Gimpel 2016).

    With `approximate`, x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x³))) / 2, from the same paper. Arguments otherwise as
    `relu`.

    The exact form takes the tail of the distribution as it is, not as a difference from 1, so that small values are
    accurate relative to themselves: within 9 units in the last place, down to where they are no longer normal numbers
    (below -13 in float32, -37 in float64). Without fused multiply-add (plain x86-64) it is 12 for x from -5 upwards,
    and below that the error grows like x². The tanh form rounds its argument: 40 units from -5 upwards.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.gelu([-1.0, 0.0, 2.0]).round(4)
    array([-0.1587,  0.    ,  1.9545])
    >>> fb.ops.gelu([-1.0, 0.0, 2.0], approximate=True).round(4)
    array([-0.1588,  0.    ,  1.9546])
    """
    return activated("gelu_tanh" if check_flag("approximate", approximate) else "gelu", x, out)


def silu(x: ArrayLike, out: Array | None = None) -> Array:
    """Sigmoid linear unit or swish, x / (1 + exp(-x)) (Elfwing, Uchibe & Doya 2018). Arguments as `relu`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.silu([-1.0, 0.0, 2.0]).round(4)
    array([-0.2689,  0.    ,  1.7616])
    """
    return activated("silu", x, out)


def mish(x: ArrayLike, out: Array | None = None) -> Array:
    """Mish, x tanh(log(1 + exp(x))) (Misra 2020), as x n / (n + 2), n = exp(x) (exp(x) + 2). Arguments as `relu`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.mish([-1.0, 0.0, 2.0]).round(4)
    array([-0.3034,  0.    ,  1.944 ])
    """
    return activated("mish", x, out)


def hard_swish(x: ArrayLike, out: Array | None = None) -> Array:
    """Swish with the hard sigmoid, x min(max(x + 3, 0), 6) / 6 (Howard et al. 2019). Arguments as `relu`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.ops.hard_swish([-4.0, 1.0, 4.0]).round(4)
    array([-0.    ,  0.6667,  4.    ])
    """
    return activated("hard_swish", x, out)
