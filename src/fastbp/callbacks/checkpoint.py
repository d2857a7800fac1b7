"""Floor 3. ModelCheckpoint: saves the model while it trains."""

from __future__ import annotations

import os
import string
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastbp.callbacks.base import Logs
from fastbp.callbacks.monitor import Monitor
from fastbp.utils import check_count, check_flag, check_number, check_suffix, check_writable


class ModelCheckpoint(Monitor):
    """Saves the model, or its weights, after every epoch or every so many batches.

    Parameters
    ----------
    filepath : path-like
        File to write. Names in braces are replaced by numbers, as `str.format` does it: `{epoch:02d}`, counted from 1,
        and whatever is in the logs, `{val_loss:.2f}`; with `save_freq` in batches also `{batch}`, counted from 1.
        Folders that are missing are made.
    monitor : str
        With `save_best_only`, the name of the number to watch.
    verbose : {0, 1}
        1: print each time that something is saved.
    save_best_only : bool
        Save only if the number has become better.
    save_weights_only : bool
        Save by `model.save_weights`, not by `model.save`.
    mode : {"auto", "min", "max"}
        Whether less or more is better; "auto" goes by the name.
    save_freq : "epoch" or int
        A number counts batches, over all epochs of a `fit`, which are then run one by one; the logs have no validation
        then.
    initial_value_threshold : float, optional
        Save nothing that is not better than this.

    Raises
    ------
    ValueError
        If an option is out of its range; when saving, if the logs lack `monitor` or a name of `filepath`.
    OSError
        When training begins or when saving, if the file cannot be written.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> class Model(fb.Sequential):
    ...     def save(self, path):
    ...         print("saved", path)
    >>> model = Model([fb.Dense(1, input_shape=(2,))])
    >>> model.compile(fb.optimizers.SGD(0.1), "mse")
    >>> keep = fb.callbacks.ModelCheckpoint("epoch{epoch:02d}.safetensors")
    >>> _ = model.fit(np.ones((4, 2)), np.ones(4), epochs=2, verbose=0, callbacks=keep)
    saved epoch01.safetensors
    saved epoch02.safetensors
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        self.save_best_only = check_flag("save_best_only", save_best_only)
        super().__init__(monitor, mode if self.save_best_only else "min")
        self.filepath, self.fields = check_template(filepath)
        self.verbose = verbose
        self.save_weights_only = check_flag("save_weights_only", save_weights_only)
        if initial_value_threshold is not None:
            self.best = check_number("initial_value_threshold", initial_value_threshold)
        self._epoch = self._batches = 0
        self.save_freq: Any = save_freq
        if save_freq != "epoch":
            self.save_freq = check_count("save_freq as 'epoch' or", save_freq, 1)

    def hears(self, event: str) -> bool:
        """Epochs or batches, but not both: batches cost time."""
        other = "on_train_batch_end" if self.save_freq == "epoch" else "on_epoch_end"
        return event != other and super().hears(event)

    def on_train_begin(self, logs: Logs) -> None:
        """Count batches from here; make the folder, and find out now what saving would raise later."""
        self._batches = 0
        folder = os.path.dirname(self.filepath.partition("{")[0])  # as far as numbers do not change it
        with suppress(FileExistsError):  # it is no folder, as the check says
            os.makedirs(folder or ".", exist_ok=True)
        check_writable(os.path.join(folder, "any") if self.fields else self.filepath)

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Remember which one it is."""
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Save, with `save_freq` "epoch"."""
        self._save({"epoch": epoch + 1}, logs)

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """Save after so many batches."""
        self._batches += 1
        if self._batches % self.save_freq == 0:
            self._save({"epoch": self._epoch + 1, "batch": batch + 1}, logs)

    def _save(self, place: dict[str, int], logs: Logs) -> None:
        """Save, if the model is to be saved now."""
        before = self.best
        if self.save_best_only and not self.improves(self.read(logs)):
            return
        path = self._fill_in({**logs, **place})
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        save = self.model.save_weights if self.save_weights_only else self.model.save
        save(path)
        if self.verbose:
            gain = f"{self.monitor} improved from {before:g} to {self.best:g}, " if self.save_best_only else ""
            self.say(self._epoch, f"{gain}saved to {path}")

    def _fill_in(self, numbers: dict[str, Any]) -> str:
        """The path with these numbers."""
        for name in self.fields:
            if name not in numbers:
                raise ValueError(f"expected filepath with names of {', '.join(numbers)}, got {self.filepath!r}")
        return self.filepath.format(**numbers)


def check_template(filepath: object) -> tuple[str, list[str]]:
    """A path as a string, and the names that it has in braces."""
    try:
        path = os.fspath(filepath)  # type: ignore[call-overload]
    except TypeError:
        path = None
    if not isinstance(path, str) or not path:
        raise TypeError(f"expected filepath as a path, such as 'best.safetensors', got {filepath!r}")
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(path) if name is not None]
    except ValueError as error:
        raise ValueError(f"expected filepath with names in braces, as in '{{epoch:02d}}', got {path!r}") from error
    check_suffix(path)
    if not all(map(str.isidentifier, fields)):
        raise ValueError(f"expected filepath with names in braces, as in '{{epoch:02d}}', got {path!r}")
    return path, fields
