"""Floor 3. The listing of a program, in the notation of the literature: what `describe()` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .schedule import Phase, bytes_moved, flops
from .tape import Op

__all__ = ["Line", "describe", "make_lines"]


@dataclass(slots=True)
class Line:
    """One op of a program and what a step of it costs.

    `flops` are floating-point operations, `bytes` what the op reads and writes, each tensor once. `seconds` is its
    share of the time of a step, over all threads; None if it was not measured.
    """

    phase: int
    op: str
    formula: str
    flops: int
    bytes: int
    seconds: float | None = None

    def cells(self) -> tuple[str, ...]:
        """The line as text: phase, op, formula, MFLOP, KB and, if measured, microseconds, GFLOP/s, GB/s."""
        phase = str(self.phase) if self.phase else ""
        cells = (phase, self.op, self.formula, f"{self.flops / 1e6:.3f}", f"{self.bytes / 1024:.1f}")
        if self.seconds is None:
            return cells
        rates = (f"{amount / self.seconds / 1e9:.1f}" if amount else "" for amount in (self.flops, self.bytes))
        return (*cells, f"{self.seconds * 1e6:.1f}", *rates)


def make_lines(phases: list[Phase], batch: int, itemsize: int) -> list[Line]:
    """One line for each op, without times."""
    return [
        Line(number, op.name, formula(op), flops(op, batch), bytes_moved(op, batch, itemsize))
        for number, phase in enumerate(phases, 1)
        for op in phase.ops
    ]


def describe(
    lines: list[Line], phases: list[Phase], batch: int, dtype: np.dtype[Any], threads: int, step: float | None = None
) -> str:
    """One line an op, a rule between phases, and the sums of a step, which took `step` seconds if it was measured."""
    header = ("phase", "op", "what it computes", "MFLOP", "KB", "µs", "GFLOP/s", "GB/s")
    total = Line(0, "", "a step", sum(line.flops for line in lines), sum(line.bytes for line in lines), step)
    rows = [header[: len(total.cells())], *(line.cells() for line in lines)]
    if step is not None:
        waits = max(step - sum(line.seconds or 0 for line in lines), 0)
        rows.append(("", "", "waiting, and finding work", "", "", f"{waits * 1e6:.1f}", "", ""))
    rows.append(total.cells())
    widths = [max(len(row[column]) for row in rows) for column in range(len(header[: len(total.cells())]))]
    rule = "-" * (sum(widths) + 2 * len(widths) - 2)
    text = [f"batch {batch}, {dtype}, work for {'1 thread' if threads == 1 else f'up to {threads} threads'}", ""]
    for row, before in zip(rows, ["", *(row[0] for row in rows)], strict=False):
        if before and row[0] != before:
            text.append(rule)
        left = "  ".join(cell.ljust(width) for cell, width in zip(row[:3], widths[:3], strict=True))
        right = "".join(f"  {cell:>{width}}" for cell, width in zip(row[3:], widths[3:], strict=True))
        text.append((left + right).rstrip())
    shared = map(_sharing, phases)
    sharing = ", ".join(f"{number}: {what}" for number, what in enumerate(shared, 1))
    return "\n".join([*text, "", f"Phases are shared by {sharing}; one wait between two phases."])


def _sharing(phase: Phase) -> str:
    if phase.by_rows:
        return "rows of the batch"
    return "columns of the batch" if all(op.attrs.get("by_columns") for op in phase.ops) else "parts of what they make"


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
            factor = f" * {inputs[0]} + {inputs[1]}" if inputs else factor
            return f"{outputs[0]} = batch of {'y' if outputs[0] == 'Y' else 'x'}{factor}"
        case "affine":
            product = f"{inputs[0]} {inputs[1]}" + (f" + {inputs[2]}" if inputs[2] else "")
            return f"{outputs[0]} = {function}({product})" if function else f"{outputs[0]} = {product}"
        case "partial_affine":
            return f"{outputs[0]} = halves of {inputs[0]} {inputs[1]}" + (f" + {inputs[2]}" if inputs[2] else "")
        case "sum_of_parts":
            return f"{outputs[0]} = {function}(Σ {inputs[0]})" if function else f"{outputs[0]} = Σ {inputs[0]}"
        case "activation" | "softmax":
            return f"{outputs[0]} = {function or op.name if op.name == 'activation' else op.name}({inputs[0]})"
        case "dropout":
            return f"{outputs[0]} = dropout({inputs[0]})"
        case "noise":
            return f"{outputs[0]} = {inputs[0]} {'∘ (1 + noise)' if op.attrs['noise']['multiplies'] else '+ noise'}"
        case "batch_norm" | "moving_norm" | "row_norm":
            factors = "".join(
                part for part, name in ((f" ∘ {inputs[1]}", inputs[1]), (f" + {inputs[2]}", inputs[2])) if name
            )
            return f"{', '.join(outputs)} = normalized({inputs[0]}){factors}"
        case "batch_norm_gradient" | "row_norm_gradient":
            return f"{', '.join(outputs)} = {inputs[0]} ∘ normalized'({inputs[1]})"
        case "add" | "multiply":
            return f"{outputs[0]} = {inputs[0]} {'+' if op.name == 'add' else '∘'} {inputs[1]}"
        case "copy_columns":
            return f"columns of {outputs[0]} = {'columns of ' * ('start' in op.attrs)}{inputs[0]}"
        case "loss" | "metric" | "tally":
            return f"{', '.join(outputs)} = {kernel}({', '.join(inputs)})"
        case "loss_gradient":
            return f"{outputs[0]} = {kernel}'({', '.join(inputs)})"
        case "input_gradient":
            slope = f" ∘ {kernel}'({inputs[2]})" if len(inputs) > 2 else ""
            return f"{outputs[0]} = {inputs[0]} {inputs[1]}ᵀ{slope}"
        case "activation_gradient" | "softmax_gradient":
            return f"{outputs[0]} = {inputs[0]} ∘ {function or 'softmax'}'({inputs[1]})"
        case "weight_gradient":
            return f"{outputs[0]} = {inputs[0]}ᵀ {inputs[1]}" + _update(op)
        case "bias_gradient":
            return f"{outputs[0]} = Σ {inputs[0]}" + _update(op)
        case "mean_gradient":
            return f"{outputs[0]} = mean of {inputs[0]} over {op.attrs['count']} steps"
        case "sum_of_squares":
            return f"{outputs[0]} = Σ squares"
        case "rescale":
            return f"{outputs[0]} = {inputs[0]} * {inputs[1]}" + (f" + {inputs[2]}" if inputs[2] else "")
        case "embedding":
            return f"{outputs[0]} = rows of {inputs[1]} at {inputs[0]}"
        case "embedding_gradient":
            return f"{outputs[0]} = Σ {inputs[1]} at {inputs[0]}" + _update(op)
        case "penalty":
            return f"{outputs[0]} = accumulate({op.attrs['penalty']}({inputs[0]}))"
        case "penalty_gradient":
            return f"{outputs[0]} = {inputs[0]} + {op.attrs['penalty']}'({inputs[1]})"
        case "constrain":
            return f"{outputs[0]} ← {op.attrs['constraint'].name}({outputs[0]})"
        case "user_forward" | "user_backward":
            method = op.name.removeprefix("user_")
            count = len(op.attrs["layer"].input_shapes) + (2 if method == "backward" else 0)
            return f"{', '.join(outputs)} = {type(op.attrs['layer']).__name__}.{method}({', '.join(inputs[:count])})"
        case "user_loss" | "user_loss_gradient":
            method = "value" if op.name == "user_loss" else "gradient"
            return f"{outputs[0]} = {type(op.attrs['loss']).__name__}.{method}({', '.join(inputs)})"
        case "update":
            return _update(op, inputs[1]).removeprefix(", ")
    return f"{', '.join(outputs)} = {op.name}({', '.join(inputs)})"


def _update(op: Op, gradient: str = "") -> str:
    if "rule" not in op.attrs:
        return ""
    (parameter,) = (tensor.name for tensor in op.outputs if tensor.kind == "parameter")
    gradient = gradient or f"d{parameter}"
    if "penalty" in op.attrs:
        gradient += f" + {op.attrs['penalty']}'({parameter})"
    limited = f"clip({gradient})" if "max_norm" in op.attrs else gradient
    return f", {parameter} ← {op.attrs['update']}({parameter}, {limited})"
