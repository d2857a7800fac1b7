"""Floor 3. The compiler: from the layers of a model to a program of floor 1.

Read `tape`, `adjoints`, `fuse` and `schedule` in this order; `build` below calls them in it and makes an `executable`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .._core import _vectors
from ..metrics.base import Metric
from . import schedule
from .adjoints import record_adjoints
from .executable import Executable, Plan, Result, mean, weighted_mean
from .fuse import fuse, remove_unused
from .kinds import KINDS
from .tape import Tape, Tensor

__all__ = ["Executable", "Measure", "Part", "build"]


class Measure(NamedTuple):
    """A metric, its name in results, and whether it counts rows by their weights."""

    name: str
    metric: Any
    weighted: bool = False


class Part(NamedTuple):
    """What one output of a model is compared by."""

    loss: Any
    factor: float = 1.0
    measures: Sequence[Measure] = ()
    weighted: bool = False
    name: str = "loss"  # of the loss, in results


def build(
    graph: Any,
    *,
    batch: int,
    dtype: Any,
    purpose: str,
    parts: Sequence[Part] = (),
    optimizer: Any = None,
    trainable: Collection[object] = (),
) -> Executable:
    """Compile a graph of built layers.

    Parameters
    ----------
    graph : Graph
    batch : int
        Rows of a step.
    dtype : dtype
        float32 or float64.
    purpose : {"train", "evaluate", "predict", "objective", "gradients", "trace"}
        "objective" is the loss as training has it: with dropout, and by the moments of the batch; "gradients" keeps its
        gradients by the parameters and updates nothing; "trace" keeps every tensor and fuses nothing.
    parts : sequence of Part
        For each output, unless the purpose is to predict.
    optimizer : Optimizer
        If the purpose is to train.
    trainable : collection of Variable
        Those whose gradients are wanted.

    Returns
    -------
    Executable
    """
    tape = Tape(training=purpose not in ("evaluate", "predict"), changing=purpose == "train")
    tensors = _record_inputs(tape, graph)
    targets = [_record_target(tape, graph, k, part) for k, part in enumerate(parts)]
    for node in graph.nodes:
        tensors[node.output] = node.layer.record(tape, *(tensors[symbol] for symbol in node.inputs))
    outputs = [tensors[symbol] for symbol in graph.outputs]
    report = _record_comparisons(tape, graph, parts, outputs, targets, trainable) if parts else []
    wanted: set[Tensor] = set()
    if purpose == "predict":
        outputs = _own_places(tape, outputs)
        wanted |= set(outputs)
    if purpose in ("train", "gradients", "trace"):
        losses = [op.outputs[0] for op in tape.ops if op.name in ("loss", "user_loss")]
        gradients = _add_penalties(tape, record_adjoints(tape, losses, trainable))
        if purpose == "train":
            _record_updates(tape, gradients, optimizer)
        else:
            wanted |= set(gradients.values())
    if purpose == "trace":
        wanted |= {tensor for op in tape.ops for tensor in op.outputs}
    ops = remove_unused(tape.ops, wanted) if purpose == "trace" else fuse(tape.ops, wanted)
    if purpose == "train":
        ops = schedule.hold_moments(schedule.split_products(ops, batch, np.dtype(dtype).itemsize))
    schedule.spread_columns(ops, batch)
    return Executable(Plan(ops, batch, np.dtype(dtype), wanted, outputs if purpose == "predict" else [], report))


def _record_inputs(tape: Tape, graph: Any) -> dict[Any, Tensor]:
    """The batches of the inputs: A0, or a name for each."""
    tensors, alone = {}, len(graph.inputs) == 1
    for number, (symbol, limit) in enumerate(zip(graph.inputs, graph.index_limits(), strict=True), 1):
        name, source, columns = "A0" if alone else symbol.name, "x" if alone else f"x{number}", prod(symbol.shape)
        if limit is None:
            tensors[symbol] = tape.batch(name, source, columns, symbol.node.layer.scale)
        else:
            tensors[symbol] = tape.indices(name, source, limit, (columns,))
    return tensors


def _record_target(tape: Tape, graph: Any, number: int, part: Part) -> tuple[Tensor, Tensor | None]:
    """The batches of an output's targets and of the weights of its rows."""
    suffix = str(number + 1) if len(graph.outputs) > 1 else ""
    name, source, columns = f"Y{suffix}", f"y{suffix}", prod(graph.outputs[number].shape)
    target = tape.indices(name, source, columns) if part.loss.labels else tape.batch(name, source, columns)
    return target, tape.batch(f"weight{suffix}", f"weights{suffix}", 1) if part.weighted else None


def _record_comparisons(
    tape: Tape,
    graph: Any,
    parts: Sequence[Part],
    outputs: Sequence[Tensor],
    targets: Sequence[tuple[Tensor, Tensor | None]],
    trainable: Collection[object],
) -> list[Result]:
    """Record losses, penalties and metrics with their sums; returns what is reported of them."""
    losses: list[Tensor] = []
    metrics: list[Result] = []
    for part, symbol, output, (y, weight) in zip(parts, graph.outputs, outputs, targets, strict=True):
        losses.append(tape.total(_record_loss(tape, part, symbol.shape, output, y, weight)))
        metrics += _record_metrics(tape, part, output, y, weight)
    penalties = [
        tape.penalty(w, w.variable.regularizer, _vectors.blocks(w.variable.size))
        for w in tape.parameters
        if w.variable in trainable and w.variable.regularizer
    ]
    factors = (*(part.factor for part in parts), *(1.0 for _ in penalties))
    whole = Result("loss", (*losses, *penalties), partial(weighted_mean, factors), factors=factors)
    each = [
        Result(part.name, (loss,), mean, factors=(1.0,))
        for part, loss in zip(parts, losses, strict=True)
        if len(parts) > 1
    ]
    return [whole, *each, *metrics]


def _record_loss(
    tape: Tape, part: Part, shape: tuple[int, ...], output: Tensor, y: Tensor, weight: Tensor | None
) -> Tensor:
    """Record the loss of each row, by a kernel or by what the user wrote for rows of this shape."""
    loss = part.loss
    if not loss.kernel:
        return tape.user_loss(loss, output, y, shape, weight, part.factor)
    return tape.loss(output, y, loss.kernel + "_logits" * loss.from_logits, weight, part.factor, **loss.constants())


def _record_metrics(tape: Tape, part: Part, output: Tensor, y: Tensor, weight: Tensor | None) -> Iterator[Result]:
    """Record the metrics of an output. Those that count rows by weights share the sum of these."""
    probabilities = total = None
    for name, metric, weighted in part.measures:
        read = output
        if metric.probabilities and part.loss.from_logits:
            squash = tape.softmax if part.loss.one_class else partial(tape.activation, kernel="sigmoid")
            read = probabilities = probabilities or squash(output)
        if not weighted or weight is None:
            totals = metric.record(tape, read, y, None)
            plain = type(metric).finish is Metric.finish and not totals[0].shape  # the mean of one number a row
            yield Result(name, totals, metric.finish, factors=(1.0,) if plain else ())
            continue
        total = total or tape.total(tape.metric("weight", output, y, "one", weight))
        yield Result(name, metric.record(tape, read, y, weight), metric.finish, total)


def _add_penalties(tape: Tape, gradients: dict[Tensor, Tensor]) -> dict[Tensor, Tensor]:
    """The gradients with those of the penalties in them."""
    whole = {}
    for parameter, gradient in gradients.items():
        regularizer = parameter.variable.regularizer
        whole[parameter] = tape.penalty_gradient(gradient, parameter, regularizer) if regularizer else gradient
    return whole


def _record_updates(tape: Tape, gradients: dict[Tensor, Tensor], optimizer: Any) -> None:
    """Record how the parameters change: their gradients' means over several steps, where wanted, norms, and updates."""
    changing = {parameter: g for parameter, g in gradients.items() if optimizer.multiplier(parameter.variable)}
    if optimizer.mean_gradient is not None:
        changing = {p: _record_mean(tape, g, p.variable, optimizer) for p, g in changing.items()}
    limit = optimizer.clipnorm or optimizer.global_clipnorm
    together = tuple(changing.values())
    norm = (_record_norm(tape, together),) if optimizer.global_clipnorm and changing else ()
    for parameter, gradient in changing.items():
        if optimizer.clipnorm:
            norm = (_record_norm(tape, (gradient,)),)
        variable, clip = parameter.variable, {"max_norm": limit} if limit else {}
        # a constraint waits for the update, and whoever reads the parameter in this step does not wait for either
        updated = Tensor(parameter.name, parameter.shape, "updated", variable)
        outputs = (parameter, updated) if variable.constraint else (parameter,)
        rule = optimizer.rule(variable)
        tape.emit("update", (parameter, gradient, *norm), *outputs, rule=rule, update=optimizer.kernel, **clip)
        if variable.constraint:
            tape.emit("constrain", (updated,), parameter, constraint=variable.constraint)


def _record_mean(tape: Tape, gradient: Tensor, variable: Any, optimizer: Any) -> Tensor:
    """The mean of a gradient over the steps that make an update; it lasts from step to step."""
    memory = optimizer.part(optimizer.mean_gradient, variable)
    mean = Tensor(f"mean {gradient.name}", gradient.shape, "gradient")
    return tape.emit("mean_gradient", (gradient,), mean, memory=memory, count=optimizer.gradient_accumulation_steps)


def _record_norm(tape: Tape, gradients: tuple[Tensor, ...]) -> Tensor:
    """The squares of these gradients, added up in blocks."""
    blocks = sum(_vectors.blocks(prod(gradient.shape)) for gradient in gradients)
    names = " ... ".join(dict.fromkeys((gradients[0].name, gradients[-1].name)))
    return tape.emit("sum_of_squares", gradients, Tensor(f"‖{names}‖²", (blocks,), "norm"))


def _own_places(tape: Tape, outputs: list[Tensor]) -> list[Tensor]:
    """The outputs, each made by one op that can write to the caller's array, and read by none; also not to copy it."""
    places: list[Tensor] = []
    for tensor in outputs:
        makers = [op for op in tape.ops if tensor in op.outputs]
        own = len(makers) == 1 and KINDS[makers[0].name].writes and outputs.count(tensor) == 1
        read = any(tensor in op.inputs for op in tape.ops)
        places.append(tensor if own and not read else tape.copy(tensor))
    return places
