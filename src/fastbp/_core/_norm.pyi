# Floor 1. What _norm.pyx shows to Python.

from typing import Any

from numpy.typing import NDArray

from ._ops import Op

Array = NDArray[Any]

class _Norm(Op):
    def bind(self, x: Array | None = None, y: Array | None = None) -> None: ...

class BatchNorm(_Norm):
    def __init__(
        self,
        x: Array,
        gamma: Array | None,
        beta: Array | None,
        y: Array,
        mean: Array,
        rstd: Array,
        epsilon: float,
        running_mean: Array | None = None,
        running_variance: Array | None = None,
        momentum: float = 0,
        by_columns: bool = False,
    ) -> None: ...

class BatchNormInference(_Norm):
    def __init__(
        self,
        x: Array,
        gamma: Array | None,
        beta: Array | None,
        y: Array,
        running_mean: Array | None,
        running_variance: Array,
        epsilon: float,
    ) -> None: ...

class BatchNormGradient(_Norm):
    def __init__(
        self,
        dy: Array,
        x: Array,
        gamma: Array | None,
        mean: Array,
        rstd: Array,
        dx: Array,
        dgamma: Array,
        dbeta: Array,
        by_columns: bool = False,
    ) -> None: ...

class GroupNorm(_Norm):
    def __init__(
        self,
        x: Array,
        gamma: Array | None,
        beta: Array | None,
        y: Array,
        mean: Array | None,
        rstd: Array,
        epsilon: float,
        groups: int = 1,
        span: int = 1,
    ) -> None: ...

class RowNormGradient(_Norm):
    def __init__(
        self,
        dy: Array,
        x: Array,
        gamma: Array | None,
        mean: Array | None,
        rstd: Array,
        dx: Array,
        slope: Array | None = None,
    ) -> None: ...

def blocks(rows: int) -> int: ...

class GroupNormGradient(_Norm):
    def __init__(
        self,
        dy: Array,
        x: Array,
        gamma: Array | None,
        mean: Array | None,
        rstd: Array,
        dx: Array,
        parameters: Array,
        groups: int = 1,
        span: int = 1,
    ) -> None: ...
