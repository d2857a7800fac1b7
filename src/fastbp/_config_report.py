"""Floor 3. What this installation is: version, instruction sets, compiler, threads."""

import numpy as np

from fastbp._core import _kernels, _team
from fastbp._version import __version__


def show_config() -> None:
    """Print version, instruction sets, compiler, threads and NumPy's version: what a bug report needs.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.show_config()  # doctest: +ELLIPSIS
    fastbp        ...
    ISA in use    ...
    ISA available ...
    compiler      ...
    OpenMP        ...
    threads       ...
    NumPy         ...
    """
    rows = {
        "fastbp": __version__,
        "ISA in use": _kernels.isa(),
        "ISA available": ", ".join(_kernels.isa_available()),
        "compiler": _kernels.compiler(),
        "OpenMP": "yes" if _team.has_openmp() else "no",
        "threads": _team.get_num_threads(),
        "NumPy": np.__version__,
    }
    for label, value in rows.items():
        print(f"{label:<13} {value}")
