"""Floor 4. Training an estimator: epochs of scikit-learn's loop, each one run of a compiled program.

What scikit-learn decides between epochs it decides here too, from the same numbers and with the same draws from
`random_state`: the order of the rows, when to stop, the learning rate. What it computes within an epoch, batch by batch
in NumPy, is the program's work. A batch weighs as much as its rows or, if these have weights, as their sum: losses and
gradients are divided by that, and so is the penalty. As the order of an epoch is known before it begins, so are these
numbers: rows go into the program with their share of their batch, and each step with its factor of the penalty.
"""

from __future__ import annotations

import inspect
import warnings
from typing import Any, NamedTuple

import numpy as np
from scipy.special import xlogy
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import _multilayer_perceptron
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from fastbp import optimizers
from fastbp.callbacks import CallbackList, check_callbacks
from fastbp.data import Kind, check_x
from fastbp.optimizers.base import PENALTY
from fastbp.sklearn.network import Network, network_of
from fastbp.trainer import Pace, Progress, each_batch, inference_batch, run_chunks

THEIR_FIT = inspect.signature(_multilayer_perceptron.BaseMultilayerPerceptron._fit)
WEIGHTED = "sample_weight" in THEIR_FIT.parameters  # since scikit-learn 1.7


class Part(NamedTuple):
    """Rows to train on or to validate with, as scikit-learn has them."""

    X: Any
    y: np.ndarray
    weights: np.ndarray | None


class Data:
    """Rows as the kernels take them, for a network."""

    def __init__(self, network: Network, part: Part) -> None:
        plan = network.plan
        self.x = check_x(part.X, plan.sizes[0], plan.dtype)
        self.size = self.x.shape[0]
        if plan.activations[-1] == "softmax":
            self.y = np.ascontiguousarray(part.y.argmax(axis=1), np.int32)
        else:
            self.y = np.ascontiguousarray(part.y, plan.dtype).reshape(self.size, -1)
        self.weights = None if part.weights is None else np.asarray(part.weights, np.float64)
        # what scikit-learn's Poisson deviance has beside the part that depends on predictions, of each row
        self.rest = None
        if plan.activations[-1] == "exp":
            y = self.y.astype(np.float64)
            self.rest = (xlogy(y, y) - y).sum(axis=1)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What a program has to know of them."""
        return (Kind(self.y.ndim == 1, self.weights is not None),)

    def arrays(self, shares: np.ndarray | None) -> list[Any]:
        """Inputs, targets and the rows' shares of their batches, as a program binds them."""
        if shares is None:
            return [self.x, self.y]
        return [self.x, self.y, shares.astype(self.y.dtype if self.y.ndim > 1 else self.x.dtype).reshape(-1, 1)]

    def shares(self, order: np.ndarray, batch: int) -> tuple[np.ndarray | None, np.ndarray]:
        """Each row's weight times rows over weight of its batch (None: 1); and the weight of each batch."""
        starts = np.arange(0, self.size, batch)
        rows = np.minimum(batch, self.size - starts)
        if self.weights is None:
            return None, rows
        sums = np.add.reduceat(self.weights[order], starts)
        if not sums.all():
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        shares = np.empty(self.size)
        shares[order] = self.weights[order] * np.repeat(rows / sums, rows)
        return shares, sums

    def loss(self, network: Network, totals: np.ndarray, shares: np.ndarray | None) -> np.float64:
        """What scikit-learn reports of an epoch: the mean of the rows' losses, and of the batches' penalties."""
        whole = network.reported * totals[0] + totals[1:].sum()
        if self.rest is not None:
            whole += self.rest.sum() if shares is None else shares @ self.rest
        return np.float64(whole / self.size)


def split(estimator: Any, part: Part) -> tuple[Part, Part | None]:
    """The rows to train on, and those that early stopping validates with, in scikit-learn's own split."""
    if not estimator.early_stopping:
        return part, None
    arrays = [array for array in part if array is not None]
    parts = train_test_split(
        *arrays,
        random_state=estimator._random_state,
        test_size=estimator.validation_fraction,
        stratify=part.y if is_classifier(estimator) and estimator.n_outputs_ == 1 else None,
    )
    train, held_out = (Part(*parts[k::2], *[None] * (len(part) - len(arrays))) for k in (0, 1))
    if held_out.X.shape[0] < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
    return train, held_out


def batch_rows(estimator: Any, rows: int) -> int:
    """Rows of a step."""
    if estimator.batch_size == "auto":
        return min(200, rows)
    if estimator.batch_size > rows:
        warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", UserWarning)
    return int(min(max(estimator.batch_size, 1), rows))


def warn(message: str, category: type[Warning]) -> None:
    """Warn as from scikit-learn's module, which filters go by."""
    home = _multilayer_perceptron
    line = home.BaseMultilayerPerceptron._fit_stochastic.__code__.co_firstlineno
    warnings.warn_explicit(message, category, str(home.__file__), line, home.__name__)


class Stepper:
    """The optimizer of a model on the state that scikit-learn's optimizer has."""

    def __init__(self, estimator: Any, network: Network) -> None:
        self.theirs = estimator._optimizer
        self.adam = isinstance(self.theirs, AdamOptimizer)  # whatever solver is wanted now: partial_fit goes on with it
        dtype = network.plan.dtype
        if self.adam:
            least = float(np.finfo(dtype).tiny)
            betas = self.theirs.beta_1, self.theirs.beta_2
            self.ours: Any = optimizers.Adam(
                self.theirs.learning_rate_init, *betas, max(float(self.theirs.epsilon), least)
            )
        else:
            self.ours = optimizers.SGD(self.theirs.learning_rate, self.theirs.momentum, self.theirs.nesterov)
        network.model.compile(self.ours, network.loss, loss_weights=network.scale)
        network.model.attach_optimizer()
        self._share_state(network)
        self.rate = self.ours.learning_rate  # unless a callback changes it
        self.steps = self.theirs.t if self.adam else 0

    def _share_state(self, network: Network) -> None:
        """Let both optimizers have the same arrays."""
        slots = ("ms", "vs") if self.adam else ("velocities",)
        variables = {id(variable.value): variable for variable in network.model.weights}
        for name, flat in zip(slots, self.ours.state, strict=False):
            views = [self.ours.part(flat, variables[id(value)]) for value in _learned(network)]
            for view, given in zip(views, getattr(self.theirs, name), strict=True):
                view[...] = given
            setattr(self.theirs, name, views)

    def numbers(self, weights: np.ndarray) -> np.ndarray:
        """Those of the steps of an epoch, on batches of these weights."""
        ours, theirs = self.ours, self.theirs
        if ours.learning_rate != self.rate:
            theirs.learning_rate = ours.learning_rate
        elif not self.adam and theirs.learning_rate != self.rate:
            ours.learning_rate = theirs.learning_rate
        self.rate = ours.learning_rate
        numbers: np.ndarray = ours.steps(self.steps, len(weights)).copy()
        numbers[:, PENALTY] = 1 / weights
        return numbers

    def count(self, numbers: np.ndarray) -> None:
        """Note that these steps are done."""
        self.steps += len(numbers)
        if self.adam and len(numbers):
            self.theirs.t, self.theirs.learning_rate = self.steps, float(numbers[-1, 0])


def _learned(network: Network) -> list[np.ndarray]:
    """The parameters in the order of scikit-learn's optimizers; then those of normalisations."""
    learned = [norm[name] for norm in network.norms for name in ("gamma", "beta")]
    return [*network.kernels, *network.biases, *learned]


def make_optimizer(estimator: Any, parameters: list[np.ndarray]) -> Any:
    """scikit-learn's own, which keeps the learning rate and says when to stop."""
    if estimator.solver == "adam":
        options: tuple[Any, ...] = estimator.beta_1, estimator.beta_2, estimator.epsilon
        return AdamOptimizer(parameters, estimator.learning_rate_init, *options)
    options = estimator.learning_rate, estimator.momentum, estimator.nesterovs_momentum, estimator.power_t
    return SGDOptimizer(parameters, estimator.learning_rate_init, *options)


class Training:
    """One call of `fit` or `partial_fit` with a stochastic solver."""

    def __init__(self, estimator: Any, part: Part, incremental: bool) -> None:
        if estimator.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        self.estimator, self.incremental = estimator, incremental
        self.train, self.held_out = split(estimator, part)
        self.network = network = network_of(estimator, estimator.coefs_[0].dtype)
        if not incremental or not hasattr(estimator, "_optimizer"):
            estimator._optimizer = make_optimizer(estimator, _learned(network))
        if network.stepper is None or network.stepper.theirs is not estimator._optimizer:
            network.stepper = Stepper(estimator, network)
        self.stepper: Stepper = network.stepper
        self.data = Data(network, self.train)
        self.set_validation()
        self.batch = batch_rows(estimator, self.data.size)
        self.order = np.arange(self.data.size)
        self.pace = Pace()
        self.best: list[Any] = []

    def set_validation(self) -> None:
        """What an epoch is validated with: scikit-learn's arguments, and the same rows as the kernels take them."""
        estimator, held_out = self.estimator, self.held_out
        if held_out is None:
            self.scored: tuple[Any, ...] = (None, None, None)
        else:
            y = held_out.y
            if is_classifier(estimator):
                y = estimator._label_binarizer.inverse_transform(y)
            self.scored = (held_out.X, y, held_out.weights)
            self.validation = Data(self.network, held_out)
            if not hasattr(estimator, "validation_loss_curve_"):  # the first epochs were scikit-learn's
                estimator.validation_loss_curve_ = []
        if not WEIGHTED:
            self.scored = self.scored[:2]

    def run(self) -> None:
        """Epochs until one of scikit-learn's reasons to stop, a callback's, or Ctrl-C."""
        estimator, model = self.estimator, self.network.model
        params = {"epochs": estimator.max_iter, "steps": -(-self.data.size // self.batch), "verbose": 0}
        model.stop_training, model.progress, estimator.n_iter_ = False, Progress(), 0
        try:
            listeners = check_callbacks(estimator.callbacks)
            with CallbackList(listeners, model, params) as calls, calls.running("train") as last:
                while estimator.n_iter_ < estimator.max_iter:
                    last.update(self.epoch(calls))
                    if self.ends() or self.incremental or model.stop_training:
                        break
                    if estimator.n_iter_ == estimator.max_iter:
                        self.warn()
        except KeyboardInterrupt:
            warn("Training interrupted by user.", UserWarning)
        if estimator.early_stopping:
            estimator.coefs_, estimator.intercepts_ = estimator._best_coefs, estimator._best_intercepts
            for norm, best in zip(self.network.norms, self.best, strict=False):
                for name, value in best.items():
                    norm[name][...] = value
            self.network.adopt(estimator)

    def epoch(self, calls: CallbackList) -> dict[str, Any]:
        """One epoch, and what scikit-learn notes of it."""
        estimator, progress = self.estimator, self.network.model.progress
        progress.rate, progress.step = self.stepper.ours.learning_rate, 0
        calls.call("on_epoch_begin", estimator.n_iter_, {})
        if estimator.shuffle:  # with the draws of sklearn.utils.shuffle, which takes as long as a step to begin
            drawn = np.arange(self.data.size)
            estimator._random_state.shuffle(drawn)
            self.order = self.order[drawn]
        estimator.loss_ = self.steps(calls)
        estimator.n_iter_ += 1
        estimator.t_ += self.data.size
        estimator.loss_curve_.append(estimator.loss_)
        if estimator.verbose:
            print(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")
        logs = {"loss": estimator.loss_, **self.validate()}
        progress.epoch += 1
        calls.call("on_epoch_end", estimator.n_iter_ - 1, logs)
        return logs

    def steps(self, calls: CallbackList) -> np.float64:
        """The steps of an epoch; returns its loss."""
        model, data, batch, stepper = self.network.model, self.data, self.batch, self.stepper
        shares, weights = data.shares(self.order, batch)
        numbers = stepper.numbers(weights)
        program = model.executable("train", batch, data.kinds)
        before = stepper.steps

        def run(first: int, end: int) -> None:
            now = numbers[first // batch : -(-end // batch)]
            program.steps_done = 0
            try:
                program.run(first, end - first, now, 1, before + first // batch)
            finally:  # Ctrl-C is heard when the steps are done
                stepper.count(now[: program.steps_done])

        def report(first: int, end: int) -> dict[str, Any]:
            return {"loss": data.loss(self.network, program.totals[0], shares) * data.size / end}

        def hear(done: int) -> bool:
            model.progress.step = -(-done // batch)
            if calls.listeners("on_chunk"):
                calls.call("on_chunk", model.progress.step, report(0, done))
            return bool(model.stop_training)

        program.bind(data.arrays(shares), self.order)
        program.reset()
        try:
            run_chunks(each_batch(run, batch, calls, "train", report, 0), data.size, batch, self.pace, 0, hear)
        finally:
            program.release()
        return data.loss(self.network, program.totals[0], shares)

    def validate(self) -> dict[str, Any]:
        """Score, best weights and loss of the rows held out; the count of epochs without improvement."""
        estimator = self.estimator
        best = estimator.best_validation_score_
        estimator._update_no_improvement_count(estimator.early_stopping, *self.scored)
        if self.held_out is None:
            return {}
        loss = self.validation_loss()
        estimator.validation_loss_curve_.append(loss)
        if estimator.best_validation_score_ != best:
            self.best = [{name: value.copy() for name, value in norm.items()} for norm in self.network.norms]
        return {"val_score": estimator.validation_scores_[-1], "val_loss": loss}

    def validation_loss(self) -> np.float64:
        """Mean loss of the rows held out, without the penalty."""
        data = self.validation
        shares, _ = data.shares(np.arange(data.size), data.size)
        program = self.network.model.executable("evaluate", inference_batch(data.size), data.kinds)
        program.bind(data.arrays(shares))
        program.reset()
        try:
            program.run(0, data.size)
        finally:
            program.release()
        return data.loss(self.network, program.totals[0, :1], shares)

    def ends(self) -> bool:
        """Whether enough epochs were no better; an adaptive learning rate falls first."""
        estimator, optimizer = self.estimator, self.estimator._optimizer
        optimizer.iteration_ends(estimator.t_)
        if estimator._no_improvement_count <= estimator.n_iter_no_change:
            return False
        what = "Validation score" if estimator.early_stopping else "Training loss"
        limits = f"tol={estimator.tol:f} for {estimator.n_iter_no_change} consecutive epochs"
        message = f"{what} did not improve more than {limits}."
        if optimizer.trigger_stopping(message, estimator.verbose):
            return True
        estimator._no_improvement_count = 0
        return False

    def warn(self) -> None:
        """All epochs are done, and the loss still falls."""
        most = f"Maximum iterations ({self.estimator.max_iter}) reached"
        warn(f"Stochastic Optimizer: {most} and the optimization hasn't converged yet.", ConvergenceWarning)
