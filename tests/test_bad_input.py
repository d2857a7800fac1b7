"""Bad input at the model: one clear error, and the model is as it was before the call."""

import numpy as np
import pytest

import fastbp as fb

X = np.random.default_rng(0).normal(size=(20, 4))
Y = np.arange(20) % 3


def make(built=True):
    model = fb.Sequential([fb.Input((4,))] * built + [fb.Dense(5, "relu"), fb.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def state(model):
    """Everything that a failed call must leave alone."""
    return (
        [weight.tolist() for weight in model.get_weights()] if model.built else None,
        [layer.name for layer in model.layers],
        model.built,
        model.optimizer,
        model.optimizer.iterations,
        [array.tolist() for array in model.optimizer.state],
        model.loss,
        model.metrics,
        model.history,
    )


FIT = {
    "columns": (dict(x=X[:, :3]), r"expected x with 4 columns, got \(20, 3\)"),
    "rank": (dict(x=X[0], y=Y[:4]), r"expected x with 4 columns, got \(4,\)"),
    "complex": (dict(x=X * 1j), "real numbers, got dtype complex"),
    "objects": (dict(x=X.astype(object)), "real numbers, got dtype object"),
    "strings": (dict(x=X.astype(str)), "real numbers, got dtype"),
    "masked x": (dict(x=np.ma.masked_less(X, 0)), r"x as an array without a mask, got masked float64 .*: use .filled"),
    "masked y": (dict(y=np.ma.masked_less(Y, 1)), "y as an array without a mask"),
    "masked weights": (dict(sample_weight=np.ma.masked_less(X[:, 0], 0)), "sample_weight as an array without a mask"),
    "no rows": (dict(x=X[:0], y=Y[:0]), "at least one row"),
    "row counts": (dict(y=Y[:19]), "same number of rows, got 20 and 19"),
    "label too large": (dict(y=Y + 1), "labels from 0 to 2, got 3"),
    "label negative": (dict(y=Y - 1), "labels from 0 to 2, got -1"),
    "label NaN": (dict(y=np.where(Y == 2, np.nan, Y)), "whole class indices.*got nan"),
    "one-hot": (dict(y=np.eye(3)[Y]), "use categorical_crossentropy"),
    "no y": (dict(y=None), "y of real numbers, got None"),
    "batch 0": (dict(batch_size=0), "batch_size as a whole number of at least 1, got 0"),
    "batch 2.5": (dict(batch_size=2.5), "batch_size as a whole number"),
    "epochs -1": (dict(epochs=-1), "epochs as a whole number of at least 0, got -1"),
    "initial epoch": (dict(initial_epoch=None), "initial_epoch as a whole number"),
    "split 1": (dict(validation_split=1.0), r"in \[0, 1\), got 1.0"),
    "split too small": (dict(validation_split=1e-17), "rows on both sides"),
    "split NaN": (dict(validation_split=np.nan), "validation_split as a finite number"),
    "validation columns": (dict(validation_data=(X[:, :2], Y)), r"expected x with 4 columns, got \(20, 2\)"),
    "validation labels": (dict(validation_data=(X, Y + 5)), "labels from 0 to 2, got 7"),
    "validation of four": (dict(validation_data=(X, Y, Y, Y)), r"validation_data as \(x, y\) or .*, got 4 members"),
    "validation array": (dict(validation_data=X), r"validation_data as \(x, y\) or .*, got ndarray"),
    "too few weights": (dict(sample_weight=np.ones(3)), r"sample_weight with shape \(\d+,\), got \(3,\)"),
    "negative weights": (dict(sample_weight=-np.ones(len(X))), "weights of at least 0 and finite in float32, got -1"),
    "endless weights": (dict(sample_weight=np.linspace(0, 1e39, 20)), r"finite in float32, got 3\.\d+e\+38"),
    "an endless weight": (dict(sample_weight=[1.0, np.inf] * 10), "weights of at least 0 and finite in .*, got inf"),
    "a weight that is none": (
        dict(sample_weight=[1.0, np.nan] * 10),
        "weights of at least 0 and finite in .*, got nan",
    ),
    "a list of class weights": (dict(class_weight=[1, 2]), "class_weight as a dict of class index to weight, got list"),
    "weight of no class": (dict(class_weight={9: 1.0}), "classes from 0 to . in class_weight, got 9"),
    "verbose": (dict(verbose=3), "verbose as 0, 1, 2 or 'auto', got 3"),
    "shuffle": (dict(shuffle="batch"), "shuffle as True or False"),
    "callbacks": (dict(callbacks=[3]), "callbacks of type Callback, got 3"),
}


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize("case", FIT)
def test_fit_refuses_and_changes_nothing(case, built):
    options, words = FIT[case]
    if not built and case == "columns":
        pytest.skip("any number of columns will do")
    if not built:
        words = words.replace(r"x with 4 columns, got \(4,\)", r"x with shape \(rows, columns\), got \(4,\)")
    model = make(built)
    if built:
        model.fit(X, Y, verbose=0)
    before = state(model)
    with pytest.raises((TypeError, ValueError), match=words):
        model.fit(**{"x": X, "y": Y, "verbose": 0, **options})
    assert state(model) == before
    model.fit(X, Y, verbose=0)


@pytest.mark.parametrize("use", ["evaluate", "train_on_batch", "gradients"])
def test_other_calls_refuse_as_fit_does(use):
    model = make()
    before = state(model)
    for x, y in ((X[:, :3], Y), (X, Y + 1), (X[:0], Y[:0]), (X, Y[:3])):
        with pytest.raises(ValueError, match="expected"):
            getattr(model, use)(x, y)
    assert state(model) == before


@pytest.mark.parametrize(
    ("x", "options"),
    [(X[:, :3], {}), (X[:0], {}), (X, {"batch_size": 0}), (X, {"verbose": "loud"}), ("text", {}), ({}, {}), (None, {})],
)
def test_predict_refuses_and_builds_nothing(x, options):
    for model in (make(), make(built=False)):
        if not model.built and isinstance(x, np.ndarray) and x.shape == (20, 3):
            continue
        before = state(model)
        with pytest.raises((TypeError, ValueError), match="expected"):
            model.predict(x, **options)
        assert state(model) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("adm", "mse"), "did you mean 'adam'"),
        (("adam", "msee"), "did you mean 'mse'"),
        (("adam", "mse", ["acuracy"]), "did you mean 'accuracy'"),
        (("adam", "mse", ["mae", "mae"]), "different names, not 'loss', got 'mae' twice: metrics take name="),
        (("adam", "mse", [lambda y, p: 0.0, lambda y, p: 1.0]), r"got '<lambda>' twice.*metrics.Function\(f, name="),
        (("adam", None), "expected a loss"),
        ((0.01, "mse"), "optimizer as a name or of type Optimizer, got 0.01"),
        (("adam", print), "loss as a name or of type Loss"),
        (("adam", "mse", [3]), "metric as a name or of type Metric"),
    ],
)
def test_compile_refuses_and_keeps_what_was(arguments, words):
    model = make()
    model.fit(X, Y, verbose=0)
    before = state(model)
    with pytest.raises((TypeError, ValueError), match=words):
        model.compile(*arguments)
    assert state(model) == before
    model.fit(X, Y, verbose=0)
    assert model.optimizer.iterations == 2


@pytest.mark.parametrize("use", ["fit", "evaluate", "train_on_batch", "gradients"])
def test_a_model_that_is_not_compiled_says_so(use):
    with pytest.raises(ValueError, match=r"call net.compile\(optimizer, loss\) first"):
        getattr(fb.Sequential([fb.Dense(3, input_shape=(4,))], name="net"), use)(X, Y)


def test_a_model_without_layers_says_so():
    model = fb.Sequential(name="empty")
    model.compile("sgd", "mse")
    for call in (lambda: model.fit(X, Y), lambda: model.predict(X), lambda: model.build((4,))):
        with pytest.raises(ValueError, match="at least one layer in empty"):
            call()


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([], "expected 4 weight arrays, got 0"),
        ([np.zeros((4, 5)), np.zeros(5), np.zeros((5, 3)), np.zeros(4)], r"bias with shape \(3,\), got \(4,\)"),
        ([np.zeros((4, 5)), np.zeros(5), np.zeros((5, 3)), np.array(["a"] * 3)], "bias of real numbers"),
    ],
)
def test_set_weights_sets_all_or_none(weights, words):
    model = make()
    before = state(model)
    with pytest.raises((TypeError, ValueError), match=words):
        model.set_weights(weights)
    assert state(model) == before


def test_program_refuses_what_it_cannot_list():
    with pytest.raises(ValueError, match="kind as one of train, evaluate"):
        make().program("training")
    with pytest.raises(ValueError, match="does not know its input shape yet"):
        make(built=False).program()
    with pytest.raises(ValueError, match="compile"):
        fb.Sequential([fb.Dense(1, input_shape=(2,))]).program("train")


def test_a_weight_buffer_that_does_not_fit_in_memory_is_a_clean_error():
    model = fb.Sequential([fb.Dense(2**40), fb.Dense(2**40)])
    with pytest.raises((MemoryError, ValueError)):
        model.build((2**20,))
    assert not model.built
    assert not any(layer.built for layer in model.layers)


def test_nan_in_the_data_is_no_error_and_stays_visible():
    x = X.copy()
    x[3, 2] = np.nan
    assert np.isnan(make().predict(x)[3]).all()
    assert np.isnan(make().fit(x, Y, verbose=0).history["loss"][0])


def test_nan_targets_are_refused_where_a_probability_is_wanted():
    model = fb.Sequential([fb.Dense(1, "sigmoid", input_shape=(2,))])
    model.compile("sgd", "binary_crossentropy")
    with pytest.raises(ValueError, match="expected y between 0 and 1"):
        model.fit(np.ones((2, 2)), np.array([0.0, np.nan]), verbose=0)


def test_an_epsilon_that_is_nothing_in_the_models_type_is_refused():
    model = fb.Sequential([fb.Dense(1, input_shape=(2,))])
    model.compile(fb.optimizers.Adam(epsilon=1e-50), "mse")
    with pytest.raises(ValueError, match=r"expected epsilon as a finite number .* in float32"):
        model.fit(np.zeros((2, 2)), np.zeros(2), verbose=0)


def test_weights_of_classes_need_classes():
    model = fb.Sequential([fb.Input((2,)), fb.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"targets from 0 to 1, of which class_weight can tell the class, got 2\.5"):
        model.fit(np.ones((3, 2)), [0.5, 2.5, 1.0], class_weight={0: 2.0}, verbose=0)
