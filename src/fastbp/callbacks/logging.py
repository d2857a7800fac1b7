"""Floor 3. Writing the numbers of each epoch to files: a table for everything else, events for TensorBoard."""

from __future__ import annotations

import csv
import os
from importlib import import_module
from pathlib import Path
from typing import Any

from fastbp.callbacks.base import Callback, Logs, numbers
from fastbp.utils import check_flag, check_writable


class CSVLogger(Callback):
    """Writes a line of a table after each epoch: its number, from 0, and its logs.

    Parameters
    ----------
    filename : path-like
        Written over, unless `append`.
    separator : str
        One character between two columns.
    append : bool
        Add to a table that is there; its columns stay, and a number that an epoch does not have is left empty.

    Raises
    ------
    ValueError
        If the separator is not one character, or a table to add to lacks a column.
    OSError
        When training begins, if the file cannot be opened.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> from pathlib import Path
    >>> model = fb.Sequential([fb.Dense(1, input_shape=(2,))])
    >>> model.compile("sgd", "mse", metrics=["mae"])
    >>> _ = model.fit(np.ones((4, 2)), np.ones(4), epochs=3, verbose=0, callbacks=fb.callbacks.CSVLogger("log.csv"))
    >>> lines = Path("log.csv").read_text().splitlines()
    >>> lines[0], len(lines)
    ('epoch,loss,mae', 4)
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        if not isinstance(separator, str) or len(separator) != 1 or separator in '\r\n"':
            raise ValueError(f"expected separator as one character, got {separator!r}")
        self.filename, self.separator, self.append = os.fspath(filename), separator, check_flag("append", append)
        self._file: Any = None
        self._columns: list[str] = []

    def on_train_begin(self, logs: Logs) -> None:
        """Open the file, and read which columns it has."""
        check_writable(self.filename)
        self._columns = []
        if self.append and Path(self.filename).exists():
            with open(self.filename, newline="", encoding="utf-8") as file:
                self._columns = next(csv.reader(file, delimiter=self.separator), [])
        self._file = open(self.filename, "a" if self.append else "w", newline="", encoding="utf-8")  # noqa: SIM115

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write a line, and before the first one their names."""
        row = {"epoch": epoch, **numbers(logs)}
        if not self._columns:
            self._columns = list(row)
            self._write(self._columns)
        if missing := row.keys() - set(self._columns):
            raise ValueError(
                f"expected {self.filename} with columns {', '.join(row)}, "
                f"got {', '.join(self._columns)}: {', '.join(sorted(missing))} is missing"
            )
        self._write([row.get(name, "") for name in self._columns])

    def _write(self, cells: list[Any]) -> None:
        csv.writer(self._file, delimiter=self.separator, lineterminator="\n").writerow(cells)
        self._file.flush()

    def on_train_end(self, logs: Logs) -> None:
        """Close the file."""
        self._file.close()
        self._file = None


class TensorBoard(Callback):
    """Writes the logs of each epoch for TensorBoard, as Keras does: those of training and validation side by side.

    It takes one of the packages tensorboardX and tensorboard.

    Parameters
    ----------
    log_dir : path-like
        Folder; training goes to `train` in it, validation to `validation`, under the names `epoch_loss` and so on.

    Raises
    ------
    ImportError
        If neither package is installed.
    """

    def __init__(self, log_dir: str | os.PathLike[str] = "logs") -> None:
        self.log_dir = os.fspath(log_dir)
        self._make_writer = find_writer()
        self._writers: dict[str, Any] = {}

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write a point of each curve."""
        for name, value in numbers(logs).items():
            part = "validation" if name.startswith("val_") else "train"
            if part not in self._writers:
                self._writers[part] = self._make_writer(os.path.join(self.log_dir, part))
            self._writers[part].add_scalar(f"epoch_{name.removeprefix('val_')}", value, epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: Logs) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}


def find_writer() -> Any:
    """The class that writes events, from the package that is there."""
    for package, name in (("tensorboardX", "SummaryWriter"), ("tensorboard.summary", "Writer")):
        try:
            return getattr(import_module(package), name)
        except ImportError:
            continue
    raise ImportError("TensorBoard needs the package tensorboardX or tensorboard: pip install tensorboardX")
