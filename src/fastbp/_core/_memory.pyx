# Floor 1. Aligned memory for parameters, state and the buffers of a program.
#
# Design
# (a) Memory is NumPy's, so that views, lifetimes and reference counts are NumPy's too; only the alignment is ours.
# (b) A cache line is the least alignment. Blocks of a huge page and more start on a page of 4 KiB, so that two such
#     arrays never share one.
# (c) Everything is zeroed once: a step never reads what nobody wrote.

import numpy as np

LINE = 64
PAGE = 4096


def zeros(shape, dtype):
    """C-contiguous array of zeros whose first element starts a cache line (a page, if it is large).

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
    alignment = PAGE if size >= 64 * PAGE else LINE
    block = np.zeros(size + alignment, np.uint8)
    start = -block.ctypes.data % alignment
    return block[start:start + size].view(dtype).reshape(shape)
