"""fastbp.sklearn keeps scikit-learn's contract: signatures, errors, warnings, persistence, and the tools around."""

import copy
import inspect
import pickle
import warnings

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

import joblib  # noqa: E402
from sklearn import neural_network as theirs  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.calibration import CalibratedClassifierCV  # noqa: E402
from sklearn.datasets import load_iris, make_classification, make_regression  # noqa: E402
from sklearn.ensemble import BaggingClassifier, VotingClassifier  # noqa: E402
from sklearn.exceptions import ConvergenceWarning, NotFittedError  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

from fastbp import sklearn as ours  # noqa: E402
from fastbp.callbacks import LambdaCallback  # noqa: E402
from fastbp.sklearn.training import WEIGHTED  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:scipy.optimize:DeprecationWarning"),  # scikit-learn 1.6 beside a new SciPy
]
KINDS = ("MLPClassifier", "MLPRegressor")
X, y = make_classification(90, 5, random_state=0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_scikit_learns_own_checks(kind):
    check_estimator(getattr(ours, kind)(max_iter=100))


@pytest.mark.parametrize("kind", KINDS)
def test_the_constructor_takes_the_same(kind):
    want, got = (inspect.signature(getattr(module, kind)) for module in (theirs, ours))
    assert list(got.parameters.items())[: len(want.parameters)] == list(want.parameters.items())
    extra = list(got.parameters.values())[len(want.parameters) :]
    assert all(p.kind is p.KEYWORD_ONLY and not p.default for p in extra)
    params = getattr(ours, kind)().get_params()
    assert getattr(theirs, kind)().get_params().items() <= params.items()
    assert isinstance(getattr(ours, kind)(), getattr(theirs, kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "predict", "score"])
def test_methods_take_the_same(kind, method):
    want, got = (inspect.signature(getattr(getattr(m, kind)(), method)) for m in (theirs, ours))
    assert got == want


def raised(module, kind, options, act):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            act(getattr(module, kind)(random_state=0, max_iter=3, **options))
        except Exception as error:
            return type(error), str(error)
    return None


BAD = {
    "no hidden units": ({"hidden_layer_sizes": (3, -1)}, lambda e: e.fit(X, y)),
    "an unknown solver": ({"solver": "newton"}, lambda e: e.fit(X, y)),
    "a negative rate": ({"learning_rate_init": -1.0}, lambda e: e.fit(X, y)),
    "a momentum above 1": ({"momentum": 2.0}, lambda e: e.fit(X, y)),
    "NaN": ({}, lambda e: e.fit(np.where(X > 2, np.nan, X), y)),
    "infinite rows to predict": ({}, lambda e: e.fit(X, y).predict(X + np.inf)),
    "other columns": ({}, lambda e: e.fit(X, y).predict(X[:, :3])),
    "no rows": ({}, lambda e: e.fit(X, y).predict(X[:0])),
    "one axis": ({}, lambda e: e.fit(X, y).predict(X[0])),
    "not fitted": ({}, lambda e: e.predict(X)),
    "fewer targets": ({}, lambda e: e.fit(X, y[:-1])),
    "partial_fit of lbfgs": ({"solver": "lbfgs"}, lambda e: e.partial_fit(X, y)),
    "partial_fit with early stopping": ({"early_stopping": True}, lambda e: e.partial_fit(X, y, classes=[0, 1])),
    "partial_fit without classes": ({}, lambda e: e.partial_fit(X, y)),
    "too small a validation set": (
        {"early_stopping": True, "validation_fraction": 0.05},
        lambda e: e.fit(X[:20], y[:20]),
    ),
    "weights that diverge": (
        {"solver": "sgd", "learning_rate_init": 1e200, "activation": "identity"},
        lambda e: e.fit(X * 1e50, y),
    ),
    "weights of rows that are all zero": ({}, lambda e: e.fit(X, y, np.zeros(len(X)))),
    "other classes on a warm start": ({"warm_start": True}, lambda e: e.fit(X, y).fit(X, y + 1)),
}


@pytest.mark.parametrize("case", BAD)
def test_errors_are_the_same(case):
    options, act = BAD[case]
    if case.startswith("weights of rows") and not WEIGHTED:
        pytest.skip("scikit-learn 1.6 has none")
    kind = "MLPRegressor" if case == "weights that diverge" else "MLPClassifier"
    want = raised(theirs, kind, options, act)
    assert want is not None
    assert raised(ours, kind, options, act) == want


def test_what_predict_proba_says_before_fit():
    with pytest.raises(NotFittedError, match="not fitted yet"):
        ours.MLPClassifier().predict_proba(X)


def test_warnings_can_be_filtered_by_scikit_learns_module():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", module="sklearn")
        ours.MLPClassifier(max_iter=1).fit(X, y)


def warned(module, options):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        module.MLPClassifier(random_state=0, **options).fit(X, y)
    return [(each.category, str(each.message)) for each in seen]


@pytest.mark.parametrize(
    "options", [{"max_iter": 2}, {"max_iter": 2, "batch_size": 1000}, {"solver": "lbfgs", "max_iter": 1}]
)
def test_warnings_are_the_same(options):
    assert warned(theirs, options) == warned(ours, options)
    assert ConvergenceWarning in [category for category, _ in warned(ours, options)]


@pytest.mark.parametrize(
    "options",
    [
        {"max_iter": 30, "tol": 0.1, "n_iter_no_change": 2},
        {"max_iter": 40, "early_stopping": True, "n_iter_no_change": 2},
        {"max_iter": 60, "solver": "sgd", "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 1},
    ],
)
def test_what_is_printed_is_the_same(options, capsys):
    texts = []
    for module in (theirs, ours):
        module.MLPClassifier(random_state=0, verbose=True, **options).fit(X, y)
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    assert "Iteration 2, loss = " in texts[1]


def interrupt(number):
    def act(epoch, logs):
        if epoch == number:
            raise KeyboardInterrupt

    return LambdaCallback(on_epoch_end=act)


def test_ctrl_c_leaves_a_model_that_works():
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        estimator = ours.MLPClassifier(max_iter=50, callbacks=interrupt(3)).fit(X, y)
    assert estimator.n_iter_ == 4
    assert estimator.predict(X).shape == y.shape


def test_ctrl_c_between_batches_counts_the_steps_that_were_done():
    def act(batch, logs):
        if batch == 2:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Training interrupted by user"):
        estimator = ours.MLPClassifier(batch_size=10, callbacks=LambdaCallback(on_train_batch_end=act)).fit(X, y)
    assert estimator._optimizer.t == 3


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_persistence(solver, tmp_path):
    estimator = ours.MLPClassifier(solver=solver, max_iter=5, random_state=0, warm_start=True).fit(X, y)
    joblib.dump(estimator, tmp_path / "it.joblib")
    copies = [pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator), joblib.load(tmp_path / "it.joblib")]
    for each in copies:
        assert np.array_equal(each.predict_proba(X), estimator.predict_proba(X))
    estimator.fit(X, y)
    for each in copies:
        each.fit(X, y)
        assert all(np.array_equal(*pair) for pair in zip(each.coefs_, estimator.coefs_, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_skops_keeps_an_estimator(kind):
    skops = pytest.importorskip("skops.io")
    estimator = getattr(ours, kind)(hidden_layer_sizes=(6,), max_iter=3, random_state=0).fit(X, y)
    stored = skops.dumps(estimator)
    untrusted = skops.get_untrusted_types(data=stored)
    assert all(name.startswith(("fastbp.", "sklearn.")) for name in untrusted)
    again = skops.loads(stored, trusted=untrusted)
    assert np.array_equal(again.predict(X), estimator.predict(X))
    for each in (again, estimator):
        each.partial_fit(X, y)
    assert all(np.array_equal(*pair) for pair in zip(again.coefs_, estimator.coefs_, strict=True))


def test_a_pickle_has_nothing_of_the_network():
    estimator = ours.MLPClassifier((50,), max_iter=2).fit(X, y)
    plain = theirs.MLPClassifier((50,), max_iter=2).fit(X, y)
    assert len(pickle.dumps(estimator)) < 1.1 * len(pickle.dumps(plain))


def test_weights_may_be_changed():
    estimator = ours.MLPRegressor(hidden_layer_sizes=(6,), max_iter=3, random_state=0).fit(X, y)
    twin = theirs.MLPRegressor(hidden_layer_sizes=(6,), max_iter=3, random_state=0).fit(X, y)
    for each in (estimator, twin):
        each.coefs_[0][:] = 0.5
        each.intercepts_[1] = np.array([2.5])
        each.coefs_ = [2 * coef for coef in each.coefs_]
    np.testing.assert_allclose(estimator.predict(X), twin.predict(X), rtol=1e-9)


def test_clones_and_parameters():
    estimator = ours.MLPClassifier((7,), dropout=0.25, class_weight="balanced").fit(X, y)
    twin = clone(estimator)
    assert twin.get_params() == estimator.get_params()
    assert not hasattr(twin, "coefs_")
    assert twin.set_params(dropout=0.5).dropout == 0.5
    assert "dropout=0.25" in repr(estimator)


def scores(module, wrap):
    estimator = wrap(module.MLPClassifier((8,), max_iter=30, random_state=0))
    return cross_val_score(estimator, *load_iris(return_X_y=True), cv=3)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda e: make_pipeline(StandardScaler(), e),
        lambda e: GridSearchCV(e, {"alpha": [1e-4, 1e-1]}, cv=2),
        lambda e: CalibratedClassifierCV(e, cv=2),
        lambda e: VotingClassifier([("a", e), ("b", clone(e).set_params(alpha=0.1))], voting="soft"),
        lambda e: BaggingClassifier(e, n_estimators=3, random_state=0),
    ],
    ids=["pipeline", "search", "calibration", "voting", "bagging"],
)
def test_tools_of_scikit_learn(wrap):
    np.testing.assert_allclose(scores(ours, wrap), scores(theirs, wrap))


def searched(jobs):
    estimator = ours.MLPClassifier((8,), max_iter=15, random_state=0)
    search = GridSearchCV(estimator, {"alpha": [1e-4, 1e-2, 1.0]}, cv=2, n_jobs=jobs)
    return search.fit(X, y).cv_results_["mean_test_score"]


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_search_in_parallel_finds_the_same(backend):
    with joblib.parallel_backend(backend):
        np.testing.assert_array_equal(searched(2), searched(1))


def test_a_search_on_dask_finds_the_same():
    distributed = pytest.importorskip("distributed")
    with distributed.Client(n_workers=2, processes=False, dashboard_address=None), joblib.parallel_backend("dask"):
        found = searched(2)
    np.testing.assert_array_equal(found, searched(1))


def test_names_of_columns_are_checked():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    estimator = ours.MLPClassifier(max_iter=2).fit(frame, y)
    assert list(estimator.feature_names_in_) == list("abcde")
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        estimator.predict(X)
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.predict(frame[list("edcba")])


def test_regression_scores():
    X, y = make_regression(100, 4, random_state=0)
    a, b = (m.MLPRegressor(random_state=0, max_iter=50).fit(X, y / 100) for m in (theirs, ours))
    assert b.score(X, y / 100) == pytest.approx(a.score(X, y / 100), rel=1e-9)
