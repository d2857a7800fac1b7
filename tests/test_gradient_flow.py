"""GradientFlow: what it measures, and the diagnosis that it makes of it."""

import warnings

import numpy as np
import pytest

import fastbp as fb
from fastbp.callbacks import GradientFlow

X = np.random.default_rng(0).normal(size=(200, 8)).astype("float32")
Y = (X[:, 0] > 0).astype("float32")


def make(*layers, optimizer="sgd"):
    fb.utils.set_random_seed(0)
    model = fb.Sequential([fb.Input((8,)), *layers, fb.Dense(1)])
    model.compile(optimizer, "mse")
    return model


def train(model, epochs=2, **options):
    flow = GradientFlow(X, Y, **options)
    with warnings.catch_warnings(record=True, action="always") as caught:
        model.fit(X, Y, epochs=epochs, verbose=0, callbacks=flow)
    return flow, [str(warning.message) for warning in caught if warning.category is RuntimeWarning]


def test_measures_are_those_of_the_trace_before_and_after_each_epoch():
    model = make(fb.Dense(6, "tanh", name="first"), fb.Dense(5, name="second"))
    kept = []

    class Keep(fb.callbacks.Callback):
        def on_train_begin(self, logs):
            kept.append(self.model.gradients(X, Y))

        def on_epoch_end(self, epoch, logs):
            kept.append(self.model.gradients(X, Y))

    flow = GradientFlow(X, Y)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[Keep(), flow])
    assert flow.epoch == [-1, 0, 1]
    assert flow.layers == ["first", "second", model.layers[-1].name]
    assert all(record.shape == (3, 3) for record in flow.records.values())

    def expected(*names):
        return [[np.sqrt(np.mean(trace[name].astype(float) ** 2)) for trace in kept] for name in names]

    np.testing.assert_allclose(flow.records["activation"], expected("A1", "Z2", "Z3"), rtol=1e-6)
    np.testing.assert_allclose(flow.records["gradient"], expected("dZ1", "dZ2", "dZ3"), rtol=1e-6)
    np.testing.assert_allclose(flow.records["weight_gradient"], expected("dW1", "dW2", "dW3"), rtol=1e-6)
    ratios = flow.records["update_ratio"]
    assert np.isnan(ratios[:, 0]).all()
    change = kept[2]["W2"] - kept[1]["W2"]
    np.testing.assert_allclose(ratios[1, 2], np.linalg.norm(change) / np.linalg.norm(kept[1]["W2"]), rtol=1e-5)
    assert flow.findings == []


def test_measuring_changes_no_bit_of_the_training():
    plain, watched = make(fb.Dense(6, "relu")), make(fb.Dense(6, "relu"))
    for model, listeners in ((plain, []), (watched, [GradientFlow(X, Y)])):
        fb.utils.set_random_seed(1)
        model.fit(X, Y, epochs=2, verbose=0, callbacks=listeners)
    for ours, theirs in zip(watched.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_deep_sigmoid_network_is_found_to_vanish_and_a_relu_one_is_not():
    _, said = train(make(*[fb.Dense(8, "sigmoid") for _ in range(10)]))
    assert len(said) == 1
    assert said[0].startswith("gradients vanish: dense")
    assert "relu" in said[0]
    assert "residual" in said[0]
    _, said = train(make(*[fb.Dense(32, "relu", kernel_initializer="he_normal") for _ in range(10)]))
    assert said == []


def test_growing_gradients_are_found_with_their_cure():
    large = fb.initializers.RandomNormal(stddev=20.0)
    flow, said = train(make(*[fb.Dense(8, "relu", kernel_initializer=large) for _ in range(4)]), epochs=1)
    assert len(said) == 1
    assert "gradients explode" in said[0]
    assert "smaller learning rate" in said[0]
    assert flow.findings[0] in said[0]


def test_numbers_that_are_none_any_more_count_as_exploded():
    _, said = train(make(fb.Dense(8), optimizer=fb.optimizers.SGD(1e4)), epochs=4)
    assert "no finite numbers after epoch" in said[0]


def test_a_layer_that_no_gradient_gets_to_is_left_out():
    frozen = fb.Dense(8, "relu", trainable=False, name="frozen")
    flow, said = train(make(frozen, fb.Dense(8, "relu")))
    assert np.isnan(flow.records["gradient"][0]).all()
    assert said == []
    _, said = train(make(frozen, *[fb.Dense(8, "sigmoid", name=f"layer {k}") for k in range(10)]))
    assert said[0].startswith("gradients vanish: layer 0 gets")
    _, said = train(make(frozen, fb.Dense(8, name="first"), optimizer=fb.optimizers.SGD(1e4)), epochs=4)
    assert said[0].startswith("gradients explode: those of first are no finite numbers")


def test_a_model_of_which_nothing_learns_has_no_findings():
    model = make(fb.Dense(8, "relu"))
    for layer in model.layers:
        layer.trainable = False
    assert train(model)[1] == []


def test_dead_units_are_counted_and_reported():
    model = make(fb.Dense(10, "relu", name="half_dead"), optimizer=fb.optimizers.SGD(0.0))
    kernel, bias, *rest = model.get_weights()
    bias[:6] = -100
    model.set_weights([kernel, bias, *rest])
    flow, said = train(model, epochs=1)
    assert flow.records["dead"][0].tolist() == [0.6, 0.6]
    assert said == ["dead units: 60% of half_dead (a smaller learning rate or leaky_relu keeps them alive)"]
    assert train(model, epochs=1, share=0.7)[1] == []


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_saturated_outputs_are_counted_and_reported(activation):
    model = make(fb.Dense(10, activation, name="stuck"), optimizer=fb.optimizers.SGD(0.0))
    kernel, bias, *rest = model.get_weights()
    bias[:8] = 50
    model.set_weights([kernel, bias, *rest])
    flow, said = train(model, epochs=1)
    assert flow.records["saturated"][0, 0] == pytest.approx(0.8, abs=0.05)
    assert "saturated outputs: 80% of stuck (normalization before the activation" in said[0]


def test_a_leaky_relu_is_neither_dead_nor_saturated():
    slope = fb.activations.Activation("leaky_relu", "leaky_relu", alpha=0.01)
    assert train(make(fb.Dense(30, slope), fb.Dense(30, slope)))[1] == []


def test_activation_layers_have_rows_of_the_layer_before():
    flow, _ = train(make(fb.Dense(6, name="a"), fb.Activation("relu"), fb.Dense(4, "relu", name="b")))
    assert flow.layers[:2] == ["a", "b"]
    assert flow.records["activation"].shape == (3, 3)


def test_rows_that_do_not_fit_are_refused_before_training():
    model = make(fb.Dense(4))
    with pytest.raises(ValueError, match="expected x with 8 columns, got"):
        model.fit(X, Y, verbose=0, callbacks=GradientFlow(X[:, :3], Y))
    assert model.optimizer.iterations == 0


@pytest.mark.parametrize("options", [{"ratio": 0.5}, {"share": 0}, {"share": 2}, {"ratio": "a"}])
def test_bad_options_are_refused(options):
    with pytest.raises((TypeError, ValueError), match=f"expected {next(iter(options))} as a"):
        GradientFlow(X, Y, **options)


def test_there_are_no_records_before_training():
    assert {record.shape for record in GradientFlow(X, Y).records.values()} == {(0, 0)}
