"""Floor 3. The listing of a program, in the notation of the literature: what `describe()` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .kinds import bytes_moved, flops, formula
from .schedule import Phase

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
