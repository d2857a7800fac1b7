"""A peer in a process of its own.  The functions below `Worker` run there, one at a time.

Why processes: thread counts differ in kind (OPENBLAS_NUM_THREADS, OMP_NUM_THREADS, NPROC) and some are read only at
import; two copies of libgomp, two of OpenBLAS and XLA's pool would share one process; and a package may change the
state of the calling thread (flush-to-zero) for all that follow.  It is not for speed: given the pause before each
block, epochs in one process and in workers took the same time within the noise of a busy 2-core machine (median ratio
of neighbours 0.93 numpy, 1.08 torch, 1.00 jax, 0.93 sklearn).
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from typing import Any

from timing import PAUSE_S, block_of

from . import missing, trainer
from .workload import score


def environment(threads: int) -> None:
    """Set the thread counts that are read from the environment; processes started later inherit them."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC"):
        os.environ[variable] = str(threads)


class Worker:
    """Trainers of one peer in one process; each call blocks until the answer is there.

    Each trains `workload` from the start weights of `seed`; a trainer is made when its key is first named. Raises
    whatever the peer raises, ImportError for a package that is not there included.
    """

    def __init__(self, name: str, threads: int):
        if packages := missing(name):
            raise ImportError(f"needs {' and '.join(packages)}")
        environment(threads)
        self.name, self.threads = name, threads
        self.pool = ProcessPoolExecutor(1, get_context("spawn"))
        self.call(trainer, name)  # starts the process, in this environment

    def data(self, x, y) -> None:
        """Set the rows of what comes."""
        self.call(_data, x, y)

    def start(self, workload, seed: int = 0) -> None:
        """Forget all trainers and make others from now on; the first at once, to see whether the peer can."""
        self.call(_start, self.name, workload, self.threads, seed)

    def epoch(self, order, key=None) -> float:
        """Train for one epoch; seconds."""
        return self._block(_timed, key, "epoch", order)

    def steps(self, count: int, key=None) -> float:
        """Train `count` steps on all rows; seconds."""
        return self._block(_timed, key, "steps", count)

    def calls(self, method: str, rows: int) -> float:
        """Call a method of the trainer on the first rows again and again; seconds a call, in one block."""
        return self._block(_calls, method, rows)

    def score(self, key=None) -> float:
        """How well it does on all rows, see `workload.score`."""
        return self.call(_score, key)

    def ask(self, method: str, *args) -> Any:
        """What a method of the trainer returns."""
        return self.call(_ask, method, *args)

    def fma_peak(self) -> float:
        """FLOP/s in float32 that the threads reach on multiply-adds alone; fastbp measures it."""
        return self._block(_fma_peak, self.threads)

    def close(self) -> None:
        self.pool.shutdown()

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def call(self, function, *args):
        """Call a function of a module there."""
        return self.pool.submit(function, *args).result()

    def _block(self, function, *args):
        time.sleep(PAUSE_S)
        return self.call(function, *args)


@cache
def hire(name: str, threads: int) -> Worker:
    """The worker of this name and so many threads, which stays for the parts to come: some take seconds to start."""
    return Worker(name, threads)


_here: dict[str, Any] = {}  # data: (x, y); make: a trainer; trainers: by key; measures: of `calls`


def _data(x, y):
    _here["data"] = x, y


def _start(name, workload, threads, seed):
    _here.update(make=lambda: trainer(name)(workload, threads, seed), workload=workload, trainers={}, measures={})
    _trainer(None)


def _trainer(key):
    trainers = _here["trainers"]
    if key not in trainers:
        trainers[key] = _here["make"]()
    return trainers[key]


def _timed(key, method, argument):
    run = getattr(_trainer(key), method)
    begin = time.perf_counter()
    run(*_here["data"], argument)
    return time.perf_counter() - begin


def _calls(method, rows):
    measures = _here["measures"]
    if (method, rows) not in measures:
        x = _here["data"][0][:rows]
        measures[method, rows] = block_of(partial(getattr(_trainer(None), method), x), 0.02)
    return measures[method, rows]()


def _score(key):
    x, y = _here["data"]
    return score(_here["workload"], _trainer(key).predict(x), y)


def _ask(method, *args):
    return getattr(_trainer(None), method)(*args)


def _fma_peak(threads):
    from fastbp._core import _team

    return _team.fma_peak(threads)
