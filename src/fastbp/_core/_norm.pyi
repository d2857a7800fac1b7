# Floor 1. What _norm.pyx shows to Python.

from typing import Any

from numpy.typing import NDArray

from ._ops import Op

Array = NDArray[Any]

class BatchNorm(Op):
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
    ) -> None: ...

class BatchNormInference(Op):
    def __init__(self, x: Array, y: Array, mean: Array, factors: Array) -> None: ...

class BatchNormGradient(Op):
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
    ) -> None: ...

class GroupNorm(Op):
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

def blocks(rows: int) -> int: ...

class GroupNormGradient(Op):
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
