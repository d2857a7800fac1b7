"""Floor 3. Layers and losses that a user wrote in NumPy: their methods as functions of a batch's buffers.

Each function takes the rows of the batch, shows the buffers to the method as arrays of these rows, without copying, and
writes what it returns to the buffers of the outputs. An exception in it ends the run; see `_core/_python.pyx`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .tape import Op

__all__ = ["Function", "backward", "check_defines", "forward", "gradient", "value"]

Arrays = Sequence[np.ndarray]
Function = Callable[[int], None]


def check_defines(author: Any, base: type, method: str) -> None:
    """Raise TypeError unless a layer or a loss has a method of its own, not that of the base class."""
    if getattr(type(author), method) is getattr(base, method):
        raise TypeError(f"expected {type(author).__name__} to define {method}, got none")


def shown(array: np.ndarray, rows: int, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """The first rows of a buffer, each in a shape of its own, to be read."""
    view = array[:rows] if shape is None else array[:rows].reshape(rows, *shape)
    view.flags.writeable = False
    return view


def checked(what: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """What a method returned, as an array of reals of this shape."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"expected {what} of real numbers, got dtype {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"expected {what} with shape {shape}, got {array.shape}")
    return array


def forward(op: Op, inputs: Arrays, outputs: Arrays) -> Function:
    """y = layer.forward(*x)."""
    layer, (out,) = op.attrs["layer"], outputs
    shapes, shape, what = layer.input_shapes, layer.output_shape, f"{type(layer).__name__}.forward to return y"

    def run(rows: int) -> None:
        x = [shown(array, rows, each) for array, each in zip(inputs, shapes, strict=False)]
        out[:rows] = checked(what, layer.forward(*x), (rows, *shape)).reshape(rows, -1)

    return run


def backward(op: Op, inputs: Arrays, outputs: Arrays) -> Function:
    """The gradients of what came in, and of the weights, from layer.backward(dy, *x, y)."""
    layer, places = op.attrs["layer"], op.attrs["places"]
    shapes = [layer.output_shape, *layer.input_shapes, layer.output_shape]
    weights = [variable for variable in layer.weights if variable.learned]
    what = f"{type(layer).__name__}.backward to return"
    expected = len(layer.input_shapes) + len(weights)

    def run(rows: int) -> None:
        saved = [shown(array, rows, shape) for array, shape in zip(inputs, shapes, strict=False)]
        found = layer.backward(*saved)
        gradients = found if isinstance(found, tuple) else (found,)
        if len(gradients) != expected:
            wanted = f"{expected} gradients, of what came in and of the weights"
            raise ValueError(f"expected {what} {wanted}, got {len(gradients)}")
        given = [(rows, *shape) for shape in layer.input_shapes] + [variable.shape for variable in weights]
        names = ["dx"] * len(layer.input_shapes) + [f"that of {variable.name}" for variable in weights]
        met: set[int] = set()
        for name, gradient, shape, place in zip(names, gradients, given, places, strict=True):
            array = checked(f"{what} {name}", gradient, shape)
            if place is None:
                continue
            out = outputs[place][:rows] if name == "dx" else outputs[place]
            array = array.reshape(out.shape)
            out[...] = out + array if place in met else array
            met.add(place)

    return run


def value(op: Op, inputs: Arrays, outputs: Arrays) -> Function:
    """loss.value(prediction, target), times the weights of the rows."""
    loss, shape, (out,) = op.attrs["loss"], op.attrs["shape"], outputs
    what = f"{type(loss).__name__}.value to return one number for each row,"

    def run(rows: int) -> None:
        prediction, target, *weight = shown_pair(inputs, rows, shape)
        value = checked(what, loss.value(prediction, target), (rows,))
        out[:rows] = value * weight[0][:, 0] if weight else value

    return run


def gradient(op: Op, inputs: Arrays, outputs: Arrays) -> Function:
    """loss.gradient(prediction, target), times the weights of the rows and the loss's factor; of the mean over rows."""
    loss, shape, factor, (out,) = op.attrs["loss"], op.attrs["shape"], op.attrs["factor"], outputs
    what = f"{type(loss).__name__}.gradient to return the gradient"

    def run(rows: int) -> None:
        prediction, target, *weight = shown_pair(inputs, rows, shape)
        gradient = checked(what, loss.gradient(prediction, target), (rows, *shape)).reshape(rows, -1)
        np.multiply(gradient, factor / rows * (weight[0] if weight else 1), out=out[:rows], casting="same_kind")

    return run


def shown_pair(inputs: Arrays, rows: int, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Predictions, targets (class indices, or like predictions) and weights, if there are any."""
    prediction, target, *weight = inputs
    of_target = shape if target.ndim == 2 else None
    return [shown(prediction, rows, shape), shown(target, rows, of_target), *(shown(each, rows) for each in weight)]
