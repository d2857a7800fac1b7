"""What every peer trains: the workload, its start weights, its FLOPs.  Nothing here is timed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

# Adam's constants, Keras's defaults, the same for every peer.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


@dataclass(frozen=True)
class Workload:
    """A dense network with a linear output, and how it is trained.

    Parameters
    ----------
    sizes : tuple of int
        Widths from the input to the output.
    activation : {"relu", "sigmoid", "tanh"}
        Of the hidden layers.
    loss : {"softmax_crossentropy", "mse"}
        Softmax and cross-entropy over the logits, targets ``(n,)`` int labels; or the mean over rows and
        outputs of the squared error, targets ``(n, sizes[-1])`` float32.
    optimizer : {"adam", "sgd"}
        sgd is plain: no momentum, no decay.
    learning_rate : float
    batch : int
        Rows a step.  Every peer drops the last rows that do not fill a batch.
    """

    sizes: tuple[int, ...] = (784, 128, 64, 10)
    activation: Literal["relu", "sigmoid", "tanh"] = "relu"
    loss: Literal["softmax_crossentropy", "mse"] = "softmax_crossentropy"
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-3
    batch: int = 32

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(fan_in, fan_out) of each layer."""
        return list(pairwise(self.sizes))

    @property
    def step_flops(self) -> int:
        """FLOPs of a step: 2 for a multiply-add in X W, X^T dZ and, but for the first layer, dZ W^T."""
        macs = [fan_in * fan_out for fan_in, fan_out in self.layers]
        return 2 * self.batch * (3 * sum(macs) - macs[0])

    def whole_batches(self, order: np.ndarray) -> np.ndarray:
        """`order` without the rows that do not fill a batch."""
        return order[: len(order) // self.batch * self.batch]

    def start_weights(self, seed: int) -> list[np.ndarray]:
        """Glorot-uniform weights (fan_in, fan_out) and zero biases (fan_out,), alternating, float32."""
        rng = np.random.default_rng(seed)
        weights: list[np.ndarray] = []
        for fan_in, fan_out in self.layers:
            limit = (6 / (fan_in + fan_out)) ** 0.5
            weights.append(rng.uniform(-limit, limit, (fan_in, fan_out)).astype(np.float32))
            weights.append(np.zeros(fan_out, np.float32))
        return weights


def classes(scores: np.ndarray) -> np.ndarray:
    """The class each row names: the label itself, the largest of several scores, or one score's side of 0.5."""
    if scores.ndim == 1:
        return scores
    return scores.argmax(axis=1) if scores.shape[1] > 1 else scores[:, 0] > 0.5


def agreement(scores: np.ndarray, targets: np.ndarray) -> float:
    """Share of rows whose scores and targets name the same class."""
    return float(np.mean(classes(np.asarray(scores)) == classes(np.asarray(targets))))
