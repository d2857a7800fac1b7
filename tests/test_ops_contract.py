"""What every function of fastbp.ops promises, tried on each: out=, strides, overlaps, and where arrays come from.

A function is called with the arrays of its row in tests/references.py, so a new function is tried here too.
"""

import inspect
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references import ROWS, Draw

import fastbp as fb
from fastbp.ops import edge

DTYPES = ("float32", "float64")
SIZE = (5, 7)
STEP, DROP = {"step": 3}, {"rate": 0.5, "seed": 1}
# What a function needs beside the arrays of its row.
KEYWORDS = {
    **dict.fromkeys(("adam", "adamw", "amsgrad", "nadam"), STEP),
    **dict.fromkeys(("dropout", "dropout_backward", "alpha_dropout", "alpha_dropout_backward"), DROP),
    "clip_by_value": {"low": -0.5, "high": 0.5},
    "clip_by_norm": {"max_norm": 0.5},
    "ema": {"decay": 0.9},
    "one_hot": {"classes": 9},
    "confusion_counts": {"classes": 9},
    "group_norm": {"groups": 1},
    "random_bits": {"seed": 1},
}


def saved_by(forward):
    """Arguments of a norm's backward function: what its forward function saved comes last."""

    def arguments(draw, rows, columns):
        x, gamma = draw.normal(rows, columns), draw.normal(columns)
        keywords = KEYWORDS.get(forward, {})
        _, *saved = (part for part in getattr(fb.ops, forward)(x, gamma=gamma, **keywords) if part is not None)
        return draw.normal(rows, columns), x, gamma, *saved

    return arguments


def norm_arrays(draw, rows, columns):
    return (draw.normal(rows, columns),)


# Arguments of functions whose rows have others.
ARGUMENTS = {
    **{f"{name}_norm_backward": saved_by(f"{name}_norm") for name in ("batch", "layer", "group", "rms")},
    **dict.fromkeys(("batch_norm", "layer_norm", "group_norm", "rms_norm"), norm_arrays),
    "random_bits": lambda draw, rows, columns: (rows * columns,),
    "global_norm": lambda draw, *size: ([draw.normal(*size), draw.normal(3)],),
    "clip_by_global_norm": lambda draw, *size: ([draw.normal(*size), draw.normal(3)], 0.5),
    "one_hot": lambda draw, rows, columns: (draw.labels(rows, columns),),
    "confusion_counts": lambda draw, rows, columns: (draw.labels(rows, columns), draw.labels(rows, columns)),
}


def row_of(name):
    """The row of a function: its own, or the first of its kinds."""
    return ROWS.get(name) or next(row for key, row in ROWS.items() if key.split(",")[0].split(" ")[0] == name)


def size_of(name):
    return SIZE if name in ARGUMENTS else next(size for size in row_of(name).sizes if min(size) > 2)


def arguments_of(name, dtype="float32", size=None):
    """Arrays for a call, of a size from the row."""
    inputs = ARGUMENTS.get(name) or row_of(name).inputs
    arrays = inputs(Draw(3), *(size or size_of(name)))
    return [a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in arrays]


def call(name, arrays, **keywords):
    return getattr(fb.ops, name)(*arrays, **KEYWORDS.get(name, {}), **keywords)


def results(value):
    return tuple(part for part in value if part is not None) if isinstance(value, tuple) else (value,)


def same_bits(these, those):
    return all(
        np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in zip(results(these), results(those), strict=True)
    )


def written(name, arrays):
    """The result that goes to `out`: of a loss its gradient, else the first."""
    is_loss = "reduction" in inspect.signature(getattr(fb.ops, name)).parameters
    return np.asarray(results(call(name, arrays))[1 if is_loss else 0])


FUNCTIONS = sorted(fb.ops.__all__)
WITH_OUT = [name for name in FUNCTIONS if "out" in inspect.signature(getattr(fb.ops, name)).parameters]
WITH_OUT.remove("dense_backward")  # has three


ANY_REAL = ("gather_rows", "one_hot")  # these convert to the type of out


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_row_of_a_function_calls_it(name):
    for result in results(call(name, arguments_of(name))):
        assert np.size(result)


# ---- out=


@pytest.mark.parametrize("name", WITH_OUT)
@pytest.mark.parametrize("layout", ["rows apart", "columns apart", "Fortran", "reversed"])
def test_out_of_any_strides_gets_the_same_bits_and_nothing_beside_it_changes(name, layout):
    arrays = arguments_of(name)
    want = written(name, arrays)
    shape = want.shape if want.ndim == 2 else (1, *want.shape)
    block = np.full((2 * shape[0] + 1, 2 * shape[1] + 3), 77, want.dtype)
    out = {
        "rows apart": lambda: block[: 2 * shape[0] : 2, : shape[1]],
        "columns apart": lambda: block[: shape[0], : 2 * shape[1] : 2],
        "Fortran": lambda: block.reshape(-1)[: shape[0] * shape[1]].reshape(shape[::-1]).T,
        "reversed": lambda: block[shape[0] - 1 :: -1, shape[1] - 1 :: -1],
    }[layout]()
    out = out[0] if want.ndim == 1 else out
    got = call(name, arrays, out=out)
    assert any(result is out for result in results(got))
    assert out.tobytes() == want.tobytes()
    out[...] = 77
    assert (block == 77).all()


@pytest.mark.parametrize("name", WITH_OUT)
def test_an_out_that_does_not_fit_is_refused_and_says_what_was_expected(name):
    arrays = arguments_of(name)
    want = written(name, arrays)
    read_only = np.zeros_like(want)
    read_only.flags.writeable = False
    other = "float64" if want.dtype == np.float32 else "float32"
    wrong = [
        (np.zeros((*want.shape[:-1], want.shape[-1] + 1), want.dtype), r"expected out .*shape"),
        (np.zeros(want.shape, "complex64" if name in ANY_REAL else other), "expected (out|dtype) .*float"),
        (read_only, "expected out to be writeable, got a read-only array"),
        (want.tolist(), "expected out as an array, got list"),
    ]
    for out, says in wrong:
        with pytest.raises((TypeError, ValueError), match=says):
            call(name, arrays, out=out)


@st.composite
def view(draw, block, shape):
    """A view of this shape somewhere in the block, with any small steps."""
    if len(shape) == 1:
        return draw(view(block, (1, *shape)))[0]
    flipped = draw(st.booleans())
    base = block.T if flipped else block
    places = []
    for n, room in zip(shape, base.shape, strict=True):
        step = draw(st.sampled_from([1, 1, 1, 2, 3]))
        start = draw(st.integers(0, room - n * step))
        places.append(slice(start, start + n * step, step))
    down, across = draw(st.sampled_from([1, 1, -1])), draw(st.sampled_from([1, 1, -1]))
    return base[tuple(places)][::down, ::across]


@given(st.data(), st.sampled_from(WITH_OUT), st.sampled_from(DTYPES))
@settings(max_examples=300, deadline=None)
def test_views_of_one_block_give_the_right_answer_or_an_error_and_nothing_else_changes(data, name, dtype):
    size = [data.draw(st.integers(1, 9)) for _ in size_of(name)]
    drawn = arguments_of(name, dtype, size)
    block = Draw(1).probability(32, 33).astype(dtype)
    arrays = [data.draw(view(block, a.shape)) if a.dtype.kind == "f" and a.ndim in (1, 2) else a for a in drawn]
    want = written(name, [np.copy(a) for a in arrays]).astype(dtype)
    out = data.draw(view(block, want.shape))
    before, elsewhere = block.copy(), np.ones(block.shape, bool)
    twin(elsewhere, block, out)[...] = False
    try:
        call(name, arrays, out=out)
    except ValueError:
        elsewhere[...] = True
    else:
        assert out.tobytes() == want.tobytes()
    assert block[elsewhere].tobytes() == before[elsewhere].tobytes(), "something else was written"


def twin(other, block, view):
    """The view of another array, of the block's shape, that is where `view` is in the block."""
    at = (view.ctypes.data - block.ctypes.data) // block.itemsize
    strides = [stride // block.itemsize * other.itemsize for stride in view.strides]
    start = [at // block.shape[1], at % block.shape[1]]
    return np.lib.stride_tricks.as_strided(other[start[0] :, start[1] :], view.shape, strides)


def test_an_out_that_is_only_copied_is_refused():
    with pytest.raises(ValueError, match="expected out as an array that can be written where it lies, got float64"):
        fb.ops.relu(np.float64(-1), out=np.float64(3))


def test_logsumexp_of_three_axes_writes_to_any_matrix():
    x, block = Draw(0).normal(3, 4, 5), np.zeros((3, 9))
    fb.ops.logsumexp(x, out=block[:, ::2][:, :4])
    np.testing.assert_array_equal(block[:, ::2][:, :4], fb.ops.logsumexp(x))


# ---- where arrays come from


class OnlyDlpack:
    """An array of another library, which NumPy sees through DLPack alone."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("make", [OnlyDlpack, memoryview], ids=["DLPack", "buffer"])
def test_arrays_of_other_libraries_are_read_where_they_lie(make):
    x = Draw(0).normal(5, 7).astype("float32")
    assert np.shares_memory(edge.real("x", make(x)), x)
    assert same_bits(fb.ops.tanh(make(x)), fb.ops.tanh(x))
    assert same_bits(fb.ops.matmul(make(x), make(x.T.copy())), fb.ops.matmul(x, x.T.copy()))


def test_tensors_of_torch_work_without_a_copy_also_as_out():
    torch = pytest.importorskip("torch")
    x, out = torch.linspace(-2, 2, 12).reshape(3, 4), torch.empty(3, 4)
    assert np.shares_memory(edge.real("x", x), x.numpy())
    assert fb.ops.relu(x, out=out) is out
    assert torch.equal(out, torch.relu(x))
    with pytest.raises(TypeError, match=r"expected x as an array of real numbers, got Tensor: .*requires grad"):
        fb.ops.relu(x.clone().requires_grad_())


JAX = """
import jax.numpy, numpy as np, fastbp as fb
from fastbp.ops import edge
x = jax.numpy.linspace(-2, 2, 12).reshape(3, 4)
assert np.shares_memory(edge.real("x", x), np.asarray(x))
assert np.array_equal(fb.ops.relu(x), np.maximum(np.asarray(x), 0))
"""


def test_arrays_of_jax_work_without_a_copy():
    if find_spec("jax") is None:
        pytest.skip("without JAX")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # JAX does not like forks in its process
    subprocess.run([sys.executable, "-c", JAX], env=environment, check=True, timeout=120)


def test_rows_and_ones_are_of_the_type_of_an_out_of_another_library():
    torch = pytest.importorskip("torch")
    for dtype in (torch.float32, torch.float64):
        out = torch.empty(2, 3, dtype=dtype)
        assert fb.ops.gather_rows(np.arange(12, dtype="u1").reshape(4, 3), [3, 0], 0.5, out=out) is out
        assert out.tolist() == [[4.5, 5, 5.5], [0, 0.5, 1]]
        assert fb.ops.one_hot([2, 0], 3, out=out) is out
        assert out.tolist() == [[0, 0, 1], [1, 0, 0]]


def test_arrays_of_another_byte_order_are_taken_together_with_others():
    x = Draw(0).normal(5, 7).astype("float32")
    swapped = x.astype(x.dtype.newbyteorder())
    assert same_bits(fb.ops.relu_backward(swapped, swapped), fb.ops.relu_backward(x, x))
    assert same_bits(fb.ops.relu_backward(x, swapped), fb.ops.relu_backward(x, x))


def test_gradients_in_a_memory_map_are_clipped_and_averaged_where_they_lie(tmp_path):
    g = np.memmap(tmp_path / "g", "float32", "w+", shape=(3, 4))
    g[...] = 1
    fb.ops.clip_by_global_norm([g], 1.0)
    np.testing.assert_allclose(g, 1 / np.sqrt(12), rtol=1e-6)
    assert fb.ops.ema(g, np.zeros((3, 4), "float32"), 0.5) is g


@pytest.mark.parametrize("value", ["text", None, [[1], [1, 2]], 1j, np.array([object()]), {}])
def test_what_is_no_array_of_real_numbers_is_a_type_error_that_names_the_argument(value):
    with pytest.raises(TypeError, match="expected x "):
        fb.ops.relu(value)


# ---- three outputs


@pytest.mark.parametrize("sample_axis", [0, 1])
def test_dense_backward_writes_to_three_outputs_or_to_some(sample_axis):
    dz, x, w = (Draw(1).normal(*shape) for shape in ((5, 3), (5, 4), (4, 3)))
    arrays = (dz.T, x.T, w.T) if sample_axis else (dz, x, w)
    want = fb.ops.dense_backward(*arrays, sample_axis)
    out = tuple(np.empty(a.shape) for a in want)
    got = fb.ops.dense_backward(*arrays, sample_axis, out=out)
    assert all(a is b for a, b in zip(got, out, strict=True))
    assert same_bits(got, want)
    assert fb.ops.dense_backward(*arrays, sample_axis, out=(None, out[1], None))[1] is out[1]


def test_dense_backward_refuses_one_of_three_before_it_writes_another():
    dz, x, w = (Draw(1).normal(*shape) for shape in ((5, 3), (5, 4), (4, 3)))
    dx, dw = np.zeros((5, 4)), np.zeros((4, 3))
    for out, says in (
        ((dx, dw, np.empty(4)), r"shape \(3,\)"),
        ((dx, w, None), "overlap"),
        ((dx, dw), "got 2 of them"),
    ):
        with pytest.raises(ValueError, match=says):
            fb.ops.dense_backward(dz, x, w, out=out)
        assert not dx.any()
        assert not dw.any()


# ---- scalars and names

X, VECTOR = np.linspace(0.1, 0.9, 12).reshape(3, 4), np.linspace(0.1, 0.9, 4)
# A call of each function with scalars, as a function of all its scalars by name.
WITH_SCALARS = {
    "sgd": ("learning_rate", "l1", "l2", "clip_value", "weight_decay"),
    "momentum": ("learning_rate", "momentum"),
    **dict.fromkeys(("adam", "adamw", "amsgrad", "nadam"), ("step", "learning_rate", "beta_1", "beta_2", "epsilon")),
    "adagrad": ("learning_rate", "epsilon"),
    "adadelta": ("learning_rate", "rho", "epsilon"),
    "rmsprop": ("learning_rate", "rho", "momentum", "epsilon"),
    "lion": ("learning_rate", "beta_1", "beta_2"),
    **dict.fromkeys(("dropout", "dropout_backward", "alpha_dropout"), ("rate", "seed", "offset")),
    "random_bits": ("n", "seed", "offset"),
    **dict.fromkeys(("softmax", "softmax_backward", "log_softmax", "logsumexp", "argmax"), ("axis",)),
    **dict.fromkeys(("dense", "dense_backward"), ("sample_axis",)),
    "leaky_relu": ("negative_slope",),
    **dict.fromkeys(("elu", "elu_backward", "celu"), ("alpha",)),
    **dict.fromkeys(("layer_norm", "rms_norm", "gaussian_nll"), ("epsilon",)),
    "batch_norm": ("epsilon", "momentum"),
    "group_norm": ("groups", "epsilon"),
    "huber": ("delta",),
    "quantile": ("q",),
    "softmax_cross_entropy": ("label_smoothing", "ignore_index"),
    "sigmoid_binary_cross_entropy": ("label_smoothing", "pos_weight"),
    "clip_by_value": ("low", "high"),
    **dict.fromkeys(("clip_by_norm", "clip_by_global_norm"), ("max_norm",)),
    "ema": ("decay",),
    "one_hot": ("classes",),
    "confusion_counts": ("classes",),
    "top_k_accuracy": ("k",),
    "accuracy": ("threshold",),
}
OPTIONAL = ("clip_value", "ignore_index")  # None stands for none
WRONG = ["a", [0.5, 0.5], np.ones(2), 1j, {}, True, None]


@pytest.mark.parametrize(("name", "argument"), [(name, a) for name, names in WITH_SCALARS.items() for a in names])
def test_a_scalar_of_a_wrong_type_is_a_type_error_that_names_the_argument(name, argument):
    arrays = arguments_of(name) if name != "accuracy" else [VECTOR, VECTOR > 0.5]
    if name == "softmax_cross_entropy":
        arrays = [X, np.array([0, 1, 2])]
    if argument in ("n", "max_norm") and name != "clip_by_norm":
        arrays = arrays[:-1]  # it is the last of them
    keywords = KEYWORDS.get(name, {})
    for wrong in WRONG[: -1 if argument in OPTIONAL else None]:
        with pytest.raises(TypeError, match=f"expected {argument} as a (whole )?number, got"):
            getattr(fb.ops, name)(*arrays, **{**keywords, argument: wrong})


@pytest.mark.parametrize("axis", [None, "x", 0.5, (0, 1)])
def test_an_axis_is_a_whole_number(axis):
    with pytest.raises(TypeError, match="expected axis as a whole number, got"):
        fb.ops.softmax(X, axis=axis)


def test_a_name_that_is_unknown_is_answered_by_the_nearest_or_that_of_this_library():
    for name, meant in (
        ("swish", "silu"),
        ("mse", "mean_squared_error"),
        ("layernorm", "layer_norm"),
        ("rellu", "relu"),
    ):
        with pytest.raises(AttributeError, match=f"no function {name!r}: did you mean {meant!r}"):
            getattr(fb.ops, name)
    with pytest.raises(ValueError, match="unknown activation 'swish': did you mean 'silu'"):
        fb.ops.dense(X, X.T, None, "swish")
    with pytest.raises(TypeError, match="expected activation as a name, got None"):
        fb.ops.dense(X, X.T, None, None)
    with pytest.raises(ValueError, match="unknown optimizer 'amsgrad': did you mean 'adam'"):
        fb.optimizers.get("amsgrad")
    assert not hasattr(fb.ops, "no_such_thing")


def test_the_help_of_ops_speaks_to_its_users():
    assert fb.ops.__doc__.startswith("The kernels of fastbp as functions")


# ---- masks


@pytest.mark.parametrize(
    "call",
    [
        lambda a: fb.ops.relu(a),
        lambda a: fb.ops.relu(np.ones((3, 4)), out=a),
        lambda a: fb.ops.sgd(a, np.ones((3, 4))),
        lambda a: fb.ops.sgd(np.ones((3, 4)), a),
        lambda a: fb.ops.ema(a, np.ones((3, 4)), 0.5),
        lambda a: fb.ops.clip_by_global_norm([a], 1.0),
        lambda a: fb.ops.softmax_cross_entropy(np.ones((3, 4)), a),
        lambda a: fb.ops.softmax_cross_entropy(np.ones((12, 4)), np.zeros(12, int), sample_weight=a.reshape(-1)),
        lambda a: fb.ops.softmax_cross_entropy(np.ones((12, 4)), a.astype(int).reshape(-1)),
        lambda a: fb.ops.gather_rows(a, [0]),
        lambda a: fb.ops.gather_rows(np.ones((3, 4)), a.astype(int)[0]),
        lambda a: fb.ops.one_hot(a.astype(int)[0], 3),
    ],
)
def test_a_masked_array_is_refused_since_its_mask_would_be_lost(call):
    with pytest.raises(TypeError, match="masked"):
        call(np.ma.masked_less(np.ones((3, 4)), 0))


# ---- what a trial found


def test_gradients_from_a_generator_are_clipped_too():
    g = np.full(4, 10.0)
    assert fb.ops.clip_by_global_norm((a for a in [g]), 1.0) == 20
    np.testing.assert_allclose(g, 0.5)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: fb.ops.gelu(x, approximate="none"),
        lambda x: fb.ops.gelu(x, np.empty_like(x)),
        lambda x: fb.ops.momentum(x, x.copy(), x * 0, nesterov="no"),
        lambda x: fb.ops.batch_norm(x, training="False"),
    ],
)
def test_a_flag_is_true_or_false(call):
    with pytest.raises(TypeError, match="as True or False, got"):
        call(np.ones((3, 2)))


def test_an_unknown_option_of_an_update_is_named_beside_the_known_ones():
    with pytest.raises(TypeError, match="expected the options l1, l2, clip_value and weight_decay, got 'lr'"):
        fb.ops.sgd(np.ones(2), np.ones(2), lr=0.1)
