"""Callbacks: the history, the progress on a terminal and elsewhere, and the order of events."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import fastbp as fb
from fastbp import callbacks

X = np.random.default_rng(0).normal(size=(100, 4)).astype("float32")
Y = (X[:, 0] > 0).astype(int)


def make():
    model = fb.Sequential([fb.Input((4,)), fb.Dense(8, "relu"), fb.Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["acc"])
    return model


class Recorder(fb.callbacks.Callback):
    def __init__(self):
        self.events = []

    def on_train_begin(self, logs):
        self.events.append("train begin")

    def on_train_end(self, logs):
        self.events.append("train end")

    def on_epoch_begin(self, epoch, logs):
        self.events.append(("begin", epoch))

    def on_epoch_end(self, epoch, logs):
        self.events.append(("end", epoch, sorted(logs)))

    def on_chunk(self, steps, logs):
        self.events.append(("chunk", steps, sorted(logs)))


def test_events_come_in_order_and_chunks_end_with_the_epoch():
    recorder = Recorder()
    make().fit(X, Y, epochs=2, batch_size=10, validation_split=0.1, verbose=0, callbacks=[recorder])
    events = recorder.events
    assert events[0] == "train begin"
    assert events[-1] == "train end"
    ends = [event for event in events if event[0] == "end"]
    assert ends == [("end", n, ["acc", "loss", "val_acc", "val_loss"]) for n in (0, 1)]
    for n in (0, 1):
        steps = [e[1] for e in events[events.index(("begin", n)) : events.index(ends[n])] if e[0] == "chunk"]
        assert steps == sorted(set(steps))
        assert steps[-1] == 9


def test_callbacks_know_the_model_and_the_plan_while_it_trains():
    class Check(callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            seen.append((self.model, self.params))

    seen, model, check = [], make(), Check()
    model.fit(X, Y, epochs=3, batch_size=30, initial_epoch=1, verbose=0, callbacks=check)
    assert seen == [(model, {"epochs": 3, "steps": 4, "verbose": 0})] * 2
    assert check.model is None


def test_stop_training_ends_after_the_epoch():
    class Stop(callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            self.model.stop_training = logs["loss"] < 10

    model = make()
    assert model.fit(X, Y, epochs=5, verbose=0, callbacks=[Stop()]).epoch == [0]
    assert model.fit(X, Y, epochs=5, verbose=0).epoch == [0, 1, 2, 3, 4]


def test_a_callback_that_fails_stops_training_and_leaves_the_model_usable():
    class Fail(callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 1:
                raise OSError("disk full")

    model, recorder = make(), Recorder()
    with pytest.raises(OSError, match="disk full"):
        model.fit(X, Y, epochs=5, verbose=0, callbacks=[recorder, Fail()])
    assert recorder.events[-1] == "train end"
    assert model.history.epoch == [0, 1]
    assert len(model.fit(X, Y, verbose=0).epoch) == 1


def test_a_callback_may_evaluate_and_predict_but_not_train():
    class Use(callbacks.Callback):
        def on_chunk(self, steps, logs):
            self.model.predict(X)
            self.model.evaluate(X, Y)

    class Train(callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            self.model.fit(X, Y, verbose=0)

    used, plain = make(), make()
    used.set_weights(plain.get_weights())
    for model, listener in ((used, Use()), (plain, Recorder())):
        fb.utils.set_random_seed(1)
        model.fit(X, Y, epochs=2, verbose=0, callbacks=[listener])
    np.testing.assert_array_equal(used.get_weights()[0], plain.get_weights()[0])
    with pytest.raises(RuntimeError, match="training already"):
        plain.fit(X, Y, verbose=0, callbacks=[Train()])


def test_things_that_are_no_callbacks_are_refused():
    with pytest.raises(TypeError, match="callbacks of type Callback, got 'history'"):
        make().fit(X, Y, verbose=0, callbacks=["history"])


LINE = r"{}/{} - \d+s - \d+(s|ms|µs)/step - loss: \d\.\d{{4}} - acc: \d\.\d{{4}}"


@pytest.mark.parametrize("verbose", ["auto", 1, 2])
def test_without_a_terminal_an_epoch_is_one_plain_line(verbose, capsys):
    make().fit(X, Y, epochs=2, batch_size=20, verbose=verbose)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    for number, line in enumerate(lines, 1):
        assert re.fullmatch(f"Epoch {number}/2 - " + LINE.format(5, 5), line)


def test_silence_is_silent_and_evaluate_prints_when_asked(capsys):
    model = make()
    model.fit(X, Y, verbose=0)
    model.evaluate(X, Y)
    model.predict(X)
    assert capsys.readouterr().out == ""
    model.evaluate(X, Y, verbose=1)
    assert re.fullmatch(LINE.format(1, 1) + "\n", capsys.readouterr().out)
    model.predict(X, batch_size=50, verbose=1)
    assert re.fullmatch(r"2/2 - 0s - \d+(ms|µs)/step\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.4, "2s"), (0.035, "35ms"), (170e-6, "170µs"), (1e-9, "0µs"), (1.0, "1s"), (0.001, "1ms")]
)
def test_the_time_of_a_step_is_written_in_the_unit_that_fits(seconds, text):
    assert callbacks.step_time(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0s"), (59.9, "59s"), (61, "1:01"), (3661, "1:01:01")])
def test_longer_times_are_written_as_a_clock(seconds, text):
    assert callbacks.clock(seconds) == text


TERMINAL = """
import pty, os, sys
chunks = []
def read(fd):
    data = os.read(fd, 4096)
    chunks.append(data)
    return data
status = pty.spawn([sys.executable, "-c", sys.argv[1]], read)
sys.exit(os.waitstatus_to_exitcode(status))
"""
TRAIN = """
import numpy as np, fastbp as fb
x = np.random.default_rng(0).normal(size=(40000, 64)).astype("f4")
m = fb.Sequential([fb.Dense(128, "relu", input_shape=(64,)), fb.Dense(1)])
m.compile("adam", "mse", metrics=["mae"])
m.fit(x, x[:, 0], epochs=2, batch_size=16)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_on_a_terminal_a_bar_moves_at_most_20_times_a_second():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm", "COLUMNS": "120"}
    command = [sys.executable, "-c", TERMINAL, TRAIN]
    out = subprocess.run(command, capture_output=True, check=True, env=environment, stdin=subprocess.DEVNULL).stdout
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.decode())
    assert "Epoch 1/2" in text
    last = re.findall(r"2500/2500 ━{20} \d+s \d+(?:ms|µs)/step - loss: [\d.e-]+ - mae: [\d.e-]+\r\n", text)
    assert len(last) == 2
    redraws = re.findall(r"\d+/2500 .{20} ETA", text)
    units = {"ms": 1e-3, "µs": 1e-6}
    seconds = sum(2500 * int(n) * units[u] for n, u in re.findall(r"━{20} \d+s (\d+)(ms|µs)/step", text))
    assert redraws
    assert len(redraws) <= 20 * seconds * 1.5 + 8
    assert out.count(b"\x1b[?25l") == out.count(b"\x1b[?25h")  # the cursor comes back
