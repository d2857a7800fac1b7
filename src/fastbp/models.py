"""Floor 3. Models, under the module name that Keras gives them."""

from fastbp.checkpoint import load as load_model
from fastbp.model import Model
from fastbp.sequential import Sequential

__all__ = ["Model", "Sequential", "load_model"]
