"""Floor 3. The summary: a table of the layers, on a terminal or in a file."""

from __future__ import annotations

from math import prod
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
    for layer in network.layers:
        table.add_row(f"{layer.name} ({type(layer).__name__})", shape_of(layer), parameters_of(layer))
    console = Console(highlight=False, markup=False)
    console.print(table)
    total = sum(prod(variable.shape) for variable in network.weights)
    itemsize = network.dtype.itemsize
    for label, count in (("Total", total), ("Trainable", total), ("Non-trainable", 0)):
        console.print(f" {label} params: {count:,} ({size_of(count * itemsize)})")


def shape_of(layer: Layer) -> str:
    """`(None, 10)`, or a question mark before the input is known."""
    return f"(None, {layer.output_shape[0]})" if layer.output_shape else "?"


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
