"""Layers that train otherwise than they predict, and normalisation: formulas, gradients, masks, averages, bits."""

import json

import numpy as np
import pytest
from references_norm import EPSILON, batch_norm, batch_norm_inference, kept, layer_norm, rms_norm, words

import fastbp as fb
from fastbp._core import _program, _rows
from fastbp.compiler import schedule
from fastbp.layers import (
    Add,
    AlphaDropout,
    BatchNormalization,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    LayerNormalization,
    RMSNormalization,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5)) * [1, 10, 0.1, 1, 1] + [0, 5, 0, -100, 1]
LABELS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 5)
DISTURBANCES = {
    "dropout": lambda: Dropout(0.3),
    "alpha_dropout": lambda: AlphaDropout(0.3),
    "noise": lambda: GaussianNoise(0.3),
    "gaussian_dropout": lambda: GaussianDropout(0.3),
}
NORMS = {
    "batch": BatchNormalization,
    "batch, no beta": lambda: BatchNormalization(center=False),
    "batch, no gamma": lambda: BatchNormalization(scale=False),
    "batch, neither": lambda: BatchNormalization(center=False, scale=False),
    "layer": LayerNormalization,
    "layer, no beta": lambda: LayerNormalization(center=False),
    "layer, no gamma": lambda: LayerNormalization(scale=False),
    "rms": RMSNormalization,
}
LAYERS = DISTURBANCES | NORMS


def model_of(*layers, dtype="float64", optimizer=None, loss="crossentropy", columns=5):
    fb.utils.set_random_seed(5)
    model = fb.Sequential([fb.Input((columns,), dtype=dtype), *layers])
    model.compile(optimizer or fb.optimizers.Adam(0.01), loss)
    return model


def disturb_weights(model):
    rng = np.random.default_rng(1)
    model.set_weights([w + 0.1 * rng.uniform(size=w.shape) for w in model.get_weights()])


def same(ours, theirs):
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


# ---- gradients


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("place", ["before", "behind", "first", "last"])
def test_gradients_agree_with_central_differences(name, place):
    layer, hidden = LAYERS[name](), fb.Dense(8)
    layers = {
        "before": [hidden, layer, fb.Activation("gelu"), fb.Dense(3, "softmax")],
        "behind": [hidden, fb.Activation("tanh"), layer, fb.Dense(3, "softmax")],
        "first": [layer, hidden, fb.Activation("tanh"), fb.Dense(3, "softmax")],
        "last": [hidden, fb.Activation("tanh"), fb.Dense(3), layer],
    }[place]
    model = model_of(*layers, loss="mse" if place == "last" else "crossentropy")
    disturb_weights(model)
    before = model.get_weights()
    report = fb.testing.check_gradients(model, X, RNG.normal(size=(40, 3)) if place == "last" else LABELS)
    assert report.ok, report
    assert same(model.get_weights(), before)


def test_gradients_of_layers_called_twice_agree_with_central_differences():
    dropout, norm, row = Dropout(0.4), BatchNormalization(), LayerNormalization()
    a, b = fb.Input((5,), dtype="float64"), fb.Input((5,), dtype="float64")
    sides = [fb.Activation("tanh")(dropout(row(norm(side)))) for side in (a, b)]
    model = fb.Model([a, b], fb.Dense(3, "softmax")(Add()(sides)))
    model.compile("sgd", "crossentropy")
    report = fb.testing.check_gradients(model, [X, X[::-1].copy()], LABELS)
    assert report.ok, report
    trace = model.gradients([X, X], LABELS)
    assert not np.array_equal(trace["D1"] == 0, trace["D2"] == 0)
    model.fit([X, X[::-1].copy()], LABELS, epochs=2, batch_size=16, verbose=0)


def test_gradients_of_a_frozen_layer_are_those_of_its_moving_moments():
    norm = BatchNormalization()
    model = model_of(fb.Dense(6), norm, fb.Activation("tanh"), fb.Dense(3, "softmax"))
    disturb_weights(model)
    norm.trainable = False
    model.compile("sgd", "crossentropy")
    report = fb.testing.check_gradients(model, X, LABELS)
    assert report.ok, report
    before = norm.get_weights()
    model.fit(X, LABELS, epochs=2, verbose=0)
    assert same(norm.get_weights(), before)


def changed(model, holder):
    """Which weights of a holder a training changes."""
    before = holder.get_weights()
    model.fit(X, LABELS, epochs=2, verbose=0)
    return [not np.array_equal(*pair) for pair in zip(before, holder.get_weights(), strict=True)]


HOLDERS = {
    "residual": lambda inside: fb.layers.Residual(inside),
    "residual in a residual": lambda inside: fb.layers.Residual([fb.layers.Residual(inside)]),
    "model": lambda inside: fb.Sequential([fb.Input((5,)), *inside]),
    "unbuilt model in a model": lambda inside: fb.Sequential([fb.Input((5,)), fb.Sequential(inside)]),
}


@pytest.mark.parametrize("kind", HOLDERS)
def test_what_holds_layers_trains_and_freezes_all_of_them(kind, tmp_path):
    """Also the moments of a normalisation, which belong to its weights."""
    holder = HOLDERS[kind]([BatchNormalization(), fb.Dense(5)])
    model = model_of(holder, fb.Dense(1), loss="mse", dtype="float32")
    assert holder.trainable
    for flag in (False, True, False):
        holder.trainable = flag
        assert holder.trainable == flag
        assert changed(model, holder) == [flag] * 6
        assert changed(model, model.layers[-1]) == [True, True]
        assert fb.testing.check_gradients(model, X, LABELS).ok
    model.save(tmp_path / "model")
    again = fb.load(tmp_path / "model")
    assert len(again.trainable_weights) == 2


def test_a_weight_trains_if_all_that_hold_it_are_trainable(tmp_path):
    norm = BatchNormalization(trainable=False)
    block = fb.layers.Residual([norm, fb.Dense(4)])
    model = model_of(block, fb.Dense(1), loss="mse")
    assert changed(model, block) == [False, False, False, False, True, True, True]  # the last is the projection
    model.save(tmp_path / "model")
    again = fb.load(tmp_path / "model")
    assert [v.path for v in again.trainable_weights] == [v.path for v in model.trainable_weights]
    block.trainable = True
    assert changed(model, block) == [True] * 7
    block.trainable = False
    norm.trainable = True  # the block still is not
    assert changed(model, block) == [False] * 7


def test_a_residual_made_frozen_is():
    block = fb.layers.Residual([BatchNormalization(), fb.Dense(5)], trainable=False)
    assert changed(model_of(block, fb.Dense(1), loss="mse"), block) == [False] * 6


@pytest.mark.parametrize("name", ["batch", "layer", "rms"])
def test_a_batch_of_one_row_has_gradients(name):
    model = model_of(fb.Dense(8), NORMS[name](), fb.Activation("tanh"), fb.Dense(3, "softmax"))
    trace = model.gradients(X[:1], LABELS[:1])
    assert all(np.isfinite(array).all() for array in trace.values())
    if name == "batch":
        np.testing.assert_array_equal(trace["N1"], 0)
        np.testing.assert_allclose(trace["dZ1"], 0, atol=1e-13)
    model.fit(X[:5], LABELS[:5], batch_size=4, verbose=0)  # the last batch has one row
    assert all(np.isfinite(w).all() for w in model.get_weights())


# ---- formulas

FORMULAS = {
    "batch": lambda x, gamma, beta, *_: batch_norm(x, gamma, beta)[0],
    "layer": lambda x, gamma, beta: layer_norm(x, gamma, beta)[0],
    "rms": lambda x, scale: rms_norm(x, scale)[0],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FORMULAS)
def test_training_computes_the_formula(name, dtype):
    model = model_of(NORMS[name](), dtype=dtype, loss="mse")
    disturb_weights(model)
    got = model.gradients(X, X)["N1"]
    want = FORMULAS[name](X, *(w.astype("f8") for w in model.get_weights()))
    np.testing.assert_allclose(got, want, atol=3e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FORMULAS)
def test_inference_computes_the_formula(name, dtype):
    model = model_of(NORMS[name](), dtype=dtype, loss="mse")
    disturb_weights(model)
    formula = (lambda x, g, b, m, v: batch_norm_inference(x, g, b, m, v)[0]) if name == "batch" else FORMULAS[name]
    want = formula(X, *(w.astype("f8") for w in model.get_weights()))
    for rows in (1, 7, 40):
        np.testing.assert_allclose(model.predict(X[:rows]), want[:rows], rtol=2e-5 if dtype == "float32" else 1e-12)
    assert model.evaluate(X, X) == pytest.approx(((want - X) ** 2).mean(), rel=1e-5)


def test_moving_moments_follow_those_of_the_batches():
    norm = BatchNormalization(momentum=0.9, moving_mean_initializer="ones")
    model = model_of(norm, fb.Dense(3, "softmax"))
    mean, variance = np.ones(5), np.ones(5)
    model.fit(X, LABELS, batch_size=16, epochs=3, shuffle=False, verbose=0)
    for _ in range(3):
        for first in (0, 16, 32):  # the last has eight rows
            batch = X[first : first + 16]
            mean = 0.9 * mean + 0.1 * batch.mean(axis=0)
            variance = 0.9 * variance + 0.1 * batch.var(axis=0)
    np.testing.assert_allclose(norm.get_weights()[2:], [mean, variance], rtol=1e-12)


def test_moving_moments_are_no_trainable_weights_and_only_training_moves_them():
    norm = BatchNormalization()
    model = model_of(norm, fb.Dense(3, "softmax"))
    assert [v.name for v in norm.weights] == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert [v.trainable for v in norm.weights] == [True, True, False, False]
    assert model.count_params() - sum(v.size for v in model.trainable_weights) == 10
    before = norm.get_weights()
    model.evaluate(X, LABELS), model.predict(X), model.gradients(X, LABELS)
    model.program("train", 40).profile()
    assert same(norm.get_weights(), before)


# ---- masks and noise


def test_dropout_has_its_rate_scale_and_mean():
    model = model_of(Dropout(0.3), fb.Dense(1), columns=200, loss="mse")
    dropped = model.gradients(np.ones((500, 200)), np.zeros(500))["D1"]
    assert set(np.unique(dropped.round(12))) == {0.0, round(1 / 0.7, 12)}
    assert (dropped == 0).mean() == pytest.approx(0.3, abs=0.006)
    assert dropped.mean() == pytest.approx(1, abs=0.01)


def test_the_mask_is_that_of_the_layers_seed_the_step_and_the_element_of_the_batch():
    model = model_of(Dropout(0.375, seed=3), fb.Dense(1), loss="mse")
    x = np.ones((7, 5))
    for step in range(3):
        assert model.optimizer.iterations == step
        np.testing.assert_array_equal(model.gradients(x, x[:, 0])["D1"] != 0, kept(x.shape, 0.375, 3, step << 66))
        model.train_on_batch(x, x[:, 0])


def test_two_layers_never_share_a_mask():
    for seeds in ((None, None), (4, 4)):
        model = model_of(*(Dropout(0.5, seed=seed) for seed in seeds), fb.Dense(1), loss="mse", columns=100)
        trace = model.gradients(np.ones((1, 100)), np.zeros(1))
        first, second = trace["D1"][0] != 0, trace["D2"][0] != 0
        assert 0.3 < second[first].mean() < 0.7


def test_alpha_dropout_keeps_mean_and_variance():
    model = model_of(AlphaDropout(0.2), fb.Dense(1), columns=500, loss="mse")
    kept_moments = model.gradients(RNG.normal(size=(400, 500)), np.zeros(400))["D1"]
    assert kept_moments.mean() == pytest.approx(0, abs=0.01)
    assert kept_moments.var() == pytest.approx(1, abs=0.01)


def test_noise_has_its_deviation():
    for layer, x, deviation in ((GaussianNoise(0.5), 3.0, 0.5), (GaussianDropout(0.2), 4.0, 2.0)):
        model = model_of(layer, fb.Dense(1), columns=500, loss="mse")
        noisy = model.gradients(np.full((400, 500), x), np.zeros(400))["D1"]
        assert noisy.mean() == pytest.approx(x, abs=0.02)
        assert noisy.std() == pytest.approx(deviation, rel=0.01)


def normal_of(n, seed=3, offset=7, step=0):
    """The reference of `_rows.Noise`: Box and Muller's formula of the words of two places."""
    place = offset + (step << 66)
    length, angle = (words(n, seed, p) for p in (place, place ^ 1 << 65))
    v = (angle + 0.5) / 2**32 - 0.5
    return np.sqrt(-2 * np.log((length + 0.5) / 2**32)) * np.cos(2 * np.pi * v)


def drawn(n, dtype, columns=False, step=0, **options):
    y = np.zeros((3, n), dtype)
    op = _rows.Noise(y, y, 1.0, 3, 7, **options)
    if columns:
        op.share_columns()
    _program.Program([(1, 2, [op])], 3).run(0, 3, step=step)
    return y


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 17, 1031])
def test_normal_numbers_are_those_of_the_formula(n):
    got = drawn(n, "float64", step=5)
    np.testing.assert_allclose(got.ravel(), normal_of(3 * n, step=5), rtol=0, atol=3e-15)
    np.testing.assert_allclose(drawn(n, "float32", step=5), got, rtol=0, atol=3e-4)
    np.testing.assert_array_equal(drawn(n, "float64", columns=True, step=5), got)


def test_normal_numbers_have_the_normal_distribution_to_its_tails():
    from math import erfc, sqrt

    x = np.concatenate([drawn(1_000_000, "float32", step=step).ravel() for step in range(3)])
    assert x.mean() == pytest.approx(0, abs=2e-3)
    assert x.var() == pytest.approx(1, abs=3e-3)
    for t in (0.5, 1, 2, 3, 4):
        for side in (x > t, x < -t):
            expected = x.size * erfc(t / sqrt(2)) / 2
            assert abs(side.sum() - expected) < 5 * sqrt(expected)
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 3e-3


@pytest.mark.parametrize("name", DISTURBANCES)
def test_prediction_and_evaluation_leave_what_comes_in_alone(name):
    model = model_of(DISTURBANCES[name](), fb.Dense(3, "softmax"))
    (w, b) = model.get_weights()
    z = X @ w + b
    want = np.exp(z - z.max(axis=1, keepdims=True))
    np.testing.assert_allclose(model.predict(X), want / want.sum(axis=1, keepdims=True), rtol=1e-12)
    assert len({model.evaluate(X, LABELS) for _ in range(3)}) == 1
    assert [line.op for line in model.program("predict").profile()] == ["gather", "affine", "softmax"]


def test_a_rate_or_deviation_of_0_is_no_change():
    for layer in (Dropout(0), AlphaDropout(0), GaussianNoise(0), GaussianDropout(0.0)):
        model = model_of(layer, fb.Dense(1), loss="mse")
        np.testing.assert_array_equal(model.gradients(X, X[:, 0])["D1"], X)


# ---- the same bits, however it is run


def trained(threads=2, run=None, dtype="float32", width=32):
    fb.set_num_threads(threads)
    try:
        hidden = [fb.Dense(width), BatchNormalization(), fb.Activation("relu"), Dropout(0.2)]
        more = [fb.Dense(width), LayerNormalization(), fb.Activation("selu"), AlphaDropout(0.1), GaussianNoise(0.1)]
        model = model_of(*hidden, *more, fb.Dense(3, "softmax"), dtype=dtype, columns=300)
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(330, 300)).astype(dtype), rng.integers(0, 3, 330)
        (run or (lambda model, x, y: model.fit(x, y, epochs=4, shuffle=False, verbose=0)))(model, x, y)
        return model.get_weights()
    finally:
        fb.set_num_threads(None)


@pytest.mark.parametrize("threads", [1, 3, 5])
@pytest.mark.parametrize(("dtype", "width"), [("float32", 32), ("float64", 33), ("float32", 200)])
def test_any_number_of_threads_gives_the_same_bits(threads, dtype, width):
    assert same(trained(2, dtype=dtype, width=width), trained(threads, dtype=dtype, width=width))


def test_a_large_batch_gives_the_same_bits_on_any_number_of_threads():
    def run(model, x, y):
        model.fit(x, y, epochs=4, batch_size=160, shuffle=False, verbose=0)

    assert same(trained(1, run), trained(3, run))


def test_step_by_step_epoch_by_epoch_and_in_one_run_are_the_same():
    def steps(model, x, y):
        for _ in range(4):
            for first in range(0, 330, 32):
                model.train_on_batch(x[first : first + 32], y[first : first + 32])

    def epochs(model, x, y):
        for _ in range(4):
            model.fit(x, y, shuffle=False, verbose=0)

    def chunks(model, x, y):
        class Listener(fb.callbacks.Callback):
            def on_chunk(self, steps, logs):
                pass

        model.fit(x, y, epochs=4, shuffle=False, verbose=0, callbacks=Listener())

    assert all(same(trained(), trained(run=run)) for run in (steps, epochs, chunks))


@pytest.mark.parametrize("accumulated", [None, 3])
@pytest.mark.parametrize("name", DISTURBANCES)
def test_gradients_are_those_of_the_next_step_whether_or_not_it_updates(name, accumulated):
    optimizer = fb.optimizers.SGD(0.01, gradient_accumulation_steps=accumulated)
    model = model_of(DISTURBANCES[name](), fb.Dense(1), optimizer=optimizer, loss="mae")
    seen = set()
    for _ in range(5):
        loss = float(model.gradients(X, LABELS)["loss"])
        assert loss == pytest.approx(model.train_on_batch(X, LABELS), rel=1e-12)
        seen.add(loss)
    assert len(seen) == 5


def test_a_seed_of_the_package_decides_the_masks_and_a_drawn_seed_is_in_the_configuration():
    def model():
        return model_of(fb.layers.Residual([Dropout(0.5), fb.Dense(5)]), Dropout(0.5), fb.Dense(1), loss="mse")

    one, other = model(), model()
    first, second = one.layers[0].layers[0].seed, one.layers[1].seed
    assert first != second
    assert (first, second) == (other.layers[0].layers[0].seed, other.layers[1].seed)
    assert json.loads(json.dumps(one.layers[1].get_config()))["seed"] == second
    fb.utils.set_random_seed(6)
    assert Dropout(0.5).seed is None


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_can_be_made_again_from_its_configuration(name):
    layer = LAYERS[name]()
    model_of(layer, fb.Dense(1), loss="mse")
    config = json.loads(json.dumps(layer.get_config()))
    assert type(layer)(**config).get_config() == config


# ---- how it is run


def phases_of(model, batch=32):
    lines = model.program("train", batch).profile()
    return [[line.op for line in lines if line.phase == phase] for phase in range(1, lines[-1].phase + 1)]


def test_dropout_and_row_normalisation_need_no_phase_of_their_own():
    model = model_of(fb.Dense(8), LayerNormalization(), fb.Activation("relu"), Dropout(0.2), fb.Dense(3, "softmax"))
    assert len(phases_of(model)) == 2


def test_a_hidden_layer_with_batch_normalisation_is_one_phase_forward_and_one_back():
    layers = [[fb.Dense(8), BatchNormalization(), fb.Activation("relu"), Dropout(0.2)] for _ in range(2)]
    phases = phases_of(model_of(*layers[0], *layers[1], fb.Dense(3, "softmax")))
    assert phases[1] == phases[2] == ["affine", "batch_norm", "activation", "dropout"]
    assert phases[4][-4:] == ["input_gradient", "dropout", "activation_gradient", "batch_norm_gradient"]
    assert len(phases) == 7


def test_sums_that_are_only_reported_take_no_phase_of_their_own():
    phases = []
    for penalty in (None, fb.regularizers.L2(0.1)):
        model = fb.Sequential([fb.Input((784,)), fb.Dense(128, "relu", kernel_regularizer=penalty), fb.Dense(3)])
        model.compile("adam", "mse")
        phases.append(phases_of(model))
    plain, penalised = phases
    assert "gather" in plain[0], plain
    assert [[op for op in phase if op != "penalty"] for phase in penalised] == plain
    assert any("penalty" in phase for phase in penalised)


@pytest.mark.parametrize("last", [1, 20, 140])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_in_halves_of_a_last_batch_are_those_of_a_batch_by_itself(last, dtype):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(256 + last, 32)).astype(dtype), rng.normal(size=(256 + last, 8)).astype(dtype)
    models = []
    for threads in (1, 2, 3):
        fb.utils.set_random_seed(0)
        model = fb.Sequential([fb.Input((32,), dtype=dtype), fb.Dense(64, "tanh"), fb.Dense(8)])
        model.compile("adam", "mse")
        fb.set_num_threads(threads)
        if threads == 2:
            model.train_on_batch(x[:256], y[:256])
            model.train_on_batch(x[256:], y[256:])
        else:
            model.fit(x, y, batch_size=256, shuffle=False, verbose=0)
        models.append(model)
    fb.set_num_threads(None)
    listings = [models[1].program("train", rows).describe() for rows in (256, last)]
    assert ["halves of A0ᵀ dZ1" in listing for listing in listings] == [True, last == 140]
    for other in models[1:]:
        assert all(np.array_equal(*pair) for pair in zip(models[0].get_weights(), other.get_weights(), strict=True))


class Distance(fb.losses.Loss):
    def value(self, y_true, y_pred):
        return np.abs(y_pred - y_true).sum(axis=1)

    def gradient(self, y_true, y_pred):
        return np.sign(y_pred - y_true)


def test_a_sum_that_an_update_waits_for_does_not_come_last():
    model = model_of(fb.Dense(3, kernel_regularizer="l2"), loss=Distance())
    phases = phases_of(model)
    assert len(phases) == 4, phases
    assert {"weight_gradient", "bias_gradient"} <= set(phases[-1])


HALVES = {
    "penalty": ({"kernel_regularizer": "l2"}, {}),
    "constraint": ({"kernel_constraint": fb.constraints.MaxNorm(0.5)}, {}),
    "average": ({}, {"use_ema": True, "ema_overwrite_frequency": 2}),
    "limit": ({}, {"clipvalue": 1e-3}),
    "decay": ({}, {"weight_decay": 0.1}),
    "multipliers": ({}, {"learning_rate_multipliers": {"first": 0.5, "second/bias": 0}}),
}


@pytest.mark.parametrize("case", HALVES)
@pytest.mark.parametrize("kind", [fb.optimizers.SGD, fb.optimizers.Adam])
def test_gradients_in_halves_train_as_whole_ones_do(kind, case, monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 6)), rng.normal(size=(200, 2))
    options, of_optimizer = HALVES[case]
    trained, listings = [], []
    for products in (1, 1e18):
        monkeypatch.setattr(schedule, "SPLIT_PRODUCTS", products)
        fb.utils.set_random_seed(0)
        layers = [fb.Dense(7, "tanh", name="first", **options), fb.Dense(2, name="second")]
        model = fb.Sequential([fb.Input((6,), dtype="float64"), *layers])
        model.compile(kind(0.01, **of_optimizer), "mse")
        model.fit(x, y, batch_size=64, epochs=3, shuffle=False, verbose=0)
        trained.append(model.get_weights())
        listings.append("halves" in model.program("train", 64).describe())
    assert listings == [True, False]
    for a, b in zip(*trained, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_in_prediction_batch_normalisation_is_in_the_one_phase_by_rows():
    model = model_of(fb.Dense(8), BatchNormalization(), fb.Activation("relu"), fb.Dense(3, "softmax"))
    lines = model.program("predict").profile()
    assert {line.phase for line in lines} == {1}


# ---- what is refused


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Dropout(1), r"expected rate as a finite number in \[0, 1\), got 1"),
        (lambda: Dropout(-0.1), "expected rate"),
        (lambda: AlphaDropout(np.nan), "expected rate"),
        (lambda: GaussianDropout("x"), "expected rate"),
        (lambda: GaussianNoise(-1), "expected stddev"),
        (lambda: Dropout(0.5, seed=-1), "expected seed"),
        (lambda: Dropout(0.5, seed=2**64), "expected seed from 0 to"),
        (lambda: BatchNormalization(momentum=1.1), "expected momentum"),
        (lambda: BatchNormalization(epsilon=0), "expected epsilon"),
        (lambda: LayerNormalization(center=1), "expected center as True or False"),
        (lambda: RMSNormalization(-1), "expected epsilon"),
        (lambda: fb.Sequential([fb.Input((2, 3)), BatchNormalization()]), "put a Flatten before it"),
        (lambda: fb.Sequential([fb.Input((2, 3)), RMSNormalization()]), "put a Flatten before it"),
    ],
)
def test_options_out_of_range_are_refused(make, says):
    with pytest.raises((TypeError, ValueError), match=says):
        make()


def test_epsilon_is_that_of_the_references():
    assert BatchNormalization().epsilon == LayerNormalization().epsilon == EPSILON
