# Floor 1. Aligned memory for parameters, state and the buffers of a program.
#
# Design
# (a) Memory is NumPy's, so that views, lifetimes and reference counts are NumPy's too; only the alignment is ours.
# (b) A cache line is the least alignment. Large blocks start on a huge page. NumPy asks for such pages where a block has
#     room for one, and they are worth having: a column of a wide weight touches more small pages than the processor has
#     translations for, and small pages that lie scattered in memory fall on top of one another in the cache.
# (c) Everything is zeroed once: a step never reads what nobody wrote.

cimport numpy as cnp

import numpy as np

cnp.import_array()

LINE = 64
HUGE_PAGE = 2 << 20


def zeros(shape, dtype):
    """C-contiguous array of zeros whose first element starts a cache line (a huge page, if it is large).

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype

    Returns
    -------
    ndarray
    """
    dtype = np.dtype(dtype)
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    alignment = HUGE_PAGE if size >= HUGE_PAGE // 8 else LINE
    # more than 4 MiB, from which on NumPy asks for huge pages; what is not touched costs no memory
    block = np.zeros(size + 2 * alignment, np.uint8)
    start = -block.ctypes.data % alignment
    return block[start:start + size].view(dtype).reshape(shape)


cdef void extent(cnp.ndarray a, size_t* low, size_t* high) noexcept:
    cdef int axis
    cdef Py_ssize_t reach
    low[0] = high[0] = <size_t> cnp.PyArray_DATA(a)
    if cnp.PyArray_SIZE(a) == 0:
        return
    high[0] += cnp.PyArray_ITEMSIZE(a)
    for axis in range(cnp.PyArray_NDIM(a)):
        reach = (cnp.PyArray_DIM(a, axis) - 1) * cnp.PyArray_STRIDE(a, axis)
        if reach < 0:
            low[0] += reach
        else:
            high[0] += reach


def overlap(cnp.ndarray a not None, cnp.ndarray b not None):
    """Whether two arrays have an element in common. Only arrays whose extents cross cost more than a comparison."""
    cdef size_t a_low, a_high, b_low, b_high
    extent(a, &a_low, &a_high)
    extent(b, &b_low, &b_high)
    return a_low < b_high and b_low < a_high and np.shares_memory(a, b)
