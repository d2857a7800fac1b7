"""Times on a noisy machine: short blocks of each side in turn, so that a slow moment falls on both.

A time is that of a block, per call.  What disturbs a block only ever lengthens it, so a side is best known by its best
block, and the ratio of two bests is the figure to quote: repeated beside other work that filled both cores, it spread
by 2 to 4 % on one thread and by 10 to 40 % on two, where the median over pairs of neighbouring blocks spread by 3 and
70 %.  `paired` is that median: where it disagrees, the machine was not quiet.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

# Idle threads of OpenBLAS and libgomp spin for some milliseconds after their last job: let them fall asleep before
# another side is timed, so that no wait policy has to be forced on any of them.
PAUSE_S = 0.1

Measure = Callable[[], float]  # one block of one side: seconds a call


def alternate(measures: dict[str, Measure], rounds: int) -> dict[str, list[float]]:
    """Seconds of each side, round by round: A B, B A, A B, ..."""
    seconds: dict[str, list[float]] = {name: [] for name in measures}
    for round_ in range(rounds):
        for name in list(measures)[:: -1 if round_ % 2 else 1]:
            seconds[name].append(measures[name]())
    return seconds


def block_of(call: Callable[[], object], block: float = 0.002, *, pooled: bool = False) -> Measure:
    """A measure that makes as many calls as fill `block` seconds, after a quarter as many that warm up.

    With `pooled`, where the sides have thread pools of their own, it first lets the threads of the other side, which
    spin for some time after their last job, fall asleep; the warm-up wakes its own.
    """
    calls = 1
    while (seconds := min(_run(call, calls) for _ in range(3))) < block / 4:
        calls *= 2
    calls = max(1, round(calls * block / seconds))

    def measure() -> float:
        if pooled:
            time.sleep(PAUSE_S)
        _run(call, -(-calls // 4))
        return _run(call, calls) / calls

    return measure


def ratio(theirs: list[float], ours: list[float]) -> float:
    """How many times longer they take, best against best."""
    return min(theirs) / min(ours)


def paired(theirs: list[float], ours: list[float]) -> float:
    """How many times longer they take, in the median over the pairs of a round."""
    return median(a / b for a, b in zip(theirs, ours, strict=True))


def _run(call: Callable[[], object], calls: int) -> float:
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - begin
