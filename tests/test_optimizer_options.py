"""What every optimizer can do besides its rule: decay, clipping, multipliers, averages of weights, accumulation."""

import copy
import itertools

import numpy as np
import pytest
from test_optimizers import PAIRS

import fastbp as fb
from fastbp.optimizers import SGD, Adam

NAMES = ["first/kernel", "first/bias", "second/kernel", "second/bias"]
ALL = {
    "learning_rate": fb.schedules.CosineDecay(0.1, 40),
    "weight_decay": 0.25,
    "global_clipnorm": 0.05,
    "use_ema": True,
    "ema_momentum": 0.75,
    "ema_overwrite_frequency": 3,
    "gradient_accumulation_steps": 2,
    "learning_rate_multipliers": {"first": 0.5, "first/bias": 2.0},
}
CASES = {
    "decay": {"weight_decay": 0.25},
    "value": {"clipvalue": 0.02},
    "norm": {"clipnorm": 0.05},
    "norm, of some": {"clipnorm": 0.2},
    "norm of all": {"global_clipnorm": 0.05},
    "accumulation": {"gradient_accumulation_steps": 3},
    "accumulation and norm": {"gradient_accumulation_steps": 3, "clipnorm": 0.05},
    "accumulation and value": {"gradient_accumulation_steps": 2, "clipvalue": 0.02},
    "multipliers": {"learning_rate_multipliers": {"second": 0.25, "first/kernel": 3.0}},
    "frozen": {"learning_rate_multipliers": {"first": 0, "second/bias": 0.5}},
    "frozen and norm": {"learning_rate_multipliers": {"first": 0.0}, "global_clipnorm": 0.05},
    "average": {"use_ema": True, "ema_momentum": 0.75},
    "average, overwriting": {"use_ema": True, "ema_momentum": 0.75, "ema_overwrite_frequency": 3},
    "all": ALL,
}


def make_model(optimizer, width=(6, 8, 3), dtype="float64"):
    fb.utils.set_random_seed(3)
    columns, hidden, outputs = width
    first, second = fb.Dense(hidden, "tanh", name="first"), fb.Dense(outputs, name="second")
    model = fb.Sequential([fb.Input((columns,), dtype=dtype), first, second])
    model.compile(optimizer, "mse")
    return model


def draw(rows, columns=6, outputs=3, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, columns)).astype(dtype), rng.normal(size=(rows, outputs)).astype(dtype)


def bits(arrays):
    return b"".join(array.tobytes() for array in arrays)


class ByHand:
    """SGD with momentum and the options, in plain NumPy: the weights after each batch, and their averages."""

    def __init__(self, weights, momentum, **options):
        self.momentum, self.batches = momentum, 0
        self.velocity = [np.zeros_like(w) for w in weights]
        self.average = [w.copy() for w in weights]
        self.sum = [np.zeros_like(w) for w in weights]
        self.options = {"learning_rate": 0.1, **options}

    def step(self, weights, gradients):
        group = self.options.get("gradient_accumulation_steps", 1)
        self.batches += 1
        self.sum = [total + g for total, g in zip(self.sum, gradients, strict=True)]
        if self.batches % group:
            return weights
        means, self.sum = [total / group for total in self.sum], [np.zeros_like(w) for w in weights]
        update = self.batches // group
        factors = [self.multiplier(name) for name in NAMES]
        clipped = iter(self.clipped([g for g, factor in zip(means, factors, strict=True) if factor]))
        new = [
            self.changed(i, w, next(clipped), factor, update) if factor else w
            for i, (w, factor) in enumerate(zip(weights, factors, strict=True))
        ]
        every = self.options.get("ema_overwrite_frequency")
        if not self.options.get("use_ema"):
            return new
        keep = self.options["ema_momentum"] if update > 1 else 0
        self.average = [keep * a + (1 - keep) * w for a, w in zip(self.average, new, strict=True)]
        return [a.copy() for a in self.average] if every and update % every == 0 else new

    def multiplier(self, name):
        given = self.options.get("learning_rate_multipliers", {})
        return given.get(name, given.get(name.split("/")[0], 1.0))

    def clipped(self, gradients):
        if value := self.options.get("clipvalue"):
            return [np.clip(g, -value, value) for g in gradients]
        if limit := self.options.get("clipnorm"):
            return [g * min(1, limit / np.linalg.norm(g)) for g in gradients]
        if limit := self.options.get("global_clipnorm"):
            norm = np.sqrt(sum((g**2).sum() for g in gradients))
            return [g * min(1, limit / norm) for g in gradients]
        return gradients

    def changed(self, i, w, g, factor, update):
        rate = factor * fb.schedules.get(self.options["learning_rate"])(update - 1)
        w = w - rate * self.options.get("weight_decay", 0) * w
        self.velocity[i] = self.momentum * self.velocity[i] - rate * g
        return w + self.velocity[i]


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize("name", CASES)
def test_every_step_equals_plain_numpy(name, momentum):
    options = {"learning_rate": 0.1, **CASES[name]}
    model = make_model(SGD(momentum=momentum, **options))
    weights = model.get_weights()
    by_hand = ByHand(weights, momentum, **options)
    for step in range(12):
        x, y = draw(5, seed=step)
        trace = model.gradients(x, y)
        gradients = [trace[key] for key in ("dW1", "db1", "dW2", "db2")]
        weights = by_hand.step(weights, gradients)
        model.train_on_batch(x, y)
        for got, want in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)
    assert model.optimizer.batches == 12
    assert model.optimizer.iterations == 12 // options.get("gradient_accumulation_steps", 1)
    if options.get("use_ema"):
        with model.averaged_weights():
            for got, want in zip(model.get_weights(), by_hand.average, strict=True):
                np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


class Listener(fb.callbacks.Callback):
    """Has epochs run one by one, in chunks."""

    def on_chunk(self, steps, logs):
        pass


def trained(optimizer, how, threads, dtype="float32"):
    """Weights and averages of a model large enough for two threads and for several blocks of a norm."""
    fb.set_num_threads(threads)
    model = make_model(optimizer, (300, 128, 3), dtype)
    x, y = draw(7 * 50 + 9, 300, dtype=dtype)
    if how == "step by step":
        for _, i in itertools.product(range(4), range(0, len(x), 50)):
            model.train_on_batch(x[i : i + 50], y[i : i + 50])
    else:
        for epochs in (1, 4) if how == "two fits" else (4,):
            callbacks = [Listener()] if how == "in chunks" else []
            first = len(model.history.epoch) if model.history else 0
            model.fit(x, y, 50, epochs, shuffle=False, verbose=0, initial_epoch=first, callbacks=callbacks)
    fb.set_num_threads(None)
    assert model.optimizer.batches == 32
    return bits([*model.get_weights(), *model.optimizer.state])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("make", [SGD, Adam])
def test_the_bits_depend_neither_on_threads_nor_on_how_steps_are_run(make, name):
    want = trained(make(**CASES[name]), "in laps", 1)
    for how in ("in laps", "in chunks", "two fits", "step by step"):
        assert trained(make(**CASES[name]), how, 2) == want, how
    assert trained(make(**CASES[name]), "in laps", 3) == want


@pytest.mark.parametrize("name", PAIRS)
def test_an_option_that_does_nothing_changes_no_bit(name):
    make, _, _ = PAIRS[name]
    x, y = draw(40)

    def weights(**options):
        model = make_model(make(**options))
        model.fit(x, y, batch_size=8, epochs=4, shuffle=False, verbose=0)
        return bits(model.get_weights())

    want = weights()
    for options in (
        *({"clipvalue": 1e30}, {"clipnorm": 1e30}, {"global_clipnorm": 1e30}, {"use_ema": True}),
        *({"learning_rate_multipliers": {}}, {"learning_rate_multipliers": {"first": 1}}),
    ):
        assert weights(**options) == want, options


@pytest.mark.parametrize("name", PAIRS)
def test_every_optimizer_goes_half_as_far_with_half_a_multiplier(name):
    make, _, _ = PAIRS[name]
    half = make(learning_rate_multipliers={"first": 0.5, "second": 0.5})
    slow = make()
    slow.learning_rate = half.learning_rate / 2
    x, y = draw(40)
    models = [make_model(optimizer) for optimizer in (half, slow)]
    for model in models:
        model.fit(x, y, batch_size=8, epochs=4, shuffle=False, verbose=0)
    assert bits(models[0].get_weights()) == bits(models[1].get_weights())


@pytest.mark.parametrize("limit", [{"clipnorm": 0.03125}, {"global_clipnorm": 0.03125}])
@pytest.mark.parametrize("name", PAIRS)
def test_every_optimizer_is_clipped_by_a_norm(name, limit):
    make, function, numbered = PAIRS[name]
    model = make_model(make(**limit))
    optimizer, weights = model.optimizer, model.get_weights()
    states = [[np.full_like(w, optimizer.start) for _ in range(optimizer.slots)] for w in weights]
    for step in range(1, 5):
        x, y = draw(6, seed=step)
        trace = model.gradients(x, y)
        gradients = [trace[key] for key in ("dW1", "db1", "dW2", "db2")]
        if "clipnorm" in limit:
            gradients = [fb.ops.clip_by_norm(g, 0.03125) for g in gradients]
        else:
            fb.ops.clip_by_global_norm(gradients, 0.03125)
        model.train_on_batch(x, y)
        for w, g, state, got in zip(weights, gradients, states, model.get_weights(), strict=True):
            function(w, g, *state, *([step] if numbered else []))
            np.testing.assert_allclose(got, w, rtol=0, atol=1e-13)
            w[...] = got


@pytest.mark.parametrize("name", PAIRS)
def test_accumulated_batches_are_one_large_batch_to_rounding(name):
    make, _, _ = PAIRS[name]
    x, y = draw(60)
    small, large = make_model(make(gradient_accumulation_steps=4)), make_model(make())
    small.fit(x, y, batch_size=5, epochs=5, shuffle=False, verbose=0)
    large.fit(x, y, batch_size=20, epochs=5, shuffle=False, verbose=0)
    assert small.optimizer.iterations == large.optimizer.iterations == 15
    for a, b in zip(small.get_weights(), large.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


def test_the_mean_of_equal_gradients_is_that_gradient():
    x, y = draw(8)
    twice, once = make_model(SGD(0.1, gradient_accumulation_steps=2)), make_model(SGD(0.1))
    for _ in range(3):
        twice.train_on_batch(x, y)
        twice.train_on_batch(x, y)
        once.train_on_batch(x, y)
    assert bits(twice.get_weights()) == bits(once.get_weights())


def test_a_nan_in_one_mean_is_forgotten_in_the_next():
    x, y = draw(8)
    model = make_model(SGD(0.0, gradient_accumulation_steps=2))
    model.train_on_batch(np.full_like(x, np.nan), y)
    assert np.isfinite(bits_to_array(model.get_weights())).all()
    model.train_on_batch(x, y)
    model.set_weights([np.ones_like(w) for w in model.get_weights()])
    model.optimizer.learning_rate = 0.1
    model.train_on_batch(x, y)
    model.train_on_batch(x, y)
    assert np.isfinite(bits_to_array(model.get_weights())).all()


def bits_to_array(arrays):
    return np.concatenate([array.ravel() for array in arrays])


def test_training_goes_on_where_state_and_batches_were_put_back():
    x, y = draw(35)
    whole, parts, twin = (make_model(Adam(**ALL)) for _ in range(3))
    whole.fit(x, y, batch_size=5, epochs=2, shuffle=False, verbose=0)
    parts.fit(x, y, batch_size=5, epochs=1, shuffle=False, verbose=0)
    twin.program()  # makes the state
    twin.set_weights(parts.get_weights())
    for array, saved in zip(twin.optimizer.state, parts.optimizer.state, strict=True):
        array[...] = saved
    twin.optimizer.batches = parts.optimizer.batches
    twin.fit(x, y, batch_size=5, epochs=1, shuffle=False, verbose=0)
    assert bits(twin.get_weights()) == bits(whole.get_weights())
    assert bits(twin.optimizer.state) == bits(whole.optimizer.state)


def test_measuring_a_program_leaves_means_and_averages_as_they_were():
    x, y = draw(5)
    model = make_model(Adam(use_ema=True, gradient_accumulation_steps=3, global_clipnorm=1.0))
    for _ in range(4):
        model.train_on_batch(x, y)
    before = bits([*model.get_weights(), *model.optimizer.state])
    model.program("train", 5).describe(profile=True)
    assert bits([*model.get_weights(), *model.optimizer.state]) == before


# ---- what programs are made of


def listing(optimizer):
    return make_model(optimizer, (784, 128, 10), "float32").program().describe()


@pytest.mark.parametrize(
    "options",
    [
        *({}, {"clipvalue": 1.0}, {"weight_decay": 0.1}, {"use_ema": True}),
        *({"learning_rate": fb.schedules.CosineDecay(0.1, 100)}, {"learning_rate_multipliers": {"first": 0.5}}),
    ],
)
def test_gradients_stay_in_the_cache_unless_a_norm_or_a_mean_is_wanted(options):
    kernel = "adamw" if "weight_decay" in options else "adam"
    assert f"dW1 = A0ᵀ dZ1, W1 ← {kernel}(W1, dW1)" in listing(Adam(**options))


def test_the_listing_shows_norms_and_means():
    text = listing(Adam(global_clipnorm=1.0, gradient_accumulation_steps=4))
    assert "mean dW1 = mean of dW1 over 4 steps" in text
    assert "W1 ← adam(W1, clip(mean dW1))" in text


def test_nothing_is_computed_for_layers_that_are_multiplied_by_zero():
    text = listing(Adam(learning_rate_multipliers={"first": 0}))
    assert "dW1" not in text
    assert "dZ1" not in text
    assert "W2 ← adam(W2, dW2)" in text


def test_a_model_of_which_nothing_may_change_still_reports_its_loss():
    model = make_model(Adam(learning_rate_multipliers={"first": 0, "second": 0}, global_clipnorm=1.0))
    before, (x, y) = bits(model.get_weights()), draw(9)
    loss = model.fit(x, y, epochs=2, verbose=0).history["loss"]
    assert loss[0] == pytest.approx(model.evaluate(x, y))
    assert bits(model.get_weights()) == before


# ---- averages


def test_averaged_weights_are_there_for_a_while_also_after_an_error():
    x, y = draw(20)
    model = make_model(Adam(0.1, use_ema=True, ema_momentum=0.5, learning_rate_multipliers={"first/bias": 0}))
    model.fit(x, y, epochs=5, verbose=0)
    raw, outputs = bits(model.get_weights()), model.predict(x)
    model.layers[0].weights[1].value[...] = 7.0  # does not train, and has no average
    outputs = model.predict(x)
    with model.averaged_weights():
        averages = bits(model.get_weights())
        assert averages != raw
        assert (model.get_weights()[1] == 7).all()
        assert not np.array_equal(model.predict(x), outputs)
        with pytest.raises(RuntimeError, match="to be idle"):
            model.fit(x, y, verbose=0)
    assert np.array_equal(model.predict(x), outputs)
    with pytest.raises(KeyError), model.averaged_weights():
        raise KeyError
    assert np.array_equal(model.predict(x), outputs)
    model.optimizer.finalize_variable_values()
    assert bits(model.get_weights()) == averages


def test_a_model_saved_with_averaged_weights_has_these_and_nothing_of_the_training(tmp_path):
    x, y = draw(20)
    model = make_model(Adam(0.1, use_ema=True, ema_momentum=0.5))
    model.fit(x, y, epochs=5, verbose=0)
    with model.averaged_weights():
        averages = bits(model.get_weights())
        model.save(tmp_path / "averages")
        twin = copy.deepcopy(model)
    for saved in (fb.load(tmp_path / "averages"), twin):
        assert bits(saved.get_weights()) == averages
        assert (saved.progress, saved.optimizer.iterations) == (None, 0)
        assert saved.fit(x, y, epochs=2, verbose=0, resume=True).epoch == [0, 1]
    model.save(tmp_path / "training")
    assert fb.load(tmp_path / "training").optimizer.iterations == 5


def test_averages_leave_alone_what_gradients_do_not_change():
    fb.utils.set_random_seed(3)
    layers = [fb.Dense(4, trainable=False, name="frozen"), fb.layers.BatchNormalization(name="norm"), fb.Dense(3)]
    model = fb.Sequential([fb.Input((6,)), *layers])
    model.compile(Adam(0.1, use_ema=True), "mse")
    model.fit(*draw(40), epochs=3, verbose=0)
    kept = [variable for variable in model.weights if not variable.trainable]
    assert [v.path for v in kept] == ["frozen/kernel", "frozen/bias", "norm/moving_mean", "norm/moving_variance"]
    before, learned = bits(v.numpy() for v in kept), bits(v.numpy() for v in model.trainable_weights)
    with model.averaged_weights():
        assert bits(v.numpy() for v in kept) == before
        assert bits(v.numpy() for v in model.trainable_weights) != learned
    model.optimizer.finalize_variable_values()
    assert bits(v.numpy() for v in kept) == before


def test_the_average_of_a_layer_that_is_unfrozen_starts_at_its_weights():
    first = fb.Dense(1, use_bias=False, kernel_initializer="ones", trainable=False)
    model = fb.Sequential([fb.Input((1,)), first, fb.Dense(1)])
    model.compile(SGD(1e-6, use_ema=True), "mse")
    x, y = np.ones((64, 1)), np.ones(64)
    model.fit(x, y, verbose=0)
    first.trainable = True
    model.fit(x, y, verbose=0)
    with model.averaged_weights():
        assert model.get_weights()[0] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("optimizer", [SGD(), SGD(use_ema=True), None])
def test_there_are_no_averages_before_an_update(optimizer):
    model = make_model(optimizer) if optimizer else fb.Sequential([fb.Dense(1, input_shape=(1,))])
    with (
        pytest.raises(ValueError, match=r"use_ema=True, got 0 updates of SGD|call .*compile"),
        model.averaged_weights(),
    ):
        pass


# ---- bad input


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"clipnorm": 1.0, "clipvalue": 1.0},
            "at most one of clipnorm, clipvalue and global_clipnorm, got clipnorm, clip",
        ),
        ({"clipnorm": 0}, r"clipnorm as a finite number in \(0, inf\], got 0"),
        ({"clipvalue": float("nan")}, "clipvalue as a finite number"),
        ({"global_clipnorm": -1}, "global_clipnorm as a finite number"),
        ({"weight_decay": -1}, "weight_decay as a finite number"),
        ({"ema_momentum": 1.5}, "ema_momentum as a finite number"),
        ({"ema_overwrite_frequency": 0}, "ema_overwrite_frequency as a whole number of at least 1"),
        ({"gradient_accumulation_steps": 1}, "gradient_accumulation_steps as a whole number of at least 2, got 1"),
        ({"learning_rate_multipliers": {"first": -1}}, r"learning_rate_multipliers\['first'\] as a finite number"),
    ],
)
@pytest.mark.parametrize("name", fb.optimizers.OPTIMIZERS)
def test_wrong_options_are_refused_by_every_optimizer(name, options, words):
    with pytest.raises(ValueError, match=words):
        fb.optimizers.OPTIMIZERS[name](**options)


def test_an_option_that_is_not_known_is_refused():
    with pytest.raises(TypeError, match="clip_norm"):
        Adam(clip_norm=1.0)


def test_a_flag_that_is_a_number_is_refused():
    with pytest.raises(TypeError, match="use_ema as True or False, got 1"):
        Adam(use_ema=1)


def test_multipliers_that_are_no_dict_are_refused():
    with pytest.raises(TypeError, match=r"learning_rate_multipliers as a dict of names to factors, got \[0.5\]"):
        Adam(learning_rate_multipliers=[0.5])


@pytest.mark.parametrize("key", ["third", "fir", "first/gamma", ""])
def test_a_multiplier_of_a_layer_that_is_not_there_is_refused(key):
    model = make_model(SGD(learning_rate_multipliers={key: 0.5}))
    before = bits(model.get_weights())
    says = f"expected learning_rate_multipliers of layers first, second, got '{key}'"
    with pytest.raises(ValueError, match=says):
        model.fit(*draw(5), verbose=0)
    assert bits(model.get_weights()) == before


def test_options_come_back_from_a_configuration():
    optimizer = Adam(**ALL)
    twin = fb.optimizers.get(optimizer.get_config())
    assert twin.get_config() == optimizer.get_config()
    assert repr(twin) == repr(optimizer)
    assert type(optimizer).from_config(optimizer.get_config()).learning_rate == optimizer.learning_rate
