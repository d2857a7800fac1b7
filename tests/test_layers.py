"""Layers, initializers, names, shapes and weights."""

import math

import numpy as np
import pytest

import fastbp as fb
from fastbp import initializers


def drawn(initializer, shape=(400, 300), seed=0):
    return initializers.get(initializer)(shape, np.dtype("float64"), np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("glorot_uniform", 2 / 700),
        ("glorot_normal", 2 / 700),
        ("he_uniform", 2 / 400),
        ("he_normal", 2 / 400),
        ("lecun_uniform", 1 / 400),
        ("lecun_normal", 1 / 400),
        ("normal", 0.05**2),
        ("random_normal", 0.05**2),
    ],
)
def test_initializers_have_the_published_variance(name, variance):
    values = drawn(name)
    assert values.var() == pytest.approx(variance, rel=0.02)
    assert abs(values.mean()) < 4 * math.sqrt(variance / values.size)


@pytest.mark.parametrize("name", ["glorot_normal", "he_normal", "lecun_normal"])
def test_scaled_normal_values_are_cut_at_two_deviations_of_the_untruncated_normal(name):
    values = drawn(name)
    limit = 2 * values.std() / initializers.TRUNCATED_DEVIATION
    assert 0.98 * limit < np.abs(values).max() <= 1.02 * limit


def test_a_seeded_initializer_always_draws_the_same_and_another_never():
    fixed = fb.initializers.HeNormal(seed=3)
    assert np.array_equal(drawn(fixed, seed=1), drawn(fixed, seed=2))
    assert not np.array_equal(drawn("he_normal", seed=1), drawn("he_normal", seed=2))


def test_float32_and_float64_models_start_from_the_same_numbers():
    def weights(dtype):
        fb.utils.set_random_seed(5)
        return fb.Sequential([fb.Dense(7, input_shape=(5,), dtype=dtype)]).get_weights()[0]

    assert weights("float32").dtype == np.float32
    np.testing.assert_array_equal(weights("float32"), weights("float64").astype("float32"))


def test_constants_fill_and_arrays_of_the_right_shape_are_taken():
    layer = fb.Dense(2, kernel_initializer=fb.initializers.Constant([[1, 2], [3, 4]]), bias_initializer="ones")
    fb.Sequential([fb.Input((2,)), layer])
    np.testing.assert_array_equal(layer.get_weights()[0], [[1, 2], [3, 4]])
    np.testing.assert_array_equal(layer.get_weights()[1], [1, 1])


@pytest.mark.parametrize("name", sorted(set(initializers.INITIALIZERS) - {"constant"}))
def test_initializers_come_back_from_their_configuration(name):
    first = initializers.get(name)
    assert type(initializers.get(first.get_config())) is type(first)


def test_every_weight_is_a_view_of_one_buffer_and_starts_a_cache_line():
    model = fb.Sequential([fb.Input((3,)), fb.Dense(5), fb.Dense(7), fb.Dense(1)])
    bases = {id(variable.value.base) for variable in model.weights}
    assert len(bases) == 1
    assert all(variable.value.ctypes.data % 64 == 0 for variable in model.weights)
    assert model.count_params() == 3 * 5 + 5 + 5 * 7 + 7 + 7 + 1


def test_names_count_by_class_and_models_refuse_two_of_a_name():
    first, second = fb.Dense(1), fb.Dense(1)
    assert first.name != second.name
    assert second.name.startswith("dense_")
    with pytest.raises(ValueError, match="different names, got 'a' twice"):
        fb.Sequential([fb.Dense(1, name="a"), fb.Dense(1, name="a")])


def test_input_shape_on_a_first_layer_of_any_kind_stands_for_an_input():
    for layer in (fb.Dense(2, input_shape=(3,)), fb.Activation("relu", input_shape=(3,))):
        model = fb.Sequential([layer, fb.Dense(2)])
        assert model.built
        assert model.input_shape == (3,)
        assert model.layers[0] is layer


def test_an_added_layer_leaves_the_weights_before_it_alone():
    model = fb.Sequential([fb.Input((3,)), fb.Dense(4)])
    before = model.get_weights()
    model.add(fb.Dense(2))
    after = model.get_weights()
    assert len(after) == 4
    np.testing.assert_array_equal(after[0], before[0])


def test_scale_turns_pixels_into_fractions_without_a_float_copy():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 4), np.uint8)
    layers = [fb.Dense(3, "tanh", kernel_initializer=fb.initializers.GlorotUniform(seed=1)) for _ in range(2)]
    scaled = fb.Sequential([fb.Input((4,), scale=1 / 255), layers[0]])
    plain = fb.Sequential([fb.Input((4,)), layers[1]])
    np.testing.assert_allclose(scaled.predict(pixels), plain.predict(pixels / 255), atol=1e-6)


def test_an_activation_layer_computes_what_dense_computes_with_it():
    x = np.random.default_rng(0).normal(size=(6, 4))
    for name in ("linear", "relu", "leaky_relu", "sigmoid", "tanh", "softmax"):
        fused = fb.Sequential([fb.Input((4,)), fb.Dense(5, name)])
        apart = fb.Sequential([fb.Input((4,)), fb.Dense(5), fb.Activation(name)])
        apart.set_weights(fused.get_weights())
        np.testing.assert_allclose(apart.predict(x), fused.predict(x), rtol=1e-6, atol=1e-7, err_msg=name)


def test_get_config_makes_the_same_layer_again():
    for layer in (
        fb.Dense(4, "leaky_relu", use_bias=False, kernel_initializer=fb.initializers.Constant(2), dtype="float64"),
        fb.Activation(fb.activations.Activation("leaky_relu", "leaky_relu", alpha=0.3)),
        fb.Input((4,), scale=0.5),
    ):
        assert type(layer)(**layer.get_config()).get_config() == layer.get_config()


def called():
    layer = fb.Dense(2, name="called")
    layer(fb.Input((3,)))
    return layer


def in_a_model():
    layer = fb.Dense(2, name="built", input_shape=(3,))
    fb.Sequential([layer])
    return layer


@pytest.mark.parametrize(
    ("make", "largest", "words"),
    [
        (lambda: fb.Dense(2, name="new"), 1, "expected a built layer, but new does not know its input shape yet"),
        (called, 1, "expected called/kernel to have a value, but its model is not built yet"),
        (in_a_model, 1e300, r"expected built/bias of numbers that float32 has, got 1e\+300"),
        (in_a_model, -1e39, r"expected built/bias of numbers that float32 has, got 1e\+39"),
    ],
)
def test_weights_that_cannot_be_set_say_why_and_change_nothing(make, largest, words):
    layer = make()
    before = [v.value if v.value is None else v.value.copy() for v in layer.weights]
    with pytest.raises(ValueError, match=words):
        layer.set_weights([np.ones((3, 2)), np.array([0.0, largest])])
    for variable, value in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(variable.value, value)


def test_weights_may_be_infinite_if_they_are_given_so():
    layer = in_a_model()
    layer.set_weights([np.ones((3, 2)), np.array([-np.inf, np.nan])])
    np.testing.assert_array_equal(layer.get_weights()[1], [-np.inf, np.nan])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: fb.Dense(0), "units as a whole number of at least 1, got 0"),
        (lambda: fb.Dense(2.5), "units as a whole number"),
        (lambda: fb.Dense("10"), "units as a whole number"),
        (lambda: fb.Dense(True), "units as a whole number"),
        (lambda: fb.Dense(3, "rellu"), "unknown activation 'rellu': did you mean 'relu'"),
        (
            lambda: fb.Dense(3, kernel_initializer="he_norml"),
            "unknown initializer 'he_norml': did you mean 'he_normal'",
        ),
        (lambda: fb.Dense(3, dtype="float16"), "expected dtype 'float32' or 'float64', got 'float16'"),
        (lambda: fb.Dense(3, use_bias="no"), "use_bias as True or False"),
        (lambda: fb.Dense(3, name=""), "name as a string"),
        (lambda: fb.Input(()), "shape of a row"),
        (lambda: fb.Dense(2)(fb.Input((28, 28))), "rows of one axis .* put a Flatten before it"),
        (lambda: fb.Input((None,)), "columns of a row"),
        (lambda: fb.Input((-1,)), "columns of a row"),
        (lambda: fb.Input((3,), scale=float("nan")), "scale as a finite number"),
        (lambda: fb.Sequential([fb.Dense(2), fb.Input((3,))]), "Input as the first layer only"),
        (lambda: fb.Sequential([fb.Input((3,)), fb.Dense(2, input_shape=(4,))]), r"rows of shape \(4,\) .*got \(3,\)"),
        (
            lambda: fb.Sequential([fb.Input((3,)), fb.Dense(2, dtype="float32"), fb.Dense(2, dtype="float64")]),
            "one dtype in all layers, float32 as before, got float64",
        ),
        (
            lambda: fb.Sequential([fb.Dense(2, kernel_initializer=fb.initializers.Constant([1, 2]), input_shape=(3,))]),
            r"constant value with shape \(3, 2\), got \(2,\)",
        ),
    ],
)
def test_wrong_layers_are_refused_with_expected_and_received(make, words):
    with pytest.raises((TypeError, ValueError), match=words):
        make()


def test_things_that_are_no_layers_are_refused():
    with pytest.raises(TypeError, match=r"expected a layer, got .*write Dense\(...\)"):
        fb.Sequential([fb.Dense])
    with pytest.raises(TypeError, match="expected a layer, got 'relu'"):
        fb.Sequential([fb.Dense(2), "relu"])


def test_a_layer_stands_in_a_row_only_once_and_in_several_models_with_the_same_weights():
    layer = fb.Dense(2, input_shape=(2,))
    with pytest.raises(ValueError, match="each layer once"):
        fb.Sequential([layer, layer])
    first, second = fb.Sequential([layer]), fb.Sequential([layer, fb.Dense(3)])
    first.set_weights([np.eye(2), np.ones(2)])
    np.testing.assert_array_equal(first.predict(np.ones((1, 2))), [[2, 2]])
    np.testing.assert_array_equal(second.get_weights()[0], np.eye(2))
    with pytest.raises(ValueError, match=r"rows of shape \(2,\) .*got \(3,\)"):
        fb.Sequential([fb.Input((3,)), layer])


def test_a_layer_that_does_not_fit_is_not_added():
    model = fb.Sequential([fb.Input((3,)), fb.Dense(4)])
    before = model.get_weights()
    with pytest.raises(ValueError, match="constant value"):
        model.add(fb.Dense(2, kernel_initializer=fb.initializers.Constant([1.0])))
    assert len(model.layers) == 1
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    model.add(fb.Dense(2))
    assert model.predict(np.zeros((1, 3))).shape == (1, 2)


def test_floatx_is_the_type_of_models_that_name_none():
    fb.config.set_floatx("float64")
    try:
        assert fb.Sequential([fb.Dense(2, input_shape=(3,))]).predict(np.zeros((1, 3))).dtype == np.float64
        assert fb.Sequential([fb.Dense(2, input_shape=(3,), dtype="float32")]).dtype == np.float32
    finally:
        fb.config.set_floatx("float32")
    for wrong in ("float16", "int32", None, "real"):
        with pytest.raises(ValueError, match="expected dtype 'float32' or 'float64'"):
            fb.config.set_floatx(wrong)


NAMED = {
    "relu": (fb.layers.ReLU(), fb.activations.relu),
    "leaky_relu": (fb.layers.LeakyReLU(), fb.activations.Activation("leaky_relu", "leaky_relu", 0.3)),
    "elu": (fb.layers.ELU(0.5), fb.activations.Activation("elu", "elu", 0.5)),
    "softmax": (fb.layers.Softmax(), fb.activations.softmax),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_layer_named_for_its_function_is_that_activation(name):
    layer, function = NAMED[name]
    x = np.random.default_rng(0).normal(size=(9, 4))
    models = [fb.Sequential([fb.Input((4,)), each]) for each in (layer, fb.Activation(function))]
    np.testing.assert_array_equal(*(model.predict(x) for model in models))
    again = type(layer).from_config(layer.get_config())
    assert again.activation == layer.activation == function


def test_a_slope_below_zero_is_refused():
    with pytest.raises(ValueError, match="expected negative_slope as a finite number"):
        fb.layers.LeakyReLU(-0.1)
    with pytest.raises(ValueError, match="expected alpha as a finite number"):
        fb.layers.ELU(-1)
