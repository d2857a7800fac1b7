# Floor 1. Normalisation: of columns over the batch, of groups of neighbours in a row, and their gradients.
#
# Design
# (a) The moments of a column need the whole batch. Rows are read from left to right, as they lie, in blocks that leave
#     sums of their own; a second stage, by columns, makes factors of these; a third goes over the rows again, where each
#     thread finds the last of its own in its cache. So does the gradient. Columns read one by one would be faster only
#     where they lie together: lines of a wide matrix's column fall into the same few places of the caches.
# (b) Groups of neighbours have moments of their own, and shares are rows. But the gradient of gamma and beta sums over
#     the batch; so there, too, blocks of rows leave sums, which a column sum adds up.
# (c) How many rows a block has depends on the shape alone, hence so do the bits.
# (d) Results as large as a cache go past it, where a run of neighbours is long enough to pay for that.

cimport numpy as cnp
from libc.string cimport memset

from ._kernels cimport *
from ._ops cimport *

cnp.import_array()

cdef enum:
    RUN_BYTES = 1024            # what goes past the caches goes in runs at least as long as this
    LINE = 64                   # sums lie one cache line further apart than rows of x often do, not above one another
    LEAST_ROWS = 16             # of a block that leaves sums,
    MOST_BLOCKS = 32            # and how many blocks there are at most

cdef struct Norm:
    const fbp_kernels* kernels
    fbp_norm a                  # what stays the same in all shares
    View x                      # IN (batch, n)
    View dy                     # IN (batch, n) or NULL
    View y                      # OUT (batch, n): y or dx
    Py_ssize_t itemsize
    Py_ssize_t sums             # rows of sums that a block of rows leaves


cdef inline void* moved(const void* p, Py_ssize_t elements, Py_ssize_t itemsize) noexcept nogil:
    return NULL if p == NULL else <char*> p + elements * itemsize


# The arguments for rows [begin, end).
cdef fbp_norm of_rows(const Norm* p, Py_ssize_t begin, Py_ssize_t end, const Share* share) noexcept nogil:
    cdef fbp_norm a = p.a
    a.rows = end - begin
    a.x, a.dy, a.y = row_of(&p.x, begin, share), row_of(&p.dy, begin, share), row_of(&p.y, begin, share)
    return a


# What a stage left for the next, or what was given in its place.
cdef inline void* sums_of(const Norm* p, const Share* share) noexcept nogil:
    return p.a.sums if p.a.sums != NULL else share.shared


# The arguments for the rows of this share, whatever these need of the columns.
cdef fbp_norm of_share(const Norm* p, const Share* share) noexcept nogil:
    cdef Py_ssize_t begin, end
    cut(share.rows, 1, share.index, share.count, &begin, &end)
    return of_rows(p, begin, end, share)


# The arguments for this share's columns of all rows.
cdef fbp_norm of_columns(const Norm* p, const Share* share) noexcept nogil:
    cdef fbp_norm a = p.a
    cdef Py_ssize_t begin, end, size = p.itemsize
    cut(p.x.cols, 64 // size, share.index, share.count, &begin, &end)
    a.rows, a.channels = share.rows, end - begin
    a.first, a.sums = moved(a.first, begin, size), moved(sums_of(p, share), begin, size)
    a.gamma, a.beta = moved(a.gamma, begin, size), moved(a.beta, begin, size)
    a.mean, a.rstd = moved(a.mean, begin, size), moved(a.rstd, begin, size)
    a.dgamma, a.dbeta = moved(a.dgamma, begin, size), moved(a.dbeta, begin, size)
    a.running_mean = moved(a.running_mean, begin, size)
    a.running_variance = moved(a.running_variance, begin, size)
    return a


cdef void batch_sums(const void* args, const Share* share) noexcept nogil:
    cdef const Norm* p = <const Norm*> args
    cdef fbp_norm a
    cdef Py_ssize_t row, end
    cut(share.rows, p.a.block, share.index, share.count, &row, &end)
    while row < end:
        a = of_rows(p, row, min(row + p.a.block, end), share)
        a.sums = moved(share.shared, row // a.block * p.sums * a.sums_stride, p.itemsize)
        if p.dy.data == NULL:
            p.kernels.batch_sums(&a)
        else:
            p.kernels.batch_gradient_sums(&a)
        row += a.block


cdef void batch_moments(const void* args, const Share* share) noexcept nogil:
    cdef const Norm* p = <const Norm*> args
    cdef fbp_norm a = of_columns(p, share)
    p.kernels.batch_moments(&a)


cdef void batch_gradient_factors(const void* args, const Share* share) noexcept nogil:
    cdef const Norm* p = <const Norm*> args
    cdef fbp_norm a = of_columns(p, share)
    p.kernels.batch_gradient_factors(&a)


cdef void batch_apply(const void* args, const Share* share) noexcept nogil:
    cdef const Norm* p = <const Norm*> args
    cdef fbp_norm a = of_share(p, share)
    a.sums = sums_of(p, share)
    if p.dy.data == NULL:
        p.kernels.batch_apply(&a)
    else:
        p.kernels.batch_gradient_apply(&a)


cdef void group_norm(const void* args, const Share* share) noexcept nogil:
    cdef const Norm* p = <const Norm*> args
    cdef fbp_norm a = of_rows(p, share.begin, share.end, share)
    a.mean = moved(a.mean, share.begin * a.groups, p.itemsize)
    a.rstd = moved(a.rstd, share.begin * a.groups, p.itemsize)
    p.kernels.group_norm(&a)


cdef void group_norm_gradient(const void* args, const Share* share) noexcept nogil:
    cdef const Norm* p = <const Norm*> args
    cdef fbp_norm a
    cdef Py_ssize_t row, end, size = p.itemsize
    cut(share.rows, p.a.block, share.index, share.count, &row, &end)
    while row < end:
        a = of_rows(p, row, min(row + p.a.block, end), share)
        a.mean, a.rstd = moved(a.mean, row * a.groups, size), moved(a.rstd, row * a.groups, size)
        a.dgamma = moved(share.shared, row // a.block * p.sums * a.sums_stride, size)
        a.dbeta = moved(a.dgamma, a.sums_stride, size) if p.sums == 2 else NULL
        p.kernels.group_norm_backward(&a)
        row += a.block


# The sums of all blocks, one behind another, added up.
cdef void group_norm_parameters(const void* args, const Share* share) noexcept nogil:
    cdef const Norm* p = <const Norm*> args
    cdef Py_ssize_t channels = p.a.groups * p.a.channels, size = p.itemsize, begin, end, i
    cut(channels, 64 // size, share.index, share.count, &begin, &end)
    for i in range(p.sums if begin < end else 0):
        p.kernels.column_sum(block_count(share.rows, p.a.block), end - begin,
                             <char*> share.shared + (i * p.a.sums_stride + begin) * size, p.sums * p.a.sums_stride,
                             moved(p.a.dgamma, i * channels + begin, size))


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
        self.p.a.first, self.p.a.block = self.p.x.data, rows_of_block(self.p.x.rows)
        self.set_streams(self.p.x.cols)

    cdef void set_sums(self, Py_ssize_t count):
        self.by_rows = False
        self.p.sums, self.p.a.sums_stride = count, self.p.a.groups * self.p.a.channels + LINE // self.p.itemsize
        self.shared = block_count(self.p.x.rows, self.p.a.block) * count * self.p.a.sums_stride * self.p.itemsize

    cdef void set_groups(self, Py_ssize_t groups, Py_ssize_t span):
        self.p.a.groups, self.p.a.channels, self.p.a.span = groups, self.p.x.cols // (groups * span), span
        self.set_streams(self.p.a.channels if span == 1 else span)

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
        self.fn, self.then[0], self.then[1] = batch_sums, batch_moments, batch_apply
        self.set_sums(2)
        self.p.a.epsilon, self.p.a.momentum = epsilon, momentum
        self.p.a.running_mean, self.p.a.running_variance = data_of(running_mean), data_of(running_variance)
        self.arrays = (*self.arrays, running_mean, running_variance)


cdef class BatchNormInference(_Norm):
    """y = (x - mean) scale + shift.  x and y (batch, n); mean (n,); factors (2, n): scale and shift."""

    def __init__(self, cnp.ndarray x, cnp.ndarray y, cnp.ndarray mean, cnp.ndarray factors):
        self.set(x, None, y, None, None, mean, None)
        self.fn = batch_apply
        self.by_rows = False
        self.p.a.sums, self.p.a.sums_stride = data_of(factors), self.p.x.cols
        self.arrays = (*self.arrays, factors)


cdef class BatchNormGradient(_Norm):
    """dx, dgamma and dbeta of BatchNorm.  dy, x and dx (batch, n); the others (n,), gamma or None."""

    def __init__(self, cnp.ndarray dy, cnp.ndarray x, cnp.ndarray gamma, cnp.ndarray mean, cnp.ndarray rstd,
                 cnp.ndarray dx, cnp.ndarray dgamma, cnp.ndarray dbeta):
        self.set(x, dy, dx, gamma, None, mean, rstd)
        self.fn, self.then[0], self.then[1] = batch_sums, batch_gradient_factors, batch_apply
        self.set_sums(3)
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


cdef inline Py_ssize_t block_count(Py_ssize_t rows, Py_ssize_t block) noexcept nogil:
    return (rows + block - 1) // block


def blocks(Py_ssize_t rows):
    """How many blocks of rows, each with sums of its own, a batch is cut into."""
    return block_count(rows, rows_of_block(rows))


cdef Py_ssize_t rows_of_block(Py_ssize_t rows) noexcept:
    return max(LEAST_ROWS, (rows + MOST_BLOCKS - 1) // MOST_BLOCKS)


cdef class GroupNormGradient(_Norm):
    """dx, dgamma and dbeta of GroupNorm.

    dy, x and dx (batch, channels * span); gamma (channels,) or None; mean, rstd (batch, groups); parameters (2,
    channels): dgamma and dbeta, or without `mean` dgamma alone, (1, channels).
    """

    def __init__(self, cnp.ndarray dy, cnp.ndarray x, cnp.ndarray gamma, cnp.ndarray mean, cnp.ndarray rstd,
                 cnp.ndarray dx, cnp.ndarray parameters, Py_ssize_t groups=1, Py_ssize_t span=1):
        self.set(x, dy, dx, gamma, None, mean, rstd)
        self.fn, self.then[0] = group_norm_gradient, group_norm_parameters
        self.set_groups(groups, span)
        self.p.a.dgamma = data_of(parameters)
        self.set_sums(cnp.PyArray_DIM(parameters, 0))
        self.arrays = (*self.arrays, parameters)
