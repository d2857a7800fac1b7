"""Floor 3. Reverse mode: the one table of derivatives, and the walk that applies it.

A rule gets the tape, the op, the gradient of its output, and a question: is the gradient of this tensor wanted? It
records the ops of the derivative and returns the gradient of each input that has one. The rules are those of Rumelhart,
Hinton & Williams (1986) in matrix form. A tensor that several ops read gets the sum of what they say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from .._core._kernels import FROM_INPUT
from ..ops.dropout import UNMOVED
from .tape import AdjointRule, Op, Tape, Tensor, like

__all__ = ["ADJOINTS", "record_adjoints"]

ADJOINTS: dict[str, AdjointRule] = {}
Question = Callable[[Tensor], bool]


def adjoint(name: str) -> Callable[[AdjointRule], AdjointRule]:
    """Enter the decorated rule into the table."""
    return lambda rule: ADJOINTS.setdefault(name, rule)


@adjoint("loss")
def _(tape: Tape, op: Op, dy: Tensor, wanted: Question) -> dict[Tensor, Tensor]:
    prediction = op.inputs[0]
    assert prediction is not None
    return {prediction: tape.emit("loss_gradient", op.inputs, like(prediction), **op.attrs)}


@adjoint("softmax")
def _(tape: Tape, op: Op, dy: Tensor, wanted: Question) -> dict[Tensor, Tensor]:
    (z,) = op.inputs
    assert z is not None
    return {z: tape.emit("softmax_gradient", (dy, op.outputs[0]), like(z))}


@adjoint("activation")
def _(tape: Tape, op: Op, dy: Tensor, wanted: Question) -> dict[Tensor, Tensor]:
    (z,) = op.inputs
    assert z is not None
    saved = z if op.attrs["kernel"] in FROM_INPUT else op.outputs[0]
    return {z: tape.emit("activation_gradient", (dy, saved), like(z), **op.attrs)}


@adjoint("affine")
def _(tape: Tape, op: Op, dy: Tensor, wanted: Question) -> dict[Tensor, Tensor]:
    x, w, b = op.inputs
    assert x is not None
    assert w is not None
    gradients = {}
    if wanted(w):
        gradients[w] = tape.emit("weight_gradient", (x, dy), like(w))
    if b is not None and wanted(b):
        gradients[b] = tape.emit("bias_gradient", (dy,), like(b))
    if wanted(x):
        gradients[x] = tape.emit("input_gradient", (dy, w), like(x))
    return gradients


@adjoint("dropout")
def _(tape: Tape, op: Op, dy: Tensor, wanted: Question) -> dict[Tensor, Tensor]:
    (x,) = op.inputs
    assert x is not None
    if not wanted(x):
        return {}
    return {x: tape.emit("dropout", (dy,), like(x), mask=op.attrs["mask"] | UNMOVED)}


@adjoint("noise")
def _(tape: Tape, op: Op, dy: Tensor, wanted: Question) -> dict[Tensor, Tensor]:
    (x,) = op.inputs
    assert x is not None
    if not wanted(x):
        return {}
    return {x: tape.emit("noise", (dy,), like(x), **op.attrs) if op.attrs["noise"]["multiplies"] else dy}


@adjoint("batch_norm")
def _(tape: Tape, op: Op, dy: Tensor, wanted: Question) -> dict[Tensor, Tensor]:
    x, gamma, beta = op.inputs
    assert x is not None
    y, mean, rstd = op.outputs[:3]
    sums = [
        like(tensor or Tensor(f"{y.name}'s {name}", x.shape, "parameter"))
        for tensor, name in ((gamma, "gamma"), (beta, "beta"))
    ]
    dx = tape.emit("batch_norm_gradient", (dy, x, gamma, mean, rstd), like(x), *sums)
    gradients = {x: dx} if wanted(x) else {}
    return gradients | {p: d for p, d in zip((gamma, beta), sums, strict=True) if p is not None and wanted(p)}


@adjoint("moving_norm")
def _(tape: Tape, op: Op, dy: Tensor, wanted: Question) -> dict[Tensor, Tensor]:
    x, gamma, _beta, _mean, variance = op.inputs
    assert x is not None
    if not wanted(x):
        return {}
    return {x: tape.emit("moving_norm", (dy, gamma, None, None, variance), like(x), **op.attrs)}


@adjoint("row_norm")
def _(tape: Tape, op: Op, dy: Tensor, wanted: Question) -> dict[Tensor, Tensor]:
    x, gamma, beta = op.inputs
    assert x is not None
    learned = [p for p in (gamma, beta) if p is not None and wanted(p)]
    parts = {p: Tensor(f"d{p.name} by rows", x.shape) if p is gamma else dy for p in learned}
    slope = [parts[gamma]] if gamma in learned else []
    dx = tape.emit("row_norm_gradient", (dy, x, gamma, *op.outputs[1:]), like(x), *slope)
    gradients = {x: dx} if wanted(x) else {}
    return gradients | {p: tape.emit("bias_gradient", (parts[p],), like(p)) for p in learned}


@adjoint("add")
def _(tape: Tape, op: Op, dy: Tensor, wanted: Question) -> dict[Tensor, Tensor]:
    a, b = op.inputs
    assert a is not None
    assert b is not None
    if a is b:
        return {a: tape.emit("add", (dy, dy), like(a))}
    return {x: dy for x in (a, b) if wanted(x)}


@adjoint("multiply")
def _(tape: Tape, op: Op, dy: Tensor, wanted: Question) -> dict[Tensor, Tensor]:
    a, b = op.inputs
    assert a is not None
    assert b is not None
    if a is b:
        half = tape.emit("multiply", (dy, a), like(a))
        return {a: tape.emit("add", (half, half), like(a))}
    return {x: tape.emit("multiply", (dy, other), like(x)) for x, other in ((a, b), (b, a)) if wanted(x)}


@adjoint("copy_columns")
def _(tape: Tape, op: Op, dy: Tensor, wanted: Question) -> dict[Tensor, Tensor]:
    (x,) = op.inputs
    assert x is not None
    if not wanted(x):
        return {}
    return {x: tape.emit("copy_columns", (dy,), like(x), start=op.attrs["into"])}


@adjoint("rescale")
def _(tape: Tape, op: Op, dy: Tensor, wanted: Question) -> dict[Tensor, Tensor]:
    x, scale, _ = op.inputs
    assert x is not None
    return {x: tape.emit("rescale", (dy, scale, None), like(x))}


@adjoint("embedding")
def _(tape: Tape, op: Op, dy: Tensor, wanted: Question) -> dict[Tensor, Tensor]:
    x, table = op.inputs
    assert table is not None
    return {table: tape.emit("embedding_gradient", (x, dy), like(table))}


@adjoint("user_loss")
def _(tape: Tape, op: Op, dy: Tensor, wanted: Question) -> dict[Tensor, Tensor]:
    prediction = op.inputs[0]
    assert prediction is not None
    return {prediction: tape.emit("user_loss_gradient", op.inputs, like(prediction), **op.attrs)}


@adjoint("user_forward")
def _(tape: Tape, op: Op, dy: Tensor, wanted: Question) -> dict[Tensor, Tensor]:
    count = len(op.attrs["layer"].input_shapes)
    learned = [x for x in op.inputs if x is not None and (x.variable is None or x.variable.learned)]
    found = {x: like(x) for x in learned if wanted(x)}
    # where each gradient that the layer returns goes; two may have the same tensor to go to
    places = [list(found).index(x) if x in found else None for x in learned]
    inputs = (dy, *op.inputs[:count], op.outputs[0], *op.inputs[count:])
    tape.emit("user_backward", inputs, *found.values(), places=places, **op.attrs)
    return found


def record_adjoints(tape: Tape, losses: Collection[Tensor], trainable: Collection[object]) -> dict[Tensor, Tensor]:
    """Record the derivative of the sum of `losses` with respect to every parameter behind them that is to be trained.

    Parameters
    ----------
    tape : Tape
    losses : collection of Tensor
        Each with a factor of its own, if it has one.
    trainable : collection of Variable

    Returns
    -------
    dict of Tensor to Tensor
        Each parameter's gradient.
    """
    forward, moving = list(tape.ops), depending(tape.ops, trainable)
    gradients: dict[Tensor, Tensor] = {}
    for op in reversed(forward):
        output = op.outputs[0]
        if output in losses or (output in gradients and output in moving):
            # a loss is where the walk begins: nothing is asked of its own gradient
            found = ADJOINTS[op.name](tape, op, gradients.get(output, output), moving.__contains__)
            for tensor, gradient in found.items():
                gradients[tensor] = _sum(tape, tensor, gradients.get(tensor), gradient)
    return {tensor: gradient for tensor, gradient in gradients.items() if tensor.kind == "parameter"}


def depending(ops: list[Op], trainable: Collection[object]) -> set[Tensor]:
    """The trainable parameters, and all tensors that change with them."""
    parameters = {t for op in ops for t in op.inputs if t is not None and t.variable in trainable}
    moving = set(parameters)
    for op in ops:
        if any(tensor in moving for tensor in op.inputs):
            moving.update(op.outputs)
    return moving


def _sum(tape: Tape, tensor: Tensor, one: Tensor | None, other: Tensor) -> Tensor:
    """The gradient of a tensor that two ops read, or one; of two, the sum has the name that a part had."""
    if one is None:
        return other
    total = like(tensor)
    tape.vacate(total.name)
    return tape.emit("add", (one, other), total)
