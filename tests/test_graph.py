"""Graphs of layers: branches, merges, shared layers, several inputs and outputs."""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastbp as fb
from fastbp.layers import Add, Average, Concatenate, Multiply, Residual, Subtract

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(33, 5)), RNG.normal(size=(33, 3))
LABELS = RNG.integers(0, 3, 33)


def two_inputs():
    a, b = fb.Input((5,), name="a"), fb.Input((3,), name="b")
    shared = fb.Dense(4, "tanh", name="shared")
    left, right = shared(a), shared(fb.Dense(5, name="widen")(b))
    merged = Concatenate(name="both")([Add()([left, right]), Multiply()([left, right]), b])
    first = fb.Dense(3, "softmax", name="classes")(merged)
    second = fb.Dense(2, name="numbers")(Residual([fb.Dense(11, "relu"), fb.Dense(11)])(merged))
    return fb.Model([a, b], [first, second])


def reference(model, a, b):
    w = {layer.name: [v.astype("f8") for v in layer.get_weights()] for layer in model.layers if layer.weights}
    left = np.tanh(a @ w["shared"][0] + w["shared"][1])
    right = np.tanh((b @ w["widen"][0] + w["widen"][1]) @ w["shared"][0] + w["shared"][1])
    merged = np.concatenate([left + right, left * right, b], axis=1)
    z = merged @ w["classes"][0] + w["classes"][1]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    (residual,) = (weights for name, weights in w.items() if name.startswith("residual"))
    inner = np.maximum(merged @ residual[0] + residual[1], 0) @ residual[2] + residual[3]
    return e / e.sum(axis=1, keepdims=True), (merged + inner) @ w["numbers"][0] + w["numbers"][1]


def test_a_graph_computes_what_its_formula_says():
    model = two_inputs()
    first, second = model.predict([X, Y])
    want = reference(model, X, Y)
    np.testing.assert_allclose(first, want[0], atol=1e-5)
    np.testing.assert_allclose(second, want[1], atol=1e-5)
    by_name = model.predict({"b": Y, "a": X})
    np.testing.assert_array_equal(by_name[0], first)


def test_gradients_of_a_graph_agree_with_central_differences():
    model = two_inputs()
    model.compile("sgd", ["sparse_categorical_crossentropy", "mse"], loss_weights=[0.3, 2.0])
    report = fb.testing.check_gradients(model, [X, Y], [LABELS, Y[:, :2]])
    assert report.ok, report
    assert report.checked > 100


def test_the_loss_is_the_weighted_sum_and_each_is_reported():
    model = two_inputs()
    model.compile("adam", ["sparse_categorical_crossentropy", "mse"], [["accuracy"], ["mae"]], [0.3, 2.0])
    logs = model.evaluate([X, Y], [LABELS, Y[:, :2]], return_dict=True)
    assert list(logs) == ["loss", "classes_loss", "numbers_loss", "classes_accuracy", "numbers_mae"]
    assert list(logs) == model.metrics_names
    assert logs["loss"] == pytest.approx(0.3 * logs["classes_loss"] + 2 * logs["numbers_loss"])
    history = model.fit([X, Y], [LABELS, Y[:, :2]], epochs=30, batch_size=8, verbose=0)
    assert history.history["loss"][-1] < 0.8 * history.history["loss"][0]


def test_tensors_of_one_shape_are_subtracted_and_averaged():
    inputs = [fb.Input((2, 2), dtype="float64") for _ in range(3)]
    data = [RNG.normal(size=(5, 2, 2)) for _ in inputs]
    difference, mean = fb.Model(inputs, [Subtract()(inputs[:2]), Average()(inputs)]).predict(data)
    np.testing.assert_array_equal(difference, data[0] - data[1])
    np.testing.assert_allclose(mean, np.mean(data, axis=0), rtol=1e-14)
    with pytest.raises(ValueError, match=r"expected two symbols for <Subtract .*, got 3"):
        Subtract()(inputs)


def test_the_listing_says_which_of_the_callers_arrays_a_batch_is_of():
    model = two_inputs()
    model.compile("adam", ["sparse_categorical_crossentropy", "mse"])
    model.train_on_batch([X, Y], [LABELS, Y[:, :2]], sample_weight=[np.ones(33), np.ones(33)])
    one = fb.Sequential([fb.Input((5,)), fb.Dense(3)])
    one.compile("sgd", "mse")
    one.train_on_batch(X, Y, sample_weight=np.ones(33))
    for program, lines in (
        (model.program(), ["a = batch of x1", "b = batch of x2", "Y1 = batch of y1", "weight2 = batch of weights2"]),
        (one.program(), ["A0 = batch of x", "Y = batch of y", "weight = batch of weights"]),
    ):
        assert all(f" {line}  " in program.describe() for line in lines), program.describe()


OPS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=9)


def random_graph(plan):
    """A graph that a list of (kind, where, where) describes; every tensor has four columns."""
    x, other = fb.Input((4,)), fb.Input((4,))
    tensors, shared = [x.symbol, other.symbol], fb.Dense(4, "sigmoid")
    for kind, i, j in plan:
        a, b = tensors[i % len(tensors)], tensors[j % len(tensors)]
        tensors.append(
            [
                lambda a, b: Add()([a, b]),
                lambda a, b: Multiply()([a, b]),
                lambda a, b: Subtract()([a, b]),
                lambda a, b: Average()([a, b, a]),
                lambda a, b: fb.Dense(4, "tanh")(Concatenate()([a, b])),
                lambda a, b: shared(a),
                lambda a, b: fb.Dense(4, "gelu")(a),
                lambda a, b: fb.Activation("softmax")(a),
                lambda a, b: Residual([fb.Dense(6, "elu"), fb.Dense(4)])(a),
            ][kind](a, b)
        )
    return fb.Model([x, other], fb.Dense(2)(Add()([*tensors, tensors[-1]])))


@settings(max_examples=12, deadline=None, derandomize=True)
@given(OPS)
def test_gradients_of_random_graphs_agree_with_central_differences(plan):
    fb.utils.set_random_seed(1)
    model = random_graph(plan)
    model.compile("sgd", "mse")
    rng = np.random.default_rng(2)
    report = fb.testing.check_gradients(model, [rng.normal(size=(7, 4)) for _ in range(2)], rng.normal(size=(7, 2)))
    assert report.ok, report


@settings(max_examples=30, deadline=None, derandomize=True)
@given(OPS, st.sampled_from([7, 120]))
def test_no_op_of_a_random_graph_reads_what_is_not_there_or_changes_what_is_still_read(plan, batch):
    model = random_graph(plan)
    model.compile("adam", "mse")
    phases = model.program("train", batch).phases
    ops = [op for phase in phases for op in phase.ops]
    made, read = set(), {}
    for op in ops:
        for tensor in op.inputs:
            if tensor is not None and tensor.kind != "parameter":
                assert all(maker in made for maker in ops if tensor in maker.outputs), (op, phases)
        made.add(op)
    for number, phase in enumerate(phases):
        read.update({tensor: number for op in phase.ops for tensor in op.inputs if tensor not in op.outputs})
    for number, phase in enumerate(phases):
        changed = [tensor for op in phase.ops for tensor in op.outputs if tensor.kind == "parameter"]
        assert all(read[parameter] < number for parameter in changed), (changed, phases)


@pytest.mark.parametrize("threads", [1, 2])
def test_training_a_graph_gives_the_same_bits_on_any_number_of_threads(threads):
    def train():
        fb.utils.set_random_seed(3)
        a, b = fb.Input((200,)), fb.Input((100,))
        hidden = fb.Dense(256, "relu")
        both = Concatenate()([hidden(a), fb.Dense(256, "tanh")(b)])
        model = fb.Model([a, b], fb.Dense(3, "softmax")(Residual([fb.Dense(512, "relu"), fb.Dense(512)])(both)))
        model.compile("adam", "crossentropy")
        rng = np.random.default_rng(0)
        x = [rng.normal(size=(300, 200)), rng.normal(size=(300, 100))]
        model.fit(x, rng.integers(0, 3, 300), epochs=2, batch_size=64, verbose=0)
        return np.concatenate([w.ravel() for w in model.get_weights()])

    before = fb.get_num_threads()
    one = train()
    try:
        fb.set_num_threads(threads)
        np.testing.assert_array_equal(train(), one)
    finally:
        fb.set_num_threads(before)


@pytest.mark.parametrize("readers", [1, 2, 3, 5])
def test_every_tensor_of_a_trace_has_a_name_of_its_own(readers):
    x = fb.Input((5,), name="A1")
    hidden = fb.Dense(3)(x)
    outputs = [fb.Dense(3, kernel_regularizer="l2")(hidden) for _ in range(readers)]
    both = [Add()([*outputs, hidden]), Multiply()([hidden, hidden])]
    model = fb.Model(x, both)
    model.compile("sgd", "mse")
    names = model.program("trace", 4).names()
    assert len(set(names)) == len(names)
    trace = model.gradients(X, [Y, Y])
    dz = trace["dZ1"]
    np.testing.assert_allclose(trace["dW1"], X.T @ dz, atol=1e-5)
    assert fb.testing.check_gradients(model, X, [Y, Y]).ok


def test_a_part_of_a_model_shares_its_weights():
    x = fb.Input((5,))
    hidden = fb.Dense(4, "relu")(x)
    whole, part = fb.Model(x, fb.Dense(3)(hidden)), fb.Model(x, hidden)
    whole.compile("sgd", "mse")
    before = part.predict(X)
    whole.fit(X, Y, epochs=3, verbose=0)
    w, b = whole.layers[0].get_weights()
    assert not np.array_equal(part.predict(X), before)
    np.testing.assert_allclose(part.predict(X), np.maximum(X @ w + b, 0), rtol=1e-4, atol=1e-6)


def test_a_trained_model_can_become_the_base_of_another_and_stays_usable():
    base = fb.Sequential([fb.Input((5,)), fb.Dense(4, "relu")])
    base.compile("sgd", "mse")
    base.fit(X, np.zeros((33, 4)), verbose=0)
    want = base.predict(X)
    x = fb.Input((5,))
    top = fb.Model(x, fb.Dense(3)(base(x)))
    np.testing.assert_array_equal(base.predict(X), want)
    base.layers[0].trainable = False
    top.compile("adam", "mse")
    top.fit(X, Y, epochs=2, verbose=0)
    np.testing.assert_array_equal(base.predict(X), want)
    assert len(top.trainable_weights) == 2
    base.layers[0].trainable = True
    top.compile("adam", "mse")
    top.fit(X, Y, epochs=2, verbose=0)
    assert not np.array_equal(base.predict(X), want)


def test_layers_inside_a_model_can_be_looked_at():
    model = fb.Sequential([fb.Input((5,)), fb.Dense(4, "relu"), fb.Dense(3)])
    inner = fb.Model(model.inputs, model.layers[0].output)
    w, b = model.layers[0].get_weights()
    np.testing.assert_allclose(inner.predict(X), np.maximum(X @ w + b, 0), atol=1e-5)


def test_a_layer_keeps_its_first_call_alone_and_so_its_output():
    model = fb.Sequential([fb.Input((5,)), fb.Dense(4, "relu"), fb.Dense(3)])
    later = [weakref.ref(model(fb.Input((5,)))) for _ in range(3)]
    gc.collect()
    assert not any(symbol() for symbol in later)
    inside = fb.Model(model.inputs, model.layers[0].output)
    assert (inside.layers, inside.outputs[0].shape) == (model.layers[:1], (4,))
    with pytest.raises(ValueError, match="expected a layer that was called, got <Dense"):
        _ = fb.Dense(2).output


def test_models_stand_among_the_layers_of_a_sequential():
    encoder = fb.Sequential([fb.Dense(4, "tanh"), fb.Dense(2)])
    model = fb.Sequential([fb.Input((5,)), encoder, fb.Dense(5)])
    model.compile("adam", "mse")
    model.fit(X, X, epochs=2, verbose=0)
    assert len(model.layers) == 3
    w, b = model.layers[-1].get_weights()
    np.testing.assert_allclose(encoder.predict(X) @ w + b, model.predict(X), atol=1e-5)


def test_a_row_that_does_not_fit_leaves_its_layers_as_they_were():
    x = fb.Input((4,))
    whole = fb.Model(x, fb.Dense(4)(x))
    kept, free, block = fb.Dense(4), fb.Dense(4), Residual([fb.Dense(4)])
    kept(x)
    inner = fb.Sequential([free, kept, block, whole])
    before = whole.get_weights()
    with pytest.raises(ValueError, match="rows of 3 elements"):
        fb.Sequential([fb.Input((5,)), inner, fb.layers.Reshape((3,))])
    built = [inner.built, free.built, block.built, block.layers[0].built, kept.built, whole.built]
    assert built == [False, False, False, False, True, True]
    assert inner.compute_output_shape((3,)) == (4,)
    assert fb.Sequential([fb.Input((3,)), inner]).predict(Y).shape == (33, 4)
    for one, other in zip(before, whole.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_rows_in_rows_are_built_by_the_first_data():
    def made():
        inner = fb.Sequential([fb.Dense(4, "tanh"), fb.Sequential([fb.Dense(2)])])
        return fb.Sequential([inner, fb.Dense(3)])

    fitted, built = made(), made()
    fitted.compile("sgd", "mse")
    fitted.fit(X, Y, verbose=0)
    built.build((5,))
    shapes = [(5, 4), (4,), (4, 2), (2,), (2, 3), (3,)]
    assert [v.shape for v in fitted.weights] == [v.shape for v in built.weights] == shapes


def test_a_row_is_called_on_one_symbol_also_in_a_list():
    x = fb.Input((5,))
    assert fb.Sequential([fb.Dense(2)])([x]).shape == (2,)
    unbuilt = fb.Sequential([fb.Dense(2)])
    with pytest.raises(ValueError, match=r"expected 1 symbols for sequential.*, got 2"):
        unbuilt([x, x])
    with pytest.raises(TypeError, match="expected a symbol"):
        unbuilt(np.ones((2, 5)))
    assert not unbuilt.built


@pytest.mark.parametrize("place", ["first in a row", "behind an input", "behind a layer", "twice", "saved"])
def test_a_model_that_scales_its_input_does_so_as_a_layer_too(place, tmp_path):
    x = RNG.normal(size=(7, 5))
    inner = fb.Sequential([fb.Input((5,), scale=0.25, dtype="float64"), fb.Dense(5, "tanh")])
    want, start = inner.predict(x), fb.Input((5,), dtype="float64")
    if place == "first in a row":
        model = fb.Sequential([inner])
    elif place == "behind a layer":
        model = fb.Model(start, inner(fb.layers.Rescaling(2.0)(start)))
        want = inner.predict(2 * x)
    elif place == "twice":
        model = fb.Model(start, inner(inner(start)))
        want = inner.predict(want)
    else:
        model = fb.Sequential([start, inner])
    if place == "saved":
        model.save(tmp_path / "model")
        model = fb.load(tmp_path / "model")
    np.testing.assert_allclose(model.predict(x), want, rtol=1e-12)
    model.compile("sgd", "mse")
    assert fb.testing.check_gradients(model, x, x).ok


def test_weights_of_rows_and_classes_scale_losses_and_gradients():
    weights = RNG.uniform(0, 2, 33)

    def made():
        fb.utils.set_random_seed(0)
        model = fb.Sequential([fb.Input((5,), dtype="float64"), fb.Dense(3, "softmax")])
        model.compile("sgd", "crossentropy")
        return model

    plain, weighted = made(), made()
    p = plain.predict(X)
    losses = -np.log(p[np.arange(33), LABELS])
    assert plain.evaluate(X, LABELS, sample_weight=weights) == pytest.approx((weights * losses).mean())
    of_class = {0: 0.5, 2: 3.0}
    both = weights * np.array([0.5, 1.0, 3.0])[LABELS]
    plain.fit(X, LABELS, sample_weight=both, batch_size=33, shuffle=False, verbose=0)
    weighted.fit(X, LABELS, sample_weight=weights, class_weight=of_class, batch_size=33, shuffle=False, verbose=0)
    dz = (p - np.eye(3)[LABELS]) * both[:, None] / 33
    np.testing.assert_allclose(plain.get_weights()[0], made().get_weights()[0] - 0.01 * X.T @ dz)
    np.testing.assert_array_equal(plain.get_weights()[0], weighted.get_weights()[0])
    doubled = made()
    doubled.fit(np.repeat(X, 2, axis=0), np.repeat(LABELS, 2), batch_size=66, shuffle=False, verbose=0)
    again = made()
    again.fit(X, LABELS, sample_weight=np.ones(33), batch_size=33, shuffle=False, verbose=0)
    np.testing.assert_allclose(doubled.get_weights()[0], again.get_weights()[0])


def test_validation_does_not_use_class_weights():
    model = fb.Sequential([fb.Input((5,)), fb.Dense(3, "softmax")])
    model.compile(fb.optimizers.SGD(0.0), "crossentropy")
    options = {"batch_size": 33, "verbose": 0, "class_weight": {0: 10.0, 1: 0.0}}
    logs = model.fit(X, LABELS, **options, validation_split=0.5).history
    assert logs["val_loss"] == pytest.approx([model.evaluate(X[16:], LABELS[16:])])
    assert logs["loss"] != pytest.approx([model.evaluate(X[:16], LABELS[:16])])
    given = model.fit(X, LABELS, **options, validation_data=(X[16:], LABELS[16:])).history
    assert logs["val_loss"] == given["val_loss"]


def test_frozen_layers_do_not_change_and_count_as_such(capsys):
    model = fb.Sequential([fb.Input((5,)), fb.Dense(4, "relu"), fb.Dense(3)])
    model.layers[0].trainable = False
    model.compile("adam", "mse")
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    after = model.get_weights()
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[2], after[2])
    model.summary()
    assert "Non-trainable params: 24" in capsys.readouterr().out


def test_programs_are_kept_while_no_layer_is_frozen_or_thawed():
    model = fb.Sequential([fb.Input((5,)), fb.Dense(3)])
    model.compile("sgd", "mse")
    program = model.program("train")
    fb.Sequential.from_config(fb.Sequential([fb.Input((9,)), fb.Dense(1, trainable=False)]).get_config())
    model.trainable = True
    assert model.program("train") is program
    model.trainable = False
    assert model.program("train") is not program


@pytest.mark.parametrize("kind", ["one output twice", "two calls of a layer"])
def test_outputs_of_one_layer_have_a_loss_each(kind, tmp_path):
    x, last = fb.Input((5,), name="x"), fb.Dense(3, name="last")
    hidden = fb.Dense(5, "tanh")(x)
    first = last(hidden)
    second = first if kind == "one output twice" else last(fb.Dense(5, "tanh", name="other")(hidden))
    model = fb.Model(x, [first, second, fb.Dense(3, name="last_1")(hidden)])
    assert model.output_names == ["last", "last_2", "last_1"]
    model.compile("sgd", {"last": "mse", "last_1": "mae", "last_2": "mae"}, metrics={"last_2": ["mse"]})
    y = [Y, Y + 1, Y]
    logs = model.evaluate(X, y, return_dict=True)
    outputs = model.predict(X)
    assert logs["last_loss"] == pytest.approx(np.square(outputs[0] - Y).mean(), rel=1e-5)
    assert logs["last_2_loss"] == pytest.approx(np.abs(outputs[1] - Y - 1).mean(), rel=1e-5)
    assert logs["last_2_mse"] == pytest.approx(np.square(outputs[1] - Y - 1).mean(), rel=1e-5)
    assert fb.testing.check_gradients(model, X, y).ok
    model.fit(X, dict(zip(model.output_names, y, strict=True)), verbose=0)
    model.save(tmp_path / "model")
    assert fb.load(tmp_path / "model").evaluate(X, y) == model.evaluate(X, y)


def test_a_dict_of_symbols_goes_by_their_names():
    a, b = fb.Input((5,), name="a"), fb.Input((3,), name="b")
    y = fb.Dense(2, name="y")(Concatenate()([a, b]))
    model = fb.Model({"b": b, "a": a}, {"y": y, "y_1": y})
    assert (model.input_names, model.output_names) == (["b", "a"], ["y", "y_1"])


BAD = {
    "keys that are not the inputs' names": (
        lambda x, y: fb.Model({"u": x}, fb.Dense(3)(x)),
        ValueError,
        "expected inputs by the names of their layers, input.*, got u",
    ),
    "keys that are not the outputs' names": (
        lambda x, y: fb.Model(x, {"out": fb.Dense(3, name="last")(x)}),
        ValueError,
        "expected outputs by the names of their layers, last, got out",
    ),
    "an Input that is not named": (
        lambda x, y: fb.Model(x, Add()([fb.Dense(3)(x), fb.Dense(3)(y)])),
        ValueError,
        "every Input behind the outputs",
    ),
    "an input that leads nowhere": (lambda x, y: fb.Model([x, y], fb.Dense(3)(x)), ValueError, "lead to none"),
    "the same input twice": (lambda x, y: fb.Model([x, x], fb.Dense(3)(x)), ValueError, "different inputs"),
    "a layer twice in a residual": (
        lambda x, y: Residual([layer := fb.Dense(5), layer]),
        ValueError,
        "expected each layer once in <Residual residual.*, got <Dense dense.*> twice",
    ),
    "a layer in a residual and behind it": (
        lambda x, y: fb.Model(x, (layer := fb.Dense(5, name="tied"))(Residual([layer])(x))),
        ValueError,
        "expected layers inside a layer to be nowhere else, got that with weights 'tied/kernel' twice",
    ),
    "a layer in two residuals": (
        lambda x, y: fb.Sequential([x, Residual([layer := fb.Dense(5)]), Residual([layer])]),
        ValueError,
        "nowhere else",
    ),
    "shapes that do not fit": (lambda x, y: Add()([x, y]), ValueError, r"one shape.*\(5,\), \(3,\)"),
    "one symbol to merge": (lambda x, y: Add()([x]), ValueError, "two symbols or more"),
    "an array for a symbol": (lambda x, y: fb.Dense(3)(np.ones((2, 5))), TypeError, "expected a symbol"),
    "a layer used on two widths": (
        lambda x, y: [layer := fb.Dense(2), layer(x), layer(y)],
        ValueError,
        r"shape \(5,\).*got \(3,\)",
    ),
    "what a layer returned as an input": (lambda x, y: fb.Model(fb.Dense(3)(x), y), ValueError, "an Input each"),
    "no output": (lambda x, y: fb.Model(x, []), ValueError, "at least one of outputs"),
    "a merge in a row": (lambda x, y: fb.Sequential([x, Add()]), ValueError, "use Model"),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_graphs_are_refused(case):
    make, error, message = BAD[case]
    with pytest.raises(error, match=message):
        make(fb.Input((5,)), fb.Input((3,)))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X, [LABELS, Y], "x as a sequence of 2, for a, b"),
        ([X], [LABELS, Y], "expected 2 of x"),
        ([X, Y[:5]], [LABELS, Y[:, :2]], "as many rows for each input, got 33, 5"),
        ({"a": X, "c": Y}, [LABELS, Y[:, :2]], "x for a, b, got a, c"),
        ([X, Y], [LABELS], "expected 2 of y"),
        ([X, X], [LABELS, Y[:, :2]], "expected x with 3 columns"),
    ],
)
def test_wrong_data_for_several_inputs_and_outputs_are_refused(x, y, message):
    model = two_inputs()
    model.compile("adam", ["sparse_categorical_crossentropy", "mse"])
    with pytest.raises((TypeError, ValueError), match=message):
        model.fit(x, y, verbose=0)


@pytest.mark.parametrize("batch", [33, 10])
def test_trainable_holds_from_the_next_step_on(batch):
    model = fb.Sequential([fb.Input((5,)), fb.Dense(4, "relu"), fb.Dense(3)])
    model.compile("adam", "mse")
    for trainable in (True, False, True):
        model.layers[0].trainable = trainable
        before = model.get_weights()
        model.fit(X, Y, batch_size=batch, verbose=0)
        after = model.get_weights()
        assert np.array_equal(before[0], after[0]) is not trainable
        assert not np.array_equal(before[2], after[2])


def test_weights_do_not_move_to_another_model_during_an_epoch():
    model = fb.Sequential([fb.Input((3,)), fb.Dense(4), fb.Dense(1)])
    model.compile("sgd", "mse")

    def build(batch, logs):
        fb.Model(model.inputs, fb.Dense(2)(model.layers[0].output)).predict(np.ones((1, 3)))

    watch = fb.callbacks.LambdaCallback(on_train_batch_end=build)
    with pytest.raises(RuntimeError, match="a new model that shares layers"):
        model.fit(np.ones((9, 3)), np.ones(9), batch_size=3, verbose=0, callbacks=watch)
    assert model.progress.step == 1
