# Floor 1. Ops on gradients and averages as vectors: clipping, scaling, blending, and the sum of squares.
#
# Design
# (a) A share is a part of the vector by cache lines, or of a matrix of rows; what it writes nobody else reads.
# (b) A sum of squares is cut in blocks of a fixed size. Threads take whole blocks, and the blocks' sums are added in
#     their order when all are done, so the bits do not depend on the threads.

cimport numpy as cnp
from libc.string cimport memset

from ._kernels cimport *
from ._ops cimport *

from ._kernels import VECTORS

cnp.import_array()

cdef enum:
    BLOCK = 16384   # elements whose squares are summed in one go

cdef struct Map:                  # out = f(x, other)
    const fbp_kernels* kernels
    View x                        # IN
    View out                      # OUT
    fbp_vector vector


cdef void vector_map(const void* args, const Share* share) noexcept nogil:
    cdef const Map* p = <const Map*> args
    cdef Py_ssize_t i0, i1, j0, j1, size = p.x.itemsize
    cut_matrix(p.x.rows, p.x.cols, size, share, &i0, &i1, &j0, &j1)
    p.kernels.vector_map(&p.vector, i0, j0, i1 - i0, j1 - j0, p.x.data + (i0 * p.x.rs + j0) * size, p.x.rs,
                         p.out.data + (i0 * p.out.rs + j0) * size, p.out.rs)


cdef class VectorMap(Op):
    """out = f(x), or f(x, other), with two constants. All arrays C-contiguous, or all matrices of rows."""

    cdef Map p

    def __init__(self, str kind, double a, double b, cnp.ndarray x, cnp.ndarray out, cnp.ndarray other=None):
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


cdef struct Squares:              # total = sum of squares of x
    const fbp_kernels* kernels
    View x                        # IN, as one row
    Py_ssize_t blocks
    double total                  # OUT


cdef void squares_of_blocks(const void* args, const Share* share) noexcept nogil:
    cdef const Squares* p = <const Squares*> args
    cdef double* sums = <double*> share.shared
    cdef Py_ssize_t begin, end, block
    cut(p.blocks, 1, share.index, share.count, &begin, &end)
    for block in range(begin, end):
        sums[block] = p.kernels.sum_of_squares(min(BLOCK, p.x.cols - block * BLOCK),
                                               p.x.data + block * BLOCK * p.x.itemsize)


cdef void sum_of_blocks(const void* args, const Share* share) noexcept nogil:
    cdef Squares* p = <Squares*> args
    if share.index == 0:
        p.total = kernels_of(FBP_F64).sum(p.blocks, share.shared)


cdef class SumOfSquares(Op):
    """The sum of the squares of x, C-contiguous, in double."""

    cdef Squares p

    def __init__(self, cnp.ndarray x):
        self.by_rows = False
        self.fn, self.then[0], self.args = squares_of_blocks, sum_of_blocks, &self.p
        self.arrays = x
        self.kernels = self.p.kernels = kernels_of(type_code(x))
        self.p.x = flat_view(x)
        self.p.blocks = (cnp.PyArray_SIZE(x) + BLOCK - 1) // BLOCK
        self.shared = self.p.blocks * sizeof(double)

    def total(self):
        """The result, once the op has run."""
        return self.p.total
