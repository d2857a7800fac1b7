"""Floor 2. Random state: one global generator, and streams that follow from it."""

from collections.abc import Iterator
from contextlib import contextmanager

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
