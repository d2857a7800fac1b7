"""Networks with normalisation train as PyTorch's do, from the same weights on the same batches, for 200 steps."""

from itertools import pairwise

import numpy as np
import pytest

import fastbp as fb

torch = pytest.importorskip("torch")

STEPS, BATCH = 200, 16
RNG = np.random.default_rng(0)
X = RNG.normal(size=(BATCH * 10, 12))
LABELS = RNG.integers(0, 3, len(X))
KINDS = {
    "batch": (lambda: fb.BatchNormalization(), lambda n: torch.nn.BatchNorm1d(n, eps=1e-3, momentum=0.01)),
    "layer": (lambda: fb.LayerNormalization(), lambda n: torch.nn.LayerNorm(n, eps=1e-3)),
    "rms": (lambda: fb.layers.RMSNormalization(), lambda n: torch.nn.RMSNorm(n, eps=1e-6)),
}
OPTIMIZERS = {
    "sgd": (lambda: fb.optimizers.SGD(0.05, momentum=0.9), lambda p: torch.optim.SGD(p, 0.05, momentum=0.9)),
    # an epsilon so small that it does not matter on which side of the bias correction it stands
    "adam": (lambda: fb.optimizers.Adam(0.01, epsilon=1e-12), lambda p: torch.optim.Adam(p, 0.01, eps=1e-12)),
}


def ours_of(kind, optimizer):
    fb.utils.set_random_seed(5)
    # without biases: before batch normalisation they have no gradient but rounding, which Adam would blow up
    hidden = [[fb.Dense(n, use_bias=False), KINDS[kind][0](), fb.Activation("tanh")] for n in (16, 9)]
    model = fb.Sequential([fb.Input((12,), dtype="float64"), *hidden[0], *hidden[1], fb.Dense(3, "softmax")])
    model.compile(OPTIMIZERS[optimizer][0](), "sparse_categorical_crossentropy")
    return model


def theirs_of(kind, model):
    sizes = [12, 16, 9]
    modules = []
    for fan_in, fan_out in pairwise(sizes):
        modules += [torch.nn.Linear(fan_in, fan_out, bias=False), KINDS[kind][1](fan_out), torch.nn.Tanh()]
    net = torch.nn.Sequential(*modules, torch.nn.Linear(9, 3)).double()
    dense = (layer for layer in model.layers if isinstance(layer, fb.Dense))
    for module, layer in zip((m for m in net if isinstance(m, torch.nn.Linear)), dense, strict=True):
        w, *b = layer.get_weights()
        module.load_state_dict({"weight": torch.from_numpy(w.T), **({"bias": torch.from_numpy(b[0])} if b else {})})
    return net


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", KINDS)
def test_training_goes_as_in_pytorch_step_by_step(kind, optimizer):
    model = ours_of(kind, optimizer)
    net = theirs_of(kind, model)
    their_optimizer = OPTIMIZERS[optimizer][1](net.parameters())
    for step in range(STEPS):
        first = step * BATCH % len(X)
        x, y = X[first : first + BATCH], LABELS[first : first + BATCH]
        their_optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(torch.from_numpy(x)), torch.from_numpy(y))
        loss.backward()
        their_optimizer.step()
        assert model.train_on_batch(x, y) == pytest.approx(loss.item(), rel=1e-5), f"step {step}"
    if kind == "batch":
        compare_moments(model, net)
    net.eval()
    with torch.inference_mode():
        if kind != "batch":  # the moving variances differ: theirs is of rows - 1
            theirs = net(torch.from_numpy(X)).softmax(1).numpy()
            np.testing.assert_allclose(model.predict(X), theirs, rtol=1e-5, atol=1e-7)


def compare_moments(model, net):
    """Means agree; their variance follows that of a sample, rows / (rows - 1) times ours."""
    norms = (layer for layer in model.layers if isinstance(layer, fb.BatchNormalization))
    for layer, module in zip(norms, (m for m in net if isinstance(m, torch.nn.BatchNorm1d)), strict=True):
        *_, mean, variance = layer.get_weights()
        np.testing.assert_allclose(mean, module.running_mean.numpy(), rtol=1e-5, atol=1e-9)
        start = 0.99**STEPS
        unbiased = start + (variance - start) * BATCH / (BATCH - 1)
        np.testing.assert_allclose(unbiased, module.running_var.numpy(), rtol=1e-5)
