"""Floor 3. Sequential: a model whose layers follow one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from fastbp.config import real_type
from fastbp.graph import as_list, trace
from fastbp.layers import Input, Layer, Reshape
from fastbp.layers.base import check_made, shape_behind
from fastbp.model import Model
from fastbp.network import Network, check_dtypes, check_names, common_dtype, one_or_several
from fastbp.registry import decode, encode


class Sequential(Model):
    """A model whose layers follow one another.

    The weights are made as soon as the shape of a row is known: from an `Input`, the first layer's `input_shape`, or
    else the first data.

    Parameters
    ----------
    layers : sequence of Layer, optional
        More can be added with `add`. A model of one input and one output may stand among them.
    name : str, optional

    Attributes
    ----------
    history : History or None
        Of the last `fit`, also of one that Ctrl-C ended.
    optimizer : Optimizer or None

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.utils.set_random_seed(0)
    >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    >>> y = np.array([0, 1, 1, 0])
    >>> model = fb.Sequential([fb.Input((2,)), fb.Dense(8, "tanh"), fb.Dense(2, "softmax")])
    >>> model.compile(fb.optimizers.Adam(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> history = model.fit(x, y, epochs=100, verbose=0)
    >>> model.predict(x).argmax(axis=1)
    array([0, 1, 1, 0])
    """

    def __init__(self, layers: Sequence[Layer] | None = None, name: str | None = None) -> None:
        self._source: Input | None = None
        self._chain: list[Any] = []
        self._prepare(name)
        if layers is not None:
            self._append(list(layers))

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the `Input`; those of a model among them in its place."""
        return super().layers if self._graph else list(self._chain)

    def add(self, layer: Layer) -> None:
        """Append a layer. Layers that have weights keep them; a compiled model starts its optimizer anew.

        Raises
        ------
        TypeError
            If it is not a layer.
        ValueError
            If it does not fit behind the others.
        """
        with self._training():
            self._append([layer])

    def build(self, input_shape: tuple[int | None, ...] | None = None) -> None:
        """Make the weights for rows of this shape, where no layer says it.

        Parameters
        ----------
        input_shape : tuple of int
            (columns,), or as in Keras (None, columns).
        """
        if self.built:
            return
        if not self._chain:
            raise ValueError(f"expected at least one layer in {self.name}, got none")
        if input_shape is None:
            raise ValueError(f"expected the shape of a row that comes into {self.name}, got None")
        shape = tuple(input_shape)
        self._take(Input(shape[1:] if shape[:1] == (None,) else shape, name=f"{self.name}_input"), self._chain)

    def __call__(self, inputs: Any) -> Any:
        """Call the layers again, on another symbol; the weights are shared."""
        symbols = one_or_several(inputs)
        if not self.built and len(symbols) == 1:
            self.build(symbols[0].shape)
        return super().__call__(symbols)

    def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of a row that comes out where rows of this shape come in; nothing is built."""
        (shape,) = self.output_shapes([input_shape])
        return shape

    def output_shapes(self, input_shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Shapes of the rows that come out where these come in; nothing is built."""
        if self._graph:
            return super().output_shapes(input_shapes)
        if not self._chain:
            raise ValueError(f"expected at least one layer in {self.name}, got none")
        (shape,) = input_shapes
        for layer in self._chain:
            shape = shape_behind(layer, shape)
        return [shape]

    def get_config(self) -> dict[str, Any]:
        """Name, dtype and layers, as plain data.

        Examples
        --------
        >>> import fastbp as fb
        >>> config = fb.Sequential([fb.Input((3,)), fb.Dense(2)]).get_config()
        >>> [layer["class"] for layer in config["layers"]]
        ['layers.Input', 'layers.Dense']
        >>> fb.Sequential.from_config(config).count_params()
        8
        """
        layers = [*([self._source] if self._source else []), *self._chain]
        return {"name": self.name, "dtype": self._dtype and self._dtype.name, "layers": encode(layers)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The model that `get_config` describes, with new weights, not compiled.

        Raises
        ------
        ValueError
            If it describes no such model.
        """
        model, dtype = cls(name=config.get("name")), config.get("dtype")
        model._dtype = None if dtype is None else real_type(dtype)
        model._append(decode(as_list("layers", config.get("layers"))))
        return model

    def _append(self, layers: list[Any]) -> None:
        """Take these behind the others, all or none, and make weights if the shape of a row is known."""
        source, chain = self._source, self._chain
        for position, layer in enumerate(layers, len(chain)):
            check_layer(layer, position, [*chain, *layers][:position], alone=source is None)
        if layers and not chain and isinstance(layers[0], Input):
            source, layers = layers[0], layers[1:]
        chain = [*chain, *layers]
        if source is None and chain and chain[0].input_shape is not None:
            source = Input(chain[0].input_shape, name=f"{self.name}_input")
        self._take(source, chain)

    def _take(self, source: Input | None, chain: list[Any]) -> None:
        everything = [*([source] if source else []), *chain]
        check_names(everything)
        check_dtypes(everything, self._dtype or common_dtype(everything))
        if source is not None and chain:
            new = unbuilt(chain)
            try:
                called = len(self._chain) if self._graph else 0
                symbol = self._graph.outputs[0] if self._graph else source.symbol
                for layer in chain[called:]:
                    symbol = layer(symbol)
                self._install(trace(source, symbol))
            except BaseException:
                for each in new:
                    each.unbuild()
                raise
        else:
            self._limits = [first_limit(chain)]
        self._source, self._chain = source, chain

    def unbuild(self) -> None:
        """Forget the shape of a row; the layers keep what they have."""
        self._graph = self._storage = None
        self._columns, self._limits, self._folded = [None], [first_limit(self._chain)], {}


def unbuilt(layers: Sequence[Any]) -> list[Any]:
    """Those of these layers and models that are not built, and of those inside them."""
    found = []
    for layer in layers:
        found += [*unbuilt(layer.inner), *([] if layer.built else [layer])]
    return found


def first_limit(chain: list[Any]) -> int | None:
    """What the numbers are below that come in, if an embedding is the first to read them."""
    for layer in chain:
        if isinstance(layer, Model):
            return layer._limits[0]
        if not isinstance(layer, Reshape):
            limit: int | None = layer.index_limit
            return limit
    return None


def check_layer(layer: Any, position: int, before: list[Any], alone: bool) -> None:
    """A layer, or a network, that can stand at this position."""
    if not isinstance(layer, (Layer, Network)):
        hint = f"; write {layer.__name__}(...)" if isinstance(layer, type) else ""
        raise TypeError(f"expected a layer, got {layer!r}{hint}")
    if isinstance(layer, Layer):
        check_made(layer)
    if layer in before:
        raise ValueError(f"expected each layer once, got {layer!r} twice")
    if isinstance(layer, Input) and (position or not alone):
        raise ValueError(f"expected Input as the first layer only, got it as number {position + 1}")
    if getattr(layer, "merges", False):
        raise ValueError(f"expected layers of one input in a Sequential, got {layer!r}: use Model(inputs, outputs)")
