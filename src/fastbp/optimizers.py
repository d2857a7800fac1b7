"""Floor 2. Optimizers: the update rule, its constants, its step sizes and its state.

The state is one flat array per slot, parallel to the model's flat parameters, so an update reads both in step.
"""

import weakref
from typing import Any

import numpy as np

from fastbp._core import _memory
from fastbp.utils import check_flag, check_number, resolve


class Optimizer:
    """Base: what the compiler and the trainer read.

    Attributes
    ----------
    kernel : str
        The kernel that applies the update.
    slots : int
        State arrays per parameter.
    iterations : int
        Steps done so far.
    state : list of ndarray
        One flat array a slot, once a model trains with it.
    """

    kernel = ""
    slots = 0
    iterations: int
    state: list[np.ndarray]
    _owner: weakref.ref[object] | None
    _parameters: np.ndarray | None

    def __init__(self, learning_rate: float, momentum: float = 0.0, decay: float = 0.0, epsilon: float = 0.0) -> None:
        self.learning_rate = learning_rate
        self._momentum, self._decay, self._epsilon = momentum, decay, epsilon
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
        """Added to the denominator."""
        return self._epsilon

    def rates(self, step: int, count: int) -> np.ndarray:
        """Step sizes of steps step + 1 ... step + count, shape (count,), float64."""
        return np.full(count, self.learning_rate)

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
        """Have state for these flat parameters: zeros, unless it is theirs already."""
        if self.slots == 2 and not parameters.dtype.type(self.epsilon) > 0:
            raise ValueError(f"expected epsilon to be more than 0 in {parameters.dtype}, got {self.epsilon}")
        if self._parameters is not parameters:
            self.state = [_memory.zeros(parameters.shape, parameters.dtype) for _ in range(self.slots)]
            self._parameters = parameters
            self.iterations = 0

    def get_config(self) -> dict[str, Any]:
        """Name and options."""
        raise NotImplementedError

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
    ValueError
        If an option is not a number in its range.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.optimizers.SGD(0.1, momentum=0.9).rates(step=0, count=2)
    array([0.1, 0.1])
    """

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.0, nesterov: bool = False) -> None:
        super().__init__(learning_rate, check_number("momentum", momentum, 0, 1))
        self._nesterov = check_flag("nesterov", nesterov)
        self.slots = 1 if self.momentum else 0
        self.kernel = ("nesterov" if self._nesterov else "momentum") if self.momentum else "sgd"

    def get_config(self) -> dict[str, Any]:
        """Name and options."""
        return {
            "name": "sgd",
            "learning_rate": self.learning_rate,
            "momentum": self.momentum,
            "nesterov": self._nesterov,
        }


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

    Raises
    ------
    ValueError
        If an option is not a number in its range.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.optimizers.Adam().rates(step=0, count=2).round(7)
    array([0.0003162, 0.0002353])
    """

    kernel = "adam"
    slots = 2

    def __init__(
        self, learning_rate: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
    ) -> None:
        super().__init__(
            learning_rate,
            check_number("beta_1", beta_1, 0, 1, "[)"),
            check_number("beta_2", beta_2, 0, 1, "[)"),
            check_number("epsilon", epsilon, 0, ends="(]"),
        )

    def rates(self, step: int, count: int) -> np.ndarray:
        """Step sizes α of steps step + 1 ... step + count, shape (count,), float64."""
        t = np.arange(step + 1, step + count + 1, dtype=np.float64)
        return self.learning_rate * np.sqrt(1 - self.decay**t) / (1 - self.momentum**t)

    def get_config(self) -> dict[str, Any]:
        """Name and options."""
        return {
            "name": "adam",
            "learning_rate": self.learning_rate,
            "beta_1": self.momentum,
            "beta_2": self.decay,
            "epsilon": self.epsilon,
        }


OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "adam": Adam}


def get(given: str | Optimizer) -> Optimizer:
    """Optimizer of a name, with its defaults, or an object.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.optimizers.get("adam")
    Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-07)
    """
    found = resolve("optimizer", Optimizer, OPTIMIZERS, given)
    optimizer: Optimizer = found() if isinstance(found, type) else found
    return optimizer
