"""docs/performance/ops.md: every function of fastbp.ops beside its best form in NumPy, from the kept figures alone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from . import FOLDER, rounded
from .tables import micro, table

PAGE, RESULTS = FOLDER / "ops.md", FOLDER / "ops.json"
SIZES = ("32 x 128", "256 x 1024", "4096 x 4096")
BAR_SIZE = "256 x 1024"
FIVE_TIMES = ("sigmoid", "tanh", "gelu", "softmax_cross_entropy", "batch_norm", "adam")
OVERHEAD = 1.5e-6  # seconds that a call may take longer than NumPy's
OF_COPY = 0.8

# What a NumPy model has, and what it may have instead.
LINES = {
    "dense": ("a = np.maximum(x @ w + b, 0)", 'a = ops.dense(x, w, b, "relu")'),
    "dense_backward": ("dx, dw, db = dz @ w.T, x.T @ dz, dz.sum(axis=0)", "dx, dw, db = ops.dense_backward(dz, x, w)"),
    "sigmoid": ("a = 1 / (1 + np.exp(-z))", "a = ops.sigmoid(z)"),
    "tanh": ("a = np.tanh(z)", "a = ops.tanh(z)"),
    "relu_backward": ("dz = da * (a > 0)", "dz = ops.relu_backward(da, a)"),
    "gelu": ("a = z / 2 * (1 + erf(z / np.sqrt(2)))", "a = ops.gelu(z)"),
    "softmax": (
        "e = np.exp(z - z.max(axis=1, keepdims=True)); p = e / e.sum(axis=1, keepdims=True)",
        "p = ops.softmax(z)",
    ),
    "softmax_cross_entropy": (
        "loss = -np.log(p[rows, y]).mean(); dz = p.copy(); dz[rows, y] -= 1; dz /= len(z)",
        "loss, dz = ops.softmax_cross_entropy(z, y)",
    ),
    "mean_squared_error": (
        "loss = ((p - t) ** 2).mean(); dp = 2 * (p - t) / p.size",
        "loss, dp = ops.mean_squared_error(p, t)",
    ),
    "batch_norm": (
        "y = gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-3) + beta",
        "y, *saved = ops.batch_norm(x, gamma, beta)",
    ),
    "layer_norm": (
        "y = gamma * (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-3) + beta",
        "y, *saved = ops.layer_norm(x, gamma, beta)",
    ),
    "dropout": ("y = x * (rng.random(x.shape) >= rate) / (1 - rate)", "y = ops.dropout(x, rate, seed)"),
    "adam": (
        "m += (1 - b1) * (g - m); v += (1 - b2) * (g * g - v); w -= rate * m / (np.sqrt(v) + eps)",
        "ops.adam(w, g, m, v, step)",
    ),
    "gather_rows": (
        "batch = x[order[i:j]].astype(np.float32) / 255",
        "batch = ops.gather_rows(x, order[i:j], 1 / 255)",
    ),
}

INTRO = """# fastbp.ops beside NumPy

This page is written by `pytest bench --write`. [ops.md](../ops.md) is the guide to the functions.

Each function is timed at three sizes of float32 against the best form that we know in NumPy alone, which writes into
arrays that exist already and makes no copy that it can avoid ([bench](../../bench/)). The two sides take turns in one
run of pytest-benchmark; a figure is the best round of each, a ratio is NumPy's time over ours. Above 1, fastbp is
faster.
"""

SHORT = """## What falls short, and why

- **Sums of a megabyte**, `column_sum`, `row_sum` and `global_norm` at 256 x 1024: a core needs 14 µs to read so much
  from its third-level cache, whoever adds it up; both sides take 15 to 20, and a second thread costs a part of what it
  saves.
- **Products.** OpenBLAS has a good one too. A core does 86 to 90 GFLOP/s of some 100 on the three products of a dense
  layer; which side is ahead by a few per cent changes with the shape.
- **Gradients of normalised rows of 4096.** Rows of x and of dy are read from memory, then gone over again for the
  result. Asking for the next row ahead took less than a tenth off in cache and nothing that could be told from noise in
  memory, so it was dropped. (What goes past the caches now waits for memory once a thread, not once in 2 KB: that had
  cost the forward pass a third.)
- **`batch_norm` at 256 x 1024.** Moments need all rows before the first result: three stages with a wait between two.
  All stages by columns, without a wait, took as long.
- **The mean of all.** Sums, products and what is one pass in NumPy, too, hold it down: there is nothing to fuse.
- **Groups of few elements.** For each there are two sums across lanes, a quotient and a square root, some 22 ns for 4
  elements and 38 for 32, one after the other in part. Sixteen groups are made side by side, which took a fifth off.
- **`one_hot`** fills with zeros on one thread, as NumPy does.
"""


def keep(results: dict[str, Any]) -> None:
    """Put these figures in place of those before, function by function, and write the page."""
    if RESULTS.exists():
        results["functions"] = json.loads(RESULTS.read_text(encoding="utf-8"))["functions"] | results["functions"]
    RESULTS.write_text(json.dumps(rounded(results), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(text(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")


def text(results: dict[str, Any]) -> str:
    """The page."""
    return (
        "\n".join(
            [INTRO, *_machine(results), "", *_bars(results), "", SHORT, *_lines(results), "", *_families(results)]
        )
        + "\n"
    )


def _machine(results: dict[str, Any]) -> Iterator[str]:
    yield f"Measured on {results['date']} with {results['threads']} threads on {results['machine']['processor']};"
    yield f"{results['machine']['system']}; {results['machine']['packages']}."
    yield f"A copy of 4096 x 4096 float32 by {results['threads']} threads moved {results['copy'] / 1e9:.1f} GB/s."


def _ratio(sides: dict[str, dict[str, float]]) -> float:
    return sides["numpy"]["best"] / sides["fastbp"]["best"]


def mean_ratio(results: dict[str, Any]) -> float:
    """Geometric mean over all functions and sizes."""
    ratios = [_ratio(sides) for line in results["functions"].values() for sides in line["sizes"].values()]
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def _bars(results: dict[str, Any]) -> Iterator[str]:
    functions = results["functions"]
    yield "## Bars"
    yield ""
    slower = {
        f"{name} at {size} ({_ratio(sides):.2f})"
        for name, line in functions.items()
        for size, sides in line["sizes"].items()
        if sides["fastbp"]["best"] > sides["numpy"]["best"] + OVERHEAD
    }
    short_of_copy = {
        f"{name} ({share:.0%})" for name, line in functions.items() if (share := of_copy(results, line) or 1) < OF_COPY
    }
    rows = [("geometric mean of all ratios at least 4", f"{mean_ratio(results):.2f}", mean_ratio(results) >= 4)]
    for name in FIVE_TIMES:
        if name not in functions:
            continue
        ratio = _ratio(functions[name]["sizes"][BAR_SIZE])
        rows.append((f"`{name}` at {BAR_SIZE} at least 5", f"{ratio:.1f}", ratio >= 5))
    rows.append(("nothing slower than NumPy by more than 1.5 µs", "; ".join(sorted(slower)) or "none is", not slower))
    rows.append(
        (
            f"bound by memory at {SIZES[2]}: at least 80 % of a copy's bandwidth",
            "; ".join(sorted(short_of_copy)) or "all are",
            not short_of_copy,
        )
    )
    yield from table(
        ["bar", "measured", ""], ((bar, said, "met" if met else "short") for bar, said, met in rows), words=3
    )


def of_copy(results: dict[str, Any], line: dict[str, Any]) -> float | None:
    """Bandwidth at the largest size as a share of the copy's; None for functions that memory does not bind."""
    sides = line["sizes"].get(SIZES[2])
    if not line["moves"] or not sides:
        return None
    return line["moves"] * 4096 * 4096 * 4 / sides["fastbp"]["best"] / results["copy"]


def _lines(results: dict[str, Any]) -> Iterator[str]:
    yield "## Instead of a line of NumPy"
    yield ""
    rows = []
    for name, (before, after) in LINES.items():
        if name in results["functions"]:
            ratio = _ratio(results["functions"][name]["sizes"][BAR_SIZE])
            rows.append((f"`{before}`", f"`{after}`", f"{ratio:.1f}"))
    yield from table(["NumPy", "fastbp", f"times as fast at {BAR_SIZE}"], rows, words=2)


def _families(results: dict[str, Any]) -> Iterator[str]:
    families: dict[str, list[str]] = {}
    for name, line in sorted(results["functions"].items()):
        families.setdefault(line["family"], []).append(name)
    head = ["function", *(column for size in SIZES for column in (f"µs at {size}", "NumPy / fastbp")), "of a copy"]
    for family, names in families.items():
        yield f"## {family}"
        yield ""
        yield from table(head, (_row(results, name) for name in names))
        yield ""


def _row(results: dict[str, Any], name: str) -> Iterator[str]:
    line = results["functions"][name]
    yield f"`{name}`"
    for size in SIZES:
        sides = line["sizes"].get(size)
        yield micro(sides["fastbp"]["best"]) if sides else ""
        yield f"{_ratio(sides):.2f}" if sides else ""
    share = of_copy(results, line)
    yield "" if share is None else f"{share:.0%}"
