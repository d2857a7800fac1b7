"""Floor 3. The loops: training, evaluation and prediction in chunks of steps.

A chunk is as many steps as fill some 30 ms of native work: a part of an epoch, or several short ones. Between chunks
Python handles signals and callbacks; inside one the GIL is free. If a callback wants to hear of each batch, a chunk is
run batch by batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from fastbp.callbacks import CallbackList, Logs
from fastbp.optimizers import Optimizer
from fastbp.sources import Arrays, Block, Source
from fastbp.utils import check_count

CHUNK_SECONDS = 0.03
PURPOSES = {"train": "train", "test": "evaluate"}
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

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self._ahead, self._first, self._learning_rate = np.empty((0, 4)), 0, optimizer.learning_rate

    def __call__(self, program: Any, first: int, end: int, laps: int = 1) -> None:
        """Run the steps of these rows; they count also when Ctrl-C came meanwhile."""
        optimizer = self.optimizer
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
    report: Callable[[int, int], dict[str, Any]],
    first_batch: int = 0,
) -> Callable[[int, int], Any]:
    """A `run` that goes batch by batch with their events, if anybody hears those; else `run` itself.

    `report(first, end)` makes the logs of a batch. Training stops after the batch where `stop_training` was set.
    """
    begin, end = (callbacks.listeners(f"on_{what}_batch_{side}") for side in ("begin", "end"))
    if not begin and not end:
        return run
    model, stops = callbacks.model, what == "train"

    def run_batches(first: int, last: int) -> int:
        for start in range(first, last, batch):
            number, stop = first_batch + start // batch, min(start + batch, last)
            for hear in begin:
                hear(number, {})
            run(start, stop)
            logs = report(start, stop) if end else {}
            for hear in end:
                hear(number, logs)
            if stops and model.stop_training:
                return stop
        return last

    return run_batches


def means(program: Any, rows: int) -> Logs:
    """Loss and metrics of the rows that a program has run over, in its one lap."""
    return {name: float(values[0]) for name, values in program.results(rows).items()}


def fit(
    model: Any,
    source: Source,
    validation: Source | None,
    *,
    epochs: range,
    callbacks: CallbackList,
) -> None:
    """Train for the numbered epochs."""
    run, epoch = Training(model, source, validation, callbacks), epochs.start
    together = isinstance(source, Arrays) and validation is None and not callbacks.wants_epochs
    with callbacks.running("train") as last_logs:
        while epoch < epochs.stop and not model.stop_training:
            laps = run.laps(epochs.stop - epoch) if together else 1
            if laps > 1:
                run.epochs(epoch, laps)
            else:
                last_logs.update(run.epoch(epoch))
            epoch += laps


class Training:
    """The epochs of one call of `fit`."""

    def __init__(self, model: Any, source: Source, validation: Source | None, callbacks: CallbackList) -> None:
        self.model, self.source, self.validation, self.callbacks = model, source, validation, callbacks
        self.update = Updates(model.optimizer)
        self.pace, self.validation_pace = Pace(), Pace()

    def laps(self, left: int) -> int:
        """How many epochs fill a chunk; one, if it may end in the middle with an exception."""
        assert isinstance(self.source, Arrays)
        assert self.source.steps is not None
        if self.model.executable("train", self.source.batch, self.source.rows.kinds).calls_python:
            return 1
        return max(1, min(self.pace.steps // self.source.steps, left))

    def epoch(self, epoch: int) -> Logs:
        """One epoch and its validation; returns its logs."""
        model, callbacks = self.model, self.callbacks
        callbacks.call("on_epoch_begin", epoch, {})
        logs, callbacks.params["steps"] = over_blocks(model, self.source, "train", self.update, self.pace, callbacks)
        if self.validation is not None:
            results, _ = evaluate(model, self.validation, self.validation_pace, callbacks)
            logs.update({f"val_{name}": value for name, value in results.items()})
        try:
            callbacks.call("on_epoch_end", epoch, logs)
        finally:  # with what the others have added, and also if one of them fails
            model.history.on_epoch_end(epoch, logs)
        return logs

    def epochs(self, first: int, laps: int) -> None:
        """Several epochs over the same rows that together make one chunk, of which nobody but the history hears."""
        assert isinstance(self.source, Arrays)
        rows, orders = self.source.rows, self.source.draw(self.model, laps)
        program = self.model.executable("train", self.source.batch, rows.kinds)
        program.bind(rows.arrays, orders)
        program.reset(laps)
        started = perf_counter()
        try:
            self.update(program, 0, rows.size, laps)
        finally:  # Ctrl-C is heard when the kernels are done
            self.pace.measure(laps * -(-rows.size // program.batch), perf_counter() - started)
            logs = {name: values.tolist() for name, values in program.results(rows.size).items()}
            self.model.history.extend(range(first, first + laps), logs)
            program.release()


def evaluate(model: Any, source: Source, pace: Pace, callbacks: CallbackList) -> tuple[Logs, int]:
    """Loss and metrics of a model over data, and how many steps they took."""
    with callbacks.running("test") as logs, model.inference_lock:
        results, steps = over_blocks(model, source, "test", run_program, pace, callbacks)
        logs.update(results)
    return results, steps


def run_program(program: Any, first: int, end: int) -> None:
    """Run a program that updates nothing over bound rows."""
    program.run(first, end - first)


def over_blocks(
    model: Any, source: Source, what: str, run: Callable[[Any, int, int], None], pace: Pace, callbacks: CallbackList
) -> tuple[Logs, int]:
    """Run the program to "train" or to "test" over the blocks of an epoch; returns the means, and the number of steps.

    The blocks may need several programs; they add to the same totals.
    """
    rows, steps, totals, program = 0, 0, None, None
    with closing(source.blocks(model)) as blocks:
        for block in blocks:
            model._ready(block.rows)
            program = model.executable(PURPOSES[what], source.batch or block.size, block.rows.kinds)
            program.reset(totals=totals)
            totals = program.totals
            done = over_block(program, block, what, partial(run, program), pace, callbacks, (rows, steps))
            rows, steps = rows + done, steps + -(-done // program.batch)
            if what == "train" and model.stop_training:
                break
    if program is None:
        raise ValueError("expected at least one row of data in an epoch, got none: an iterator does not begin again")
    return means(program, rows), steps


def over_block(
    program: Any,
    block: Block,
    what: str,
    run: Callable[[int, int], None],
    pace: Pace,
    callbacks: CallbackList,
    before: tuple[int, int],
) -> int:
    """Run over the rows of a block, before which the epoch had so many rows and steps; returns how many were run."""
    (rows, steps), batch, done = before, program.batch, 0
    stops = what == "train"
    program.bind(block.rows.arrays, block.order)
    try:
        step = each_batch(run, batch, callbacks, what, lambda _, end: means(program, rows + end), steps)
        for done in run_chunks(step, block.size, batch, pace):
            if stops and callbacks.listeners("on_chunk"):
                callbacks.call("on_chunk", steps + -(-done // batch), means(program, rows + done))
            if stops and callbacks.model.stop_training:
                break
    finally:
        program.release()
    return done


def in_order(rows: Any, wanted: object = None) -> Arrays:
    """Rows as they lie, to be evaluated."""
    return Arrays(rows, inference_batch(rows.size, wanted), shuffle=False)


def inference_batch(rows: int, wanted: object = None) -> int:
    """Rows of a step: those the caller wants, or one of few sizes, so that few programs are built."""
    if wanted is not None:
        return min(rows, check_count("batch_size", wanted, 1))
    return 1 if rows == 1 else 16 if rows <= 16 else 256


def predict(
    program: Any, inputs: Sequence[Any], outs: Sequence[np.ndarray], callbacks: CallbackList | None = None
) -> None:
    """Fill `outs` with the outputs for the inputs."""
    rows, batch = inputs[0].shape[0], program.batch
    if callbacks is None and rows <= batch:
        program.predict(inputs, outs)
        return

    def run(first: int, end: int) -> None:
        program.predict([x[first:end] for x in inputs], [out[first:end] for out in outs])

    def report(first: int, end: int) -> dict[str, Any]:
        parts = [out[first:end] for out in outs]
        return {"outputs": parts if len(parts) > 1 else parts[0]}

    callbacks = callbacks or CallbackList([], None, {})
    with callbacks.running("predict"):
        run_all = each_batch(run, batch, callbacks, "predict", report)
        for _ in run_chunks(run_all, rows, batch, Pace()):
            pass
