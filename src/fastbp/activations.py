"""Floor 2. Activations: one table, a row for each function a layer can apply.

A row says which kernel computes the function; `alpha` is that kernel's parameter, if it has one. There is a row for
each kernel of the family, and softmax, which works on whole rows; all others work on single elements.
"""

from dataclasses import dataclass
from typing import Any

from fastbp._core import _kernels
from fastbp.ops.activation import ALPHAS, check_alpha
from fastbp.utils import lookup, resolve

KERNELS = dict.fromkeys((*_kernels.ACTIVATIONS, "softmax"))


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
        leaky_relu: the slope below zero; elu, celu: minus the limit there. 0 for the others.

    Raises
    ------
    ValueError
        If `alpha` is negative or not finite, or too small for celu.

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

    def __post_init__(self) -> None:
        """Check kernel and alpha."""
        lookup("kernel", KERNELS, self.kernel)
        check_alpha(self.kernel, self.alpha)

    @property
    def elementwise(self) -> bool:
        """Whether it works on single elements, not on whole rows."""
        return self.kernel != "softmax"

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


ACTIVATIONS = {name: Activation(name, name, ALPHAS.get(name, 0.0)) for name in KERNELS}

linear = ACTIVATIONS["linear"]
relu = ACTIVATIONS["relu"]
leaky_relu = ACTIVATIONS["leaky_relu"]
sigmoid = ACTIVATIONS["sigmoid"]
tanh = ACTIVATIONS["tanh"]
softmax = ACTIVATIONS["softmax"]
elu = ACTIVATIONS["elu"]
selu = ACTIVATIONS["selu"]
celu = ACTIVATIONS["celu"]
hard_sigmoid = ACTIVATIONS["hard_sigmoid"]
log_sigmoid = ACTIVATIONS["log_sigmoid"]
hard_tanh = ACTIVATIONS["hard_tanh"]
softplus = ACTIVATIONS["softplus"]
softsign = ACTIVATIONS["softsign"]
relu6 = ACTIVATIONS["relu6"]
exponential = ACTIVATIONS["exponential"]
gelu = ACTIVATIONS["gelu"]
gelu_tanh = ACTIVATIONS["gelu_tanh"]
silu = ACTIVATIONS["silu"]
mish = ACTIVATIONS["mish"]
hard_swish = ACTIVATIONS["hard_swish"]


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
