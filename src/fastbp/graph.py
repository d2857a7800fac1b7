"""Floor 3. Graphs: the calls of layers that lead from a model's inputs to its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from math import prod
from typing import Any, NamedTuple

from fastbp.layers import Input, Layer, Reshape, Symbol
from fastbp.layers.base import as_symbol
from fastbp.layers.symbol import Node
from fastbp.registry import decode, encode

MOST_COLUMNS = 2**40  # of a tensor that a file describes


class Graph(NamedTuple):
    """Symbols that come in and go out, and the calls between them, each behind those that it reads."""

    inputs: tuple[Symbol, ...]
    outputs: tuple[Symbol, ...]
    nodes: tuple[Node, ...]

    @property
    def layers(self) -> list[Layer]:
        """The layers that are called, each once, without the inputs."""
        return list(dict.fromkeys(node.layer for node in self.nodes))

    def index_limits(self) -> list[int | None]:
        """For each input, what its numbers are indices below, if embeddings read it; None for plain numbers.

        Raises
        ------
        ValueError
            If an embedding reads something else than an input, or something else reads an input of an embedding.
        """
        origin = {symbol: symbol for symbol in self.inputs}  # of the same numbers, in any shape
        limits: dict[Symbol, set[int | None]] = {symbol: set() for symbol in self.inputs}
        for node in self.nodes:
            limit = node.layer.index_limit
            sources = [origin.get(symbol) for symbol in node.inputs]
            if limit is not None and sources == [None]:
                raise ValueError(f"expected {node.layer!r} behind an Input, got it behind {node.inputs[0].name}")
            if isinstance(node.layer, Reshape) and sources[0] is not None:
                origin[node.output] = sources[0]
                continue
            for source in sources:
                if source is not None:
                    limits[source].add(limit)
        for symbol in self.outputs:
            if symbol in origin:
                limits[origin[symbol]].add(None)
        return [index_limit(symbol, found) for symbol, found in limits.items()]

    def replay(self, inputs: Sequence[Symbol], stand_ins: Mapping[Layer, Layer] | None = None) -> list[Symbol]:
        """Call the layers again, or others in their place, on other inputs; returns the outputs."""
        found = dict(zip(self.inputs, inputs, strict=True))
        for node in self.nodes:
            read = [found[symbol] for symbol in node.inputs]
            layer = stand_ins[node.layer] if stand_ins else node.layer
            found[node.output] = layer(read if node.layer.merges else read[0])
        return [found[symbol] for symbol in self.outputs]

    def get_config(self) -> dict[str, Any]:
        """The graph as plain data.

        The layers, and for each call which layer is called and which tensors it reads; tensors are counted from 0,
        first the inputs, then what each call returns.
        """
        number = {symbol: k for k, symbol in enumerate((*self.inputs, *(node.output for node in self.nodes)))}
        place = {layer: k for k, layer in enumerate(self.layers)}
        return {
            "inputs": encode([symbol.node.layer for symbol in self.inputs]),
            "layers": encode(self.layers),
            "calls": [[place[node.layer], [number[symbol] for symbol in node.inputs]] for node in self.nodes],
            "outputs": [number[symbol] for symbol in self.outputs],
        }

    def clone(self, dtype: object = None) -> Graph:
        """The same graph of layers without weights, in another dtype if one is given."""
        inputs = [symbol.node.layer.clone(dtype) for symbol in self.inputs]
        twins = {layer: layer.clone(dtype) for layer in self.layers}
        symbols = [each.symbol for each in inputs]
        return trace(symbols, self.replay(symbols, twins))


def index_limit(symbol: Symbol, limits: set[int | None]) -> int | None:
    """The least limit of those who read an input."""
    known = [limit for limit in limits if limit is not None]
    if not known:
        return None
    if None in limits:
        raise ValueError(f"expected nothing but embeddings to read {symbol.name}, which has indices: use another Input")
    if symbol.node.layer.scale != 1:
        raise ValueError(f"expected no scale in {symbol.name}, which has indices, got {symbol.node.layer.scale:g}")
    return min(known)


def trace(inputs: Any, outputs: Any) -> Graph:
    """The graph between some inputs and outputs.

    Raises
    ------
    TypeError
        If these are no symbols.
    ValueError
        If an input is what a layer returned, an output depends on an input that is not named, or an input leads to
        no output; or as `index_limits` does.
    """
    first, last = as_symbols("inputs", inputs), as_symbols("outputs", outputs)
    for symbol in first:
        if not isinstance(symbol.node.layer, Input):
            raise ValueError(f"expected inputs that are an Input each, got what {symbol.name} returned")
    nodes: set[Node] = set()
    met: set[Symbol] = set()
    pending = list(last)
    while pending:
        symbol = pending.pop()
        if symbol in met:
            continue
        met.add(symbol)
        if symbol in first:
            continue
        if isinstance(symbol.node.layer, Input):
            raise ValueError(f"expected every Input behind the outputs among the inputs, got none for {symbol.name!r}")
        nodes.add(symbol.node)
        pending.extend(symbol.node.inputs)
    unread = [symbol.name for symbol in first if symbol not in met]
    if unread:
        raise ValueError(f"expected every input to lead to an output, got {', '.join(unread)}, which lead to none")
    graph = Graph(first, last, tuple(sorted(nodes, key=lambda node: node.number)))
    graph.index_limits()  # raises where they contradict each other
    return graph


def from_config(config: Mapping[str, Any]) -> Graph:
    """The graph that `Graph.get_config` describes, of new layers.

    Raises
    ------
    ValueError
        If something is missing or does not fit; a call can only read what comes before it, so there are no cycles.
    """
    inputs, layers, calls, outputs = (as_list(key, config.get(key)) for key in ("inputs", "layers", "calls", "outputs"))
    inputs, layers = decode(inputs), decode(layers)
    for layer in layers:
        if not isinstance(layer, Layer) or isinstance(layer, Input):
            raise ValueError(f"expected layers in a graph, got {layer!r}")
    symbols = [as_symbol(each) for each in inputs]
    for call in calls:
        which, reads = call if isinstance(call, list) and len(call) == 2 else (None, None)
        (layer,), read = pick("layers", layers, [which]), pick("tensors", symbols, reads)
        symbols.append(layer(read if layer.merges or len(read) != 1 else read[0]))
        if prod(symbols[-1].shape) > MOST_COLUMNS:
            raise ValueError(f"expected at most {MOST_COLUMNS} columns, got rows of shape {symbols[-1].shape}")
    return trace(inputs, pick("tensors", symbols, outputs))


def pick(name: str, items: Sequence[Any], numbers: Any) -> list[Any]:
    """The items of these numbers."""
    for number in as_list(f"numbers of {name}", numbers):
        if type(number) is not int or not 0 <= number < len(items):
            raise ValueError(f"expected numbers of {name} there are so far, 0 to {len(items) - 1}, got {number!r}")
    return [items[number] for number in numbers]


def as_list(name: str, value: Any) -> list[Any]:
    """A list, as JSON has them."""
    if not isinstance(value, list):
        raise ValueError(f"expected {name} as a list, got {value!r}")
    return value


def names_of(symbols: Sequence[Symbol]) -> list[str]:
    """The names of the layers that made symbols; one that is there before gets a number that nobody has."""
    taken, names = {symbol.name for symbol in symbols}, []
    for symbol in symbols:
        name = symbol.name
        if name in names:
            name = next(other for k in count(1) if (other := f"{name}_{k}") not in taken)
            taken.add(name)
        names.append(name)
    return names


def as_symbols(name: str, given: Any) -> tuple[Symbol, ...]:
    """One symbol or several, all different where they are inputs; in a dict, by their names."""
    items = list(given.values()) if isinstance(given, dict) else given
    symbols = tuple(as_symbol(item) for item in (items if isinstance(items, (list, tuple)) else [items]))
    if not symbols:
        raise ValueError(f"expected at least one of {name}, got none")
    if isinstance(given, dict) and list(given) != names_of(symbols):
        called = ", ".join(names_of(symbols))
        raise ValueError(f"expected {name} by the names of their layers, {called}, got {', '.join(map(str, given))}")
    if name == "inputs" and len(set(symbols)) < len(symbols):
        raise ValueError(f"expected different inputs, got {', '.join(symbol.name for symbol in symbols)}")
    return symbols
