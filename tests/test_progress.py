"""The progress of training: a bar on a terminal and in a notebook, plain lines elsewhere."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import fastbp as fb
from fastbp import callbacks
from fastbp.callbacks import progress

X = np.random.default_rng(0).normal(size=(100, 4)).astype("float32")
Y = (X[:, 0] > 0).astype(int)


def make():
    model = fb.Sequential([fb.Input((4,)), fb.Dense(8, "relu"), fb.Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["acc"])
    return model


LINE = r"{}/{} - \d+s - \d+(s|ms|µs)/step - loss: \d\.\d{{4}} - acc: \d\.\d{{4}}"


@pytest.mark.parametrize("verbose", ["auto", 1, 2])
def test_without_a_terminal_an_epoch_is_one_plain_line(verbose, capsys):
    make().fit(X, Y, epochs=2, batch_size=20, verbose=verbose)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    for number, line in enumerate(lines, 1):
        assert re.fullmatch(f"Epoch {number}/2 - " + LINE.format(5, 5), line)


def stop_after(steps):
    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs):
            self.model.stop_training = batch + 1 == steps

    return Stop()


def test_an_epoch_that_was_stopped_shows_the_steps_done(capsys):
    model = make()
    model.fit(X, Y, batch_size=20, verbose=2, callbacks=stop_after(3))
    assert re.fullmatch(LINE.format(3, 5) + "\n", capsys.readouterr().out)
    model.fit(X, Y, batch_size=20, verbose=2, callbacks=stop_after(5), resume=True)
    assert re.fullmatch(LINE.format(5, 5) + "\n", capsys.readouterr().out)


def test_a_stream_that_was_stopped_before_its_steps_were_counted_has_a_line_too(capsys):
    data = fb.streams.Stream(lambda: iter([(X, Y)]))
    make().fit(data, batch_size=20, verbose=2, callbacks=stop_after(2))
    assert re.fullmatch(LINE.format(2, r"\?") + "\n", capsys.readouterr().out)


def test_an_epoch_of_which_nothing_is_left_has_a_line_too(capsys):
    class Interrupt(callbacks.Callback):
        def on_chunk(self, steps, logs):
            if steps == 5:
                raise KeyboardInterrupt

    model = make()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_size=20, verbose=0, callbacks=Interrupt())
    model.fit(X, Y, batch_size=20, verbose=2, resume=True)
    assert re.fullmatch(LINE.format(5, 5) + "\n", capsys.readouterr().out)


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
    assert progress.step_time(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0s"), (59.9, "59s"), (61, "1:01"), (3661, "1:01:01")])
def test_longer_times_are_written_as_a_clock(seconds, text):
    assert progress.clock(seconds) == text


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


def test_what_callbacks_add_to_an_epoch_is_on_its_line(capsys):
    make().fit(X, Y, epochs=2, callbacks=fb.callbacks.LearningRateScheduler(lambda epoch, rate: 0.5))
    assert capsys.readouterr().out.count("learning_rate: 0.5000") == 2


def test_a_bar_is_1_or_2():
    with pytest.raises(ValueError, match="expected verbose as 1 or 2, got 0"):
        callbacks.ProgressBar(0)


NOTEBOOK = """
import numpy as np, fastbp as fb
x = np.random.default_rng(0).normal(size=(20000, 64)).astype("f4")
m = fb.Sequential([fb.Dense(128, "relu", input_shape=(64,)), fb.Dense(1)])
m.compile("adam", "mse")
m.fit(x, x[:, 0], epochs=2, batch_size=16);
"""


@pytest.mark.filterwarnings("ignore")
def test_in_a_notebook_the_bar_is_replaced_by_one_line_an_epoch(tmp_path, monkeypatch):
    pytest.importorskip("ipykernel")
    pytest.importorskip("ipywidgets")
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(NOTEBOOK)])
    nbclient.NotebookClient(notebook, timeout=100, resources={"metadata": {"path": tmp_path}}).execute()
    outputs = notebook.cells[0].outputs
    assert not [output for output in outputs if output.output_type == "error"]
    text = "".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs)
    assert len(re.findall(r"1250/1250 ━{20} \d+s \d+(?:ms|µs)/step - loss: ", text)) == 2
    assert "Epoch 2/2" in text
