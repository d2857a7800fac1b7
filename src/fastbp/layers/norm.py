"""Floor 2. Normalisation: rows or columns of mean 0 and variance 1, then scaled and shifted by what is learned."""

from typing import Any, Unpack

from fastbp import initializers
from fastbp.initializers import Initializer
from fastbp.layers.base import Layer, Options, one_axis
from fastbp.layers.variable import Variable
from fastbp.utils import check_flag, check_number


class _Scaled(Layer):
    """Normalised columns times gamma plus beta, where these are wanted."""

    def __init__(
        self,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: str | Initializer,
        gamma_initializer: str | Initializer,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        self.epsilon = check_number("epsilon", epsilon, 0, ends="(]")
        self.center, self.scale = check_flag("center", center), check_flag("scale", scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)

    def compute_output_shape(self, *input_shapes: Any) -> tuple[int, ...]:
        """That of what comes in."""
        return (one_axis(self, *input_shapes),)

    def variables(self, *input_shapes: Any) -> list[Variable]:
        """gamma and beta, as far as they are wanted."""
        shape = (one_axis(self, *input_shapes),)
        gamma = self.new_weight("gamma", shape, self.gamma_initializer)
        beta = self.new_weight("beta", shape, self.beta_initializer)
        return [gamma] * self.scale + [beta] * self.center

    def _factors(self, tape: Any) -> list[Any]:
        """gamma and beta on the tape; None for what is not wanted."""
        there = iter(tape.parameter(variable) for variable in self.weights)
        return [next(there) if wanted else None for wanted in (self.scale, self.center)]

    def get_config(self) -> dict[str, Any]:
        """The layer's options, as its constructor takes them."""
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": self.beta_initializer.get_config(),
            "gamma_initializer": self.gamma_initializer.get_config(),
        }


class BatchNormalization(_Scaled):
    """(x - mean) / sqrt(variance + epsilon) gamma + beta, by the moments of each column (Ioffe & Szegedy 2015).

    In training these are the moments of the batch, and the moving ones follow: moving = momentum moving + (1 -
    momentum) batch; as in Keras, the variance is the biased one there too. Prediction and evaluation use the moving
    moments, as does training where the layer is not trainable.

    Parameters
    ----------
    momentum : float
        From 0 to 1.
    epsilon : float
        Above 0.
    center, scale : bool
        Whether there is a beta, a gamma.
    beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer : str or Initializer
    **options
        As for every layer: name, dtype, input_shape, trainable.

    Raises
    ------
    ValueError
        If an option is out of range, or rows have several axes.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> model = fb.Sequential([fb.BatchNormalization(momentum=0.5, input_shape=(1,))])
    >>> model.compile("sgd", "mse")
    >>> model.train_on_batch(np.array([[3.0], [5.0]]), np.zeros(2)) > 0.99
    True
    >>> gamma, beta, moving_mean, moving_variance = model.get_weights()
    >>> moving_mean, moving_variance
    (array([2.], dtype=float32), array([1.], dtype=float32))
    """

    def __init__(
        self,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: str | Initializer = "zeros",
        gamma_initializer: str | Initializer = "ones",
        moving_mean_initializer: str | Initializer = "zeros",
        moving_variance_initializer: str | Initializer = "ones",
        **options: Unpack[Options],
    ) -> None:
        super().__init__(epsilon, center, scale, beta_initializer, gamma_initializer, **options)
        self.momentum = check_number("momentum", momentum, 0, 1)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def variables(self, *input_shapes: Any) -> list[Variable]:
        """gamma and beta, as far as they are wanted, and the moving mean and variance."""
        shape = (one_axis(self, *input_shapes),)
        moving = {"moving_mean": self.moving_mean_initializer, "moving_variance": self.moving_variance_initializer}
        return super().variables(*input_shapes) + [
            self.new_weight(name, shape, initializer, learned=False) for name, initializer in moving.items()
        ]

    def record(self, tape: Any, *inputs: Any) -> Any:
        """Write the normalisation by the moments of the batch, or by the moving ones."""
        (x,) = inputs
        factors, moving = self._factors(tape), [tape.parameter(variable) for variable in self.weights[-2:]]
        if tape.training and not self.weights[-1].frozen:
            return tape.batch_norm(x, factors, moving, self.epsilon, self.momentum)
        return tape.moving_norm(x, factors, moving, self.epsilon)

    def get_config(self) -> dict[str, Any]:
        """The layer's options, as its constructor takes them."""
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "moving_mean_initializer": self.moving_mean_initializer.get_config(),
            "moving_variance_initializer": self.moving_variance_initializer.get_config(),
        }


class LayerNormalization(_Scaled):
    """(x - mean) / sqrt(variance + epsilon) gamma + beta, by the moments of each row (Ba, Kiros & Hinton 2016).

    Parameters
    ----------
    epsilon : float
        Above 0.
    center, scale : bool
        Whether there is a beta, a gamma.
    beta_initializer, gamma_initializer : str or Initializer
    **options
        As for every layer: name, dtype, input_shape, trainable.

    Raises
    ------
    ValueError
        If epsilon is not above 0, or rows have several axes.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Sequential([fb.layers.LayerNormalization(1e-9, input_shape=(2,))])
    >>> model.predict([[1.0, 3.0]])
    array([[-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: str | Initializer = "zeros",
        gamma_initializer: str | Initializer = "ones",
        **options: Unpack[Options],
    ) -> None:
        super().__init__(epsilon, center, scale, beta_initializer, gamma_initializer, **options)

    def record(self, tape: Any, *inputs: Any) -> Any:
        """Write the normalisation."""
        (x,) = inputs
        return tape.row_norm(x, self._factors(tape), self.epsilon, centered=True)


class RMSNormalization(Layer):
    """x / sqrt(mean(x²) + epsilon) scale, row by row (Zhang & Sennrich 2019).

    Parameters
    ----------
    epsilon : float
        Above 0.
    **options
        As for every layer: name, dtype, input_shape, trainable.

    Raises
    ------
    ValueError
        If epsilon is not above 0, or rows have several axes.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Sequential([fb.layers.RMSNormalization(input_shape=(2,))])
    >>> model.predict([[1.0, 7.0]])
    array([[0.2, 1.4]], dtype=float32)
    """

    def __init__(self, epsilon: float = 1e-6, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self.epsilon = check_number("epsilon", epsilon, 0, ends="(]")

    def compute_output_shape(self, *input_shapes: Any) -> tuple[int, ...]:
        """That of what comes in."""
        return (one_axis(self, *input_shapes),)

    def variables(self, *input_shapes: Any) -> list[Variable]:
        """The scale."""
        shape = (one_axis(self, *input_shapes),)
        return [self.new_weight("scale", shape, "ones")]

    def record(self, tape: Any, *inputs: Any) -> Any:
        """Write the normalisation."""
        (x,), (scale,) = inputs, self.weights
        return tape.row_norm(x, (tape.parameter(scale), None), self.epsilon, centered=False)

    def get_config(self) -> dict[str, Any]:
        """The layer's options, as its constructor takes them."""
        return {**super().get_config(), "epsilon": self.epsilon}
