# Floor 1. Ops on the table of an embedding: its rows for a batch of indices, and its gradient with the update.
#
# Design
# (a) Each thread owns some rows of the table. It reads all indices of the batch in their order and adds up the gradients
#     that belong to its rows, so the bits do not depend on the threads.
# (b) The gradient has the table's size, and most updates change every row in every step, for their moments do. Plain
#     gradient descent leaves a row alone that has no gradient, so that only the batch's rows are touched.
# (c) Indices are trusted, like all arguments: the edge has made them.

cimport numpy as cnp
from libc.stdint cimport int32_t
from libc.string cimport memcpy, memset

from ._dense cimport Rule, set_step
from ._kernels cimport *
from ._ops cimport *

cnp.import_array()

cdef struct Table:                # y[i, j * width ...] = table[index[i, j]], or the table's gradient and its update
    const fbp_kernels* kernels
    View index                    # IN (batch, columns) int32, below `rows`
    View y                        # OUT (batch, columns * width); the gradient: IN
    char* table                   # IN (rows, width), contiguous; the gradient: OUT
    Py_ssize_t rows, width
    Py_ssize_t row_bytes
    bint updates
    bint some_rows                # the gradient is made, and the update done, of rows that the batch has alone
    fbp_update update


cdef void embedding(const void* args, const Share* share) noexcept nogil:
    cdef const Table* p = <const Table*> args
    cdef Py_ssize_t i, j
    cdef const int32_t* index
    for i in range(share.begin, share.end):
        index = <const int32_t*> row_of(&p.index, i, share)
        for j in range(p.index.cols):
            memcpy(row_of(&p.y, i, share) + j * p.row_bytes, p.table + index[j] * p.row_bytes, p.row_bytes)


cdef enum Visit:                  # what is done to a row of the gradient that the batch has
    CLEAR
    ADD
    UPDATE


# Once for each time that the batch has a row of [low, high). An update leaves zeros, so that the next one of the same row
# changes nothing.
cdef void visit_rows(const Table* p, Visit visit, const fbp_update* update, Py_ssize_t low, Py_ssize_t high,
                     const Share* share) noexcept nogil:
    cdef Py_ssize_t i, j, row
    cdef const int32_t* index
    cdef char* gradient
    cdef const char* dy
    for i in range(share.rows):
        index = <const int32_t*> row_of(&p.index, i, share)
        for j in range(p.index.cols):
            row = index[j]
            if row < low or row >= high:
                continue
            gradient = p.table + row * p.row_bytes
            if visit == ADD:
                dy = row_of(&p.y, i, share) + j * p.row_bytes
                p.kernels.add(1, p.width, gradient, p.width, dy, p.width, gradient, p.width)
                continue
            if visit == UPDATE:
                p.kernels.update(update, row, 0, 1, p.width, gradient, p.width, NULL, 0)
            memset(gradient, 0, p.row_bytes)


cdef void embedding_gradient(const void* args, const Share* share) noexcept nogil:
    cdef const Table* p = <const Table*> args
    cdef fbp_update update = p.update
    cdef Py_ssize_t low, high
    cut(p.rows, 1, share.index, share.count, &low, &high)
    set_step(&update, share)
    if p.some_rows:
        visit_rows(p, CLEAR, NULL, low, high, share)
    else:
        memset(p.table + low * p.row_bytes, 0, (high - low) * p.row_bytes)
    visit_rows(p, ADD, NULL, low, high, share)
    if p.some_rows:
        visit_rows(p, UPDATE, &update, low, high, share)
    elif p.updates:
        p.kernels.update(&update, low, 0, high - low, p.width, p.table + low * p.row_bytes, p.width, NULL, 0)


cdef class _Table(Op):
    cdef Table p

    cdef void set(self, cnp.ndarray index, cnp.ndarray table, cnp.ndarray y):
        memset(&self.p, 0, sizeof(Table))
        self.args = &self.p
        self.arrays = (index, table, y)
        self.kernels = self.p.kernels = kernels_of(type_code(table))
        self.p.index, self.p.y = view_of(index), view_of(y)
        self.p.table = cnp.PyArray_BYTES(table)
        self.p.rows, self.p.width = cnp.PyArray_DIM(table, 0), cnp.PyArray_DIM(table, 1)
        self.p.row_bytes = self.p.width * cnp.PyArray_ITEMSIZE(table)

    def bind(self, cnp.ndarray x=None, cnp.ndarray y=None):
        """Read the whole array x of indices, write the whole array y, a batch of rows at a time."""
        if x is not None:
            self.p.index = view_of(x, True)
        if y is not None:
            self.p.y = view_of(y, True)


cdef class Embedding(_Table):
    """Rows of a table, side by side.  index (batch, columns) int32, table (rows, width), y (batch, columns * width)."""

    def __init__(self, cnp.ndarray index, cnp.ndarray table, cnp.ndarray y):
        self.set(index, table, y)
        self.by_rows = True
        self.fn = embedding


cdef class EmbeddingGradient(_Table):
    """The gradient of the table, (rows, width), from that of y, and the table's update.

    With plain gradient descent, only rows in `index` are updated, and the gradient is not kept.
    """

    def __init__(self, cnp.ndarray index, cnp.ndarray dy, cnp.ndarray gradient, Rule rule=None):
        self.set(index, gradient, dy)
        self.arrays += (rule,)
        self.by_rows = False
        self.fn = embedding_gradient
        if rule is not None:
            self.p.updates, self.p.some_rows = True, rule.keeps_untouched
            self.p.update = rule.update
