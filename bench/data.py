"""Print what data cost: the speed of rows in a mapped file beside rows in memory, and the most memory that a fit takes.

    python bench/data.py

60,000 rows of 784 bytes, 784-128-64-10, batches of 32, Adam. The file is in the system's cache. Memory is the peak of a
fresh process over what it takes with the package imported and the data loaded.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from timing import alternate, block_of

import fastbp as fb

ROUNDS = 11
SPEED_BAR = 0.9  # of the speed in memory
MEMORY_BAR = 40.0  # MB over data and package
MAKE = """
import sys
import numpy as np, fastbp as fb
def peak(): return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1024
layers = [fb.Dense(128, "relu"), fb.Dense(64, "relu"), fb.Dense(10, "softmax")]
model = fb.Sequential([fb.Input((784,), scale=1 / 255), *layers])
model.compile("adam", "crossentropy", metrics=["accuracy"])
x, y = np.load(sys.argv[1]), np.arange(60_000) % 10
before = peak()
model.fit(x, y, epochs=2, verbose=0)
print(peak() - before)
"""


def model() -> fb.Sequential:
    """The headline network on bytes."""
    layers = [fb.Dense(128, "relu"), fb.Dense(64, "relu"), fb.Dense(10, "softmax")]
    made = fb.Sequential([fb.Input((784,), scale=1 / 255), *layers])
    made.compile("adam", "crossentropy", metrics=["accuracy"])
    return made


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pixels.npy"
        np.save(path, np.random.default_rng(0).integers(0, 256, (60_000, 784), np.uint8))
        y = np.arange(60_000) % 10
        sides = {"in memory": np.load(path), "in a mapped file": np.load(path, mmap_mode="r")}
        fits = {name: partial(model().fit, x, y, verbose=0) for name, x in sides.items()}
        memory, mapped = alternate({name: block_of(fit) for name, fit in fits.items()}, ROUNDS).values()
        share = median(a / b for a, b in zip(memory, mapped, strict=True))
        report("speed from a mapped file, of that in memory", min(memory) / min(mapped), SPEED_BAR, "at least")
        print(f"  median of pairs {share:.2f}")
        command = [sys.executable, "-c", MAKE, str(path)]
        peak = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        report("peak memory of fit over data and package, MB", peak, MEMORY_BAR, "at most")


def report(what: str, value: float, bar: float, side: str) -> None:
    """Print a figure beside its bar."""
    met = value >= bar if side == "at least" else value <= bar
    print(f"{what}: {value:.2f}, bar {side} {bar:g}: {'met' if met else 'SHORT'}")


if __name__ == "__main__":
    main()
