# Floor 1. What _rows.pyx shows to Python: ops are made of NumPy arrays here and run by _program.

from typing import Any

from numpy.typing import NDArray

from fastbp._core._ops import Op

Array = NDArray[Any]

class _RowMap(Op):
    def share_columns(self) -> None: ...
    def bind(self, x: Array | None = None, z: Array | None = None) -> None: ...

class Activation(_RowMap):
    def __init__(self, z: Array, a: Array, kind: str, alpha: float = 0, by_rows: bool = True) -> None: ...

class SumOfParts(_RowMap):
    def __init__(self, z: Array, a: Array, kind: str, alpha: float = 0) -> None: ...

class ActivationGradient(_RowMap):
    def __init__(self, da: Array, a: Array, dz: Array, kind: str, alpha: float = 0, by_rows: bool = True) -> None: ...

class Dropout(_RowMap):
    def __init__(
        self,
        x: Array,
        y: Array,
        threshold: int,
        seed: int,
        offset: int = 0,
        scale: float = 1,
        shift: float = -0.0,
        fill: float = 0,
        by_rows: bool = True,
    ) -> None: ...

class Noise(_RowMap):
    def __init__(
        self, x: Array, y: Array, stddev: float, seed: int, offset: int = 0, multiplies: bool = False
    ) -> None: ...

class RandomBits(Op):
    def __init__(self, out: Array, seed: int, offset: int) -> None: ...

class Function(_RowMap):
    def __init__(self, x: Array, y: Array, kind: str) -> None: ...

class Merge(_RowMap):
    def __init__(self, kind: str, x: Array, y: Array, a: Array, by_rows: bool = True) -> None: ...

class Softmax(_RowMap):
    def __init__(self, z: Array, a: Array, log: bool = False) -> None: ...

class SoftmaxGradient(_RowMap):
    def __init__(self, da: Array, a: Array, dz: Array, log: bool = False) -> None: ...

class RowReduce(Op):
    def __init__(self, kind: str, x: Array, out: Array) -> None: ...

class Gather(Op):
    def __init__(
        self,
        dst: Array,
        scale: float = 1,
        by_rows: bool = True,
        scales: Array | None = None,
        shifts: Array | None = None,
        src: Array | None = None,
    ) -> None: ...
    def bind(self, src: Array, order: Array | None = None) -> None: ...
