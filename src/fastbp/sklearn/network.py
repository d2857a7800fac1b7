"""Floor 4. The network behind an estimator: a model of this package on the estimator's own weights.

`coefs_` and `intercepts_` stay what scikit-learn says they are, lists of arrays that belong to the estimator. While a
network is there, these arrays are views of its parameters; whatever else somebody puts into the lists is copied in when
it is found. So an estimator means the same without its network: pickles leave it out, and it is made again when wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from operator import is_
from threading import RLock
from typing import Any, NamedTuple

import numpy as np

from fastbp.activations import ACTIVATIONS
from fastbp.layers import Activation, BatchNormalization, Dense, Dropout, Input
from fastbp.losses import BinaryCrossentropy, Loss, MeanSquaredError, Poisson, SparseCategoricalCrossentropy
from fastbp.regularizers import L2
from fastbp.sequential import Sequential

NAMES = {"identity": "linear", "logistic": "sigmoid", "exp": "exponential"}  # scikit-learn's, where ours differ

ALLOWED = (set(NAMES) - {"exp"}) | (set(ACTIVATIONS) - {"softmax"})  # in hidden layers
KEPT = ("_network", "_cast")  # where an estimator has its networks, which pickles leave out
MOMENTUM = 0.9  # of the moving moments: estimators see few batches


class _Clipped(Loss):
    """A cross-entropy of probabilities that scikit-learn clips where it reports them, at the dtype's epsilon."""

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon

    def constants(self) -> dict[str, float]:
        return {"most": -log(self.epsilon)}


class _LogLoss(_Clipped, SparseCategoricalCrossentropy):
    """Of one class a row."""


class _BinaryLogLoss(_Clipped, BinaryCrossentropy):
    """Of each output."""


class Plan(NamedTuple):
    """What a network is made from."""

    sizes: tuple[int, ...]  # of all layers, from the features to the outputs
    activations: tuple[str, ...]  # of the layers behind the first
    dtype: np.dtype
    alpha: float
    dropout: float
    batch_norm: bool
    seed: int

    def loss(self) -> tuple[Loss, float, float]:
        """The loss, by what to multiply it for the gradient that scikit-learn goes by, and for what it reports.

        The gradient is output - target for each output. Our losses are means over the outputs, but for softmax.
        """
        outputs, epsilon = self.sizes[-1], float(np.finfo(self.dtype).eps)
        match self.activations[-1]:
            case "softmax":
                return _LogLoss(epsilon), 1, 1
            case "logistic":
                return _BinaryLogLoss(epsilon), outputs, outputs
            case "exp":
                return Poisson(), outputs, outputs
        return MeanSquaredError(), outputs / 2, 1 / 2


class Network:
    """A built model, and which of its parameters are which of the estimator's.

    Attributes
    ----------
    plan : Plan
    model : Sequential
    loss, scale, reported
        As `Plan.loss` returns them.
    stepper : Stepper or None
        Of the training that `partial_fit` goes on with.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.stepper: Any = None
        self.options: tuple[Any, ...] = ()
        self.loss, self.scale, self.reported = plan.loss()
        self.model = Sequential([Input((plan.sizes[0],), dtype=plan.dtype), *_layers(plan)])
        dense = [layer for layer in self.model.layers if isinstance(layer, Dense)]
        self.kernels, self.biases = ([values_of(layer)[k] for layer in dense] for k in (0, 1))
        norms = [layer for layer in self.model.layers if isinstance(layer, BatchNormalization)]
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        self.norms = [dict(zip(names, values_of(layer), strict=True)) for layer in norms]

    def adopt(self, estimator: Any) -> None:
        """Take over the weights that the estimator has, and let it have those of the model in their place."""
        for values, given in self._places(estimator):
            for place, value in values.items() if isinstance(values, dict) else enumerate(values):
                if given[place] is not value:
                    value[...] = given[place]
                    if given[place].dtype == value.dtype:
                        given[place] = value
        self.options = _options(estimator)

    def _places(self, estimator: Any) -> Iterator[tuple[Any, Any]]:
        yield self.kernels, estimator.coefs_
        yield self.biases, estimator.intercepts_
        if self.norms:
            yield from zip(self.norms, estimator.batch_norms_, strict=True)

    def fits(self, estimator: Any) -> bool:
        """Whether nobody has changed what a prediction depends on since the weights were adopted."""
        if not all(map(is_, self.options, _options(estimator))):
            return False
        arrays = map(is_, (*self.kernels, *self.biases), (*estimator.coefs_, *estimator.intercepts_))
        return all(arrays) and all(
            given[name] is value for values, given in [*self._places(estimator)][2:] for name, value in values.items()
        )


def _options(estimator: Any) -> tuple[Any, ...]:
    return estimator.activation, estimator.out_activation_, estimator.batch_norm


def values_of(layer: Any) -> list[np.ndarray]:
    """The arrays of a built layer's variables."""
    return [variable.value for variable in layer.weights]


def _layers(plan: Plan) -> Iterator[Any]:
    regularizer = L2(plan.alpha / 2) if plan.alpha else None
    last = len(plan.activations) - 1
    for k, (units, name) in enumerate(zip(plan.sizes[1:], plan.activations, strict=True)):
        activation, inner = NAMES.get(name, name), k < last
        normed = plan.batch_norm and inner
        yield Dense(units, None if normed else activation, kernel_initializer="zeros", kernel_regularizer=regularizer)
        if normed:
            yield BatchNormalization(momentum=MOMENTUM)
            yield Activation(activation)
        if plan.dropout and inner:
            yield Dropout(plan.dropout, seed=plan.seed + k)


def plan_of(estimator: Any, dtype: np.dtype) -> Plan:
    """What an estimator with weights asks for."""
    if bool(estimator.batch_norm) != hasattr(estimator, "batch_norms_"):
        made = "with" if hasattr(estimator, "batch_norms_") else "without"
        raise ValueError(f"expected batch_norm as when the weights were made, {made} it, got {estimator.batch_norm}")
    coefs = estimator.coefs_
    sizes = (coefs[0].shape[0], *(coef.shape[1] for coef in coefs))
    activations = (*hidden_activations(estimator, len(coefs) - 1), estimator.out_activation_)
    seed = getattr(estimator, "_dropout_seed", 0)
    options = float(estimator.alpha), float(estimator.dropout), bool(estimator.batch_norm)
    return Plan(sizes, activations, np.dtype(dtype), *options, seed)


def hidden_activations(estimator: Any, layers: int) -> tuple[str, ...]:
    """The activation of each hidden layer; ValueError if there is not one for each."""
    given = estimator.activation
    if isinstance(given, str):
        return (given,) * layers
    if not isinstance(given, (list, tuple, np.ndarray)):
        raise TypeError(f"expected activation as a name or a list of names, got {given!r}")
    if len(given) != layers:
        raise ValueError(f"expected an activation for each of {layers} hidden layers, got {len(given)}")
    for name in given:
        if not isinstance(name, str) or name not in ALLOWED:
            raise ValueError(f"expected activations among {', '.join(sorted(ALLOWED))}, got {name!r}")
    return tuple(given)


def network_of(estimator: Any, dtype: np.dtype) -> Network:
    """The estimator's network in this dtype, with the weights that the estimator has.

    In the dtype of the weights it is the one that has them; in another it has copies. Threads that look for one, to
    predict or to train, take turns: two networks of one estimator would each have its weights.
    """
    with _lock:
        for name in ("coefs_", "intercepts_"):
            if not isinstance(getattr(estimator, name), list):
                setattr(estimator, name, list(getattr(estimator, name)))
        plan = plan_of(estimator, dtype)
        place = KEPT[int(dtype != estimator.coefs_[0].dtype)]
        network = estimator.__dict__.get(place)
        if network is None or network.plan != plan:
            network = Network(plan)
            setattr(estimator, place, network)
        network.adopt(estimator)
    found: Network = network
    return found


_lock = RLock()
