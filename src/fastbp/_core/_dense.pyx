# Floor 1. Ops on parameters: a dense layer's products, and the gradients of its parameters with their updates.
#
# Design
# (a) Forward, input gradient, weight gradient and a plain product are one op, `product`; they differ in what the rows of
#     the batch are to it and in what is done to a strip of c while it is in L1.
# (b) The update of a weight is done to its gradient's strips, so the gradient needs no memory; a bias's gradient is so
#     small that it lives in the thread's scratch.
# (c) A share of a parameter is a rectangle, the same one in every step: its weights and their state stay in the cache of
#     the core that owns it. A large layer's output is shared so too.
# (d) A large weight that few rows meet costs more to move than to multiply. Where a step changes it, its forward product
#     is cut along fan_in, so that each core reads the part of the weight that it changes itself; only partial sums cross.
#     The number of parts is a constant: the bits do not depend on the threads.
# (e) A small weight that many rows meet is the other way round: its gradient is cut along the batch, so that each core
#     reads the rows that it made itself, and again only partial sums cross.

cimport numpy as cnp
from libc.math cimport INFINITY, sqrt
from libc.string cimport memset

import numpy as np

from ._kernels cimport *
from ._ops cimport *

from ._kernels import ACTIVATIONS, UPDATES

cnp.import_array()


# ---- updates ---------------------------------------------------------------------------------------------------------

cdef class Rule:
    """How one parameter changes: its memory, its state and the optimizer's constants, as fbp_update has them.

    The step size comes with each step. `weight`, `states` and `average` are C-contiguous.
    """

    def __init__(self, str kind, cnp.ndarray weight, states, double momentum=0, double decay=0, double epsilon=0,
                 double gradient_rate=0, double correction=1, double shrink=0, double l1=0, double l2=0,
                 double clip=INFINITY, *, double multiplier=1, cnp.ndarray average=None):
        cdef cnp.ndarray state
        cdef Py_ssize_t i = 0
        self.arrays = (weight, *states) if average is None else (weight, *states, average)
        self.kernels = kernels_of(type_code(weight))
        memset(&self.update, 0, sizeof(fbp_update))
        self.update.kind = UPDATES[kind]
        self.update.weight = cnp.PyArray_DATA(weight)
        self.update.stride = cnp.PyArray_DIM(weight, 1) if weight.ndim == 2 else cnp.PyArray_SIZE(weight)
        self.update.momentum, self.update.decay, self.update.epsilon = momentum, decay, epsilon
        self.update.gradient_rate, self.update.correction, self.update.shrink = gradient_rate, correction, shrink
        self.update.l1, self.update.l2, self.update.clip = l1, l2, clip
        self.update.scale, self.update.multiplier = 1, multiplier
        self.update.options = (shrink != 0 and kind != "adamw") or l1 != 0 or l2 != 0 or clip != INFINITY
        if average is not None:
            self.update.average, self.update.options = cnp.PyArray_DATA(average), True
        self.keeps_untouched = kind == "sgd" and not self.update.options
        for state in states:
            self.update.state[i] = cnp.PyArray_DATA(state)
            i += 1

    def penalize(self, double l1, double l2):
        """Add the gradient of l1 |w| + l2/2 w^2 to that of the weight."""
        self.update.l1, self.update.l2 = l1, l2
        self.update.options = True
        self.keeps_untouched = False


# ---- products --------------------------------------------------------------------------------------------------------

cdef enum:           # what the rows of the batch are to a product
    ROWS_OF_C
    SUMMED_OVER
    NOTHING

cdef enum:           # a sum over k that is cut
    PARTS = 2
    PART_UNIT = 8        # terms

cdef enum:           # of a gradient in parts, added up at a time
    SUMMED = 1024        # elements

cdef enum:           # of the border of a part of c
    PACKED_COLUMN = 3    # what a column of b weighs, in rows of a, if it has to be packed
    LEAST_COLUMNS = 16   # fewer cost as much

cdef enum:           # what is done to a product in L1
    FINISH_NOTHING
    FINISH_FORWARD
    FINISH_COLUMNS
    FINISH_BACKWARD
    FINISH_UPDATE

cdef struct Product:              # c = finish(start + a @ b)
    const fbp_kernels* kernels
    fbp_gemm g
    View rows                     # IN: a, or where the batch is summed over its transpose: the rows of the batch
    View c                        # OUT
    int batch
    Py_ssize_t part_unit          # of a sum that is cut: at multiples of so many terms,
    Py_ssize_t least_terms        # if there are so many,
    Py_ssize_t part_bytes         # the parts so far from one another
    bint in_parts                 # a share is a part of c, or
    bint in_columns               # some columns of it, or else its rows of the batch
    int finish
    fbp_activation_forward forward
    fbp_column_forward columns
    fbp_activation_backward backward
    fbp_update update


cdef void product(const void* args, const Share* share) noexcept nogil:
    cdef const Product* p = <const Product*> args
    cdef fbp_gemm g = p.g
    cdef fbp_update update
    cdef Py_ssize_t i0 = share.begin, i1 = share.end, j0 = 0, j1 = g.n
    g.a = row_of(&p.rows, 0, share)
    g.c = row_of(&p.c, 0, share)
    if p.batch == SUMMED_OVER:
        g.k = share.rows
    elif p.batch == ROWS_OF_C:
        g.m = share.rows
    if p.in_columns:
        i0, i1 = 0, share.rows
        cut_columns(g.n, p.rows.itemsize, share, &j0, &j1)
    elif p.in_parts:
        grid_cell(&g, p.kernels, p.rows.itemsize, share, &i0, &i1, &j0, &j1)
    if p.finish == FINISH_FORWARD:
        g.finish = p.kernels.activation_forward
        g.finish_args = &p.forward
    elif p.finish == FINISH_COLUMNS:
        g.finish = p.kernels.column_forward
        g.finish_args = &p.columns
    elif p.finish == FINISH_BACKWARD:
        g.finish = p.kernels.activation_backward
        g.finish_args = &p.backward
    elif p.finish == FINISH_UPDATE:
        update = p.update
        set_step(&update, share)
        g.finish = p.kernels.update
        g.prefetch = p.kernels.update_prefetch
        g.finish_args = &update
    p.kernels.gemm(&g, i0, i1, j0, j1, share.scratch)


# This share's rectangle of c: the grid of `count` cells with the least border, so that the least of a and b is read. A
# column of a large b weighs more: it has to be packed.
cdef void grid_cell(const fbp_gemm* g, const fbp_kernels* kernels, Py_ssize_t itemsize, const Share* share,
                    Py_ssize_t* i0, Py_ssize_t* i1, Py_ssize_t* j0, Py_ssize_t* j1) noexcept nogil:
    cdef Py_ssize_t m = g.m, n = g.n, down, across, best_down = 1
    cdef double border, least = INFINITY, column = PACKED_COLUMN if g.k * g.n * itemsize > kernels.gemm_direct else 1
    for down in range(1, share.count + 1):
        across = share.count // down
        if down * across != share.count:
            continue
        border = <double> max(m // down, kernels.gemm_rows) + column * max(n // across, LEAST_COLUMNS)
        if border < least:
            least = border
            best_down = down
    across = share.count // best_down
    cut(m, kernels.gemm_rows, share.index // across, best_down, i0, i1)
    cut(n, 64 // itemsize, share.index % across, across, j0, j1)


cdef class _Product(Op):
    cdef Product p

    cdef void set(self, View rows, View b, View c, int batch=ROWS_OF_C):
        cdef View a = rows if batch != SUMMED_OVER else transposed(rows)
        memset(&self.p, 0, sizeof(Product))
        self.fn = product
        self.args = &self.p
        self.p.kernels = self.kernels
        self.p.batch = batch
        self.p.in_parts = not self.by_rows
        self.set_rows(rows)
        self.p.c = c
        self.p.g.b, self.p.g.b_rs, self.p.g.b_cs = b.data, b.rs, b.cs
        self.p.g.c, self.p.g.c_rs = c.data, c.rs
        self.p.g.m, self.p.g.k, self.p.g.n = a.rows, a.cols, b.cols
        self.scratch = self.kernels.gemm_scratch(a.rows, b.cols, a.cols)

    cdef void set_activation(self, cnp.ndarray bias, activation, double alpha):
        self.p.g.start = NULL if bias is None else cnp.PyArray_DATA(bias)
        self.p.forward.activation = ACTIVATIONS[activation]
        self.p.forward.alpha = alpha
        if activation != "linear":
            self.p.finish = FINISH_FORWARD

    cdef void set_rows(self, View rows):
        cdef View a = rows if self.p.batch != SUMMED_OVER else transposed(rows)
        self.p.rows = rows
        self.p.g.a, self.p.g.a_rs, self.p.g.a_cs = a.data, a.rs, a.cs

    def share_columns(self):
        """Let a share be some columns of c, for all rows of the batch."""
        self.by_rows = False
        self.p.in_columns = True

    def bind(self, cnp.ndarray x=None, cnp.ndarray z=None):
        """Read the whole array x, write the whole array z, a batch of rows at a time."""
        if x is not None:
            self.set_rows(view_of(x, True))
        if z is not None:
            self.p.c = view_of(z, True)
            self.p.g.c, self.p.g.c_rs = self.p.c.data, self.p.c.rs


cdef class Dense(_Product):
    """z = activation(x @ w + b).  x (batch, fan_in), w (fan_in, fan_out), b (fan_out,) or None, z (batch, fan_out)."""

    def __init__(self, cnp.ndarray x, cnp.ndarray w, cnp.ndarray b, cnp.ndarray z, str activation="linear",
                 double alpha=0, bint by_rows=True):
        self.by_rows = by_rows
        self.arrays = (x, w, b, z)
        self.kernels = kernels_of(type_code(w))
        self.set(view_of(x), view_of(w), view_of(z))
        self.set_activation(b, activation, alpha)


# A share is some cells of the parts, [low, high) of all: one of its part's, or where shares are odd in number two that
# follow one another. Number `n` is cell n % cell.count of part n // cell.count.
cdef void share_of_parts(const Share* share, Share* cell, Py_ssize_t* low, Py_ssize_t* high) noexcept nogil:
    cdef Py_ssize_t each = 1 if share.count % PARTS == 0 else PARTS
    cell[0] = share[0]
    cell.count = share.count * each // PARTS
    low[0] = share.index * each
    high[0] = low[0] + each


# Terms [begin, end) of a part. Of a batch that would not be cut as a whole one, all are in the first.
cdef void terms_of_part(Py_ssize_t terms, Py_ssize_t unit, Py_ssize_t least, Py_ssize_t part, Py_ssize_t* begin,
                        Py_ssize_t* end) noexcept nogil:
    if terms >= least:
        cut(terms, unit, part, PARTS, begin, end)
    else:
        begin[0], end[0] = 0, terms if part == 0 else 0


cdef void partial_products(const void* args, const Share* share) noexcept nogil:
    cdef const Product* p = <const Product*> args
    cdef Share cell
    cdef fbp_gemm g
    cdef Py_ssize_t number, part, low, high, k0, k1, i0, i1, j0, j1, size = p.rows.itemsize
    share_of_parts(share, &cell, &low, &high)
    for number in range(low, high):
        part, cell.index = number // cell.count, number % cell.count
        g = p.g
        if p.batch == SUMMED_OVER:
            g.k = share.rows
        else:
            g.m = share.rows
        terms_of_part(g.k, p.part_unit, p.least_terms, part, &k0, &k1)
        g.k = k1 - k0
        g.a = row_of(&p.rows, 0, share) + k0 * g.a_cs * size
        g.b = <const char*> g.b + k0 * g.b_rs * size
        g.c = <char*> g.c + part * p.part_bytes
        g.start = g.start if part == 0 else NULL
        grid_cell(&g, p.kernels, size, &cell, &i0, &i1, &j0, &j1)
        p.kernels.gemm(&g, i0, i1, j0, j1, share.scratch)


cdef class PartialDense(_Product):
    """z[:, :n] = x[:, :h] @ w[:h] + b and z[:, n:] = x[:, h:] @ w[h:], the two halves of the sum that Dense makes.

    x (batch, fan_in), w (fan_in, n), b (n,) or None, z (batch, 2 n). Followed by `_rows.SumOfParts`.
    """

    def __init__(self, cnp.ndarray x, cnp.ndarray w, cnp.ndarray b, cnp.ndarray z):
        self.by_rows = False
        self.arrays = (x, w, b, z)
        self.kernels = kernels_of(type_code(w))
        self.set(view_of(x), view_of(w), view_of(z))
        self.set_activation(b, "linear", 0)
        self.fn = partial_products
        self.p.part_unit, self.p.part_bytes = PART_UNIT, self.p.g.n * self.p.c.itemsize


cdef class InputGradient(_Product):
    """dx = (dz @ w.T) * activation'(saved).  dz (batch, fan_out), w (fan_in, fan_out), dx and saved (batch, fan_in)."""

    def __init__(self, cnp.ndarray dz, cnp.ndarray w, cnp.ndarray dx, cnp.ndarray saved=None,
                 str activation="linear", double alpha=0, bint by_rows=True):
        self.by_rows = by_rows
        self.arrays = (dz, w, dx, saved)
        self.kernels = kernels_of(type_code(w))
        self.set(view_of(dz), transposed(view_of(w)), view_of(dx))
        if saved is not None:
            self.p.finish = FINISH_BACKWARD
            self.p.backward.saved = cnp.PyArray_DATA(saved)
            self.p.backward.stride = view_of(saved).rs
            self.p.backward.activation = ACTIVATIONS[activation]
            self.p.backward.alpha = alpha


cdef class WeightGradient(_Product):
    """dw = x.T @ dz, and the weight's update.  x (batch, fan_in), dz (batch, fan_out), dw (fan_in, fan_out) or None.

    Without `dw` the gradient is used up in L1; the batch is then at most `depth(dtype)` rows.
    """

    def __init__(self, cnp.ndarray x, cnp.ndarray dz, cnp.ndarray dw=None, Rule rule=None):
        self.by_rows = False
        self.arrays = (x, dz, dw, rule)
        self.kernels = kernels_of(type_code(dz))
        self.set(view_of(x), view_of(dz), no_view() if dw is None else view_of(dw), SUMMED_OVER)
        if rule is not None:
            self.p.finish = FINISH_UPDATE
            self.p.update = rule.update


cdef class PartialWeightGradient(_Product):
    """parts[h] = x.T @ dz of half h of the batch, followed by `ApplyUpdate`. Of few rows it is all in the first.

    x (batch, fan_in), dz (batch, fan_out), parts (2, fan_in * fan_out or more), rows contiguous.
    """

    def __init__(self, cnp.ndarray x, cnp.ndarray dz, cnp.ndarray parts, Py_ssize_t least_rows=0):
        self.by_rows = False
        self.arrays = (x, dz, parts)
        self.kernels = kernels_of(type_code(dz))
        self.set(view_of(x), view_of(dz), no_view(), SUMMED_OVER)
        self.fn = partial_products
        self.p.g.c, self.p.g.c_rs = cnp.PyArray_DATA(parts), self.p.g.n
        self.p.part_unit, self.p.least_terms, self.p.part_bytes = 1, least_rows, cnp.PyArray_STRIDE(parts, 0)


cdef class Matmul(_Product):
    """c = a @ b, all of it at once.  a (m, k), b (k, n), any strides; c (m, n), rows contiguous."""

    def __init__(self, cnp.ndarray a, cnp.ndarray b, cnp.ndarray c):
        self.by_rows = False
        self.arrays = (a, b, c)
        self.kernels = kernels_of(type_code(c))
        self.set(view_of(a), view_of(b), view_of(c), NOTHING)


cdef class ColumnDense(_Product):
    """z = activation(w @ x + b), samples in columns.

    w (fan_out, fan_in), x (fan_in, batch), any strides; b (fan_out,) or None; z (fan_out, batch), rows contiguous.
    """

    def __init__(self, cnp.ndarray w, cnp.ndarray x, cnp.ndarray b, cnp.ndarray z, str activation="linear",
                 double alpha=0):
        self.by_rows = False
        self.arrays = (w, x, b, z)
        self.kernels = kernels_of(type_code(z))
        self.set(view_of(w), view_of(x), view_of(z), NOTHING)
        if b is not None or activation != "linear":
            self.p.finish = FINISH_COLUMNS
            self.p.columns.bias = NULL if b is None else cnp.PyArray_DATA(b)
            self.p.columns.forward.activation = ACTIVATIONS[activation]
            self.p.columns.forward.alpha = alpha


def depth(dtype):
    """The largest batch for which a weight's gradient can stay in L1."""
    return kernels_of(type_code(np.empty(0, dtype))).gemm_depth


# ---- a bias's gradient, and updates on their own ---------------------------------------------------------------------

cdef struct Columns:              # db = column sums of dz, and the bias's update
    const fbp_kernels* kernels
    View dz                       # IN (batch, fan_out)
    View db                       # OUT (fan_out,) or NULL, or two parts
    Py_ssize_t least_rows         # that are worth two parts
    bint updates
    fbp_update update


cdef void bias_gradient(const void* args, const Share* share) noexcept nogil:
    cdef const Columns* p = <const Columns*> args
    cdef Py_ssize_t begin, end, size = p.dz.itemsize
    cdef fbp_update update = p.update
    cdef char* db
    cut(p.dz.cols, 64 // size, share.index, share.count, &begin, &end)
    if begin >= end:
        return
    db = p.db.data + begin * size if p.db.data else <char*> share.scratch
    p.kernels.column_sum(share.rows, end - begin, p.dz.data + begin * size, p.dz.rs, db)
    if p.updates:
        set_step(&update, share)
        p.kernels.update(&update, 0, begin, 1, end - begin, db, end - begin, NULL, 0)


cdef void partial_column_sums(const void* args, const Share* share) noexcept nogil:
    cdef const Columns* p = <const Columns*> args
    cdef Share cell
    cdef Py_ssize_t number, part, low, high, i0, i1, begin, end, size = p.dz.itemsize
    share_of_parts(share, &cell, &low, &high)
    for number in range(low, high):
        part, cell.index = number // cell.count, number % cell.count
        cut(p.dz.cols, 64 // size, cell.index, cell.count, &begin, &end)
        if begin >= end:
            continue
        terms_of_part(share.rows, 1, p.least_rows, part, &i0, &i1)
        p.kernels.column_sum(i1 - i0, end - begin, row_of(&p.dz, i0, share) + begin * size, p.dz.rs,
                             row_of(&p.db, part, share) + begin * size)


cdef class PartialBiasGradient(Op):
    """parts[h] = dz.sum(axis=0) of half h of the batch, followed by `ApplyUpdate`. Of few rows it is all in the first.

    dz (batch, fan_out), parts (2, fan_out or more), rows contiguous.
    """

    cdef Columns p

    def __init__(self, cnp.ndarray dz, cnp.ndarray parts, Py_ssize_t least_rows=0):
        memset(&self.p, 0, sizeof(Columns))
        self.by_rows = False
        self.fn, self.args = partial_column_sums, &self.p
        self.arrays = (dz, parts)
        self.kernels = self.p.kernels = kernels_of(type_code(dz))
        self.p.dz, self.p.db, self.p.least_rows = view_of(dz), view_of(parts), least_rows


cdef class BiasGradient(Op):
    """db = dz.sum(axis=0), and the bias's update.  dz (batch, fan_out), db (fan_out,) or None."""

    cdef Columns p

    def __init__(self, cnp.ndarray dz, cnp.ndarray db=None, Rule rule=None):
        memset(&self.p, 0, sizeof(Columns))
        self.by_rows = False
        self.fn, self.args = bias_gradient, &self.p
        self.arrays = (dz, db, rule)
        self.kernels = self.p.kernels = kernels_of(type_code(dz))
        self.p.dz = view_of(dz)
        self.p.db = no_view() if db is None else view_of(db)
        self.scratch = self.p.dz.cols * self.p.dz.itemsize
        if rule is not None:
            self.p.updates = True
            self.p.update = rule.update


cdef struct Application:          # one parameter's update from a gradient in memory
    const fbp_kernels* kernels
    View gradient                 # IN, as one row, C-contiguous; or its two parts, a row each
    Py_ssize_t size               # of the parameter
    const fbp_kernels* sums       # those of double
    const double* squares         # IN (blocks,): together the square of a norm; or NULL
    Py_ssize_t blocks
    double max_norm               # of that norm
    fbp_update update


cdef void apply_update(const void* args, const Share* share) noexcept nogil:
    cdef const Application* p = <const Application*> args
    cdef fbp_update update = p.update
    cdef Py_ssize_t begin, end, n, size = p.gradient.itemsize
    cdef double norm
    cdef char* g
    if share.numbers and share.numbers.held:
        return
    cut(p.size, 64 // size, share.index, share.count, &begin, &end)
    set_step(&update, share)
    if p.squares:
        norm = sqrt(p.sums.sum(p.blocks, p.squares))
        update.scale = 1 if norm <= p.max_norm else p.max_norm / norm
    g = p.gradient.data
    if p.gradient.rows == 1:
        p.kernels.update(&update, 0, begin, 1, end - begin, g + begin * size, p.size, NULL, 0)
        return
    while begin < end:  # the parts are added in L1
        n = min(end - begin, SUMMED)
        p.kernels.add(1, n, g + begin * size, n, g + (p.gradient.rs + begin) * size, n, share.scratch, n)
        p.kernels.update(&update, 0, begin, 1, n, share.scratch, n, NULL, 0)
        begin += n


cdef class ApplyUpdate(Op):
    """Change a parameter by its gradient, C-contiguous; or `in_parts` by the sum of two, rows of (2, size or more).

    With `squares`, (blocks,) of float64, the gradient is scaled down as far as their sum, the square of a norm, asks for
    (Pascanu, Mikolov & Bengio 2013).
    """

    cdef Application p

    def __init__(self, cnp.ndarray gradient, Rule rule not None, cnp.ndarray squares=None, double max_norm=INFINITY,
                 bint in_parts=False):
        memset(&self.p, 0, sizeof(Application))
        self.by_rows = False
        self.fn, self.args = apply_update, &self.p
        self.arrays = (gradient, rule, squares)
        self.kernels = self.p.kernels = rule.kernels
        self.p.size = cnp.PyArray_SIZE(rule.arrays[0])
        self.p.gradient = view_of(gradient) if in_parts else flat_view(gradient)
        self.scratch = SUMMED * self.p.gradient.itemsize if in_parts else 0
        self.p.update = rule.update
        if squares is not None:
            self.p.sums, self.p.blocks = kernels_of(FBP_F64), cnp.PyArray_SIZE(squares)
            self.p.squares, self.p.max_norm = <double*> cnp.PyArray_DATA(squares), max_norm
            self.p.update.options = True
