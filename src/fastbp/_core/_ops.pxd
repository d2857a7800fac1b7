# Floor 1. What an op is. See _ops.pyx for the design.

cimport numpy as cnp
from cpython.ref cimport PyObject
from libc.stdint cimport uint64_t

from ._kernels cimport fbp_kernels

# What changes from step to step in a program with updates: a row of the numbers that Program.run takes.
cdef struct Numbers:
    double rate             # step size
    double shrink           # and the next two: of fbp_update
    double gradient_rate
    double correction
    double carry            # 1: the gradient is added to those of the steps before; 0: it starts a sum
    double held             # 1: no parameter changes in this step
    double keep             # and the next: of fbp_update
    double overwrite
    double penalty          # factor of all penalties for the size of weights (_penalty.pyx)
cdef enum:
    STREAMED_BYTES = 16 << 20   # results as large as this may go past the caches

# The part of a step that one call of an op does: slice `index` of `count`, and with it rows [begin, end) of the batch.
cdef struct Share:
    Py_ssize_t begin, end
    Py_ssize_t index, count
    Py_ssize_t rows         # rows in this batch
    Py_ssize_t first        # position of its first row in the caller's order
    Py_ssize_t lap          # how often all rows were gone over before in this run
    uint64_t step           # number of the step, counted over all runs
    double rate             # step size of this step
    const Numbers* numbers  # of this step, or NULL: it has none but its size
    void* scratch           # of this thread, as large as the op asked for
    void* shared            # of all threads and stages of the op, likewise
    PyObject** error        # where an op that calls Python leaves an exception; the run then ends with the phase

ctypedef void (*OpFn)(const void* args, const Share* share) noexcept nogil

# A matrix: strides in elements. One that moves is the caller's whole array, of which a batch is rows [first, ...).
cdef struct View:
    char* data
    Py_ssize_t rows, cols
    Py_ssize_t rs, cs
    Py_ssize_t itemsize
    bint moving

cdef enum:
    STAGES = 3                  # of an op at most

cdef class Op:
    cdef OpFn fn
    cdef OpFn[2] then                     # later stages, each when all shares of the one before are done; or NULL
    cdef const void* args
    cdef const fbp_kernels* kernels
    cdef readonly bint by_rows            # split over the rows of the batch, or over what it computes
    cdef readonly Py_ssize_t scratch      # bytes a thread
    cdef readonly Py_ssize_t shared       # bytes that later stages find as earlier ones left them
    cdef readonly object arrays           # keeps the memory alive

cdef inline OpFn stage_of(Op op, int stage) noexcept:
    return op.fn if stage == 0 else op.then[stage - 1]


cdef View view_of(cnp.ndarray a, bint moving=?)
cdef View flat_view(cnp.ndarray a)
cdef View transposed(View v) noexcept
cdef View no_view() noexcept
cdef int type_code(cnp.ndarray a) except -1

# Row `i` of this batch.
cdef inline char* row_of(const View* v, Py_ssize_t i, const Share* share) noexcept nogil:
    if v.data == NULL:
        return NULL
    return v.data + (i + (share.first if v.moving else 0)) * v.rs * v.itemsize


# Part `index` of `count` of n units, cut at multiples of `unit`.
cdef inline void cut(Py_ssize_t n, Py_ssize_t unit, Py_ssize_t index, Py_ssize_t count, Py_ssize_t* begin,
                     Py_ssize_t* end) noexcept nogil:
    cdef Py_ssize_t units = (n + unit - 1) // unit
    begin[0] = min(n, units * index // count * unit)
    end[0] = min(n, units * (index + 1) // count * unit)


# This share's part of some columns, in whole cache lines. It is the same of all matrices of that width, so that ops shared
# by columns may follow one another in a share.
cdef inline void cut_columns(Py_ssize_t cols, Py_ssize_t itemsize, const Share* share, Py_ssize_t* begin,
                             Py_ssize_t* end) noexcept nogil:
    cut(cols, 64 // itemsize, share.index, share.count, begin, end)


# Part `index` of `count` of a matrix: whole rows, if there are enough of them, else columns by cache lines.
cdef inline void cut_matrix(Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t itemsize, const Share* share, Py_ssize_t* i0,
                            Py_ssize_t* i1, Py_ssize_t* j0, Py_ssize_t* j1) noexcept nogil:
    i0[0], i1[0], j0[0], j1[0] = 0, rows, 0, cols
    if rows >= share.count:
        cut(rows, 1, share.index, share.count, i0, i1)
    else:
        cut(cols, 64 // itemsize, share.index, share.count, j0, j1)


# Sums over a whole array are made in blocks of so many elements, each with a sum of its own, and these are added up.
cdef enum:
    BLOCK = 16384

cdef inline Py_ssize_t block_sums(Py_ssize_t size) noexcept nogil:
    return (size + BLOCK - 1) // BLOCK
