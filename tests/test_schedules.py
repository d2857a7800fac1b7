"""Schedules: their formulas, written once more for one step at a time, and what optimizers make of them."""

import json
import math

import numpy as np
import pytest

import fastbp as fb
from fastbp import schedules
from fastbp.schedules import (
    Constant,
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    Function,
    InverseTimeDecay,
    LearningRateSchedule,
    OneCycle,
    PiecewiseConstantDecay,
    PolynomialDecay,
    StepDecay,
)


def cosine(step, steps, alpha=0.0):
    return (1 - alpha) * 0.5 * (1 + math.cos(math.pi * step / steps)) + alpha


def with_warmup(step):
    return 0.01 + (0.2 - 0.01) * step / 9 if step < 9 else 0.2 * cosine(min(step - 9, 20), 20, 0.1)


def restarted(step, length=10, t_mul=1.0, m_mul=1.0, alpha=0.0):
    """Period after period."""
    height = 1.0
    while step >= length:
        step, length, height = step - length, length * t_mul, height * m_mul
    return 0.1 * ((1 - alpha) * 0.5 * height * (1 + math.cos(math.pi * step / length)) + alpha)


def polynomial(step, cycle):
    steps = 10 * max(math.ceil(step / 10), 1) if cycle else 10
    return (0.1 - 0.01) * (1 - min(step, steps) / steps) ** 2 + 0.01


def one_cycle(step):
    first, top, end = 0.1 / 25, 0.4 * 30 - 1, 0.1 / 25 / 100
    if step < top:
        return first + (0.1 - first) * (1 - cosine(step, top))
    return end + (0.1 - end) * cosine(min(step - top, 29 - top), 29 - top)


CASES = {
    "constant": (Constant(0.1), lambda s: 0.1),
    "exponential": (ExponentialDecay(0.1, 7, 0.5), lambda s: 0.1 * 0.5 ** (s / 7)),
    "exponential, staircase": (ExponentialDecay(0.1, 7, 0.5, True), lambda s: 0.1 * 0.5 ** (s // 7)),
    "step": (StepDecay(0.1, 7, 0.25), lambda s: 0.1 * 0.25 ** (s // 7)),
    "inverse": (InverseTimeDecay(0.1, 7, 0.5), lambda s: 0.1 / (1 + 0.5 * s / 7)),
    "inverse, staircase": (InverseTimeDecay(0.1, 7, 0.5, staircase=True), lambda s: 0.1 / (1 + 0.5 * (s // 7))),
    "polynomial": (PolynomialDecay(0.1, 10, 0.01, 2), lambda s: polynomial(s, False)),
    "polynomial, cycle": (PolynomialDecay(0.1, 10, 0.01, 2, cycle=True), lambda s: polynomial(s, True)),
    "piecewise": (PiecewiseConstantDecay([3, 9], [0.3, 0.2, 0.1]), lambda s: 0.3 if s <= 3 else 0.2 if s <= 9 else 0.1),
    "piecewise, one": (PiecewiseConstantDecay([], [0.3]), lambda s: 0.3),
    "cosine": (CosineDecay(0.1, 20, 0.2), lambda s: 0.1 * cosine(min(s, 20), 20, 0.2)),
    "cosine, warm-up": (CosineDecay(0.01, 20, 0.1, warmup_target=0.2, warmup_steps=9), with_warmup),
    "restarts": (CosineDecayRestarts(0.1, 10, t_mul=1.0), restarted),
    "restarts, longer": (CosineDecayRestarts(0.1, 10), lambda s: restarted(s, t_mul=2.0)),
    "restarts, all": (
        CosineDecayRestarts(0.1, 10, t_mul=1.5, m_mul=0.5, alpha=0.25),
        lambda s: restarted(s, t_mul=1.5, m_mul=0.5, alpha=0.25),
    ),
    "one cycle": (OneCycle(0.1, 30, pct_start=0.4, final_div_factor=100), one_cycle),
    "function": (Function(lambda s: 0.1 if s < 5 else 0.01), lambda s: 0.1 if s < 5 else 0.01),
}
FAR = [*range(120), 10**6]


@pytest.mark.parametrize("name", CASES)
def test_a_schedule_equals_its_formula_at_every_step(name):
    schedule, formula = CASES[name]
    np.testing.assert_allclose(schedule(FAR), [formula(step) for step in FAR], rtol=1e-12, atol=1e-17)


@pytest.mark.parametrize("name", CASES)
def test_a_rate_does_not_depend_on_which_steps_are_asked_with_it(name):
    schedule, _ = CASES[name]
    together = schedule(np.arange(120))
    assert together.dtype == np.float64
    assert [schedule(step) for step in range(120)] == together.tolist()
    for cut in (1, 2, 3, 17, 64):
        assert np.concatenate([schedule(np.arange(120)[:cut]), schedule(np.arange(120)[cut:])]).tolist() == (
            together.tolist()
        )
    assert schedule(np.arange(6).reshape(2, 3)).tolist() == together[:6].reshape(2, 3).tolist()
    assert isinstance(schedule(3), float)
    assert schedule(np.arange(0)).shape == (0,)


@pytest.mark.parametrize("name", CASES)
def test_a_schedule_can_be_made_again_of_its_configuration(name):
    schedule, _ = CASES[name]
    if name == "function":
        with pytest.raises(TypeError, match="expected learning_rate as a number or a LearningRateSchedule to be saved"):
            schedule.get_config()
        return
    config = schedule.get_config()
    assert json.loads(json.dumps(config)) == config
    twin = schedules.get(config)
    assert type(twin) is type(schedule)
    assert twin(FAR).tolist() == schedule(FAR).tolist()
    assert eval(repr(schedule), vars(schedules)).get_config() == config


def test_every_schedule_has_a_case():
    assert set(schedules.SCHEDULES.values()) == {type(schedule) for schedule, _ in CASES.values()} - {Function}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Constant(-1), "learning_rate as a finite number"),
        (lambda: ExponentialDecay(0.1, 0, 0.5), "decay_steps as a whole number of at least 1, got 0"),
        (lambda: ExponentialDecay(0.1, 10, 0), r"decay_rate as a finite number in \(0, inf\]"),
        (lambda: ExponentialDecay(0.1, 10, 0.5, staircase=1), "staircase as True or False"),
        (lambda: StepDecay(float("nan"), 10), "initial_learning_rate as a finite number"),
        (lambda: PolynomialDecay(0.1, 10, end_learning_rate=-1), "end_learning_rate as a finite number"),
        (lambda: PolynomialDecay(0.1, 10, power=-1), "power as a finite number"),
        (lambda: PiecewiseConstantDecay([3, 3], [1, 2, 3]), r"boundaries that rise, got \[3, 3\]"),
        (lambda: PiecewiseConstantDecay([3], [1]), "expected 2 values, got 1"),
        (lambda: PiecewiseConstantDecay([0.5], [1, 2]), "boundaries"),
        (lambda: CosineDecay(0.1, 10, alpha=2), "alpha as a finite number"),
        (lambda: CosineDecay(0.1, 10, warmup_steps=3), "expected a warmup_target for 3 warmup_steps, got None"),
        (lambda: CosineDecayRestarts(0.1, 10, t_mul=0.5), "t_mul as a finite number"),
        (lambda: OneCycle(0.1, 10, pct_start=1.5), "pct_start as a finite number"),
        (lambda: OneCycle(0.1, 10, div_factor=0), "div_factor as a finite number"),
        (lambda: schedules.get({"name": "cosine"}), "unknown schedule 'cosine': did you mean 'cosine_decay'"),
        (lambda: schedules.get("0.1"), "learning_rate as a number, got '0.1'"),
    ],
)
def test_wrong_arguments_are_refused(make, words):
    with pytest.raises((TypeError, ValueError), match=words):
        make()


def test_one_cycle_of_one_step_is_at_its_top():
    assert OneCycle(0.1, 1)(0) == 0.1


# ---- in optimizers


class Halves(LearningRateSchedule):
    """A user's own."""

    def __init__(self, first):
        self.first = first

    def rates(self, steps):
        return self.first * 0.5**steps


def make_model(optimizer):
    fb.utils.set_random_seed(2)
    model = fb.Sequential([fb.Input((4,)), fb.Dense(8, "tanh"), fb.Dense(1)])
    model.compile(optimizer, "mse")
    return model


DATA = np.random.default_rng(0).normal(size=(60, 4)), np.random.default_rng(1).normal(size=60)


@pytest.mark.parametrize(
    "rate", [StepDecay(0.1, 3, 0.5), CosineDecay(0.1, 20), Halves(0.1), lambda step: 0.1 / (1 + step)]
)
@pytest.mark.parametrize("make", [fb.optimizers.SGD, fb.optimizers.Adam, fb.optimizers.Nadam, fb.optimizers.AdamW])
def test_fit_with_a_schedule_equals_setting_the_rate_before_every_step(make, rate):
    scheduled, by_hand = make_model(make(rate)), make_model(make(0.5))
    scheduled.fit(*DATA, batch_size=8, epochs=3, shuffle=False, verbose=0)
    steps = iter(range(100))
    for _ in range(3):
        for i in range(0, 60, 8):
            by_hand.optimizer.learning_rate = schedules.get(rate)(next(steps))
            by_hand.train_on_batch(DATA[0][i : i + 8], DATA[1][i : i + 8])
    assert all(map(np.array_equal, scheduled.get_weights(), by_hand.get_weights()))
    assert scheduled.optimizer.iterations == 24
    assert scheduled.optimizer.learning_rate == schedules.get(rate)(24)


def test_a_schedule_of_the_users_own_is_checked():
    assert fb.optimizers.SGD(Halves(0.1)).rates(1, 2).tolist() == [0.05, 0.025]

    class Short(LearningRateSchedule):
        def rates(self, steps):
            return np.ones(1)

    with pytest.raises(ValueError, match=r"to give 3 rates, got shape \(1,\)"):
        Short()([1, 2, 3])


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), None])
def test_a_rate_that_is_none_is_refused_before_the_weights_change(value):
    model = make_model(fb.optimizers.SGD(lambda step: 0.1 if step < 2 else value))
    x, y = DATA
    model.train_on_batch(x, y)
    model.train_on_batch(x, y)
    before = model.get_weights()
    with pytest.raises((TypeError, ValueError), match="the learning rate of a step as a"):
        model.fit(x, y, epochs=1, verbose=0)
    assert all(map(np.array_equal, before, model.get_weights()))
    assert model.optimizer.iterations == 2


def test_a_schedule_below_zero_names_the_step():
    with pytest.raises(ValueError, match=r"at least 0 at every step, got -0\.1 at step 3"):
        type("Falling", (LearningRateSchedule,), {"rates": lambda self, steps: 0.2 - 0.1 * steps})()(np.arange(2, 5))


def test_the_rate_may_be_replaced_by_a_number_and_by_a_schedule():
    optimizer = fb.optimizers.SGD(StepDecay(0.1, 10))
    optimizer.learning_rate = 0.5
    assert optimizer.learning_rate == 0.5
    assert optimizer.get_config()["learning_rate"] == 0.5
    optimizer.learning_rate = StepDecay(0.2, 10)
    assert optimizer.rates(9, 2).round(3).tolist() == [0.2, 0.02]
