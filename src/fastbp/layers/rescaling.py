"""Floor 2. Rescaling and Normalization: each column times a factor, plus a shift.

Directly behind an `Input` that has no scale of its own they are part of the gather of a batch, which converts the data
anyway; elsewhere they are an op.
"""

from math import prod
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike

from fastbp import initializers
from fastbp.layers.base import Layer, Options
from fastbp.layers.variable import Variable

LEAST_DEVIATION = 1e-7
CHUNK = 1 << 20  # elements whose mean is taken at a time


class Rescaling(Layer):
    """scale · x + offset.

    Parameters
    ----------
    scale, offset : float or array_like
        Numbers, or arrays that broadcast to the shape of a row.
    **options
        As for every layer: name, dtype, input_shape, trainable.

    Raises
    ------
    TypeError, ValueError
        If these are not finite numbers, or do not fit the rows.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> model = fb.Sequential([fb.layers.Rescaling(1 / 127.5, offset=-1, input_shape=(3,))])
    >>> model.predict(np.array([[0, 51, 255]], np.uint8)).round(3)
    array([[-1. , -0.6,  1. ]], dtype=float32)
    """

    def __init__(self, scale: ArrayLike, offset: ArrayLike = 0.0, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self.scale, self.offset = as_finite("scale", scale), as_finite("offset", offset)

    def compute_output_shape(self, *input_shapes: Any) -> tuple[int, ...]:
        """The shape that comes in."""
        (shape,) = input_shapes
        for name, values in (("scale", self.scale), ("offset", self.offset)):
            spread(name, values, shape)
        return tuple(shape)

    def record(self, tape: Any, *inputs: Any) -> Any:
        """Write the product and the sum, with constants."""
        (shape,) = self.input_shapes
        scale, offset = (
            constant(name, spread(name, values, shape))
            for name, values in (("scale", self.scale), ("offset", self.offset))
        )
        return tape.rescale(inputs[0], tape.parameter(scale), tape.parameter(offset))

    def get_config(self) -> dict[str, Any]:
        """The layer's options, as its constructor takes them."""
        return {**super().get_config(), "scale": self.scale.tolist(), "offset": self.offset.tolist()}


class Normalization(Layer):
    """(x - mean) / max(√variance, 1e-7), for each place of the last axis, so that data have mean 0 and variance 1.

    What it computes with are weights that training does not change, `scale` = 1 / max(√variance, 1e-7) and `shift` =
    -mean · scale; so they are saved with the model, and `adapt` works at any time.

    Parameters
    ----------
    axis : {-1, None}
        Mean and variance of each place of the last axis, the columns of a table; or one of all elements.
    mean, variance : float or array_like, optional
        Both, unless `adapt` is to find them.
    **options
        As for every layer: name, dtype, input_shape, trainable.

    Raises
    ------
    TypeError, ValueError
        If there is a mean without a variance, one of them is not finite or the variance negative, or they do not fit
        the rows.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> x = np.array([[1.0, 200.0], [3.0, 600.0]])
    >>> normalize = fb.layers.Normalization()
    >>> normalize.adapt(x)
    >>> fb.Sequential([fb.Input((2,)), normalize]).predict(x)
    array([[-1., -1.],
           [ 1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        axis: int | None = -1,
        mean: ArrayLike | None = None,
        variance: ArrayLike | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        if axis not in (-1, None):
            raise ValueError(f"expected axis as -1 or None, got {axis!r}")
        if (mean is None) != (variance is None):
            raise ValueError(f"expected mean and variance, or neither, got mean={mean!r} and variance={variance!r}")
        self.axis = axis
        self.mean = None if mean is None else as_finite("mean", mean)
        self.variance = None if variance is None else as_finite("variance", variance)
        if self.variance is not None and (self.variance < 0).any():
            raise ValueError(f"expected variance of at least 0, got {self.variance.min():g}")

    def adapt(self, data: ArrayLike) -> None:
        """Take mean and variance of data, in float64; what was known before is forgotten.

        Parameters
        ----------
        data : array_like, shape (rows, ...)
            Real numbers of any type; memory-mapped arrays are read in parts.

        Raises
        ------
        TypeError, ValueError
            If they are not real and finite, there is no row, or rows have another shape than the layer's.
        """
        array = np.asarray(data)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"expected data of real numbers, got dtype {array.dtype}")
        if array.ndim < 2 or not array.size:
            raise ValueError(f"expected data with shape (rows, ...) and at least one row, got {array.shape}")
        if self.built and prod(array.shape[1:]) != prod(self.input_shapes[0]):
            raise ValueError(f"expected data with rows of shape {self.input_shapes[0]} for {self!r}, got {array.shape}")
        shape = self.input_shapes[0] if self.built else array.shape[1:]
        with np.errstate(invalid="ignore", over="ignore"):
            mean, variance = moments(array.reshape(len(array), -1), 1 if self.axis is None else shape[-1])
        if not (np.isfinite(mean).all() and np.isfinite(variance).all()):
            column = int(np.argmin(np.isfinite(mean) & np.isfinite(variance)))
            raise ValueError(f"expected finite data, got NaN or infinity in column {column}")
        self.mean, self.variance = mean, variance
        if self.built:
            for variable, values in zip(self.weights, self._values(shape), strict=True):
                variable.initializer = initializers.Constant(values)
                if variable.value is not None:
                    variable.value[...] = values

    def _values(self, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Scale and shift of each element of a row."""
        if self.mean is None or self.variance is None:
            return np.ones(prod(shape)), np.zeros(prod(shape))
        mean, variance = spread("mean", self.mean, shape), spread("variance", self.variance, shape)
        scale = 1 / np.maximum(np.sqrt(variance), LEAST_DEVIATION)
        return scale, -mean * scale

    def variables(self, *input_shapes: Any) -> list[Variable]:
        """Scale and shift, which are not learned."""
        (shape,) = input_shapes
        return [
            self.new_weight(name, (prod(shape),), initializers.Constant(values), learned=False)
            for name, values in zip(("scale", "shift"), self._values(shape), strict=True)
        ]

    def record(self, tape: Any, *inputs: Any) -> Any:
        """Write the product and the sum."""
        return tape.rescale(inputs[0], *(tape.parameter(variable) for variable in self.weights))

    def get_config(self) -> dict[str, Any]:
        """The layer's options, as its constructor takes them."""
        known = {"mean": self.mean, "variance": self.variance}
        values = {name: None if array is None else array.tolist() for name, array in known.items()}
        return {**super().get_config(), "axis": self.axis, **values}


def as_finite(name: str, given: ArrayLike) -> np.ndarray:
    """The value as an array of finite float64."""
    array = np.asarray(given)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"expected {name} as numbers, got {given!r}")
    if not np.isfinite(array).all():
        raise ValueError(f"expected {name} as finite numbers, got {given!r}")
    return array.astype(np.float64)


def spread(name: str, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The values of each element of a row of this shape, in C order."""
    try:
        return np.broadcast_to(values, shape).reshape(-1)
    except ValueError:
        raise ValueError(f"expected {name} that fits rows of shape {shape}, got shape {values.shape}") from None


def constant(name: str, values: np.ndarray) -> Variable:
    """A variable that is no weight of any model: it has what its initializer says."""
    return Variable(name, name, values.shape, initializers.Constant(values), learned=False)


def moments(rows: np.ndarray, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each channel, the place along the last axis, in float64.

    Parts are merged as Chan, Golub & LeVeque (1983) do.
    """
    count, mean, squares = 0, np.zeros(channels), np.zeros(channels)
    step = max(1, CHUNK // rows.shape[1])
    for first in range(0, len(rows), step):
        part = rows[first : first + step].astype(np.float64).reshape(-1, channels)
        center = part.mean(axis=0)
        off, total = center - mean, count + len(part)
        squares += ((part - center) ** 2).sum(axis=0) + off**2 * (count * len(part) / total)
        mean += off * (len(part) / total)
        count = total
    return mean, squares / count
