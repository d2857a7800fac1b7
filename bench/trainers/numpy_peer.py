"""Peer: NumPy by hand.  BLAS for the products, everything else in place; a step allocates little."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from .workload import BETA_1, BETA_2, EPSILON, Workload


def sigmoid(z):
    """In place, as (1 + tanh(z / 2)) / 2: no overflow, and one transcendental."""
    z *= 0.5
    np.tanh(z, out=z)
    z *= 0.5
    z += 0.5


def relu_backward(da, a):
    da *= a > 0  # several times as fast as da[a <= 0] = 0


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


def softmax(z):
    """Logits (batch, classes), in place."""
    z -= z.max(axis=1, keepdims=True)
    np.exp(z, out=z)
    z /= z.sum(axis=1, keepdims=True)


def crossentropy_backward(a, y):
    """Probabilities a (batch, classes) become dz = (a - onehot(y)) / batch."""
    a[np.arange(len(y)), y] -= 1
    a *= 1 / len(y)


def linear_mse_backward(a, y):
    """Outputs a (batch, fan_out) become dz = 2 (a - y) / (batch * fan_out)."""
    a -= y
    a *= 2 / a.size


def sigmoid_mse_backward(a, y):
    """The same behind a sigmoid."""
    slope = 1 - a
    slope *= a
    linear_mse_backward(a, y)
    a *= slope


# Output -> (z becomes a, then a becomes dz given y), both in place.
OUTPUTS = {
    "softmax": (softmax, crossentropy_backward),
    "linear": (lambda z: None, linear_mse_backward),
    "sigmoid": (sigmoid, sigmoid_mse_backward),
}


class Trainer:
    """See `trainers`.  Parameters, gradients and moments are views of flat vectors, so that the update is one pass."""

    def __init__(self, workload: Workload, threads: int, seed: int):
        if workload.batch_norm or workload.dropout:
            raise NotImplementedError("by hand it has neither batch normalisation nor dropout")
        threadpool_limits(threads)  # for the life of this process, not only inside a `with`
        self.workload = workload
        self.apply, self.differentiate = ACTIVATIONS[workload.activation]
        self.finish, self.start_back = OUTPUTS[workload.output]
        start = workload.start_weights(seed)
        self.p = np.concatenate([array.ravel() for array in start])
        self.g, self.m, self.v, self.tmp = (np.zeros_like(self.p) for _ in range(4))
        self.params, self.grads = (self._views(flat, start) for flat in (self.p, self.g))
        self.a = self._buffers(workload.batch)
        self.da = [np.empty_like(a) for a in self.a]
        self.ones = np.ones(workload.batch, np.float32)
        self.kept = self._buffers(0)  # for `predict`
        self.done = 0  # steps
        self.update = {"adam": self._adam, "sgd": self._sgd}[workload.optimizer]

    @staticmethod
    def _views(flat, like):
        """(w, b) views of `flat`, one pair a layer."""
        cuts = np.cumsum([array.size for array in like])[:-1]
        views = [part.reshape(array.shape) for part, array in zip(np.split(flat, cuts), like, strict=True)]
        return list(zip(views[::2], views[1::2], strict=True))

    def _buffers(self, rows):
        """Room for the activations of so many rows, (rows, size) each."""
        return [np.empty((rows, size), np.float32) for size in self.workload.sizes]

    def epoch(self, x, y, order):
        order = self.workload.whole_batches(order)
        for rows in order.reshape(-1, self.workload.batch):
            np.take(x, rows, axis=0, out=self.a[0], mode="clip")  # "raise" would go through a buffer
            self._step(y[rows])

    def steps(self, x, y, count):
        kept, self.a[0] = self.a[0], x
        for _ in range(count):
            self._step(y)
        self.a[0] = kept

    def _step(self, y):
        """On the rows in a[0]."""
        self._forward(self.a)
        self._backward(y)
        self.update()

    def _forward(self, a):
        last = len(self.params) - 1
        for k, (w, b) in enumerate(self.params):
            np.dot(a[k], w, out=a[k + 1])
            a[k + 1] += b
            (self.apply if k < last else self.finish)(a[k + 1])

    def _backward(self, y):
        dz = self.a[-1]
        self.start_back(dz, y)
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
        self.done += 1
        p, g, m, v, tmp = self.p, self.g, self.m, self.v, self.tmp
        scale = ((1 - BETA_2) / (1 - BETA_2**self.done)) ** 0.5
        rate = self.workload.learning_rate * (1 - BETA_1) / (1 - BETA_1**self.done) / scale
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

    def predict(self, x):
        if len(x) != len(self.kept[-1]):
            self.kept = self._buffers(len(x))
        self.kept[0] = x
        self._forward(self.kept)
        return self.kept[-1]
