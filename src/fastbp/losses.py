"""Floor 2. Losses: which kernel computes the loss, from what, and which targets it takes.

The loss of a row is a mean (squared, absolute, binary) or a sum (categorical) over its outputs; that of a batch is the
mean over its rows. Cross-entropies behind a sigmoid or softmax layer are computed from the logits.
"""

from typing import Any

import numpy as np

from fastbp.registry import Configured
from fastbp.utils import check_flag, resolve


class Loss(Configured):
    """Base: what the compiler reads.

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
    labels = False
    from_logits = False

    def __init_subclass__(cls) -> None:
        """Name a class that has no name."""
        cls.name = cls.name or cls.__name__

    def resolve(self, outputs: int, labels: bool) -> "Loss":
        """The loss for a model of so many outputs, and targets of class indices or not."""
        return self

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
        """Name and options."""
        return {"name": self.name, **vars(self)}


class MeanSquaredError(Loss):
    """Mean over the outputs of (prediction - target)²."""

    name = kernel = "mean_squared_error"


class MeanAbsoluteError(Loss):
    """Mean over the outputs of abs(prediction - target)."""

    name = kernel = "mean_absolute_error"


class _Crossentropy(Loss):
    def __init__(self, from_logits: bool = False) -> None:
        self.from_logits = check_flag("from_logits", from_logits)


class BinaryCrossentropy(_Crossentropy):
    """Mean over the outputs of -t log p - (1 - t) log(1 - p), for targets in [0, 1].

    Parameters
    ----------
    from_logits : bool
        The outputs are logits: p is their sigmoid.
    """

    name = kernel = "binary_crossentropy"


class CategoricalCrossentropy(_Crossentropy):
    """-Σ t log p, for one-hot targets or other distributions over the classes.

    Parameters
    ----------
    from_logits : bool
        The outputs are logits: p is their softmax.
    """

    name = kernel = "categorical_crossentropy"


class SparseCategoricalCrossentropy(_Crossentropy):
    """-log p of the target's class, for targets of class indices.

    Parameters
    ----------
    from_logits : bool
        The outputs are logits: p is their softmax.
    """

    name = "sparse_categorical_crossentropy"
    kernel = "categorical_crossentropy"
    labels = True

    def resolve(self, outputs: int, labels: bool) -> Loss:
        """Itself, if there are classes to tell apart."""
        if outputs == 1:
            raise ValueError(f"expected a model of at least 2 outputs for {self.name}, got 1: use binary_crossentropy")
        return self


class Crossentropy(_Crossentropy):
    """The cross-entropy that fits: binary for one output, else by whether targets are class indices or one-hot rows.

    Parameters
    ----------
    from_logits : bool
        The outputs are logits.
    """

    name = "crossentropy"

    def resolve(self, outputs: int, labels: bool) -> Loss:
        """The binary, sparse or categorical one."""
        if outputs == 1:
            return BinaryCrossentropy(self.from_logits)
        return (SparseCategoricalCrossentropy if labels else CategoricalCrossentropy)(self.from_logits)


LOSSES: dict[str, type[Loss]] = {
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
    "binary_crossentropy": BinaryCrossentropy,
    "bce": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "crossentropy": Crossentropy,
}


def get(given: str | Loss) -> Loss:
    """Loss of a name or an object.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.losses.get("mse").kernel
    'mean_squared_error'
    >>> fb.losses.get("crossentropy").resolve(outputs=10, labels=True).name
    'sparse_categorical_crossentropy'
    """
    if callable(given) and not isinstance(given, (Loss, type)):
        raise TypeError(
            f"expected loss as a name or a Loss, got {given!r}, of which nobody knows the derivative: write a class of "
            "losses.Loss with value(prediction, target) and gradient(prediction, target)"
        )
    found: Loss | type[Loss] = resolve("loss", Loss, LOSSES, given)
    return found() if isinstance(found, type) else found
