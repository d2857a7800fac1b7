"""Floor 3. The loops: training, evaluation and prediction in chunks of steps.

A chunk is as many steps as fill some 30 ms of native work: a part of an epoch, or several short ones. Between chunks
Python handles signals and callbacks; inside one the GIL is free. If a callback wants to hear of each batch, a chunk is
run batch by batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from fastbp.callbacks import CallbackList, Logs
from fastbp.data import Rows
from fastbp.optimizers import Optimizer
from fastbp.sources import Arrays, Block, Source
from fastbp.utils import check_count

CHUNK_SECONDS = 0.03
INFERENCE_BATCH = 256  # rows of a step that trains nothing
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
        if source.steps is not None and self.step > source.steps:
            raise ValueError(f"expected an epoch of at least {self.step} steps, which are done, got {source.steps}")
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
    first_batch: int,
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
        logs = Epoch(model, self.source, self.pace, callbacks).over_blocks()
        if isinstance(self.source, Arrays):  # the rows of a stream are gone
            logs = with_functions(model, judged(model, self.source.rows), logs)
        if self.validation is not None:
            logs.update({f"val_{name}": value for name, value in self._validate().items()})
        if not model.stop_training or progress.step == callbacks.params["steps"]:
            progress.epoch, progress.step, progress.random, progress.rate = epoch + 1, 0, None, None
        try:
            callbacks.call("on_epoch_end", epoch, logs)
        finally:  # with what the others have added, and also if one of them fails
            model.history.on_epoch_end(epoch, logs)
        return logs

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
        run = Evaluation(model, source, pace, callbacks)
        found = run.over_blocks()
        logs.update(with_functions(model, run.judged, found))
    return logs, run.steps


class Pass:
    """One way over the blocks of a source.

    Attributes
    ----------
    rows, steps : int
        How far it has come.
    """

    what: str  # in the names of the events
    purpose: str  # of the programs

    def __init__(self, model: Any, source: Source, pace: Pace, callbacks: CallbackList) -> None:
        self.model, self.source, self.pace, self.callbacks = model, source, pace, callbacks
        self.rows = self.steps = 0

    def over_blocks(self) -> Logs:
        """Run over all blocks; returns the means. They may need several programs, which add to the same totals."""
        program, totals = None, None
        with closing(self.source.blocks(self.model)) as blocks:
            for block in blocks:
                self.model._ready(block.rows)
                program = self.model.executable(self.purpose, self.source.batch or block.size, block.rows.kinds)
                self.reset(program, totals)
                totals = program.totals
                self.over_block(program, block)
                if self.stopped:
                    break
        if program is None:
            raise ValueError(
                "expected at least one row of data in an epoch, got none: an iterator does not begin again"
            )
        found: Logs = program.means(self.rows)
        return found

    def over_block(self, program: Any, block: Block) -> None:
        """Run over the rows of a block that are not done yet."""

        def report(first: int, end: int) -> Logs:
            logs: Logs = program.means(self.rows + end)
            return logs

        def hear(done: int) -> bool:
            self.heard(program, done)
            return self.stopped

        batch, start = program.batch, self.start(program, block)
        program.bind(block.rows.arrays, block.order)
        try:
            step = each_batch(partial(self.run, program), batch, self.callbacks, self.what, report, self.steps)
            done = run_chunks(step, block.size, batch, self.pace, start, hear)
        finally:
            program.release()
        self.rows, self.steps = self.rows + done, self.steps + -(-done // batch)

    @property
    def stopped(self) -> bool:
        """Whether it is to end now."""
        return False

    def reset(self, program: Any, totals: np.ndarray | None) -> None:
        """Have a program begin with the totals of the one before, if there was one."""
        program.reset(totals=totals)

    def start(self, program: Any, block: Block) -> int:
        """How many rows of a block were done before."""
        return 0

    def run(self, program: Any, first: int, end: int) -> None:
        """Run over these rows of what is bound."""
        program.run(first, end - first)

    def heard(self, program: Any, done: int) -> None:
        """A chunk has ended, when so many rows of the block are done."""


class Evaluation(Pass):
    """Loss and metrics of all rows, and what the metrics that are functions in Python need of them."""

    what, purpose = "test", "evaluate"

    def __init__(self, model: Any, source: Source, pace: Pace, callbacks: CallbackList) -> None:
        super().__init__(model, source, pace, callbacks)
        self.judged: list[Judged] = []

    def over_block(self, program: Any, block: Block) -> None:
        """Also keep what the functions need, as the rows will be gone."""
        super().over_block(program, block)
        self.judged += judged(self.model, block.rows)


class Epoch(Pass):
    """Training over an epoch, or what is left of it; the model's `progress` says what, and is kept up to date."""

    what = purpose = "train"

    def __init__(self, model: Any, source: Source, pace: Pace, callbacks: CallbackList) -> None:
        super().__init__(model, source, pace, callbacks)
        self.progress: Progress = model.progress
        self.before = self.progress.step

    @property
    def stopped(self) -> bool:
        """Whether a callback has ended the training."""
        return bool(self.model.stop_training)

    def over_blocks(self) -> Logs:
        """Run over all blocks; returns the means of all rows of the epoch so far."""
        self.progress.begin(self.model, self.source)
        logs = super().over_blocks()
        if not self.stopped:
            if self.steps < self.before:
                raise ValueError(f"expected an epoch of at least {self.before} steps, which are done, got {self.steps}")
            self.callbacks.params["steps"] = self.steps  # of a stream, now it is known
        return logs

    def reset(self, program: Any, totals: np.ndarray | None) -> None:
        """The first program begins with the sums of the steps done."""
        super().reset(program, self.progress.sums(program) if totals is None else totals)
        self.progress.totals = program.totals[0]

    def start(self, program: Any, block: Block) -> int:
        """How many rows of a block were done before."""
        before: int = (self.before - self.steps) * program.batch
        return min(block.size, max(0, before))

    def run(self, program: Any, first: int, end: int) -> None:
        """Train on these rows of what is bound, and count the steps, also when Ctrl-C came meanwhile."""
        if self.model.moved:  # the program would go on in a buffer that nobody has any more
            raise RuntimeError(
                "expected weights that stay where they are during an epoch, got a new model that shares layers"
            )
        optimizer = self.model.optimizer
        before = optimizer.batches
        try:
            update(optimizer, program, first, end)
        finally:
            self.progress.step += optimizer.batches - before

    def heard(self, program: Any, done: int) -> None:
        """Tell of a chunk."""
        if self.callbacks.listeners("on_chunk"):
            self.callbacks.call("on_chunk", self.steps + -(-done // program.batch), program.means(self.rows + done))


class Judged(NamedTuple):
    """Targets and predictions of some rows, for each output."""

    y: tuple[np.ndarray, ...]
    outs: list[np.ndarray]


def judged(model: Any, rows: Rows) -> list[Judged]:
    """What the metrics that are functions in Python need of rows; nothing if there are none."""
    return [Judged(rows.y, predict(model, rows.x, inference_batch(rows.size)))] if model.functions else []


def with_functions(model: Any, parts: Sequence[Judged], results: Logs) -> Logs:
    """Results with those of the metrics that are functions of all rows, in the order of the metrics."""
    if not (functions := model.functions):
        return results
    found = {
        name: metric.compute(np.concatenate([part.y[k] for part in parts]), np.concatenate([p.outs[k] for p in parts]))
        for name, k, metric in functions
    }
    results = results | found
    return {name: results[name] for name in model.metrics_names if name in results}


def in_order(rows: Any, wanted: object = None) -> Arrays:
    """Rows as they lie, to be evaluated."""
    return Arrays(rows, inference_batch(rows.size, wanted), shuffle=False)


def inference_batch(rows: int, wanted: object = None) -> int:
    """Rows of a step: those the caller wants, or one of few sizes, so that few programs are built."""
    if wanted is not None:
        return min(rows, check_count("batch_size", wanted, 1))
    return 1 if rows == 1 else 16 if rows <= 16 else INFERENCE_BATCH


def predict(
    model: Any, inputs: Sequence[Any], batch: int, callbacks: CallbackList | None = None, first_batch: int = 0
) -> list[np.ndarray]:
    """What a model says of rows: (rows, columns) for each output."""
    rows, program = inputs[0].shape[0], model.executable("predict", batch)
    outs = [np.empty((rows, columns), program.dtype) for columns in program.columns]
    if callbacks is None and rows <= batch:
        program.predict(inputs, outs)
        return outs

    def run(first: int, end: int) -> None:
        program.predict([x[first:end] for x in inputs], [out[first:end] for out in outs])

    def report(first: int, end: int) -> dict[str, Any]:
        parts = [out[first:end] for out in outs]
        return {"outputs": parts if len(parts) > 1 else parts[0]}

    run_all = each_batch(run, batch, callbacks or CallbackList([], None, {}), "predict", report, first_batch)
    run_chunks(run_all, rows, batch, Pace())
    return outs


def predict_blocks(model: Any, source: Source, callbacks: CallbackList) -> tuple[list[np.ndarray], int]:
    """What a model says of all rows of a source, and how many steps that took."""
    parts, steps = [], 0
    with callbacks.running("predict"), closing(source.blocks(model)) as blocks:
        for block in blocks:
            model._ready(block.rows)
            batch = source.batch or inference_batch(block.size)
            parts.append(predict(model, block.rows.x, batch, callbacks, steps))
            steps += -(-block.size // batch)
    if not parts:
        raise ValueError("expected at least one row of data, got none")
    outs = [np.concatenate(of_output) for of_output in zip(*parts, strict=True)] if len(parts) > 1 else parts[0]
    return outs, steps
