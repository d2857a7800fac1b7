"""Floor 3. Models, under the module name that Keras gives them."""

from fastbp.model import Model
from fastbp.sequential import Sequential

__all__ = ["Model", "Sequential"]
