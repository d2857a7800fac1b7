# Floor 1. What an op is: a function that every thread of a team runs for its own share, and its arguments.
# The ops themselves are in _dense.pyx (products and parameters), _rows.pyx and _losses.pyx (row by row), _columns.pyx
# (sums down columns), _norm.pyx (normalisation) and _vectors.pyx (gradients as vectors).
#
# Design
# (a) An op is a C function and a struct of arguments, so that a program is a flat list that runs without Python. The
#     class around the two exists to fill the struct and to keep the arrays alive.
# (b) No op knows its real type: it calls through the table that was made for it.
# (c) Two ways to share the work. Ops `by_rows` do rows [begin, end) of the batch, all the same ones, so that a chain of
#     them needs no synchronisation. The others cut what they compute (a weight's gradient) into a grid. A sum over the
#     batch is one, or two halves where the shapes say so: the bits do not depend on the number of slices.
# (d) Arguments are trusted: the edge has checked them (data.py, ops/edge.pyx).

cimport numpy as cnp
from libc.string cimport memset

from ._kernels cimport *

cnp.import_array()

cdef View view_of(cnp.ndarray a, bint moving=False):
    cdef View v
    cdef Py_ssize_t size = cnp.PyArray_ITEMSIZE(a)
    v.data = cnp.PyArray_BYTES(a)
    v.itemsize = size
    v.moving = moving
    v.rows = cnp.PyArray_DIM(a, 0)
    v.rs = cnp.PyArray_STRIDE(a, 0) // size
    v.cols = 1
    v.cs = 1
    if cnp.PyArray_NDIM(a) == 2:
        v.cols = cnp.PyArray_DIM(a, 1)
        v.cs = cnp.PyArray_STRIDE(a, 1) // size
        if v.cols <= 1:
            v.cs = 1
        if v.rows <= 1:
            v.rs = v.cols
    return v


# All elements as one row, of a C-contiguous array of any number of axes.
cdef View flat_view(cnp.ndarray a):
    cdef View v = no_view()
    v.data = cnp.PyArray_BYTES(a)
    v.itemsize = cnp.PyArray_ITEMSIZE(a)
    v.rows, v.cols, v.rs, v.cs = 1, cnp.PyArray_SIZE(a), cnp.PyArray_SIZE(a), 1
    return v


cdef View transposed(View v) noexcept:
    v.rows, v.cols, v.rs, v.cs = v.cols, v.rows, v.cs, v.rs
    return v


cdef View no_view() noexcept:
    cdef View v
    memset(&v, 0, sizeof(View))
    return v


cdef int type_code(cnp.ndarray a) except -1:
    cdef int n = cnp.PyArray_TYPE(a)
    if n == cnp.NPY_FLOAT32:
        return FBP_F32
    if n == cnp.NPY_FLOAT64:
        return FBP_F64
    if n == cnp.NPY_UINT8:
        return FBP_U8
    if n == cnp.NPY_INT32:
        return FBP_I32
    if n == cnp.NPY_UINT16:
        return FBP_U16
    raise TypeError(f"expected float32, float64, uint8, uint16 or int32, got {a.dtype}")


cdef class Op:
    """Base: a function and its arguments, for `_program.Program`."""
