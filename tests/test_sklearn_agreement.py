"""fastbp.sklearn computes what scikit-learn computes: the same weights, losses and predictions, to rounding."""

import warnings

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")
sparse = pytest.importorskip("scipy.sparse")

from sklearn import neural_network as theirs  # noqa: E402
from sklearn.datasets import load_digits, make_classification, make_multilabel_classification, make_regression  # noqa: E402

from fastbp import sklearn as ours  # noqa: E402

RTOL = {np.float64: 1e-9, np.float32: 2e-3}


def task(name):
    """Which class, and its data."""
    if name == "binary":
        return "MLPClassifier", *make_classification(150, 7, random_state=1)
    if name == "classes":
        X, y = make_classification(150, 9, n_informative=5, n_classes=4, random_state=2)
        return "MLPClassifier", X, np.array(["north", "east", "south", "west"])[y]
    if name == "multilabel":
        return "MLPClassifier", *make_multilabel_classification(140, 8, n_classes=3, random_state=3)
    X, y = make_regression(130, 6, n_targets=3 if name == "outputs" else 1, noise=3.0, random_state=4)
    y = y / np.abs(y).max()
    return "MLPRegressor", X, np.exp(2 * y) if name == "poisson" else y


POISSON = "loss" in theirs.MLPRegressor._parameter_constraints  # as weights of rows, since scikit-learn 1.7
TASKS = ("binary", "classes", "multilabel", "regression", "outputs", *["poisson"] * POISSON)


def fitted(module, name, X, y, weights=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = getattr(module, name)(random_state=7, **options)
        return estimator.fit(X, y) if weights is None else estimator.fit(X, y, weights)


def check(a, b, rtol):
    """a, scikit-learn's, and b, ours, agree."""
    assert (a.n_iter_, a.t_, a.n_layers_, a.n_outputs_) == (b.n_iter_, b.t_, b.n_layers_, b.n_outputs_)
    assert a.out_activation_ == b.out_activation_
    for one, other in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        np.testing.assert_allclose(other, one, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(b.loss_, a.loss_, rtol=rtol, atol=rtol)


def same(name, X, y, weights=None, **options):
    a, b = (fitted(module, name, X, y, weights, **options) for module in (theirs, ours))
    rtol = RTOL[X.dtype.type]
    check(a, b, rtol)
    if options.get("solver") != "lbfgs":
        np.testing.assert_allclose(b.loss_curve_, a.loss_curve_, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(b._forward_pass_fast(X), a._forward_pass_fast(X), rtol=rtol, atol=rtol)
    return a, b


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("name", TASKS)
def test_weights_after_some_iterations(name, solver, activation):
    kind, X, y = task(name)
    options = {"loss": "poisson"} if name == "poisson" else {}
    same(kind, X, y, solver=solver, activation=activation, hidden_layer_sizes=(11, 6), max_iter=12, **options)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("name", TASKS)
def test_float32_stays_float32(name, solver):
    kind, X, y = task(name)
    options = {"loss": "poisson"} if name == "poisson" else {}
    a, b = same(kind, X.astype(np.float32), y, solver=solver, max_iter=5, **options)
    assert b.coefs_[0].dtype == np.float32 == a.coefs_[0].dtype


@pytest.mark.skipif(not POISSON, reason="scikit-learn 1.6 has no weights of rows")
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("name", TASKS)
def test_weights_of_rows(name, solver):
    kind, X, y = task(name)
    options = {"loss": "poisson"} if name == "poisson" else {}
    weights = np.random.default_rng(5).integers(0, 4, len(X)) + 0.25
    same(kind, X, y, weights, solver=solver, batch_size=32, max_iter=8, **options)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("kind", ["csr_matrix", "csr_array", "csc_matrix"])
def test_sparse_rows(solver, kind):
    X, y = make_classification(120, 10, random_state=1)
    X = np.where(np.abs(X) > 0.7, X, 0)
    rows = getattr(sparse, kind)(X)
    a, b = (fitted(module, "MLPClassifier", rows, y, solver=solver, max_iter=6) for module in (theirs, ours))
    check(a, b, 1e-9)
    np.testing.assert_allclose(b.predict_proba(rows), a.predict_proba(rows), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(b.predict_proba(X), a.predict_proba(X), rtol=1e-9, atol=1e-12)


OPTIONS = [
    {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3},
    {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.5, "tol": 0.05, "n_iter_no_change": 2},
    {"solver": "sgd", "momentum": 0.0},
    {"solver": "sgd", "momentum": 0.5, "nesterovs_momentum": False},
    {"solver": "adam", "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
    {"solver": "adam", "alpha": 0.0},
    {"solver": "adam", "alpha": 1.0, "batch_size": 37},
    {"solver": "sgd", "alpha": 0.1, "batch_size": 1, "max_iter": 2},
    {"solver": "adam", "shuffle": False},
    {"solver": "adam", "batch_size": 10_000},
    {"solver": "adam", "hidden_layer_sizes": ()},
    {"solver": "adam", "hidden_layer_sizes": 5},
    {"solver": "adam", "hidden_layer_sizes": [4, 3, 2, 3]},
    {"solver": "sgd", "early_stopping": True, "validation_fraction": 0.25, "max_iter": 40},
    {"solver": "adam", "early_stopping": True, "n_iter_no_change": 1, "tol": 0.01, "max_iter": 40},
    {"solver": "adam", "n_iter_no_change": np.inf, "tol": 0.0},
    {"solver": "lbfgs", "max_fun": 5},
    {"solver": "lbfgs", "alpha": 3.0, "tol": 1e-2},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", ["classes", "regression"])
def test_options(name, options):
    kind, X, y = task(name)
    if not POISSON and name == "classes" and "early_stopping" in options:
        y = np.unique(y, return_inverse=True)[1]  # scikit-learn 1.6 cannot score names
    a, b = same(kind, X, y, **{"max_iter": 15} | options)
    for attribute in ("best_loss_", "best_validation_score_", "validation_scores_"):
        if hasattr(a, attribute) and getattr(a, attribute) is not None:
            np.testing.assert_allclose(getattr(b, attribute), getattr(a, attribute), rtol=1e-9)
        else:
            assert getattr(b, attribute, None) is None


def test_losses_of_rows_that_are_all_wrong_are_clipped_alike():
    X, y = load_digits(return_X_y=True)
    options = {"learning_rate_init": 0.5, "solver": "sgd", "max_iter": 1, "batch_size": 100}
    a, b = (fitted(module, "MLPClassifier", X[:300] * 20, y[:300], **options) for module in (theirs, ours))
    assert a.loss_ > 5
    np.testing.assert_allclose(b.loss_, a.loss_, rtol=1e-6)


def test_the_defaults_on_digits():
    X, y = load_digits(return_X_y=True)
    a, b = (fitted(module, "MLPClassifier", X, y, max_iter=20) for module in (theirs, ours))
    np.testing.assert_allclose(b.loss_curve_, a.loss_curve_, rtol=1e-6)
    assert np.array_equal(a.predict(X), b.predict(X))
    assert a.score(X, y) == b.score(X, y)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_a_warm_start_goes_on_alike(solver):
    kind, X, y = task("classes")
    pair = []
    for module in (theirs, ours):
        estimator = fitted(module, kind, X, y, solver=solver, warm_start=True, max_iter=4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pair.append(estimator.fit(X, y))
    check(*pair, 1e-9)
    assert pair[1].n_iter_ == pair[0].n_iter_


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("name", ["binary", "classes", "multilabel", "regression", "outputs"])
def test_partial_fit(name, solver):
    kind, X, y = task(name)
    pair = []
    for module in (theirs, ours):
        estimator = getattr(module, kind)(random_state=3, solver=solver, hidden_layer_sizes=(9,))
        options = {"classes": np.unique(y) if y.ndim == 1 else np.arange(3)} if kind == "MLPClassifier" else {}
        for k in range(5):
            estimator.partial_fit(X[k * 20 : (k + 1) * 20], y[k * 20 : (k + 1) * 20], **options if k == 0 else {})
        pair.append(estimator)
    check(*pair, 1e-9)
    np.testing.assert_allclose(pair[1].loss_curve_, pair[0].loss_curve_, rtol=1e-9)


def test_columns_in_other_orders_and_types():
    kind, X, y = task("regression")
    a, b = same(kind, np.asfortranarray(X), y, max_iter=4)
    whole = np.round(3 * X).astype(np.int64)
    for rows in (np.asfortranarray(X), X[::-2], X.astype(np.float32), whole, X.tolist(), X[:1], X[:0:-1]):
        np.testing.assert_allclose(b.predict(rows), a.predict(rows), rtol=1e-6)
        assert b.predict(rows).dtype == a.predict(rows).dtype


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, object])
def test_types_that_the_kernels_do_not_know(dtype):
    kind, X, y = task("regression")
    rows = X.astype(np.float16).astype(dtype)
    a, b = same(kind, X, y, max_iter=3)
    np.testing.assert_allclose(b.predict(rows), np.asarray(a.predict(rows), float), rtol=1e-6)


def test_a_float32_estimator_predicts_float64_rows_in_float64():
    kind, X, y = task("regression")
    a, b = same(kind, X.astype(np.float32), y, max_iter=3)
    assert b.predict(X).dtype == a.predict(X).dtype == np.float64
    np.testing.assert_allclose(b.predict(X), a.predict(X), rtol=1e-3)


@pytest.mark.parametrize("order", [("adam", "sgd"), ("sgd", "adam")])
def test_partial_fit_goes_on_with_its_optimizer(order):
    kind, X, y = task("binary")
    pair = []
    for module in (theirs, ours):
        estimator = getattr(module, kind)(random_state=3, solver=order[0]).partial_fit(X, y, classes=[0, 1])
        pair.append(estimator.set_params(solver=order[1]).partial_fit(X, y))
    check(*pair, 1e-9)


def test_losses_of_several_labels_are_clipped_alike():
    kind, X, y = task("multilabel")
    a, b = (fitted(m, kind, X * 300, y, solver="sgd", learning_rate_init=0.5, max_iter=1) for m in (theirs, ours))
    assert a.loss_ > 10
    np.testing.assert_allclose(b.loss_, a.loss_, rtol=1e-3)  # theirs rounds where 1 - p is hardly more than nothing
