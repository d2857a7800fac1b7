"""Floor 2. Small tools: names to objects, checks of options, one-hot labels, seeds."""

import ctypes
import difflib
import math
import operator
import os
import random as python_random
import reprlib
import weakref
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from fastbp import config, registry
from fastbp import random as fastbp_random
from fastbp.registry import register

__all__ = ["register", "set_random_seed", "to_categorical"]

T = TypeVar("T")


# Other names of what tables have, as other libraries call it: the first of these that is in the table is meant.
SYNONYMS = {
    "swish": ("silu",),
    "hard_silu": ("hard_swish",),
    "logsigmoid": ("log_sigmoid",),
    "amsgrad": ("adam",),
    "nesterov": ("momentum", "sgd"),
    "momentum": ("sgd",),
    "mse": ("mean_squared_error",),
    "mae": ("mean_absolute_error",),
    "pinball": ("quantile",),
    "smooth_l1": ("huber",),
    "logcosh": ("log_cosh",),
    "bce": ("binary_cross_entropy",),
    "binary_crossentropy": ("binary_cross_entropy",),
    "categorical_crossentropy": ("categorical_cross_entropy",),
    "sparse_categorical_crossentropy": ("categorical_cross_entropy",),
    "crossentropy": ("softmax_cross_entropy",),
    "cross_entropy": ("softmax_cross_entropy", "crossentropy"),
    "linear": ("dense",),
    "nll": ("gaussian_nll",),
}


def suggestion(table: Collection[str], name: str) -> str:
    """The name in the table that was probably meant, as the end of a message; nothing if none is near."""
    meant = [known for known in SYNONYMS.get(name.lower(), ()) if known in table]
    near = meant or difflib.get_close_matches(name.lower(), table, n=1, cutoff=0.6)
    return f": did you mean {near[0]!r}?" if near else ""


def lookup(kind: str, table: Mapping[str, T], name: object) -> T:
    """The table's entry of that name; a ValueError names the nearest one if there is none."""
    if not isinstance(name, str):
        raise TypeError(f"expected {kind} as a name, got {described(name)}")
    if name in table:
        return table[name]
    raise ValueError(f"unknown {kind} {name!r}{suggestion(table, name)} (known: {', '.join(table)})")


def resolve(kind: str, base: type, table: Mapping[str, Any], given: object, key: str = "name") -> Any:
    """The object itself, what a configuration describes, or the entry of that name in the table or the registry."""
    if isinstance(given, base):
        return given
    if isinstance(given, dict):
        return registry.make(_find(kind, base, table, given.get(key)), given)
    if isinstance(given, str):
        return _find(kind, base, table, given)
    hint = f"; write {given.__name__}()" if isinstance(given, type) else ""
    raise TypeError(f"expected {kind} as a name or of type {base.__name__}, got {given!r}{hint}")


def _find(kind: str, base: type, table: Mapping[str, Any], name: object) -> Any:
    own = registry.own(name)
    known = name in table or not (isinstance(own, type) and issubclass(own, base))
    return lookup(kind, table, str(name)) if known else own


def described(value: object) -> str:
    """What a message says that it got: the value, or of an array its dtype and shape."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"{'masked ' * isinstance(value, np.ma.MaskedArray)}{value.dtype} {value.shape}"
    return reprlib.repr(value)


def as_number(name: str, value: object) -> float:
    """A float of anything that is one number; TypeError for all else: flags, text, arrays with axes."""
    if type(value) is float:
        return value
    if not isinstance(value, (bool, np.bool_, str, bytes)) and not getattr(value, "shape", ()):
        try:
            return float(value)  # type: ignore[arg-type]
        except OverflowError:  # of a whole number
            return math.inf
        except (TypeError, ValueError):
            pass
    raise TypeError(f"expected {name} as a number, got {described(value)}")


def check_number(
    name: str,
    value: object,
    low: float = -math.inf,
    high: float = math.inf,
    ends: str = "[]",
    dtype: np.dtype[Any] | None = None,
) -> float:
    """A finite float between low and high, whose `ends` are counted in or not: "[]", "[)", "(]", "()".

    With a dtype that holds also for what it is rounded to in that type. TypeError for what is no number.
    """
    if dtype is None and type(value) is float and (low < value < high or (value == low == 0 and ends[0] == "[")):
        return value  # as it mostly is
    number = as_number(name, value)
    fits = _lies_in(number, low, high, ends)
    if fits and (dtype is None or dtype.itemsize > 4 or _lies_in(ctypes.c_float(number).value, low, high, ends)):
        return number
    where = f"{ends[0]}{low:g}, {high:g}{ends[1]}{f' in {dtype}' if fits else ''}"
    raise ValueError(f"expected {name} as a finite number in {where}, got {described(value)}")


def _lies_in(number: float, low: float, high: float, ends: str) -> bool:
    above = low < number or (number == low and ends[0] == "[")
    return above and (number < high or (number == high and ends[1] == "]")) and math.isfinite(number)


def check_count(name: str, value: object, minimum: int, maximum: int | None = None) -> int:
    """A whole number from `minimum` to `maximum`; ValueError otherwise, TypeError for what is no whole number."""
    try:
        count = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        count = None
    if count is None or isinstance(value, bool):
        raise TypeError(f"expected {name} as a whole number, got {described(value)}")
    if count < minimum or (maximum is not None and count > maximum):
        bits = maximum.bit_length() if maximum else 0
        most = f"2**{bits} - 1" if bits > 31 else maximum
        where = f"of at least {minimum}" if maximum is None else f"from {minimum} to {most}"
        raise ValueError(f"expected {name} as a whole number {where}, got {described(count)}")
    return count


def check_axis(name: str, axes: int, axis: object) -> int:
    """An axis of the array `name`, counted from the front."""
    if not axes:
        raise ValueError(f"expected {name} with at least one axis, got a scalar")
    return check_count("axis", axis, -axes, axes - 1) % axes


def check_flag(name: str, value: object) -> bool:
    """True or False; TypeError otherwise."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise TypeError(f"expected {name} as True or False, got {described(value)}")


def check_writable(path: str | os.PathLike[str]) -> None:
    """An OSError now where writing a file would raise one later: for what computes for long before it writes."""
    file = Path(path)
    if file.is_dir():
        raise IsADirectoryError(f"{file}: expected a file to write, got a folder")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"{file}: expected an existing folder, but {file.parent} is none")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise PermissionError(f"{file}: expected a place to write to, permission denied")


def check_suffix(path: str | os.PathLike[str]) -> None:
    """ValueError if a file of weights would have the name of what it is not."""
    suffix = Path(path).suffix.lower()
    if suffix in (".h5", ".hdf5", ".keras"):
        raise ValueError(f"expected a path that ends in .safetensors, which the file will be, got {path}")


def to_categorical(x: object, num_classes: int | None = None) -> np.ndarray:
    """One-hot rows of class indices.

    Parameters
    ----------
    x : array_like of whole numbers, shape (...) or (..., 1)
        Class indices from 0.
    num_classes : int, optional
        Number of columns; the largest index plus one unless given.

    Returns
    -------
    ndarray, shape (..., num_classes)
        Of the default real type, see `fastbp.config.floatx`.

    Raises
    ------
    ValueError
        If an index is negative, not whole, or not below `num_classes`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.utils.to_categorical([0, 2, 1])
    array([[1., 0., 0.],
           [0., 0., 1.],
           [0., 1., 0.]], dtype=float32)
    """
    labels = np.asarray(x)
    if labels.dtype.kind not in "iufb":
        raise TypeError(f"expected x of whole numbers, got dtype {labels.dtype}")
    if labels.dtype.kind == "f" and not (labels == np.floor(labels)).all():
        raise ValueError("expected x of whole numbers, got fractions or NaN")
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if num_classes is None:
        if not labels.size:
            raise ValueError(f"expected x with at least one label or num_classes, got shape {labels.shape}")
        num_classes = int(labels.max()) + 1
    classes = check_count("num_classes", num_classes, 1)
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise ValueError(f"expected labels from 0 to {classes - 1}, got {wrong}")
    one_hot = np.zeros((labels.size, classes), config.floatx())
    one_hot[np.arange(labels.size), labels.ravel().astype(np.intp)] = 1
    return one_hot.reshape(*labels.shape, classes)


def set_random_seed(seed: int) -> None:
    """Seed everything random: Python's `random`, NumPy's global state, and fastbp's generator.

    Parameters
    ----------
    seed : int
        From 0 to 2**32 - 1.

    Examples
    --------
    >>> import fastbp as fb
    >>> def first_weight():
    ...     fb.utils.set_random_seed(7)
    ...     return float(fb.Sequential([fb.Dense(3, input_shape=(2,))]).get_weights()[0][0, 0])
    >>> first_weight() == first_weight()
    True
    """
    value = check_count("seed", seed, 0, 2**32 - 1)
    python_random.seed(value)
    np.random.seed(value)
    fastbp_random.seed(value)


_with_locks: weakref.WeakSet[Any] = weakref.WeakSet()


def renew_after_fork(owner: Any) -> None:
    """Have `owner.renew_locks()` called in forked children: a lock that a thread held at the fork stays shut there."""
    _with_locks.add(owner)


def _renew_all() -> None:
    for owner in list(_with_locks):
        owner.renew_locks()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
