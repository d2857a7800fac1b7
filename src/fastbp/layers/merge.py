"""Floor 2. Layers that make one tensor of several: their sum, their product and the like, or one beside the other."""

from functools import reduce
from typing import Any

import numpy as np

from fastbp.layers.base import Layer, one_axis
from fastbp.layers.rescaling import constant


class Add(Layer):
    """x + y + ..., elementwise.

    Parameters
    ----------
    **options
        As for every layer: name, dtype, trainable.

    Raises
    ------
    ValueError
        When it is called on fewer than two symbols, or on symbols of different shapes.

    Examples
    --------
    >>> import fastbp as fb
    >>> x = fb.Input((3,))
    >>> fb.layers.Add()([x, fb.Dense(3)(x)]).shape
    (3,)
    """

    merges = True

    def record(self, tape: Any, *inputs: Any) -> Any:
        """Write the sums, from left to right."""
        return reduce(tape.add, inputs)


class Subtract(Layer):
    """x - y, elementwise.

    Parameters
    ----------
    **options
        As for every layer: name, dtype, trainable.

    Raises
    ------
    ValueError
        When it is not called on two symbols, or on symbols of different shapes.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> x, y = fb.Input((2,)), fb.Input((2,))
    >>> model = fb.Model([x, y], fb.layers.Subtract()([x, y]))
    >>> model.predict([np.array([[2.0, 3.0]]), np.array([[1.0, 5.0]])])
    array([[ 1., -2.]], dtype=float32)
    """

    merges = True

    def compute_output_shape(self, *input_shapes: Any) -> tuple[int, ...]:
        """The one shape that both have."""
        if len(input_shapes) != 2:
            raise ValueError(f"expected two symbols for {self!r}, got {len(input_shapes)}")
        return super().compute_output_shape(*input_shapes)

    def record(self, tape: Any, *inputs: Any) -> Any:
        """Write the sum of x and -y."""
        x, y = inputs
        return tape.add(x, times(tape, y, -1.0))


class Average(Layer):
    """(x + y + ...) / n, elementwise.

    Parameters
    ----------
    **options
        As for every layer: name, dtype, trainable.

    Raises
    ------
    ValueError
        When it is called on fewer than two symbols, or on symbols of different shapes.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> x, y = fb.Input((2,)), fb.Input((2,))
    >>> model = fb.Model([x, y], fb.layers.Average()([x, y]))
    >>> model.predict([np.array([[2.0, 3.0]]), np.array([[1.0, 5.0]])])
    array([[1.5, 4. ]], dtype=float32)
    """

    merges = True

    def record(self, tape: Any, *inputs: Any) -> Any:
        """Write the sums, from left to right, and the factor."""
        return times(tape, reduce(tape.add, inputs), 1 / len(inputs))


class Multiply(Layer):
    """x * y * ..., elementwise.

    Parameters
    ----------
    **options
        As for every layer: name, dtype, trainable.

    Raises
    ------
    ValueError
        When it is called on fewer than two symbols, or on symbols of different shapes.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> x = fb.Input((2,))
    >>> square = fb.Model(x, fb.layers.Multiply()([x, x]))
    >>> square.predict(np.array([[2.0, 3.0]]))
    array([[4., 9.]], dtype=float32)
    """

    merges = True

    def record(self, tape: Any, *inputs: Any) -> Any:
        """Write the products, from left to right."""
        return reduce(tape.multiply, inputs)


class Concatenate(Layer):
    """The columns of all, side by side; rows may have more axes, if all but the last have one element.

    Parameters
    ----------
    **options
        As for every layer: name, dtype, trainable.

    Raises
    ------
    ValueError
        When it is called on fewer than two symbols, or their rows have several axes of more than one element.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> x, y = fb.Input((2,)), fb.Input((1,))
    >>> fb.Model([x, y], fb.layers.Concatenate()([x, y])).predict([np.ones((1, 2)), np.zeros((1, 1))])
    array([[1., 1., 0.]], dtype=float32)
    """

    merges = True

    def compute_output_shape(self, *input_shapes: Any) -> tuple[int, ...]:
        """All columns."""
        (axes, *others) = [shape[:-1] for shape in input_shapes]
        if set(axes) <= {1} and all(other == axes for other in others):
            return (*axes, sum(shape[-1] for shape in input_shapes))
        return (sum(one_axis(self, shape) for shape in input_shapes),)

    def record(self, tape: Any, *inputs: Any) -> Any:
        """Copy each to its columns."""
        return tape.concatenate(inputs)


def times(tape: Any, x: Any, factor: float) -> Any:
    """Write the product of a tensor and a number."""
    scale, shift = (np.full(x.shape, value) for value in (factor, 0.0))
    return tape.rescale(x, tape.parameter(constant("scale", scale)), tape.parameter(constant("shift", shift)))
