"""Flatten, Reshape, Rescaling, Normalization and Embedding."""

import numpy as np
import pytest

import fastbp as fb
from fastbp.compiler.tape import Tape
from fastbp.layers import Concatenate, Embedding, Flatten, Normalization, Rescaling, Reshape, Residual

RNG = np.random.default_rng(0)


def ops_of(model, kind="train", batch=8):
    """Names of the ops of a program, in order."""
    return [op.name for phase in model.program(kind, batch).phases for op in phase.ops]


@pytest.fixture
def two_threads():
    before = fb.get_num_threads()
    yield lambda n: fb.set_num_threads(n)
    fb.set_num_threads(before)


# -- shapes


def test_flatten_and_reshape_cost_nothing_and_keep_the_order():
    x = RNG.normal(size=(9, 2, 6))
    model = fb.Sequential([fb.Input((2, 6), dtype="float64"), Reshape((3, -1)), Reshape((4, 3)), Flatten()])
    assert model.output_shapes([]) == [(12,)]
    np.testing.assert_array_equal(model.predict(x), x.reshape(9, 12))
    dense = fb.Sequential([fb.Input((2, 6)), Flatten(), fb.Dense(3)])
    dense.compile("sgd", "mse")
    assert "copy_columns" not in ops_of(dense)


def test_predictions_and_targets_have_the_shape_of_the_last_layer():
    model = fb.Sequential([fb.Input((5,)), fb.Dense(6, "tanh"), Reshape((2, 3))])
    model.compile("sgd", "mse")
    x, y = RNG.normal(size=(7, 5)), RNG.normal(size=(7, 2, 3))
    assert model.predict(x).shape == (7, 2, 3)
    assert model.evaluate(x, y) == pytest.approx(((model.predict(x) - y) ** 2).mean(), rel=1e-5)
    assert fb.testing.check_gradients(model, x, y).ok


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Reshape((-1, -1)), "one -1 at most"),
        (lambda: Reshape((0, 3)), "axes of a row"),
        (lambda: Reshape((5,))(fb.Input((6,))), r"rows of 5 elements.*got \(6,\)"),
        (lambda: Reshape((4, -1))(fb.Input((6,))), r"rows of 4 elements.*got \(6,\)"),
        (lambda: fb.Dense(3)(fb.Input((2, 3))), "put a Flatten before it"),
        (lambda: Residual([fb.Dense(64), Reshape((2, 32))])(fb.Input((6,))), r"one axis for residual.*\(2, 32\)"),
        (lambda: Residual([Flatten(), fb.Dense(64)])(fb.Input((2, 3))), r"one axis for residual.*\(2, 3\)"),
        (lambda: Residual([Reshape((2, 3))])(fb.Input((6,))), r"one axis for residual.*\(2, 3\)"),
        (lambda: fb.Activation("softmax")(fb.Input((2, 3))), r"one axis for activation.*\(2, 3\)"),
        (lambda: Rescaling(np.nan), "scale as finite numbers"),
        (lambda: Rescaling([1.0, 2.0])(fb.Input((3,))), r"scale that fits rows of shape \(3,\), got shape \(2,\)"),
        (lambda: Normalization(mean=1.0), "mean and variance, or neither"),
        (lambda: Normalization(mean=1.0, variance=-1.0), "variance of at least 0"),
        (lambda: Normalization(axis=0), "axis as -1 or None"),
        (lambda: Normalization(mean=[1, 2], variance=[1, 2])(fb.Input((3,))), "mean that fits rows"),
        (lambda: Normalization().adapt([1.0, 2.0]), r"data with shape \(rows, ...\).*got \(2,\)"),
        (lambda: Normalization().adapt(np.zeros((0, 3))), "at least one row"),
        (lambda: Normalization().adapt([[1.0, np.inf]]), "column 1"),
        (lambda: Embedding(0, 3), "input_dim as a whole number"),
        (lambda: Embedding(2**31, 3), "input_dim of at most"),
    ],
)
def test_wrong_options_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Rescaling("a lot"), "scale as numbers"),
        (lambda: Normalization(mean=[None], variance=1.0), "mean as numbers"),
        (lambda: fb.Dense(3, trainable="no"), "trainable as True or False"),
    ],
)
def test_options_of_another_type_are_refused(make, words):
    with pytest.raises(TypeError, match=words):
        make()


def test_adapt_refuses_what_is_no_number_or_has_another_shape():
    with pytest.raises(TypeError, match="real numbers"):
        Normalization().adapt([["a", "b"]])
    layer = Normalization()
    fb.Sequential([fb.Input((3,)), layer])
    with pytest.raises(ValueError, match=r"rows of shape \(3,\)"):
        layer.adapt(np.zeros((5, 4)))


def test_a_residual_adds_rows_of_several_axes_that_keep_their_shape():
    x = RNG.normal(size=(7, 2, 3))
    block = Residual([Flatten(), fb.Dense(6, "tanh"), Reshape((2, 3))])
    model = fb.Sequential([fb.Input((2, 3), dtype="float64"), block])
    model.compile("sgd", "mse")
    w, b = model.get_weights()
    np.testing.assert_allclose(model.predict(x), x + np.tanh(x.reshape(7, 6) @ w + b).reshape(x.shape))
    assert fb.testing.check_gradients(model, x, x).ok


@pytest.mark.parametrize("merge", ["add", "multiply"])
def test_a_tape_merges_tensors_of_one_shape_only(merge):
    tape = Tape()
    with pytest.raises(ValueError, match=r"one shape, got a of \(2,\) and b of \(64,\)"):
        getattr(tape, merge)(tape.batch("a", "x", 2), tape.batch("b", "x", 64))


# -- scaling


def test_rescaling_behind_an_input_is_part_of_the_gather():
    pixels = RNG.integers(0, 256, (40, 6), np.uint8)
    model = fb.Sequential([fb.Input((6,)), Rescaling(1 / 255, -0.5), fb.Dense(2)])
    model.compile("sgd", "mse")
    assert "rescale" not in ops_of(model)
    plain = fb.Sequential([fb.Input((6,)), fb.Dense(2)])
    plain.set_weights(model.get_weights())
    np.testing.assert_allclose(model.predict(pixels), plain.predict(pixels / 255 - 0.5), atol=1e-6)
    assert model.count_params() == 14


@pytest.mark.parametrize("source", ["first", "of scaled input", "behind dense", "shared with another reader"])
def test_rescaling_elsewhere_is_an_op_with_the_same_result_and_its_gradient(source):
    x = RNG.normal(size=(13, 4))
    inp = fb.Input((4,), scale=2.0 if source == "of scaled input" else 1.0)
    scale = Rescaling([1.0, -2.0, 0.5, 3.0], [0.0, 1.0, 2.0, -1.0])
    before = fb.Dense(4, "tanh")(inp) if source == "behind dense" else inp.symbol
    scaled = scale(before)
    out = fb.Dense(2)(Concatenate()([scaled, before]) if source == "shared with another reader" else scaled)
    model = fb.Model(inp, out)
    model.compile("sgd", "mse")
    assert ("rescale" in ops_of(model)) == (source != "first")
    inner = fb.Model(inp, [scaled, before]) if source == "behind dense" else None
    want, base = inner.predict(x) if inner else (None, x * inp.scale)
    reference = base * scale.scale + scale.offset
    got = want if inner else fb.Model(inp, scaled).predict(x)
    np.testing.assert_allclose(got, reference, atol=1e-5)
    assert fb.testing.check_gradients(model, x, RNG.normal(size=(13, 2))).ok


@pytest.mark.parametrize("rows", [1, 7, 40])
def test_normalization_takes_mean_and_variance_of_the_data(rows, monkeypatch):
    monkeypatch.setattr("fastbp.layers.rescaling.CHUNK", 32)  # several parts
    x = RNG.normal(size=(rows, 5)) * [1, 10, 100, 1e-3, 0] + [0, 5, 1e4, 1, 7]
    layer = Normalization()
    model = fb.Sequential([fb.Input((5,), dtype="float64"), layer])
    np.testing.assert_array_equal(model.predict(x), x)  # nothing known yet
    layer.adapt(x)
    np.testing.assert_allclose(layer.mean, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(layer.variance, x.var(axis=0), rtol=1e-9, atol=1e-12)
    want = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-7)
    np.testing.assert_allclose(model.predict(x)[:, :4], want[:, :4], atol=1e-8 * 1e4)
    np.testing.assert_allclose(model.predict(x)[:, 4], 0, atol=1e-6)
    assert not model.trainable_weights


def test_normalization_of_images_is_along_the_last_axis_or_of_all_elements():
    x = RNG.integers(0, 255, (20, 4, 4, 3), np.uint8)
    for axis, reduced in ((-1, (0, 1, 2)), (None, (0, 1, 2, 3))):
        layer = Normalization(axis=axis)
        layer.adapt(x)
        want = (x - x.mean(axis=reduced)) / x.std(axis=reduced)
        got = fb.Sequential([fb.Input((4, 4, 3)), layer]).predict(x)
        np.testing.assert_allclose(got, want, atol=1e-5)


def test_programs_made_before_adapt_or_set_weights_compute_with_the_new_numbers():
    x, y = RNG.normal(3, 2, size=(40, 3)), RNG.normal(size=(40, 1))
    layer = Normalization()
    model = fb.Sequential([fb.Input((3,)), layer, fb.Dense(1)])
    model.compile("sgd", "mse")
    before = model.predict(x)
    model.fit(x, y, verbose=0)
    layer.adapt(x)
    w, b = model.layers[1].get_weights()
    want = (x - x.mean(axis=0)) / x.std(axis=0) @ w + b
    np.testing.assert_allclose(model.predict(x), want, atol=1e-5)
    layer.set_weights([np.ones(3), np.zeros(3)])
    np.testing.assert_allclose(model.predict(x), x @ w + b, atol=1e-5)
    assert not np.allclose(before, want)


def test_training_leaves_the_numbers_of_a_normalization_alone_and_sparse_rows_are_normalized_too():
    sparse = pytest.importorskip("scipy.sparse")
    x = np.where(RNG.random((40, 6)) < 0.7, 0, RNG.normal(size=(40, 6)))
    layer = Normalization()
    layer.adapt(x)
    model = fb.Sequential([fb.Input((6,)), layer, fb.Dense(2)])
    model.compile("adam", "mse")
    kept = layer.get_weights()
    model.fit(sparse.csr_array(x), np.ones((40, 2)), epochs=2, verbose=0)
    np.testing.assert_array_equal(np.concatenate(kept), np.concatenate(layer.get_weights()))
    np.testing.assert_allclose(model.predict(sparse.csr_array(x)), model.predict(x), atol=1e-5)


# -- embeddings


def tabular(dtype=None):
    """Two categorical columns with tables of their own, one table for three columns, and two numbers."""
    colour, size = fb.Input((1,), name="colour", dtype=dtype), fb.Input((1,), name="size")
    words, numbers = fb.Input((3,), name="words"), fb.Input((2,), name="numbers")
    columns = [Embedding(5, 2)(colour), Embedding(70, 8)(size)]
    parts = [Flatten()(Concatenate()(columns)), Flatten()(Embedding(11, 4, name="words_table")(words)), numbers]
    hidden = fb.Dense(16, "tanh")(Concatenate()(parts))
    return fb.Model([colour, size, words, numbers], fb.Dense(1)(hidden))


def tabular_data(rows):
    counts = ((5, 1), (70, 1), (11, 3))
    x = [RNG.integers(0, limit, (rows, columns)) for limit, columns in counts]
    return [*x, RNG.normal(size=(rows, 2))], RNG.normal(size=(rows, 1))


def test_an_embedding_is_the_rows_of_its_table():
    x, _ = tabular_data(23)
    model = tabular("float64")
    tables = [layer.get_weights()[0] for layer in model.layers if isinstance(layer, Embedding)]
    picked = [table[index].reshape(23, -1) for table, index in zip(tables, x, strict=False)]
    hidden, last = [layer.get_weights() for layer in model.layers if isinstance(layer, fb.Dense)]
    want = np.tanh(np.concatenate([*picked, x[3]], axis=1) @ hidden[0] + hidden[1]) @ last[0] + last[1]
    np.testing.assert_allclose(model.predict(x), want, rtol=1e-10)


def test_gradients_of_embeddings_agree_with_central_differences():
    x, y = tabular_data(30)
    model = tabular()
    model.compile("sgd", "mse")
    report = fb.testing.check_gradients(model, x, y)
    assert report.ok, report


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, np.float32, np.float64, np.int8])
def test_indices_may_have_any_type_and_are_exact(kind):
    x = np.array([[3, 0], [100, 7]], kind)
    table = np.arange(101.0)[:, None]
    model = fb.Sequential([fb.Input((2,)), Embedding(101, 1, fb.initializers.Constant(table))])
    np.testing.assert_array_equal(model.predict(x)[:, :, 0], [[3, 0], [100, 7]])


def test_indices_beyond_what_float32_can_tell_apart_are_exact():
    size = 2**24 + 8
    layer = Embedding(size, 1, "zeros")
    model = fb.Sequential([fb.Input((1,)), layer])
    layer.weights[0].value[2**24 + 1] = 1
    np.testing.assert_array_equal(model.predict(np.arange(2**24, 2**24 + 4)[:, None]).ravel(), [0, 1, 0, 0])


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "momentum"])
def test_plain_sgd_changes_rows_of_the_batch_alone_and_adam_all_that_were_ever_met(optimizer):
    given = fb.optimizers.SGD(0.1, momentum=0.9) if optimizer == "momentum" else optimizer
    table = Embedding(10, 3)
    model = fb.Sequential([fb.Input((2,)), table, Flatten(), fb.Dense(1)])
    model.compile(given, "mse")
    model.train_on_batch([[1, 4], [4, 4]], [1.0, 2.0])
    before = table.get_weights()[0]
    model.train_on_batch([[2, 2]], [1.0])
    changed = np.flatnonzero((table.get_weights()[0] != before).any(axis=1))
    assert changed.tolist() == ([2] if optimizer == "sgd" else [1, 2, 4])


def test_a_step_of_sgd_is_the_gradient_of_each_index_added_up():
    x, y = np.array([[1, 4], [4, 4], [0, 1]]), np.array([[1.0], [2.0], [-1.0]])
    layers = [Embedding(6, 3, dtype="float64"), Flatten(), fb.Dense(1)]
    model = fb.Sequential([fb.Input((2,)), *layers])
    model.compile(fb.optimizers.SGD(0.5), "mse")
    table, w, b = (array.copy() for array in model.get_weights())
    dz = 2 / 3 * (table[x].reshape(3, -1) @ w + b - y)
    gradient = np.zeros((6, 3))
    np.add.at(gradient, x.ravel(), (dz @ w.T).reshape(-1, 3))
    np.testing.assert_allclose(model.gradients(x, y)["dW1"], gradient, rtol=1e-12)
    model.train_on_batch(x, y)
    np.testing.assert_allclose(model.get_weights()[0], table - 0.5 * gradient, rtol=1e-12)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("threads", [2, 3])
def test_embeddings_have_the_same_bits_on_any_number_of_threads(optimizer, threads, two_threads):
    rng = np.random.default_rng(1)
    x = [rng.integers(0, 50, (512, 6)), rng.normal(size=(512, 40))]
    y = rng.normal(size=(512, 1))

    def train(count):
        two_threads(count)
        fb.utils.set_random_seed(2)
        index, numbers = fb.Input((6,)), fb.Input((40,))
        normalized = Rescaling(0.5, 0.1)(fb.Dense(40)(Normalization(mean=0.1, variance=2.0)(numbers)))
        both = Concatenate()([Flatten()(Embedding(50, 24)(index)), normalized])
        model = fb.Model([index, numbers], fb.Dense(1)(fb.Dense(256, "relu")(fb.Dense(256, "relu")(both))))
        model.compile(optimizer, "mse")
        assert model.program("train", 128).threads >= 3
        model.fit(x, y, epochs=2, batch_size=128, verbose=0)
        return np.concatenate([w.ravel() for w in model.get_weights()])

    np.testing.assert_array_equal(train(1), train(threads))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([[0, 1], [2, 10]], "whole numbers from 0 to 9 for an Embedding, got 10 in column 1, row 1"),
        ([[0, 1], [-1, 3]], "got -1 in column 0, row 1"),
        ([[0.0, 1.5]], r"got 1.5 in column 1, row 0"),
        ([[0.0, np.nan]], r"got nan in column 1"),
        (np.array([[0, 2**63]], np.uint64), "got 9223372036854775808 in column 1"),
    ],
)
@pytest.mark.parametrize("built", [True, False])
def test_indices_that_are_not_in_the_table_are_refused_at_the_door(x, words, built):
    layers = [Embedding(10, 3), Flatten(), fb.Dense(1)]
    model = fb.Sequential([fb.Input((2,)), *layers] if built else layers)
    model.compile("sgd", "mse")
    before = model.get_weights() if built else None
    for call in (model.predict, lambda x: model.fit(x, np.ones(len(x)), verbose=0)):
        with pytest.raises(ValueError, match=words):
            call(x)
    if built:
        np.testing.assert_array_equal(before[0], model.get_weights()[0])
    model.fit([[0, 9]], [1.0], verbose=0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda x: Embedding(5, 2)(fb.Dense(2)(x)), "behind an Input"),
        (lambda x: Concatenate()([Flatten()(Embedding(5, 2)(x)), fb.Dense(2)(x)]), "nothing but embeddings"),
        (lambda x: Flatten()(Embedding(5, 2)(Embedding(5, 2)(Flatten()(x)))), "rows of one axis|behind an Input"),
    ],
)
def test_embeddings_read_inputs_of_indices_alone(make, words):
    x = fb.Input((3,))
    with pytest.raises(ValueError, match=words):
        fb.Model(x, make(x))


def test_an_embedding_takes_no_scaled_input_and_stands_in_no_residual():
    with pytest.raises(ValueError, match="no scale"):
        fb.Sequential([fb.Input((3,), scale=0.5), Embedding(5, 2)])
    with pytest.raises(TypeError, match="numbers to add to"):
        fb.layers.Residual([Embedding(5, 2)])


def test_two_embeddings_of_one_input_take_what_fits_both():
    x = fb.Input((2,))
    model = fb.Model(x, Concatenate()([Flatten()(Embedding(5, 2)(x)), Flatten()(Embedding(9, 3)(x))]))
    assert model.predict([[4, 0]]).shape == (1, 10)
    with pytest.raises(ValueError, match="from 0 to 4"):
        model.predict([[5, 0]])


def test_the_profile_of_a_model_with_embeddings_uses_indices_of_the_table():
    model = fb.Sequential([fb.Input((2,)), Embedding(1, 3), Flatten(), fb.Dense(1)])
    model.compile("adam", "mse")
    assert "embedding_gradient" in model.program().describe(profile=True)


def test_layers_take_trainable_as_an_option():
    model = fb.Sequential([fb.Input((2,)), Embedding(4, 3, trainable=False), Flatten(), fb.Dense(1, trainable=False)])
    assert not model.trainable_weights
    block = fb.layers.Residual([fb.Dense(3, trainable=False), fb.Dense(3)])
    assert len(fb.Sequential([fb.Input((3,)), block]).trainable_weights) == 2


@pytest.mark.parametrize(
    "options",
    [{"use_ema": True}, {"clipnorm": 0.1}, {"global_clipnorm": 0.1}, {"gradient_accumulation_steps": 2}],
    ids=lambda options: next(iter(options)),
)
def test_embeddings_train_with_every_option_of_an_optimizer_as_dense_one_hot_columns_do(options):
    rng = np.random.default_rng(3)
    index, y = rng.integers(0, 6, (40, 1)), rng.normal(size=(40, 1))
    table = rng.normal(size=(6, 3))
    start = fb.initializers.Constant(table)
    last = {"kernel_initializer": "ones"}
    embedded = fb.Sequential(
        [fb.Input((1,), dtype="float64"), Embedding(6, 3, start), Flatten(), fb.Activation("tanh"), fb.Dense(1, **last)]
    )
    dense = fb.Sequential(
        [
            fb.Input((6,), dtype="float64"),
            fb.Dense(3, "tanh", use_bias=False, kernel_initializer=start),
            fb.Dense(1, **last),
        ]
    )
    for model, x in ((embedded, index), (dense, np.eye(6)[index[:, 0]])):
        model.compile(fb.optimizers.SGD(0.1, **options), "mse")
        model.fit(x, y, batch_size=10, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_allclose(embedded.get_weights()[0], dense.get_weights()[0], rtol=1e-9)
    if "use_ema" in options:
        with embedded.averaged_weights(), dense.averaged_weights():
            np.testing.assert_allclose(embedded.get_weights()[0], dense.get_weights()[0], rtol=1e-9)


def test_models_of_these_layers_are_saved_and_loaded(tmp_path):
    x, y = tabular_data(40)
    model = tabular()
    normalize = Normalization()
    normalize.adapt(x[3])
    inputs = [fb.Input((columns,)) for columns in (1, 1, 3, 2)]
    outputs = fb.Dense(2)(Concatenate()([model(inputs), Rescaling(0.5, [1.0, 2.0])(normalize(inputs[3]))]))
    model = fb.Model(inputs, Reshape((1, 2))(outputs))
    model.compile("adam", "mse")
    y = np.stack([y, y], axis=2)
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model")
    again = fb.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    for each in (model, again):
        each.fit(x, y, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    with pytest.raises(ValueError, match="from 0 to 4"):
        again.predict([x[0] + 5, *x[1:]])
