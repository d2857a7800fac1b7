"""Floor 2. Activations: one table, a row for each function a layer can apply.

A row says which kernel computes the function; `alpha` is that kernel's parameter, if it has one. Softmax works on whole
rows, all others on single elements.
"""

from dataclasses import dataclass
from typing import Any

from fastbp.utils import resolve


@dataclass(frozen=True)
class Activation:
    """An activation function.

    Parameters
    ----------
    name : str
        As in messages, tables and configurations.
    kernel : str
        The kernel that computes it.
    alpha : float
        leaky_relu: the slope below zero. 0 for the others.

    Examples
    --------
    >>> import fastbp as fb
    >>> steep = fb.activations.Activation("leaky_relu", "leaky_relu", alpha=0.3)
    >>> fb.Dense(4, steep).activation.alpha
    0.3
    """

    name: str
    kernel: str
    alpha: float = 0.0

    def record(self, tape: Any, x: Any) -> Any:
        """Write the function to a tape; linear writes nothing."""
        if self.kernel == "linear":
            return x
        if self.kernel == "softmax":
            return tape.softmax(x)
        return tape.activation(x, self.kernel, self.alpha)

    def get_config(self) -> str | dict[str, Any]:
        """The name if the table's row of that name is this one, else all fields."""
        return self.name if ACTIVATIONS.get(self.name) == self else vars(self).copy()


linear = Activation("linear", "linear")
relu = Activation("relu", "relu")
leaky_relu = Activation("leaky_relu", "leaky_relu", alpha=0.2)
sigmoid = Activation("sigmoid", "sigmoid")
tanh = Activation("tanh", "tanh")
softmax = Activation("softmax", "softmax")

ACTIVATIONS = {row.name: row for row in (linear, relu, leaky_relu, sigmoid, tanh, softmax)}


def get(given: str | Activation | dict[str, Any] | None) -> Activation:
    """Activation of a name, an object or a configuration; linear for None.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.activations.get("relu").kernel
    'relu'
    >>> fb.activations.get("rellu")
    Traceback (most recent call last):
    ValueError: unknown activation 'rellu': did you mean 'relu'? (known: linear, relu, ...)
    """
    if given is None:
        return linear
    if isinstance(given, dict):
        return Activation(**given)
    found: Activation = resolve("activation", Activation, ACTIVATIONS, given)
    return found
