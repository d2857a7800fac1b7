"""Floor 2. Small tools: names to objects, checks of options, one-hot labels, seeds."""

import contextlib
import difflib
import math
import operator
import os
import random as python_random
import weakref
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from fastbp import config, registry
from fastbp import random as fastbp_random
from fastbp.registry import register

__all__ = ["register", "set_random_seed", "to_categorical"]

T = TypeVar("T")


def lookup(kind: str, table: Mapping[str, T], name: str) -> T:
    """The table's entry of that name; a ValueError names the nearest one if there is none."""
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name.lower(), table, n=1, cutoff=0.5)
    hint = f": did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"unknown {kind} {name!r}{hint} (known: {', '.join(table)})")


def resolve(kind: str, base: type, table: Mapping[str, Any], given: object, key: str = "name") -> Any:
    """The object itself, what a configuration describes, or the entry of that name in the table or the registry."""
    if isinstance(given, base):
        return given
    if isinstance(given, dict):
        return registry.make(_find(kind, base, table, given.get(key)), given)
    if isinstance(given, str):
        return _find(kind, base, table, given)
    hint = f"; write {given.__name__}()" if isinstance(given, type) else ""
    raise TypeError(f"expected {kind} as a name or a {base.__name__}, got {given!r}{hint}")


def _find(kind: str, base: type, table: Mapping[str, Any], name: object) -> Any:
    own = registry.own(name)
    known = name in table or not (isinstance(own, type) and issubclass(own, base))
    return lookup(kind, table, str(name)) if known else own


def check_number(name: str, value: object, low: float = -math.inf, high: float = math.inf, ends: str = "[]") -> float:
    """A finite float between low and high, whose `ends` are counted in or not: "[]", "[)", "(]", "()"."""
    number = math.nan
    if not isinstance(value, (bool, str, bytes)):
        with contextlib.suppress(TypeError, ValueError):
            number = float(value)  # type: ignore[arg-type]
    inside = low <= number <= high and (number != low or ends[0] == "[") and (number != high or ends[1] == "]")
    if not math.isfinite(number) or not inside:
        raise ValueError(f"expected {name} as a finite number in {ends[0]}{low:g}, {high:g}{ends[1]}, got {value!r}")
    return number


def check_count(name: str, value: object, minimum: int) -> int:
    """A whole number of at least `minimum`; ValueError otherwise."""
    try:
        count = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        count = None
    if count is None or isinstance(value, bool) or count < minimum:
        raise ValueError(f"expected {name} as a whole number of at least {minimum}, got {value!r}")
    return count


def check_flag(name: str, value: object) -> bool:
    """True or False; ValueError otherwise."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise ValueError(f"expected {name} as True or False, got {value!r}")


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
    value = check_count("seed", seed, 0)
    if value >= 2**32:
        raise ValueError(f"expected seed below 2**32, got {seed!r}")
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
