"""Floor 2. The base of all layers: a name, weights, and what to write to the tape."""

from __future__ import annotations

import copy
import itertools
import operator
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Self, TypedDict

import numpy as np

from fastbp import config, constraints, initializers, regularizers
from fastbp.layers.symbol import Node, Symbol
from fastbp.layers.variable import Variable, assign
from fastbp.registry import Configured, decode
from fastbp.utils import check_count, check_flag, described

_counters: defaultdict[str, Any] = defaultdict(itertools.count)


def unique_name(cls: type) -> str:
    """The class in snake case, with a number from the second one on: dense, dense_1, rms_normalization."""
    stem = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()
    number = next(_counters[stem])
    return f"{stem}_{number}" if number else stem


def check_shape(shape: object, what: str = "a row") -> tuple[int, ...]:
    """The shape of a row: (columns,), also when only a number is given, or more axes; or of something else."""
    try:
        sizes: tuple[Any, ...] = (operator.index(shape),)  # type: ignore[arg-type]
    except TypeError:
        sizes = tuple(shape) if isinstance(shape, Iterable) and not isinstance(shape, str) else ()
    if not sizes:
        raise ValueError(f"expected the shape of {what}, such as (784,) or (28, 28), got {shape!r}")
    return tuple(check_count(f"{'columns' if len(sizes) == 1 else 'axes'} of {what}", size, 1) for size in sizes)


def check_made(layer: Layer) -> None:
    """The layer's constructor has called that of its base.

    Raises
    ------
    TypeError
        If not: it has no name, nor anything else of a layer.
    """
    if "_trainable" not in vars(layer):
        constructor = f"{type(layer).__name__}.__init__"
        raise TypeError(f"expected {constructor} to call super().__init__(**options), got a layer without a name")


def shape_behind(layer: Any, *input_shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of a row that comes out of a layer or a network, as it says.

    Raises
    ------
    ValueError
        If it says something else than a shape.
    """
    shape = layer.compute_output_shape(*input_shapes)
    sizes = shape if isinstance(shape, (tuple, list)) else ()
    if not sizes or not all(isinstance(size, (int, np.integer)) and size > 0 for size in sizes):
        method = f"{type(layer).__name__}.compute_output_shape"
        raise ValueError(f"expected {method} to return the shape of a row, such as (5,), got {shape!r}")
    return tuple(map(int, sizes))


def check_variables(layer: Layer, made: Any) -> list[Variable]:
    """What a layer's `variables` returned: its own, of different names, and those of layers inside it.

    Raises
    ------
    TypeError, ValueError
        If it is something else.
    """
    method = f"{type(layer).__name__}.variables"
    if not isinstance(made, (list, tuple)) or not all(isinstance(each, Variable) for each in made):
        raise TypeError(f"expected {method} to return a list of what new_weight makes, got {described(made)}")
    own = [variable.name for variable in made if not variable.holders]
    for name in own:
        if own.count(name) > 1:
            raise ValueError(f"expected {method} to return weights of different names, got {name!r} twice")
    return list(made)


def one_axis(layer: Layer, shape: tuple[int, ...]) -> int:
    """The columns of rows of one axis.

    Raises
    ------
    ValueError
        If they have more.
    """
    if len(shape) != 1:
        raise ValueError(
            f"expected rows of one axis for {layer.name}, got rows of shape {shape}: put a Flatten before it"
        )
    return shape[0]


class Options(TypedDict, total=False):
    """What every layer takes."""

    name: str | None
    dtype: object
    input_shape: object
    trainable: bool


class Layer(Configured):
    """Base of all layers.

    A subclass says what weights it needs (`variables`) and what shape comes out (`compute_output_shape`), which is the
    one that comes in unless it does. One of a user's own computes with NumPy, in `forward` and `backward`; the others
    say which ops compute them (`record`). Called on a symbol, an `Input` or what another layer returned, a layer
    returns the symbol of its output; models are made of such symbols.

    Parameters
    ----------
    name : str, optional
        Unique in a model; counted by class unless given.
    dtype : {"float32", "float64"}, optional
        Must be the same in all layers of a model that name one.
    input_shape : tuple of int, optional
        Shape of a row that comes in; on the first layer it takes the place of an `Input`.
    trainable : bool
        Whether training changes the weights.

    Attributes
    ----------
    weights : list of Variable
        Empty until the layer's input shape is known; they have values once it is part of a model.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> class Gain(fb.layers.Layer):
    ...     def variables(self, shape):
    ...         self.gain = self.new_weight("gain", shape, "ones")
    ...         return [self.gain]
    ...
    ...     def forward(self, x):
    ...         return x * self.gain.value
    ...
    ...     def backward(self, dy, x, y):
    ...         return dy * self.gain.value, (dy * x).sum(axis=0)
    >>> model = fb.Sequential([fb.Input((3,)), Gain(), fb.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> fb.testing.check_gradients(model, np.random.randn(5, 3), np.ones(5)).ok
    True
    """

    merges = False  # whether it is called on several symbols
    changes = 0  # how often `trainable` was set, of any layer: models look again when it has
    index_limit: int | None = None  # where its input has to be indices: what they are below

    def __init__(
        self,
        name: str | None = None,
        dtype: object = None,
        input_shape: object = None,
        trainable: bool = True,
    ) -> None:
        if name is not None and not (isinstance(name, str) and name):
            raise ValueError(f"expected name as a string that is not empty, got {name!r}")
        self.name = name or unique_name(type(self))
        self.dtype = None if dtype is None else config.real_type(dtype)
        self.input_shape: Any = None if input_shape is None else check_shape(input_shape)
        self.output_shape: tuple[int, ...] | None = None
        self.weights: list[Variable] = []
        self._trainable = check_flag("trainable", trainable)
        self._built_for: tuple[tuple[int, ...], ...] = ()  # shapes of rows that come in
        self._call: Node | None = None  # the first

    @property
    def built(self) -> bool:
        """Whether the shapes are known and the weights are there."""
        return self.output_shape is not None

    @property
    def input_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of rows that come in, one from each symbol; empty before they are known."""
        return self._built_for

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; set at any time, it holds from the next step on, inside too."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        flag = check_flag("trainable", value)
        for layer in self.inner:
            layer.trainable = flag
        if flag != self._trainable:
            self._trainable = flag
            Layer.changes += 1

    @property
    def inner(self) -> list[Layer]:
        """The layers inside this one."""
        return []

    def __call__(self, inputs: Any) -> Symbol:
        """The symbol of what comes out where this comes in.

        Parameters
        ----------
        inputs : Symbol or Input; for layers that merge, a sequence of them

        Raises
        ------
        TypeError
            If these are no symbols.
        ValueError
            If the layer cannot take their shapes, or was built for others.
        """
        check_made(self)
        symbols = as_symbols(self, inputs)
        shapes = tuple(symbol.shape for symbol in symbols)
        self.build(*shapes)
        call = Node(self, symbols)
        self._call = self._call or call
        return call.output

    @property
    def output(self) -> Symbol:
        """The symbol of what came out when the layer was first called."""
        if self._call is None:
            raise ValueError(f"expected a layer that was called, got {self!r}, which never was")
        return self._call.output

    def build(self, *input_shapes: tuple[int, ...]) -> None:
        """Fix the shapes and make the variables, still without values; nothing if that was done for these shapes."""
        if self.built and input_shapes == self._built_for:
            return
        known = self._built_for or ((self.input_shape,) if self.input_shape else ())
        if known and input_shapes != known:
            expected, got = (shapes[0] if len(shapes) == 1 else shapes for shapes in (known, input_shapes))
            raise ValueError(f"expected rows of shape {expected} for {self!r}, got {got}")
        output_shape = shape_behind(self, *input_shapes)
        self.weights = check_variables(self, self.variables(*input_shapes))
        self._built_for, self.output_shape = input_shapes, output_shape
        for variable in self.weights:
            variable.holders.append(self)

    def unbuild(self) -> None:
        """Undo `build`."""
        for variable in self.weights:
            variable.holders.remove(self)
        self._forget()

    def _forget(self) -> None:
        self.output_shape, self.weights, self._built_for, self._call = None, [], (), None

    def compute_output_shape(self, *input_shapes: Any) -> tuple[int, ...]:
        """Shape of a row that comes out where rows of this shape come in, or of these where the layer merges.

        Raises
        ------
        ValueError
            If there are several, and the layer does not say what comes out of them.
        """
        if len(set(input_shapes)) != 1:
            raise ValueError(f"expected rows of one shape for {self!r}, got {', '.join(map(str, input_shapes))}")
        return tuple(input_shapes[0])

    def variables(self, *input_shapes: Any) -> list[Variable]:
        """New variables for rows of this shape, or of these where the layer merges."""
        return []

    def new_weight(
        self,
        name: str,
        shape: Any,
        initializer: str | initializers.Initializer = "glorot_uniform",
        learned: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
    ) -> Variable:
        """A variable of this layer, for `variables` to return.

        Parameters
        ----------
        name : str
        shape : tuple of int
        initializer : str or Initializer
        learned : bool
            False for what training does not change.
        regularizer : str or Regularizer, optional
        constraint : str or Constraint, optional

        Returns
        -------
        Variable
            Its `value` is a NumPy array, once the layer is part of a model.
        """
        sizes = check_shape(shape, f"weight {name!r} of {type(self).__name__}")
        limit = constraints.get(constraint)
        if limit is not None:
            limit.check(sizes)
        return Variable(
            name,
            f"{self.name}/{name}",
            sizes,
            initializers.get(initializer),
            learned,
            regularizer=regularizers.get(regularizer),
            constraint=limit,
        )

    def record(self, tape: Any, *inputs: Any) -> Any:
        """Write the layer's ops to a tape; returns the tensor that comes out."""
        return tape.user_forward(self, inputs)

    def forward(self, *inputs: np.ndarray) -> Any:
        """What comes out of a layer that a user wrote, with NumPy.

        Parameters
        ----------
        *inputs : ndarray, shape (rows, ...)
            The batch, or one from each symbol of a layer that merges. Read-only, and only there during the call.

        Returns
        -------
        array_like, shape (rows, *output_shape)
        """
        raise NotImplementedError

    def backward(self, dy: np.ndarray, *saved: np.ndarray) -> Any:
        """The gradients of a layer that a user wrote.

        Parameters
        ----------
        dy : ndarray, shape (rows, *output_shape)
            Of the loss with respect to what came out; the mean over the batch is in it.
        *saved : ndarray
            What came in, and what came out.

        Returns
        -------
        array_like, or tuple of them
            The gradient with respect to what came in, or to each; behind it those of the weights, in the order of
            `variables` and summed over the rows.
        """
        raise NotImplementedError

    def draw_seeds(self, rng: np.random.Generator) -> None:
        """Draw what the layer's random numbers begin with, if it has some and was given nothing."""

    def count_params(self) -> int:
        """Number of weights."""
        return sum(variable.size for variable in self.weights)

    def get_weights(self) -> list[np.ndarray]:
        """Copies of the weight arrays."""
        return [variable.numpy() for variable in self.weights]

    def set_weights(self, weights: Any) -> None:
        """Copy arrays into the weights; if one does not fit, none has changed."""
        if not self.built:
            raise ValueError(f"expected a built layer, but {self.name} does not know its input shape yet")
        assign(self.weights, weights)

    def get_config(self) -> dict[str, Any]:
        """The layer's options, as its constructor takes them."""
        options: dict[str, Any] = {"name": self.name, "dtype": None if self.dtype is None else self.dtype.name}
        return options if self.trainable else {**options, "trainable": False}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The layer that `get_config` describes, without weights."""
        layer = cls(**{key: decode(value) for key, value in config.items() if key != "trainable"})
        # not by the setter: layers inside this one have flags of their own
        layer._trainable = check_flag("trainable", config.get("trainable", True))
        return layer

    def clone(self, dtype: object = None) -> Self:
        """A layer of the same name and options without weights, in another dtype if one is given."""
        twin = copy.copy(self)
        twin._forget()
        twin.dtype = self.dtype if dtype is None else config.real_type(dtype)
        return twin

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


def as_symbols(layer: Layer, inputs: Any) -> tuple[Symbol, ...]:
    """The symbols that a layer is called on: one, or several if it merges."""
    given = tuple(inputs) if layer.merges and isinstance(inputs, (list, tuple)) else (inputs,)
    symbols = tuple(as_symbol(item) for item in given)
    if layer.merges and len(symbols) < 2:
        raise ValueError(f"expected a list of two symbols or more for {layer!r}, got {inputs!r}")
    return symbols


def as_symbol(given: Any) -> Symbol:
    """A symbol itself, or that of an Input."""
    found = getattr(given, "symbol", given)
    if not isinstance(found, Symbol):
        hint = ": arrays go to predict" if hasattr(given, "__array__") else ""
        raise TypeError(
            f"expected a symbol, such as Input((784,)) or what a layer returned, got {described(given)}{hint}"
        )
    return found
