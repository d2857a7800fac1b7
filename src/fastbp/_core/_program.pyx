# Floor 1. The program: phases of ops, and the team that runs them step after step.
#
# Design
# (a) A phase is cut into slices. A slice runs all ops of the phase on its own share, so what one op wrote the next finds
#     in cache. Slices of a phase are independent; between phases everything of the earlier one is done.
# (b) There is no barrier for threads, only for work: a phase is over when its slices are done, whoever did them. Each
#     thread starts with a range of slices that is always the same (its part of the weights stays in its cache) and
#     takes from the others' ranges when its own is empty. A thread that the host keeps off its core delays nobody but
#     the slice it holds.
# (c) A claim is one word, phase number and next slice, changed by compare-and-swap. Phase numbers only grow, so a thread
#     that comes late finds a newer number and moves on; nothing has to be reset under its feet.
# (d) Waiting spins for some microseconds, then yields: both cores are ours on a quiet machine, neither may be elsewhere.
# (e) With one thread there are no atomics at all. The slices differ, the bits do not.
# (f) A run goes over the same rows any number of times, in laps: many epochs of few steps are one call. An op that keeps
#     something of each epoch, or takes its rows in another order in each, finds the number of the lap in its share.
# (g) An op that calls Python may leave an exception. The phase that it belongs to is finished, no other is begun, and
#     whoever asked for the run gets the exception.
# (h) A program that trains takes numbers too small for a normal float for zero. Moments of weights that are no longer
#     used decay into that range, where arithmetic is slow on many processors, and would stay there.

from cpython.ref cimport Py_DECREF, PyObject
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from ._ops cimport STAGES, Numbers, Op, OpFn, Share, stage_of
from ._team cimport *

cimport numpy as cnp

import numpy as np

from . import _memory

cnp.import_array()

cdef enum:
    SLICE_BITS = 20
    SPINS = 2000
    WORK_PER_THREAD = 1_500_000   # some 15 us: waking the others has to be worth it

cdef struct Call:
    OpFn fn
    const void* args

cdef struct Phase:
    Call* calls
    Py_ssize_t count
    bint by_rows
    Py_ssize_t slice_rows         # by rows: rows of a slice at most
    Py_ssize_t slices_per_thread  # else

cdef struct Run:                  # one call of Program.run
    const Phase* phases
    Py_ssize_t phase_count, batch
    Py_ssize_t first, rows        # of a lap
    Py_ssize_t steps              # of a lap
    uint64_t step                 # number of the first one
    const double* rates           # (laps * steps, rate_count) or NULL
    Py_ssize_t rate_count         # 1, or as many as Numbers has
    double* seconds               # (threads, ops): time spent in each, is added to; or NULL
    Py_ssize_t op_count
    int threads
    fbp_float_mode mode           # of every thread that takes part
    unsigned long long end        # phases to run in all: laps * steps * phase_count
    char* scratch                 # (threads, scratch_bytes)
    Py_ssize_t scratch_bytes
    char* shared
    PyObject** error              # where an op leaves an exception; NULL there: none did
    unsigned long long* reached   # phases that were run to their end without one
    fbp_counter* current          # number of the phase that runs now
    fbp_counter* done             # its slices that are done
    fbp_counter* claims           # (threads,) phase number << SLICE_BITS | slices taken of that thread's range


cdef Py_ssize_t batch_rows(const Run* run, unsigned long long number) noexcept nogil:
    cdef Py_ssize_t step = <Py_ssize_t> (number // <unsigned long long> run.phase_count) % run.steps
    return min(run.batch, run.rows - step * run.batch)


cdef Py_ssize_t slice_count(const Run* run, unsigned long long number) noexcept nogil:
    cdef const Phase* phase = &run.phases[number % <unsigned long long> run.phase_count]
    cdef Py_ssize_t rows, slices
    if not phase.by_rows:
        return run.threads * phase.slices_per_thread if run.threads > 1 else 1
    rows = batch_rows(run, number)
    slices = (rows + phase.slice_rows - 1) // phase.slice_rows
    slices = (slices + run.threads - 1) // run.threads * run.threads
    return max(1, min(slices, rows, (1 << SLICE_BITS) - 1))


cdef void run_slice(const Run* run, unsigned long long number, Py_ssize_t index, Py_ssize_t count,
                    int rank) noexcept nogil:
    cdef const Phase* phase = &run.phases[number % <unsigned long long> run.phase_count]
    cdef Py_ssize_t step = <Py_ssize_t> (number // <unsigned long long> run.phase_count), i
    cdef double* seconds = NULL
    cdef double then = 0, now
    cdef Share share
    share.rows = batch_rows(run, number)
    share.lap = step // run.steps
    share.step = run.step + <uint64_t> step
    share.first = run.first + step % run.steps * run.batch
    share.rate = run.rates[step * run.rate_count] if run.rates else 0
    share.numbers = <const Numbers*> (run.rates + step * run.rate_count) if run.rate_count > 1 else NULL
    share.index, share.count = index, count
    share.begin, share.end = share.rows * index // count, share.rows * (index + 1) // count
    share.scratch, share.shared = run.scratch + rank * run.scratch_bytes, run.shared
    share.error = run.error
    if run.seconds:
        seconds = run.seconds + rank * run.op_count + (phase.calls - run.phases[0].calls)
        then = fbp_seconds()
    for i in range(phase.count):
        phase.calls[i].fn(phase.calls[i].args, &share)
        if seconds:
            now = fbp_seconds()
            seconds[i] += now - then
            then = now


cdef void run_alone(const Run* run) noexcept nogil:
    cdef fbp_float_mode mode = fbp_current_mode()
    cdef unsigned long long number
    cdef Py_ssize_t index, count
    fbp_set_mode(run.mode)
    for number in range(run.end):
        count = slice_count(run, number)
        for index in range(count):
            run_slice(run, number, index, count, 0)
        if run.error[0]:
            break
        run.reached[0] = number + 1
    fbp_set_mode(mode)


# Opens phase `number` for claims.
cdef void open_phase(const Run* run, unsigned long long number) noexcept nogil:
    cdef int rank
    fbp_write(run.done, 0)
    for rank in range(run.threads):
        fbp_write(&run.claims[rank], number << SLICE_BITS)
    fbp_write(run.current, number)


# Takes slices of phase `number` until none is left to take: first of the thread's own range, then of the others'.
cdef void work_on_phase(const Run* run, unsigned long long number, int rank) noexcept nogil:
    cdef unsigned long long claim
    cdef Py_ssize_t count = slice_count(run, number), low, high, index
    cdef int i, owner
    for i in range(run.threads):
        owner = (rank + i) % run.threads
        low = count * owner // run.threads
        high = count * (owner + 1) // run.threads
        while True:
            claim = fbp_read(&run.claims[owner])
            index = low + <Py_ssize_t> (claim & ((1 << SLICE_BITS) - 1))
            if claim >> SLICE_BITS != number or index >= high:
                break
            if fbp_swap_if(&run.claims[owner], claim, claim + 1):
                run_slice(run, number, index, count, rank)
                if fbp_add_one(run.done) == <unsigned long long> count:
                    run.reached[0] = number if run.error[0] else number + 1
                    open_phase(run, run.end if run.error[0] else number + 1)


cdef void work_on(void* context, int rank) noexcept nogil:
    cdef const Run* run = <const Run*> context
    cdef unsigned long long number = fbp_read(run.current)
    cdef fbp_float_mode mode = fbp_current_mode()
    cdef int spins
    fbp_set_mode(run.mode)
    while number < run.end:
        work_on_phase(run, number, rank)
        spins = 0
        while fbp_read(run.current) == number:
            if spins < SPINS:
                spins += 1
                fbp_pause()
            else:
                fbp_yield()
        number = fbp_read(run.current)
    fbp_set_mode(mode)


cdef void start(Run* run) noexcept nogil:
    if run.threads == 1:
        run_alone(run)
        return
    run.threads = enter_team(run.threads)
    if run.threads == 1:
        run_alone(run)
    else:
        open_phase(run, 0)
        run_team(work_on, run, run.threads)
    leave_team()


# Scratch begins on a cache line, and no two threads' on the same lines of a page.
cdef Py_ssize_t rounded(Py_ssize_t bytes) noexcept:
    return (bytes + 4159) // 64 * 64


cdef Py_ssize_t team_bytes(int threads, Py_ssize_t scratch_bytes, Py_ssize_t shared_bytes) noexcept:
    return threads * scratch_bytes + shared_bytes + (threads + 2) * <Py_ssize_t> sizeof(fbp_counter)


cdef void use_memory(Run* run, char* memory, Py_ssize_t scratch_bytes, Py_ssize_t shared_bytes) noexcept:
    run.scratch, run.scratch_bytes = memory, scratch_bytes
    run.shared = memory + run.threads * scratch_bytes
    run.current = <fbp_counter*> (run.shared + shared_bytes)
    run.done, run.claims = run.current + 1, run.current + 2


# Raises the exception that an op has left.
cdef int check_error(PyObject* error) except -1:
    if error:
        found = <object> error
        Py_DECREF(found)  # the one that the op took
        raise found
    return 0


cdef class Program:
    """Phases of ops, run for any number of steps without the GIL.

    Parameters
    ----------
    phases : list of (slice_rows, slices_per_thread, list of Op)
        The ops of a phase are all by rows or all not; see `Op.by_rows`. Later stages of them are phases of their own.
    batch : int
        Rows of a step.
    threads : int
        Threads that the program has work for; run() uses no more.
    flush : bool
        Take subnormal numbers for zero.
    """

    cdef Phase* phases
    cdef Call* calls
    cdef readonly Py_ssize_t batch
    cdef readonly int threads
    cdef readonly Py_ssize_t steps_done   # in the last run
    cdef bint flush
    cdef Py_ssize_t phase_count, op_count, scratch_bytes, shared_bytes
    cdef object memory, keep
    cdef char* scratch
    cdef int reserved

    def __init__(self, phases, Py_ssize_t batch, int threads=1024, bint flush=False):
        cdef Op op
        cdef Py_ssize_t i = 0, n = 0
        cdef int stage
        self.batch, self.threads, self.flush = batch, threads, flush
        self.keep = [list(ops) for _, _, ops in phases]
        self.phases = <Phase*> malloc(max(1, STAGES * len(phases)) * sizeof(Phase))
        self.calls = <Call*> malloc(max(1, STAGES * sum(map(len, self.keep))) * sizeof(Call))
        if not self.phases or not self.calls:
            raise MemoryError
        for slice_rows, slices_per_thread, ops in phases:
            for stage in range(STAGES):
                self.phases[i].calls = self.calls + n
                self.phases[i].count = 0
                self.phases[i].slice_rows = slice_rows
                self.phases[i].slices_per_thread = slices_per_thread
                self.phases[i].by_rows = ops[0].by_rows
                for op in ops:
                    if stage_of(op, stage) != NULL:
                        self.calls[n].fn, self.calls[n].args = stage_of(op, stage), op.args
                        self.scratch_bytes = max(self.scratch_bytes, rounded(op.scratch))
                        self.shared_bytes = max(self.shared_bytes, rounded(op.shared) if op.shared else 0)
                        self.phases[i].count += 1
                        n += 1
                i += self.phases[i].count > 0
        self.phase_count, self.op_count = i, n

    def __dealloc__(self):
        free(self.phases)
        free(self.calls)

    # Memory for so many threads: scratch of each and of all, then the counters.
    cdef int reserve(self, int threads) except -1:
        cdef cnp.ndarray memory
        if threads > self.reserved:
            memory = _memory.zeros(team_bytes(threads, self.scratch_bytes, self.shared_bytes), np.uint8)
            self.memory, self.scratch, self.reserved = memory, cnp.PyArray_BYTES(memory), threads
        return 0

    def run(self, Py_ssize_t first, Py_ssize_t rows, rates=None, Py_ssize_t laps=1, uint64_t step=0,
            double[:, ::1] seconds=None):
        """Run the steps over rows [first, first + rows), `batch` rows each, the last one what is left; `laps` times.

        Parameters
        ----------
        first, rows : int
        rates : float64 array, shape (steps,) or (steps, 9), C-contiguous, optional
            Of each step of each lap, for programs with updates: the step size, or all that `_ops.Numbers` has.
        laps : int
        step : int
            Number of the first step, which ops find in their share: from 0 to 2**64 - 1.
        seconds : float64 array, shape (threads, ops), optional
            The time that each thread spends in each op is added to it. It also limits the number of threads.
        """
        cdef Run run
        cdef PyObject* error = NULL
        cdef unsigned long long reached = 0
        cdef const double[:, ::1] of_steps = None
        self.steps_done = 0
        if rows <= 0:
            return
        if rates is not None:
            of_steps = rates if rates.ndim == 2 else rates[:, None]
        memset(&run, 0, sizeof(Run))
        run.error = &error
        run.threads = min(team_size(), self.threads)
        if seconds is not None:
            run.threads = min(run.threads, <int> seconds.shape[0])
        self.reserve(run.threads)
        run.phases, run.phase_count, run.batch = self.phases, self.phase_count, self.batch
        run.first, run.rows, run.steps = first, rows, (rows + self.batch - 1) // self.batch
        run.step = step
        if of_steps is not None:
            run.rates, run.rate_count = &of_steps[0, 0], of_steps.shape[1]
        run.seconds = &seconds[0, 0] if seconds is not None else NULL
        run.op_count = self.op_count
        run.mode = fbp_flushing(fbp_current_mode()) if self.flush else fbp_current_mode()
        run.end = <unsigned long long> (laps * run.steps * self.phase_count)
        use_memory(&run, self.scratch, self.scratch_bytes, self.shared_bytes)
        run.reached = &reached
        with nogil:
            start(&run)
        self.steps_done = <Py_ssize_t> reached // self.phase_count if self.phase_count else laps * run.steps
        check_error(error)


# A block of memory that knows its size, in its first cache line.
cdef struct Block:
    Py_ssize_t size

cdef enum:
    HEADER = 64
    MOST_KEPT = 4 << 20

# The block of the last run_op, kept for the next: fresh pages cost more than many an op. The GIL guards it.
cdef Block* spare = NULL


cdef Block* take(Py_ssize_t size) except NULL:
    global spare
    cdef Block* block = spare
    if block and block.size >= size:
        spare = NULL
        return block
    block = <Block*> malloc(size + HEADER)
    if not block:
        raise MemoryError
    block.size = size
    return block


cdef void give_back(Block* block) noexcept:
    global spare
    if block.size > MOST_KEPT or (spare and spare.size >= block.size):
        free(block)
        return
    free(spare)
    spare = block


def run_op(Op op not None, Py_ssize_t rows, double work, double rate=0):
    """Run one op once: a program of one step, with a phase for each stage of the op.

    Parameters
    ----------
    op : Op
    rows : int
        Rows of its batch.
    work : float
        Its floating-point operations, or what takes as long: too little is not shared.
    rate : float
        Step size, for updates.
    """
    cdef Call[STAGES] calls
    cdef Phase[STAGES] phases
    cdef Run run
    cdef PyObject* error = NULL
    cdef unsigned long long reached = 0
    cdef int threads = team_size(), stages = 0
    cdef Py_ssize_t scratch_bytes = rounded(op.scratch), shared_bytes = rounded(op.shared) if op.shared else 0
    cdef Block* block
    cdef size_t start_of_memory
    if threads > 1:
        threads = max(1, min(threads, <int> min(work / WORK_PER_THREAD, 1024.0)))
        if op.by_rows:
            threads = <int> min(<Py_ssize_t> threads, max(rows, 1))
    block = take(team_bytes(threads, scratch_bytes, shared_bytes) + HEADER)
    start_of_memory = <size_t> block + HEADER
    start_of_memory += HEADER - start_of_memory % HEADER
    while stages < STAGES and stage_of(op, stages) != NULL:
        calls[stages].fn, calls[stages].args = stage_of(op, stages), op.args
        phases[stages].calls, phases[stages].count, phases[stages].by_rows = &calls[stages], 1, op.by_rows
        phases[stages].slice_rows, phases[stages].slices_per_thread = max(rows, 1), 1
        stages += 1
    memset(&run, 0, sizeof(Run))
    run.error, run.reached = &error, &reached
    run.phases, run.phase_count, run.batch, run.rows = phases, stages, max(rows, 1), rows
    run.steps = 1
    run.rates, run.rate_count, run.threads, run.end = &rate, 1, threads, stages
    run.mode = fbp_current_mode()
    use_memory(&run, <char*> start_of_memory, scratch_bytes, shared_bytes)
    with nogil:
        start(&run)
    give_back(block)
