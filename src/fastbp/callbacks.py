"""Floor 3. Callbacks: what happens beside training. History keeps the numbers, ProgressBar shows them.

Training calls back at its start and end, around each epoch, and some 30 times a second in between (`on_chunk`), when it
is back in Python anyway.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from time import perf_counter
from typing import Any

Logs = dict[str, Any]  # floats; arrays of metrics that are one

REDRAW_SECONDS = 0.05
BAR_WIDTH = 20


class Callback:
    """Base of all callbacks; a subclass defines what it wants to hear of.

    Attributes
    ----------
    model : Model
        The model, while it trains; setting its `stop_training` ends the training after the epoch.
    params : dict
        epochs, steps (of an epoch) and verbose.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> class Patience(fb.callbacks.Callback):
    ...     def on_epoch_end(self, epoch, logs):
    ...         self.model.stop_training = epoch == 1
    >>> model = fb.Sequential([fb.Dense(1, input_shape=(2,))])
    >>> model.compile("sgd", "mse")
    >>> history = model.fit(np.ones((4, 2)), np.ones(4), epochs=9, verbose=0, callbacks=[Patience()])
    >>> history.epoch
    [0, 1]
    """

    model: Any = None
    params: dict[str, Any] = {}  # noqa: RUF012 - replaced whole, never changed

    def on_train_begin(self) -> None:
        """Training starts."""

    def on_train_end(self) -> None:
        """Training is over: all epochs done, stopped, interrupted or failed."""

    def on_epoch_begin(self, epoch: int) -> None:
        """Epoch `epoch`, from 0, starts."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """An epoch is done; `logs` has its means and those of the validation data."""

    def on_chunk(self, steps: int, logs: Logs) -> None:
        """So many steps of the epoch are done; `logs` has the means so far."""


class History(Callback):
    """Keeps the numbers of every epoch.

    Attributes
    ----------
    history : dict of str to list of float
        loss, each metric, and the same with val_ in front; one number an epoch.
    epoch : list of int
        Numbers of the epochs done, from 0.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Append the numbers."""
        self.extend(range(epoch, epoch + 1), {name: [value] for name, value in logs.items()})

    def extend(self, epochs: range, logs: dict[str, list[float]]) -> None:
        """Append the numbers of several epochs."""
        self.epoch.extend(epochs)
        for name, values in logs.items():
            self.history.setdefault(name, []).extend(values)


class ProgressBar(Callback):
    """Shows how far training is, on standard output.

    Parameters
    ----------
    verbose : {1, 2}
        1: a bar that moves, if standard output is a terminal. 2, or without a terminal: a line an epoch.
    """

    def __init__(self, verbose: int = 1) -> None:
        self.verbose = verbose
        self._bar: Any = None
        self._started = self._drawn = 0.0

    def on_epoch_begin(self, epoch: int) -> None:
        """Start the clock and the bar."""
        self._started, self._drawn = perf_counter(), 0.0
        if self.verbose == 1 and sys.stdout.isatty():
            if self.params["epochs"] > 1:
                write_line(f"Epoch {epoch + 1}/{self.params['epochs']}")
            self._bar = make_bar(self.params["steps"])

    def on_chunk(self, steps: int, logs: Logs) -> None:
        """Move the bar, if it is some time since the last move."""
        now = perf_counter()
        if self._bar is None or now - self._drawn < REDRAW_SECONDS:
            return
        self._drawn = now
        elapsed = now - self._started
        left = elapsed / steps * (self.params["steps"] - steps)
        self._bar.update(0, completed=steps, status=f"ETA {describe(left, elapsed, steps, logs, ' ')}", refresh=True)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Replace the bar, or print the line."""
        elapsed, steps, epochs = perf_counter() - self._started, self.params["steps"], self.params["epochs"]
        if self._bar is not None:
            self._bar.live.transient = True
            self._bar.stop()
            line = f"{steps}/{steps} {'━' * BAR_WIDTH} {describe(elapsed, elapsed, steps, logs, ' ')}"
            self._bar.console.print(line, soft_wrap=True, highlight=False, markup=False)
            self._bar = None
            return
        number = f"Epoch {epoch + 1}/{epochs} - " if epochs > 1 else ""
        write_line(f"{number}{steps}/{steps} - {describe(elapsed, elapsed, steps, logs, ' - ')}")

    def on_train_end(self) -> None:
        """Leave the bar as it is and give the cursor back."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class CallbackList:
    """Several callbacks, called as one.

    Parameters
    ----------
    callbacks : iterable of Callback
    model : Model
    params : dict
    """

    def __init__(self, callbacks: Iterable[Callback], model: Any, params: dict[str, Any]) -> None:
        self.callbacks = list(callbacks)
        # means are computed for on_chunk only if somebody listens; several epochs are run in one go if nobody has to
        # hear of each before the next
        self.wants_chunks = any(hears(each, "on_chunk") for each in self.callbacks)
        self.wants_epochs = self.wants_chunks or any(
            hears(each, "on_epoch_begin") or (hears(each, "on_epoch_end") and type(each) is not History)
            for each in self.callbacks
        )
        for each in self.callbacks:
            each.model, each.params = model, params

    def release(self) -> None:
        """Let go of the model, so that nothing keeps it alive."""
        for each in self.callbacks:
            each.model = None

    def call(self, event: str, *arguments: Any) -> None:
        """Call one method of all."""
        for each in self.callbacks:
            getattr(each, event)(*arguments)

    def add_epochs(self, epochs: range, logs: dict[str, list[float]]) -> None:
        """Several epochs are done, of which nobody but a History hears."""
        for each in self.callbacks:
            if isinstance(each, History):
                each.extend(epochs, logs)


def hears(callback: Callback, event: str) -> bool:
    """Whether a callback, by its class or by itself, defines what to do at an event."""
    return getattr(getattr(callback, event), "__func__", None) is not getattr(Callback, event)


def check_callbacks(given: object) -> list[Callback]:
    """A list of callbacks from one, several or None."""
    if given is None:
        return []
    callbacks: list[Any] = list(given) if isinstance(given, (list, tuple)) else [given]
    for each in callbacks:
        if not isinstance(each, Callback):
            raise TypeError(f"expected callbacks of type Callback, got {each!r}")
    return callbacks


def check_verbose(verbose: object) -> int:
    """0, 1 or 2; "auto" is 1."""
    if verbose == "auto":
        return 1
    if isinstance(verbose, (bool, int)) and verbose in (0, 1, 2):
        return int(verbose)
    raise ValueError(f"expected verbose as 0, 1, 2 or 'auto', got {verbose!r}")


def make_bar(steps: int) -> Any:
    """A bar that is redrawn only when told."""
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    counts = Column(no_wrap=True, min_width=2 * len(str(steps)) + 1)
    status = Column(no_wrap=True, overflow="ellipsis")
    bar = Progress(
        TextColumn("{task.completed}/{task.total}", table_column=counts),
        BarColumn(BAR_WIDTH),
        TextColumn("{task.fields[status]}", markup=False, table_column=status),
        auto_refresh=False,
    )
    bar.add_task("", total=steps, status="")
    bar.start()
    return bar


def describe(shown: float, elapsed: float, steps: int, logs: Logs, separator: str) -> str:
    """A time in seconds, the time of a step and the numbers: `2s 170µs/step - loss: 0.1234`."""
    numbers = {name: value for name, value in logs.items() if isinstance(value, float)}  # arrays have no room
    values = [
        f"{name}: {value:.4f}" if abs(value) > 1e-3 else f"{name}: {value:.4e}" for name, value in numbers.items()
    ]
    times = separator.join([clock(shown), f"{step_time(elapsed / steps)}/step"])
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


def write_results(rows: int, batch: int, seconds: float, results: dict[str, float]) -> None:
    """Print the line of an evaluation or prediction."""
    steps = -(-rows // batch)
    write_line(f"{steps}/{steps} - {describe(seconds, seconds, steps, results, ' - ')}")


def write_line(line: str) -> None:
    """Print at once, also where the output knows no µ."""
    try:
        print(line, flush=True)
    except UnicodeEncodeError:
        print(line.replace("µ", "u"), flush=True)
