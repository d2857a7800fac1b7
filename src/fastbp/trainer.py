"""Floor 3. The loops: training, evaluation and prediction in chunks of steps.

A chunk is as many steps as fill some 30 ms of native work: a part of an epoch, or several short ones. Between chunks
Python handles signals and callbacks; inside one the GIL is free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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


class Pace:
    """How many steps fill a chunk, from the time of the chunks before; the first chunk is one step."""

    def __init__(self) -> None:
        self.steps = 1

    def measure(self, steps: int, seconds: float) -> None:
        """Steps took so many seconds."""
        fitting = int(steps * CHUNK_SECONDS / max(seconds, 1e-9))
        self.steps = max(1, min(fitting, LARGEST_GROWTH * steps))


def run_chunks(run: Callable[[int, int], Any], rows: int, batch: int, pace: Pace) -> Iterator[int]:
    """Call `run(first, end)` on whole steps until all rows are done; yields the steps done after each."""
    total, done = -(-rows // batch), 0
    while done < total:
        steps = min(pace.steps, total - done)
        started = perf_counter()
        run(done * batch, min(rows, (done + steps) * batch))
        pace.measure(steps, perf_counter() - started)
        done += steps
        yield done


def update(program: Any, optimizer: Optimizer, first: int, end: int, laps: int = 1) -> None:
    """Run training steps over bound rows and count them, also when Ctrl-C came meanwhile."""
    done, steps = optimizer.iterations, laps * -(-(end - first) // program.batch)
    rates = optimizer.steps(done, steps)
    try:
        program.run(first, end - first, rates, laps)
    finally:
        optimizer.iterations = done + steps


def means(program: Any, rows: int) -> Logs:
    """Loss and metrics of the rows that a program has run over, in its one lap."""
    return {name: float(values[0]) for name, values in program.results(rows).items()}


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
    rows = train.size
    steps = -(-rows // batch)
    program = model.executable("train", batch, train.kinds)
    pace, validation_pace = Pace(), Pace()
    together = validation is None and not callbacks.wants_epochs and not program.calls_python
    shuffled = shuffle and steps > 1  # the order of the rows of one batch makes no difference but rounding
    callbacks.call("on_train_begin")
    try:
        epoch = epochs.start
        while epoch < epochs.stop:
            laps = max(1, min(pace.steps // steps, epochs.stop - epoch)) if together else 1
            program.bind(train.arrays, draw_order(model, rows, laps) if shuffled else None)
            program.reset(laps)
            if laps > 1:
                train_epochs(model, program, rows, epoch, laps, pace, callbacks)
            else:
                train_epoch(model, program, rows, epoch, pace, callbacks, validation, validation_pace)
            epoch += laps
            if model.stop_training:
                break
    finally:
        program.release()
        callbacks.call("on_train_end")
        callbacks.release()


def train_epoch(
    model: Any,
    program: Any,
    rows: int,
    epoch: int,
    pace: Pace,
    callbacks: CallbackList,
    validation: Rows | None,
    validation_pace: Pace,
) -> None:
    """One epoch over bound rows, in chunks, and its validation."""
    callbacks.call("on_epoch_begin", epoch)
    for steps in run_chunks(partial(update, program, model.optimizer), rows, program.batch, pace):
        if callbacks.wants_chunks:
            callbacks.call("on_chunk", steps, means(program, min(rows, steps * program.batch)))
    logs = means(program, rows)
    if validation is not None:
        results = evaluate(model, validation, inference_batch(validation.size), validation_pace)
        logs.update({f"val_{name}": value for name, value in results.items()})
    callbacks.call("on_epoch_end", epoch, logs)


def train_epochs(
    model: Any, program: Any, rows: int, first: int, laps: int, pace: Pace, callbacks: CallbackList
) -> None:
    """Several epochs over bound rows that together make one chunk."""
    started = perf_counter()
    try:
        update(program, model.optimizer, 0, rows, laps)
    finally:  # Ctrl-C is heard when the kernels are done
        pace.measure(laps * -(-rows // program.batch), perf_counter() - started)
        logs = {name: values.tolist() for name, values in program.results(rows).items()}
        callbacks.add_epochs(range(first, first + laps), logs)


def draw_order(model: Any, rows: int, laps: int) -> np.ndarray:
    """A random order of the rows for each of some epochs, shape (laps, rows), or (rows,) for one."""
    generator = model.random.generator()
    orders = [generator.permutation(rows) for _ in range(laps)]
    return np.stack(orders) if laps > 1 else orders[0]


def evaluate(model: Any, data: Rows, batch: int, pace: Pace) -> Logs:
    """Loss and metrics of a model over data."""
    rows = data.size
    with model.inference_lock:
        program = model.executable("evaluate", batch, data.kinds)
        program.bind(data.arrays)
        program.reset()
        try:
            for _ in run_chunks(lambda first, end: program.run(first, end - first), rows, batch, pace):
                pass
        finally:
            program.release()
        return means(program, rows)


def inference_batch(rows: int, wanted: object = None) -> int:
    """Rows of a step: those the caller wants, or one of few sizes, so that few programs are built."""
    if wanted is not None:
        return min(rows, check_count("batch_size", wanted, 1))
    return 1 if rows == 1 else 16 if rows <= 16 else 256


def predict(program: Any, inputs: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    """Fill `outs` with the outputs for the inputs."""
    rows = inputs[0].shape[0]
    if rows <= program.batch:
        program.predict(inputs, outs)
        return

    def part(first: int, end: int) -> None:
        program.predict([x[first:end] for x in inputs], [out[first:end] for out in outs])

    for _ in run_chunks(part, rows, program.batch, Pace()):
        pass
