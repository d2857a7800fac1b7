# Floor 1. Normalisation: of columns over the batch, of groups of neighbours in a row, and their gradients.
#
# Design
# (a) The moments of a column need the whole batch, so shares of batch_norm and of its gradient are columns. In
#     inference the moments are given, and shares are rows; so they are where each row has moments of its own.
# (b) The gradient of gamma and beta sums over the batch, that of x goes by rows, and both read the same two arrays. To
#     read them once, a share is some blocks of rows, and each block leaves sums of its own, which a column sum adds up.
#     How many rows a block has depends on the shape alone, hence so do the bits.
# (c) Results as large as a cache go past it, where a run of neighbours is long enough to pay for that.

cimport numpy as cnp
from libc.string cimport memset

from ._kernels cimport *
from ._ops cimport *

cnp.import_array()

cdef enum:
    STREAMED_BYTES = 16 << 20   # results as large as this go past the caches,
    RUN_BYTES = 1024            # in runs at least as long as this
    LEAST_ROWS = 16             # of a block, for gradients of gamma and beta,
    MOST_BLOCKS = 32            # and how many blocks there are at most

cdef struct Norm:
    const fbp_kernels* kernels
    fbp_norm a                  # what stays the same in all shares
    View x                      # IN (batch, n)
    View dy                     # IN (batch, n) or NULL
    View y                      # OUT (batch, n): y or dx
    View slope                  # OUT (batch, n) or NULL: each row's part of dgamma
    Py_ssize_t itemsize
    Py_ssize_t block            # rows of a block


cdef inline void* moved(const void* p, Py_ssize_t elements, Py_ssize_t itemsize) noexcept nogil:
    return NULL if p == NULL else <char*> p + elements * itemsize


# The arguments for rows [begin, end).
cdef fbp_norm of_rows(const Norm* p, Py_ssize_t begin, Py_ssize_t end, const Share* share) noexcept nogil:
    cdef fbp_norm a = p.a
    a.rows = end - begin
    a.x, a.dy, a.y = row_of(&p.x, begin, share), row_of(&p.dy, begin, share), row_of(&p.y, begin, share)
    return a


# The arguments for this share's columns of all rows.
cdef fbp_norm of_columns(const Norm* p, const Share* share) noexcept nogil:
    cdef fbp_norm a = of_rows(p, 0, share.rows, share)
    cdef Py_ssize_t begin, end, size = p.itemsize
    cut_columns(p.x.cols, size, share, &begin, &end)
    a.channels = end - begin
    a.x, a.dy, a.y = moved(a.x, begin, size), moved(a.dy, begin, size), moved(a.y, begin, size)
    a.gamma, a.beta = moved(a.gamma, begin, size), moved(a.beta, begin, size)
    a.mean, a.rstd = moved(a.mean, begin, size), moved(a.rstd, begin, size)
    a.dgamma, a.dbeta = moved(a.dgamma, begin, size), moved(a.dbeta, begin, size)
    a.running_mean = moved(a.running_mean, begin, size)
    a.running_variance = moved(a.running_variance, begin, size)
    return a


cdef void batch_norm(const void* args, const Share* share) noexcept nogil:
    cdef const Norm* p = <const Norm*> args
    cdef fbp_norm a = of_columns(p, share)
    p.kernels.batch_norm(&a)


cdef void batch_norm_gradient(const void* args, const Share* share) noexcept nogil:
    cdef const Norm* p = <const Norm*> args
    cdef fbp_norm a = of_columns(p, share)
    p.kernels.batch_norm_backward(&a)


cdef void batch_norm_inference(const void* args, const Share* share) noexcept nogil:
    cdef const Norm* p = <const Norm*> args
    cdef fbp_norm a = of_rows(p, share.begin, share.end, share)
    p.kernels.batch_norm_apply(&a)


cdef void group_norm(const void* args, const Share* share) noexcept nogil:
    cdef const Norm* p = <const Norm*> args
    cdef fbp_norm a = of_rows(p, share.begin, share.end, share)
    a.mean = moved(a.mean, share.begin * a.groups, p.itemsize)
    a.rstd = moved(a.rstd, share.begin * a.groups, p.itemsize)
    p.kernels.group_norm(&a)


cdef void group_norm_gradient(const void* args, const Share* share) noexcept nogil:
    cdef const Norm* p = <const Norm*> args
    cdef fbp_norm a
    cdef Py_ssize_t row, end, size = p.itemsize, sums = p.a.groups * p.a.channels * (1 if p.a.dbeta == NULL else 2)
    cut(share.rows, p.block, share.index, share.count, &row, &end)
    while row < end:
        a = of_rows(p, row, min(row + p.block, end), share)
        a.mean, a.rstd = moved(a.mean, row * a.groups, size), moved(a.rstd, row * a.groups, size)
        a.dgamma = moved(a.dgamma, row // p.block * sums, size)
        a.dbeta = moved(a.dbeta, row // p.block * sums, size)
        p.kernels.group_norm_backward(&a)
        row += p.block


cdef void* data_of(cnp.ndarray a) noexcept:
    return NULL if a is None else cnp.PyArray_DATA(a)


cdef class _Norm(Op):
    cdef Norm p

    cdef void set(self, cnp.ndarray x, cnp.ndarray dy, cnp.ndarray y, cnp.ndarray gamma, cnp.ndarray beta,
                  cnp.ndarray mean, cnp.ndarray rstd):
        memset(&self.p, 0, sizeof(Norm))
        self.args = &self.p
        self.arrays = (x, dy, y, gamma, beta, mean, rstd)
        self.kernels = self.p.kernels = kernels_of(type_code(y))
        self.p.itemsize = cnp.PyArray_ITEMSIZE(y)
        self.p.x, self.p.y, self.p.dy = view_of(x), view_of(y), no_view() if dy is None else view_of(dy)
        self.p.a.x_stride, self.p.a.dy_stride, self.p.a.y_stride = self.p.x.rs, self.p.dy.rs, self.p.y.rs
        self.p.a.gamma, self.p.a.beta = data_of(gamma), data_of(beta)
        self.p.a.mean, self.p.a.rstd = data_of(mean), data_of(rstd)
        self.p.a.groups, self.p.a.channels, self.p.a.span = 1, self.p.x.cols, 1
        self.p.a.centered = mean is not None
        self.set_streams(self.p.x.cols)

    cdef void set_groups(self, Py_ssize_t groups, Py_ssize_t span):
        self.p.a.groups, self.p.a.channels, self.p.a.span = groups, self.p.x.cols // (groups * span), span
        self.set_streams(self.p.a.channels if span == 1 else span)

    def bind(self, cnp.ndarray x=None, cnp.ndarray y=None):
        """Read the whole array x, write the whole array y, a batch of rows at a time."""
        if x is not None:
            self.p.x = view_of(x, True)
            self.p.a.x_stride = self.p.x.rs
        if y is not None:
            self.p.y = view_of(y, True)
            self.p.a.y_stride = self.p.y.rs

    cdef void set_streams(self, Py_ssize_t run):
        self.p.a.streams = (cnp.PyArray_NBYTES(self.arrays[2]) >= STREAMED_BYTES and run * self.p.itemsize >= RUN_BYTES
                            and self.p.y.data != self.p.x.data and self.p.y.data != self.p.dy.data)


cdef class BatchNorm(_Norm):
    """y = (x - mean) rstd gamma + beta, with moments of the columns of x, which go to `mean` and `rstd`.

    x and y (batch, n); gamma, beta (n,) or None; mean, rstd (n,). Running moments (n,) or None are moved towards those
    of the batch: running = momentum running + (1 - momentum) batch.
    """

    def __init__(self, cnp.ndarray x, cnp.ndarray gamma, cnp.ndarray beta, cnp.ndarray y, cnp.ndarray mean,
                 cnp.ndarray rstd, double epsilon, cnp.ndarray running_mean=None, cnp.ndarray running_variance=None,
                 double momentum=0):
        self.set(x, None, y, gamma, beta, mean, rstd)
        self.fn = batch_norm
        self.by_rows = False
        self.p.a.epsilon, self.p.a.momentum = epsilon, momentum
        self.p.a.running_mean, self.p.a.running_variance = data_of(running_mean), data_of(running_variance)
        self.arrays = (*self.arrays, running_mean, running_variance)


cdef class BatchNormInference(_Norm):
    """y = (x - mean) rstd gamma + beta with running moments.  x and y (batch, n), the others (n,) or None.

    Without `running_mean` nothing is subtracted: with dy for x, and without beta, y is then dx.
    """

    def __init__(self, cnp.ndarray x, cnp.ndarray gamma, cnp.ndarray beta, cnp.ndarray y, cnp.ndarray running_mean,
                 cnp.ndarray running_variance not None, double epsilon):
        self.set(x, None, y, gamma, beta, None, None)
        self.fn = batch_norm_inference
        self.by_rows = True
        self.p.a.epsilon = epsilon
        self.p.a.running_mean, self.p.a.running_variance = data_of(running_mean), data_of(running_variance)
        self.arrays = (*self.arrays, running_mean, running_variance)


cdef class BatchNormGradient(_Norm):
    """dx, dgamma and dbeta of BatchNorm.  dy, x and dx (batch, n); the others (n,), gamma or None."""

    def __init__(self, cnp.ndarray dy, cnp.ndarray x, cnp.ndarray gamma, cnp.ndarray mean, cnp.ndarray rstd,
                 cnp.ndarray dx, cnp.ndarray dgamma, cnp.ndarray dbeta):
        self.set(x, dy, dx, gamma, None, mean, rstd)
        self.fn = batch_norm_gradient
        self.by_rows = False
        self.p.a.dgamma, self.p.a.dbeta = data_of(dgamma), data_of(dbeta)
        self.arrays = (*self.arrays, dgamma, dbeta)


cdef class GroupNorm(_Norm):
    """y = (x - mean) rstd gamma + beta, with moments of each group of neighbours, which go to `mean` and `rstd`.

    x and y (batch, channels * span); gamma, beta (channels,) or None; mean, rstd (batch, groups). Without `mean`
    nothing is subtracted, and rstd is of the mean of squares.
    """

    def __init__(self, cnp.ndarray x, cnp.ndarray gamma, cnp.ndarray beta, cnp.ndarray y, cnp.ndarray mean,
                 cnp.ndarray rstd, double epsilon, Py_ssize_t groups=1, Py_ssize_t span=1):
        self.set(x, None, y, gamma, beta, mean, rstd)
        self.fn = group_norm
        self.by_rows = True
        self.p.a.epsilon = epsilon
        self.set_groups(groups, span)


cdef void row_norm_gradient(const void* args, const Share* share) noexcept nogil:
    cdef const Norm* p = <const Norm*> args
    cdef fbp_norm a
    cdef Py_ssize_t row, size = p.itemsize
    for row in range(share.begin, share.end):
        a = of_rows(p, row, row + 1, share)
        a.mean, a.rstd = moved(a.mean, row, size), moved(a.rstd, row, size)
        a.dgamma = row_of(&p.slope, row, share)
        p.kernels.group_norm_backward(&a)


cdef class RowNormGradient(_Norm):
    """dx of GroupNorm with one group, by rows, and slope = dy (x - mean) rstd, whose column sums are dgamma.

    dy, x, dx and slope (batch, n), slope or None; gamma (n,) or None; mean, rstd (batch,), mean or None.
    """

    def __init__(self, cnp.ndarray dy, cnp.ndarray x, cnp.ndarray gamma, cnp.ndarray mean, cnp.ndarray rstd,
                 cnp.ndarray dx, cnp.ndarray slope=None):
        self.set(x, dy, dx, gamma, None, mean, rstd)
        self.fn = row_norm_gradient
        self.by_rows = True
        self.set_groups(1, 1)
        self.p.slope = no_view() if slope is None else view_of(slope)
        self.arrays = (*self.arrays, slope)


def blocks(Py_ssize_t rows):
    """How many blocks of rows, each with sums of its own, GroupNormGradient cuts a batch into."""
    cdef Py_ssize_t block = rows_of_block(rows)
    return (rows + block - 1) // block


cdef Py_ssize_t rows_of_block(Py_ssize_t rows) noexcept:
    return max(LEAST_ROWS, (rows + MOST_BLOCKS - 1) // MOST_BLOCKS)


cdef class GroupNormGradient(_Norm):
    """dx of GroupNorm, and dgamma and dbeta of each block of rows.

    dy, x and dx (batch, channels * span); gamma (channels,) or None; mean, rstd (batch, groups); sums
    (blocks(batch), 2, channels): dgamma and dbeta. Without `mean`, sums (blocks(batch), 1, channels).
    """

    def __init__(self, cnp.ndarray dy, cnp.ndarray x, cnp.ndarray gamma, cnp.ndarray mean, cnp.ndarray rstd,
                 cnp.ndarray dx, cnp.ndarray sums, Py_ssize_t groups=1, Py_ssize_t span=1):
        self.set(x, dy, dx, gamma, None, mean, rstd)
        self.fn = group_norm_gradient
        self.by_rows = False
        self.set_groups(groups, span)
        self.p.block = rows_of_block(self.p.x.rows)
        self.p.a.dgamma = data_of(sums)
        if mean is not None:
            self.p.a.dbeta = moved(data_of(sums), groups * self.p.a.channels, self.p.itemsize)
        self.arrays = (*self.arrays, sums)
