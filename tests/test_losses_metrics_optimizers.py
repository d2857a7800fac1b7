"""Losses, metrics and optimizers: names, the rules that resolve them, and what a model makes of them."""

import numpy as np
import pytest

import fastbp as fb
from fastbp import losses, metrics, optimizers

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(9, 3))
LABELS = RNG.integers(0, 3, 9)
ONE_HOT = np.eye(3)[LABELS]


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def evaluate(x, y, loss, given_metrics=(), activation="linear"):
    model = fb.Sequential([fb.Activation(activation, input_shape=(x.shape[1],), dtype="float64")])
    model.compile("sgd", loss, list(given_metrics))
    return model.evaluate(x, y, return_dict=True)


def compiled(loss="mse", **options):
    model = fb.Sequential([fb.Dense(3, input_shape=(3,))])
    model.compile("sgd", loss, **options)
    return model


@pytest.mark.parametrize(("outputs", "labels"), [(1, False), (3, True), (3, False)])
def test_crossentropy_and_accuracy_become_the_kind_that_fits(outputs, labels):
    loss = losses.get("crossentropy").resolve(outputs, labels)
    metric = metrics.get("acc").resolve(outputs, loss)
    kind = "binary" if outputs == 1 else "sparse_categorical" if labels else "categorical"
    assert loss.name == f"{kind}_crossentropy"
    assert metric.default_name == f"{kind}_accuracy"
    assert metric.name == "acc"
    assert loss.labels == metric.labels == labels


def test_crossentropy_agrees_however_the_classes_are_written():
    expected = -np.log(softmax(LOGITS)[np.arange(9), LABELS]).mean()
    results = [
        evaluate(LOGITS, LABELS, "crossentropy", activation="softmax"),
        evaluate(LOGITS, LABELS[:, None], "sparse_categorical_crossentropy", activation="softmax"),
        evaluate(LOGITS, ONE_HOT, "categorical_crossentropy", activation="softmax"),
        evaluate(LOGITS, LABELS, fb.losses.Crossentropy(from_logits=True)),
        evaluate(LOGITS, ONE_HOT, fb.losses.CategoricalCrossentropy(from_logits=True)),
        evaluate(softmax(LOGITS), LABELS, "sparse_categorical_crossentropy"),
    ]
    np.testing.assert_allclose([result["loss"] for result in results], expected, rtol=1e-9)


def test_binary_crossentropy_is_the_same_from_logits_and_through_a_sigmoid():
    t = (LABELS > 0).astype(float)
    p = sigmoid(LOGITS[:, :1])
    expected = -(t * np.log(p[:, 0]) + (1 - t) * np.log1p(-p[:, 0])).mean()
    results = [
        evaluate(LOGITS[:, :1], t, "bce", activation="sigmoid"),
        evaluate(LOGITS[:, :1], t, fb.losses.BinaryCrossentropy(from_logits=True)),
        evaluate(p, t, "binary_crossentropy"),
        evaluate(LOGITS[:, :1], t.astype(bool), "crossentropy", activation="sigmoid"),
    ]
    np.testing.assert_allclose([result["loss"] for result in results], expected, rtol=1e-9)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_no_finite_logit_makes_a_crossentropy_infinite(activation):
    huge = np.array([[1e4, -1e4], [-1e4, 1e4]])
    loss = "bce" if activation == "sigmoid" else "categorical_crossentropy"
    result = evaluate(huge, np.array([[0.0, 1.0], [0.0, 1.0]]), loss, activation=activation)
    assert np.isfinite(result["loss"])
    assert result["loss"] > 1e3


def test_losses_and_metrics_of_regression_are_means_over_rows_and_outputs():
    y = RNG.normal(size=(9, 3))
    result = evaluate(LOGITS, y, "mse", ["mae", "mse", "mean_absolute_error"])
    assert list(result) == ["loss", "mae", "mse", "mean_absolute_error"]
    np.testing.assert_allclose(result["mse"], ((LOGITS - y) ** 2).mean())
    np.testing.assert_allclose(result["loss"], result["mse"])
    np.testing.assert_allclose(result["mae"], np.abs(LOGITS - y).mean())
    np.testing.assert_allclose(evaluate(LOGITS, y, "mae")["loss"], result["mae"])


def test_accuracies_count_right_rows_and_right_outputs():
    right = (LOGITS.argmax(axis=1) == LABELS).mean()
    assert evaluate(LOGITS, LABELS, "crossentropy", ["accuracy"], "softmax")["accuracy"] == pytest.approx(right)
    assert evaluate(LOGITS, ONE_HOT, "crossentropy", ["accuracy"], "softmax")["accuracy"] == pytest.approx(right)
    t = (LABELS > 0).astype(float)
    right = ((LOGITS[:, 0] > 0) == t).mean()
    assert evaluate(LOGITS[:, :1], t, "bce", ["accuracy"], "sigmoid")["accuracy"] == pytest.approx(right)
    right = ((LOGITS > 0) == ONE_HOT).mean()
    assert evaluate(LOGITS, ONE_HOT, "bce", ["binary_accuracy"], "sigmoid")["binary_accuracy"] == pytest.approx(right)


def test_metrics_that_take_other_targets_than_the_loss_are_refused():
    with pytest.raises(ValueError, match=r"targets of class indices.*got 'mse', which takes rows of numbers"):
        evaluate(LOGITS, LABELS, "sparse_categorical_crossentropy", ["mse"], "softmax")
    with pytest.raises(ValueError, match=r"targets of rows of numbers.*'sparse_categorical_accuracy'"):
        evaluate(LOGITS, ONE_HOT, "mse", ["sparse_categorical_accuracy"])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: losses.get("mean_square_error"), "unknown loss .*did you mean 'mean_squared_error'"),
        (lambda: metrics.get("acuracy"), "unknown metric 'acuracy': did you mean 'accuracy'"),
        (lambda: optimizers.get("adm"), "unknown optimizer 'adm': did you mean 'adam'"),
        (lambda: optimizers.Adam(float("nan")), "learning_rate as a finite number .*got nan"),
        (lambda: optimizers.SGD(-0.1), "learning_rate as a finite number .*got -0.1"),
        (lambda: optimizers.SGD("0.1"), "learning_rate as a number, got '0.1'"),
        (lambda: optimizers.SGD(None), "learning_rate as a number, got None"),
        (lambda: optimizers.SGD(float("inf")), "learning_rate as a finite number"),
        (lambda: optimizers.SGD(0.1, momentum=1.1), r"momentum as a finite number in \[0, 1\], got 1.1"),
        (lambda: optimizers.SGD(0.1, nesterov=1), "nesterov as True or False"),
        (lambda: optimizers.Adam(beta_1=1.0), r"beta_1 as a finite number in \[0, 1\), got 1.0"),
        (lambda: optimizers.Adam(beta_2=-0.1), "beta_2 as a finite number"),
        (lambda: optimizers.Adam(epsilon=0), r"epsilon as a finite number in \(0, inf\], got 0"),
        (lambda: losses.BinaryCrossentropy(from_logits="yes"), "from_logits as True or False"),
        (lambda: setattr(optimizers.SGD(), "learning_rate", -1), "learning_rate"),
        (lambda: compiled(metrics=["mse", "mse"]), "different names"),
        (lambda: losses.get("sparse_categorical_crossentropy").resolve(1, True), "at least 2 outputs"),
        (lambda: losses.get("categorical_crossentropy").resolve(1, False), "at least 2 outputs"),
    ],
)
def test_wrong_options_are_refused_with_expected_and_received(make, words):
    with pytest.raises((TypeError, ValueError), match=words):
        make()


def test_a_class_in_place_of_an_object_is_refused_with_the_way_out():
    with pytest.raises(TypeError, match=r"write Adam\(\)"):
        optimizers.get(fb.optimizers.Adam)


# -- updates, against the formulas


def formulas(optimizer, w, gradients):
    """The weights after each step, in plain NumPy (float64)."""
    v, m, history = np.zeros_like(w), np.zeros_like(w), []
    for t, g in enumerate(gradients, 1):
        eta, mu, beta = optimizer.learning_rate, optimizer.momentum, optimizer.decay
        if optimizer.kernel == "adam":
            m = mu * m + (1 - mu) * g
            v = beta * v + (1 - beta) * g * g
            w = w - eta * np.sqrt(1 - beta**t) / (1 - mu**t) * m / (np.sqrt(v) + optimizer.epsilon)
        else:
            v = mu * v - eta * g
            w = w + (mu * v - eta * g if optimizer.kernel == "nesterov" else v)
        history.append(w)
    return history


@pytest.mark.parametrize(
    "make",
    [
        lambda: fb.optimizers.SGD(0.1),
        lambda: fb.optimizers.SGD(0.1, momentum=0.9),
        lambda: fb.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        lambda: fb.optimizers.Adam(0.1),
        lambda: fb.optimizers.Adam(0.05, beta_1=0.5, beta_2=0.7, epsilon=1e-3),
        lambda: fb.optimizers.Adam(0.05, beta_1=0.0, beta_2=0.0),
    ],
)
def test_updates_follow_the_formulas_step_by_step(make):
    # loss (w - y)^2 / 1 of a single weight per column: the gradient is 2 (w - y) x / columns
    optimizer = make()
    layer = fb.Dense(
        3, use_bias=False, kernel_initializer=fb.initializers.Constant([[0.5, -1.0, 2.0]]), dtype="float64"
    )
    model = fb.Sequential([fb.Input((1,)), layer])
    model.compile(optimizer, "mse")
    x, seen, gradients = np.ones((1, 1)), [], []
    for step in range(6):
        y = np.array([[np.sin(step), 1.0, 0.0]])
        gradients.append(2 * (layer.get_weights()[0] - y) / 3)
        model.train_on_batch(x, y)
        seen.append(layer.get_weights()[0])
    np.testing.assert_allclose(seen, formulas(optimizer, np.array([[0.5, -1.0, 2.0]]), gradients), rtol=1e-12)
    assert optimizer.iterations == 6


def test_rates_do_not_depend_on_how_steps_are_cut_into_chunks():
    adam = fb.optimizers.Adam(0.01)
    np.testing.assert_array_equal(adam.rates(0, 10), np.concatenate([adam.rates(0, 3), adam.rates(3, 7)]))


def test_an_optimizer_belongs_to_one_model():
    adam = fb.optimizers.Adam()
    first, second = (fb.Sequential([fb.Dense(1, input_shape=(1,))]) for _ in range(2))
    first.compile(adam, "mse")
    with pytest.raises(ValueError, match="an optimizer of the model's own, got one that another model has"):
        second.compile(adam, "mse")
    assert second.optimizer is None
    first.compile("sgd", "mse")
    second.compile(adam, "mse")


def test_the_learning_rate_may_change_between_fits_and_keeps_the_state():
    model = fb.Sequential([fb.Dense(1, input_shape=(1,))])
    model.compile(fb.optimizers.SGD(0.5), "mse")
    x, y = np.ones((4, 1)), np.zeros(4)
    model.fit(x, y, verbose=0)
    model.optimizer.learning_rate = 0.0
    before = model.get_weights()
    model.fit(x, y, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    assert model.optimizer.iterations == 2
