"""Floor 2. Schedules: the learning rate as a function of the step.

A schedule is asked for all steps of a chunk at once, in float64, before they run; inside, a step size is a number that
lies ready. Names, arguments and formulas are Keras's where Keras has the schedule. Steps count from 0: the first update
uses the rate of step 0.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import numpy as np

from fastbp.registry import Configured, class_name
from fastbp.utils import check_count, check_flag, check_number, resolve


class LearningRateSchedule(Configured):
    """Base of all schedules; a subclass defines `rates`, and its constructor's arguments are attributes.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> class Noam(fb.schedules.LearningRateSchedule):
    ...     "Vaswani et al. 2017, section 5.3."
    ...     def __init__(self, width, warmup_steps):
    ...         self.width, self.warmup_steps = width, warmup_steps
    ...
    ...     def rates(self, steps):
    ...         t = steps + 1
    ...         return self.width**-0.5 * np.minimum(t**-0.5, t * self.warmup_steps**-1.5)
    >>> Noam(512, 4000)(3999)
    0.0006987712429686843
    """

    name = ""

    def rates(self, steps: np.ndarray) -> np.ndarray:
        """Learning rates of these steps; both float64 of shape (count,)."""
        raise NotImplementedError

    def __call__(self, step: Any) -> Any:
        """Learning rate of a step, a float; or of an array of them."""
        steps = np.asarray(step, np.float64)
        flat = steps if steps.ndim == 1 else steps.reshape(-1)
        rates = np.asarray(self.rates(flat), np.float64)
        if rates.shape != flat.shape:
            raise ValueError(f"expected {self!r} to give {flat.size} rates, got shape {rates.shape}")
        if not 0 <= rates.min(initial=0) <= rates.max(initial=0) < inf:
            wrong = int(np.argmin(np.isfinite(rates) & (rates >= 0)))
            raise ValueError(
                f"expected learning_rate as a finite number of at least 0 at every step, "
                f"got {rates[wrong]:g} at step {flat[wrong]:g}"
            )
        return rates.reshape(steps.shape) if steps.ndim else float(rates[0])

    def get_config(self) -> dict[str, Any]:
        """Name and arguments, plain data, as `get` takes them."""
        options = {key: getattr(self, key) for key in inspect.signature(type(self)).parameters}
        return {"name": self.name or class_name(type(self)), **options}

    def __repr__(self) -> str:
        arguments = self.get_config()
        del arguments["name"]
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


class Constant(LearningRateSchedule):
    """The same rate at every step; what a number for `learning_rate` becomes.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.schedules.Constant(0.1)(1000)
    0.1
    """

    name = "constant"

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = check_number("learning_rate", learning_rate, 0)

    def __call__(self, step: Any) -> Any:
        """The rate, or an array of it. It was checked once; who asks at every batch waits for this."""
        return self.learning_rate if isinstance(step, int) else super().__call__(step)

    def rates(self, steps: np.ndarray) -> np.ndarray:
        """The rate, again and again."""
        return np.full(steps.shape, self.learning_rate)


class Function(LearningRateSchedule):
    """Any callable of the step, called with each number from 0 on; what one given for `learning_rate` becomes.

    It runs in Python, once for each step, before the steps: write a subclass of `LearningRateSchedule` for very small
    steps. It cannot be saved.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.schedules.Function(lambda step: 0.1 if step < 100 else 0.01)([99, 100])
    array([0.1 , 0.01])
    """

    name = "function"

    def __init__(self, function: Callable[[int], float]) -> None:
        self.function = function

    def rates(self, steps: np.ndarray) -> np.ndarray:
        """What the function returns."""
        values = map(self.function, steps.astype(np.int64).tolist())
        return np.array([check_number("the learning rate of a step", value, 0) for value in values])

    def get_config(self) -> dict[str, Any]:
        """Not possible: a function is no data."""
        raise TypeError(f"expected learning_rate as a number or a LearningRateSchedule to be saved, got {self!r}")

    def __repr__(self) -> str:
        return f"Function({self.function!r})"


class ExponentialDecay(LearningRateSchedule):
    """initial_learning_rate * decay_rate ^ (step / decay_steps).

    Parameters
    ----------
    initial_learning_rate : float
        At least 0.
    decay_steps : int
        Steps in which the rate is multiplied by decay_rate.
    decay_rate : float
        Above 0.
    staircase : bool
        Only every decay_steps steps, all at once.

    Raises
    ------
    ValueError
        If an argument is not a number in its range.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.schedules.ExponentialDecay(0.1, decay_steps=100, decay_rate=0.5)([0, 100, 300])
    array([0.1   , 0.05  , 0.0125])
    """

    name = "exponential_decay"

    def __init__(
        self, initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False
    ) -> None:
        self.initial_learning_rate = check_number("initial_learning_rate", initial_learning_rate, 0)
        self.decay_steps = check_count("decay_steps", decay_steps, 1)
        self.decay_rate = check_number("decay_rate", decay_rate, 0, ends="(]")
        self.staircase = check_flag("staircase", staircase)

    def rates(self, steps: np.ndarray) -> np.ndarray:
        """The rate, decayed."""
        return self.initial_learning_rate * self.decay_rate ** self._periods(steps)

    def _periods(self, steps: np.ndarray) -> np.ndarray:
        return np.floor(steps / self.decay_steps) if self.staircase else steps / self.decay_steps


class StepDecay(ExponentialDecay):
    """Multiplied by decay_rate every decay_steps steps: `ExponentialDecay` with its staircase.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.schedules.StepDecay(0.1, decay_steps=100)([99, 100, 250])
    array([0.1  , 0.01 , 0.001])
    """

    name = "step_decay"

    def __init__(self, initial_learning_rate: float, decay_steps: int, decay_rate: float = 0.1) -> None:
        super().__init__(initial_learning_rate, decay_steps, decay_rate, staircase=True)


class InverseTimeDecay(ExponentialDecay):
    """initial_learning_rate / (1 + decay_rate * step / decay_steps). Arguments as `ExponentialDecay`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.schedules.InverseTimeDecay(0.1, decay_steps=100, decay_rate=1.0)([0, 100, 300])
    array([0.1  , 0.05 , 0.025])
    """

    name = "inverse_time_decay"

    def rates(self, steps: np.ndarray) -> np.ndarray:
        """The rate, decayed."""
        return self.initial_learning_rate / (1 + self.decay_rate * self._periods(steps))


class PolynomialDecay(LearningRateSchedule):
    """(initial - end) * (1 - step / decay_steps) ^ power + end; from decay_steps on, end.

    Parameters
    ----------
    initial_learning_rate : float
        At least 0.
    decay_steps : int
    end_learning_rate : float
        At least 0.
    power : float
        At least 0; 1 is a straight line.
    cycle : bool
        At the end, go on with the next multiple of decay_steps.

    Raises
    ------
    ValueError
        If an argument is not a number in its range.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.schedules.PolynomialDecay(0.1, decay_steps=100, end_learning_rate=0.0)([0, 50, 100, 150])
    array([0.1 , 0.05, 0.  , 0.  ])
    """

    name = "polynomial_decay"

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
    ) -> None:
        self.initial_learning_rate = check_number("initial_learning_rate", initial_learning_rate, 0)
        self.decay_steps = check_count("decay_steps", decay_steps, 1)
        self.end_learning_rate = check_number("end_learning_rate", end_learning_rate, 0)
        self.power = check_number("power", power, 0)
        self.cycle = check_flag("cycle", cycle)

    def rates(self, steps: np.ndarray) -> np.ndarray:
        """The rate on its way to the end."""
        periods = np.maximum(np.ceil(steps / self.decay_steps), 1) if self.cycle else 1.0
        left = 1 - np.minimum(steps / (self.decay_steps * periods), 1)
        return (self.initial_learning_rate - self.end_learning_rate) * left**self.power + self.end_learning_rate


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[0] up to and with step boundaries[0], then values[1] up to boundaries[1], and so on.

    Parameters
    ----------
    boundaries : sequence of int
        Steps, in rising order.
    values : sequence of float
        One more than boundaries.

    Raises
    ------
    ValueError
        If the numbers do not rise, or do not fit in number.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.schedules.PiecewiseConstantDecay([100, 200], [0.1, 0.05, 0.01])([100, 101, 201])
    array([0.1 , 0.05, 0.01])
    """

    name = "piecewise_constant_decay"

    def __init__(self, boundaries: Sequence[int], values: Sequence[float]) -> None:
        self.boundaries = [check_count("boundaries", boundary, 0) for boundary in boundaries]
        self.values = [check_number("values", value, 0) for value in values]
        if sorted(set(self.boundaries)) != self.boundaries:
            raise ValueError(f"expected boundaries that rise, got {self.boundaries}")
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(f"expected {len(self.boundaries) + 1} values, got {len(self.values)}")

    def rates(self, steps: np.ndarray) -> np.ndarray:
        """The values in their places."""
        return np.array(self.values)[np.searchsorted(self.boundaries, steps)]


class CosineDecay(LearningRateSchedule):
    """Half a cosine wave from the initial rate down to alpha times it (Loshchilov & Hutter 2017), without restarts.

    With `warmup_target` there are first warmup_steps steps in a straight line from the initial rate to the target, and
    the cosine falls from there.

    Parameters
    ----------
    initial_learning_rate : float
        At least 0.
    decay_steps : int
        Of the cosine.
    alpha : float
        Share of the highest rate at which the cosine ends, from 0 to 1.
    warmup_target : float, optional
        At least 0.
    warmup_steps : int

    Raises
    ------
    ValueError
        If an argument is not a number in its range, or there are steps of warm-up without a target.

    Examples
    --------
    >>> import fastbp as fb
    >>> schedule = fb.schedules.CosineDecay(0.0, decay_steps=100, warmup_target=0.1, warmup_steps=10)
    >>> schedule([0, 5, 10, 60, 110, 200]).round(4)
    array([0.  , 0.05, 0.1 , 0.05, 0.  , 0.  ])
    """

    name = "cosine_decay"

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.initial_learning_rate = check_number("initial_learning_rate", initial_learning_rate, 0)
        self.decay_steps = check_count("decay_steps", decay_steps, 1)
        self.alpha = check_number("alpha", alpha, 0, 1)
        self.warmup_target = None if warmup_target is None else check_number("warmup_target", warmup_target, 0)
        self.warmup_steps = check_count("warmup_steps", warmup_steps, 0)
        if self.warmup_steps and self.warmup_target is None:
            raise ValueError(f"expected a warmup_target for {self.warmup_steps} warmup_steps, got None")

    def rates(self, steps: np.ndarray) -> np.ndarray:
        """The rate, up and down."""
        start = self.initial_learning_rate
        top = start if self.warmup_target is None else self.warmup_target
        down = top * _cosine(np.clip((steps - self.warmup_steps) / self.decay_steps, 0, 1), self.alpha)
        up = start + (top - start) * steps / max(self.warmup_steps, 1)
        return np.where(steps < self.warmup_steps, up, down)


class CosineDecayRestarts(LearningRateSchedule):
    """`CosineDecay` that starts again and again, SGDR (Loshchilov & Hutter 2017).

    Parameters
    ----------
    initial_learning_rate : float
        At least 0.
    first_decay_steps : int
        Length of the first period.
    t_mul : float
        How many times longer each period is than the one before, at least 1.
    m_mul : float
        How many times higher each starts, above 0.
    alpha : float
        Share of the initial rate at which the periods end, from 0 to 1.

    Raises
    ------
    ValueError
        If an argument is not a number in its range.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.schedules.CosineDecayRestarts(0.1, 100, m_mul=0.5)([0, 50, 100, 200, 300])
    array([0.1  , 0.05 , 0.05 , 0.025, 0.025])
    """

    name = "cosine_decay_restarts"

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
    ) -> None:
        self.initial_learning_rate = check_number("initial_learning_rate", initial_learning_rate, 0)
        self.first_decay_steps = check_count("first_decay_steps", first_decay_steps, 1)
        self.t_mul = check_number("t_mul", t_mul, 1)
        self.m_mul = check_number("m_mul", m_mul, 0, ends="(]")
        self.alpha = check_number("alpha", alpha, 0, 1)

    def rates(self, steps: np.ndarray) -> np.ndarray:
        """The rate, down and back."""
        done = steps / self.first_decay_steps
        if self.t_mul == 1:
            restarts = np.floor(done)
            into = done - restarts
        else:  # periods of 1, t_mul, t_mul^2, ... times the first, as many as there can be
            count = 2 + int(np.log1p(done.max(initial=0) * (self.t_mul - 1)) / np.log(self.t_mul))
            lengths = self.t_mul ** np.arange(count)
            starts = np.concatenate(([0], np.cumsum(lengths[:-1])))
            restarts = np.searchsorted(starts, done, side="right") - 1
            into = (done - starts[restarts]) / lengths[restarts]
        return self.initial_learning_rate * _cosine(into, self.alpha, self.m_mul**restarts)


class OneCycle(LearningRateSchedule):
    """One rise to a high rate and one long fall, both half cosine waves (Smith 2018), with PyTorch's arguments.

    From max_learning_rate / div_factor up to max_learning_rate, then down to the first rate / final_div_factor, and
    there it stays.

    Parameters
    ----------
    max_learning_rate : float
        At least 0.
    total_steps : int
        Of the whole training.
    pct_start : float
        Share of them in which the rate rises, from 0 to 1.
    div_factor, final_div_factor : float
        At least 1.

    Raises
    ------
    ValueError
        If an argument is not a number in its range.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.schedules.OneCycle(0.1, total_steps=101, pct_start=51 / 101)([0, 25, 50, 100]).round(6)
    array([0.004, 0.052, 0.1  , 0.   ])
    """

    name = "one_cycle"

    def __init__(
        self,
        max_learning_rate: float,
        total_steps: int,
        pct_start: float = 0.3,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ) -> None:
        self.max_learning_rate = check_number("max_learning_rate", max_learning_rate, 0)
        self.total_steps = check_count("total_steps", total_steps, 1)
        self.pct_start = check_number("pct_start", pct_start, 0, 1)
        self.div_factor = check_number("div_factor", div_factor, 1)
        self.final_div_factor = check_number("final_div_factor", final_div_factor, 1)

    def rates(self, steps: np.ndarray) -> np.ndarray:
        """The rate, up and down."""
        top, last = max(self.pct_start * self.total_steps - 1, 0), self.total_steps - 1
        first = self.max_learning_rate / self.div_factor
        up = first + (self.max_learning_rate - first) * _cosine(1 - np.clip(steps / max(top, 1), 0, 1))
        end = first / self.final_div_factor
        fallen = np.clip((steps - top) / max(last - top, 1), 0, 1)
        return np.where(steps < top, up, end + (self.max_learning_rate - end) * _cosine(fallen))


def _cosine(done: np.ndarray, alpha: float = 0.0, height: Any = 1.0) -> np.ndarray:
    """From `height` down to 0 as `done` goes from 0 to 1, on half a cosine wave, raised to end at alpha."""
    wave: np.ndarray = (1 - alpha) * 0.5 * height * (1 + np.cos(np.pi * done)) + alpha
    return wave


_CLASSES = (
    *(Constant, ExponentialDecay, StepDecay, InverseTimeDecay, PolynomialDecay, PiecewiseConstantDecay),
    *(CosineDecay, CosineDecayRestarts, OneCycle),
)
SCHEDULES: dict[str, type[LearningRateSchedule]] = {cls.name: cls for cls in _CLASSES}


def get(given: Any) -> LearningRateSchedule:
    """Schedule of a number, a callable, an object or a configuration.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.schedules.get(0.1)
    Constant(learning_rate=0.1)
    >>> fb.schedules.get({"name": "step_decay", "initial_learning_rate": 0.1, "decay_steps": 10})
    StepDecay(initial_learning_rate=0.1, decay_steps=10, decay_rate=0.1)
    """
    if isinstance(given, (LearningRateSchedule, dict)):
        found: LearningRateSchedule = resolve("schedule", LearningRateSchedule, SCHEDULES, given)
        return found
    if callable(given):
        return Function(given)
    return Constant(given)
