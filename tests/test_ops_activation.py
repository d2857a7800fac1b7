"""The activations, softmax along any axis and the elementary functions: values at the edges, errors, places, bits."""

import inspect
import sys

import documents
import numpy as np
import pytest
from references import BACKWARD, FORWARD, Draw, sigmoid
from test_isa import WITH_FMA, output_of

import fastbp as fb
from fastbp._core import _kernels
from fastbp._core._kernels import ACTIVATIONS, FROM_INPUT, FUNCTIONS
from fastbp.ops.activation import ALPHAS

DTYPES = ("float32", "float64")
ELEMENTWISE = [kind for kind in ACTIVATIONS if kind != "linear"]
inf, nan = np.inf, np.nan


def forward(kind, *arrays, **options):
    """The public function of a kernel."""
    if kind == "gelu_tanh":
        kind, options = "gelu", {"approximate": True, **options}
    return getattr(fb.ops, kind)(*arrays, **options)


def backward(kind, dy, saved, **options):
    if kind == "gelu_tanh":
        kind, options = "gelu", {"approximate": True, **options}
    return getattr(fb.ops, f"{kind}_backward")(dy, saved, **options)


def saved_of(kind, x):
    return x if kind in FROM_INPUT else forward(kind, x)


# ---- values at the edges

# at -inf, -max, max and inf
LIMITS = {
    "relu": (0, 0, "max", inf),
    "leaky_relu": (-inf, "-max/5", "max", inf),
    "sigmoid": (0, 0, 1, 1),
    "tanh": (-1, -1, 1, 1),
    "elu": (-1, -1, "max", inf),
    "selu": (-1.7580993408473766, -1.7580993408473766, inf, inf),
    "celu": (-1, -1, "max", inf),
    "hard_sigmoid": (0, 0, 1, 1),
    "log_sigmoid": (-inf, "-max", 0, 0),
    "hard_tanh": (-1, -1, 1, 1),
    "softplus": (0, 0, "max", inf),
    "softsign": (-1, -1, 1, 1),
    "relu6": (0, 0, 6, 6),
    "exponential": (0, 0, inf, inf),
    "gelu": (0, 0, "max", inf),
    "gelu_tanh": (0, 0, "max", inf),
    "silu": (0, 0, "max", inf),
    "mish": (0, 0, "max", inf),
    "hard_swish": (0, 0, "max", inf),
    "exp": (0, 0, inf, inf),
    "expm1": (-1, -1, inf, inf),
    "log": (nan, nan, None, inf),
    "log1p": (nan, nan, None, inf),
    "erf": (-1, -1, 1, 1),
    "expit": (0, 0, 1, 1),
}


def test_every_function_has_its_limits():
    assert set(LIMITS) == {*ELEMENTWISE, *FUNCTIONS, "exp", "expit"}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", LIMITS)
def test_functions_have_their_limits_at_infinity_and_keep_nan_in_its_lane(kind, dtype):
    largest = np.finfo(dtype).max
    named = {"max": largest, "-max": -largest, "-max/5": -largest * np.dtype(dtype).type(0.2)}
    x = np.array([-inf, -largest, largest, inf, nan, *np.linspace(0.5, 0.9, 12)], dtype)
    want = [np.log(largest) if value is None else named.get(value, value) for value in LIMITS[kind]]
    for shift in range(len(x)):  # each value in each lane, and in the tail
        got = np.roll(forward(kind, np.roll(x, shift)), -shift)
        np.testing.assert_allclose(got[:4], np.array(want, dtype), rtol=1e-6)
        assert np.isnan(got[4])
        assert np.isfinite(got[5:]).all()


@pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ELEMENTWISE)
def test_derivatives_at_infinite_huge_and_tiny_inputs_are_finite_and_right(kind, dtype):
    """0 or 1 far out, and what the reference says in between; where the output is not finite, so is its derivative."""
    info = np.finfo(dtype)
    x = np.array([-inf, -info.max, -1e4, -200, -100, -30, -10, -info.tiny, info.tiny, 10, 30, 100, 1e4, info.max, inf])
    saved = saved_of(kind, x.astype(dtype))
    got = backward(kind, np.ones_like(saved), saved)
    if kind == "exponential":
        np.testing.assert_array_equal(got, saved)
        return
    assert np.isfinite(got).all()
    assert got.min() >= -0.15
    assert got.max() <= (1.76 if kind == "selu" else 1.15)
    inside = slice(2, -2)
    want = BACKWARD[kind](np.ones(len(x)), saved.astype(float))[inside]
    np.testing.assert_allclose(got[inside], want, rtol=64 * info.eps, atol=4 * info.eps)
    left = {"leaky_relu": 0.2, "log_sigmoid": 1}.get(kind, 0)
    right = int(kind not in ("sigmoid", "hard_sigmoid", "log_sigmoid", "tanh", "hard_tanh", "softsign", "relu6"))
    right = 1.0507009873554805 if kind == "selu" else right
    np.testing.assert_allclose(got[:2], left, atol=1e-7)
    np.testing.assert_allclose(got[-2:], right, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("kind", "points", "slopes"),
    [
        ("relu", [0.0], [0]),
        ("relu6", [0.0, 6.0], [0, 0]),
        ("leaky_relu", [0.0], [0.2]),
        ("elu", [0.0], [1]),
        ("selu", [0.0], [1.7580993408473766]),
        ("celu", [0.0], [1]),
        ("hard_tanh", [-1.0, 1.0], [0, 0]),
        ("hard_sigmoid", [-3.0, 3.0], [0, 0]),
        ("hard_swish", [-3.0, 3.0], [0, 1]),
    ],
)
def test_derivatives_at_kinks_are_those_of_pytorch(kind, points, slopes):
    for dtype in DTYPES:
        x = np.array(points, dtype)
        np.testing.assert_allclose(backward(kind, np.ones_like(x), saved_of(kind, x)), slopes, rtol=1e-6)


def test_prelu_at_zero_has_the_slope_of_the_left_and_gives_its_slope_nothing():
    dx, dslope = fb.ops.prelu_backward([[1.0, 1.0]], [[0.0, -0.0]], [0.5, 3.0])
    np.testing.assert_array_equal(dx, [[0.5, 3.0]])
    np.testing.assert_array_equal(dslope, [0, 0])


@pytest.mark.parametrize("kind", ["softplus", "log_sigmoid", "silu", "mish", "elu", "gelu", "gelu_tanh"])
def test_small_values_keep_their_relative_accuracy(kind):
    """Where a formula that subtracts from 1 would give 0 or few digits."""
    x = -np.linspace(1e-3, 5 if kind.startswith("gelu") else 60, 4001).astype("f4")
    exact = {
        "softplus": lambda x: np.log1p(np.exp(x)),
        "silu": lambda x: x * sigmoid(x),
        "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    }.get(kind, FORWARD[kind])
    x = -x if kind == "log_sigmoid" else x
    want = -np.log1p(np.exp(-x.astype(float))) if kind == "log_sigmoid" else exact(x.astype(float))
    slack = {"gelu": 16, "gelu_tanh": 64}.get(kind, 6)  # the argument of tanh itself is rounded
    np.testing.assert_allclose(forward(kind, x), want, rtol=slack * np.finfo("f4").eps, atol=0)


@pytest.mark.skipif(_kernels.isa() not in WITH_FMA, reason="the ISA in use has no FMA")
def test_the_far_tail_of_gelu_is_accurate_relative_to_itself():
    x = -np.linspace(5, 13, 3001).astype("f4")
    np.testing.assert_allclose(fb.ops.gelu(x), FORWARD["gelu"](x.astype(float)), rtol=6 * np.finfo("f4").eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_bounded_functions_never_leave_their_range(dtype):
    x = np.linspace(-50, 50, 100_001).astype(dtype)
    for kind, low, high in (("erf", -1, 1), ("softsign", -1, 1), ("hard_sigmoid", 0, 1), ("log_sigmoid", -inf, 0)):
        y = forward(kind, x)
        assert low <= y.min()
        assert y.max() <= high
    for odd in ("erf", "softsign", "hard_tanh", "tanh"):
        np.testing.assert_array_equal(forward(odd, -x), -forward(odd, x))
    for kind in ("erf", "expm1", "log1p"):
        assert np.signbit(forward(kind, np.array([-0.0, 0.0], dtype))).tolist() == [True, False]


# ---- parameters


def test_default_parameters_come_from_one_table():
    for kind, alpha in ALPHAS.items():
        for function in (getattr(fb.ops, kind), getattr(fb.ops, f"{kind}_backward")):
            (parameter,) = (p for p in inspect.signature(function).parameters.values() if p.name not in "dyxout")
            assert parameter.default == alpha
        assert fb.activations.get(kind).alpha == alpha
        x = np.array([[-2.0, 1.0]])
        np.testing.assert_array_equal(fb.ops.dense(x, np.eye(2), activation=kind), forward(kind, x))


@pytest.mark.parametrize("kind", ALPHAS)
@pytest.mark.parametrize("alpha", [0.3, 2.0])
def test_parameters_go_into_function_and_derivative(kind, alpha):
    x, h = Draw(0).normal(7, 9), 1e-6
    change = (forward(kind, x + h, alpha) - forward(kind, x - h, alpha)) / (2 * h)
    got = getattr(fb.ops, f"{kind}_backward")(np.ones_like(x), forward(kind, x, alpha), alpha)
    np.testing.assert_allclose(got, change, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: fb.ops.leaky_relu([1.0], -0.1), ValueError, r"negative_slope as a finite number in \[0, .*got -0.1"),
        (lambda: fb.ops.elu([1.0], -1), ValueError, r"expected alpha as a finite number in \[0, .*got -1"),
        (lambda: fb.ops.elu_backward([1.0], [1.0], nan), ValueError, "expected alpha as a finite number.*got nan"),
        (lambda: fb.ops.celu([1.0], 0), ValueError, r"expected alpha as a finite number in \[1e-30, .*got 0"),
        (lambda: fb.activations.Activation("elu", "elu", -1.0), ValueError, "expected alpha"),
        (lambda: fb.ops.gelu_backward([1.0], [1.0, 2.0]), ValueError, r"expected x with the shape of dy, \(1,\)"),
        (lambda: fb.ops.elu_backward([1.0], [1.0, 2.0]), ValueError, r"expected y with the shape of dy, \(1,\)"),
        (lambda: fb.ops.softmax(np.ones((2, 3)), 2), ValueError, "expected axis as a whole number from -2 to 1, got 2"),
        (lambda: fb.ops.softmax(3.0, 1), ValueError, "expected axis as a whole number from -1 to 0, got 1"),
        (lambda: fb.ops.log_softmax(np.ones((2, 3)), 0.5), TypeError, "expected axis as a whole number, got 0.5"),
        (
            lambda: fb.ops.softmax_backward(np.ones((2, 3)), np.ones((2, 3)), -3),
            ValueError,
            "axis as a whole number from -2 to 1, got -3",
        ),
        (
            lambda: fb.ops.prelu(np.ones((2, 3)), np.ones(2)),
            ValueError,
            r"expected slope with shape \(3,\) or \(\), got",
        ),
        (lambda: fb.ops.prelu(np.ones((2, 3), "f4"), np.ones(3)), TypeError, "expected slope of dtype float32"),
        (lambda: fb.ops.prelu_backward(np.ones(3), np.ones(2), 0.1), ValueError, "expected x with the shape of dy"),
        (lambda: fb.ops.exp(["a"]), TypeError, "expected x of real numbers"),
        (lambda: fb.ops.erf([1.0], out=np.ones(2)), ValueError, "expected out as a float64 array"),
        (
            lambda: fb.ops.dense(np.eye(2), np.eye(2), None, "log_sofmax"),
            ValueError,
            "unknown activation 'log_sofmax': did you mean 'log_softmax'",
        ),
    ],
)
def test_bad_input_is_refused_with_what_was_expected(call, error, says):
    with pytest.raises(error, match=says):
        call()


# ---- where results go


@pytest.mark.parametrize("kind", [*ELEMENTWISE, *FUNCTIONS, "softmax", "log_softmax"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_function_works_in_place_and_on_empty_arrays_and_scalars(kind, dtype):
    x = abs(Draw(0).normal(5, 37)).astype(dtype)
    want, place = forward(kind, x), x.copy()
    assert forward(kind, place, out=place) is place
    np.testing.assert_array_equal(place, want)
    assert forward(kind, np.zeros((0, 3), dtype)).shape == (0, 3)
    assert np.ndim(forward(kind, x[0, 0])) == 0
    if kind not in FUNCTIONS:
        dy, saved = Draw(1).normal(5, 37).astype(dtype), saved_of(kind, x)
        want, place = backward(kind, dy, saved), dy.copy()
        assert backward(kind, place, saved, out=place) is place
        np.testing.assert_array_equal(place, want)
        with pytest.raises(ValueError, match="out not to overlap"):
            backward(kind, dy, saved, out=saved)
    with pytest.raises(ValueError, match="out not to overlap"):
        forward(kind, x[1:], out=x[:-1])


def test_prelu_works_in_place_with_any_number_of_axes_and_one_slope():
    x, slope = Draw(0).normal(2, 3, 37), Draw(1).normal(37)
    dy, want = Draw(2).normal(2, 3, 37), np.where(x > 0, x, slope * x)
    np.testing.assert_allclose(fb.ops.prelu(x, slope), want)
    dx, dslope = fb.ops.prelu_backward(dy, x, slope)
    np.testing.assert_allclose(dslope, (dy * np.minimum(x, 0)).sum(axis=(0, 1)), rtol=1e-12)
    place = dy.copy()
    assert fb.ops.prelu_backward(place, x, slope, out=place)[0] is place
    np.testing.assert_array_equal(place, dx)
    with pytest.raises(ValueError, match="out not to overlap"):
        fb.ops.prelu_backward(dy, x, slope, out=x)
    place = x.copy()
    assert fb.ops.prelu(place, slope, out=place) is place
    np.testing.assert_allclose(place, want)
    assert fb.ops.prelu(-2.0, 0.25) == -0.5
    dx, dslope = fb.ops.prelu_backward(np.float32(3), np.float32(-2), 0.25)
    assert (dx, dslope) == (0.75, -6)


# ---- softmax along any axis


def exact_softmax(x, axis, log):
    shifted = x - x.max(axis=axis, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return log_p if log else np.exp(log_p)


@pytest.mark.parametrize("kind", ["softmax", "log_softmax"])
@pytest.mark.parametrize("shape", [(4, 5, 6), (1, 7, 600), (3, 1, 5, 2), (70, 33), (1, 9), (9, 1), (11,)])
def test_softmax_goes_along_any_axis_of_any_array_with_the_same_bits_on_any_number_of_threads(kind, shape):
    x, dy = Draw(0).normal(*shape), Draw(1).normal(*shape)
    function, derivative = getattr(fb.ops, kind), getattr(fb.ops, f"{kind}_backward")
    for axis in range(-len(shape), len(shape)):
        y = function(x, axis=axis)
        np.testing.assert_allclose(y, exact_softmax(x, axis, kind == "log_softmax"), rtol=1e-12, atol=1e-14)
        p = np.exp(y) if kind == "log_softmax" else y
        want = dy - p * dy.sum(axis=axis, keepdims=True) if kind == "log_softmax" else p * dy
        want = want if kind == "log_softmax" else want - p * (p * dy).sum(axis=axis, keepdims=True)
        dx = derivative(dy, y, axis=axis)
        np.testing.assert_allclose(dx, want, rtol=1e-10, atol=1e-13)
        for threads in (1, 3):
            fb.set_num_threads(threads)
            np.testing.assert_array_equal(function(x, axis=axis), y)
            np.testing.assert_array_equal(derivative(dy, y, axis=axis), dx)
        fb.set_num_threads(None)
        place = x.copy()
        np.testing.assert_array_equal(function(place, axis=axis, out=place), y)
        for other in (x.T.copy().T, np.repeat(x, 2, axis=0)[::2], x[::-1].copy()[::-1]):
            np.testing.assert_array_equal(function(other, axis=axis), y)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1])
def test_log_softmax_of_huge_logits_is_finite_and_of_nan_is_nan_in_its_row_alone(axis, dtype):
    big = np.finfo(dtype).max
    x = np.zeros((4, 19), dtype)
    x[0, :2] = big / 2, -big / 2
    x[1] = -big
    x[2, 18] = nan
    x[3, :18] = -inf
    y = fb.ops.log_softmax(x if axis else x.T.copy(), axis)
    y = y if axis else y.T
    np.testing.assert_array_equal(y[0, :3], [0, -big, -big / 2])
    np.testing.assert_allclose(y[1], -np.log(19), rtol=1e-6)
    assert np.isnan(y[2]).all()
    np.testing.assert_array_equal(y[3], np.where(np.arange(19) == 18, 0, -inf))
    p = fb.ops.softmax(x if axis else x.T.copy(), axis)
    np.testing.assert_allclose(p if axis else p.T, np.exp(y), rtol=1e-6)


# ---- in models


@pytest.mark.parametrize("kind", sorted(FROM_INPUT))
def test_a_model_keeps_the_input_of_an_activation_whose_derivative_needs_it(kind):
    fb.utils.set_random_seed(0)
    model = fb.Sequential([fb.Input((5,)), fb.Dense(8, kind), fb.Dense(7, kind), fb.Dense(3)])
    model.compile(fb.optimizers.SGD(0.5), "mse")
    listing = model.program("train", batch_size=16).describe()
    assert f"A1 = {kind}(Z1)" in listing
    assert f"{kind}'(Z1)" in listing
    assert f"A1 = {kind}(A0 W1 + b1)" in model.program("predict", batch_size=16).describe()
    x, y = Draw(0).normal(16, 5), Draw(1).normal(16, 3)
    before, gradients = model.get_weights(), model.gradients(x, y)
    model.fit(x, y, epochs=1, batch_size=16, verbose=0)
    named = [gradients[f"d{name}{layer}"] for layer in (1, 2, 3) for name in "Wb"]
    for old, new, gradient in zip(before, model.get_weights(), named, strict=True):
        np.testing.assert_allclose(new, old - 0.5 * gradient, rtol=1e-5, atol=1e-6)


def test_every_elementwise_activation_of_ops_is_one_of_models():
    assert set(fb.activations.ACTIVATIONS) == {*ACTIVATIONS, "softmax"}
    for name, activation in fb.activations.ACTIVATIONS.items():
        assert getattr(fb.activations, name) is activation
        assert fb.activations.get(activation.get_config()) == activation


# ---- bits and accuracy

HASH = """
import hashlib
import numpy as np, fastbp as fb
rng, digest = np.random.default_rng(0), hashlib.sha256()
for dtype in ("float32", "float64"):
    x, dy = rng.normal(size=(2, 37, 131)).astype(dtype) * 3
    for name in sorted(fb.ops.__all__):
        function = getattr(fb.ops, name)
        if function.__module__.split(".")[-1] in ("activation", "elementary", "softmax"):
            arrays = (dy, fb.ops.sigmoid(x)) if name.endswith("backward") else (abs(x) if "log" in name else x,)
            digest.update(function(*arrays).tobytes())
            if "softmax" in name:
                digest.update(function(*arrays, axis=0).tobytes())
        elif name.endswith("_backward") and function.__module__.endswith("activation_backward"):
            digest.update(function(dy, fb.ops.sigmoid(x)).tobytes())
    for array in (fb.ops.prelu(x, x[0]), *fb.ops.prelu_backward(dy, x, x[0]), *fb.ops.prelu_backward(dy, x, 0.5)):
        digest.update(array.tobytes())
print(digest.hexdigest())
"""


@pytest.mark.skipif(len(WITH_FMA) < 2, reason="one ISA with FMA on this CPU")
def test_every_function_gives_the_same_bits_on_every_isa_with_fma():
    assert len({output_of(HASH, FASTBP_ISA=isa) for isa in WITH_FMA}) == 1


def test_the_program_that_measures_errors_finds_all_within_their_bounds(capsys):
    sys.path.insert(0, str(documents.ROOT / "bench"))
    ulp = pytest.importorskip("ulp")
    pytest.importorskip("scipy")
    assert ulp.main(["--bits", "5", "--samples", "2000"]) == 0
    printed = capsys.readouterr().out
    assert "TOO MUCH" not in printed
    assert all(f"{name}  " in printed for name in ulp.BOUNDS)
    ulp.BOUNDS["log"], before = 0.01, ulp.BOUNDS["log"]
    try:
        assert ulp.main(["--bits", "2", "--samples", "100"]) == 1
    finally:
        ulp.BOUNDS["log"] = before
    assert "TOO MUCH" in capsys.readouterr().out
