"""Every kernel against float64 NumPy: real type x layout x odd sizes x threads, and nothing written beside the outputs.

What each op should give is in references.py, one row an op; this file is the grid they all go through.
"""

import importlib
import math
import pkgutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references import BACKWARD, FORWARD, LOSSES, ROWS, Draw

import fastbp as fb
from fastbp._core import _kernels, _losses, _program, _rows

DTYPES = ("float32", "float64")
LAYOUTS = ("C", "Fortran", "strided", "padded rows", "reversed", "read-only")
ROW_LAYOUTS = ("C", "padded rows", "read-only")  # what ops of floor 1 are given
THREADS = (1, 2, 3)
GUARD = 192  # bytes on each side: more than a vector, and a cache line
POISON = 0xA5


class Outputs:
    """Arrays for results, each inside a larger block of poison. With `padding`, matrices have it between rows too."""

    def __init__(self, dtype, padding=0):
        self.dtype, self.padding, self.made = np.dtype(dtype), padding, []

    def __call__(self, shape):
        outer = (*shape[:-1], shape[-1] + (self.padding if len(shape) == 2 else 0))
        block = np.full(2 * GUARD + math.prod(outer) * self.dtype.itemsize, POISON, np.uint8)
        written = np.zeros(len(block), bool)
        bytes_of = written[GUARD:-GUARD].reshape(*outer, self.dtype.itemsize)
        bytes_of[..., : shape[-1], :] = True
        self.made.append((block, written))
        return block[GUARD:-GUARD].view(self.dtype).reshape(outer)[..., : shape[-1]]

    def copy(self, array):
        """What changes in place is contiguous."""
        padding, self.padding = self.padding, 0
        place = self(array.shape)
        place[...] = array
        self.padding = padding
        return place

    def assert_nothing_else_changed(self):
        for block, written in self.made:
            assert (block[~written] == POISON).all(), "written beside the output"


def lay_out(array, layout, dtype):
    """The array with this layout; what lies between its elements is NaN."""
    array = array.astype(dtype) if array.dtype.kind == "f" else array
    if layout == "read-only" or (layout != "C" and array.ndim == 2 and array.dtype.kind == "f"):
        array = {
            "read-only": lambda a: a.copy(),
            "Fortran": np.asfortranarray,
            "strided": lambda a: sparse(a, 2, 3),
            "padded rows": lambda a: sparse(a, 1, 1),
            "reversed": lambda a: sparse(a[::-1, ::-1], 1, 1)[::-1, ::-1],
        }[layout](array)
        array.flags.writeable = layout != "read-only"
    return array


def sparse(array, down, across):
    outer = np.full((array.shape[0] * down + 1, array.shape[1] * across + 3), np.nan, array.dtype)
    view = outer[: array.shape[0] * down : down, : array.shape[1] * across : across]
    view[...] = array
    return view


@pytest.fixture
def team(monkeypatch):
    """Sets the number of threads. From two on, even the smallest op is cut into many slices."""
    run_alone, size = _program.run_op, 1

    def run_op(op, rows, work, rate=0.0):
        if size == 1 or rows == 0:
            return run_alone(op, rows, work, rate)
        return _program.Program([(max(1, rows // 5), 2, [op])], rows).run(0, rows, np.full(1, rate))

    def set_size(threads):
        nonlocal size
        size = threads
        fb.set_num_threads(threads)

    for module in pkgutil.iter_modules(fb.ops.__path__, "fastbp.ops."):
        monkeypatch.setattr(importlib.import_module(module.name), "run_op", run_op, raising=False)
    monkeypatch.setattr(_program, "run_op", run_op)
    yield set_size
    fb.set_num_threads(None)


def same_bits(these, those):
    return all(a.tobytes() == b.tobytes() for a, b in zip(these, those, strict=True))


def assert_close(got, want, slack, dtype):
    epsilon = np.finfo(dtype).eps
    assert got.dtype in (dtype, np.float64)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=slack * epsilon, atol=slack * epsilon)


GRID = [
    (name, dtype, layout)
    for name, row in ROWS.items()
    for dtype in DTYPES
    for layout in LAYOUTS
    if layout in ROW_LAYOUTS or not row.contiguous_rows
]


@pytest.mark.parametrize(("name", "dtype", "layout"), GRID)
def test_op_equals_float64_numpy_in_every_layout_size_and_number_of_threads(name, dtype, layout, team):
    row = ROWS[name]
    drawn = [row.inputs(Draw(number), *size) for number, size in enumerate(row.sizes)]
    inputs = [[lay_out(a, layout, dtype) for a in arrays] for arrays in drawn]
    before = [[a.copy() for a in arrays] for arrays in inputs]
    first = None
    for threads in THREADS:
        team(threads)
        results = []
        for arrays in inputs:
            outputs = Outputs(dtype, padding=5 if layout == "padded rows" else 0)
            results.append(row.run(outputs, *arrays))
            outputs.assert_nothing_else_changed()
        assert all(same_bits(*pair) for pair in zip(inputs, before, strict=True)), "an input was changed"
        first = first or results
        assert all(same_bits(*pair) for pair in zip(results, first, strict=True)), f"{threads} threads give other bits"
    for size, arrays, got in zip(row.sizes, inputs, first, strict=True):
        want = row.reference(*(a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays))
        for pair in zip(got, want, strict=True):
            assert_close(*pair, row.slack(*size), dtype)


def test_every_function_of_ops_and_every_kernel_has_a_row():
    ops = set(fb.ops.__all__)
    rows = {name.split(",")[0].split(" ")[0] for name in ROWS}
    assert ops <= rows
    assert set(_kernels.LOSSES) == set(LOSSES)
    assert {f"weight and bias, {kind}" for kind in _kernels.UPDATES} <= set(ROWS)
    assert {f"metric, {kind} of distribution" for kind in _kernels.METRICS} - set(ROWS) <= {
        "metric, binary_accuracy of distribution"
    }
    assert set(_kernels.TALLIES) == {name.split(" ")[1] for name in ROWS if name.startswith("tally, ")}
    assert set(_kernels.ACTIVATIONS) <= set(FORWARD)


# ---- the references themselves


@pytest.mark.parametrize("kind", [kind for kind in FORWARD if kind != "linear"])
def test_reference_derivatives_of_activations_are_derivatives(kind):
    draw = Draw(0)
    x, dy, h = draw.normal(7, 5), draw.normal(7, 5), 1e-6
    direction = draw.normal(7, 5)
    change = (FORWARD[kind](x + h * direction) - FORWARD[kind](x - h * direction)) / (2 * h)
    got = (BACKWARD[kind](dy, x if kind in _kernels.FROM_INPUT else FORWARD[kind](x)) * direction).sum()
    np.testing.assert_allclose(got, (dy * change).sum(), rtol=1e-7)


@pytest.mark.parametrize("kind", LOSSES)
def test_reference_gradients_of_losses_are_derivatives(kind):
    draw, h = Draw(0), 1e-6
    p, t, direction = draw.probability(7, 5), draw.distribution(7, 5), draw.normal(7, 5)
    change = (LOSSES[kind](p + h * direction, t)[0] - LOSSES[kind](p - h * direction, t)[0]) / (2 * h)
    np.testing.assert_allclose((LOSSES[kind](p, t)[1] * direction).sum(axis=1), change, rtol=1e-6, atol=1e-8)


# ---- values at the edges


def special(dtype):
    info = np.finfo(dtype)
    small = [0.0, info.tiny, info.smallest_subnormal, info.eps, 0.5, 1.0, 20.0, 88.0, 104.0, 750.0, 1e5, info.max]
    return np.array([np.nan, np.inf, *small, *(-x for x in small), -np.inf], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["relu", "leaky_relu", "sigmoid", "tanh"])
def test_activations_take_nan_inf_zero_subnormals_and_huge_values_as_numpy_does(kind, dtype):
    x = special(dtype)
    with np.errstate(all="ignore"):
        want = FORWARD[kind](x.astype(np.float64)).astype(dtype)
    for shift in range(17):  # each value in each lane, and in the tail
        got = getattr(fb.ops, kind)(np.roll(x, shift))
        np.testing.assert_allclose(got, np.roll(want, shift), rtol=4 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny)


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_of_huge_logits_is_finite_and_of_nan_is_nan_in_its_row_alone(dtype):
    big = np.finfo(dtype).max
    x = np.zeros((6, 19), dtype)
    x[1] = np.linspace(-1, 1, 19) * (big / 2)
    x[2, [3, 18]] = big
    x[3] = -big
    x[4, 18] = np.nan
    x[5, :18] = -np.inf
    y = fb.ops.softmax(x)
    np.testing.assert_array_equal(y[1], np.eye(19)[18])
    np.testing.assert_array_equal(y[2], (np.eye(19)[3] + np.eye(19)[18]) / 2)
    np.testing.assert_allclose(y[[0, 3]], 1 / 19, rtol=1e-6)
    assert np.isnan(y[4]).all()
    np.testing.assert_array_equal(y[5], np.eye(19)[18])


@pytest.mark.parametrize("as_labels", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_cross_entropy_overflows_for_no_finite_logits_and_keeps_nan_in_its_row(dtype, as_labels):
    big = np.finfo(dtype).max / 4
    z = np.zeros((4, 17), dtype)
    z[0, 16] = big
    z[1, 3] = big
    z[2] = -big
    z[3, 9] = np.nan
    labels = np.array([16, 16, 0, 0])
    target = labels if as_labels else np.eye(17, dtype=dtype)[labels]
    value, gradient = fb.ops.softmax_cross_entropy(z, target, reduction="none")
    np.testing.assert_allclose(value[:3], [0, big, np.log(17)], rtol=1e-6)
    assert np.isnan(value[3])
    np.testing.assert_array_equal(gradient[0], 0)
    np.testing.assert_array_equal(gradient[1], np.eye(17)[3] - np.eye(17)[16])
    np.testing.assert_allclose(gradient[2], 1 / 17 - np.eye(17)[0], rtol=1e-6)
    assert np.isnan(gradient[3]).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigmoid_binary_cross_entropy_overflows_for_no_finite_logit(dtype):
    z = special(dtype)
    z = z[np.isfinite(z)].reshape(-1, 1)
    for target in (0.0, 1.0):
        value, gradient = fb.ops.sigmoid_binary_cross_entropy(z, np.full(z.shape, target, dtype), reduction="none")
        with np.errstate(all="ignore"):
            want_value, want_gradient = LOSSES["binary_crossentropy_logits"](z.astype(np.longdouble), target)
        tiny = np.finfo(dtype).tiny
        np.testing.assert_allclose(value, want_value.astype(dtype), rtol=8 * np.finfo(dtype).eps, atol=tiny)
        np.testing.assert_allclose(gradient, want_gradient.astype(dtype), rtol=0, atol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["binary_crossentropy_logits", "categorical_crossentropy_logits"])
@pytest.mark.parametrize("labels", [False, True])
def test_a_limit_cuts_what_a_class_costs_and_no_gradient(kind, labels, dtype):
    if labels and kind.startswith("binary"):
        pytest.skip("it takes rows")
    z = (Draw(3).normal(31, 5) * 8).astype(dtype)
    target = np.arange(31, dtype=np.int32) % 5 if labels else np.eye(5, dtype=dtype)[np.arange(31) % 5]
    found = []
    for limit in (np.inf, 7.0):
        value, gradient = np.empty(31, dtype), np.empty((31, 5), dtype)
        _program.run_op(_losses.Loss(kind, z, target, value, gradient, limit=limit), 31, 1.0)
        found.append((value, gradient))
    p = reference_probabilities(kind, z.astype(np.float64))
    dense = np.eye(5)[np.arange(31) % 5]
    cost = np.minimum(-np.log(np.where(dense == 1, p, 1 - p if kind.startswith("binary") else 1)), 7)
    want = cost.mean(axis=1) if kind.startswith("binary") else cost.sum(axis=1)
    assert found[0][0].max() > 7
    np.testing.assert_allclose(found[1][0], want, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found[0][1], found[1][1])


def reference_probabilities(kind, z):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z)) if kind.startswith("binary") else FORWARD["softmax"](z)


@pytest.mark.parametrize("dtype", DTYPES)
def test_matmul_keeps_nan_and_inf_in_their_rows_and_columns(dtype):
    draw = Draw(1)
    a, b = draw.normal(53, 300).astype(dtype), draw.normal(300, 131).astype(dtype)
    clean = fb.ops.matmul(a, b)
    a[7, 299], a[52, 0], b[5, 130] = np.nan, np.inf, -np.inf
    got = fb.ops.matmul(a, b)
    with np.errstate(all="ignore"):
        want = a.astype(np.float64) @ b.astype(np.float64)
    touched = np.zeros(got.shape, bool)
    touched[[7, 52]] = touched[:, 130] = True
    np.testing.assert_array_equal(got[~touched], clean[~touched])
    np.testing.assert_array_equal(got[touched], want[touched].astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_reductions_keep_nan_in_its_column_and_updates_in_its_element(dtype):
    x = np.ones((5, 37), dtype)
    x[3, 36] = np.nan
    np.testing.assert_array_equal(np.isnan(fb.ops.column_sum(x)), np.arange(37) == 36)
    w, m, v = np.ones((5, 37), dtype), np.zeros((5, 37), dtype), np.zeros((5, 37), dtype)
    fb.ops.adam(w, x, m, v, 1)
    np.testing.assert_array_equal(np.isnan(w), np.isnan(x))


def test_categorical_accuracy_takes_the_first_of_equal_columns_as_argmax_does():
    p, value = np.array([[1.0, 1.0, 0.0], [0.0, np.nan, 5.0], [0.0, 2.0, 2.0]]), np.empty(3)
    _program.run_op(_losses.Metric("categorical_accuracy", p, p.argmax(axis=1).astype(np.int32), value), 3, 1.0)
    np.testing.assert_array_equal(value, 1)


# ---- bytes, integers and odd memory


@pytest.mark.parametrize("dtype", DTYPES)
def test_gather_converts_bytes_and_scales_them(dtype):
    x = np.arange(256 * 5, dtype=np.int64).astype(np.uint8).reshape(256, 5)
    for layout in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x[::-1, ::-1]):
        order = Draw(0).order(256)
        got = fb.ops.gather_rows(layout, order, scale=1 / 255, dtype=dtype)
        scale = np.dtype(dtype).type(1 / 255)
        np.testing.assert_array_equal(got, layout[order].astype(dtype) * scale)


def test_gather_moves_labels_as_they_are():
    labels, order = np.arange(-3, 1028, dtype=np.int32), Draw(0).order(1031)
    out = Outputs(np.int32)
    got = out((1031,))
    op = _rows.Gather(got)
    op.bind(labels, order)
    _program.run_op(op, 1031, 1.0)
    np.testing.assert_array_equal(got, labels[order])


def records(values):
    """The same numbers as a field of records of 4 n + 1 bytes, so that strides are no whole elements."""
    table = np.zeros(len(values), [("values", values.dtype, values.shape[1:]), ("byte", "u1")])
    table["values"] = values
    return table


@pytest.mark.parametrize("dtype", DTYPES)
def test_strides_of_no_whole_elements_are_read_right(dtype):
    x = Draw(0).normal(7, 5).astype(dtype)
    odd = records(x)["values"]
    assert odd.strides[0] % odd.itemsize
    np.testing.assert_array_equal(fb.ops.tanh(odd), fb.ops.tanh(x))
    np.testing.assert_array_equal(fb.ops.matmul(odd, x.T), fb.ops.matmul(x, x.T))
    np.testing.assert_array_equal(fb.ops.gather_rows(odd, np.arange(7)), x)


def test_an_out_with_strides_of_no_whole_elements_is_refused_or_written_right():
    table = records(np.zeros((3, 5), np.float32))
    table["byte"] = 77
    try:
        fb.ops.relu(np.ones((3, 5), np.float32), out=table["values"])
    except ValueError:
        assert not table["values"].any()
    else:
        assert (table["values"] == 1).all()
    assert (table["byte"] == 77).all()


def test_an_out_of_three_axes_is_written_or_refused_never_lost():
    x = Draw(0).normal(2, 3, 4)
    np.testing.assert_array_equal(fb.ops.relu(x, out=np.empty((2, 3, 4))), fb.ops.relu(x))
    for out in (np.zeros((2, 4, 3)).transpose(0, 2, 1), np.zeros((2, 3, 8))[..., ::2], np.zeros((4, 3, 4))[::2]):
        try:
            fb.ops.relu(x, out=out)
        except ValueError:
            assert not out.any()
        else:
            np.testing.assert_array_equal(out, fb.ops.relu(x))


@pytest.mark.parametrize("value", [3.5, [1.0, 2.0], np.ones((2, 3, 4)), np.ones((2, 0, 4)), [True, False], range(3)])
def test_elementwise_functions_take_any_number_of_axes_and_anything_real(value):
    np.testing.assert_allclose(fb.ops.tanh(value), np.tanh(np.asarray(value, float)), rtol=1e-15)
    got = fb.ops.softmax(value)
    assert got.shape == np.shape(value)
    if got.size:
        np.testing.assert_allclose(got.sum(axis=-1), 1, rtol=1e-15)


ONES = np.ones((3, 4))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: fb.ops.relu(["a"]), TypeError, "expected x of real numbers"),
        (lambda: fb.ops.relu(ONES + 1j), TypeError, "expected x of real numbers"),
        (lambda: fb.ops.relu(ONES, out=np.ones((4, 3))), ValueError, r"expected out as a float64 .*\(3, 4\)"),
        (lambda: fb.ops.relu(ONES, out=ONES.astype("f4")), ValueError, "expected out as a float64 array"),
        (lambda: fb.ops.relu_backward(ONES, ONES[:2]), ValueError, r"expected y .*\(3, 4\), got \(2, 4\)"),
        (lambda: fb.ops.relu_backward(ONES, ONES.astype("f4")), TypeError, "expected y of dtype float64"),
        (lambda: fb.ops.matmul(ONES, ONES), ValueError, r"expected b with shape \(4, columns\), got \(3, 4\)"),
        (lambda: fb.ops.matmul(ONES, ONES.T.astype("f4")), TypeError, "expected b of dtype float64"),
        (lambda: fb.ops.dense(ONES, ONES.T, ONES[0]), ValueError, r"expected b with shape \(3,\), got \(4,\)"),
        (lambda: fb.ops.dense(ONES, ONES.T, None, "rellu"), ValueError, "unknown activation 'rellu': did you mean"),
        (lambda: fb.ops.softmax_cross_entropy(ONES, [0, 1, 4]), ValueError, "labels from 0 to 3, got 0 to 4"),
        (lambda: fb.ops.softmax_cross_entropy(ONES, [0, -1, 2]), ValueError, "labels from 0 to 3, got -1 to 2"),
        (lambda: fb.ops.softmax_cross_entropy(ONES, [0, 1]), ValueError, r"expected target with shape \(3,\)"),
        (lambda: fb.ops.gather_rows(ONES, [3]), IndexError, "index from 0 to 2, got 3 to 3"),
        (lambda: fb.ops.gather_rows(ONES, [-1]), IndexError, "index from 0 to 2, got -1 to -1"),
        (lambda: fb.ops.gather_rows(ONES, [0.5]), TypeError, "index as integers, got dtype float64"),
        (lambda: fb.ops.sgd(ONES.copy(), ONES, np.nan), ValueError, "learning_rate as a finite number .*got nan"),
        (lambda: fb.ops.adam(*(ONES.copy() for _ in range(4)), 0), ValueError, "step as a whole number .*got 0"),
        (lambda: fb.ops.adam(*(ONES.copy() for _ in range(4)), 1, beta_1=1), ValueError, "beta_1 as a finite number"),
        (lambda: fb.ops.adam(*(ONES.copy() for _ in range(4)), 1, beta_2=2), ValueError, "beta_2 as a finite number"),
    ],
)
def test_bad_input_of_ops_is_refused_with_what_was_expected(call, error, says):
    with pytest.raises(error, match=says):
        call()


@pytest.mark.parametrize("same", [(0, 1), (0, 2), (0, 3), (1, 2), (2, 3), (1, 3)])
def test_an_update_refuses_arrays_that_overlap_and_changes_none(same):
    arrays = [np.full(9, value) for value in (1.0, 2.0, 3.0, 4.0)]
    arrays[same[1]] = arrays[same[0]]
    before = [a.copy() for a in arrays]
    with pytest.raises(ValueError, match="not to overlap"):
        fb.ops.adam(*arrays, 1)
    assert all(map(np.array_equal, arrays, before))


# ---- random shapes, strides and overlaps

SIZES = st.integers(0, 40)
STEPS = st.sampled_from([1, 1, 2, 3, -1, -2])


@st.composite
def views(draw, block):
    """Any view of a matrix: sliced with any step, perhaps transposed."""

    def cut(n):
        start, stop = sorted((draw(st.integers(0, n)), draw(st.integers(0, n))))
        return start, stop, draw(STEPS)

    (r0, r1, rs), (c0, c1, cs) = cut(block.shape[0]), cut(block.shape[1])
    view = block[r0:r1, c0:c1][::rs, ::cs]
    return view.T if draw(st.booleans()) else view


@given(st.data(), st.sampled_from(DTYPES), st.sampled_from(["relu", "tanh", "softmax"]))
@settings(max_examples=60, deadline=None)
def test_elementwise_ops_read_any_view(data, dtype, kind):
    block = Draw(0).normal(37, 41).astype(dtype)
    x = data.draw(views(block))
    np.testing.assert_array_equal(getattr(fb.ops, kind)(x), getattr(fb.ops, kind)(x.copy()))


@given(st.data(), st.sampled_from(DTYPES))
@settings(max_examples=60, deadline=None)
def test_matmul_reads_any_two_views_of_one_block(data, dtype):
    block = Draw(0).normal(37, 41).astype(dtype)
    a, b = data.draw(views(block)), data.draw(views(block))
    k = min(a.shape[1], b.shape[0])
    a, b = a[:, :k], b[:k]
    got = fb.ops.matmul(a, b)
    np.testing.assert_array_equal(got, fb.ops.matmul(a.copy(), b.copy()))
    assert_close(got, a.astype(np.float64) @ b.astype(np.float64), 16 + 4 * k, dtype)


@given(st.data(), st.sampled_from(DTYPES))
@settings(max_examples=100, deadline=None)
def test_an_out_that_overlaps_is_refused_or_gives_the_right_answer_and_nothing_else_changes(data, dtype):
    block = Draw(0).normal(23, 19).astype(dtype)
    x, out = data.draw(views(block)), data.draw(views(block))
    rows, columns = min(x.shape[0], out.shape[0]), min(x.shape[1], out.shape[1])
    x, out = x[:rows, :columns], out[:rows, :columns]
    expected = block.copy()
    want = fb.ops.tanh(x.copy())
    try:
        fb.ops.tanh(x, out=out)
    except ValueError:
        pass
    else:
        place = np.lib.stride_tricks.as_strided(
            expected.reshape(-1)[(out.ctypes.data - block.ctypes.data) // block.itemsize :] if out.size else expected,
            out.shape,
            out.strides,
        )
        place[...] = want
    np.testing.assert_array_equal(block, expected)


@given(st.tuples(SIZES, SIZES, SIZES), st.sampled_from(DTYPES), st.sampled_from([*FORWARD]))
@settings(max_examples=60, deadline=None)
def test_dense_of_any_shape_equals_numpy(size, dtype, kind):
    m, k, n = size
    draw = Draw(2)
    x, w, b = (a.astype(dtype) for a in (draw.normal(m, k), draw.normal(k, n), draw.normal(n)))
    want = FORWARD[kind](x.astype(np.float64) @ w.astype(np.float64) + b)
    assert_close(fb.ops.dense(x, w, b, kind), want, 16 + 4 * k, dtype)


@pytest.mark.parametrize("name", ["mean_squared_error", "sigmoid_binary_cross_entropy"])
def test_a_loss_over_no_columns_is_undefined_but_harmless(name):
    value, gradient = getattr(fb.ops, name)(np.zeros((3, 0)), np.zeros((3, 0)), reduction="none")
    assert value.shape == (3,)
    assert gradient.shape == (3, 0)
