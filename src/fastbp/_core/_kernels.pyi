# Floor 1. What _kernels.pyx shows to Python.

ACTIVATIONS: dict[str, int]
FUNCTIONS: dict[str, int]
LOSSES: dict[str, int]
METRICS: dict[str, int]
TALLIES: dict[str, int]
UPDATES: dict[str, int]
VECTORS: dict[str, int]
FROM_INPUT: frozenset[str]

def isa_available() -> list[str]: ...
def isa() -> str: ...
def compiler() -> str: ...
