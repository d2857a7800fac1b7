"""Floor 2. Configuration: the real type that models get when no layer names one."""

import contextlib

import numpy as np

REAL_TYPES = (np.dtype("float32"), np.dtype("float64"))
_floatx = REAL_TYPES[0]


def floatx() -> str:
    """Name of the default real type.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.config.floatx()
    'float32'
    """
    return _floatx.name


def set_floatx(dtype: object) -> None:
    """Choose the real type of models built from now on.

    Parameters
    ----------
    dtype : str or dtype
        float32 or float64.

    Raises
    ------
    ValueError
        For any other type.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.config.set_floatx("float64")
    >>> fb.Sequential([fb.Dense(1, input_shape=(2,))]).dtype
    dtype('float64')
    >>> fb.config.set_floatx("float32")
    """
    global _floatx
    _floatx = real_type(dtype)


def real_type(dtype: object) -> np.dtype:
    """The NumPy dtype of a name, if kernels compute in it."""
    if dtype is not None:
        with contextlib.suppress(TypeError):
            found = np.dtype(dtype)  # type: ignore[call-overload]
            if found in REAL_TYPES:
                return REAL_TYPES[REAL_TYPES.index(found)]
    raise ValueError(f"expected dtype 'float32' or 'float64', got {dtype!r}")
