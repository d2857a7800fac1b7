"""The peers fastbp is measured against, each in its best form, behind one tiny interface.

A peer is a module with a class ``Trainer(workload, threads, seed)``::

    epoch(x, y, order)    train once over the rows ``order`` (an int permutation), in that order, in batches;
                          the rows at the end that do not fill a batch are dropped
    steps(x, y, count)    train `count` steps, each on all rows as they lie; nobody gathers anything
    predict(x)            outputs of the rows x, after the last activation, as a NumPy array

Each returns when it is done.  ``x`` is C-contiguous ``(rows, features)``; ``y`` as `Workload` says.  A Trainer may keep
a device copy of the last `x` and `y` it saw (compared by identity), so a first call, which also compiles, is not to be
timed.  All start from `Workload.start_weights` (scikit-learn excepted, see there) with the same Adam constants.
A Trainer raises `NotImplementedError` for what its package cannot do.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import NamedTuple


class Peer(NamedTuple):
    """A package to compare with; its module is <name>_peer."""

    title: str
    needs: tuple[str, ...]  # modules that it imports
    distribution: str  # whose version is reported

    @property
    def short(self) -> str:
        """The name without how it is used."""
        return self.title.partition(",")[0]


PEERS = {
    "fastbp": Peer("fastbp", ("fastbp",), "fastbp"),
    "jax": Peer("JAX, jitted", ("jax", "optax"), "jax"),
    "numpy": Peer("NumPy, by hand", ("numpy", "threadpoolctl"), "numpy"),
    "torch": Peer("PyTorch, eager", ("torch",), "torch"),
    "sklearn": Peer("scikit-learn", ("sklearn", "threadpoolctl"), "scikit-learn"),
}


def missing(name: str) -> list[str]:
    """The packages of a peer that are not installed.

    Looked up, not imported: every import would start that package's thread pools in the caller.
    """
    return [package for package in PEERS[name].needs if find_spec(package) is None]


def versions() -> dict[str, str]:
    """Version of each peer that is installed, but for fastbp, which need not be."""
    return {name: version(PEERS[name].distribution) for name in PEERS if name != "fastbp" and not missing(name)}


def trainer(name: str) -> type:
    """The Trainer class of a peer; imports what it needs."""
    return import_module(f"{__name__}.{name}_peer").Trainer
