"""Normalisation and dropout: references that are derivatives, hard numbers, random bits, masks, and what is refused."""

import numpy as np
import pytest
from references import Draw
from references_norm import (
    ALPHA_SCALE,
    FLOOR,
    batch_norm,
    batch_norm_backward,
    group_norm,
    group_norm_backward,
    kept,
    layer_norm,
    layer_norm_backward,
    rms_norm,
    rms_norm_backward,
    words,
)
from test_isa import BUILT, output_of

import fastbp as fb
from fastbp._core import _norm, _program, _rows

DTYPES = ("float32", "float64")

# ---- the references themselves

DERIVATIVES = {
    "batch_norm": (batch_norm, batch_norm_backward, (7, 5), True),
    "layer_norm": (layer_norm, layer_norm_backward, (7, 5), True),
    "rms_norm": (rms_norm, rms_norm_backward, (7, 5), False),
    "group_norm": (
        lambda x, *p: group_norm(x, 2, *p),
        lambda dy, x, *p: group_norm_backward(dy, x, 2, *p),
        (3, 6, 2, 2),
        True,
    ),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_reference_gradients_of_normalisation_are_derivatives(name):
    forward, backward, shape, has_beta = DERIVATIVES[name]
    draw, h = Draw(0), 1e-6
    x, dy, gamma = draw.normal(*shape), draw.normal(*shape), draw.normal(shape[1])
    arrays = [x, gamma, *([draw.normal(shape[1])] if has_beta else [])]
    for position, got in enumerate(backward(dy, x, gamma)):
        direction = draw.normal(*arrays[position].shape)
        ahead, behind = (
            [*arrays[:position], arrays[position] + s * direction, *arrays[position + 1 :]] for s in (h, -h)
        )
        change = (forward(*ahead)[0] - forward(*behind)[0]) / (2 * h)
        np.testing.assert_allclose((got * direction).sum(), (dy * change).sum(), rtol=1e-6, atol=1e-8)


# ---- hard numbers

FORWARD = {
    "batch_norm": (fb.ops.batch_norm, 0),
    "layer_norm": (fb.ops.layer_norm, 1),
    "group_norm": (lambda x, *p, **o: fb.ops.group_norm(x, 1, *p, **o), 1),
}


@pytest.mark.parametrize("size", [(2, 3), (33, 17), (400, 70), (70, 400)])
@pytest.mark.parametrize("mean", [1e4, -3e5])
@pytest.mark.parametrize("name", FORWARD)
def test_a_mean_ten_thousand_times_the_deviation_costs_no_digits(name, mean, size):
    function, axis = FORWARD[name]
    x = (mean + Draw(0).normal(*size)).astype("float32")
    exact = x.astype(np.longdouble)
    centred = exact - exact.mean(axis=axis, keepdims=True)
    want = centred / np.sqrt((centred**2).mean(axis=axis, keepdims=True) + 1e-3)
    y, got_mean, rstd = function(x)
    np.testing.assert_allclose(y, want.astype(float), rtol=4e-6, atol=4e-6)
    np.testing.assert_allclose(got_mean.ravel(), exact.mean(axis=axis).astype(float), rtol=1.2e-7)
    gradient = batch_norm_backward if axis == 0 else layer_norm_backward
    dy = Draw(1).normal(*size).astype("float32")
    backward = getattr(fb.ops, f"{name}_backward")
    for got, wanted in zip(backward(dy, x, None, got_mean, rstd), gradient(dy, centred), strict=True):
        np.testing.assert_allclose(got, wanted.astype(float), rtol=1e-4, atol=1e-5 * size[0] ** 0.5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [0.0, 0.1, -1e30, 12345.678])
@pytest.mark.parametrize("name", FORWARD)
def test_equal_values_give_beta_and_no_gradient(name, value, dtype):
    function = FORWARD[name][0]
    beta = np.linspace(-1, 1, 37).astype(dtype)
    for rows in (1, 2, 7, 8, 9, 100):
        x = np.full((rows, 37), value, dtype)
        y, mean, rstd = function(x, None, beta)
        np.testing.assert_array_equal(y, np.broadcast_to(beta, y.shape))
        np.testing.assert_array_equal(mean, np.dtype(dtype).type(value))
        dx, dgamma, _ = getattr(fb.ops, f"{name}_backward")(x * 0 + 1, x, None, mean, rstd)
        assert abs(dx).max() < 1e-4
        np.testing.assert_array_equal(dgamma, 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_and_inf_stay_in_their_column_or_row(dtype):
    clean = Draw(0).normal(21, 37).astype(dtype)
    for row, column, value in ((0, 36, np.nan), (20, 0, np.inf), (0, 3, -np.inf), (13, 16, np.nan)):
        x = clean.copy()
        x[row, column] = value
        others = np.arange(37) != column
        y, mean, rstd = fb.ops.batch_norm(x)
        for got, want in zip((y, mean, rstd), fb.ops.batch_norm(clean), strict=True):
            np.testing.assert_array_equal(got[..., others], want[..., others])
        assert np.isnan(y[:, column]).all()
        np.testing.assert_array_equal(mean[column], value)  # as NumPy's
        others = np.arange(21) != row
        for function in (fb.ops.layer_norm, fb.ops.rms_norm):
            y, _, rstd = function(x)
            np.testing.assert_array_equal(y[others], function(clean).y[others])
            assert np.isnan(y[row]).any()
        assert np.isnan(fb.ops.layer_norm(x).y[row]).all()
        np.testing.assert_array_equal(fb.ops.layer_norm(x).mean[row], value)


def test_an_empty_batch_leaves_running_moments_alone():
    mean, variance = np.full(3, 2.0), np.full(3, 5.0)
    y, *moments = fb.ops.batch_norm(np.empty((0, 3)), running_mean=mean, running_variance=variance)
    assert y.shape == (0, 3)
    assert np.isnan(moments).all()
    np.testing.assert_array_equal([mean, variance], [[2.0] * 3, [5.0] * 3])


def test_inference_uses_the_running_moments_and_changes_nothing():
    x, mean, variance = Draw(0).normal(9, 4), np.arange(4.0), np.arange(1.0, 5.0)
    before = mean.copy(), variance.copy()
    got = fb.ops.batch_norm(x, running_mean=mean, running_variance=variance, training=False)
    np.testing.assert_allclose(got.y, (x - mean) / np.sqrt(variance + 1e-3), rtol=1e-14)
    np.testing.assert_array_equal((mean, variance), before)
    got.mean[...] = 7  # its own
    np.testing.assert_array_equal(mean, before[0])


def test_running_moments_come_to_those_of_the_data_as_in_keras():
    x, mean, variance = Draw(0).normal(50, 4) * 3 + 1, np.zeros(4), np.ones(4)
    for _ in range(300):
        fb.ops.batch_norm(x, running_mean=mean, running_variance=variance, momentum=0.9)
    np.testing.assert_allclose(mean, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(variance, x.var(axis=0), rtol=1e-12)  # of n, not of n - 1


def test_layer_norm_is_group_norm_of_one_group_and_takes_any_number_of_axes():
    x, gamma, beta = Draw(0).normal(4, 3, 10), Draw(1).normal(10), Draw(2).normal(10)
    y, mean, rstd = fb.ops.layer_norm(x, gamma, beta)
    flat = fb.ops.group_norm(x.reshape(12, 10), 1, gamma, beta)
    np.testing.assert_array_equal(y.reshape(12, 10), flat.y)
    assert mean.shape == rstd.shape == (4, 3)
    np.testing.assert_array_equal(fb.ops.layer_norm(x[0, 0], gamma, beta).y, y[0, 0])
    dx, dgamma, dbeta = fb.ops.layer_norm_backward(x, x, gamma, mean, rstd)
    assert dx.shape == x.shape
    assert dgamma.shape == dbeta.shape == (10,)


@pytest.mark.parametrize("dtype", DTYPES)
def test_normalisation_and_dropout_work_in_place(dtype):
    draw = Draw(0)
    x, dy, gamma, beta = (draw.normal(*s).astype(dtype) for s in ((37, 50), (37, 50), (50,), (50,)))
    mean, rstd = fb.ops.batch_norm(x)[1:]
    row_mean, row_rstd = fb.ops.layer_norm(x)[1:]
    calls = {
        "batch_norm": (x, lambda a, out: fb.ops.batch_norm(a, gamma, beta, out=out).y),
        "layer_norm": (x, lambda a, out: fb.ops.layer_norm(a, gamma, beta, out=out).y),
        "rms_norm": (x, lambda a, out: fb.ops.rms_norm(a, gamma, out=out).y),
        "group_norm": (x, lambda a, out: fb.ops.group_norm(a, 5, gamma, beta, out=out).y),
        "batch_norm_backward": (dy, lambda a, out: fb.ops.batch_norm_backward(a, x, gamma, mean, rstd, out)[0]),
        "layer_norm_backward": (dy, lambda a, out: fb.ops.layer_norm_backward(a, x, gamma, row_mean, row_rstd, out)[0]),
        "dropout": (x, lambda a, out: fb.ops.dropout(a, 0.5, 1, 2, out)),
        "alpha_dropout": (x, lambda a, out: fb.ops.alpha_dropout(a, 0.5, 1, 2, out)),
    }
    for name, (source, call) in calls.items():
        for layout in (source, np.asfortranarray(source)):
            place = layout.copy(order="K")
            want = call(source, None)
            assert call(place, place) is place, name
            np.testing.assert_array_equal(place, want, err_msg=name)


@pytest.mark.parametrize("columns", [1024, 1500])
def test_large_results_that_go_past_the_caches_have_the_same_bits(columns):
    x = Draw(0).normal(64, columns).astype("float32")
    many = np.tile(x, (70, 4))
    assert many.nbytes >= 16 << 20
    gamma = np.tile(Draw(1).normal(columns).astype("float32"), 4)
    whole = fb.ops.layer_norm(many, gamma)
    np.testing.assert_array_equal(whole.y[-3:], fb.ops.layer_norm(many[-3:], gamma).y)
    grouped = fb.ops.group_norm(many, 4, gamma)
    np.testing.assert_array_equal(grouped.y[:64, :columns], fb.ops.layer_norm(x, gamma[:columns]).y)
    inside = fb.ops.batch_norm(many.copy(), gamma)  # out is not x
    np.testing.assert_array_equal(fb.ops.batch_norm(many, gamma, out=many).y, inside.y)
    np.testing.assert_array_equal(fb.ops.dropout(many, 0.25, 3)[1], fb.ops.dropout(many[1], 0.25, 3, many.shape[1]))


# ---- random bits


@pytest.mark.parametrize(
    ("counter", "key", "says"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_random_bits_are_those_of_the_known_answers_of_random123(counter, key, says):
    def number(text):
        return sum(int(word, 16) << 32 * i for i, word in enumerate(text.split()))

    got = fb.ops.random_bits(4, number(key), 4 * number(counter))
    assert " ".join(f"{word:08x}" for word in got) == says


@pytest.mark.parametrize("offset", [0, 1, 3, 4097, 2**34 - 5, 4 * (2**64 - 9) + 1, 2**130 - 77])
def test_random_bits_are_one_sequence_wherever_they_begin(offset):
    got = fb.ops.random_bits(3000, 12345, offset)
    np.testing.assert_array_equal(got, words(3000, 12345, offset))
    for begin, n in ((0, 1), (1, 2), (5, 1024), (1023, 1500), (2999, 1)):
        place = (offset + begin) % 2**130
        np.testing.assert_array_equal(fb.ops.random_bits(n, 12345, place), got[begin : begin + n])


def test_random_bits_are_equally_often_zero_and_one_and_do_not_know_their_neighbours():
    n = 1 << 20
    bits = np.unpackbits(fb.ops.random_bits(n, 99).view(np.uint8)).reshape(n, 32)
    assert abs(bits.mean(axis=0) - 0.5).max() < 5 * 0.5 / n**0.5
    signs = bits.astype(np.int8) * 2 - 1
    for lag in (1, 2, 3, 4, 8, 32):
        assert abs((signs[lag:] * signs[:-lag]).mean(axis=0, dtype=float)).max() < 5 / n**0.5


# ---- dropout


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9])
def test_dropout_drops_its_rate_independently_of_neighbours_and_of_other_passes(rate):
    n = 1 << 20
    x, deviation = np.ones(n, "float32"), (rate * (1 - rate)) ** 0.5
    there = fb.ops.dropout(x, rate, 5) != 0
    assert abs(there.mean() - (1 - rate)) < 5 * deviation / n**0.5
    others = [fb.ops.dropout(x, rate, seed, offset) != 0 for seed, offset in ((6, 0), (5, n), (5, 2**70))]
    for other in (there[1:], there[2:], there[4:], *others):
        covariance = np.mean((there[: len(other)] - (1 - rate)) * (other - (1 - rate)))
        assert abs(covariance) < 5 * deviation**2 / n**0.5


def test_dropout_keeps_the_mean_and_alpha_dropout_mean_0_and_variance_1():
    n = 1 << 20
    x = np.random.default_rng(0).normal(size=n)
    assert abs(fb.ops.dropout(x + 1, 0.3, 1).mean() - 1) < 0.01
    for rate in (0.05, 0.2, 0.5):
        y = fb.ops.alpha_dropout(x, rate, 1)
        assert abs(y.mean()) < 0.006
        assert abs(y.var() - 1) < 0.01


@pytest.mark.parametrize("function", [fb.ops.dropout, fb.ops.alpha_dropout])
def test_the_mask_is_the_same_in_any_layout_dtype_and_number_of_threads(function):
    x = np.ones((301, 1009))  # enough for several threads
    want = function(x, 0.4, 17, 3)
    mask = want == want.max()
    np.testing.assert_array_equal(mask, kept(x.shape, 0.4, 17, 3))
    padded = np.ones((301, 1020))[:, :1009]
    layouts = (x.astype("float32"), np.asfortranarray(x), padded, x[::-1, ::-1], x.reshape(7, 43, 1009), x.ravel())
    for threads in (1, 2, 3):
        fb.set_num_threads(threads)
        for array in layouts:
            got = function(array, 0.4, 17, 3)
            np.testing.assert_array_equal((got == got.max()).reshape(x.shape), mask)
    fb.set_num_threads(None)


MASKS = """
import hashlib, numpy as np, fastbp as fb
bits = hashlib.sha256(fb.ops.random_bits(5001, 77, 2**66 - 1001).tobytes())
for dtype in ("f4", "f8"):
    x = np.ones((61, 83), dtype)[:, :79]
    for function in (fb.ops.dropout, fb.ops.alpha_dropout):
        bits.update(function(x, 0.3, 2**63 + 5, 11) > 1)
print(bits.hexdigest())
"""


def test_the_mask_is_the_same_on_every_isa():
    assert len({output_of(MASKS, FASTBP_ISA=isa) for isa in BUILT}) == 1


NORMS = """
import hashlib, numpy as np, fastbp as fb
from fastbp._core import _program, _rows
rng, bits = np.random.default_rng(1), hashlib.sha256()
for dtype in ("f4", "f8"):
    x, dy = (rng.normal(size=(61, 1032)).astype(dtype) * 100 for _ in range(2))
    gamma, beta = (rng.normal(size=1032).astype(dtype) for _ in range(2))
    for function, gradient, groups in (
        (fb.ops.batch_norm, fb.ops.batch_norm_backward, ()), (fb.ops.layer_norm, fb.ops.layer_norm_backward, ()),
        (fb.ops.group_norm, fb.ops.group_norm_backward, (24,)),
    ):
        y, mean, rstd = function(x, *groups, gamma, beta)
        for result in (y, mean, rstd, *gradient(dy, x, gamma, mean, rstd)):
            bits.update(np.ascontiguousarray(result).tobytes())
    images, channels = x.reshape(61, 8, 3, 43), gamma[:8]
    y, mean, rstd = fb.ops.group_norm(images, 4, channels)
    for result in (y, *fb.ops.group_norm_backward(images, images, channels, mean, rstd)):
        bits.update(result.tobytes())
    y, _, rstd = fb.ops.rms_norm(x, gamma)
    noisy = np.empty_like(x)
    _program.Program([(61, 1, [_rows.Noise(x, noisy, 0.5, 1)])], 61).run(0, 61)
    for result in (y, *fb.ops.rms_norm_backward(dy, x, gamma, rstd), fb.ops.alpha_dropout(x, 0.5, 1), noisy):
        bits.update(result.tobytes())
print(bits.hexdigest())
"""


@pytest.mark.skipif(len(BUILT) < 3, reason="one ISA with FMA on this CPU")
def test_normalisation_gives_the_same_bits_on_every_isa_with_fma():
    assert len({output_of(NORMS, FASTBP_ISA=isa) for isa in BUILT if isa != "x86-64"}) == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_dropped_is_0_whatever_it_was_and_what_is_kept_stays_nan(dtype):
    mask = kept((300,), 0.5, 1, 0)
    for value in (np.nan, np.inf, -np.inf, np.finfo(dtype).max):
        y = fb.ops.dropout(np.full(300, value, dtype), 0.5, 1)
        np.testing.assert_array_equal(y[~mask], 0)
        np.testing.assert_array_equal(y[mask], np.full(mask.sum(), value * np.inf))
        dropped = fb.ops.alpha_dropout(np.full(300, value, dtype), 0.375, 1)[~kept((300,), 0.375, 1, 0)]
        np.testing.assert_allclose(dropped, ALPHA_SCALE * FLOOR * (1 - 0.375), rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "function",
    [fb.ops.dropout, fb.ops.dropout_backward, fb.ops.alpha_dropout, fb.ops.alpha_dropout_backward],
)
def test_a_rate_of_0_copies(function, dtype):
    x = np.array([np.nan, np.inf, -0.0, 0.0, 1.1, np.finfo(dtype).max], dtype)
    y = function(x, 0, 3)
    assert y is not x
    np.testing.assert_array_equal(y, x)


def test_a_rate_just_below_1_keeps_next_to_nothing():
    y = fb.ops.dropout(np.ones(1000), 1 - 2.0**-40, 3)
    assert (y == 0).all()


@pytest.mark.parametrize("columns", [False, True])
def test_in_a_program_every_step_draws_a_mask_of_its_own_for_its_batch(columns):
    x, y = np.ones((60, 33)), np.empty((8, 33))
    want = [fb.ops.dropout(np.ones((8, 33)), 0.5, 3, 20 + (step << 66)) for step in range(5, 13)]
    op = _rows.Dropout(y, y, 2**31, 3, 20, 2.0)
    if columns:
        op.share_columns()
    op.bind(x, got := np.empty((60, 33)))
    _program.Program([(2, 1, [op])], 8).run(0, 60, step=5)
    np.testing.assert_array_equal(got, np.concatenate(want)[:60])


def test_blocks_of_a_batch_depend_on_its_rows_alone_and_are_few():
    assert [_norm.blocks(rows) for rows in (1, 16, 17, 256, 512, 513, 10**6)] == [1, 1, 2, 16, 32, 31, 32]


# ---- what is refused

ONES, ROW = np.ones((3, 4)), np.ones(4)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: fb.ops.batch_norm(ROW), ValueError, r"expected x with shape \(rows, columns\), got \(4,\)"),
        (lambda: fb.ops.batch_norm(ONES, ONES[0, :3]), ValueError, r"expected gamma with shape \(4,\), got \(3,\)"),
        (lambda: fb.ops.batch_norm(ONES, ROW.astype("f4")), TypeError, "expected gamma of dtype float64"),
        (lambda: fb.ops.batch_norm(ONES, None, ONES), ValueError, r"expected beta with shape \(4,\), got \(3, 4\)"),
        (lambda: fb.ops.batch_norm(ONES, epsilon=0), ValueError, r"epsilon as a finite number in \(0, inf\), got 0"),
        (lambda: fb.ops.batch_norm(ONES, momentum=2), ValueError, "momentum as a finite number .*got 2"),
        (lambda: fb.ops.batch_norm(ONES, training=False), ValueError, "expected running_mean and running_variance"),
        (lambda: fb.ops.batch_norm(ONES, running_mean=ROW), ValueError, "expected running_mean and running_variance"),
        (
            lambda: fb.ops.batch_norm(ONES, running_mean=ROW.copy(), running_variance=[1.0] * 4),
            TypeError,
            "expected running_variance as a float32 or float64 array",
        ),
        (
            lambda: fb.ops.batch_norm(ONES, running_mean=ROW, running_variance=ROW),
            ValueError,
            "expected running_mean and running_variance not to overlap",
        ),
        (
            lambda: fb.ops.batch_norm(x := ONES.copy(), running_mean=x[0], running_variance=ROW.copy()),
            ValueError,
            "expected running_mean not to overlap",
        ),
        (
            lambda: fb.ops.batch_norm(ONES, running_mean=np.broadcast_to(1.0, 4), running_variance=ROW),
            ValueError,
            "expected running_mean to be writeable",
        ),
        (lambda: fb.ops.batch_norm(x := ONES.copy(), out=x[::-1]), ValueError, "expected out not to overlap"),
        (
            lambda: fb.ops.batch_norm_backward(ONES, ONES[:2], None, ROW, ROW),
            ValueError,
            r"expected x .*dy, \(3, 4\), got \(2, 4\)",
        ),
        (
            lambda: fb.ops.batch_norm_backward(ONES, ONES, None, ROW[:3], ROW),
            ValueError,
            r"expected mean with shape \(4,\), got \(3,\)",
        ),
        (
            lambda: fb.ops.batch_norm(ONES, running_mean=ROW, running_variance=-ROW, training=False),
            ValueError,
            "expected running_variance of at least 0, got -",
        ),
        (lambda: fb.ops.layer_norm(1.0), ValueError, "expected x with at least one axis"),
        (lambda: fb.ops.layer_norm(ONES, ROW[:2]), ValueError, r"expected gamma with shape \(4,\)"),
        (lambda: fb.ops.layer_norm(ONES, epsilon=np.nan), ValueError, "expected epsilon as a finite number"),
        (
            lambda: fb.ops.layer_norm_backward(ONES, ONES, None, ROW, ROW[:3]),
            ValueError,
            r"expected mean with shape \(3,\), got \(4,\)",
        ),
        (lambda: fb.ops.rms_norm(ONES, out=np.ones((4, 3))), ValueError, r"expected out as a float64 .*\(3, 4\)"),
        (lambda: fb.ops.group_norm(ROW, 2), ValueError, r"expected x with shape \(batch, channels, ...\), got \(4,\)"),
        (lambda: fb.ops.group_norm(ONES, 3), ValueError, "expected groups to divide the 4 channels, got 3"),
        (lambda: fb.ops.group_norm(ONES, 0), ValueError, "groups as a whole number of at least 1, got 0"),
        (lambda: fb.ops.group_norm(ONES, 2.0), TypeError, "groups as a whole number, got 2.0"),
        (
            lambda: fb.ops.group_norm_backward(ONES, ONES, None, np.ones((3, 3)), np.ones((3, 3))),
            ValueError,
            r"expected rstd with shape \(3, groups\), groups a divisor of 4, got \(3, 3\)",
        ),
        (lambda: fb.ops.dropout(ONES, 1.0, 1), ValueError, r"rate as a finite number in \[0, 1\), got 1.0"),
        (lambda: fb.ops.dropout(ONES, -0.1, 1), ValueError, "rate as a finite number .*got -0.1"),
        (lambda: fb.ops.alpha_dropout(ONES, np.nan, 1), ValueError, "rate as a finite number .*got nan"),
        (lambda: fb.ops.dropout(ONES, 0.5, -1), ValueError, r"seed as a whole number from 0 to 2\*\*64 - 1, got -1"),
        (lambda: fb.ops.dropout(ONES, 0.5, 2**64), ValueError, "seed as a whole number from 0"),
        (lambda: fb.ops.dropout(ONES, 0.5, 0.5), TypeError, "seed as a whole number, got 0.5"),
        (
            lambda: fb.ops.dropout(ONES, 0.5, 1, -1),
            ValueError,
            r"offset as a whole number from 0 to 2\*\*130 - 1, got -1",
        ),
        (lambda: fb.ops.dropout(ONES + 1j, 0.5, 1), TypeError, "expected x of real numbers"),
        (lambda: fb.ops.dropout_backward(["a"], 0.5, 1), TypeError, "expected dy of real numbers"),
        (lambda: fb.ops.random_bits(-1, 1), ValueError, "n as a whole number of at least 0, got -1"),
    ],
)
def test_bad_input_of_norms_and_dropout_is_refused_with_what_was_expected(call, error, says):
    with pytest.raises(error, match=says):
        call()
