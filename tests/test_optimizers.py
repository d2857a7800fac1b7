"""Optimizers as classes: models train with each, and a step of each is the function of fastbp.ops."""

import json

import numpy as np
import pytest

import fastbp as fb
from fastbp.optimizers import OPTIMIZERS, SGD, Adadelta, Adagrad, Adam, AdamW, Lion, Nadam, RMSprop

ops = fb.ops

# An optimizer; the function of fastbp.ops, with the same constants; whether it takes the number of the step.
PAIRS = {
    "sgd": (lambda **o: SGD(0.125, **o), lambda *a, **o: ops.sgd(*a, 0.125, **o), False),
    "momentum": (lambda **o: SGD(0.125, 0.5, **o), lambda *a, **o: ops.momentum(*a, 0.125, 0.5, **o), False),
    "nesterov": (
        lambda **o: SGD(0.125, 0.5, True, **o),
        lambda *a, **o: ops.momentum(*a, 0.125, 0.5, True, **o),
        False,
    ),
    "adam": (lambda **o: Adam(0.125, **o), lambda *a, **o: ops.adam(*a, 0.125, **o), True),
    "amsgrad": (lambda **o: Adam(0.125, amsgrad=True, **o), lambda *a, **o: ops.amsgrad(*a, 0.125, **o), True),
    "adamw": (lambda **o: AdamW(0.125, 0.5, **o), lambda *a, **o: ops.adamw(*a, 0.125, weight_decay=0.5, **o), True),
    "adamw, amsgrad": (
        lambda **o: AdamW(0.125, 0.5, amsgrad=True, **o),
        lambda *a, **o: ops.amsgrad(*a, 0.125, weight_decay=0.5, **o),
        True,
    ),
    "nadam": (lambda **o: Nadam(0.125, **o), lambda *a, **o: ops.nadam(*a, 0.125, **o), True),
    "adagrad": (lambda **o: Adagrad(0.125, **o), lambda *a, **o: ops.adagrad(*a, 0.125, **o), False),
    "adadelta": (lambda **o: Adadelta(1.0, **o), lambda *a, **o: ops.adadelta(*a, 1.0, **o), False),
    "rmsprop": (lambda **o: RMSprop(0.125, **o), lambda *a, **o: ops.rmsprop(*a, 0.125, **o), False),
    "rmsprop, all": (
        lambda **o: RMSprop(0.125, momentum=0.5, centered=True, **o),
        lambda w, g, v, average, velocity, **o: ops.rmsprop(
            w, g, v, 0.125, momentum=0.5, centered=True, average=average, velocity=velocity, **o
        ),
        False,
    ),
    "lion": (lambda **o: Lion(0.125, **o), lambda *a, **o: ops.lion(*a, 0.125, **o), False),
}


# Options of an optimizer, and those of the functions that mean the same
OPTIONS = {
    "plain": ({}, {}),
    "weight_decay": ({"weight_decay": 0.5}, {"weight_decay": 0.5}),
    "clipvalue": ({"clipvalue": 0.125}, {"clip_value": 0.125}),
    "both": ({"clipvalue": 0.125, "weight_decay": 0.5}, {"clip_value": 0.125, "weight_decay": 0.5}),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", PAIRS)
def test_steps_of_a_model_equal_the_function_of_ops(name, options, dtype):
    make, function, numbered = PAIRS[name]
    given, same = OPTIONS[options]
    if "adamw" in name and "weight_decay" in given:
        return  # has it already
    model = fb.Sequential([fb.Input((5,)), fb.Dense(7, "tanh", dtype=dtype), fb.Dense(3, dtype=dtype)])
    optimizer = make(**given)
    model.compile(optimizer, "mse")
    rng = np.random.default_rng(0)
    weights = [w.copy() for w in model.get_weights()]
    states = [[np.full_like(w, optimizer.start) for _ in range(optimizer.slots)] for w in weights]
    for step in range(1, 8):
        x, y = rng.normal(size=(16, 5)).astype(dtype), rng.normal(size=(16, 3)).astype(dtype)
        gradients = model.gradients(x, y)
        model.train_on_batch(x, y)
        for w, g, state, got in zip(weights, of_weights(gradients, weights), states, model.get_weights(), strict=True):
            function(w, g, *state, *([step] if numbered else []), **same)
            np.testing.assert_allclose(got, w, rtol=0, atol=64 * np.finfo(dtype).eps * (1 if dtype == "float64" else 8))
            w[...] = got  # what follows is of this step alone
    assert optimizer.iterations == 7


def of_weights(gradients, weights):
    """The gradients in the order of the weights."""
    names = [f"d{kind}{layer}" for layer in range(1, 1 + len(weights) // 2) for kind in "Wb"]
    return [gradients[name] for name in names]


@pytest.mark.parametrize("name", PAIRS)
def test_a_model_learns_with_it_and_the_bits_do_not_depend_on_how_steps_are_run(name):
    make, _, _ = PAIRS[name]
    (x, y), _ = fb.datasets.moons.load_data()
    results = []
    for one_by_one in (False, True):
        fb.utils.set_random_seed(1)
        model = fb.Sequential([fb.Input((2,)), fb.Dense(16, "tanh"), fb.Dense(1, "sigmoid")])
        optimizer = make()
        optimizer.learning_rate = 3.0 if name == "adadelta" else 0.02
        model.compile(optimizer, "binary_crossentropy")
        before = model.evaluate(x, y, verbose=0)
        if one_by_one:
            for _ in range(12):
                for i in range(0, len(x), 64):
                    model.train_on_batch(x[i : i + 64], y[i : i + 64])
        else:
            model.fit(x, y, epochs=12, batch_size=64, shuffle=False, verbose=0)
        after = model.evaluate(x, y, verbose=0)
        assert after < 0.98 * before
        results.append(b"".join(w.tobytes() for w in model.get_weights()))
    assert results[0] == results[1]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_has_a_name_and_options_it_can_be_made_of_again(name):
    optimizer = fb.optimizers.get(name)
    config = optimizer.get_config()
    assert config["name"] == name
    assert json.loads(json.dumps(config)) == config
    assert fb.optimizers.get(config).get_config() == config
    assert eval(repr(optimizer), vars(fb.optimizers)).get_config() == config


@pytest.mark.parametrize("make", [Adam, AdamW, Nadam, lambda lr: Adam(lr, amsgrad=True)])
def test_steps_do_not_depend_on_how_they_are_cut_into_chunks(make):
    optimizer = make(0.01)
    np.testing.assert_array_equal(
        optimizer.steps(0, 10), np.concatenate([optimizer.steps(0, 3), optimizer.steps(3, 7)])
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: AdamW(weight_decay=-1), "weight_decay as a finite number"),
        (lambda: Adam(amsgrad=1), "amsgrad as True or False"),
        (lambda: Nadam(beta_1=1), r"beta_1 as a finite number in \[0, 1\)"),
        (lambda: Adagrad(initial_accumulator_value=-0.1), "initial_accumulator_value as a finite number"),
        (lambda: Adagrad(epsilon=0), r"epsilon as a finite number in \(0, inf\], got 0"),
        (lambda: Adadelta(rho=1), r"rho as a finite number in \[0, 1\)"),
        (lambda: RMSprop(momentum=2), r"momentum as a finite number in \[0, 1\]"),
        (lambda: RMSprop(centered="yes"), "centered as True or False"),
        (lambda: Lion(beta_2=float("nan")), "beta_2 as a finite number"),
    ],
)
def test_wrong_options_are_refused(make, words):
    with pytest.raises((TypeError, ValueError), match=words):
        make()


def test_an_epsilon_that_is_zero_in_the_type_of_the_weights_is_refused():
    for make in (Adam, RMSprop, Adagrad, Adadelta, Nadam):
        model = fb.Sequential([fb.Dense(1, input_shape=(1,))])
        model.compile(make(epsilon=1e-60), "mse")
        with pytest.raises(ValueError, match=r"epsilon as a finite number .* in float32"):
            model.fit(np.ones((2, 1)), np.ones(2), verbose=0)
