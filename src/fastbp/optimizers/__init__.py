"""Floor 2. Optimizers: the update rule, its constants, its step sizes and its state."""

from typing import Any

from fastbp import schedules
from fastbp.optimizers.adam import Adam, AdamW, Nadam
from fastbp.optimizers.adaptive import Adadelta, Adagrad, Lion, RMSprop
from fastbp.optimizers.base import Optimizer
from fastbp.optimizers.sgd import SGD
from fastbp.utils import resolve

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "get",
    "schedules",
]

OPTIMIZERS: dict[str, type[Optimizer]] = {
    found.name: found for found in (SGD, Adam, AdamW, Nadam, Adagrad, Adadelta, RMSprop, Lion)
}


def get(given: str | Optimizer | dict[str, Any]) -> Optimizer:
    """Optimizer of a name, with its defaults, an object, or a configuration.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.optimizers.get("sgd")
    SGD(learning_rate=0.01, momentum=0.0, nesterov=False)
    """
    found = resolve("optimizer", Optimizer, OPTIMIZERS, given)
    optimizer: Optimizer = found() if isinstance(found, type) else found
    return optimizer
