"""A peer in a process of its own.  The functions below `Worker` run there, one at a time.

Why processes: thread counts differ in kind (OPENBLAS_NUM_THREADS, OMP_NUM_THREADS, NPROC) and some are read only at
import; two copies of libgomp, two of OpenBLAS and XLA's pool would share one process; and a package may change the
state of the calling thread (flush-to-zero) for all that follow.  It is not for speed: given the pause below, epochs in
one process and in workers took the same time within the noise of a busy 2-core machine (median ratio of neighbours
0.93 numpy, 1.08 torch, 1.00 jax, 0.93 sklearn).
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from . import trainer

# Idle threads of OpenBLAS and libgomp spin for some milliseconds after their last job: let them fall asleep before the
# next peer is timed, so that no wait policy has to be forced on any of them.
PAUSE_S = 0.1


def environment(threads: int) -> None:
    """Set the thread counts that are read from the environment; processes started later inherit them."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC"):
        os.environ[variable] = str(threads)


class Worker:
    """Trainers of one peer in one process; each call blocks until the answer is there.

    Raises whatever the peer raises, ImportError for a package that is not there included.
    """

    def __init__(self, name, workload, threads, seed, x, y):
        self.pool = ProcessPoolExecutor(1, get_context("spawn"))
        self._call(_start, name, workload, threads, seed, x, y)

    def epoch(self, order, key=None) -> float:
        """Train the trainer `key` (made when first named) for one epoch; seconds."""
        time.sleep(PAUSE_S)
        return self._call(_epoch, key, order)

    def accuracy(self, key=None) -> float:
        return self._call(_accuracy, key)

    def fma_peak(self, threads) -> float:
        """FLOP/s in float32 that `threads` threads reach on multiply-adds alone; fastbp measures it."""
        time.sleep(PAUSE_S)
        return self._call(_fma_peak, threads)

    def close(self):
        self.pool.shutdown()

    def _call(self, function, *args):
        return self.pool.submit(function, *args).result()


_here: dict = {}


def _start(name, workload, threads, seed, x, y):
    _here.update(make=lambda: trainer(name)(workload, threads, seed), data=(x, y), trainers={})
    trainer(name)


def _epoch(key, order):
    trainers = _here["trainers"]
    if key not in trainers:
        trainers[key] = _here["make"]()
    begin = time.perf_counter()
    trainers[key].epoch(*_here["data"], order)
    return time.perf_counter() - begin


def _accuracy(key):
    return _here["trainers"][key].accuracy(*_here["data"])


def _fma_peak(threads):
    from fastbp._core import _team

    return _team.fma_peak(threads)
