"""Floor 3. The compiled network: what it is to minimise, and the programs that compute it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import prod
from typing import Any

import numpy as np

from fastbp import compiler, data, losses, metrics, optimizers
from fastbp.data import Kind, Rows
from fastbp.graph import Graph, names_of
from fastbp.layers import Layer, Variable
from fastbp.metrics import Function
from fastbp.network import Network
from fastbp.registry import decode, encode
from fastbp.utils import check_count, check_number, renew_after_fork

KEPT_PROGRAMS = 16
PURPOSES = ("train", "evaluate", "predict", "objective", "gradients", "trace")


class Compiled(Network):
    """A network with an optimizer, a loss and metrics for each output, and a program for each use of it."""

    def __init__(self, graph: Graph | None = None, name: str | None = None, dtype: np.dtype | None = None) -> None:
        self.optimizer: optimizers.Optimizer | None = None
        self._losses: list[losses.Loss] = []
        self._loss_weights: list[float] = []
        self._measures: list[list[compiler.Measure]] = []  # of each output
        self.renew_locks()
        renew_after_fork(self)
        self._executables: dict[tuple[str, int, tuple[Kind, ...]], compiler.Executable] = {}
        self._kinds: tuple[Kind, ...] = ()  # of the targets seen last
        self._columns: list[int | None] = [None]
        self._limits: list[int | None] = [None]  # of each input: what its numbers are indices below
        self._folded: dict[int, tuple[int, ...]] = {}  # shapes of outputs whose rows have several axes
        self._trained: frozenset[Variable] = frozenset()
        self._changes = Layer.changes
        self.progress: Any = None
        super().__init__(graph, name, dtype)

    def renew_locks(self) -> None:
        """New locks: at the start, and in a forked child."""
        self.inference_lock = threading.RLock()
        self._making_lock = threading.RLock()  # another: who reads a stream may predict while it is evaluated
        self._training_lock = threading.Lock()

    @contextmanager
    def _training(self) -> Iterator[None]:
        """Holds the model for one training; two at a time cannot both be right."""
        if not self._training_lock.acquire(blocking=False):
            raise RuntimeError(f"expected {self.name} to be idle, but it is training already")
        try:
            yield
        finally:
            self._training_lock.release()

    def _install(self, graph: Graph) -> None:
        super()._install(graph)
        self._executables.clear()
        self._columns = [prod(symbol.shape) for symbol in graph.inputs]
        self._limits = graph.index_limits()
        self._folded = {k: symbol.shape for k, symbol in enumerate(graph.outputs) if len(symbol.shape) > 1}
        self._trained = frozenset(self.trainable_weights)

    @property
    def loss(self) -> Any:
        """The loss, or a list of them if there are several outputs; None before `compile`."""
        return self._losses if len(self._losses) > 1 else self._losses[0] if self._losses else None

    @property
    def metrics(self) -> Any:
        """The metrics; a list for each output if there are several."""
        found = [[measure.metric for measure in of_one] for of_one in self._measures]
        return found if len(found) > 1 else found[0] if found else []

    @property
    def output_names(self) -> list[str]:
        """Names of the layers that make the outputs, numbered where one makes several."""
        return names_of(self.outputs) or ["output"]

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs."""
        return names_of(self.inputs) or ["input"]

    def compile(
        self,
        optimizer: str | optimizers.Optimizer = "adam",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        weighted_metrics: Any = None,
    ) -> None:
        """Say how to train.

        Parameters
        ----------
        optimizer : str or Optimizer
            An object belongs to this model from now on.
        loss : str or Loss; for several outputs one for all, a sequence, or a dict by the name of the output
        metrics : sequence of str, Metric, Loss or callable, optional; for several outputs a sequence of them or a dict
            Reported beside the loss. "accuracy" becomes the kind that fits the outputs and targets. A loss is reported
            as its mean over rows; a function is called with targets and predictions of all rows after each epoch.
        loss_weights : sequence of float or dict, optional
            Factors of the losses of several outputs in their sum, which is what training minimises; 1 unless given.
        weighted_metrics : as metrics
            Metrics that count each row by its weight, as the loss does; the others count all rows the same. The
            name of one that is among both gets weighted_ in front.

        Raises
        ------
        TypeError, ValueError
            If a name is unknown (the message has the nearest known one), or there is not one of each for each output.
            The model stays as it was compiled before.
        RuntimeError
            If the model is training.
        """
        names = self.output_names
        found = optimizers.get(optimizer), get_losses(loss, names), get_measures(metrics, weighted_metrics, names)
        factors = (
            [1.0] * len(names) if loss_weights is None else data.check_several("loss_weights", loss_weights, names)
        )
        weights = [check_number("loss_weights", factor, 0) for factor in factors]
        with self._training():
            found[0].claim(self)
            if self.optimizer is not None and self.optimizer is not found[0]:
                self.optimizer.release()
            (self.optimizer, self._losses, self._measures), self._loss_weights = found, weights
            self._executables.clear()
            self.progress = None

    def get_compile_config(self) -> dict[str, Any] | None:
        """What `compile` was told, as plain data; None before it."""
        if self.optimizer is None:
            return None
        plain, weighted = (
            [[each.metric for each in measures if each.weighted == counts] for measures in self._measures]
            for counts in (False, True)
        )
        given = {"optimizer": self.optimizer, "losses": self._losses, "metrics": plain, "weighted_metrics": weighted}
        return {**{key: encode(value) for key, value in given.items()}, "loss_weights": list(self._loss_weights)}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as `get_compile_config` describes it.

        Raises
        ------
        TypeError, ValueError
            If it does not fit the outputs.
        """
        keys = ("optimizer", "losses", "metrics", "loss_weights", "weighted_metrics")
        if not isinstance(config, dict) or config.keys() != set(keys):
            raise ValueError(f"expected a configuration of {', '.join(keys)}, got {config!r}")
        optimizer, *of_outputs = (decode(config[key]) for key in keys)
        for key, value in zip(keys[1:], of_outputs, strict=True):
            if not isinstance(value, list) or len(value) != len(self.output_names):
                raise ValueError(f"expected {key} for {', '.join(self.output_names)}, got {value!r}")
        several = len(self.output_names) > 1
        self.compile(optimizer, *(value if several else value[0] for value in of_outputs))

    def optimizer_state(self) -> dict[str, np.ndarray] | None:
        """Views of the optimizer's state by slot and path, "optimizer/0/dense/kernel"; None before there is any."""
        optimizer = self.optimizer
        if optimizer is None or not optimizer.holds(self.weights):
            return None
        return {
            f"optimizer/{slot}/{variable.path}": optimizer.part(flat, variable)
            for slot, flat in enumerate(optimizer.state)
            for variable in self.weights
        }

    def attach_optimizer(self) -> None:
        """Have the optimizer make its state for the weights, if it has none for them."""
        assert self.optimizer is not None
        self.optimizer.attach(self._parameters(), self.weights)

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Have the moving averages of the weights in their place for a while, to evaluate and predict with them.

        The optimizer has to keep them (`use_ema=True`). Meanwhile the model cannot train; afterwards the weights are as
        before, and training goes on as if nothing had been. What is saved or copied meanwhile has the averages for its
        weights and nothing of the training: `fit` starts it anew.

        Raises
        ------
        ValueError
            If there are no averages, or none yet.
        RuntimeError
            If the model is training.

        Examples
        --------
        >>> import numpy as np, fastbp as fb
        >>> x, y = np.ones((4, 2)), np.ones(4)
        >>> model = fb.Sequential([fb.Dense(1, input_shape=(2,))])
        >>> model.compile(fb.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.9), "mse")
        >>> history = model.fit(x, y, epochs=50, verbose=0)
        >>> before = model.get_weights()
        >>> with model.averaged_weights():
        ...     loss = model.evaluate(x, y)
        >>> all(np.array_equal(*pair) for pair in zip(before, model.get_weights()))
        True
        """
        with self._training():
            if self.optimizer is None:
                raise ValueError(f"expected a compiled model: call {self.name}.compile(optimizer, loss) first")
            self.optimizer.swap()
            try:
                yield
            finally:
                self.optimizer.swap()

    def program(self, kind: str = "train", batch_size: int = 32) -> compiler.Executable:
        """The compiled program; its `describe()` is a listing.

        Parameters
        ----------
        kind : {"train", "evaluate", "predict", "objective", "gradients", "trace"}
            "objective" is the loss as training computes it, "gradients" its gradients, "trace" every tensor on the way.
        batch_size : int

        Examples
        --------
        >>> import fastbp as fb
        >>> model = fb.Sequential([fb.Dense(1, input_shape=(2,))])
        >>> print(model.program("predict").describe().splitlines()[0])
        batch 32, float32, work for 1 thread
        """
        if kind not in PURPOSES:
            raise ValueError(f"expected kind as one of {', '.join(PURPOSES)}, got {kind!r}")
        batch = check_count("batch_size", batch_size, 1)
        if not self.built:
            raise ValueError(f"expected a built model, but {self.name} does not know its input shape yet")
        if kind == "predict":
            return self.executable(kind, batch)
        seen = self._kinds or (Kind(labels=False, weighted=False),) * len(self.outputs)
        parts = self._parts(self.output_shapes([]), seen)
        return self.executable(kind, batch, tuple(Kind(p.loss.labels, p.weighted) for p in parts))

    @property
    def metrics_names(self) -> list[str]:
        """Names of the numbers that training and evaluation report: loss, those of several outputs, the metrics."""
        names, several = self.output_names, len(self._losses) > 1
        losses = [f"{name}_loss" for name in names] if several else []
        return ["loss", *losses, *(label for k in range(len(names)) for label in self._labels_of(k))]

    def _labels_of(self, output: int) -> list[str]:
        """Names of an output's metrics in results."""
        prefix = f"{self.output_names[output]}_" if len(self._losses) > 1 else ""
        return [prefix + measure.name for measure in self._measures[output]] if self._measures else []

    @property
    def functions(self) -> list[tuple[str, int, Function]]:
        """The metrics that are functions of predictions in Python: name in results, number of the output, metric."""
        return [
            (label, k, measure.metric)
            for k, of_one in enumerate(self._measures)
            for label, measure in zip(self._labels_of(k), of_one, strict=True)
            if isinstance(measure.metric, Function)
        ]

    def executable(self, purpose: str, batch: int, kinds: tuple[Kind, ...] = ()) -> compiler.Executable:
        """The compiled program for a purpose, batch size and kinds of targets; made when it is first asked for."""
        if self.moved:
            self._parameters()
        if self._changes != Layer.changes:
            self._changes = Layer.changes
            self._trained = frozenset(self.trainable_weights)
            self._executables.clear()
        key = (purpose, batch, kinds)
        found = self._executables.get(key)
        if found is not None:
            return found
        with self._making_lock:
            if len(self._executables) >= KEPT_PROGRAMS:
                del self._executables[next(iter(self._executables))]
            found = self._executables[key] = self._make_executable(purpose, batch, kinds)
        return found

    def _make_executable(self, purpose: str, batch: int, kinds: tuple[Kind, ...]) -> compiler.Executable:
        assert self._graph is not None
        options: dict[str, Any] = {}
        if purpose != "predict":
            parts = self._parts(self.output_shapes([]), kinds)
            if purpose not in ("train", "evaluate"):
                parts = [part._replace(measures=()) for part in parts]
            options = {"parts": parts, "trainable": self._trained}
        if purpose == "train":
            assert self.optimizer is not None
            self.attach_optimizer()
            options["optimizer"] = self.optimizer
        return compiler.build(self._graph, batch=batch, dtype=self.dtype, purpose=purpose, **options)

    def _parts(self, shapes: Sequence[tuple[int, ...]], kinds: Sequence[Kind]) -> list[compiler.Part]:
        """Loss and metrics of each output of these shapes, for targets of these kinds."""
        self._check_compiled()
        parts = []
        for k, (shape, kind) in enumerate(zip(shapes, kinds, strict=True)):
            columns = prod(shape)
            loss = self._losses[k].resolve(columns, kind.labels)
            name = f"{self.output_names[k]}_loss" if len(shapes) > 1 else "loss"
            measures = [
                compiler.Measure(
                    label, given.metric.resolve(columns, loss), given.weighted or loss.ignore_class is not None
                )
                for label, given in zip(self._labels_of(k), self._measures[k], strict=True)
                if not isinstance(given.metric, Function)
            ]
            parts.append(compiler.Part(loss, self._loss_weights[k], measures, kind.weighted, name))
        return parts

    def _check_compiled(self) -> None:
        if not self._losses:
            raise ValueError(f"expected a compiled model: call {self.name}.compile(optimizer, loss) first")

    def _check_rows(
        self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None, like: Rows | None = None
    ) -> Rows:
        """x, y and weights as the kernels take them, with the columns of `like` if given; the model does not change."""
        self._check_compiled()
        inputs = self._check_x(x, like)
        count, names = inputs[0].shape[0], self.output_names
        shapes = self.output_shapes([self.input_shape or (inputs[0].shape[1],)])
        given = [data.as_numbers("y", each) for each in data.check_several("y", y, names)]
        sizes = [prod(shape) for shape in shapes]
        looks = [Kind(data.looks_like_labels(each, size), False) for each, size in zip(given, sizes, strict=True)]
        parts = self._parts(shapes, looks)
        targets = tuple(
            data.named("output", name, names, partial(data.check_y, each, count, size, part.loss, self.dtype))
            for name, each, size, part in zip(names, given, sizes, parts, strict=True)
        )
        several = sample_weight is not None and len(names) > 1
        weights = data.check_several("sample_weight", sample_weight, names) if several else [sample_weight] * len(names)
        checked = tuple(
            data.check_weights(weight, None, target, size, part.loss, self.dtype)
            for weight, target, size, part in zip(weights, targets, sizes, parts, strict=True)
        )
        return self._weigh_classes(Rows(inputs, targets, checked), class_weight)

    def _weigh_classes(self, rows: Rows, class_weight: Any) -> Rows:
        """Checked rows, each with the weight of its class as a factor of its own."""
        if class_weight is None:
            return rows
        self._check_class_weight(class_weight)
        (shape,) = self.output_shapes([self.input_shape or (rows.x[0].shape[1],)])
        ((y,), (weights,), (part,)) = rows.y, rows.weights, self._parts([shape], rows.kinds)
        weighed = data.check_weights(weights, class_weight, y, prod(shape), part.loss, self.dtype)
        return rows._replace(weights=(weighed,))

    def _check_class_weight(self, given: Any) -> None:
        """Weights of classes, as far as they can be checked without rows."""
        if given is not None:
            if len(self.output_names) > 1:
                raise ValueError(f"expected class_weight for a model of one output, got {len(self.output_names)}")
            data.check_class_weights(given, prod(self.outputs[0].shape) if self.outputs else None)

    def _check_x(self, x: Any, like: Rows | None = None) -> tuple[Any, ...]:
        """x as the kernels take it, with the columns of `like` if given."""
        columns = self._columns if like is None else [array.shape[1] for array in like.x]
        return data.check_inputs(x, self.input_names, columns, self._limits, self.dtype)

    def _ready(self, rows: Rows) -> Rows:
        """Build the model for checked rows, if it is not built."""
        if not self.built:
            self.build((rows.x[0].shape[1],))
        self._kinds = rows.kinds or self._kinds
        return rows

    def build(self, input_shape: tuple[int | None, ...] | None = None) -> None:
        """Make the weights; a model of symbols has them from the start."""


def get_losses(given: Any, names: Sequence[str]) -> list[losses.Loss]:
    """A loss for each output, of one for all, a sequence or a dict."""
    if given is None:
        raise ValueError("expected a loss, such as 'mse' or 'crossentropy', got None")
    if len(names) == 1 and isinstance(given, (list, tuple)) and len(given) == 1:
        given = given[0]
    by_name = isinstance(given, dict) and given.keys() <= set(names)  # else it may be the configuration of a loss
    if by_name or (len(names) > 1 and isinstance(given, (dict, list, tuple))):
        return [losses.get(each) for each in data.check_several("loss", given, names)]
    return [losses.get(given) for _ in names]


def get_measures(given: Any, weighted: Any, names: Sequence[str]) -> list[list[compiler.Measure]]:
    """The metrics of each output: those that count rows, then those that count their weights."""
    found = []
    for plain, heavy in zip(
        of_outputs("metrics", given, names), of_outputs("weighted_metrics", weighted, names), strict=True
    ):
        measures = [compiler.Measure(metric.name, metric) for metric in metrics.get_all(plain)]
        taken = {measure.name for measure in measures}
        for metric in metrics.get_all(heavy):
            if isinstance(metric, Function):
                raise ValueError(f"expected {metric.name!r} among metrics: a function is not told of weights")
            name = f"weighted_{metric.name}" if metric.name in taken else metric.name
            measures.append(compiler.Measure(name, metric, True))
        labels = ["loss", *(measure.name for measure in measures)]
        if twice := [label for label, count in Counter(labels).items() if count > 1]:
            raise ValueError(
                f"expected metrics of different names, not 'loss', got {twice[0]!r} twice: "
                "metrics take name=..., and so does metrics.Function(f, name=...)"
            )
        found.append(measures)
    return found


def of_outputs(name: str, given: Any, names: Sequence[str]) -> list[Any]:
    """What is given for each output; nothing for those that a dict does not name."""
    if given is None:
        return [None] * len(names)
    if len(names) == 1 and not isinstance(given, dict):
        return [given]
    if isinstance(given, dict):
        given = {**dict.fromkeys(names), **given}
    return data.check_several(name, given, names)
