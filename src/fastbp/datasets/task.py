"""Floor 4. A supervised task made ready for a network: its kind, and its arrays scaled, encoded and split."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastbp.datasets import digits, files, mnist, moons
from fastbp.utils import lookup

Pair = tuple[np.ndarray, np.ndarray]

BUILT_IN: dict[str, Callable[[], tuple[Pair, Pair]]] = {
    "digits": digits.load_data,
    "moons": moons.load_data,
    "mnist": mnist.load_data,
}
TEST_SHARE = 0.2  # of the rows of a file that brings no test set


@dataclass(frozen=True)
class Task:
    """Training and test arrays, and the last layer, loss and metric that suit the target.

    Attributes
    ----------
    x_train, x_test : ndarray, shape (rows, columns)
        Features: uint8 to be multiplied by `scale`, else floats with mean 0 and deviation 1 over the training rows.
    y_train, y_test : ndarray
        Class numbers, shape (rows,), or for a regression floats, shape (rows, units), mean 0 and deviation 1.
    scale : float
        Factor for the features.
    classes : ndarray or None
        The label of each class number; None for a regression.
    deviation : ndarray or None
        Standard deviation of each target before it was divided by it; None for classes.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    scale: float
    classes: np.ndarray | None
    deviation: np.ndarray | None

    @property
    def head(self) -> tuple[int, str, str, str]:
        """Units and activation of the last layer, the loss and the metric."""
        if self.classes is None:
            return self.y_train.shape[1], "linear", "mse", "mae"
        if len(self.classes) == 2:
            return 1, "sigmoid", "binary_crossentropy", "accuracy"
        return len(self.classes), "softmax", "sparse_categorical_crossentropy", "accuracy"


def load_task(source: str, seed: int = 0, dtype: str = "float32") -> Task:
    """Load a data set by its name, or the user's file, as a task.

    Integer, boolean, text or one-hot targets are classes; other floats are a regression. Training rows are shuffled
    from `seed`, and one fifth of them is kept for testing where a file brings no test set. Bytes stay bytes and are
    scaled by their largest value; other features are standardised with the training rows' mean and deviation, and so
    are regression targets.

    Parameters
    ----------
    source : str
        ``"digits"``, ``"moons"``, ``"mnist"``, or a file that ends in ``.npz`` or ``.csv``.
    seed : int
        Seed of the shuffle.
    dtype : str
        ``"float32"`` or ``"float64"``, for arrays that are not bytes.

    Returns
    -------
    Task

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If the source is unknown or its contents do not fit together.

    Examples
    --------
    >>> task = load_task("digits")
    >>> task.x_train.shape, task.x_train.dtype, task.scale
    ((1438, 64), dtype('uint8'), 0.0625)
    >>> task.head
    (10, 'softmax', 'sparse_categorical_crossentropy', 'accuracy')
    """
    suffix = Path(source).suffix.lower()
    train: Pair
    test: Pair | None
    if suffix == ".npz":
        train, test = files.read_npz(source)
    elif suffix == ".csv":
        train, test = files.read_csv(source), None
    else:
        train, test = _built_in(source)
    try:
        return make_task(train, test, seed, dtype)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None


def make_task(train: Pair, test: Pair | None = None, seed: int = 0, dtype: str = "float32") -> Task:
    """Make a task of arrays that are already in memory; see `load_task` for the rules.

    Parameters
    ----------
    train, test : tuple of ndarray
        Features and targets; without `test`, one fifth of `train` is held out.
    seed : int
        Seed of the shuffle.
    dtype : str
        ``"float32"`` or ``"float64"``.

    Returns
    -------
    Task

    Raises
    ------
    ValueError
        If features or targets are not usable, or rows and columns do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> task = make_task((np.eye(10), np.arange(10) % 2 == 0))
    >>> task.x_train.shape, task.x_test.shape, task.classes.tolist()
    ((8, 10), (2, 10), [False, True])
    """
    train = _checked_pair(*train, "training")
    (x_train, y_train), (x_test, y_test) = _split(train, test and _checked_pair(*test, "test"), seed)
    if x_train.shape[1] != x_test.shape[1]:
        raise ValueError(f"expected test rows of {x_train.shape[1]} columns as in training, got {x_test.shape[1]}")
    if y_train.shape[1:] != y_test.shape[1:]:
        raise ValueError(f"expected test targets of shape {y_train.shape[1:]} a row, got {y_test.shape[1:]}")
    x_train, x_test, scale = _scaled(x_train, x_test, dtype)
    if y_train.dtype.kind == "f":
        y_train, y_test, deviation = _standardised(y_train, y_test, dtype)
        return Task(x_train, y_train, x_test, y_test, scale, None, deviation)
    classes, number = np.unique(np.concatenate([y_train, y_test]), return_inverse=True)
    if not 2 <= len(classes) <= max(2, len(number) // 2):
        raise ValueError(
            f"expected classes from 2 to half the number of rows, got {len(classes):,} in {len(number):,} rows "
            "(targets of a regression must be floats: 12.0, not 12)"
        )
    number = number.astype(np.int32)
    return Task(x_train, number[: len(y_train)], x_test, number[len(y_train) :], scale, classes, None)


def _built_in(name: str) -> tuple[Pair, Pair]:
    """A data set of ours; an unknown name is told what else may stand there."""
    try:
        load = lookup("data set", BUILT_IN, name)
    except ValueError as error:
        raise ValueError(f"{error}; a file's name must end in .npz or .csv") from None
    return load()


def _checked_pair(x: np.ndarray, y: np.ndarray, which: str) -> Pair:
    """Features as (rows, columns), targets as classes (rows,) or floats (rows, units)."""
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype.kind not in "biuf":
        raise ValueError(f"expected numeric {which} features, got an array of {x.dtype}")
    if x.ndim == 0 or x.size == 0:
        raise ValueError(f"expected {which} features of shape (rows, columns), got {x.shape}")
    if y.shape[:1] != x.shape[:1]:
        raise ValueError(f"expected {len(x):,} {which} targets, one a row, got an array of shape {y.shape}")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise ValueError(f"expected finite {which} features, got NaN or infinity")
    return x.reshape(len(x), -1), _checked_target(y.reshape(len(y), -1), which)


def _checked_target(y: np.ndarray, which: str) -> np.ndarray:
    """Class labels of shape (rows,), or floats of shape (rows, units)."""
    if y.dtype.kind not in "biufUS":
        raise ValueError(f"expected {which} targets that are numbers or text, got an array of {y.dtype}")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError(f"expected finite {which} targets, got NaN or infinity")
    numeric = y.dtype.kind in "biuf"
    if y.shape[1] > 1 and numeric and ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all():
        return np.asarray(y.argmax(axis=1))  # one-hot
    if y.dtype.kind == "f":
        return y
    if y.shape[1] != 1:
        raise ValueError(f"expected one class label a row, or one-hot rows, got {which} targets of shape {y.shape}")
    return y[:, 0]


def _split(train: Pair, test: Pair | None, seed: int) -> tuple[Pair, Pair]:
    """Shuffled training rows, so that a validation split of them is a fair sample; and the test rows."""
    x, y = train
    order = np.random.default_rng(seed).permutation(len(x))
    if test is not None:
        return (x[order], y[order]), test
    if len(x) < 2:
        raise ValueError(f"expected at least 2 rows to keep some for testing, got {len(x)}")
    mine, held = np.split(order, [-max(1, round(TEST_SHARE * len(x)))])
    return (x[mine], y[mine]), (x[held], y[held])


def _scaled(x_train: np.ndarray, x_test: np.ndarray, dtype: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Bytes as they are, with the factor to multiply them by; anything else standardised."""
    if x_train.dtype == np.uint8 and x_test.dtype == np.uint8:
        return x_train, x_test, 1.0 / max(1, int(x_train.max()))
    x_train, x_test, _ = _standardised(x_train, x_test, dtype)
    return x_train, x_test, 1.0


def _standardised(train: np.ndarray, test: np.ndarray, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both less the training mean, over the training deviation (1 where a column is constant)."""
    mean = train.mean(axis=0, dtype=np.float64)
    deviation = train.std(axis=0, dtype=np.float64)
    deviation[deviation == 0] = 1.0
    return ((train - mean) / deviation).astype(dtype), ((test - mean) / deviation).astype(dtype), deviation
