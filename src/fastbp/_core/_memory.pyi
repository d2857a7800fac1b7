# Floor 1. What _memory.pyx shows to Python.

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

LINE: int
HUGE_PAGE: int

def zeros(shape: int | Sequence[int], dtype: DTypeLike) -> NDArray[Any]: ...
def overlap(a: np.ndarray, b: np.ndarray) -> bool: ...
