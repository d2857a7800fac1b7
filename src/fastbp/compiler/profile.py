"""Floor 3. Measuring a program, op by op: what `describe(profile=True)` prints."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np

from .._core import _team
from .tape import Op

__all__ = ["made_up_rows", "measure", "steps"]

MOST_STEPS = 50  # of a run
MOST_NUMBERS = 1 << 24  # in the rows of a run
SECONDS = 0.5  # of measuring


def steps(x: np.ndarray) -> int:
    """How many steps to run at a time, with batches like x."""
    return int(np.clip(MOST_NUMBERS // max(x.size, 1), 1, MOST_STEPS))


def measure(program: Any, ops: list[Op], rows: int) -> tuple[list[float], float]:
    """Seconds of each op, its share of a step's time over all threads, and of the step, in the fastest of several runs.

    Parameters
    ----------
    program : Program
        Parameters and optimizer state are put back afterwards.
    ops : list of Op
        In the order of the program.
    rows : int
        That are bound, in whole batches.
    """
    count = rows // program.batch
    rules = [op.attrs["rule"] for op in ops if "rule" in op.attrs]
    changed = [out.variable.value for op in ops for out in op.outputs if out.kind == "parameter"]
    changed += [array for rule in rules for array in rule.arrays]
    changed += [op.attrs["memory"] for op in ops if "memory" in op.attrs]
    kept = [array.copy() for array in changed]
    rates = np.full(count, 1e-3) if rules else None
    threads = min(_team.get_num_threads(), program.threads)
    times, step, end = np.zeros(0), np.inf, perf_counter() + SECONDS
    try:
        while perf_counter() < end or not times.size:
            seconds = np.zeros((threads, len(ops)))
            started = perf_counter()
            program.run(0, rows, rates, seconds=seconds)
            elapsed = (perf_counter() - started) / count
            if elapsed < step:
                times, step = seconds.sum(axis=0) / threads / count, elapsed
    finally:
        for array, copy in zip(changed, kept, strict=True):
            array[...] = copy
    return times.tolist(), step


def made_up_rows(buffer: np.ndarray, rows: int, limit: int | None) -> np.ndarray:
    """Random rows for the buffer of a batch: numbers from 0 to 1, or indices below a limit."""
    rng = np.random.default_rng(0)
    if limit is not None:
        return rng.integers(limit, size=(rows, *buffer.shape[1:]), dtype=np.int32)
    return rng.random((rows, buffer.shape[1]), buffer.dtype)
