"""A network worked by hand in NumPy: 784 -> 128 ReLU -> 10 softmax, on the first 1,000 rows of MNIST.

Run: FASTBP_DATA_DIR=... python examples/02_by_hand_numpy.py [epochs]

`02_by_hand_fastbp.py` is this file with the arithmetic replaced. Only the data come from fastbp here.
"""

import sys
import time

import numpy as np

from fastbp.datasets import mnist

BATCH = 32
LEARNING_RATE = 0.1


def relu(z):
    return np.maximum(z, 0)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class Network:
    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.W1 = (rng.standard_normal((784, 128)) * 0.01).astype(np.float32)
        self.b1 = np.zeros(128, np.float32)
        self.W2 = (rng.standard_normal((128, 10)) * 0.01).astype(np.float32)
        self.b2 = np.zeros(10, np.float32)

    def take(self, X, rows):
        return X[rows]

    def forward(self, X):
        self.Z1 = X @ self.W1 + self.b1
        self.A1 = relu(self.Z1)
        self.Z2 = self.A1 @ self.W2 + self.b2
        self.A2 = softmax(self.Z2)
        return self.A2

    def backward(self, X, Y, learning_rate):
        m = len(X)
        dZ2 = (self.A2 - Y) / m
        dW2 = self.A1.T @ dZ2
        db2 = dZ2.sum(axis=0)
        dA1 = dZ2 @ self.W2.T
        dZ1 = dA1 * (self.Z1 > 0)
        dW1 = X.T @ dZ1
        db1 = dZ1.sum(axis=0)
        self.W2 -= learning_rate * dW2
        self.b2 -= learning_rate * db2
        self.W1 -= learning_rate * dW1
        self.b1 -= learning_rate * db1

    def loss(self, X, Y):
        return float(-np.log((self.forward(X) * Y).sum(axis=1)).mean())

    def accuracy(self, X, Y):
        return float((self.forward(X).argmax(axis=1) == Y.argmax(axis=1)).mean())

    def train(self, X, Y, epochs):
        """Plain gradient descent; gives (loss, accuracy) of each epoch and the seconds spent in steps."""
        rng = np.random.default_rng(0)
        curve, seconds = [], 0.0
        for epoch in range(1, epochs + 1):
            order = rng.permutation(len(X))
            start = time.perf_counter()
            for i in range(0, len(X), BATCH):
                rows = order[i : i + BATCH]
                x, y = self.take(X, rows), self.take(Y, rows)
                self.forward(x)
                self.backward(x, y, LEARNING_RATE)
            seconds += time.perf_counter() - start
            curve.append((self.loss(X, Y), self.accuracy(X, Y)))
            print(f"epoch {epoch:2d}  loss {curve[-1][0]:.4f}  accuracy {curve[-1][1]:.3f}")
        return curve, seconds


def first_thousand():
    """1,000 images as rows of 784 numbers in [0, 1], and their labels as one-hot rows."""
    (x, y), _ = mnist.load_data()
    X = x[:1000].reshape(1000, 784).astype(np.float32) / 255
    Y = np.eye(10, dtype=np.float32)[y[:1000]]
    return X, Y


if __name__ == "__main__":
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    X, Y = first_thousand()
    _, seconds = Network().train(X, Y, epochs)
    print(f"NumPy: {epochs * len(X) / seconds:,.0f} rows a second")
