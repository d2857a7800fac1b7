"""Floor 3. Fusion: rules that replace a pair of ops by one that does both while the data is in cache.

Each rule looks at one op and returns whether it changed the list; `fuse` applies them until none does. The rules only
say what may be merged; the merged ops are the same kernels with a block function at their end.
"""

from __future__ import annotations

from collections.abc import Callable

from .kinds import KINDS
from .tape import Op, Tensor, Uses

__all__ = ["fuse", "remove_unused"]

# A loss on the output of an activation is computed from the activation's input.
FROM_LOGITS = {
    ("softmax", "categorical_crossentropy"): "categorical_crossentropy_logits",
    ("sigmoid", "binary_crossentropy"): "binary_crossentropy_logits",
    ("exponential", "poisson"): "poisson_logits",
}
# A metric that asks for the order of columns alone reads the input of a softmax, which keeps it. (Where outputs round
# to the same number, the input decides: it knows better.)
BY_ORDER = frozenset({"categorical_accuracy", "top_k_accuracy", "confusion", "one"})


class _Listing:
    """The ops, with who makes and who reads each tensor; `wanted` tensors are read by the caller."""

    def __init__(self, ops: list[Op], wanted: set[Tensor]) -> None:
        self.ops = dict.fromkeys(ops)  # in their order
        self.wanted = wanted
        self._uses = Uses(ops)

    def remove(self, op: Op) -> None:
        """Take an op out."""
        del self.ops[op]
        self._uses.leave(op)

    def change(
        self, op: Op, inputs: tuple[Tensor | None, ...] | None = None, outputs: tuple[Tensor, ...] | None = None
    ) -> None:
        """Let an op read, or make, something else."""
        self._uses.leave(op)
        op.inputs = op.inputs if inputs is None else inputs
        op.outputs = op.outputs if outputs is None else outputs
        self._uses.enter(op)

    def maker(self, tensor: Tensor | None) -> Op | None:
        return next(iter(self._uses.makers[tensor]), None)

    def readers(self, tensor: Tensor | None) -> list[Op]:
        return list(self._uses.readers[tensor])

    def private(self, tensor: Tensor | None) -> bool:
        """Whether one op alone reads `tensor`, so that it need not exist."""
        return tensor is not None and tensor not in self.wanted and len(self.readers(tensor)) == 1

    def gradients_of(self, loss: Op) -> list[Op]:
        """The gradient of a loss, if it is recorded and still an op of its own."""
        readers = self.readers(loss.inputs[0])
        return [op for op in readers if op.name == "loss_gradient" and op.inputs == loss.inputs]

    def squasher(self, tensor: Tensor | None) -> tuple[str, Op] | None:
        """Name and op of the softmax or elementwise activation that made `tensor`."""
        op = self.maker(tensor)
        if op is None or op.name not in ("softmax", "activation"):
            return None
        return str(op.attrs.get("kernel", op.name)), op


def _from_logits(listing: _Listing, op: Op) -> bool:
    """Loss, its gradient or a metric of softmax(Z) or sigmoid(Z): read Z."""
    made = listing.squasher(op.inputs[0]) if op.name in ("loss", "metric", "tally") else None
    if made is None or (op.name == "loss" and not _gradient_goes_back(listing, op)):
        return False
    squash, source = made
    key = (squash, op.attrs["kernel"])
    if key in FROM_LOGITS:
        op.attrs["kernel"] = FROM_LOGITS[key]
        if op.name == "loss":
            _gradient_from_logits(listing, op, source)
    elif key == ("sigmoid", "binary_accuracy") and op.attrs["threshold"] == 0.5:
        op.attrs["threshold"] = 0.0
    elif squash != "softmax" or not _by_order(op):
        return False
    listing.change(op, inputs=(source.inputs[0], *op.inputs[1:]))
    return True


def _by_order(op: Op) -> bool:
    """Whether a metric asks for the order of columns alone."""
    return op.attrs["kernel"] in BY_ORDER or (op.attrs["kernel"] == "outcomes" and op.attrs["thresholds"] is None)


def _gradient_goes_back(listing: _Listing, loss: Op) -> bool:
    """Whether the loss's gradient, if there is one, goes through the activation and nowhere else."""
    for gradient in listing.gradients_of(loss):
        back = listing.readers(gradient.outputs[0])
        if len(back) != 1 or back[0].name not in ("softmax_gradient", "activation_gradient"):
            return False
    return True


def _gradient_from_logits(listing: _Listing, loss: Op, source: Op) -> None:
    """Let the loss's gradient make dZ directly, in place of the pair that went through dA."""
    for gradient in listing.gradients_of(loss):
        (back,) = listing.readers(gradient.outputs[0])
        listing.remove(back)
        listing.change(gradient, (source.inputs[0], *gradient.inputs[1:]), back.outputs)
        gradient.attrs["kernel"] = loss.attrs["kernel"]


def _loss_and_gradient(listing: _Listing, op: Op) -> bool:
    """Loss and its gradient: one pass over the predictions."""
    if op.name != "loss_gradient":
        return False
    loss = next(o for o in listing.readers(op.inputs[0]) if o.name == "loss" and o.inputs == op.inputs)
    listing.remove(op)
    listing.change(loss, outputs=loss.outputs + op.outputs)
    return True


def _affine_and_activation(listing: _Listing, op: Op) -> bool:
    """A = f(X W + b): Z never goes to memory, unless somebody else reads it (the derivative of gelu does)."""
    affine = listing.maker(op.inputs[0]) if op.name == "activation" else None
    if affine is None or affine.name != "affine" or "kernel" in affine.attrs or not listing.private(op.inputs[0]):
        return False
    listing.remove(op)
    listing.change(affine, outputs=op.outputs)
    affine.attrs.update(op.attrs)
    return True


def _input_gradient_and_activation(listing: _Listing, op: Op) -> bool:
    """dZ = (dZ' W'T) * f'(A): dA never goes to memory."""
    product = listing.maker(op.inputs[0]) if op.name == "activation_gradient" else None
    if product is None or product.name != "input_gradient" or "kernel" in product.attrs:
        return False
    if not listing.private(op.inputs[0]):
        return False
    listing.remove(op)
    listing.change(product, (*product.inputs, op.inputs[1]), op.outputs)
    product.attrs.update(op.attrs)
    return True


def _gather_and_rescale(listing: _Listing, op: Op) -> bool:
    """The batch, times a factor for each column, plus a shift: what the gather does anyway."""
    gather = listing.maker(op.inputs[0]) if op.name == "rescale" else None
    if gather is None or gather.name != "gather" or gather.inputs or gather.attrs["scale"] != 1:
        return False
    if not listing.private(op.inputs[0]):
        return False
    listing.remove(op)
    listing.change(gather, op.inputs[1:], op.outputs)
    return True


def _penalty_and_update(listing: _Listing, op: Op) -> bool:
    """The gradient of a penalty is added where the update reads the weight anyway."""
    penalty = listing.maker(op.inputs[1]) if op.name == "update" else None
    if penalty is None or penalty.name != "penalty_gradient" or not listing.private(op.inputs[1]):
        return False
    gradient = penalty.inputs[0]
    assert gradient is not None
    gradient.name = penalty.outputs[0].name
    op.attrs["rule"].penalize(penalty.attrs["l1"], penalty.attrs["l2"])
    op.attrs["penalty"] = penalty.attrs["penalty"]
    listing.remove(penalty)
    listing.change(op, inputs=(op.inputs[0], gradient, *op.inputs[2:]))
    return True


def _gradient_and_update(listing: _Listing, op: Op) -> bool:
    """Weight or bias gradient and its update: dW never goes to memory, unless its norm or its mean is wanted first."""
    gradient = listing.maker(op.inputs[1]) if op.name == "update" else None
    if gradient is None or KINDS[gradient.name].uses_up is None or not listing.private(op.inputs[1]):
        return False
    gradient.attrs.update(op.attrs)
    listing.remove(op)
    listing.change(gradient, outputs=gradient.outputs + op.outputs)
    return True


Rule = Callable[[_Listing, Op], bool]
RULES: tuple[Rule, ...] = (
    _from_logits,
    _loss_and_gradient,
    _affine_and_activation,
    _input_gradient_and_activation,
    _gather_and_rescale,
    _penalty_and_update,
    _gradient_and_update,
)


def fuse(ops: list[Op], wanted: set[Tensor]) -> list[Op]:
    """Apply the rules, in their order, until none applies; then drop what nobody reads.

    Parameters
    ----------
    ops : list of Op
        The ops are changed, the list is not.
    wanted : set of Tensor
        Tensors that the caller will read.
    """
    for rule in RULES:
        listing = _Listing(ops, wanted)
        while _apply(rule, listing):
            pass
        ops = remove_unused(list(listing.ops), wanted)
    return ops


def _apply(rule: Rule, listing: _Listing) -> bool:
    """Go over the ops once; whether the rule changed any."""
    changed = False
    for op in list(listing.ops):
        if op in listing.ops:  # a rule may have merged it with another
            changed |= rule(listing, op)
    return changed


def remove_unused(ops: list[Op], wanted: set[Tensor]) -> list[Op]:
    """The ops whose outputs are wanted or read by another op that stays. Totals and parameters are always wanted."""
    needed, kept = set(wanted), []
    for op in reversed(ops):
        if any(out in needed or out.kind in ("total", "parameter") for out in op.outputs):
            needed.update(tensor for tensor in op.inputs if tensor is not None)
            kept.append(op)
    return kept[::-1]
