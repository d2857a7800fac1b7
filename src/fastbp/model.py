"""Floor 3. Sequential: layers in a row, trained, evaluated and asked for predictions."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np

from fastbp import data, trainer
from fastbp.callbacks import Callback, CallbackList, History, ProgressBar, check_callbacks
from fastbp.callbacks.progress import check_verbose, write_results
from fastbp.compiled import Compiled
from fastbp.layers import Layer
from fastbp.utils import check_count, check_flag


class Sequential(Compiled):
    """A model whose layers follow one another.

    The weights are made as soon as the number of input columns is known: from an `Input`, the first layer's
    `input_shape`, or else the first data.

    Parameters
    ----------
    layers : sequence of Layer, optional
        More can be added with `add`.
    name : str, optional

    Attributes
    ----------
    history : History or None
        Of the last `fit`, also of one that Ctrl-C ended.
    optimizer : Optimizer or None

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.utils.set_random_seed(0)
    >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    >>> y = np.array([0, 1, 1, 0])
    >>> model = fb.Sequential([fb.Input((2,)), fb.Dense(8, "tanh"), fb.Dense(2, "softmax")])
    >>> model.compile(fb.optimizers.Adam(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> history = model.fit(x, y, epochs=100, verbose=0)
    >>> model.predict(x).argmax(axis=1)
    array([0, 1, 1, 0])
    """

    def __init__(self, layers: Sequence[Layer] | None = None, name: str | None = None) -> None:
        self.history: History | None = None
        self.stop_training = False
        super().__init__(layers, name)

    def fit(
        self,
        x: Any,
        y: Any,
        batch_size: int | None = 32,
        epochs: int = 1,
        verbose: int | str = "auto",
        validation_split: float = 0.0,
        validation_data: tuple[Any, Any] | None = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
        callbacks: Callback | Sequence[Callback] | None = None,
    ) -> History:
        """Train.

        Parameters
        ----------
        x : array_like, shape (rows, columns) or (rows, ...) of as many elements
            Real numbers of any type. float32, float64 and uint8 are used in place, whatever their strides.
        y : array_like, shape (rows,) or (rows, outputs)
            Class indices or numbers, as the loss takes them.
        batch_size : int
            Rows of a step; the last step of an epoch has what is left. None means 32.
        epochs : int
            Number of the last epoch.
        verbose : {"auto", 0, 1, 2}
            0 prints nothing, 1 shows a bar on a terminal, 2 prints a line an epoch. "auto" is 1.
        validation_split : float
            Share of the rows, taken from the end, that is not trained on but evaluated after every epoch.
        validation_data : (x, y), optional
            Evaluated after every epoch, in place of a split.
        shuffle : bool
            Train in a new random order every epoch. If one batch has all rows, they stay in theirs.
        initial_epoch : int
            Epochs done before.
        callbacks : Callback or sequence of Callback, optional

        Returns
        -------
        History
            Also in `history`. After Ctrl-C it has the epochs done, and the model has the weights it came to.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit; the model is then as it was before.
        RuntimeError
            If the model is training already.
        """
        batch = check_count("batch_size", 32 if batch_size is None else batch_size, 1)
        last = check_count("epochs", epochs, 0)
        numbers = range(check_count("initial_epoch", initial_epoch, 0), last)
        shown = check_verbose(verbose)
        shuffled = check_flag("shuffle", shuffle)
        listeners = [*check_callbacks(callbacks), *([ProgressBar(shown)] if shown else [])]
        train, validation = self._check_rows(x, y), None
        if validation_data is not None:
            validation = self._check_rows(*data.check_pair("validation_data", validation_data), train.x.shape[1])
        elif validation_split:
            train, validation = data.split(train, validation_split)
        with self._training():
            self._ready(train)
            self.history, self.stop_training = History(), False
            if numbers:
                rows = train.x.shape[0]
                batch = min(batch, rows)
                params = {"epochs": last, "steps": -(-rows // batch), "verbose": shown}
                self.history.set_params(params)
                with CallbackList(listeners, self, params) as calls:
                    trainer.fit(self, train, validation, batch=batch, epochs=numbers, shuffle=shuffled, callbacks=calls)
            return self.history

    def train_on_batch(self, x: Any, y: Any, return_dict: bool = False) -> Any:
        """One step on one batch.

        Parameters
        ----------
        x, y : array_like
            As for `fit`; all rows make the batch.
        return_dict : bool

        Returns
        -------
        float, list of float, or dict
            Loss and metrics of the batch before the step, as `evaluate` returns them.
        """
        rows = self._check_rows(x, y)
        count = rows.x.shape[0]
        with self._training():
            self._ready(rows)
            assert self.optimizer is not None
            program = self.executable("train", count, rows.labels)
            program.bind(rows.x, rows.y)
            program.reset()
            try:
                trainer.Updates(program, self.optimizer)(0, count)
            finally:
                program.release()
            return as_results(trainer.means(program, self.metric_names, count), return_dict)

    def evaluate(
        self,
        x: Any,
        y: Any,
        batch_size: int | None = None,
        verbose: int | str = 0,
        return_dict: bool = False,
        callbacks: Callback | Sequence[Callback] | None = None,
    ) -> Any:
        """Loss and metrics over data.

        Parameters
        ----------
        x, y : array_like
            As for `fit`.
        batch_size : int, optional
            Rows computed at a time; it hardly matters.
        verbose : {0, 1, 2, "auto"}
            Other than 0: print a line.
        return_dict : bool
        callbacks : Callback or sequence of Callback, optional
            They hear of the beginning, the end and, if they want, each batch.

        Returns
        -------
        float, list of float, or dict
            The loss; [loss, metrics...] if there are metrics; by name with `return_dict`.
        """
        listeners = check_callbacks(callbacks)
        shown, rows = check_verbose(verbose), self._check_rows(x, y)
        count = rows.x.shape[0]
        batch = trainer.inference_batch(count, batch_size)
        self._ready(rows)
        started = perf_counter()
        params = {"epochs": 1, "steps": -(-count // batch), "verbose": shown}
        with CallbackList(listeners, self, params) as calls:
            results = trainer.evaluate(self, rows, batch, trainer.Pace(), calls)
        if shown:
            write_results(count, batch, perf_counter() - started, results)
        return as_results(results, return_dict)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = 0,
        callbacks: Callback | Sequence[Callback] | None = None,
    ) -> np.ndarray:
        """Outputs for rows of data.

        Parameters
        ----------
        x : array_like
            As for `fit`.
        batch_size : int, optional
            Rows computed at a time; it changes no bit of the result.
        verbose : {0, 1, 2, "auto"}
            Other than 0: print a line.
        callbacks : Callback or sequence of Callback, optional
            They hear of the beginning, the end and, if they want, each batch.

        Returns
        -------
        ndarray, shape (rows, outputs)
            Of the model's dtype.
        """
        shown = verbose and check_verbose(verbose)
        x = data.check_x(x, self._columns, self.dtype)
        rows = x.shape[0]
        batch = trainer.inference_batch(rows, batch_size)
        if self._parameters is None:
            self.build((x.shape[1],))
        program = self.executable("predict", batch)
        out = np.empty((rows, program.columns), self._dtype)
        started = perf_counter() if shown else 0.0
        if callbacks is None:
            trainer.predict(program, x, out)
        else:
            params = {"epochs": 1, "steps": -(-rows // batch), "verbose": shown}
            with CallbackList(check_callbacks(callbacks), self, params) as calls:
                trainer.predict(program, x, out, calls)
        if shown:
            write_results(rows, batch, perf_counter() - started, {})
        return out

    def gradients(self, x: Any, y: Any) -> dict[str, Any]:
        """Everything that one forward and one backward pass computes, by name.

        Parameters
        ----------
        x, y : array_like
            As for `fit`; all rows make one batch.

        Returns
        -------
        dict of str to ndarray
            Z1, A1, ... of the forward pass, shape (rows, units); dA2, dZ2, dW2, db2, ... the gradients of the mean loss
            with respect to them and to the weights; loss, a number.

        Examples
        --------
        >>> import numpy as np, fastbp as fb
        >>> model = fb.Sequential([fb.Dense(1, "sigmoid", input_shape=(2,), kernel_initializer="zeros")])
        >>> model.compile("sgd", "mse")
        >>> trace = model.gradients(np.array([[1.0, 2.0]]), np.array([0.0]))
        >>> trace["A1"], trace["dW1"]
        (array([[0.5]], dtype=float32), array([[0.25],
               [0.5 ]], dtype=float32))
        """
        rows = self._ready(self._check_rows(x, y))
        count = rows.x.shape[0]
        with self.inference_lock:
            program = self.executable("trace", count, rows.labels)
            program.bind(rows.x, rows.y)
            program.reset()
            program.run(0, count)
            program.release()
            trace = {name: program.array(name).copy() for name in program.names()}
            return {**trace, "loss": np.float64(program.totals[0, 0] / count)}


def as_results(results: dict[str, float], return_dict: bool) -> Any:
    """As evaluate returns them."""
    if return_dict:
        return results
    values = list(results.values())
    return values if len(values) > 1 else values[0]
