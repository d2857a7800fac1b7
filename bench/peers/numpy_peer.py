"""Peer: NumPy by hand.  BLAS for the products, everything else in place; a step allocates next to nothing."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from .workload import BETA_1, BETA_2, EPSILON, Workload, agreement


def sigmoid(z):
    """In place, as (1 + tanh(z / 2)) / 2: no overflow, and one transcendental."""
    z *= 0.5
    np.tanh(z, out=z)
    z *= 0.5
    z += 0.5


def relu_backward(da, a):
    da[a <= 0] = 0


def sigmoid_backward(da, a):
    da *= a
    da *= 1 - a


def tanh_backward(da, a):
    da *= 1 - a * a


# name -> (z becomes a, da becomes dz given a), both in place.
ACTIVATIONS = {
    "relu": (lambda z: np.maximum(z, 0, out=z), relu_backward),
    "sigmoid": (sigmoid, sigmoid_backward),
    "tanh": (lambda z: np.tanh(z, out=z), tanh_backward),
}


def softmax_crossentropy(z, y):
    """Logits z (batch, classes) become dz = (softmax(z) - onehot(y)) / batch."""
    z -= z.max(axis=1, keepdims=True)
    np.exp(z, out=z)
    z /= z.sum(axis=1, keepdims=True)
    z[np.arange(len(y)), y] -= 1
    z *= 1 / len(y)


def mse(z, y):
    """Outputs z (batch, fan_out) become dz = 2 (z - y) / (batch * fan_out)."""
    z -= y
    z *= 2 / z.size


LOSSES = {"softmax_crossentropy": softmax_crossentropy, "mse": mse}


class Trainer:
    """See `peers`.  Parameters, gradients and moments are views of flat vectors, so that the update is one pass."""

    def __init__(self, workload: Workload, threads: int, seed: int):
        threadpool_limits(threads)  # for the life of this process, not only inside a `with`
        self.workload = workload
        self.apply, self.differentiate = ACTIVATIONS[workload.activation]
        self.loss = LOSSES[workload.loss]
        start = workload.start_weights(seed)
        self.p = np.concatenate([array.ravel() for array in start])
        self.g, self.m, self.v, self.tmp = (np.zeros_like(self.p) for _ in range(4))
        self.params, self.grads = (self._views(flat, start) for flat in (self.p, self.g))
        self.a = [np.empty((workload.batch, size), np.float32) for size in workload.sizes]
        self.da = [np.empty_like(a) for a in self.a]
        self.ones = np.ones(workload.batch, np.float32)
        self.steps = 0
        self.update = {"adam": self._adam, "sgd": self._sgd}[workload.optimizer]

    @staticmethod
    def _views(flat, like):
        """(w, b) views of `flat`, one pair a layer."""
        cuts = np.cumsum([array.size for array in like])[:-1]
        views = [part.reshape(array.shape) for part, array in zip(np.split(flat, cuts), like, strict=True)]
        return list(zip(views[::2], views[1::2], strict=True))

    def epoch(self, x, y, order):
        order = self.workload.whole_batches(order)
        for rows in order.reshape(-1, self.workload.batch):
            np.take(x, rows, axis=0, out=self.a[0], mode="clip")  # "raise" would go through a buffer
            self._forward(self.a)
            self._backward(y[rows])
            self.update()

    def _forward(self, a):
        last = len(self.params) - 1
        for k, (w, b) in enumerate(self.params):
            np.dot(a[k], w, out=a[k + 1])
            a[k + 1] += b
            if k < last:
                self.apply(a[k + 1])

    def _backward(self, y):
        dz = self.a[-1]
        self.loss(dz, y)
        for k in reversed(range(len(self.params))):
            dw, db = self.grads[k]
            np.dot(self.a[k].T, dz, out=dw)
            np.dot(self.ones, dz, out=db)  # faster than sum(axis=0)
            if k:
                np.dot(dz, self.params[k][0].T, out=self.da[k])
                self.differentiate(self.da[k], self.a[k])
                dz = self.da[k]

    def _sgd(self):
        self.g *= self.workload.learning_rate
        self.p -= self.g

    def _adam(self):
        """Adam with m and v kept divided by (1 - beta): two passes fewer, the same numbers."""
        self.steps += 1
        p, g, m, v, tmp = self.p, self.g, self.m, self.v, self.tmp
        scale = ((1 - BETA_2) / (1 - BETA_2**self.steps)) ** 0.5
        rate = self.workload.learning_rate * (1 - BETA_1) / (1 - BETA_1**self.steps) / scale
        m *= BETA_1
        m += g
        v *= BETA_2
        g *= g
        v += g
        np.sqrt(v, out=tmp)
        tmp += EPSILON / scale
        np.divide(m, tmp, out=tmp)
        tmp *= rate
        p -= tmp

    def accuracy(self, x, y):
        a = [x, *(np.empty((len(x), size), np.float32) for size in self.workload.sizes[1:])]
        self._forward(a)
        return agreement(a[-1], y)
