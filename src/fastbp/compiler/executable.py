"""Floor 3. The executable: a program with its buffers, the caller's arrays, and what is reported of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import prod
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from .._core._program import Program
from ..utils import renew_after_fork
from . import listing, profile, schedule
from .kinds import KINDS
from .tape import Op, Tensor

__all__ = ["Executable", "Plan", "Result", "mean", "weighted_mean"]

TOTALS_BYTES = 8 << 20  # for the sums of all laps of a run


class Result(NamedTuple):
    """What is reported: a function of some sums over rows and of how many rows there were."""

    name: str
    totals: tuple[Tensor, ...]
    finish: Callable[[Sequence[np.ndarray], Any], np.ndarray]
    weight: Tensor | None = None  # the sum of the rows' weights, in the place of their number
    factors: tuple[float, ...] = ()  # where it is the sum of the totals times these over the number of rows


def mean(sums: Sequence[np.ndarray], rows: int) -> np.ndarray:
    """The sum over the rows."""
    return sums[0] / rows


def _dot(pairs: Sequence[tuple[int, float]], totals: Sequence[float]) -> float:
    return sum(factor * totals[column] for column, factor in pairs)


def weighted_mean(factors: Sequence[float], sums: Sequence[np.ndarray], rows: int) -> np.ndarray:
    """Means times factors, added up in each lap; of sums that may be kept in parts."""
    whole = sum(f * each.reshape(len(each), -1).sum(axis=1) for f, each in zip(factors, sums, strict=True))
    return np.asarray(whole / rows)


class Plan(NamedTuple):
    """What an Executable is made from."""

    ops: list[Op]
    batch: int
    dtype: np.dtype[Any]
    wanted: set[Tensor]
    outputs: list[Tensor]  # if the purpose is to predict
    report: list[Result]


class _Route(NamedTuple):
    """A program, and the methods of its ops that take the caller's arrays."""

    program: Program
    binders: list[tuple[int, Any]]  # (number of the array, method): inputs, targets, weights of rows
    writers: list[tuple[int, Any]]  # of the outputs


class Executable:
    """A compiled program with its buffers, for one model and one batch size.

    Attributes
    ----------
    batch : int
        Rows of a step.
    columns : list of int
        Of the outputs, if the purpose is to predict.
    steps_done : int
        In the last run: fewer than it was to do if a layer or loss that a user wrote has failed.
    calls_python : bool
        Whether a layer or the loss is one that a user wrote, so that a run may end in the middle with an exception.
    totals : ndarray, shape (laps, numbers)
        float64: sums over all rows run since `reset`, of losses, penalties and metrics; a row for each lap.
    most_laps : int
        That a run may have, so that the sums take little memory.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan, self.batch, self.dtype = plan, plan.batch, plan.dtype
        ops = plan.ops
        self._lock = Lock()
        self.steps_done = 0
        self._bound: Any = None  # keeps the caller's arrays alive
        self._orders: int | None = None  # how many were bound; None: rows as they lie
        renew_after_fork(self)
        self.phases = schedule.make_phases(ops, self.batch, self.dtype.itemsize)
        self.threads = schedule.threads_worth(self.phases, self.batch)
        self._tensors = schedule.make_buffers(ops, self.batch, self.dtype)
        self._updates = any("rule" in op.attrs for op in ops)
        self.calls_python = any(KINDS[op.name].calls_python for op in ops)
        self.columns = [output.shape[0] for output in plan.outputs]
        made = self._make_ops(ops)
        totals = {out: op for op in ops for out in op.outputs if out.kind == "total"}
        ends = np.cumsum([prod(total.shape) for total in totals], dtype=int).tolist()
        self._columns = dict(zip(totals, map(slice, [0, *ends], ends), strict=False))
        self._numbers = ends[-1] if ends else 0
        self.most_laps = max(1, TOTALS_BYTES // (8 * max(self._numbers, 1)))
        self._adders = [(self._columns[total], made[op]) for total, op in totals.items()]
        gathers = [op for op in ops if op.name == "gather"]
        self._shapes = [gather.outputs[0].shape for gather in gathers]  # of a row
        writers = [next(op for op in ops if output in op.outputs) for output in plan.outputs]
        self._gathering = self._direct = self._make_route(made, [[made[op].bind] for op in gathers], writers)
        readers = [self._readers(gather) for gather in gathers]
        plain = (op.attrs["scale"] == 1 and not op.inputs for op in gathers)
        if all(plain) and all(readers):
            # ops of their own, which read the caller's rows where they lie
            again = {op for of_one in readers for op, _ in of_one}
            made = {op: made[op] for op in ops if op not in gathers} | self._make_ops(again)
            self._adders += [(self._columns[total], made[op]) for total, op in totals.items() if op in again]
            binders = [[getattr(made[op], method) for op, method in of_one] for of_one in readers]
            self._direct = self._make_route(made, binders, writers)
        weighed = {result.name: self._weighed(result) for result in plan.report if result.factors}
        self._plain = [(name, pairs, pairs[0]) for name, pairs in weighed.items()]
        self.reset()
        self.release()

    def _weighed(self, result: Result) -> list[tuple[int, float]]:
        """The columns of `totals` that a result is the sum of, and their factors."""
        pairs = zip(result.totals, result.factors, strict=True)
        return [(column, f) for total, f in pairs for column in range(*self._columns[total].indices(self._numbers))]

    def _readers(self, gather: Op) -> list[tuple[Op, str]]:
        """Who reads what a gather makes, and the method by which each can take the caller's array; [] if one cannot."""
        tensor, found = gather.outputs[0], []
        if tensor in self._plan.wanted:
            return []
        for op in self._plan.ops:
            for position, read in enumerate(op.inputs):
                if read is tensor:
                    found.append((op, KINDS[op.name].binder(position)))
        return found if all(method for _, method in found) else []

    def _make_ops(self, ops: Iterable[Op]) -> dict[Op, Any]:
        """Ops of floor 1 on the buffers."""
        by_rows = {op: phase.by_rows for phase in self.phases for op in phase.ops}
        return {op: schedule.make_op(op, self._tensors, by_rows[op]) for op in ops}

    def _make_route(self, made: dict[Op, Any], sources: list[list[Any]], writers: list[Op]) -> _Route:
        """The phases as a program of these ops of floor 1."""
        plan = [(p.slice_rows, p.slices_per_thread, [made[op] for op in p.ops if op in made]) for p in self.phases]
        program = Program([phase for phase in plan if phase[2]], self.batch, self.threads, flush=self._updates)
        binders = [(number, bind) for number, of_one in enumerate(sources) for bind in of_one]
        return _Route(program, binders, [(number, made[op].bind) for number, op in enumerate(writers)])

    def bind(self, arrays: Sequence[np.ndarray], order: np.ndarray | None = None) -> None:
        """Set the caller's arrays: inputs, targets and weights of rows, in the order in which they were recorded.

        Parameters
        ----------
        arrays : sequence of ndarray
        order : ndarray of int64, shape (rows,) or (laps, rows), optional
            The order of the rows, one for each lap. None: as they lie.

        Raises
        ------
        ValueError
            If the rows of an array have another shape than the program was made for.
        """
        self._check(arrays)
        direct = order is None and all(map(self._fits, arrays))
        self._route = self._direct if direct else self._gathering
        places = () if order is None else (order,)
        for number, bind in self._route.binders:
            bind(arrays[number], *places)
        self._rows = arrays[0].shape[0] if order is None else order.shape[-1]
        self._orders = order.size // self._rows if order is not None and self._rows else None
        self._bound = arrays, order

    def _check(self, arrays: Sequence[np.ndarray]) -> None:
        """The kernels trust that each row is as wide as the buffer it is for."""
        shapes = [array.shape[1:] for array in arrays]
        if shapes != self._shapes:
            raise ValueError(f"expected rows of shapes {self._shapes}, got {shapes}")

    def _fits(self, rows: np.ndarray) -> bool:
        """Whether ops can read rows where they lie: indices, or of the model's type and each in one piece."""
        strides = rows.strides
        if rows.dtype == np.int32:
            return True
        return bool(strides[1] == self.dtype.itemsize and rows.dtype == self.dtype)

    def run(self, first: int, rows: int, rates: np.ndarray | None = None, laps: int = 1, step: int = 0) -> None:
        """Run the steps over rows [first, first + rows) of the order, `laps` times; `rates` has a step size for each.

        `step` is the number of the first one, of all steps that the model was trained for.

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
            try:
                self._route.program.run(first, rows, rates, laps, step)
            finally:
                self.steps_done = self._route.program.steps_done

    def predict(self, arrays: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
        """Write the outputs for each row to `outs`; inputs of the model's own type are read where they lie."""
        self._check(arrays)
        route = self._direct
        for array in arrays:
            if not self._fits(array):
                route = self._gathering
        program, binders, writers = route
        with self._lock:
            for number, bind in binders:
                bind(arrays[number])
            for number, bind in writers:
                bind(None, outs[number])
            program.run(0, len(arrays[0]))

    def results(self, rows: int) -> dict[str, np.ndarray]:
        """What is reported of so many rows since `reset`: for each name, a number or an array for each lap."""

        def sums(total: Tensor) -> np.ndarray:
            return self.totals[:, self._columns[total]].reshape(-1, *total.shape)

        with np.errstate(divide="ignore", invalid="ignore"):  # of no rows that count there is no mean
            return {
                name: finish([sums(total) for total in totals], rows if weight is None else sums(weight))
                for name, totals, finish, weight, _ in self._plan.report
            }

    def means(self, rows: int) -> dict[str, Any]:
        """The results of a single lap as plain numbers, or arrays where they are such: cheap enough for every batch."""
        if len(self._plain) == len(self._plan.report):
            totals = self.totals[0].tolist()
            return {
                name: totals[column] / rows if len(pairs) == 1 and factor == 1 else _dot(pairs, totals) / rows
                for name, pairs, (column, factor) in self._plain
            }
        whole = {name: of_laps[0] for name, of_laps in self.results(rows).items()}
        return {name: value if value.ndim else float(value) for name, value in whole.items()}

    def release(self) -> None:
        """Let go of the caller's arrays; `bind` comes before the next run."""
        self._rows, self._route = 0, self._gathering
        self._bound = None

    def reset(self, laps: int = 1, totals: np.ndarray | None = None) -> None:
        """Set the totals to zero, for runs of so many laps at most; or add to those of another program."""
        self.totals = np.zeros((laps, self._numbers)) if totals is None else totals
        for columns, op in self._adders:
            op.bind_sums(self.totals[:, columns])

    def renew_locks(self) -> None:
        """In a forked child, where nobody is left to open them."""
        self._lock = Lock()

    def names(self) -> list[str]:
        """The tensors that exist in memory, but for the sums over steps (`totals`)."""
        return [tensor.name for tensor, array in self._tensors.items() if array is not None and tensor.kind != "total"]

    def array(self, name: str) -> np.ndarray:
        """The buffer of a tensor, as the last step left it."""
        return next(array for tensor, array in self._tensors.items() if tensor.name == name and array is not None)

    def gradients(self) -> dict[Any, np.ndarray]:
        """The buffers of the gradients that were asked for, by the model's variables."""
        made = (tensor for op in self._plan.ops for tensor in op.outputs if tensor.kind == "gradient")
        # of a sum and its parts, the sum is made last
        return {tensor.variable: self._tensors[tensor] for tensor in made if tensor in self._plan.wanted}

    def parameters(self) -> dict[str, Any]:
        """The model's variables that the program reads, under their names of the literature: W1, b1, W2, ..."""
        read = (tensor for op in self._plan.ops for tensor in op.inputs if tensor is not None)
        return {tensor.name: tensor.variable for tensor in read if tensor.kind == "parameter"}

    def profile(self) -> list[listing.Line]:
        """What a step costs, op by op, measured on random rows for half a second.

        Weights and optimizer state are put back afterwards; nothing else may use the model meanwhile.
        """
        return self._measured()[0]

    def _measured(self) -> tuple[list[listing.Line], float]:
        """The lines of the listing with their times, and the time of a step."""
        twin = Executable(self._plan)  # with buffers and ops of its own: the made-up rows are nobody else's
        ops = [op for phase in twin.phases for op in phase.ops]
        gathers = [op for op in self._plan.ops if op.name == "gather"]
        buffers = [twin._tensors[op.outputs[0]] for op in gathers]
        rows = self.batch * profile.steps(buffers[0])
        order = np.random.default_rng(0).permutation(rows)
        made_up = [
            profile.made_up_rows(buffer, rows, op.attrs.get("limit"))
            for op, buffer in zip(gathers, buffers, strict=True)
        ]
        twin.bind(made_up, order)
        outs = [np.empty((rows, columns), self.dtype) for columns in self.columns]
        for number, bind in twin._route.writers:
            bind(None, outs[number])
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
