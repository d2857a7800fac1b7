"""Rows that come in pieces: streams, generators, loaders and Parquet files."""

import contextlib
import threading
import weakref

import numpy as np
import pytest

import fastbp as fb
from fastbp import streams
from fastbp.data import Rows

RNG = np.random.default_rng(0)
X = RNG.normal(size=(230, 6)).astype("f4")
Y = RNG.integers(0, 3, 230)


def model():
    fb.utils.set_random_seed(0)
    made = fb.Sequential([fb.Input((6,)), fb.Dense(8, "tanh"), fb.Dense(3, "softmax")])
    made.compile("adam", "crossentropy", metrics=["accuracy"])
    return made


def chunks(*sizes):
    """A function that yields the rows in chunks of these sizes, the last one of what is left."""

    def read():
        at = 0
        for size in (*sizes, len(X)):
            if at < len(X):
                yield X[at : at + size], Y[at : at + size]
            at += size

    return read


def assert_same(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("sizes", [(), (1, 2, 3), (32, 32), (100, 7, 50), (229,)])
def test_a_stream_trains_to_the_same_bits_as_its_rows_in_an_array(sizes):
    whole, streamed = model(), model()
    want = whole.fit(X, Y, batch_size=32, epochs=3, shuffle=False, verbose=0)
    got = streamed.fit(streams.Stream(chunks(*sizes)), batch_size=32, epochs=3, shuffle=False, verbose=0)
    assert_same(whole, streamed)
    for name, values in want.history.items():
        np.testing.assert_allclose(got.history[name], values, rtol=1e-12)
    assert got.params["steps"] == 8


def test_a_shuffled_stream_takes_every_row_once_in_an_order_of_the_seed():
    seen = []

    def read():
        for at in range(0, 230, 23):
            yield X[at : at + 23], Y[at : at + 23]

    def weights(seed):
        made = model()
        fb.utils.set_random_seed(seed)
        made.fit(streams.Stream(read, buffer=64), batch_size=10, epochs=2, verbose=0)
        return made.get_weights()[0]

    np.testing.assert_array_equal(weights(1), weights(1))
    rows = Rows((np.arange(230.0)[:, None],), (np.arange(230, dtype=np.int32),), (None,))
    parts = (rows.part(slice(at, at + 23)) for at in range(0, 230, 23))
    for block, order in streams.rebatch(parts, 10, 64, np.random.default_rng(0)):
        assert len(order) % 10 == 0 or len(seen) + len(order) == 230
        seen.extend(block.y[0][order].tolist())
    assert sorted(seen) == list(range(230))
    assert seen != list(range(230))
    assert max(abs(np.array(seen) - np.arange(230))) > 30


@pytest.mark.parametrize("rng", [None, np.random.default_rng(0)])
def test_rows_are_copied_a_few_times_only_however_small_the_chunks(rng, monkeypatch):
    copied, concatenate = [0], np.concatenate

    def counting(arrays, *args, **options):
        joined = concatenate(arrays, *args, **options)
        copied[0] += len(joined) if joined.ndim == 2 else 0
        return joined

    monkeypatch.setattr(np, "concatenate", counting)
    parts = (Rows((X[at : at + 1],), (Y[at : at + 1],), (None,)) for at in range(230))
    blocks = list(streams.rebatch(parts, 10, 100, rng))
    assert sum(len(order) if rng else block.size for block, order in blocks) == 230
    assert copied[0] <= 2 * 230


def test_sparse_chunks_are_joined_and_shuffled():
    sparse = pytest.importorskip("scipy.sparse")

    def read(form):
        for at in range(0, 230, 50):
            yield form(X[at : at + 50] * (X[at : at + 50] > 0)), Y[at : at + 50]

    for shuffle in (True, False):
        options = {"batch_size": 16, "epochs": 2, "verbose": 0, "shuffle": shuffle}
        one = model()
        one.fit(streams.Stream(lambda: read(sparse.csr_array), buffer=100), **options)
        other = model()
        other.fit(streams.Stream(lambda: read(np.asarray), buffer=100), **options)
        assert_same(one, other)


@pytest.mark.parametrize("first", ["sparse", "dense"])
def test_sparse_and_dense_chunks_are_not_mixed(first):
    form = pytest.importorskip("scipy.sparse").csr_array
    pieces = [(form(X), Y), (X, Y)] if first == "sparse" else [(X, Y), (form(X), Y)]
    with pytest.raises(ValueError, match=f"batch 1 of the data: expected {first} rows, as in the first batch"):
        model().fit(streams.Stream(pieces_of(*pieces)), batch_size=500, verbose=0)


def test_each_piece_of_an_iterable_is_a_step():
    pieces = [(X[at : at + 40], Y[at : at + 40]) for at in range(0, 230, 40)]

    class Loader:
        def __iter__(self):
            return iter(pieces)

    whole, loaded = model(), model()
    want = whole.fit(X, Y, batch_size=40, epochs=2, shuffle=False, verbose=0)
    got = loaded.fit(Loader(), epochs=2, verbose=0)
    assert_same(whole, loaded)
    np.testing.assert_allclose(got.history["accuracy"], want.history["accuracy"])
    assert loaded.optimizer.iterations == 12


def test_an_endless_generator_goes_on_in_the_next_epoch():
    def endless():
        while True:
            for at in range(0, 230, 46):
                yield X[at : at + 46], Y[at : at + 46]

    whole, fed = model(), model()
    whole.fit(X, Y, batch_size=46, epochs=4, shuffle=False, verbose=0)
    fed.fit(endless(), steps_per_epoch=10, epochs=2, verbose=0, validation_data=(X, Y))
    assert_same(whole, fed)
    assert len(fed.history.history["val_loss"]) == 2


def test_streams_are_evaluated_and_predicted():
    made = model()
    stream = streams.Stream(chunks(50, 1, 99))
    assert made.evaluate(stream) == pytest.approx(made.evaluate(X, Y))
    np.testing.assert_array_equal(made.predict(stream), made.predict(X))
    history = made.fit(X, Y, epochs=1, verbose=0, validation_data=streams.Stream(chunks(60))).history
    assert history["val_loss"][0] == pytest.approx(made.evaluate(X, Y)[0])


@pytest.mark.parametrize("rows", [(X, Y), (X, Y, np.ones(230)), X])
def test_prediction_of_a_stream_tells_callbacks_and_prints_as_that_of_arrays_does(rows, capsys):
    heard = []

    def hear(**options):
        events = ["on_predict_begin", "on_predict_batch_begin", "on_predict_end"]
        listeners = {event: lambda *args, event=event: heard.append((event, args[:-1])) for event in events}
        listeners["on_predict_batch_end"] = lambda batch, logs: heard.append((batch, len(logs["outputs"])))
        made.predict(callbacks=fb.callbacks.LambdaCallback(**listeners), verbose=2, **options)
        printed, events = capsys.readouterr().out.split(" - ")[0], list(heard)
        heard.clear()
        return printed, events

    made = model()
    assert hear(x=streams.Stream(pieces_of(rows)), batch_size=50) == hear(x=X, batch_size=50)


def test_pieces_to_predict_are_read_ahead_counted_and_closed():
    asked, closed = threading.Event(), []

    def pieces():
        try:
            yield X[:, :6]
            asked.set()
            yield X[:, :5]
        finally:
            closed.append(True)

    wait = fb.callbacks.LambdaCallback(on_predict_batch_begin=lambda batch, logs: asked.wait(20))
    with pytest.raises(ValueError, match="batch 1 of the data: expected x with 6 columns"):
        model().predict(streams.Stream(pieces), batch_size=230, callbacks=wait)
    assert closed == [True]
    assert asked.is_set()
    with pytest.raises(ValueError, match="at least one row of data"):
        model().predict(iter([]))


def test_several_inputs_are_predicted_alone_and_with_targets():
    one, other = fb.Input((6,), name="one"), fb.Input((6,), name="other")
    made = fb.Model([one, other], fb.Dense(2)(fb.layers.Add()([one, other])))
    want = made.predict([X, X])
    for piece in ([X, X], (X, X), {"one": X, "other": X}, ([X, X], Y), ({"one": X, "other": X}, Y, Y)):
        np.testing.assert_array_equal(made.predict(streams.Stream(pieces_of(piece))), want)


def test_a_stream_to_predict_builds_a_model_and_leaves_it_to_be_compiled():
    made = fb.Sequential([fb.Dense(2)])
    assert made.predict(streams.Stream(chunks(50, 1))).shape == (230, 2)


def test_streams_are_evaluated_in_steps_of_as_many_rows_as_arrays():
    made, x, y = model(), np.tile(X, (5, 1)), np.tile(Y, 5)
    stream = streams.Stream(pieces_of((x, y)))
    for data in ((x, y), (stream,)):
        heard = []
        listener = fb.callbacks.LambdaCallback(on_test_batch_end=lambda batch, logs, heard=heard: heard.append(batch))
        made.evaluate(*data, callbacks=listener)
        made.fit(X, Y, verbose=0, callbacks=listener, validation_data=data if len(data) > 1 else stream)
        assert heard == [0, 1, 2, 3, 4] * 2


def test_a_metric_in_python_does_not_keep_the_rows_of_a_stream():
    alive = []

    def read():
        for _ in range(20):
            x = X.copy()
            alive.append(weakref.ref(x))
            assert sum(each() is not None for each in alive) < 10
            yield x, Y

    def right(y, outputs):
        assert len(y) == len(outputs) == 20 * 230
        return np.mean(outputs.argmax(axis=1) == y)

    made = model()
    made.compile("adam", "crossentropy", metrics=["accuracy", right])
    found = made.evaluate(streams.Stream(read), return_dict=True)
    assert found["right"] == pytest.approx(found["accuracy"])


def test_a_model_that_is_not_built_takes_validation_rows_and_a_stream_of_the_same_width_only():
    def unbuilt():
        made = fb.Sequential([fb.Dense(3, "softmax")])
        made.compile("adam", "crossentropy")
        return made

    made = unbuilt()
    with pytest.raises(ValueError, match=r"batch 0 of the data: expected x with 5 columns, got \(50, 6\)"):
        made.fit(streams.Stream(chunks(50)), validation_data=(X[:, :5], Y), verbose=0)
    assert not made.built
    weighted = (X, Y, np.ones(230))
    assert "val_loss" in made.fit(streams.Stream(chunks(50)), validation_data=weighted, verbose=0).history


def test_weights_of_rows_come_with_the_pieces_and_classes():
    weights = RNG.uniform(0.5, 2, 230)
    one, other = model(), model()
    options = {"epochs": 1, "verbose": 0, "class_weight": {1: 3.0}, "shuffle": False}
    one.fit(X, Y, batch_size=32, sample_weight=weights, **options)
    other.fit(streams.Stream(lambda: iter([(X, Y, weights)])), batch_size=32, **options)
    assert_same(one, other)


def test_batch_callbacks_count_through_all_pieces(capsys):
    batches = []
    listener = fb.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
    model().fit(streams.Stream(chunks(50, 60, 70)), batch_size=32, epochs=2, callbacks=listener, verbose=2)
    assert batches == [*range(8), *range(8)]
    assert "8/8 - " in capsys.readouterr().out


def stopping(model, after=1):
    """A callback that stops after so many batches."""

    def stop(batch, logs):
        model.stop_training = batch + 1 == after

    return fb.callbacks.LambdaCallback(on_train_batch_end=stop)


def test_reading_goes_on_while_the_kernels_work():
    asked = threading.Event()

    def pieces():
        yield X, Y
        asked.set()
        yield X, Y

    heard = []
    wait = fb.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: heard.append(asked.wait(20)))
    model().fit(pieces(), verbose=0, callbacks=wait)
    assert heard == [True, True]


@pytest.mark.parametrize("ending", ["all", "stopped", "interrupted", "failing"])
def test_when_fit_is_over_no_thread_reads_and_the_files_of_a_stream_are_closed(ending):
    before, events = threading.enumerate(), []

    def read():
        events.append("open")
        try:
            for number in range(10):
                if ending == "failing" and number == 5:
                    raise OSError("the disk is gone")
                yield X[:40], Y[:40]
        finally:
            events.append("closed")

    def end(batch, logs):
        made.stop_training = ending == "stopped"
        if ending == "interrupted":
            raise KeyboardInterrupt

    made = model()
    with contextlib.suppress(OSError, KeyboardInterrupt):
        listener = fb.callbacks.LambdaCallback(on_train_batch_end=end)
        made.fit(streams.Stream(read, buffer=40), epochs=2, verbose=0, callbacks=listener)
    assert events == ["open", "closed"] * (2 if ending == "all" else 1)
    assert threading.enumerate() == before


def test_a_generator_stays_open_and_loses_only_what_was_read_ahead():
    given = []

    def endless():
        while True:
            given.append(len(given))
            yield X[:40], Y[:40]

    pieces, made = endless(), model()
    made.fit(pieces, steps_per_epoch=5, epochs=2, verbose=0)
    assert len(given) == 10
    made.fit(pieces, steps_per_epoch=5, epochs=2, verbose=0, callbacks=stopping(made, after=2))
    assert 12 <= len(given) <= 12 + streams.DEPTH
    before = len(given)
    made.fit(pieces, steps_per_epoch=5, verbose=0)
    assert len(given) == before + 5


def test_an_error_of_the_generator_is_the_error_of_fit_and_the_model_stays_usable():
    def broken():
        yield X, Y
        raise OSError("the disk is gone")

    made = model()
    with pytest.raises(OSError, match="the disk is gone"):
        made.fit(broken(), verbose=0)
    made.fit(X, Y, verbose=0)


def pieces_of(*pieces):
    return lambda: iter(pieces)


@pytest.mark.parametrize("use", ["fit", "evaluate", "predict"])
def test_what_only_has_to_be_called_or_iterated_over_is_told_so(use):
    class Batches:
        def __len__(self):
            return 2

        def __getitem__(self, number):
            return X, Y

    def batches():
        yield X, Y

    with pytest.raises(TypeError, match="what yields batches, got the function batches: call it"):
        getattr(model(), use)(batches)
    with pytest.raises(TypeError, match="got Batches, which only has members by number: give a generator"):
        getattr(model(), use)(Batches())
    with pytest.raises(TypeError, match="got the function batches: call it"):
        model().fit(X, Y, validation_data=batches)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (pieces_of((X, Y), (X[:, :5], Y)), {}, "batch 1 of the data: expected x with 6 columns"),
        (pieces_of((X, Y), (X, Y + 5)), {}, "batch 1 of the data: expected labels from 0 to 2"),
        (pieces_of((X, Y), (X, Y[:9])), {}, "batch 1 of the data: expected x and y with the same number of rows"),
        (pieces_of(X), {}, r"batch 0 of the data: expected a batch as \(x, y\) .*, got ndarray"),
        (pieces_of((X, Y), (X, Y, np.ones(230))), {}, "batch 1 of the data: expected the same kind"),
        (pieces_of((X, Y), (X, Y)), {"steps_per_epoch": 5}, "expected 5 batches in epoch 1, got 2, then"),
        (pieces_of(), {}, "at least one row"),
        (pieces_of((X, Y)), {"batch_size": 3}, "no batch_size for an x that yields batches"),
        (pieces_of((X, Y)), {"y": Y}, "no y beside an x that yields batches"),
        (pieces_of((X, Y)), {"validation_split": 0.5}, "no validation_split beside"),
        (pieces_of((X, Y)), {"sample_weight": np.ones(230)}, "no sample_weight beside"),
        (pieces_of((X, Y)), {"steps_per_epoch": 0}, "steps_per_epoch as a whole number of at least 1"),
    ],
)
def test_wrong_pieces_are_refused_with_their_number(make, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        model().fit(make(), verbose=0, **options)


@pytest.mark.parametrize("weights", [[1, 2, 3], {3: 1.0}, {0: -1.0}, {0.5: 1.0}])
@pytest.mark.parametrize("built", [True, False])
def test_wrong_class_weights_are_refused_as_such_before_a_stream_is_read(weights, built):
    made = fb.Sequential([*[fb.Input((6,))] * built, fb.Dense(3, "softmax")])
    made.compile("adam", "crossentropy")
    unread = streams.Stream(lambda: pytest.fail("read"))
    if built or weights != {3: 1.0}:  # how many classes there are, the first rows may say
        with pytest.raises((TypeError, ValueError), match=r"^expected .*class"):
            made.fit(unread, class_weight=weights, verbose=0)


@pytest.mark.parametrize("name", ["x", "validation_data"])
def test_an_iterator_is_refused_before_training_where_it_would_have_to_begin_again(name):
    def fit(epochs, **options):
        given = {"x": streams.Stream(chunks()), "validation_data": streams.Stream(chunks()), name: chunks()()}
        return made.fit(**given, epochs=epochs, verbose=0, **options).history

    made = model()
    with pytest.raises(ValueError, match=f"expected {name} that can be read anew in each of 3 epochs, got an iterator"):
        fit(3)
    assert made.progress is None
    assert len(fit(1)["val_loss"]) == 1
    assert len(fit(3, initial_epoch=2)["val_loss"]) == 1


def test_other_wrong_streams_are_refused():
    with pytest.raises(TypeError, match="chunks as a function"):
        streams.Stream([1, 2])
    with pytest.raises(ValueError, match="buffer as a whole number"):
        streams.Stream(chunks(), buffer=0)
    with pytest.raises(ValueError, match="no steps_per_epoch for a Stream"):
        model().fit(streams.Stream(chunks()), steps_per_epoch=3, verbose=0)
    with pytest.raises(ValueError, match="no steps_per_epoch for arrays"):
        model().fit(X, Y, steps_per_epoch=3, verbose=0)


@pytest.fixture
def folder(tmp_path):
    parquet, arrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    (tmp_path / "part").mkdir()
    for k, place in enumerate(["a.parquet", "b.parquet", "part/c.parquet"]):
        rows = slice(k * 80, k * 80 + 80)
        columns = {f"x{j}": X[rows, j] for j in range(6)}
        parquet.write_table(arrow.table({**columns, "label": Y[rows], "w": np.ones(len(Y[rows]))}), tmp_path / place)
    return tmp_path


def test_parquet_files_train_like_their_rows(folder):
    whole, streamed = model(), model()
    whole.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    source = streams.Parquet(folder, target="label", columns=[f"x{j}" for j in range(6)])
    streamed.fit(source, epochs=2, shuffle=False, verbose=0)
    assert_same(whole, streamed)
    one = streams.Parquet([folder / "a.parquet"], target="label", weight="w")
    assert one.columns == [f"x{j}" for j in range(6)]
    np.testing.assert_array_equal(
        streamed.predict(streams.Parquet(folder / "a.parquet", columns=one.columns)), streamed.predict(X[:80])
    )
    assert streamed.evaluate(one) == pytest.approx(streamed.evaluate(X[:80], Y[:80]))


def test_wrong_parquet_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="which is not there"):
        streams.Parquet(tmp_path / "nothing.parquet")
    with pytest.raises(ValueError, match=r"columns among x0, .*, got 'lable'"):
        streams.Parquet(folder, target="lable")
    (folder / "empty").mkdir()
    with pytest.raises(ValueError, match="expected Parquet files, got none"):
        streams.Parquet(folder / "empty")
    (folder / "text.parquet").write_text("no parquet")
    with pytest.raises(ValueError, match="expected Parquet files"):
        streams.Parquet(folder / "text.parquet")


def test_who_reads_a_stream_may_predict_while_it_is_evaluated():
    made, seen = model(), []

    def read():
        for rows in (1, 16, 230):  # each the first of its size, which makes a program
            seen.append(made.predict(X[:rows]).shape)
            yield X, Y

    evaluation = threading.Thread(target=made.evaluate, args=(streams.Stream(read),), daemon=True)
    evaluation.start()
    evaluation.join(60)
    assert not evaluation.is_alive()
    assert seen == [(1, 3), (16, 3), (230, 3)]
