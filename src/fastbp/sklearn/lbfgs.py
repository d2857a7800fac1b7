"""Floor 4. What L-BFGS minimises: loss and gradient of all rows at once, in float64 as SciPy wants them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from fastbp.optimizers.base import NUMBERS, PENALTY
from fastbp.sklearn.network import Network, plan_of
from fastbp.sklearn.training import Data, Part

_lock = Lock()
_limits: list[Any] = []  # of the fits that are under way, the limit of the first


@contextmanager
def quiet_blas() -> Iterator[None]:
    """Inside, SciPy's own part runs on one thread: it is small, and threads of its BLAS would spin on cores that the
    objective is computed on. The limit is that of the process, so the first fit sets it and the last one lifts it.
    """
    with _lock:
        _limits.append(None if _limits else threadpool_limits(1, "blas"))
    try:
        yield
    finally:
        with _lock:
            if len(_limits) > 1:
                _limits.pop()
            else:
                _limits.pop().restore_original_limits()


class Objective:
    """Loss and gradient as functions of the weights, packed as scikit-learn packs them: kernels, then biases."""

    def __init__(self, estimator: Any, part: Part) -> None:
        self.network = network = Network(plan_of(estimator, np.dtype(np.float64)))
        network.model.compile("sgd", network.loss, loss_weights=network.scale)
        self.data = data = Data(network, part)
        self.program = network.model.executable("gradients", data.size, data.kinds)
        self.shares, weights = data.shares(np.arange(data.size), data.size)
        self.numbers = np.zeros((1, NUMBERS))
        self.numbers[:, PENALTY] = 1 / weights
        self.parameters = [*network.kernels, *network.biases]
        gradients = self.program.gradients()
        variables = {id(v.value): v for v in network.model.weights}
        self.gradients = [gradients[variables[id(value)]] for value in self.parameters]

    def __call__(self, packed: np.ndarray) -> tuple[float, np.ndarray]:
        begin = 0
        for value in self.parameters:
            value[...] = packed[begin : begin + value.size].reshape(value.shape)
            begin += value.size
        self.program.bind(self.data.arrays(self.shares))
        self.program.reset()
        try:
            self.program.run(0, self.data.size, self.numbers)
        finally:
            self.program.release()
        loss = self.data.loss(self.network, self.program.totals[0], self.shares)
        return loss, np.concatenate([gradient.ravel() for gradient in self.gradients])
