"""Floor 2. Accuracies: the share of rows, or of outputs, that are predicted right."""

from __future__ import annotations

from typing import Any

from fastbp.losses import Loss
from fastbp.metrics.base import Metric
from fastbp.utils import check_count, check_number


class _Share(Metric):
    """The mean of a number for each row.

    Attributes
    ----------
    kernel : str
        The kernel that computes it.
    """

    kernel = ""

    def threshold_of_kernel(self) -> float:
        """What the kernel compares with."""
        return 0.5

    def record(self, tape: Any, prediction: Any, target: Any, weight: Any) -> tuple[Any, ...]:
        """The sum of the numbers."""
        value = tape.metric(self.name, prediction, target, self.kernel, weight, threshold=self.threshold_of_kernel())
        return (tape.total(value),)


class BinaryAccuracy(_Share):
    """Share of outputs on the right side of the threshold.

    Parameters
    ----------
    name : str, optional
    threshold : float
        An output above it predicts a one.
    """

    default_name = kernel = "binary_accuracy"
    labels = False
    probabilities = True

    def __init__(self, name: str | None = None, threshold: float = 0.5) -> None:
        super().__init__(name)
        self.threshold = check_number("threshold", threshold)

    def resolve(self, outputs: int, loss: Loss) -> Metric:
        """Itself, if the threshold fits the outputs."""
        check_thresholds(self, [self.threshold], loss)
        return super().resolve(outputs, loss)

    def threshold_of_kernel(self) -> float:
        """The threshold."""
        return self.threshold


class CategoricalAccuracy(_Share):
    """Share of rows whose largest output is at the largest target."""

    default_name = kernel = "categorical_accuracy"
    labels = False


class SparseCategoricalAccuracy(_Share):
    """Share of rows whose largest output is at the target's class."""

    default_name = "sparse_categorical_accuracy"
    kernel = "categorical_accuracy"
    labels = True


class TopKCategoricalAccuracy(_Share):
    """Share of rows in which fewer than k outputs are larger than that of the largest target.

    Parameters
    ----------
    k : int
        At least 1.
    name : str, optional
    """

    default_name = "top_k_categorical_accuracy"
    kernel = "top_k_accuracy"
    labels = False

    def __init__(self, k: int = 5, name: str | None = None) -> None:
        super().__init__(name)
        self.k = check_count("k", k, 1)

    def threshold_of_kernel(self) -> float:
        """k."""
        return float(self.k)


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """Share of rows in which fewer than k outputs are larger than that of the target's class.

    Parameters
    ----------
    k : int
        At least 1.
    name : str, optional
    """

    default_name = "sparse_top_k_categorical_accuracy"
    labels = True


class Accuracy(Metric):
    """The accuracy that fits: binary for one output, else by whether targets are class indices or one-hot rows."""

    default_name = "accuracy"

    def resolve(self, outputs: int, loss: Loss) -> Metric:
        """The binary, sparse or categorical one, under this one's name."""
        kind = BinaryAccuracy if outputs == 1 else SparseCategoricalAccuracy if loss.labels else CategoricalAccuracy
        return kind(self.name).resolve(outputs, loss)


def check_thresholds(metric: Metric, thresholds: list[float], loss: Loss) -> None:
    """Thresholds are of probabilities where the loss says that outputs are logits."""
    for threshold in thresholds:
        if loss.from_logits and not 0 < threshold < 1:
            raise ValueError(
                f"expected thresholds of {metric.name!r} between 0 and 1, got {threshold:g}: the loss has "
                "from_logits=True, so they are compared with probabilities made of the outputs"
            )
