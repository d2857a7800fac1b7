"""Floor 3. Changing the learning rate between epochs: by a function, or when nothing gets better."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from fastbp.callbacks.base import Callback, Logs
from fastbp.callbacks.monitor import Monitor
from fastbp.schedules import Constant
from fastbp.utils import check_count, check_number


class LearningRateScheduler(Callback):
    """Sets the learning rate at the start of each epoch; the history keeps it as `learning_rate`.

    Parameters
    ----------
    schedule : callable
        From the epoch, counted from 0, and the learning rate before it to the new one. One of the epoch alone will do.
    verbose : {0, 1}
        1: print each new rate.

    Raises
    ------
    TypeError
        If the schedule cannot be called like that.
    ValueError
        At the start of an epoch, if it returns no number of at least 0.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> model = fb.Sequential([fb.Dense(1, input_shape=(2,))])
    >>> model.compile(fb.optimizers.SGD(0.1), "mse")
    >>> halve = fb.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
    >>> model.fit(np.ones((4, 2)), np.ones(4), epochs=3, verbose=0, callbacks=halve).history["learning_rate"]
    [0.1, 0.05, 0.025]
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self.schedule, self.verbose = schedule, verbose
        self._takes_rate = takes(schedule, 0, 0.1)
        if not self._takes_rate and not takes(schedule, 0):
            raise TypeError(f"expected schedule as a function of (epoch, learning_rate), got {schedule!r}")

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Set the rate; that of an epoch that is resumed is worked out again."""
        optimizer = self.model.optimizer
        known = (self.model.progress.rate,) if self._takes_rate else ()
        optimizer.learning_rate = self.schedule(epoch, *known)
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {optimizer.learning_rate:g}", flush=True)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Put the rate into the logs."""
        logs["learning_rate"] = self.model.optimizer.learning_rate


class ReduceLROnPlateau(Monitor):
    """Lowers the learning rate when a number has not become better for some epochs.

    The history keeps the rate of each epoch as `learning_rate`.

    Parameters
    ----------
    monitor : str
        A name in the logs of an epoch.
    factor : float
        What the rate is multiplied by, from 0 to below 1.
    patience : int
        Epochs without anything better before that.
    verbose : {0, 1}
        1: print each new rate.
    mode : {"auto", "min", "max"}
        Whether less or more is better; "auto" goes by the name.
    min_delta : float
        Only what is better by more than this counts.
    cooldown : int
        Epochs after a change that do not count.
    min_lr : float
        No rate becomes lower than this.

    Raises
    ------
    ValueError
        If an option is out of its range; at the end of an epoch, if the logs do not have `monitor`.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> model = fb.Sequential([fb.Dense(1, input_shape=(2,))])
    >>> model.compile(fb.optimizers.SGD(0.1), "mse")
    >>> reduce = fb.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e9)
    >>> model.fit(np.ones((4, 2)), np.ones(4), epochs=4, verbose=0, callbacks=reduce).history["learning_rate"]
    [0.1, 0.1, 0.05, 0.025]
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.factor = check_number("factor", factor, 0, 1, "[)")
        self.patience = check_count("patience", patience, 0)
        self.verbose = verbose
        self.cooldown = check_count("cooldown", cooldown, 0)
        self.min_lr = check_number("min_lr", min_lr, 0)
        self._wait = self._cooling = 0

    def on_train_begin(self, logs: Logs) -> None:
        """Start anew; ValueError if the rate follows a schedule, which a number would replace."""
        if not isinstance(self.model.optimizer.schedule, Constant):
            raise ValueError(f"expected a learning rate that is a number, got {self.model.optimizer.schedule!r}")
        self.best, self._wait, self._cooling = self.worst, 0, 0

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Compare with the best epoch, count, and lower the rate."""
        optimizer, value = self.model.optimizer, self.read(logs)
        rate = logs["learning_rate"] = optimizer.learning_rate
        if self._cooling:
            self._cooling -= 1
            self._wait = 0
        if self.improves(value):
            self._wait = 0
        elif not self._cooling:
            self._wait += 1
            if self._wait >= self.patience and rate > self.min_lr:
                optimizer.learning_rate = max(rate * self.factor, self.min_lr)
                self._wait, self._cooling = 0, self.cooldown
                if self.verbose:
                    self.say(epoch, f"learning rate lowered to {optimizer.learning_rate:g}")


def takes(function: object, *arguments: object) -> bool:
    """Whether something can be called with these arguments."""
    if not callable(function):
        return False
    try:
        inspect.signature(function).bind(*arguments)
    except (TypeError, ValueError):  # does not take them; or a builtin that does not say
        return False
    return True
