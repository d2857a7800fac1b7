# Floor 1. What _vectors.pyx shows to Python: ops are made of NumPy arrays here and run by _program.

from typing import Any

from numpy.typing import NDArray

from fastbp._core._ops import Op

Array = NDArray[Any]

def blocks(size: int) -> int: ...

class VectorMap(Op):
    def __init__(self, x: Array, out: Array, kind: str, a: float, b: float, other: Array | None = None) -> None: ...

class SumOfSquares(Op):
    def __init__(self, arrays: tuple[Array, ...], partial: Array | None = None) -> None: ...
    def total(self) -> float: ...

class MeanGradient(Op):
    def __init__(self, gradient: Array, mean: Array, count: int) -> None: ...
