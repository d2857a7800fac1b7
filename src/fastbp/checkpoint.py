"""Floor 3. Checkpoints: a model with all it takes to go on training, in one file of safetensors.

The tensors are the weights by their paths, the optimizer's state by slot and path, and the sums of an epoch under way.
All else is JSON in the file's metadata: layers and the calls of them, how the model is compiled, the state of its
random generator, epoch and step. Reading a file checks what it says against the tensors it has before any memory is
taken, and calls the constructors of known classes only.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from secrets import token_hex
from typing import Any

import numpy as np

from fastbp import random as fastbp_random
from fastbp._version import __version__
from fastbp.compiled import Compiled
from fastbp.layers.variable import assign, taken_from
from fastbp.registry import decode, encode, known, used
from fastbp.trainer import Progress
from fastbp.utils import check_count, check_flag, check_number, check_suffix

Path = str | os.PathLike[str]

VERSION = 1  # of the format
KEY = "fastbp"  # of the JSON text in the metadata
LARGEST_TEXT = 2**24  # characters of it
TOTALS = "progress/totals"
MOST_STEPS = 2**53  # what a float64 can count
NAMED = 8  # names in a message


def save(model: Any, path: Path) -> None:
    """Write a model to a file; see `Model.save`."""
    write(path, *gather(model))


def load(path: Path, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model that `Model.save` has written to a file, compiled and ready to go on.

    Nothing in the file can run code: it names classes of fastbp and those that you name or have registered, and only
    their constructors are called.

    Parameters
    ----------
    path : path-like
    custom_objects : dict of str to class, optional
        Classes and functions of your own, by the names they have in the file; those registered by
        `fastbp.utils.register` are known anyway.

    Returns
    -------
    Model or Sequential

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no whole checkpoint, one of a newer fastbp, or names a class that is not known.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Sequential([fb.Input((2,)), fb.Dense(3, name="scores")])
    >>> model.save("model.safetensors")
    >>> fb.load("model.safetensors").get_layer("scores").units
    3
    """
    with reading(path):
        tensors, description = read(path)
        return restore(tensors, description, custom_objects)


def save_weights(model: Any, path: Path) -> None:
    """Write the weights of a model to a file; see `Model.save_weights`."""
    if not model.built:
        raise ValueError(f"expected a built model, but {model.name} does not know its input shape yet")
    write(path, weights_of(model), {"version": VERSION, "package": __version__})


def load_weights(model: Any, path: Path) -> None:
    """Take the weights of a model from a file; see `Model.load_weights`."""
    if not model.built:
        raise ValueError(f"expected a built model, but {model.name} does not know its input shape yet")
    with reading(path):
        tensors, _ = read(path)
        mine = {variable.path: variable for variable in model.weights}
        own = {name for name in tensors if name in mine or not name.startswith(("optimizer/", TOTALS))}
        check_names(mine, own)
        assign(model.weights, [tensors[name] for name in mine])


def gather(model: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and plain data from which `restore` makes the model again; the arrays are views."""
    # averages in the place of weights are nothing to go on training from
    averaged = model.optimizer is not None and model.optimizer.swapped
    state, progress = (None, None) if averaged else (model.optimizer_state(), model.progress)
    tensors, place = {**weights_of(model), **(state or {})}, None
    if progress is not None:
        place = {key: value for key, value in asdict(progress).items() if key != "totals"}
        if progress.step:
            tensors[TOTALS] = progress.totals
    description = {
        "version": VERSION,
        "package": __version__,
        "model": encode(model),
        "compiled": model.get_compile_config(),
        "batches": None if state is None else model.optimizer.batches,
        "random": model.random.state,
        "progress": place,
    }
    return tensors, description


def gather_with_classes(model: Any) -> tuple[dict[str, np.ndarray], dict[str, Any], dict[str, Any]]:
    """The same with the user's own classes by name: the arguments of `restore`."""
    with used() as classes:
        tensors, description = gather(model)
    return tensors, description, classes


def restore(
    tensors: Mapping[str, np.ndarray], description: Any, custom_objects: Mapping[str, Any] | None = None
) -> Any:
    """A model from what `gather` returns; the global generator goes on as if nothing had been drawn.

    Raises
    ------
    ValueError
        If description and arrays make no model.
    """
    keys = ("model", "compiled", "batches", "random", "progress")
    missing = [key for key in keys if key not in description]
    if missing:
        raise ValueError(f"expected a whole model, got none of {', '.join(missing)}: see load_weights")
    with known(custom_objects), taken_from(tensors), fastbp_random.undisturbed():
        model = decode(description["model"])
        if not isinstance(model, Compiled):
            raise ValueError(f"expected a model, got {model!r}")
        if description["compiled"] is not None:
            model.compile_from_config(description["compiled"])
    names = set(weights_of(model))
    if description["batches"] is not None:
        names |= restore_optimizer(model, tensors, check_steps("batches", description["batches"]))
    if description["progress"] is not None:
        model.progress = make_progress(description["progress"], tensors)
        names |= {TOTALS} if model.progress.step else set()
    check_names(names, tensors)
    model.random.state = description["random"]
    return model


def weights_of(model: Any) -> dict[str, np.ndarray]:
    """The weights by their paths, as views; empty before they are made."""
    return {variable.path: variable.value for variable in model.weights} if model.built else {}


def restore_optimizer(model: Any, tensors: Mapping[str, np.ndarray], batches: int) -> set[str]:
    """Give the optimizer its state and the number of steps back; returns the names of the tensors."""
    if model.optimizer is None or not model.built:
        raise ValueError("expected a compiled and built model where an optimizer has done steps")
    model.attach_optimizer()
    state = model.optimizer_state()
    for name, view in state.items():
        view[...] = take(tensors, name, view.shape, view.dtype)
    model.optimizer.batches = batches
    return set(state)


def make_progress(data: Any, tensors: Mapping[str, np.ndarray]) -> Progress:
    """The progress that a description has."""
    if not isinstance(data, dict) or data.keys() != asdict(Progress()).keys() - {"totals"}:
        raise ValueError(f"expected the progress of a training, got {data!r}")
    epoch, step = (check_steps(key, data[key]) for key in ("epoch", "step"))
    rows, batch = (None if data[key] is None else check_steps(key, data[key]) for key in ("rows", "batch"))
    rate = None if data["rate"] is None else check_number("rate", data["rate"], 0)
    progress = Progress(epoch, step, rows, batch, check_flag("shuffle", data["shuffle"]), rate=rate)
    if step or data["random"] is not None:
        stream = fastbp_random.Stream()
        stream.state = data["random"]  # checked here
        progress.random = stream.state
    if step:
        if batch == 0 or (rows is not None and batch is not None and step > -(-rows // batch)):
            raise ValueError(f"expected a step of the epoch, got {data!r}")
        progress.totals = take(tensors, TOTALS, None, np.dtype(np.float64)).copy()
    return progress


def check_steps(name: str, value: object) -> int:
    """A number of steps or the like."""
    number = check_count(name, value, 0)
    if number > MOST_STEPS:
        raise ValueError(f"expected {name} of at most {MOST_STEPS}, got {number}")
    return number


def take(tensors: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...] | None, dtype: np.dtype) -> np.ndarray:
    """The tensor of this name; ValueError if there is none, or one of another shape or dtype."""
    found = tensors.get(name)
    expected = f"{name} as {dtype}" + ("" if shape is None else f" of shape {shape}")
    if found is None or found.dtype != dtype or (found.ndim != 1 if shape is None else found.shape != shape):
        raise ValueError(f"expected {expected}, got {None if found is None else (str(found.dtype), found.shape)}")
    return found


def check_names(expected: Collection[str], got: Collection[str]) -> None:
    """ValueError unless the names of tensors are the expected ones."""
    parts = [
        f"{what} {', '.join(names[:NAMED])}" + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
        for what, names in (
            ("missing", [name for name in expected if name not in got]),
            ("unexpected", sorted(name for name in got if name not in expected)),
        )
        if names
    ]
    if parts:
        raise ValueError(f"expected the tensors of this model, by name; {'; '.join(parts)}")


# -- files


def write(path: Path, tensors: dict[str, np.ndarray], description: dict[str, Any]) -> None:
    """Put arrays and plain data into a file: whole, safe on the disk, or not at all.

    Raises
    ------
    OSError
        If that fails; a file that was there is as it was.
    ValueError
        If the name is that of another kind of file.
    """
    from safetensors.numpy import save as serialize

    check_suffix(path)
    target = os.path.realpath(os.fspath(path))
    if os.path.exists(target) and not os.path.isfile(target):
        raise ValueError(f"expected the path of a file to save to, got {path}")
    text = json.dumps(description, allow_nan=False)
    if len(text) > LARGEST_TEXT:
        raise ValueError(f"expected options of at most {LARGEST_TEXT} characters to save, got {len(text)}")
    content = serialize({name: np.ascontiguousarray(array) for name, array in tensors.items()}, {KEY: text})
    folder = os.path.dirname(target)
    temporary = os.path.join(folder, f".fastbp-{token_hex(8)}.tmp")
    try:
        try:
            with open(temporary, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        with suppress(OSError):  # the file is in place; some folders cannot be opened, or not be synced
            sync(folder)
    except OSError as error:
        raise OSError(error.errno, f"cannot save to {path}: {error.strerror}") from error


def sync(folder: str) -> None:
    """Have the names in a folder safe on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and plain data of a file.

    Raises
    ------
    ValueError
        If these are not what `write` writes, or what a newer one does.
    """
    from safetensors import safe_open

    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("this is no file")
    with safe_open(os.fspath(path), "np") as file:
        text = (file.metadata() or {}).get(KEY)
        if text is None or len(text) > LARGEST_TEXT:
            raise ValueError("there is no text of fastbp's in its metadata, or too long a one")
        description = json.loads(text, parse_constant=refuse)
        version = description.get("version") if isinstance(description, dict) else None
        if type(version) is not int or version < 1:
            raise ValueError(f"expected the number of a format, got {version!r}")
        if version > VERSION:
            by = description.get("package")
            raise ValueError(f"it has format {version}, of fastbp {by}; this is {__version__}, which reads {VERSION}")
        return {name: file.get_tensor(name) for name in file.keys()}, description  # noqa: SIM118 - no dict


def refuse(constant: str) -> float:
    """What JSON cannot have."""
    raise ValueError(f"expected finite numbers, got {constant}")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever is wrong with a file is a ValueError that names it."""
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:  # of a constructor, of JSON, of safetensors: the file's content is to blame
        raise ValueError(f"cannot load {path}: {error}") from error
