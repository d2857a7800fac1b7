"""Floor 2. Dropout and noise: what comes in is disturbed while training, and left alone in prediction.

Random numbers depend on the layer's seed, the number of the step and the element of the batch, and on nothing else: the
backward pass draws them again, on any number of threads, and training that is resumed goes on with the same ones.
"""

from math import sqrt
from typing import Any, Unpack

import numpy as np

from fastbp.layers.base import Layer, Options
from fastbp.ops.dropout import inverted, self_normalizing
from fastbp.utils import check_count, check_number

SEEDS = 2**64


class _Disturbance(Layer):
    """A layer with random numbers of its own."""

    def __init__(self, seed: int | None, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self.seed = None if seed is None else check_count("seed", seed, 0)
        if self.seed is not None and self.seed >= SEEDS:
            raise ValueError(f"expected seed from 0 to 2**64 - 1, got {seed}")

    def draw_seeds(self, rng: np.random.Generator) -> None:
        """Draw the seed, unless there is one."""
        if self.seed is None:
            self.seed = int(rng.integers(2**63))

    def record(self, tape: Any, *inputs: Any) -> Any:
        """Write the disturbance, in programs that train."""
        (x,) = inputs
        return self.disturb(tape, x) if tape.training else x

    def disturb(self, tape: Any, x: Any) -> Any:
        """Write it; what a subclass defines."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The layer's options, as its constructor takes them; the seed too if it was drawn."""
        return {**super().get_config(), "seed": self.seed}


class _Rated(_Disturbance):
    """One that is measured by a rate."""

    def __init__(self, rate: float, seed: int | None = None, **options: Unpack[Options]) -> None:
        super().__init__(seed, **options)
        self.rate = check_number("rate", rate, 0, 1, "[)")

    def get_config(self) -> dict[str, Any]:
        """The layer's options, as its constructor takes them; the seed too if it was drawn."""
        return {**super().get_config(), "rate": self.rate}


class Dropout(_Rated):
    """x / (1 - rate) with probability 1 - rate, else 0; in prediction x itself (Srivastava et al. 2014).

    Parameters
    ----------
    rate : float
        Probability of being dropped, from 0 to below 1.
    seed : int, optional
        From 0 to 2**64 - 1. Drawn from the model's random numbers unless given.
    **options
        As for every layer: name, dtype, input_shape, trainable.

    Raises
    ------
    ValueError
        If rate or seed is out of range.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> model = fb.Sequential([fb.Dropout(0.5, seed=1, input_shape=(6,)), fb.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> model.gradients(np.ones((2, 6)), np.ones(2))["D1"]
    array([[2., 2., 2., 2., 2., 2.],
           [0., 2., 0., 2., 2., 2.]], dtype=float32)
    """

    def disturb(self, tape: Any, x: Any) -> Any:
        """Write it."""
        return tape.dropout(x, self.seed, inverted(self.rate))


class AlphaDropout(_Rated):
    """Dropout to the lower limit of SELU that keeps mean 0 and variance 1 (Klambauer et al. 2017).

    What is kept and what is not is scaled and shifted by the same two numbers; see `fastbp.ops.alpha_dropout`.

    Parameters
    ----------
    rate, seed, **options
        As for `Dropout`.

    Examples
    --------
    >>> import fastbp as fb
    >>> hidden = fb.Dense(64, "selu", kernel_initializer="lecun_normal")
    >>> model = fb.Sequential([fb.Input((20,)), hidden, fb.layers.AlphaDropout(0.1), fb.Dense(1)])
    >>> model.count_params()
    1409
    """

    def disturb(self, tape: Any, x: Any) -> Any:
        """Write it."""
        return tape.dropout(x, self.seed, self_normalizing(self.rate))


class GaussianDropout(_Rated):
    """x (1 + s n), n normal, s = sqrt(rate / (1 - rate)): mean and variance of `Dropout` (Srivastava et al. 2014).

    Parameters
    ----------
    rate, seed, **options
        As for `Dropout`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.layers.GaussianDropout(0.5, seed=3).get_config()["rate"]
    0.5
    """

    def disturb(self, tape: Any, x: Any) -> Any:
        """Write it."""
        return tape.noise(x, self.seed, sqrt(self.rate / (1 - self.rate)), multiplies=True)


class GaussianNoise(_Disturbance):
    """x + s n with normal n; in prediction x itself.

    Parameters
    ----------
    stddev : float
        s, at least 0.
    seed, **options
        As for `Dropout`.

    Raises
    ------
    ValueError
        If stddev or seed is out of range.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> model = fb.Sequential([fb.layers.GaussianNoise(0.1, seed=1, input_shape=(3,)), fb.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> model.gradients(np.ones((1, 3)), np.ones(1))["D1"].round(3)
    array([[0.987, 0.986, 0.899]], dtype=float32)
    """

    def __init__(self, stddev: float, seed: int | None = None, **options: Unpack[Options]) -> None:
        super().__init__(seed, **options)
        self.stddev = check_number("stddev", stddev, 0)

    def disturb(self, tape: Any, x: Any) -> Any:
        """Write it."""
        return tape.noise(x, self.seed, self.stddev, multiplies=False)

    def get_config(self) -> dict[str, Any]:
        """The layer's options, as its constructor takes them; the seed too if it was drawn."""
        return {**super().get_config(), "stddev": self.stddev}
