"""Floor 4. The 1,797 handwritten digits of 8x8 pixels, shipped inside the package."""

from pathlib import Path

import numpy as np

Pair = tuple[np.ndarray, np.ndarray]

ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def load_data() -> tuple[Pair, Pair]:
    """Load the 8x8 digits: images of 0..9 written by 13 people.

    The images are the test part of "Optical Recognition of Handwritten Digits" [1]_, the same rows as
    ``sklearn.datasets.load_digits``, here as bytes. One fifth of each class, drawn once, is the test set; the rows
    are stored shuffled, so the split is the same on every machine and for every NumPy.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuple of tuple of ndarray
        Images, uint8 of shape (1438, 8, 8) and (359, 8, 8), pixel values 0 to 16;
        labels, uint8 of shape (1438,) and (359,), 0 to 9. The arrays are the caller's own.

    References
    ----------
    .. [1] E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
       1998, doi:10.24432/C50P49 (CC BY 4.0).

    Examples
    --------
    >>> from fastbp.datasets import digits
    >>> (x_train, y_train), (x_test, y_test) = digits.load_data()
    >>> x_train.shape, x_train.dtype, int(x_train.max())
    ((1438, 8, 8), dtype('uint8'), 16)
    >>> y_test.shape
    (359,)
    """
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as arrays:
        x_train, y_train, x_test, y_test = (arrays[name] for name in ARRAYS)
    return (x_train, y_train), (x_test, y_test)
