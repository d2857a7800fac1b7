"""Updates, their options, clipping and the gather beyond the grid: ten steps, edges, layouts, bad input."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from references import Draw
from references_update import ADAM, CALLS, WITH, nadam_of_step, with_options

import fastbp as fb
from fastbp._core import _kernels

DTYPES = ("float32", "float64")


def arrays_for(states, shape=(7, 5), dtype="float64"):
    """Weight, and zeros for its state."""
    return Draw(0).normal(*shape).astype(dtype), [np.zeros(shape, dtype) for _ in range(states)]


# ---- ten steps


@pytest.mark.parametrize("name", [name for name in CALLS if "step" not in CALLS[name][1]])
@pytest.mark.parametrize("options", [{}, WITH], ids=["plain", "options"])
def test_ten_steps_equal_a_loop_in_numpy(name, options):
    function, constants, rule, count = CALLS[name]
    w, states = arrays_for(count)
    expected = w.copy(), *(s.copy() for s in states)
    rule = with_options(rule) if options else rule
    for step in range(10):
        g = Draw(step).normal(*w.shape)
        function(w, g, *states, **constants, **options)
        expected = rule(expected[0], g, *expected[1:])
    for got, want in zip((w, *states), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("step", [1, 2, 10, 1000, 100_000])
def test_nadam_follows_its_schedule_of_momentum_at_any_step(step):
    w, states = arrays_for(2)
    states[1] += 1
    g = Draw(1).normal(*w.shape)
    want = nadam_of_step(w, g, *states, step)
    fb.ops.nadam(w, g, *states, **ADAM | {"step": step})
    np.testing.assert_allclose(w, want[0], rtol=1e-12)


# ours: constants; PyTorch's optimizer and its constants. Epsilon is 0 where PyTorch adds it at another place.
PEERS = {
    "sgd": ({"learning_rate": 0.1}, "SGD", {"lr": 0.1}, 0),
    "sgd, l2": ({"learning_rate": 0.1, "l2": 0.25}, "SGD", {"lr": 0.1, "weight_decay": 0.25}, 0),
    "momentum": ({"learning_rate": 0.1}, "SGD", {"lr": 0.1, "momentum": 0.9}, 1),
    "momentum, nesterov": (
        {"learning_rate": 0.1, "nesterov": True},
        "SGD",
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
        1,
    ),
    "adam": ({"epsilon": 0}, "Adam", {"eps": 0}, 2),
    "adamw": ({"epsilon": 0, "weight_decay": 0.5}, "AdamW", {"eps": 0, "weight_decay": 0.5}, 2),
    "amsgrad": ({"epsilon": 0}, "Adam", {"eps": 0, "amsgrad": True}, 3),
    "nadam": ({"epsilon": 1e-3}, "NAdam", {"lr": 1e-3, "eps": 1e-3, "momentum_decay": 1.0}, 2),
    "adagrad": ({"learning_rate": 0.1, "epsilon": 0}, "Adagrad", {"lr": 0.1, "eps": 0}, 1),
    "adadelta": ({"learning_rate": 1.0, "epsilon": 1e-6}, "Adadelta", {"lr": 1.0, "rho": 0.95, "eps": 1e-6}, 2),
    "rmsprop": ({"epsilon": 0}, "RMSprop", {"lr": 1e-3, "alpha": 0.9, "eps": 0}, 1),
    "rmsprop, all": (
        {"epsilon": 0, "centered": True, "momentum": 0.5},
        "RMSprop",
        {"lr": 1e-3, "alpha": 0.9, "eps": 0, "centered": True, "momentum": 0.5},
        3,
    ),
}


@pytest.mark.parametrize("name", PEERS)
def test_ten_steps_equal_those_of_pytorch(name):
    torch = pytest.importorskip("torch")
    constants, peer, theirs, count = PEERS[name]
    function = getattr(fb.ops, name.split(",")[0])
    w, states = arrays_for(count)
    parameter = torch.nn.Parameter(torch.tensor(w))
    optimizer = getattr(torch.optim, peer)([parameter], **theirs)
    named = dict(zip(("average", "velocity"), states[1:], strict=True)) if name == "rmsprop, all" else {}
    for step in range(1, 11):
        g = Draw(step).normal(*w.shape)
        if function in (fb.ops.adam, fb.ops.adamw, fb.ops.amsgrad, fb.ops.nadam):
            constants = constants | {"step": step}
        function(w, g, *(states[:1] if named else states), **constants, **named)
        parameter.grad = torch.tensor(g)
        optimizer.step()
    exact = 1e-12 if name != "nadam" else 1e-8  # PyTorch keeps the product of its momenta in float32
    np.testing.assert_allclose(w, parameter.detach().numpy(), rtol=exact, atol=1e-14)


# ---- options, one by one


@pytest.mark.parametrize("dtype", DTYPES)
def test_options_that_are_off_leave_infinite_weights_and_nan_alone(dtype):
    w = np.array([np.inf, -np.inf, np.nan, 1.0], dtype)
    g = np.array([1.0, 1.0, 1.0, np.nan], dtype)
    want = w - g / 2
    np.testing.assert_array_equal(fb.ops.sgd(w.copy(), g, 0.5), want)
    np.testing.assert_array_equal(fb.ops.sgd(w.copy(), g, 0.5, clip_value=9.0), want)
    np.testing.assert_array_equal(fb.ops.sgd(w.copy(), g, 0.5, l1=1e-30)[[2, 3]], [np.nan, np.nan])
    np.testing.assert_array_equal(fb.ops.sgd(w.copy(), g, 0.5, l1=1.0)[:2], [np.inf, -np.inf])


def test_clip_value_cuts_infinite_gradients_and_keeps_nan():
    g = np.array([np.inf, -np.inf, np.nan, 0.5, -0.0])
    np.testing.assert_array_equal(fb.ops.sgd(np.zeros(5), g, 1.0, clip_value=2.0), [-2, 2, np.nan, -0.5, 0])
    np.testing.assert_array_equal(fb.ops.sgd(np.zeros(5), g, 1.0, clip_value=0.0), [0, 0, np.nan, 0, 0])


def test_a_weight_of_zero_has_no_l1_penalty():
    np.testing.assert_array_equal(fb.ops.sgd(np.array([0.0, 2.0, -2.0]), np.zeros(3), 1.0, l1=0.5), [0, 1.5, -1.5])


def test_weight_decay_is_not_rounded_away_in_float32():
    w = fb.ops.adamw(*np.ones((1, 9), "f4"), np.zeros(9, "f4"), *np.zeros((2, 9), "f4"), 1, 1e-5, weight_decay=1e-2)
    np.testing.assert_array_equal(w, np.float32(1 - 1e-7))


# ---- values at the edges


def test_adam_without_epsilon_is_nan_where_there_was_never_a_gradient():
    w, m, v = np.ones(3), np.zeros(3), np.zeros(3)
    fb.ops.adam(w, np.array([0.0, 1.0, 0.0]), m, v, 1, epsilon=0)
    np.testing.assert_array_equal(np.isnan(w), [True, False, True])


def test_amsgrad_and_lion_keep_nan():
    w, m, v, v_max = np.ones((4, 3))
    v[0], v_max[1] = np.nan, np.nan
    fb.ops.amsgrad(w, np.ones(3), m, v, v_max, 1)
    np.testing.assert_array_equal(np.isnan(w), [True, True, False])
    np.testing.assert_array_equal(np.isnan(v_max), [True, True, False])
    w = fb.ops.lion(np.ones(3), np.array([np.nan, np.inf, -0.0]), np.zeros(3), 0.5)
    np.testing.assert_array_equal(w, [np.nan, 0.5, 1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_centered_variance_is_never_negative(dtype):
    w, v, average = (np.zeros(1000, dtype) for _ in range(3))
    g = abs(Draw(0).normal(1000)).astype(dtype) * 1000
    for _ in range(300):  # v goes to g², and the average to g
        fb.ops.rmsprop(w, g, v, rho=0.5, centered=True, average=average)
    assert np.isfinite(w).all()


@pytest.mark.parametrize("name", CALLS)
def test_updates_of_nothing_scalars_and_many_axes_work(name):
    function, constants, rule, count = CALLS[name]
    for shape in ((0,), (0, 3), (), (1,), (2, 3, 4)):
        w, *states = (np.ones(shape) for _ in range(count + 1))
        want = rule(w.copy(), w.copy(), *(s.copy() for s in states))
        assert function(w, np.ones(shape), *states, **constants) is w
        np.testing.assert_allclose(w, want[0], rtol=1e-12)


# ---- layouts


def layouts(array):
    """Writeable arrays of these numbers, each in other strides."""
    yield array.copy()
    yield np.asfortranarray(array)
    for outer, key in (
        (np.zeros((14, 16)), np.s_[::2, :5]),
        (np.zeros((7, 15)), np.s_[:, ::3]),
        (np.zeros((7, 5)), np.s_[::-1, ::-1]),
        (np.zeros((5, 9)).T, np.s_[:7]),
    ):
        outer[key][...] = array
        yield outer[key]
    yield np.require(array.astype(array.dtype.newbyteorder("S")), requirements="W")


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop, centered, momentum"])
def test_weight_state_and_gradient_may_have_any_strides_and_the_bits_stay(name):
    function, constants, _, count = CALLS[name]
    draw = Draw(0)
    w, g, *states = draw.normal(7, 5), draw.normal(7, 5), *(abs(draw.normal(7, 5)) for _ in range(count))
    want = [w.copy(), *(s.copy() for s in states)]
    function(want[0], g, *want[1:], **constants)
    native = len(list(layouts(w))) - 1
    for i in range(native + 1):
        for j in {0, i} if i < native else {native}:
            for k in {0, 3} if i < native else {native}:
                places = [list(layouts(w))[i], *(list(layouts(s))[j] for s in states)]
                assert function(places[0], list(layouts(g))[k], *places[1:], **constants) is places[0]
                for got, wanted in zip(places, want, strict=True):
                    np.testing.assert_array_equal(got, wanted)


def test_what_lies_between_the_elements_of_a_weight_stays():
    block = np.full((6, 8), 7.0)
    fb.ops.sgd(block[::2, 1:6:2], np.ones((3, 3)), 1.0)
    want = np.full((6, 8), 7.0)
    want[::2, 1:6:2] = 6
    np.testing.assert_array_equal(block, want)


def test_interleaved_weight_and_state_do_not_overlap():
    block = np.zeros((2, 10))
    w, velocity = block[:, ::2], block[:, 1::2]
    fb.ops.momentum(w, np.ones((2, 5)), velocity, 1.0)
    np.testing.assert_array_equal(block, -1)


# ---- clipping and averages


@pytest.mark.parametrize("dtype", DTYPES)
def test_clip_by_value_cuts_as_numpy_does(dtype):
    x = np.array([np.nan, np.inf, -np.inf, 3.0, -3.0, 0.25, -0.0], dtype)
    for low, high in ((-1, 1), (0, np.inf), (-np.inf, 0.5), (2, 2)):
        for shift in range(17):
            g = np.resize(np.roll(x, shift), 37)
            np.testing.assert_array_equal(fb.ops.clip_by_value(g, low, high), np.clip(g, low, high))


def test_clipping_works_in_place_and_on_scalars_and_nothing():
    g = np.array([[3.0, 0.0], [0.0, 4.0]])
    assert fb.ops.clip_by_norm(g, 1.0, out=g) is g
    np.testing.assert_allclose(g, [[0.6, 0], [0, 0.8]])
    assert fb.ops.clip_by_value(g[::-1, ::-1], 0, 0.7, out=g[::-1, ::-1])[0, 0] == 0.7
    assert fb.ops.clip_by_value(5, 0, 2) == 2.0
    assert fb.ops.clip_by_norm(np.zeros((0, 3)), 1.0).shape == (0, 3)
    assert fb.ops.clip_by_norm(np.zeros(3), 1.0).tolist() == [0, 0, 0]
    assert fb.ops.global_norm([]) == fb.ops.global_norm([np.zeros(0)]) == 0
    assert fb.ops.clip_by_global_norm([], 1.0) == 0


def test_a_gradient_within_its_norm_stays_bit_for_bit():
    g = Draw(0).normal(40).astype("f4")
    np.testing.assert_array_equal(fb.ops.clip_by_norm(g, 1e3), g)
    np.testing.assert_array_equal(fb.ops.clip_by_norm(g, fb.ops.global_norm([g])), g)


def test_norms_of_huge_float32_do_not_overflow_and_of_nan_are_nan():
    big = np.full(9, 3e38, "f4")
    np.testing.assert_allclose(fb.ops.global_norm([big]), 9e38, rtol=1e-7)
    np.testing.assert_allclose(fb.ops.clip_by_norm(big, 3.0), 1, rtol=1e-6)
    assert np.isnan(fb.ops.clip_by_norm(np.array([1.0, np.nan]), 1.0)).all()
    np.testing.assert_array_equal(fb.ops.clip_by_norm(np.array([1.0, np.inf]), 1.0), [0, np.nan])


def test_the_global_norm_is_the_same_bits_in_any_strides_and_on_any_number_of_threads():
    g = Draw(0).normal(1031, 3001).astype("f4")
    norms = set()
    for threads in (1, 2, 3):
        fb.set_num_threads(threads)
        norms |= {fb.ops.global_norm([view]) for view in (g, np.asfortranarray(g), np.repeat(g, 2, axis=1)[:, ::2])}
    fb.set_num_threads(None)
    assert len(norms) == 1
    np.testing.assert_allclose(norms.pop(), np.linalg.norm(g.astype("f8")), rtol=1e-13)


def test_clip_by_global_norm_takes_any_strides_and_both_types():
    base = Draw(0).normal(8, 9)
    places = [base[::2, ::-3], Draw(1).normal(5).astype("f4"), np.asfortranarray(Draw(2).normal(3, 4))]
    before = [g.copy() for g in places]
    norm = fb.ops.clip_by_global_norm(places, 0.5)
    np.testing.assert_allclose(fb.ops.global_norm(places), 0.5, rtol=1e-6)
    for got, want in zip(places, before, strict=True):
        np.testing.assert_allclose(got, want * (0.5 / norm), rtol=1e-6)


def test_ema_takes_any_strides_and_its_ends():
    block = Draw(0).normal(6, 8)
    before, x = block.copy(), Draw(1).normal(3, 4)
    assert np.shares_memory(fb.ops.ema(block[::2, ::2], x, 0.25), block)
    np.testing.assert_allclose(block[::2, ::2], 0.25 * before[::2, ::2] + 0.75 * x, rtol=1e-14)
    block[::2, ::2] = before[::2, ::2]
    np.testing.assert_array_equal(block, before)
    np.testing.assert_array_equal(fb.ops.ema(block, before * 2, 1.0), before)
    np.testing.assert_array_equal(fb.ops.ema(block, before * 2, 0.0), before * 2)


# ---- the gather


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("source", ["u1", "u2", "i4", "f4", "f8"])
def test_gather_reads_every_type_in_every_layout_with_constants_of_columns(source, dtype):
    rng = np.random.default_rng(0)
    whole = source in ("u1", "u2", "i4")
    x = rng.integers(0, np.iinfo(source).max, (61, 33)).astype(source) if whole else rng.normal(size=(61, 33))
    x = x.astype(source)
    index, scale, shift = rng.integers(0, 61, 100), rng.normal(size=33), rng.normal(size=33)
    swapped = x.astype(x.dtype.newbyteorder("S"))
    for view in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x[::-1, ::-1][::-1, ::-1], swapped):
        got = fb.ops.gather_rows(view, index, scale, shift, dtype=dtype)
        s, t = scale.astype(dtype), shift.astype(dtype)
        np.testing.assert_array_equal(got, x[index].astype(dtype) * s + t)
        np.testing.assert_array_equal(fb.ops.gather_rows(view, index, 0.5, dtype=dtype), x[index].astype(dtype) / 2)
        got = fb.ops.gather_rows(view, index, shift=2.0, dtype=dtype)
        np.testing.assert_array_equal(got, x[index].astype(dtype) + np.dtype(dtype).type(2))


def test_gather_gives_the_smallest_real_type_that_holds_all_values():
    for source, result in (("u1", "f4"), ("u2", "f4"), ("i4", "f8"), ("f4", "f4"), ("f8", "f8")):
        assert fb.ops.gather_rows(np.ones((2, 3), source), [0]).dtype == result
    assert fb.ops.gather_rows(np.full((1, 1), 2**31 - 1, "i4"), [0])[0, 0] == 2**31 - 1


def test_gather_reads_memory_maps_records_and_read_only_arrays(tmp_path):
    x = np.arange(60, dtype=np.uint16).reshape(12, 5)
    np.save(tmp_path / "x.npy", x)
    index = [11, 0, 0, 5]
    views = np.broadcast_to(x[0], (12, 5)), np.lib.stride_tricks.as_strided(x, (4, 5), (0, 2))
    for mapped in (np.load(tmp_path / "x.npy", mmap_mode="r"), *views):
        rows = [i % len(mapped) for i in index]
        np.testing.assert_array_equal(fb.ops.gather_rows(mapped, rows), np.asarray(mapped)[rows])
    table = np.zeros(12, [("byte", "u1"), ("values", "u2", 5)])
    table["values"] = x
    np.testing.assert_array_equal(fb.ops.gather_rows(table["values"], index), x[index])


@pytest.mark.parametrize("index", [[], [2], np.array([1, 1], np.uint8), np.array([0], np.uint64), range(3)])
def test_gather_takes_any_integers_for_an_index(index):
    x = Draw(0).normal(3, 4)
    out = np.empty((len(index), 4))
    assert fb.ops.gather_rows(x, index, out=out) is out
    np.testing.assert_array_equal(out, x[np.asarray(index, int)])


# ---- bad input

W = partial(np.ones, (3, 4))
SHIFTED = np.lib.stride_tricks.sliding_window_view(np.ones(6), 4, writeable=True)


def read_only():
    array = W()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: fb.ops.sgd(W(), W(), -0.1), ValueError, "learning_rate as a finite number .*got -0.1"),
        (lambda: fb.ops.sgd(W(), W(), np.inf), ValueError, "learning_rate as a finite number .*got inf"),
        (lambda: fb.ops.sgd(W(), W(), l2=np.nan), ValueError, "l2 as a finite number .*got nan"),
        (lambda: fb.ops.sgd(W(), W(), l1=-1.0), ValueError, "l1 as a finite number .*got -1"),
        (lambda: fb.ops.sgd(W(), W(), weight_decay=-1.0), ValueError, "weight_decay as a finite number"),
        (lambda: fb.ops.sgd(W(), W(), clip_value=np.nan), ValueError, "clip_value of at least 0, got nan"),
        (lambda: fb.ops.sgd(W(), W(), clip_value=-1), ValueError, "clip_value of at least 0, got -1"),
        (lambda: fb.ops.sgd(W(), W(), decay=0.5), TypeError, "decay"),
        (
            lambda: fb.ops.momentum(W(), W(), W(), momentum=1.5),
            ValueError,
            r"momentum as a finite number in \[0, 1\], got 1.5",
        ),
        (lambda: fb.ops.adam(W(), W(), W(), W(), 1, epsilon=-1.0), ValueError, "epsilon as a finite number"),
        (lambda: fb.ops.adam(W(), W(), W(), W(), 1, epsilon=np.nan), ValueError, "epsilon as a finite number"),
        (
            lambda: fb.ops.adam(W(), W(), W(), W(), 1, beta_1=np.nan),
            ValueError,
            r"beta_1 as a finite number in \[0, 1\), got nan",
        ),
        (lambda: fb.ops.adam(W(), W(), W(), W(), 10**400), ValueError, "step as a whole number from 1 to"),
        (lambda: fb.ops.nadam(W(), W(), W(), W(), 0), ValueError, "step as a whole number from 1 to .*got 0"),
        (lambda: fb.ops.amsgrad(W(), W(), W(), W(), W()[:2], 1), ValueError, r"v_max as float64 \(3, 4\), as w, got"),
        (lambda: fb.ops.adadelta(W(), W(), W(), W(), rho=1.0), ValueError, "rho as a finite number .*got 1"),
        (lambda: fb.ops.rmsprop(W(), W(), W(), momentum=0.5), ValueError, "expected velocity where momentum is not 0"),
        (lambda: fb.ops.rmsprop(W(), W(), W(), centered=True), ValueError, "an average where centered is True"),
        (lambda: fb.ops.rmsprop(W(), W(), W(), centered=1), TypeError, "centered as True or False"),
        (lambda: fb.ops.sgd(W()[:, :1], W()[:, 0]), ValueError, r"g with the shape of w, \(3, 1\), got \(3,\)"),
        (lambda: fb.ops.rmsprop(W(), W(), W(), average=W()), ValueError, "no average where centered is False"),
        (lambda: fb.ops.sgd([1.0], [1.0]), TypeError, r"expected w as a float32 or float64 array, got \[1.0\]"),
        (lambda: fb.ops.sgd(W().astype(int), W()), TypeError, "expected w as a float32 or float64 array, got int64"),
        (lambda: fb.ops.sgd(read_only(), W()), ValueError, "expected w to be writeable"),
        (lambda: fb.ops.momentum(W(), W(), read_only()), ValueError, "expected velocity to be writeable"),
        (lambda: fb.ops.momentum(W(), W(), W().astype("f4")), ValueError, "velocity as float64 .*got float32"),
        (lambda: fb.ops.sgd(W(), W().T), ValueError, r"g with the shape of w, \(3, 4\), got \(4, 3\)"),
        (lambda: fb.ops.sgd(W(), W().astype("f4")), TypeError, "expected g of dtype float64"),
        (lambda: fb.ops.sgd(SHIFTED, W()), ValueError, "expected w with each element in a place of its own"),
        (lambda: fb.ops.clip_by_value(W(), 2, 1), ValueError, "low to be at most high, got 2.0 and 1.0"),
        (lambda: fb.ops.clip_by_value(W(), np.nan, 1), ValueError, "low to be at most high"),
        (lambda: fb.ops.clip_by_norm(W(), 0.0), ValueError, "max_norm as a finite number .*got 0"),
        (lambda: fb.ops.clip_by_norm(W(), 1.0, out=np.ones(3)), ValueError, "expected out as a float64"),
        (lambda: fb.ops.clip_by_global_norm([W()], np.inf), ValueError, "max_norm as a finite number"),
        (
            lambda: fb.ops.clip_by_global_norm([W(), [1.0]], 1.0),
            TypeError,
            r"gradients\[1\] as a float32 or float64 array",
        ),
        (lambda: fb.ops.clip_by_global_norm([read_only()], 1.0), ValueError, r"gradients\[0\] to be writeable"),
        (lambda: fb.ops.clip_by_global_norm([SHIFTED, SHIFTED], 1.0), ValueError, "gradients not to overlap"),
        (lambda: fb.ops.global_norm([["a"]]), TypeError, r"gradients\[0\] of real numbers"),
        (lambda: fb.ops.ema([1.0], [1.0], 0.5), TypeError, "average as a float32 or float64 array"),
        (lambda: fb.ops.ema(read_only(), W(), 0.5), ValueError, "writeable"),
        (lambda: fb.ops.ema(W(), W(), 1.5), ValueError, "decay as a finite number .*got 1.5"),
        (lambda: fb.ops.ema(SHIFTED, SHIFTED, 0.5), ValueError, "overlap"),
        (lambda: fb.ops.gather_rows(W(), [[0, 1]]), ValueError, r"index with shape \(rows,\), got \(1, 2\)"),
        (lambda: fb.ops.gather_rows(W(), [True]), TypeError, "index as integers, got dtype bool"),
        (lambda: fb.ops.gather_rows(W(), np.array([2**63], np.uint64)), IndexError, "index from 0 to 2"),
        (lambda: fb.ops.gather_rows(W()[:0], [0]), IndexError, "index of no rows, since there are none"),
        (lambda: fb.ops.gather_rows(W(), [0], [1.0, 2.0]), ValueError, r"scale with shape \(4,\) or \(\), got \(2,\)"),
        (lambda: fb.ops.gather_rows(W(), [0], shift=[1.0] * 5), ValueError, "shift with shape"),
        (lambda: fb.ops.gather_rows(W(), [0], "a"), TypeError, "scale of real numbers"),
        (lambda: fb.ops.gather_rows(W().astype(int), [0]), TypeError, "x of dtype float32, float64, uint8, uint16"),
        (lambda: fb.ops.gather_rows(W()[0], [0]), ValueError, r"x with shape \(rows, columns\), got \(4,\)"),
        (lambda: fb.ops.gather_rows(W(), [0], dtype="i4"), TypeError, "dtype float32 or float64, got int32"),
        (lambda: fb.ops.gather_rows(W(), [0], out=np.ones((2, 4))), ValueError, "expected out as a float64"),
        (lambda: fb.ops.gather_rows(x := W(), [0], out=x[:1]), ValueError, "out not to overlap"),
    ],
)
def test_bad_input_is_refused_with_what_was_expected(call, error, says):
    with pytest.raises(error, match=says):
        call()


@pytest.mark.parametrize("name", ["momentum", "amsgrad", "rmsprop, centered, momentum"])
def test_an_update_refuses_arrays_that_overlap_in_any_layout_and_changes_nothing(name):
    function, constants, _, count = CALLS[name]
    for first in range(count + 2):
        for second in range(first + 1, count + 2):
            block = np.arange(120.0).reshape(10, 12)
            arrays = [np.ones((5, 6)) for _ in range(count + 2)]
            arrays[first], arrays[second] = block[::2, ::2], block[:9:2, :11:2][::-1]
            before = [a.copy() for a in arrays]
            with pytest.raises(ValueError, match="not to overlap"):
                function(arrays[0], arrays[1], *arrays[2:], **constants)
            assert all(map(np.array_equal, arrays, before))


BITS = """
import hashlib, numpy as np, fastbp as fb, references_update as r
rng, bits = np.random.default_rng(1), hashlib.sha256()
for dtype in ("f4", "f8"):
    w, g, *states = (rng.normal(size=(61, 131)).astype(dtype) for _ in range(5))
    states = [abs(s) for s in states]
    for function, constants, _, count in r.CALLS.values():
        for options in ({}, r.WITH):
            places = [a.copy() for a in (w, *states[:count])]
            function(places[0], g, *places[1:], **constants, **options)
            for place in places:
                bits.update(place.tobytes())
    bits.update(np.array([fb.ops.global_norm([w, g])]).tobytes())
    bits.update(fb.ops.ema(w.copy(), g, 0.3).tobytes())
    bits.update(fb.ops.gather_rows(w, np.arange(61), w[0], g[0]).tobytes())
print(bits.hexdigest())
"""


@pytest.mark.filterwarnings("ignore")
def test_updates_give_the_same_bits_on_every_isa_with_fma():
    isas = [isa for isa in _kernels.isa_available() if isa not in ("x86-64", "generic")]
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    found = set()
    for isa in isas:
        environment = os.environ | {"FASTBP_ISA": isa, "PYTHONPATH": path}
        done = subprocess.run(
            [sys.executable, "-c", BITS], env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        found.add(done.stdout)
    assert len(found) <= 1
