# Floor 1. The ops: one function each, run by every thread of a team for its own share.
#
# Design
# (a) An op is a C function and a struct of arguments, so that a program is a flat list that runs without Python. The
#     class around the two exists to fill the struct and to keep the arrays alive.
# (b) No op knows its real type: it calls through the table that was made for it.
# (c) Two ways to share the work. Ops `by_rows` do rows [begin, end) of the batch, all the same ones, so that a chain of
#     them needs no synchronisation. The others cut what they compute (a weight's gradient) into a grid; the sum over the
#     batch is never cut, so the bits do not depend on the number of slices.
# (d) Arguments are trusted: the edge has checked them (data.py, ops.py).

cimport cython
cimport numpy as cnp
from libc.math cimport INFINITY
from libc.string cimport memset

import numpy as np

from ._kernels cimport *

cnp.import_array()

ACTIVATIONS = {"linear": FBP_LINEAR, "relu": FBP_RELU, "leaky_relu": FBP_LEAKY_RELU, "sigmoid": FBP_SIGMOID,
               "tanh": FBP_TANH}
LOSSES = {"mean_squared_error": FBP_MEAN_SQUARED_ERROR, "mean_absolute_error": FBP_MEAN_ABSOLUTE_ERROR,
          "binary_crossentropy": FBP_BINARY_CROSSENTROPY,
          "binary_crossentropy_logits": FBP_BINARY_CROSSENTROPY_LOGITS,
          "categorical_crossentropy": FBP_CATEGORICAL_CROSSENTROPY,
          "categorical_crossentropy_logits": FBP_CATEGORICAL_CROSSENTROPY_LOGITS}
METRICS = {"binary_accuracy": FBP_BINARY_ACCURACY, "categorical_accuracy": FBP_CATEGORICAL_ACCURACY}
UPDATES = {"sgd": FBP_SGD, "momentum": FBP_MOMENTUM, "nesterov": FBP_NESTEROV, "adam": FBP_ADAM}


# ---- arrays as views -------------------------------------------------------------------------------------------------

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
    raise TypeError(f"expected float32, float64, uint8 or int32, got {a.dtype}")


# Row `i` of this batch.
cdef inline char* row_of(const View* v, Py_ssize_t i, const Share* share) noexcept nogil:
    if v.data == NULL:
        return NULL
    return v.data + (i + (share.first if v.moving else 0)) * v.rs * v.itemsize


# Part `index` of `count` of n units, cut at multiples of `unit`.
cdef inline void cut(Py_ssize_t n, Py_ssize_t unit, Py_ssize_t index, Py_ssize_t count, Py_ssize_t* begin,
                     Py_ssize_t* end) noexcept nogil:
    cdef Py_ssize_t units = (n + unit - 1) // unit
    begin[0] = min(n, units * index // count * unit)
    end[0] = min(n, units * (index + 1) // count * unit)


cdef class Op:
    """Base: a function and its arguments, for `_program.Program`."""


# ---- updates ---------------------------------------------------------------------------------------------------------

cdef class Rule:
    """How one parameter changes: its memory, its state and the optimizer's constants."""

    def __init__(self, str kind, cnp.ndarray weight, states, double momentum, double decay, double epsilon):
        cdef cnp.ndarray state
        self.arrays = (weight, *states)
        self.kernels = kernels_of(type_code(weight))
        memset(&self.update, 0, sizeof(fbp_update))
        self.update.kind = UPDATES[kind]
        self.update.weight = cnp.PyArray_DATA(weight)
        self.update.stride = weight.shape[1] if weight.ndim == 2 else weight.shape[0]
        self.update.momentum = momentum
        self.update.decay = decay
        self.update.epsilon = epsilon
        for i, state in enumerate(states):
            self.update.state[i] = cnp.PyArray_DATA(state)


# ---- products --------------------------------------------------------------------------------------------------------

cdef enum:           # what the rows of the batch are to a product
    ROWS_OF_C
    SUMMED_OVER
    NOTHING

cdef enum:           # what is done to a product in L1
    FINISH_NOTHING
    FINISH_OUTPUT
    FINISH_BACKWARD
    FINISH_UPDATE

cdef struct Product:              # c = finish(a @ b)
    const fbp_kernels* kernels
    fbp_gemm g
    View a                        # IN
    View c                        # OUT
    int batch
    int finish
    fbp_dense_output output
    fbp_activation_backward backward
    fbp_update update


cdef void product(const void* args, const Share* share) noexcept nogil:
    cdef const Product* p = <const Product*> args
    cdef fbp_gemm g = p.g
    cdef fbp_update update
    cdef Py_ssize_t i0 = share.begin, i1 = share.end, j0 = 0, j1 = g.n
    if p.batch != ROWS_OF_C:
        if p.batch == SUMMED_OVER:
            g.k = share.rows
        grid_cell(p, share, &i0, &i1, &j0, &j1)
    elif p.a.moving or p.c.moving:
        g.a = row_of(&p.a, 0, share)
        g.c = row_of(&p.c, 0, share)
    if p.finish == FINISH_OUTPUT:
        g.finish = p.kernels.dense_output
        g.finish_args = &p.output
    elif p.finish == FINISH_BACKWARD:
        g.finish = p.kernels.activation_backward
        g.finish_args = &p.backward
    elif p.finish == FINISH_UPDATE:
        update = p.update
        update.rate = share.rate
        g.finish = p.kernels.update
        g.prefetch = p.kernels.update_prefetch
        g.finish_args = &update
    p.kernels.gemm(&g, i0, i1, j0, j1, share.scratch)


# This share's rectangle of c: the grid of `count` cells with the least border, so that the least of a and b is read.
cdef void grid_cell(const Product* p, const Share* share, Py_ssize_t* i0, Py_ssize_t* i1, Py_ssize_t* j0,
                    Py_ssize_t* j1) noexcept nogil:
    cdef Py_ssize_t m = p.g.m, n = p.g.n, down, across, best_down = 1
    cdef double border, least = INFINITY
    for down in range(1, share.count + 1):
        across = share.count // down
        if down * across != share.count:
            continue
        border = <double> max(m // down, p.kernels.gemm_rows) + <double> max(n // across, 16)
        if border <= least:
            least = border
            best_down = down
    across = share.count // best_down
    cut(m, p.kernels.gemm_rows, share.index // across, best_down, i0, i1)
    cut(n, 64 // p.a.itemsize, share.index % across, across, j0, j1)


cdef class _Product(Op):
    cdef Product p

    cdef void set(self, View a, View b, View c):
        memset(&self.p, 0, sizeof(Product))
        self.fn = product
        self.args = &self.p
        self.p.kernels = self.kernels
        self.p.a = a
        self.p.c = c
        self.p.g.a, self.p.g.a_rs, self.p.g.a_cs = a.data, a.rs, a.cs
        self.p.g.b, self.p.g.b_rs, self.p.g.b_cs = b.data, b.rs, b.cs
        self.p.g.c, self.p.g.c_rs = c.data, c.rs
        self.p.g.m, self.p.g.k, self.p.g.n = a.rows, a.cols, b.cols
        self.scratch = self.kernels.gemm_scratch(a.rows, b.cols, a.cols)

    cdef void set_activation(self, cnp.ndarray bias, activation, double alpha):
        self.p.output.bias = NULL if bias is None else cnp.PyArray_DATA(bias)
        self.p.output.activation = ACTIVATIONS[activation]
        self.p.output.alpha = alpha
        if bias is not None or activation != "linear":
            self.p.finish = FINISH_OUTPUT

    def bind(self, cnp.ndarray x=None, cnp.ndarray z=None):
        """Read the whole array x, write the whole array z, a batch of rows at a time."""
        if x is not None:
            self.p.a = view_of(x, True)
            self.p.g.a, self.p.g.a_rs, self.p.g.a_cs = self.p.a.data, self.p.a.rs, self.p.a.cs
        if z is not None:
            self.p.c = view_of(z, True)
            self.p.g.c, self.p.g.c_rs = self.p.c.data, self.p.c.rs


cdef class Dense(_Product):
    """z = activation(x @ w + b).  x (batch, fan_in), w (fan_in, fan_out), b (fan_out,) or None, z (batch, fan_out)."""

    def __init__(self, cnp.ndarray x, cnp.ndarray w, cnp.ndarray b, cnp.ndarray z, str activation="linear",
                 double alpha=0):
        self.by_rows = True
        self.arrays = (x, w, b, z)
        self.kernels = kernels_of(type_code(w))
        self.set(view_of(x), view_of(w), view_of(z))
        self.set_activation(b, activation, alpha)


cdef class InputGradient(_Product):
    """dx = (dz @ w.T) * activation'(output).  dz (batch, fan_out), w (fan_in, fan_out), dx and output (batch, fan_in)."""

    def __init__(self, cnp.ndarray dz, cnp.ndarray w, cnp.ndarray dx, cnp.ndarray output=None,
                 str activation="linear", double alpha=0):
        self.by_rows = True
        self.arrays = (dz, w, dx, output)
        self.kernels = kernels_of(type_code(w))
        self.set(view_of(dz), transposed(view_of(w)), view_of(dx))
        if output is not None:
            self.p.finish = FINISH_BACKWARD
            self.p.backward.output = cnp.PyArray_DATA(output)
            self.p.backward.stride = view_of(output).rs
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
        self.set(transposed(view_of(x)), view_of(dz), no_view() if dw is None else view_of(dw))
        self.p.batch = SUMMED_OVER
        if rule is not None:
            self.p.finish = FINISH_UPDATE
            self.p.update = rule.update


cdef class Matmul(_Product):
    """c = a @ b, all of it at once.  a (m, k), b (k, n), c (m, n) with one of its strides 1."""

    def __init__(self, cnp.ndarray a, cnp.ndarray b, cnp.ndarray c):
        cdef View left = view_of(a), right = view_of(b), out = view_of(c)
        self.by_rows = False
        self.arrays = (a, b, c)
        self.kernels = kernels_of(type_code(c))
        if out.cs == 1:
            self.set(left, right, out)
        else:                     # c.T = b.T @ a.T
            self.set(transposed(right), transposed(left), transposed(out))
        self.p.batch = NOTHING


def depth(dtype):
    """The largest batch for which a weight's gradient can stay in L1."""
    return kernels_of(type_code(np.empty(0, dtype))).gemm_depth


# ---- a bias's gradient, and updates on their own ---------------------------------------------------------------------

cdef struct Columns:              # db = column sums of dz, and the bias's update
    const fbp_kernels* kernels
    View dz                       # IN (batch, fan_out)
    View db                       # OUT (fan_out,) or NULL
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
        update.rate = share.rate
        p.kernels.update(&update, 0, begin, 1, end - begin, db, end - begin, NULL, 0)


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
    View gradient                 # IN (rows, cols)
    fbp_update update


cdef void apply_update(const void* args, const Share* share) noexcept nogil:
    cdef const Application* p = <const Application*> args
    cdef fbp_update update = p.update
    cdef Py_ssize_t r0 = 0, r1 = p.gradient.rows, c0 = 0, c1 = p.gradient.cols, size = p.gradient.itemsize
    if r1 >= share.count:
        cut(r1, 1, share.index, share.count, &r0, &r1)
    else:
        cut(c1, 64 // size, share.index, share.count, &c0, &c1)
    update.rate = share.rate
    p.kernels.update(&update, r0, c0, r1 - r0, c1 - c0, p.gradient.data + (r0 * p.gradient.rs + c0) * size,
                     p.gradient.rs, NULL, 0)


cdef class ApplyUpdate(Op):
    """Change a parameter by its gradient, of the same shape."""

    cdef Application p

    def __init__(self, cnp.ndarray gradient, Rule rule not None):
        cdef cnp.ndarray matrix = gradient if gradient.ndim == 2 else gradient.reshape(1, -1)
        self.by_rows = False
        self.fn, self.args = apply_update, &self.p
        self.arrays = (matrix, rule)
        self.kernels = self.p.kernels = rule.kernels
        self.p.gradient = view_of(matrix)
        self.p.update = rule.update


# ---- row by row ------------------------------------------------------------------------------------------------------

cdef struct RowMap:               # y = f(x) or dx = f(dy, y), on whole rows
    const fbp_kernels* kernels
    View x                        # IN (batch, n)
    View y                        # IN: the saved output, for the backward functions
    View out                      # OUT (batch, n)
    fbp_dense_output forward
    fbp_activation_backward backward


cdef void activation(const void* args, const Share* share) noexcept nogil:
    cdef const RowMap* p = <const RowMap*> args
    p.kernels.dense_output(&p.forward, share.begin, 0, share.end - share.begin, p.x.cols,
                           row_of(&p.x, share.begin, share), p.x.rs, row_of(&p.out, share.begin, share), p.out.rs)


cdef void activation_gradient(const void* args, const Share* share) noexcept nogil:
    cdef const RowMap* p = <const RowMap*> args
    p.kernels.activation_backward(&p.backward, share.begin, 0, share.end - share.begin, p.x.cols,
                                  row_of(&p.x, share.begin, share), p.x.rs,
                                  row_of(&p.out, share.begin, share), p.out.rs)


cdef void softmax(const void* args, const Share* share) noexcept nogil:
    cdef const RowMap* p = <const RowMap*> args
    p.kernels.softmax(share.end - share.begin, p.x.cols, row_of(&p.x, share.begin, share), p.x.rs,
                      row_of(&p.out, share.begin, share), p.out.rs)


cdef void softmax_gradient(const void* args, const Share* share) noexcept nogil:
    cdef const RowMap* p = <const RowMap*> args
    p.kernels.softmax_backward(share.end - share.begin, p.x.cols, row_of(&p.x, share.begin, share), p.x.rs,
                               row_of(&p.y, share.begin, share), p.y.rs,
                               row_of(&p.out, share.begin, share), p.out.rs)


cdef class _RowMap(Op):
    cdef RowMap p

    cdef void set(self, cnp.ndarray x, cnp.ndarray y, cnp.ndarray out):
        memset(&self.p, 0, sizeof(RowMap))
        self.by_rows = True
        self.args = &self.p
        self.arrays = (x, y, out)
        self.kernels = self.p.kernels = kernels_of(type_code(out))
        self.p.x, self.p.out = view_of(x), view_of(out)
        self.p.y = no_view() if y is None else view_of(y)

    def bind(self, cnp.ndarray x=None, cnp.ndarray z=None):
        """Read the whole array x, write the whole array z, a batch of rows at a time."""
        if x is not None:
            self.p.x = view_of(x, True)
        if z is not None:
            self.p.out = view_of(z, True)


cdef class Activation(_RowMap):
    """a = activation(z), elementwise."""

    def __init__(self, cnp.ndarray z, cnp.ndarray a, str kind, double alpha=0):
        self.set(z, None, a)
        self.fn = activation
        self.p.forward.activation = ACTIVATIONS[kind]
        self.p.forward.alpha = alpha


cdef class ActivationGradient(_RowMap):
    """dz = da * activation'(a), the derivative taken from the output a."""

    def __init__(self, cnp.ndarray da, cnp.ndarray a, cnp.ndarray dz, str kind, double alpha=0):
        self.set(da, a, dz)
        self.fn = activation_gradient
        self.p.backward.output = self.p.y.data
        self.p.backward.stride = self.p.y.rs
        self.p.backward.activation = ACTIVATIONS[kind]
        self.p.backward.alpha = alpha


cdef class Softmax(_RowMap):
    """a = softmax(z), row by row."""

    def __init__(self, cnp.ndarray z, cnp.ndarray a):
        self.set(z, None, a)
        self.fn = softmax


cdef class SoftmaxGradient(_RowMap):
    """dz = a * (da - sum(da * a)), row by row."""

    def __init__(self, cnp.ndarray da, cnp.ndarray a, cnp.ndarray dz):
        self.set(da, a, dz)
        self.fn = softmax_gradient


cdef struct Comparison:           # loss or metric: predictions against targets
    const fbp_kernels* kernels
    View prediction               # IN (batch, n)
    View target                   # IN (batch, n) or (batch,) int32
    View value                    # OUT (batch,)
    View gradient                 # OUT (batch, n) or NULL
    fbp_loss loss
    fbp_metric metric
    bint labels
    bint mean                     # divide the gradient by the rows of the batch


cdef void loss(const void* args, const Share* share) noexcept nogil:
    cdef const Comparison* p = <const Comparison*> args
    cdef fbp_loss a = p.loss
    a.rows = share.end - share.begin
    a.prediction = row_of(&p.prediction, share.begin, share)
    a.target = NULL if p.labels else row_of(&p.target, share.begin, share)
    a.labels = <const int32_t*> row_of(&p.target, share.begin, share) if p.labels else NULL
    a.value = row_of(&p.value, share.begin, share)
    a.gradient = row_of(&p.gradient, share.begin, share)
    a.scale = 1.0 / share.rows if p.mean else 1.0
    p.kernels.loss(&a)


cdef void metric(const void* args, const Share* share) noexcept nogil:
    cdef const Comparison* p = <const Comparison*> args
    cdef fbp_metric a = p.metric
    a.rows = share.end - share.begin
    a.prediction = row_of(&p.prediction, share.begin, share)
    a.target = NULL if p.labels else row_of(&p.target, share.begin, share)
    a.labels = <const int32_t*> row_of(&p.target, share.begin, share) if p.labels else NULL
    a.value = row_of(&p.value, share.begin, share)
    p.kernels.metric(&a)


cdef class _Comparison(Op):
    cdef Comparison p

    cdef void set(self, cnp.ndarray prediction, cnp.ndarray target, cnp.ndarray value):
        memset(&self.p, 0, sizeof(Comparison))
        self.by_rows = True
        self.args = &self.p
        self.kernels = self.p.kernels = kernels_of(type_code(prediction))
        self.arrays = (prediction, target, value)
        self.p.prediction, self.p.target = view_of(prediction), view_of(target)
        self.p.value = no_view() if value is None else view_of(value)
        self.p.labels = target.dtype == np.int32
        self.p.loss.cols = self.p.metric.cols = self.p.prediction.cols
        self.p.loss.prediction_stride = self.p.metric.prediction_stride = self.p.prediction.rs
        self.p.loss.target_stride = self.p.metric.target_stride = self.p.target.rs


cdef class Loss(_Comparison):
    """value[i] = loss of row i; gradient = d value / d prediction, divided by the batch if `mean`. Either may be None."""

    def __init__(self, str kind, cnp.ndarray prediction, cnp.ndarray target, cnp.ndarray value=None,
                 cnp.ndarray gradient=None, bint mean=True):
        self.set(prediction, target, value)
        self.fn = loss
        self.p.loss.kind = LOSSES[kind]
        self.p.mean = mean
        if gradient is not None:
            self.arrays += (gradient,)
            self.p.gradient = view_of(gradient)
            self.p.loss.gradient_stride = self.p.gradient.rs


cdef class Metric(_Comparison):
    """value[i] = 1 where row i is right, else 0 (binary: the share of right columns)."""

    def __init__(self, str kind, cnp.ndarray prediction, cnp.ndarray target, cnp.ndarray value,
                 double threshold=0.5):
        self.set(prediction, target, value)
        self.fn = metric
        self.p.metric.kind = METRICS[kind]
        self.p.metric.threshold = threshold


cdef struct Total:                # total += sum of values
    const fbp_kernels* kernels
    View values                   # IN (batch,)
    double* total                 # IN OUT


cdef void accumulate(const void* args, const Share* share) noexcept nogil:
    cdef const Total* p = <const Total*> args
    if share.index == 0:
        p.total[0] += p.kernels.sum(share.rows, p.values.data)


cdef class Accumulate(Op):
    """total += values[:rows].sum().  values (batch,), total (1,) float64."""

    cdef Total p

    def __init__(self, cnp.ndarray values, cnp.ndarray total):
        self.by_rows = False
        self.fn, self.args = accumulate, &self.p
        self.arrays = (values, total)
        self.kernels = self.p.kernels = kernels_of(type_code(values))
        self.p.values = view_of(values)
        self.p.total = <double*> cnp.PyArray_DATA(total)


cdef struct Rows:                 # the batch: rows of the caller's array in the caller's order
    const fbp_kernels* kernels
    View src                      # IN (n, cols) float32, float64, uint8; or (n,) int32
    View dst                      # OUT (batch, cols), or (batch,) int32
    const int64_t* order          # IN (n,) or NULL
    fbp_gather g
    bint labels


cdef void gather(const void* args, const Share* share) noexcept nogil:
    cdef const Rows* p = <const Rows*> args
    cdef fbp_gather g = p.g
    g.rows = share.end - share.begin
    g.dst = row_of(&p.dst, share.begin, share)
    if p.order:
        g.src = p.src.data
        g.index = p.order + share.first + share.begin
    else:
        g.src = row_of(&p.src, share.begin, share)
        g.index = NULL
    if p.labels:
        p.kernels.gather_labels(&g)
    else:
        p.kernels.gather(&g)


cdef class Gather(Op):
    """dst[i] = scale * src[order[first + i]], converted to dst's type; src and order are bound later."""

    cdef Rows p

    def __init__(self, cnp.ndarray dst, double scale=1):
        memset(&self.p, 0, sizeof(Rows))
        self.by_rows = True
        self.fn, self.args = gather, &self.p
        self.p.labels = dst.dtype == np.int32
        self.kernels = self.p.kernels = kernels_of(FBP_F32 if self.p.labels else type_code(dst))
        self.p.dst = view_of(dst)
        self.p.g.cols, self.p.g.dst_stride, self.p.g.scale = self.p.dst.cols, self.p.dst.rs, scale
        self.arrays = (dst, None, None)

    def bind(self, cnp.ndarray src not None, cnp.ndarray order=None):
        """Take rows of `src` (any strides) in the order of `order` (int64; None: as they lie)."""
        self.p.src = view_of(src, True)
        self.p.order = NULL if order is None else <int64_t*> cnp.PyArray_DATA(order)
        self.p.g.src_dtype = <fbp_dtype> type_code(src)
        self.p.g.src_rs, self.p.g.src_cs = self.p.src.rs, self.p.src.cs
        self.arrays = (self.arrays[0], src, order)

    def release(self):
        """Forget the caller's arrays."""
        self.arrays = (self.arrays[0], None, None)
        self.p.src, self.p.order = no_view(), NULL
