"""How exact the transcendental functions are, in units of the last place, as fastbp.ops gives them."""

import numpy as np
import pytest
from references import sigmoid

import fastbp as fb

RNG = np.random.default_rng(0)


def every_exponent(dtype):
    """Both signs, every exponent from the smallest subnormal to the largest number: its ends and some between."""
    info = np.finfo(dtype)
    unsigned = np.dtype(f"u{np.dtype(dtype).itemsize}")
    exponents = np.arange(2**info.nexp - 1, dtype=unsigned) << unsigned.type(info.nmant)
    count = 2000 if dtype == np.float32 else 300
    fractions = RNG.integers(0, 2**info.nmant, (len(exponents), count), dtype=unsigned)
    fractions[:, :3] = 0, 1, 2**info.nmant - 1
    positive = (exponents[:, None] | fractions).ravel().view(dtype)
    return np.concatenate([positive, -positive])


def where_it_bends(dtype):
    """Many points where the functions are neither linear nor flat, and as far out as exp goes."""
    reach = 105 if dtype == np.float32 else 746
    return np.concatenate([RNG.uniform(-12, 12, 500_000), RNG.uniform(-reach, reach, 500_000)]).astype(dtype)


def ulps(got, want):
    """Distance in units of the last place of the exact value, which is given in a wider type."""
    rounded = want.astype(got.dtype)
    unit = np.spacing(np.maximum(abs(rounded), np.finfo(got.dtype).smallest_subnormal)).astype(want.dtype)
    return abs(got.astype(want.dtype) - want) / unit


WIDE = {np.float32: np.float64, np.float64: np.longdouble}
needs_long_double = pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="long double is no wider than double")
PRECISIONS = [np.float32, pytest.param(np.float64, marks=needs_long_double)]


@pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")
@pytest.mark.parametrize("points", [every_exponent, where_it_bends])
@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize(("name", "exact", "bar"), [("sigmoid", sigmoid, 4), ("tanh", np.tanh, 4)])
def test_sigmoid_and_tanh_are_within_4_ulp(name, exact, bar, dtype, points):
    x = points(dtype)
    got = getattr(fb.ops, name)(x)
    assert np.isfinite(got).all()
    assert ulps(got, exact(x.astype(WIDE[dtype]))).max() <= bar


@pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")
@pytest.mark.parametrize("dtype", PRECISIONS)
def test_exp_is_within_2_ulp_as_softmax_shows(dtype):
    """Softmax of (0, x) with x very negative is exp(x) / (1 + exp(x)), where the sum is exactly 1."""
    x = RNG.uniform(-104 if dtype == np.float32 else -745, -18 if dtype == np.float32 else -38, 200_000).astype(dtype)
    got = fb.ops.softmax(np.stack([np.zeros_like(x), x], axis=1))
    assert (got[:, 0] == 1).all()
    assert ulps(got[:, 1], np.exp(x.astype(WIDE[dtype]))).max() <= 2


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_exp_and_log1p_are_within_4_ulp_together_as_binary_cross_entropy_shows(dtype):
    """The loss of logit -x with target 0 is log(1 + exp(-x)): small, and not lost in a sum with 1."""
    x = -RNG.uniform(0, 80, 200_000).astype(dtype)
    got, _ = fb.ops.sigmoid_binary_cross_entropy(x, np.zeros_like(x), reduction="none")
    assert ulps(got, np.log1p(np.exp(x.astype(WIDE[dtype])))).max() <= 4


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_log_is_within_2_ulp_as_cross_entropy_shows(dtype):
    """n equal logits lose log(n): nothing but the logarithm rounds."""
    for n in [2, 3, 5, 10, 17, 100, 257, 1000, 1031, 4099, 65537]:
        value, _ = fb.ops.softmax_cross_entropy(np.zeros((1, n), dtype), [0], reduction="none")
        assert ulps(value, np.log(np.full(1, n, WIDE[dtype]))).max() <= 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_and_tanh_stay_in_their_range_and_keep_order_and_sign(dtype):
    x = np.sort(where_it_bends(dtype))
    for name, low, high in (("sigmoid", 0, 1), ("tanh", -1, 1)):
        y = getattr(fb.ops, name)(x)
        assert low <= y.min()
        assert y.max() <= high
        assert np.diff(y.astype(WIDE[dtype])).min() > -4 * np.finfo(dtype).eps
    np.testing.assert_array_equal(fb.ops.tanh(-x), -fb.ops.tanh(x))
    assert np.signbit(fb.ops.tanh(np.array([-0.0, 0.0], dtype))).tolist() == [True, False]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_that_are_known_exactly(dtype):
    x = np.array([0, np.inf, -np.inf, 1e4, -1e4], dtype)
    np.testing.assert_array_equal(fb.ops.sigmoid(x), [0.5, 1, 0, 1, 0])
    np.testing.assert_array_equal(fb.ops.tanh(x), [0, 1, -1, 1, -1])
    for name in ("sigmoid", "tanh"):
        assert np.isnan(getattr(fb.ops, name)(np.full(33, np.nan, dtype))).all()
