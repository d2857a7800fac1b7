"""Floor 4. What L-BFGS minimises: loss and gradient of all rows at once, in float64 as SciPy wants them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbp.sklearn.network import Network, plan_of
from fastbp.sklearn.training import PENALTY, Data, Part


class Objective:
    """Loss and gradient as functions of the weights, packed as scikit-learn packs them: kernels, then biases."""

    def __init__(self, estimator: Any, part: Part) -> None:
        self.network = network = Network(plan_of(estimator, np.dtype(np.float64)))
        network.model.compile("sgd", network.loss, loss_weights=network.scale)
        self.data = data = Data(network, part)
        self.program = network.model.executable("gradients", data.size, data.kinds)
        self.shares, weights = data.shares(np.arange(data.size), data.size)
        self.numbers = np.zeros((1, PENALTY + 1))
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
