"""Floor 3. The loops: training, evaluation and prediction in chunks of steps.

A chunk is as many steps as fill some 30 ms of native work: a part of an epoch, or several short ones. Between chunks
Python handles signals and callbacks; inside one the GIL is free. If a callback wants to hear of each batch, a chunk is
run batch by batch.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from fastbp.callbacks import CallbackList, Logs
from fastbp.data import Rows
from fastbp.optimizers import Optimizer
from fastbp.sources import Arrays, Block, Source
from fastbp.utils import check_count

CHUNK_SECONDS = 0.03
PURPOSES = {"train": "train", "test": "evaluate"}
LARGEST_GROWTH = 16  # of a chunk over the one before: one quick measurement is not to be trusted


class Pace:
    """How many steps fill a chunk, from the time of the chunks before; the first chunk is one step."""

    def __init__(self) -> None:
        self.steps = 1

    def measure(self, steps: int, seconds: float) -> None:
        """Steps took so many seconds."""
        fitting = int(steps * CHUNK_SECONDS / max(seconds, 1e-9))
        self.steps = max(1, min(fitting, LARGEST_GROWTH * steps))


def update(optimizer: Optimizer, program: Any, first: int, end: int, laps: int = 1) -> None:
    """Run training steps over bound rows and count those that were done, also when Ctrl-C came meanwhile."""
    done, steps = optimizer.batches, laps * -(-(end - first) // program.batch)
    numbers = optimizer.steps(done, steps)
    program.steps_done = 0
    try:
        program.run(first, end - first, numbers, laps, done)
    finally:
        optimizer.batches = done + program.steps_done


@dataclass
class Progress:
    """Where the training of a model stands, and what it takes to go on from there.

    Attributes
    ----------
    epoch : int
        Epochs done.
    step : int
        Steps done of the one after them.
    rows, batch : int or None
        Of that epoch: rows of the data, and of a step, where they are known beforehand. While it has no step, another
        epoch may begin in its place.
    shuffle : bool
        Whether its rows come in a random order.
    random : dict or None
        State of the model's generator before that order was drawn; None between epochs.
    rate : float or None
        Learning rate before anybody changed it for that epoch; None between epochs.
    totals : ndarray, shape (numbers,)
        float64: sums of losses and metrics over the rows so far.
    """

    epoch: int = 0
    step: int = 0
    rows: int | None = 0
    batch: int | None = 0
    shuffle: bool = False
    random: dict[str, Any] | None = None
    rate: float | None = None
    totals: np.ndarray | None = None

    def check(self, source: Source) -> None:
        """ValueError unless an epoch that is under way can go on with this."""
        given = {"rows": source.size, "batch_size": source.batch, "shuffle": source.shuffle}
        before = {"rows": self.rows, "batch_size": self.batch, "shuffle": self.shuffle}
        if self.step and given != before:
            expected, got = (", ".join(f"{key} {value}" for key, value in each.items()) for each in (before, given))
            raise ValueError(f"expected {expected}, as in the epoch to be resumed, got {got}")
        if self.step and not source.restarts:
            raise ValueError("expected data that can be read anew to resume an epoch, got an iterator: see Stream")

    def begin(self, model: Any, source: Source) -> None:
        """Note how the next epoch begins; of one under way the random state is put back, so that it begins again."""
        if self.random is not None:
            model.random.state = self.random
        if self.step:
            return
        self.rows, self.batch, self.shuffle = source.size, source.batch, source.shuffle
        self.random, self.totals = model.random.state, None

    def sums(self, program: Any) -> np.ndarray | None:
        """The sums of an epoch under way, as `Executable.reset` takes them; None at its beginning."""
        if not self.step or self.totals is None:
            return None
        if self.totals.shape != program.totals.shape[1:]:
            expected, got = program.totals.shape[1], self.totals.size
            raise ValueError(f"expected {expected} numbers in the epoch to be resumed, got {got}")
        return self.totals.reshape(1, -1).copy()


def run_chunks(
    run: Callable[[int, int], Any],
    rows: int,
    batch: int,
    pace: Pace,
    done: int = 0,
    hear: Callable[[int], bool] = lambda done: False,
) -> int:
    """Call `run(first, end)` on whole steps until all rows are done; returns how many that are.

    After each chunk `hear` is told, and ends it if it returns True. A run that was stopped returns the row it came to.
    This is no generator: a StopIteration that a callback raises would not leave it.
    """
    while done < rows:
        end = min(rows, done + pace.steps * batch)
        started = perf_counter()
        reached = run(done, end) or end
        pace.measure(-(-(reached - done) // batch), perf_counter() - started)
        done = reached
        if hear(done):
            break
    return done


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
    found: Logs = program.means(rows)
    return found


def fit(
    model: Any,
    source: Source,
    validation: Source | None,
    *,
    last: int,
    callbacks: CallbackList,
) -> None:
    """Train until so many epochs are done; `model.progress` says where to start."""
    run, progress = Training(model, source, validation, callbacks), model.progress
    together = isinstance(source, Arrays) and validation is None and not callbacks.wants_epochs and not model.functions
    with callbacks.running("train") as last_logs:
        while progress.epoch < last and not model.stop_training:
            laps = run.laps(last - progress.epoch) if together and not progress.step else 1
            if laps > 1:
                run.epochs(laps)
            else:
                last_logs.update(run.epoch())


class Training:
    """The epochs of one call of `fit`."""

    def __init__(self, model: Any, source: Source, validation: Source | None, callbacks: CallbackList) -> None:
        self.model, self.source, self.validation, self.callbacks = model, source, validation, callbacks
        self.progress: Progress = model.progress
        self.pace, self.validation_pace = Pace(), Pace()

    def laps(self, left: int) -> int:
        """How many epochs fill a chunk; one, if it may end in the middle with an exception."""
        assert isinstance(self.source, Arrays)
        assert self.source.steps is not None
        program = self.model.executable("train", self.source.batch, self.source.rows.kinds)
        most: int = 1 if program.calls_python else program.most_laps
        return max(1, min(self.pace.steps // self.source.steps, left, most))

    def epoch(self) -> Logs:
        """One epoch, or what is left of it, and its validation; returns its logs."""
        model, callbacks, progress, epoch = self.model, self.callbacks, self.progress, self.progress.epoch
        if progress.rate is None:  # else the epoch is resumed
            progress.rate = model.optimizer.learning_rate
        callbacks.call("on_epoch_begin", epoch, {})
        logs = over_blocks(model, self.source, "train", self.step, self.pace, callbacks, progress)
        if isinstance(self.source, Arrays):  # the rows of a stream are gone
            logs = with_functions(model, [self.source.rows], logs)
        if self.validation is not None:
            logs.update({f"val_{name}": value for name, value in self._validate().items()})
        if not model.stop_training or progress.step == callbacks.params["steps"]:
            progress.epoch, progress.step, progress.random, progress.rate = epoch + 1, 0, None, None
        try:
            callbacks.call("on_epoch_end", epoch, logs)
        finally:  # with what the others have added, and also if one of them fails
            model.history.on_epoch_end(epoch, logs)
        return logs

    def step(self, program: Any, first: int, end: int) -> None:
        """Train on these rows of what is bound, and count the steps, also when Ctrl-C came meanwhile."""
        optimizer = self.model.optimizer
        before = optimizer.batches
        try:
            update(optimizer, program, first, end)
        finally:
            self.progress.step += optimizer.batches - before

    def _validate(self) -> Logs:
        assert self.validation is not None
        return evaluate(self.model, self.validation, self.validation_pace, self.callbacks)[0]

    def epochs(self, laps: int) -> None:
        """Several epochs over the same rows that together make one chunk, of which nobody but the history hears."""
        assert isinstance(self.source, Arrays)
        model, rows, first = self.model, self.source.rows, self.progress.epoch
        before, random = model.optimizer.batches, model.random.state
        program = model.executable("train", self.source.batch, rows.kinds)
        started = perf_counter()
        try:
            program.bind(rows.arrays, self.source.draw(model, laps))
            program.reset(laps)
            update(model.optimizer, program, 0, rows.size, laps)
        finally:  # Ctrl-C is heard before the kernels begin, or when they are done
            if model.optimizer.batches == before:
                model.random.state = random
            else:
                self.pace.measure(model.optimizer.batches - before, perf_counter() - started)
                self.progress.epoch += laps
                results = program.results(rows.size).items()
                logs = {name: list(values) if values.ndim > 1 else values.tolist() for name, values in results}
                model.history.extend(range(first, first + laps), logs)
            program.release()


def evaluate(model: Any, source: Source, pace: Pace, callbacks: CallbackList) -> tuple[Logs, int]:
    """Loss and metrics of a model over data, and how many steps they took."""
    with callbacks.running("test") as logs, model.inference_lock:
        progress, seen = Progress(), Seen(source) if model.functions else source
        found = over_blocks(model, seen, "test", run_program, pace, callbacks, progress)
        logs.update(with_functions(model, seen.parts, found) if isinstance(seen, Seen) else found)
    return logs, progress.step


class Seen(Source):
    """A source whose rows are kept, for the metrics that are functions of all of them."""

    def __init__(self, source: Source) -> None:
        self.source, self.batch, self.size, self.shuffle = source, source.batch, source.size, source.shuffle
        self.parts: list[Rows] = []

    @property
    def steps(self) -> int | None:
        """Steps of an epoch, where that is known."""
        return self.source.steps

    def blocks(self, model: Any) -> Generator[Block]:
        """The same blocks."""
        with closing(self.source.blocks(model)) as blocks:
            for block in blocks:
                self.parts.append(block.rows)
                yield block


def with_functions(model: Any, parts: Sequence[Rows], results: Logs) -> Logs:
    """Results with those of the metrics that are functions of all rows, in the order of the metrics."""
    if not (functions := model.functions):
        return results
    outs = [predictions(model, rows) for rows in parts]
    found = {
        name: metric.compute(np.concatenate([rows.y[k] for rows in parts]), np.concatenate([out[k] for out in outs]))
        for name, k, metric in functions
    }
    results = results | found
    return {name: results[name] for name in model.metrics_names if name in results}


def predictions(model: Any, rows: Rows) -> list[np.ndarray]:
    """What a model says of rows: (rows, columns) for each output."""
    with model.inference_lock:
        program = model.executable("predict", inference_batch(rows.size))
        outs = [np.empty((rows.size, columns), model.dtype) for columns in program.columns]
        predict(program, rows.x, outs)
        return outs


def run_program(program: Any, first: int, end: int) -> None:
    """Run a program that updates nothing over bound rows."""
    program.run(first, end - first)


def over_blocks(
    model: Any,
    source: Source,
    what: str,
    run: Callable[[Any, int, int], None],
    pace: Pace,
    callbacks: CallbackList,
    progress: Progress,
) -> Logs:
    """Run the program to "train" or to "test" over the blocks of an epoch; returns the means.

    The blocks may need several programs; they add to the same totals. What `progress` says is done is left out.
    """
    rows, steps, before, program = 0, 0, progress.step, None
    totals: np.ndarray | None = None
    progress.begin(model, source)
    with closing(source.blocks(model)) as blocks:
        for block in blocks:
            model._ready(block.rows)
            program = model.executable(PURPOSES[what], source.batch or block.size, block.rows.kinds)
            program.reset(totals=progress.sums(program) if totals is None else totals)
            totals = program.totals
            progress.totals = totals[0]
            start = min(block.size, max(0, before - steps) * program.batch)
            done = over_block(program, block, what, partial(run, program), pace, callbacks, (rows, steps), start)
            rows, steps = rows + done, steps + -(-done // program.batch)
            if what == "train" and model.stop_training:
                break
    if program is None:
        raise ValueError("expected at least one row of data in an epoch, got none: an iterator does not begin again")
    if what == "test":
        progress.step = steps
    elif not model.stop_training:
        callbacks.params["steps"] = steps  # of a stream, now it is known
    return means(program, rows)


def over_block(
    program: Any,
    block: Block,
    what: str,
    run: Callable[[int, int], None],
    pace: Pace,
    callbacks: CallbackList,
    before: tuple[int, int],
    start: int,
) -> int:
    """Run over the rows of a block from `start` on, before which the epoch had so many rows and steps.

    Returns how many of its rows are done.
    """
    (rows, steps), batch, trains = before, program.batch, what == "train"

    def hear(done: int) -> bool:
        if trains and callbacks.listeners("on_chunk"):
            callbacks.call("on_chunk", steps + -(-done // batch), means(program, rows + done))
        return trains and callbacks.model.stop_training

    program.bind(block.rows.arrays, block.order)
    try:
        step = each_batch(run, batch, callbacks, what, lambda _, end: means(program, rows + end), steps)
        return run_chunks(step, block.size, batch, pace, start, hear)
    finally:
        program.release()


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
        run_chunks(run_all, rows, batch, Pace())
