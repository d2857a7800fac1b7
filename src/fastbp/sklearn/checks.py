"""Floor 4. The parameters that scikit-learn's estimators do not have: what they may be, beside the others and the data.

They are checked before weights are drawn, so that a refusal leaves a fitted estimator as it was.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from fastbp._core._team import threads
from fastbp.callbacks import ModelCheckpoint
from fastbp.callbacks.base import check_callbacks
from fastbp.sklearn.network import hidden_activations


def check_options(estimator: Any, incremental: bool) -> None:
    """Raise TypeError or ValueError for what cannot be, whatever the data, in `fit` or in `partial_fit`."""
    hidden_activations(estimator, np.size(estimator.hidden_layer_sizes))
    if any(isinstance(each, ModelCheckpoint) for each in check_callbacks(estimator.callbacks)):
        raise ValueError("expected callbacks that store no model, got ModelCheckpoint; keep estimators with joblib")
    with threads(estimator.n_threads):
        pass
    given = getattr(estimator, "class_weight", None)
    if incremental and isinstance(given, str):
        raise ValueError("class_weight='balanced' is not supported for partial_fit: give a dict")
    for factors in given if isinstance(given, list) else [given]:
        for name, factor in factors.items() if isinstance(factors, dict) else ():
            if not isinstance(factor, Real) or not 0 <= float(factor) < np.inf:
                raise ValueError(f"expected class_weight of finite numbers of at least 0, got {factor!r} for {name!r}")
    for name in ("dropout", "batch_norm", "callbacks") if estimator.solver == "lbfgs" else ():
        if getattr(estimator, name):
            raise ValueError(f"{name} needs a stochastic solver, 'sgd' or 'adam', got solver='lbfgs'")


def check_classes(estimator: Any) -> None:
    """Raise ValueError for a class_weight that does not go with the classes."""
    given = getattr(estimator, "class_weight", None)
    if given is None or isinstance(given, str):
        return
    if has_labels(estimator):
        many = len(estimator.classes_)
        if not isinstance(given, list) or len(given) != many or not all(map(_of_a_label, given)):
            raise ValueError(f'expected class_weight as "balanced" or a list of {many} dicts with keys 0 and 1')
    elif not isinstance(given, dict):
        raise ValueError(f'expected class_weight as a dict or "balanced" for one label a row, got {given!r}')
    elif unknown := [name for name in given if name not in estimator.classes_]:
        raise ValueError(f"expected class_weight for classes among {estimator.classes_.tolist()}, got {unknown[0]!r}")


def _of_a_label(factors: Any) -> bool:
    return isinstance(factors, dict) and set(factors) <= {0, 1}


def has_labels(estimator: Any) -> bool:
    """Whether a row may have several labels."""
    return bool(estimator._label_binarizer.y_type_.startswith("multilabel"))


def class_factors(estimator: Any, y: np.ndarray) -> np.ndarray:
    """The factor of each row by its class, from targets of 0 and 1."""
    given, classes = estimator.class_weight, estimator.classes_
    if has_labels(estimator):
        return compute_sample_weight(given, y.astype(int))
    labels = y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0].astype(int)
    if isinstance(given, str):
        return compute_sample_weight(given, labels)
    return np.array([given.get(name, 1.0) for name in classes.tolist()], np.float64)[labels]
