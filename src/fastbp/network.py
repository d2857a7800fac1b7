"""Floor 3. The network: a graph of layers, and their weights in one flat buffer."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from fastbp import config
from fastbp import random as fastbp_random
from fastbp.graph import Graph
from fastbp.layers import Layer, Symbol, Variable
from fastbp.layers.base import as_symbol, unique_name
from fastbp.layers.symbol import Node
from fastbp.layers.variable import Storage, assign, store
from fastbp.summary import print_summary
from fastbp.utils import check_flag


class Network:
    """A graph of layers, without training.

    Parameters
    ----------
    graph : Graph, optional
        None where the input's shape is still to come.
    name : str, optional
    dtype : dtype, optional
        What to compute in; that of the layers, or the default one, unless given.
    """

    def __init__(self, graph: Graph | None = None, name: str | None = None, dtype: np.dtype | None = None) -> None:
        if name is not None and not isinstance(name, str):
            raise ValueError(f"expected name as a string, got {name!r}")
        self.name = name or unique_name(type(self))
        self.random = fastbp_random.Stream()
        self._graph: Graph | None = None
        self._storage: Storage | None = None  # of all weights, each at the start of a cache line
        self._dtype = dtype
        if graph is not None:
            self._install(graph)

    @property
    def layers(self) -> list[Layer]:
        """The layers, each once, without the inputs."""
        return self._graph.layers if self._graph else []

    @property
    def inner(self) -> list[Layer]:
        """The layers, as a layer calls those inside it."""
        return self.layers

    @property
    def inputs(self) -> tuple[Symbol, ...]:
        """The symbols that come in; none where the input's shape is still to come."""
        return self._graph.inputs if self._graph else ()

    @property
    def outputs(self) -> tuple[Symbol, ...]:
        """The symbols that go out."""
        return self._graph.outputs if self._graph else ()

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The calls of the layers, each behind those that it reads."""
        return self._graph.nodes if self._graph else ()

    @property
    def weights(self) -> list[Variable]:
        """The variables of all layers."""
        return [variable for layer in self.layers for variable in layer.weights]

    @property
    def trainable_weights(self) -> list[Variable]:
        """Those that training changes by their gradients."""
        return [variable for variable in self.weights if variable.trainable]

    @property
    def trainable(self) -> bool:
        """Whether all layers are trainable; set at any time, it holds for each of them from the next step on."""
        return all(layer.trainable for layer in self.layers)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        flag = check_flag("trainable", value)
        for layer in self.layers:
            layer.trainable = flag

    @property
    def built(self) -> bool:
        """Whether the weights are there."""
        return self._storage is not None

    @property
    def moved(self) -> bool:
        """Whether the weights have moved to the storage of another model since they were looked at last."""
        return self._storage is not None and self._storage.stale

    @property
    def dtype(self) -> np.dtype:
        """What the network computes in."""
        return self._dtype or common_dtype(self.layers)

    @property
    def input_shape(self) -> Any:
        """Shape of a row that comes in, where it is known; a list of them if there are several inputs."""
        shapes = [symbol.shape for symbol in self.inputs]
        return shapes if len(shapes) > 1 else shapes[0] if shapes else None

    def __call__(self, inputs: Any) -> Any:
        """Call the layers again, on other symbols; the weights are shared, and an Input's scale holds here too.

        Parameters
        ----------
        inputs : Symbol or Input, or a sequence of them if there are several inputs

        Returns
        -------
        Symbol, or list of Symbol if there are several outputs
        """
        symbols = one_or_several(inputs)
        expected = len(self.inputs) or 1
        if len(symbols) != expected:
            raise ValueError(f"expected {expected} symbols for {self.name}, got {len(symbols)}")
        assert self._graph is not None
        behind = [own.node.layer.stand_in(symbol) for own, symbol in zip(self.inputs, symbols, strict=True)]
        outputs = self._graph.replay(behind)
        return outputs if len(outputs) > 1 else outputs[0]

    def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of a row that comes out, of a network with one input and one output."""
        if len(self.inputs) != 1 or len(self.outputs) != 1:
            raise ValueError(
                f"expected a network of one input and one output, got {len(self.inputs)} and {len(self.outputs)} "
                f"in {self.name}"
            )
        return self.outputs[0].shape

    def output_shapes(self, input_shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Shapes of the rows that come out where these come in; nothing is built."""
        return [symbol.shape for symbol in self.outputs]

    def _install(self, graph: Graph) -> None:
        """Compute this graph from now on; layers that have weights keep them."""
        everything = [*(symbol.node.layer for symbol in graph.inputs), *graph.layers]
        check_names(everything)
        dtype = self._dtype or common_dtype(everything)
        check_dtypes(everything, dtype)
        variables = [variable for layer in graph.layers for variable in layer.weights]
        check_paths(variables)
        self._storage = store(variables, dtype, self.random.generator())
        for layer in graph.layers:
            layer.draw_seeds(self.random.generator())
        self._graph, self._dtype = graph, dtype

    def _parameters(self) -> np.ndarray:
        """The flat buffer; a new one if a network made since has moved some of the weights."""
        assert self._graph is not None
        assert self._storage is not None
        if self._storage.stale:
            self._install(self._graph)
        return self._storage.array

    def count_params(self) -> int:
        """Number of weights."""
        return sum(prod(variable.shape) for variable in self.weights)

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

    def get_layer(self, name: str) -> Layer:
        """The layer of this name."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"expected the name of a layer, one of {', '.join(x.name for x in self.layers)}, got {name!r}")

    def summary(self) -> None:
        """Print the layers with their shapes and numbers of parameters."""
        print_summary(self)


def one_or_several(inputs: Any) -> list[Symbol]:
    """The symbols that a network is called on."""
    return [as_symbol(item) for item in (inputs if isinstance(inputs, (list, tuple)) else [inputs])]


def check_names(layers: Sequence[Any]) -> None:
    """Each layer has a name of its own."""
    names: set[str] = set()
    for layer in layers:
        if layer.name in names:
            raise ValueError(f"expected layers of different names, got {layer.name!r} twice")
        names.add(layer.name)


def check_paths(variables: Sequence[Variable]) -> None:
    """Each weight has a path of its own, also those of layers inside layers, which can be nowhere else."""
    found: dict[str, Variable] = {}
    for variable in variables:
        other = found.setdefault(variable.path, variable)
        if other is not variable:
            raise ValueError(f"expected layers of different names, got two with weights {variable.path!r}")
    if len(found) < len(variables):  # copies and files would have a layer for each place
        shared = next(variable.path for variable in found.values() if variables.count(variable) > 1)
        raise ValueError(f"expected layers inside a layer to be nowhere else, got that with weights {shared!r} twice")


def common_dtype(layers: Sequence[Any]) -> np.dtype:
    """The dtype that layers name, or have weights in, else the default one."""
    named = (layer.dtype for layer in layers if layer.dtype is not None)
    made = (v.value.dtype for layer in layers for v in layer.weights if v.value is not None)
    return next(named, None) or next(made, None) or np.dtype(config.floatx())


def check_dtypes(layers: Sequence[Any], dtype: np.dtype) -> None:
    """No layer names another dtype, or has weights in another."""
    for layer in layers:
        if layer.dtype is not None and layer.dtype != dtype:
            raise ValueError(f"expected one dtype in all layers, {dtype} as before, got {layer.dtype} in {layer!r}")
        for variable in layer.weights:
            if variable.value is not None and variable.value.dtype != dtype:
                got = variable.value.dtype
                raise ValueError(f"expected weights of one dtype, {dtype} as before, got {got} in {layer!r}")
