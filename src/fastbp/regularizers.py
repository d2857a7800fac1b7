"""Floor 2. Regularizers: penalties for the size of weights, in the reported loss and in the gradients."""

from typing import Any

from fastbp.registry import Configured
from fastbp.utils import check_number, resolve


class Regularizer(Configured):
    """Base: l1 Σ |w| + l2 Σ w², added to the loss of every batch.

    Attributes
    ----------
    l1, l2 : float
    """

    name = ""
    l1 = l2 = 0.0

    def get_config(self) -> dict[str, Any]:
        """Name and options, as `get` takes them."""
        return {"name": self.name, **vars(self)}


class L1(Regularizer):
    """l1 Σ |w| (Tibshirani 1996): weights that help little become zero.

    Parameters
    ----------
    l1 : float
        At least 0.
    """

    name = "l1"

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = check_number("l1", l1, 0)


class L2(Regularizer):
    """l2 Σ w², of which the gradient is 2 l2 w, as in Keras.

    Parameters
    ----------
    l2 : float
        At least 0.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.Dense(10, kernel_regularizer="l2").kernel_regularizer.l2
    0.01
    """

    name = "l2"

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = check_number("l2", l2, 0)


class L1L2(Regularizer):
    """l1 Σ |w| + l2 Σ w² (Zou & Hastie 2005).

    Parameters
    ----------
    l1, l2 : float
        At least 0.
    """

    name = "l1_l2"

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = check_number("l1", l1, 0), check_number("l2", l2, 0)


REGULARIZERS: dict[str, type[Regularizer]] = {kind.name: kind for kind in (L1, L2, L1L2)}


def get(given: str | Regularizer | dict[str, Any] | None) -> Regularizer | None:
    """Regularizer of a name, an object or a configuration; None for None."""
    if given is None:
        return None
    found: Regularizer | type[Regularizer] = resolve("regularizer", Regularizer, REGULARIZERS, given)
    return found() if isinstance(found, type) else found
