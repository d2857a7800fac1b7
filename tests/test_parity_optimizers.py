"""Training curves beside PyTorch's: the same weights and batches, step by step, for every optimizer and loss.

PyTorch supplies gradients by its autograd and the rules of `torch.optim`. Where its definition of a rule is another one
(Lion, which it does not have), the rule is written out here. Epsilons are so small that their place does not matter.
"""

import numpy as np
import pytest

import fastbp as fb
from fastbp.optimizers import SGD, Adadelta, Adagrad, Adam, AdamW, Lion, Nadam, RMSprop

torch = pytest.importorskip("torch")

STEPS, BATCH = 200, 16
TINY = 1e-16
LOSSES = {
    "mse": (None, "mse", torch.nn.functional.mse_loss),
    "bce": ("sigmoid", "binary_crossentropy", torch.nn.functional.binary_cross_entropy_with_logits),
    "cce": ("softmax", "categorical_crossentropy", torch.nn.functional.cross_entropy),
}


@pytest.fixture(autouse=True)
def _one_thread():
    """More cost time in steps this small. The number is OpenMP's, so it has to be put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class LionByHand(torch.optim.Optimizer):
    """Chen et al. 2023, algorithm 2."""

    def __init__(self, parameters, lr, betas):
        super().__init__(parameters, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            first, second = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                p -= group["lr"] * torch.sign(first * m + (1 - first) * p.grad)
                m.mul_(second).add_((1 - second) * p.grad)


optim = torch.optim
OPTIMIZERS = {
    "sgd": (SGD(0.1), lambda p: optim.SGD(p, 0.1)),
    "sgd, decay": (SGD(0.1, weight_decay=0.02), lambda p: decayed(optim.SGD(p, 0.1), 0.02)),
    "momentum": (SGD(0.02, 0.9), lambda p: optim.SGD(p, 0.02, 0.9)),
    "nesterov": (SGD(0.02, 0.9, nesterov=True), lambda p: optim.SGD(p, 0.02, 0.9, nesterov=True)),
    "adam": (Adam(0.01, epsilon=TINY), lambda p: optim.Adam(p, 0.01, eps=TINY)),
    "adam, betas": (Adam(0.01, 0.5, 0.9, epsilon=TINY), lambda p: optim.Adam(p, 0.01, (0.5, 0.9), TINY)),
    "amsgrad": (Adam(0.01, epsilon=TINY, amsgrad=True), lambda p: optim.Adam(p, 0.01, eps=TINY, amsgrad=True)),
    "adamw": (
        AdamW(0.01, weight_decay=0.1, epsilon=TINY),
        lambda p: optim.AdamW(p, 0.01, eps=TINY, weight_decay=0.1),
    ),
    "nadam": (Nadam(0.01, epsilon=TINY), lambda p: optim.NAdam(p, 0.01, eps=TINY, momentum_decay=1.0)),
    "adagrad": (
        Adagrad(0.05, initial_accumulator_value=0.1, epsilon=TINY),
        lambda p: optim.Adagrad(p, 0.05, initial_accumulator_value=0.1, eps=TINY),
    ),
    "adadelta": (Adadelta(1.0, rho=0.9, epsilon=1e-6), lambda p: optim.Adadelta(p, 1.0, rho=0.9, eps=1e-6)),
    "rmsprop": (RMSprop(0.01, epsilon=TINY), lambda p: optim.RMSprop(p, 0.01, alpha=0.9, eps=TINY)),
    "rmsprop, momentum": (
        RMSprop(0.005, momentum=0.5, epsilon=TINY),
        lambda p: optim.RMSprop(p, 0.005, alpha=0.9, eps=TINY, momentum=0.5),
    ),
    "rmsprop, centered": (
        RMSprop(0.005, centered=True, epsilon=TINY),
        lambda p: optim.RMSprop(p, 0.005, alpha=0.9, eps=TINY, centered=True),
    ),
    "rmsprop, all": (
        RMSprop(0.005, momentum=0.5, centered=True, epsilon=TINY),
        lambda p: optim.RMSprop(p, 0.005, alpha=0.9, eps=TINY, momentum=0.5, centered=True),
    ),
    "lion": (Lion(0.002), lambda p: LionByHand(p, 0.002, (0.9, 0.99))),
}


def decayed(optimizer, weight_decay):
    """Decoupled weight decay before each step of an optimizer that has none."""
    step = optimizer.step

    @torch.no_grad()
    def decay_and_step():
        for group in optimizer.param_groups:
            for p in group["params"]:
                p *= 1 - group["lr"] * weight_decay
        step()

    optimizer.step = decay_and_step
    return optimizer


def draw(loss):
    """A task that can be learned: inputs, and targets of this loss."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(STEPS * BATCH, 6))
    signal = np.tanh(x @ rng.normal(size=(6, 4)))
    if loss == "mse":
        return x, signal
    if loss == "bce":
        return x, (signal > 0).astype(float)
    return x, np.eye(4)[signal.argmax(axis=1)]


def make_ours(optimizer, loss):
    fb.utils.set_random_seed(4)
    activation, name, _ = LOSSES[loss]
    model = fb.Sequential([fb.Input((6,), dtype="float64"), fb.Dense(16, "tanh"), fb.Dense(4, activation)])
    model.compile(optimizer, name)
    return model


def make_theirs(weights):
    model = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.Tanh(), torch.nn.Linear(16, 4)).double()
    with torch.no_grad():
        for parameter, weight in zip(model.parameters(), weights, strict=True):
            parameter.copy_(torch.from_numpy(weight.T.copy()))
    return model


def curve_of_torch(model, optimizer, loss, x, y, after_backward=lambda: None, after_step=lambda: None):
    x, y, losses = torch.from_numpy(x), torch.from_numpy(y), []
    for i in range(0, len(x), BATCH):
        optimizer.zero_grad()
        value = LOSSES[loss][2](model(x[i : i + BATCH]), y[i : i + BATCH])
        value.backward()
        after_backward()
        optimizer.step()
        after_step()
        losses.append(value.item())
    return losses


def curve_of_ours(model, x, y):
    return [model.train_on_batch(x[i : i + BATCH], y[i : i + BATCH]) for i in range(0, len(x), BATCH)]


def assert_same_weights(ours, theirs):
    for got, want in zip(ours.get_weights(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(got, want.detach().numpy().T, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_curves_agree_with_pytorch_step_by_step(name, loss):
    optimizer, make = OPTIMIZERS[name]
    ours = make_ours(fb.optimizers.get(optimizer.get_config()), loss)
    theirs = make_theirs(ours.get_weights())
    x, y = draw(loss)
    want = curve_of_torch(theirs, make(theirs.parameters()), loss, x, y)
    got = curve_of_ours(ours, x, y)
    assert np.mean(want[-20:]) < 0.9 * np.mean(want[:20]), "expected a curve that falls"
    np.testing.assert_allclose(got, want, rtol=1e-5)
    assert_same_weights(ours, theirs)


# ---- clipping, averages, accumulation


@pytest.mark.parametrize("loss", LOSSES)
def test_clipping_by_the_norm_of_all_agrees_with_pytorch(loss):
    ours = make_ours(Adam(0.01, epsilon=TINY, global_clipnorm=0.1), loss)
    theirs = make_theirs(ours.get_weights())
    x, y = draw(loss)

    def clip():  # clip_grad_norm_ adds 1e-6 to the norm
        gradients = [p.grad for p in theirs.parameters()]
        norm = torch.sqrt(sum((g**2).sum() for g in gradients))
        for g in gradients:
            g *= torch.clamp(0.1 / norm, max=1.0)

    want = curve_of_torch(theirs, optim.Adam(theirs.parameters(), 0.01, eps=TINY), loss, x, y, clip)
    np.testing.assert_allclose(curve_of_ours(ours, x, y), want, rtol=1e-5)
    assert_same_weights(ours, theirs)


def test_clipping_by_value_agrees_with_pytorch():
    ours = make_ours(SGD(0.1, 0.9, clipvalue=0.01), "cce")
    theirs = make_theirs(ours.get_weights())
    x, y = draw("cce")
    torch_sgd = optim.SGD(theirs.parameters(), 0.1, 0.9)
    want = curve_of_torch(
        theirs, torch_sgd, "cce", x, y, lambda: torch.nn.utils.clip_grad_value_(theirs.parameters(), 0.01)
    )
    np.testing.assert_allclose(curve_of_ours(ours, x, y), want, rtol=1e-5)


def test_averages_of_weights_agree_with_pytorch():
    ours = make_ours(Adam(0.01, epsilon=TINY, use_ema=True, ema_momentum=0.95), "mse")
    theirs = make_theirs(ours.get_weights())
    average = optim.swa_utils.AveragedModel(theirs, multi_avg_fn=optim.swa_utils.get_ema_multi_avg_fn(0.95))
    x, y = draw("mse")
    torch_adam = optim.Adam(theirs.parameters(), 0.01, eps=TINY)
    curve_of_torch(theirs, torch_adam, "mse", x, y, after_step=lambda: average.update_parameters(theirs))
    curve_of_ours(ours, x, y)
    assert_same_weights(ours, theirs)
    with ours.averaged_weights():
        assert_same_weights(ours, average.module)


def test_accumulated_gradients_agree_with_pytorch():
    ours = make_ours(AdamW(0.01, weight_decay=0.1, epsilon=TINY, gradient_accumulation_steps=4), "cce")
    theirs = make_theirs(ours.get_weights())
    x, y = draw("cce")
    adamw = optim.AdamW(theirs.parameters(), 0.01, eps=TINY, weight_decay=0.1)
    rows, targets = torch.from_numpy(x), torch.from_numpy(y)
    for number, i in enumerate(range(0, len(x), BATCH)):
        (torch.nn.functional.cross_entropy(theirs(rows[i : i + BATCH]), targets[i : i + BATCH]) / 4).backward()
        if number % 4 == 3:
            adamw.step()
            adamw.zero_grad()
    ours.fit(x, y, BATCH, shuffle=False, verbose=0)
    assert_same_weights(ours, theirs)


# ---- schedules

schedulers = optim.lr_scheduler
SCHEDULES = {
    "step": (fb.schedules.StepDecay(0.1, 30, 0.5), lambda o: schedulers.StepLR(o, 30, 0.5)),
    "exponential": (fb.schedules.ExponentialDecay(0.1, 1, 0.98), lambda o: schedulers.ExponentialLR(o, 0.98)),
    "cosine": (fb.schedules.CosineDecay(0.1, 150, 0.1), lambda o: schedulers.CosineAnnealingLR(o, 150, 0.01)),
    "restarts": (
        fb.schedules.CosineDecayRestarts(0.1, 20, t_mul=2.0),
        lambda o: schedulers.CosineAnnealingWarmRestarts(o, 20, 2),
    ),
    "polynomial": (
        fb.schedules.PolynomialDecay(0.1, 100, 0.0, power=2.0),
        lambda o: schedulers.PolynomialLR(o, 100, 2.0),
    ),
    "piecewise": (
        fb.schedules.PiecewiseConstantDecay([49, 99], [0.1, 0.05, 0.025]),
        lambda o: schedulers.MultiStepLR(o, [50, 100], 0.5),
    ),
    "one cycle": (
        fb.schedules.OneCycle(0.1, STEPS),
        lambda o: schedulers.OneCycleLR(o, 0.1, STEPS, cycle_momentum=False),
    ),
    "callable": (lambda step: 0.1 / (1 + step), lambda o: schedulers.LambdaLR(o, lambda step: 1 / (1 + step))),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_curves_under_a_schedule_agree_with_pytorch(name):
    schedule, make = SCHEDULES[name]
    ours = make_ours(SGD(schedule), "cce")
    theirs = make_theirs(ours.get_weights())
    x, y = draw("cce")
    optimizer = optim.SGD(theirs.parameters(), 0.1)
    scheduler, rates = make(optimizer), []

    def next_rate():
        rates.append(optimizer.param_groups[0]["lr"])
        if len(rates) < (150 if name == "cosine" else STEPS):  # theirs rises again
            scheduler.step()

    want = curve_of_torch(theirs, optimizer, "cce", x, y, after_step=next_rate)
    np.testing.assert_allclose(ours.optimizer.rates(0, 150), rates[:150], rtol=1e-9, atol=1e-12)
    count = 150 if name == "cosine" else STEPS
    np.testing.assert_allclose(curve_of_ours(ours, x, y)[:count], want[:count], rtol=1e-5)
