# Floor 1. What _python.pyx shows to Python.

from collections.abc import Callable

from fastbp._core._ops import Op

class Python(Op):
    def __init__(self, function: Callable[[int], None]) -> None: ...
