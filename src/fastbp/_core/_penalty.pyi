# Floor 1. What _penalty.pyx shows to Python.

from typing import Any

from numpy.typing import NDArray

from fastbp._core._ops import Op

Array = NDArray[Any]

class Penalty(Op):
    def __init__(self, weight: Array, totals: Array, l1: float, l2: float) -> None: ...
    def bind_sums(self, totals: Array) -> None: ...

class LimitNorms(Op):
    def __init__(self, weight: Array, low: float, high: float, rate: float = 1, axis: int = 0) -> None: ...
