"""Every loss in a model: its value against float64 NumPy, its gradient against central differences."""

from functools import partial

import numpy as np
import pytest
from references import LOSSES
from references import references_loss as reference

import fastbp as fb
from fastbp import losses

RNG = np.random.default_rng(1)
X = RNG.normal(size=(37, 5))
REAL = RNG.normal(size=(37, 3))
LABELS = RNG.integers(0, 3, 37)
ONE_HOT = np.eye(3)[LABELS]
SOFT = 0.7 * ONE_HOT + 0.1
WEIGHTS = RNG.random(37) * (RNG.random(37) < 0.8)

bce, cce, of_logits = reference.binary_crossentropy, reference.categorical, reference.softmax_crossentropy
smooth = partial(reference.smoothed)
# loss, activation of the last layer, targets, value and gradient of each row
CASES = {
    "mse": (losses.MeanSquaredError(), "linear", REAL, LOSSES["mean_squared_error"]),
    "mae": (losses.MeanAbsoluteError(), "linear", REAL, LOSSES["mean_absolute_error"]),
    "huber": (losses.Huber(0.5), "linear", REAL, partial(reference.huber, delta=0.5)),
    "log_cosh": (losses.LogCosh(), "linear", REAL, reference.log_cosh),
    "quantile": (losses.Quantile(0.2), "linear", REAL, partial(reference.quantile, q=0.2)),
    "poisson": (losses.Poisson(), "softplus", np.abs(REAL), reference.poisson),
    "poisson of rates": (
        losses.Poisson(),
        "exponential",
        np.abs(REAL),
        lambda p, t: reference.poisson_logits(np.log(p), t),
    ),
    "hinge": (losses.Hinge(), "tanh", 2 * ONE_HOT - 1, reference.hinge),
    "hinge of 0 and 1": (losses.Hinge(), "tanh", ONE_HOT, reference.hinge),
    "squared_hinge": (losses.SquaredHinge(), "tanh", ONE_HOT, reference.squared_hinge),
    "cosine_similarity": (losses.CosineSimilarity(), "linear", REAL, reference.cosine_similarity),
    "kl_divergence": (losses.KLDivergence(), "softmax", SOFT, reference.kl_divergence),
    "bce": (losses.BinaryCrossentropy(), "sigmoid", SOFT, bce),
    "bce, not fused": (losses.BinaryCrossentropy(), "softmax", SOFT, bce),
    "bce of logits": (losses.BinaryCrossentropy(True), "linear", SOFT, reference.binary_crossentropy_logits),
    "bce, smoothed": (losses.BinaryCrossentropy(label_smoothing=0.25), "sigmoid", ONE_HOT, smooth(bce, 0.25, True)),
    "cce": (losses.CategoricalCrossentropy(), "softmax", SOFT, cce),
    "cce, not fused": (losses.CategoricalCrossentropy(), "sigmoid", SOFT, cce),
    "cce of logits": (losses.CategoricalCrossentropy(True), "linear", SOFT, of_logits),
    "cce, smoothed": (losses.CategoricalCrossentropy(False, 0.25), "softmax", ONE_HOT, smooth(cce, 0.25, False)),
    "sparse": (losses.SparseCategoricalCrossentropy(), "softmax", LABELS, cce),
    "sparse, not fused": (losses.SparseCategoricalCrossentropy(), "sigmoid", LABELS, cce),
    "sparse of logits": (losses.SparseCategoricalCrossentropy(True), "linear", LABELS, of_logits),
    "sparse, smoothed": (
        losses.SparseCategoricalCrossentropy(label_smoothing=0.25),
        "softmax",
        LABELS,
        smooth(cce, 0.25, False),
    ),
}


def model_of(loss, activation):
    fb.utils.set_random_seed(2)
    layers = [fb.Dense(6, "tanh", dtype="float64"), fb.Dense(3, activation, dtype="float64")]
    model = fb.Sequential([fb.Input((5,)), *layers])
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", CASES)
def test_the_loss_of_a_model_is_the_mean_over_rows_of_the_formula(name, weights):
    loss, activation, y, formula = CASES[name]
    model = model_of(loss, activation)
    of_rows = formula(model.predict(X), y)[0]
    want = (of_rows * (1 if weights is None else weights)).mean()
    assert model.evaluate(X, y, sample_weight=weights) == pytest.approx(want, rel=1e-9)
    fitted = model.fit(X, y, batch_size=37, sample_weight=weights, verbose=0).history["loss"][0]
    assert fitted == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_of_a_loss_agrees_with_central_differences(name):
    loss, activation, y, _ = CASES[name]
    report = fb.testing.check_gradients(model_of(loss, activation), X, y)
    assert report.ok, report
    assert report.checked > 2 * report.skipped


def test_every_loss_is_in_the_table_of_cases():
    assert {type(loss) for loss, *_ in CASES.values()} == set(losses.LOSSES.values()) - {losses.Crossentropy}


@pytest.mark.parametrize("name", losses.LOSSES)
def test_a_loss_has_its_names(name):
    loss = losses.get(name)
    assert losses.LOSSES[loss.name] is type(loss)
