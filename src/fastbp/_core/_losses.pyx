# Floor 1. Ops that compare predictions with targets: losses and metrics of each row, and the sums of what is reported.
#
# Design
# (a) Losses and metrics go by rows, in the phase that made the predictions. Sums over rows are made by one share, in the
#     order of the rows: Accumulate adds up one number a row, a Tally several of its own. They are not worth cutting.
# (b) What a sum is added to has a row for each lap and is bound anew for each run.
# (c) Views that move are the caller's own arrays, as in _rows.pyx.

cimport numpy as cnp
from libc.stdint cimport int32_t
from libc.math cimport INFINITY
from libc.string cimport memset

import numpy as np

from ._kernels cimport *
from ._ops cimport *

from ._kernels import LOSSES, METRICS, TALLIES

cnp.import_array()

cdef struct Comparison:           # loss or metric: predictions against targets
    const fbp_kernels* kernels
    View prediction               # IN (batch, n)
    View target                   # IN (batch, n) or (batch,) int32
    View value                    # OUT (batch,)
    View gradient                 # OUT (batch, n) or NULL
    View weight                   # IN (batch,) or NULL
    View variance                 # IN (batch, n) or NULL
    View variance_gradient        # OUT (batch, n) or NULL
    fbp_loss loss
    fbp_metric metric
    fbp_tally tally
    bint labels
    bint mean                     # divide the gradient by the rows of the batch
    Py_ssize_t sums_stride        # between the sums of two laps


cdef void loss(const void* args, const Share* share) noexcept nogil:
    cdef const Comparison* p = <const Comparison*> args
    cdef fbp_loss a = p.loss
    a.rows = share.end - share.begin
    a.prediction = row_of(&p.prediction, share.begin, share)
    a.target = NULL if p.labels else row_of(&p.target, share.begin, share)
    a.labels = <const int32_t*> row_of(&p.target, share.begin, share) if p.labels else NULL
    a.value = row_of(&p.value, share.begin, share)
    a.gradient = row_of(&p.gradient, share.begin, share)
    a.weight = row_of(&p.weight, share.begin, share)
    a.variance = row_of(&p.variance, share.begin, share)
    a.variance_gradient = row_of(&p.variance_gradient, share.begin, share)
    if p.mean:
        a.scale = p.loss.scale / share.rows
    p.kernels.loss(&a)


cdef void metric(const void* args, const Share* share) noexcept nogil:
    cdef const Comparison* p = <const Comparison*> args
    cdef fbp_metric a = p.metric
    a.rows = share.end - share.begin
    a.prediction = row_of(&p.prediction, share.begin, share)
    a.target = NULL if p.labels else row_of(&p.target, share.begin, share)
    a.labels = <const int32_t*> row_of(&p.target, share.begin, share) if p.labels else NULL
    a.value = row_of(&p.value, share.begin, share)
    a.weight = row_of(&p.weight, share.begin, share)
    p.kernels.metric(&a)


cdef void tally(const void* args, const Share* share) noexcept nogil:
    cdef const Comparison* p = <const Comparison*> args
    cdef fbp_tally a = p.tally
    if share.index != 0:
        return
    a.rows = share.rows
    a.prediction = row_of(&p.prediction, 0, share)
    a.target = NULL if p.labels else row_of(&p.target, 0, share)
    a.labels = <const int32_t*> row_of(&p.target, 0, share) if p.labels else NULL
    a.weight = row_of(&p.weight, 0, share)
    a.sums = p.tally.sums + share.lap * p.sums_stride
    p.kernels.tally(&a)


cdef class _Comparison(Op):
    cdef Comparison p
    cdef object sums              # of a tally: keeps them alive

    cdef void set(self, cnp.ndarray prediction, cnp.ndarray target, cnp.ndarray value, cnp.ndarray weight):
        memset(&self.p, 0, sizeof(Comparison))
        self.by_rows = True
        self.args = &self.p
        self.kernels = self.p.kernels = kernels_of(type_code(prediction))
        self.arrays = (prediction, target, value, weight)
        self.p.prediction, self.p.target = view_of(prediction), view_of(target)
        self.p.value = no_view() if value is None else view_of(value)
        self.p.weight = no_view() if weight is None else view_of(weight)
        self.p.labels = target.dtype == np.int32
        self.p.loss.cols = self.p.metric.cols = self.p.tally.cols = self.p.prediction.cols
        self.set_strides()

    cdef void set_strides(self):
        cdef Py_ssize_t prediction = self.p.prediction.rs, target = self.p.target.rs
        self.p.loss.prediction_stride = self.p.metric.prediction_stride = self.p.tally.prediction_stride = prediction
        self.p.loss.target_stride = self.p.metric.target_stride = self.p.tally.target_stride = target

    def bind(self, cnp.ndarray x not None):
        """Take the whole array x for predictions, a batch of rows at a time."""
        self.p.prediction = view_of(x, True)
        self.set_strides()

    def bind_weight(self, cnp.ndarray weight not None):
        """Weight the rows with the whole contiguous array, a batch at a time."""
        self.p.weight = view_of(weight, True)

    def bind_target(self, cnp.ndarray y not None):
        """Compare with the whole array y, a batch of rows at a time."""
        self.p.target = view_of(y, True)
        self.set_strides()


cdef class Loss(_Comparison):
    """value[i] = loss of row i; gradient = d value / d prediction, divided by the batch if `mean`. Either may be None.

    The gradient is times `scale`. `weight` (batch,) is times both. What `alpha` and `smoothing` are says
    fbp_kernels.h.
    """

    def __init__(self, str kind, cnp.ndarray prediction, cnp.ndarray target, cnp.ndarray value=None,
                 cnp.ndarray gradient=None, bint mean=True, double scale=1, cnp.ndarray weight=None, double alpha=0,
                 double smoothing=0, double limit=INFINITY):
        self.set(prediction, target, value, weight)
        self.fn = loss
        self.p.loss.kind = LOSSES[kind]
        self.p.mean = mean
        self.p.loss.scale, self.p.loss.alpha, self.p.loss.smoothing, self.p.loss.limit = scale, alpha, smoothing, limit
        if gradient is not None:
            self.arrays += (gradient,)
            self.p.gradient = view_of(gradient)
            self.p.loss.gradient_stride = self.p.gradient.rs

    def set_variance(self, cnp.ndarray variance not None, cnp.ndarray gradient not None):
        """Of gaussian_nll: the variance, and where the derivative by it goes, both (batch, n)."""
        self.arrays += (variance, gradient)
        self.p.variance, self.p.variance_gradient = view_of(variance), view_of(gradient)
        self.p.loss.variance_stride = self.p.variance.rs
        self.p.loss.variance_gradient_stride = self.p.variance_gradient.rs


cdef class Metric(_Comparison):
    """value[i] = 1 where row i is right, else 0 (binary: the share of right columns), times weight (batch,)."""

    def __init__(self, str kind, cnp.ndarray prediction, cnp.ndarray target, cnp.ndarray value,
                 double threshold=0.5, cnp.ndarray weight=None):
        self.set(prediction, target, value, weight)
        self.fn = metric
        self.p.metric.kind = METRICS[kind]
        self.p.metric.threshold = threshold


cdef class Tally(_Comparison):
    """sums[lap] += what `kind` counts in the batch, each row times weight (batch,).

    sums (laps, numbers), float64, rows contiguous; what the numbers are says csrc/tally.h. `thresholds` are those of
    outcomes, without any of which the largest column counts; `bins` are those of a histogram.
    """

    def __init__(self, str kind, cnp.ndarray prediction, cnp.ndarray target, cnp.ndarray sums,
                 cnp.ndarray weight=None, cnp.ndarray thresholds=None, Py_ssize_t bins=1):
        self.set(prediction, target, None, weight)
        self.by_rows = False
        self.fn = tally
        self.p.tally.kind = TALLIES[kind]
        self.p.tally.steps = bins
        if thresholds is not None:
            self.arrays += (thresholds,)
            self.p.tally.thresholds = <double*> cnp.PyArray_DATA(thresholds)
            self.p.tally.steps = cnp.PyArray_SIZE(thresholds)
        self.bind_sums(sums)

    def bind_sums(self, cnp.ndarray sums not None):
        """Add to these, a row for each lap."""
        self.sums = sums
        self.p.tally.sums = <double*> cnp.PyArray_DATA(sums)
        self.p.sums_stride = cnp.PyArray_STRIDE(sums, 0) // sizeof(double)


def total(cnp.ndarray values not None):
    """Sum of a contiguous vector, in double, always in the same order."""
    return kernels_of(type_code(values)).sum(cnp.PyArray_SIZE(values), cnp.PyArray_DATA(values))


cdef struct Total:                # total += sum of values
    const fbp_kernels* kernels
    View values                   # IN (batch,)
    double* total                 # IN OUT: of lap 0
    Py_ssize_t stride             # between the totals of two laps


cdef void accumulate(const void* args, const Share* share) noexcept nogil:
    cdef const Total* p = <const Total*> args
    if share.index == 0:
        p.total[share.lap * p.stride] += p.kernels.sum(share.rows, p.values.data)


cdef class Accumulate(Op):
    """total[lap] += values[:rows].sum().  values (batch,); total (laps,) float64."""

    cdef Total p

    def __init__(self, cnp.ndarray values, cnp.ndarray total):
        self.by_rows = False
        self.fn, self.args = accumulate, &self.p
        self.arrays = (values, None)
        self.kernels = self.p.kernels = kernels_of(type_code(values))
        self.p.values = view_of(values)
        self.bind_sums(total)

    def bind_sums(self, cnp.ndarray total not None):
        """Add to these, one for each lap: (laps,) or (laps, 1)."""
        self.arrays = (self.arrays[0], total)
        self.p.total = <double*> cnp.PyArray_DATA(total)
        self.p.stride = cnp.PyArray_STRIDE(total, 0) // sizeof(double)
