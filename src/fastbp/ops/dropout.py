"""Floor 2. Dropout on NumPy arrays, and the random bits it is made of.

A mask is a function of seed, offset and the element's number alone. So a backward pass draws the mask again, nothing is
stored, and neither threads, memory layout nor dtype change it.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from fastbp._core import _rows
from fastbp._core._program import run_op
from fastbp.ops.edge import Array, elementwise, real
from fastbp.utils import check_count, check_number

WORK = 50.0  # operations that an element is worth, of which most go into its random word
SELU_FLOOR = -1.7580993408473766  # what SELU goes to at minus infinity: -scale alpha (Klambauer et al. 2017)


def _place(seed: int, offset: int) -> tuple[int, int]:
    """A seed and an offset that were checked."""
    return check_count("seed", seed, 0, 2**64 - 1), check_count("offset", offset, 0, 2**130 - 1)


def _rate(rate: float) -> float:
    return check_number("rate", rate, 0, 1, "[)")


def _dropped(
    name: str,
    x: ArrayLike,
    rate: float,
    place: tuple[int, int],
    out: Array | None,
    scale: float,
    shift: float = -0.0,  # of what is kept; -0.0 because its sum with -0.0 is -0.0
    fill: float = 0.0,
) -> Array:
    """scale x + shift where x is kept, else fill."""
    threshold = min(round(rate * 2**32), 2**32 - 1)
    constants = threshold, *place, scale, shift, fill, False
    return elementwise(_rows.Dropout, (real(name, x),), out, WORK, *constants)


def dropout(x: ArrayLike, rate: float, seed: int, offset: int = 0, out: Array | None = None) -> Array:
    """Inverted dropout: x / (1 - rate) with probability 1 - rate, else 0 (Srivastava et al. 2014).

    Element i of x, in C order, is dropped if word offset + i of `random_bits` is below rate * 2**32. Passes whose
    offsets differ by x.size or more are independent of each other.

    Parameters
    ----------
    x : array_like
        float32 or float64, any strides. Where it is dropped the result is 0 even if x is NaN or infinite.
    rate : float
        Probability of being dropped, from 0 to below 1.
    seed : int
        From 0 to 2**64 - 1.
    offset : int
        Number of the first element's random word, from 0 to 2**130 - 1.
    out : ndarray, optional
        Of the shape and dtype of x; may be x itself.

    Returns
    -------
    ndarray

    Raises
    ------
    TypeError, ValueError
        If x is not real, rate, seed or offset is out of range, or `out` does not fit.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.ops.dropout(np.ones(8), 0.5, seed=5)
    array([2., 0., 2., 2., 0., 0., 2., 0.])
    """
    rate = _rate(rate)
    return _dropped("x", x, rate, _place(seed, offset), out, 1 / (1 - rate))


def dropout_backward(dy: ArrayLike, rate: float, seed: int, offset: int = 0, out: Array | None = None) -> Array:
    """Gradient of `dropout` with the same rate, seed and offset: the same mask, drawn again.

    Parameters
    ----------
    dy : array_like
        Gradient with respect to what `dropout` returned.
    rate, seed, offset
        As given to `dropout`.
    out : ndarray, optional
        May be dy itself.

    Returns
    -------
    ndarray

    Raises
    ------
    TypeError, ValueError
        As `dropout`.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.ops.dropout_backward(np.arange(8.0), 0.5, seed=5)
    array([ 0.,  0.,  4.,  6.,  0.,  0., 12.,  0.])
    """
    rate = _rate(rate)
    return _dropped("dy", dy, rate, _place(seed, offset), out, 1 / (1 - rate))


def _alpha_scale(rate: float) -> float:
    return 1 / sqrt((1 - rate) * (1 + rate * SELU_FLOOR**2))


def alpha_dropout(x: ArrayLike, rate: float, seed: int, offset: int = 0, out: Array | None = None) -> Array:
    """Alpha dropout: a x + b with probability 1 - rate, else a f + b (Klambauer et al. 2017).

    f = -1.7581 is the limit of SELU at minus infinity, and a and b keep mean 0 and variance 1 where the input has them:
    a = ((1 - rate) (1 + rate f²))^(-1/2), b = -a rate f. Arguments as `dropout`, whose mask it has.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.ops.alpha_dropout(np.ones(4), 0.5, seed=5).round(4)
    array([ 1.6656, -0.7792,  1.6656,  1.6656])
    """
    rate = _rate(rate)
    scale = _alpha_scale(rate)
    shift = -scale * rate * SELU_FLOOR
    return _dropped("x", x, rate, _place(seed, offset), out, scale, shift, scale * SELU_FLOOR + shift)


def alpha_dropout_backward(dy: ArrayLike, rate: float, seed: int, offset: int = 0, out: Array | None = None) -> Array:
    """Gradient of `alpha_dropout`: a dy where x was kept, else 0. Arguments as `dropout_backward`.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.ops.alpha_dropout_backward(np.ones(4), 0.5, seed=5).round(4)
    array([0.8864, 0.    , 0.8864, 0.8864])
    """
    rate = _rate(rate)
    return _dropped("dy", dy, rate, _place(seed, offset), out, _alpha_scale(rate))


def random_bits(n: int, seed: int, offset: int = 0) -> Array:
    """Random 32-bit words by Philox4x32-10 (Salmon et al. 2011): words [offset, offset + n) of a seed's sequence.

    Word p of the sequence is word p % 4 of the 128-bit counter p // 4, enciphered with the seed for its key.

    Parameters
    ----------
    n : int
    seed : int
        From 0 to 2**64 - 1.
    offset : int
        From 0 to 2**130 - 1; behind the last word the sequence begins anew.

    Returns
    -------
    ndarray of uint32, shape (n,)

    Raises
    ------
    TypeError, ValueError
        If n is negative, or seed or offset is out of range.

    Examples
    --------
    >>> import fastbp as fb
    >>> [hex(word) for word in fb.ops.random_bits(4, seed=0)]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    n = check_count("n", n, 0)
    seed, offset = _place(seed, offset)
    out = np.empty(n, np.uint32)
    run_op(_rows.RandomBits(out, seed, offset), 1, WORK * n)
    return out
