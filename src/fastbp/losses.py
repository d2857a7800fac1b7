"""Floor 2. Losses: which kernel computes the loss, from what, and which targets it takes.

The loss of a row is a mean over its outputs, or a sum where the outputs are a distribution; that of a batch is the mean
over its rows. Cross-entropies behind a sigmoid or softmax layer are computed from the logits.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from fastbp.registry import Configured
from fastbp.utils import check_flag, check_number, resolve


class Loss(Configured):
    """Base: what the compiler reads. Attributes of an object are its options, by the names its class takes them.

    One of a user's own computes with NumPy, in `value` and `gradient`.

    Attributes
    ----------
    name : str
        As in messages; the name of the class unless it says another.
    kernel : str
        The kernel that computes value and gradient; none for one of a user's own.
    from_logits : bool
        True where the model's outputs are logits, not probabilities.
    labels : bool
        True where targets are class indices, not rows of numbers.
    one_class : bool
        True where a row belongs to one class of several, so that its prediction is the class of the largest output.
    limits : (float, float)
        Between which targets lie.
    ignore_class : int or None
        The class index of rows that do not count.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> class LogCosh(fb.losses.Loss):
    ...     def value(self, prediction, target):
    ...         return np.log(np.cosh(prediction - target)).mean(axis=1)
    ...
    ...     def gradient(self, prediction, target):
    ...         return np.tanh(prediction - target) / prediction.shape[1]
    >>> model = fb.Sequential([fb.Input((3,)), fb.Dense(2)])
    >>> model.compile("adam", LogCosh())
    >>> fb.testing.check_gradients(model, np.random.randn(5, 3), np.ones((5, 2))).ok
    True
    """

    name = ""
    kernel = ""
    from_logits = False
    labels = False
    one_class = False
    limits = (-math.inf, math.inf)
    ignore_class: int | None = None

    def __init_subclass__(cls) -> None:
        """Name a class that has no name."""
        cls.name = cls.name or cls.__name__

    def resolve(self, outputs: int, labels: bool) -> Loss:
        """The loss for a model of so many outputs, and targets of class indices or not."""
        return self

    def constants(self) -> dict[str, float]:
        """What the kernel takes beside predictions and targets: alpha, smoothing."""
        return {}

    def value(self, prediction: np.ndarray, target: np.ndarray) -> Any:
        """The loss of each row, with NumPy.

        Parameters
        ----------
        prediction : ndarray, shape (rows, *output_shape)
            Read-only, and only there during the call, as is the target.
        target : ndarray, like prediction, or shape (rows,) of class indices if `labels`

        Returns
        -------
        array_like, shape (rows,)
        """
        raise NotImplementedError

    def gradient(self, prediction: np.ndarray, target: np.ndarray) -> Any:
        """The derivative of each row's loss by its predictions.

        Parameters
        ----------
        prediction, target : ndarray
            As for `value`.

        Returns
        -------
        array_like, like prediction
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Name and options, of which `get` makes the loss again."""
        return {"name": self.name, **vars(self)}


# ---- errors of a prediction


class MeanSquaredError(Loss):
    """Mean over the outputs of (prediction - target)²."""

    name = kernel = "mean_squared_error"


class MeanAbsoluteError(Loss):
    """Mean over the outputs of abs(prediction - target)."""

    name = kernel = "mean_absolute_error"


class Huber(Loss):
    """Mean over the outputs of e² / 2 up to delta, then delta (abs(e) - delta / 2), for e = prediction - target.

    Parameters
    ----------
    delta : float
        Above 0.
    """

    name = kernel = "huber"

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = check_number("delta", delta, 0, ends="(]")

    def constants(self) -> dict[str, float]:
        """delta."""
        return {"alpha": self.delta}


class LogCosh(Loss):
    """Mean over the outputs of log cosh(prediction - target): squared where small, absolute where large."""

    name = kernel = "log_cosh"


class Quantile(Loss):
    """Pinball loss: mean over the outputs of q e or (q - 1) e, whichever is positive, for e = target - prediction.

    A model trained with it predicts the q-th quantile of the target.

    Parameters
    ----------
    quantile : float
        q, above 0 and below 1.
    """

    name = kernel = "quantile"

    def __init__(self, quantile: float = 0.5) -> None:
        self.quantile = check_number("quantile", quantile, 0, 1, "()")

    def constants(self) -> dict[str, float]:
        """The quantile."""
        return {"alpha": self.quantile}


class Poisson(Loss):
    """Mean over the outputs of prediction - target log(prediction + 1e-7), for predicted rates and targets from 0.

    Behind an exponential layer the logarithm is that layer's input, and there is no 1e-7.
    """

    name = kernel = "poisson"
    limits = (0.0, math.inf)


# ---- margins and directions


class Hinge(Loss):
    """Mean over the outputs of max(0, 1 - target prediction), for targets of -1 or 1; a target of 0 counts as -1."""

    name = kernel = "hinge"
    limits = (-1.0, 1.0)


class SquaredHinge(Loss):
    """Mean over the outputs of max(0, 1 - target prediction)², for targets as `Hinge` has them."""

    name = kernel = "squared_hinge"
    limits = (-1.0, 1.0)


class CosineSimilarity(Loss):
    """Minus the cosine of the angle between prediction and target: -1 for the same direction, 1 for the opposite."""

    name = kernel = "cosine_similarity"


# ---- distributions


class KLDivergence(Loss):
    """Σ target log(target / prediction), both distributions over the outputs, clipped to [1e-7, 1]."""

    name = kernel = "kl_divergence"
    limits = (0.0, math.inf)


class _Crossentropy(Loss):
    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0) -> None:
        self.from_logits = check_flag("from_logits", from_logits)
        self.label_smoothing = check_number("label_smoothing", label_smoothing, 0, 1, "[)")

    def constants(self) -> dict[str, float]:
        """The smoothing."""
        return {"smoothing": self.label_smoothing}


class BinaryCrossentropy(_Crossentropy):
    """Mean over the outputs of -t log p - (1 - t) log(1 - p), for targets from 0 to 1.

    Parameters
    ----------
    from_logits : bool
        The outputs are logits: p is their sigmoid.
    label_smoothing : float
        s, from 0 to below 1: targets become t (1 - s) + s / 2.
    """

    name = kernel = "binary_crossentropy"
    limits = (0.0, 1.0)


class _OfClasses(_Crossentropy):
    kernel = "categorical_crossentropy"
    one_class = True

    def resolve(self, outputs: int, labels: bool) -> Loss:
        """Itself, if there are classes to tell apart."""
        if outputs == 1:
            raise ValueError(f"expected a model of at least 2 outputs for {self.name}, got 1: use binary_crossentropy")
        return self


class CategoricalCrossentropy(_OfClasses):
    """-Σ t log p, for one-hot targets or other distributions over the classes.

    Parameters
    ----------
    from_logits : bool
        The outputs are logits: p is their softmax.
    label_smoothing : float
        s, from 0 to below 1: targets become t (1 - s) + s / classes.
    """

    name = "categorical_crossentropy"
    limits = (0.0, math.inf)


class SparseCategoricalCrossentropy(_OfClasses):
    """-log p of the target's class, for targets of class indices.

    Parameters
    ----------
    from_logits : bool
        The outputs are logits: p is their softmax.
    ignore_class : int, optional
        Rows of this class, which need not be one of the model's, weigh nothing, and metrics do not count them. The mean
        is still over all rows.
    label_smoothing : float
        As in `CategoricalCrossentropy`.
    """

    name = "sparse_categorical_crossentropy"
    labels = True

    def __init__(
        self, from_logits: bool = False, ignore_class: int | None = None, label_smoothing: float = 0.0
    ) -> None:
        super().__init__(from_logits, label_smoothing)
        self.ignore_class = None if ignore_class is None else operator.index(ignore_class)


class Crossentropy(_Crossentropy):
    """The cross-entropy that fits: binary for one output, else by whether targets are class indices or one-hot rows.

    Parameters
    ----------
    from_logits : bool
        The outputs are logits.
    label_smoothing : float
    """

    name = "crossentropy"

    def resolve(self, outputs: int, labels: bool) -> Loss:
        """The binary, sparse or categorical one."""
        if outputs > 1 and labels:
            return SparseCategoricalCrossentropy(self.from_logits, label_smoothing=self.label_smoothing)
        kind = CategoricalCrossentropy if outputs > 1 else BinaryCrossentropy
        return kind(self.from_logits, self.label_smoothing)


LOSSES: dict[str, type[Loss]] = {
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
    "huber": Huber,
    "log_cosh": LogCosh,
    "logcosh": LogCosh,
    "quantile": Quantile,
    "pinball": Quantile,
    "poisson": Poisson,
    "hinge": Hinge,
    "squared_hinge": SquaredHinge,
    "cosine_similarity": CosineSimilarity,
    "kl_divergence": KLDivergence,
    "kld": KLDivergence,
    "binary_crossentropy": BinaryCrossentropy,
    "bce": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "cce": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "crossentropy": Crossentropy,
}


def get(given: str | Loss | dict[str, Any]) -> Loss:
    """Loss of a name, an object, or what `get_config` of one has returned.

    Raises
    ------
    TypeError, ValueError
        If it is none of these; of an unknown name the message has the nearest known one.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.losses.get("mse").kernel
    'mean_squared_error'
    >>> fb.losses.get("crossentropy").resolve(outputs=10, labels=True).name
    'sparse_categorical_crossentropy'
    >>> fb.losses.get(fb.losses.Huber(2.0).get_config()).delta
    2.0
    """
    if callable(given) and not isinstance(given, (Loss, type)):
        raise TypeError(
            f"expected loss as a name or of type Loss, got {given!r}, of which nobody knows the derivative: write a "
            "class of losses.Loss with value(prediction, target) and gradient(prediction, target)"
        )
    found: Loss | type[Loss] = resolve("loss", Loss, LOSSES, given)
    return found() if isinstance(found, type) else found
