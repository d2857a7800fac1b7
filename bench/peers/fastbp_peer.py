"""Ours, as a user writes it: compile, then fit, with nothing tuned for the benchmark."""

from __future__ import annotations

import fastbp as fb

from .workload import BETA_1, BETA_2, EPSILON, Workload, agreement

# loss -> (activation of the output layer, Keras's name of the loss)
LOSSES = {
    "softmax_crossentropy": ("softmax", "sparse_categorical_crossentropy"),
    "mse": ("linear", "mean_squared_error"),
}


class Trainer:
    """See `peers`.  `fit` shuffles by itself, inside the time that is measured, so `order` only says how many rows."""

    def __init__(self, workload: Workload, threads: int, seed: int):
        fb.set_num_threads(threads)
        self.workload = workload
        output, loss = LOSSES[workload.loss]
        hidden = [fb.Dense(size, workload.activation) for size in workload.sizes[1:-1]]
        self.model = fb.Sequential([fb.Input((workload.sizes[0],)), *hidden, fb.Dense(workload.sizes[-1], output)])
        self.model.set_weights(workload.start_weights(seed))
        if workload.optimizer == "adam":
            optimizer = fb.optimizers.Adam(workload.learning_rate, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON)
        else:
            optimizer = fb.optimizers.SGD(workload.learning_rate)
        self.model.compile(optimizer, loss)

    def epoch(self, x, y, order):
        rows = len(self.workload.whole_batches(order))
        self.model.fit(x[:rows], y[:rows], batch_size=self.workload.batch, epochs=1, shuffle=True, verbose=0)

    def accuracy(self, x, y):
        return agreement(self.model.predict(x, verbose=0), y)
