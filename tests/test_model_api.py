"""The model: what a Keras user expects of Sequential, and what we promise beyond."""

import io
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest

import fastbp as fb
from fastbp import trainer
from fastbp.data import Kind

RNG = np.random.default_rng(0)
X = RNG.normal(size=(210, 6)).astype("float32")
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)


def make(*hidden, seed=1, optimizer="adam", loss="crossentropy", metrics=("accuracy",), dtype="float32"):
    fb.utils.set_random_seed(seed)
    layers = [fb.Dense(units, "relu") for units in hidden or (16, 8)]
    model = fb.Sequential([fb.Input((6,), dtype=dtype), *layers, fb.Dense(3, "softmax")])
    model.compile(optimizer, loss, metrics=list(metrics))
    return model


def trained(x, y, seed=1, **options):
    model = make(seed=seed)
    model.fit(x, y, verbose=0, **options)
    return model


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a.get_weights(), b.get_weights(), strict=True))


def test_a_keras_program_runs_after_its_imports_change():
    from fastbp.layers import Dense
    from fastbp.models import Sequential
    from fastbp.utils import to_categorical

    fb.utils.set_random_seed(0)
    model = Sequential([Dense(64, activation="relu", input_shape=(6,)), Dense(3, activation="softmax")])
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(X, to_categorical(Y, 3), epochs=60, batch_size=8, validation_split=0.2, verbose=0)
    loss, accuracy = model.evaluate(X, to_categorical(Y, 3))
    assert sorted(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert all(len(values) == 60 for values in history.history.values())
    assert accuracy > 0.9
    assert loss < 0.4


def test_the_reported_loss_is_the_mean_over_rows_also_with_a_smaller_last_batch():
    model = make(optimizer=fb.optimizers.SGD(0.0))
    history = model.fit(X, Y, batch_size=64, verbose=0)  # 210 = 3 * 64 + 18
    p = model.predict(X)
    assert history.history["loss"][0] == pytest.approx(-np.log(p[np.arange(210), Y]).mean(), rel=1e-5)
    assert history.history["accuracy"][0] == pytest.approx((p.argmax(axis=1) == Y).mean())


def test_training_step_by_step_is_the_same_as_fit_to_the_bit():
    whole, stepped = make(), make()
    whole.fit(X, Y, batch_size=32, shuffle=False, verbose=0)
    for start in range(0, 210, 32):
        stepped.train_on_batch(X[start : start + 32], Y[start : start + 32])
    assert same(whole, stepped)
    assert whole.optimizer.iterations == stepped.optimizer.iterations == 7


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    models = [trained(X, Y, seed=seed, epochs=3) for seed in (1, 1, 2)]
    assert same(models[0], models[1])
    assert not same(models[0], models[2])


@pytest.mark.parametrize("batch", [16, 64, 210])
@pytest.mark.parametrize("shuffle", [True, False])
def test_epochs_run_in_one_go_are_the_same_as_one_by_one_to_the_bit(batch, shuffle, monkeypatch):
    class Listener(fb.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            pass

    calls = []
    several = trainer.Training.epochs
    monkeypatch.setattr(trainer.Training, "epochs", lambda *args: [calls.append(1), several(*args)])
    options = {"epochs": 150, "batch_size": batch, "shuffle": shuffle, "verbose": 0}
    together = make()
    histories = [together.fit(X, Y, **options)]
    assert calls
    calls.clear()
    apart = make()
    histories.append(apart.fit(X, Y, callbacks=Listener(), **options))
    assert same(together, apart)
    assert histories[0].epoch == histories[1].epoch == list(range(150))
    assert histories[0].history == histories[1].history
    assert not calls


@pytest.mark.parametrize("layout", ["C", "F", "backwards", "part of wider rows", "float64"])
@pytest.mark.parametrize("loss", ["crossentropy", "mse"])
def test_rows_read_where_they_lie_train_as_gathered_ones_do(layout, loss):
    def laid_out(a):
        if layout == "F":
            return np.asfortranarray(a)
        if layout == "backwards":
            return a[::-1].copy()[::-1]
        if layout == "part of wider rows":
            return np.pad(a, [(0, 0), (1, 2)])[:, 1:-2]
        return a.astype(float) if layout == "float64" else a

    y = Y if loss == "crossentropy" else X[:, :3] * 0.5
    models = [make(loss=loss, metrics=()), make(loss=loss, metrics=())]
    targets = y if y.ndim == 1 else laid_out(y)
    models[0].fit(laid_out(X), targets, batch_size=50, epochs=5, shuffle=False, verbose=0)
    program, optimizer = models[1].executable("train", 50, (Kind(y.ndim == 1, False),)), models[1].optimizer
    program.bind([X, y.astype("int32") if y.ndim == 1 else y], np.arange(210))  # an order: so they are gathered
    for _ in range(5):
        trainer.update(optimizer, program, 0, 210)
    assert same(*models)


def test_layers_with_large_weights_train_to_the_same_bits_on_any_number_of_threads():
    x, y = RNG.normal(size=(650, 300)).astype("float32"), RNG.integers(2, size=650)

    def weights(threads, batch):
        fb.set_num_threads(threads)
        fb.utils.set_random_seed(3)
        layers = [fb.Dense(257, "relu"), fb.Dense(200, "tanh"), fb.Dense(2, "softmax")]
        model = fb.Sequential([fb.Input((300,)), *layers])
        model.compile("adam", "crossentropy")
        model.fit(x, y, batch_size=batch, epochs=2, verbose=0)
        assert len(model.program("train", batch).phases) > 2
        return [*model.get_weights(), model.predict(x)]

    try:
        for batch in (97, 300):
            results = [weights(threads, batch) for threads in (1, 2, 3, 5)]
            assert all(np.array_equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))
    finally:
        fb.set_num_threads(None)


def test_training_takes_subnormal_numbers_for_zero_and_nothing_else_does():
    x, y = np.full((2, 1), 1e-40, "float32"), np.zeros((2, 1), "float32")
    model = fb.Sequential([fb.Dense(1, input_shape=(1,), kernel_initializer="ones")])
    model.compile("sgd", "mae")
    assert model.evaluate(x, y) == pytest.approx(1e-40, rel=1e-4)
    assert model.predict(x)[0, 0] > 0
    assert model.train_on_batch(x, y) == 0
    assert np.float32(1e-38) * np.float32(1e-2) > 0  # the caller's own arithmetic is as it was


def test_epochs_done_before_an_interrupt_are_in_the_history(monkeypatch):
    model = make()
    update, calls = trainer.update, []

    def interrupted(*args):
        update(*args)
        calls.append(args)
        if len(calls) == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_size=210, epochs=10**6, verbose=0)
    assert len(model.history.epoch) == len(model.history.history["loss"]) == model.optimizer.iterations


def test_a_callback_of_one_object_hears_of_every_epoch():
    heard, listener = [], fb.callbacks.Callback()
    listener.on_epoch_end = lambda epoch, logs: heard.append(epoch)
    make().fit(X, Y, batch_size=210, epochs=50, verbose=0, callbacks=listener)
    assert heard == list(range(50))


def test_a_run_of_more_laps_than_there_is_room_for_is_refused():
    program = make().program("evaluate", 50)
    program.bind([X, np.eye(3, dtype="f4")[Y]], np.arange(210))
    with pytest.raises(ValueError, match="laps"):
        program.run(0, 210, laps=2)


@pytest.mark.parametrize("purpose", ["train", "evaluate", "predict"])
def test_a_program_refuses_rows_of_another_width(purpose):
    program, y = make().program(purpose, 50), np.eye(3, dtype="f4")[Y]
    for wrong in (X[:, :-1], X[:, 0]):
        call = partial(program.predict, [wrong], [y]) if purpose == "predict" else partial(program.bind, [wrong, y])
        with pytest.raises(ValueError, match=r"expected rows of shapes \[\(6,\).*, got \[\("):
            call()


def test_a_batch_is_tested_as_it_is_evaluated():
    model = make()
    assert model.test_on_batch(X, Y) == model.evaluate(X, Y)
    weights = np.linspace(0, 1, len(X))
    logs = model.test_on_batch(X, Y, weights, return_dict=True)
    assert logs == model.evaluate(X, Y, sample_weight=weights, return_dict=True)
    assert list(logs) == model.metrics_names


def test_fit_in_two_calls_goes_on_as_one_would():
    once, twice = trained(X, Y, epochs=4), make()
    twice.fit(X, Y, epochs=2, verbose=0)
    history = twice.fit(X, Y, epochs=4, initial_epoch=2, verbose=0)
    assert same(once, twice)
    assert history.epoch == [2, 3]


def test_a_seed_set_between_fits_repeats_the_same_shuffles():
    first, second = make(), make()
    first.predict(X)
    second.fit(X, Y, verbose=0)
    second.set_weights(first.get_weights())
    second.compile("adam", "crossentropy", ["accuracy"])
    for model in (first, second):
        fb.utils.set_random_seed(9)
        model.fit(X, Y, verbose=0)
    assert same(first, second)


def test_shuffle_changes_the_order_and_false_keeps_it():
    orders = [make().fit(X, Y, batch_size=7, shuffle=shuffle, verbose=0) for shuffle in (True, False, False)]
    losses = [history.history["loss"][0] for history in orders]
    assert losses[1] == losses[2]
    assert losses[0] != losses[1]


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int64"])
def test_data_of_any_type_trains_the_same_model(dtype):
    x = RNG.integers(0, 5, (50, 6))
    assert same(trained(x.astype("float32"), Y[:50]), trained(x.astype(dtype), Y[:50]))


def test_strided_data_trains_the_same_model_as_its_copy():
    wide = np.repeat(X, 2, axis=0)[::2][::-1]
    fortran = np.asfortranarray(wide)
    copied = trained(wide.copy(), Y[::-1].copy())
    assert same(copied, trained(wide, Y[::-1]))
    assert same(copied, trained(fortran, Y[::-1]))


def test_validation_data_replaces_the_split_and_is_evaluated_after_each_epoch():
    model = make()
    history = model.fit(X, Y, epochs=2, validation_split=0.5, validation_data=(X[:50], Y[:50]), verbose=0)
    loss, accuracy = model.evaluate(X[:50], Y[:50])
    assert history.history["val_loss"][-1] == pytest.approx(loss, rel=1e-12)
    assert history.history["val_accuracy"][-1] == accuracy


def test_validation_changes_no_bit_of_the_training():
    assert same(trained(X[:168], Y[:168], epochs=2), trained(X, Y, epochs=2, validation_split=0.2))


@pytest.mark.parametrize("rows", [1, 2, 31, 32, 33, 210])
@pytest.mark.parametrize("batch", [1, 32, 1000])
def test_any_number_of_rows_and_any_batch_size_train(rows, batch):
    model = make()
    history = model.fit(X[:rows], Y[:rows], batch_size=batch, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    assert model.optimizer.iterations == -(-rows // batch)


@pytest.mark.parametrize("rows", [1, 2, 15, 16, 17, 210])
def test_predictions_do_not_depend_on_batches(rows):
    model = make()
    expected = model.predict(X[:rows])
    for batch in (1, 3, 16, 10**9):
        np.testing.assert_array_equal(model.predict(X[:rows], batch_size=batch), expected)
    np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-6)


def test_predict_computes_what_numpy_computes():
    model = make(dtype="float64")
    a = X.astype("float64")
    for layer, f in zip(model.layers, [lambda z: np.maximum(z, 0)] * 2 + [np.exp], strict=True):
        w, b = layer.get_weights()
        a = f(a @ w + b)
    np.testing.assert_allclose(model.predict(X), a / a.sum(axis=1, keepdims=True), rtol=1e-12)


def test_evaluate_returns_what_keras_returns():
    model = make()
    loss, accuracy = model.evaluate(X, Y)
    assert model.evaluate(X, Y, return_dict=True) == {"loss": loss, "accuracy": accuracy}
    model.compile("adam", "crossentropy")
    assert model.evaluate(X, Y) == pytest.approx(loss)
    assert model.train_on_batch(X, Y) == pytest.approx(loss)


def test_the_input_shape_is_learnt_from_the_first_data():
    for use in ("fit", "predict", "evaluate", "build"):
        model = fb.Sequential([fb.Dense(4, "relu"), fb.Dense(3, "softmax")])
        model.compile("adam", "crossentropy")
        assert not model.built
        arguments = {"fit": (X, Y), "evaluate": (X, Y), "predict": (X,), "build": ((None, 6),)}[use]
        getattr(model, use)(*arguments, **({"verbose": 0} if use == "fit" else {}))
        assert model.count_params() == 6 * 4 + 4 + 4 * 3 + 3


def test_weights_are_copied_out_and_in():
    model = make()
    weights = model.get_weights()
    weights[0][:] = 7
    assert not np.array_equal(model.get_weights()[0], weights[0])
    model.set_weights(weights)
    np.testing.assert_array_equal(model.get_weights()[0], weights[0])
    model.layers[0].set_weights([np.zeros((6, 16)), np.ones(16)])
    np.testing.assert_array_equal(model.get_weights()[1], np.ones(16))


def test_compiling_again_starts_the_optimizer_anew_and_keeps_the_weights():
    model = make()
    model.fit(X, Y, verbose=0)
    before = model.get_weights()
    model.compile("sgd", "mse")
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    assert model.optimizer.iterations == 0


def test_a_layer_added_after_training_trains_too():
    model = fb.Sequential([fb.Input((6,)), fb.Dense(3)])
    model.compile("adam", "mse")
    model.fit(X, np.eye(3)[Y], verbose=0)
    model.add(fb.Dense(3))
    before = model.get_weights()
    model.fit(X, np.eye(3)[Y], verbose=0)
    assert not any(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_summary_has_the_columns_and_counts_of_keras(capsys):
    model = fb.Sequential([fb.Input((784,)), fb.Dense(128, name="hidden"), fb.Dense(10, name="out")], name="digits")
    model.summary()
    text = capsys.readouterr().out
    for part in (
        'Model: "digits"',
        "Layer (type)",
        "Output Shape",
        "Param #",
        "hidden (Dense)",
        "(None, 10)",
        "100,480",
        "Total params: 101,770 (397.54 KB)",
        "Trainable params: 101,770",
        "Non-trainable params: 0 (0.00 B)",
    ):
        assert part in text


def test_summary_before_the_shape_is_known(capsys):
    fb.Sequential([fb.Dense(3, name="first")]).summary()
    assert "0 (unbuilt)" in capsys.readouterr().out


def test_summary_to_an_ascii_stream_does_not_fail(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    make().summary()
    make().fit(X, Y, verbose=2)
    stream.flush()
    assert b"s/step" in stream.buffer.getvalue()


def test_the_trace_names_every_tensor_and_agrees_with_numpy():
    model = make(5, loss="categorical_crossentropy", metrics=(), dtype="float64")
    w1, b1, w2, b2 = model.get_weights()
    y = np.eye(3)[Y]
    t = model.gradients(X, y)
    x = X.astype("float64")
    z1 = x @ w1 + b1
    a1 = np.maximum(z1, 0)
    z2 = a1 @ w2 + b2
    a2 = np.exp(z2) / np.exp(z2).sum(axis=1, keepdims=True)
    dz2 = (a2 - y) / 210
    da1 = dz2 @ w2.T
    dz1 = da1 * (z1 > 0)
    expected = {"Z1": z1, "A1": a1, "Z2": z2, "A2": a2}
    expected |= {"dA2": (1 - y / a2) / 210, "dZ2": dz2, "dA1": da1, "dZ1": dz1}
    expected |= {"dW2": a1.T @ dz2, "db2": dz2.sum(axis=0), "dW1": x.T @ dz1, "db1": dz1.sum(axis=0)}
    assert expected.keys() <= t.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(t[name], value, rtol=1e-9, atol=1e-15, err_msg=name)
    assert t["loss"] == pytest.approx(-np.log(a2[y == 1]).mean())


def test_the_trace_changes_nothing_in_the_model():
    model, twin = make(), make()
    model.gradients(X, Y)
    fb.testing.check_gradients(model, X[:20], Y[:20])
    assert same(model, twin)
    assert model.optimizer.iterations == 0


def test_check_gradients_finds_a_wrong_gradient(monkeypatch):
    model = make(5, dtype="float64")
    assert fb.testing.check_gradients(model, X[:30], Y[:30]).ok
    from fastbp.compiler import Executable

    right = Executable.gradients

    def wrong(self):
        arrays = right(self)
        second = next(array for variable, array in arrays.items() if variable is self.parameters()["W2"])
        second[3, 1] *= 1 + 1e-4
        return arrays

    monkeypatch.setattr(Executable, "gradients", wrong)
    report = fb.testing.check_gradients(model, X[:30], Y[:30])
    assert not report.ok
    assert (report.parameter, report.index) == ("W2", (3, 1))
    assert report.relative_error == pytest.approx(1e-4, rel=0.01)


@pytest.mark.parametrize("kind", ["train", "evaluate", "predict", "gradients"])
def test_a_profile_times_every_op_and_changes_nothing(kind):
    model = make()
    model.fit(X, Y, verbose=0)
    weights, state = model.get_weights(), [array.copy() for array in model.optimizer.state]
    program = model.program(kind)
    for line in program.profile():
        assert line.seconds > 0, line
    table = program.describe(profile=True)
    assert "GFLOP/s" in table
    assert "waiting" in table
    assert all(np.array_equal(*pair) for pair in zip(weights, model.get_weights(), strict=True))
    assert all(np.array_equal(*pair) for pair in zip(state, model.optimizer.state, strict=True))
    model.fit(X, Y, verbose=0)


def test_describe_lists_the_phases_of_a_program():
    model = make()
    for kind in ("train", "evaluate", "predict", "gradients", "trace"):
        assert "affine" in model.program(kind).describe()
    assert "batch 7," in model.program("predict", batch_size=7).describe()


def test_a_dropped_model_is_freed_at_once():
    import gc
    import weakref

    gc.disable()
    try:
        model = make()
        model.fit(X, Y, verbose=0)
        ghost = weakref.ref(model)
        del model
        assert ghost() is None
    finally:
        gc.enable()


def run_python(code):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


def test_importing_fastbp_imports_nothing_heavy():
    heavy = ("rich", "threadpoolctl", "sklearn", "matplotlib", "safetensors", "scipy", "fastbp.model")
    loaded = run_python("import sys, fastbp; print(*sys.modules)").split()
    assert not set(heavy) & set(loaded)


def test_training_without_progress_imports_no_rich():
    code = (
        "import sys, numpy as np, fastbp as fb; m = fb.Sequential([fb.Dense(1)]); m.compile('sgd', 'mse');"
        "m.fit(np.ones((4, 2)), np.ones(4), verbose=2); print(*sys.modules)"
    )
    assert "rich" not in run_python(code).split()


def test_every_public_name_is_there():
    for name in set(fb.__all__) - {"plots"}:
        assert getattr(fb, name) is not None
    assert set(dir(fb)) == set(fb.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Sequental'"):
        _ = fb.Sequental


def test_to_categorical_squeezes_and_counts_as_keras_does():
    np.testing.assert_array_equal(fb.utils.to_categorical([[0], [2]]), [[1, 0, 0], [0, 0, 1]])
    assert fb.utils.to_categorical([1], num_classes=4).shape == (1, 4)
    assert fb.utils.to_categorical(np.zeros((2, 3), int), 5).shape == (2, 3, 5)
    for wrong in ([-1], [3], [0.5], [np.nan]):
        with pytest.raises(ValueError, match="expected"):
            fb.utils.to_categorical(wrong, num_classes=3)
    with pytest.raises(TypeError, match="whole numbers"):
        fb.utils.to_categorical(["a"])


@pytest.mark.parametrize("units", [(4,), (16, 8, 4)], ids=["one layer", "three layers"])
def test_predict_reads_what_it_is_given_whatever_type_came_before(units):
    def make():
        fb.utils.set_random_seed(1)
        return fb.Sequential([fb.Input((5,)), *(fb.Dense(n, "tanh") for n in units)])

    model = make()
    for rows in (3, 256, 700):
        x = np.random.default_rng(rows).integers(0, 9, (rows, 5))
        for dtype in ("f4", "f8", "u1", "f4", "u1"):
            np.testing.assert_array_equal(model.predict(x.astype(dtype)), make().predict(x.astype("f4")))


def test_predict_of_layers_that_compute_nothing_is_the_data():
    model = fb.Sequential([fb.Input((3,)), fb.Activation("linear")])
    np.testing.assert_array_equal(model.predict([[1, 2, 3]]), [[1, 2, 3]])


def test_set_weights_takes_the_models_own_variables_in_another_order():
    model = fb.Sequential(
        [fb.Dense(3, input_shape=(3,), use_bias=False), fb.Dense(3, use_bias=False), fb.Dense(3, use_bias=False)]
    )
    first, second, third = (variable.value for variable in model.weights)
    expected = [first.copy(), third.copy(), second.copy()]
    model.set_weights([first, third, second])
    for weight, value in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_a_program_refuses_rows_and_rates_that_are_not_there():
    model = fb.Sequential([fb.Dense(2, input_shape=(4,))])
    model.compile("sgd", "mse")
    program = model.program("train")
    with pytest.raises(ValueError, match="expected rows from 0 to 0"):
        program.run(0, 3, np.ones(1))
    program.bind([np.ones((3, 4), "f4"), np.ones((3, 2), "f4")])
    with pytest.raises(ValueError, match="expected rows from 0 to 3"):
        program.run(0, 10**7, np.ones(1))
    with pytest.raises(ValueError, match="expected 1 rates"):
        program.run(0, 3)


def test_a_model_in_training_is_not_compiled_or_extended():
    class Meddle(fb.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            for call in (lambda: model.compile("adam", "mae"), lambda: model.add(fb.Dense(1))):
                with pytest.raises(RuntimeError, match="training already"):
                    call()

    model = fb.Sequential([fb.Dense(1, input_shape=(2,))])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 2)), np.ones(4), verbose=0, callbacks=Meddle())
    model.compile("adam", "mae")


def test_check_gradients_leaves_the_random_state_alone():
    def draw(check):
        fb.utils.set_random_seed(5)
        model = fb.Sequential([fb.Dense(2, "tanh", input_shape=(3,))])
        model.compile("sgd", "mse")
        if check:
            fb.testing.check_gradients(model, np.ones((2, 3)), np.ones((2, 2)))
        return fb.Sequential([fb.Dense(2, input_shape=(3,))]).get_weights()[0]

    np.testing.assert_array_equal(draw(True), draw(False))


@pytest.mark.parametrize("given", [{"scores": "mse"}, ["mse"], ("mse",), {"name": "mean_squared_error"}])
def test_the_loss_of_one_output_may_be_given_as_those_of_several(given):
    model = fb.Sequential([fb.Input((6,)), fb.Dense(1, name="scores")])
    model.compile("sgd", given)
    assert model.loss.name == "mean_squared_error"
