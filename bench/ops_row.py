"""What a function of fastbp.ops is timed with: the sizes, the arrays, and a row of the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

DTYPE = "float32"
SIZES = [(32, 128), (256, 1024), (4096, 4096)]


class Draw:
    """Arrays for one size; the same numbers every time."""

    def __init__(self, rows: int, columns: int):
        self.rows, self.columns, self.rng = rows, columns, np.random.default_rng(0)

    def normal(self, *shape: int) -> np.ndarray:
        return self._repeated(self.rng.normal, shape or (self.rows, self.columns))

    def uniform(self) -> np.ndarray:
        """Between 0 and 1."""
        return self._repeated(self.rng.uniform, (self.rows, self.columns))

    def _repeated(self, draw: Callable[..., np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
        """Random numbers; a large array repeats those of a smaller one, which takes less time to make."""
        block = [min(n, 1024) for n in shape]
        return np.tile(draw(size=block).astype(DTYPE), [-(-n // part) for n, part in zip(shape, block, strict=True)])[
            tuple(slice(n) for n in shape)
        ]

    def probabilities(self) -> np.ndarray:
        """Rows that sum to 1."""
        x = self.uniform()
        return x / x.sum(axis=1, keepdims=True)

    def empty(self, *shape: int) -> np.ndarray:
        return np.empty(shape or (self.rows, self.columns), DTYPE)

    def labels(self, count: int) -> np.ndarray:
        """A number below `count` for each row."""
        return self.rng.integers(0, count, self.rows)


@dataclass(frozen=True)
class Row:
    """A function: what it is called with, after nothing (ours) or scratch space (NumPy's)."""

    arguments: Callable[[Draw], tuple[Any, ...]]
    moves: int = 0  # matrices read and written, where that is what takes the time (no exponentials, no random numbers)
    changes: tuple[int, ...] = ()  # arguments changed in place, compared like results
    options: Callable[[Draw], dict[str, Any]] = lambda d: {}  # arguments by name
    out: Callable[[Draw], Any] | None = None  # what ours is given where NumPy's form has scratch space
    compared: bool = True  # not if each side draws random numbers of its own
