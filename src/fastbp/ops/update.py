"""Floor 2. Optimizer updates on NumPy arrays, in place on a parameter and its state.

Formulas, defaults and the place of epsilon are those of Keras 3. Every update takes the same options, done in the same
pass over memory: penalties are added to the gradient, the gradient is clipped, the weight decays; then comes the rule.
"""

from __future__ import annotations

from math import inf
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp._core import _dense
from fastbp._core._program import run_op
from fastbp.ops.edge import MOVED, Array, changing
from fastbp.utils import as_number, check_count, check_flag, check_number

LAST_STEP = 2**53 - 1  # that a float holds exactly


class GradientOptions(TypedDict, total=False):
    """What may be done to a gradient before the rule sees it; see `sgd`."""

    l1: float
    l2: float
    clip_value: float | None


class Options(GradientOptions, total=False):
    """What may be done to a gradient and its weight before the rule; see `sgd`."""

    weight_decay: float


def _update(
    kind: str,
    names: tuple[str, ...],
    arrays: tuple[Array, ...],
    g: ArrayLike,
    learning_rate: float,
    options: Options,
    *,
    rate: float | None = None,
    momentum: float = 0.0,
    decay: float = 0.0,
    epsilon: float = 0.0,
    gradient_rate: float = 0.0,
    correction: float = 1.0,
) -> Array:
    """Run a rule on (w, *states); `rate` is the learning rate with the corrections of the step."""
    learning_rate, epsilon = check_number("learning_rate", learning_rate, 0), check_number("epsilon", epsilon, 0)
    if unknown := options.keys() - Options.__annotations__.keys() - GradientOptions.__annotations__.keys():
        raise TypeError(f"expected the options l1, l2, clip_value and weight_decay, got {min(unknown)!r}")
    weight_decay, *penalties = _checked(**options) if options else (0.0, 0.0, 0.0, inf)
    places, gradient, copies = changing(names, arrays, g)
    constants = momentum, decay, epsilon, gradient_rate, correction, learning_rate * weight_decay, *penalties
    op = _dense.ApplyUpdate(gradient, _dense.Rule(kind, places[0], places[1:], *constants))
    run_op(op, 1, MOVED * gradient.size * (2 * len(places) + 1), learning_rate if rate is None else rate)
    for array, copy in copies or ():
        array[...] = copy
    return arrays[0]


def _checked(
    weight_decay: float = 0.0, l1: float = 0.0, l2: float = 0.0, clip_value: float | None = None
) -> tuple[float, float, float, float]:
    l1, l2 = check_number("l1", l1, 0), check_number("l2", l2, 0)
    limit = inf if clip_value is None else as_number("clip_value", clip_value)
    if not limit >= 0:
        raise ValueError(f"expected clip_value of at least 0, got {clip_value}")
    return check_number("weight_decay", weight_decay, 0), l1, l2, limit


def check_below_one(name: str, value: float) -> float:
    """A share that a step keeps of an average, from 0 to below 1."""
    return check_number(name, value, 0, 1, "[)")


def adam_rates(
    step: int | NDArray[np.float64] | NDArray[np.int64],
    learning_rate: float | NDArray[np.float64],
    beta_1: float,
    beta_2: float,
) -> Any:
    """Adam's step size, with the corrections of both moments (Kingma & Ba 2015); of a step, or of many."""
    return learning_rate * (1 - beta_2**step) ** 0.5 / (1 - beta_1**step)


# The product of the momentum schedule's factors, 1 - 0.96^t / 2; from here on they are 1.
_NADAM_FACTORS = np.cumprod(1 - 0.5 * 0.96 ** np.arange(1024)) * 2


def nadam_rates(
    step: int | NDArray[np.float64], learning_rate: float | NDArray[np.float64], beta_1: float, beta_2: float
) -> tuple[Any, Any, Any]:
    """Nadam's step sizes of the first moment and of the gradient, and its correction of the second moment.

    Of a step, or of many. The momentum follows the schedule of Dozat 2016, mu_t = beta_1 (1 - 0.96^t / 2), as in Keras.
    """
    product = beta_1**step * _NADAM_FACTORS[np.minimum(step, 1023).astype(np.intp)]  # mu_1 ... mu_t
    now, later = (beta_1 * (1 - 0.5 * 0.96**t) for t in (step, step + 1))
    rate, gradient_rate = learning_rate * later / (1 - product * later), learning_rate * (1 - now) / (1 - product)
    return rate, gradient_rate, 1 / (1 - beta_2**step)


def sgd(w: Array, g: ArrayLike, learning_rate: float = 0.01, **options: Unpack[Options]) -> Array:
    """Gradient descent, w -= learning_rate * g, in place.

    Parameters
    ----------
    w : ndarray
        float32 or float64; changed. Best C-contiguous, or together with its state Fortran-contiguous: with any other
        strides there is a copy, which is copied back.
    g : array_like
        Gradient, of the shape of w, any strides.
    learning_rate : float
        At least 0.
    l1, l2 : float
        Added to the gradient before anything else: g + l2 * w + l1 * sign(w). So l2 is the coefficient in the gradient,
        twice that of a penalty l2 * sum(w²). 0 by default.
    clip_value : float, optional
        The gradient is then cut to [-clip_value, clip_value]; NaN stays NaN.
    weight_decay : float
        Decoupled (Loshchilov & Hutter 2019): w -= learning_rate * weight_decay * w, before the rule. 0 by default.

    Returns
    -------
    ndarray
        w itself.

    Raises
    ------
    TypeError, ValueError
        If the arrays do not fit each other, overlap or cannot be written, or a constant is negative or not finite.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.ops.sgd(np.ones(2), np.array([1.0, -1.0]), 0.5)
    array([0.5, 1.5])
    >>> fb.ops.sgd(np.ones(2), np.array([1.0, -9.0]), 0.5, l2=1.0, clip_value=3.0)
    array([0. , 2.5])
    """
    return _update("sgd", ("w",), (w,), g, learning_rate, options)


def momentum(
    w: Array,
    g: ArrayLike,
    velocity: Array,
    learning_rate: float = 0.01,
    momentum: float = 0.9,
    nesterov: bool = False,
    **options: Unpack[Options],
) -> Array:
    """Gradient descent with momentum, in place on w and velocity (Polyak 1964).

    velocity = momentum * velocity - learning_rate * g, then w += velocity; with `nesterov`,
    w += momentum * velocity - learning_rate * g (Sutskever et al. 2013). Momentum is from 0 to 1, the velocity starts
    at zero. Arguments otherwise as `sgd`.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.ops.momentum(np.ones(1), np.ones(1), np.zeros(1), 0.5)
    array([0.5])
    """
    momentum = check_number("momentum", momentum, 0, 1)
    kind = "nesterov" if check_flag("nesterov", nesterov) else "momentum"
    return _update(kind, ("w", "velocity"), (w, velocity), g, learning_rate, options, momentum=momentum)


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
    **options: Unpack[Options],
) -> Array:
    """One step of Adam, in place on w, m and v (Kingma & Ba 2015; epsilon outside the bias correction).

    m = beta_1 * m + (1 - beta_1) * g, v = beta_2 * v + (1 - beta_2) * g², w -= alpha * m / (sqrt(v) + epsilon), with
    alpha = learning_rate * sqrt(1 - beta_2^step) / (1 - beta_1^step).

    Parameters
    ----------
    w, m, v : ndarray
        Parameter and its first and second moments, of one dtype and shape; changed. Moments start at zero.
    g : array_like
        Gradient, of the shape of w.
    step : int
        Number of this step, from 1.
    learning_rate, beta_1, beta_2, epsilon : float
        Where epsilon is 0, or so small that it is 0 in the dtype of w, a weight that has had no gradient but zeros
        becomes NaN (0 / 0), as in Keras and PyTorch.
    **options
        As in `sgd`.

    Returns
    -------
    ndarray
        w itself.

    Raises
    ------
    TypeError, ValueError
        If the arrays do not fit each other, overlap or cannot be written, step is less than 1, a beta is not below 1,
        or another constant is negative or not finite.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> w, m, v = np.ones(2), np.zeros(2), np.zeros(2)
    >>> fb.ops.adam(w, np.array([3.0, -3.0]), m, v, step=1, learning_rate=0.1).round(4)
    array([0.9, 1.1])
    """
    return _adam("adam", ("w", "m", "v"), (w, m, v), g, step, learning_rate, beta_1, beta_2, epsilon, options)


def _adam(
    kind: str,
    names: tuple[str, ...],
    arrays: tuple[Array, ...],
    g: ArrayLike,
    step: int,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    options: Options,
) -> Array:
    """Adam, or AMSGrad: the same constants."""
    step = check_count("step", step, 1, LAST_STEP)
    beta_1, beta_2 = check_below_one("beta_1", beta_1), check_below_one("beta_2", beta_2)
    learning_rate = check_number("learning_rate", learning_rate, 0)
    rate = adam_rates(step, learning_rate, beta_1, beta_2)
    constants = {"momentum": beta_1, "decay": beta_2, "epsilon": epsilon, "rate": rate}
    return _update(kind, names, arrays, g, learning_rate, options, **constants)


def adamw(
    w: Array,
    g: ArrayLike,
    m: Array,
    v: Array,
    step: int,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    weight_decay: float = 0.004,
    **options: Unpack[GradientOptions],
) -> Array:
    """One step of AdamW, Adam with decoupled weight decay (Loshchilov & Hutter 2019), in place on w, m and v.

    w -= learning_rate * weight_decay * w, then `adam`, which has the same as an option. Arguments as `adam`.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> w, m, v = np.ones(2), np.zeros(2), np.zeros(2)
    >>> fb.ops.adamw(w, np.array([3.0, -3.0]), m, v, step=1, learning_rate=0.1, weight_decay=0.5).round(4)
    array([0.85, 1.05])
    """
    more: Options = {**options, "weight_decay": weight_decay}
    kind = "adamw" if weight_decay else "adam"  # which leaves infinite weights alone
    return _adam(kind, ("w", "m", "v"), (w, m, v), g, step, learning_rate, beta_1, beta_2, epsilon, more)


def amsgrad(
    w: Array,
    g: ArrayLike,
    m: Array,
    v: Array,
    v_max: Array,
    step: int,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **options: Unpack[Options],
) -> Array:
    """One step of AMSGrad (Reddi, Kale & Kumar 2018), in place on w, m, v and v_max, the largest v so far.

    `adam` with v_max = max(v_max, v) under the root in place of v; v_max starts at zero. Arguments as `adam`.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> w, m, v, v_max = np.ones(1), np.zeros(1), np.zeros(1), np.full(1, 9.0)
    >>> fb.ops.amsgrad(w, np.array([3.0]), m, v, v_max, step=1, learning_rate=0.1, beta_2=0.0).round(4)
    array([0.9])
    """
    arrays = w, m, v, v_max
    return _adam("amsgrad", ("w", "m", "v", "v_max"), arrays, g, step, learning_rate, beta_1, beta_2, epsilon, options)


def nadam(
    w: Array,
    g: ArrayLike,
    m: Array,
    v: Array,
    step: int,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **options: Unpack[Options],
) -> Array:
    """One step of Nadam, Adam with Nesterov's momentum (Dozat 2016), in place on w, m and v.

    m and v as `adam`; w -= learning_rate * (mu_next * m / (1 - p * mu_next) + (1 - mu) * g / (1 - p))
    / (sqrt(v / (1 - beta_2^step)) + epsilon), where mu = beta_1 * (1 - 0.96^step / 2), mu_next is that of the next
    step, and p is the product of mu over all steps up to this one. Arguments as `adam`.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> w, m, v = np.ones(2), np.zeros(2), np.zeros(2)
    >>> fb.ops.nadam(w, np.array([3.0, -3.0]), m, v, step=1, learning_rate=0.1).round(4)
    array([0.8937, 1.1063])
    """
    step = check_count("step", step, 1, LAST_STEP)
    beta_1, beta_2 = check_below_one("beta_1", beta_1), check_below_one("beta_2", beta_2)
    learning_rate = check_number("learning_rate", learning_rate, 0)
    rate, gradient_rate, correction = nadam_rates(step, learning_rate, beta_1, beta_2)
    constants = {"momentum": beta_1, "decay": beta_2, "epsilon": epsilon}
    constants |= {"rate": rate, "gradient_rate": gradient_rate, "correction": correction}
    return _update("nadam", ("w", "m", "v"), (w, m, v), g, learning_rate, options, **constants)


def adagrad(
    w: Array,
    g: ArrayLike,
    v: Array,
    learning_rate: float = 0.001,
    epsilon: float = 1e-7,
    **options: Unpack[Options],
) -> Array:
    """One step of Adagrad (Duchi, Hazan & Singer 2011), in place on w and v, the sum of squared gradients.

    v += g², then w -= learning_rate * g / sqrt(v + epsilon). What v starts from is the caller's choice; Keras takes
    0.1. Arguments otherwise as `sgd`.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.ops.adagrad(np.ones(2), np.array([4.0, 3.0]), np.array([0.0, 16.0]), 0.5).round(4)
    array([0.5, 0.7])
    """
    return _update("adagrad", ("w", "v"), (w, v), g, learning_rate, options, epsilon=epsilon)


def adadelta(
    w: Array,
    g: ArrayLike,
    v: Array,
    u: Array,
    learning_rate: float = 0.001,
    rho: float = 0.95,
    epsilon: float = 1e-7,
    **options: Unpack[Options],
) -> Array:
    """One step of Adadelta (Zeiler 2012), in place on w and the averages v of g² and u of squared steps.

    v = rho * v + (1 - rho) * g², d = g * sqrt(u + epsilon) / sqrt(v + epsilon), u = rho * u + (1 - rho) * d², and
    w -= learning_rate * d; the paper's learning rate is 1. Both averages start at zero. Arguments otherwise as `sgd`.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.ops.adadelta(np.ones(1), np.array([2.0]), np.zeros(1), np.ones(1), 1.0, rho=0.75).round(4)
    array([-1.])
    """
    rho = check_below_one("rho", rho)
    return _update("adadelta", ("w", "v", "u"), (w, v, u), g, learning_rate, options, decay=rho, epsilon=epsilon)


def rmsprop(
    w: Array,
    g: ArrayLike,
    v: Array,
    learning_rate: float = 0.001,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
    centered: bool = False,
    velocity: Array | None = None,
    average: Array | None = None,
    **options: Unpack[Options],
) -> Array:
    """One step of RMSprop (Tieleman & Hinton 2012), in place on w, v, and on velocity and average where they are given.

    v = rho * v + (1 - rho) * g², and w -= learning_rate * g / sqrt(v + epsilon). With `centered`, average =
    rho * average + (1 - rho) * g, and v - average² stands under the root in place of v, never less than 0 (Graves
    2013). With momentum, velocity = momentum * velocity + that step, and w -= velocity. State starts at zero. Arguments
    otherwise as `sgd`.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.ops.rmsprop(np.ones(1), np.array([2.0]), np.zeros(1), 0.5, rho=0.75).round(4)
    array([0.])
    """
    rho, momentum = check_below_one("rho", rho), check_number("momentum", momentum, 0, 1)
    if check_flag("centered", centered) != (average is not None):
        raise ValueError(f"expected {'an average' if centered else 'no average'} where centered is {centered}")
    if velocity is None and momentum:
        raise ValueError("expected velocity where momentum is not 0, got None")
    states = {"w": w, "v": v}
    if average is not None:
        states["average"] = average
    if velocity is not None:
        states["velocity"] = velocity
    kind = rmsprop_rule(centered, velocity is not None)
    names, arrays = tuple(states), tuple(states.values())
    return _update(kind, names, arrays, g, learning_rate, options, momentum=momentum, decay=rho, epsilon=epsilon)


def rmsprop_rule(centered: bool, has_velocity: bool) -> str:
    """Which of the four rules it is."""
    return "rmsprop" + "_centered" * centered + "_momentum" * has_velocity


def lion(
    w: Array,
    g: ArrayLike,
    m: Array,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.99,
    **options: Unpack[Options],
) -> Array:
    """One step of Lion (Chen et al. 2023), in place on w and m, which starts at zero.

    w -= learning_rate * sign(beta_1 * m + (1 - beta_1) * g), then m = beta_2 * m + (1 - beta_2) * g. NaN stays NaN.
    Arguments otherwise as `sgd`.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.ops.lion(np.ones(3), np.array([4.0, -4.0, 0.0]), np.zeros(3), 0.25)
    array([0.75, 1.25, 1.  ])
    """
    beta_1, beta_2 = check_below_one("beta_1", beta_1), check_below_one("beta_2", beta_2)
    return _update("lion", ("w", "m"), (w, m), g, learning_rate, options, momentum=beta_1, decay=beta_2)
