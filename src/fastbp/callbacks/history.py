"""Floor 3. History: the numbers of every epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastbp.callbacks.base import Callback, Logs


class History(Callback):
    """Keeps the numbers of every epoch; each `fit` returns one of its own.

    Attributes
    ----------
    history : dict of str to list of float
        loss, each metric, and the same with val_ in front; one number an epoch. Then what callbacks added.
    epoch : list of int
        Numbers of the epochs done, from 0.
    params : dict
        epochs, steps and verbose, as `fit` was called.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Append the numbers."""
        self.extend([epoch], {name: [value] for name, value in logs.items()})

    def extend(self, epochs: Sequence[int], logs: Mapping[str, Sequence[float]]) -> None:
        """Append the numbers of several epochs."""
        self.epoch.extend(epochs)
        for name, values in logs.items():
            self.history.setdefault(name, []).extend(values)
