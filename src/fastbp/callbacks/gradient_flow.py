"""Floor 3. GradientFlow: how well signals and gradients get through the layers, epoch by epoch.

Root mean squares, not norms, so that wide and narrow layers compare. A gradient that shrinks or grows by some factor
from layer to layer does so exponentially in depth (Hochreiter 1991; Glorot & Bengio 2010).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from fastbp.callbacks.base import Callback, Logs
from fastbp.utils import check_number

RATIO = 1e3  # between the gradients of two layers, from which on they vanish or explode
SHARE = 0.4  # of dead units or saturated outputs in a layer, from which on it is reported
FLAT = 0.009  # slope of a saturated activation: |z| > 4.7 for sigmoid, 3.0 for tanh; leaky ReLUs have 0.01 and more

MEASURES = ("activation", "gradient", "weight_gradient", "update_ratio", "dead", "saturated")


class GradientFlow(Callback):
    """Measures activations, gradients and updates of each layer after every epoch, and warns of what goes wrong.

    The rows given make one batch, which goes forward and back once an epoch; nothing is trained by it. When training
    ends, one warning names what was found and the cure that fits.

    Parameters
    ----------
    x, y : array_like
        Rows and targets to measure on, some hundred for a start.
    ratio : float
        Gradients vanish or explode if those of two layers, or of two epochs, differ by this factor.
    share : float
        Dead units and saturated outputs are reported from this share of a layer on.

    Attributes
    ----------
    layers : list of str
        Names of the layers, in the order of the rows of each record.
    epoch : list of int
        Epochs measured, in the order of the columns; -1 stands for the model before training.
    records : dict of str to ndarray, shape (layers, epochs)
        activation: root mean square of A, or of Z where there is none.
        gradient: root mean square of the gradient of the loss with respect to Z, over the rows.
        weight_gradient: the same of W.
        update_ratio: change of W since the column before, relative to W, in Euclidean norm; NaN in the first column.
        dead: share of units that put out 0 for every row and get no gradient.
        saturated: share of outputs of hidden layers that are not 0 but have a slope below 0.009.
        NaN where a layer has nothing of the kind: no gradient gets to a frozen layer that has none before it to learn.
    findings : list of str
        What the warning says.

    Examples
    --------
    >>> import warnings, numpy as np, fastbp as fb
    >>> fb.utils.set_random_seed(0)
    >>> x, y = np.random.rand(64, 8), np.random.rand(64)
    >>> model = fb.Sequential([fb.Input((8,)), *[fb.Dense(8, "sigmoid") for _ in range(8)], fb.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> flow = fb.callbacks.GradientFlow(x, y)
    >>> with warnings.catch_warnings(record=True, action="always"):
    ...     _ = model.fit(x, y, epochs=2, verbose=0, callbacks=flow)
    >>> flow.records["gradient"].shape, flow.epoch
    ((9, 3), [-1, 0, 1])
    >>> flow.findings[0].split(":")[0]
    'gradients vanish'
    """

    def __init__(self, x: Any, y: Any, ratio: float = RATIO, share: float = SHARE) -> None:
        self.x, self.y = x, y
        self.ratio = check_number("ratio", ratio, 1, ends="(]")
        self.share = check_number("share", share, 0, 1, "(]")
        self._forget()

    def _forget(self) -> None:
        self.layers: list[str] = []
        self.epoch: list[int] = []
        self.findings: list[str] = []
        self._columns: list[np.ndarray] = []  # (measures, layers) of each epoch
        self._computed: list[list[bool]] = []  # (layers,) of each epoch: whether there was a gradient
        self._weights: dict[str, np.ndarray] = {}

    @property
    def records(self) -> dict[str, np.ndarray]:
        """What was measured, by name."""
        data = np.array(self._columns).reshape(len(self._columns), len(MEASURES), len(self.layers))
        return {name: data[:, row].T for row, name in enumerate(MEASURES)}

    def on_train_begin(self, logs: Logs) -> None:
        """Start anew, with the model as it is."""
        self._forget()
        self._measure(-1)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Measure."""
        self._measure(epoch)

    def _measure(self, epoch: int) -> None:
        trace = self.model.gradients(self.x, self.y)
        numbers = layer_numbers(trace)
        self.layers = layer_names(self.model, numbers, trace)
        last = numbers[-1]
        rows = [measure_layer(trace, self._weights, number, number == last) for number in numbers]
        self._columns.append(np.array(rows).T)
        self._computed.append([f"dZ{number}" in trace or f"dA{number}" in trace for number in numbers])
        self._weights = {name: array for name, array in trace.items() if name.startswith("W")}
        self.epoch.append(epoch)

    def on_train_end(self, logs: Logs) -> None:
        """Warn of what was found."""
        self.findings = [*find_vanishing(self), *find_exploding(self), *find_idle(self)]
        if self.findings:
            warnings.warn("; ".join(self.findings), RuntimeWarning, stacklevel=2)


def layer_numbers(trace: dict[str, Any]) -> list[int]:
    """The numbers of Z1, A1, Z2, ..."""
    found = {int(name[1:]) for name in trace if name[0] in "ZA" and name[1:].isdecimal()} - {0}
    if not found:
        raise ValueError(f"expected a model with layers to measure, got one that computes {', '.join(trace)}")
    return sorted(found)


def layer_names(model: Any, numbers: list[int], trace: dict[str, Any]) -> list[str]:
    """Names of the layers that have weights; An for the others."""
    weighted = [number for number in numbers if f"W{number}" in trace]
    kernels = [variable.path.rpartition("/")[0] for variable in model.weights if variable.name == "kernel"]
    names = dict(zip(weighted, kernels, strict=True)) if len(weighted) == len(kernels) else {}
    return [names.get(number, f"A{number}") for number in numbers]


def measure_layer(trace: dict[str, Any], before: dict[str, np.ndarray], number: int, last: bool) -> list[float]:
    """The measures of a layer, in their order, from the trace and the weights before; the last layer may saturate."""
    z, da, dz, w, dw = (trace.get(f"{name}{number}") for name in ("Z", "dA", "dZ", "W", "dW"))
    a = trace.get(f"A{number}", z)
    saturated = np.nan
    if not last and da is not None and dz is not None:
        saturated = float(np.mean((a != 0) & (da != 0) & (np.abs(dz) < FLAT * np.abs(da))))
    dz = da if dz is None else dz
    return [
        root_mean_square(a),
        root_mean_square(dz),
        root_mean_square(dw),
        change(before.get(f"W{number}"), w),
        np.nan if a is None or dz is None else float(np.mean(np.all((a == 0) & (dz == 0), axis=0))),
        saturated,
    ]


def root_mean_square(array: np.ndarray | None) -> float:
    """NaN for none."""
    return np.nan if array is None else float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))


def change(before: np.ndarray | None, now: np.ndarray | None) -> float:
    """How far weights have come, relative to what they were; NaN if they were not or were 0."""
    if before is None or now is None or not before.any():
        return np.nan
    return float(np.linalg.norm(now - before) / np.linalg.norm(before))


def reached(flow: GradientFlow) -> tuple[list[str], np.ndarray]:
    """Names of the layers that a gradient gets to, and the record of these, shape (layers, epochs)."""
    rows = np.flatnonzero(np.all(flow._computed, axis=0))
    return [flow.layers[row] for row in rows], flow.records["gradient"][rows]


def find_vanishing(flow: GradientFlow) -> list[str]:
    """The first layer gets far less than another, in most epochs."""
    layers, gradients = reached(flow)
    if not layers:
        return []
    largest = int(np.argmax(np.nan_to_num(np.median(gradients, axis=1))))
    part = np.median(gradients[0] / np.maximum(gradients[largest], np.finfo(float).tiny))
    if not part * flow.ratio < 1:
        return []
    return [
        f"gradients vanish: {layers[0]} gets {part:.0e} of what {layers[largest]} gets "
        "(relu or its kin, normalization, or residual connections cure that)"
    ]


def find_exploding(flow: GradientFlow) -> list[str]:
    """No numbers any more, or far larger ones than at the outputs, or than before training."""
    (layers, gradients), cure = reached(flow), "(clip them, or take a smaller learning rate)"
    if not layers:
        return []
    if not np.isfinite(gradients).all():
        row, column = np.argwhere(~np.isfinite(gradients))[0]
        epoch = flow.epoch[column] + 1
        return [f"gradients explode: those of {layers[row]} are no finite numbers after epoch {epoch} {cure}"]
    tiny = np.finfo(float).tiny
    depth = float(np.median(gradients[0] / np.maximum(gradients[-1], tiny)))
    if depth > flow.ratio:
        return [f"gradients explode: {layers[0]} gets {depth:.0e} times what {layers[-1]} gets {cure}"]
    growth = gradients[:, -1] / np.maximum(gradients[:, 0], tiny)
    row = int(np.argmax(growth))
    if len(flow.epoch) > 1 and growth[row] > flow.ratio:
        return [f"gradients explode: those of {layers[row]} grew by {growth[row]:.0e} in training {cure}"]
    return []


def find_idle(flow: GradientFlow) -> list[str]:
    """Layers that have, in the end, many dead units or saturated outputs."""
    cures = {
        "dead": "dead units: {} (a smaller learning rate or leaky_relu keeps them alive)",
        "saturated": "saturated outputs: {} (normalization before the activation, or smaller weights at first)",
    }
    found = []
    for measure, sentence in cures.items():
        shares = flow.records[measure][:, -1]
        named = zip(flow.layers, shares, strict=True)
        if guilty := [f"{share:.0%} of {name}" for name, share in named if share >= flow.share]:
            found.append(sentence.format(", ".join(guilty)))
    return found
