"""Resuming: a training that was stopped anywhere, and killed at that, ends with the bits of one that never was."""

import contextlib
import json
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import fastbp as fb
from fastbp import trainer

RNG = np.random.default_rng(1)
X, Y = RNG.normal(size=(61, 6)), RNG.normal(size=(61, 2))
WEIGHTS = RNG.uniform(size=61)
OPTIONS = {"epochs": 4, "batch_size": 8, "verbose": 0, "sample_weight": WEIGHTS, "validation_split": 0.2}
STEPS = 6  # of an epoch


@pytest.fixture(autouse=True)
def chunks_of_one_step(monkeypatch):
    monkeypatch.setattr(trainer, "CHUNK_SECONDS", 0)


class StopAt(fb.callbacks.Callback):
    """Raises KeyboardInterrupt when so many steps of an epoch are done, as Ctrl-C would."""

    def __init__(self, epoch, step):
        self.epoch, self.step = epoch, step

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_chunk(self, steps, logs):
        if (self.now, steps) == (self.epoch, self.step):
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs):
        if (epoch, 0) == (self.epoch + 1, self.step):
            raise KeyboardInterrupt


def make(optimizer="adam"):
    fb.utils.set_random_seed(5)
    model = fb.Sequential([fb.Input((6,)), fb.Dense(9, "relu"), fb.Dense(2)])
    model.compile(optimizer, "mse", ["mae"])
    return model


def same_bits(a, b):
    return all(np.array_equal(*pair) for pair in zip(a.get_weights(), b.get_weights(), strict=True))


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("place", [(0, 1), (1, 3), (2, STEPS), (2, 0), (3, STEPS - 1)])
def test_a_training_goes_on_where_it_was_stopped(place, shuffle, saved, tmp_path):
    whole = make()
    history = whole.fit(X, Y, **OPTIONS, shuffle=shuffle).history
    model = make()
    with contextlib.suppress(KeyboardInterrupt):
        model.fit(X, Y, **OPTIONS, shuffle=shuffle, callbacks=[StopAt(*place)])
    assert (model.progress.epoch, model.progress.step) == place if place[1] else (place[0] + 2, 0)
    if saved:
        model.save(tmp_path / "m")
        model = fb.load(tmp_path / "m")
    rest = model.fit(X, Y, **OPTIONS, shuffle=shuffle, resume=True)
    assert same_bits(model, whole)
    assert rest.epoch == list(range(place[0] if place[1] else place[0] + 2, 4))
    for name, values in rest.history.items():
        assert values == history[name][-len(values) :]
    assert model.optimizer.iterations == 4 * STEPS
    assert model.fit(X, Y, **OPTIONS, shuffle=shuffle, resume=True).epoch == []


def everything():
    """A model with all that has a state: noise, moving averages, a schedule, means of weights and of gradients."""
    fb.utils.set_random_seed(5)
    hidden = [fb.Dense(9), fb.layers.BatchNormalization(), fb.Activation("relu"), fb.layers.Dropout(0.3)]
    model = fb.Sequential([fb.Input((6,)), *hidden, fb.layers.GaussianNoise(0.1), fb.Dense(2)])
    rate = fb.schedules.CosineDecay(0.01, 20, warmup_target=0.02, warmup_steps=5)
    options = {"use_ema": True, "ema_overwrite_frequency": 4, "gradient_accumulation_steps": 2, "global_clipnorm": 1.0}
    model.compile(fb.optimizers.Adam(rate, **options), fb.losses.Huber(0.5), ["r2"])
    return model


@pytest.mark.parametrize("place", [(0, 1), (1, 3), (2, STEPS)])
def test_noise_averages_and_schedules_go_on_too(place, tmp_path):
    whole = everything()
    history = whole.fit(X, Y, **OPTIONS).history
    model = everything()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, **OPTIONS, callbacks=StopAt(*place))
    model.save(tmp_path / "m")
    model = fb.load(tmp_path / "m")
    rest = model.fit(X, Y, **OPTIONS, resume=True).history
    assert same_bits(model, whole)
    assert {name: values[-len(rest["loss"]) :] for name, values in history.items()} == rest


def test_a_stream_with_fewer_rows_than_were_done_is_no_epoch_to_resume():
    def of(rows):
        return fb.streams.Stream(lambda: iter([(X[:rows], Y[:rows])]))

    model = make()
    with pytest.raises(KeyboardInterrupt):
        model.fit(of(61), batch_size=8, epochs=2, verbose=0, callbacks=StopAt(0, 5))
    with pytest.raises(ValueError, match="epoch of at least 5 steps, which are done, got 3"):
        model.fit(of(24), batch_size=8, epochs=2, verbose=0, resume=True)
    whole = make()
    whole.fit(of(61), batch_size=8, epochs=2, verbose=0)
    model.fit(of(61), batch_size=8, epochs=2, verbose=0, resume=True)
    assert same_bits(model, whole)


def test_batches_are_not_resumed_with_fewer_steps_an_epoch_than_were_done():
    class Loader:
        def __iter__(self):
            return iter([(X, Y)] * 10)

    model = make()
    with pytest.raises(KeyboardInterrupt):
        model.fit(Loader(), steps_per_epoch=8, verbose=0, callbacks=StopAt(0, 5))
    with pytest.raises(ValueError, match="epoch of at least 5 steps, which are done, got 2"):
        model.fit(Loader(), steps_per_epoch=2, verbose=0, resume=True)
    assert model.progress.step == 5


@pytest.mark.parametrize("saved", [False, True])
def test_a_larger_model_that_shares_the_layers_does_not_disturb_a_training(saved, tmp_path):
    whole = everything()
    whole.fit(X, Y, **OPTIONS)
    model = everything()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, **OPTIONS, callbacks=StopAt(1, 3))
    averaged = averages(model)
    larger = fb.Model(model.inputs, [fb.Dense(3)(model.layers[0].output), *model.outputs])
    larger.predict(X)
    assert all(map(np.array_equal, averages(model), averaged))
    if saved:
        model.save(tmp_path / "m")
        model = fb.load(tmp_path / "m")
    model.fit(X, Y, **OPTIONS, resume=True)
    assert same_bits(model, whole)
    assert model.optimizer.iterations == whole.optimizer.iterations


def averages(model):
    with model.averaged_weights():
        return model.get_weights()


def test_a_training_can_be_stopped_many_times(tmp_path):
    whole = make()
    whole.fit(X, Y, **OPTIONS)
    make().save(tmp_path / "m")
    for number in range(1, 4 * STEPS + 1):
        model = fb.load(tmp_path / "m")
        epoch, step = divmod(number - 1, STEPS)
        with contextlib.suppress(KeyboardInterrupt):
            model.fit(X, Y, **OPTIONS, resume=True, callbacks=[StopAt(epoch, step + 1)])
        model.save(tmp_path / "m")
    last = fb.load(tmp_path / "m")
    last.fit(X, Y, **OPTIONS, resume=True)
    assert same_bits(last, whole)


@pytest.mark.parametrize("after", [1, 5, 9, 20])
def test_callbacks_of_batches_go_on_with_the_numbers_they_had(after, tmp_path):
    whole = make()
    history = whole.fit(X, Y, **OPTIONS).history
    heard = []

    def hear(batch, logs):
        heard.append((model.progress.epoch, batch))
        if len(heard) == after:
            raise KeyboardInterrupt

    keep = fb.callbacks.ModelCheckpoint(tmp_path / "m", save_freq=1)
    listen = fb.callbacks.LambdaCallback(on_train_batch_end=hear)
    model = make()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, **OPTIONS, callbacks=[keep, listen])
    model = fb.load(tmp_path / "m")
    rest = model.fit(X, Y, **OPTIONS, resume=True, callbacks=listen)
    assert heard == [divmod(number, STEPS) for number in range(4 * STEPS)]
    assert same_bits(model, whole)
    assert rest.history["val_loss"] == history["val_loss"][-len(rest.epoch) :]
    assert rest.history["loss"] == history["loss"][-len(rest.epoch) :]


def test_a_training_that_a_callback_stopped_within_an_epoch_goes_on():
    whole, options = make(), {"epochs": 2, "batch_size": 8, "verbose": 0}
    whole.fit(X, Y, **options)
    model = make()

    def stop(batch, logs):
        model.stop_training = batch == 3

    model.fit(X, Y, **options, callbacks=fb.callbacks.LambdaCallback(on_train_batch_end=stop))
    assert (model.progress.epoch, model.progress.step) == (0, 4)
    assert model.fit(X, Y, **options, resume=True).epoch == [0, 1]
    assert same_bits(model, whole)


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("place", [(0, 1), (1, 3), (2, STEPS), (1, 0)])
def test_a_rate_that_changes_with_each_epoch_changes_once(place, saved, tmp_path):
    def halved():
        return fb.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)

    whole = make("sgd")
    rates = whole.fit(X, Y, **OPTIONS, callbacks=halved()).history["learning_rate"]
    model = make("sgd")
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, **OPTIONS, callbacks=[halved(), StopAt(*place)])
    if saved:
        model.save(tmp_path / "m")
        model = fb.load(tmp_path / "m")
    rest = model.fit(X, Y, **OPTIONS, resume=True, callbacks=halved())
    assert rest.history["learning_rate"] == rates[rest.epoch[0] :]
    assert same_bits(model, whole)


def test_a_training_goes_on_from_the_weights_it_came_to_also_where_the_best_are_kept():
    whole = make()
    whole.fit(X, Y, **OPTIONS)
    model = make()
    stop = fb.callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, **OPTIONS, callbacks=[stop, StopAt(2, 3)])
    assert stop.best_epoch is not None
    model.fit(X, Y, **OPTIONS, resume=True)
    assert same_bits(model, whole)


class Batches:
    """Batches that can be read again, as those of a data loader."""

    def __iter__(self):
        for k in range(5):
            yield X[10 * k : 10 * k + 10], Y[10 * k : 10 * k + 10]


def chunks():
    for rows in (slice(0, 7), slice(7, 30), slice(30, 61)):
        yield X[rows], Y[rows]


STREAMS = {
    "batches": (Batches, {}),
    "stream": (lambda: fb.streams.Stream(chunks, buffer=25), {"batch_size": 4}),
    "stream in order": (lambda: fb.streams.Stream(chunks, buffer=25), {"batch_size": 4, "shuffle": False}),
}


@pytest.mark.parametrize("step", [1, 4, 5])
@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_is_read_anew_and_what_was_done_is_left_out(kind, step, tmp_path):
    data, options = STREAMS[kind]
    whole = make()
    history = whole.fit(data(), **options, epochs=3, verbose=0).history
    model = make()
    with pytest.raises(KeyboardInterrupt):
        model.fit(data(), **options, epochs=3, verbose=0, callbacks=StopAt(1, step))
    model.save(tmp_path / "m")
    model = fb.load(tmp_path / "m")
    assert (model.progress.epoch, model.progress.step) == (1, step)
    rest = model.fit(data(), **options, epochs=3, verbose=0, resume=True)
    assert same_bits(model, whole)
    assert rest.history["loss"] == history["loss"][1:]


def test_an_iterator_cannot_be_read_anew():
    model = make()
    with pytest.raises(KeyboardInterrupt):
        model.fit(iter(Batches()), epochs=1, verbose=0, callbacks=StopAt(0, 2))
    with pytest.raises(ValueError, match="data that can be read anew to resume an epoch, got an iterator"):
        model.fit(iter(Batches()), epochs=1, verbose=0, resume=True)


def test_epochs_that_run_together_count(tmp_path):
    options = {"batch_size": 16, "verbose": 0}
    whole = make()
    whole.fit(X, Y, epochs=50, **options)
    trainer.CHUNK_SECONDS = 0.03
    model = make()
    for epochs in (7, 30, 50):
        model.fit(X, Y, epochs=epochs, **options, resume=True)
        assert model.progress.epoch == epochs
        model.save(tmp_path / "m")
        model = fb.load(tmp_path / "m")
    assert same_bits(model, whole)


def test_fit_without_resume_starts_a_new_count():
    model = make()
    with contextlib.suppress(KeyboardInterrupt):
        model.fit(X, Y, **OPTIONS, callbacks=[StopAt(1, 2)])
    assert model.fit(X, Y, **OPTIONS).epoch == [0, 1, 2, 3]
    assert model.fit(X, Y, **{**OPTIONS, "epochs": 6}, initial_epoch=5).epoch == [5]
    assert model.fit(X, Y, **{**OPTIONS, "epochs": 8}, resume=True).epoch == [6, 7]
    model.compile("sgd", "mse")
    assert model.progress is None
    assert model.fit(X, Y, **OPTIONS, resume=True).epoch == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch_size": 7}, "batch_size 8, shuffle True, as in the epoch to be resumed, got rows 48, batch_size 7"),
        ({"shuffle": False}, "shuffle True.*got rows 48, batch_size 8, shuffle False"),
        ({"validation_split": 0.5}, "expected rows 48, batch_size 8, .*got rows 30"),
        ({"initial_epoch": 2}, "expected initial_epoch or resume, got both: 2"),
        ({"resume": "yes"}, "resume as True or False"),
    ],
)
def test_an_epoch_under_way_cannot_go_on_with_something_else(change, words):
    model = make()
    with contextlib.suppress(KeyboardInterrupt):
        model.fit(X, Y, **OPTIONS, callbacks=[StopAt(1, 2)])
    before, place = model.get_weights(), (model.progress.epoch, model.progress.step)
    with pytest.raises((TypeError, ValueError), match=words):
        model.fit(X, Y, **{**OPTIONS, "resume": True, **change})
    assert all(map(np.array_equal, before, model.get_weights()))
    assert (model.progress.epoch, model.progress.step) == place


class StopBefore(fb.callbacks.Callback):
    """Raises KeyboardInterrupt before this step of the first epoch it hears of."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_begin(self, batch, logs):
        if batch == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize("change", [{"batch_size": 16}, {"shuffle": False}, {"validation_split": 0.5}])
def test_an_epoch_interrupted_before_its_first_step_may_go_on_with_something_else(change, tmp_path):
    model, changed = make(), {**OPTIONS, **change}
    for step, options in enumerate((OPTIONS, changed)):
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, Y, **options, resume=True, callbacks=StopBefore(step))
    model.save(tmp_path / "m")
    assert fb.load(tmp_path / "m").fit(X, Y, **changed, resume=True).epoch == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="as in the epoch to be resumed"):
        model.fit(X, Y, **OPTIONS, resume=True)


@pytest.mark.parametrize("saved", [False, True])
def test_an_epoch_interrupted_before_its_first_step_keeps_its_order_of_rows(saved, tmp_path):
    whole = make()
    whole.fit(X, Y, **OPTIONS)
    model = make()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, **OPTIONS, callbacks=StopBefore(0))
    if saved:
        model.save(tmp_path / "m")
        model = fb.load(tmp_path / "m")
    model.fit(X, Y, **OPTIONS, resume=True)
    assert same_bits(model, whole)


SCRIPT = """
import json, os, sys
import numpy as np, fastbp as fb

fb.utils.set_random_seed(3)
rng = np.random.default_rng(0)
x = rng.integers(0, 256, (200, 12)).astype(np.uint8)
y = rng.integers(0, 4, 200)
if os.path.exists("kept.safetensors"):
    model = fb.load("kept.safetensors")
else:
    model = fb.Sequential([fb.Input((12,), scale=1 / 255), fb.Dense(16, "tanh"), fb.Dense(4, "softmax")])
    model.compile(fb.optimizers.Nadam(0.01), "sparse_categorical_crossentropy", ["accuracy"])
keep = fb.callbacks.ModelCheckpoint("kept.safetensors", save_freq=3)
tell = fb.callbacks.LambdaCallback(on_epoch_end=lambda *of_epoch: print(json.dumps(of_epoch), flush=True))
print("ready", flush=True)
model.fit(x, y, epochs=int(sys.argv[1]), batch_size=10, verbose=0, resume=True, callbacks=[keep, tell])
model.save("done.safetensors")
"""
EPOCHS, KILLS = 60, 20


def test_killed_twenty_times_it_ends_with_the_bits_of_a_training_that_never_was(tmp_path):
    clean, killed = tmp_path / "clean", tmp_path / "killed"
    clean.mkdir()
    killed.mkdir()
    command = [sys.executable, "-c", SCRIPT, str(EPOCHS)]
    whole = subprocess.run(command, cwd=clean, capture_output=True, text=True, timeout=120)
    assert whole.returncode == 0, whole.stderr
    moments, outputs = random.Random(0), []
    for _ in range(KILLS):
        with subprocess.Popen(command, cwd=killed, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "ready\n"
            time.sleep(moments.uniform(0, 0.05))
            process.kill()
            outputs.append(process.stdout.read())
        assert process.returncode == -signal.SIGKILL  # not done before
        assert not (killed / "done.safetensors").exists()
    end = subprocess.run(command, cwd=killed, capture_output=True, text=True, timeout=120)
    assert end.returncode == 0, end.stderr
    first, last = (fb.load(folder / "done.safetensors") for folder in (clean, killed))
    assert same_bits(first, last)
    for name, state in first.optimizer_state().items():
        np.testing.assert_array_equal(state, last.optimizer_state()[name], name)
    assert first.random.state == last.random.state
    # what was reported of each epoch, whoever finished it, is the same as well
    logs = dict(map(json.loads, whole.stdout.splitlines()[1:]))
    for line in "".join([*outputs, end.stdout.removeprefix("ready\n")]).splitlines():
        with contextlib.suppress(json.JSONDecodeError):  # cut off
            epoch, numbers = json.loads(line)
            assert numbers == logs.pop(epoch, numbers)
    assert not logs


@pytest.mark.parametrize("milliseconds", [3, 8, 15, 30, 45, 70])
def test_short_epochs_that_were_interrupted_resume_with_the_same_bits(milliseconds):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(320, 8)), rng.normal(size=320)

    def small():
        fb.utils.set_random_seed(0)
        model = fb.Sequential([fb.Input((8,)), fb.Dense(6, "tanh"), fb.Dense(1)])
        model.compile("adam", "mse")
        model.train_on_batch(x[:32], y[:32])  # compiled, so that the interrupt finds it training
        return model

    whole = small()
    whole.fit(x, y, epochs=1500, verbose=0)
    broken = small()
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, milliseconds / 1000)
        with contextlib.suppress(KeyboardInterrupt):
            broken.fit(x, y, epochs=1500, verbose=0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    broken.fit(x, y, epochs=1500, verbose=0, resume=True)
    for one, other in zip(whole.get_weights(), broken.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
