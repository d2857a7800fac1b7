"""Floor 3. Progress: a bar where standard output can show one that moves, plain lines elsewhere."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from time import perf_counter
from typing import Any

from fastbp.callbacks.base import Callback, Logs, numbers

REDRAW_SECONDS = 0.05
BAR_WIDTH = 20


class ProgressBar(Callback):
    """Shows how far training is, on standard output.

    Parameters
    ----------
    verbose : {1, 2}
        1: a bar that moves, on a terminal and in a notebook that has ipywidgets. 2, or elsewhere: a line an epoch.

    Raises
    ------
    ValueError
        If verbose is neither.
    """

    def __init__(self, verbose: int = 1) -> None:
        if check_verbose(verbose) == 0:
            raise ValueError(f"expected verbose as 1 or 2, got {verbose!r}")
        self.verbose = verbose
        self._bar: Any = None
        self._started = self._drawn = 0.0
        self._before = self._steps = 0  # steps of the epoch done: when it was resumed, and now

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Start the clock and the bar."""
        self._started, self._drawn = perf_counter(), 0.0
        self._before = self._steps = self.model.progress.step
        if self.verbose == 1 and can_move():
            if self.params["epochs"] > 1:
                write_line(f"Epoch {epoch + 1}/{self.params['epochs']}")
            self._bar = make_bar(self.params["steps"])

    def on_chunk(self, steps: int, logs: Logs) -> None:
        """Move the bar, if it is some time since the last move."""
        self._steps, now = steps, perf_counter()
        if self._bar is None or now - self._drawn < REDRAW_SECONDS:
            return
        self._drawn = now
        elapsed, done = now - self._started, steps - self._before
        known = self.params["steps"] is not None
        left = elapsed / done * (self.params["steps"] - steps) if known else elapsed
        status = "ETA " * known + describe(left, elapsed, done, logs, " ")
        self._bar.update(0, completed=steps, status=status, refresh=True)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Replace the bar, or print the line."""
        elapsed, done = perf_counter() - self._started, self._steps - self._before
        count, epochs = f"{self._steps}/{whole(self.params['steps'])}", self.params["epochs"]
        if self._bar is not None:
            self._bar.live.transient = True
            self._bar.stop()
            line = f"{count} {'━' * BAR_WIDTH} {describe(elapsed, elapsed, done, logs, ' ')}"
            self._bar.console.print(line, soft_wrap=True, highlight=False, markup=False)
            self._bar = None
            return
        number = f"Epoch {epoch + 1}/{epochs} - " if epochs > 1 else ""
        write_line(f"{number}{count} - {describe(elapsed, elapsed, done, logs, ' - ')}")

    def on_train_end(self, logs: Logs) -> None:
        """Leave the bar as it is and give the cursor back."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def check_verbose(verbose: object) -> int:
    """0, 1 or 2; "auto" is 1."""
    if verbose == "auto":
        return 1
    if isinstance(verbose, (bool, int)) and verbose in (0, 1, 2):
        return int(verbose)
    raise ValueError(f"expected verbose as 0, 1, 2 or 'auto', got {verbose!r}")


def can_move() -> bool:
    """Whether standard output is a terminal, or a notebook whose output can be changed."""
    if sys.stdout.isatty():
        return True
    if "ipykernel" not in sys.modules or find_spec("ipywidgets") is None:
        return False
    from rich.console import Console

    return Console().is_jupyter


def whole(steps: int | None) -> str:
    """How many steps an epoch has, as it is shown."""
    return "?" if steps is None else str(steps)


def make_bar(steps: int | None) -> Any:
    """A bar that is redrawn only when told; of a stream's first epoch, whose steps nobody knows, one without an end."""
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    counts = Column(no_wrap=True, min_width=2 * len(whole(steps)) + 1)
    status = Column(no_wrap=True, overflow="ellipsis")
    bar = Progress(
        TextColumn(f"{{task.completed}}/{whole(steps)}", table_column=counts),
        BarColumn(BAR_WIDTH),
        TextColumn("{task.fields[status]}", markup=False, table_column=status),
        auto_refresh=False,
    )
    bar.add_task("", total=steps, status="")
    bar.start()
    return bar


def describe(shown: float, elapsed: float, steps: int, logs: Logs, separator: str) -> str:
    """A time in seconds, the time of a step and the numbers: `2s 170µs/step - loss: 0.1234`."""
    found = numbers(logs).items()
    values = [f"{name}: {value:.4f}" if abs(value) > 1e-3 else f"{name}: {value:.4e}" for name, value in found]
    times = separator.join([clock(shown), f"{step_time(elapsed / max(steps, 1))}/step"])
    return " - ".join([times, *values])


def clock(seconds: float) -> str:
    """7s, 1:07, 1:00:07."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest}s"


def step_time(seconds: float) -> str:
    """2s, 35ms, 170µs."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds / 1e-6:.0f}µs"


def write_results(steps: int, seconds: float, results: dict[str, float]) -> None:
    """Print the line of an evaluation or prediction."""
    write_line(f"{steps}/{steps} - {describe(seconds, seconds, steps, results, ' - ')}")


def write_line(line: str) -> None:
    """Print at once, also where the output knows no µ."""
    try:
        print(line, flush=True)
    except UnicodeEncodeError:
        print(line.replace("µ", "u"), flush=True)
