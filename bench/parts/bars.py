"""The bars: what each part has to reach, and whether it did."""

from __future__ import annotations

from dataclasses import dataclass

from trainers import PEERS


@dataclass(frozen=True)
class Bar:
    """A figure of a part and its limit: the least of a ratio or a share, the most of a time or an excess."""

    figure: str
    limit: float
    kind: str = "ratio"

    @property
    def text(self) -> str:
        """What is wanted."""
        what = f"time of {PEERS[self.figure].short} / fastbp" if self.kind == "ratio" else self.figure
        limit = {"share": f"{self.limit:.0%}", "µs": f"{self.limit * 1e6:g} µs"}.get(self.kind, f"{self.limit:g}")
        return f"{what} {'at most' if self.kind in MOST else 'at least'} {limit}"

    def show(self, value: float) -> str:
        """A value of this figure."""
        return {"share": f"{value:.1%}", "µs": f"{value * 1e6:.2f} µs"}.get(self.kind, f"{value:.2f}")

    def met(self, value: float) -> bool:
        return value <= self.limit if self.kind in MOST else value >= self.limit


MOST = {"µs", "excess"}
PEAK, STEP, CALL, GEMM, SLOWDOWN = (
    "share of the FMA peak",
    "time of a step",
    "time of a call with one row",
    "share of the plain product's speed, 10,000 rows",
    "slowdown / fair slowdown",
)
BARS = {
    "headline": [Bar("jax", 2.5), Bar("torch", 10), Bar("numpy", 7)],
    "normalized": [Bar("jax", 2)],
    "medium": [Bar("jax", 1.9), Bar(PEAK, 0.68, "share")],
    "wide": [Bar("jax", 1.4), Bar(PEAK, 0.76, "share")],
    "tiny": [Bar("jax", 2.3), Bar("numpy", 25), Bar("torch", 200), Bar(STEP, 2e-6, "µs")],
    "small": [Bar("jax", 3), Bar("torch", 8)],
    "predict": [Bar(CALL, 8e-6, "µs"), Bar("numpy", 3), Bar("torch", 11), Bar(GEMM, 0.85, "share")],
    "uneven": [Bar(SLOWDOWN, 1.3, "excess")],
}


def verdicts(part: str, figures: dict[str, float]) -> list[tuple[str, str, str]]:
    """(what is wanted, what was measured, met or short) for each bar of a part."""
    lines = []
    for bar in BARS.get(part, []):
        if bar.figure in figures:
            value = figures[bar.figure]
            lines.append((bar.text, bar.show(value), "met" if bar.met(value) else "short"))
        else:
            lines.append((bar.text, "-", "not measured"))
    return lines
