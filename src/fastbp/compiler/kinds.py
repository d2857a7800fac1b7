"""Floor 3. The kinds of ops: one table, a row each; what is in a row, `opkind` says.

To add an op, write a method of the tape that records it, a row here and, if it has a derivative, a rule in `adjoints`.
Fusion, schedule, listing and executable ask the table.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf, prod
from typing import Any

import numpy as np

from fastbp.layers import Layer
from fastbp.losses import Loss

from .._core import _dense, _embedding, _kernels, _losses, _norm, _penalty, _python, _rows, _vectors
from . import user
from .opkind import Arrays, Make, Names, OpKind, Shared, each, elements, of_outer_product, of_output, of_product
from .tape import Op

__all__ = ["KINDS", "bytes_moved", "flops", "formula"]

ROWS, COLUMNS, EITHER, PRODUCT = Shared.ROWS, Shared.COLUMNS, Shared.EITHER, Shared.PRODUCT
OF_X, OF_PAIR = ("bind",), ("bind", "bind_target", "bind_weight")


def flops(op: Op, batch: int) -> int:
    """Floating-point operations of one step."""
    return KINDS[op.name].flops(op, batch)


def bytes_moved(op: Op, batch: int, itemsize: int) -> int:
    """Bytes that one step reads and writes, each tensor once; optimizer state included."""
    count = sum(elements(tensor, batch) for tensor in (*op.inputs, *op.outputs) if tensor is not None)
    if "rule" in op.attrs:
        count += prod(op.outputs[0].shape) * (2 * len(op.attrs["rule"].arrays) - 2)
    return count * itemsize


def formula(op: Op) -> str:
    """The op as an equation."""
    return KINDS[op.name].formula(Names(op))


# -- what does not fit in a line of the table


def of(kind: Callable[..., Any], more: Callable[[Op, bool], tuple[Any, ...]] = lambda op, by_rows: ()) -> Make:
    """Make an op of floor 1 from the inputs, the outputs and what else it takes."""
    return lambda op, x, y, by_rows: kind(*x, *y, *more(op, by_rows))


def attrs(*names: str) -> Callable[[Op, bool], tuple[Any, ...]]:
    """What else an op takes: these attributes."""
    return lambda op, by_rows: tuple(op.attrs[name] for name in names)


def ending(kind: Callable[..., Any]) -> Make:
    """Make a gradient that ends with the update of its parameter, if there is one."""
    return lambda op, x, y, by_rows: kind(*x, y[0], op.attrs.get("rule"))


def _function(op: Op, by_rows: bool) -> tuple[str, float]:
    """The activation that an op computes or ends with, and its constant."""
    return op.attrs.get("kernel", "linear"), op.attrs.get("alpha", 0.0)


def _copy_columns(op: Op, x: Arrays, y: Arrays, by_rows: bool) -> Any:
    start, into = op.attrs.get("start", 0), op.attrs.get("into", 0)
    columns = min(x[0].shape[1], y[0].shape[1])
    return _rows.Activation(x[0][:, start : start + columns], y[0][:, into : into + columns], "linear")


def _batch_norm(op: Op, x: Arrays, y: Arrays, by_rows: bool) -> Any:
    (rows, gamma, beta), (out, mean, rstd, *moving) = x, y
    epsilon, momentum = op.attrs["epsilon"], op.attrs["momentum"]
    running_mean, running_variance = moving or (None, None)
    return _norm.BatchNorm(rows, gamma, beta, out, mean, rstd, epsilon, running_mean, running_variance, momentum, True)


def _moving_moments(op: Op, x: Arrays, y: Arrays, by_rows: bool) -> Any:
    (rows,), (mean, variance) = x, y
    beside = np.empty_like(rows), np.empty_like(mean), np.empty_like(mean)  # what is normalized, for nobody
    epsilon, momentum = op.attrs["epsilon"], op.attrs["momentum"]
    return _norm.BatchNorm(rows, None, None, *beside, epsilon, mean, variance, momentum, True)


def _moving_norm(op: Op, x: Arrays, y: Arrays, by_rows: bool) -> Any:
    rows, gamma, beta, mean, variance = x
    return _norm.BatchNormInference(rows, gamma, beta, y[0], mean, variance, op.attrs["epsilon"])


def _row_norm(op: Op, x: Arrays, y: Arrays, by_rows: bool) -> Any:
    (rows, gamma, beta), (out, rstd, mean) = x, (*y, None)[:3]
    return _norm.GroupNorm(rows, gamma, beta, out, mean, rstd, op.attrs["epsilon"])


def _row_norm_gradient(op: Op, x: Arrays, y: Arrays, by_rows: bool) -> Any:
    dy, rows, gamma, rstd, mean = (*x, None)[:5]
    return _norm.RowNormGradient(dy, rows, gamma, mean, rstd, *y)


def _rescale(op: Op, x: Arrays, y: Arrays, by_rows: bool) -> Any:
    rows, scale, shift = x
    return _rows.Gather(y[0], 1.0, by_rows, scale, np.full_like(scale, -0.0) if shift is None else shift, rows)


def _weight(x: Arrays) -> Any:
    """The weights of the rows, where predictions are compared with targets."""
    return x[2] if len(x) > 2 else None


def _loss(op: Op, x: Arrays, **outputs: Any) -> Any:
    """A loss with its factor in the sum of losses and its constants."""
    names = {"factor": "scale", "alpha": "alpha", "smoothing": "smoothing", "most": "limit"}
    constants = {names[name]: value for name, value in op.attrs.items() if name in names}
    return _losses.Loss(op.attrs["kernel"], x[0], x[1], weight=_weight(x), **outputs, **constants)


def _metric(op: Op, x: Arrays, y: Arrays, by_rows: bool) -> Any:
    if op.attrs["kernel"] not in _kernels.METRICS:
        return _loss(op, x, value=y[0])
    return _losses.Metric(op.attrs["kernel"], x[0], x[1], y[0], op.attrs.get("threshold", 0.5), _weight(x))


def _tally(op: Op, x: Arrays, y: Arrays, by_rows: bool) -> Any:
    cuts = op.attrs.get("thresholds")
    thresholds = None if cuts is None else np.array(cuts, np.float64)
    return _losses.Tally(op.attrs["kernel"], x[0], x[1], y[0], _weight(x), thresholds, op.attrs.get("bins", 1))


def _input_gradient(op: Op, x: Arrays, y: Arrays, by_rows: bool) -> Any:
    dy, weight, saved = (*x, None)[:3]
    return _dense.InputGradient(dy, weight, y[0], saved, *_function(op, by_rows), by_rows)


def _update(op: Op, x: Arrays, y: Arrays, by_rows: bool) -> Any:
    _, gradient, squares = (*x, None)[:3]
    limit, in_parts = op.attrs.get("max_norm", inf), op.attrs.get("in_parts", False)
    return _dense.ApplyUpdate(gradient, op.attrs["rule"], squares, limit, in_parts)


def _batch_of(n: Names) -> str:
    scale = n.attrs["scale"]
    factor = f" * {n.a} + {n.b}" if n.a else "" if scale == 1 else f" * {scale:.6g}"
    return f"{n.y} = batch of {n.attrs['source']}{factor}"


def _normalized(n: Names) -> str:
    return f"{n.outputs} = normalized({n.a}){f' ∘ {n.b}' if n.b else ''}{n.plus}"


def _updated(n: Names, gradient: str) -> str:
    (parameter,) = n.parameters
    if "penalty" in n.attrs:
        gradient += f" + {n.attrs['penalty']}'({parameter})"
    limited = f"clip({gradient})" if "max_norm" in n.attrs else gradient
    return f"{parameter} ← {n.attrs['update']}({parameter}, {limited})"


def _then_updated(n: Names) -> str:
    return f", {_updated(n, n.y)}" if "rule" in n.attrs else ""


def _of_user(function: Callable[[Op, Arrays, Arrays], user.Function], base: type, method: str) -> OpKind:
    """The kind of op that calls a method of a layer or a loss that a user wrote."""
    whose = base.__name__.lower()

    def make(op: Op, x: Arrays, y: Arrays, by_rows: bool) -> Any:
        user.check_defines(op.attrs[whose], base, method)
        return _python.Python(function(op, x, y))

    def call(n: Names) -> str:
        return f"{n.outputs} = {type(n.attrs[whose]).__name__}.{method}({n.batches})"

    return OpKind(make, call, calls_python=True)


# -- the table

KINDS: dict[str, OpKind] = {
    "gather": OpKind(
        lambda op, x, y, by_rows: _rows.Gather(y[0], op.attrs["scale"], by_rows, *x), _batch_of, ROWS, of_output
    ),
    # layers
    "affine": OpKind(
        of(_dense.Dense, lambda op, by_rows: (*_function(op, by_rows), by_rows)),
        lambda n: f"{n.y} = {n.through(f'{n.a} {n.b}{n.plus}')}",
        PRODUCT,
        of_product,
        OF_X,
        writes=True,
    ),
    "partial_affine": OpKind(
        of(_dense.PartialDense),
        lambda n: f"{n.y} = halves of {n.a} {n.b}{n.plus}",
        flops=of_product,
        binds=OF_X,
    ),
    "sum_of_parts": OpKind(
        of(_rows.SumOfParts, _function),
        lambda n: f"{n.y} = {n.through(f'Σ {n.a}')}",
        EITHER,
    ),
    "activation": OpKind(
        of(_rows.Activation, _function),
        lambda n: f"{n.y} = {n.kernel}({n.a})",
        EITHER,
        each(10),
        OF_X,
        writes=True,
    ),
    "softmax": OpKind(
        of(_rows.Softmax),
        lambda n: f"{n.y} = softmax({n.a})",
        ROWS,
        each(20),
        OF_X,
        writes=True,
    ),
    "add": OpKind(
        of(partial(_rows.Merge, "add"), lambda op, by_rows: (by_rows,)),
        lambda n: f"{n.y} = {n.a} + {n.b}",
        ROWS,
        writes=True,
    ),
    "multiply": OpKind(
        of(partial(_rows.Merge, "multiply"), lambda op, by_rows: (by_rows,)),
        lambda n: f"{n.y} = {n.a} ∘ {n.b}",
        ROWS,
        writes=True,
    ),
    "copy_columns": OpKind(
        _copy_columns,
        lambda n: f"columns of {n.y} = {'columns of ' * ('start' in n.attrs)}{n.a}",
        ROWS,
        binds=OF_X,
        writes=True,
    ),
    "rescale": OpKind(_rescale, lambda n: f"{n.y} = {n.a} * {n.b}{n.plus}", ROWS, binds=OF_X),
    "embedding": OpKind(
        of(_embedding.Embedding),
        lambda n: f"{n.y} = rows of {n.b} at {n.a}",
        ROWS,
        binds=OF_X,
        writes=True,
    ),
    "dropout": OpKind(
        lambda op, x, y, by_rows: _rows.Dropout(*x, *y, **op.attrs["mask"]),
        lambda n: f"{n.y} = dropout({n.a})",
        EITHER,
        each(20),
        OF_X,
    ),
    "noise": OpKind(
        lambda op, x, y, by_rows: _rows.Noise(*x, *y, **op.attrs["noise"]),
        lambda n: f"{n.y} = {n.a} {'∘ (1 + noise)' if n.attrs['noise']['multiplies'] else '+ noise'}",
        EITHER,
        each(60),
        OF_X,
    ),
    "batch_norm": OpKind(_batch_norm, _normalized, COLUMNS, each(10)),
    "moving_moments": OpKind(_moving_moments, lambda n: f"{n.outputs} ← moments of {n.a}", COLUMNS, each(10)),
    "moving_norm": OpKind(
        _moving_norm,
        _normalized,
        ROWS,
        binds=OF_X,
        writes=True,
    ),
    "row_norm": OpKind(_row_norm, _normalized, ROWS, each(10), OF_X, writes=True),
    "user_forward": _of_user(user.forward, Layer, "forward"),
    # comparisons with targets, and what is summed over steps
    "loss": OpKind(
        lambda op, x, y, by_rows: _loss(op, x, **dict(zip(("value", "gradient"), y, strict=False))),
        lambda n: f"{n.outputs} = {n.kernel}({n.inputs})",
        ROWS,
        each(20),
        OF_PAIR,
    ),
    "user_loss": _of_user(user.value, Loss, "value"),
    "metric": OpKind(_metric, lambda n: f"{n.y} = {n.kernel}({n.inputs})", ROWS, binds=OF_PAIR),
    "tally": OpKind(_tally, lambda n: f"{n.y} = {n.kernel}({n.inputs})", binds=OF_PAIR),
    "penalty": OpKind(
        of(_penalty.Penalty, attrs("l1", "l2")),
        lambda n: f"{n.y} = accumulate({n.attrs['penalty']}({n.a}))",
        ROWS,
        each(2),
    ),
    "accumulate": OpKind(of(_losses.Accumulate), lambda n: f"{n.y} = accumulate({n.a})"),
    # gradients
    "loss_gradient": OpKind(
        lambda op, x, y, by_rows: _loss(op, x, gradient=y[0]),
        lambda n: f"{n.y} = {n.kernel}'({n.inputs})",
        ROWS,
        binds=OF_PAIR,
    ),
    "user_loss_gradient": _of_user(user.gradient, Loss, "gradient"),
    "activation_gradient": OpKind(
        of(_rows.ActivationGradient, _function),
        lambda n: f"{n.y} = {n.a} ∘ {n.kernel}'({n.b})",
        EITHER,
    ),
    "softmax_gradient": OpKind(of(_rows.SoftmaxGradient), lambda n: f"{n.y} = {n.a} ∘ softmax'({n.b})", ROWS),
    "batch_norm_gradient": OpKind(
        of(_norm.BatchNormGradient, lambda op, by_rows: (True,)),
        lambda n: f"{n.outputs} = {n.a} ∘ normalized'({n.b})",
        COLUMNS,
        each(10),
    ),
    "row_norm_gradient": OpKind(
        _row_norm_gradient, lambda n: f"{n.outputs} = {n.a} ∘ normalized'({n.b})", ROWS, each(10)
    ),
    "user_backward": _of_user(user.backward, Layer, "backward"),
    "input_gradient": OpKind(
        _input_gradient,
        lambda n: f"{n.y} = {n.a} {n.b}ᵀ" + (f" ∘ {n.kernel}'({n.c})" if n.c else ""),
        PRODUCT,
        of_product,
    ),
    "weight_gradient": OpKind(
        ending(_dense.WeightGradient),
        lambda n: f"{n.y} = {n.a}ᵀ {n.b}{_then_updated(n)}",
        flops=of_outer_product,
        binds=OF_X,
        uses_up=lambda batch, dtype: batch <= _dense.depth(dtype),
    ),
    "bias_gradient": OpKind(
        ending(_dense.BiasGradient),
        lambda n: f"{n.y} = Σ {n.a}{_then_updated(n)}",
        uses_up=lambda batch, dtype: True,
    ),
    "partial_weight_gradient": OpKind(
        of(_dense.PartialWeightGradient, attrs("least_rows")),
        lambda n: f"{n.y} = halves of {n.a}ᵀ {n.b}",
        flops=of_outer_product,
        binds=OF_X,
    ),
    "partial_bias_gradient": OpKind(
        of(_dense.PartialBiasGradient, attrs("least_rows")), lambda n: f"{n.y} = halves of Σ {n.a}"
    ),
    "embedding_gradient": OpKind(
        ending(_embedding.EmbeddingGradient),
        lambda n: f"{n.y} = Σ {n.b} at {n.a}{_then_updated(n)}",
        flops=each(of=1),
        binds=OF_X,
        uses_up=lambda batch, dtype: False,
    ),
    # updates
    "penalty_gradient": OpKind(
        lambda op, x, y, by_rows: _vectors.VectorMap(x[0], y[0], "penalty", op.attrs["l1"], op.attrs["l2"], x[1]),
        lambda n: f"{n.y} = {n.a} + {n.attrs['penalty']}'({n.b})",
        flops=each(2),
    ),
    "mean_gradient": OpKind(
        of(_vectors.MeanGradient, attrs("count")),
        lambda n: f"{n.y} = mean of {n.a} over {n.attrs['count']} steps",
    ),
    "sum_of_squares": OpKind(
        lambda op, x, y, by_rows: _vectors.SumOfSquares(tuple(x), *y), lambda n: f"{n.y} = Σ squares"
    ),
    "update": OpKind(_update, lambda n: _updated(n, "Σ " * ("in_parts" in n.attrs) + n.b), flops=each(10)),
    "constrain": OpKind(
        lambda op, x, y, by_rows: op.attrs["constraint"].op(x[0]),
        lambda n: f"{n.y} ← {n.attrs['constraint'].name}({n.y})",
        flops=each(2),
    ),
}
