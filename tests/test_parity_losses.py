"""Losses, step by step, against PyTorch in float64: the same values and gradients from the same weights."""

import numpy as np
import pytest

import fastbp as fb
from fastbp import losses

torch = pytest.importorskip("torch")
F = torch.nn.functional

RNG = np.random.default_rng(4)
X = RNG.normal(size=(29, 6))
REAL = RNG.normal(size=(29, 4))
LABELS = RNG.integers(0, 4, 29)
ONE_HOT = np.eye(4)[LABELS]
SOFT = 0.6 * ONE_HOT + 0.1
IGNORING = np.where(RNG.random(29) < 0.3, -7, LABELS)


def ignoring(z, y):
    """PyTorch's mean is over the rows that count, ours over all of them."""
    return F.cross_entropy(z, y, ignore_index=-7) * (y != -7).double().mean()


# loss, activation of the last layer here, targets; activation there, and PyTorch's loss
PAIRS = {
    "mse": (losses.MeanSquaredError(), "linear", REAL, None, F.mse_loss),
    "mae": (losses.MeanAbsoluteError(), "linear", REAL, None, F.l1_loss),
    "huber": (losses.Huber(0.7), "linear", REAL, None, lambda p, y: F.huber_loss(p, y, delta=0.7)),
    "log_cosh": (losses.LogCosh(), "linear", REAL, None, lambda p, y: torch.log(torch.cosh(p - y)).mean()),
    "quantile": (
        losses.Quantile(0.3),
        "linear",
        REAL,
        None,
        lambda p, y: torch.maximum(0.3 * (y - p), -0.7 * (y - p)).mean(),
    ),
    "poisson": (
        losses.Poisson(),
        "softplus",
        np.abs(REAL),
        F.softplus,
        lambda p, y: F.poisson_nll_loss(p, y, log_input=False, eps=1e-7),
    ),
    "hinge": (losses.Hinge(), "linear", 2 * ONE_HOT - 1, None, lambda p, y: (1 - p * y).clamp(min=0).mean()),
    "squared_hinge": (
        losses.SquaredHinge(),
        "linear",
        2 * ONE_HOT - 1,
        None,
        lambda p, y: (1 - p * y).clamp(min=0).square().mean(),
    ),
    "cosine_similarity": (
        losses.CosineSimilarity(),
        "linear",
        REAL,
        None,
        lambda p, y: -F.cosine_similarity(p, y).mean(),
    ),
    "kl_divergence": (
        losses.KLDivergence(),
        "softmax",
        SOFT,
        lambda z: F.log_softmax(z, dim=1),
        lambda p, y: F.kl_div(p, y, reduction="batchmean"),
    ),
    "bce": (losses.BinaryCrossentropy(), "sigmoid", SOFT, torch.sigmoid, F.binary_cross_entropy),
    "bce of logits": (losses.BinaryCrossentropy(True), "linear", SOFT, None, F.binary_cross_entropy_with_logits),
    "cce": (losses.CategoricalCrossentropy(), "softmax", SOFT, None, F.cross_entropy),
    "cce, smoothed": (
        losses.CategoricalCrossentropy(True, 0.2),
        "linear",
        SOFT,
        None,
        lambda z, y: F.cross_entropy(z, y, label_smoothing=0.2),
    ),
    "sparse": (losses.SparseCategoricalCrossentropy(), "softmax", LABELS, None, F.cross_entropy),
    "sparse, smoothed": (
        losses.SparseCategoricalCrossentropy(label_smoothing=0.2),
        "softmax",
        LABELS,
        None,
        lambda z, y: F.cross_entropy(z, y, label_smoothing=0.2),
    ),
    "sparse, ignoring": (
        losses.SparseCategoricalCrossentropy(ignore_class=-7),
        "softmax",
        IGNORING,
        None,
        ignoring,
    ),
}


def twins(activation):
    """A model, and its weights as tensors."""
    fb.utils.set_random_seed(5)
    layers = [fb.Dense(8, "tanh", dtype="float64"), fb.Dense(4, activation, dtype="float64")]
    model = fb.Sequential([fb.Input((6,)), *layers])
    return model, [torch.tensor(w, requires_grad=True) for w in model.get_weights()]


def loss_of(tensors, name):
    _, _, y, activation, loss = PAIRS[name]
    w1, b1, w2, b2 = tensors
    z = torch.tanh(torch.tensor(X) @ w1 + b1) @ w2 + b2
    return loss(activation(z) if activation else z, torch.tensor(y))


@pytest.mark.parametrize("name", PAIRS)
def test_value_and_gradients_are_those_of_pytorch(name):
    loss, activation, y, _, _ = PAIRS[name]
    model, tensors = twins(activation)
    model.compile("sgd", loss)
    theirs = loss_of(tensors, name)
    theirs.backward()
    ours = model.gradients(X, np.asarray(y))
    np.testing.assert_allclose(model.evaluate(X, y), theirs.item(), rtol=1e-10)
    for symbol, tensor in zip(("dW1", "db1", "dW2", "db2"), tensors, strict=True):
        np.testing.assert_allclose(ours[symbol], tensor.grad.numpy(), rtol=1e-8, atol=1e-12, err_msg=symbol)


@pytest.mark.parametrize("name", PAIRS)
def test_twenty_steps_lead_to_the_weights_of_pytorch(name):
    loss, activation, y, _, _ = PAIRS[name]
    model, tensors = twins(activation)
    model.compile(fb.optimizers.SGD(0.1), loss)
    optimizer = torch.optim.SGD(tensors, 0.1)
    history = model.fit(X, y, batch_size=29, epochs=20, verbose=0).history["loss"]
    seen = []
    for _ in range(20):
        optimizer.zero_grad()
        value = loss_of(tensors, name)
        value.backward()
        optimizer.step()
        seen.append(value.item())
    np.testing.assert_allclose(history, seen, rtol=1e-7)
    for ours, theirs in zip(model.get_weights(), tensors, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-6, atol=1e-9)
