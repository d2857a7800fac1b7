"""Floor 2. Activation: a function of its own, between other layers."""

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
