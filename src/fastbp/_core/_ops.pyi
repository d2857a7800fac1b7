# Floor 1. What _ops.pyx shows to Python.

from typing import Any

class Op:
    @property
    def by_rows(self) -> bool: ...
    @property
    def scratch(self) -> int: ...
    @property
    def arrays(self) -> Any: ...
