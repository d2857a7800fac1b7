"""Floor 3. Ending the training early: because nothing gets better, or because the loss is no number any more."""

from __future__ import annotations

import math
import warnings
from typing import Any

from fastbp.callbacks.base import Callback, Logs
from fastbp.callbacks.monitor import Monitor
from fastbp.utils import check_count, check_flag, check_number


class EarlyStopping(Monitor):
    """Ends the training when a number has not become better for some epochs.

    Parameters
    ----------
    monitor : str
        A name in the logs of an epoch.
    min_delta : float
        Only what is better by more than this counts.
    patience : int
        Epochs without anything better after which training ends; 0 ends it at the first.
    verbose : {0, 1}
        1: print why training ended.
    mode : {"auto", "min", "max"}
        Whether less or more is better; "auto" goes by the name.
    baseline : float, optional
        Epochs that do not beat it count as not better.
    restore_best_weights : bool
        Give the model the weights of its best epoch when training ends. After an exception, such as that of Ctrl-C, it
        keeps those it came to: training can go on from there, see `fit`. The others are in `best_weights`.
    start_from_epoch : int
        Look at no epoch before this one.

    Attributes
    ----------
    stopped_epoch : int or None
        The epoch after which this callback ended the training.
    best, best_epoch
        The best value and its epoch, which is None if there was none.
    best_weights : list of ndarray or None
        With `restore_best_weights`, those of that epoch.

    Raises
    ------
    ValueError
        If an option is out of its range; at the end of an epoch, if the logs do not have `monitor`.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> model = fb.Sequential([fb.Dense(1, input_shape=(2,))])
    >>> model.compile(fb.optimizers.SGD(0.0), "mse")
    >>> stop = fb.callbacks.EarlyStopping("loss", patience=2)
    >>> history = model.fit(np.ones((4, 2)), np.ones(4), epochs=9, verbose=0, callbacks=stop)
    >>> history.epoch, stop.best_epoch
    ([0, 1, 2], 0)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = check_count("patience", patience, 0)
        self.verbose = verbose
        self.baseline = None if baseline is None else check_number("baseline", baseline)
        self.restore_best_weights = check_flag("restore_best_weights", restore_best_weights)
        self.start_from_epoch = check_count("start_from_epoch", start_from_epoch, 0)
        self._forget()

    def _forget(self) -> None:
        self.best, self.wait = self.worst, 0
        self.best_epoch: int | None = None
        self.stopped_epoch: int | None = None
        self.best_weights: Any = None

    def on_train_begin(self, logs: Logs) -> None:
        """Start anew."""
        self._forget()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Compare with the best epoch, and count."""
        value = self.read(logs)
        if epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.improves(value):
            self.best_epoch = epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.is_better(value, self.baseline):
                self.wait = 0
        if self.wait > 0 and self.wait >= self.patience:
            self.stopped_epoch, self.model.stop_training = epoch, True
            if self.verbose:
                self.say(epoch, f"early stopping, {self.monitor} has not become better for {self.wait} epochs")

    def on_train_end(self, logs: Logs) -> None:
        """Restore the best weights, if that is wanted and there are any."""
        if self.best_epoch is not None and self.restore_best_weights and not self.interrupted:
            self.model.set_weights(self.best_weights)
            if self.verbose:
                self.say(self.best_epoch, "weights restored, it was the best")


class TerminateOnNaN(Callback):
    """Ends the training after the batch that made the loss NaN or infinite, and warns which one it was.

    It listens to every batch, so the steps are run one by one.

    Examples
    --------
    >>> import warnings, numpy as np, fastbp as fb
    >>> x = np.ones((100, 2))
    >>> x[40] = np.nan
    >>> model = fb.Sequential([fb.Dense(1, input_shape=(2,))])
    >>> model.compile("sgd", "mse")
    >>> with warnings.catch_warnings(record=True, action="always") as caught:
    ...     _ = model.fit(x, np.ones(100), batch_size=10, shuffle=False, verbose=0,
    ...                   callbacks=fb.callbacks.TerminateOnNaN())
    >>> print(caught[0].message)
    batch 5 of epoch 1 gave a loss of nan: training ends
    """

    def __init__(self) -> None:
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Remember which one it is."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """Look at the loss."""
        loss = logs["loss"]
        if not math.isfinite(loss):
            self.model.stop_training = True
            message = f"batch {batch + 1} of epoch {self._epoch + 1} gave a loss of {loss:g}: training ends"
            warnings.warn(message, RuntimeWarning, stacklevel=2)
