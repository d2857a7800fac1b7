"""Floor 2. Random state: one global generator, and streams that follow from it."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_global = np.random.default_rng()


def seed(value: int) -> None:
    """Start the global generator, and every stream after it, anew."""
    global _global
    _global = np.random.default_rng(value)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Whatever is drawn inside, the global generator goes on as if nothing had been."""
    state = _global.bit_generator.state
    try:
        yield
    finally:
        _global.bit_generator.state = state


class Stream:
    """The generator of one model.

    It takes a single number from the global generator, so models that train in two threads at once draw the same
    numbers as when they train in turn; and it starts anew when the global one was seeded.
    """

    def __init__(self) -> None:
        self._source: np.random.Generator | None = None
        self._own = _global

    def generator(self) -> np.random.Generator:
        """The generator to draw from now."""
        if self._source is not _global:
            self._source = _global
            self._own = np.random.default_rng(int(_global.integers(2**63)))
        return self._own

    @property
    def state(self) -> dict[str, Any]:
        """What the generator to draw from now holds, as plain data; asking changes nothing.

        Raises
        ------
        ValueError
            When it is set to what is no such state.
        """
        if self._source is _global:
            return dict(self._own.bit_generator.state)
        return dict(np.random.default_rng(int(copy.deepcopy(_global).integers(2**63))).bit_generator.state)

    @state.setter
    def state(self, value: dict[str, Any]) -> None:
        generator = np.random.Generator(np.random.PCG64(0))
        try:
            generator.bit_generator.state = value
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            raise ValueError(f"expected the state of a PCG64 generator, got {value!r}") from error
        self._source, self._own = _global, generator
