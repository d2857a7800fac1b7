"""Floor 2. Symbols: what stands for rows of data while layers are called on one another, before there are any data."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

_numbers = itertools.count()


@dataclass(eq=False)
class Node:
    """One call of a layer.

    Attributes
    ----------
    layer : Layer
    inputs : tuple of Symbol
        What it was called on; empty for an `Input`.
    output : Symbol
    number : int
        Calls are counted, so that sorting them gives an order in which they can be computed.
    """

    layer: Any
    inputs: tuple[Symbol, ...]
    output: Symbol = field(init=False)
    number: int = field(default_factory=_numbers.__next__)

    def __post_init__(self) -> None:
        """Make the symbol, of the shape that the layer was built for."""
        self.output = Symbol(self.layer.output_shape, self)


@dataclass(eq=False)
class Symbol:
    """What comes out of a call of a layer.

    Attributes
    ----------
    shape : tuple of int
        Of a row.
    node : Node
        The call.
    """

    shape: tuple[int, ...]
    node: Node

    @property
    def name(self) -> str:
        """The layer's."""
        return str(self.node.layer.name)

    def __repr__(self) -> str:
        return f"<Symbol of {self.name}, shape {(None, *self.shape)}>"
