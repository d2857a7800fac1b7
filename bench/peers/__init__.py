"""The peers fastbp is measured against, each in its best form, behind one tiny interface.

A peer is a module with a class ``Trainer(workload, threads, seed)``::

    epoch(x, y, order)   train once over the rows ``order`` (an int permutation), in that order, in batches;
                         the rows at the end that do not fill a batch are dropped.  Returns when it is done.
    accuracy(x, y)       share of rows classified right, between 0 and 1

``x`` is C-contiguous float32 ``(rows, features)``; ``y`` as `Workload.loss` says.  A Trainer may keep a device copy of
the last `x` and `y` it saw (compared by identity), so a first epoch, which also compiles, is not to be timed.
All start from `Workload.start_weights` (scikit-learn excepted, see there) with the same Adam constants.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

# name -> the packages it needs; its module is <name>_peer.
PEERS = {
    "fastbp": ("fastbp",),
    "numpy": ("numpy", "threadpoolctl"),
    "torch": ("torch",),
    "jax": ("jax", "optax"),
    "sklearn": ("sklearn", "threadpoolctl"),
}


def available() -> dict[str, bool]:
    """For each peer, whether its packages are installed.

    Looked up, not imported: every import would start that package's thread pools in the caller.
    """
    return {name: all(find_spec(package) for package in packages) for name, packages in PEERS.items()}


def trainer(name: str) -> type:
    """The Trainer class of a peer; imports what it needs."""
    return import_module(f"{__name__}.{name}_peer").Trainer
