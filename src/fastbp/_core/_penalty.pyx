# Floor 1. Ops on a weight as such: the penalty for its size, and the limits that its norms have.
#
# Design
# (a) A penalty is summed in blocks of a fixed size, each with a total of its own, so that threads can share a large weight
#     and nobody has to wait for the sum. What is reported is the sum of the totals.
# (b) A penalty is shared by blocks, but stands among the ops that share the rows of the batch: it has to be done before
#     the weight changes, as they have, and would have a phase to itself otherwise.
# (c) A norm is that of a whole line, from its first element to its last; threads take whole lines. A step that changes no
#     weight limits none: a norm that goes a part of the way at a time would go too far.

cimport numpy as cnp

from ._kernels cimport *
from ._ops cimport *

cnp.import_array()

cdef struct Penalties:            # totals[lap, block] += rows * (l1 sum |w| + l2 sum w^2) of block, * Numbers.penalty
    const fbp_kernels* kernels
    View weight                   # IN, as one row
    double l1, l2
    double* totals                # IN OUT: of lap 0
    Py_ssize_t stride             # between the totals of two laps


cdef void penalty(const void* args, const Share* share) noexcept nogil:
    cdef const Penalties* p = <const Penalties*> args
    cdef Py_ssize_t blocks = block_sums(p.weight.cols), begin, end, block, n
    cdef const char* w
    cdef double value, weight = share.rows * share.numbers.penalty if share.numbers else share.rows
    cut(blocks, 1, share.index, share.count, &begin, &end)
    for block in range(begin, end):
        w = p.weight.data + block * BLOCK * p.weight.itemsize
        n = min(BLOCK, p.weight.cols - block * BLOCK)
        value = p.l1 * p.kernels.sum_of_absolutes(n, w) if p.l1 else 0
        value += p.l2 * p.kernels.sum_of_squares(n, w) if p.l2 else 0
        p.totals[share.lap * p.stride + block] += weight * value


cdef class Penalty(Op):
    """totals[lap, block] += rows of the batch * (l1 sum |w| + l2 sum w^2) of a block of a weight, C-contiguous."""

    cdef Penalties p

    def __init__(self, cnp.ndarray weight, cnp.ndarray totals, double l1, double l2):
        self.by_rows = True
        self.fn, self.args = penalty, &self.p
        self.arrays = (weight, None)
        self.kernels = self.p.kernels = kernels_of(type_code(weight))
        self.p.weight, self.p.l1, self.p.l2 = flat_view(weight), l1, l2
        self.bind_sums(totals)

    def bind_sums(self, cnp.ndarray totals not None):
        """Add to these, (laps, blocks)."""
        self.arrays = (self.arrays[0], totals)
        self.p.totals = <double*> cnp.PyArray_DATA(totals)
        self.p.stride = cnp.PyArray_STRIDE(totals, 0) // sizeof(double)


cdef struct Limits:
    const fbp_kernels* kernels
    fbp_limit limit
    Py_ssize_t lines, unit        # a share has whole lines, in such numbers


cdef void limit_norms(const void* args, const Share* share) noexcept nogil:
    cdef const Limits* p = <const Limits*> args
    cdef Py_ssize_t begin, end
    if share.numbers and share.numbers.held:
        return
    cut(p.lines, p.unit, share.index, share.count, &begin, &end)
    p.kernels.limit_norms(&p.limit, begin, end)


cdef class LimitNorms(Op):
    """Bring the lines of a weight, C-contiguous, to norms from low to high; see csrc/constraint.h.

    `axis` is the one that a norm is taken along: 0 for the columns of a matrix, or for a vector as a whole.
    """

    cdef Limits p

    def __init__(self, cnp.ndarray weight, double low, double high, double rate=1, int axis=0):
        cdef Py_ssize_t rows = cnp.PyArray_DIM(weight, 0), cols = cnp.PyArray_SIZE(weight) // max(rows, 1)
        self.by_rows = False
        self.fn, self.args = limit_norms, &self.p
        self.arrays = weight
        self.kernels = self.p.kernels = kernels_of(type_code(weight))
        self.p.limit.weight = cnp.PyArray_DATA(weight)
        self.p.limit.low, self.p.limit.high, self.p.limit.rate = low, high, rate
        if axis == 0:
            self.p.lines, self.p.limit.length, self.p.limit.line_step, self.p.limit.step = cols, rows, 1, cols
            self.p.unit = 64 // cnp.PyArray_ITEMSIZE(weight)
        else:
            self.p.lines, self.p.limit.length, self.p.limit.line_step, self.p.limit.step = rows, cols, cols, 1
            self.p.unit = 1
