"""Vanishing gradients and their cure: twelve hidden layers of sigmoids, and of ReLUs with what was invented since.

Run: python examples/06_gradient_flow.py [picture to write]

Both networks have the same widths and see the same 10,000 digits of MNIST (needs matplotlib).
"""

import sys
import warnings

import fastbp as fb
from fastbp.layers import Activation, BatchNormalization, Dense, Residual

path = sys.argv[1] if len(sys.argv) > 1 else "gradient_flow.svg"
HIDDEN, WIDTH, EPOCHS = 12, 64, 5

(x, y), (x_test, y_test) = fb.datasets.mnist.load_data()
x, y = x[:10_000].reshape(-1, 784), y[:10_000]
x_test = x_test.reshape(-1, 784)


def train(name, *hidden):
    """Train 784-64-...-64-10; returns what was measured of it on 512 rows."""
    model = fb.Sequential([fb.Input((784,), scale=1 / 255), *hidden, Dense(10, "softmax")])
    model.compile(fb.optimizers.SGD(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    flow = fb.callbacks.GradientFlow(x[:512], y[:512])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its findings are printed below
        model.fit(x, y, epochs=EPOCHS, verbose=0, callbacks=flow)
    accuracy = model.evaluate(x_test, y_test, verbose=0)[1]
    print(f"{name}: test accuracy {accuracy:.3f}; {'; '.join(flow.findings) or 'nothing found'}")
    return flow


def block():
    """x + relu(normalized(x W)): what comes in reaches the next block whatever W does."""
    return Residual([Dense(WIDTH, use_bias=False), BatchNormalization(), Activation("relu")])


fb.utils.set_random_seed(0)
plain = train("sigmoid", *[Dense(WIDTH, "sigmoid") for _ in range(HIDDEN)])
cured = train("twin", Dense(WIDTH, "relu"), *[block() for _ in range(HIDDEN - 1)])
fb.plots.gradient_flow({"Sigmoid": plain, "ReLU, batch normalization and residual connections": cured}, path)
print(f"drawn: {path}")
