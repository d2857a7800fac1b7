"""Floor 2. Reshape and Flatten: the same numbers under another shape. They cost nothing."""

from collections.abc import Iterable
from math import prod
from typing import Any, Unpack

from fastbp.layers.base import Layer, Options, check_shape


class Reshape(Layer):
    """Rows in another shape, in C order.

    Parameters
    ----------
    target_shape : tuple of int
        Of a row. One axis may be -1: it has what is left.
    **options
        As for every layer: name, dtype, input_shape, trainable.

    Raises
    ------
    ValueError
        If the shape has another -1 or an axis below 1, or rows that come in have another number of elements.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.layers.Reshape((3, -1))(fb.Input((12,))).shape
    (3, 4)
    """

    def __init__(self, target_shape: Any, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        sizes = tuple(target_shape) if isinstance(target_shape, Iterable) else (target_shape,)
        if sum(1 for size in sizes if size == -1) > 1:
            raise ValueError(f"expected target_shape with one -1 at most, got {sizes}")
        check_shape([1 if size == -1 else size for size in sizes])
        self.target_shape = sizes

    def compute_output_shape(self, *input_shapes: Any) -> tuple[int, ...]:
        """The target shape, the -1 in it replaced."""
        (shape,) = input_shapes
        known, size = prod(axis for axis in self.target_shape if axis != -1), prod(shape)
        if size % known or (-1 not in self.target_shape and size != known):
            raise ValueError(f"expected rows of {known} elements for {self!r} to {self.target_shape}, got {shape}")
        return tuple(size // known if axis == -1 else axis for axis in self.target_shape)

    def record(self, tape: Any, *inputs: Any) -> Any:
        """Write nothing: on the tape, a row is its elements one after another."""
        return inputs[0]

    def get_config(self) -> dict[str, Any]:
        """The layer's options, as its constructor takes them."""
        return {**super().get_config(), "target_shape": self.target_shape}


class Flatten(Reshape):
    """Rows of one axis, in C order.

    Parameters
    ----------
    **options
        As for every layer: name, dtype, input_shape, trainable.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.layers.Flatten()(fb.Input((28, 28))).shape
    (784,)
    """

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__((-1,), **options)

    def get_config(self) -> dict[str, Any]:
        """The layer's options, as its constructor takes them."""
        return Layer.get_config(self)
