"""Floor 2. Dense: every output is a weighted sum of all inputs, put through an activation."""

from typing import Any

from fastbp import activations, initializers
from fastbp.layers.base import Layer, one_axis
from fastbp.layers.variable import Variable
from fastbp.utils import check_count, check_flag


class Dense(Layer):
    """f(x W + b), with W (inputs, units) and b (units,).

    Parameters
    ----------
    units : int
        Columns that come out, at least 1.
    activation : str or activations.Activation, optional
        f; linear unless given.
    use_bias : bool
    kernel_initializer, bias_initializer : str or Initializer
        First values of W and b.
    dtype, name, input_shape
        As for every layer.

    Raises
    ------
    ValueError
        If `units` is not a positive whole number, or a name is unknown.

    Examples
    --------
    >>> import fastbp as fb
    >>> layer = fb.Dense(10, "softmax")
    >>> model = fb.Sequential([fb.Input((64,)), layer])
    >>> [weight.shape for weight in layer.get_weights()]
    [(64, 10), (10,)]
    """

    def __init__(
        self,
        units: int,
        activation: str | activations.Activation | None = None,
        use_bias: bool = True,
        kernel_initializer: str | initializers.Initializer = "glorot_uniform",
        bias_initializer: str | initializers.Initializer = "zeros",
        dtype: object = None,
        name: str | None = None,
        input_shape: object = None,
    ) -> None:
        self.units = check_count("units", units, 1)
        self.activation = activations.get(activation)
        self.use_bias = check_flag("use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        super().__init__(name, dtype, input_shape)

    def compute_output_shape(self, *input_shapes: Any) -> tuple[int, ...]:
        """(units,)."""
        one_axis(self, *input_shapes)
        return (self.units,)

    def variables(self, *input_shapes: Any) -> list[Variable]:
        """W, and b if there is one."""
        shape = (one_axis(self, *input_shapes), self.units)
        kernel = Variable("kernel", f"{self.name}/kernel", shape, self.kernel_initializer)
        bias = Variable("bias", f"{self.name}/bias", (self.units,), self.bias_initializer)
        return [kernel, bias] if self.use_bias else [kernel]

    def record(self, tape: Any, *inputs: Any) -> Any:
        """Write x W + b and its activation."""
        (x,) = inputs
        kernel, *bias = [tape.parameter(variable) for variable in self.weights]
        return self.activation.record(tape, tape.affine(x, kernel, bias[0] if bias else None))

    def get_config(self) -> dict[str, Any]:
        """The layer's options, as its constructor takes them."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": self.activation.get_config(),
            "use_bias": self.use_bias,
            "kernel_initializer": self.kernel_initializer.get_config(),
            "bias_initializer": self.bias_initializer.get_config(),
        }
