# Floor 2. Targets at the edge of the functional ops: class labels, weights of rows, and what is counted from labels.
#
# Design
# (a) Compiled, for a label or a weight each takes a nanosecond here, and a NumPy function a microsecond before the first.
# (b) Labels reach the kernels as int32, those of rows that are not to count as IGNORED. What a row counts reaches them as
#     one vector, whatever it is made of: the caller's weights, those of the classes, and 0 for ignored rows.

cimport numpy as cnp
from libc.math cimport isfinite
from libc.stdint cimport int32_t, int64_t

import numpy as np

cnp.import_array()

cdef enum:
    IGNORED = -1

cdef fused real_t:
    float
    double


def is_labels(value):
    """Whether targets are class labels: a vector of integers."""
    cdef cnp.ndarray array
    if type(value) is not cnp.ndarray:
        value = np.asarray(value)
    array = <cnp.ndarray> value
    return cnp.PyArray_NDIM(array) == 1 and cnp.PyArray_ISINTEGER(array)


# A vector of integers as contiguous int64.
cdef cnp.ndarray _integers(str name, value, Py_ssize_t rows):
    cdef cnp.ndarray array = np.asarray(value)
    if cnp.PyArray_NDIM(array) != 1 or (rows >= 0 and cnp.PyArray_DIM(array, 0) != rows):
        want = "(rows,)" if rows < 0 else f"({rows},)"
        raise ValueError(f"expected {name} with shape {want}, got {(<object> array).shape}")
    if not cnp.PyArray_ISINTEGER(array):
        if cnp.PyArray_SIZE(array):
            raise TypeError(f"expected {name} as integer labels, got dtype {array.dtype}")
    if cnp.PyArray_TYPE(array) == cnp.NPY_INT64 and cnp.PyArray_IS_C_CONTIGUOUS(array) and cnp.PyArray_ISBEHAVED_RO(array):
        return array
    return np.ascontiguousarray(array, np.int64)


def labels_of(str name, value, Py_ssize_t rows, Py_ssize_t classes, ignore_index=None):
    """`value` as int32 labels below `classes`, of so many rows unless that is -1; rows of `ignore_index` are IGNORED."""
    cdef cnp.ndarray array = _integers(name, value, rows)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(array), i
    cdef cnp.ndarray out = np.empty(n, np.int32)
    cdef const int64_t* given = <const int64_t*> cnp.PyArray_DATA(array)
    cdef int32_t* label = <int32_t*> cnp.PyArray_DATA(out)
    cdef bint ignores = ignore_index is not None, fits = True
    cdef int64_t ignored = int(ignore_index) if ignores else 0
    if classes > 0x7FFFFFFF:
        raise ValueError(f"expected at most {0x7FFFFFFF} classes, got {classes}")
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
    cdef cnp.ndarray array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"expected {name} of real numbers, got dtype {array.dtype}")
    if cnp.PyArray_NDIM(array) != 1 or cnp.PyArray_DIM(array, 0) != n:
        raise ValueError(f"expected {name} with shape ({n},), got {(<object> array).shape}")
    array = np.ascontiguousarray(array, np.float64)
    cdef const double* weight = <const double*> cnp.PyArray_DATA(array)
    cdef Py_ssize_t i
    cdef bint fits = True
    for i in range(n):
        fits &= weight[i] >= 0 and isfinite(weight[i])
    if not fits:
        raise ValueError(f"expected {name} to be finite and at least 0, got {array.min()} to {array.max()}")
    return array


cdef double _multiply(real_t* out, Py_ssize_t n, const double* weight, const double* of_class, const double* of_row,
                      const int32_t* label) noexcept:
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
    cdef double total
    if cnp.PyArray_TYPE(out) == cnp.NPY_FLOAT32:
        total = _multiply(<float*> cnp.PyArray_DATA(out), rows, _doubles(sample_weight), _doubles(class_weight),
                          _doubles(row_factor), label)
    else:
        total = _multiply(<double*> cnp.PyArray_DATA(out), rows, _doubles(sample_weight), _doubles(class_weight),
                          _doubles(row_factor), label)
    return out, total


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
    cdef cnp.ndarray first = _integers(row_name, rows, -1)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(first), i
    cdef cnp.ndarray second = _integers(column_name, columns, n)
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
