# Floor 1. What _columns.pyx shows to Python.

from typing import Any

from numpy.typing import NDArray

from fastbp._core._ops import Op

Array = NDArray[Any]

class SoftmaxColumns(Op):
    def __init__(self, z: Array, a: Array, log: bool = False) -> None: ...

class SoftmaxColumnsGradient(Op):
    def __init__(self, da: Array, a: Array, dz: Array, log: bool = False) -> None: ...

class Prelu(Op):
    def __init__(
        self, x: Array, slope: Array, out: Array, dy: Array | None = None, dslope: Array | None = None
    ) -> None: ...
