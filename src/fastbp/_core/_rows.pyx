# Floor 1. Ops that go row by row: the gather, activations and other maps, softmax, and reductions of rows.
#
# Design
# (a) What these read and write of a row no other row needs, so a slice of the batch runs them one after another, with a
#     dense layer's products in between, while its rows are in cache.
# (b) The gather can also be shared by columns, for a product that reads no more columns of the batch in a share than that.
# (c) A view that moves is the caller's own array: the gather's source; or, where rows are taken as they lie, the batch
#     and its targets; and in prediction the output.

cimport numpy as cnp
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

import numpy as np

from ._kernels cimport *
from ._ops cimport *

from ._kernels import ACTIVATIONS, FUNCTIONS, VECTORS

cnp.import_array()

cdef enum:
    CHUNK_BYTES = 4096          # what goes past the caches goes in pieces that were in L1 before
    LEAST_BYTES = 1024          # and whole rows if they are at least as long

cdef struct RowMap:               # y = f(x) or dx = f(dy, y), on whole rows
    const fbp_kernels* kernels
    View x                        # IN (batch, n)
    View y                        # IN: the saved output or input, for the backward functions
    View out                      # OUT (batch, n)
    bint in_parts                 # a share is a part of an array, or
    bint in_columns               # some columns of the batch, or else its rows of it
    bint streams
    fbp_activation_forward forward
    fbp_activation_backward backward
    fbp_dropout dropout
    fbp_noise noise
    fbp_function function
    fbp_vector vector
    bint log                      # softmax: its logarithm


# A block function on this share.
cdef void map_share(const RowMap* p, fbp_block_fn function, const void* args, const Share* share) noexcept nogil:
    cdef Py_ssize_t i0 = share.begin, i1 = share.end, j0 = 0, j1 = p.x.cols, size = p.x.itemsize, i, j, n
    cdef Py_ssize_t step = CHUNK_BYTES // size
    if p.in_parts:
        cut_matrix(p.x.rows, p.x.cols, size, share, &i0, &i1, &j0, &j1)
    elif p.in_columns:
        i0, i1 = 0, share.rows
        cut_columns(p.out.cols, size, share, &j0, &j1)
    cdef char* x = row_of(&p.x, i0, share) + j0 * size
    cdef char* out = row_of(&p.out, i0, share) + j0 * size
    if not p.streams:
        function(args, i0, j0, i1 - i0, j1 - j0, x, p.x.rs, out, p.out.rs)
        return
    for i in range(i1 - i0):
        j = 0
        while j < j1 - j0:
            n = min(step, j1 - j0 - j)
            function(args, i0 + i, j0 + j, 1, n, x + (i * p.x.rs + j) * size, n, share.scratch, n)
            p.kernels.stream(n, share.scratch, out + (i * p.out.rs + j) * size)
            j += n
    p.kernels.stream_end()


cdef void activation(const void* args, const Share* share) noexcept nogil:
    cdef const RowMap* p = <const RowMap*> args
    map_share(p, p.kernels.activation_forward, &p.forward, share)


cdef void activation_gradient(const void* args, const Share* share) noexcept nogil:
    cdef const RowMap* p = <const RowMap*> args
    map_share(p, p.kernels.activation_backward, &p.backward, share)


# The number of the step is the upper half of the counter: every step draws words of its own for the elements of its batch.
cdef void dropout(const void* args, const Share* share) noexcept nogil:
    cdef const RowMap* p = <const RowMap*> args
    cdef fbp_dropout a = p.dropout
    a.from_.counter[1] += share.step
    map_share(p, p.kernels.dropout, &a, share)


cdef void noise(const void* args, const Share* share) noexcept nogil:
    cdef const RowMap* p = <const RowMap*> args
    cdef fbp_noise a = p.noise
    a.from_.counter[1] += share.step
    map_share(p, p.kernels.noise, &a, share)


cdef void function(const void* args, const Share* share) noexcept nogil:
    cdef const RowMap* p = <const RowMap*> args
    map_share(p, p.kernels.function, &p.function, share)


cdef void merge(const void* args, const Share* share) noexcept nogil:
    cdef const RowMap* p = <const RowMap*> args
    map_share(p, p.kernels.vector_map, &p.vector, share)


# softmax or its gradient of rows [begin, end).
cdef void softmax_rows(const RowMap* p, Py_ssize_t begin, Py_ssize_t end, const Share* share, char* out) noexcept nogil:
    cdef const char* x = row_of(&p.x, begin, share)
    if p.y.data == NULL:
        (p.kernels.log_softmax if p.log else p.kernels.softmax)(end - begin, p.x.cols, x, p.x.rs, out, p.out.rs)
        return
    (p.kernels.log_softmax_backward if p.log else p.kernels.softmax_backward)(
        end - begin, p.x.cols, x, p.x.rs, row_of(&p.y, begin, share), p.y.rs, out, p.out.rs)


cdef void softmax(const void* args, const Share* share) noexcept nogil:
    cdef const RowMap* p = <const RowMap*> args
    cdef Py_ssize_t i
    if not p.streams:
        softmax_rows(p, share.begin, share.end, share, row_of(&p.out, share.begin, share))
        return
    for i in range(share.begin, share.end):
        softmax_rows(p, i, i + 1, share, <char*> share.scratch)
        p.kernels.stream(p.out.cols, share.scratch, row_of(&p.out, i, share))
    p.kernels.stream_end()


cdef void sum_of_parts(const void* args, const Share* share) noexcept nogil:
    cdef const RowMap* p = <const RowMap*> args
    cdef Py_ssize_t n = p.out.cols, size = p.x.itemsize, i0 = share.begin, i1 = share.end, j0 = 0, j1 = n
    if p.in_columns:
        i0, i1 = 0, share.rows
        cut_columns(n, size, share, &j0, &j1)
    cdef char* x = row_of(&p.x, i0, share) + j0 * size
    cdef char* out = row_of(&p.out, i0, share) + j0 * size
    p.kernels.add(i1 - i0, j1 - j0, x, p.x.rs, x + n * size, p.x.rs, out, p.out.rs)
    p.kernels.activation_forward(&p.forward, i0, j0, i1 - i0, j1 - j0, out, p.out.rs, out, p.out.rs)


cdef class _RowMap(Op):
    cdef RowMap p

    cdef void set(self, cnp.ndarray x, cnp.ndarray y, cnp.ndarray out):
        memset(&self.p, 0, sizeof(RowMap))
        self.by_rows = True
        self.args = &self.p
        self.arrays = (x, y, out)
        self.kernels = self.p.kernels = kernels_of(type_code(out))
        if 0 < cnp.PyArray_NDIM(out) <= 2:
            self.p.x, self.p.out = view_of(x), view_of(out)
            self.p.y = no_view() if y is None else view_of(y)

    # Let a share be any part of the arrays: all C-contiguous, of any number of axes, or all matrices of rows.
    cdef void set_parts(self, cnp.ndarray x, cnp.ndarray y, cnp.ndarray out):
        self.by_rows = False
        self.p.in_parts = True
        cdef bint flat = cnp.PyArray_IS_C_CONTIGUOUS(x) and cnp.PyArray_IS_C_CONTIGUOUS(out)
        if flat and (y is None or cnp.PyArray_IS_C_CONTIGUOUS(y)):
            self.p.x, self.p.out = flat_view(x), flat_view(out)
            self.p.y = no_view() if y is None else flat_view(y)
        self.set_streams(out, CHUNK_BYTES)

    # Results as large as a cache go past it, piece by piece.
    cdef void set_streams(self, cnp.ndarray out, Py_ssize_t piece):
        if cnp.PyArray_NBYTES(out) >= STREAMED_BYTES and self.p.out.data not in (self.p.x.data, self.p.y.data):
            self.p.streams = True
            self.scratch = piece

    cdef void set_softmax(self, bint log):
        self.fn = softmax
        self.p.log = log
        if self.p.out.cols * self.p.out.itemsize >= LEAST_BYTES:
            self.set_streams(self.arrays[2], self.p.out.cols * self.p.out.itemsize)

    def share_columns(self):
        """Let a share be some columns of the batch, not some rows."""
        self.by_rows = False
        self.p.in_columns = True

    def bind(self, cnp.ndarray x=None, cnp.ndarray z=None):
        """Read the whole array x, write the whole array z, a batch of rows at a time."""
        if x is not None:
            self.p.x = view_of(x, True)
        if z is not None:
            self.p.out = view_of(z, True)


cdef class Activation(_RowMap):
    """a = activation(z), elementwise."""

    def __init__(self, cnp.ndarray z, cnp.ndarray a, str kind, double alpha=0, bint by_rows=True):
        self.set(z, None, a)
        self.fn = activation
        self.p.forward.activation = ACTIVATIONS[kind]
        self.p.forward.alpha = alpha
        if not by_rows:
            self.set_parts(z, None, a)


cdef class SumOfParts(_RowMap):
    """a = activation(z[:, :n] + z[:, n:]).  z (batch, 2 n), a (batch, n)."""

    def __init__(self, cnp.ndarray z, cnp.ndarray a, str kind, double alpha=0):
        self.set(z, None, a)
        self.fn = sum_of_parts
        self.p.forward.activation = ACTIVATIONS[kind]
        self.p.forward.alpha = alpha


cdef class Merge(_RowMap):
    """a = x + y, or x * y, elementwise; `kind` is "add" or "multiply"."""

    def __init__(self, str kind, cnp.ndarray x, cnp.ndarray y, cnp.ndarray a, bint by_rows=True):
        self.set(x, y, a)
        self.fn = merge
        if not by_rows:
            self.set_parts(x, y, a)
        self.p.vector.kind = VECTORS["blend" if kind == "add" else kind]
        self.p.vector.a = self.p.vector.b = 1
        self.p.vector.other, self.p.vector.stride = self.p.y.data, self.p.y.rs


cdef class ActivationGradient(_RowMap):
    """dz = da * activation'(a), the derivative taken from a: the output, or the input for those in FROM_INPUT."""

    def __init__(self, cnp.ndarray da, cnp.ndarray a, cnp.ndarray dz, str kind, double alpha=0, bint by_rows=True):
        self.set(da, a, dz)
        self.fn = activation_gradient
        if not by_rows:
            self.set_parts(da, a, dz)
        self.p.backward.saved = self.p.y.data
        self.p.backward.stride = self.p.y.rs
        self.p.backward.activation = ACTIVATIONS[kind]
        self.p.backward.alpha = alpha


cdef fbp_random random_place(offset, seed):
    cdef fbp_random place
    place.seed = seed
    place.word = offset & 3
    place.counter[0] = offset >> 2 & 0xFFFFFFFFFFFFFFFF
    place.counter[1] = offset >> 66
    return place


cdef class Dropout(_RowMap):
    """y = scale x + shift where an element's random word is not below the threshold, else fill.

    Element i of the batch, in C order, has word offset + 2**66 step + i of those that belong to the seed; see
    csrc/random.h.
    """

    def __init__(self, cnp.ndarray x, cnp.ndarray y, uint32_t threshold, seed, offset=0, double scale=1,
                 double shift=-0.0, double fill=0, bint by_rows=True):
        self.set(x, None, y)
        self.fn = dropout
        if not by_rows:
            self.set_parts(x, None, y)
        self.p.dropout.from_ = random_place(offset, seed)
        self.p.dropout.row_length = self.p.x.cols
        self.p.dropout.threshold = threshold
        self.p.dropout.scale, self.p.dropout.shift, self.p.dropout.fill = scale, shift, fill


cdef class Noise(_RowMap):
    """y = x + stddev n, or x (1 + stddev n) if it `multiplies`, with standard normal n, a number for each element.

    It depends on seed, offset, step and element as in Dropout.
    """

    def __init__(self, cnp.ndarray x, cnp.ndarray y, double stddev, seed, offset=0, bint multiplies=False):
        self.set(x, None, y)
        self.fn = noise
        self.p.noise.from_ = random_place(offset, seed)
        self.p.noise.row_length = self.p.x.cols
        self.p.noise.stddev, self.p.noise.multiplies = stddev, multiplies


cdef struct Bits:
    const fbp_kernels* kernels
    fbp_random place
    uint32_t* out                 # OUT (n,)
    Py_ssize_t n


cdef void random_bits(const void* args, const Share* share) noexcept nogil:
    cdef const Bits* p = <const Bits*> args
    cdef Py_ssize_t begin, end
    cut(p.n, 16, share.index, share.count, &begin, &end)
    p.kernels.random_bits(&p.place, begin, end - begin, p.out + begin)


cdef class RandomBits(Op):
    """out = words [offset, offset + n) of those that belong to the seed, uint32 (n,)."""

    cdef Bits p

    def __init__(self, cnp.ndarray out, seed, offset):
        self.by_rows = False
        self.fn, self.args = random_bits, &self.p
        self.arrays = out
        self.kernels = self.p.kernels = kernels_of(FBP_F32)
        self.p.place = random_place(offset, seed)
        self.p.out, self.p.n = <uint32_t*> cnp.PyArray_DATA(out), cnp.PyArray_SIZE(out)


cdef class Function(_RowMap):
    """y = f(x), elementwise, for a function of FUNCTIONS."""

    def __init__(self, cnp.ndarray x, cnp.ndarray y, str kind):
        self.set(x, None, y)
        self.fn = function
        self.p.function = FUNCTIONS[kind]
        self.set_parts(x, None, y)


cdef class Softmax(_RowMap):
    """a = softmax(z), row by row, or its logarithm."""

    def __init__(self, cnp.ndarray z, cnp.ndarray a, bint log=False):
        self.set(z, None, a)
        self.set_softmax(log)


cdef class SoftmaxGradient(_RowMap):
    """dz = a * (da - sum(da * a)), row by row; of the logarithm, dz = da - exp(a) * sum(da)."""

    def __init__(self, cnp.ndarray da, cnp.ndarray a, cnp.ndarray dz, bint log=False):
        self.set(da, a, dz)
        self.set_softmax(log)


ctypedef void (*Reduction)(Py_ssize_t rows, Py_ssize_t cols, const void* x, Py_ssize_t x_stride,
                           void* out) noexcept nogil

cdef struct RowReduction:         # out[i] = f(row i)
    Reduction function
    View x                        # IN (batch, n)
    View out                      # OUT (batch,)


cdef void row_reduction(const void* args, const Share* share) noexcept nogil:
    cdef const RowReduction* p = <const RowReduction*> args
    p.function(share.end - share.begin, p.x.cols, row_of(&p.x, share.begin, share), p.x.rs,
               row_of(&p.out, share.begin, share))


cdef class RowReduce(Op):
    """out[i] = row_sum, logsumexp or argmax of row i.  x (batch, n); out (batch,) of x's type, int64 for argmax."""

    cdef RowReduction p

    def __init__(self, str kind, cnp.ndarray x, cnp.ndarray out):
        self.by_rows = True
        self.fn, self.args = row_reduction, &self.p
        self.arrays = (x, out)
        self.kernels = kernels_of(type_code(x))
        self.p.x, self.p.out = view_of(x), view_of(out)
        if kind == "row_sum":
            self.p.function = self.kernels.row_sum
        elif kind == "logsumexp":
            self.p.function = self.kernels.logsumexp
        else:
            self.p.function = self.kernels.argmax


cdef struct Rows:                 # the batch: rows of the caller's array in the caller's order
    const fbp_kernels* kernels
    View src                      # IN (n, cols), any dtype of fbp_dtype; or int32, where dst is
    View dst                      # OUT (batch, cols), or (batch,) of indices
    const int64_t* order          # IN (laps, n) or NULL
    Py_ssize_t order_stride
    fbp_gather g
    bint indices
    bint by_columns               # a share is some columns of the batch, for ops that read no more of it


cdef void gather(const void* args, const Share* share) noexcept nogil:
    cdef const Rows* p = <const Rows*> args
    cdef fbp_gather g = p.g
    cdef Py_ssize_t begin = share.begin, end = share.end, j0 = 0, j1 = g.cols
    if p.by_columns:
        begin, end = 0, share.rows
        cut(g.cols, 64 // p.dst.itemsize, share.index, share.count, &j0, &j1)
    if j0 == j1:
        return
    g.rows, g.cols = end - begin, j1 - j0
    g.dst = row_of(&p.dst, begin, share) + j0 * p.dst.itemsize
    if p.order:
        g.src = p.src.data
        g.index = p.order + share.lap * p.order_stride + share.first + begin
    else:
        g.src = row_of(&p.src, begin, share)
        g.index = NULL
    g.src = <const char*> g.src + j0 * p.src.cs * p.src.itemsize
    if g.scales:
        g.scales = <const char*> g.scales + j0 * p.dst.itemsize
        g.shifts = <const char*> g.shifts + j0 * p.dst.itemsize
    if g.starts:
        g.src, g.first_column = p.g.src, j0
        g.starts += 0 if p.order else share.first + begin
        p.kernels.gather_sparse(&g)
    elif p.indices:
        p.kernels.gather_indices(&g)
    else:
        p.kernels.gather(&g)


cdef class Gather(Op):
    """dst[i] = scale * src[order[first + i]], converted to dst's type; src and order are bound later.

    Shared by rows of the batch, or else by its columns. With `scales` and `shifts`, both (cols,) of dst's type and
    contiguous, dst[i] = scales * src[order[first + i]] + shifts. Given `src`, it is a buffer of the batch, and dst[i] =
    scales * src[i] + shifts. int32 rows are moved as they are.
    """

    cdef Rows p

    def __init__(self, cnp.ndarray dst, double scale=1, bint by_rows=True, cnp.ndarray scales=None,
                 cnp.ndarray shifts=None, cnp.ndarray src=None):
        memset(&self.p, 0, sizeof(Rows))
        self.by_rows = by_rows
        self.p.by_columns = not by_rows
        self.fn, self.args = gather, &self.p
        self.p.indices = dst.dtype == np.int32
        self.kernels = self.p.kernels = kernels_of(FBP_F32 if self.p.indices else type_code(dst))
        self.p.dst = view_of(dst)
        self.p.g.cols, self.p.g.dst_stride, self.p.g.scale = self.p.dst.cols, self.p.dst.rs, scale
        self.arrays = (dst, scales, shifts, src)
        if scales is not None:
            self.p.g.scales, self.p.g.shifts = cnp.PyArray_DATA(scales), cnp.PyArray_DATA(shifts)
        if src is not None:
            self.set_source(view_of(src), type_code(src))

    cdef void set_source(self, View src, int dtype):
        self.p.src = src
        self.p.g.src_dtype = <fbp_dtype> dtype
        self.p.g.src_rows, self.p.g.src_rs, self.p.g.src_cs = src.rows, src.rs, src.cs

    def bind(self, source not None, cnp.ndarray order=None):
        """Take rows of an array (any strides) in the order of `order`, int64 (n,) or (laps, n); None: as they lie.

        In place of an array also a matrix in compressed sparse rows: an object with `data` (stored,) of dst's type,
        `indices` (stored,) int32 and `indptr` (rows + 1,) int64, all contiguous. They are not kept alive.
        """
        cdef cnp.ndarray src, starts, columns
        self.p.g.starts = NULL
        if isinstance(source, np.ndarray):
            src = source
        else:
            src, starts, columns = source.data, source.indptr, source.indices
            self.p.g.starts = <int64_t*> cnp.PyArray_DATA(starts)
            self.p.g.columns = <int32_t*> cnp.PyArray_DATA(columns)
            self.p.g.src = cnp.PyArray_DATA(src)
        self.set_source(view_of(src, True), type_code(src))
        self.p.order = NULL if order is None else <int64_t*> cnp.PyArray_DATA(order)
        self.p.order_stride = 0 if order is None else cnp.PyArray_DIM(order, cnp.PyArray_NDIM(order) - 1)
        if self.p.g.starts:
            self.p.g.src_rows = cnp.PyArray_SIZE(starts) - 1
