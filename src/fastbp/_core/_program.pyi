# Floor 1. What _program.pyx shows to Python.

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ._ops import Op

class Program:
    @property
    def batch(self) -> int: ...
    @property
    def threads(self) -> int: ...
    @property
    def steps_done(self) -> int: ...
    def __init__(
        self, phases: Sequence[tuple[int, int, Iterable[Op]]], batch: int, threads: int = 1024, flush: bool = False
    ) -> None: ...
    def run(
        self,
        first: int,
        rows: int,
        rates: NDArray[np.float64] | None = None,
        laps: int = 1,
        step: int = 0,
        seconds: NDArray[np.float64] | None = None,
    ) -> None: ...

def run_op(op: Op, rows: int, work: float, rate: float = 0) -> None: ...
