# Floor 2. Targets at the edge of the functional ops: class labels, weights of rows, and what is counted from labels.
#
# Design
# (a) Compiled, for a label or a weight each takes a nanosecond here, and a NumPy function a microsecond before the first.
# (b) Loops run without the GIL.
# (c) Labels reach the kernels as int32, those of rows that are not to count as IGNORED. What a row counts reaches them as
#     one vector, whatever it is made of: the caller's weights, those of the classes, and 0 for ignored rows.

cimport numpy as cnp
from libc.float cimport DBL_MAX, FLT_MAX
from libc.math cimport isfinite
from libc.stdint cimport int32_t, int64_t

import numpy as np

from fastbp.ops.edge import as_array, integers, matrix, shaped

cnp.import_array()

cdef enum:
    IGNORED = -1

cdef fused real_t:
    float
    double


def scores(str name, value):
    """`value` as a matrix with a column for each class, of which there is one at least."""
    cdef cnp.ndarray array = matrix(name, value)
    if not cnp.PyArray_DIM(array, 1):
        raise ValueError(f"expected {name} with at least one column, got {(<object> array).shape}")
    return array


def is_labels(value, Py_ssize_t classes):
    """Whether targets are class labels: a vector of integers, or a column of them where there are several classes."""
    cdef cnp.ndarray array = as_array("target", value)
    cdef int axes = cnp.PyArray_NDIM(array)
    if not cnp.PyArray_ISINTEGER(array):
        return False
    return axes == 1 or (axes == 2 and cnp.PyArray_DIM(array, 1) == 1 and classes > 1)


def labels_of(str name, value, Py_ssize_t rows, Py_ssize_t classes, ignore_index=None):
    """`value` as int32 labels below `classes`, of so many rows unless that is -1; rows of `ignore_index` are IGNORED."""
    cdef cnp.ndarray array = integers(name, value, rows)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(array), i
    cdef cnp.ndarray out = np.empty(n, np.int32)
    cdef const int64_t* given = <const int64_t*> cnp.PyArray_DATA(array)
    cdef int32_t* label = <int32_t*> cnp.PyArray_DATA(out)
    cdef bint ignores = ignore_index is not None, fits = True
    cdef int64_t ignored = ignore_index if ignores else 0
    if classes > 0x7FFFFFFF:
        raise ValueError(f"expected at most {0x7FFFFFFF} classes, got {classes}")
    with nogil:
        for i in range(n):
            if ignores and given[i] == ignored:
                label[i] = IGNORED
                continue
            label[i] = <int32_t> given[i]
            fits &= 0 <= given[i] < classes
    if not fits:
        counted = array[array != ignored] if ignores else array
        raise ValueError(
            f"expected {name} of labels from 0 to {classes - 1}, got {counted.min()} to {counted.max()}"
        )
    return out


def weights_of(str name, value, Py_ssize_t n):
    """`value` as a vector of n finite weights, none negative, in float64."""
    cdef cnp.ndarray array = np.ascontiguousarray(shaped(name, value, None, (n,)), np.float64)
    cdef const double* weight = <const double*> cnp.PyArray_DATA(array)
    cdef Py_ssize_t i
    cdef bint fits = True
    with nogil:
        for i in range(n):
            fits &= weight[i] >= 0 and isfinite(weight[i])
    if not fits:
        raise ValueError(f"expected {name} to be finite and at least 0, got {array.min()} to {array.max()}")
    return array


cdef double _multiply(real_t* out, Py_ssize_t n, const double* weight, const double* of_class, const double* of_row,
                      const int32_t* label) noexcept nogil:
    cdef double total = 0, w
    cdef Py_ssize_t i
    for i in range(n):
        w = weight[i] if weight else 1
        if label and label[i] == IGNORED:
            w = 0
        if w != 0 and of_class:
            w *= of_class[label[i]]
        if w != 0 and of_row:
            w *= of_row[i]
        out[i] = <real_t> w
        total += out[i]
    return total


cdef double* _doubles(cnp.ndarray a) noexcept:
    return NULL if a is None else <double*> cnp.PyArray_DATA(a)


def row_weights(Py_ssize_t rows, dtype, cnp.ndarray sample_weight, cnp.ndarray class_weight=None,
                cnp.ndarray labels=None, cnp.ndarray row_factor=None):
    """What each row counts, in `dtype`, and the sum of that.

    The product of what is given: `sample_weight` (rows,), `class_weight` (classes,) of the row's label, and `row_factor`
    (rows,), all float64 vectors; 0 where a label is IGNORED. A weight of 0 stays 0, whatever the other factors are.
    """
    cdef cnp.ndarray out = np.empty(rows, dtype)
    cdef int32_t* label = NULL if labels is None else <int32_t*> cnp.PyArray_DATA(labels)
    cdef const double* weight = _doubles(sample_weight)
    cdef const double* of_class = _doubles(class_weight)
    cdef const double* of_row = _doubles(row_factor)
    cdef void* data = cnp.PyArray_DATA(out)
    cdef bint single = cnp.PyArray_TYPE(out) == cnp.NPY_FLOAT32
    cdef double total
    with nogil:
        if single:
            total = _multiply(<float*> data, rows, weight, of_class, of_row, label)
        else:
            total = _multiply(<double*> data, rows, weight, of_class, of_row, label)
    if not isfinite(total):
        given = "sample_weight and class_weight" if of_class or of_row else "sample_weight"
        raise ValueError(f"expected {given} to be finite in {dtype}, multiplied and added up, got {total}")
    return out, total


# Whether all elements are from 0 to `most`, which NaN is not; but rows of weight 0 may hold anything.
cdef bint _lies_within(const real_t* x, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t stride, const real_t* weight,
                       real_t most) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef int fits = True
    if not weight and stride == columns:
        rows, columns = 1, rows * columns
    for i in range(rows):
        if not weight or weight[i] != 0:
            for j in range(columns):
                fits &= (x[j] >= 0) & (x[j] <= most)
        x += stride
    return fits


def check_targets(cnp.ndarray target not None, cnp.ndarray weight, double most):
    """Refuse targets that are not from 0 to `most` and finite, in rows that count: a matrix with contiguous rows."""
    cdef Py_ssize_t rows = cnp.PyArray_DIM(target, 0), columns = cnp.PyArray_DIM(target, 1)
    cdef Py_ssize_t stride = cnp.PyArray_STRIDE(target, 0) // cnp.PyArray_ITEMSIZE(target)
    cdef void* x = cnp.PyArray_DATA(target)
    cdef void* w = NULL if weight is None else cnp.PyArray_DATA(weight)
    cdef bint single = cnp.PyArray_TYPE(target) == cnp.NPY_FLOAT32, fits
    with nogil:
        if single:
            fits = _lies_within(<const float*> x, rows, columns, stride, <const float*> w, min(<float> most, FLT_MAX))
        else:
            fits = _lies_within(<const double*> x, rows, columns, stride, <const double*> w, min(most, DBL_MAX))
    if not fits:
        counted = target if weight is None else target[weight != 0]
        want = "from 0 to 1" if most == 1 else "finite and at least 0"
        raise ValueError(f"expected target {want}, got {counted.min()} to {counted.max()}")


# ---- what is made of labels alone -------------------------------------------------------------------------------------

cdef void _set_ones(real_t* out, Py_ssize_t n, Py_ssize_t classes, const int32_t* label) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i * classes + label[i]] = 1


def set_ones(cnp.ndarray out not None, cnp.ndarray labels not None):
    """out[i, labels[i]] = 1, for a C-contiguous out of a real type."""
    cdef Py_ssize_t n = cnp.PyArray_DIM(out, 0), classes = cnp.PyArray_DIM(out, 1)
    cdef const int32_t* label = <const int32_t*> cnp.PyArray_DATA(labels)
    cdef void* data = cnp.PyArray_DATA(out)
    cdef bint single = cnp.PyArray_TYPE(out) == cnp.NPY_FLOAT32
    with nogil:
        if single:
            _set_ones(<float*> data, n, classes, label)
        else:
            _set_ones(<double*> data, n, classes, label)


def count_pairs(str row_name, rows, str column_name, columns, Py_ssize_t classes):
    """counts[rows[i], columns[i]] += 1 for labels below `classes`: (classes, classes) of int64."""
    cdef cnp.ndarray counts = np.zeros((classes, classes), np.int64)
    cdef cnp.ndarray first = integers(row_name, rows)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(first), i
    cdef cnp.ndarray second = integers(column_name, columns, n)
    cdef int64_t* count = <int64_t*> cnp.PyArray_DATA(counts)
    cdef const int64_t* row = <const int64_t*> cnp.PyArray_DATA(first)
    cdef const int64_t* column = <const int64_t*> cnp.PyArray_DATA(second)
    cdef bint fits = True
    with nogil:
        for i in range(n):
            if 0 <= row[i] < classes and 0 <= column[i] < classes:
                count[row[i] * classes + column[i]] += 1
            else:
                fits = False
    if not fits:
        labels_of(row_name, first, n, classes)
        labels_of(column_name, second, n, classes)
    return counts
