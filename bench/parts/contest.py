"""fastbp and its peers in turn: fastbp, a peer, fastbp, the next peer, ...; in every other round the peer first.

A ratio is the median over pairs of neighbours, so that a slow minute of the machine falls on both of a pair.  For every
peer fastbp trains a model of its own: the two of a pair are always equally far in training.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
from timing import paired
from trainers import PEERS
from trainers.worker import Worker, hire
from trainers.workload import Workload

Block = Callable[[Worker, object], float]  # seconds a step or call, for a worker and a key of a trainer


@dataclass
class Side:
    """One line of a table."""

    name: str
    threads: int
    trials: dict[int, float]  # threads -> seconds, where more than one number was tried
    seconds: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)  # of fastbp's block just before
    score: float | None = None
    shared: int = 1  # with how many others its blocks alternate: the best is that of as many as theirs

    def plain(self) -> dict[str, Any]:
        """As values for JSON."""
        return {
            "name": self.name,
            "threads": self.threads,
            "trials": {str(threads): seconds for threads, seconds in self.trials.items()},
            "median": median(self.seconds),
            "best": min(self.seconds[:: self.shared]),
            "blocks": len(self.seconds),
            "ratio": paired(self.seconds, self.ours) if self.ours else 1.0,
            "score": self.score,
        }


class Contest:
    """Workers of fastbp and of every peer that can do the workload, each in the number of threads that serves it best.

    A peer is tried with all threads and with one, since a pool of threads may cost more than it gives; fastbp chooses
    by itself. `left_out` has the reasons of those who do not take part.
    """

    def __init__(self, workload: Workload, data: tuple[np.ndarray, np.ndarray], threads: int, trial: Block):
        self.workload, self.data = workload, data
        self.left_out: dict[str, str] = {}
        self.peers: list[tuple[Worker, Side]] = []
        self.ours = self._ready("fastbp", threads)
        for name in PEERS:
            if name == "fastbp":
                continue
            try:
                trials = {count: trial(self._ready(name, count), "trial") for count in sorted({threads, 1})}
            except Exception as error:  # a peer that is broken must not cost us the others
                self.left_out[name] = str(error) or type(error).__name__
                print(f"{name}: left out, {type(error).__name__}: {error}", file=sys.stderr)
                continue
            best = min(trials, key=trials.__getitem__)
            self.peers.append((hire(name, best), Side(name, best, trials)))

    def _ready(self, name: str, threads: int) -> Worker:
        worker = hire(name, threads)
        worker.data(*self.data)
        worker.start(self.workload)
        return worker

    def run(self, block: Block, rounds: int) -> tuple[list[Side], float]:
        """The lines, ours first, and the best FMA peak seen; a first round, which compiles, is not counted."""
        ours, peak = Side("fastbp", self.ours.threads, {}, shared=max(len(self.peers), 1)), 0.0
        for round_ in range(rounds + 1):
            peak = max(peak, self.ours.fma_peak())
            for worker, side in self.peers:
                turn = [(self.ours, worker.name), (worker, None)][:: -1 if round_ % 2 else 1]
                seconds = {who.name: block(who, key) for who, key in turn}
                if round_:
                    ours.seconds.append(seconds["fastbp"])
                    side.ours.append(seconds["fastbp"])
                    side.seconds.append(seconds[worker.name])
            if not self.peers:
                ours.seconds.append(block(self.ours, None))
        return [ours, *(side for _, side in self.peers)], peak
