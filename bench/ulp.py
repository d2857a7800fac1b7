"""How exact the elementary functions are: the worst error of each, in units of the last place, and its bound.

    python bench/ulp.py [--bits 16] [--samples 200000]

float32: both signs, every exponent, 2^bits mantissas of each, against float64. float64: samples of all exponents and of
where the functions bend, against long double, where that is wider. The exit status is 1 if a bound is exceeded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

import numpy as np

from fastbp import ops


def sigmoid(x: np.ndarray) -> np.ndarray:
    e = np.exp(-abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def erf(x: np.ndarray) -> np.ndarray:
    """2 / sqrt(pi) exp(-x²) (x + 2 x³ / 3 + 4 x⁵ / 15 + ...): all terms have one sign, nothing cancels."""
    bounded = np.clip(x, -7, 7)
    term = total = bounded
    for n in range(1, 200):
        term = term * (2 * bounded * bounded) / (2 * n + 1)
        total = total + term
    pi = 4 * np.arctan(np.ones((), x.dtype))
    return np.where(abs(x) < 7, 2 / np.sqrt(pi) * np.exp(-bounded * bounded) * total, np.sign(x))


EXACT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "exp": np.exp,
    "log": np.log,
    "expm1": np.expm1,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "erf": erf,
}
# In float32 what the design promises, expm1 and log1p as exp and log; in float64 twice that.
BOUNDS = {"exp": 2.0, "log": 2.0, "expm1": 2.0, "log1p": 2.0, "tanh": 4.0, "sigmoid": 4.0, "erf": 4.0}
SPAN = 32  # exponents at a time


def float32_points(bits: int) -> Iterator[np.ndarray]:
    """Both signs, all exponents, 2^bits mantissas of each, not the same ones."""
    fractions = np.arange(2**bits, dtype=np.uint32) << np.uint32(23 - bits)
    for first in range(0, 255, SPAN):
        exponents = np.arange(first, min(first + SPAN, 255), dtype=np.uint32)[:, None]
        moved = (fractions + exponents * np.uint32(40503)) & np.uint32(2**23 - 1)
        moved[:, 0], moved[:, -1] = 0, 2**23 - 1
        positive = ((exponents << np.uint32(23)) | moved).ravel().view(np.float32)
        yield positive
        yield -positive
    yield np.array([np.inf, -np.inf, np.nan], np.float32)


def float64_points(samples: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    magnitude = np.ldexp(rng.uniform(1, 2, samples), rng.integers(-1074, 1024, samples))
    yield np.concatenate([magnitude, -magnitude, [0.0, -0.0, np.inf, -np.inf, np.nan]])
    for reach in (1, 7, 40, 750):
        yield rng.uniform(-reach, reach, samples)


def ulps(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Distance in units of the last place of the exact value, which is given in a wider type."""
    info = np.finfo(got.dtype)
    rounded = want.astype(got.dtype)
    unit = np.spacing(np.clip(abs(rounded), info.smallest_subnormal, info.max)).astype(want.dtype)
    error = abs(got.astype(want.dtype) - want) / unit
    # beyond the range, and where nothing is defined: the rounded value itself, or one that is as near
    error[(got == rounded) & ~np.isfinite(rounded)] = 0
    error[np.isnan(got) & np.isnan(want)] = 0
    return np.nan_to_num(error, nan=np.inf)


def worst(name: str, points: Iterator[np.ndarray], wide: type[np.floating]) -> tuple[float, float]:
    """The largest error over the points, and where it is."""
    largest, place = 0.0, 0.0
    exact = EXACT[name]
    if name == "erf" and wide is np.float64:
        from scipy.special import erf as exact  # the series would take a minute
    for x in points:
        with np.errstate(all="ignore"):
            error = ulps(getattr(ops, name)(x), exact(x.astype(wide)))
        i = int(error.argmax())
        if error[i] > largest:
            largest, place = float(error[i]), float(x[i])
    return largest, place


def measure(bits: int, samples: int) -> Iterator[tuple[str, str, float, float, float]]:
    """Function, type, worst error, where, and bound."""
    for name, bound in BOUNDS.items():
        yield name, "float32", *worst(name, float32_points(bits), np.float64), bound
    if np.finfo(np.longdouble).nmant >= 60:
        for name, bound in BOUNDS.items():
            yield name, "float64", *worst(name, float64_points(samples), np.longdouble), 2 * bound


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bits", type=int, default=16, help="of the mantissa, in float32 (default 16, all 23)")
    parser.add_argument("--samples", type=int, default=200_000, help="in float64")
    options = parser.parse_args(arguments)
    print(f"{'function':<10}{'type':<9}{'worst ulp':>10}{'bound':>7}  at")
    failed = False
    for name, kind, error, place, bound in measure(options.bits, options.samples):
        failed |= not error <= bound
        print(f"{name:<10}{kind:<9}{error:>10.2f}{bound:>7.0f}  {place!r}{'' if error <= bound else '  TOO MUCH'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
