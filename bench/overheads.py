"""Print what fastbp costs beside what it computes: its import, a fit of nothing, a callback at every batch.

    python bench/overheads.py

Imports are timed in fresh interpreters, alternating, as the median over pairs; the rest on the headline model,
784-128-64-10, as the best block (bench/timing.py).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np
from timing import alternate, block_of

import fastbp as fb

# What to import -> the statement.  fastbp imports its parts when they are first named: the last has what a model needs.
IMPORTS = {
    "numpy": "import numpy",
    "fastbp": "import fastbp",
    "fastbp, Sequential named": "import fastbp; fastbp.Sequential",
}
IMPORT_BAR, FIT_BAR, BATCH_BAR = 60e-3, 1e-3, 5e-6  # seconds
SIZES = [(784, 128, 64, 10), (4, 8, 2)]  # of the networks whose batches are listened to
STEPS = 200


@dataclass(frozen=True)
class Line:
    """Something measured and the most that it may take, seconds."""

    name: str
    seconds: float
    bar: float

    def __str__(self) -> str:
        verdict = "within" if self.seconds <= self.bar else "OVER"
        return f"{self.name:<52} {self.seconds * 1e3:8.4f} ms  bar {self.bar * 1e3:6.3f} ms  {verdict}"


def import_seconds(statement: str) -> float:
    """Time of a statement in a fresh interpreter, without the interpreter's own start."""
    code = f"from time import perf_counter as now; begin = now(); {statement}; print(now() - begin)"
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def imports(rounds: int) -> list[Line]:
    """What imports take over numpy's: medians over the pairs of a round."""
    seconds = alternate({name: partial(import_seconds, code) for name, code in IMPORTS.items()}, rounds)
    base = seconds.pop("numpy")
    print(f"import numpy: {median(base) * 1e3:.0f} ms")
    return [
        Line(f"import {name}, over numpy", median(a - b for a, b in zip(taken, base, strict=True)), IMPORT_BAR)
        for name, taken in seconds.items()
    ]


def calls(rounds: int) -> list[Line]:
    """Calls of a model that has been used before."""
    x, y = np.zeros((48_000, 784), np.float32), np.zeros(48_000, np.int64)
    model = make(SIZES[0])
    cases = {
        "fit of no epoch, 48,000 rows checked": (partial(model.fit, x, y, epochs=0, verbose=0), FIT_BAR),
        "fit of one row, one step": (partial(model.fit, x[:1], y[:1], verbose=0), FIT_BAR),
    }
    seconds = alternate({name: block_of(call) for name, (call, _) in cases.items()}, rounds)
    return [Line(name, min(seconds[name]), bar) for name, (_, bar) in cases.items()]


def batches(sizes: tuple[int, ...], rounds: int) -> Line:
    """An empty callback at every batch of 32, over one at every epoch."""
    x = np.random.default_rng(0).random((32 * STEPS, sizes[0]), np.float32)
    model, y = make(sizes), np.zeros(len(x), np.int64)
    events = ("on_epoch_end", "on_train_batch_end")
    listeners = {event: fb.callbacks.LambdaCallback(**{event: lambda number, logs: None}) for event in events}
    fits = {event: partial(model.fit, x, y, verbose=0, callbacks=listeners[event]) for event in events}
    epoch, batch = alternate({event: block_of(fit) for event, fit in fits.items()}, rounds).values()
    name = f"a callback at every batch of {'-'.join(map(str, sizes))}, a batch"
    return Line(name, (min(batch) - min(epoch)) / STEPS, BATCH_BAR)


def make(sizes: tuple[int, ...]) -> fb.Sequential:
    """A compiled classifier of these sizes."""
    columns, *hidden, classes = sizes
    layers = [fb.Dense(units, "relu") for units in hidden]
    model = fb.Sequential([fb.Input((columns,)), *layers, fb.Dense(classes, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="of each measurement (default: %(default)s)")
    rounds = parser.parse_args().rounds
    print(*imports(rounds), *calls(rounds), *(batches(sizes, 5 * rounds) for sizes in SIZES), sep="\n")


if __name__ == "__main__":
    main()
