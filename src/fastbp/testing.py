"""Floor 3. Testing: are the gradients right? A comparison with finite differences, in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastbp.layers import Variable
from fastbp.model import Model
from fastbp.random import undisturbed
from fastbp.utils import check_count, check_number

# Gradients smaller than this share of the largest one of their parameter are measured against that
SMALLEST_SHARE = 1e-3


@dataclass(frozen=True)
class GradientReport:
    """What `check_gradients` found, at the element with the largest relative error.

    Attributes
    ----------
    parameter : str
        As in the literature: "W1", "b2".
    path : str
        The same by the layer's name: "dense/kernel".
    index : tuple of int
    relative_error, analytic, numeric : float
    checked, skipped : int
        Elements compared, and elements left out because the loss has a kink there.
    tolerance : float
    """

    parameter: str
    path: str
    index: tuple[int, ...]
    relative_error: float
    analytic: float
    numeric: float
    checked: int
    skipped: int
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether something was compared, and no error is above the tolerance."""
        return self.checked > 0 and self.relative_error <= self.tolerance

    def __str__(self) -> str:
        where = f"{self.parameter}[{', '.join(map(str, self.index))}] ({self.path})"
        return (
            f"{'ok' if self.ok else 'WRONG'}: worst at {where}, relative error {self.relative_error:.1e} "
            f"(analytic {self.analytic:.9g}, numeric {self.numeric:.9g}); "
            f"{self.checked} elements checked, {self.skipped} skipped at kinks"
        )


def check_gradients(
    model: Model, x: Any, y: Any, *, epsilon: float = 1e-4, tolerance: float = 1e-6, samples: int = 200
) -> GradientReport:
    """Compare the gradients that training uses with central differences.

    The model is built for x, if it is not built yet; then it is copied to float64 and not changed. It computes as
    in training: with the moments of these rows where a layer normalises them, and with dropout, whose mask is that
    of a first step all the time. The derivative of the mean loss comes from differences over ±ε/2, ±ε and ±2ε,
    combined to fourth order. An error is relative to the element's gradient, but at least to a thousandth of the
    largest one in its parameter, and to what the loss's own rounding can hide. Where a ReLU or an absolute error
    has its kink within 2ε the differences contradict each other and the element is skipped; which ones are does not
    depend on the gradient that is being checked.

    Parameters
    ----------
    model : Model
        Compiled.
    x, y : array_like
        As for `fit`; all rows make one batch.
    epsilon : float
    tolerance : float
        Largest relative error that is `ok`.
    samples : int
        Elements compared in each parameter, chosen evenly; all if there are no more.

    Returns
    -------
    GradientReport

    Raises
    ------
    TypeError, ValueError
        As `fit` does; or if nothing in the model is trainable.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.utils.set_random_seed(3)
    >>> model = fb.Sequential([fb.Input((3,)), fb.Dense(4, "tanh"), fb.Dense(2, "softmax")])
    >>> model.compile("sgd", "sparse_categorical_crossentropy")
    >>> fb.testing.check_gradients(model, np.random.randn(5, 3), [0, 1, 1, 0, 1]).ok
    True
    """
    step = check_number("epsilon", epsilon, 0, ends="(]")
    limit, most = check_number("tolerance", tolerance, 0, ends="(]"), check_count("samples", samples, 1)
    twin, rows = double(model, x, y)
    count = rows.size
    analytic = twin.executable("gradients", count, rows.kinds)
    analytic.bind(rows.arrays)
    analytic.run(0, count)
    forward = twin.executable("objective", count, rows.kinds)
    forward.bind(rows.arrays)

    def loss() -> float:
        forward.reset()
        forward.run(0, count)
        return float(forward.results(count)["loss"][0])

    gradients = analytic.gradients()
    if not gradients:
        raise ValueError(f"expected a model with weights to train, got none in {model.name}")
    check = Comparison(loss, step, limit)
    symbols = {variable: symbol for symbol, variable in analytic.parameters().items()}
    for variable, gradient in gradients.items():
        check.compare(symbols[variable], variable, gradient, most)
    return check.report()


class Comparison:
    """Elements of gradients against differences of a loss, and the worst of them so far."""

    def __init__(self, loss: Callable[[], float], step: float, limit: float) -> None:
        self.loss, self.step, self.limit, self.at_rest = loss, step, limit, loss()
        # differences of rounded losses tell nothing of gradients this small
        self.floor = 16 * np.finfo(np.float64).eps * max(1.0, abs(self.at_rest)) / step / limit
        self.worst: tuple[float, str, Variable, int, float, float] | None = None
        self.checked = self.skipped = 0

    def compare(self, symbol: str, variable: Variable, gradient: np.ndarray, most: int) -> None:
        """Compare so many elements of a parameter's gradient at most."""
        assert variable.value is not None
        flat, exact = variable.value.reshape(-1), gradient.reshape(-1)
        largest = float(np.abs(exact).max())
        for i in np.unique(np.linspace(0, flat.size - 1, min(most, flat.size)).round().astype(int)):
            numeric, spread = derivative(self.loss, self.at_rest, flat, i, self.step)
            scale = max(abs(exact[i]), abs(numeric), SMALLEST_SHARE * largest, self.floor)
            if spread > self.limit * scale:
                self.skipped += 1
                continue
            self.checked += 1
            error = abs(exact[i] - numeric) / scale
            if self.worst is None or not error <= self.worst[0]:
                self.worst = (float(error), symbol, variable, int(i), float(exact[i]), numeric)

    def report(self) -> GradientReport:
        """What was found."""
        if self.worst is None:
            return GradientReport("", "", (), np.nan, np.nan, np.nan, 0, self.skipped, self.limit)
        error, symbol, variable, i, exact, numeric = self.worst
        index = tuple(map(int, np.unravel_index(i, variable.shape)))
        counts = self.checked, self.skipped, self.limit
        return GradientReport(symbol, variable.path, index, error, exact, numeric, *counts)


def derivative(loss: Callable[[], float], at_rest: float, flat: np.ndarray, i: int, step: float) -> tuple[float, float]:
    """Derivative of the loss by one element, and by how much the differences contradict each other."""
    value = flat[i]

    def moved(by: float) -> float:
        flat[i] = value + by
        return loss()

    slopes, bends = [], []
    for size in (step / 2, step, 2 * step):
        ahead, behind = moved(size), moved(-size)
        slopes.append((ahead - behind) / (2 * size))
        bends.append((ahead - 2 * at_rest + behind) / size)
    flat[i] = value
    # a smooth loss: the error of a slope grows with the square of the size, a bend with the size itself
    fine, coarse = (4 * slopes[0] - slopes[1]) / 3, (4 * slopes[1] - slopes[2]) / 3
    return fine, max(abs(fine - coarse), abs(2 * bends[0] - bends[1]))


def double(model: Model, x: Any, y: Any) -> tuple[Model, Any]:
    """A float64 copy of a compiled model, and the data as it takes them."""
    rows = model._ready(model._check_rows(x, y))
    assert model._graph is not None
    with undisturbed():
        graph = model._graph.clone("float64")
        twin = Model(graph.inputs, graph.outputs)
    twin.compile("sgd", model.loss, loss_weights=model._loss_weights if len(model._loss_weights) > 1 else None)
    twin.set_weights(model.get_weights())
    return twin, rows
