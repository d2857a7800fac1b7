# Floor 2. The edge of the functional ops: what comes in is checked here once, and used where it lies if it can be.
#
# Design
# (a) Compiled, because a NumPy function takes a microsecond for a small array, and all that we may add has to fit in one
#     more. What is usual is decided by flags; everything else goes through _converted.
# (b) An input may be anything that NumPy or DLPack can see as an array without a copy; reals in any strides stay where
#     they are. What is not float32 or float64 is converted once, to float64.
# (c) Masked arrays are refused: their masks would be lost without a word.
# (d) `output` gives an array whose rows are contiguous, as kernels need them. If the caller's own has other strides it is
#     another one, and `finished` copies it over; `finished` also makes a scalar of an array without axes, as NumPy does.

cimport numpy as cnp

import numpy as np

from fastbp._core import _memory
from fastbp._core._program import run_op
from fastbp.utils import described

cnp.import_array()

# What takes as long as so many operations, to tell whether a second thread is worth it:
TRANSCENDENTAL = 20.0  # an exponential
MOVED = 6.0            # an element of a large array, read or written

cdef object FLOAT32 = np.dtype(np.float32)
cdef object FLOAT64 = np.dtype(np.float64)
REALS = (FLOAT32, FLOAT64)
Array = np.ndarray  # for annotations; edge.pyi says more


# ---- inputs ----------------------------------------------------------------------------------------------------------

cdef bint is_real(cnp.ndarray a) noexcept:
    cdef int kind = cnp.PyArray_TYPE(a)
    return kind == cnp.NPY_FLOAT32 or kind == cnp.NPY_FLOAT64


cdef bint is_masked(value):
    return type(value) is not cnp.ndarray and isinstance(value, np.ma.MaskedArray)


# Whether kernels can read the array where it lies: native, aligned, strides of whole elements.
cdef bint is_readable(cnp.ndarray a) noexcept:
    cdef int axis
    if not is_real(a) or not cnp.PyArray_ISBEHAVED_RO(a):
        return False
    if cnp.PyArray_CHKFLAGS(a, cnp.NPY_ARRAY_C_CONTIGUOUS):
        return True
    for axis in range(cnp.PyArray_NDIM(a)):
        if cnp.PyArray_STRIDE(a, axis) % cnp.PyArray_ITEMSIZE(a):
            return False
    return True


cpdef cnp.ndarray real(str name, value, dtype=None):
    """`value` as an array of a real type: of `dtype` if given, else its own, float64 for anything but a real."""
    cdef cnp.ndarray array
    if type(value) is cnp.ndarray:
        array = <cnp.ndarray> value
        if is_readable(array) and (dtype is None or array.dtype is dtype or array.dtype == dtype):
            return array
    return _converted(name, value, dtype)


cdef cnp.ndarray _converted(str name, value, dtype):
    cdef cnp.ndarray array
    if isinstance(value, (int, float)):  # a plain number has no type of its own
        return np.asarray(value, dtype or FLOAT64)
    array = as_array(name, value)
    kind = array.dtype.kind
    if kind not in "fiub" or array.dtype.itemsize > 8:
        raise TypeError(f"expected {name} of real numbers, got dtype {array.dtype}")
    if not is_real(array):
        return array.astype(dtype or FLOAT64)
    if dtype is not None and array.dtype.newbyteorder("=") != dtype.newbyteorder("="):
        raise TypeError(f"expected {name} of dtype {dtype}, as the other arrays, got {array.dtype}")
    if is_readable(array):
        return array
    # of another byte order, misaligned, or with strides that are no whole elements
    return array.astype(array.dtype.newbyteorder("="), order="C")


cpdef cnp.ndarray as_array(str name, value):
    """The array itself, or what NumPy or DLPack sees of the value; a copy only of things that are no arrays (lists)."""
    if type(value) is cnp.ndarray:
        return value
    if is_masked(value):
        raise TypeError(f"expected {name} as an array without a mask, got {described(value)}: use .filled()")
    try:
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            return np.from_dlpack(value)
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        kind = type(value).__name__
        raise TypeError(f"expected {name} as an array of real numbers, got {kind}: {error}") from error


def matrix(str name, value, dtype=None, rows=None, columns=None):
    """`value` as a matrix of a real type, of so many rows and columns where they are given."""
    cdef cnp.ndarray array = real(name, value, dtype)
    if cnp.PyArray_NDIM(array) == 2:
        if rows is None or cnp.PyArray_DIM(array, 0) == rows:
            if columns is None or cnp.PyArray_DIM(array, 1) == columns:
                return array
    shape = (<object> array).shape
    want = f"({'rows' if rows is None else rows}, {'columns' if columns is None else columns})"
    raise ValueError(f"expected {name} with shape {want}, got {shape}")


def shaped(str name, value, dtype, *shapes):
    """`value` as a C-contiguous array of a real type and of one of these shapes; of `dtype` unless that is None."""
    cdef cnp.ndarray array = real(name, value, dtype)
    if (<object> array).shape in shapes:
        return cnp.PyArray_GETCONTIGUOUS(array)
    raise ValueError(f"expected {name} with shape {' or '.join(map(str, shapes))}, got {(<object> array).shape}")


def like(str name, value, cnp.ndarray other not None, str other_name):
    """`value` as an array of the dtype and shape of another."""
    cdef cnp.ndarray array = real(name, value, other.dtype)
    if not cnp.PyArray_SAMESHAPE(array, other):
        shape, want = (<object> array).shape, (<object> other).shape
        raise ValueError(f"expected {name} with the shape of {other_name}, {want}, got {shape}")
    return array


def row_major(cnp.ndarray array not None):
    """The array itself if its rows are contiguous, else a copy."""
    return array if rows_are_contiguous(array) else cnp.PyArray_GETCONTIGUOUS(array)


def rows_of(cnp.ndarray x not None):
    """x as a matrix of rows along its last axis, without a copy where rows are contiguous."""
    return row_major(as_rows(x))


def together(*arrays):
    """The arrays as they are if all are C-contiguous, else each as a matrix of rows, for an elementwise op."""
    cdef cnp.ndarray array
    for array in arrays:
        if not cnp.PyArray_IS_C_CONTIGUOUS(array):
            return tuple([rows_of(array) for array in arrays])
    return arrays


def integers(str name, value, Py_ssize_t n=-1):
    """`value` as a contiguous vector of int64, of n elements unless that is -1. A single column is a vector too."""
    cdef cnp.ndarray array = as_array(name, value)
    if cnp.PyArray_NDIM(array) == 2 and cnp.PyArray_DIM(array, 1) == 1:
        array = array.reshape(-1)
    if cnp.PyArray_NDIM(array) != 1 or (n >= 0 and cnp.PyArray_DIM(array, 0) != n):
        raise ValueError(f"expected {name} with shape ({'rows' if n < 0 else n},), got {(<object> array).shape}")
    if not cnp.PyArray_ISINTEGER(array) and cnp.PyArray_SIZE(array):
        raise TypeError(f"expected {name} as integers, got dtype {array.dtype}")
    if cnp.PyArray_TYPE(array) == cnp.NPY_INT64 and cnp.PyArray_IS_C_CONTIGUOUS(array) and cnp.PyArray_ISBEHAVED_RO(array):
        return array
    return np.ascontiguousarray(array, np.int64)


def row_numbers(str name, value, Py_ssize_t rows):
    """`value` as a contiguous vector of int64, each from 0 to rows - 1."""
    cdef cnp.ndarray numbers = integers(name, value)
    cdef const cnp.int64_t* number = <const cnp.int64_t*> cnp.PyArray_DATA(numbers)
    cdef Py_ssize_t i, n = cnp.PyArray_SIZE(numbers)
    cdef bint inside = True
    with nogil:
        for i in range(n):
            inside = inside & (<cnp.uint64_t> number[i] < <cnp.uint64_t> rows)   # a negative one is huge
    if not inside:
        want = f"from 0 to {rows - 1}" if rows else "of no rows, since there are none"
        raise IndexError(f"expected {name} {want}, got {numbers.min()} to {numbers.max()}")
    return numbers


# ---- what changes in place -------------------------------------------------------------------------------------------

def changing(tuple names, tuple arrays, g):
    """Arrays of one dtype and shape that change in place and their gradient, as C-contiguous arrays for an op.

    The third result is None, or a list of (array, copy): what is to be copied back when the op is done, because kernels
    could not walk all the arrays in one order where they lie.
    """
    cdef cnp.ndarray w, array, gradient
    cdef bint by_rows = True, by_columns = True
    cdef Py_ssize_t i, j, n = len(arrays)
    for i in range(n):
        array = changeable(names[i], arrays[i])
        w = <cnp.ndarray> arrays[0]
        if cnp.PyArray_TYPE(array) != cnp.PyArray_TYPE(w) or not cnp.PyArray_SAMESHAPE(array, w):
            got, want = (<object> array).shape, (<object> w).shape
            raise ValueError(f"expected {names[i]} as {w.dtype} {want}, as {names[0]}, got {array.dtype} {got}")
        by_rows = by_rows and cnp.PyArray_ISBEHAVED(array) and cnp.PyArray_IS_C_CONTIGUOUS(array)
        by_columns = by_columns and cnp.PyArray_ISBEHAVED(array) and cnp.PyArray_IS_F_CONTIGUOUS(array)
    w = <cnp.ndarray> arrays[0]
    gradient = like("g", g, w, names[0])
    for i in range(n):
        if not by_rows and has_an_element_twice(<cnp.ndarray> arrays[i]):
            raise ValueError(f"expected {names[i]} with each element in a place of its own, got strides "
                             f"{arrays[i].strides}")
        for j in range(i + 1, n):
            if are_apart(<cnp.ndarray> arrays[i], <cnp.ndarray> arrays[j]):
                continue
            raise ValueError(f"expected {names[i]} and {names[j]} not to overlap")
        if not are_apart(<cnp.ndarray> arrays[i], gradient):
            raise ValueError(f"expected {names[i]} and g not to overlap")
    if by_rows:
        return arrays, cnp.PyArray_GETCONTIGUOUS(gradient), None
    if by_columns:
        return tuple([array.T for array in arrays]), cnp.PyArray_GETCONTIGUOUS(gradient.T), None
    copies = tuple([array.astype(array.dtype.newbyteorder("="), order="C") for array in arrays])
    return copies, cnp.PyArray_GETCONTIGUOUS(gradient), list(zip(arrays, copies))


cpdef cnp.ndarray changeable(str name, value):
    """`value`, an array of a real type that can be changed where it lies."""
    if not isinstance(value, cnp.ndarray) or not is_real(<cnp.ndarray> value) or is_masked(value):
        raise TypeError(f"expected {name} as a float32 or float64 array, got {described(value)}")
    if not cnp.PyArray_ISWRITEABLE(<cnp.ndarray> value):
        raise ValueError(f"expected {name} to be writeable, since it is changed in place")
    return value


cdef bint are_apart(cnp.ndarray a, cnp.ndarray b):
    cdef char* p = cnp.PyArray_BYTES(a)
    cdef char* q = cnp.PyArray_BYTES(b)
    if cnp.PyArray_ISONESEGMENT(a) and cnp.PyArray_ISONESEGMENT(b):
        return p + cnp.PyArray_NBYTES(a) <= q or q + cnp.PyArray_NBYTES(b) <= p
    return not _memory.overlap(a, b)


# Whether two indices might mean one element: an axis steps less far than those inside it reach.
cdef bint has_an_element_twice(cnp.ndarray a):
    reach = cnp.PyArray_ITEMSIZE(a)
    for stride, length in sorted(zip(map(abs, (<object> a).strides), (<object> a).shape)):
        if length > 1 and stride < reach:
            return True
        reach = stride * (length - 1) + reach if length > 1 else reach
    return False


# ---- outputs ---------------------------------------------------------------------------------------------------------

# Whether a kernel can walk the array row by row: neighbours in a row are neighbours in memory.
cdef bint rows_are_contiguous(cnp.ndarray a) noexcept:
    cdef Py_ssize_t size = cnp.PyArray_ITEMSIZE(a)
    if cnp.PyArray_CHKFLAGS(a, cnp.NPY_ARRAY_C_CONTIGUOUS):
        return True
    if cnp.PyArray_NDIM(a) != 2 or cnp.PyArray_STRIDE(a, 1) != size:
        return False
    return cnp.PyArray_STRIDE(a, 0) >= cnp.PyArray_DIM(a, 1) * size and cnp.PyArray_STRIDE(a, 0) % size == 0


def output(out, tuple shape, dtype, *inputs, in_place=None):
    """Where to write a result: `out`, checked, if its rows are contiguous, else a new array.

    `out` may be exactly `in_place`; it may not overlap another input.
    """
    return _output(out, shape, dtype, inputs, in_place)


cdef cnp.ndarray _output(out, tuple shape, dtype, tuple inputs, in_place):
    cdef cnp.ndarray array
    if out is None:
        return np.empty(shape, dtype)
    array = _writeable(out)
    if array.dtype != dtype or (<object> array).shape != shape:
        raise ValueError(f"expected out as a {dtype} array of shape {shape}, got {array.dtype} {(<object> array).shape}")
    for other in inputs:
        if other is not None and _memory.overlap(array, other):
            raise ValueError("expected out not to overlap an input")
    if in_place is not None and array is not in_place and _memory.overlap(array, in_place):
        if not is_same_view(array, in_place):
            raise ValueError("expected out not to overlap an input, or to be exactly the one it may replace")
    return array if rows_are_contiguous(array) and is_readable(array) else np.empty(shape, dtype)


# Whether two arrays of one shape and dtype have each element in the same place.
cdef bint is_same_view(cnp.ndarray a, cnp.ndarray b):
    return cnp.PyArray_DATA(a) == cnp.PyArray_DATA(b) and (<object> a).strides == (<object> b).strides


cdef cnp.ndarray _writeable(out):
    cdef cnp.ndarray array
    if type(out) is cnp.ndarray:
        array = <cnp.ndarray> out
    elif hasattr(out, "__array__") or hasattr(out, "__dlpack__"):
        array = as_array("out", out)
        if not np.shares_memory(array, as_array("out", out)) and cnp.PyArray_SIZE(array):
            raise ValueError(f"expected out as an array that can be written where it lies, got {type(out).__name__}")
    else:
        raise ValueError(f"expected out as an array, got {type(out).__name__}")
    if not cnp.PyArray_ISWRITEABLE(array):
        raise ValueError("expected out to be writeable, got a read-only array")
    return array


def real_type(dtype, out, default):
    """The type of a result: `dtype` if it is given, else that of `out`, else the default; float32 or float64."""
    if dtype is None:
        found = default if out is None else _writeable(out).dtype
    else:
        try:
            found = np.dtype(dtype)
        except TypeError:
            found = dtype
    if found not in REALS:
        raise TypeError(f"expected dtype float32 or float64, got {found}")
    return found


def finished(cnp.ndarray written not None, out):
    """What a function returns that wrote to `output(out, ...)`."""
    if out is None:
        return written if cnp.PyArray_NDIM(written) else written[()]
    if written is not out:
        array = _writeable(out)
        if not np.may_share_memory(written, array):
            array[...] = written
    return out


def as_rows(cnp.ndarray out not None):
    """`out` as a matrix, never a copy."""
    cdef int axes = cnp.PyArray_NDIM(out)
    if axes == 2:
        return out
    if axes < 2:
        return out.reshape(1, -1)
    return out.view().reshape(-1, cnp.PyArray_DIM(out, axes - 1))


# ---- what all elementwise functions do --------------------------------------------------------------------------------

def elementwise(op, tuple arrays, out, double work, *constants):
    """What op(*arrays, result, *constants) makes: the result, which may be `out`, and `out` the first of the arrays.

    `arrays` have one shape and dtype; `work` is what an element takes, in operations.
    """
    cdef cnp.ndarray x = <cnp.ndarray> arrays[0]
    cdef cnp.ndarray target = _output(out, (<object> x).shape, x.dtype, arrays[1:], x)
    if cnp.PyArray_SIZE(x):
        run_op(op(*together(*arrays, target), *constants), 1, work * cnp.PyArray_SIZE(x))
    return finished(target, out)
