"""Floor 3. The compiler: from the layers of a model to a program of floor 1.

Read `tape`, `adjoints`, `fuse` and `schedule` in this order; `build` below calls them in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from .._core import _dense
from .._core._program import Program
from ..utils import renew_after_fork
from . import listing, profile, schedule
from .adjoints import record_adjoints
from .fuse import fuse, remove_unused
from .tape import Op, Tape, Tensor

__all__ = ["Executable", "build"]


def build(
    layers: Sequence[Any],
    *,
    batch: int,
    dtype: Any,
    purpose: str,
    loss: Any = None,
    metrics: Sequence[Any] = (),
    optimizer: Any = None,
) -> Executable:
    """Compile a chain of built layers.

    Parameters
    ----------
    layers : sequence of Layer
        The first one is the Input.
    batch : int
        Rows of a step.
    dtype : dtype
        float32 or float64.
    purpose : {"train", "evaluate", "predict", "gradients", "trace"}
        "gradients" keeps the gradients of the parameters and updates nothing; "trace" keeps every tensor and fuses
        nothing.
    loss, metrics, optimizer
        What the purpose needs of them.

    Returns
    -------
    Executable
    """
    tape = Tape()
    output = x = tape.batch("A0", layers[0].output_shape[-1], layers[0].scale)
    for layer in layers[1:]:
        output = layer.record(tape, output)
    if output is x:  # layers that compute nothing still have to write a result
        output = tape.activation(x, "linear")
    wanted = {output} if purpose == "predict" else set()
    if purpose != "predict":
        value = _record_loss(tape, output, loss, metrics)
    if purpose in ("train", "gradients", "trace"):
        gradients = record_adjoints(tape, value)
        if purpose == "train":
            _record_updates(tape, gradients, optimizer)
        else:
            wanted |= set(gradients.values())
    if purpose == "trace":
        wanted |= {tensor for op in tape.ops for tensor in op.outputs}
    ops = remove_unused(tape.ops, wanted) if purpose == "trace" else fuse(tape.ops, wanted)
    if purpose == "train":
        ops = schedule.split_products(ops, batch, np.dtype(dtype).itemsize)
    return Executable(ops, batch, np.dtype(dtype), wanted, output if purpose == "predict" else None)


def _record_loss(tape: Tape, output: Tensor, loss: Any, metrics: Sequence[Any]) -> Tensor:
    """Record loss and metrics with their sums; returns the loss of the rows."""
    target = tape.batch("Y", output.shape[0], labels=loss.labels)
    value = tape.loss(output, target, loss.kernel + ("_logits" if loss.from_logits else ""))
    tape.total(value)
    for metric in metrics:
        tape.total(tape.metric(metric.name, output, target, metric.kernel))
    return value


def _record_updates(tape: Tape, gradients: dict[Tensor, Tensor], optimizer: Any) -> None:
    for parameter, gradient in gradients.items():
        variable = parameter.variable
        place = slice(variable.offset, variable.offset + variable.value.size)
        states = [state[place].reshape(variable.shape) for state in optimizer.state]
        rule = _dense.Rule(optimizer.kernel, variable.value, states, **optimizer.constants())
        tape.emit("update", (parameter, gradient), parameter, rule=rule, update=optimizer.kernel)


class _Route(NamedTuple):
    """A program, and the methods of its ops that take the caller's arrays."""

    program: Program
    x: list[Any]
    y: list[Any]
    out: Any


class Executable:
    """A compiled program with its buffers, for one model and one batch size.

    Attributes
    ----------
    batch : int
        Rows of a step.
    columns : int
        Of the output, if the purpose is to predict; else 0.
    totals : ndarray, shape (laps, numbers)
        float64: the sum of the losses of all rows run since `reset`, then the sum of each metric; a row for each lap.
    """

    def __init__(
        self, ops: list[Op], batch: int, dtype: np.dtype[Any], wanted: set[Tensor], output: Tensor | None
    ) -> None:
        self._plan = ops, batch, dtype, wanted, output
        self.batch, self.dtype = batch, dtype
        self._lock = Lock()
        self._bound: Any = None  # keeps the caller's arrays alive
        self._orders: int | None = None  # how many were bound; None: rows as they lie
        renew_after_fork(self)
        self.phases = schedule.make_phases(ops, batch, dtype.itemsize)
        self.threads = schedule.threads_worth(self.phases, batch)
        self._tensors = schedule.make_buffers(ops, batch, dtype)
        self._updates = any("rule" in op.attrs for op in ops)
        self.columns = output.shape[0] if output else 0
        made = self._make_ops(ops)
        self._sums = [made[op] for op in ops if op.name == "accumulate"]
        gathers = [op for op in ops if op.name == "gather"]  # of x, and of y if there is one
        writer = next((op for op in ops if output in op.outputs), None)
        self._gathering = self._direct = self._make_route(made, [[made[op].bind] for op in gathers], writer)
        if all(op.attrs["scale"] == 1 and op.outputs[0] not in wanted for op in gathers):
            # ops of their own, which read the caller's rows where they lie
            readers = [[op for op in ops if gather.outputs[0] in op.inputs] for gather in gathers]
            made = {op: made[op] for op in ops if op not in gathers} | self._make_ops([*chain(*readers)])
            binders = [[made[op].bind for op in readers[0]], [made[op].bind_target for op in chain(*readers[1:])]]
            self._direct = self._make_route(made, binders, writer)
        self.reset()
        self.release()

    def _make_ops(self, ops: list[Op]) -> dict[Op, Any]:
        """Ops of floor 1 on the buffers."""
        by_rows = {op: phase.by_rows for phase in self.phases for op in phase.ops}
        return {op: schedule.make_op(op, self._tensors, by_rows[op]) for op in ops}

    def _make_route(self, made: dict[Op, Any], binders: list[list[Any]], writer: Op | None) -> _Route:
        """The phases as a program of these ops of floor 1; the binders are those of x and, if there is one, of y."""
        plan = [(p.slice_rows, p.slices_per_thread, [made[op] for op in p.ops if op in made]) for p in self.phases]
        program = Program([phase for phase in plan if phase[2]], self.batch, self.threads, flush=self._updates)
        return _Route(program, binders[0], [*chain(*binders[1:])], made[writer].bind if writer else None)

    def bind(self, x: np.ndarray, y: np.ndarray | None = None, order: np.ndarray | None = None) -> None:
        """Set the caller's arrays: rows of x and y, in this order (int64; one for each lap, or None: as they lie)."""
        direct = order is None and self._fits(x) and (y is None or self._fits(y))
        self._route = self._direct if direct else self._gathering
        places = () if order is None else (order,)
        for bind in self._route.x:
            bind(x, *places)
        for bind in self._route.y:
            bind(y, *places)
        self._rows = x.shape[0] if order is None else order.shape[-1]
        self._orders = order.size // self._rows if order is not None and self._rows else None
        self._bound = x, y, order

    def _fits(self, rows: np.ndarray) -> bool:
        """Whether ops can read rows where they lie: class indices, or of the model's type and each in one piece."""
        if rows.ndim == 1:
            return True
        return rows.dtype == self.dtype and (rows.flags.c_contiguous or rows.strides[1] == rows.itemsize)

    def run(self, first: int, rows: int, rates: np.ndarray | None = None, laps: int = 1) -> None:
        """Run the steps over rows [first, first + rows) of the order, `laps` times; `rates` has a step size for each.

        Raises
        ------
        ValueError
            If these are no rows of what was bound, or a program that updates gets another number of rates than steps.
        """
        if not 0 <= first <= first + rows <= self._rows:
            raise ValueError(f"expected rows from 0 to {self._rows} of what was bound, got {first} to {first + rows}")
        steps = laps * -(-rows // self.batch)
        if laps != 1:
            most = min(len(self.totals), len(self.totals) if self._orders is None else self._orders)
            if not 1 <= laps <= most:
                raise ValueError(f"expected from 1 to {most} laps, as there are totals and orders for, got {laps}")
        if self._updates and (rates is None or len(rates) != steps):
            raise ValueError(f"expected {steps} rates, got {None if rates is None else len(rates)}")
        with self._lock:
            self._route.program.run(first, rows, rates, laps)

    def predict(self, x: np.ndarray, out: np.ndarray) -> None:
        """Write the output for each row of x to `out`; x of the model's own type is read where it lies."""
        program, binders, _, bind_out = self._direct if self._fits(x) else self._gathering
        with self._lock:
            for bind in binders:
                bind(x)
            bind_out(None, out)
            program.run(0, len(x))

    def release(self) -> None:
        """Let go of the caller's arrays; `bind` comes before the next run."""
        self._rows, self._route = 0, self._gathering
        self._bound = None

    def reset(self, laps: int = 1) -> None:
        """Set the totals to zero, for runs of so many laps at most."""
        self.totals = np.zeros((laps, len(self._sums)))
        for column, op in enumerate(self._sums):
            op.bind(self.totals[:, column])

    def renew_locks(self) -> None:
        """In a forked child, where nobody is left to open them."""
        self._lock = Lock()

    def names(self) -> list[str]:
        """The tensors that exist in memory, but for the sums over steps (`totals`)."""
        return [tensor.name for tensor, array in self._tensors.items() if array is not None and tensor.kind != "total"]

    def array(self, name: str) -> np.ndarray:
        """The buffer of a tensor, as the last step left it."""
        return next(array for tensor, array in self._tensors.items() if tensor.name == name and array is not None)

    def profile(self) -> list[listing.Line]:
        """What a step costs, op by op, measured on random rows for half a second.

        Weights and optimizer state are put back afterwards; nothing else may use the model meanwhile.
        """
        return self._measured()[0]

    def _measured(self) -> tuple[list[listing.Line], float]:
        """The lines of the listing with their times, and the time of a step."""
        twin = Executable(*self._plan)  # with buffers and ops of its own: the made-up rows are nobody else's
        ops = [op for phase in twin.phases for op in phase.ops]
        x, *y = (twin._tensors[op.outputs[0]] for op in ops if op.name == "gather")
        rows = self.batch * profile.steps(x)
        order = np.random.default_rng(0).permutation(rows)
        twin.bind(profile.made_up_rows(x, rows), profile.made_up_rows(y[0], rows) if y else None, order)
        out = np.empty((rows, self.columns), self.dtype)
        if twin._route.out:
            twin._route.out(None, out)
        seconds, step = profile.measure(twin._route.program, ops, rows)
        lines = listing.make_lines(self.phases, self.batch, self.dtype.itemsize)
        return [replace(line, seconds=time) for line, time in zip(lines, seconds, strict=True)], step

    def describe(self, profile: bool = False) -> str:
        """Listing of the program: phases, ops, formulas, FLOPs and bytes.

        Parameters
        ----------
        profile : bool
            Measure it too, on random rows, with the number of threads in use: the time of each op, GFLOP/s and GB/s.
            Weights and optimizer state are put back afterwards; nothing else may use the model meanwhile.
        """
        if profile:
            lines, step = self._measured()
            return listing.describe(lines, self.phases, self.batch, self.dtype, self.threads, step)
        lines = listing.make_lines(self.phases, self.batch, self.dtype.itemsize)
        return listing.describe(lines, self.phases, self.batch, self.dtype, self.threads)
