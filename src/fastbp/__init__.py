"""Floor 3. The package's front: every public name, each imported when it is first asked for.

>>> import fastbp as fb
>>> model = fb.Sequential([fb.Input((784,)), fb.Dense(128, "relu"), fb.Dense(10, "softmax")])
>>> model.count_params()
101770
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fastbp._version import __version__

if TYPE_CHECKING:
    from fastbp._config_report import show_config
    from fastbp._core._team import get_num_threads, set_num_threads
    from fastbp.checkpoint import load
    from fastbp.layers import Activation, BatchNormalization, Dense, Dropout, Input, LayerNormalization
    from fastbp.model import Model
    from fastbp.sequential import Sequential

# public name -> the module that holds it
_HOME = {
    "Activation": "layers",
    "BatchNormalization": "layers",
    "Dense": "layers",
    "Dropout": "layers",
    "Input": "layers",
    "LayerNormalization": "layers",
    "Model": "model",
    "Sequential": "sequential",
    "get_num_threads": "_core._team",
    "load": "checkpoint",
    "set_num_threads": "_core._team",
    "show_config": "_config_report",
}
_MODULES = (
    "activations",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "plots",
    "random",
    "regularizers",
    "schedules",
    "streams",
    "testing",
    "utils",
)
__all__ = [
    "Activation",
    "BatchNormalization",
    "Dense",
    "Dropout",
    "Input",
    "LayerNormalization",
    "Model",
    "Sequential",
    "__version__",
    "get_num_threads",
    "load",
    "set_num_threads",
    "show_config",
    *_MODULES,
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
