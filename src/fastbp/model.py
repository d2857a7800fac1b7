"""Floor 3. The model: a graph of layers, trained, evaluated and asked for predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any, Self

import numpy as np

from fastbp import checkpoint, data, trainer
from fastbp.callbacks import Callback, CallbackList, History, ProgressBar, check_callbacks
from fastbp.callbacks.progress import check_verbose, write_results
from fastbp.checkpoint import Path
from fastbp.compiled import Compiled
from fastbp.config import real_type
from fastbp.graph import Graph, trace
from fastbp.graph import from_config as graph_from_config
from fastbp.sources import Arrays, Flow, Reader, Source, labelled, unlabelled
from fastbp.streams import Stream, is_stream
from fastbp.utils import check_count, check_flag


class Model(Compiled):
    """A model of symbols: what the calls of layers between some inputs and outputs compute.

    Parameters
    ----------
    inputs : Input or Symbol, or a sequence of them, or a dict by their names
    outputs : Symbol, or a sequence of them, or a dict by the names of the layers that made them
    name : str, optional

    Attributes
    ----------
    history : History or None
        Of the last `fit`, also of one that Ctrl-C ended.
    optimizer : Optimizer or None
    progress : Progress or None
        Where training stands: epochs done, and steps of the next one; None before any.

    Raises
    ------
    TypeError
        If these are no symbols.
    ValueError
        If an output depends on an Input that is not among the inputs, an input leads to no output, or two layers have
        one name.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> fb.utils.set_random_seed(0)
    >>> wide, deep = fb.Input((3,)), fb.Input((8,))
    >>> hidden = fb.Dense(16, "relu")(deep)
    >>> y = fb.Dense(1)(fb.layers.Concatenate()([wide, hidden]))
    >>> model = fb.Model([wide, deep], y)
    >>> model.compile("adam", "mse")
    >>> history = model.fit([np.ones((32, 3)), np.ones((32, 8))], np.ones(32), verbose=0)
    >>> model.predict([np.ones((2, 3)), np.ones((2, 8))]).shape
    (2, 1)
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None) -> None:
        self._prepare(name, trace(inputs, outputs))

    def _prepare(self, name: str | None, graph: Graph | None = None, dtype: np.dtype | None = None) -> None:
        self.history: History | None = None
        self.stop_training = False
        Compiled.__init__(self, graph, name, dtype)

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
        callbacks: Callback | Sequence[Callback] | None = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        steps_per_epoch: int | None = None,
        resume: bool = False,
    ) -> History:
        """Train.

        Parameters
        ----------
        x : array_like, shape (rows, columns) or (rows, ...) of as many elements
            Real numbers of any type. float32, float64 and uint8 are used in place, whatever their strides. Of several
            inputs a sequence of arrays, or a dict by the name of the input. Also tables of pandas, polars and Arrow;
            SciPy's sparse matrices; a `streams.Stream`; an iterable of batches (x, y) or (x, y, sample_weight), each of
            which is a step.
        y : array_like, shape (rows,) or (rows, outputs)
            Class indices or numbers, as the loss takes them. Of several outputs a sequence or a dict. None if x yields
            it.
        batch_size : int, optional
            Rows of a step, 32 unless given; the last step of an epoch has what is left.
        epochs : int
            Number of the last epoch.
        verbose : {"auto", 0, 1, 2}
            0 prints nothing, 1 shows a bar on a terminal, 2 prints a line an epoch. "auto" is 1.
        validation_split : float
            Share of the rows, taken from the end, that is not trained on but evaluated after every epoch.
        validation_data : (x, y), (x, y, sample_weight) or a stream, optional
            Evaluated after every epoch, in place of a split.
        shuffle : bool
            Train in a new random order every epoch. If one batch has all rows, they stay in theirs.
        initial_epoch : int
            Epochs done before.
        callbacks : Callback or sequence of Callback, optional
        sample_weight : array_like, shape (rows,), optional
            Factor of the loss of each row, at least 0; the mean is still over the number of rows. Of several outputs a
            sequence or a dict.
        class_weight : dict of int to float, optional
            Factor of the loss of the rows of each class; 1 for those not named. Validation does not use it.
        steps_per_epoch : int, optional
            Batches of an epoch, of an iterable of batches; all unless given.
        resume : bool
            Go on where training stands, see `progress`: where Ctrl-C ended it, or where the model was saved, be it in
            the middle of an epoch. With the same data and options the weights are, bit for bit, those of a training
            that was never interrupted. A model that has not trained starts from the beginning.

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
        last = check_count("epochs", epochs, 0)
        first = check_count("initial_epoch", initial_epoch, 0)
        resumed = check_flag("resume", resume)
        if resumed and first:
            raise ValueError(f"expected initial_epoch or resume, got both: {first} and True")
        shown = check_verbose(verbose)
        shuffled = check_flag("shuffle", shuffle)
        listeners = [*check_callbacks(callbacks), *([ProgressBar(shown)] if shown else [])]
        validation: Source | None = None
        if is_stream(x):
            beside = {"y": y, "sample_weight": sample_weight, "validation_split": validation_split or None}
            for name in (name for name, value in beside.items() if value is not None):
                raise ValueError(f"expected no {name} beside an x that yields batches of its own")
            self._check_compiled()
            self._check_class_weight(class_weight)
            read = partial(labelled, class_weight=class_weight)
            source: Source = self._flow(x, read, batch_size, 32, shuffled, steps_per_epoch)
        else:
            if steps_per_epoch is not None:
                raise ValueError(f"expected no steps_per_epoch for arrays, got {steps_per_epoch!r}")
            batch = check_count("batch_size", 32 if batch_size is None else batch_size, 1)
            train = self._check_rows(x, y, sample_weight)
            if validation_data is None and validation_split:
                train, held_out = data.split(train, validation_split)
                validation = trainer.in_order(held_out)
            source = Arrays(self._weigh_classes(train, class_weight), batch, shuffled)
        if validation_data is not None:
            validation = self._validation(validation_data, source)
        with self._training():
            progress = self.progress if resumed and self.progress else trainer.Progress(first)
            progress.check(source)
            source.check_epochs("x", last - progress.epoch)
            if validation is not None:
                validation.check_epochs("validation_data", last - progress.epoch)
            if isinstance(source, Arrays):
                self._ready(source.rows)
            self.history, self.stop_training = History(), False
            params = {"epochs": last, "steps": source.steps, "verbose": shown}
            self.history.set_params(params)
            if progress.epoch < last:
                self.progress = progress
                with CallbackList(listeners, self, params) as calls:
                    trainer.fit(self, source, validation, last=last, callbacks=calls)
            return self.history

    def _flow(
        self, x: Any, read: Reader, batch_size: object, default: int, shuffle: bool = False, steps: object = None
    ) -> Flow:
        """The source of an x that yields batches; a Stream is cut into steps of `default` rows unless told."""
        if isinstance(x, Stream):
            if steps is not None:
                raise ValueError(f"expected no steps_per_epoch for a Stream, got {steps!r}")
            batch = check_count("batch_size", default if batch_size is None else batch_size, 1)
            return Flow(x, read, batch, shuffle)
        if batch_size is not None:
            raise ValueError(f"expected no batch_size for an x that yields batches, got {batch_size!r}")
        limit = None if steps is None else check_count("steps_per_epoch", steps, 1)
        return Flow(x, read, None, False, limit)

    def _validation(self, given: Any, source: Source) -> Source:
        """Validation data: arrays like those of training, or what yields them."""
        if is_stream(given):
            return self._flow(given, labelled, None, trainer.INFERENCE_BATCH)
        like = source.rows if isinstance(source, Arrays) else None
        rows = self._check_rows(*data.check_pair("validation_data", given), like=like)
        if isinstance(source, Flow):
            source.like = rows
        return trainer.in_order(rows)

    def train_on_batch(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step on one batch.

        Parameters
        ----------
        x, y, sample_weight, class_weight
            As for `fit`; all rows make the batch.
        return_dict : bool

        Returns
        -------
        float, list of float, or dict
            Loss and metrics of the batch before the step, as `evaluate` returns them.
        """
        rows = self._check_rows(x, y, sample_weight, class_weight)
        with self._training():
            self._ready(rows)
            assert self.optimizer is not None
            before = trainer.with_functions(self, trainer.judged(self, rows), {})
            program = self.executable("train", rows.size, rows.kinds)
            program.bind(rows.arrays)
            program.reset()
            try:
                trainer.update(self.optimizer, program, 0, rows.size)
            finally:
                program.release()
            results = before | program.means(rows.size)
            return as_results({name: results[name] for name in self.metrics_names}, return_dict)

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = 0,
        sample_weight: Any = None,
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
        sample_weight : array_like, shape (rows,), optional
            As for `fit`.
        return_dict : bool
        callbacks : Callback or sequence of Callback, optional
            They hear of the beginning, the end and, if they want, each batch.

        Returns
        -------
        float, list of float, or dict
            The loss; [loss, metrics...] if there are metrics; by name with `return_dict`.
        """
        shown, listeners = check_verbose(verbose), check_callbacks(callbacks)
        source: Source
        if is_stream(x):
            self._check_compiled()
            source = self._flow(x, labelled, batch_size, trainer.INFERENCE_BATCH)
        else:
            source = trainer.in_order(self._check_rows(x, y, sample_weight), batch_size)
        started = perf_counter()
        params = {"epochs": 1, "steps": source.steps, "verbose": shown}
        with CallbackList(listeners, self, params) as calls:
            results, steps = trainer.evaluate(self, source, trainer.Pace(), calls)
        if shown:
            write_results(steps, perf_counter() - started, results)
        return as_results(results, return_dict)

    def test_on_batch(self, x: Any, y: Any, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Loss and metrics of one batch.

        Parameters
        ----------
        x, y, sample_weight
            As for `fit`.
        return_dict : bool

        Returns
        -------
        float, list of float, or dict
            As `evaluate` returns them.
        """
        return self.evaluate(x, y, sample_weight=sample_weight, return_dict=return_dict)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = 0,
        callbacks: Callback | Sequence[Callback] | None = None,
    ) -> Any:
        """Outputs for rows of data.

        Parameters
        ----------
        x : array_like or stream
            As for `fit`; a stream yields x alone, or with y and weights, which are left aside.
        batch_size : int, optional
            Rows computed at a time; it changes no bit of the result.
        verbose : {0, 1, 2, "auto"}
            Other than 0: print a line.
        callbacks : Callback or sequence of Callback, optional
            They hear of the beginning, the end and, if they want, each batch.

        Returns
        -------
        ndarray, shape (rows, outputs)
            Of the model's dtype; of several outputs a list of arrays.
        """
        shown = verbose and check_verbose(verbose)
        started = perf_counter() if shown else 0.0
        source: Source | None = None
        if type(x) is not np.ndarray and is_stream(x):
            source = self._flow(x, unlabelled, batch_size, trainer.INFERENCE_BATCH)
        else:
            inputs, batch = self._inputs(x, batch_size)
            if callbacks is not None:
                source = Arrays(data.Rows(inputs, (), ()), batch, shuffle=False)
        if source is None:
            outs = trainer.predict(self, inputs, batch)
            steps = -(-len(outs[0]) // batch)
        else:
            params = {"epochs": 1, "steps": source.steps, "verbose": shown}
            with CallbackList(check_callbacks(callbacks), self, params) as calls:
                outs, steps = trainer.predict_blocks(self, source, calls)
        if shown:
            write_results(steps, perf_counter() - started, {})
        for number, shape in self._folded.items():
            outs[number] = outs[number].reshape(-1, *shape)
        return outs if len(outs) > 1 else outs[0]

    def _inputs(self, x: Any, batch_size: object) -> tuple[tuple[Any, ...], int]:
        """Rows to predict, as the kernels take them, and how many at a time; the model is built for them."""
        inputs: tuple[Any, ...]
        if len(self._columns) == 1 and type(x) is not dict:
            inputs = (data.check_x(x, self._columns[0], self._dtype or self.dtype, self._limits[0]),)
        else:
            inputs = self._check_x(x)
        batch = trainer.inference_batch(inputs[0].shape[0], batch_size)
        if self._storage is None:
            self.build((inputs[0].shape[1],))
        return inputs, batch

    def gradients(self, x: Any, y: Any) -> dict[str, Any]:
        """Everything that one forward and one backward pass computes, by name.

        They compute as the next training step would: with its dropout, and by the moments of these rows where a layer
        normalises a batch. Nothing changes.

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
        with self.inference_lock:
            program = self.executable("trace", rows.size, rows.kinds)
            program.bind(rows.arrays)
            program.reset()
            assert self.optimizer is not None
            try:
                program.run(0, rows.size, step=self.optimizer.batches)
            finally:
                program.release()
            arrays = {name: program.array(name).copy() for name in program.names()}
            return {**arrays, "loss": np.float64(program.means(rows.size)["loss"])}

    def get_config(self) -> dict[str, Any]:
        """Name, dtype, layers and the calls of them, as plain data.

        Examples
        --------
        >>> import fastbp as fb
        >>> x = fb.Input((3,), name="x")
        >>> config = fb.Model(x, fb.Dense(2, name="y")(x)).get_config()
        >>> config["calls"], config["outputs"]
        ([[0, [0]]], [1])
        >>> fb.Model.from_config(config).output_names
        ['y']
        """
        assert self._graph is not None
        return {"name": self.name, "dtype": self.dtype.name, **self._graph.get_config()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The model that `get_config` describes, with new weights, not compiled.

        Raises
        ------
        ValueError
            If it describes no model.
        """
        model = cls.__new__(cls)
        model._prepare(config.get("name"), graph_from_config(config), real_type(config.get("dtype")))
        return model

    def save(self, path: Path) -> None:
        """Write everything to a file: layers, weights, how the model is compiled, and where its training stands.

        The file is one of safetensors. An old one at this path is replaced when the new one is safe on the disk.

        Parameters
        ----------
        path : path-like

        Raises
        ------
        OSError
            If the file cannot be written; what was there before is still there.
        TypeError, ValueError
            If there is something in the model that cannot be saved, such as a nameless function, or the path ends as
            those of Keras's files do.

        Examples
        --------
        >>> import numpy as np, fastbp as fb
        >>> model = fb.Sequential([fb.Dense(1, input_shape=(2,))])
        >>> model.compile("adam", "mse")
        >>> history = model.fit(np.ones((4, 2)), np.ones(4), epochs=3, verbose=0)
        >>> model.save("model.safetensors")
        >>> again = fb.load("model.safetensors")
        >>> history = again.fit(np.ones((4, 2)), np.ones(4), epochs=5, verbose=0, resume=True)
        >>> history.epoch
        [3, 4]
        """
        checkpoint.save(self, path)

    def save_weights(self, path: Path) -> None:
        """Write the weights to a file of safetensors, by their paths, such as "dense/kernel".

        Parameters
        ----------
        path : path-like

        Raises
        ------
        OSError
            If the file cannot be written; what was there before is still there.
        ValueError
            If the model has no weights yet, or the path ends as those of Keras's files do.
        """
        checkpoint.save_weights(self, path)

    def load_weights(self, path: Path) -> None:
        """Take the weights from a file that `save_weights` or `save` has written, by their paths.

        Parameters
        ----------
        path : path-like

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it has not the weights of this model, by path and shape; then no weight has changed.
        """
        checkpoint.load_weights(self, path)

    def __reduce__(self) -> tuple[Any, ...]:
        """For `copy.deepcopy` and the like: what `save` would write, and the history."""
        return checkpoint.restore, checkpoint.gather_with_classes(self), {"history": self.history}


def as_results(results: dict[str, float], return_dict: bool) -> Any:
    """As evaluate returns them."""
    if return_dict:
        return results
    values = list(results.values())
    return values if len(values) > 1 else values[0]
