"""What every peer trains: the workload, its data, its start weights, its FLOPs.  Nothing here is timed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

# Adam's constants, Keras's defaults, the same for every peer.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
# Batch normalisation's, Keras's too.
MOMENTUM, VARIANCE_EPSILON = 0.99, 1e-3

MNIST_COLUMNS = 784


@dataclass(frozen=True)
class Workload:
    """A dense network and how it is trained.

    Parameters
    ----------
    sizes : tuple of int
        Widths from the input to the output.
    activation : {"relu", "sigmoid", "tanh"}
        Of the hidden layers.
    output : {"softmax", "linear", "sigmoid"}
        Of the last layer, and with it the loss. Softmax: cross-entropy, targets ``(n,)`` int labels. The others: the
        mean over rows and outputs of the squared error, targets ``(n, sizes[-1])``.
    optimizer : {"adam", "sgd"}
        sgd is plain: no momentum, no decay.
    learning_rate : float
    batch : int
        Rows a step. Every peer drops the last rows that do not fill a batch.
    rows : int
        Of the data. As many as a batch: the steps take all rows as they lie.
    dtype : {"float32", "float64"}
        float64 is for fastbp alone.
    batch_norm : bool
        Batch normalisation before the activation of each hidden layer.
    dropout : float
        Rate of dropout behind the activation of each hidden layer.
    """

    sizes: tuple[int, ...] = (MNIST_COLUMNS, 128, 64, 10)
    activation: Literal["relu", "sigmoid", "tanh"] = "relu"
    output: Literal["softmax", "linear", "sigmoid"] = "softmax"
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-3
    batch: int = 32
    rows: int = 48_000
    dtype: Literal["float32", "float64"] = "float32"
    batch_norm: bool = False
    dropout: float = 0.0

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(fan_in, fan_out) of each layer."""
        return list(pairwise(self.sizes))

    @property
    def full_batch(self) -> bool:
        return self.batch == self.rows

    @property
    def row_flops(self) -> int:
        """FLOPs of a prediction: 2 for a multiply-add in X W."""
        return 2 * sum(fan_in * fan_out for fan_in, fan_out in self.layers)

    @property
    def step_flops(self) -> int:
        """FLOPs of a step: 2 for a multiply-add in X W, X^T dZ and, but for the first layer, dZ W^T."""
        return self.batch * (3 * self.row_flops - 2 * self.sizes[0] * self.sizes[1])

    def __str__(self) -> str:
        loss = "cross-entropy" if self.output == "softmax" else "mean squared error"
        hidden = (
            f"{'batch norm, ' * self.batch_norm}{self.activation}{f', dropout {self.dropout:g}' * bool(self.dropout)}"
        )
        return (
            f"{'-'.join(map(str, self.sizes))}, {hidden}, {self.output}, {loss}, {self.optimizer}, "
            f"batch {self.batch:,} of {self.rows:,} rows"
        )

    def whole_batches(self, order: np.ndarray) -> np.ndarray:
        """`order` without the rows that do not fill a batch."""
        return order[: len(order) // self.batch * self.batch]

    def start_weights(self, seed: int) -> list[np.ndarray]:
        """Glorot-uniform weights (fan_in, fan_out) and zero biases (fan_out,), alternating."""
        rng = np.random.default_rng(seed)
        weights: list[np.ndarray] = []
        for fan_in, fan_out in self.layers:
            limit = (6 / (fan_in + fan_out)) ** 0.5
            weights.append(rng.uniform(-limit, limit, (fan_in, fan_out)).astype(self.dtype))
            weights.append(np.zeros(fan_out, self.dtype))
        return weights

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y: the first rows of MNIST where the sizes are its own, else drawn, always the same."""
        if self.sizes[0] == MNIST_COLUMNS:
            from fastbp.datasets import mnist

            (x, y), _ = mnist.load_data()
            return x[: self.rows].reshape(-1, MNIST_COLUMNS).astype(self.dtype) / 255, y[: self.rows].astype(np.int64)
        rng = np.random.default_rng(0)
        x = rng.uniform(-1, 1, (self.rows, self.sizes[0])).astype(self.dtype)
        y = np.sin(3 * x.sum(axis=1, keepdims=True) + np.arange(self.sizes[-1]))
        return x, (y > 0 if self.output == "sigmoid" else y).astype(self.dtype)


WORKLOADS = {
    "headline": Workload(),
    "normalized": Workload(batch_norm=True, dropout=0.2),
    "medium": Workload((784, 256, 256, 10), batch=128),
    "wide": Workload((784, 1024, 1024, 10), batch=256),
    "tiny": Workload((2, 4, 1), "sigmoid", "sigmoid", "sgd", 0.01, batch=100, rows=100),
    "small": Workload((4, 32, 16, 4), "tanh", "linear", batch=10_000, rows=10_000),
}


def score(workload: Workload, outputs: np.ndarray, targets: np.ndarray) -> float:
    """Of predictions: the share of rows that name the right class, or the mean squared error."""
    if workload.output == "softmax":
        return float(np.mean(outputs.argmax(axis=1) == targets))
    return float(np.mean((outputs - targets) ** 2))
