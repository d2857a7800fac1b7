"""MNIST with two hidden layers, as a Keras user writes it: only the imports are different.

Run: FASTBP_DATA_DIR=... python examples/01_digits_deep.py [epochs]
"""

import sys

from fastbp.datasets import mnist
from fastbp.layers import Dense
from fastbp.models import Sequential
from fastbp.utils import set_random_seed, to_categorical

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
set_random_seed(1)

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train.reshape(60000, 784).astype("float32") / 255
x_test = x_test.reshape(10000, 784).astype("float32") / 255
y_train = to_categorical(y_train, 10)
y_test = to_categorical(y_test, 10)

# fmt: off
model = Sequential([
    Dense(128, activation='relu', input_shape=(784,)),
    Dense(64, activation='relu'),
    Dense(10, activation='softmax')
])
model.compile(optimizer='adam', loss='categorical_crossentropy', metrics=['accuracy'])
model.summary()
model.fit(x_train, y_train, epochs=epochs, batch_size=32, validation_split=0.2)
loss, accuracy = model.evaluate(x_test, y_test)
# fmt: on
print(f"test loss {loss:.4f}, test accuracy {accuracy:.4f}")
