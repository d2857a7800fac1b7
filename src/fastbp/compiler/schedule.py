"""Floor 3. The schedule: phases, buffers and slices for a list of ops.

Ops that work row by row share the batch by rows and chain into one phase, however many they are. Ops that make
something of the size of a parameter share that; they read rows of the whole batch, so they have to wait, together, for
the phase before. So do products with a large weight: by rows, every thread would have to read all of it, and that costs
more than the wait. Gradients of small weights are made of half the batch each, and wait once more to be added. A
parameter is changed only after everything that reads it in this step.

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

from .._core import _memory, _ops
from .kinds import KINDS, flops
from .opkind import Shared
from .tape import Op, Tensor, Uses

__all__ = [
    "Phase",
    "hold_moments",
    "make_buffers",
    "make_op",
    "make_phases",
    "split_products",
    "spread_columns",
    "threads_worth",
]

L2_BYTES = 256 << 10  # what the activations of a slice may take
FLOPS_PER_THREAD = 1_000_000  # less than this in a step is not worth a second thread
WORK_FOR_A_SLICE = 4_000_000  # operations of a phase not shared by rows for which a thread gets a slice more
MOST_SLICES = 2  # of such a phase, for each thread: one for it, one that others may take
LEAST_SLICE_ROWS = 64  # fewer rows read the weights too often
# From these on a weight is large, and with a batch of so many rows its products are shared by parts of their output.
SPLIT_WEIGHT_BYTES = 192 << 10
SPLIT_ROWS = 96
# Gradients of weights are cut if so many times their elements are no more than those of the rows they are made from, in
# steps with so many multiply-adds forward.
SPLIT_ROW_FACTOR = 2
SPLIT_PRODUCTS = 2 * FLOPS_PER_THREAD / 6
PARTIAL = {"weight_gradient": "partial_weight_gradient", "bias_gradient": "partial_bias_gradient"}
LINE = 16  # elements of one cache line or two


@dataclass(slots=True)
class Phase:
    """Ops that run between two waits, and how they are sliced."""

    ops: list[Op]
    by_rows: bool
    slice_rows: int
    slices_per_thread: int


def shared_by_rows(op: Op, batch: int, itemsize: int) -> bool:
    """Whether the threads share an op by rows of the batch, or else by parts of its output."""
    shared = KINDS[op.name].shared
    if op.attrs.get("by_columns"):
        return False
    if shared is not Shared.PRODUCT:  # a sum may be one of gradients of a parameter
        return shared in (Shared.ROWS, Shared.EITHER) and op.outputs[0].kind != "gradient"
    weight = op.inputs[1]
    assert weight is not None
    return batch < SPLIT_ROWS or prod(weight.shape) * itemsize < SPLIT_WEIGHT_BYTES


def split_products(ops: list[Op], batch: int, itemsize: int) -> list[Op]:
    """Cut in two the sums of products that cost more to share than to pass partial sums on.

    Those are products with a large weight, compared with the batch, that changes in every step. Each half is made by
    the threads that change that half of the weight; the gather is then shared by columns, for the same reason. And
    gradients of weights that are small, compared with the batch: each half is made by the threads that made its rows.
    """
    changed = {out for op in ops for out in op.outputs if out.kind == "parameter"}
    least_rows = _rows_worth_halves(ops)
    split: list[Op] = []
    for op in ops:
        weight = op.inputs[1] if op.name == "affine" else None
        if weight in changed and _mostly_weight(weight, batch, itemsize):
            parts = Tensor(f"P{op.outputs[0].name[1:]}", (2 * weight.shape[1],))
            split.append(Op("partial_affine", op.inputs, (parts,)))
            split.append(Op("sum_of_parts", (parts,), op.outputs, op.attrs))
        elif batch >= least_rows and "rule" in op.attrs and op.name in PARTIAL:
            gradient, *updated = op.outputs
            parts = Tensor(f"P{gradient.name}", (2, ceil(prod(gradient.shape) / LINE) * LINE), "gradient")
            split.append(Op(PARTIAL[op.name], op.inputs, (parts,), {"least_rows": least_rows}))
            split.append(Op("update", (updated[0], parts), tuple(updated), op.attrs | {"in_parts": True}))
        else:
            split.append(op)
    if any(op.name == "partial_affine" for op in split):
        for op in split:
            if op.name == "gather":
                op.attrs["by_columns"] = True
    return split


def _mostly_weight(weight: Tensor, batch: int, itemsize: int) -> bool:
    return prod(weight.shape) * itemsize >= SPLIT_WEIGHT_BYTES and 4 * batch < weight.shape[0]


def _rows_worth_halves(ops: list[Op]) -> float:
    """From how many rows on gradients are cut: weights are small beside them, and a step is worth a second thread.

    None if a gradient is needed whole (its norm, its mean, a layer used twice), or a normalisation reads whole columns:
    then all threads read all rows anyway. As the number is of the weights alone, the gradients of a last batch of an
    epoch are those of one given by itself, to the bit.
    """
    gradients = [op for op in ops if op.name == "weight_gradient"]
    weights = [op.outputs[0].shape for op in gradients if "rule" in op.attrs]
    if not weights or len(weights) < len(gradients) or any(KINDS[op.name].shared is Shared.COLUMNS for op in ops):
        return inf
    products = sum(map(prod, weights))
    small = max(SPLIT_ROW_FACTOR * prod(shape) / max(sum(shape), 1) for shape in weights)
    return ceil(max(small, SPLIT_PRODUCTS / max(products, 1)))


def hold_moments(ops: list[Op]) -> list[Op]:
    """Let moving moments move by an op of their own where a user's code may end the step, behind all of that code.

    They are computed again for it: that takes less than the code in Python does, and no other program pays for it.
    """
    if not any(KINDS[op.name].calls_python for op in ops):
        return ops
    held: list[Op] = []
    for op in ops:
        held.append(op)
        if op.name == "batch_norm" and len(op.outputs) > 3:
            held.append(Op("moving_moments", op.inputs[:1], op.outputs[3:], dict(op.attrs)))
            op.outputs = op.outputs[:3]
    return held


def spread_columns(ops: list[Op], batch: int) -> None:
    """Mark the ops that are shared by columns: those that have to be, and with small batches what is next to them.

    A layer with batch normalisation is then one phase forward, from the product to the dropout, and one back.
    """
    uses, pending = Uses(ops), [op for op in ops if KINDS[op.name].shared is Shared.COLUMNS]
    while pending:
        op = pending.pop()
        op.attrs["by_columns"] = True
        if batch >= SPLIT_ROWS or KINDS[op.name].shared is Shared.PRODUCT:
            continue
        first = op.outputs[0]
        makers = [o for o in uses.makers[op.inputs[0]] if KINDS[o.name].shared in (Shared.EITHER, Shared.PRODUCT)]
        readers = [o for o in uses.readers[first] if o.inputs[0] is first and KINDS[o.name].shared is Shared.EITHER]
        pending += [other for other in (*makers, *readers) if not other.attrs.get("by_columns")]


def make_phases(ops: list[Op], batch: int, itemsize: int) -> list[Phase]:
    """Group ops into as few phases as their dependences allow: ops by rows while there are any, then the others.

    Sums that nobody reads in the step open no phase while there is something else to do, unless they hold an update up;
    they join one of their kind.
    """
    by_rows = {op: shared_by_rows(op, batch, itemsize) for op in ops}
    joining, waiting = _dependences(ops, by_rows)
    missing = Counter(chain(*joining.values(), *waiting.values()))
    place = {op: number for number, op in enumerate(ops)}
    ready: dict[bool, list[int]] = {True: [], False: []}
    joins: dict[bool, list[int]] = {True: [], False: []}

    def make_ready(op: Op) -> None:
        heappush((joins if _is_sum(op) else ready)[by_rows[op]], place[op])

    def release(followers: Iterable[Op]) -> None:
        for op in followers:
            missing[op] -= 1
            if not missing[op]:
                make_ready(op)

    for op in ops:
        if not missing[op]:
            make_ready(op)
    phases: list[Phase] = []
    while any((*ready.values(), *joins.values())):
        held_up = any(missing[op] == 1 for place in joins[True] for op in waiting[ops[place]])  # by nothing else
        rows, chosen = bool(ready[True] or held_up or (joins[True] and not ready[False])), []
        while ready[rows] or joins[rows]:
            first = min(filter(None, (ready[rows], joins[rows])))  # in the order of the list
            chosen.append(ops[heappop(first)])
            release(joining[chosen[-1]])
        for op in chosen:
            release(waiting[op])
        phases.append(_sliced(chosen, rows, batch, itemsize))
    assert sum(len(phase.ops) for phase in phases) == len(ops), "ops that wait for one another"
    return phases


def _dependences(ops: list[Op], by_rows: dict[Op, bool]) -> tuple[dict[Op, list[Op]], dict[Op, list[Op]]]:
    """For each op, those that may follow it in its phase, and those that have to wait for the end of the phase."""
    uses = Uses(ops)
    calling = [op for op in ops if KINDS[op.name].calls_python]
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


def _is_sum(op: Op) -> bool:
    """Whether all that an op does is to add to sums over steps."""
    return all(out.kind == "total" for out in op.outputs)


def _outlasts_the_step(op: Op) -> bool:
    """Whether an op changes a parameter, or adds to sums over steps."""
    return "memory" in op.attrs or any(out.kind in ("parameter", "total") for out in op.outputs)


def _follows(op: Op, maker: Op) -> bool:
    """Whether an op not shared by rows may stand behind one it reads from: what a share reads, that share made."""
    columns = op.attrs.get("by_columns") and maker.attrs.get("by_columns")
    return bool(columns) and KINDS[op.name].shared is not Shared.PRODUCT


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
        uses_up = KINDS[op.name].uses_up if "rule" in op.attrs else None
        return None if uses_up and uses_up(batch, dtype) else _memory.zeros(tensor.shape, dtype)
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
    kind = KINDS[op.name]
    inputs = [None if tensor is None else arrays[tensor] for tensor in op.inputs]
    made: Any = kind.make(op, inputs, [arrays[tensor] for tensor in op.outputs], by_rows)
    if op.attrs.get("by_columns") and kind.shared in (Shared.EITHER, Shared.PRODUCT):
        made.share_columns()
    return made  # type: ignore[no-any-return]
