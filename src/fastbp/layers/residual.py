"""Floor 2. Residual: layers, and what came into them added to what comes out."""

from collections.abc import Sequence
from typing import Any, Self, Unpack

import numpy as np

from fastbp.layers.base import Layer, Options, check_made, one_axis, shape_behind
from fastbp.layers.dense import Dense
from fastbp.layers.variable import Variable
from fastbp.registry import encode


class Residual(Layer):
    """x + f(x), where f is some layers in a row (He et al. 2016).

    Where f changes the number of columns, x goes through a linear `Dense` without a bias before it is added.

    Parameters
    ----------
    layers : sequence of Layer
        f.
    **options
        As for every layer: name, dtype, input_shape, trainable.

    Raises
    ------
    TypeError
        If one is not a layer.
    ValueError
        If there is none, or one is there twice; or, once the shapes are known, if f changes that of rows of several
        axes.

    Examples
    --------
    >>> import fastbp as fb
    >>> block = fb.layers.Residual([fb.Dense(32, "relu"), fb.Dense(16)])
    >>> fb.Sequential([fb.Input((16,)), block]).count_params()
    1072
    """

    def __init__(self, layers: Sequence[Layer], **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self.layers = list(layers)
        for layer in self.layers:
            if not isinstance(layer, Layer) or layer.merges or layer.index_limit is not None:
                raise TypeError(f"expected layers of one input, of numbers to add to, in {self!r}, got {layer!r}")
            check_made(layer)
            if self.layers.count(layer) > 1:
                raise ValueError(f"expected each layer once in {self!r}, got {layer!r} twice")
        if not self.layers:
            raise ValueError(f"expected at least one layer in {self!r}, got none")
        self._projection: Dense | None = None

    def compute_output_shape(self, *input_shapes: Any) -> tuple[int, ...]:
        """The shape that comes out of the last layer; where it is another one, both are of one axis."""
        (first,) = (shape,) = input_shapes
        for layer in self.layers:
            shape = shape_behind(layer, shape)
        if shape != first:
            for changed in (first, shape):
                one_axis(self, changed)
        return tuple(shape)

    def variables(self, *input_shapes: Any) -> list[Variable]:
        """Those of all layers, and of the projection if there is one."""
        (first,) = (shape,) = input_shapes
        for layer in self.layers:
            layer.build(shape)
            assert layer.output_shape is not None
            shape = layer.output_shape
        if shape != first:
            self._projection = Dense(shape[0], use_bias=False, name=f"{self.name}_projection")
            self._projection.build(first)
        return [variable for layer in self.inner for variable in layer.weights]

    @property
    def inner(self) -> list[Layer]:
        """f, and the projection if there is one."""
        return [*self.layers, *([self._projection] if self._projection else [])]

    def draw_seeds(self, rng: np.random.Generator) -> None:
        """Those of all layers."""
        for layer in self.layers:
            layer.draw_seeds(rng)

    def unbuild(self) -> None:
        """Undo `build`; the layers keep what they have."""
        super().unbuild()
        self._projection = None

    def record(self, tape: Any, *inputs: Any) -> Any:
        """Write the layers one after another, and the sum."""
        (x,) = (y,) = inputs
        for layer in self.layers:
            y = layer.record(tape, y)
        return tape.add(self._projection.record(tape, x) if self._projection else x, y)

    def clone(self, dtype: object = None) -> Self:
        """A layer of the same name and options without weights, in another dtype if one is given."""
        twin = super().clone(dtype)
        twin.layers = [layer.clone(dtype) for layer in self.layers]
        twin._projection = None
        return twin

    def get_config(self) -> dict[str, Any]:
        """The layer's options, as its constructor takes them; of each layer its class and options."""
        return {**super().get_config(), "layers": encode(self.layers)}
