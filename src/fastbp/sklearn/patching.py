"""Floor 4. Putting our estimators in the place of scikit-learn's, for programs that import them from there."""

from __future__ import annotations

import copyreg
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklearn import neural_network
from sklearn.neural_network import _multilayer_perceptron

from fastbp.sklearn.perceptron import MLPClassifier, MLPRegressor

OURS = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}
THEIRS = {name: getattr(neural_network, name) for name in OURS}
HOMES = (neural_network, _multilayer_perceptron)  # where programs import them from, and where pickles find them


def patch() -> None:
    """Let `sklearn.neural_network` have our MLPClassifier and MLPRegressor.

    Call it before a program imports them by name: what it has imported before stays scikit-learn's. Pickles of
    scikit-learn's estimators are loaded as ours, and go on in training where they were; those that exist are pickled as
    ours. Twice is the same as once.

    Examples
    --------
    >>> import fastbp.sklearn
    >>> fastbp.sklearn.patch()
    >>> from sklearn.neural_network import MLPClassifier
    >>> MLPClassifier is fastbp.sklearn.MLPClassifier
    True
    >>> fastbp.sklearn.unpatch()
    """
    _set(OURS)
    for theirs in THEIRS.values():
        copyreg.dispatch_table[theirs] = _as_ours


def _as_ours(estimator: Any) -> tuple[Any, ...]:
    """How an estimator that was made before is stored: its class goes by a name that is ours now."""
    return _new, (OURS[type(estimator).__name__],), estimator.__getstate__()


def _new(kind: type) -> Any:
    return object.__new__(kind)


def unpatch() -> None:
    """Let it have its own again. Our estimators that exist stay ours."""
    _set(THEIRS)
    for theirs in THEIRS.values():
        copyreg.dispatch_table.pop(theirs, None)


@contextmanager
def patched() -> Iterator[None]:
    """Patched inside, afterwards as it was before.

    Examples
    --------
    >>> from fastbp.sklearn import patched
    >>> with patched():
    ...     from sklearn.neural_network import MLPRegressor
    >>> MLPRegressor.__module__
    'fastbp.sklearn.perceptron'
    """
    before = {name: getattr(neural_network, name) for name in OURS}
    patch()
    try:
        yield
    finally:
        patch() if before == OURS else unpatch()


def _set(classes: dict[str, type]) -> None:
    for home in HOMES:
        for name, kind in classes.items():
            setattr(home, name, kind)
