"""Floor 2. What a metric is: sums over rows that a program makes, and a number made of them.

Metrics are computed by the ops of the program that trains or evaluates, beside the loss; only functions of the user's
need the predictions in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastbp import losses
from fastbp.losses import Loss
from fastbp.registry import Configured
from fastbp.utils import described

Sums = Sequence[np.ndarray]  # each (laps, ...)


class Metric(Configured):
    """Base: what the compiler reads.

    Parameters
    ----------
    name : str, optional
        Key in the history.

    Attributes
    ----------
    labels : bool or None
        True where targets have to be class indices, False where they have to be rows of numbers.
    probabilities : bool
        True where outputs are read as probabilities: of logits, as the loss calls them, their sigmoid or softmax.
    """

    default_name = ""
    labels: bool | None = None
    probabilities = False

    def __init__(self, name: str | None = None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"expected the name of {type(self).__name__} as a str, got {name!r}")
        self.name = name or self.default_name

    def resolve(self, outputs: int, loss: Loss) -> Metric:
        """The metric for a model of so many outputs that is trained with this loss."""
        if self.labels not in (None, loss.labels):
            kinds = {True: "class indices", False: "rows of numbers"}
            raise ValueError(
                f"expected metrics for targets of {kinds[loss.labels]}, as the loss has them; "
                f"got {self.name!r}, which takes {kinds[not loss.labels]}"
            )
        return self

    def record(self, tape: Any, prediction: Any, target: Any, weight: Any) -> tuple[Any, ...]:
        """Record the ops that make the sums; returns these.

        Parameters
        ----------
        tape : Tape
        prediction, target : Tensor
        weight : Tensor or None
            What each row counts.
        """
        raise NotImplementedError

    def finish(self, sums: Sums, count: Any) -> np.ndarray:
        """The metric in each lap, shape (laps,) or (laps, ...), of sums and the number or weight of the rows."""
        return np.asarray(sums[0] / count)

    def get_config(self) -> dict[str, Any]:
        """Kind, name and options, of which `get` makes the metric again."""
        return {"kind": self.default_name, **vars(self)}


class MeanLoss(Metric):
    """A loss as a metric: its mean over rows.

    Parameters
    ----------
    loss : Loss, or what gives one
    name : str, optional
        That of the loss unless given.
    """

    default_name = "mean_loss"

    def __init__(self, loss: Any, name: str | None = None) -> None:
        self.loss = losses.get(loss)
        super().__init__(name or self.loss.name)

    @property
    def labels(self) -> bool:  # type: ignore[override]
        """As the loss has them."""
        return self.loss.labels

    @property
    def probabilities(self) -> bool:  # type: ignore[override]
        """Whether it is a cross-entropy that was not told of logits."""
        return hasattr(self.loss, "label_smoothing") and not self.loss.from_logits

    def resolve(self, outputs: int, loss: Loss) -> Metric:
        """With the kind of loss that fits outputs and targets."""
        fitting = self.loss.resolve(outputs, loss.labels)
        if not fitting.kernel:
            raise TypeError(f"expected a metric as a function f(y_true, y_pred), got the loss {self.name} in NumPy")
        found = self if fitting is self.loss else MeanLoss(fitting, self.name)
        return Metric.resolve(found, outputs, loss)

    def record(self, tape: Any, prediction: Any, target: Any, weight: Any) -> tuple[Any, ...]:
        """The sum of the loss over rows."""
        kernel = self.loss.kernel + "_logits" * self.loss.from_logits
        value = tape.metric(self.name, prediction, target, kernel, weight, **self.loss.constants())
        return (tape.total(value),)

    def get_config(self) -> dict[str, Any]:
        """Kind, name and the loss."""
        return {"kind": self.default_name, "name": self.name, "loss": self.loss.get_config()}


class Function(Metric):
    """A function of the user's, f(y_true, y_pred), called once with the targets and predictions of all rows.

    `evaluate` calls it with the rows it was given. In training it is called at the end of each epoch, on the training
    rows and on those held out, with the weights of that moment: it costs a prediction of the training rows. Those of a
    stream are gone by then, and have no number.

    Parameters
    ----------
    function : callable
        Takes the targets, (rows,) class indices or (rows, outputs) numbers, and predictions (rows, outputs); returns a
        number or an array of them.
    name : str, optional
        The function's own unless given.
    """

    default_name = "function"

    def __init__(self, function: Callable[[np.ndarray, np.ndarray], Any], name: str | None = None) -> None:
        if not callable(function):
            raise TypeError(f"expected a function of targets and predictions, got {function!r}")
        self.function = function
        super().__init__(name or getattr(function, "__name__", type(function).__name__))

    def compute(self, y: np.ndarray, prediction: np.ndarray) -> Any:
        """What the function says: a float, or an array of float64.

        Raises
        ------
        TypeError
            If that is no number.
        """
        value = self.function(y, prediction)
        try:
            found = np.asarray(value, np.float64)
        except (TypeError, ValueError):
            found = None
        if found is None or value is None:  # which NumPy takes for NaN
            raise TypeError(f"expected metric {self.name!r} to return a number, got {described(value)}")
        return found if found.ndim else float(found)

    def get_config(self) -> dict[str, Any]:
        """Kind, name and the function; a checkpoint has the name of that, see `fastbp.utils.register`."""
        return {"kind": self.default_name, "name": self.name, "function": self.function}
