"""Floor 3. The network: layers in a row, their shapes, and their weights in one flat buffer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastbp import config
from fastbp import random as fastbp_random
from fastbp.layers import Input, Layer, Variable
from fastbp.layers.base import unique_name
from fastbp.layers.variable import allocate, assign
from fastbp.summary import print_summary


class Network:
    """Layers in a row, without training.

    Parameters
    ----------
    layers : sequence of Layer, optional
    name : str, optional
    """

    def __init__(self, layers: Sequence[Layer] | None = None, name: str | None = None) -> None:
        self.name = name or unique_name(type(self))
        self.random = fastbp_random.Stream()
        self._input: Input | None = None
        self._layers: list[Layer] = []
        self._parameters: np.ndarray | None = None  # (size,) all weights, each at the start of a cache line
        self._dtype: np.dtype | None = None
        if layers is not None:
            self._install(self._input, list(layers))

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the `Input`."""
        return list(self._layers)

    @property
    def weights(self) -> list[Variable]:
        """The variables of all layers."""
        return [variable for layer in self._layers for variable in layer.weights]

    @property
    def built(self) -> bool:
        """Whether the weights are there."""
        return self._parameters is not None

    @property
    def dtype(self) -> np.dtype:
        """What the network computes in."""
        return self._dtype or common_dtype([*self._inputs(), *self._layers])

    @property
    def input_shape(self) -> tuple[int] | None:
        """Shape of a row that comes in, where it is known."""
        return self._input.input_shape if self._input else None

    def add(self, layer: Layer) -> None:
        """Append a layer. Layers that have weights keep them; a compiled model starts its optimizer anew.

        Raises
        ------
        TypeError
            If it is not a layer.
        ValueError
            If it belongs to a network already, or does not fit behind the others.
        """
        self._install(self._input, [*self._layers, layer])

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights for rows of this shape, where no layer says it.

        Parameters
        ----------
        input_shape : tuple of int
            (columns,), or as in Keras (None, columns).
        """
        if self.built:
            return
        if not self._layers:
            raise ValueError(f"expected at least one layer in {self.name}, got none")
        shape = tuple(input_shape)
        source = Input(shape[1:] if shape[:1] == (None,) else shape, name=f"{self.name}_input")
        self._install(source, self._layers)

    def _install(self, source: Input | None, layers: list[Layer]) -> None:
        """Take these layers, all or none, and make weights if the input's shape is known."""
        check_layers(layers, self._layers)
        if layers and isinstance(layers[0], Input):
            if self._layers or source:
                raise ValueError("expected Input as the first layer only")
            source, layers = layers[0], layers[1:]
        if source is None and layers and layers[0].input_shape is not None:
            source = Input(layers[0].input_shape, name=f"{self.name}_input")
        dtype = self._dtype or common_dtype([*([source] if source else []), *layers])
        check_dtypes(layers, dtype)
        if source is not None and layers:
            self._parameters = make_weights(source, layers, dtype, self.random)
            self._dtype = dtype
        self._input, self._layers = source, layers

    def _inputs(self) -> list[Layer]:
        return [self._input] if self._input else []

    def outputs(self, columns: int) -> int:
        """Columns that come out where so many come in; nothing is built."""
        if not self._layers:
            raise ValueError(f"expected at least one layer in {self.name}, got none")
        shape = (columns,)
        for layer in self._layers:
            shape = layer.compute_output_shape(shape)
        return shape[0]

    def count_params(self) -> int:
        """Number of weights."""
        return sum(layer.count_params() for layer in self._layers)

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weight arrays, in the order of the layers."""
        return [variable.numpy() for variable in self.weights]

    def set_weights(self, weights: Any) -> None:
        """Copy arrays into the weights, in the order of `get_weights`.

        Raises
        ------
        TypeError, ValueError
            If the number of arrays, a shape or a type does not fit; then no weight has changed.
        """
        if not self.built:
            raise ValueError(f"expected a built network, but {self.name} does not know its input shape yet")
        assign(self.weights, weights)

    def summary(self) -> None:
        """Print the layers with their shapes and numbers of parameters."""
        print_summary(self)


def check_layers(layers: list[Layer], present: list[Layer]) -> None:
    """Each a layer, not part of another network, with a name of its own."""
    names: set[str] = set()
    for position, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            hint = f"; write {layer.__name__}(...)" if isinstance(layer, type) else ""
            raise TypeError(f"expected a layer, got {layer!r}{hint}")
        if layer.built and layer not in present:
            raise ValueError(f"expected a new layer, got {layer!r}, which belongs to another network")
        if layer in layers[:position]:
            raise ValueError(f"expected each layer once, got {layer!r} twice")
        if isinstance(layer, Input) and position:
            raise ValueError(f"expected Input as the first layer only, got it as number {position + 1}")
        if layer.name in names:
            raise ValueError(f"expected layers of different names, got {layer.name!r} twice")
        names.add(layer.name)


def common_dtype(layers: Sequence[Layer]) -> np.dtype:
    """The dtype that layers name, else the default one."""
    return next((layer.dtype for layer in layers if layer.dtype is not None), np.dtype(config.floatx()))


def check_dtypes(layers: Sequence[Layer], dtype: np.dtype) -> None:
    """No layer names another dtype."""
    for layer in layers:
        if layer.dtype is not None and layer.dtype != dtype:
            raise ValueError(f"expected one dtype in all layers, {dtype} as before, got {layer.dtype} in {layer!r}")


def make_weights(source: Input, layers: list[Layer], dtype: np.dtype, random: fastbp_random.Stream) -> np.ndarray:
    """Build the layers that are not built, and put all weights into one flat buffer."""
    new = [layer for layer in (source, *layers) if not layer.built]
    shape = source.input_shape
    assert shape is not None
    try:
        for layer in (source, *layers):
            if layer.input_shape not in (None, shape):
                raise ValueError(f"expected input_shape {shape} for {layer!r}, got {layer.input_shape}")
            if layer in new:
                layer.build(shape)
            assert layer.output_shape is not None
            shape = layer.output_shape
        variables = [variable for layer in layers for variable in layer.weights]
        return allocate(variables, dtype, random.generator())
    except BaseException:
        for layer in new:
            layer.unbuild()
        raise
