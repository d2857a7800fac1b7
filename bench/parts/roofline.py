"""Part: each op of a training step under the roofs of the machine: arithmetic and bandwidth.

Bandwidth is measured as in STREAM's "add": NumPy adds two arrays into a third, one slice a thread, and the two reads
and the write count, each once. Memory: arrays of 64 MB in all threads at once, larger than the caches. Second-level
cache: arrays of 96 KB in all, on one thread, times the threads, since each core has a cache of its own; Python could
not start such short calls on several threads at once.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from timing import block_of
from trainers.worker import hire
from trainers.workload import WORKLOADS

from . import Result, Run

MEMORY_BYTES, CACHE_BYTES = 64 << 20, 96 << 10  # of three arrays, a thread; of three arrays
ROUNDS = 12


def adding(size: int):
    """A call that adds, and the bytes it moves; three arrays of so many bytes in all."""
    a, b, c = (np.ones(size // 12, np.float32) for _ in range(3))
    return (lambda: np.add(b, c, out=a)), 3 * a.nbytes


def bandwidth(threads: int, rounds: int) -> dict[str, float]:
    """Bytes a second, from memory and from second-level caches."""
    with ThreadPoolExecutor(threads) as pool:
        slices = [adding(MEMORY_BYTES) for _ in range(threads)]
        moved = sum(size for _, size in slices)
        together = block_of(lambda: list(pool.map(lambda part: part[0](), slices)), 0.1)
        memory = moved / min(together() for _ in range(rounds))
    add, moved = adding(CACHE_BYTES)
    near = block_of(add, 0.01)
    return {"memory": memory, "cache": threads * moved / min(near() for _ in range(rounds))}


def measure(run: Run) -> Result:
    """Roofs, and the ops of three workloads."""
    rounds = 3 if run.quick else ROUNDS
    programs, peak = {}, 0.0
    worker = hire("fastbp", run.threads)
    for name in ("headline", "medium", "wide"):
        worker.start(WORKLOADS[name])
        peak = max(peak, worker.fma_peak())
        programs[name] = {"workload": str(WORKLOADS[name]), "ops": worker.ask("profile")}
    return {"peak": peak, "bandwidth": bandwidth(run.threads, rounds), "programs": programs, "figures": {}}
