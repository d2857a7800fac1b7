"""One step of back-propagation, 2 -> 2 -> 2, all sigmoid: every Z, A, dA, dZ, dW and db by its name.

Run: python examples/05_one_step.py
"""

import numpy as np

import fastbp as fb

LEARNING_RATE = 0.5
x = np.array([[0.05, 0.10]])
target = np.array([[0.03, 0.05]])
W1 = np.array([[0.1, 0.2], [0.3, 0.4]])  # rows are inputs
W2 = np.array([[0.5, 0.6], [0.7, 0.8]])
b1, b2 = 0.35, 0.10  # one bias a layer, shared by both neurons


def network(W1, b1, W2, b2):
    model = fb.Sequential(
        [fb.Input((2,)), fb.Dense(2, "sigmoid", dtype="float64"), fb.Dense(2, "sigmoid", dtype="float64")]
    )
    model.compile(fb.optimizers.SGD(LEARNING_RATE), "mse")
    model.set_weights([W1, np.full(2, b1), W2, np.full(2, b2)])
    return model


model = network(W1, b1, W2, b2)
trace = model.gradients(x, target)
for name, value in trace.items():
    print(f"{name:>5} = {np.array2string(np.asarray(value), precision=6).replace(chr(10), chr(10) + ' ' * 8)}")

# A shared bias feeds both neurons, so its gradient is the sum of theirs.
W1_new = W1 - LEARNING_RATE * trace["dW1"]
W2_new = W2 - LEARNING_RATE * trace["dW2"]
b1_new = b1 - LEARNING_RATE * trace["db1"].sum()
b2_new = b2 - LEARNING_RATE * trace["db2"].sum()
after = network(W1_new, b1_new, W2_new, b2_new).predict(x, verbose=0)
halved = network(W1_new, b1_new, W2_new, b2 - LEARNING_RATE * trace["db2"].mean()).predict(x, verbose=0)


def row(title, *values):
    print(f"{title:<32}{', '.join(f'{value:.3f}' for value in np.ravel(values))}")


print()
row("outputs before", trace["A2"])
print(f"{'error before':<32}{trace['loss']:.4f}")
row("second layer after", W2_new)
row("first layer after", W1_new)
row("first bias after, shared", b1_new)
row("second bias after, shared", b2_new)
row("outputs after", after)
print(
    "\nThe tutorial's error, 0.4436, is computed from outputs rounded to three digits.\n"
    "Its outputs after the step, 0.667 and 0.693, are not what the whole gradient gives: the second\n"
    "bias is shared, so both neurons pull on it. With the mean of the two pulls in place of their sum\n"
    f"the outputs would be {halved[0, 0]:.3f} and {halved[0, 1]:.3f}, close to the tutorial's."
)
