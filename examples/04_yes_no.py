"""A two-layer network for a yes/no question: is the sum of two numbers above one? 2 -> 4 sigmoid -> 1 sigmoid.

Run: python examples/04_yes_no.py [epochs]

Mean squared error, one row a step, learning rate 0.01. First the gradients are compared with central differences:
all layers take part, the hidden one's derivative included.
"""

import sys

import numpy as np

import fastbp as fb

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000

rng = np.random.default_rng(0)
x = rng.random((100, 2))
y = (x.sum(axis=1) > 1).astype(np.float64)[:, np.newaxis]  # (100, 1), as the network's output

fb.utils.set_random_seed(0)
model = fb.Sequential(
    [fb.Input((2,)), fb.Dense(4, "sigmoid", dtype="float64"), fb.Dense(1, "sigmoid", dtype="float64")]
)
model.compile(fb.optimizers.SGD(0.01), "mse", metrics=["accuracy"])
print("gradient check:", fb.testing.check_gradients(model, x, y))

history = model.fit(x, y, epochs=epochs, batch_size=1, verbose=0).history
for epoch in sorted({1, *range(100, epochs + 1, 100), epochs}):
    print(f"epoch {epoch:4d}  loss {history['loss'][epoch - 1]:.4f}  accuracy {history['accuracy'][epoch - 1]:.2f}")

for question in ([0.2, 0.3], [0.9, 0.8]):
    answer = model.predict(np.array([question]), verbose=0)[0, 0]
    print(f"{question[0]} + {question[1]} > 1?  {'yes' if answer > 0.5 else 'no'} ({answer:.3f})")
