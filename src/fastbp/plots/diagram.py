"""Floor 4. Diagrams: the graph of a model, a box a call of a layer, an arrow a tensor."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from fastbp.layers import Residual
from fastbp.plots.figure import new_figure, saved
from fastbp.plots.layout import lay_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fastbp.plots.figure import FilePath

HEIGHT, PITCH, MARGIN = 0.52, 0.92, 0.15  # of a box, from level to level, around all; in inches
NAME, DETAIL = 9.0, 7.5  # sizes of the two lines, in points
FILLS = {"input": "#e3f1e6", "layer": "#e6eef8", "shared": "#fdebdd"}
EDGE, OUTPUT = "#5b6b7b", "#1f5fa8"


class Box(NamedTuple):
    """What is written into a box, and how it looks."""

    name: str
    detail: str
    kind: str
    output: bool


def model_graph(model: Any, path: FilePath | None = None) -> Figure:
    """Draw the layers of a model as boxes, with their kinds and the shapes of what comes out, and who reads whom.

    Inputs are green. A layer that is called more than once has an orange box for each call. Outputs of the model have
    a thick border. A `Residual` is one box.

    Parameters
    ----------
    model : Model
        Its input's shape must be known.
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
        If the shape of the model's input is not known yet.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Sequential([fb.Input((4,), name="features"), fb.Dense(1, "sigmoid", name="says_yes")])
    >>> figure = model_graph(model)
    >>> print(*[text.get_text() for text in figure.axes[0].texts], sep=", ")
    features, Input (4,), says_yes, Dense sigmoid (1,)
    """
    boxes = find_boxes(model)
    if not boxes:
        raise ValueError(f"expected a model of known input shape, but {model.name} has none yet")
    edges = [(symbol, node.output) for node in model.nodes for symbol in node.inputs]
    figure = new_figure(1, 1)
    widths = {symbol: box_width(box) for symbol, box in boxes.items()}
    across, level, bends = lay_out(widths, edges)

    left = min(across[symbol] - widths[symbol] / 2 for symbol in boxes) - MARGIN
    left = min([left, *(x - MARGIN for points in bends for x, _ in points)])
    right = max(across[symbol] + widths[symbol] / 2 for symbol in boxes) + MARGIN
    right = max([right, *(x + MARGIN for points in bends for x, _ in points)])
    bottom = max(level.values()) * PITCH + HEIGHT / 2 + MARGIN
    top = -HEIGHT / 2 - MARGIN
    figure.set_layout_engine("none")
    figure.set_size_inches(right - left, bottom - top)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.set_axis_off()
    for (source, target), points in zip(edges, bends, strict=True):
        start = (across[source], level[source] * PITCH + HEIGHT / 2)
        end = (across[target], level[target] * PITCH - HEIGHT / 2)
        draw_arrow(axes, start, [(x, row * PITCH) for x, row in points], end)
    for symbol, box in boxes.items():
        draw_box(axes, box, across[symbol], level[symbol] * PITCH, widths[symbol])
    return saved(figure, path)


def find_boxes(model: Any) -> dict[Any, Box]:
    """A box for each symbol: the inputs, and what each call returns."""
    calls = Counter(node.layer for node in model.nodes)
    done: Counter[Any] = Counter()
    boxes = {}
    for node in [*(symbol.node for symbol in model.inputs), *model.nodes]:
        layer, symbol = node.layer, node.output
        kind = "layer" if node.inputs else "input"
        name = layer.name
        if calls[layer] > 1:
            done[layer] += 1
            kind, name = "shared", f"{name}, call {done[layer]} of {calls[layer]}"
        boxes[symbol] = Box(name, f"{described(layer)} {symbol.shape}", kind, symbol in model.outputs)
    return boxes


def described(layer: Any) -> str:
    """The class, and its activation or number of layers if it has that."""
    words = [type(layer).__name__]
    if isinstance(layer, Residual):
        words.append(f"of {len(layer.layers)} layer{'s' if len(layer.layers) > 1 else ''}")
    activation = getattr(getattr(layer, "activation", None), "name", "linear")
    if activation != "linear":
        words.append(activation)
    return " ".join(words)


def box_width(box: Box) -> float:
    """Inches that the longer line takes, and some room."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    measure = TextToPath().get_text_width_height_descent
    lines = ((box.name, NAME, "bold"), (box.detail, DETAIL, "normal"))
    points = [measure(text, FontProperties(size=size, weight=weight), ismath=False)[0] for text, size, weight in lines]
    return max(1.1, max(points) / 72 + 0.25)


def draw_box(axes: Axes, box: Box, x: float, y: float, width: float) -> None:
    """A rounded box with two lines in it."""
    from matplotlib.patches import FancyBboxPatch

    round_ = "round,pad=0,rounding_size=0.08"
    patch = FancyBboxPatch((x - width / 2, y - HEIGHT / 2), width, HEIGHT, boxstyle=round_, facecolor=FILLS[box.kind])
    patch.set(edgecolor=OUTPUT if box.output else EDGE, linewidth=2.2 if box.output else 0.9, zorder=3)
    axes.add_patch(patch)
    style: dict[str, Any] = {"ha": "center", "va": "center", "zorder": 4, "parse_math": False}
    axes.text(x, y - 0.1, box.name, fontsize=NAME, weight="bold", **style)
    axes.text(x, y + 0.12, box.detail, fontsize=DETAIL, color="#404040", **style)


def draw_arrow(
    axes: Axes, start: tuple[float, float], points: list[tuple[float, float]], end: tuple[float, float]
) -> None:
    """A curve that leaves downwards, passes the points straight down, and arrives from above."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    stops = [(start, start)]  # where it enters and leaves a level
    stops += [((x, y - HEIGHT / 2), (x, y + HEIGHT / 2)) for x, y in points]
    stops += [(end, end)]
    vertices, codes = [start], [Path.MOVETO]
    for (_, (x0, y0)), ((x1, y1), low) in pairwise(stops):
        middle = (y0 + y1) / 2
        vertices += [(x0, middle), (x1, middle), (x1, y1)]
        codes += [Path.CURVE4] * 3
        if low != (x1, y1):
            vertices.append(low)
            codes.append(Path.LINETO)
    style = "-|>,head_width=2.2,head_length=4.5"
    axes.add_patch(FancyArrowPatch(path=Path(vertices, codes), arrowstyle=style, mutation_scale=1, color=EDGE))
