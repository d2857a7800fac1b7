"""Floor 3. The compiler: from the layers of a model to a program of floor 1.

Read `tape`, `adjoints`, `fuse` and `schedule` in this order; `build` below calls them in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np

from .._core import _dense
from .._core._program import Program
from ..utils import renew_after_fork
from . import listing, schedule
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
    return Executable(ops, batch, np.dtype(dtype), x, output)


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
        constants = optimizer.momentum, optimizer.decay, optimizer.epsilon
        rule = _dense.Rule(optimizer.kernel, variable.value, states, *constants)
        tape.emit("update", (parameter, gradient), parameter, rule=rule, update=optimizer.kernel)


class Executable:
    """A compiled program with its buffers, for one model and one batch size.

    Attributes
    ----------
    batch : int
        Rows of a step.
    totals : ndarray
        float64: the sum of the losses of all rows run since `reset`, then the sum of each metric.
    """

    def __init__(self, ops: list[Op], batch: int, dtype: np.dtype[Any], x: Tensor, output: Tensor) -> None:
        self.batch, self.dtype = batch, dtype
        self._lock = Lock()
        self._rows = 0  # of the arrays that are bound
        renew_after_fork(self)
        self.totals = np.zeros(sum(op.name == "accumulate" for op in ops))
        self.phases = schedule.make_phases(ops, batch, dtype.itemsize)
        self._tensors = schedule.make_buffers(ops, batch, dtype, self.totals)
        self.threads = schedule.threads_worth(self.phases, batch)

        made: dict[int, Any] = {id(op): schedule.make_op(op, self._tensors) for op in ops}
        self._gathers = [made[id(op)] for op in ops if op.name == "gather"]
        self._writer: Any = next((made[id(op)] for op in ops if output in op.outputs), None)
        self._updates = any("rule" in op.attrs for op in ops)
        self._program = self._make_program(made)
        self._direct: Program | None = None
        if len(self._gathers) == 1 and ops[0].attrs["scale"] == 1:
            # a program of its own, whose first op reads the caller's rows where they lie
            reader = next(op for op in ops if x in op.inputs)
            self._reader: Any = schedule.make_op(reader, self._tensors)
            made[id(reader)] = self._reader
            self._direct_writer = next(made[id(op)] for op in ops if output in op.outputs)
            self._direct = self._make_program(made, without=self._gathers[0])

    def _make_program(self, made: dict[int, Any], without: Any = None) -> Program:
        """The phases as a program of these ops of floor 1."""
        plan = []
        for phase in self.phases:
            ops = [made[id(op)] for op in phase.ops if made[id(op)] is not without]
            plan.append((phase.slice_rows, phase.slices_per_thread, ops))
        return Program(plan, self.batch, self.threads)

    def bind(self, x: np.ndarray, y: np.ndarray | None = None, order: np.ndarray | None = None) -> None:
        """Set the caller's arrays: rows of x and y, in this order (int64; None: as they lie)."""
        self._gathers[0].bind(x, order)
        if y is not None:
            self._gathers[1].bind(y, order)
        self._rows = len(x) if order is None else len(order)

    def run(self, first: int, rows: int, rates: np.ndarray | None = None) -> None:
        """Run the steps over rows [first, first + rows) of the order; `rates` has a step size for each.

        Raises
        ------
        ValueError
            If these are no rows of what was bound, or a program that updates gets another number of rates than steps.
        """
        if not 0 <= first <= first + rows <= self._rows:
            raise ValueError(f"expected rows from 0 to {self._rows} of what was bound, got {first} to {first + rows}")
        steps = -(-rows // self.batch)
        if self._updates and (rates is None or len(rates) != steps):
            raise ValueError(f"expected {steps} rates, got {None if rates is None else len(rates)}")
        with self._lock:
            self._program.run(first, rows, rates)

    def predict(self, x: np.ndarray, out: np.ndarray) -> None:
        """Write the output for each row of x to `out`; x of the model's own type is read where it lies."""
        with self._lock:
            if self._direct is not None and x.dtype == self.dtype:
                self._reader.bind(x)
                self._direct_writer.bind(None, out)
                self._direct.run(0, len(x))
            else:
                self._gathers[0].bind(x)
                self._writer.bind(None, out)
                self._program.run(0, len(x))
                self._gathers[0].release()

    def release(self) -> None:
        """Let go of the caller's arrays; `bind` comes before the next run."""
        self._rows = 0
        for op in self._gathers:
            op.release()

    def renew_locks(self) -> None:
        """In a forked child, where nobody is left to open them."""
        self._lock = Lock()

    def reset(self) -> None:
        """Set the totals to zero."""
        self.totals[:] = 0

    def names(self) -> list[str]:
        """The tensors that exist in memory, but for the sums over steps (`totals`)."""
        return [tensor.name for tensor, array in self._tensors.items() if array is not None and tensor.kind != "total"]

    def array(self, name: str) -> np.ndarray:
        """The buffer of a tensor, as the last step left it."""
        return next(array for tensor, array in self._tensors.items() if tensor.name == name and array is not None)

    def describe(self) -> str:
        """Listing of the program: phases, ops, formulas, FLOPs and bytes."""
        return listing.describe(self.phases, self.batch, self.dtype, self.threads)
