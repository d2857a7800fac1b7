"""Floor 2. Dense: every output is a weighted sum of all inputs, put through an activation."""

from typing import Any, Unpack

from fastbp import activations, constraints, initializers, regularizers
from fastbp.layers.base import Layer, Options, one_axis
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
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
        Penalties for the size of W and b.
    kernel_constraint, bias_constraint : str or Constraint, optional
        What is done to W and b after each update.
    **options
        As for every layer: name, dtype, input_shape, trainable.

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
        kernel_regularizer: str | regularizers.Regularizer | None = None,
        bias_regularizer: str | regularizers.Regularizer | None = None,
        kernel_constraint: str | constraints.Constraint | None = None,
        bias_constraint: str | constraints.Constraint | None = None,
        **options: Unpack[Options],
    ) -> None:
        self.units = check_count("units", units, 1)
        self.activation = activations.get(activation)
        self.use_bias = check_flag("use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        super().__init__(**options)

    def compute_output_shape(self, *input_shapes: Any) -> tuple[int, ...]:
        """(units,)."""
        one_axis(self, *input_shapes)
        return (self.units,)

    def variables(self, *input_shapes: Any) -> list[Variable]:
        """W, and b if there is one."""
        shapes = {"kernel": (one_axis(self, *input_shapes), self.units), "bias": (self.units,)}
        return [
            self.new_weight(
                name,
                shape,
                getattr(self, f"{name}_initializer"),
                regularizer=getattr(self, f"{name}_regularizer"),
                constraint=getattr(self, f"{name}_constraint"),
            )
            for name, shape in shapes.items()
            if name == "kernel" or self.use_bias
        ]

    def record(self, tape: Any, *inputs: Any) -> Any:
        """Write x W + b and its activation."""
        (x,) = inputs
        kernel, *bias = [tape.parameter(variable) for variable in self.weights]
        return self.activation.record(tape, tape.affine(x, kernel, bias[0] if bias else None))

    def get_config(self) -> dict[str, Any]:
        """The layer's options, as its constructor takes them."""
        ways = ("initializer", "regularizer", "constraint")
        given = {
            name: getattr(self, name) for name in (f"{weight}_{way}" for way in ways for weight in ("kernel", "bias"))
        }
        return {
            **super().get_config(),
            "units": self.units,
            "activation": self.activation.get_config(),
            "use_bias": self.use_bias,
            **{name: each.get_config() for name, each in given.items() if each is not None},
        }
