# Floor 1. What _embedding.pyx shows to Python.

from typing import Any

from numpy.typing import NDArray

from fastbp._core._dense import Rule
from fastbp._core._ops import Op

Array = NDArray[Any]

class _Table(Op):
    def bind(self, x: Array | None = None, y: Array | None = None) -> None: ...

class Embedding(_Table):
    def __init__(self, index: Array, table: Array, y: Array) -> None: ...

class EmbeddingGradient(_Table):
    def __init__(self, index: Array, dy: Array, gradient: Array, rule: Rule | None = None) -> None: ...
