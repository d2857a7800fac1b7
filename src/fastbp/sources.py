"""Floor 3. Sources: where the rows of an epoch come from, as blocks that a program is bound to one after another.

Rows in memory are one block. A stream has as many as it takes, read ahead by a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np

from fastbp.data import Rows, check_pair
from fastbp.streams import Stream, prefetch, rebatch
from fastbp.tables import SparseRows

Reader = Callable[[Any, Any, Rows | None], Rows]  # of the model, a piece, and rows that have the same columns


class Block(NamedTuple):
    """Rows, and the order in which they are taken: int64 (rows,), or None as they lie."""

    rows: Rows
    order: np.ndarray | None

    @property
    def size(self) -> int:
        """How many rows are taken."""
        return self.rows.size if self.order is None else len(self.order)


class Source:
    """Base: what the trainer reads.

    Attributes
    ----------
    batch : int or None
        Rows of a step; None: each block is one.
    size : int or None
        Rows of an epoch, where that is known.
    shuffle : bool
        Whether they come in a random order.
    restarts : bool
        Whether an epoch can be read again from its beginning.
    """

    batch: int | None
    size: int | None = None
    shuffle: bool
    restarts = True

    @property
    def steps(self) -> int | None:
        """Steps of an epoch, where that is known."""
        return None if self.size is None or self.batch is None else -(-self.size // self.batch)

    def check_epochs(self, name: str, epochs: int) -> None:
        """ValueError if the data cannot last for so many epochs."""
        if epochs > 1 and not self.restarts and self.steps is None:
            raise ValueError(
                f"expected {name} that can be read anew in each of {epochs} epochs, got an iterator: see Stream"
            )

    def blocks(self, model: Any) -> Generator[Block]:
        """The blocks of one epoch."""
        raise NotImplementedError


class Arrays(Source):
    """Rows in memory.

    Parameters
    ----------
    rows : Rows
    batch : int
    shuffle : bool
    """

    def __init__(self, rows: Rows, batch: int, shuffle: bool) -> None:
        self.rows, self.size, self.batch = rows, rows.size, min(batch, rows.size)
        # the order of the rows of one batch makes no difference but rounding
        self.shuffle = shuffle and self.batch < rows.size

    def blocks(self, model: Any) -> Generator[Block]:
        """One block."""
        yield Block(self.rows, self.draw(model))

    def draw(self, model: Any, laps: int = 1) -> np.ndarray | None:
        """A random order of the rows for each of some epochs, shape (laps, rows), or (rows,) for one."""
        if not self.shuffle:
            return None
        generator = model.random.generator()
        orders = [generator.permutation(self.size) for _ in range(laps)]
        return np.stack(orders) if laps > 1 else orders[0]


class Flow(Source):
    """Rows that come in pieces: of a Stream, cut into steps of `batch` rows; of another iterable, each piece a step.

    Parameters
    ----------
    pieces : Stream, or iterable
        An iterator goes on in the next epoch where it stood.
    read : callable
        Makes Rows of a piece: `labelled` or `unlabelled`.
    batch : int or None
    shuffle : bool
    steps : int, optional
        Pieces of an epoch of what is no Stream; all unless given.

    Attributes
    ----------
    like : Rows or None
        What else the model is to run over: where the model does not know its columns yet, these say them.
    """

    like: Rows | None = None

    def __init__(self, pieces: Any, read: Reader, batch: int | None, shuffle: bool, steps: int | None = None) -> None:
        self.pieces, self.read, self.shuffle, self.limit = pieces, read, shuffle, steps
        self.batch = batch if isinstance(pieces, Stream) else None
        self.restarts = not isinstance(pieces, Iterator)

    @property
    def steps(self) -> int | None:
        """Steps of an epoch, where that is known."""
        return self.limit

    def blocks(self, model: Any) -> Generator[Block]:
        """Blocks of whole steps, read ahead."""
        first: Rows | None = None

        def prepare(number: int, piece: Any) -> Rows:
            nonlocal first
            try:
                rows = self.read(model, piece, first or self.like)
                check_alike(rows, first or rows)
            except (TypeError, ValueError) as error:
                raise type(error)(f"batch {number} of the data: {error}") from error
            first = first or rows
            return rows

        generator = model.random.generator() if self.shuffle and self.batch else None
        with closing(prefetch(self.pieces, prepare, self.limit)) as ready:
            if self.batch is None:
                yield from self._as_they_come(ready, model.progress)
            else:
                for rows, order in rebatch(ready, self.batch, self.pieces.buffer, generator):
                    yield Block(rows, order)

    def _as_they_come(self, ready: Iterator[Rows], progress: Any) -> Iterator[Block]:
        number = 0
        for rows in ready:
            yield Block(rows, None)
            number += 1
        if self.limit is not None and number < self.limit:
            epoch = progress.epoch + 1
            raise ValueError(f"expected {self.limit} batches in epoch {epoch}, got {number}, then the data ended")


def labelled(model: Any, piece: Any, like: Rows | None, class_weight: Any = None) -> Rows:
    """The rows of (x, y) or (x, y, sample_weight), as the kernels take them, with the columns of `like` if given.

    Raises
    ------
    TypeError, ValueError
        If they do not fit the model.
    """
    x, y, sample_weight = check_pair("a batch", piece)
    rows: Rows = model._check_rows(x, y, sample_weight, class_weight, like)
    return rows


def unlabelled(model: Any, piece: Any, like: Rows | None) -> Rows:
    """The rows of x alone, or of an x with targets, which are left aside.

    Of several inputs x is a sequence or a dict itself: that tells [x1, x2] from (x, y).

    Raises
    ------
    TypeError, ValueError
        If they do not fit the model.
    """
    several = len(model.input_names) > 1
    if isinstance(piece, (tuple, list)) and piece and (not several or isinstance(piece[0], (tuple, list, dict))):
        piece = piece[0]
    return Rows(model._check_x(piece, like), (), ())


def check_alike(rows: Rows, first: Rows) -> None:
    """ValueError unless rows can be joined with those of the first piece."""
    for x, of_first in zip(rows.x, first.x, strict=True):
        if isinstance(x, SparseRows) != isinstance(of_first, SparseRows):
            here, there = ("sparse" if isinstance(each, SparseRows) else "dense" for each in (x, of_first))
            raise ValueError(f"expected {there} rows, as in the first batch, got {here} ones")
    if rows.kinds != first.kinds:
        raise ValueError("expected the same kind of targets and weights as in the first batch")
