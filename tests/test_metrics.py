"""Metrics in models: their values against scikit-learn and NumPy, in evaluation, in training and in laps."""

import numpy as np
import pytest

import fastbp as fb
from fastbp import losses, metrics

sk = pytest.importorskip("sklearn.metrics")

RNG = np.random.default_rng(0)
ROWS, CLASSES = 301, 4
LABELS = RNG.integers(0, CLASSES, ROWS)
ONE_HOT = np.eye(CLASSES)[LABELS]
LOGITS = RNG.normal(size=(ROWS, CLASSES)) + ONE_HOT
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
MANY = (RNG.random((ROWS, CLASSES)) < 0.3).astype(float)  # several may be true
SCORES = np.clip(np.round(RNG.random((ROWS, CLASSES)) * 0.6 + 0.4 * MANY, 1), 0, 1)  # with ties
WEIGHTS = RNG.integers(0, 4, ROWS) / 2.0
REAL = RNG.normal(size=(ROWS, 3))


def identity(x, loss, **options):
    """A model whose outputs are its inputs."""
    model = fb.Sequential([fb.Activation("linear", input_shape=(np.shape(x)[1],), dtype="float64")])
    model.compile("sgd", loss, **options)
    return model


def evaluate(x, y, loss, metric, weights=None, **options):
    kind = "metrics" if weights is None else "weighted_metrics"
    model = identity(x, loss, **{kind: [metric]})
    return model.evaluate(x, y, sample_weight=weights, return_dict=True, **options)


def value(*args, **options):
    return list(evaluate(*args, **options).values())[-1]


# ---- decisions


SCORE = {"precision": sk.precision_score, "recall": sk.recall_score, "f1_score": sk.f1_score}
KIND = {"precision": metrics.Precision, "recall": metrics.Recall, "f1_score": metrics.F1Score}


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("average", ["macro", "micro", "weighted", None])
@pytest.mark.parametrize("name", SCORE)
def test_scores_of_classes_and_of_several_labels_are_those_of_scikit_learn(name, average, weights):
    options = {"average": average, "sample_weight": weights, "zero_division": 0}
    want = SCORE[name](LABELS, PROBABILITIES.argmax(axis=1), **options)
    metric = KIND[name](average=average)
    for y, loss in ((LABELS, "sparse_categorical_crossentropy"), (ONE_HOT, "categorical_crossentropy")):
        np.testing.assert_allclose(value(PROBABILITIES, y, loss, metric, weights), want, rtol=1e-12)
    want = SCORE[name](MANY, SCORES > 0.5, **options)
    np.testing.assert_allclose(value(SCORES, MANY, "bce", metric, weights), want, rtol=1e-12)


@pytest.mark.parametrize("name", SCORE)
def test_scores_of_one_output_are_the_binary_ones(name):
    x, y = SCORES[:, :1], MANY[:, 0]
    assert value(x, y, "bce", name) == pytest.approx(SCORE[name](y, x[:, 0] > 0.5), rel=1e-12)
    if name != "f1_score":
        cuts = [0.1, 0.3, 0.5, 1.0]
        want = [SCORE[name](y, x[:, 0] > cut, zero_division=0) for cut in cuts]
        np.testing.assert_allclose(value(x, y, "bce", KIND[name](cuts)), want)
        assert value(x, y, "bce", KIND[name](0.3)) == pytest.approx(want[1])


@pytest.mark.parametrize("name", SCORE)
def test_a_class_of_its_own_and_classes_that_are_missing(name):
    want = SCORE[name](LABELS == 2, PROBABILITIES.argmax(axis=1) == 2)
    assert value(PROBABILITIES, LABELS, "crossentropy", KIND[name](class_id=2)) == pytest.approx(want)
    few = np.where(LABELS == 1, 0, LABELS)  # no row belongs to class 1
    never = PROBABILITIES * [1, 1, 1, 0]  # and none is taken for class 3
    want = SCORE[name](few, never.argmax(axis=1), average=None, labels=range(CLASSES), zero_division=0)
    got = value(never, few, "crossentropy", KIND[name](average=None))
    np.testing.assert_allclose(got, want)
    assert value(never, few, "crossentropy", name) == pytest.approx(want.mean())
    assert value(np.zeros((5, 1)), np.zeros(5), "bce", name) == 0.0


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_the_confusion_matrix_is_that_of_scikit_learn(weights):
    want = sk.confusion_matrix(LABELS, PROBABILITIES.argmax(axis=1), sample_weight=weights)
    for y, loss in ((LABELS, "sparse_categorical_crossentropy"), (ONE_HOT, "categorical_crossentropy")):
        got = value(PROBABILITIES, y, loss, "confusion_matrix", weights)
        np.testing.assert_array_equal(got, want)
        assert got.dtype == (np.int64 if weights is None else np.float64)
    few = np.where(LABELS == 1, 0, LABELS)
    got = value(PROBABILITIES, few, "crossentropy", "confusion_matrix", weights)
    want = sk.confusion_matrix(few, PROBABILITIES.argmax(axis=1), sample_weight=weights, labels=range(CLASSES))
    np.testing.assert_array_equal(got, want)
    got = value(SCORES[:, :1], MANY[:, 0], "bce", metrics.ConfusionMatrix(threshold=0.3), weights)
    np.testing.assert_array_equal(got, sk.confusion_matrix(MANY[:, 0], SCORES[:, 0] > 0.3, sample_weight=weights))


# ---- accuracies


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_accuracies_are_those_of_scikit_learn(weights):
    options = {"sample_weight": weights}
    want = sk.accuracy_score(LABELS, PROBABILITIES.argmax(axis=1), **options)
    assert value(PROBABILITIES, LABELS, "crossentropy", "accuracy", weights) == pytest.approx(want)
    for k in (1, 2, 3):
        want = sk.top_k_accuracy_score(LABELS, PROBABILITIES, k=k, **options)
        sparse = metrics.SparseTopKCategoricalAccuracy(k)
        assert value(PROBABILITIES, LABELS, "crossentropy", sparse, weights) == pytest.approx(want)
        dense = metrics.TopKCategoricalAccuracy(k)
        assert value(PROBABILITIES, ONE_HOT, "crossentropy", dense, weights) == pytest.approx(want)
    want = sk.accuracy_score(MANY[:, 0], SCORES[:, 0] > 0.2, **options)
    got = value(SCORES[:, :1], MANY[:, 0], "bce", metrics.BinaryAccuracy(threshold=0.2), weights)
    assert got == pytest.approx(want)


# ---- areas


def binned(scores, bins=199):
    """Scores that stand in the middle of their bins, so that the area over bins is the exact one."""
    return (np.minimum(np.floor(scores * bins), bins - 1) + 0.5) / bins


def pr_by_steps(y, scores, weights):
    """Davis & Goadrich: precision over recall between neighbouring scores, integrated in small steps."""
    area, total = 0.0, weights[y > 0.5].sum()
    tp, fp = 0.0, 0.0
    for cut in np.unique(scores)[::-1]:
        new = scores == cut
        dtp, dfp = weights[new & (y > 0.5)].sum(), weights[new & (y <= 0.5)].sum()
        at = (np.arange(20000) + 0.5) / 20000
        if dtp:
            area += (dtp / total) * ((tp + at * dtp) / (tp + at * dtp + fp + at * dfp)).mean()
        tp, fp = tp + dtp, fp + dfp
    return area


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_the_area_under_roc_is_that_of_scikit_learn_for_scores_in_bins(weights):
    scores, y = binned(SCORES), MANY
    options = {"sample_weight": weights}
    got = value(scores[:, :1], y[:, 0], "bce", "auc", weights)
    assert got == pytest.approx(sk.roc_auc_score(y[:, 0], scores[:, 0], **options), rel=1e-12)
    for average in ("macro", "micro", "weighted", None):
        want = sk.roc_auc_score(y, scores, average=average, **options)
        np.testing.assert_allclose(value(scores, y, "bce", metrics.AUC(average=average), weights), want, rtol=1e-12)
    p = binned(PROBABILITIES)
    want = sk.roc_auc_score(LABELS == 1, p[:, 1], **options)
    assert value(p, LABELS, "crossentropy", metrics.AUC(class_id=1), weights) == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_the_area_under_precision_and_recall_follows_davis_and_goadrich(weights):
    scores, y = binned(SCORES[:, 0]), MANY[:, 0]
    got = value(scores[:, None], y, "bce", metrics.AUC(curve="PR"), weights)
    want = pr_by_steps(y, scores, np.ones(ROWS) if weights is None else weights)
    assert got == pytest.approx(want, rel=1e-6)


def test_more_thresholds_come_closer_to_the_exact_area():
    x, y = PROBABILITIES[:, :1], LABELS == 0
    exact = sk.roc_auc_score(y, x[:, 0])
    assert value(x, y, "bce", metrics.AUC(100_000)) == pytest.approx(exact, abs=1e-6)
    assert value(x, y, "bce", "auc") == pytest.approx(exact, abs=5e-3)


def test_areas_that_do_not_exist_are_nan():
    x, zeros = SCORES[:, :1], np.zeros(ROWS)
    for curve in ("ROC", "PR"):
        assert np.isnan(value(x, zeros, "bce", metrics.AUC(curve=curve)))
    assert np.isnan(value(x, zeros + 1, "bce", "auc"))
    assert value(x, zeros + 1, "bce", metrics.AUC(curve="PR")) == pytest.approx(1.0)
    few = np.where(LABELS == 1, 0, LABELS)
    each = value(PROBABILITIES, few, "crossentropy", metrics.AUC(average=None))
    assert np.isnan(each).tolist() == [False, True, False, False]
    assert value(PROBABILITIES, few, "crossentropy", "auc") == pytest.approx(np.nanmean(each))
    for wrong in (1.5, -0.1, np.nan):
        x = SCORES[:, :1].copy()
        x[3] = wrong
        assert np.isnan(value(x, MANY[:, 0], "mse", "auc"))


# ---- numbers


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_metrics_of_regression_are_those_of_scikit_learn(weights):
    p, options = REAL + RNG.normal(size=REAL.shape), {"sample_weight": weights}
    got = [value(p, REAL, "mse", name, weights) for name in ("rmse", "mae", "r2", "mse")]
    mse = sk.mean_squared_error(REAL, p, **options)
    want = [np.sqrt(mse), sk.mean_absolute_error(REAL, p, **options), sk.r2_score(REAL, p, **options), mse]
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)
    cosine = (p * REAL).sum(axis=1) / np.linalg.norm(p, axis=1) / np.linalg.norm(REAL, axis=1)
    assert value(p, REAL, "mse", "cosine_similarity", weights) == pytest.approx(np.average(cosine, weights=weights))


def test_r2_of_targets_far_from_zero_and_of_constant_ones():
    p = REAL + 0.1 * RNG.normal(size=REAL.shape)
    far = [a * [1, 1e3, 1e-3] + [1e9, 0, 0.1] for a in (p, REAL)]
    assert value(far[0], far[1], "mse", "r2") == pytest.approx(sk.r2_score(far[1], far[0]), rel=1e-9)
    constant = np.full((ROWS, 3), 0.1)
    assert value(constant, constant, "mse", "r2") == 1.0
    assert value(p, constant, "mse", "r2") == 0.0  # scikit-learn's rounding makes it -4e30
    assert value(p, 0 * constant, "mse", "r2") == 0.0 == sk.r2_score(0 * constant, p)


@pytest.mark.parametrize(
    "loss", [loss() for loss in losses.LOSSES.values() if not loss.one_class and loss is not losses.Crossentropy]
)
def test_every_loss_is_a_metric_too(loss):
    x, y = np.clip(SCORES, 0.1, 0.9), MANY
    logs = identity(x, loss, metrics=[type(loss)(**options_of(loss))]).evaluate(x, y, return_dict=True)
    assert logs[loss.name] == pytest.approx(logs["loss"], rel=1e-12)
    (metric,) = identity(x, "mse", metrics=[loss]).metrics
    assert isinstance(metric, metrics.MeanLoss)


def options_of(loss):
    return {name: option for name, option in loss.get_config().items() if name != "name"}


def test_crossentropies_are_metrics_of_probabilities_and_of_logits():
    want = sk.log_loss(LABELS, PROBABILITIES)
    for name in ("crossentropy", "sparse_categorical_crossentropy"):
        assert value(PROBABILITIES, LABELS, "crossentropy", name) == pytest.approx(want)
        assert value(LOGITS, LABELS, losses.Crossentropy(from_logits=True), name) == pytest.approx(want)
    smooth = losses.CategoricalCrossentropy(label_smoothing=0.2)
    want = -((0.8 * ONE_HOT + 0.05) * np.log(PROBABILITIES)).sum(axis=1).mean()
    assert value(PROBABILITIES, ONE_HOT, "crossentropy", smooth) == pytest.approx(want)


# ---- logits and fused activations


@pytest.mark.parametrize("name", ["accuracy", "precision", "auc", "confusion_matrix", "crossentropy", "f1"])
def test_metrics_are_the_same_of_probabilities_behind_an_activation_and_from_logits(name):
    for x, y, activation in (
        (LOGITS, LABELS, "softmax"),
        (LOGITS, ONE_HOT, "softmax"),
        (LOGITS[:, :1], MANY[:, 0], "sigmoid"),
    ):
        p = PROBABILITIES if activation == "softmax" else 1 / (1 + np.exp(-x))
        want = value(p, y, "crossentropy", name)
        np.testing.assert_allclose(value(x, y, losses.Crossentropy(from_logits=True), name), want, rtol=1e-9)
        model = fb.Sequential([fb.Activation(activation, input_shape=(x.shape[1],), dtype="float64")])
        model.compile("sgd", "crossentropy", metrics=[name])
        np.testing.assert_allclose(model.evaluate(x, y)[1], want, rtol=1e-9)


# ---- functions


def test_a_function_is_called_once_with_all_rows():
    calls = []

    def largest_error(y, p):
        calls.append((y.shape, p.shape))
        return np.abs(y - p).max()

    p = REAL + 0.1
    logs = identity(p, "mse", metrics=["mae", largest_error, sk.r2_score]).evaluate(
        p, REAL, batch_size=10, return_dict=True
    )
    assert list(logs) == ["loss", "mae", "largest_error", "r2_score"]
    assert calls == [((ROWS, 3), (ROWS, 3))]
    assert logs["largest_error"] == pytest.approx(0.1)
    assert logs["r2_score"] == pytest.approx(sk.r2_score(REAL, p))


def test_a_function_in_training_is_told_the_predictions_at_the_end_of_each_epoch():
    seen = []

    def mean(y, p):
        seen.append(float(p.mean()))
        return seen[-1]

    model = fb.Sequential([fb.Dense(1, input_shape=(3,))])
    model.compile("sgd", "mse", metrics=[mean])
    history = model.fit(REAL, REAL[:, 0], epochs=3, batch_size=50, validation_split=0.3, verbose=0).history
    assert list(history) == ["loss", "mean", "val_loss", "val_mean"]
    assert history["mean"] == seen[0::2]
    assert history["val_mean"] == seen[1::2]
    assert seen[-2] == pytest.approx(model.predict(REAL[:210]).mean(), rel=1e-5)
    before = model.predict(REAL).mean()
    assert model.train_on_batch(REAL, REAL[:, 0], return_dict=True)["mean"] == pytest.approx(before, rel=1e-5)


def test_what_a_function_returns_has_to_be_numbers():
    for wrong in ("good", None):
        with pytest.raises(TypeError, match=rf"expected metric '<lambda>' to return a number, got {wrong!r}"):
            value(REAL, REAL, "mse", lambda y, p, wrong=wrong: wrong)
    np.testing.assert_allclose(value(REAL, REAL, "mse", lambda y, p: p.mean(axis=0)), REAL.mean(axis=0))
    with pytest.raises(ValueError, match="a function is not told of weights"):
        identity(REAL, "mse", weighted_metrics=[sk.r2_score])


# ---- weights


def test_metrics_count_all_rows_the_same_and_weighted_metrics_their_weights():
    p = REAL + 0.5 * RNG.normal(size=REAL.shape)
    model = identity(p, "mse", metrics=["mse", "mae"], weighted_metrics=["mse", "r2"])
    logs = model.evaluate(p, REAL, sample_weight=WEIGHTS, return_dict=True)
    assert list(logs) == ["loss", "mse", "mae", "weighted_mse", "r2"] == model.metrics_names
    errors = ((p - REAL) ** 2).mean(axis=1)
    assert logs["loss"] == pytest.approx((WEIGHTS * errors).mean())
    assert logs["mse"] == pytest.approx(errors.mean())
    assert logs["weighted_mse"] == pytest.approx(np.average(errors, weights=WEIGHTS))
    plain = model.evaluate(p, REAL, return_dict=True)
    assert plain["weighted_mse"] == pytest.approx(errors.mean())


def test_rows_of_weight_0_do_not_count_whatever_they_hold():
    weights = np.ones(ROWS)
    weights[::3] = 0
    x = PROBABILITIES.copy()
    x[::3] = np.nan
    kept = weights > 0
    names = ["accuracy", "precision", "auc", "crossentropy"]
    got = identity(x, "crossentropy", weighted_metrics=names).evaluate(x, LABELS, sample_weight=weights)[1:]
    want = identity(x, "crossentropy", metrics=names).evaluate(PROBABILITIES[kept], LABELS[kept])[1:]
    np.testing.assert_allclose(got, want)
    none = identity(x, "crossentropy", weighted_metrics=names).evaluate(x, LABELS, sample_weight=np.zeros(ROWS))
    np.testing.assert_array_equal(none, [0.0, np.nan, 0.0, np.nan, np.nan])


def test_an_ignored_class_counts_neither_in_the_loss_nor_in_metrics():
    y, counted = LABELS.copy(), RNG.random(ROWS) < 0.7
    y[~counted] = -100
    loss = losses.SparseCategoricalCrossentropy(ignore_class=-100)
    names = ["accuracy", "confusion_matrix", metrics.SparseTopKCategoricalAccuracy(2), "auc"]
    got = identity(PROBABILITIES, loss, metrics=names).evaluate(PROBABILITIES, y)
    want = identity(PROBABILITIES, "crossentropy", metrics=names).evaluate(PROBABILITIES[counted], LABELS[counted])
    assert got[0] == pytest.approx(want[0] * counted.mean())
    for one, other in zip(got[1:], want[1:], strict=True):
        np.testing.assert_allclose(one, other)
    with pytest.raises(ValueError, match="expected labels from 0 to 3, got -1"):
        identity(PROBABILITIES, loss).evaluate(PROBABILITIES, np.where(counted, y, -1))
    model = fb.Sequential([fb.Dense(CLASSES, "softmax", input_shape=(CLASSES,))])
    model.compile("sgd", loss)
    assert fb.testing.check_gradients(model, LOGITS, y).ok
    assert fb.testing.check_gradients(model, LOGITS, LABELS).ok


# ---- in training


NAMES = ["accuracy", "precision", "auc", "confusion_matrix", "crossentropy"]


class Heard(fb.callbacks.Callback):
    """Wants to hear of each epoch, so none are run in one go."""

    def on_epoch_end(self, epoch, logs):
        pass


def train(callbacks=None, epochs=40, batch=64, weights=None, rows=ROWS):
    fb.utils.set_random_seed(3)
    model = fb.Sequential([fb.Input((CLASSES,)), fb.Dense(8, "tanh"), fb.Dense(CLASSES, "softmax")])
    model.compile("adam", "crossentropy", metrics=NAMES, weighted_metrics=["recall"])
    return model.fit(
        LOGITS[:rows],
        LABELS[:rows],
        epochs=epochs,
        batch_size=batch,
        sample_weight=weights,
        callbacks=callbacks,
        verbose=0,
    ).history


@pytest.mark.parametrize("weights", [None, WEIGHTS[:40]], ids=["plain", "weighted"])
@pytest.mark.parametrize("batch", [7, 40])
def test_several_epochs_in_one_run_report_the_same_as_one_by_one(batch, weights):
    together = train(batch=batch, weights=weights, rows=40)
    alone = train(Heard(), batch=batch, weights=weights, rows=40)
    assert list(together) == ["loss", *NAMES, "recall"]
    for name, values in together.items():
        np.testing.assert_array_equal(values, alone[name], err_msg=name)


def test_what_training_reports_is_what_a_step_and_an_evaluation_say():
    fb.utils.set_random_seed(3)
    model = fb.Sequential([fb.Input((CLASSES,)), fb.Dense(CLASSES, "softmax")])
    model.compile("sgd", "crossentropy", metrics=NAMES)
    want = model.evaluate(LOGITS, LABELS, return_dict=True)
    got = model.train_on_batch(LOGITS, LABELS, return_dict=True)
    assert list(got) == list(want) == ["loss", *NAMES]
    for name in want:
        np.testing.assert_allclose(got[name], want[name], rtol=1e-6, err_msg=name)


def test_metrics_have_the_same_bits_on_any_number_of_threads():
    def run(threads):
        fb.set_num_threads(threads)
        fb.utils.set_random_seed(1)
        model = fb.Sequential(
            [fb.Input((CLASSES,)), fb.Dense(300, "relu"), fb.Dense(300, "relu"), fb.Dense(CLASSES, "softmax")]
        )
        model.compile("adam", "crossentropy", metrics=NAMES, weighted_metrics=["recall"])
        return model.fit(LOGITS, LABELS, epochs=2, batch_size=128, sample_weight=WEIGHTS, verbose=0).history

    before = fb.get_num_threads()
    try:
        one, three = run(1), run(3)
    finally:
        fb.set_num_threads(before)
    for name in one:
        np.testing.assert_array_equal(one[name], three[name], err_msg=name)


def test_metrics_of_several_outputs_have_their_names_in_front():
    x = fb.Input((CLASSES,))
    model = fb.Model(x, [fb.Dense(CLASSES, "softmax", name="kind")(x), fb.Dense(1, name="size")(x)])
    model.compile(
        "adam",
        ["crossentropy", "mse"],
        {"kind": ["confusion_matrix", lambda y, p: (p.argmax(axis=1) == y).mean()], "size": "r2"},
        weighted_metrics={"size": ["rmse"]},
    )
    logs = model.evaluate(LOGITS, [LABELS, REAL[:, 0]], return_dict=True)
    assert list(logs) == model.metrics_names
    assert list(logs)[3:] == ["kind_confusion_matrix", "kind_<lambda>", "size_r2", "size_rmse"]
    assert logs["kind_<lambda>"] == pytest.approx(np.trace(logs["kind_confusion_matrix"]) / ROWS)


def test_sums_of_many_numbers_limit_the_epochs_of_a_run():
    model = fb.Sequential([fb.Dense(1, "sigmoid", input_shape=(2,))])
    model.compile("sgd", "bce", metrics=[metrics.AUC(200_001)])
    assert model.program("train", 4).most_laps == 2
    history = model.fit(np.eye(2), np.array([0, 1]), epochs=5, verbose=0).history
    assert len(history["auc"]) == 5


def batches(rows=50):
    for first in range(0, ROWS, rows):
        yield LOGITS[first : first + rows], LABELS[first : first + rows]


def test_metrics_of_a_stream_are_those_of_its_rows_together():
    def accuracy(y, p):
        return (p.argmax(axis=1) == y).mean()

    model = fb.Sequential([fb.Input((CLASSES,)), fb.Dense(CLASSES, "softmax")])
    model.compile("sgd", "crossentropy", metrics=[*NAMES, accuracy][1:])
    want = model.evaluate(LOGITS, LABELS, return_dict=True)
    for data in (batches(), fb.streams.Stream(batches)):
        got = model.evaluate(data, return_dict=True)
        assert list(got) == list(want)
        for name in want:
            np.testing.assert_allclose(got[name], want[name], rtol=1e-5, err_msg=name)
    stream = fb.streams.Stream(batches)
    history = model.fit(stream, validation_data=fb.streams.Stream(batches), epochs=2, verbose=0).history
    assert len(history["val_accuracy"]) == 2
    assert "accuracy" not in history


def test_an_ignored_class_may_be_missing_in_some_batches_of_a_stream():
    def pieces():
        yield LOGITS[:20], LABELS[:20]
        yield LOGITS[20:40], np.where(np.arange(20) < 5, -1, LABELS[20:40])

    model = fb.Sequential([fb.Input((CLASSES,)), fb.Dense(CLASSES, "softmax")])
    model.compile("sgd", losses.SparseCategoricalCrossentropy(ignore_class=-1), metrics=["confusion_matrix"])
    history = model.fit(pieces(), verbose=0).history
    assert history["confusion_matrix"][0].sum() == 35


def named(y, p):
    return p.mean()


def test_a_saved_model_has_its_losses_and_metrics(tmp_path):
    model = fb.Sequential([fb.Input((CLASSES,)), fb.Dense(CLASSES, "softmax")])
    loss = losses.SparseCategoricalCrossentropy(ignore_class=-1, label_smoothing=0.1)
    given = ["accuracy", metrics.Precision(0.2, class_id=1), losses.SparseCategoricalCrossentropy(), named]
    model.compile("adam", loss, metrics=given, weighted_metrics=["acc", metrics.AUC(50, name="accuracy")])
    model.fit(LOGITS, LABELS, epochs=2, verbose=0)
    model.save(tmp_path / "model.safetensors")
    twin = fb.load(tmp_path / "model.safetensors", custom_objects={"named": named})
    want, got = (each.evaluate(LOGITS, LABELS, sample_weight=WEIGHTS, return_dict=True) for each in (model, twin))
    assert list(got) == list(want)
    np.testing.assert_array_equal(list(got.values()), list(want.values()))


# ---- names, options, configurations


EVERY = [
    *(metrics.get(name) for name in metrics.METRICS),
    metrics.Precision([0.1, 0.2], 1, "p", None),
    metrics.F1Score("micro", 0.3),
    metrics.AUC(10, "PR", average="weighted"),
    metrics.get(losses.Huber(0.5)),
    metrics.BinaryAccuracy("right", 0.1),
    metrics.TopKCategoricalAccuracy(2),
    metrics.Function(max),
]


@pytest.mark.parametrize("metric", EVERY, ids=lambda metric: metric.name)
def test_a_metric_is_made_again_of_its_configuration(metric):
    twin = metrics.get(metric.get_config())
    assert type(twin) is type(metric)
    assert twin.get_config() == metric.get_config()


@pytest.mark.parametrize("name", losses.LOSSES)
def test_a_loss_is_made_again_of_its_configuration(name):
    loss = losses.get(name)
    assert type(losses.get(loss.get_config())) is type(loss)
    assert losses.get(loss.get_config()).get_config() == loss.get_config()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: metrics.get("precison"), "unknown metric 'precison': did you mean 'precision'"),
        (lambda: metrics.get("hubber"), "unknown metric 'hubber': did you mean 'huber'"),
        (lambda: metrics.Precision(float("nan")), "thresholds as a finite number .* got nan"),
        (lambda: metrics.Precision([]), "number of thresholds"),
        (lambda: metrics.Recall(average="mean"), "average as one of 'macro', 'micro', 'weighted', None, got 'mean'"),
        (lambda: metrics.Recall(class_id=-1), "class_id as a whole number"),
        (lambda: metrics.AUC(1), "num_thresholds as a whole number of at least 2"),
        (lambda: metrics.AUC(curve="roc"), "curve as one of ROC, PR, got 'roc'"),
        (lambda: metrics.TopKCategoricalAccuracy(0), "k as a whole number of at least 1"),
        (lambda: metrics.get({"name": "x"}), "unknown metric 'None'"),
        (lambda: metrics.get({"kind": "auc", "bins": 3}), "options of AUC: .*'bins'"),
        (lambda: losses.get({"name": "huber", "delta": -1}), "delta as a finite number"),
        (lambda: value(PROBABILITIES, LABELS, "crossentropy", metrics.AUC(class_id=4)), "class_id below 4"),
        (lambda: value(PROBABILITIES, LABELS, "crossentropy", "r2"), "got 'r2', which takes rows of numbers"),
        (
            lambda: value(
                LOGITS[:, :1], MANY[:, 0], losses.BinaryCrossentropy(True), metrics.BinaryAccuracy(threshold=0)
            ),
            "thresholds of 'binary_accuracy' between 0 and 1, got 0: the loss has from_logits=True",
        ),
        (lambda: losses.Huber(0), r"delta as a finite number in \(0, inf\], got 0"),
        (lambda: losses.Quantile(1), r"quantile as a finite number in \(0, 1\), got 1"),
        (lambda: losses.BinaryCrossentropy(label_smoothing=1), "label_smoothing as a finite number"),
        (lambda: identity(REAL, "poisson").evaluate(REAL, REAL), "expected y of at least 0 for poisson, got -"),
        (lambda: identity(REAL, "hinge").evaluate(REAL, REAL + 9), "expected y between -1 and 1 for hinge, got"),
        (
            lambda: identity(REAL, "kld").evaluate(REAL, -np.ones((ROWS, 3))),
            "y of at least 0 for kl_divergence, got -1",
        ),
    ],
)
def test_wrong_options_and_targets_are_refused_with_expected_and_received(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_class_in_place_of_an_object_is_refused_with_the_way_out():
    with pytest.raises(TypeError, match=r"write AUC\(\)"):
        metrics.get(metrics.AUC)


def test_a_name_is_a_str():
    with pytest.raises(TypeError, match="expected the name of ConfusionMatrix as a str, got 3"):
        fb.metrics.ConfusionMatrix(3)
