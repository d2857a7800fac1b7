"""Layers and losses that a user writes in NumPy."""

import contextlib
import gc
import threading
import weakref

import numpy as np
import pytest

import fastbp as fb

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 5)), RNG.normal(size=(40, 2))


class Gain(fb.layers.Layer):
    def variables(self, shape):
        self.gain = self.new_weight("gain", shape, "ones")
        self.shift = self.new_weight("shift", shape, "zeros")
        return [self.gain, self.shift]

    def forward(self, x):
        return x * self.gain.value + self.shift.value

    def backward(self, dy, x, y):
        return dy * self.gain.value, (dy * x).sum(axis=0), dy.sum(axis=0)


class Sine(fb.layers.Layer):
    def forward(self, x):
        return np.sin(x)

    def backward(self, dy, x, y):
        return dy * np.cos(x)


class Outer(fb.layers.Layer):
    """Of rows (a,) and (b,), rows (a, b)."""

    merges = True

    def compute_output_shape(self, a, b):
        return (*a, *b)

    def forward(self, a, b):
        return a[:, :, None] * b[:, None, :]

    def backward(self, dy, a, b, y):
        return (dy * b[:, None, :]).sum(axis=2), (dy * a[:, :, None]).sum(axis=1)


class LogCosh(fb.losses.Loss):
    def value(self, prediction, target):
        return np.log(np.cosh(prediction - target)).mean(axis=1)

    def gradient(self, prediction, target):
        return np.tanh(prediction - target) / prediction.shape[1]


class Hinge(fb.losses.Loss):
    labels = True

    def value(self, prediction, target):
        rows = np.arange(len(target))
        return np.maximum(0, 1 + prediction - prediction[rows, target][:, None]).sum(axis=1) - 1

    def gradient(self, prediction, target):
        rows = np.arange(len(target))
        active = (1 + prediction - prediction[rows, target][:, None] > 0).astype(prediction.dtype)
        active[rows, target] -= active.sum(axis=1)
        return active


def make(*layers, loss="mse", units=4, optimizer="sgd"):
    fb.utils.set_random_seed(1)
    model = fb.Sequential([fb.Input((5,)), fb.Dense(units, "tanh"), *layers, fb.Dense(2)])
    model.compile(optimizer, loss)
    return model


def test_layers_in_numpy_compute_what_they_say_and_their_gradients_are_right():
    model = make(Gain(), Sine(), fb.layers.Reshape((2, 2)), Sine(), fb.layers.Flatten())
    w1, b1, gain, shift, w2, b2 = (w.astype("f8") for w in model.get_weights())
    want = np.sin(np.sin(np.tanh(X @ w1 + b1) * gain + shift)) @ w2 + b2
    np.testing.assert_allclose(model.predict(X), want, atol=1e-6)
    report = fb.testing.check_gradients(model, X, Y)
    assert report.ok, report
    assert report.checked == 5 * 4 + 4 + 8 + 4 * 2 + 2


def test_layers_in_numpy_merge_are_shared_and_stand_anywhere():
    a, b = fb.Input((3,)), fb.Input((2,))
    shared = Gain()
    first = shared(a)
    square = Outer()([first, first])
    both = Outer()([fb.Dense(3, "tanh")(shared(a)), b])
    flat = [fb.layers.Flatten()(each) for each in (square, both)]
    model = fb.Model([a, b], [Sine()(fb.layers.Concatenate()(flat)), fb.layers.Residual([Gain(), Sine()])(b)])
    model.compile("adam", LogCosh(), loss_weights=[1.0, 0.3])
    x, y = [RNG.normal(size=(9, 3)), RNG.normal(size=(9, 2))], [RNG.normal(size=(9, 15)), RNG.normal(size=(9, 2))]
    report = fb.testing.check_gradients(model, x, y)
    assert report.ok, report
    before = model.evaluate(x, y)[0]
    model.fit(x, y, epochs=100, verbose=0, validation_split=0.2)
    assert model.evaluate(x, y)[0] < before


@pytest.mark.parametrize("loss", [LogCosh(), Hinge()], ids=["numbers", "labels"])
def test_losses_in_numpy_are_reported_weighted_and_their_gradients_are_right(loss):
    model = make(loss=loss)
    y = RNG.integers(0, 2, 40) if loss.labels else Y
    weights = RNG.uniform(0, 2, 40)
    report = fb.testing.check_gradients(model, X, y)
    assert report.ok, report
    value = loss.value(model.predict(X).astype("f8"), y)
    assert model.evaluate(X, y) == pytest.approx(value.mean(), rel=1e-5)
    assert model.evaluate(X, y, sample_weight=weights) == pytest.approx((weights * value).mean(), rel=1e-5)
    twin = make(loss=loss)
    model.train_on_batch(X, y, sample_weight=np.full(40, 2.0))
    twin.optimizer.learning_rate = 0.02
    twin.train_on_batch(X, y)
    for one, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-8)


def test_a_loss_in_numpy_trains_as_the_same_loss_in_the_package():
    class Squares(fb.losses.Loss):
        def value(self, prediction, target):
            return ((prediction - target) ** 2).mean(axis=1)

        def gradient(self, prediction, target):
            return 2 * (prediction - target) / prediction.shape[1]

    mine, theirs = make(loss=Squares(), optimizer="adam"), make(optimizer="adam")
    histories = [m.fit(X, Y, epochs=5, batch_size=16, shuffle=False, verbose=0).history["loss"] for m in (mine, theirs)]
    np.testing.assert_allclose(*histories, rtol=1e-5)
    assert mine.loss.name == "Squares"


@pytest.mark.parametrize("threads", [2, 3])
def test_layers_in_numpy_have_the_same_bits_on_any_number_of_threads(threads):
    def train(count):
        fb.set_num_threads(count)
        model = make(Gain(), fb.Dense(500, "relu"), Sine(), loss=LogCosh(), units=500, optimizer="adam")
        assert model.program("train", 40).threads >= 3
        model.fit(np.tile(X, (5, 1)), np.tile(Y, (5, 1)), epochs=3, batch_size=40, verbose=0)
        return np.concatenate([w.ravel() for w in model.get_weights()])

    before = fb.get_num_threads()
    try:
        np.testing.assert_array_equal(train(1), train(threads))
    finally:
        fb.set_num_threads(before)


def test_a_wrong_gradient_is_found():
    class Wrong(Sine):
        def backward(self, dy, x, y):
            return dy * np.cos(y)

    class WrongLoss(LogCosh):
        def gradient(self, prediction, target):
            return np.tanh(prediction - target)

    assert not fb.testing.check_gradients(make(Wrong()), X, Y).ok
    assert not fb.testing.check_gradients(make(loss=WrongLoss()), X, Y).ok


def scaled_by(name, slope=1.0):
    """A layer with one weight of this name, whose gradient is right if the slope is 1."""

    class Scaled(fb.layers.Layer):
        def variables(self, shape):
            self.factor = self.new_weight(name, shape, "ones")
            return [self.factor]

        def forward(self, x):
            return x * self.factor.value

        def backward(self, dy, x, y):
            return dy * self.factor.value, slope * (dy * x).sum(axis=0)

    return Scaled()


@pytest.mark.parametrize("slope", [1.0, 7.0])
@pytest.mark.parametrize("name", ["gamma", "W", "A", "b", "A1'", "dA"])
@pytest.mark.parametrize("place", ["before", "behind"])
def test_gradients_are_compared_by_weight_whatever_its_name(name, place, slope):
    """The names of a user's weights may be those of the literature, for other tensors."""
    layers = [scaled_by(name, slope), fb.BatchNormalization()]
    model = make(*(layers if place == "before" else layers[::-1]))
    assert fb.testing.check_gradients(model, X, Y).ok == (slope == 1)
    names = model.program("trace", 40).names()
    assert len(set(names)) == len(names)


# -- errors


class Failing(Sine):
    """Fails in the call of that number, of forward or backward."""

    def __init__(self, method, call, error=None, **options):
        super().__init__(**options)
        self.method, self.call, self.calls = method, call, []
        self.error = error or ZeroDivisionError("mine")

    def count(self, method):
        self.calls.append(method)
        if self.calls.count(method) == self.call and method == self.method:
            raise self.error

    def forward(self, x):
        self.count("forward")
        return super().forward(x)

    def backward(self, dy, x, y):
        self.count("backward")
        return super().backward(dy, x, y)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("method", ["forward", "backward"])
def test_an_exception_ends_the_run_at_once_and_leaves_a_model_that_can_go_on(method, threads):
    before = fb.get_num_threads()
    try:
        fb.set_num_threads(threads)
        layer = Failing(method, 4)
        model = make(layer, units=600, optimizer="adam")
        with pytest.raises(ZeroDivisionError, match="mine") as caught:
            model.fit(np.tile(X, (50, 1)), np.tile(Y, (50, 1)), batch_size=40, epochs=50, verbose=0)
        assert layer.calls.count(method) == 4
        assert any(entry.name == "count" for entry in caught.traceback)
        assert model.history.epoch == []
        assert all(np.isfinite(w).all() for w in model.get_weights())
        layer.call = 0
        history = model.fit(X, Y, epochs=3, verbose=0).history["loss"]
        assert np.isfinite(history).all()
        assert np.isfinite(model.predict(X)).all()
    finally:
        fb.set_num_threads(before)


def test_the_history_has_the_epochs_before_an_exception():
    model = make(Failing("forward", 2 * 30 + 1))
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y, batch_size=20, epochs=1000, verbose=0)
    assert model.history.epoch == list(range(30))


def test_exceptions_come_out_of_predict_evaluate_and_gradients_and_two_at_once_are_one():
    class Both(LogCosh):
        def value(self, prediction, target):
            raise KeyError("value")

        def gradient(self, prediction, target):
            raise KeyError("gradient")

    model = make(Failing("forward", 1))
    with pytest.raises(ZeroDivisionError):
        model.predict(X)
    assert np.isfinite(model.predict(X)).all()
    model = make(loss=Both())
    for call in (model.evaluate, model.train_on_batch, model.gradients):
        with pytest.raises(KeyError, match="value"):
            call(X, Y)


@pytest.mark.parametrize("call", ["gradients", "evaluate", "predict", "train_on_batch", "fit"])
def test_an_exception_leaves_no_hold_on_the_rows(call):
    x = X.astype("float32")
    ghost = weakref.ref(x)
    failing = Failing("forward", 1)
    model = make(failing)
    with contextlib.suppress(ZeroDivisionError):
        getattr(model, call)(x, *[Y] * (call != "predict"))
    failing.error = None  # its traceback has them
    del x
    gc.collect()
    assert ghost() is None


def test_an_interrupt_inside_a_layer_ends_the_training():
    model = make(Failing("backward", 3, error=KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_size=8, epochs=5, verbose=0)
    assert np.isfinite(model.predict(X)).all()


def with_result(method, result):
    return type("Odd", (Sine,), {method: lambda self, *arrays: result(*arrays)})()


@pytest.mark.parametrize(
    ("layer", "error", "words"),
    [
        (
            with_result("forward", lambda x: x[:, :2]),
            ValueError,
            r"Odd.forward to return y with shape \(40, 4\), got \(40, 2\)",
        ),
        (
            with_result("forward", lambda x: None),
            TypeError,
            "Odd.forward to return y of real numbers, got dtype object",
        ),
        (with_result("forward", lambda x: x + 1j), TypeError, "got dtype complex"),
        (with_result("backward", lambda dy, x, y: dy.sum()), ValueError, r"return dx with shape \(40, 4\), got \(\)"),
        (
            with_result("backward", lambda dy, x, y: (dy, dy)),
            ValueError,
            r"expected Odd\.backward to return 1 gradients.*got 2",
        ),
        (with_result("forward", lambda x: x.fill(0)), ValueError, "read-only"),
    ],
)
def test_wrong_results_of_a_layer_are_named(layer, error, words):
    model = make(layer)
    before = model.get_weights()
    with pytest.raises(error, match=words):
        model.fit(X, Y, batch_size=40, verbose=0)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def odd(**methods):
    return type("Odd", (fb.layers.Layer,), methods)


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        (
            odd(compute_output_shape=lambda self, shape: 5),
            ValueError,
            r"expected Odd.compute_output_shape to return the shape of a row, such as \(5,\), got 5",
        ),
        (odd(compute_output_shape=lambda self, shape: (None, 5)), ValueError, r"got \(None, 5\)"),
        (odd(compute_output_shape=lambda self, shape: ()), ValueError, r"got \(\)"),
        (
            odd(variables=lambda self, shape: None),
            TypeError,
            "expected Odd.variables to return a list of what new_weight makes, got None",
        ),
        (odd(variables=lambda self, shape: [np.ones(3)]), TypeError, "of what new_weight makes"),
        (
            odd(variables=lambda self, shape: [self.new_weight("a", shape), self.new_weight("a", shape)]),
            ValueError,
            "expected Odd.variables to return weights of different names, got 'a' twice",
        ),
        (
            odd(variables=lambda self, shape: [self.new_weight("a", ())]),
            ValueError,
            r"expected the shape of weight 'a' of Odd, such as .*, got \(\)",
        ),
        (
            odd(__init__=lambda self: None),
            TypeError,
            r"expected Odd.__init__ to call super\(\).__init__\(\*\*options\), got a layer without a name",
        ),
    ],
)
@pytest.mark.parametrize(
    "place",
    [
        lambda kind: kind()(fb.Input((3,))),
        lambda kind: fb.Sequential([fb.Input((3,)), kind(), fb.Dense(1)]),
        lambda kind: fb.Sequential([kind(), fb.Dense(1)]).build((3,)),
        lambda kind: fb.layers.Residual([kind(), fb.Dense(3)])(fb.Input((3,))),
    ],
    ids=["called", "in a row", "in an unbuilt row", "in a residual"],
)
def test_layers_that_break_the_rules_are_named_with_their_method(kind, error, words, place):
    with pytest.raises(error, match=words):
        place(kind)


def test_the_shape_of_an_odd_layer_is_checked_before_a_model_is_built():
    model = fb.Sequential([odd(compute_output_shape=lambda self, shape: 5)(), fb.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"expected Odd\.compute_output_shape"):
        model.fit(X, Y, verbose=0)


def test_a_merge_of_one_shape_need_not_say_what_comes_out():
    class Largest(fb.layers.Layer):
        merges = True

        def forward(self, *inputs):
            return np.max(inputs, axis=0)

    a, b = fb.Input((3,)), fb.Input((2,))
    model = fb.Model(a, Largest()([a, fb.layers.Rescaling(-1.0)(a)]))
    np.testing.assert_array_equal(model.predict(X[:, :3]), np.abs(X[:, :3]).astype("f4"))
    with pytest.raises(ValueError, match=r"expected rows of one shape for <Largest largest.*, got \(3,\), \(2,\)"):
        Largest()([a, b])


def test_gradients_of_weights_are_checked_by_name():
    class Short(Gain):
        def backward(self, dy, x, y):
            return dy, dy, dy.sum(axis=0)

    with pytest.raises(ValueError, match=r"that of gain with shape \(4,\), got \(40, 4\)"):
        make(Short()).train_on_batch(X, Y)


def test_wrong_results_of_a_loss_are_named():
    class Scalar(LogCosh):
        def value(self, prediction, target):
            return super().value(prediction, target).mean()

    class Narrow(LogCosh):
        def gradient(self, prediction, target):
            return super().gradient(prediction, target)[:, :1]

    with pytest.raises(ValueError, match=r"Scalar.value to return one number for each row.*shape \(40,\), got \(\)"):
        make(loss=Scalar()).train_on_batch(X, Y)
    with pytest.raises(ValueError, match=r"Narrow.gradient.*\(40, 2\), got \(40, 1\)"):
        make(loss=Narrow()).train_on_batch(X, Y)


def test_what_is_not_defined_is_asked_for_before_anything_is_computed():
    class Half(fb.layers.Layer):
        def forward(self, x):
            return x

    class NoGradient(fb.losses.Loss):
        def value(self, prediction, target):
            return prediction[:, 0]

    model = make(Half())
    assert model.predict(X).shape == (40, 2)
    with pytest.raises(TypeError, match="expected Half to define backward"):
        model.fit(X, Y, verbose=0)
    with pytest.raises(TypeError, match="expected NoGradient to define gradient"):
        make(loss=NoGradient()).fit(X, Y, verbose=0)


def test_a_plain_function_as_loss_is_refused_with_what_to_write():
    with pytest.raises(TypeError, match=r"losses\.Loss with value\(prediction, target\) and gradient"):
        make(loss=lambda y_true, y_pred: ((y_true - y_pred) ** 2).mean())


def test_another_thread_goes_on_while_a_layer_in_numpy_trains():
    """Python is free in the kernels, and a layer that waits for another thread gets what it waits for."""
    asked, answered = threading.Event(), threading.Event()

    class Waiting(Sine):
        def forward(self, x):
            asked.set()
            assert answered.wait(10)
            return super().forward(x)

    def answer():
        asked.wait(10)
        answered.set()

    helper = threading.Thread(target=answer)
    helper.start()
    make(Waiting(), units=600).fit(X, Y, epochs=3, verbose=0)
    helper.join(10)
    assert answered.is_set()


def test_a_layer_may_ask_another_model():
    other = make()

    class Asking(Sine):
        def forward(self, x):
            return np.sin(x) + other.predict(np.ones((len(x), 5)))[:, :1]

    model = make(Asking(), units=600)
    assert fb.testing.check_gradients(model, X, Y).ok
    model.fit(X, Y, epochs=2, verbose=0)


def test_the_listing_names_methods():
    text = make(Gain(), loss=LogCosh()).program("train").describe()
    for line in (
        "A2 = Gain.forward(A1)",
        "dA1, dgain2, dshift2 = Gain.backward(dA2, A1, A2)",
        "LogCosh.gradient(Z3, Y)",
    ):
        assert line in text
    assert make(Gain(), loss=LogCosh()).program("train").profile()


def test_models_with_layers_and_losses_in_numpy_are_saved_and_loaded_by_those_who_have_the_classes(tmp_path):
    model = make(Gain(), fb.layers.Reshape((2, 2)), Sine(), fb.layers.Flatten(), loss=LogCosh(), optimizer="adam")
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match="unknown class"):
        fb.load(tmp_path / "model")
    again = fb.load(tmp_path / "model", custom_objects={"Gain": Gain, "Sine": Sine, "LogCosh": LogCosh})
    for each in (model, again):
        each.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_a_loss_in_numpy_goes_with_metrics_weights_and_penalties_but_is_no_metric():
    weights = np.linspace(0, 2, len(X))
    model = fb.Sequential([fb.Input((5,), dtype="float64"), fb.Dense(2, kernel_regularizer="l2")])
    model.compile("sgd", LogCosh(), metrics=["mse", fb.metrics.R2Score()], weighted_metrics=["mae"])
    results = model.evaluate(X, Y, sample_weight=weights, return_dict=True, verbose=0)
    off = model.predict(X) - Y
    penalty = 0.01 * np.square(model.get_weights()[0]).sum()
    want = (LogCosh().value(off + Y, Y) * weights).mean() + penalty
    np.testing.assert_allclose(results["loss"], want, rtol=1e-9)
    np.testing.assert_allclose(results["mse"], np.square(off).mean(), rtol=1e-9)
    model.compile("sgd", "mse", metrics=[LogCosh()])
    with pytest.raises(TypeError, match="a metric as a function"):
        model.evaluate(X, Y, verbose=0)


class Stumbling(fb.layers.Layer):
    """Identity that raises at one of the calls of a method."""

    def __init__(self, at, method, **options):
        super().__init__(**options)
        self.at, self.method, self.calls = at, method, 0

    def count(self, method):
        self.calls += method == self.method
        if method == self.method and self.calls == self.at:
            raise RuntimeError("now")

    def forward(self, x):
        self.count("forward")
        return x.copy()

    def backward(self, dy, x, y):
        self.count("backward")
        return dy.copy()


def stumbling(at, method="forward"):
    fb.utils.set_random_seed(0)
    layers = [fb.Dense(5, "tanh"), fb.BatchNormalization(), Stumbling(at, method), fb.BatchNormalization(), fb.Dense(1)]
    model = fb.Sequential([fb.Input((4,)), *layers])
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize("method", ["forward", "backward"])
@pytest.mark.parametrize("at", [1, 2, 17, 31])
def test_a_layer_that_fails_leaves_the_steps_that_were_done_and_training_resumes(at, method):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(320, 4)), rng.normal(size=320)
    whole = stumbling(-1)
    want = whole.fit(x, y, epochs=4, verbose=0).history["loss"]
    broken = stumbling(at, method)
    with pytest.raises(RuntimeError, match="now"):
        broken.fit(x, y, epochs=4, verbose=0)
    assert broken.optimizer.iterations == at - 1
    assert (broken.progress.epoch, broken.progress.step) == divmod(at - 1, 10)
    got = broken.fit(x, y, epochs=4, verbose=0, resume=True).history["loss"]
    assert got == want[-len(got) :]
    for one, other in zip(whole.get_weights(), broken.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_layer_whose_config_lacks_what_its_constructor_takes_is_not_saved(tmp_path):
    class Forgetful(fb.layers.Layer):
        def __init__(self, factor, **options):
            super().__init__(**options)
            self.factor = factor

        def forward(self, x):
            return x * self.factor

    model = fb.Sequential([fb.Input((2,)), Forgetful(3)])
    with pytest.raises(TypeError, match="get_config of Forgetful to have 'factor'"):
        model.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())
