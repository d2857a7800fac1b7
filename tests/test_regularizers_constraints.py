"""Penalties for the size of weights, and what is done to weights after an update."""

import numpy as np
import pytest

import fastbp as fb
from fastbp import constraints, regularizers
from fastbp._core import _penalty, _vectors
from fastbp._core._program import run_op

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(48, 7)), RNG.normal(size=(48, 2))


def make(optimizer="sgd", units=5, **options):
    fb.utils.set_random_seed(1)
    model = fb.Sequential([fb.Input((7,), dtype="float64"), fb.Dense(units, "tanh", **options), fb.Dense(2)])
    model.compile(optimizer, "mse")
    return model


# -- kernels


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("n", [1, 15, 16, 17, 1000, 16384, 40001])
def test_the_penalty_of_a_weight_is_l1_times_absolutes_plus_l2_times_squares(n, dtype):
    w = RNG.normal(size=n).astype(dtype)
    totals = np.full((1, _vectors.blocks(n)), 0.5)
    run_op(_penalty.Penalty(w, totals, 0.3, 0.7), 6, 1e9)
    exact = w.astype("f8")
    want = 6 * (0.3 * np.abs(exact).sum() + 0.7 * (exact**2).sum()) + 0.5 * totals.size
    np.testing.assert_allclose(totals.sum(), want, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(("l1", "l2"), [(0.25, 0.0), (0.0, 0.5), (0.25, 0.5)])
def test_the_gradient_of_a_penalty_is_added(dtype, l1, l2):
    g, w = RNG.normal(size=(2, 5, 11)).astype(dtype)
    w[0, :3] = 0, np.inf if not l2 else 1, -0.0
    out = np.empty_like(g)
    run_op(_vectors.VectorMap(g, out, "penalty", l1, l2, w), 1, 100)
    want = g.astype("f8") + l1 * np.sign(w.astype("f8")) + (l2 * w.astype("f8") if l2 else 0)
    np.testing.assert_allclose(out, want, rtol=1e-6 if dtype == "f4" else 1e-14, atol=1e-7)


def limited(w, low, high, rate, axis):
    norms = np.sqrt((w**2).sum(axis=axis, keepdims=True))
    nearest = np.clip(norms, low, high)
    factor = (rate * nearest + (1 - rate) * norms) / (norms + 1e-7)
    return np.where(nearest == norms, w, w * factor)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (65, 130), (200, 7), (7, 200), (9,)])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("work", [1, 1e9])
def test_norms_are_limited_along_an_axis_by_the_formula(dtype, shape, axis, work):
    if axis == 1 and len(shape) == 1:
        return
    w = (RNG.normal(size=shape) * RNG.uniform(0, 1, shape[-1:])).astype(dtype)
    got = w.copy()
    run_op(_penalty.LimitNorms(got, 0.8, 2.0, 0.7, axis), 1, work)
    np.testing.assert_allclose(got, limited(w.astype("f8"), 0.8, 2.0, 0.7, axis), rtol=1e-6 if dtype == "f4" else 1e-13)


def test_norms_inside_the_interval_stay_to_the_last_bit_and_nan_stays_nan():
    w = RNG.normal(size=(6, 5)).astype("f4")
    np.testing.assert_array_equal(constraints.MaxNorm(100.0)(w), w)
    w[2, 3] = np.nan
    got = constraints.UnitNorm()(w)
    assert np.isnan(got[2, 3])
    np.testing.assert_allclose(np.linalg.norm(got[:, :3].astype("f8"), axis=0), 1, rtol=1e-6)
    np.testing.assert_array_equal(constraints.UnitNorm()(np.zeros((3, 2))), np.zeros((3, 2)))


def test_constraints_as_functions_leave_their_argument_alone():
    w = np.array([[-1.0, 2.0], [3.0, -4.0]])
    np.testing.assert_array_equal(constraints.NonNeg()(w), [[0, 2], [3, 0]])
    np.testing.assert_allclose(constraints.UnitNorm(axis=1)(w), w / np.linalg.norm(w, axis=1, keepdims=True))
    np.testing.assert_array_equal(w, [[-1, 2], [3, -4]])


# -- penalties in models


def penalty(model, l1, l2):
    w = model.get_weights()[0]
    return l1 * np.abs(w).sum() + l2 * (w**2).sum()


KINDS = {
    "l1": (0.01, 0.0),
    "l2": (0.0, 0.01),
    regularizers.L1L2(0.02, 0.03): (0.02, 0.03),
    "l1_l2": (0.0, 0.0),
}


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_penalty_is_in_the_loss_of_training_and_evaluation_and_in_the_gradients(kind):
    l1, l2 = KINDS[kind]
    model, plain = make(kernel_regularizer=kind), make()
    np.testing.assert_array_equal(model.get_weights()[0], plain.get_weights()[0])
    assert model.evaluate(X, Y) == pytest.approx(plain.evaluate(X, Y) + penalty(model, l1, l2), rel=1e-12)
    report = fb.testing.check_gradients(model, X, Y)
    assert report.ok, report
    w = model.get_weights()[0]
    want = plain.gradients(X, Y)["dW1"] + l1 * np.sign(w) + 2 * l2 * w
    np.testing.assert_allclose(model.gradients(X, Y)["dW1"], want, rtol=1e-12)
    # what a step reports is from before its update, as the data's loss is
    loss = model.evaluate(X, Y)
    assert model.train_on_batch(X, Y) == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(model.get_weights()[0], w - 0.01 * want, rtol=1e-12)


def test_the_loss_of_an_epoch_is_the_mean_over_its_rows_of_what_each_step_reports():
    model, twin = make("adam", kernel_regularizer="l2"), make("adam", kernel_regularizer="l2")
    steps = [(twin.train_on_batch(X[a : a + 20], Y[a : a + 20]), len(X[a : a + 20])) for a in (0, 20, 40)]
    want = sum(loss * rows for loss, rows in steps) / 48
    history = model.fit(X, Y, batch_size=20, shuffle=False, verbose=0)
    assert history.history["loss"] == pytest.approx([want], rel=1e-12)
    np.testing.assert_array_equal(model.get_weights()[0], twin.get_weights()[0])


def test_the_penalty_is_beside_the_weighted_losses_of_several_outputs_and_not_in_any():
    x = fb.Input((7,), dtype="float64")
    hidden = fb.Dense(4, "tanh", kernel_regularizer=regularizers.L2(0.5), name="hidden")(x)
    model = fb.Model(x, [fb.Dense(2, name="a")(hidden), fb.Dense(2, name="b")(hidden)])
    model.compile("sgd", "mse", loss_weights=[0.2, 3.0])
    logs = model.evaluate(X, [Y, Y], return_dict=True)
    size = 0.5 * (model.get_weights()[0] ** 2).sum()
    assert logs["loss"] == pytest.approx(0.2 * logs["a_loss"] + 3 * logs["b_loss"] + size)
    assert fb.testing.check_gradients(model, X, [Y, Y]).ok


def test_a_shared_weight_has_one_penalty_and_a_frozen_one_none():
    a, b = fb.Input((7,), dtype="float64"), fb.Input((7,), dtype="float64")
    shared = fb.Dense(2, kernel_regularizer="l2")
    model = fb.Model([a, b], fb.layers.Add()([shared(a), shared(b)]))
    model.compile("sgd", "mse")
    base = ((model.predict([X, X]) - Y) ** 2).mean()
    assert model.evaluate([X, X], Y) == pytest.approx(base + penalty(model, 0, 0.01))
    assert fb.testing.check_gradients(model, [X, X], Y).ok
    shared.trainable = False
    model.compile("sgd", "mse")
    assert model.evaluate([X, X], Y) == pytest.approx(base)


def test_a_model_without_regularizers_has_no_op_for_them_and_one_with_shows_it():
    assert "penalty" not in make().program("train").describe()
    text = make("adam", kernel_regularizer="l2").program("train").describe()
    assert "Σ l2 = accumulate(l2(W1))" in text
    assert "W1 ← adam(W1, dW1 + l2'(W1))" in text
    assert len(make().program("train").phases) == len(make(kernel_regularizer="l2").program("train").phases)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop", "lion"])
def test_penalties_and_decay_together_give_the_step_of_the_whole_gradient(optimizer):
    """The penalty is in the gradient before the optimizer sees it; weight decay is not."""
    model, plain = make(optimizer, kernel_regularizer="l2"), make(optimizer)
    w = plain.get_weights()[0]
    gradient = plain.gradients(X, Y)["dW1"] + 0.02 * w
    rate = model.optimizer.learning_rate
    model.train_on_batch(X, Y)
    if optimizer == "sgd":
        want = w - rate * gradient
    elif optimizer == "lion":
        want = w - rate * np.sign(gradient)
    elif optimizer == "rmsprop":
        want = w - rate * gradient / np.sqrt(0.1 * gradient**2 + 1e-7)
    else:
        decayed = w * (1 - rate * 0.004) if optimizer == "adamw" else w
        step = rate * np.sqrt(1 - 0.999) / (1 - 0.9)
        want = decayed - step * 0.1 * gradient / (np.sqrt(0.001 * gradient**2) + 1e-7)
    np.testing.assert_allclose(model.get_weights()[0], want, rtol=1e-9, atol=1e-12)


# -- constraints in models


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", sorted(constraints.CONSTRAINTS))
def test_weights_fulfil_their_constraint_after_every_step(name, optimizer):
    rule = constraints.get(name)
    model = make(fb.optimizers.get(optimizer), kernel_constraint=name, bias_constraint=name)
    free = make(fb.optimizers.get(optimizer))
    for first in (0, 16, 32):
        free.set_weights(model.get_weights())
        free.train_on_batch(X[first : first + 16], Y[first : first + 16])
        model.train_on_batch(X[first : first + 16], Y[first : first + 16])
        kernel, bias = model.get_weights()[:2]
        if optimizer == "sgd":  # no state that the two could differ in
            np.testing.assert_allclose(kernel, rule(free.get_weights()[0]), rtol=1e-12)
            np.testing.assert_allclose(bias, rule(free.get_weights()[1]), rtol=1e-12)
        np.testing.assert_allclose(rule(kernel), kernel, rtol=1e-6)
        np.testing.assert_allclose(rule(bias), bias, rtol=1e-3)  # of a norm near 0, the 1e-7 is a part


@pytest.mark.parametrize("threads", [2, 3])
def test_penalties_and_constraints_have_the_same_bits_on_any_number_of_threads(threads):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 100)), rng.normal(size=(300, 2))

    def train(count):
        fb.set_num_threads(count)
        fb.utils.set_random_seed(3)
        options = {"kernel_regularizer": regularizers.L1L2(1e-4, 1e-3), "bias_regularizer": "l2"}
        options |= {"kernel_constraint": constraints.MaxNorm(1.0), "bias_constraint": "non_neg"}
        model = fb.Sequential(
            [fb.Input((100,)), fb.Dense(300, "relu", **options), fb.Dense(300, **options), fb.Dense(2)]
        )
        model.compile("adam", "mse")
        assert model.program("train", 64).threads >= 3
        history = model.fit(x, y, epochs=2, batch_size=64, verbose=0).history["loss"]
        return [*history, model.evaluate(x, y), *np.concatenate([w.ravel() for w in model.get_weights()])]

    before = fb.get_num_threads()
    try:
        np.testing.assert_array_equal(train(1), train(threads))
    finally:
        fb.set_num_threads(before)


# -- options


@pytest.mark.parametrize("table", [regularizers, constraints])
def test_objects_come_back_from_their_configuration(table):
    names = table.REGULARIZERS if table is regularizers else table.CONSTRAINTS
    for name in names:
        found = table.get(name)
        again = table.get(found.get_config())
        assert vars(again) == vars(found)
        assert type(again) is type(found)
    assert table.get(None) is None


def test_a_layer_comes_back_from_its_configuration():
    layer = fb.Dense(3, kernel_regularizer="l1", bias_constraint=constraints.MaxNorm(3.0), trainable=False)
    again = fb.Dense(**{k: v for k, v in layer.get_config().items()})
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: regularizers.L2(-1), ValueError, "l2 as a finite number"),
        (lambda: regularizers.L1("x"), TypeError, "l1 as a number"),
        (lambda: fb.Dense(3, kernel_regularizer="l3"), ValueError, "unknown regularizer 'l3'"),
        (lambda: fb.Dense(3, kernel_regularizer=0.01), TypeError, "regularizer as a name or of type Regularizer"),
        (lambda: fb.Dense(3, kernel_constraint=max), TypeError, "constraint as a name or of type Constraint"),
        (lambda: fb.Dense(3, kernel_constraint="maxnorm"), ValueError, "did you mean 'max_norm'"),
        (lambda: constraints.MaxNorm(-1), ValueError, "max_value as a finite number"),
        (lambda: constraints.MaxNorm(axis=2), ValueError, "axis as 0 or 1"),
        (lambda: constraints.MinMaxNorm(2.0, 1.0), ValueError, "max_value"),
        (lambda: constraints.MinMaxNorm(rate=0), ValueError, "rate"),
        (
            lambda: fb.Dense(3, bias_constraint=constraints.MaxNorm(axis=1), input_shape=(2,)).build((2,)),
            ValueError,
            r"2 axes for max_norm, got \(3,\)",
        ),
    ],
)
def test_wrong_options_are_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


# -- with what else optimizers do


def test_norms_are_clipped_and_means_are_taken_of_gradients_with_penalties():
    model, plain = make(kernel_regularizer="l2"), make()
    gradients = plain.gradients(X, Y)
    w = model.get_weights()[0]
    whole = gradients["dW1"] + 0.02 * w
    model.compile(fb.optimizers.SGD(1.0, clipnorm=0.01), "mse")
    model.train_on_batch(X, Y)
    np.testing.assert_allclose(model.get_weights()[0], w - 0.01 * whole / np.linalg.norm(whole), rtol=1e-9)
    model.set_weights(plain.get_weights())
    model.compile(fb.optimizers.SGD(1.0, gradient_accumulation_steps=2), "mse")
    model.train_on_batch(X, Y)
    np.testing.assert_array_equal(model.get_weights()[0], w)
    model.train_on_batch(X, Y)
    np.testing.assert_allclose(model.get_weights()[0], w - whole, rtol=1e-9)


def test_a_constraint_rests_in_steps_without_an_update():
    model = make(kernel_constraint="unit_norm")
    model.compile(fb.optimizers.SGD(0.1, gradient_accumulation_steps=3), "mse")
    before = model.get_weights()[0]
    for _ in range(2):
        model.train_on_batch(X, Y)
        np.testing.assert_array_equal(model.get_weights()[0], before)
    model.train_on_batch(X, Y)
    np.testing.assert_allclose(np.linalg.norm(model.get_weights()[0], axis=0), 1, rtol=1e-6)
