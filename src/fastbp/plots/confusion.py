"""Floor 4. Confusion matrices: how many rows of each class were taken for each."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from fastbp import ops
from fastbp.plots.figure import new_figure, saved

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from fastbp.plots.figure import FilePath

NORMALIZE: dict[str, int | tuple[int, int]] = {"true": 1, "pred": 0, "all": (0, 1)}  # -> axes that are summed
MOST = 1000  # classes that are counted without being named
WRITTEN = 40  # classes up to which cells have numbers
SIDES = (
    (5, 20, 40, 100),
    (0.62, 0.36, 0.34, 0.1),
)  # numbers of classes, and inches of a cell; between them in proportion


def confusion_matrix(
    matrix: ArrayLike,
    y_pred: ArrayLike | None = None,
    labels: Sequence[object] | None = None,
    normalize: str | None = None,
    path: FilePath | None = None,
) -> Figure:
    """Draw how many rows of each class were taken for each: true classes down, predicted ones across.

    Parameters
    ----------
    matrix : array_like, shape (classes, classes) or (rows,)
        What `metrics.ConfusionMatrix` gives; or, with `y_pred`, the true class numbers.
    y_pred : array_like of int or bool, shape (rows,) or (rows, 1), optional
        Predicted class numbers.
    labels : sequence, optional
        Names of the classes, in their order; their numbers unless given.
    normalize : {"true", "pred", "all"}, optional
        Show shares, of the rows of each true class, of each predicted class, or of all.
    path : path-like, optional
        File to write; its suffix chooses the format.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If class numbers are no integers or booleans.
    ValueError
        If the matrix is not square, of counts; the two arrays or the labels do not fit; `normalize` is unknown.

    Examples
    --------
    >>> figure = confusion_matrix([0, 0, 1, 1], [0, 1, 1, 1], labels=["cat", "dog"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['1', '1', '0', '2']
    """
    counts = _square(matrix) if y_pred is None else _counted(matrix, y_pred, labels)
    names = [str(label) for label in (range(len(counts)) if labels is None else labels)]
    if len(names) != len(counts):
        raise ValueError(f"expected {len(counts)} labels, one for each class, got {len(names)}")
    shown = _shares(counts, normalize)

    cell = float(np.interp(len(counts), *SIDES))
    side = min(max(3.2, len(counts) * cell), 14.0)
    figure = new_figure(width=side + 1.6, height=side + 1.0)
    axes = figure.subplots()
    image = axes.imshow(shown, cmap="Blues", vmin=0, vmax=float(shown.max()) or 1.0)
    if len(counts) <= WRITTEN:
        _write_numbers(axes, shown, cell, share=normalize is not None)
    slanted = max(map(len, names)) > 4
    ticks = range(0, len(names), ceil(len(names) / WRITTEN))
    axes.set_xticks(ticks, names[:: ticks.step], rotation=45 if slanted else 0, ha="right" if slanted else "center")
    axes.set_yticks(ticks, names[:: ticks.step])
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set_parse_math(False)
    axes.tick_params(length=0, labelsize=9)
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.set_title(f"{counts.trace():,.10g} of {counts.sum():,.10g} rows right")
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, shrink=0.8, label="rows" if normalize is None else "share of rows")
    return saved(figure, path)


def _square(matrix: ArrayLike) -> np.ndarray:
    """The matrix as an array, checked."""
    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.size == 0:
        raise ValueError(f"expected matrix of shape (classes, classes), or y_pred beside it, got {counts.shape}")
    if counts.dtype.kind not in "uif" or not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError("expected matrix of counts, finite numbers of at least 0, got others")
    return counts


def _counted(y_true: ArrayLike, y_pred: ArrayLike, labels: Sequence[object] | None) -> np.ndarray:
    """The matrix of two arrays of class numbers."""
    classes = MOST if labels is None else len(labels)
    numbers = {"y_true": np.asarray(y_true), "y_pred": np.asarray(y_pred)}
    for name, array in numbers.items():
        if array.ndim not in (1, 2) or array.size != len(array) or array.size == 0:
            raise ValueError(f"expected {name} of shape (rows,), class numbers, got {array.shape}")
        if array.dtype.kind not in "bui":
            raise TypeError(f"expected {name} as integers, class numbers, got dtype {array.dtype}")
        if array.min() < 0 or array.max() >= classes:
            raise ValueError(f"expected {name} from 0 to {classes - 1}, got {array.min()} to {array.max()}")
    true, predicted = (array.reshape(-1).astype(np.int64) for array in numbers.values())
    if len(true) != len(predicted):
        raise ValueError(f"expected {len(true)} class numbers in y_pred, as in y_true, got {len(predicted)}")
    seen = 1 + max(int(true.max()), int(predicted.max()))
    return ops.confusion_counts(true, predicted, seen if labels is None else classes)


def _shares(counts: np.ndarray, normalize: str | None) -> np.ndarray:
    """Counts, or what part they are; of nothing, none."""
    if normalize is None:
        return counts
    if normalize not in NORMALIZE:
        raise ValueError(f"expected normalize as one of {', '.join(map(repr, NORMALIZE))} or None, got {normalize!r}")
    sums = counts.sum(axis=NORMALIZE[normalize], keepdims=True)
    shares: np.ndarray = np.divide(counts, sums, out=np.zeros(counts.shape), where=sums > 0)
    return shares


def _write_numbers(axes: Axes, shown: np.ndarray, cell: float, share: bool) -> None:
    """A number in each cell, white on dark ones, as small as the widest needs in a cell of some inches."""
    texts = [[f"{value:.2f}" if share else f"{value:,.5g}" for value in row] for row in shown.tolist()]
    widest = max(len(text) for row in texts for text in row)
    size = min(11.0, 0.85 * cell * 72 / (0.62 * widest))
    dark = 0.55 * shown.max()
    for i, row in enumerate(texts):
        for j, text in enumerate(row):
            colour = "white" if shown[i, j] > dark else "#303030"
            axes.text(j, i, text, ha="center", va="center", fontsize=size, color=colour)
