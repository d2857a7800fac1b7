# Floor 1. What _losses.pyx shows to Python.

from typing import Any

from numpy.typing import NDArray

from fastbp._core._ops import Op

Array = NDArray[Any]

class _Comparison(Op):
    def bind(self, x: Array) -> None: ...
    def bind_target(self, y: Array) -> None: ...
    def bind_weight(self, weight: Array) -> None: ...

class Loss(_Comparison):
    def __init__(
        self,
        kind: str,
        prediction: Array,
        target: Array,
        value: Array | None = None,
        gradient: Array | None = None,
        mean: bool = True,
        scale: float = 1,
        weight: Array | None = None,
        alpha: float = 0,
        smoothing: float = 0,
        limit: float = ...,
    ) -> None: ...
    def set_variance(self, variance: Array, gradient: Array) -> None: ...

class Metric(_Comparison):
    def __init__(
        self,
        kind: str,
        prediction: Array,
        target: Array,
        value: Array,
        threshold: float = 0.5,
        weight: Array | None = None,
    ) -> None: ...

class Tally(_Comparison):
    def __init__(
        self,
        kind: str,
        prediction: Array,
        target: Array,
        sums: Array,
        weight: Array | None = None,
        thresholds: Array | None = None,
        bins: int = 1,
    ) -> None: ...
    def bind_sums(self, sums: Array) -> None: ...

def total(values: Array) -> float: ...

class Accumulate(Op):
    def __init__(self, values: Array, total: Array) -> None: ...
    def bind_sums(self, total: Array) -> None: ...
