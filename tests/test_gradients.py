"""Gradients of every activation with every loss, by central differences in float64."""

import numpy as np
import pytest

import fastbp as fb
from fastbp.activations import ACTIVATIONS

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5))
LABELS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
ONE_HOT = np.eye(3)[LABELS]
REAL = RNG.normal(size=(40, 3))

# loss, units and activation of the last layer, targets
OBJECTIVES = {
    "mse": ("mse", 3, "linear", REAL),
    "mse of a sigmoid": ("mse", 3, "sigmoid", ONE_HOT),
    "mse of a softmax": ("mse", 3, "softmax", ONE_HOT),
    "mae": ("mae", 3, "tanh", REAL),
    "bce, fused": ("bce", 1, "sigmoid", LABELS > 0),
    "bce of several, fused": ("bce", 3, "sigmoid", ONE_HOT),
    "bce of logits": (fb.losses.BinaryCrossentropy(from_logits=True), 1, "linear", LABELS > 0),
    "bce of probabilities": ("bce", 3, "softmax", ONE_HOT),
    "cce, fused": ("categorical_crossentropy", 3, "softmax", ONE_HOT),
    "cce, fused, soft targets": ("categorical_crossentropy", 3, "softmax", 0.8 * ONE_HOT + 0.1),
    "cce of logits": (fb.losses.CategoricalCrossentropy(from_logits=True), 3, "linear", ONE_HOT),
    "cce of probabilities": ("categorical_crossentropy", 3, "sigmoid", ONE_HOT),
    "labels, fused": ("sparse_categorical_crossentropy", 3, "softmax", LABELS),
    "labels, logits": (fb.losses.SparseCategoricalCrossentropy(from_logits=True), 3, "leaky_relu", LABELS),
    "labels, probabilities": ("sparse_categorical_crossentropy", 3, "sigmoid", LABELS),
}


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_gradients_agree_with_central_differences(hidden, objective):
    loss, units, last, y = OBJECTIVES[objective]
    fb.utils.set_random_seed(5)
    layers = [fb.Dense(8, hidden), fb.Dense(4, hidden, use_bias=False), fb.Dense(units, last)]
    model = fb.Sequential([fb.Input((5,)), *layers])
    model.compile("sgd", loss)
    report = fb.testing.check_gradients(model, X, y)
    assert report.ok, report
    assert report.checked > 2 * report.skipped


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradients_of_activation_layers_agree_with_central_differences(name):
    fb.utils.set_random_seed(5)
    layers = [fb.Dense(6), fb.Activation(name), fb.Activation("tanh"), fb.Dense(3), fb.Activation("softmax")]
    model = fb.Sequential([fb.Input((5,), scale=0.5), *layers])
    model.compile("sgd", "crossentropy")
    report = fb.testing.check_gradients(model, X, LABELS)
    assert report.ok, report


def test_a_kink_is_skipped_and_not_taken_for_an_error():
    layer = fb.Dense(1, "relu", use_bias=False, kernel_initializer=fb.initializers.Constant([[0.0], [1.0]]))
    model = fb.Sequential([fb.Input((2,)), layer])
    model.compile("sgd", "mae")
    report = fb.testing.check_gradients(model, np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([3.0, 3.0]))
    assert report.ok
    assert (report.checked, report.skipped) == (1, 1)


def test_a_model_without_anything_to_train_has_nothing_to_compare():
    model = fb.Sequential([fb.Input((5,)), fb.Dense(3, trainable=False)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="expected a model with weights to train, got none in sequential"):
        fb.testing.check_gradients(model, X, REAL)


@pytest.mark.parametrize(("option", "value"), [("epsilon", 0), ("epsilon", "x"), ("tolerance", -1), ("samples", 0)])
def test_wrong_options_are_refused(option, value):
    model = fb.Sequential([fb.Dense(1, input_shape=(5,))])
    model.compile("sgd", "mse")
    with pytest.raises((TypeError, ValueError), match=f"expected {option}"):
        fb.testing.check_gradients(model, X, LABELS, **{option: value})
