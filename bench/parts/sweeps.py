"""Part: how the time of a step changes with depth, width, batch, threads and the real type.  A cliff would show.

Each point is the best of a few short blocks, the sides in turn.  fastbp goes through every point on all threads and on
one; JAX and PyTorch through those that make a curve, tried on both and shown where they are better.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from timing import alternate
from trainers import missing
from trainers.worker import Worker, hire
from trainers.workload import WORKLOADS, Workload

from . import Result, Run

HEADLINE = replace(WORKLOADS["headline"], rows=3 * 8192)
SIZED = {name: replace(WORKLOADS[name], rows=HEADLINE.rows) for name in ("headline", "medium", "wide")}
DEPTHS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 50)
WIDTHS = (16, 17, 32, 33, 64, 100, 128, 250, 256, 512, 1000, 1024, 2048, 4096)
BATCHES = tuple(2**k for k in range(14))
SWEEPS: dict[str, tuple[tuple[int, ...], Callable[[int], Workload]]] = {
    "depth": (DEPTHS, lambda depth: replace(HEADLINE, sizes=(784, *[128] * depth, 10))),
    "width": (WIDTHS, lambda width: replace(HEADLINE, sizes=(784, width, width, 10))),
    "batch": (BATCHES, lambda batch: replace(HEADLINE, batch=batch)),
}
PEERS = ("jax", "torch")
PEERS_AT = {"depth": DEPTHS[:-1], "width": (16, 32, 64, 128, 256, 512, 1024, 2048), "batch": BATCHES}
ROUNDS = 3
QUICK_EVERY = 7  # this many points are one in a quick run

# A block has as many steps as fill BLOCK_S at this speed: about a peer's, so that all can have the same number, for
# which JAX compiles once.
BLOCK_S, STEP_S, FLOPS = 0.1, 1e-4, 5e10


def measure(run: Run) -> Result:
    """All sweeps."""
    x, y = HEADLINE.data()
    rounds, every = (1, QUICK_EVERY) if run.quick else (ROUNDS, 1)
    both = sorted({1, run.threads})
    ours = {("fastbp", count): hire("fastbp", count) for count in both}
    peers = {(name, count): hire(name, count) for name in PEERS if not missing(name) for count in both}
    teams = {("fastbp", count): hire("fastbp", count) for count in team_sizes()}
    for worker in {*ours.values(), *peers.values(), *teams.values()}:
        worker.data(x, y)
    most, points = ours["fastbp", run.threads], dict[str, list[Result]]()
    peaks = [most.fma_peak()]
    for name, (values, of) in SWEEPS.items():
        points[name] = []
        for value in values[::every]:
            sides = ours | (peers if value in PEERS_AT[name] else {})
            points[name].append(point(of(value), sides, rounds) | {"value": value})
            peaks.append(most.fma_peak())
    result: Result = {"points": points, "peak": max(peaks), "figures": {}}
    result["peaks"] = {str(count): ours["fastbp", count].fma_peak() for count in both} | {
        str(run.threads): result["peak"]
    }
    result["teams"] = [point(workload, teams, rounds) | {"value": name} for name, workload in SIZED.items()]
    with Worker("fastbp", run.threads) as double:
        double.data(x.astype(np.float64), y)
        sides = {("float32", run.threads): most, ("float64", run.threads): double}
        result["types"] = [point(workload, sides, rounds) | {"value": name} for name, workload in SIZED.items()]
    return result


def team_sizes() -> list[int]:
    """1, 2, 3, 4, 6, 8, 12, 16, ... threads, up to all cores."""
    cores = os.cpu_count() or 1
    sizes = {1, cores, *(size for k in range(1, 11) for size in (2**k, 3 * 2 ** (k - 1)))}
    return sorted(size for size in sizes if size <= cores)


def point(workload: Workload, sides: dict[tuple[str, int], Worker], rounds: int) -> Result:
    """The best seconds a step of each side at one point, {side: {threads: seconds}}."""
    steps = int(BLOCK_S / (STEP_S + workload.step_flops / FLOPS))
    steps = max(3, min(steps, workload.rows // workload.batch))
    order = np.random.default_rng(0).permutation(workload.rows)[: steps * workload.batch]
    measures = {}
    for side, worker in sides.items():
        worker.start(replace(workload, dtype="float64") if side[0] == "float64" else workload)
        worker.epoch(order)  # compiles, first touch
        measures[side] = partial(worker.epoch, order)
    seconds: Result = {}
    for (name, threads), taken in alternate(measures, rounds).items():
        seconds.setdefault(name, {})[str(threads)] = min(taken) / steps
    return {"flops": workload.step_flops, "seconds": seconds}
