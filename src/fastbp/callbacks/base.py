"""Floor 3. What a callback can hear, and how several are told.

Training tells at its start and end, around each epoch and, if somebody listens, around each batch; evaluation and
prediction do as well. Some 30 times a second training is back in Python anyway: `on_chunk`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Self

from fastbp.utils import lookup

Logs = dict[str, Any]  # floats; of metrics that are arrays these


def numbers(logs: Logs) -> dict[str, float]:
    """Those of the logs that have a place in lines, tables and curves: arrays have none."""
    return {name: value for name, value in logs.items() if not getattr(value, "ndim", 0)}


class Callback:
    """Base of all callbacks; a subclass defines what it wants to hear of.

    Batches are counted from 0 and so are epochs. Whoever defines a method ending in `batch_begin` or `batch_end` has
    the steps run one by one. The means in `logs` are over the rows so far; what a callback adds to those of
    `on_epoch_end` is seen by the callbacks after it, and by the history.

    Attributes
    ----------
    model : Model
        The model, while it works; setting its `stop_training` ends the training after the batch, chunk or epoch.
    params : dict
        epochs, steps (of an epoch) and verbose.
    interrupted : bool
        In `on_train_end`, `on_test_end` and `on_predict_end`: whether an exception, such as that of Ctrl-C, is why.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> class Patience(fb.callbacks.Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         self.model.stop_training = epoch == 1
    >>> model = fb.Sequential([fb.Dense(1, input_shape=(2,))])
    >>> model.compile("sgd", "mse")
    >>> history = model.fit(np.ones((4, 2)), np.ones(4), epochs=9, verbose=0, callbacks=[Patience()])
    >>> history.epoch
    [0, 1]
    """

    model: Any = None
    params: dict[str, Any] = {}  # noqa: RUF012 - replaced whole, never changed
    interrupted = False

    def set_model(self, model: Any) -> None:
        """Learn whose callback this is now."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Learn the plan."""
        self.params = params

    def hears(self, event: str) -> bool:
        """Whether there is something to do at an event: a method of this class, or of this object alone."""
        return getattr(getattr(self, event), "__func__", None) is not EVENTS[event]

    def on_train_begin(self, logs: Logs) -> None:
        """Training starts; `logs` is empty."""

    def on_train_end(self, logs: Logs) -> None:
        """Training is over: all epochs done, stopped, interrupted or failed. `logs` are those of the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """An epoch starts; `logs` is empty."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """An epoch is done; `logs` has its means and those of the validation data."""

    def on_chunk(self, steps: int, logs: Logs) -> None:
        """So many steps of the epoch are done; `logs` has the means so far."""

    def on_train_batch_begin(self, batch: int, logs: Logs) -> None:
        """A training step starts; `logs` is empty."""

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """A training step is done; `logs` has the means of the epoch so far."""

    def on_test_begin(self, logs: Logs) -> None:
        """Evaluation, also of the validation data, starts; `logs` is empty."""

    def on_test_end(self, logs: Logs) -> None:
        """Evaluation is over; `logs` has what it found."""

    def on_test_batch_begin(self, batch: int, logs: Logs) -> None:
        """A batch is about to be evaluated; `logs` is empty."""

    def on_test_batch_end(self, batch: int, logs: Logs) -> None:
        """A batch is evaluated; `logs` has the means so far."""

    def on_predict_begin(self, logs: Logs) -> None:
        """Prediction starts; `logs` is empty."""

    def on_predict_end(self, logs: Logs) -> None:
        """Prediction is over; `logs` is empty."""

    def on_predict_batch_begin(self, batch: int, logs: Logs) -> None:
        """A batch is about to be predicted; `logs` is empty."""

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        """A batch is predicted; `logs` has its outputs."""


EVENTS = {name: method for name, method in vars(Callback).items() if name.startswith("on_")}


class LambdaCallback(Callback):
    """A callback made of functions.

    Parameters
    ----------
    **functions : callable
        By the events they are for, with the arguments that the methods of `Callback` have.

    Raises
    ------
    ValueError
        If there is no such event.
    TypeError
        If something cannot be called.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> model = fb.Sequential([fb.Dense(1, input_shape=(2,))])
    >>> model.compile("sgd", "mse")
    >>> shout = fb.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print("done:", epoch))
    >>> _ = model.fit(np.ones((4, 2)), np.ones(4), epochs=2, verbose=0, callbacks=shout)
    done: 0
    done: 1
    """

    def __init__(self, **functions: Callable[..., object] | None) -> None:
        for event, function in functions.items():
            lookup("event", EVENTS, event)
            if function is None:
                continue
            if not callable(function):
                raise TypeError(f"expected {event} as a function, got {function!r}")
            setattr(self, event, function)


class CallbackList:
    """Several callbacks, called as one; a context in which they have the model.

    Parameters
    ----------
    callbacks : sequence of Callback
    model : Model
    params : dict
    """

    def __init__(self, callbacks: Sequence[Callback], model: Any, params: dict[str, Any]) -> None:
        self.callbacks, self.model, self.params = callbacks, model, params
        self._before: list[tuple[Any, dict[str, Any]]] = []  # what each one had
        self._listeners = {event: [getattr(each, event) for each in callbacks if each.hears(event)] for event in EVENTS}
        # several epochs are run in one go if nobody has to hear of each before the next
        self.wants_epochs = any(map(self.listeners, EVENTS.keys() - {"on_train_begin", "on_train_end"}))

    def __enter__(self) -> Self:
        self._before = [(each.model, each.params) for each in self.callbacks]
        for each in self.callbacks:
            each.set_params(self.params)
            each.set_model(self.model)
        return self

    def __exit__(self, *error: object) -> None:
        """Let go of the model, so that nothing keeps it alive; who was at work already goes on with what it had."""
        for each, (model, params) in zip(self.callbacks, self._before, strict=True):
            each.model = model
            if model is not None:
                each.params = params

    def listeners(self, event: str) -> list[Callable[..., object]]:
        """The methods that hear of an event."""
        return self._listeners[event]

    def call(self, event: str, *arguments: Any) -> None:
        """Tell all who listen."""
        for hear in self._listeners[event]:
            hear(*arguments)

    def running(self, what: str) -> Running:
        """A context at whose beginning and end all are told of that of "train", "test" or "predict"."""
        return Running(self.callbacks, what)


class Running(AbstractContextManager[Logs]):
    """Tells of a beginning and, whatever happens, of the end.

    The end is told to those who have heard the beginning, with the logs that the caller put into what the context
    returns. It is no generator: a StopIteration that a callback raises would not leave it.
    """

    def __init__(self, callbacks: Sequence[Callback], what: str) -> None:
        self.callbacks, self.what = callbacks, what
        self.logs: Logs = {}
        self.begun: list[Callback] = []

    def __enter__(self) -> Logs:
        try:
            for each in self.callbacks:
                getattr(each, f"on_{self.what}_begin")({})
                self.begun.append(each)
        except BaseException:
            self._end(interrupted=True)
            raise
        return self.logs

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._end(interrupted=kind is not None)

    def _end(self, interrupted: bool) -> None:
        with ExitStack() as stack:  # one that fails does not keep the end from the others
            for each in reversed(self.begun):
                each.interrupted = interrupted
                stack.callback(getattr(each, f"on_{self.what}_end"), self.logs)


def check_callbacks(given: object) -> list[Callback]:
    """A list of callbacks from one, several or None."""
    if given is None:
        return []
    callbacks: list[Any] = list(given) if isinstance(given, (list, tuple)) else [given]
    for each in callbacks:
        if not isinstance(each, Callback):
            hint = f"; write {each.__name__}()" if isinstance(each, type) else ""
            raise TypeError(f"expected callbacks of type Callback, got {each!r}{hint}")
    return callbacks
