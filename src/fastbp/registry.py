"""Floor 2. The registry: objects as plain data and back, by the names of their classes.

Data name a class as a user would find it, "layers.Dense", or by the name under which the user has registered it.
Nothing else can be named, so reading data calls constructors that were meant to be called, and nothing more.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any, Self, TypeVar

import numpy as np

T = TypeVar("T")

# Modules of fastbp whose public classes data may name
MODULES = ("constraints", "initializers", "layers", "losses", "metrics", "models", "optimizers", "regularizers")

_registered: dict[str, Any] = {}
_custom: ContextVar[Mapping[str, Any]] = ContextVar("custom", default={})  # noqa: B039 - never changed
_used: ContextVar[dict[str, Any] | None] = ContextVar("used", default=None)


class Configured:
    """Base of all that can be described by its options.

    A subclass defines `get_config`, which returns what its constructor takes, and may name the class itself under the
    keys "name" and "kind".
    """

    def get_config(self) -> dict[str, Any]:
        """The options, as the constructor takes them."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The object that `get_config` describes."""
        takes = inspect.signature(cls).parameters
        return cls(**{key: decode(value) for key, value in config.items() if key in takes or key not in NOT_OPTIONS})


NOT_OPTIONS = ("name", "kind")  # unless a constructor takes them


def register(name: str) -> Callable[[T], T]:
    """A decorator that gives a class or function of your own a name, by which checkpoints can speak of it.

    Parameters
    ----------
    name : str
        A class that is registered later under the same name takes its place.

    Raises
    ------
    ValueError
        If the name is empty or one of fastbp's own, such as "layers.Dense".

    Examples
    --------
    >>> import fastbp as fb
    >>> @fb.utils.register("mine.Halves")
    ... class Halves(fb.initializers.Initializer):
    ...     def draw(self, shape, rng):
    ...         return 0.5
    >>> fb.Dense(3, kernel_initializer=Halves()).get_config()["kernel_initializer"]
    {'name': 'mine.Halves', 'seed': None}
    >>> fb.initializers.get("mine.Halves") is Halves
    False
    """
    if not isinstance(name, str) or not name or name.startswith(tuple(f"{module}." for module in MODULES)):
        raise ValueError(f"expected a name that is none of fastbp's own, such as 'mine.Scale', got {name!r}")

    def decorate(thing: T) -> T:
        if not callable(thing):
            raise TypeError(f"expected a class or a function to register, got {thing!r}")
        _registered[name] = thing
        return thing

    return decorate


@contextmanager
def known(custom: Mapping[str, Any] | None) -> Iterator[None]:
    """Inside, these names stand for these classes, whether or not they are registered."""
    token = _custom.set({**_custom.get(), **(custom or {})})
    try:
        yield
    finally:
        _custom.reset(token)


@contextmanager
def used() -> Iterator[dict[str, Any]]:
    """The user's own classes that are named inside, by name."""
    names: dict[str, Any] = {}
    token = _used.set(names)
    try:
        yield names
    finally:
        _used.reset(token)


def own(name: object) -> Any:
    """The user's own class or function of that name; None if there is none."""
    return _custom.get().get(name) or _registered.get(name) if isinstance(name, str) else None


def name_of(thing: Any) -> str:
    """What data call a class or a function of the user's own: its registered name, else the one it has."""
    given = {**_registered, **_custom.get()}
    name = next((name for name, found in given.items() if found is thing), getattr(thing, "__name__", "<lambda>"))
    if name == "<lambda>":
        raise TypeError(f"expected a function with a name to be saved, got {thing!r}: see fastbp.utils.register")
    names = _used.get()
    if names is not None:
        names[name] = thing
    return name


def class_name(cls: type) -> str:
    """What data call a class."""
    _, _, rest = cls.__module__.partition("fastbp.")
    public = f"{rest.partition('.')[0]}.{cls.__name__}"
    for name in (public, f"models.{cls.__name__}"):
        if public_class(name) is cls:
            return name
    return name_of(cls)


def public_class(name: str) -> Any:
    """The class that one of the modules has under this name; None if there is none."""
    module, _, attribute = name.partition(".")
    if module not in MODULES or attribute.startswith("_"):
        return None
    found = getattr(import_module(f"fastbp.{module}"), attribute, None)
    return found if hasattr(found, "get_config") and found is not Configured else None


def find(name: object, called: bool) -> Any:
    """The class that data call by this name, or, if it is not to be called, the user's own class or function.

    Raises
    ------
    ValueError
        If there is none, or it is not registered.
    """
    found = own(name)
    if called:
        found = (isinstance(name, str) and public_class(name)) or (found if isinstance(found, type) else None)
    if not found:
        raise ValueError(
            f"unknown class {name!r}: if it is yours, register it, fastbp.utils.register({name!r})(cls), "
            f"or name it, fastbp.load(path, custom_objects={{{name!r}: cls}})"
        )
    return found


def encode(value: Any) -> Any:
    """Plain data, as JSON has them; of an object the name of its class and its options.

    Raises
    ------
    TypeError
        If there is something in it that is neither.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [encode(each) for each in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"expected options by name to be saved, got {value!r}")
        return {key: encode(each) for key, each in value.items()}
    if hasattr(value, "get_config") and not isinstance(value, type):
        return {"class": class_name(type(value)), "config": encode(whole_config(value))}
    if callable(value):
        return {"function": name_of(value)}
    raise TypeError(f"expected numbers, strings, lists, dicts or objects with get_config to be saved, got {value!r}")


def whole_config(value: Any) -> dict[str, Any]:
    """The options of an object; TypeError if they are not all that its constructor asks for."""
    config: dict[str, Any] = value.get_config()
    if not isinstance(value, Configured):
        return config
    for name, parameter in inspect.signature(type(value)).parameters.items():
        needed = parameter.default is parameter.empty and parameter.kind in (
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.KEYWORD_ONLY,
        )
        if needed and name not in config:
            raise TypeError(
                f"expected get_config of {type(value).__name__} to have {name!r}, as its constructor takes it"
            )
    return config


def decode(data: Any) -> Any:
    """What `encode` was given; objects are left as they are.

    Raises
    ------
    ValueError
        If a class is unknown, or its options are not such.
    """
    if isinstance(data, list):
        return [decode(each) for each in data]
    if not isinstance(data, dict):
        return data
    if data.keys() == {"function"}:
        return find(data["function"], called=False)
    if data.keys() != {"class", "config"}:
        return {key: decode(each) for key, each in data.items()}
    return make(find(data["class"], called=True), data["config"])


def make(cls: Any, config: Any) -> Any:
    """An object of a class from its options."""
    if not isinstance(config, dict):
        raise ValueError(f"expected the options of {cls.__name__} by name, got {config!r}")
    try:
        return cls.from_config(config) if hasattr(cls, "from_config") else cls(**decode(config))
    except TypeError as error:
        raise ValueError(f"expected options of {cls.__name__}: {error}") from error
