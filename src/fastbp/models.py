"""Floor 3. Models, under the module name that Keras gives them."""

from fastbp.model import Sequential

__all__ = ["Sequential"]
