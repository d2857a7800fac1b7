"""Floor 3. Reverse mode: the one table of derivatives, and the walk that applies it.

A rule gets the tape, the op and the gradient of its output, records the ops of the derivative and returns the gradient
of each input that has one. The rules are those of Rumelhart, Hinton & Williams (1986) in matrix form.
"""

from __future__ import annotations

from collections.abc import Callable

from .._core._kernels import FROM_INPUT
from .tape import AdjointRule, Op, Tape, Tensor, like

__all__ = ["ADJOINTS", "record_adjoints"]

ADJOINTS: dict[str, AdjointRule] = {}


def adjoint(name: str) -> Callable[[AdjointRule], AdjointRule]:
    """Enter the decorated rule into the table."""
    return lambda rule: ADJOINTS.setdefault(name, rule)


@adjoint("loss")
def _(tape: Tape, op: Op, dy: Tensor | None) -> dict[Tensor, Tensor]:
    prediction, target = op.inputs
    assert prediction is not None
    return {prediction: tape.emit("loss_gradient", (prediction, target), like(prediction), **op.attrs)}


@adjoint("softmax")
def _(tape: Tape, op: Op, dy: Tensor | None) -> dict[Tensor, Tensor]:
    (z,) = op.inputs
    assert z is not None
    return {z: tape.emit("softmax_gradient", (dy, op.outputs[0]), like(z))}


@adjoint("activation")
def _(tape: Tape, op: Op, dy: Tensor | None) -> dict[Tensor, Tensor]:
    (z,) = op.inputs
    assert z is not None
    saved = z if op.attrs["kernel"] in FROM_INPUT else op.outputs[0]
    return {z: tape.emit("activation_gradient", (dy, saved), like(z), **op.attrs)}


@adjoint("affine")
def _(tape: Tape, op: Op, dy: Tensor | None) -> dict[Tensor, Tensor]:
    x, w, b = op.inputs
    assert x is not None
    assert w is not None
    gradients = {w: tape.emit("weight_gradient", (x, dy), like(w))}
    if b is not None:
        gradients[b] = tape.emit("bias_gradient", (dy,), like(b))
    if x.name != "A0":  # nobody asks for the gradient of the data
        gradients[x] = tape.emit("input_gradient", (dy, w), like(x))
    return gradients


def record_adjoints(tape: Tape, loss: Tensor) -> dict[Tensor, Tensor]:
    """Record the derivative of `loss` with respect to every parameter behind it.

    Returns
    -------
    dict of Tensor to Tensor
        Each parameter's gradient.
    """
    gradients: dict[Tensor, Tensor] = {}
    wanted = {loss}
    for op in reversed(list(tape.ops)):
        if op.name in ADJOINTS and op.outputs[0] in wanted:
            rule_gradients = ADJOINTS[op.name](tape, op, gradients.get(op.outputs[0]))
            gradients.update(rule_gradients)
            wanted.update(rule_gradients)
    return {tensor: gradient for tensor, gradient in gradients.items() if tensor.kind == "parameter"}
