# Floor 1. Ops that compare predictions with targets, row by row: losses and metrics; and the sum of what they report.
#
# Design
# (a) Like the ops of _rows.pyx these go by rows, in the same phase as the products before them.
# (b) What they say of each row is added up by one slice, in one order, so the bits do not depend on the threads.

cimport numpy as cnp
from libc.stdint cimport int32_t
from libc.string cimport memset

import numpy as np

from ._kernels cimport *
from ._ops cimport *

from ._kernels import LOSSES, METRICS

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

    def bind(self, cnp.ndarray x not None):
        """Take the whole array x for predictions, a batch of rows at a time."""
        self.p.prediction = view_of(x, True)
        self.p.loss.prediction_stride = self.p.metric.prediction_stride = self.p.prediction.rs

    def bind_weight(self, cnp.ndarray weight not None):
        """Weight the rows with the whole contiguous array, a batch at a time."""
        self.p.weight = view_of(weight, True)

    def bind_target(self, cnp.ndarray y not None):
        """Compare with the whole array y, a batch of rows at a time."""
        self.p.target = view_of(y, True)
        self.p.loss.target_stride = self.p.metric.target_stride = self.p.target.rs


cdef class Loss(_Comparison):
    """value[i] = loss of row i; gradient = d value / d prediction, divided by the batch if `mean`. Either may be None.

    The gradient is times `scale`. `weight` (batch,) is times both. What `alpha` and `smoothing` are says
    fbp_kernels.h.
    """

    def __init__(self, str kind, cnp.ndarray prediction, cnp.ndarray target, cnp.ndarray value=None,
                 cnp.ndarray gradient=None, bint mean=True, double scale=1, cnp.ndarray weight=None, double alpha=0,
                 double smoothing=0):
        self.set(prediction, target, value)
        self.fn = loss
        self.p.loss.kind = LOSSES[kind]
        self.p.mean = mean
        self.p.loss.scale, self.p.loss.alpha, self.p.loss.smoothing = scale, alpha, smoothing
        if gradient is not None:
            self.arrays += (gradient,)
            self.p.gradient = view_of(gradient)
            self.p.loss.gradient_stride = self.p.gradient.rs
        if weight is not None:
            self.arrays += (weight,)
            self.p.weight = view_of(weight)

    def set_variance(self, cnp.ndarray variance not None, cnp.ndarray gradient not None):
        """Of gaussian_nll: the variance, and where the derivative by it goes, both (batch, n)."""
        self.arrays += (variance, gradient)
        self.p.variance, self.p.variance_gradient = view_of(variance), view_of(gradient)
        self.p.loss.variance_stride = self.p.variance.rs
        self.p.loss.variance_gradient_stride = self.p.variance_gradient.rs


def total(cnp.ndarray values not None):
    """Sum of a contiguous vector, in double, always in the same order."""
    return kernels_of(type_code(values)).sum(cnp.PyArray_SIZE(values), cnp.PyArray_DATA(values))


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
        self.bind(total)

    def bind(self, cnp.ndarray total not None):
        """Add to these, one for each lap."""
        self.arrays = (self.arrays[0], total)
        self.p.total = <double*> cnp.PyArray_DATA(total)
        self.p.stride = cnp.PyArray_STRIDE(total, 0) // sizeof(double)
