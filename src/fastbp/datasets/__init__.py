"""Floor 4. Small data sets as Keras gives them: `load_data()` -> ((x_train, y_train), (x_test, y_test)).

Each module is one data set. `digits` is inside the package, `moons` is drawn on the spot, `mnist` is read from a
folder or downloaded once. `files` reads the user's own tables, and `task` makes any of them ready for a network.
Nothing here is imported before it is asked for but NumPy.
"""

from fastbp.datasets import digits, mnist, moons

__all__ = ["digits", "mnist", "moons"]
