"""Floor 3. The tape: what the layers of a model compute, as a list of ops on named tensors.

Names are the literature's. Layer number l computes Zl = A(l-1) Wl + bl and Al = f(Zl); the gradient of the loss with
respect to a tensor is the tensor's name with a d in front. A0 is the batch, Y its targets.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

__all__ = ["Op", "Tape", "Tensor", "Uses"]


@dataclass(eq=False, slots=True)
class Tensor:
    """A matrix of the program.

    `kind` is "batch" (a row for each row of the batch), "parameter", "updated" (a parameter between its update and its
    constraint), "gradient" (of a parameter), "norm" (partial sums of gradients' squares), "moment" (a number for each
    column), "statistic" (a number for each row of the batch) or "total" (its sum over the steps; some are kept in
    parts). `variable` is the model's variable behind a parameter.
    """

    name: str
    shape: tuple[int, ...]
    kind: str = "batch"
    variable: Any = None

    def __repr__(self) -> str:
        return self.name


@dataclass(eq=False, slots=True)
class Op:
    """One operation: a row of the listing. Inputs may hold None (a layer without a bias)."""

    name: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    attrs: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"{', '.join(map(repr, self.outputs))} = {self.name}{self.inputs}"


class Uses:
    """Who makes and who reads each tensor, in the order in which the ops were entered.

    Attributes
    ----------
    makers, readers : dict of Tensor to dict of Op to None
        Sets that keep their order; empty for a tensor that no op has.
    """

    def __init__(self, ops: Iterable[Op]) -> None:
        self.makers: dict[Tensor | None, dict[Op, None]] = defaultdict(dict)
        self.readers: dict[Tensor | None, dict[Op, None]] = defaultdict(dict)
        for op in ops:
            self.enter(op)

    def enter(self, op: Op) -> None:
        """Note what an op makes and reads."""
        for made in op.outputs:
            self.makers[made][op] = None
        for read in op.inputs:
            self.readers[read][op] = None

    def leave(self, op: Op) -> None:
        """Forget it, before it changes or goes."""
        for made in op.outputs:
            del self.makers[made][op]
        for read in op.inputs:
            self.readers[read].pop(op, None)  # an op may read a tensor twice


class Tape:
    """Records ops in the order of their computation.

    Layers call the methods from `parameter` on; the adjoints call `emit`.

    Attributes
    ----------
    training : bool
        Whether layers that train differently from how they predict compute as in training.
    changing : bool
        Whether the program is to change the model: weights, and what follows the data, as moving averages.
    """

    def __init__(self, training: bool = False, changing: bool = False) -> None:
        self.training, self.changing = training, changing
        self.ops: list[Op] = []
        self._layer = 0
        self._linear: Tensor | None = None  # what the activation of the layer will be taken of
        self._numbers: Counter[Any] = Counter()
        self._parameters: dict[Any, Tensor] = {}
        self._names: dict[str, Tensor] = {}

    def emit(self, name: str, inputs: tuple[Tensor | None, ...], *outputs: Tensor, **attrs: Any) -> Tensor:
        """Append an op and return its first output; a tensor whose name is taken gets a dash."""
        for tensor in (*outputs, *inputs):
            if tensor is not None and tensor.kind != "updated":  # that one is its parameter by name too
                self._enter(tensor)
        self.ops.append(Op(name, inputs, outputs, attrs))
        return outputs[0]

    def _enter(self, tensor: Tensor) -> None:
        """Give a tensor a name that no other has."""
        while self._names.setdefault(tensor.name, tensor) is not tensor:
            tensor.name += "'"

    def vacate(self, name: str) -> None:
        """Leave a name to a tensor that is to be emitted: who has it gets a dash."""
        holder = self._names.pop(name, None)
        if holder is not None:
            holder.name += "'"
            self._enter(holder)

    # -- what layers record

    def batch(self, name: str, source: str, columns: int, scale: float = 1.0) -> Tensor:
        """Rows of the caller's array that the listing calls `source`: `columns` reals each."""
        return self.emit("gather", (), Tensor(name, (columns,)), source=source, scale=scale)

    def indices(self, name: str, source: str, limit: int, shape: tuple[int, ...] = ()) -> Tensor:
        """Likewise, of whole numbers below `limit`, one unless a shape is given."""
        return self.emit("gather", (), Tensor(name, shape), source=source, scale=1.0, limit=limit)

    @property
    def parameters(self) -> list[Tensor]:
        """Those that were recorded so far."""
        return list(self._parameters.values())

    def parameter(self, variable: Any) -> Tensor:
        """A parameter of the model, the same tensor for all who use it; the first layer that does gives it its name."""
        if variable not in self._parameters:
            self._parameters[variable] = Tensor("", variable.shape, "parameter", variable)
        return self._parameters[variable]

    def affine(self, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        """Z = X W + b."""
        self._layer += 1
        w.name = w.name or f"W{self._layer}"
        if b is not None:
            b.name = b.name or f"b{self._layer}"
        self._linear = Tensor(f"Z{self._layer}", (w.shape[1],))
        return self.emit("affine", (x, w, b), self._linear)

    def activation(self, z: Tensor, kernel: str, alpha: float = 0.0) -> Tensor:
        """A = f(Z), elementwise."""
        return self.emit("activation", (z,), self._activated(z), kernel=kernel, alpha=alpha)

    def softmax(self, z: Tensor) -> Tensor:
        """A = softmax(Z), row by row."""
        return self.emit("softmax", (z,), self._activated(z))

    def _activated(self, z: Tensor) -> Tensor:
        if z is not self._linear:
            self._layer += 1
        return Tensor(f"A{self._layer}", z.shape)

    def _number(self, kind: Any) -> int:
        """1, 2, 3, ... of its kind."""
        self._numbers[kind] += 1
        return self._numbers[kind]

    def _between(self, x: Tensor, name: str) -> Tensor:
        """What is made of x on its way to the layer's activation, or behind it."""
        y = Tensor(name, x.shape)
        if x is self._linear:
            self._linear = y
        return y

    def dropout(self, x: Tensor, seed: int, factors: Mapping[str, float]) -> Tensor:
        """D = x, scaled, where it is kept, by a mask that depends on the seed and the number of the step."""
        return self.emit("dropout", (x,), self._disturbed(x), mask={**self._place(seed), **factors})

    def noise(self, x: Tensor, seed: int, stddev: float, multiplies: bool) -> Tensor:
        """D = x + n, or x (1 + n) if it `multiplies`, with n normal and drawn anew in each step."""
        options = {**self._place(seed), "stddev": stddev, "multiplies": multiplies}
        return self.emit("noise", (x,), self._disturbed(x), noise=options)

    def _disturbed(self, x: Tensor) -> Tensor:
        return self._between(x, f"D{self._number('disturbance')}")

    def _place(self, seed: int) -> dict[str, int]:
        """Where the random words of an op begin: every use of a seed has 2**48 of its own in each step."""
        return {"seed": seed, "offset": self._number(("seed", seed)) - 1 << 48}

    def batch_norm(
        self, x: Tensor, factors: Sequence[Tensor | None], moving: Sequence[Tensor], epsilon: float, momentum: float
    ) -> Tensor:
        """N = (x - mean) rstd gamma + beta by the moments of each column, which the moving ones follow."""
        y, number = self._normalized(x, factors)
        moments = [Tensor(f"{name}{number}", x.shape, "moment") for name in ("mean", "rstd")]
        self._name(moving, ("moving_mean", "moving_variance"), number)
        outputs = (y, *moments, *(moving if self.changing else ()))
        return self.emit("batch_norm", (x, *factors), *outputs, epsilon=epsilon, momentum=momentum)

    def moving_norm(
        self, x: Tensor, factors: Sequence[Tensor | None], moving: Sequence[Tensor], epsilon: float
    ) -> Tensor:
        """N = (x - mean) rstd gamma + beta by moving moments, which stay."""
        y, number = self._normalized(x, factors)
        self._name(moving, ("moving_mean", "moving_variance"), number)
        return self.emit("moving_norm", (x, *factors, *moving), y, epsilon=epsilon)

    def row_norm(self, x: Tensor, factors: Sequence[Tensor | None], epsilon: float, centered: bool) -> Tensor:
        """N = (x - mean) rstd gamma + beta by the moments of each row, or without the mean unless `centered`."""
        y, number = self._normalized(x, factors)
        names = ("rstd", "mean") if centered else ("rstd",)
        moments = [Tensor(f"{name}{number}", (), "statistic") for name in names]
        return self.emit("row_norm", (x, *factors), y, *moments, epsilon=epsilon)

    def _normalized(self, x: Tensor, factors: Sequence[Tensor | None]) -> tuple[Tensor, int]:
        number = self._number("norm")
        self._name(factors, ("gamma", "beta"), number)
        return self._between(x, f"N{number}"), number

    def _name(self, tensors: Sequence[Tensor | None], names: Sequence[str], number: int) -> None:
        """Give parameters a name, unless they have one."""
        for tensor, name in zip(tensors, names, strict=True):
            if tensor is not None:
                tensor.name = tensor.name or f"{name}{number}"

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """A = X + Y."""
        return self.emit("add", (a, b), self._merged(one_shape(a, b)))

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        """A = X * Y, elementwise."""
        return self.emit("multiply", (a, b), self._merged(one_shape(a, b)))

    def concatenate(self, parts: Sequence[Tensor]) -> Tensor:
        """The columns of all parts, side by side."""
        whole, at = self._merged((sum(part.shape[0] for part in parts),)), 0
        for part in parts:
            self.emit("copy_columns", (part,), whole, into=at)
            at += part.shape[0]
        return whole

    def copy(self, x: Tensor) -> Tensor:
        """The same numbers in a place of their own."""
        return self.emit("copy_columns", (x,), Tensor(f"{x.name}'", x.shape), into=0)

    def rescale(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """A = X * scale + shift, column by column."""
        out = self._merged(x.shape)
        for name, tensor in (("scale", scale), ("shift", shift)):
            tensor.name = tensor.name or f"{name}{self._layer}"
        return self.emit("rescale", (x, scale, shift), out)

    def embedding(self, x: Tensor, table: Tensor) -> Tensor:
        """A = rows of W, side by side, for the indices of each row of X."""
        out = self._merged((x.shape[0] * table.shape[1],))
        table.name = table.name or f"W{self._layer}"
        return self.emit("embedding", (x, table), out)

    def user_forward(self, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
        """A = layer.forward(X, ...)."""
        out = self._merged((prod(layer.output_shape),))
        weights = [self.parameter(variable) for variable in layer.weights]
        for weight in weights:
            weight.name = weight.name or f"{weight.variable.name}{self._layer}"
        return self.emit("user_forward", (*inputs, *weights), out, layer=layer)

    def _merged(self, shape: tuple[int, ...]) -> Tensor:
        self._layer += 1
        return Tensor(f"A{self._layer}", shape)

    # -- what the model's loss and metrics record

    def loss(
        self,
        prediction: Tensor,
        target: Tensor,
        kernel: str,
        weight: Tensor | None = None,
        factor: float = 1.0,
        **constants: float,
    ) -> Tensor:
        """One loss for each row, times its weight; what is minimised is the sum of all losses times their factors."""
        value = Tensor("loss", (), "statistic")
        inputs = compared(prediction, target, weight)
        return self.emit("loss", inputs, value, kernel=kernel, factor=factor, **constants)

    def user_loss(
        self,
        loss: Any,
        prediction: Tensor,
        target: Tensor,
        shape: tuple[int, ...],
        weight: Tensor | None = None,
        factor: float = 1.0,
    ) -> Tensor:
        """As `loss`, of one that a user wrote; `shape` is that of a row of predictions."""
        value = Tensor("loss", (), "statistic")
        inputs = compared(prediction, target, weight)
        return self.emit("user_loss", inputs, value, loss=loss, factor=factor, shape=shape)

    def penalty(self, w: Tensor, regularizer: Any, parts: int) -> Tensor:
        """l1 Σ |w| + l2 Σ w², for each row that is run."""
        l1, l2, name = regularizer.l1, regularizer.l2, regularizer.name
        return self.emit("penalty", (w,), Tensor(f"Σ {name}", (parts,), "total"), l1=l1, l2=l2, penalty=name)

    def penalty_gradient(self, dw: Tensor, w: Tensor, regularizer: Any) -> Tensor:
        """dW, and the gradient of the penalty for W added; what was called dW gets a dash."""
        total = like(w)
        self.vacate(total.name)
        l1, l2, name = regularizer.l1, 2 * regularizer.l2, regularizer.name
        return self.emit("penalty_gradient", (dw, w), total, l1=l1, l2=l2, penalty=name)

    def metric(
        self,
        name: str,
        prediction: Tensor,
        target: Tensor,
        kernel: str,
        weight: Tensor | None = None,
        **constants: float,
    ) -> Tensor:
        """One number for each row, times its weight, of which the metric is the mean; a loss is one too."""
        value = Tensor(name, (), "statistic")
        return self.emit("metric", compared(prediction, target, weight), value, kernel=kernel, **constants)

    def tally(
        self,
        name: str,
        prediction: Tensor,
        target: Tensor,
        kernel: str,
        shape: tuple[int, ...],
        weight: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        """Several sums over all rows run, in an array of this shape."""
        total = Tensor(f"Σ {name}", shape, "total")
        return self.emit("tally", compared(prediction, target, weight), total, kernel=kernel, **options)

    def total(self, value: Tensor) -> Tensor:
        """The sum of a statistic over all rows run."""
        return self.emit("accumulate", (value,), Tensor(f"Σ {value.name}", (), "total"))


def one_shape(a: Tensor, b: Tensor) -> tuple[int, ...]:
    """The shape of both; kernels trust it, so a layer that says another than it makes is found here."""
    if a.shape != b.shape:
        raise ValueError(f"expected tensors of one shape, got {a.name} of {a.shape} and {b.name} of {b.shape}")
    return a.shape


def compared(prediction: Tensor, target: Tensor, weight: Tensor | None) -> tuple[Tensor, ...]:
    """The inputs of a comparison."""
    return (prediction, target) if weight is None else (prediction, target, weight)


def like(tensor: Tensor) -> Tensor:
    """The gradient with respect to `tensor`."""
    kind = "gradient" if tensor.kind == "parameter" else "batch"
    return Tensor(f"d{tensor.name}", tensor.shape, kind, tensor.variable)


# Tape, op, gradient of its output, and whether a tensor's gradient is asked for -> gradients of inputs
AdjointRule = Callable[[Tape, Op, Tensor, Callable[[Tensor], bool]], dict[Tensor, Tensor]]
