"""Floor 3. The schedule: phases, buffers and slices for a list of ops, and what each op costs.

Ops that work row by row share the batch by rows and chain into one phase, however many they are. Ops that make
something of the size of a parameter share that; they read rows of the whole batch, so they have to wait, together, for
the phase before. So do products with a large weight: by rows, every thread would have to read all of it, and that costs
more than the wait. A parameter is changed only after everything that reads it in this step.

A third way to share is by columns of the batch: the moments of a column need all its rows. Ops that may go either way
join those that have to go by columns, where the batch is so small that a wait costs more than the work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import chain
from math import ceil, inf, prod
from typing import Any

import numpy as np

from .._core import _dense, _embedding, _kernels, _losses, _memory, _norm, _ops, _penalty, _python, _rows, _vectors
from .tape import Op, Tensor, Uses
from .user import as_function

__all__ = ["Phase", "bytes_moved", "flops", "make_buffers", "make_op", "make_phases", "split_products", "threads_worth"]

BY_ROWS = frozenset(
    {
        "gather",
        "activation",
        "softmax",
        "loss",
        "loss_gradient",
        "metric",
        "activation_gradient",
        "softmax_gradient",
        "sum_of_parts",
        "add",
        "multiply",
        "copy_columns",
        "dropout",
        "noise",
        "moving_norm",
        "row_norm",
        "row_norm_gradient",
        "rescale",
        "embedding",
        "penalty",
    }
)
# Ops whose column needs that column of what they read, of all rows; the products make columns too, of all of theirs.
BY_COLUMNS = frozenset({"batch_norm", "batch_norm_gradient"})
EITHER_WAY = frozenset({"activation", "activation_gradient", "dropout", "noise", "sum_of_parts"})
# How an op takes the caller's whole array in the place of an input: (op, input) -> method. What is not here reads a
# buffer, which a gather fills.
BINDERS = {
    ("affine", 0): "bind",
    ("partial_affine", 0): "bind",
    ("weight_gradient", 0): "bind",
    ("activation", 0): "bind",
    ("softmax", 0): "bind",
    ("copy_columns", 0): "bind",
    ("dropout", 0): "bind",
    ("noise", 0): "bind",
    ("moving_norm", 0): "bind",
    ("row_norm", 0): "bind",
    ("rescale", 0): "bind",
    ("embedding", 0): "bind",
    ("embedding_gradient", 0): "bind",
    ("loss", 0): "bind",
    ("loss_gradient", 0): "bind",
    ("metric", 0): "bind",
    ("loss", 1): "bind_target",
    ("loss_gradient", 1): "bind_target",
    ("metric", 1): "bind_target",
    ("tally", 0): "bind",
    ("tally", 1): "bind_target",
    ("loss", 2): "bind_weight",
    ("loss_gradient", 2): "bind_weight",
    ("metric", 2): "bind_weight",
    ("tally", 2): "bind_weight",
}
# Ops that can write to the caller's whole array.
WRITERS = frozenset(
    {"affine", "activation", "softmax", "add", "multiply", "copy_columns", "embedding", "moving_norm", "row_norm"}
)
PER_ROW = frozenset({"batch", "statistic"})  # kinds of tensors with a row for each row of the batch
PRODUCTS = frozenset({"affine", "partial_affine", "input_gradient"})
L2_BYTES = 256 << 10  # what the activations of a slice may take
FLOPS_PER_THREAD = 1_000_000  # less than this in a step is not worth a second thread
WORK_FOR_A_SLICE = 1_000_000  # operations of a phase not shared by rows for which a thread gets a slice more
MOST_SLICES = 2  # of such a phase, for each thread: one for it, one that others may take
LEAST_SLICE_ROWS = 64  # fewer rows read the weights too often
# From these on a weight is large, and with a batch of so many rows its products are shared by parts of their output.
SPLIT_WEIGHT_BYTES = 192 << 10
SPLIT_ROWS = 96


@dataclass(slots=True)
class Phase:
    """Ops that run between two waits, and how they are sliced."""

    ops: list[Op]
    by_rows: bool
    slice_rows: int
    slices_per_thread: int


def shared_by_rows(op: Op, batch: int, itemsize: int) -> bool:
    """Whether the threads share an op by rows of the batch, or else by parts of its output."""
    if op.attrs.get("by_columns"):
        return False
    if op.name not in ("affine", "input_gradient"):
        return op.name in BY_ROWS and op.outputs[0].kind != "gradient"  # a sum may be one of gradients of a parameter
    weight = op.inputs[1]
    assert weight is not None
    return batch < SPLIT_ROWS or prod(weight.shape) * itemsize < SPLIT_WEIGHT_BYTES


def split_products(ops: list[Op], batch: int, itemsize: int) -> list[Op]:
    """Cut in two the sums of products that cost more to read their weight than to pass partial sums on.

    Those are products with a large weight, compared with the batch, that changes in every step. Each half is made by
    the threads that change that half of the weight; the gather is then shared by columns, for the same reason.
    """
    changed = {out for op in ops for out in op.outputs if out.kind == "parameter"}
    split: list[Op] = []
    for op in ops:
        weight = op.inputs[1] if op.name == "affine" else None
        if weight not in changed or not _mostly_weight(weight, batch, itemsize):
            split.append(op)
            continue
        parts = Tensor(f"P{op.outputs[0].name[1:]}", (2 * weight.shape[1],))
        split.append(Op("partial_affine", op.inputs, (parts,)))
        split.append(Op("sum_of_parts", (parts,), op.outputs, op.attrs))
    for op in split:
        if op.name == "gather" and len(split) > len(ops):
            op.attrs["by_columns"] = True
    return split


def _mostly_weight(weight: Tensor, batch: int, itemsize: int) -> bool:
    return prod(weight.shape) * itemsize >= SPLIT_WEIGHT_BYTES and 4 * batch < weight.shape[0]


def spread_columns(ops: list[Op], batch: int) -> None:
    """Mark the ops that are shared by columns: those that have to be, and with small batches what is next to them.

    A layer with batch normalisation is then one phase forward, from the product to the dropout, and one back.
    """
    uses, pending = Uses(ops), [op for op in ops if op.name in BY_COLUMNS]
    while pending:
        op = pending.pop()
        op.attrs["by_columns"] = True
        if batch >= SPLIT_ROWS or op.name in PRODUCTS:
            continue
        makers = [o for o in uses.makers[op.inputs[0]] if o.name in EITHER_WAY | {"affine", "input_gradient"}]
        first = op.outputs[0]
        readers = [o for o in uses.readers[first] if o.inputs[0] is first and o.name in EITHER_WAY]
        pending += [other for other in (*makers, *readers) if not other.attrs.get("by_columns")]


def make_phases(ops: list[Op], batch: int, itemsize: int) -> list[Phase]:
    """Group ops into as few phases as their dependences allow: ops by rows while there are any, then the others."""
    by_rows = {op: shared_by_rows(op, batch, itemsize) for op in ops}
    joining, waiting = _dependences(ops, by_rows)
    missing = Counter(chain(*joining.values(), *waiting.values()))
    place = {op: number for number, op in enumerate(ops)}
    ready = {kind: [place[op] for op in ops if by_rows[op] == kind and not missing[op]] for kind in (True, False)}

    def release(followers: Iterable[Op]) -> None:
        for op in followers:
            missing[op] -= 1
            if not missing[op]:
                heappush(ready[by_rows[op]], place[op])

    phases: list[Phase] = []
    while ready[True] or ready[False]:
        rows, chosen = bool(ready[True]), []
        while ready[rows]:
            chosen.append(ops[heappop(ready[rows])])  # in the order of the list
            release(joining[chosen[-1]])
        for op in chosen:
            release(waiting[op])
        phases.append(_sliced(chosen, rows, batch, itemsize))
    assert sum(len(phase.ops) for phase in phases) == len(ops), "ops that wait for one another"
    return phases


def _dependences(ops: list[Op], by_rows: dict[Op, bool]) -> tuple[dict[Op, list[Op]], dict[Op, list[Op]]]:
    """For each op, those that may follow it in its phase, and those that have to wait for the end of the phase."""
    uses = Uses(ops)
    calling = [op for op in ops if op.name.startswith("user_")]
    joining: dict[Op, list[Op]] = {op: [] for op in ops}
    waiting: dict[Op, list[Op]] = {op: [] for op in ops}
    for op in ops:
        read = (tensor for tensor in op.inputs if tensor is not None and tensor.kind != "parameter")
        for maker in {maker for tensor in read for maker in uses.makers[tensor]} - {op}:
            (joining if by_rows[op] or _follows(op, maker) else waiting)[maker].append(op)
        # a parameter changes when nobody needs it as it was
        before = {reader for out in op.outputs if out.kind == "parameter" for reader in uses.readers[out]}
        if _outlasts_the_step(op):
            before.update(calling)  # a step that a user's code ends leaves nothing behind
        for other in before - {op}:
            waiting[other].append(op)
    return joining, waiting


def _outlasts_the_step(op: Op) -> bool:
    """Whether an op adds to sums over steps, or changes a parameter by its gradient."""
    return "rule" in op.attrs or "memory" in op.attrs or any(out.kind == "total" for out in op.outputs)


def _follows(op: Op, maker: Op) -> bool:
    """Whether an op not shared by rows may stand behind one it reads from: what a share reads, that share made."""
    columns = op.attrs.get("by_columns") and maker.attrs.get("by_columns")
    return bool(columns) and op.name not in PRODUCTS


def _sliced(ops: list[Op], by_rows: bool, batch: int, itemsize: int) -> Phase:
    row_bytes = itemsize * sum(prod(out.shape) for op in ops for out in op.outputs if out.kind == "batch")
    slice_rows = max(LEAST_SLICE_ROWS, L2_BYTES // max(row_bytes, 1))
    work = sum(flops(op, batch) for op in ops)
    return Phase(ops, by_rows, slice_rows, int(min(MOST_SLICES, max(1, work // WORK_FOR_A_SLICE))))


def threads_worth(phases: list[Phase], batch: int) -> int:
    """How many threads a step has work for."""
    return max(1, sum(flops(op, batch) for phase in phases for op in phase.ops) // FLOPS_PER_THREAD)


# -- memory ------------------------------------------------------------------------------------------------------------


def make_buffers(ops: list[Op], batch: int, dtype: np.dtype[Any]) -> dict[Tensor, Any]:
    """One array for each tensor the ops make; parameters are the model's own memory; L1-only gradients have None."""
    arrays: dict[Tensor, Any] = {}
    for op in ops:
        for tensor in (*op.inputs, *op.outputs):
            if tensor is not None and tensor.kind in ("parameter", "updated"):
                arrays[tensor] = _value(tensor.variable, dtype)
        for tensor in op.outputs:
            if tensor not in arrays:
                arrays[tensor] = _buffer(op, tensor, batch, dtype)
    return arrays


def _value(variable: Any, dtype: np.dtype[Any]) -> Any:
    """The variable's own memory, or the numbers of a constant, which has none."""
    return variable.initializer(variable.shape, dtype, None) if variable.value is None else variable.value


def _buffer(op: Op, tensor: Tensor, batch: int, dtype: np.dtype[Any]) -> Any:
    if "memory" in op.attrs:  # the optimizer's own, which lasts from step to step
        return op.attrs["memory"]
    if "limit" in op.attrs:
        return _memory.zeros((batch, *tensor.shape), np.int32)
    if tensor.kind == "gradient":
        in_cache = op.name == "bias_gradient" or (op.name == "weight_gradient" and batch <= _dense.depth(dtype))
        used_up = "rule" in op.attrs and in_cache
        return None if used_up else _memory.zeros(tensor.shape, dtype)
    if tensor.kind == "total":
        return np.zeros((1, prod(tensor.shape)))
    if tensor.kind == "norm":
        return np.zeros(tensor.shape)
    if tensor.kind == "moment":
        return _memory.zeros(tensor.shape, dtype)
    if tensor.kind == "statistic":
        return _memory.zeros(batch, dtype)
    (columns,) = tensor.shape
    return _memory.zeros((batch, _padded(columns, dtype.itemsize)), dtype)[:, :columns]


def _padded(columns: int, itemsize: int) -> int:
    """Row stride: whole cache lines for wide rows, and never a multiple of a page, which would share cache sets."""
    if columns * itemsize <= 64:
        return columns
    stride = ceil(columns * itemsize / 64) * 64
    return (stride + 64 if stride % 4096 == 0 else stride) // itemsize


# -- ops ---------------------------------------------------------------------------------------------------------------


def make_op(op: Op, arrays: dict[Tensor, Any], by_rows: bool) -> _ops.Op:
    """The op of floor 1 that runs `op` on these arrays, shared by rows of the batch or not."""
    made: Any = _of_arrays(op, arrays, by_rows)
    if op.attrs.get("by_columns") and op.name in EITHER_WAY | PRODUCTS:
        made.share_columns()
    return made  # type: ignore[no-any-return]


def _of_arrays(op: Op, arrays: dict[Tensor, Any], by_rows: bool) -> Any:
    attrs = op.attrs
    inputs: list[Any] = [None if tensor is None else arrays[tensor] for tensor in op.inputs]
    outputs: list[Any] = [arrays[tensor] for tensor in op.outputs]
    kernel, alpha = attrs.get("kernel", "linear"), attrs.get("alpha", 0.0)
    weight = inputs[2] if len(inputs) > 2 else None  # of the rows, where predictions are compared with targets
    match op.name:
        case "gather":
            return _rows.Gather(outputs[0], attrs["scale"], by_rows, *inputs)
        case "affine":
            return _dense.Dense(inputs[0], inputs[1], inputs[2], outputs[0], kernel, alpha, by_rows)
        case "partial_affine":
            return _dense.PartialDense(inputs[0], inputs[1], inputs[2], outputs[0])
        case "sum_of_parts":
            return _rows.SumOfParts(inputs[0], outputs[0], kernel, alpha)
        case "activation":
            return _rows.Activation(inputs[0], outputs[0], kernel, alpha)
        case "add" | "multiply":
            return _rows.Merge(op.name, inputs[0], inputs[1], outputs[0], by_rows)
        case "copy_columns":
            start, into = attrs.get("start", 0), attrs.get("into", 0)
            columns = min(inputs[0].shape[1], outputs[0].shape[1])
            x, out = inputs[0][:, start : start + columns], outputs[0][:, into : into + columns]
            return _rows.Activation(x, out, "linear")
        case "dropout":
            return _rows.Dropout(inputs[0], outputs[0], **attrs["mask"])
        case "noise":
            return _rows.Noise(inputs[0], outputs[0], **attrs["noise"])
        case "batch_norm":
            x, gamma, beta = inputs
            y, mean, rstd, *running = (*outputs, None, None)[:5]
            epsilon, momentum = attrs["epsilon"], attrs["momentum"]
            return _norm.BatchNorm(x, gamma, beta, y, mean, rstd, epsilon, running[0], running[1], momentum, True)
        case "batch_norm_gradient":
            dy, x, gamma, mean, rstd = inputs
            dx, dgamma, dbeta = outputs
            return _norm.BatchNormGradient(dy, x, gamma, mean, rstd, dx, dgamma, dbeta, by_columns=True)
        case "moving_norm":
            x, gamma, beta, mean, variance = inputs
            return _norm.BatchNormInference(x, gamma, beta, outputs[0], mean, variance, attrs["epsilon"])
        case "row_norm":
            x, gamma, beta = inputs
            y, rstd, mean = (*outputs, None)[:3]
            return _norm.GroupNorm(x, gamma, beta, y, mean, rstd, attrs["epsilon"])
        case "row_norm_gradient":
            dy, x, gamma, rstd, mean = (*inputs, None)[:5]
            return _norm.RowNormGradient(dy, x, gamma, mean, rstd, *outputs)
        case "softmax":
            return _rows.Softmax(inputs[0], outputs[0])
        case "loss":
            return _losses.Loss(kernel, inputs[0], inputs[1], *outputs, **_of_loss(op, weight))
        case "loss_gradient":
            return _losses.Loss(kernel, inputs[0], inputs[1], gradient=outputs[0], **_of_loss(op, weight))
        case "metric" if kernel in _kernels.METRICS:
            return _losses.Metric(kernel, inputs[0], inputs[1], outputs[0], attrs.get("threshold", 0.5), weight)
        case "metric":
            return _losses.Loss(kernel, inputs[0], inputs[1], outputs[0], **_of_loss(op, weight))
        case "tally":
            cuts = attrs.get("thresholds")
            thresholds = None if cuts is None else np.array(cuts, np.float64)
            return _losses.Tally(kernel, inputs[0], inputs[1], outputs[0], weight, thresholds, attrs.get("bins", 1))
        case "input_gradient":
            saved = inputs[2] if len(inputs) > 2 else None
            return _dense.InputGradient(inputs[0], inputs[1], outputs[0], saved, kernel, alpha, by_rows)
        case "activation_gradient":
            return _rows.ActivationGradient(inputs[0], inputs[1], outputs[0], kernel, alpha)
        case "softmax_gradient":
            return _rows.SoftmaxGradient(inputs[0], inputs[1], outputs[0])
        case "weight_gradient":
            return _dense.WeightGradient(inputs[0], inputs[1], outputs[0], attrs.get("rule"))
        case "bias_gradient":
            return _dense.BiasGradient(inputs[0], outputs[0], attrs.get("rule"))
        case "accumulate":
            return _losses.Accumulate(inputs[0], outputs[0])
        case "mean_gradient":
            return _vectors.MeanGradient(inputs[0], outputs[0], attrs["count"])
        case "sum_of_squares":
            return _vectors.SumOfSquares(tuple(inputs), outputs[0])
        case "rescale":
            shifts = np.full_like(inputs[1], -0.0) if inputs[2] is None else inputs[2]
            return _rows.Gather(outputs[0], 1.0, by_rows, inputs[1], shifts, inputs[0])
        case "embedding":
            return _embedding.Embedding(inputs[0], inputs[1], outputs[0])
        case "embedding_gradient":
            return _embedding.EmbeddingGradient(inputs[0], inputs[1], outputs[0], attrs.get("rule"))
        case "penalty":
            return _penalty.Penalty(inputs[0], outputs[0], attrs["l1"], attrs["l2"])
        case "penalty_gradient":
            return _vectors.VectorMap(inputs[0], outputs[0], "penalty", attrs["l1"], attrs["l2"], inputs[1])
        case "constrain":
            return attrs["constraint"].op(inputs[0])
        case "user_forward" | "user_backward" | "user_loss" | "user_loss_gradient":
            return _python.Python(as_function(op, inputs, outputs))
        case "update":
            squares = inputs[2] if len(inputs) > 2 else None
            return _dense.ApplyUpdate(inputs[1], attrs["rule"], squares, attrs.get("max_norm", inf))
    raise AssertionError(op.name)


def _of_loss(op: Op, weight: Any) -> dict[str, Any]:
    """What a loss has beside its operands: weights of the rows, its factor in the sum of losses, its parameters."""
    names = {"factor": "scale", "alpha": "alpha", "smoothing": "smoothing"}
    return {"weight": weight} | {names[name]: value for name, value in op.attrs.items() if name in names}


# -- costs -------------------------------------------------------------------------------------------------------------

_NORM = dict.fromkeys(("batch_norm", "batch_norm_gradient", "row_norm", "row_norm_gradient"), 10)
_OF_WEIGHT = dict.fromkeys(("penalty", "penalty_gradient", "constrain"), 2)
# rough: a transcendental is some twenty operations
_PER_ELEMENT = {"softmax": 20, "loss": 20, "activation": 10, "update": 10, "dropout": 20, "noise": 60}
_PER_ELEMENT |= _NORM | _OF_WEIGHT
_BY_INPUT = {"embedding_gradient": 1}  # the input that the work goes by; others: the first


def flops(op: Op, batch: int) -> int:
    """Floating-point operations of one step, a multiply-add counted as two."""
    if op.name in PRODUCTS:
        weight = op.inputs[1]
        assert weight is not None
        return 2 * batch * prod(weight.shape)
    if op.name == "weight_gradient":
        return 2 * batch * prod(op.outputs[0].shape)
    source = op.inputs[_BY_INPUT.get(op.name, 0)] if op.inputs and op.name != "gather" else op.outputs[0]
    assert source is not None
    rows = batch if source.kind in PER_ROW else 1
    return _PER_ELEMENT.get(op.name, 1) * rows * prod(source.shape)


def bytes_moved(op: Op, batch: int, itemsize: int) -> int:
    """Bytes that one step reads and writes, each tensor once; optimizer state included."""
    count = 0
    for tensor in (*op.inputs, *op.outputs):
        if tensor is not None:
            count += prod(tensor.shape) * (batch if tensor.kind in PER_ROW else 1)
    if "rule" in op.attrs:
        count += prod(op.outputs[0].shape) * (2 * len(op.attrs["rule"].arrays) - 2)
    return count * itemsize
