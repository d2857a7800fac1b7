# Floor 1. Ops whose sums run down columns of what they are given: softmax along an axis that is not the last, and PReLU
# with the gradient of its slopes.
#
# Design
# (a) An array (outer, n, inner) is `outer` matrices whose columns are independent. Shares are whole matrices, or columns
#     of all of them by cache lines; a sum is never cut, so the bits do not depend on the number of shares.
# (b) PReLU forward is elementwise, but for the slope of its column, so it may be cut anywhere; its gradient is cut by
#     columns.

cimport numpy as cnp
from libc.string cimport memset

from ._kernels cimport *
from ._ops cimport *

cnp.import_array()

cdef struct Stack:                # matrices behind one another, with contiguous rows
    char* data
    Py_ssize_t outer_stride, row_stride       # elements

cdef struct ColumnMap:
    const fbp_kernels* kernels
    Py_ssize_t outer, n, inner, itemsize
    bint log
    Stack x                       # IN (outer, n, inner): x, or dy for the gradient
    Stack y                       # IN: the output, for the gradient
    Stack out                     # OUT


cdef Stack stack_of(cnp.ndarray a):
    cdef Stack s
    cdef Py_ssize_t size = cnp.PyArray_ITEMSIZE(a)
    s.data = cnp.PyArray_BYTES(a)
    s.outer_stride, s.row_stride = cnp.PyArray_STRIDE(a, 0) // size, cnp.PyArray_STRIDE(a, 1) // size
    return s


cdef inline char* place(const Stack* s, Py_ssize_t i, Py_ssize_t j, Py_ssize_t itemsize) noexcept nogil:
    return s.data + (i * s.outer_stride + j) * itemsize


cdef void softmax_columns(const void* args, const Share* share) noexcept nogil:
    cdef const ColumnMap* p = <const ColumnMap*> args
    cdef fbp_softmax_fn kernel = p.kernels.log_softmax_columns if p.log else p.kernels.softmax_columns
    cdef Py_ssize_t i0, i1, j0, j1, i
    cut_matrix(p.outer, p.inner, p.itemsize, share, &i0, &i1, &j0, &j1)
    for i in range(i0, i1):
        kernel(p.n, j1 - j0, place(&p.x, i, j0, p.itemsize), p.x.row_stride,
               place(&p.out, i, j0, p.itemsize), p.out.row_stride)


cdef void softmax_columns_gradient(const void* args, const Share* share) noexcept nogil:
    cdef const ColumnMap* p = <const ColumnMap*> args
    cdef fbp_softmax_backward_fn kernel
    cdef Py_ssize_t i0, i1, j0, j1, i
    kernel = p.kernels.log_softmax_columns_backward if p.log else p.kernels.softmax_columns_backward
    cut_matrix(p.outer, p.inner, p.itemsize, share, &i0, &i1, &j0, &j1)
    for i in range(i0, i1):
        kernel(p.n, j1 - j0, place(&p.x, i, j0, p.itemsize), p.x.row_stride,
               place(&p.y, i, j0, p.itemsize), p.y.row_stride, place(&p.out, i, j0, p.itemsize), p.out.row_stride)


cdef class _ColumnMap(Op):
    cdef ColumnMap p

    cdef void set(self, cnp.ndarray x, cnp.ndarray y, cnp.ndarray out, bint log):
        memset(&self.p, 0, sizeof(ColumnMap))
        self.by_rows = False
        self.args = &self.p
        self.arrays = (x, y, out)
        self.kernels = self.p.kernels = kernels_of(type_code(out))
        self.p.outer, self.p.n, self.p.inner = (cnp.PyArray_DIM(out, 0), cnp.PyArray_DIM(out, 1),
                                                cnp.PyArray_DIM(out, 2))
        self.p.itemsize = cnp.PyArray_ITEMSIZE(out)
        self.p.log = log
        self.p.x, self.p.out = stack_of(x), stack_of(out)
        if y is not None:
            self.p.y = stack_of(y)


cdef class SoftmaxColumns(_ColumnMap):
    """a = softmax(z) along the middle of three axes, or its logarithm; the last axis is contiguous."""

    def __init__(self, cnp.ndarray z, cnp.ndarray a, bint log=False):
        self.set(z, None, a, log)
        self.fn = softmax_columns


cdef class SoftmaxColumnsGradient(_ColumnMap):
    """The gradient of SoftmaxColumns with respect to z, from its output a."""

    def __init__(self, cnp.ndarray da, cnp.ndarray a, cnp.ndarray dz, bint log=False):
        self.set(da, a, dz, log)
        self.fn = softmax_columns_gradient


cdef struct Rectifier:
    const fbp_kernels* kernels
    View x                        # IN (rows, cols)
    View dy                       # IN (rows, cols), for the gradient
    View out                      # OUT (rows, cols): y, or dx
    char* slope                   # IN (cols,), or one for all columns
    Py_ssize_t slope_step
    char* dslope                  # OUT (cols,)


cdef void prelu(const void* args, const Share* share) noexcept nogil:
    cdef const Rectifier* p = <const Rectifier*> args
    cdef Py_ssize_t i0, i1, j0, j1, size = p.x.itemsize
    cut_matrix(p.x.rows, p.x.cols, size, share, &i0, &i1, &j0, &j1)
    p.kernels.prelu(i1 - i0, j1 - j0, p.x.data + (i0 * p.x.rs + j0) * size, p.x.rs,
                    p.slope + j0 * p.slope_step * size, p.slope_step,
                    p.out.data + (i0 * p.out.rs + j0) * size, p.out.rs)


cdef void prelu_gradient(const void* args, const Share* share) noexcept nogil:
    cdef const Rectifier* p = <const Rectifier*> args
    cdef Py_ssize_t j0, j1, size = p.x.itemsize
    cut(p.x.cols, 64 // size, share.index, share.count, &j0, &j1)
    p.kernels.prelu_backward(p.x.rows, j1 - j0, p.dy.data + j0 * size, p.dy.rs, p.x.data + j0 * size, p.x.rs,
                             p.slope + j0 * p.slope_step * size, p.slope_step,
                             p.out.data + j0 * size, p.out.rs, p.dslope + j0 * size)


cdef class Prelu(Op):
    """y = x where x > 0, else slope * x; slope (columns,) or one number.  Given dy: dx and dslope (columns,)."""
    cdef Rectifier p

    def __init__(self, cnp.ndarray x, cnp.ndarray slope, cnp.ndarray out, cnp.ndarray dy=None, cnp.ndarray dslope=None):
        memset(&self.p, 0, sizeof(Rectifier))
        self.by_rows = False
        self.fn = prelu if dy is None else prelu_gradient
        self.args = &self.p
        self.arrays = (x, slope, out, dy, dslope)
        self.kernels = self.p.kernels = kernels_of(type_code(out))
        self.p.x, self.p.out = view_of(x), view_of(out)
        self.p.slope, self.p.slope_step = cnp.PyArray_BYTES(slope), cnp.PyArray_NDIM(slope)
        if dy is not None:
            self.p.dy, self.p.dslope = view_of(dy), cnp.PyArray_BYTES(dslope)
