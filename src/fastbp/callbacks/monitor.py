"""Floor 3. Watching one of the numbers of an epoch: is it better than the best so far?"""

from __future__ import annotations

import math
import re
from typing import Any

from fastbp.callbacks.base import Callback, Logs
from fastbp.utils import check_number, lookup

MODES = ("auto", "min", "max")
# Words in the names of losses and metrics that say which way is better
BETTER = {
    **dict.fromkeys(("acc", "accuracy", "auc", "precision", "recall", "f1", "r2", "iou"), "max"),
    **dict.fromkeys(("loss", "error", "mse", "mae", "rmse", "mape", "msle", "crossentropy", "hinge", "huber"), "min"),
}


class Monitor(Callback):
    """Base of the callbacks that watch a number.

    Parameters
    ----------
    monitor : str
        Its name in the logs.
    mode : {"auto", "min", "max"}
        Whether less or more is better; "auto" goes by the name.
    min_delta : float
        What counts as better has to be better by more than this.

    Raises
    ------
    ValueError
        If an option is out of its range, or "auto" cannot tell by the name.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"expected monitor as a name in the logs, such as 'val_loss', got {monitor!r}")
        if mode not in MODES:
            raise ValueError(f"expected mode as one of {', '.join(MODES)}, got {mode!r}")
        self.monitor, self.mode = monitor, infer_mode(monitor) if mode == "auto" else mode
        self.min_delta = abs(check_number("min_delta", min_delta))
        self.best = self.worst

    @property
    def worst(self) -> float:
        """What every number but NaN is better than."""
        return math.inf if self.mode == "min" else -math.inf

    def read(self, logs: Logs) -> float:
        """The number; a ValueError lists the logs if it is not among them."""
        return lookup("monitor", logs, self.monitor)

    def is_better(self, value: float, than: float) -> bool:
        """Whether a value is better by more than min_delta; NaN never is."""
        return value + self.min_delta < than if self.mode == "min" else value - self.min_delta > than

    def improves(self, value: float) -> bool:
        """Whether a value is better than the best so far; if it is, it becomes that."""
        better = self.is_better(value, self.best)
        if better:
            self.best = value
        return better

    def say(self, epoch: int, what: str) -> None:
        """Print a line about an epoch."""
        print(f"Epoch {epoch + 1}: {what}", flush=True)


def infer_mode(monitor: str) -> str:
    """The mode that a name tells."""
    found: set[Any] = {BETTER.get(word) for word in re.split(r"\W|_", monitor.lower())} - {None}
    if len(found) != 1:
        raise ValueError(f"expected mode='min' or mode='max' for {monitor!r}, whose name does not tell which is better")
    return str(found.pop())
