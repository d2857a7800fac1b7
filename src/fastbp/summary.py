"""Floor 3. The summary: a table of the layers, on a terminal or in a file."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from fastbp.layers import Layer


def print_summary(network: Any) -> None:
    """Print name, layers, shapes and numbers of parameters to standard output."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f'Model: "{network.name}"', title_justify="left", title_style="bold")
    table.add_column("Layer (type)")
    table.add_column("Output Shape")
    table.add_column("Param #", justify="right")
    sources = sources_of(network)
    if sources:
        table.add_column("Reads")
    for layer in [*inputs_of(network), *network.layers]:
        cells = [f"{layer.name} ({type(layer).__name__})", shape_of(layer), parameters_of(layer)]
        table.add_row(*cells, *([", ".join(sources.get(layer.name, []))] if sources else []))
    console = Console(highlight=False, markup=False)
    console.print(table)
    total = sum(variable.size for variable in network.weights)
    trained = sum(variable.size for variable in network.trainable_weights)
    itemsize = network.dtype.itemsize
    for label, count in (("Total", total), ("Trainable", trained), ("Non-trainable", total - trained)):
        console.print(f" {label} params: {count:,} ({size_of(count * itemsize)})")


def sources_of(network: Any) -> dict[str, list[str]]:
    """Names of the layers that each layer reads; empty where each reads the one before it."""
    nodes = network.nodes
    chain = all(node.inputs == (before.output,) for before, node in pairwise(nodes))
    if len(network.inputs) < 2 and chain:
        return {}
    sources: dict[str, list[str]] = {}
    for node in nodes:
        sources.setdefault(node.layer.name, []).extend(symbol.name for symbol in node.inputs)
    return sources


def inputs_of(network: Any) -> list[Layer]:
    """The inputs, where layers say what they read."""
    return [symbol.node.layer for symbol in network.inputs] if sources_of(network) else []


def shape_of(layer: Layer) -> str:
    """`(None, 10)`, or a question mark before the input is known."""
    return str((None, *layer.output_shape)) if layer.output_shape else "?"


def parameters_of(layer: Layer) -> str:
    """`7,850`."""
    return f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"


def size_of(count: float) -> str:
    """Bytes in the largest unit that leaves a number of at least one."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024 or unit == "GB":
            break
        count /= 1024
    return f"{count:.2f} {unit}"
