"""Floor 2. Gradient descent, with and without momentum."""

from typing import Unpack

from fastbp.optimizers.base import LearningRate, Optimizer, Options
from fastbp.utils import check_flag, check_number


class SGD(Optimizer):
    """Gradient descent, with momentum if wanted.

    Without: w ← w - η g. With: v ← μ v - η g, then w ← w + v, or w ← w + μ v - η g (Nesterov; Sutskever et al. 2013).

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
        η, at least 0.
    momentum : float
        μ, from 0 to 1.
    nesterov : bool
    **options
        Of every optimizer: decay, clipping, averages, accumulation, multipliers; see `Optimizer`.

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

    name = "sgd"
    options = ("learning_rate", "momentum", "nesterov")

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, check_number("momentum", momentum, 0, 1), **options)
        self.nesterov = check_flag("nesterov", nesterov)
        self.slots = 1 if self.momentum else 0
        self.kernel = ("nesterov" if self.nesterov else "momentum") if self.momentum else "sgd"
