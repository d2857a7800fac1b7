"""Floor 4. Filters: the weights of each unit of a layer, in the shape of what they are weights of."""

from __future__ import annotations

from math import ceil, isqrt, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from fastbp.plots.figure import new_figure, saved
from fastbp.utils import check_count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fastbp.plots.figure import FilePath


def weights(
    model: Any, shape: tuple[int, int] | None = None, layer: int = 0, count: int = 25, path: FilePath | None = None
) -> Figure:
    """Draw the weights of a layer's units as images, all on one scale around zero.

    Parameters
    ----------
    model : Model
        Built.
    shape : (rows, columns), optional
        Of an image. Unless given, that of the model's input if it has two axes and as many numbers, else a square if
        there is one, else a single row.
    layer : int
        Which of the layers that have a kernel; from 0.
    count : int
        How many units, from the first on.
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
        If there is no such layer, or `shape` has not as many elements as the layer has inputs.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Sequential([fb.Input((64,)), fb.Dense(10, name="hidden")])
    >>> weights(model, count=4).axes[0].get_title()
    'hidden: 4 of 10 units, each 8 x 8 weights'
    """
    kernels = [variable for variable in model.weights if variable.name == "kernel" and len(variable.shape) == 2]
    if not kernels:
        raise ValueError("expected a model with a layer that has a kernel and weights, got none")
    chosen = kernels[check_count("layer", layer, 0, len(kernels) - 1)]
    fan_in, units = chosen.shape
    rows, columns = _image_shape(model, fan_in) if shape is None else _checked(shape, fan_in)
    drawn = min(check_count("count", count, 1), units)
    images = chosen.numpy().T[:drawn].reshape(drawn, rows, columns)

    mosaic = _tiled(images)
    scale = float(np.abs(images[np.isfinite(images)]).max(initial=0)) or 1.0
    height, width = mosaic.shape
    inches = 6.0 / max(height, width)
    figure = new_figure(width=max(4.2, inches * width) + 1.2, height=max(1.4, inches * height) + 0.6)
    axes = figure.subplots()
    image = axes.imshow(mosaic, cmap="RdBu_r", vmin=-scale, vmax=scale, interpolation="nearest")
    axes.set_axis_off()
    name = chosen.path.rpartition("/")[0]
    title = f"{name}: {drawn} of {units} units, each {rows} x {columns} weights"
    axes.set_title(title, fontsize=10.5, parse_math=False)
    figure.colorbar(image, ax=axes, shrink=0.8, label="weight")
    return saved(figure, path)


def _image_shape(model: Any, fan_in: int) -> tuple[int, int]:
    """The shape that suits so many numbers best."""
    shape = model.input_shape
    if isinstance(shape, tuple) and len(shape) == 2 and prod(shape) == fan_in:
        return shape[0], shape[1]
    side = isqrt(fan_in)
    return (side, side) if side * side == fan_in else (1, fan_in)


def _checked(shape: Any, fan_in: int) -> tuple[int, int]:
    """The shape, if it has two axes and as many elements."""
    if not isinstance(shape, (tuple, list)) or len(shape) != 2:
        raise ValueError(f"expected shape as (rows, columns), got {shape!r}")
    rows, columns = (check_count("shape", size, 1) for size in shape)
    if rows * columns != fan_in:
        raise ValueError(f"expected shape of {fan_in} elements, as many as the layer has inputs, got {shape}")
    return rows, columns


def _tiled(images: np.ndarray) -> np.ndarray:
    """All images in one, side by side and below one another, with gaps of NaN."""
    count, rows, columns = images.shape
    gap = max(1, min(rows, columns) // 8)
    across = min(count, max(1, round((count * (rows + gap) / (columns + gap)) ** 0.5)))
    mosaic = np.full((ceil(count / across) * (rows + gap) - gap, across * (columns + gap) - gap), np.nan)
    for k, image in enumerate(images):
        top, left = k // across * (rows + gap), k % across * (columns + gap)
        mosaic[top : top + rows, left : left + columns] = image
    return mosaic
