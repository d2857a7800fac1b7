"""Floor 4. Curves: the numbers of every epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastbp.plots.figure import new_figure, saved

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fastbp.plots.figure import FilePath

TRAINING, VALIDATION = "#1f5fa8", "#d9642c"
TITLES = {"loss": "Loss", "mse": "Mean squared error", "mae": "Mean absolute error", "acc": "Accuracy"}


def history(history: Any, path: FilePath | None = None) -> Figure:
    """Draw the loss and every metric over the epochs, one panel each, training and validation together.

    Parameters
    ----------
    history : History or dict of str to list of float
        What `fit` returned, or its ``history`` attribute. ``val_*`` goes into the panel of ``*``. Metrics that are
        arrays have no curve.
    path : path-like, optional
        File to write; its suffix chooses the format (``.png``, ``.svg``, ``.pdf``, ...).

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
    >>> figure = history({"loss": [0.9, 0.4, 0.3], "val_loss": [0.8, 0.5, 0.45], "accuracy": [0.6, 0.8, 0.9]})
    >>> [axes.get_title() for axes in figure.axes]
    ['Loss', 'Accuracy']
    """
    curves = {name: each for name, each in getattr(history, "history", history).items() if not any(map(np.ndim, each))}
    names = list(dict.fromkeys(name.removeprefix("val_") for name in curves))  # some have validation alone
    epochs = len(next(iter(curves.values()), []))
    if epochs == 0:
        raise ValueError("expected a history of at least one epoch, got none")
    first = (getattr(history, "epoch", None) or [0])[0]
    x = np.arange(first, first + epochs) + 1  # people count epochs from 1

    figure = new_figure(width=5.2 * len(names), height=3.8)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        marker = "o" if epochs <= 30 else None
        for key, color, label in ((name, TRAINING, "training"), (f"val_{name}", VALIDATION, "validation")):
            if key in curves:
                axes.plot(x, curves[key], color=color, marker=marker, markersize=3.5, label=label)
        axes.set_title(TITLES.get(name, name.replace("_", " ").capitalize()))
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return saved(figure, path)
