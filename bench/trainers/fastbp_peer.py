"""Ours, as a user writes it: compile, then fit, with nothing tuned for the benchmark."""

from __future__ import annotations

import numpy as np

import fastbp as fb

from .workload import BETA_1, BETA_2, EPSILON, MOMENTUM, VARIANCE_EPSILON, Workload

LOSSES = {"softmax": "sparse_categorical_crossentropy", "linear": "mse", "sigmoid": "mse"}


class Trainer:
    """See `trainers`.  `fit` shuffles by itself, inside the time that is measured: `order` only says how many rows."""

    def __init__(self, workload: Workload, threads: int, seed: int):
        fb.set_num_threads(threads)
        self.workload = workload
        layers = [layer for size in workload.sizes[1:-1] for layer in self._hidden(size)]
        layers.append(fb.Dense(workload.sizes[-1], workload.output, dtype=workload.dtype))
        self.model = fb.Sequential([fb.Input((workload.sizes[0],), dtype=workload.dtype), *layers])
        weights = workload.start_weights(seed)
        dense = [layer for layer in layers if isinstance(layer, fb.Dense)]
        for layer, w, b in zip(dense, weights[::2], weights[1::2], strict=True):
            layer.set_weights([w, b])
        self.w, self.product = weights[0], np.empty((0, 0), workload.dtype)  # for `first_product`
        if workload.optimizer == "adam":
            optimizer = fb.optimizers.Adam(workload.learning_rate, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON)
        else:
            optimizer = fb.optimizers.SGD(workload.learning_rate)
        self.model.compile(optimizer, LOSSES[workload.output])

    def _hidden(self, size):
        workload = self.workload
        if workload.batch_norm:
            normal = fb.BatchNormalization(MOMENTUM, VARIANCE_EPSILON, dtype=workload.dtype)
            layers = [fb.Dense(size, dtype=workload.dtype), normal, fb.Activation(workload.activation)]
        else:
            layers = [fb.Dense(size, workload.activation, dtype=workload.dtype)]
        return [*layers, fb.Dropout(workload.dropout)] if workload.dropout else layers

    def epoch(self, x, y, order):
        rows = len(self.workload.whole_batches(order))
        self.model.fit(x[:rows], y[:rows], batch_size=self.workload.batch, epochs=1, verbose=0)

    def steps(self, x, y, count):
        self.model.fit(x, y, batch_size=len(x), epochs=count, verbose=0)

    def predict(self, x):
        return self.model.predict(x)

    def first_product(self, x):
        """The largest product of a prediction, and nothing else of it."""
        if len(self.product) != len(x):
            self.product = np.empty((len(x), self.w.shape[1]), self.w.dtype)
        return fb.ops.matmul(x, self.w, out=self.product)

    def profile(self):
        """What each op of a step takes, as plain values."""
        program = self.model.program("train", self.workload.batch)
        names = ("phase", "op", "formula", "flops", "bytes", "seconds")
        return [{name: getattr(row, name) for name in names} for row in program.profile()]
