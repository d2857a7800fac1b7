"""Floor 3. The listing of a program, in the notation of the literature: what `describe()` prints."""

from __future__ import annotations

from typing import Any

import numpy as np

from .schedule import Phase, bytes_moved, flops
from .tape import Op

__all__ = ["describe"]


def describe(phases: list[Phase], batch: int, dtype: np.dtype[Any], threads: int) -> str:
    """One line an op, a heading a phase, and the sums of a step."""
    rows = [("phase", "op", "what it computes", "MFLOP", "KB")]
    for number, phase in enumerate(phases, 1):
        for op in phase.ops:
            work, traffic = flops(op, batch) / 1e6, bytes_moved(op, batch, dtype.itemsize) / 1024
            rows.append((str(number), op.name, formula(op), f"{work:.3f}", f"{traffic:.1f}"))
    ops = [op for phase in phases for op in phase.ops]
    total = sum(flops(op, batch) for op in ops) / 1e6, sum(bytes_moved(op, batch, dtype.itemsize) for op in ops) / 1024
    rows.append(("", "", "a step", f"{total[0]:.3f}", f"{total[1]:.1f}"))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [f"batch {batch}, {dtype}, work for {'1 thread' if threads == 1 else f'up to {threads} threads'}", ""]
    for row, before in zip(rows, ["", *(row[0] for row in rows)], strict=False):
        if before and row[0] != before:
            lines.append("-" * (sum(widths) + 8))
        left = "  ".join(text.ljust(width) for text, width in zip(row[:3], widths[:3], strict=True))
        right = "".join(f"  {text:>{width}}" for text, width in zip(row[3:], widths[3:], strict=True))
        lines.append((left + right).rstrip())
    shared = ("rows of the batch" if phase.by_rows else "parts of the parameters" for phase in phases)
    sharing = ", ".join(f"{number}: {what}" for number, what in enumerate(shared, 1))
    return "\n".join([*lines, "", f"Phases are shared by {sharing}; one wait between two phases."])


def formula(op: Op) -> str:
    """The op as an equation."""
    inputs = ["" if tensor is None else tensor.name for tensor in op.inputs]
    outputs = [tensor.name for tensor in op.outputs]
    kernel = op.attrs.get("kernel", "linear")
    function = "" if kernel == "linear" else kernel
    match op.name:
        case "gather":
            scale = op.attrs["scale"]
            factor = "" if scale == 1 else f" * {scale:.6g}"
            return f"{outputs[0]} = batch of {'y' if outputs[0] == 'Y' else 'x'}{factor}"
        case "affine":
            product = f"{inputs[0]} {inputs[1]}" + (f" + {inputs[2]}" if inputs[2] else "")
            return f"{outputs[0]} = {function}({product})" if function else f"{outputs[0]} = {product}"
        case "activation" | "softmax":
            return f"{outputs[0]} = {function or op.name if op.name == 'activation' else op.name}({inputs[0]})"
        case "loss" | "metric":
            return f"{', '.join(outputs)} = {kernel}({inputs[0]}, {inputs[1]})"
        case "loss_gradient":
            return f"{outputs[0]} = {kernel}'({inputs[0]}, {inputs[1]})"
        case "input_gradient":
            slope = f" ∘ {kernel}'({inputs[2]})" if len(inputs) > 2 else ""
            return f"{outputs[0]} = {inputs[0]} {inputs[1]}ᵀ{slope}"
        case "activation_gradient" | "softmax_gradient":
            return f"{outputs[0]} = {inputs[0]} ∘ {function or 'softmax'}'({inputs[1]})"
        case "weight_gradient":
            return f"{outputs[0]} = {inputs[0]}ᵀ {inputs[1]}" + _update(op)
        case "bias_gradient":
            return f"{outputs[0]} = Σ {inputs[0]}" + _update(op)
        case "update":
            return _update(op).removeprefix(", ")
    return f"{', '.join(outputs)} = {op.name}({', '.join(inputs)})"


def _update(op: Op) -> str:
    if "rule" not in op.attrs:
        return ""
    parameter = op.outputs[-1].name
    return f", {parameter} ← {op.attrs['update']}({parameter}, d{parameter})"
