"""Floor 4. Gradient flow: how signals and gradients get through the layers, from `callbacks.GradientFlow`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fastbp.plots.figure import new_figure, saved

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fastbp.plots.figure import FilePath

PANELS = {
    "activation": "Activations, root mean square",
    "gradient": "Gradients, root mean square",
    "update_ratio": "Change of weights in an epoch, relative",
}
LINES = 6  # epochs drawn at most: the first, the last, and some between
NAMED = 12  # layers up to which they are named; more are counted


def gradient_flow(flow: Any, path: FilePath | None = None) -> Figure:
    """Draw activations, gradients and updates of each layer on logarithmic scales, a line an epoch.

    A straight slope is a factor from layer to layer: gradients that fall to the left vanish, and those that rise
    explode. Layers without weights are left out, unless no layer has any.

    Parameters
    ----------
    flow : GradientFlow, or dict of str to GradientFlow
        What measured a training; of several a row of panels each, under its name, on common scales. Anything with
        its attributes records, layers and epoch will do.
    path : path-like, optional
        File to write; its suffix chooses the format.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If there is no epoch to draw.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> x, y = np.random.rand(64, 8), np.random.rand(64)
    >>> model = fb.Sequential([fb.Input((8,)), fb.Dense(8, "tanh"), fb.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> flow = fb.callbacks.GradientFlow(x, y)
    >>> _ = model.fit(x, y, epochs=2, verbose=0, callbacks=flow)
    >>> [line.get_label() for line in gradient_flow(flow).axes[1].get_lines()]
    ['before', 'epoch 1', 'epoch 2']
    """
    flows = dict(flow) if isinstance(flow, Mapping) else {"": flow}
    if not flows or not all(len(each.epoch) for each in flows.values()):
        raise ValueError("expected a gradient flow of at least one epoch, got none: it is measured by fit")

    figure = new_figure(width=12.5, height=0.5 + 3.6 * len(flows))
    parts = figure.subfigures(len(flows), 1, squeeze=False)[:, 0]
    shared: dict[str, list[Axes]] = {measure: [] for measure in PANELS}
    for part, (name, each) in zip(parts, flows.items(), strict=True):
        if name:
            part.suptitle(name, fontweight="bold", parse_math=False)
        for axes, measure in zip(part.subplots(1, len(PANELS)), PANELS, strict=True):
            _draw_lines(axes, each, measure)
            shared[measure].append(axes)
        part.legend(*shared["activation"][-1].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    for measure in shared:
        _share_scale(shared[measure])
    return saved(figure, path)


def _draw_lines(axes: Axes, flow: Any, measure: str) -> None:
    """One panel: a measure over the layers, lines from pale to dark as epochs go by."""
    from matplotlib import colormaps

    learned = ~np.isnan(flow.records["weight_gradient"]).all(axis=1)
    rows = np.flatnonzero(learned) if learned.any() else np.arange(len(flow.layers))
    columns = np.unique(np.linspace(0, len(flow.epoch) - 1, LINES).round().astype(int))
    record = flow.records[measure][rows]
    record = np.where(np.isfinite(record) & (record > 0), record, np.nan)  # a logarithm has no place for others
    shades = colormaps["viridis_r"](np.linspace(0.12, 1, len(columns)))
    for column, shade in zip(columns, shades, strict=True):
        label = "before" if flow.epoch[column] < 0 else f"epoch {flow.epoch[column] + 1}"
        axes.plot(np.arange(1, len(rows) + 1), record[:, column], "o-", ms=3.5, lw=1.4, color=shade, label=label)
    axes.set_yscale("log")
    axes.set_title(PANELS[measure], fontsize=10.5)
    axes.set_xlim(0.6, len(rows) + 0.4)
    _name_layers(axes, [flow.layers[row] for row in rows])
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if np.isnan(record).all():
        axes.text(0.5, 0.5, "nothing to draw", transform=axes.transAxes, ha="center", color="#777777")


def _name_layers(axes: Axes, names: list[str]) -> None:
    """Names below the lines, or numbers of the layers if there are many."""
    if len(names) > NAMED:
        axes.locator_params(axis="x", integer=True, nbins=10)
        axes.set_xlabel("layer with weights, counted from the input")
        return
    slanted = sum(map(len, names)) > 40
    axes.set_xticks(range(1, len(names) + 1), names, rotation=45 if slanted else 0, ha="right" if slanted else "center")
    for text in axes.get_xticklabels():
        text.set_parse_math(False)


def _share_scale(panels: list[Axes]) -> None:
    """The same range for all, at least a decade."""
    drawn = np.concatenate([line.get_ydata() for axes in panels for line in axes.get_lines()]).astype(float)
    drawn = drawn[~np.isnan(drawn)]
    if len(drawn):
        low, high = drawn.min() / 1.5, drawn.max() * 1.5
        middle, half = (low * high) ** 0.5, max((high / low) ** 0.5, 10**0.5)
        for axes in panels:
            axes.set_ylim(middle / half, middle * half)
