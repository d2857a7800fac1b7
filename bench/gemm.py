"""Compare fastbp.ops.matmul with np.dot, and print the ratios of one run.

    python bench/gemm.py --threads 1,2

Both write into a given array.  A ratio is np.dot's best block over ours, see bench/timing.py; "paired" is the median
over neighbouring blocks, for comparison.  GFLOP/s and the share of the FMA peak (the best that the same threads reach
from registers, measured between the shapes; half of it in float64) are those of the best block.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from statistics import geometric_mean, median

import numpy as np
from threadpoolctl import threadpool_limits
from timing import alternate, block_of, paired, ratio

import fastbp as fb
from fastbp._core import _team

SMALL = [(32, 128, 784), (784, 128, 32), (32, 64, 128), (32, 784, 128), (32, 10, 64), (128, 128, 784), (256, 256, 784)]
LARGE = (1024, 1024, 1024)
PRODUCTS = [*((shape, "float32") for shape in (*SMALL, LARGE)), (LARGE, "float64")]
BARS = {"small": 1.3, "large": 0.95}  # least time of np.dot over ours, in float32


@dataclass(frozen=True)
class Row:
    """One product, (m, k) @ (k, n), at one number of threads."""

    shape: tuple[int, int, int]  # m, n, k
    dtype: str
    seconds: dict[str, list[float]]  # a call, one number a round, of "fastbp" and "numpy"

    @property
    def ratio(self) -> float:
        """np.dot's time over ours."""
        return ratio(self.seconds["numpy"], self.seconds["fastbp"])

    def flops(self, side: str) -> float:
        """A second, in the best round."""
        m, n, k = self.shape
        return 2 * m * n * k / min(self.seconds[side])


def measure(shape: tuple[int, int, int], dtype: str, threads: int, rounds: int) -> Row:
    """Time one product; raises AssertionError if the two disagree."""
    m, n, k = shape
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)
    ours, theirs = np.empty((m, n), dtype), np.empty((m, n), dtype)
    calls = {"fastbp": partial(fb.ops.matmul, a, b, out=ours), "numpy": partial(np.dot, a, b, out=theirs)}
    for call in calls.values():
        call()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=4 * k * np.finfo(dtype).eps)
    blocks = {side: block_of(call, pooled=threads > 1) for side, call in calls.items()}
    return Row(shape, dtype, alternate(blocks, rounds))


def compare(threads: int, rounds: int) -> tuple[list[Row], float]:
    """All products, and the FMA peak in float32, FLOP/s."""
    rows, peak = [], _team.fma_peak(threads)
    fb.set_num_threads(threads)
    with threadpool_limits(threads, user_api="blas"):
        for product in PRODUCTS:
            rows.append(measure(*product, threads, rounds))
            peak = max(peak, _team.fma_peak(threads))
    return rows, peak


def table(rows: list[Row], peak: float) -> Iterator[str]:
    """Lines of Markdown: of each pair of numbers the first is fastbp's, the second np.dot's."""
    yield "| m, n, k          | type | µs, median      | µs, best        | GFLOP/s     | of peak     | ratio | paired |"
    yield "|------------------|------|----------------:|----------------:|------------:|------------:|------:|-------:|"
    for row in rows:
        ours, theirs = row.seconds["fastbp"], row.seconds["numpy"]
        speeds = row.flops("fastbp"), row.flops("numpy")
        top = peak if row.dtype == "float32" else peak / 2
        yield (
            f"| {', '.join(map(str, row.shape)):<16} | {np.dtype(row.dtype).str[1:]:<4} | "
            f"{median(ours) * 1e6:7.1f} {median(theirs) * 1e6:7.1f} | {min(ours) * 1e6:7.1f} {min(theirs) * 1e6:7.1f} "
            f"| {speeds[0] / 1e9:5.0f} {speeds[1] / 1e9:5.0f} | {speeds[0] / top:5.0%} {speeds[1] / top:5.0%} "
            f"| {row.ratio:5.2f} | {paired(theirs, ours):6.2f} |"
        )


def summary(rows: list[Row]) -> Iterator[str]:
    """The figures that have a bar."""
    small = geometric_mean(row.ratio for row in rows if row.shape in SMALL)
    yield f"small shapes, geometric mean of np.dot / fastbp: {small:.2f} (bar {BARS['small']})"
    for row in rows:
        if row.shape == LARGE:
            bar = f" (bar {BARS['large']})" if row.dtype == "float32" else ""
            yield f"1024³ {row.dtype}, np.dot / fastbp: {row.ratio:.2f}{bar}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", default="1,2", help="comma-separated numbers (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=60, help="blocks of each side (default: %(default)s)")
    args = parser.parse_args()
    try:
        counts = [int(count) for count in args.threads.split(",")]
    except ValueError:
        parser.error(f"expected threads as numbers such as 1,2, got {args.threads!r}")
    if min(counts) < 1 or args.rounds < 1:
        parser.error("expected at least one thread and one round")
    for threads in counts:
        rows, peak = compare(threads, args.rounds)
        print(f"\n{threads} thread{'s' * (threads > 1)}, FMA peak {peak / 1e9:.0f} GFLOP/s (float32)\n")
        print(*table(rows, peak), "", *summary(rows), sep="\n", flush=True)


if __name__ == "__main__":
    main()
