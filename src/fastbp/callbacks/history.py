"""Floor 3. History: the numbers of every epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from math import nan
from typing import TYPE_CHECKING, Any

from fastbp.callbacks.base import Callback, Logs

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure


class History(Callback):
    """Keeps the numbers of every epoch; each `fit` returns one of its own.

    Attributes
    ----------
    history : dict of str to list of float
        loss, each metric, and the same with val_ in front; one number an epoch. Then what callbacks added, NaN
        in the epochs where they did not.
    epoch : list of int
        Numbers of the epochs done, from 0.
    params : dict
        epochs, steps and verbose, as `fit` was called.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Append the numbers."""
        self.extend([epoch], {name: [value] for name, value in logs.items()})

    def extend(self, epochs: Sequence[int], logs: Mapping[str, Sequence[Any]]) -> None:
        """Append the numbers of several epochs."""
        before, gap = len(self.epoch), [nan] * len(epochs)
        self.epoch.extend(epochs)
        for name in [*self.history, *(name for name in logs if name not in self.history)]:
            self.history.setdefault(name, [nan] * before).extend(logs.get(name, gap))

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw the loss and every metric over the epochs, as `plots.history` does.

        Parameters
        ----------
        path : path-like, optional
            File to write; its suffix chooses the format.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there is no epoch to draw, or `path` has a suffix matplotlib cannot write.

        Examples
        --------
        >>> import numpy as np, fastbp as fb
        >>> model = fb.Sequential([fb.Dense(1, input_shape=(2,))])
        >>> model.compile("sgd", "mse")
        >>> history = model.fit(np.ones((8, 2)), np.ones(8), epochs=3, verbose=0)
        >>> history.plot().axes[0].get_title()
        'Loss'
        """
        figure: Figure = import_module("fastbp.plots").history(self, path)  # a door, which training never opens
        return figure
