# Floor 1. Ops on gradients and averages as vectors: clipping, scaling, blending, and the sum of squares.
#
# Design
# (a) A share is a part of the vector by cache lines, or of a matrix of rows; what it writes nobody else reads.
# (b) A sum of squares is cut in blocks of a fixed size. Threads take whole blocks, and the blocks' sums are added in
#     their order when all are done, so the bits do not depend on the threads.
# (c) What is only wanted where parameters change is left out in the other steps (`Numbers.held`).

cimport numpy as cnp
from libc.stdint cimport intptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

import numpy as np

from ._kernels cimport *
from ._ops cimport *

from ._kernels import VECTORS

cnp.import_array()

cdef int SCALE = VECTORS["scale"], BLEND = VECTORS["blend"], PENALTY = VECTORS["penalty"]

cdef struct Map:                  # out = f(x, other)
    const fbp_kernels* kernels
    View x                        # IN
    View out                      # OUT
    fbp_vector vector


cdef void vector_map(const void* args, const Share* share) noexcept nogil:
    cdef const Map* p = <const Map*> args
    cdef Py_ssize_t i0, i1, j0, j1, size = p.x.itemsize
    cdef fbp_vector vector = p.vector
    if share.numbers and vector.kind == PENALTY:
        vector.a *= share.numbers.penalty
        vector.b *= share.numbers.penalty
    cut_matrix(p.x.rows, p.x.cols, size, share, &i0, &i1, &j0, &j1)
    p.kernels.vector_map(&vector, i0, j0, i1 - i0, j1 - j0, p.x.data + (i0 * p.x.rs + j0) * size, p.x.rs,
                         p.out.data + (i0 * p.out.rs + j0) * size, p.out.rs)


cdef class VectorMap(Op):
    """out = f(x), or f(x, other), with two constants. All arrays C-contiguous, or all matrices of rows."""

    cdef Map p

    def __init__(self, cnp.ndarray x, cnp.ndarray out, str kind, double a, double b, cnp.ndarray other=None):
        cdef View view = no_view()
        memset(&self.p, 0, sizeof(Map))
        self.by_rows = False
        self.fn, self.args = vector_map, &self.p
        self.arrays = (x, out, other)
        self.kernels = self.p.kernels = kernels_of(type_code(out))
        self.p.vector.kind = VECTORS[kind]
        self.p.vector.a, self.p.vector.b = a, b
        if cnp.PyArray_IS_C_CONTIGUOUS(x) and cnp.PyArray_IS_C_CONTIGUOUS(out) and \
                (other is None or cnp.PyArray_IS_C_CONTIGUOUS(other)):
            self.p.x, self.p.out = flat_view(x), flat_view(out)
            view = view if other is None else flat_view(other)
        else:
            self.p.x, self.p.out = view_of(x), view_of(out)
            view = view if other is None else view_of(other)
        self.p.vector.other, self.p.vector.stride = view.data, view.rs


cdef struct Squares:              # partial[i] = sum of squares of block i
    const fbp_kernels* kernels
    const intptr_t* place         # IN (blocks,) addresses
    const intptr_t* size          # IN (blocks,) elements
    double* partial               # OUT (blocks,)
    Py_ssize_t blocks


cdef void sum_of_squares(const void* args, const Share* share) noexcept nogil:
    cdef const Squares* p = <const Squares*> args
    cdef Py_ssize_t begin, end, block
    if share.numbers and share.numbers.held:
        return
    cut(p.blocks, 1, share.index, share.count, &begin, &end)
    for block in range(begin, end):
        p.partial[block] = p.kernels.sum_of_squares(p.size[block], <const void*> p.place[block])


def blocks(Py_ssize_t size):
    """How many sums make that over an array of so many elements."""
    return block_sums(size)


cdef class SumOfSquares(Op):
    """The sum of the squares of arrays, C-contiguous, of one type, in double; block by block in `partial`, (blocks,)."""

    cdef Squares p
    cdef intptr_t* table

    def __dealloc__(self):
        free(self.table)

    def __init__(self, tuple arrays not None, cnp.ndarray partial=None):
        cdef cnp.ndarray x
        cdef Py_ssize_t at, size, count = 0, i = 0
        cdef intptr_t* place
        for x in arrays:
            count += block_sums(cnp.PyArray_SIZE(x))
        self.table = place = <intptr_t*> malloc(max(1, 2 * count) * sizeof(intptr_t))
        if not place:
            raise MemoryError
        for x in arrays:
            size = cnp.PyArray_SIZE(x)
            for at in range(0, size, BLOCK):
                place[i] = <intptr_t> (cnp.PyArray_BYTES(x) + at * cnp.PyArray_ITEMSIZE(x))
                place[count + i] = min(BLOCK, size - at)
                i += 1
        if partial is None:
            partial = np.empty(count)
        self.by_rows = False
        self.fn, self.args = sum_of_squares, &self.p
        self.arrays = (arrays, partial)
        self.kernels = self.p.kernels = kernels_of(type_code(arrays[0]))
        self.p.place, self.p.size, self.p.blocks = place, place + count, count
        self.p.partial = <double*> cnp.PyArray_DATA(partial)

    def total(self):
        """The result, once the op has run."""
        return kernels_of(FBP_F64).sum(self.p.blocks, self.p.partial)


cdef struct Mean:                 # mean = gradient / count, or mean + gradient / count
    const fbp_kernels* kernels
    View gradient                 # IN, as one row
    View mean                     # IN OUT, as one row
    double share                  # 1 / count


cdef void mean_gradient(const void* args, const Share* share) noexcept nogil:
    cdef const Mean* p = <const Mean*> args
    cdef Py_ssize_t begin, end, size = p.mean.itemsize
    cdef fbp_vector vector
    cut(p.mean.cols, 64 // size, share.index, share.count, &begin, &end)
    memset(&vector, 0, sizeof(fbp_vector))
    vector.kind, vector.a = SCALE, p.share
    if share.numbers and share.numbers.carry:
        vector.kind, vector.a, vector.b = BLEND, 1, p.share
        vector.other, vector.stride = p.mean.data, p.mean.cols
    p.kernels.vector_map(&vector, 0, begin, 1, end - begin, p.gradient.data + begin * size, p.mean.cols,
                         p.mean.data + begin * size, p.mean.cols)


cdef class MeanGradient(Op):
    """The mean of a gradient over `count` steps, complete in the last of them. Both C-contiguous, of one shape."""

    cdef Mean p

    def __init__(self, cnp.ndarray gradient, cnp.ndarray mean, Py_ssize_t count):
        self.by_rows = False
        self.fn, self.args = mean_gradient, &self.p
        self.arrays = (gradient, mean)
        self.kernels = self.p.kernels = kernels_of(type_code(mean))
        self.p.gradient, self.p.mean, self.p.share = flat_view(gradient), flat_view(mean), 1.0 / count
