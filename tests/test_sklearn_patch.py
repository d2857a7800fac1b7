"""Programs that import scikit-learn's estimators get ours, without a change."""

import pickle
import subprocess
import sys

import pytest

sklearn = pytest.importorskip("sklearn")

from sklearn import neural_network  # noqa: E402
from sklearn.datasets import load_iris  # noqa: E402

from fastbp import sklearn as ours  # noqa: E402

THEIRS = neural_network.MLPClassifier
X, y = load_iris(return_X_y=True)
SCRIPT = """
import sys
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier
X, y = load_iris(return_X_y=True)
print(MLPClassifier.__module__.split(".")[0], sys.argv, __name__, file=sys.stderr)
print(cross_val_score(MLPClassifier((8,), max_iter=40, random_state=1), X, y, cv=3))
"""


def test_patching_and_back():
    ours.patch()
    ours.patch()
    assert neural_network.MLPClassifier is ours.MLPClassifier
    ours.unpatch()
    assert neural_network.MLPClassifier is THEIRS


def test_the_context_leaves_things_as_they_were():
    with ours.patched():
        assert neural_network.MLPRegressor is ours.MLPRegressor
        with ours.patched():
            pass
        assert neural_network.MLPRegressor is ours.MLPRegressor
    assert neural_network.MLPClassifier is THEIRS


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_pickles_of_before_go_on_as_ours(solver):
    theirs = THEIRS((6,), solver=solver, max_iter=5, random_state=0).fit(X, y)
    text = pickle.dumps(theirs)
    with ours.patched():
        found = pickle.loads(text)
        assert type(found) is ours.MLPClassifier
        assert (found.predict(X) == theirs.predict(X)).all()
        assert found.dropout == 0
        found.partial_fit(X, y)
        after = pickle.dumps(found)
    theirs.partial_fit(X, y)
    again = pickle.loads(after)
    assert type(again) is ours.MLPClassifier
    assert again.predict_proba(X) == pytest.approx(theirs.predict_proba(X), rel=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_an_estimator_of_before_can_still_be_pickled():
    old = THEIRS((6,), max_iter=3, random_state=0).fit(X, y)
    with ours.patched():
        new = pickle.loads(pickle.dumps(old))
        assert type(new) is ours.MLPClassifier
        assert new.predict_proba(X) == pytest.approx(old.predict_proba(X), rel=1e-9)
    assert type(pickle.loads(pickle.dumps(old))) is THEIRS


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_an_early_stopping_of_before_goes_on_as_ours():
    options = {"max_iter": 5, "random_state": 0, "early_stopping": True, "warm_start": True}
    old = THEIRS((6,), **options).fit(X, y)
    with ours.patched():
        new = pickle.loads(pickle.dumps(old)).fit(X, y)
    old.fit(X, y)
    assert new.validation_scores_ == pytest.approx(old.validation_scores_)
    assert len(new.validation_loss_curve_) == new.n_iter_


@pytest.mark.filterwarnings("ignore:scipy.optimize:DeprecationWarning")  # scikit-learn 1.6 beside a new SciPy
def test_a_pickle_of_another_version_warns():
    estimator = ours.MLPClassifier((6,), solver="lbfgs", random_state=0).fit(X, y)
    again, state = ours.MLPClassifier(), estimator.__getstate__() | {"_sklearn_version": "0.0"}
    with pytest.warns(sklearn.exceptions.InconsistentVersionWarning, match="MLPClassifier"):
        again.__setstate__(state)
    assert "_sklearn_version" not in vars(again)


def run(*arguments, cwd):
    return subprocess.run([sys.executable, "-W", "ignore", *arguments], cwd=cwd, capture_output=True, text=True)


def test_a_script_runs_unchanged(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    plain = run("script.py", "a", "-b", cwd=tmp_path)
    fast = run("-m", "fastbp.sklearn", "script.py", "a", "-b", cwd=tmp_path)
    module = run("-m", "fastbp.sklearn", "-m", "script", "a", "-b", cwd=tmp_path)
    assert plain.returncode == fast.returncode == module.returncode == 0, fast.stderr + module.stderr
    assert fast.stdout == plain.stdout == module.stdout
    assert plain.stderr == "sklearn ['script.py', 'a', '-b'] __main__\n"
    assert fast.stderr == "fastbp ['script.py', 'a', '-b'] __main__\n"
    assert module.stderr.startswith("fastbp [")


def test_what_the_command_line_says(tmp_path):
    usage = run("-m", "fastbp.sklearn", cwd=tmp_path)
    assert usage.returncode == 1
    assert usage.stderr.startswith("usage: python -m fastbp.sklearn")
    missing = run("-m", "fastbp.sklearn", "absent.py", cwd=tmp_path)
    assert missing.returncode == 1
    assert "'absent.py'" in missing.stderr
    assert "python -m fastbp.sklearn script.py" in run("-m", "fastbp.sklearn", "--help", cwd=tmp_path).stdout
