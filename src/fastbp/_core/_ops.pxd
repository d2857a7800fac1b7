# Floor 1. What an op is. See _ops.pyx for the design.

from libc.stdint cimport int32_t, int64_t

from ._kernels cimport fbp_kernels, fbp_update

# The part of a step that one call of an op does: slice `index` of `count`, and with it rows [begin, end) of the batch.
cdef struct Share:
    Py_ssize_t begin, end
    Py_ssize_t index, count
    Py_ssize_t rows         # rows in this batch
    Py_ssize_t first        # position of its first row in the caller's order
    double rate             # step size of this step
    void* scratch           # of this thread, as large as the op asked for

ctypedef void (*OpFn)(const void* args, const Share* share) noexcept nogil

# A matrix: strides in elements. One that moves is the caller's whole array, of which a batch is rows [first, ...).
cdef struct View:
    char* data
    Py_ssize_t rows, cols
    Py_ssize_t rs, cs
    Py_ssize_t itemsize
    bint moving

cdef class Rule:
    cdef fbp_update update
    cdef const fbp_kernels* kernels
    cdef readonly object arrays

cdef class Op:
    cdef OpFn fn
    cdef const void* args
    cdef const fbp_kernels* kernels
    cdef readonly bint by_rows            # split over the rows of the batch, or over what it computes
    cdef readonly Py_ssize_t scratch      # bytes a thread
    cdef readonly object arrays           # keeps the memory alive
