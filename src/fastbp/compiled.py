"""Floor 3. The compiled network: what it is to minimise, and the programs that compute it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fastbp import compiler, data, losses, metrics, optimizers
from fastbp.data import Rows
from fastbp.layers import Input, Layer
from fastbp.metrics import get_all as get_metrics
from fastbp.network import Network
from fastbp.utils import check_count, renew_after_fork

KEPT_PROGRAMS = 16
PURPOSES = ("train", "evaluate", "predict", "gradients", "trace")


class Compiled(Network):
    """A network with an optimizer, a loss, metrics, and a program for each use of it."""

    def __init__(self, layers: Sequence[Layer] | None = None, name: str | None = None) -> None:
        self.optimizer: optimizers.Optimizer | None = None
        self.loss: losses.Loss | None = None
        self.metrics: list[metrics.Metric] = []
        self.renew_locks()
        renew_after_fork(self)
        self._executables: dict[tuple[str, int, bool], compiler.Executable] = {}
        self._labels = False  # whether the targets seen last were class indices
        self._columns: int | None = None
        super().__init__(layers, name)

    def renew_locks(self) -> None:
        """New locks: at the start, and in a forked child."""
        self.inference_lock = threading.RLock()
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

    def add(self, layer: Layer) -> None:
        with self._training():
            super().add(layer)

    add.__doc__ = Network.add.__doc__

    def _install(self, source: Input | None, layers: list[Layer]) -> None:
        super()._install(source, layers)
        self._executables.clear()
        self._columns = self.input_shape[0] if self.input_shape else None

    def compile(
        self,
        optimizer: str | optimizers.Optimizer = "adam",
        loss: str | losses.Loss | None = None,
        metrics: Sequence[str | metrics.Metric] | None = None,
    ) -> None:
        """Say how to train.

        Parameters
        ----------
        optimizer : str or Optimizer
            An object belongs to this model from now on.
        loss : str or Loss
        metrics : sequence of str or Metric, optional
            Reported beside the loss. "accuracy" becomes the kind that fits the outputs and targets.

        Raises
        ------
        ValueError
            If a name is unknown; the message has the nearest known one. The model stays as it was compiled before.
        RuntimeError
            If the model is training.
        """
        if loss is None:
            raise ValueError("expected a loss, such as 'mse' or 'crossentropy', got None")
        found = optimizers.get(optimizer), losses.get(loss), get_metrics(metrics)
        with self._training():
            found[0].claim(self)
            if self.optimizer is not None and self.optimizer is not found[0]:
                self.optimizer.release()
            self.optimizer, self.loss, self.metrics = found
            self._executables.clear()

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Have the moving averages of the weights in their place for a while, to evaluate and predict with them.

        The optimizer has to keep them (`use_ema=True`). Meanwhile the model cannot train; afterwards the weights are as
        before, and training goes on as if nothing had been.

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
        kind : {"train", "evaluate", "predict", "gradients", "trace"}
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
        return self.executable(kind, batch, self._resolved_loss(self._labels).labels)

    @property
    def metric_names(self) -> list[str]:
        """Names of the numbers that training and evaluation report: loss, then the metrics."""
        return ["loss", *(metric.name for metric in self.metrics)]

    def executable(self, purpose: str, batch: int, labels: bool = False) -> compiler.Executable:
        """The compiled program for a purpose and batch size; made when it is first asked for."""
        key = (purpose, batch, labels)
        found = self._executables.get(key)
        if found is not None:
            return found
        with self.inference_lock:
            if len(self._executables) >= KEPT_PROGRAMS:
                del self._executables[next(iter(self._executables))]
            found = self._executables[key] = self._make_executable(purpose, batch, labels)
        return found

    def _make_executable(self, purpose: str, batch: int, labels: bool) -> compiler.Executable:
        assert self._input is not None
        assert self._parameters is not None
        objective: dict[str, Any] = {}
        if purpose != "predict":
            loss, outputs = self._resolved_loss(labels), self.outputs(self._columns or 0)
            measured = [metric.resolve(outputs, loss.labels) for metric in self.metrics]
            objective = {"loss": loss, "metrics": measured if purpose in ("train", "evaluate") else ()}
        if purpose == "train":
            assert self.optimizer is not None
            self.optimizer.attach(self._parameters, self.weights)
            objective["optimizer"] = self.optimizer
        return compiler.build([self._input, *self._layers], batch=batch, dtype=self.dtype, purpose=purpose, **objective)

    def _resolved_loss(self, labels: bool, columns: int | None = None) -> losses.Loss:
        if self.loss is None:
            raise ValueError(f"expected a compiled model: call {self.name}.compile(optimizer, loss) first")
        return self.loss.resolve(self.outputs(columns or self._columns or 0), labels)

    def _check_rows(self, x: Any, y: Any, columns: int | None = None) -> Rows:
        """x and y as the kernels take them; the model does not change."""
        if self.loss is None:
            raise ValueError(f"expected a compiled model: call {self.name}.compile(optimizer, loss) first")
        x = data.check_x(x, columns or self._columns, self.dtype)
        targets = data.as_numbers("y", y)
        outputs = self.outputs(x.shape[1])
        loss = self.loss.resolve(outputs, data.looks_like_labels(targets, outputs))
        for metric in self.metrics:
            metric.resolve(outputs, loss.labels)
        return Rows(x, data.check_y(targets, x.shape[0], outputs, loss, self.dtype))

    def _ready(self, rows: Rows) -> Rows:
        """Build the model for checked rows, if it is not built."""
        self.build((rows.x.shape[1],))
        self._labels = rows.labels
        return rows
