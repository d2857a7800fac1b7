"""Floor 2. Optimizers: the update rule, its constants, its step sizes and its state.

The state is one flat array per slot, parallel to the model's flat parameters, so an update reads both in step.
"""

import weakref
from typing import Any

import numpy as np

from fastbp._core import _memory
from fastbp.ops.update import adam_rates, check_below_one, nadam_rates, rmsprop_rule
from fastbp.utils import check_flag, check_number, resolve


class Optimizer:
    """Base: what the compiler and the trainer read.

    Attributes
    ----------
    name : str
        What `get` and `get_config` call it.
    options : tuple of str
        The attributes that `get_config` reports.
    kernel : str
        The kernel that applies the update.
    slots : int
        State arrays per parameter.
    start : float
        What the state is at first.
    iterations : int
        Steps done so far.
    state : list of ndarray
        One flat array a slot, once a model trains with it.
    """

    name = ""
    options: tuple[str, ...] = ("learning_rate",)
    kernel = ""
    slots = 0
    start = 0.0
    _weight_decay = 0.0
    iterations: int
    state: list[np.ndarray]
    _owner: weakref.ref[object] | None
    _parameters: np.ndarray | None

    def __init__(
        self, learning_rate: float, momentum: float = 0.0, decay: float = 0.0, epsilon: float | None = None
    ) -> None:
        self.learning_rate = learning_rate
        self._momentum, self._decay = momentum, decay
        self._epsilon = None if epsilon is None else check_number("epsilon", epsilon, 0, ends="(]")
        self.release()

    @property
    def learning_rate(self) -> float:
        """Step size; it may be changed between calls of `fit` and between epochs."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate = check_number("learning_rate", value, 0)

    @property
    def momentum(self) -> float:
        """Share of the first state array that a step keeps."""
        return self._momentum

    @property
    def decay(self) -> float:
        """Share of the second state array that a step keeps."""
        return self._decay

    @property
    def epsilon(self) -> float:
        """Added to the denominator; 0 for a rule that has none."""
        return self._epsilon or 0.0

    @property
    def weight_decay(self) -> float:
        """Share of each parameter, times the learning rate, that a step takes off (Loshchilov & Hutter 2019)."""
        return self._weight_decay

    def rates(self, step: int, count: int) -> np.ndarray:
        """Step sizes of steps step + 1 ... step + count, shape (count,), float64."""
        return np.full(count, self.learning_rate)

    def steps(self, step: int, count: int) -> np.ndarray:
        """All that changes from step to step, as Program.run takes it, of the same steps, shape (count, 4), float64."""
        numbers = np.zeros((count, 4))
        numbers[:, 0] = self.rates(step, count)
        numbers[:, 1] = self.learning_rate * self.weight_decay
        return numbers

    def constants(self) -> dict[str, float]:
        """What `_core._dense.Rule` takes: all that does not change from step to step."""
        return {"momentum": self.momentum, "decay": self.decay, "epsilon": self.epsilon, "shrink": self.weight_decay}

    def claim(self, owner: object) -> None:
        """Belong to this model; ValueError if another one has the optimizer."""
        other = self._owner() if self._owner else None
        if other is not None and other is not owner:
            raise ValueError(f"expected an optimizer of the model's own, got one that another model has: {self}")
        if other is None:
            self.release()
            self._owner = weakref.ref(owner)

    def release(self) -> None:
        """Belong to no model; forget state and steps."""
        self._owner = self._parameters = None
        self.state = []
        self.iterations = 0

    def attach(self, parameters: np.ndarray) -> None:
        """Have state for these flat parameters: a new one, unless it is theirs already."""
        if self._epsilon is not None:
            check_number("epsilon", self.epsilon, 0, ends="(]", dtype=parameters.dtype)
        if self._parameters is not parameters:
            self.state = [_memory.zeros(parameters.shape, parameters.dtype) for _ in range(self.slots)]
            for array in self.state if self.start else ():
                array.fill(self.start)
            self._parameters = parameters
            self.iterations = 0

    def get_config(self) -> dict[str, Any]:
        """Name and options."""
        return {"name": self.name, **{option: getattr(self, option) for option in self.options}}

    def __repr__(self) -> str:
        options = self.get_config()
        del options["name"]
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in options.items())})"


class SGD(Optimizer):
    """Gradient descent, with momentum if wanted.

    Without: w ← w - η g. With: v ← μ v - η g, then w ← w + v, or w ← w + μ v - η g (Nesterov; Sutskever et al. 2013).

    Parameters
    ----------
    learning_rate : float
        η, at least 0.
    momentum : float
        μ, from 0 to 1.
    nesterov : bool

    Raises
    ------
    TypeError, ValueError
        If an option is not a number in its range.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.optimizers.SGD(0.1, momentum=0.9).rates(step=0, count=2)
    array([0.1, 0.1])
    """

    name = "sgd"
    options = ("learning_rate", "momentum", "nesterov")

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.0, nesterov: bool = False) -> None:
        super().__init__(learning_rate, check_number("momentum", momentum, 0, 1))
        self.nesterov = check_flag("nesterov", nesterov)
        self.slots = 1 if self.momentum else 0
        self.kernel = ("nesterov" if self.nesterov else "momentum") if self.momentum else "sgd"


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015), in the form of its section 2, last paragraph, as in Keras.

    m ← β₁ m + (1 - β₁) g;  v ← β₂ v + (1 - β₂) g²;  w ← w - α m / (√v + ε),  α = η √(1 - β₂ᵗ) / (1 - β₁ᵗ).

    Parameters
    ----------
    learning_rate : float
        η, at least 0.
    beta_1, beta_2 : float
        From 0 to below 1.
    epsilon : float
        Above 0.
    amsgrad : bool
        Take the largest v so far in place of v (Reddi, Kale & Kumar 2018).

    Raises
    ------
    TypeError, ValueError
        If an option is not a number in its range.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.optimizers.Adam().rates(step=0, count=2).round(7)
    array([0.0003162, 0.0002353])
    """

    name = kernel = "adam"
    options: tuple[str, ...] = ("learning_rate", "beta_1", "beta_2", "epsilon", "amsgrad")
    slots = 2
    beta_1, beta_2 = Optimizer.momentum, Optimizer.decay

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
    ) -> None:
        betas = check_below_one("beta_1", beta_1), check_below_one("beta_2", beta_2)
        super().__init__(learning_rate, *betas, epsilon)
        self.amsgrad = check_flag("amsgrad", amsgrad)
        if self.amsgrad:
            self.kernel, self.slots = "amsgrad", 3

    def rates(self, step: int, count: int) -> np.ndarray:
        """Step sizes α of steps step + 1 ... step + count, shape (count,), float64."""
        rates: np.ndarray = adam_rates(_numbers(step, count), self.learning_rate, self.momentum, self.decay)
        return rates


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019): w ← w - η λ w before each step of Adam.

    All parameters decay, biases too, as in Keras. Options as `Adam`.

    Parameters
    ----------
    weight_decay : float
        λ, at least 0.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.optimizers.AdamW(0.01).steps(step=0, count=1).round(6)
    array([[3.162e-03, 4.000e-05, 0.000e+00, 0.000e+00]])
    """

    name = "adamw"
    options = ("learning_rate", "weight_decay", "beta_1", "beta_2", "epsilon", "amsgrad")

    def __init__(
        self,
        learning_rate: float = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad)
        self._weight_decay = check_number("weight_decay", weight_decay, 0)
        if self.weight_decay and not self.amsgrad:
            self.kernel = "adamw"


class Nadam(Optimizer):
    """Adam with Nesterov's momentum and Dozat's schedule of it (Dozat 2016), as in Keras; see `fastbp.ops.nadam`.

    Options as `Adam`, but for amsgrad.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.optimizers.Nadam(0.1).rates(step=0, count=2).round(4)
    array([0.0628, 0.0566])
    """

    name = kernel = "nadam"
    options = ("learning_rate", "beta_1", "beta_2", "epsilon")
    slots = 2
    beta_1, beta_2 = Optimizer.momentum, Optimizer.decay

    def __init__(
        self, learning_rate: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
    ) -> None:
        betas = check_below_one("beta_1", beta_1), check_below_one("beta_2", beta_2)
        super().__init__(learning_rate, *betas, epsilon)

    def rates(self, step: int, count: int) -> np.ndarray:
        """Step sizes of the first moment, of steps step + 1 ... step + count, shape (count,), float64."""
        return self.steps(step, count)[:, 0]

    def steps(self, step: int, count: int) -> np.ndarray:
        """All that changes from step to step, of the same steps, shape (count, 4), float64."""
        numbers, t = np.zeros((count, 4)), _numbers(step, count)
        numbers[:, 0], numbers[:, 2], numbers[:, 3] = nadam_rates(t, self.learning_rate, self.momentum, self.decay)
        return numbers


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan & Singer 2011): v ← v + g²;  w ← w - η g / √(v + ε).

    Parameters
    ----------
    learning_rate : float
        η, at least 0.
    initial_accumulator_value : float
        What v starts from, at least 0.
    epsilon : float
        Above 0.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.optimizers.Adagrad(0.1)
    Adagrad(learning_rate=0.1, initial_accumulator_value=0.1, epsilon=1e-07)
    """

    name = kernel = "adagrad"
    options = ("learning_rate", "initial_accumulator_value", "epsilon")
    slots = 1

    def __init__(
        self, learning_rate: float = 0.001, initial_accumulator_value: float = 0.1, epsilon: float = 1e-7
    ) -> None:
        super().__init__(learning_rate, epsilon=epsilon)
        self.start = check_number("initial_accumulator_value", initial_accumulator_value, 0)

    @property
    def initial_accumulator_value(self) -> float:
        """What the sum of squared gradients starts from."""
        return self.start


class Adadelta(Optimizer):
    """Adadelta (Zeiler 2012), with a learning rate, which is 1 in the paper; see `fastbp.ops.adadelta`.

    Parameters
    ----------
    learning_rate : float
        At least 0.
    rho : float
        Share of both averages that a step keeps, from 0 to below 1.
    epsilon : float
        Above 0.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.optimizers.Adadelta(1.0)
    Adadelta(learning_rate=1.0, rho=0.95, epsilon=1e-07)
    """

    name = kernel = "adadelta"
    options = ("learning_rate", "rho", "epsilon")
    slots = 2
    rho = Optimizer.decay

    def __init__(self, learning_rate: float = 0.001, rho: float = 0.95, epsilon: float = 1e-7) -> None:
        super().__init__(learning_rate, decay=check_below_one("rho", rho), epsilon=epsilon)


class RMSprop(Optimizer):
    """RMSprop (Tieleman & Hinton 2012): v ← ρ v + (1 - ρ) g²;  w ← w - η g / √(v + ε); see `fastbp.ops.rmsprop`.

    Parameters
    ----------
    learning_rate : float
        η, at least 0.
    rho : float
        ρ, from 0 to below 1.
    momentum : float
        Share of the last step that a step keeps, from 0 to 1.
    epsilon : float
        Above 0.
    centered : bool
        Divide by the variance of the gradient (Graves 2013), not by the mean of its square.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.optimizers.RMSprop(0.01, momentum=0.9).slots
    2
    """

    name = "rmsprop"
    options = ("learning_rate", "rho", "momentum", "epsilon", "centered")
    rho = Optimizer.decay

    def __init__(
        self,
        learning_rate: float = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
    ) -> None:
        momentum = check_number("momentum", momentum, 0, 1)
        super().__init__(learning_rate, momentum, check_below_one("rho", rho), epsilon)
        self.centered = check_flag("centered", centered)
        self.kernel = rmsprop_rule(self.centered, bool(momentum))
        self.slots = 1 + self.centered + bool(momentum)


class Lion(Optimizer):
    """Lion (Chen et al. 2023): w ← w - η sign(β₁ m + (1 - β₁) g);  m ← β₂ m + (1 - β₂) g.

    Parameters
    ----------
    learning_rate : float
        η, at least 0; the paper takes a third to a tenth of Adam's.
    beta_1, beta_2 : float
        From 0 to below 1.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.optimizers.Lion()
    Lion(learning_rate=0.001, beta_1=0.9, beta_2=0.99)
    """

    name = kernel = "lion"
    options = ("learning_rate", "beta_1", "beta_2")
    slots = 1
    beta_1, beta_2 = Optimizer.momentum, Optimizer.decay

    def __init__(self, learning_rate: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.99) -> None:
        super().__init__(learning_rate, check_below_one("beta_1", beta_1), check_below_one("beta_2", beta_2))


def _numbers(step: int, count: int) -> np.ndarray:
    """The numbers of the `count` steps after `step`, from 1."""
    return np.arange(step + 1, step + count + 1)


OPTIMIZERS: dict[str, type[Optimizer]] = {
    found.name: found for found in (SGD, Adam, AdamW, Nadam, Adagrad, Adadelta, RMSprop, Lion)
}


def get(given: str | Optimizer) -> Optimizer:
    """Optimizer of a name, with its defaults, or an object.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.optimizers.get("sgd")
    SGD(learning_rate=0.01, momentum=0.0, nesterov=False)
    """
    found = resolve("optimizer", Optimizer, OPTIMIZERS, given)
    optimizer: Optimizer = found() if isinstance(found, type) else found
    return optimizer
