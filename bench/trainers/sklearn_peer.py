"""Peer: scikit-learn's MLPClassifier (softmax) and MLPRegressor (mse).  partial_fit is exactly one epoch of batches.

`shuffle=False` on rows put in order beforehand: it trains in the order given, and slices instead of indexing.
Unlike the other peers it draws its own start weights (Glorot uniform too, biases as well), and its gradient
of the squared error is (a - y) / rows: plain sgd's rate is rescaled here, Adam does not feel it.
"""

from __future__ import annotations

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor
from threadpoolctl import threadpool_limits

from .workload import BETA_1, BETA_2, EPSILON, Workload

ACTIVATIONS = {"relu": "relu", "sigmoid": "logistic", "tanh": "tanh"}


class Trainer:
    """See `trainers`."""

    def __init__(self, workload: Workload, threads: int, seed: int):
        if workload.batch_norm or workload.dropout:
            raise NotImplementedError("it has neither batch normalisation nor dropout")
        if workload.output == "sigmoid":
            raise NotImplementedError("it has no sigmoid output with a squared error")
        threadpool_limits(threads)  # for the life of this process, not only inside a `with`
        self.workload = workload
        self.classifies = workload.output == "softmax"
        rate = workload.learning_rate
        if workload.optimizer == "sgd" and not self.classifies:
            rate *= 2 / workload.sizes[-1]
        self.model = (MLPClassifier if self.classifies else MLPRegressor)(
            hidden_layer_sizes=workload.sizes[1:-1],
            activation=ACTIVATIONS[workload.activation],
            solver=workload.optimizer,
            alpha=0,
            batch_size=workload.batch,
            learning_rate_init=rate,
            shuffle=False,
            random_state=seed,
            momentum=0,
            beta_1=BETA_1,
            beta_2=BETA_2,
            epsilon=EPSILON,
        )
        self.shuffled = np.empty((0, workload.sizes[0]), np.float32)

    def epoch(self, x, y, order):
        order = self.workload.whole_batches(order)
        if len(self.shuffled) != len(order):
            self.shuffled = np.empty((len(order), x.shape[1]), np.float32)
        np.take(x, order, axis=0, out=self.shuffled, mode="clip")
        self._pass(self.shuffled, y[order])

    def steps(self, x, y, count):
        for _ in range(count):
            self._pass(x, y)

    def _pass(self, x, y):
        """Once over rows in batches."""
        classes = {"classes": np.arange(self.workload.sizes[-1])} if self.classifies else {}
        self.model.partial_fit(x, y.ravel() if y.shape[1:] == (1,) else y, **classes)

    def predict(self, x):
        return self.model.predict_proba(x) if self.classifies else self.model.predict(x).reshape(len(x), -1)
