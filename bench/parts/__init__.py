"""The parts of the benchmark: each measures something against fastbp and returns plain values, for JSON.

A part is a function of `Run`.  What it returns has `figures`, the numbers that bars are about (see `bars`), and
`peak`, the best FMA peak seen meanwhile on the threads in use, FLOP/s in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from trainers.workload import WORKLOADS

Result = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """How to measure: quick is for looking whether everything works."""

    threads: int = 2
    quick: bool = False


# part -> its module here, and what its function `measure` takes before the run.
PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    **{name: ("training", (name,)) for name in WORKLOADS},
    "predict": ("prediction", ()),
    "sweeps": ("sweeps", ()),
    "roofline": ("roofline", ()),
    "uneven": ("uneven", ()),
}


def part(name: str) -> Callable[[Run], Result]:
    """What measures a part."""
    module, arguments = PARTS[name]
    measure = import_module(f"{__name__}.{module}").measure
    return lambda run: measure(*arguments, run)
