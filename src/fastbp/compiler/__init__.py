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
        self._bound = False
        self.totals = np.zeros(sum(op.name == "accumulate" for op in ops))
        self.phases = schedule.make_phases(ops, batch, dtype.itemsize)
        self._tensors = schedule.make_buffers(ops, batch, dtype, self.totals)
        self.threads = schedule.threads_worth(self.phases, batch)

        made: dict[int, Any] = {id(op): schedule.make_op(op, self._tensors) for op in ops}
        self._gathers = [made[id(op)] for op in ops if op.name == "gather"]
        self._reader = next(made[id(op)] for op in ops if x in op.inputs)
        self._writer: Any = next((made[id(op)] for op in ops if output in op.outputs), None)
        plan = [(p.slice_rows, p.slices_per_thread, [made[id(op)] for op in p.ops]) for p in self.phases]
        self._program = self._gathering = Program(plan, batch, self.threads)
        self._direct = None
        if len(self._gathers) == 1 and ops[0].attrs["scale"] == 1:
            plan[0][2].remove(self._gathers[0])
            self._direct = Program(plan, batch, self.threads)

    def bind(self, x: np.ndarray, y: np.ndarray | None = None, order: np.ndarray | None = None) -> None:
        """Set the caller's arrays: rows of x and y, in this order (int64; None: as they lie)."""
        self._gathers[0].bind(x, order)
        if y is not None:
            self._gathers[1].bind(y, order)
        self._bound = True

    def run(self, first: int, rows: int, rates: np.ndarray | None = None) -> None:
        """Run the steps over rows [first, first + rows) of the order; `rates` has a step size for each."""
        if not self._bound:
            raise RuntimeError("expected bind() before run()")
        with self._lock:
            self._program.run(first, rows, rates)

    def predict(self, x: np.ndarray, out: np.ndarray) -> None:
        """Write the output for each row of x to `out`; x of the model's own type is read where it lies."""
        with self._lock:
            if self._direct is not None and x.dtype == self.dtype:
                program = self._direct
                self._reader.bind(x)
            else:
                program = self._gathering
                self._gathers[0].bind(x)
            self._writer.bind(None, out)
            program.run(0, len(x))

    def release(self) -> None:
        """Let go of the caller's arrays; `bind` comes before the next run."""
        self._bound = False
        for op in self._gathers:
            op.release()

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
