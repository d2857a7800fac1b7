"""Floor 4. The estimators: scikit-learn's classes, with our arithmetic in the place of theirs.

What a user of scikit-learn sees is inherited: parameters, validation, labels, scores, warnings, tags. Overridden are
the methods where numbers are made. docs/architecture.md lists the private names that this leans on.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn import neural_network
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from fastbp._core._team import threads
from fastbp.activations import ACTIVATIONS
from fastbp.sklearn import lbfgs
from fastbp.sklearn.network import NAMES, network_of
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
        "activation": [StrOptions(set(NAMES) - {"exp"} | set(ACTIVATIONS) - {"softmax", "log_softmax"}), "array-like"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "batch_norm": ["boolean"],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
        "callbacks": "no_validation",
    }

    # -- training

    def _initialize(self: Any, y: np.ndarray, layer_units: list[int], dtype: np.dtype) -> None:
        super()._initialize(y, layer_units, dtype)  # type: ignore[misc]
        self.__dict__.pop("_network", None)
        if self.early_stopping:
            self.validation_loss_curve_: list[float] = []
        if self.dropout:
            self._dropout_seed = int(self._random_state.randint(2**31 - 1))
        if self.batch_norm:
            start = {"gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1}
            self.batch_norms_ = [
                {name: np.full(units, value, dtype) for name, value in start.items()} for units in layer_units[1:-1]
            ]

    def _weights_in(self: Any, rest: tuple[Any, ...]) -> np.ndarray | None:
        """The rows' weights among the arguments of a solver, or where scikit-learn 1.6 has no place for them."""
        return rest[0] if WEIGHTED else self.__dict__.get("_row_weights")

    def _fit_stochastic(self: Any, X: Any, y: np.ndarray, *rest: Any) -> None:
        """In scikit-learn's order: the rows' weights, if it knows them, ..., whether this is partial_fit."""
        with threads(self.n_threads):
            Training(self, Part(X, y, self._weights_in(rest)), rest[-1]).run()

    def _fit_lbfgs(self: Any, X: Any, y: np.ndarray, *rest: Any) -> None:
        if self.dropout or self.batch_norm:
            raise ValueError("dropout and batch_norm need a stochastic solver, 'sgd' or 'adam', got solver='lbfgs'")
        # SciPy's own part is small, and threads of its BLAS would spin on the cores that the objective is computed on
        with threads(self.n_threads), threadpool_limits(1, "blas"):
            self._objective = lbfgs.Objective(self, Part(X, y, self._weights_in(rest)))
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
        dtype = coef.dtype if X.dtype == coef.dtype else np.result_type(X.dtype, coef.dtype)
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
        return {name: value for name, value in state.items() if name != "_network"}


class MLPClassifier(Perceptron, neural_network.MLPClassifier):
    """scikit-learn's `MLPClassifier` with the arithmetic of fastbp: the same results from the same `random_state`.

    Parameters
    ----------
    *args, **options
        As scikit-learn's, with its defaults; beside them, by keyword only:
    class_weight : dict, "balanced" or None, default=None
        Factors of the rows of each class, as in `sklearn.utils.class_weight`.
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
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }
    class_weight: Any = None
    __init__ = with_options(neural_network.MLPClassifier, {"class_weight": None, **OPTIONS})

    def _fit(self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False) -> MLPClassifier:
        if self.class_weight is not None:
            if incremental and self.class_weight == "balanced":
                raise ValueError("class_weight='balanced' is not supported for partial_fit: give a dict")
            factor = compute_sample_weight(self.class_weight, y)
            sample_weight = factor if sample_weight is None else factor * np.asarray(sample_weight)
        if WEIGHTED:
            return super()._fit(X, y, sample_weight=sample_weight, incremental=incremental)
        self._row_weights = sample_weight
        try:
            return super()._fit(X, y, incremental=incremental)
        finally:
            del self._row_weights

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
