"""Floor 2. Adam and its kin: AMSGrad, AdamW, Nadam."""

from typing import Unpack

import numpy as np

from fastbp.ops.update import adam_rates, check_below_one, nadam_rates
from fastbp.optimizers.base import LearningRate, Optimizer, Options, OptionsButDecay
from fastbp.utils import check_flag


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015), in the form of its section 2, last paragraph, as in Keras.

    m ← β₁ m + (1 - β₁) g;  v ← β₂ v + (1 - β₂) g²;  w ← w - α m / (√v + ε),  α = η √(1 - β₂ᵗ) / (1 - β₁ᵗ).

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
        η, at least 0.
    beta_1, beta_2 : float
        From 0 to below 1.
    epsilon : float
        Above 0.
    amsgrad : bool
        Take the largest v so far in place of v (Reddi, Kale & Kumar 2018).
    **options
        Of every optimizer: decay, clipping, averages, accumulation, multipliers; see `Optimizer`.

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

    name = kernel = "adam"
    options: tuple[str, ...] = ("learning_rate", "beta_1", "beta_2", "epsilon", "amsgrad")
    slots = 2
    beta_1, beta_2 = Optimizer.momentum, Optimizer.decay

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[Options],
    ) -> None:
        betas = check_below_one("beta_1", beta_1), check_below_one("beta_2", beta_2)
        super().__init__(learning_rate, *betas, epsilon, **options)
        self.amsgrad = check_flag("amsgrad", amsgrad)
        if self.amsgrad:
            self.kernel, self.slots = "amsgrad", 3
        elif self.weight_decay:
            self.kernel = "adamw"

    def correct(self, numbers: np.ndarray, number: np.ndarray) -> None:
        """Make the step sizes α of the learning rates."""
        numbers[:, 0] = adam_rates(number, numbers[:, 0], self.momentum, self.decay)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019): w ← w - η λ w before each step of Adam.

    The same as `Adam` with its `weight_decay`, which is 0.004 here. All parameters decay, biases too, as in Keras.
    Arguments as `Adam`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.optimizers.AdamW(0.01).numbers(step=0, count=1)[0, :2].round(6)
    array([3.162e-03, 4.000e-05])
    """

    name = "adamw"
    options = ("learning_rate", "weight_decay", "beta_1", "beta_2", "epsilon", "amsgrad")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        weight_decay: float | None = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[OptionsButDecay],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **options)


class Nadam(Optimizer):
    """Adam with Nesterov's momentum and Dozat's schedule of it (Dozat 2016), as in Keras; see `fastbp.ops.nadam`.

    Arguments as `Adam`, but for amsgrad.

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
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ) -> None:
        betas = check_below_one("beta_1", beta_1), check_below_one("beta_2", beta_2)
        super().__init__(learning_rate, *betas, epsilon, **options)

    def correct(self, numbers: np.ndarray, number: np.ndarray) -> None:
        """Make the step sizes of the first moment and of the gradient, and the correction of the second moment."""
        numbers[:, [0, 2, 3]] = np.transpose(nadam_rates(number, numbers[:, 0], self.momentum, self.decay))
