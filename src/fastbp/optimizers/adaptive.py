"""Floor 2. Optimizers that scale each weight's step by its gradients so far, and Lion, which takes their sign."""

from typing import Unpack

from fastbp.ops.update import check_below_one, rmsprop_rule
from fastbp.optimizers.base import LearningRate, Optimizer, Options
from fastbp.utils import check_flag, check_number


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan & Singer 2011): v ← v + g²;  w ← w - η g / √(v + ε).

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
        η, at least 0.
    initial_accumulator_value : float
        What v starts from, at least 0.
    epsilon : float
        Above 0.
    **options
        Of every optimizer: decay, clipping, averages, accumulation, multipliers; see `Optimizer`.

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
        self,
        learning_rate: LearningRate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, epsilon=epsilon, **options)
        self.start = check_number("initial_accumulator_value", initial_accumulator_value, 0)

    @property
    def initial_accumulator_value(self) -> float:
        """What the sum of squared gradients starts from."""
        return self.start


class Adadelta(Optimizer):
    """Adadelta (Zeiler 2012), with a learning rate, which is 1 in the paper; see `fastbp.ops.adadelta`.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
        At least 0.
    rho : float
        Share of both averages that a step keeps, from 0 to below 1.
    epsilon : float
        Above 0.
    **options
        Of every optimizer: decay, clipping, averages, accumulation, multipliers; see `Optimizer`.

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

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, decay=check_below_one("rho", rho), epsilon=epsilon, **options)


class RMSprop(Optimizer):
    """RMSprop (Tieleman & Hinton 2012): v ← ρ v + (1 - ρ) g²;  w ← w - η g / √(v + ε); see `fastbp.ops.rmsprop`.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
        η, at least 0.
    rho : float
        ρ, from 0 to below 1.
    momentum : float
        Share of the last step that a step keeps, from 0 to 1.
    epsilon : float
        Above 0.
    centered : bool
        Divide by the variance of the gradient (Graves 2013), not by the mean of its square.
    **options
        Of every optimizer: decay, clipping, averages, accumulation, multipliers; see `Optimizer`.

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
        learning_rate: LearningRate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **options: Unpack[Options],
    ) -> None:
        momentum = check_number("momentum", momentum, 0, 1)
        super().__init__(learning_rate, momentum, check_below_one("rho", rho), epsilon, **options)
        self.centered = check_flag("centered", centered)
        self.kernel = rmsprop_rule(self.centered, bool(momentum))
        self.slots = 1 + self.centered + bool(momentum)


class Lion(Optimizer):
    """Lion (Chen et al. 2023): w ← w - η sign(β₁ m + (1 - β₁) g);  m ← β₂ m + (1 - β₂) g.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
        η, at least 0; the paper takes a third to a tenth of Adam's.
    beta_1, beta_2 : float
        From 0 to below 1.
    **options
        Of every optimizer: decay, clipping, averages, accumulation, multipliers; see `Optimizer`.

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

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **options: Unpack[Options],
    ) -> None:
        betas = check_below_one("beta_1", beta_1), check_below_one("beta_2", beta_2)
        super().__init__(learning_rate, *betas, **options)
