"""Floor 4. Decision regions: which class is predicted where in the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastbp.plots.figure import new_figure, saved

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from fastbp.plots.figure import FilePath

CLASS_COLOURS = (
    *("#1f5fa8", "#d9642c", "#2e8b57", "#8a4fbf", "#b8860b"),
    *("#c2185b", "#00838f", "#6d4c41", "#7cb342", "#546e7a"),
)
GRID = 300  # points a side at which the regions are computed


def decision_regions(model: Any, X: ArrayLike, y: ArrayLike, path: FilePath | None = None) -> Figure:
    """Draw which class a model predicts at every point of the plane, with the rows on top.

    Parameters
    ----------
    model : Model
        Anything with ``predict(x) -> (rows, 1)`` probabilities of class 1, or ``(rows, classes)`` scores.
    X : array_like, shape (rows, 2)
        The points.
    y : array_like, shape (rows,) or (rows, 1)
        Their class numbers.
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
        If `X` has not two columns, or `y` not one label for each row.

    Examples
    --------
    >>> import numpy as np
    >>> class LeftOrRight:
    ...     def predict(self, x, **options):
    ...         return (x[:, :1] > 0).astype(float)
    >>> figure = decision_regions(LeftOrRight(), [[-1, 0], [1, 0]], [0, 1])
    >>> figure.axes[0].get_title()
    'Decision regions (2 of 2 rows right)'
    """
    points, labels = np.asarray(X), np.asarray(y).reshape(-1)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise ValueError(f"expected X of shape (rows, 2), got {points.shape}")
    if len(labels) != len(points):
        raise ValueError(f"expected {len(points)} labels in y, got {len(labels)}")
    dtype = points.dtype if points.dtype.kind == "f" else np.float32

    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.06 * np.where(high > low, high - low, 1.0)
    across, up = (np.linspace(low[i] - margin[i], high[i] + margin[i], GRID) for i in (0, 1))
    plane = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2).astype(dtype)
    scores = _predicted(model, plane)
    guesses = _winner(_predicted(model, points.astype(dtype, copy=False)))

    figure = new_figure(width=6.4, height=5.2)
    axes = figure.subplots()
    _draw_regions(axes, across, up, scores)
    for number in np.unique(labels):
        mine = labels == number
        colour = CLASS_COLOURS[int(number) % len(CLASS_COLOURS)]
        dots = axes.scatter(points[mine, 0], points[mine, 1], s=14, color=colour, label=f"class {number}")
        dots.set(edgecolor="white", linewidth=0.4)
    right = int((guesses == labels).sum())
    axes.set_title(f"Decision regions ({right:,} of {len(points):,} rows right)")
    axes.set_xlabel("$x_1$")
    axes.set_ylabel("$x_2$")
    axes.legend(loc="upper right", framealpha=0.9)
    return saved(figure, path)


def _predicted(model: Any, x: np.ndarray) -> np.ndarray:
    """Scores as (rows, columns)."""
    scores = np.asarray(model.predict(x, verbose=0))
    return scores.reshape(len(x), -1)


def _winner(scores: np.ndarray) -> np.ndarray:
    """The predicted class of each row of scores."""
    return (scores[:, 0] > 0.5).astype(int) if scores.shape[1] == 1 else scores.argmax(axis=1)


def _draw_regions(axes: Axes, across: np.ndarray, up: np.ndarray, scores: np.ndarray) -> None:
    """Tint each class's part of the plane, and draw the border between them."""
    from matplotlib.colors import ListedColormap

    classes = max(2, scores.shape[1])
    region = _winner(scores).reshape(len(up), len(across))
    colours = ListedColormap([CLASS_COLOURS[i % len(CLASS_COLOURS)] for i in range(classes)])
    axes.pcolormesh(  # one image inside an .svg or .pdf, not a path for each point
        across, up, region, cmap=colours, vmin=-0.5, vmax=classes - 0.5, alpha=0.18, shading="nearest", rasterized=True
    )
    if scores.shape[1] == 1:
        height = scores[:, 0].reshape(region.shape)
        if height.min() < 0.5 < height.max():
            axes.contour(across, up, height, levels=[0.5], colors="black", linewidths=1.2)
        return
    for number in range(classes):
        mine = (region == number).astype(float)
        if 0 < mine.mean() < 1:
            axes.contour(across, up, mine, levels=[0.5], colors="black", linewidths=0.8)
