"""Floor 2. Metrics of predicted numbers and directions."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbp import losses
from fastbp.metrics.base import MeanLoss, Metric, Sums


class _NamedLoss(MeanLoss):
    """A loss under a name of its own, without options."""

    kind: type[losses.Loss]

    def __init__(self, name: str | None = None) -> None:
        super().__init__(self.kind(), name or self.default_name)

    def get_config(self) -> dict[str, Any]:
        """Kind and name."""
        return {"kind": self.default_name, "name": self.name}


class MeanSquaredError(_NamedLoss):
    """Mean squared difference of outputs and targets."""

    default_name = "mean_squared_error"
    kind = losses.MeanSquaredError


class RootMeanSquaredError(_NamedLoss):
    """Square root of the mean squared difference of outputs and targets."""

    default_name = "root_mean_squared_error"
    kind = losses.MeanSquaredError

    def finish(self, sums: Sums, count: Any) -> np.ndarray:
        """The root of the mean."""
        return np.asarray(np.sqrt(super().finish(sums, count)))


class MeanAbsoluteError(_NamedLoss):
    """Mean absolute difference of outputs and targets."""

    default_name = "mean_absolute_error"
    kind = losses.MeanAbsoluteError


class CosineSimilarity(_NamedLoss):
    """Mean cosine of the angle between outputs and targets: 1 for the same direction (the loss is minus this)."""

    default_name = "cosine_similarity"
    kind = losses.CosineSimilarity

    def finish(self, sums: Sums, count: Any) -> np.ndarray:
        """The mean, with the sign of the cosine."""
        return -super().finish(sums, count)


class R2Score(Metric):
    """R², the share of a target's variance that is explained: 1 - Σ (p - t)² / Σ (t - mean t)², mean over the outputs.

    Of an output whose targets are all the same it is 1 if the predictions are exact and else 0, as in scikit-learn.
    """

    default_name = "r2_score"
    labels = False

    def record(self, tape: Any, prediction: Any, target: Any, weight: Any) -> tuple[Any, ...]:
        """Moments of each output."""
        return (tape.tally(self.name, prediction, target, "moments", (prediction.shape[0], 5), weight),)

    def finish(self, sums: Sums, count: Any) -> np.ndarray:
        """R² of each output, and their mean."""
        weight, _, first, second, errors = np.moveaxis(sums[0], -1, 0)
        variation = second - first**2 / weight  # about the first target
        explained = np.where(variation > 0, 1 - errors / variation, errors == 0)
        return np.asarray(np.where(weight > 0, explained, np.nan).mean(axis=1))
