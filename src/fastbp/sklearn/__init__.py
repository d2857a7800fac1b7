"""Floor 4. scikit-learn's multi-layer perceptrons, with the same constructor, attributes and results.

>>> from fastbp.sklearn import MLPClassifier
>>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0]
>>> MLPClassifier((8,), solver="lbfgs", random_state=1).fit(X, y).predict(X)
array([0, 1, 1, 0])
"""

try:
    import sklearn as _sklearn  # noqa: F401
except ImportError as error:
    raise ImportError("fastbp.sklearn needs scikit-learn: pip install 'fastbp[sklearn]'") from error

from fastbp.sklearn.patching import patch, patched, unpatch
from fastbp.sklearn.perceptron import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "patch", "patched", "unpatch"]
