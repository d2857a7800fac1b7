"""Floor 3. The loops: training, evaluation and prediction in chunks of steps.

A chunk is as many steps as fill some 30 ms of native work: a part of an epoch, or several short ones. Between chunks
Python handles signals and callbacks; inside one the GIL is free. If a callback wants to hear of each batch, a chunk is
run batch by batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from fastbp.callbacks import CallbackList, Logs
from fastbp.data import Rows
from fastbp.optimizers import Optimizer
from fastbp.utils import check_count

CHUNK_SECONDS = 0.03
LARGEST_GROWTH = 16  # of a chunk over the one before: one quick measurement is not to be trusted
MOST_AHEAD = 256  # steps whose rates are computed together


class Pace:
    """How many steps fill a chunk, from the time of the chunks before; the first chunk is one step."""

    def __init__(self) -> None:
        self.steps = 1

    def measure(self, steps: int, seconds: float) -> None:
        """Steps took so many seconds."""
        fitting = int(steps * CHUNK_SECONDS / max(seconds, 1e-9))
        self.steps = max(1, min(fitting, LARGEST_GROWTH * steps))


class Updates:
    """Training steps over bound rows, counted by the optimizer.

    Their rates are computed some steps ahead, since that costs more than a small step; anew when somebody has set the
    learning rate.
    """

    def __init__(self, program: Any, optimizer: Optimizer) -> None:
        self.program, self.optimizer = program, optimizer
        self._ahead, self._first, self._learning_rate = np.empty((0, 4)), 0, optimizer.learning_rate

    def __call__(self, first: int, end: int, laps: int = 1) -> None:
        """Run the steps of these rows; they count also when Ctrl-C came meanwhile."""
        program, optimizer = self.program, self.optimizer
        done, steps = optimizer.iterations, laps * -(-(end - first) // program.batch)
        at = done - self._first
        if not 0 <= at <= len(self._ahead) - steps or optimizer.learning_rate != self._learning_rate:
            self._look_ahead(steps)
            at = 0
        try:
            program.run(first, end - first, self._ahead[at : at + steps], laps)
        finally:
            optimizer.iterations = done + steps

    def _look_ahead(self, steps: int) -> None:
        """Compute the rates of so many steps, and of twice as many as the last time."""
        self._first, self._learning_rate = self.optimizer.iterations, self.optimizer.learning_rate
        self._ahead = self.optimizer.steps(self._first, max(steps, min(2 * len(self._ahead), MOST_AHEAD)))


def run_chunks(run: Callable[[int, int], Any], rows: int, batch: int, pace: Pace) -> Iterator[int]:
    """Call `run(first, end)` on whole steps until all rows are done; yields the rows done after each.

    A run that was stopped returns the row it came to.
    """
    done = 0
    while done < rows:
        end = min(rows, done + pace.steps * batch)
        started = perf_counter()
        reached = run(done, end) or end
        pace.measure(-(-(reached - done) // batch), perf_counter() - started)
        done = reached
        yield done


def each_batch(
    run: Callable[[int, int], Any],
    batch: int,
    callbacks: CallbackList,
    what: str,
    report: Callable[[int], dict[str, Any]],
) -> Callable[[int, int], Any]:
    """A `run` that goes batch by batch with their events, if anybody hears those; else `run` itself.

    `report(rows)` makes the logs when so many are done. Training stops after the batch where `stop_training` was set.
    """
    begin, end = (callbacks.listeners(f"on_{what}_batch_{side}") for side in ("begin", "end"))
    if not begin and not end:
        return run
    model, stops = callbacks.model, what == "train"

    def run_batches(first: int, last: int) -> int:
        for start in range(first, last, batch):
            number, stop = start // batch, min(start + batch, last)
            for hear in begin:
                hear(number, {})
            run(start, stop)
            logs = report(stop) if end else {}
            for hear in end:
                hear(number, logs)
            if stops and model.stop_training:
                return stop
        return last

    return run_batches


def means(program: Any, names: list[str], rows: int) -> Logs:
    """Loss and metrics of the rows that a program has run over, in its one lap."""
    return {name: total / rows for name, total in zip(names, program.totals.tolist()[0], strict=True)}


def fit(
    model: Any,
    train: Rows,
    validation: Rows | None,
    *,
    batch: int,
    epochs: range,
    shuffle: bool,
    callbacks: CallbackList,
) -> None:
    """Train for the numbered epochs."""
    rows = train.x.shape[0]
    steps = -(-rows // batch)
    program = model.executable("train", batch, train.labels)
    update = Updates(program, model.optimizer)
    pace, validation_pace = Pace(), Pace()
    together = validation is None and not callbacks.wants_epochs
    shuffled = shuffle and steps > 1  # the order of the rows of one batch makes no difference but rounding
    epoch = epochs.start
    with callbacks.running("train") as last_logs:
        try:
            while epoch < epochs.stop and not model.stop_training:
                laps = max(1, min(pace.steps // steps, epochs.stop - epoch)) if together else 1
                program.bind(train.x, train.y, draw_order(model, rows, laps) if shuffled else None)
                program.reset(laps)
                if laps > 1:
                    train_epochs(model, update, rows, epoch, laps, pace)
                else:
                    logs = train_epoch(model, update, rows, epoch, pace, callbacks, validation, validation_pace)
                    last_logs.update(logs)
                epoch += laps
        finally:
            program.release()


def train_epoch(
    model: Any,
    update: Updates,
    rows: int,
    epoch: int,
    pace: Pace,
    callbacks: CallbackList,
    validation: Rows | None,
    validation_pace: Pace,
) -> Logs:
    """One epoch over bound rows, in chunks, and its validation; returns its logs."""
    program, batch, names = update.program, update.program.batch, model.metric_names
    report = partial(means, program, names)
    callbacks.call("on_epoch_begin", epoch, {})
    run = each_batch(update, batch, callbacks, "train", report)
    for done in run_chunks(run, rows, batch, pace):
        if callbacks.listeners("on_chunk"):
            callbacks.call("on_chunk", -(-done // batch), report(done))
        if model.stop_training:
            break
    logs = report(done)
    if validation is not None:
        size = inference_batch(validation.x.shape[0])
        results = evaluate(model, validation, size, validation_pace, callbacks)
        logs.update({f"val_{name}": value for name, value in results.items()})
    try:
        callbacks.call("on_epoch_end", epoch, logs)
    finally:  # with what the others have added, and also if one of them fails
        model.history.on_epoch_end(epoch, logs)
    return logs


def train_epochs(model: Any, update: Updates, rows: int, first: int, laps: int, pace: Pace) -> None:
    """Several epochs over bound rows that together make one chunk, of which nobody but the history hears."""
    program, started = update.program, perf_counter()
    try:
        update(0, rows, laps)
    finally:  # Ctrl-C is heard when the kernels are done
        pace.measure(laps * -(-rows // program.batch), perf_counter() - started)
        columns = (program.totals / rows).T.tolist()
        model.history.extend(range(first, first + laps), dict(zip(model.metric_names, columns, strict=True)))


def draw_order(model: Any, rows: int, laps: int) -> np.ndarray:
    """A random order of the rows for each of some epochs, shape (laps, rows), or (rows,) for one."""
    generator = model.random.generator()
    orders = [generator.permutation(rows) for _ in range(laps)]
    return np.stack(orders) if laps > 1 else orders[0]


def evaluate(model: Any, data: Rows, batch: int, pace: Pace, callbacks: CallbackList) -> Logs:
    """Loss and metrics of a model over data."""
    rows, names = data.x.shape[0], model.metric_names
    with callbacks.running("test") as logs, model.inference_lock:
        program = model.executable("evaluate", batch, data.labels)
        program.bind(data.x, data.y)
        program.reset()
        report = partial(means, program, names)
        run = each_batch(lambda first, end: program.run(first, end - first), batch, callbacks, "test", report)
        try:
            for _ in run_chunks(run, rows, batch, pace):
                pass
        finally:
            program.release()
        logs.update(report(rows))
    return logs


def inference_batch(rows: int, wanted: object = None) -> int:
    """Rows of a step: those the caller wants, or one of few sizes, so that few programs are built."""
    if wanted is not None:
        return min(rows, check_count("batch_size", wanted, 1))
    return 1 if rows == 1 else 16 if rows <= 16 else 256


def predict(program: Any, x: np.ndarray, out: np.ndarray, callbacks: CallbackList | None = None) -> None:
    """Fill `out` with the outputs for x."""
    rows, batch = x.shape[0], program.batch
    if callbacks is None and rows <= batch:
        program.predict(x, out)
        return

    def run(first: int, end: int) -> None:
        program.predict(x[first:end], out[first:end])

    def report(done: int) -> dict[str, Any]:
        return {"outputs": out[(done - 1) // batch * batch : done]}

    callbacks = callbacks or CallbackList([], None, {})
    with callbacks.running("predict"):
        for _ in run_chunks(each_batch(run, batch, callbacks, "predict", report), rows, batch, Pace()):
            pass
