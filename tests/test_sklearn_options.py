"""What fastbp.sklearn adds to scikit-learn's estimators."""

import contextlib

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.datasets import make_classification, make_multilabel_classification  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.neural_network import MLPClassifier as Theirs  # noqa: E402
from sklearn.utils.class_weight import compute_sample_weight  # noqa: E402

import fastbp as fb  # noqa: E402
from fastbp.sklearn import MLPClassifier, MLPRegressor  # noqa: E402
from fastbp.sklearn.training import WEIGHTED  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:scipy.optimize:DeprecationWarning"),  # scikit-learn 1.6 beside a new SciPy
]
X, y = make_classification(200, 6, weights=[0.85], random_state=0)


def equal(a, b):
    return all(np.array_equal(*pair) for pair in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True))


@pytest.mark.skipif(not WEIGHTED, reason="scikit-learn 1.6 has no weights of rows to compare with")
@pytest.mark.parametrize("weight", ["balanced", {0: 1.0, 1: 5.0}])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_class_weights_are_weights_of_rows(weight, solver):
    a = MLPClassifier((5,), solver=solver, max_iter=10, random_state=0, class_weight=weight).fit(X, y)
    b = MLPClassifier((5,), solver=solver, max_iter=10, random_state=0).fit(X, y, compute_sample_weight(weight, y))
    assert equal(a, b)


REFUSED = {
    "activations": {"activation": ("relu", "tanh")},
    "a set of activations": {"activation": {"relu"}},
    "no name": {"activation": (["relu"],)},
    "callbacks": {"callbacks": 3},
    "a checkpoint": {"callbacks": [fb.callbacks.ModelCheckpoint("never.fbp")]},
    "threads": {"n_threads": 5000},
    "a class that is not there": {"class_weight": {99: 1}},
    "no number": {"class_weight": {0: None}},
    "no weight": {"class_weight": {0: -1.0}},
    "NaN": {"class_weight": {0: np.nan}, "solver": "lbfgs"},
    "a list": {"class_weight": [{0: 1.0}]},
    "lbfgs": {"solver": "lbfgs", "dropout": 0.1},
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_leaves_the_estimator_as_it_was(case):
    estimator = MLPClassifier((5,), max_iter=3, random_state=0)
    new, before = clone(estimator), estimator.fit(X, y).predict_proba(X)
    for each in (estimator, new):
        kept = {name: getattr(each, name) for name in REFUSED[case]}
        with pytest.raises((TypeError, ValueError), match=r"expected|must be|needs"):
            each.set_params(**REFUSED[case]).fit(X, y)
        each.set_params(**kept)
    assert np.array_equal(estimator.predict_proba(X), before)
    with pytest.raises(NotFittedError):
        new.predict(X)


@pytest.mark.skipif(not WEIGHTED, reason="scikit-learn 1.6 has no weights of rows to compare with")
def test_class_weights_of_several_labels_are_weights_of_rows():
    X, Y = make_multilabel_classification(60, 5, n_classes=3, random_state=0)
    weight = [{0: 1.0, 1: 2.0}, {0: 0.5, 1: 1.0}, {0: 1.0, 1: 3.0}]
    options = {"hidden_layer_sizes": (6,), "max_iter": 5, "random_state": 0}
    rows = np.prod([[each[label] for label in column] for each, column in zip(weight, Y.T, strict=True)], axis=0)
    got = MLPClassifier(class_weight=weight, **options).fit(X, Y)
    wanted = Theirs(**options).fit(X, Y, sample_weight=rows)
    for a, b in zip(got.coefs_, wanted.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)
    for wrong in ({0: 1.0, 1: 2.0}, weight[:2], [1, 2, 3], [{0: 1.0, 7: 2.0}] * 3):
        with pytest.raises(ValueError, match="a list of 3 dicts"):
            MLPClassifier(class_weight=wrong).fit(X, Y)


def test_a_curve_of_validation_goes_with_early_stopping():
    estimator = MLPClassifier(early_stopping=True, max_iter=3, random_state=0).fit(X, y)
    assert len(estimator.validation_loss_curve_) == 3
    assert not hasattr(estimator.set_params(early_stopping=False).fit(X, y), "validation_loss_curve_")


def test_balanced_weights_need_all_rows():
    with pytest.raises(ValueError, match="give a dict"):
        MLPClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1])


def test_activations_by_layer():
    options = {"hidden_layer_sizes": (6, 5), "max_iter": 5, "random_state": 0}
    assert equal(
        MLPClassifier(activation="tanh", **options).fit(X, y),
        MLPClassifier(activation=("tanh", "tanh"), **options).fit(X, y),
    )
    mixed = MLPClassifier(activation=("gelu", "identity"), **options).fit(X, y)
    hidden = fb.ops.gelu(X @ mixed.coefs_[0] + mixed.intercepts_[0]) @ mixed.coefs_[1] + mixed.intercepts_[1]
    want = fb.ops.sigmoid(hidden @ mixed.coefs_[2] + mixed.intercepts_[2])
    np.testing.assert_allclose(mixed.predict_proba(X)[:, 1:], want, rtol=1e-12)
    with pytest.raises(ValueError, match="expected an activation for each of 2 hidden layers, got 1"):
        MLPClassifier(activation=("tanh",), **options).fit(X, y)
    with pytest.raises(ValueError, match="'activation' parameter of MLPClassifier must be"):
        MLPClassifier(activation="tan", **options).fit(X, y)


def test_dropout_is_for_training_alone_and_repeats_itself():
    options = {"hidden_layer_sizes": (40,), "max_iter": 5, "random_state": 0}
    plain = MLPRegressor(**options).fit(X, y)
    a, b = (MLPRegressor(dropout=0.5, **options).fit(X, y) for _ in range(2))
    assert equal(a, b)
    assert not equal(a, plain)
    want = np.maximum(X @ a.coefs_[0] + a.intercepts_[0], 0) @ a.coefs_[1] + a.intercepts_[1]
    np.testing.assert_allclose(a.predict(X), want[:, 0], rtol=1e-9)


def test_batch_normalisation():
    wide = X * 1000 + 5000
    options = {"hidden_layer_sizes": (20,), "learning_rate_init": 0.01, "max_iter": 60, "random_state": 0}
    estimator = MLPClassifier(batch_norm=True, **options).fit(wide, y)
    assert estimator.score(wide, y) > 0.85 > MLPClassifier(**options).fit(wide, y).score(wide, y)
    (norm,) = estimator.batch_norms_
    z = wide @ estimator.coefs_[0] + estimator.intercepts_[0]
    a = fb.ops.relu((z - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 1e-3) * norm["gamma"] + norm["beta"])
    want = fb.ops.sigmoid(a @ estimator.coefs_[1] + estimator.intercepts_[1])
    np.testing.assert_allclose(estimator.predict_proba(wide)[:, 1:], want, rtol=1e-9)


def test_batch_normalisation_goes_on_and_comes_back():
    import pickle

    options = {"hidden_layer_sizes": (8, 8), "batch_norm": True, "max_iter": 6, "random_state": 0, "warm_start": True}
    estimator = MLPClassifier(**options).fit(X, y)
    again = pickle.loads(pickle.dumps(estimator))
    assert np.array_equal(again.predict_proba(X), estimator.predict_proba(X))
    assert equal(again.fit(X, y), estimator.fit(X, y))
    best = MLPClassifier(early_stopping=True, **options).fit(X, y)
    assert best.validation_scores_[int(np.argmax(best.validation_scores_))] == best.best_validation_score_


@pytest.mark.parametrize("option", [{"dropout": 0.5}, {"batch_norm": True}, {"callbacks": fb.callbacks.Callback()}])
def test_lbfgs_takes_none_of(option):
    with pytest.raises(ValueError, match="needs a stochastic solver"):
        MLPClassifier(solver="lbfgs", **option).fit(X, y)


@pytest.mark.parametrize("option", [{"dropout": 1.0}, {"dropout": -0.1}, {"batch_norm": 3}, {"n_threads": 0}])
def test_options_are_checked(option):
    with pytest.raises(ValueError, match=f"The '{next(iter(option))}' parameter of MLPRegressor must be"):
        MLPRegressor(**option).fit(X, y)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_any_number_of_threads_gives_the_same_bits(solver):
    before = fb.get_num_threads()
    wide = np.repeat(X, 20, axis=1)
    fits = [MLPClassifier(solver=solver, max_iter=5, random_state=0, n_threads=n).fit(wide, y) for n in (1, 2, 3, None)]
    assert all(equal(fits[0], each) for each in fits)
    assert np.array_equal(fits[0].predict_proba(wide), fits[1].predict_proba(wide))
    assert fb.get_num_threads() == before


def test_callbacks_hear_and_stop():
    seen = []

    class Listener(fb.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((epoch, sorted(logs)))
            self.model.stop_training = epoch == 2

    estimator = MLPClassifier(callbacks=[Listener()], early_stopping=True).fit(X, y)
    assert estimator.n_iter_ == 3
    assert seen == [(k, ["loss", "val_loss", "val_score"]) for k in range(3)]


def test_the_loss_of_rows_held_out():
    estimator = MLPRegressor(hidden_layer_sizes=(5,), early_stopping=True, max_iter=8, random_state=0).fit(X, y)
    assert len(estimator.validation_loss_curve_) == estimator.n_iter_ == len(estimator.validation_scores_)
    held_out = np.array(estimator.validation_loss_curve_)
    assert np.corrcoef(held_out, estimator.validation_scores_)[0, 1] == pytest.approx(-1)  # R² is linear in it


def test_one_activation_and_a_sequence_of_it_draw_alike():
    options = {"max_iter": 3, "random_state": 0, "hidden_layer_sizes": (4, 3)}
    by_name = MLPClassifier(activation="logistic", **options).fit(X, y)
    for given in ("sigmoid", ("logistic", "logistic"), ["sigmoid", "logistic"], np.array(["logistic", "sigmoid"])):
        assert equal(MLPClassifier(activation=given, **options).fit(X, y), by_name)
    options["hidden_layer_sizes"] = 4
    one = MLPClassifier(activation=("logistic",), **options).fit(X, y)
    assert equal(one, MLPClassifier(activation="logistic", **options).fit(X, y))
    with pytest.raises(ValueError, match=r"expected activations among .*, got 'tan'"):
        MLPClassifier(activation=("tan",), **options).fit(X, y)


def test_a_class_that_is_not_named_counts_one():
    chunks = [(X[k::2][:30], y[k::2][:30]) for k in (0, 1)]
    a, b = (MLPClassifier((5,), random_state=0, class_weight=w) for w in ({1: 3.0}, {0: 1.0, 1: 3.0}))
    for rows, labels in chunks:
        for each in (a, b):
            each.partial_fit(rows, labels, classes=[0, 1])
    assert equal(a, b)
    with pytest.raises(ValueError, match=r"class_weight for classes among \[0, 1\], got 7"):
        MLPClassifier(class_weight={7: 2.0}).fit(X, y)


def test_parameters_may_change_after_fit():
    estimator = MLPClassifier((8,), max_iter=5, random_state=0).fit(X, y)
    before = estimator.predict_proba(X)
    estimator.set_params(activation="tanh")
    want = np.tanh(X @ estimator.coefs_[0] + estimator.intercepts_[0]) @ estimator.coefs_[1] + estimator.intercepts_[1]
    np.testing.assert_allclose(estimator.predict_proba(X)[:, 1:], fb.ops.sigmoid(want), rtol=1e-9)
    assert np.array_equal(estimator.set_params(activation="relu").predict_proba(X), before)
    estimator.coefs_ = tuple(np.zeros_like(coef) for coef in estimator.coefs_)
    assert np.ptp(estimator.predict_proba(X), axis=0) == pytest.approx(0)


def test_batch_normalisation_is_no_matter_of_a_warm_start():
    estimator = MLPClassifier((8,), max_iter=2, random_state=0, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="as when the weights were made, without it, got True"):
        estimator.set_params(batch_norm=True).fit(X, y)
    estimator.set_params(warm_start=False).fit(X, y)
    assert estimator.set_params(batch_norm=False).fit(X, y).predict(X).shape == y.shape


@pytest.mark.parametrize("schedule", ["adaptive", "invscaling"])
def test_a_callback_that_sets_the_rate_it_found_changes_nothing(schedule):
    options = {"solver": "sgd", "learning_rate": schedule, "learning_rate_init": 0.5, "n_iter_no_change": 2}
    options |= {"tol": 1e-2, "max_iter": 30, "random_state": 0}
    plain = MLPClassifier((5,), **options).fit(X, y)
    same = MLPClassifier((5,), callbacks=fb.callbacks.LearningRateScheduler(lambda e, rate: rate), **options).fit(X, y)
    assert plain._optimizer.learning_rate < 0.5
    assert equal(plain, same)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_callbacks_that_set_the_rate(solver):
    schedule = fb.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
    options = {"solver": solver, "max_iter": 4, "random_state": 0, "batch_size": 200}
    plain, slower = MLPClassifier(**options).fit(X, y), MLPClassifier(callbacks=schedule, **options).fit(X, y)
    assert slower.loss_curve_[:2] == plain.loss_curve_[:2]
    assert slower.loss_curve_[2] > plain.loss_curve_[2]


def test_a_callback_stops_within_an_epoch():
    class Stop(fb.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    estimator = MLPClassifier((5,), batch_size=10, callbacks=[Stop(), fb.callbacks.ProgressBar(2)]).fit(X, y)
    assert estimator.n_iter_ == 1
    assert estimator._optimizer.t == 3


def test_numbers_of_threads_and_limits_are_as_before_after_fits_that_overlap():
    import threading

    import threadpoolctl

    def pools():
        return [each["num_threads"] for each in threadpoolctl.threadpool_info()]

    before = pools(), fb.get_num_threads()
    fits = [MLPClassifier((k,), solver="lbfgs", n_threads=1, max_iter=20 * k) for k in (2, 5, 3)]
    threads = [threading.Thread(target=each.fit, args=(X, y)) for each in fits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (pools(), fb.get_num_threads()) == before


def test_a_prediction_in_another_thread_leaves_a_training_alone():
    import threading

    alone = MLPClassifier((5,), max_iter=30, random_state=0).fit(X, y)
    watched = MLPClassifier((5,), max_iter=30, random_state=0).fit(X, y)
    done = threading.Event()

    def look():
        while not done.is_set():
            with contextlib.suppress(Exception):  # between two fits there are no weights for a moment
                watched.predict(X[:3])

    watcher = threading.Thread(target=look)
    watcher.start()
    for _ in range(5):
        watched.fit(X, y)
    done.set()
    watcher.join()
    assert equal(watched, alone)
