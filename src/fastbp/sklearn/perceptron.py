"""Floor 4. The estimators: scikit-learn's classes, with our arithmetic in the place of theirs.

What a user of scikit-learn sees is inherited: parameters, validation, labels, scores, warnings, tags. Overridden are
the methods where numbers are made. docs/architecture.md lists the private names that this leans on.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import sklearn
from sklearn import neural_network
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from fastbp._core._team import threads
from fastbp.sklearn import lbfgs
from fastbp.sklearn.checks import check_classes, check_options, class_factors
from fastbp.sklearn.network import ALLOWED, KEPT, NAMES, hidden_activations, network_of
from fastbp.sklearn.training import WEIGHTED, Part, Training

REALS = (np.dtype(np.float32), np.dtype(np.float64))
OPTIONS: dict[str, Any] = {"dropout": 0.0, "batch_norm": False, "n_threads": None, "callbacks": None}


def with_options(kind: type, options: dict[str, Any]) -> Callable[..., None]:
    """The constructor of a class of scikit-learn with more keyword-only parameters, stored as they are."""
    init = kind.__init__  # type: ignore[misc]

    def construct(self: Any, *args: Any, **given: Any) -> None:
        for name, default in options.items():
            setattr(self, name, given.pop(name, default))
        init(self, *args, **given)

    construct.__name__ = "__init__"
    signature = inspect.signature(init)
    added = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value) for name, value in options.items()]
    construct.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *added])  # type: ignore[attr-defined]
    return construct


class Perceptron:
    """What both estimators override."""

    # of estimators from pickles of scikit-learn's, which know nothing of these
    dropout: float = 0.0
    batch_norm: bool = False
    n_threads: int | None = None
    callbacks: Any = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "activation": [StrOptions(ALLOWED), "array-like"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "batch_norm": ["boolean"],
        "n_threads": [Interval(Integral, 1, 1024, closed="both"), None],
        "callbacks": "no_validation",
    }

    # -- training

    def _validate_input(self: Any, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        """Refuse what our own parameters may not be here, too, before anything of a fitted estimator is lost."""
        check_options(self, incremental)
        before = vars(self).copy()
        X, y = super()._validate_input(X, y, incremental, reset)  # type: ignore[misc]
        try:
            check_classes(self)
        except ValueError:
            vars(self).clear()  # of the classes that were noted, too
            vars(self).update(before)
            raise
        return X, y

    def _initialize(self: Any, y: np.ndarray, layer_units: list[int], dtype: np.dtype) -> None:
        super()._initialize(y, layer_units, dtype)  # type: ignore[misc]
        for name in (*KEPT, "batch_norms_", "validation_loss_curve_"):
            self.__dict__.pop(name, None)
        if self.early_stopping:
            self.validation_loss_curve_: list[float] = []
        if self.dropout:
            self._dropout_seed = int(self._random_state.randint(2**31 - 1))
        if self.batch_norm:
            start = {"gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1}
            self.batch_norms_ = [
                {name: np.full(units, value, dtype) for name, value in start.items()} for units in layer_units[1:-1]
            ]

    def _init_coef(self: Any, fan_in: int, fan_out: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
        """Draw a layer's weights in the range that scikit-learn has for its activation, the last's for the outputs."""
        given, layer = self.activation, len(self.coefs_)
        names = hidden_activations(self, np.size(self.hidden_layer_sizes)) if not isinstance(given, str) else (given,)
        name = names[min(layer, len(names) - 1)] if names else "relu"
        self.activation = "logistic" if NAMES.get(name, name) == "sigmoid" else "relu"
        try:
            return super()._init_coef(fan_in, fan_out, dtype)  # type: ignore[misc]
        finally:
            self.activation = given

    def _part(self: Any, X: Any, y: np.ndarray, rest: tuple[Any, ...]) -> Part:
        """The rows to train on: their weights, since scikit-learn 1.7, are the first of a solver's other arguments."""
        weights = rest[0] if WEIGHTED else None
        if getattr(self, "class_weight", None) is None:
            return Part(X, y, weights)
        factors = class_factors(self, y)
        return Part(X, y, factors if weights is None else factors * weights)

    def _fit_stochastic(self: Any, X: Any, y: np.ndarray, *rest: Any) -> None:
        """In scikit-learn's order: the rows' weights, if it knows them, ..., whether this is partial_fit."""
        with threads(self.n_threads):
            Training(self, self._part(X, y, rest), rest[-1]).run()

    def _fit_lbfgs(self: Any, X: Any, y: np.ndarray, *rest: Any) -> None:
        with threads(self.n_threads), lbfgs.quiet_blas():
            self._objective = lbfgs.Objective(self, self._part(X, y, rest))
            try:
                super()._fit_lbfgs(X, y, *rest)  # type: ignore[misc]
            finally:
                del self._objective
        network_of(self, self.coefs_[0].dtype)

    def _loss_grad_lbfgs(self: Any, packed_coef_inter: np.ndarray, *rest: Any) -> tuple[float, np.ndarray]:
        self._unpack(packed_coef_inter)
        return self._objective(packed_coef_inter)

    # -- prediction

    def _forward_pass_fast(self: Any, X: Any, check_input: bool = True) -> np.ndarray:
        if check_input and not self._is_plain(X):
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        coef, network = self.coefs_[0], self.__dict__.get("_network")
        dtype = coef.dtype
        if X.dtype != dtype:
            common = np.result_type(X.dtype, dtype)
            dtype = common if common in REALS else REALS[1]
        if network is None or network.plan.dtype != dtype or not network.fits(self):
            network = network_of(self, dtype)
        if self.n_threads is None:
            return network.model.predict(X)
        with threads(self.n_threads):
            return network.model.predict(X)

    def _is_plain(self: Any, X: Any) -> bool:
        """Whether there is nothing to convert, to warn of or to refuse in X: asked first, as a single row can tell."""
        return (
            type(X) is np.ndarray
            and X.ndim == 2
            and X.dtype in REALS
            and X.shape[1] == self.n_features_in_
            and len(X) > 0
            and "feature_names_in_" not in self.__dict__
            and bool(np.isfinite(np.add.reduce(X, axis=None)))
        )

    def __getstate__(self: Any) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        kept = {name: value for name, value in state.items() if name not in KEPT}
        return {**kept, "_sklearn_version": sklearn.__version__}

    def __setstate__(self: Any, state: dict[str, Any]) -> None:
        version = state.pop("_sklearn_version", sklearn.__version__)
        if version != sklearn.__version__:
            names = {"current_sklearn_version": sklearn.__version__, "original_sklearn_version": version}
            warnings.warn(InconsistentVersionWarning(estimator_name=type(self).__name__, **names), stacklevel=2)
        super().__setstate__(state)  # type: ignore[misc]


class MLPClassifier(Perceptron, neural_network.MLPClassifier):
    """scikit-learn's `MLPClassifier` with the arithmetic of fastbp: the same results from the same `random_state`.

    Parameters
    ----------
    *args, **options
        As scikit-learn's, with its defaults; beside them, by keyword only:
    class_weight : dict, "balanced", list of dict or None, default=None
        Factors of the rows of each class, as in `sklearn.utils.class_weight`; of several labels a row, a dict for each.
    activation : str or sequence of str
        Of the hidden layers, one for all or one for each: scikit-learn's, or any of `fastbp.activations` by its name.
    dropout : float, default=0.0
        Share of each hidden layer's outputs that a step of training leaves out.
    batch_norm : bool, default=False
        Normalise each hidden layer before its activation.
    n_threads : int, optional
        Kernels use so many threads at most.
    callbacks : Callback or sequence of Callback, optional
        Of `fastbp.callbacks`. An epoch is an iteration; its logs have "loss" and, with early stopping, "val_loss" and
        "val_score".

    Attributes
    ----------
    batch_norms_ : list of dict
        With `batch_norm`, of each hidden layer: gamma, beta, moving_mean and moving_variance, (units,).
    validation_loss_curve_ : list of float
        With `early_stopping`, the loss of the rows held out after each iteration, without the penalty.

    Raises
    ------
    ValueError
        As scikit-learn's; also if there is not one activation for each hidden layer, or dropout or batch_norm is wanted
        with solver="lbfgs".

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastbp.sklearn import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((16,), max_iter=1000, class_weight="balanced", batch_norm=True, random_state=0)
    >>> model.fit(X, y).score(X, y) > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **neural_network.MLPClassifier._parameter_constraints,
        **Perceptron._parameter_constraints,
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }
    class_weight: Any = None
    __init__ = with_options(neural_network.MLPClassifier, {"class_weight": None, **OPTIONS})

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes, (rows, classes)."""
        if "coefs_" not in self.__dict__:
            check_is_fitted(self)
        outputs = self._forward_pass_fast(X)
        if self.n_outputs_ > 1:
            return outputs
        return np.concatenate((1 - outputs, outputs), axis=1)


class MLPRegressor(Perceptron, neural_network.MLPRegressor):
    """scikit-learn's `MLPRegressor` with the arithmetic of fastbp: the same results from the same `random_state`.

    Parameters
    ----------
    *args, **options
        As scikit-learn's, with its defaults; beside them, by keyword only:
    activation : str or sequence of str
        Of the hidden layers, one for all or one for each: scikit-learn's, or any of `fastbp.activations` by its name.
    dropout : float, default=0.0
        Share of each hidden layer's outputs that a step of training leaves out.
    batch_norm : bool, default=False
        Normalise each hidden layer before its activation.
    n_threads : int, optional
        Kernels use so many threads at most.
    callbacks : Callback or sequence of Callback, optional
        Of `fastbp.callbacks`. An epoch is an iteration; its logs have "loss" and, with early stopping, "val_loss" and
        "val_score".

    Attributes
    ----------
    batch_norms_ : list of dict
        With `batch_norm`, of each hidden layer: gamma, beta, moving_mean and moving_variance, (units,).
    validation_loss_curve_ : list of float
        With `early_stopping`, the loss of the rows held out after each iteration, without the penalty.

    Raises
    ------
    ValueError
        As scikit-learn's; also if there is not one activation for each hidden layer, or dropout or batch_norm is wanted
        with solver="lbfgs".

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.sklearn import MLPRegressor
    >>> X = np.linspace(0, 3, 200).reshape(-1, 1)
    >>> model = MLPRegressor(hidden_layer_sizes=(16,), activation="gelu", solver="lbfgs", random_state=0)
    >>> model.fit(X, np.sin(X[:, 0])).score(X, np.sin(X[:, 0])) > 0.99
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **neural_network.MLPRegressor._parameter_constraints,
        **Perceptron._parameter_constraints,
    }
    __init__ = with_options(neural_network.MLPRegressor, OPTIONS)
