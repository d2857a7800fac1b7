"""Floor 2. Activation: a function of its own, between other layers; some of them are classes, as in Keras."""

from typing import Any, Unpack

from fastbp import activations
from fastbp.layers.base import Layer, Options, one_axis


class Activation(Layer):
    """Applies a function to what comes in.

    Parameters
    ----------
    activation : str or activations.Activation
    **options
        As for every layer: name, dtype, input_shape, trainable.

    Raises
    ------
    ValueError
        If no activation has that name; or, once the shapes are known, if it works on whole rows (softmax) and these
        have several axes.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Sequential([fb.Activation("relu", input_shape=(3,))])
    >>> model.predict([[-1.0, 0.0, 2.0]])
    array([[0., 0., 2.]], dtype=float32)
    """

    def __init__(self, activation: str | activations.Activation, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self.activation = activations.get(activation)

    def compute_output_shape(self, *input_shapes: Any) -> tuple[int, ...]:
        """The shape that comes in."""
        if not self.activation.elementwise:
            one_axis(self, *input_shapes)
        return super().compute_output_shape(*input_shapes)

    def record(self, tape: Any, *inputs: Any) -> Any:
        """Write f(x)."""
        (x,) = inputs
        return self.activation.record(tape, x)

    def get_config(self) -> dict[str, Any]:
        """The layer's options, as its constructor takes them."""
        return {**super().get_config(), "activation": self.activation.get_config()}


class _Named(Activation):
    own: tuple[str, ...] = ()  # options besides those of every layer

    def get_config(self) -> dict[str, Any]:
        """The layer's options, as its constructor takes them."""
        return {**Layer.get_config(self), **{option: self.activation.alpha for option in self.own}}


class ReLU(_Named):
    """max(x, 0), as `Activation("relu")`.

    Parameters
    ----------
    **options
        As for every layer: name, dtype, input_shape, trainable.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.Sequential([fb.layers.ReLU(input_shape=(2,))]).predict([[-1.0, 2.0]])
    array([[0., 2.]], dtype=float32)
    """

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__("relu", **options)


class LeakyReLU(_Named):
    """x, below 0 times a small slope.

    Parameters
    ----------
    negative_slope : float
        At least 0.
    **options
        As for every layer: name, dtype, input_shape, trainable.

    Raises
    ------
    ValueError
        If the slope is out of its range.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.Sequential([fb.layers.LeakyReLU(0.5, input_shape=(2,))]).predict([[-1.0, 2.0]])
    array([[-0.5,  2. ]], dtype=float32)
    """

    own = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.3, **options: Unpack[Options]) -> None:
        super().__init__(activations.Activation("leaky_relu", "leaky_relu", negative_slope), **options)


class ELU(_Named):
    """x, below 0 alpha (exp(x) - 1) (Clevert, Unterthiner & Hochreiter 2016).

    Parameters
    ----------
    alpha : float
        Minus the limit, at least 0.
    **options
        As for every layer: name, dtype, input_shape, trainable.

    Raises
    ------
    ValueError
        If alpha is out of its range.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.Sequential([fb.layers.ELU(2.0, input_shape=(2,))]).predict([[-100.0, 2.0]])
    array([[-2.,  2.]], dtype=float32)
    """

    own = ("alpha",)

    def __init__(self, alpha: float = 1.0, **options: Unpack[Options]) -> None:
        super().__init__(activations.Activation("elu", "elu", alpha), **options)


class Softmax(_Named):
    """Rows of positive numbers that add up to 1, as `Activation("softmax")`.

    Parameters
    ----------
    **options
        As for every layer: name, dtype, input_shape, trainable.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.Sequential([fb.layers.Softmax(input_shape=(2,))]).predict([[3.0, 3.0]])
    array([[0.5, 0.5]], dtype=float32)
    """

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__("softmax", **options)
