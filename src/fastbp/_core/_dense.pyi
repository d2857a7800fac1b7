# Floor 1. What _dense.pyx shows to Python: ops are made of NumPy arrays here and run by _program.

from collections.abc import Sequence
from typing import Any

from numpy.typing import DTypeLike, NDArray

from fastbp._core._ops import Op

Array = NDArray[Any]

def depth(dtype: DTypeLike) -> int: ...

class Rule:
    @property
    def arrays(self) -> tuple[Array, ...]: ...
    def __init__(
        self,
        kind: str,
        weight: Array,
        states: Sequence[Array],
        momentum: float = 0,
        decay: float = 0,
        epsilon: float = 0,
        gradient_rate: float = 0,
        correction: float = 1,
        shrink: float = 0,
        l1: float = 0,
        l2: float = 0,
        clip: float = ...,
        *,
        multiplier: float = 1,
        average: Array | None = None,
    ) -> None: ...

class _Product(Op):
    def bind(self, x: Array | None = None, z: Array | None = None) -> None: ...

class Dense(_Product):
    def __init__(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        z: Array,
        activation: str = "linear",
        alpha: float = 0,
        by_rows: bool = True,
    ) -> None: ...

class PartialDense(_Product):
    def __init__(self, x: Array, w: Array, b: Array | None, z: Array) -> None: ...

class InputGradient(_Product):
    def __init__(
        self,
        dz: Array,
        w: Array,
        dx: Array,
        saved: Array | None = None,
        activation: str = "linear",
        alpha: float = 0,
        by_rows: bool = True,
    ) -> None: ...

class WeightGradient(_Product):
    def __init__(self, x: Array, dz: Array, dw: Array | None = None, rule: Rule | None = None) -> None: ...

class PartialWeightGradient(_Product):
    def __init__(self, x: Array, dz: Array, parts: Array, least_rows: int = 0) -> None: ...

class Matmul(_Product):
    def __init__(self, a: Array, b: Array, c: Array) -> None: ...

class ColumnDense(_Product):
    def __init__(
        self, w: Array, x: Array, b: Array | None, z: Array, activation: str = "linear", alpha: float = 0
    ) -> None: ...

class BiasGradient(Op):
    def __init__(self, dz: Array, db: Array | None = None, rule: Rule | None = None) -> None: ...

class PartialBiasGradient(Op):
    def __init__(self, dz: Array, parts: Array, least_rows: int = 0) -> None: ...

class ApplyUpdate(Op):
    def __init__(
        self, gradient: Array, rule: Rule, squares: Array | None = None, max_norm: float = ..., in_parts: bool = False
    ) -> None: ...
