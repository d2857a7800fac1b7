"""Floor 2. Initializers: the first values of weights.

Each draws in float64 and is cast afterwards, so float32 and float64 models start from the same numbers. Scaled ones
follow Glorot & Bengio (2010), He et al. (2015) and LeCun et al. (1998), with Keras's truncation at two deviations.
"""

import math
from typing import Any

import numpy as np

from fastbp.registry import Configured, class_name
from fastbp.utils import check_count, check_number, resolve

# Standard deviation of the unit normal cut off at -2 and 2
TRUNCATED_DEVIATION = 0.87962566103423978


class Initializer(Configured):
    """Base: draws from the model's generator, or always the same numbers if it has a seed of its own.

    Parameters
    ----------
    seed : int, optional
        Makes every call return the same values.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = None if seed is None else check_count("seed", seed, 0)

    def __call__(self, shape: tuple[int, ...], dtype: np.dtype, rng: np.random.Generator) -> np.ndarray:
        """Values of this shape and dtype."""
        own = rng if self.seed is None else np.random.default_rng(self.seed)
        return np.asarray(self.draw(shape, own)).astype(dtype)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """float64 values; what a subclass defines."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Name and options, as `get` takes them."""
        return {"name": _NAMES.get(type(self)) or class_name(type(self)), **vars(self)}


class Zeros(Initializer):
    """All zero."""

    def __init__(self) -> None:
        pass

    def __call__(self, shape: tuple[int, ...], dtype: np.dtype, rng: np.random.Generator) -> np.ndarray:
        """Zeros of this shape and dtype."""
        return np.zeros(shape, dtype)


class Constant(Initializer):
    """One value everywhere, or an array of the weights' own shape.

    Parameters
    ----------
    value : float or array_like

    Examples
    --------
    >>> import fastbp as fb
    >>> layer = fb.Dense(2, kernel_initializer=fb.initializers.Constant([[0.1, 0.2]]), input_shape=(1,))
    >>> fb.Sequential([layer]).get_weights()[0]
    array([[0.1, 0.2]], dtype=float32)
    """

    def __init__(self, value: Any) -> None:
        array = np.asarray(value)
        if array.dtype.kind not in "iufb":
            raise ValueError(f"expected value as a number or an array of numbers, got {value!r}")
        self.value = array.astype(np.float64).tolist()

    def __call__(self, shape: tuple[int, ...], dtype: np.dtype, rng: np.random.Generator) -> np.ndarray:
        """The value, in this shape and dtype."""
        value = np.asarray(self.value)
        if value.ndim and value.shape != shape:
            raise ValueError(f"expected constant value with shape {shape}, got {value.shape}")
        return np.full(shape, value, dtype)


class Ones(Constant):
    """All one."""

    def __init__(self) -> None:
        super().__init__(1.0)

    def get_config(self) -> dict[str, Any]:
        """Only the name: the value is not an option."""
        return {"name": "ones"}


class RandomNormal(Initializer):
    """Independent normal values, not truncated.

    Parameters
    ----------
    mean, stddev : float
    seed : int, optional
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean = check_number("mean", mean)
        self.stddev = check_number("stddev", stddev, 0)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Normal values of that mean and deviation."""
        return rng.normal(self.mean, self.stddev, shape)


class RandomUniform(Initializer):
    """Independent values, all as likely.

    Parameters
    ----------
    minval, maxval : float
    seed : int, optional
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.minval = check_number("minval", minval)
        self.maxval = check_number("maxval", maxval, self.minval)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Uniform values in that interval."""
        return rng.uniform(self.minval, self.maxval, shape)


class _Scaled(Initializer):
    """Variance scale / fan, where the fan is that of the inputs or the mean of both sides."""

    scale = 1.0
    average = False
    uniform = True

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Uniform or truncated normal values of that variance."""
        fan_in, fan_out = (shape[0], shape[-1]) if shape else (1, 1)
        fan = max(1.0, (fan_in + fan_out) / 2 if self.average else fan_in)
        if self.uniform:
            limit = math.sqrt(3 * self.scale / fan)
            return rng.uniform(-limit, limit, shape)
        return truncated_normal(shape, rng) * (math.sqrt(self.scale / fan) / TRUNCATED_DEVIATION)


class GlorotUniform(_Scaled):
    """Uniform in ±sqrt(6 / (fan_in + fan_out)): keeps variances through tanh and sigmoid layers."""

    average = True


class GlorotNormal(_Scaled):
    """Truncated normal, variance 2 / (fan_in + fan_out)."""

    average, uniform = True, False


class HeUniform(_Scaled):
    """Uniform in ±sqrt(6 / fan_in): keeps variances through ReLU layers."""

    scale = 2.0


class HeNormal(_Scaled):
    """Truncated normal, variance 2 / fan_in."""

    scale, uniform = 2.0, False


class LecunUniform(_Scaled):
    """Uniform in ±sqrt(3 / fan_in)."""


class LecunNormal(_Scaled):
    """Truncated normal, variance 1 / fan_in."""

    uniform = False


INITIALIZERS: dict[str, type[Initializer]] = {
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
    "normal": RandomNormal,
    "random_normal": RandomNormal,
    "uniform": RandomUniform,
    "random_uniform": RandomUniform,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
}
_NAMES = {cls: name for name, cls in INITIALIZERS.items()}


def truncated_normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Unit normal values, those beyond two deviations drawn again."""
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.standard_normal(np.count_nonzero(outside))
    return values


def get(given: str | Initializer | dict[str, Any]) -> Initializer:
    """Initializer of a name, an object or a configuration.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.initializers.get("he_normal").get_config()
    {'name': 'he_normal', 'seed': None}
    >>> fb.initializers.get({"name": "constant", "value": 0.5}).value
    0.5
    """
    found: Initializer | type[Initializer] = resolve("initializer", Initializer, INITIALIZERS, given)
    if found is Constant:
        raise ValueError("expected a value for the constant initializer: write initializers.Constant(value)")
    return found() if isinstance(found, type) else found
