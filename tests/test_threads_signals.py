"""Ctrl-C, forks and Python threads."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import fastbp as fb
from fastbp._core import _dense, _program, _python

X = np.random.default_rng(0).normal(size=(2000, 100)).astype("float32")
Y = (X[:, 0] > 0).astype(int)


def make(seed=1, units=400):
    """A model with work for several threads, unless it has few units."""
    fb.utils.set_random_seed(seed)
    model = fb.Sequential([fb.Input((100,)), fb.Dense(units, "relu"), fb.Dense(2, "softmax")])
    model.compile("adam", "crossentropy", metrics=["accuracy"])
    assert units < 400 or model.program("train").threads >= 4
    return model


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a.get_weights(), b.get_weights(), strict=True))


INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np, fastbp as fb

x = np.random.default_rng(0).normal(size=(60000, 200)).astype("f4")
y = (x[:, 0] > 0).astype(int)
m = fb.Sequential([fb.Dense(256, "relu", input_shape=(200,)), fb.Dense(256, "relu"), fb.Dense(2, "softmax")])
m.compile("adam", "crossentropy")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent may have had it ignored

class Begun(fb.callbacks.Callback):
    def on_epoch_end(self, epoch, logs):
        if epoch == 0:
            threading.Timer(0.15, interrupt).start()

def interrupt():
    global sent
    sent = time.perf_counter()
    os.kill(os.getpid(), signal.SIGINT)

try:
    m.fit(x, y, epochs=10**6, verbose=int(sys.argv[1]), callbacks=[Begun()])
except KeyboardInterrupt:
    late = time.perf_counter() - sent
    steps = m.optimizer.iterations
    p = m.predict(x[:5])
    assert np.isfinite(p).all()
    assert 1 <= len(m.history.epoch) == len(m.history.history["loss"])
    assert steps > 0
    m.fit(x[:64], y[:64], verbose=0)
    assert m.optimizer.iterations == steps + 2
    print("stopped after", late)
"""


@pytest.mark.parametrize("verbose", [0, 2])
def test_ctrl_c_stops_training_within_100_ms_and_leaves_a_usable_model(verbose):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", INTERRUPTED, str(verbose)]
    best = np.inf
    for _ in range(3):  # a busy machine may delay one of them
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
        assert "stopped after" in done.stdout, done.stderr
        best = min(best, float(done.stdout.split()[-1]))
        if best < 0.1:
            break
    assert best < 0.1


def test_ctrl_c_between_epochs_keeps_their_history():
    class Interrupt(fb.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 2:
                signal.raise_signal(signal.SIGINT)

    model, before = make(), signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, Y, epochs=9, verbose=0, callbacks=[Interrupt()])
    finally:
        signal.signal(signal.SIGINT, before)
    assert model.history.epoch == [0, 1, 2]
    assert len(model.history.history["accuracy"]) == 3
    assert model.optimizer.iterations == 3 * 63


def test_python_is_back_every_50_ms_during_an_epoch():
    class Times(fb.callbacks.Callback):
        def on_chunk(self, steps, logs):
            times.append(time.perf_counter())

    gaps = []
    for _ in range(3):
        times = []
        make(units=64).fit(np.tile(X, (20, 1)), np.tile(Y, 20), epochs=2, batch_size=16, verbose=0, callbacks=[Times()])
        gaps.append(np.median(np.diff(times)))
    assert min(gaps) < 0.05


def test_two_models_train_in_two_threads_as_they_would_in_turn():
    alone = [make(seed) for seed in (1, 2)]
    for seed, model in enumerate(alone):
        fb.utils.set_random_seed(seed)
        model.fit(X, Y, epochs=3, shuffle=False, verbose=0)
    together = [make(seed) for seed in (1, 2)]
    threads = [
        threading.Thread(target=model.fit, args=(X, Y), kwargs={"epochs": 3, "shuffle": False, "verbose": 0})
        for model in together
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same(alone[0], together[0])
    assert same(alone[1], together[1])


def counter_of_threads():
    """A function that runs a large product and says how many threads took part."""
    x, out = np.ones((6000, 200)), np.empty((6000, 200))
    product = _program.Program([(64, 1, [_dense.Dense(x, np.ones((200, 200)), None, out)])], 6000)

    def threads_used():
        seconds = np.zeros((4, 1))
        product.run(0, 6000, seconds=seconds)
        return np.count_nonzero(seconds)

    return threads_used


def test_a_run_within_a_run_has_all_threads():
    threads_used, found = counter_of_threads(), []
    outer = _python.Python(lambda rows: found.extend(threads_used() for _ in range(50)))
    fb.set_num_threads(4)
    try:
        _program.Program([(1, 1, [outer])], 1).run(0, 1)
    finally:
        fb.set_num_threads(None)
    assert max(found) > 2


def test_callers_that_are_at_work_at_once_share_the_threads():
    threads_used = counter_of_threads()
    busy, done = threading.Event(), threading.Event()

    def hold(rows):
        busy.set()
        assert done.wait(60)

    fb.set_num_threads(4)
    other = threading.Thread(target=_program.Program([(1, 1, [_python.Python(hold)])], 1).run, args=(0, 1))
    try:
        assert any(threads_used() > 2 for _ in range(50))
        other.start()
        assert busy.wait(60)
        beside = {threads_used() for _ in range(50)}
        done.set()
        other.join()
        assert max(beside) <= 2
        assert any(threads_used() > 2 for _ in range(50))
    finally:
        done.set()
        fb.set_num_threads(None)


def test_one_model_predicts_in_many_threads_at_once():
    model = make()
    expected = {rows: model.predict(X[:rows]) for rows in (1, 5, 300)}
    wrong = []

    def predict(rows):
        for _ in range(200):
            if not np.array_equal(model.predict(X[:rows]), expected[rows]):
                wrong.append(rows)

    threads = [threading.Thread(target=predict, args=(rows,)) for rows in (1, 5, 300, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_evaluate_in_two_threads_mixes_no_totals():
    model = make()
    parts = [(X[:700], Y[:700]), (X[700:], Y[700:])]
    expected = [model.evaluate(*part) for part in parts]
    results = [[], []]

    def evaluate(i):
        results[i] += [model.evaluate(*parts[i]) for _ in range(50)]

    threads = [threading.Thread(target=evaluate, args=(i,)) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(result == expected[i] for i in (0, 1) for result in results[i])


def test_two_threads_cannot_train_one_model_at_once():
    model, started, finish = make(), threading.Event(), threading.Event()

    class Hold(fb.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            started.set()
            finish.wait(30)

    thread = threading.Thread(target=model.fit, args=(X, Y), kwargs={"verbose": 0, "callbacks": Hold()})
    thread.start()
    assert started.wait(30)
    try:
        with pytest.raises(RuntimeError, match="training already"):
            model.fit(X, Y, verbose=0)
        with pytest.raises(RuntimeError, match="training already"):
            model.train_on_batch(X, Y)
        assert model.predict(X).shape == (2000, 2)
    finally:
        finish.set()
        thread.join()
    model.fit(X, Y, verbose=0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_trains_to_the_same_bits():
    model = make()
    model.fit(X, Y, verbose=0)  # the pool of threads is in use now
    twin = make()
    twin.fit(X, Y, verbose=0)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def train():
        model.fit(X, Y, shuffle=False, verbose=0)
        sender.send(model.get_weights())

    child = context.Process(target=train)
    child.start()
    assert receiver.poll(60), "the child hangs"
    weights = receiver.recv()
    child.join()
    twin.fit(X, Y, shuffle=False, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(weights, twin.get_weights(), strict=True))


@pytest.mark.parametrize("units", [8, 400])
def test_the_number_of_threads_changes_no_bit(units):
    models = []
    for threads in (1, 2, 3, 4):
        fb.set_num_threads(threads)
        try:
            models.append(make(units=units))
            models[-1].fit(X[:500], Y[:500], epochs=2, verbose=0)
        finally:
            fb.set_num_threads(None)
    assert all(same(models[0], model) for model in models[1:])


def test_a_fit_of_no_epochs_costs_under_a_millisecond():
    model = make()
    model.fit(X, Y, epochs=0)
    seconds = []
    for _ in range(20):
        started = time.perf_counter()
        assert model.fit(X, Y, epochs=0).epoch == []
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 1e-3
