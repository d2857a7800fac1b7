"""Floor 4. Two interleaved half circles with Gaussian noise, drawn from a seed."""

import numpy as np

from fastbp.utils import check_count, check_number

Pair = tuple[np.ndarray, np.ndarray]


def load_data(n: int = 2000, noise: float = 0.4, seed: int = 0, test_split: float = 0.4) -> tuple[Pair, Pair]:
    """Draw the two moons: points of the plane in two classes that no straight line separates.

    Class 0 lies on the upper half of the unit circle, class 1 on the lower half of the unit circle around
    (1, 0.5); the two have equal size, or class 0 one row less when `n` is odd. Points are equally spaced along the
    arcs, then moved by Gaussian noise and shuffled. The columns are not standardised.

    Parameters
    ----------
    n : int
        Number of rows in all, at least 2.
    noise : float
        Standard deviation of the noise added to each coordinate, 0 or more.
    seed : int
        Seed of the noise and of the shuffle; the same seed draws the same points.
    test_split : float
        Share of the rows in the test set, at least 0 and less than 1.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuple of tuple of ndarray
        Points, float32 of shape (rows, 2); labels, uint8 of shape (rows,), 0 or 1.

    Raises
    ------
    ValueError
        If an argument is not a number of its range.

    References
    ----------
    The arcs are those of ``sklearn.datasets.make_moons``.

    Examples
    --------
    >>> from fastbp.datasets import moons
    >>> (x_train, y_train), (x_test, y_test) = moons.load_data(100, noise=0.1, seed=1)
    >>> x_train.shape, x_test.shape, x_train.dtype
    ((60, 2), (40, 2), dtype('float32'))
    """
    n = check_count("n", n, 2)
    noise = check_number("noise", noise, 0)
    test_split = check_number("test_split", test_split, 0, 1)
    if test_split == 1:
        raise ValueError("expected test_split below 1, so that there are rows to train on, got 1")

    upper = n // 2
    angle = np.concatenate([np.linspace(0, np.pi, upper), np.linspace(0, np.pi, n - upper)])
    y = (np.arange(n) >= upper).astype(np.uint8)
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x[upper:] = (1.0, 0.5) - x[upper:]

    rng = np.random.default_rng(check_count("seed", seed, 0))
    x += noise * rng.standard_normal(x.shape)
    order = rng.permutation(n)
    train, test = np.split(order, [max(1, n - round(n * test_split))])
    x = x.astype(np.float32)
    return (x[train], y[train]), (x[test], y[test])
