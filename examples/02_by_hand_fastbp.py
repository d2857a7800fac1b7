"""The network of `02_by_hand_numpy.py` with its arithmetic replaced, line for line, by fastbp.ops on the same arrays.

Run: FASTBP_DATA_DIR=... python examples/02_by_hand_fastbp.py [epochs]

Trains both from the same weights, and prints both curves, the largest difference between them, and both speeds.
"""

import runpy
import sys
from pathlib import Path

import numpy as np

from fastbp import ops

by_hand = runpy.run_path(str(Path(__file__).with_name("02_by_hand_numpy.py")))


class Network(by_hand["Network"]):
    def take(self, X, rows):
        return ops.gather_rows(X, rows)

    def forward(self, X):
        self.A1 = ops.dense(X, self.W1, self.b1, "relu")
        self.Z2 = ops.dense(self.A1, self.W2, self.b2)
        self.A2 = ops.softmax(self.Z2)
        return self.A2

    def backward(self, X, Y, learning_rate):
        m = len(X)
        dZ2 = (self.A2 - Y) / m
        dW2 = ops.matmul(self.A1.T, dZ2)
        db2 = ops.column_sum(dZ2)
        dA1 = ops.matmul(dZ2, self.W2.T)
        dZ1 = ops.relu_backward(dA1, self.A1)  # relu'(Z1) is 1 exactly where A1 > 0, so Z1 need not be kept
        dW1 = ops.matmul(X.T, dZ1)
        db1 = ops.column_sum(dZ1)
        ops.sgd(self.W2, dW2, learning_rate)
        ops.sgd(self.b2, db2, learning_rate)
        ops.sgd(self.W1, dW1, learning_rate)
        ops.sgd(self.b1, db1, learning_rate)


epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
X, Y = by_hand["first_thousand"]()
print("NumPy")
numpy_curve, numpy_seconds = by_hand["Network"]().train(X, Y, epochs)
print("fastbp.ops")
fastbp_curve, fastbp_seconds = Network().train(X, Y, epochs)

difference = np.abs(np.subtract(numpy_curve, fastbp_curve)).max()
rows = epochs * len(X)
print(f"largest difference in loss or accuracy: {difference:.1e}")
print(f"NumPy:      {rows / numpy_seconds:10,.0f} rows a second")
print(f"fastbp.ops: {rows / fastbp_seconds:10,.0f} rows a second, {numpy_seconds / fastbp_seconds:.1f} times as fast")
