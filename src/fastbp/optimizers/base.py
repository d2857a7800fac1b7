"""Floor 2. The base of all optimizers: step sizes, what is done to gradients and weights beside the rule, and state.

The state is one flat array per slot, parallel to the model's flat parameters, so an update reads both in step. All that
changes from step to step is worked out here for many steps at a time; the kernels read numbers.
"""

import inspect
import weakref
from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any, Self, TypedDict

import numpy as np

from fastbp import schedules
from fastbp._core import _dense, _memory
from fastbp.utils import check_count, check_flag, check_number

NUMBERS, PENALTY = 9, 8  # how many `_ops.Numbers` has, and which is the factor of penalties
AHEAD = 64  # steps that are worked out together where the rate is constant
LearningRate = Any  # a number, a LearningRateSchedule, a callable of the step, or a schedule's configuration


class OptionsButDecay(TypedDict, total=False):
    """What every optimizer takes besides its own arguments and the weight decay; see `Optimizer`."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    gradient_accumulation_steps: int | None
    learning_rate_multipliers: Mapping[str, float] | None


class Options(OptionsButDecay, total=False):
    """What every optimizer takes besides its own arguments; see `Optimizer`."""

    weight_decay: float | None


class Optimizer:
    """Base: what the compiler and the trainer read, and the options of every optimizer.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
        η, at least 0; or that of each update, as a function of the updates done.
    weight_decay : float, optional
        λ of decoupled weight decay, w ← w - η λ w before each update (Loshchilov & Hutter 2019). Of all parameters,
        biases too, as in Keras.
    clipnorm : float, optional
        Each parameter's gradient is scaled down to this norm (Pascanu, Mikolov & Bengio 2013).
    clipvalue : float, optional
        Every element of a gradient is cut to [-clipvalue, clipvalue].
    global_clipnorm : float, optional
        All gradients together are scaled down to this norm. At most one of the three may be given.
    use_ema : bool
        Keep an exponential moving average of the weights that learn (Polyak & Juditsky 1992): after the first update
        the weights themselves, then ema_momentum * average + (1 - ema_momentum) * weights. See
        `Sequential.averaged_weights`.
    ema_momentum : float
        From 0 to 1.
    ema_overwrite_frequency : int, optional
        After so many updates, again and again, the weights become their averages.
    gradient_accumulation_steps : int, optional
        Parameters change in every so many batches, by the mean of those batches' gradients. Schedules and
        `iterations` count updates; what a batch at the end of `fit` has begun the next `fit` goes on with.
    learning_rate_multipliers : dict of str to float, optional
        Factors of the learning rate for layers ("dense_1") or single weights ("dense_1/bias") by their names. The
        weight's own name counts more than its layer's. What is multiplied by 0 is not computed at all.

    Attributes
    ----------
    name : str
        What `get` and `get_config` call it.
    options : tuple of str
        The attributes that `get_config` reports besides those above.
    kernel : str
        The kernel that applies the update.
    slots : int
        State arrays per parameter that the rule has.
    start : float
        What these are at first.
    schedule : LearningRateSchedule
        Of the learning rate.
    batches : int
        Steps done so far.
    state : list of ndarray
        Flat arrays, once a model trains with it: one a slot, then the weights' average and the gradients' mean, where
        there are such.
    """

    name = ""
    options: tuple[str, ...] = ("learning_rate",)
    kernel = ""
    slots = 0
    start = 0.0
    schedule: schedules.LearningRateSchedule
    batches: int
    state: list[np.ndarray]
    average: np.ndarray | None
    swapped = False  # whether weights and averages are in each other's place
    mean_gradient: np.ndarray | None
    _ahead: tuple[int, np.ndarray]  # the steps asked for last: number of batches before, and their numbers
    _owner: weakref.ref[object] | None
    _parameters: np.ndarray | None
    _offsets: dict[Any, int]  # of the variables in the state; their own change when they move to another buffer

    def __init__(
        self,
        learning_rate: LearningRate,
        momentum: float = 0.0,
        decay: float = 0.0,
        epsilon: float | None = None,
        *,
        weight_decay: float | None = 0.0,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        gradient_accumulation_steps: int | None = None,
        learning_rate_multipliers: Mapping[str, float] | None = None,
    ) -> None:
        self.learning_rate = learning_rate
        self._momentum, self._decay = momentum, decay
        self._epsilon = None if epsilon is None else check_number("epsilon", epsilon, 0, ends="(]")
        self._weight_decay = 0.0 if weight_decay is None else check_number("weight_decay", weight_decay, 0)
        limits = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        given = {name: check_number(name, limit, 0, ends="(]") for name, limit in limits.items() if limit is not None}
        if len(given) > 1:
            raise ValueError(f"expected at most one of clipnorm, clipvalue and global_clipnorm, got {', '.join(given)}")
        self.clipnorm, self.clipvalue, self.global_clipnorm = map(given.get, limits)
        self.use_ema = check_flag("use_ema", use_ema)
        self.ema_momentum = check_number("ema_momentum", ema_momentum, 0, 1)
        self.ema_overwrite_frequency = _check_optional("ema_overwrite_frequency", ema_overwrite_frequency, 1)
        self.gradient_accumulation_steps = _check_optional(
            "gradient_accumulation_steps", gradient_accumulation_steps, 2
        )
        self.learning_rate_multipliers = _check_multipliers(learning_rate_multipliers)
        self.release()

    # -- constants

    @property
    def momentum(self) -> float:
        """Share of the first state array that a step keeps."""
        return self._momentum

    @property
    def decay(self) -> float:
        """Share of the second state array that a step keeps."""
        return self._decay

    @property
    def epsilon(self) -> float:
        """Added to the denominator; 0 for a rule that has none."""
        return self._epsilon or 0.0

    @property
    def weight_decay(self) -> float:
        """Share of each parameter, times the learning rate, that a step takes off."""
        return self._weight_decay

    # -- steps

    @property
    def learning_rate(self) -> float:
        """Step size of the next update. A number or a schedule may be set between calls of `fit` and between epochs."""
        rate: float = self.schedule(self.iterations)
        return rate

    @learning_rate.setter
    def learning_rate(self, value: LearningRate) -> None:
        self.schedule = schedules.get(value)
        self._ahead = 0, np.zeros((0, NUMBERS))

    @property
    def iterations(self) -> int:
        """Updates done so far."""
        return self.batches // (self.gradient_accumulation_steps or 1)

    def correct(self, numbers: np.ndarray, number: np.ndarray) -> None:
        """What a rule makes of the learning rates of these updates, counted from 1, in place in `numbers`."""

    def rates(self, step: int, count: int) -> np.ndarray:
        """Step sizes of updates step + 1 ... step + count, shape (count,), float64."""
        return self.numbers(step, count)[:, 0]

    def numbers(self, step: int, count: int) -> np.ndarray:
        """All that changes from update to update, of the same updates, shape (count, 9), float64: `_ops.Numbers`."""
        number = np.arange(step + 1.0, step + count + 1)
        numbers = np.zeros((count, NUMBERS))
        numbers[:, PENALTY] = 1
        numbers[:, 0] = self.schedule(number - 1)
        if self.weight_decay:
            numbers[:, 1] = self.weight_decay * numbers[:, 0]
        self.correct(numbers, number)
        if self.use_ema:
            numbers[:, 6] = np.where(number > 1, self.ema_momentum, 0)
            numbers[:, 7] = number % (self.ema_overwrite_frequency or inf) == 0
        return numbers

    def steps(self, batch: int, count: int) -> np.ndarray:
        """The same of the steps on batches batch + 1 ... batch + count, which may be several for an update."""
        first, table = self._ahead
        if not first <= batch <= batch + count <= first + len(table):
            # who goes step by step waits for this; a schedule is not asked ahead, it may end with the training
            more = max(count, AHEAD) if isinstance(self.schedule, schedules.Constant) else count
            self._ahead = first, table = batch, self._steps(batch, more)
        return table[batch - first : batch - first + count]

    def _steps(self, batch: int, count: int) -> np.ndarray:
        group = self.gradient_accumulation_steps or 1
        if group == 1:
            return self.numbers(batch, count)
        number, first = np.arange(batch, batch + count), batch // group
        numbers = self.numbers(first, number[-1] // group + 1 - first)[number // group - first]
        numbers[:, 4] = number % group > 0
        numbers[:, 5] = number % group < group - 1
        return numbers

    # -- parameters

    def claim(self, owner: object) -> None:
        """Belong to this model; ValueError if another one has the optimizer."""
        other = self._owner() if self._owner else None
        if other is not None and other is not owner:
            raise ValueError(f"expected an optimizer of the model's own, got one that another model has: {self}")
        if other is None:
            self.release()
            self._owner = weakref.ref(owner)

    def release(self) -> None:
        """Belong to no model; forget state and steps."""
        self._owner = self._parameters = self.average = self.mean_gradient = None
        self.state, self._offsets = [], {}
        self.batches = 0

    def attach(self, parameters: np.ndarray, variables: Sequence[Any]) -> None:
        """Have state for these flat parameters, which hold these variables.

        That of the same variables goes over if they have moved here; of others it starts anew.
        """
        if self._epsilon is not None:
            check_number("epsilon", self.epsilon, 0, ends="(]", dtype=parameters.dtype)
        for key in self.learning_rate_multipliers or {}:
            if not any(_names(key, variable) for variable in variables):
                names = sorted({variable.path.rpartition("/")[0] for variable in variables})
                raise ValueError(f"expected learning_rate_multipliers of layers {', '.join(names)}, got {key!r}")
        if self._parameters is parameters:
            return
        kept = self.holds(variables)
        before = [self.parts(variable) for variable in variables] if kept else []
        self._parameters, self._offsets = parameters, {variable: variable.offset for variable in variables}
        self._make_state(parameters)
        if not kept:
            self.batches = 0
            return
        for variable, arrays in zip(variables, before, strict=True):
            for part, values in zip(self.parts(variable), arrays, strict=True):
                part[...] = values

    def _make_state(self, parameters: np.ndarray) -> None:
        self.state = [_memory.zeros(parameters.shape, parameters.dtype) for _ in range(self.slots)]
        for array in self.state if self.start else ():
            array.fill(self.start)
        self.average, self.mean_gradient = (
            _memory.zeros(parameters.shape, parameters.dtype) if wanted else None
            for wanted in (self.use_ema, self.gradient_accumulation_steps)
        )
        if self.average is not None:  # of what is frozen now and may learn later, too
            self.average[...] = parameters
        self.state += [array for array in (self.average, self.mean_gradient) if array is not None]

    def holds(self, variables: Sequence[Any]) -> bool:
        """Whether there is state, and for these variables."""
        return self._parameters is not None and self._offsets.keys() == set(variables)

    def parts(self, variable: Any) -> list[np.ndarray]:
        """A variable's part of each array of the state, in the variable's shape."""
        return [self.part(flat, variable) for flat in self.state]

    def part(self, flat: np.ndarray, variable: Any) -> np.ndarray:
        """A variable's part of an array of the state, in the variable's shape."""
        view: np.ndarray = flat[self._offsets[variable] :][: variable.size].reshape(variable.shape)
        return view

    def multiplier(self, variable: Any) -> float:
        """Factor of the learning rate for a variable; 0 if it does not change."""
        names = [key for key in self.learning_rate_multipliers or {} if _names(key, variable)]
        return (self.learning_rate_multipliers or {})[max(names, key=len)] if names else 1.0

    def rule(self, variable: Any) -> _dense.Rule:
        """How a variable changes."""
        return _dense.Rule(
            self.kernel,
            variable.value,
            self.parts(variable)[: self.slots],
            momentum=self.momentum,
            decay=self.decay,
            epsilon=self.epsilon,
            shrink=self.weight_decay,
            clip=inf if self.clipvalue is None else self.clipvalue,
            multiplier=self.multiplier(variable),
            average=None if self.average is None else self.part(self.average, variable),
        )

    # -- averages of the weights

    def swap(self) -> None:
        """Exchange weights and their averages; ValueError if there are none."""
        for weight, average in self._averaged():
            weight[...], average[...] = average.copy(), weight.copy()
        self.swapped = not self.swapped

    def finalize_variable_values(self) -> None:
        """Replace the weights by their averages, for good; ValueError if there are none.

        Examples
        --------
        >>> import numpy as np, fastbp as fb
        >>> model = fb.Sequential([fb.Dense(1, use_bias=False, kernel_initializer="zeros", input_shape=(1,))])
        >>> model.compile(fb.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.5), "mae")
        >>> weights = []
        >>> for _ in range(3):
        ...     loss = model.train_on_batch([[1.0]], [9.0])
        ...     weights.append(float(model.get_weights()[0][0, 0]))
        >>> model.optimizer.finalize_variable_values()
        >>> weights, model.get_weights()
        ([0.5, 1.0, 1.5], [array([[1.125]], dtype=float32)])
        """
        for weight, average in self._averaged():
            weight[...] = average

    def _averaged(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The weights that training changes by their gradients, and their averages: no others have any."""
        if self.average is None or not self.iterations:
            raise ValueError(f"expected weights trained with use_ema=True, got {self.iterations} updates of {self}")
        for variable in self._offsets:
            if variable.trainable and self.multiplier(variable):
                yield variable.value, self.part(self.average, variable)

    # -- configuration

    def get_config(self) -> dict[str, Any]:
        """Name and options, plain data, as `get` and `from_config` take them.

        Raises
        ------
        TypeError
            If the learning rate is a callable that is no LearningRateSchedule.

        Examples
        --------
        >>> import fastbp as fb
        >>> config = fb.optimizers.SGD(fb.schedules.StepDecay(0.1, 100), clipnorm=1.0).get_config()
        >>> config["learning_rate"], config["clipnorm"]
        ({'name': 'step_decay', 'initial_learning_rate': 0.1, 'decay_steps': 100, 'decay_rate': 0.1}, 1.0)
        >>> fb.optimizers.get(config)
        SGD(learning_rate=StepDecay(...), momentum=0.0, nesterov=False, clipnorm=1.0)
        """
        config = {"name": self.name, **{option: getattr(self, option) for option in (*self.options, *SHARED)}}
        if not isinstance(self.schedule, schedules.Constant):
            config["learning_rate"] = self.schedule.get_config()
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The optimizer that `get_config` describes, without state."""
        return cls(**{key: value for key, value in config.items() if key != "name"})

    def __repr__(self) -> str:
        shown = {option: getattr(self, option) for option in self.options}
        if not isinstance(self.schedule, schedules.Constant):
            shown["learning_rate"] = self.schedule
        for option, default in SHARED.items():
            if (value := getattr(self, option)) != default:
                shown[option] = value
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in shown.items())})"


SHARED: dict[str, Any] = {  # the options of all optimizers, with their defaults
    each.name: each.default
    for each in inspect.signature(Optimizer).parameters.values()
    if each.kind is each.KEYWORD_ONLY
}


def _check_optional(name: str, value: object, minimum: int) -> int | None:
    return None if value is None else check_count(name, value, minimum)


def _check_multipliers(given: Mapping[str, float] | None) -> dict[str, float] | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise TypeError(f"expected learning_rate_multipliers as a dict of names to factors, got {given!r}")
    return {key: check_number(f"learning_rate_multipliers[{key!r}]", factor, 0) for key, factor in given.items()}


def _names(key: str, variable: Any) -> bool:
    """Whether a key is the path of a variable, or of what it belongs to."""
    return f"{variable.path}/".startswith(f"{key}/")
