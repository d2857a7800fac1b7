"""The callbacks that come with the package, but for progress and gradient flow: what they do, what they refuse."""

import csv
import math
import os
import sys

import numpy as np
import pytest

import fastbp as fb
from fastbp import callbacks

X = np.random.default_rng(0).normal(size=(100, 4)).astype("float32")
Y = (X[:, 0] > 0).astype(int)


class Model(fb.Sequential):
    """Writes down what it is asked to save."""

    def save(self, path):
        self.saved.append(("model", path))

    def save_weights(self, path):
        self.saved.append(("weights", path))


def make(optimizer="adam"):
    model = Model([fb.Input((4,)), fb.Dense(8, "relu"), fb.Dense(2, "softmax")])
    model.compile(optimizer, "crossentropy", metrics=["accuracy"])
    model.saved = []
    return model


def pretend(name, values):
    """A callback that puts these values into the logs of the epochs."""
    return callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update({name: values[epoch]}))


def fit(model, *listeners, epochs=1, **options):
    return model.fit(X, Y, batch_size=25, epochs=epochs, verbose=0, callbacks=listeners, **options)


# -- monitors ----------------------------------------------------------------------------------------------------------

MONITORS = [
    callbacks.EarlyStopping,
    callbacks.ReduceLROnPlateau,
    lambda monitor, **options: callbacks.ModelCheckpoint("x", monitor, save_best_only=True, **options),
]


@pytest.mark.parametrize("make_monitor", MONITORS)
def test_an_unknown_monitor_is_an_error_that_lists_the_logs(make_monitor):
    with pytest.raises(
        ValueError, match=r"'val_los': did you mean 'val_loss'\? \(known: loss, accuracy, val_loss, val_a"
    ):
        fit(make(), make_monitor("val_los", mode="min"), validation_split=0.2)


@pytest.mark.parametrize("make_monitor", MONITORS)
def test_a_mode_that_the_name_does_not_tell_has_to_be_given(make_monitor):
    with pytest.raises(ValueError, match="expected mode='min' or mode='max' for 'val_fancy'"):
        make_monitor("val_fancy")
    with pytest.raises(ValueError, match="expected mode as one of auto, min, max, got 'low'"):
        make_monitor("loss", mode="low")
    with pytest.raises(TypeError, match="expected monitor as a name"):
        make_monitor(3)


@pytest.mark.parametrize(
    ("name", "mode"),
    [("val_loss", "min"), ("accuracy", "max"), ("val_acc", "max"), ("mean_squared_error", "min"), ("val_auc", "max"),
     ("out_1_loss", "min"), ("top_k_categorical_accuracy", "max"), ("val_f1_score", "max"), ("val_mae", "min"),
     ("categorical_crossentropy", "min"), ("binary_accuracy", "max")],
)  # fmt: skip
def test_modes_follow_the_names(name, mode):
    assert callbacks.EarlyStopping(name).mode == mode


# -- EarlyStopping -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "options", "epochs", "best"),
    [
        ([3, 2, 1, 2, 1, 0, 0], {}, 4, 2),
        ([3, 2, 1, 2, 1, 0, 0], {"patience": 2}, 5, 2),
        ([3, 2, 1, 2, 1, 0, 0], {"patience": 3}, 7, 5),
        ([3, 2.9, 2.8, 2.7, 2.6], {"min_delta": 0.5}, 2, 0),
        ([3, 2.9, 2.8, 2.7, 2.4], {"min_delta": 0.15, "patience": 2}, 5, 4),
        ([1, 2, 3, 3, 4], {"mode": "max"}, 4, 2),
        ([5, 4, 3, 2, 1], {"baseline": 3.5, "patience": 2}, 2, 1),
        ([5, 3, 4, 2, 1], {"baseline": 3.5, "patience": 2}, 5, 4),
        ([1, 5, 4, 6, 3], {"start_from_epoch": 1}, 4, 2),
        ([math.nan, 2, math.nan, 1], {"patience": 2}, 4, 3),
        ([math.nan, math.nan, 1], {"patience": 2}, 2, None),
    ],
)
def test_early_stopping_counts_epochs_without_anything_better(values, options, epochs, best):
    stop = callbacks.EarlyStopping("val_x", **{"mode": "min", **options})
    history = fit(make(), pretend("val_x", values), stop, epochs=len(values))
    assert len(history.epoch) == epochs
    assert stop.best_epoch == best
    assert stop.stopped_epoch == (epochs - 1 if stop.wait and stop.wait >= stop.patience else None)


def test_early_stopping_restores_the_weights_of_the_best_epoch(capsys):
    weights = []
    keep = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(model.get_weights()))
    stop = callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True, verbose=1)
    model = make()
    fit(model, keep, pretend("val_loss", [3, 1, 2, 2, 2]), stop, epochs=5)
    assert len(weights) == 4
    for now, best in zip(model.get_weights(), weights[1], strict=True):
        np.testing.assert_array_equal(now, best)
    assert capsys.readouterr().out.splitlines() == [
        "Epoch 4: early stopping, val_loss has not become better for 2 epochs",
        "Epoch 2: weights restored, it was the best",
    ]


def test_early_stopping_starts_anew_with_each_fit():
    stop = callbacks.EarlyStopping("x", mode="min", patience=1)
    for _ in range(2):
        assert len(fit(make(), pretend("x", [1, 2, 3]), stop, epochs=3).epoch) == 2


@pytest.mark.parametrize(
    "options",
    [{"patience": -1}, {"patience": 1.5}, {"min_delta": "a"}, {"baseline": math.nan}, {"start_from_epoch": -1},
     {"restore_best_weights": 1}],
)  # fmt: skip
def test_early_stopping_refuses_bad_options(options):
    with pytest.raises((TypeError, ValueError), match=f"expected {next(iter(options))} as"):
        callbacks.EarlyStopping(**options)


# -- TerminateOnNaN ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_terminate_on_nan_names_the_batch(bad):
    x = np.ones((100, 4), "float32")
    model = make()
    model.compile("sgd", "mse")
    poison = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: x.__setitem__(65, bad) if epoch == 2 else None)
    with pytest.warns(RuntimeWarning, match="batch 7 of epoch 3 gave a loss of (nan|inf): training ends"):
        history = model.fit(
            x, np.ones((100, 2)), batch_size=10, epochs=9, shuffle=False, verbose=0,
            callbacks=[poison, callbacks.TerminateOnNaN()],
        )  # fmt: skip
    assert history.epoch == [0, 1, 2]
    assert model.optimizer.iterations == 27


# -- learning rates ----------------------------------------------------------------------------------------------------


def test_a_schedule_sets_the_rate_of_each_epoch(capsys):
    model = make(fb.optimizers.SGD(1.0))
    history = fit(model, callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2, verbose=1), epochs=3)
    assert history.history["learning_rate"] == [0.5, 0.25, 0.125]
    assert capsys.readouterr().out.splitlines()[2] == "Epoch 3: learning rate 0.125"
    history = fit(model, callbacks.LearningRateScheduler(lambda epoch: 1 / (epoch + 1)), epochs=2)
    assert history.history["learning_rate"] == [1.0, 0.5]
    assert model.optimizer.learning_rate == 0.5


def test_bad_schedules_are_refused():
    for bad in (0.1, lambda: 0.1, lambda a, b, c: 0.1):
        with pytest.raises(TypeError, match=r"expected schedule as a function of \(epoch, learning_rate\)"):
            callbacks.LearningRateScheduler(bad)
    with pytest.raises(TypeError, match="expected learning_rate as a number, got None"):
        fit(make(), callbacks.LearningRateScheduler(lambda epoch, rate: None))


@pytest.mark.parametrize(
    ("values", "options", "rates"),
    [
        ([1, 2, 3, 4, 5], {"patience": 2}, [1, 1, 1, 0.5, 0.5]),
        ([1, 1, 1, 1, 1], {"patience": 1}, [1, 1, 0.5, 0.25, 0.125]),
        ([1, 1, 1, 1, 1], {"patience": 1, "min_lr": 0.4}, [1, 1, 0.5, 0.4, 0.4]),
        ([1, 1, 1, 1, 1, 1], {"patience": 1, "cooldown": 2}, [1, 1, 0.5, 0.5, 0.25, 0.25]),
        ([1, 2, 3, 3, 3], {"patience": 1, "mode": "max"}, [1, 1, 1, 1, 0.5]),
        ([1, 0.9, 0.8, 0.7], {"patience": 1, "min_delta": 0.15}, [1, 1, 0.5, 0.5]),
    ],
)
def test_the_rate_is_lowered_on_a_plateau(values, options, rates):
    reduce = callbacks.ReduceLROnPlateau("x", **{"factor": 0.5, "mode": "min", **options})
    history = fit(make(fb.optimizers.SGD(1.0)), pretend("x", values), reduce, epochs=len(values))
    assert history.history["learning_rate"] == rates


@pytest.mark.parametrize(
    "options", [{"factor": 1}, {"factor": -0.1}, {"patience": -1}, {"cooldown": 0.5}, {"min_lr": -1}]
)
def test_reduce_on_plateau_refuses_bad_options(options):
    with pytest.raises((TypeError, ValueError), match=f"expected {next(iter(options))} as"):
        callbacks.ReduceLROnPlateau(**options)


# -- ModelCheckpoint ---------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_saved_after_each_epoch_under_its_numbers(tmp_path):
    model = make()
    path = tmp_path / "deep" / "{epoch:02d}-{val_loss:.2f}.fbp"
    fit(model, pretend("val_loss", [1.234, 0.5]), callbacks.ModelCheckpoint(path), epochs=2)
    assert model.saved == [("model", str(tmp_path / "deep" / f"{name}.fbp")) for name in ("01-1.23", "02-0.50")]
    assert (tmp_path / "deep").is_dir()


def test_only_better_models_are_saved_if_that_is_wanted(tmp_path, capsys):
    model, path = make(), str(tmp_path / "{epoch}")
    best = callbacks.ModelCheckpoint(path, "x", mode="max", save_best_only=True, save_weights_only=True, verbose=1)
    fit(model, pretend("x", [2, 1, math.nan, 3, 3]), best, epochs=5)
    assert model.saved == [("weights", str(tmp_path / "1")), ("weights", str(tmp_path / "4"))]
    assert capsys.readouterr().out.splitlines()[1] == f"Epoch 4: x improved from 2 to 3, saved to {tmp_path / '4'}"
    model.saved.clear()
    again = callbacks.ModelCheckpoint(path, "x", mode="min", save_best_only=True, initial_value_threshold=1.5)
    fit(model, pretend("x", [2, 1, 1, 0.5]), again, epochs=4)
    assert [path[-1] for _, path in model.saved] == ["2", "4"]


def test_a_checkpoint_every_so_many_batches_counts_over_epochs(tmp_path):
    model = make()
    steps = callbacks.ModelCheckpoint(tmp_path / "{epoch}-{batch}", save_freq=3)
    fit(model, steps, epochs=3)  # of 4 batches
    assert [path.rsplit("/")[-1] for _, path in model.saved] == ["1-3", "2-2", "3-1", "3-4"]


@pytest.mark.parametrize("path", ["file/model", "file/deep/model", "file/{epoch}", "folder"])
def test_a_path_that_cannot_be_written_is_an_error_before_training(path, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    model = make()
    with pytest.raises(OSError, match=path.partition("/")[0]):
        fit(model, callbacks.ModelCheckpoint(tmp_path / path))
    assert model.optimizer.iterations == 0


def test_a_folder_that_may_not_be_written_is_an_error_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # as it is for all but root
    for listener in (callbacks.ModelCheckpoint(tmp_path / "{epoch}"), callbacks.CSVLogger(tmp_path / "log.csv")):
        model = make()
        with pytest.raises(PermissionError, match="expected a place to write to"):
            fit(model, listener)
        assert model.optimizer.iterations == 0


def test_a_model_that_cannot_be_saved_ends_training(tmp_path):
    (tmp_path / "1").write_text("")
    with pytest.raises(OSError, match="1"):
        fit(make(), callbacks.ModelCheckpoint(tmp_path / "{epoch}" / "model"))


@pytest.mark.parametrize(
    ("error", "options", "says"),
    [
        (TypeError, {"filepath": 3}, "expected filepath as a path"),
        (ValueError, {"filepath": "best-{epoch}.h5"}, "a path that ends in .safetensors, .*got best-{epoch}.h5"),
        (ValueError, {"filepath": "{epoch"}, "expected filepath with names in braces"),
        (ValueError, {"filepath": "{}"}, "expected filepath with names in braces"),
        (ValueError, {"filepath": "{epoch.real}"}, "expected filepath with names in braces"),
        (TypeError, {"save_freq": "batch"}, "save_freq as 'epoch' or as a whole number, got 'batch'"),
        (ValueError, {"save_freq": 0}, "got 0"),
        (TypeError, {"save_best_only": "yes"}, "expected save_best_only as True or False"),
    ],
)
def test_checkpoints_refuse_bad_options(error, options, says):
    with pytest.raises(error, match=says):
        callbacks.ModelCheckpoint(**{"filepath": "x", **options})


@pytest.mark.parametrize("name", ["{val_loss}", "{batch}"])
def test_a_path_with_a_number_that_there_is_not_lists_those_there_are(tmp_path, name):
    with pytest.raises(ValueError, match="expected filepath with names of loss, accuracy, epoch, got"):
        fit(make(), callbacks.ModelCheckpoint(tmp_path / name))


# -- CSVLogger ---------------------------------------------------------------------------------------------------------


def read(path, separator=","):
    with open(path, newline="") as file:
        return list(csv.reader(file, delimiter=separator))


def test_a_table_has_a_line_an_epoch_with_exact_numbers(tmp_path):
    path = tmp_path / "log.csv"
    history = fit(make(), callbacks.CSVLogger(path, separator=";"), epochs=3, validation_split=0.2)
    header, *rows = read(path, ";")
    assert header == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert [row[0] for row in rows] == ["0", "1", "2"]
    assert [float(row[3]) for row in rows] == history.history["val_loss"]
    fit(make(), callbacks.CSVLogger(path), epochs=1)
    assert len(read(path)) == 2  # written over


def test_a_table_can_be_added_to(tmp_path):
    path, model = tmp_path / "log.csv", make()
    fit(model, callbacks.CSVLogger(path, append=True), epochs=2, validation_split=0.2)
    fit(model, callbacks.CSVLogger(path, append=True), epochs=3, initial_epoch=2)
    rows = read(path)
    assert [row[0] for row in rows] == ["epoch", "0", "1", "2"]
    assert rows[3][3:] == ["", ""]
    with pytest.raises(ValueError, match=r"log\.csv with columns epoch, loss, accuracy, new, got .*: new is missing"):
        fit(model, pretend("new", [1]), callbacks.CSVLogger(path, append=True))
    assert read(path) == rows


def test_each_line_is_on_disk_when_the_epoch_is_over(tmp_path):
    path, lines = tmp_path / "log.csv", []
    count = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: lines.append(len(read(path))))
    fit(make(), callbacks.CSVLogger(path), count, epochs=3)
    assert lines == [2, 3, 4]


def test_tables_refuse_bad_separators_and_folders_that_are_not_there(tmp_path):
    for bad in ("", ",,", "\n", None):
        with pytest.raises(ValueError, match="expected separator as one character"):
            callbacks.CSVLogger("x", separator=bad)
    model = make()
    with pytest.raises(FileNotFoundError, match=r"expected an existing folder, but .*none is none"):
        fit(model, callbacks.CSVLogger(tmp_path / "none" / "log.csv"))
    assert model.optimizer.iterations == 0


# -- TensorBoard -------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("package", ["tensorboardX", "tensorboard.summary"])
def test_tensorboard_gets_a_curve_for_each_number(package, tmp_path, monkeypatch):
    pytest.importorskip(package)
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    if package != "tensorboardX":
        monkeypatch.setitem(sys.modules, "tensorboardX", None)
    history = fit(make(), callbacks.TensorBoard(tmp_path), epochs=3, validation_split=0.2)
    for part, prefix in (("train", ""), ("validation", "val_")):
        events = reader.EventAccumulator(str(tmp_path / part))
        events.Reload()
        for name in ("loss", "accuracy"):
            tag = f"epoch_{name}"
            if tag in events.Tags()["scalars"]:
                points = [(event.step, event.value) for event in events.Scalars(tag)]
            else:  # the writer of tensorboard stores them as tensors
                tensors = [(event.step, event.tensor_proto) for event in events.Tensors(tag)]
                points = [
                    (step, (proto.float_val or np.frombuffer(proto.tensor_content, "f4"))[0]) for step, proto in tensors
                ]
            values = history.history[prefix + name]
            assert points == [(epoch, pytest.approx(value)) for epoch, value in enumerate(values)]


def test_without_tensorboard_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    with pytest.raises(ImportError, match="pip install tensorboardX"):
        callbacks.TensorBoard()
