"""Floor 2. Input: what a row of data looks like, and the factor it is multiplied by on its way in."""

from typing import Any, Self

from fastbp.layers.base import Layer, check_shape
from fastbp.layers.rescaling import Rescaling
from fastbp.layers.symbol import Node, Symbol
from fastbp.utils import check_number


class Input(Layer):
    """Shape of the data's rows, and in a graph of layers the symbol of them.

    Attributes
    ----------
    symbol : Symbol
        What layers are called on; they take the Input itself too.

    Parameters
    ----------
    shape : tuple of int or int
        (columns,), or more axes.
    scale : float
        Factor for every value, applied as a batch is gathered: with 1/255, pixels stay uint8 in memory.
    dtype : {"float32", "float64"}, optional
        What the model computes in; the data may have any real type.
    name : str, optional

    Raises
    ------
    ValueError
        If the shape has a number that is not positive and whole, or the scale is not finite.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> model = fb.Sequential([fb.Input((2,), scale=1 / 255), fb.Dense(1, kernel_initializer="ones")])
    >>> model.predict(np.array([[255, 0], [255, 255]], np.uint8))
    array([[1.],
           [2.]], dtype=float32)
    """

    def __init__(self, shape: object, scale: float = 1.0, dtype: object = None, name: str | None = None) -> None:
        super().__init__(name, dtype, check_shape(shape))
        self.scale = check_number("scale", scale)
        self.build(self.input_shape)
        self.symbol = Node(self, ()).output
        self._rescaling: Rescaling | None = None

    def stand_in(self, symbol: Symbol) -> Symbol:
        """What the layers behind this input read where another symbol takes its place: that one, times the scale."""
        if self.scale == 1:
            return symbol
        # one layer for all calls, as the others behind the input are: a graph has each name once
        self._rescaling = self._rescaling or Rescaling(self.scale, name=f"{self.name}_scale")
        return self._rescaling(symbol)

    def clone(self, dtype: object = None) -> Self:
        """An input of the same name and options, in another dtype if one is given."""
        return type(self)(self.input_shape, self.scale, self.dtype if dtype is None else dtype, self.name)

    def get_config(self) -> dict[str, Any]:
        """The layer's options, as its constructor takes them."""
        return {**super().get_config(), "shape": self.input_shape, "scale": self.scale}
