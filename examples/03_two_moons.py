"""Two moons with the smallest network there is: one layer of one sigmoid, which is logistic regression.

Run: python examples/03_two_moons.py [folder for the pictures] [epochs]

Writes two_moons_loss.png and two_moons_regions.png (needs matplotlib).
"""

import sys
from pathlib import Path

import fastbp as fb

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 400

(x_train, y_train), (x_test, y_test) = fb.datasets.moons.load_data(n=2000, noise=0.4, seed=0, test_split=0.4)
mean, deviation = x_train.mean(axis=0), x_train.std(axis=0)
x_train = (x_train - mean) / deviation
x_test = (x_test - mean) / deviation

model = fb.Sequential([fb.Input((2,)), fb.Dense(1, "sigmoid", kernel_initializer="zeros")])
model.compile(fb.optimizers.SGD(0.05), "binary_crossentropy")
history = model.fit(  # every row in every step: full-batch gradient descent
    x_train, y_train, epochs=epochs, batch_size=len(x_train), validation_data=(x_test, y_test), shuffle=False, verbose=0
)

train_loss, test_loss = history.history["loss"], history.history["val_loss"]
for epoch in sorted({1, *range(50, epochs + 1, 50), epochs}):
    print(f"epoch {epoch:3d}  train loss {train_loss[epoch - 1]:.4f}  test loss {test_loss[epoch - 1]:.4f}")

weights, bias = model.get_weights()
says_one = model.predict(x_test, verbose=0)[:, 0] >= 0.5
print(f"weights {weights[:, 0].round(3)}, bias {bias.round(3)}")
print(f"test accuracy {(says_one == y_test).mean():.4f}")

fb.plots.history(history, folder / "two_moons_loss.png")
fb.plots.decision_regions(model, x_test, y_test, folder / "two_moons_regions.png")
print(f"drawn: {folder / 'two_moons_loss.png'}, {folder / 'two_moons_regions.png'}")
