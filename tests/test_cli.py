"""The command line, driven as a user drives it: a process, its exit code, and what it prints."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from mnist_data import needs_mnist

COMMAND = [sys.executable, "-m", "fastbp"]


def fastbp(*args, **env):
    """Run `fastbp ARGS`; the finished process with its output as text."""
    return subprocess.run(
        [*COMMAND, *map(str, args)], capture_output=True, text=True, env={**os.environ, **env}, timeout=300
    )


def succeeds(*args, **env):
    done = fastbp(*args, **env)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def fails(*args, **env):
    """The one line a command that must fail prints; nothing may have been trained before."""
    done = fastbp(*args, **env)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def accuracy(output):
    return float(re.search(r"test accuracy (\d\.\d+)", output)[1])


def number(text):
    return float(text.replace(",", ""))


# ---- what works


def test_train_without_arguments_learns_digits_within_ten_seconds():
    start = time.perf_counter()
    output = succeeds("train")
    assert time.perf_counter() - start < 10
    assert accuracy(output) >= 0.96
    assert "digits: 1,438 training rows, 359 test rows, 64 columns, 10 classes" in output
    assert re.search(r"dense.*\(Dense\).*8,320", output)  # the summary: 64 * 128 + 128
    assert re.search(r"Epoch 30/30", output)


def test_rows_a_second_are_the_rows_trained_on_over_the_time_of_the_fit():
    output = succeeds("train", "--epochs", "2", "--validation-split", "0.25")
    rate, rows, seconds = re.search(r"([\d,]+) rows a second \(([\d,]+) rows in ([\d.]+) s", output).groups()
    assert number(rows) == 2 * int(1438 * 0.75)
    assert number(rows) / (float(seconds) + 0.005) <= number(rate) + 1
    assert float(seconds) < 0.01 or number(rate) <= number(rows) / (float(seconds) - 0.005) + 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_digits_accuracy_does_not_hang_on_the_seed(seed):
    assert accuracy(succeeds("train", "--seed", seed)) >= 0.96


def test_the_same_seed_prints_the_same_test_result_with_one_thread_or_two():
    results = [
        succeeds("train", "--epochs", 3, "--threads", n).split("test accuracy")[1].split("\n")[0] for n in (1, 2)
    ]
    assert results[0] == results[1]


def test_every_option_is_obeyed():
    options = "--hidden 16,8 --activation tanh --optimizer sgd --learning-rate 0.1 --epochs 4 --batch-size 10"
    output = succeeds(
        "train", "moons", *options.split(), "--validation-split", "0", "--dtype", "float64", "--seed", "3"
    )
    assert [name in output for name in ("48", "136", "9")] == [True] * 3  # parameters of 2-16, 16-8, 8-1
    assert "(4,800 rows in" in output
    assert "val_loss" not in output


def test_no_hidden_layer_is_logistic_regression():
    output = succeeds("train", "moons", "--hidden", "none", "--learning-rate", "0.05")
    assert "dense_1" not in output
    assert accuracy(output) > 0.8


def test_moons_need_a_hidden_layer_to_be_told_apart_well():
    assert accuracy(succeeds("train", "moons")) > 0.84


@needs_mnist
def test_mnist_reaches_97_percent_in_ten_epochs():
    assert accuracy(succeeds("train", "mnist", "--epochs", "10")) >= 0.97


def test_plot_writes_the_curves(tmp_path):
    pytest.importorskip("matplotlib")
    succeeds("train", "--epochs", "2", "--plot", tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_npz_with_a_test_set_is_learnt(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (600, 2, 3), dtype=np.uint8)
    y = (x[:, 0, 0] > 128).astype(int) + (x[:, 1, 2] > 128)
    np.savez(tmp_path / "a.npz", x_train=x[:500], y_train=y[:500], x_test=x[500:], y_test=y[500:])
    output = succeeds("train", tmp_path / "a.npz")
    assert "500 training rows, 100 test rows, 6 columns, 3 classes" in output
    assert accuracy(output) > 0.85


def test_csv_with_text_labels_is_learnt(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2)) * (1, 1000)
    rows = [f"{a},{b},{'in' if a * a + (b / 1000) ** 2 < 1.4 else 'out'}" for a, b in x]
    (tmp_path / "a.csv").write_text("a,b,where\n" + "\n".join(rows))
    output = succeeds("train", tmp_path / "a.csv")
    assert "320 training rows, 80 test rows, 2 columns, 2 classes" in output
    assert accuracy(output) > 0.85


def test_csv_with_float_targets_is_a_regression_reported_in_their_units(tmp_path):
    x = np.random.default_rng(0).normal(size=(500, 3))
    y = 5000 + 300 * x[:, 0] - 200 * x[:, 1]
    np.savetxt(tmp_path / "a.csv", np.column_stack([x, y]), delimiter=",")
    output = succeeds("train", tmp_path / "a.csv")
    assert "3 columns, regression" in output
    error, explained = re.search(r"root mean squared error ([\d.]+), R\^2 ([\d.]+)", output).groups()
    assert 1 < float(error) < 90  # the target's deviation is 360
    assert float(explained) == pytest.approx(1 - (float(error) / 360) ** 2, abs=0.02)


def test_info_says_version_and_instruction_set():
    import fastbp as fb

    output = succeeds("info")
    assert fb.__version__ in output
    assert re.search(r"x86-64|aarch64", output)


def test_version_and_help():
    import fastbp as fb

    assert succeeds("--version") == f"fastbp {fb.__version__}\n"
    text = succeeds("train", "--help")
    for option in ("hidden", "activation", "optimizer", "learning-rate", "epochs", "batch-size"):
        assert f"--{option}" in text
    for option in ("validation-split", "seed", "threads", "dtype", "plot"):
        assert f"--{option}" in text
    assert "regression" in text


# ---- what does not


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "arguments are required"),
        (["trian"], "unknown 'trian': did you mean 'train'?"),
        (["train", "digist"], "unknown data set 'digist': did you mean 'digits'?"),
        (["train", "table.txt"], "unknown data set 'table.txt'"),
        (["train", "--activation", "rleu"], "unknown activation 'rleu': did you mean 'relu'?"),
        (["train", "--optimizer", "adma"], "unknown optimizer 'adma': did you mean 'adam'?"),
        (["train", "--learning-rate", "nan"], "--learning-rate: expected a finite number of at least 0, got 'nan'"),
        (["train", "--learning-rate", "-1"], "got '-1'"),
        (["train", "--epochs", "0"], "--epochs: expected a whole number of at least 1, got '0'"),
        (["train", "--batch-size", "3.5"], "--batch-size: expected a whole number of at least 1, got '3.5'"),
        (
            ["train", "--validation-split", "1"],
            "--validation-split: expected a finite number of at least 0 and below 1",
        ),
        (["train", "--validation-split", "0.9999"], "validation"),
        (["train", "--hidden", "10,x"], "--hidden: expected a whole number of at least 1, got 'x'"),
        (["train", "--hidden", "10,0"], "got '0'"),
        (["train", "--threads", "0"], "--threads"),
        (["train", "--seed", "-3"], "--seed"),
        (["train", "--seed", "99999999999999"], "seed"),
        (["train", "--dtype", "float16"], "--dtype: unknown 'float16': did you mean 'float64'?"),
        (["train", "--epoch-count", "3"], "--epoch-count"),
        (["train", "none.npz"], "none.npz"),
        (["train", "none.csv"], "none.csv"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_bad_argument_is_exit_code_2_and_one_line(args, says):
    assert says in fails(*args)


def test_an_unwritable_plot_is_noticed_before_training(tmp_path):
    pytest.importorskip("matplotlib")
    assert "expected an existing folder" in fails("train", "--plot", tmp_path / "none" / "a.png")
    assert "expected a picture file" in fails("train", "--plot", tmp_path / "a.doc")


def test_a_damaged_or_unsuitable_file_is_exit_code_2_and_one_line(tmp_path):
    np.savez(tmp_path / "keys.npz", images=np.ones(3))
    assert "got images" in fails("train", tmp_path / "keys.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "keys.npz").read_bytes()[:100])
    assert "cut.npz: expected a whole .npz file" in fails("train", tmp_path / "cut.npz")
    (tmp_path / "ragged.csv").write_text("1,2,0\n3,1\n")
    assert "ragged.csv, line 2: expected 3 columns, got 2" in fails("train", tmp_path / "ragged.csv")
    (tmp_path / "one.csv").write_text("1,2,0\n3,4,0\n5,6,0\n")
    assert "one.csv: expected classes from 2" in fails("train", tmp_path / "one.csv")
    assert "folder.csv" in fails("train", (tmp_path / "folder.csv").mkdir() or tmp_path / "folder.csv")


def test_missing_or_truncated_mnist_is_exit_code_2_and_one_line(tmp_path):
    assert "train-images-idx3-ubyte.gz" in fails("train", "mnist", FASTBP_DATA_DIR=str(tmp_path))
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / f"{name}-ubyte").write_bytes(b"\0\0\x08\x03\0\0")
    assert "header of 16 bytes, got 6" in fails("train", "mnist", FASTBP_DATA_DIR=str(tmp_path))


def test_ctrl_c_is_exit_code_130_and_one_line():
    process = subprocess.Popen(
        [*COMMAND, "train", "--epochs", "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a parent may have had it ignored
    )
    try:
        for line in process.stdout:  # wait until it trains
            if line.startswith("Epoch 2/"):
                break
        process.send_signal(signal.SIGINT)
        start = time.perf_counter()
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert errors == "fastbp: interrupted\n"
    assert time.perf_counter() - start < 5
