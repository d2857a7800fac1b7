"""Floor 2. Metrics: numbers reported beside the loss, each a mean over rows."""

from typing import Any

from fastbp.registry import Configured
from fastbp.utils import resolve


class Metric(Configured):
    """Base: what the compiler reads.

    Parameters
    ----------
    name : str, optional
        Key in the history.

    Attributes
    ----------
    kernel : str
        The kernel that computes it.
    labels : bool
        True where targets are class indices, not rows of numbers.
    """

    kernel = ""
    labels = False
    default_name = ""

    def __init__(self, name: str | None = None) -> None:
        self.name = name or self.default_name

    def resolve(self, outputs: int, labels: bool) -> "Metric":
        """The metric for a model of so many outputs, and targets of class indices or not."""
        if self.labels != labels:
            kinds = {True: "class indices", False: "rows of numbers"}
            raise ValueError(
                f"expected metrics for targets of {kinds[labels]}, as the loss has them; "
                f"got {self.name!r}, which takes {kinds[self.labels]}"
            )
        return self

    def get_config(self) -> dict[str, Any]:
        """Kind and name."""
        return {"kind": self.default_name, "name": self.name}


class BinaryAccuracy(Metric):
    """Share of outputs on the right side of 0.5."""

    default_name = kernel = "binary_accuracy"


class CategoricalAccuracy(Metric):
    """Share of rows whose largest output is at the largest target."""

    default_name = kernel = "categorical_accuracy"


class SparseCategoricalAccuracy(Metric):
    """Share of rows whose largest output is at the target's class."""

    default_name = "sparse_categorical_accuracy"
    kernel = "categorical_accuracy"
    labels = True


class MeanSquaredError(Metric):
    """Mean squared difference of outputs and targets."""

    default_name = kernel = "mean_squared_error"


class MeanAbsoluteError(Metric):
    """Mean absolute difference of outputs and targets."""

    default_name = kernel = "mean_absolute_error"


class Accuracy(Metric):
    """The accuracy that fits: binary for one output, else by whether targets are class indices or one-hot rows."""

    default_name = "accuracy"

    def resolve(self, outputs: int, labels: bool) -> Metric:
        """The binary, sparse or categorical one, under this one's name."""
        if outputs == 1:
            return BinaryAccuracy(self.name)
        return (SparseCategoricalAccuracy if labels else CategoricalAccuracy)(self.name)


METRICS: dict[str, type[Metric]] = {
    "accuracy": Accuracy,
    "acc": Accuracy,
    "binary_accuracy": BinaryAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
}


def get(given: str | Metric) -> Metric:
    """Metric of a name or an object; its name is the one given.

    Examples
    --------
    >>> import fastbp as fb
    >>> metric = fb.metrics.get("acc").resolve(outputs=1, labels=False)
    >>> metric.name, metric.kernel
    ('acc', 'binary_accuracy')
    """
    found: Metric | type[Metric] = resolve("metric", Metric, METRICS, given)
    return found(str(given)) if isinstance(found, type) else found


def get_all(given: object) -> list[Metric]:
    """Metrics of one or several names and objects, or of None; each name once."""
    items: list[Any] = list(given) if isinstance(given, (list, tuple)) else [] if given is None else [given]
    found = [get(item) for item in items]
    names = [metric.name for metric in found]
    if len({"loss", *names}) <= len(names):
        raise ValueError(f"expected metrics of different names, not 'loss', got {', '.join(names)}")
    return found
