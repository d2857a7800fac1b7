"""The pictures of the page, as SVG: time against work, and the roofline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from parts import Result
from trainers import PEERS

from .tables import plural

# Okabe and Ito's colours, which most colour-blind readers can tell apart.
BLUE, SKY, ORANGE, GREEN, GREY = "#0072B2", "#56B4E9", "#D55E00", "#009E73", "#777777"
COLOURS = {"jax": ORANGE, "torch": GREEN}
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "fastbp",  # the same picture is the same file
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e3e3e3",
    "legend.frameon": False,
    "figure.facecolor": "white",
}
ROOFS = (
    ("memory", "FMA peak and bandwidth of memory", "-"),
    ("cache", "and of second-level caches", "--"),
)  # key of the bandwidth, label, line
NAMED = 0.04  # ops of at least this share of a step get their name


def draw(results: dict[str, Any], folder: Path) -> None:
    """All pictures that there are results for."""
    with mpl.rc_context(STYLE):
        if "sweeps" in results:
            for name in results["sweeps"]["points"]:
                save(sweep(name, results["sweeps"]), folder / f"{name}.svg")
        if "roofline" in results:
            save(roofline(results["roofline"]), folder / "roofline.svg")


def save(figure: Figure, path: Path) -> None:
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})


SWEPT = {
    "depth": "2 to 50 hidden layers of 128, batch 32",
    "width": "two hidden layers of 16 to 4,096, batch 32",
    "batch": "784-128-64-10, batch 1 to 8,192",
}


def sweep(name: str, result: Result) -> Figure:
    """Time of a step against its FLOPs, a curve for each side and number of threads."""
    figure = Figure(figsize=(7.2, 4.6))
    axes = figure.subplots()
    points = sorted(result["points"][name], key=lambda point: point["flops"])
    work = np.array([points[0]["flops"], points[-1]["flops"]])
    for peer in sorted({peer for point in points for peer in point["seconds"]} - {"fastbp"}):
        there = [point for point in points if peer in point["seconds"]]
        best = [min(point["seconds"][peer].values()) * 1e6 for point in there]
        axes.plot([p["flops"] for p in there], best, "s-", color=COLOURS[peer], ms=3.5, lw=1.2, label=PEERS[peer].short)
    for count, colour in zip(result["peaks"], (SKY, BLUE), strict=False):
        taken = [point["seconds"]["fastbp"][count] * 1e6 for point in points]
        label = f"fastbp, {plural(int(count))}"
        axes.plot([point["flops"] for point in points], taken, "o-", color=colour, ms=4, lw=1.6, label=label)
        floor = work / result["peaks"][count] * 1e6
        axes.plot(work, floor, ":", color=colour, lw=1, label=f"FMA peak, {plural(int(count))}")
    axes.set(xscale="log", yscale="log", xlabel="FLOPs of a step", ylabel="time of a step, µs")
    axes.set_title(SWEPT[name], fontsize=11, loc="left")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def roofline(result: Result) -> Figure:
    """A panel for each workload: ops as points of rate against intensity, in area their share of the step."""
    figure = Figure(figsize=(10.5, 4.2), layout="constrained")
    panels = figure.subplots(1, len(result["programs"]), sharey=True)
    peak = result["peak"] / 1e9
    for axes, program in zip(panels, result["programs"].values(), strict=True):
        for name, label, line in ROOFS:
            slope = result["bandwidth"][name] / 1e9
            axes.plot([0.1, peak / slope, 300], [0.1 * slope, peak, peak], line, color="black", lw=1.2, label=label)
        points(axes, program["ops"])
        title, _, _ = program["workload"].partition(",")
        axes.set_title(f"{title}, batch {program['workload'].partition('batch ')[2].partition(' ')[0]}", fontsize=11)
        axes.set(xscale="log", yscale="log", xlim=(0.1, 300), ylim=(0.1, peak * 1.6))
        axes.minorticks_off()
    panels[0].set_ylabel("GFLOP/s")
    figure.supxlabel("FLOPs per byte that an op touches", fontsize=11)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(ROOFS) + 1)
    return figure


def points(axes: Any, ops: list[Result]) -> None:
    """Those ops that compute; the names of those that take long, at different heights so that they stay apart."""
    total = sum(op["seconds"] for op in ops)
    ops = sorted((op for op in ops if op["flops"] and op["seconds"]), key=lambda op: op["flops"] / op["bytes"])
    places = [(op["flops"] / op["bytes"], op["flops"] / op["seconds"] / 1e9) for op in ops]
    area = [12 + 300 * op["seconds"] / total for op in ops]
    axes.scatter(*zip(*places, strict=True), area, color=BLUE, alpha=0.6, lw=0, label="an op, by its share of the step")
    named = [k for k, op in enumerate(ops) if op["seconds"] / total >= NAMED]
    for row, k in enumerate(named):
        below = -18 - 13 * (row % 3)
        text = ops[k]["formula"].partition(" =")[0]
        arrow = {"arrowstyle": "-", "color": GREY, "lw": 0.6}
        axes.annotate(text, places[k], xytext=(-6, below), textcoords="offset points", fontsize=9, arrowprops=arrow)
