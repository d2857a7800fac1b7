"""Callbacks: which events come, in which order, with which logs, and what happens when one fails."""

import contextlib

import numpy as np
import pytest

import fastbp as fb
from fastbp import callbacks
from fastbp.data import Kind

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


def test_a_callback_may_be_at_work_twice():
    class Again(callbacks.Callback):
        def on_test_batch_end(self, batch, logs):
            seen.append(self.params["steps"])

        def on_epoch_end(self, epoch, logs):
            self.model.evaluate(X, Y, batch_size=50, callbacks=self)
            seen.append((self.model, self.params["epochs"]))

    seen, model, again = [], make(), Again()
    model.fit(X, Y, epochs=2, verbose=0, callbacks=again)
    assert seen == [2, 2, (model, 2)] * 2
    assert again.model is None


def test_things_that_are_no_callbacks_are_refused():
    with pytest.raises(TypeError, match="callbacks of type Callback, got 'history'"):
        make().fit(X, Y, verbose=0, callbacks=["history"])


ALL = sorted(callbacks.base.EVENTS)


class Everything(callbacks.Callback):
    """Writes down each event with its number and the names of its logs, but for chunks."""

    def __init__(self):
        self.heard = []


def hearing(event):
    def hear(self, *arguments):
        *number, logs = arguments
        assert type(logs) is dict
        self.heard.append((event.removeprefix("on_"), *number, *logs))

    return hear


for name in set(ALL) - {"on_chunk"}:
    setattr(Everything, name, hearing(name))


def test_training_tells_what_keras_tells_in_its_order():
    listener = Everything()
    make().fit(X, Y, batch_size=50, epochs=2, validation_data=(X[:9], Y[:9]), verbose=0, callbacks=listener)
    numbers = ("loss", "acc")

    def epoch(n):
        steps = [[("train_batch_begin", i), ("train_batch_end", i, *numbers)] for i in range(2)]
        test = [("test_begin",), ("test_batch_begin", 0), ("test_batch_end", 0, *numbers), ("test_end", *numbers)]
        return [("epoch_begin", n), *steps[0], *steps[1], *test, ("epoch_end", n, *numbers, "val_loss", "val_acc")]

    end = ("train_end", *numbers, "val_loss", "val_acc")
    assert listener.heard == [("train_begin",), *epoch(0), *epoch(1), end]


def test_evaluate_and_predict_tell_of_their_batches():
    model, listener = make(), Everything()
    plain = model.evaluate(X, Y, batch_size=60), model.predict(X, batch_size=60)
    assert model.evaluate(X, Y, batch_size=60, callbacks=listener) == plain[0]
    steps = [[("test_batch_begin", i), ("test_batch_end", i, "loss", "acc")] for i in range(2)]
    assert listener.heard == [("test_begin",), *steps[0], *steps[1], ("test_end", "loss", "acc")]
    listener.heard.clear()
    np.testing.assert_array_equal(model.predict(X, batch_size=60, callbacks=[listener]), plain[1])
    steps = [[("predict_batch_begin", i), ("predict_batch_end", i, "outputs")] for i in range(2)]
    assert listener.heard == [("predict_begin",), *steps[0], *steps[1], ("predict_end",)]
    assert listener.params == {"epochs": 1, "steps": 2, "verbose": 0}
    assert listener.model is None


def test_the_outputs_of_a_batch_are_those_of_its_rows():
    parts = []
    keep = callbacks.LambdaCallback(on_predict_batch_end=lambda batch, logs: parts.append(logs["outputs"].copy()))
    whole = make().predict(X, batch_size=30, callbacks=keep)
    assert [len(part) for part in parts] == [30, 30, 30, 10]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_listening_to_batches_changes_no_bit_of_the_result():
    def trained(listeners):
        fb.utils.set_random_seed(3)
        model = make()
        history = model.fit(X, Y, batch_size=7, epochs=3, validation_split=0.2, verbose=0, callbacks=listeners)
        return [*model.get_weights(), *history.history.values()]

    for ours, theirs in zip(trained([]), trained([Everything()]), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_logs_of_a_batch_are_the_means_of_the_epoch_so_far():
    seen = []
    keep = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs))
    model = make()
    model.compile(fb.optimizers.SGD(0.0), "crossentropy", metrics=["acc"])
    history = model.fit(X, Y, batch_size=30, shuffle=False, verbose=0, callbacks=keep)
    for logs, rows in zip(seen, (30, 60, 90, 100), strict=True):
        expected = model.evaluate(X[:rows], Y[:rows], return_dict=True)
        assert logs == pytest.approx(expected)
    assert seen[-1] == {name: values[0] for name, values in history.history.items()}


@pytest.mark.parametrize("event", ["on_train_batch_begin", "on_train_batch_end"])
def test_stop_training_in_a_batch_ends_after_that_batch(event):
    model, steps = make(), []

    def stop(batch, logs):
        steps.append(batch)
        model.stop_training = batch == 2

    history = model.fit(
        X,
        Y,
        batch_size=10,
        epochs=5,
        validation_split=0.1,
        verbose=0,
        callbacks=callbacks.LambdaCallback(**{event: stop}),
    )
    assert steps == [0, 1, 2]
    assert model.optimizer.iterations == 3
    assert history.epoch == [0]
    assert list(history.history) == ["loss", "acc", "val_loss", "val_acc"]


def test_the_learning_rate_may_be_set_at_every_batch():
    def run(listener, rates):
        model = make()
        model.set_weights([np.full(w.shape, 0.1) for w in model.get_weights()])
        model.compile(fb.optimizers.SGD(rates[0]), "crossentropy")
        if listener:
            change = callbacks.LambdaCallback(
                on_train_batch_begin=lambda batch, logs: setattr(model.optimizer, "learning_rate", rates[batch])
            )
            model.fit(X, Y, batch_size=25, shuffle=False, verbose=0, callbacks=change)
        else:
            for step, rate in enumerate(rates):
                model.optimizer.learning_rate = rate
                model.train_on_batch(X[25 * step : 25 * step + 25], Y[25 * step : 25 * step + 25])
        return model.get_weights()

    rates = [0.1, 0.5, 0.5, 0.01]
    for ours, theirs in zip(run(True, rates), run(False, rates), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_callbacks_written_for_keras_work():
    class Old(callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.seen = []

        def set_model(self, model):
            super().set_model(model)
            self.seen.append("model")

        def set_params(self, params):
            super().set_params(params)
            self.seen.append("params")

        def on_train_begin(self, logs=None):
            self.losses = []

        def on_train_batch_end(self, batch, logs=None):
            logs = logs or {}
            self.losses.append(logs.get("loss"))

        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            logs["double"] = 2 * logs["loss"]

    old = Old()
    history = make().fit(X, Y, batch_size=50, epochs=2, verbose=0, callbacks=[old])
    assert old.seen == ["params", "model"]
    assert len(old.losses) == 4
    assert history.history["double"] == [2 * loss for loss in history.history["loss"]]
    assert history.params == {"epochs": 2, "steps": 2, "verbose": 0}


def test_what_a_callback_adds_to_the_logs_is_seen_by_those_after_it():
    seen = []
    add = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(extra=epoch))
    read = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["extra"]))
    assert make().fit(X, Y, epochs=2, verbose=0, callbacks=[add, read]).history["extra"] == seen == [0, 1]


def test_a_number_of_some_epochs_alone_is_nan_in_the_others():
    odd = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update({"odd": epoch} if epoch % 2 else {}))
    history = make().fit(X, Y, epochs=4, verbose=0, callbacks=odd)
    np.testing.assert_array_equal(history.history["odd"], [np.nan, 1, np.nan, 3])
    assert [axes.get_title() for axes in history.plot().axes] == ["Loss", "Accuracy", "Odd"]


def test_a_fit_of_no_epoch_knows_its_plan():
    assert make().fit(X, Y, epochs=0, batch_size=50, verbose=0).params == {"epochs": 0, "steps": 2, "verbose": 0}


@pytest.mark.parametrize("event", [event for event in ALL if "predict" not in event and event != "on_train_end"])
def test_an_exception_at_any_event_ends_training_with_a_usable_model(event):
    def fail(*arguments):
        raise OSError("disk full")

    model, last = make(), []
    end = callbacks.LambdaCallback(on_train_end=lambda logs: last.append(logs))
    with pytest.raises(OSError, match="disk full"):
        model.fit(X, Y, validation_split=0.1, verbose=0, callbacks=[end, callbacks.LambdaCallback(**{event: fail})])
    assert len(last) == 1
    assert end.model is None
    assert len(model.fit(X, Y, verbose=0).epoch) == 1
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("event", [event for event in ALL if "predict" not in event])
def test_a_stop_iteration_comes_out_as_it_is(event):
    def fail(*arguments):
        raise StopIteration("no more")

    with pytest.raises(StopIteration, match="no more"):
        make().fit(X, Y, validation_split=0.1, verbose=0, callbacks=callbacks.LambdaCallback(**{event: fail}))


def test_the_end_is_told_to_all_who_heard_the_beginning_also_if_one_fails():
    told = []

    class Tell(callbacks.Callback):
        def __init__(self, name, fails=""):
            self.name, self.fails = name, fails

        def on_train_begin(self, logs):
            if self.fails == "begin":
                raise OSError("no beginning")

        def on_train_end(self, logs):
            told.append(self.name)
            if self.fails == "end":
                raise OSError("no end")

    with pytest.raises(OSError, match="no end"):
        make().fit(X, Y, verbose=0, callbacks=[Tell("a"), Tell("b", "end"), Tell("c")])
    assert told == ["a", "b", "c"]
    told.clear()
    with pytest.raises(OSError, match="no beginning"):
        make().fit(X, Y, verbose=0, callbacks=[Tell("a"), Tell("b", "begin"), Tell("c")])
    assert told == ["a"]


@pytest.mark.parametrize("event", ["on_train_begin", "on_train_batch_end", "on_test_end", "on_epoch_end", None])
def test_the_end_is_told_with_whether_an_exception_is_the_reason(event):
    class End(callbacks.Callback):
        def on_train_end(self, logs):
            told.append(self.interrupted)

    def fail(*_):
        raise OSError("disk full")

    told, model = [], make()
    failing = [callbacks.LambdaCallback(**{event: fail})] if event else []
    with pytest.raises(OSError, match="disk full") if event else contextlib.nullcontext():
        model.fit(X, Y, validation_split=0.1, verbose=0, callbacks=[End(), *failing])
    assert told == [event is not None]


def test_stop_training_before_the_first_epoch_trains_nothing():
    model = make()
    stop = callbacks.LambdaCallback(on_train_begin=lambda logs: setattr(model, "stop_training", True))
    assert model.fit(X, Y, epochs=3, verbose=0, callbacks=stop).epoch == []
    assert model.optimizer.iterations == 0


def test_lambda_callbacks_refuse_unknown_events_and_what_is_no_function():
    with pytest.raises(ValueError, match=r"unknown event 'on_epoch_ends': did you mean 'on_epoch_end'\?"):
        callbacks.LambdaCallback(on_epoch_ends=print)
    with pytest.raises(TypeError, match="expected on_epoch_end as a function, got 3"):
        callbacks.LambdaCallback(on_epoch_end=3)
    with pytest.raises(TypeError, match=r"got <class .*Callback'>; write Callback\(\)"):
        make().fit(X, Y, verbose=0, callbacks=callbacks.Callback)


def test_steps_run_together_unless_somebody_listens_to_batches():
    class Epochs(callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            pass

    def runs(listener):
        calls, program = 0, model.executable("train", 10, (Kind(True, False),))

        class Counting:
            def __getattr__(self, name):
                return getattr(program, name)

            def run(self, *arguments):
                nonlocal calls
                calls += 1
                program.run(*arguments)

        model.executable = lambda purpose, *rest: Counting() if purpose == "train" else find(purpose, *rest)
        model.fit(np.tile(X, (20, 1)), np.tile(Y, 20), batch_size=10, verbose=0, callbacks=listener)
        del model.executable
        return calls

    model = make()
    find = model.executable
    assert runs(Epochs()) < 50
    assert (
        runs(
            callbacks.ModelCheckpoint(
                "never", save_freq="epoch", save_best_only=True, monitor="loss", initial_value_threshold=-1
            )
        )
        < 50
    )
    assert runs(Everything()) == 200
