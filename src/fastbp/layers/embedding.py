"""Floor 2. Embedding: a row of a table for each index."""

from typing import Any, Unpack

from fastbp import initializers
from fastbp.layers.base import Layer, Options, one_axis
from fastbp.layers.variable import Variable
from fastbp.utils import check_count

LARGEST = 2**31 - 1  # indices are int32 in the kernels


class Embedding(Layer):
    """Rows of a table (input_dim, output_dim): index k becomes the table's row k.

    It stands directly behind an `Input`, or a `Flatten` or `Reshape` of one, that nothing but embeddings reads. The
    data there are indices, of any integer type or whole floats; they are taken as int32, never as reals. Rows of
    `columns` indices become rows of shape (columns, output_dim), which a `Flatten` or, for one column, a `Concatenate`
    takes on.

    The gradient has the shape of the table. With plain `SGD` a step touches the rows of its batch alone; optimizers
    with a state or weight decay change all of them in every step, as for any other weight.

    Parameters
    ----------
    input_dim : int
        Rows of the table: indices are from 0 to input_dim - 1.
    output_dim : int
        Columns of the table.
    embeddings_initializer : str or Initializer
        First values.
    **options
        As for every layer: name, dtype, input_shape, trainable.

    Raises
    ------
    ValueError
        If a number is not positive and whole, or, by the model, if the layer has no `Input` before it. By `fit`,
        `evaluate` and `predict`, before they compute anything, if an index is not whole or not in the table.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> table = fb.initializers.Constant([[0.0, 0.0], [1.0, 10.0], [2.0, 20.0]])
    >>> model = fb.Sequential([fb.Input((2,)), fb.layers.Embedding(3, 2, table)])
    >>> model.predict(np.array([[2, 1]]))
    array([[[ 2., 20.],
            [ 1., 10.]]], dtype=float32)
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: str | initializers.Initializer = "uniform",
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        self.input_dim = check_count("input_dim", input_dim, 1)
        self.output_dim = check_count("output_dim", output_dim, 1)
        if self.input_dim > LARGEST:
            raise ValueError(f"expected input_dim of at most {LARGEST}, got {input_dim}")
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.index_limit = self.input_dim

    def compute_output_shape(self, *input_shapes: Any) -> tuple[int, ...]:
        """(columns, output_dim)."""
        return (one_axis(self, *input_shapes), self.output_dim)

    def variables(self, *input_shapes: Any) -> list[Variable]:
        """The table."""
        return [self.new_weight("embeddings", (self.input_dim, self.output_dim), self.embeddings_initializer)]

    def record(self, tape: Any, *inputs: Any) -> Any:
        """Write the choice of the rows."""
        return tape.embedding(inputs[0], tape.parameter(self.weights[0]))

    def get_config(self) -> dict[str, Any]:
        """The layer's options, as its constructor takes them."""
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": self.embeddings_initializer.get_config(),
        }
