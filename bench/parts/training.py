"""Part: one of the workloads, trained by fastbp and by each peer.

A block is an epoch, or, where every step takes all rows, as many steps as fill a tenth of a second: the sides differ by
a factor of hundreds there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from trainers.worker import Worker
from trainers.workload import WORKLOADS, Workload

from . import Result, Run, bars
from .contest import Contest, Side

ROUNDS = {"headline": 7, "normalized": 5, "medium": 6, "wide": 3, "tiny": 9, "small": 9}
BLOCK_S = 0.1  # of steps on all rows
QUICK_STEPS = 60  # an epoch
TRIAL_SHARE = 8  # a trial of thread counts is this part of an epoch
CHECK_STEPS = 100  # after which the peers' errors are compared


class Blocks:
    """What is timed: epochs in random orders, or steps on all rows."""

    def __init__(self, workload: Workload):
        self.workload, self.rng = workload, np.random.default_rng(0)
        self.counts: dict[Worker, int] = {}

    def __call__(self, worker: Worker, key: object) -> float:
        """Seconds a step, in one block."""
        if self.workload.full_batch:
            if worker not in self.counts:
                self.counts[worker] = self._fitting(worker, key)
            return worker.steps(self.counts[worker], key) / self.counts[worker]
        return self._epoch(worker, key, self.workload.rows)

    def trial(self, worker: Worker, key: object) -> float:
        """Seconds a step, the better of two short blocks after one that is not counted."""
        if self.workload.full_batch:
            return min(self(worker, key) for _ in range(3))
        rows = max(self.workload.rows // TRIAL_SHARE, 2 * self.workload.batch)
        self._epoch(worker, key, rows)
        return min(self._epoch(worker, key, rows) for _ in range(2))

    def _epoch(self, worker: Worker, key: object, rows: int) -> float:
        order = self.rng.permutation(self.workload.rows)[:rows]
        return worker.epoch(order, key) / (rows // self.workload.batch)

    def _fitting(self, worker: Worker, key: object) -> int:
        """How many steps fill a block."""
        worker.steps(1, key)
        count = 1
        while (seconds := worker.steps(count, key)) < BLOCK_S / 10:
            count *= 8
        return max(1, round(count * BLOCK_S / seconds))


def measure(name: str, run: Run) -> Result:
    """Lines of the table of one workload."""
    workload = WORKLOADS[name]
    if run.quick and not workload.full_batch:
        workload = replace(workload, rows=QUICK_STEPS * workload.batch)
    blocks = Blocks(workload)
    contest = Contest(workload, workload.data(), run.threads, blocks.trial)
    sides, peak = contest.run(blocks, 1 if run.quick else ROUNDS[name])
    check(contest, sides)
    lines = [side.plain() for side in sides]
    rate = workload.step_flops / lines[0]["median"]
    figures = {line["name"]: line["ratio"] for line in lines[1:]}
    return {
        "workload": str(workload),
        "scored": f"error after {CHECK_STEPS} steps" if workload.full_batch else "accuracy",
        "flops": workload.step_flops,
        "peak": peak,
        "lines": lines,
        "left_out": contest.left_out,
        "figures": {**figures, bars.STEP: lines[0]["median"], bars.PEAK: rate / peak},
    }


def check(contest: Contest, sides: list[Side]) -> None:
    """Fill in how well each did: all peers have to come to the same, or they have not computed the same."""
    models = [(contest.ours, contest.peers[0][0].name if contest.peers else None)]
    models += [(worker, None) for worker, _ in contest.peers]
    for (worker, key), side in zip(models, sides, strict=True):
        if contest.workload.full_batch:
            key = "check"
            worker.steps(CHECK_STEPS, key)
        side.score = worker.score(key)
