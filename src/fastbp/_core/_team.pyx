# Floor 1. How many threads, and running them.
#
# Design
# (a) The number of threads is looked up at each call, not kept: set_num_threads(), else FASTBP_NUM_THREADS, else what
#     OpenMP would use now (OMP_NUM_THREADS, CPU affinity). A limit that threadpoolctl put on OpenMP after import is a
#     ceiling over all of them.
# (b) The threads are our own (pool.h says why); OpenMP is asked for its settings alone. Those that come too
#     late are not waited for: what they run is handed out in slices, and the caller does what nobody took.
# (c) Threads of a program that call kernels at the same time (workers of joblib, of a server) share that number: each
#     has its part of the cores, from its next run on. The bits are the same.
# (d) A forked child has none of the threads and makes its own.
# (e) Without OpenMP at build time nobody says how many threads there may be, and every team has one member.

import os
import time
from contextlib import contextmanager

import numpy as np

from ._kernels cimport FBP_F32, kernels_of

cdef extern from "pool.h" nogil:
    int fbp_enter()
    void fbp_leave()
    void fbp_run_team(TeamFn body, void* context, int size)
    void fbp_watch_forks()

cdef extern from *:
    """
    static _Thread_local int fbp_requested_here = 0;  /* by `threads`; 0: nothing */
    """
    int fbp_requested_here

cdef int _at_import = omp_get_max_threads()
cdef int _from_environment = 0
cdef int _requested = 0


def set_num_threads(n):
    """Set the number of threads that kernels may use.

    Parameters
    ----------
    n : int or None
        At least 1. None returns to FASTBP_NUM_THREADS or OpenMP's default.

    Raises
    ------
    TypeError, ValueError
        If `n` is not an integer, or less than 1.

    Examples
    --------
    >>> import fastbp
    >>> fastbp.set_num_threads(2)
    >>> fastbp.get_num_threads()
    2
    >>> fastbp.set_num_threads(None)
    """
    global _requested
    _requested = _from_environment if n is None else _checked(n, "number of threads")


@contextmanager
def threads(n):
    """Inside, kernels that this thread calls use so many threads at most; None: as before."""
    global fbp_requested_here
    before = fbp_requested_here
    if n is not None:
        fbp_requested_here = _checked(n, "number of threads")
    try:
        yield
    finally:
        fbp_requested_here = before


def get_num_threads():
    """Number of threads that the next call will use at most."""
    return team_size()


def has_openmp():
    """Whether the package was built with OpenMP; without, everything runs on one thread."""
    return bool(FBP_HAS_OPENMP)


cdef int team_size() noexcept nogil:
    return limited(fbp_requested_here) if fbp_requested_here else process_size()


# Threads of all callers together.
cdef int process_size() noexcept nogil:
    return limited(_requested if _requested else omp_get_max_threads())


cdef int limited(int wanted) noexcept nogil:
    cdef int limit = omp_get_max_threads()
    if limit < _at_import:
        wanted = min(wanted, limit)
    return wanted if FBP_HAS_OPENMP else 1


# How many threads a run may use that has work for `wanted`, beside those that are at work. `leave_team` ends it.
cdef int enter_team(int wanted) noexcept nogil:
    cdef int callers = fbp_enter()
    return wanted if callers == 1 else max(1, min(wanted, process_size() // callers))


cdef void leave_team() noexcept nogil:
    fbp_leave()


cdef void run_team(TeamFn body, void* context, int size) noexcept nogil:
    fbp_run_team(body, context, size)


cdef void _fma_chains(void* context, int rank) noexcept nogil:
    cdef double* flops = <double*> context
    flops[8 * rank] = kernels_of(FBP_F32).fma_chains(200_000)


def fma_peak(int threads, double seconds=0.1):
    """What the FMA units reach from registers alone, in float32 operations per second on all `threads` together."""
    cdef double[::1] flops = np.zeros(8 * threads)
    cdef double best = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        flops[:] = 0
        start = time.perf_counter()
        with nogil:
            run_team(_fma_chains, &flops[0], threads)
        best = max(best, sum(flops[::8]) / (time.perf_counter() - start))
    return best


def _checked(n, what):
    try:
        value = int(n)
        whole = value == n and not isinstance(n, bool)
    except (TypeError, ValueError):
        whole = False
    if not whole:
        raise TypeError(f"expected an integer {what}, got {n!r}")
    if not 1 <= value <= 1024:
        raise ValueError(f"expected a {what} between 1 and 1024, got {value}")
    return value


def _read_environment():
    global _from_environment
    text = os.environ.get("FASTBP_NUM_THREADS")
    if text:
        try:
            _from_environment = _checked(int(text), "FASTBP_NUM_THREADS")
        except ValueError:
            raise ImportError(f"FASTBP_NUM_THREADS: expected an integer between 1 and 1024, got {text!r}") from None


_read_environment()
set_num_threads(None)
fbp_watch_forks()
