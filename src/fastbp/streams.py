"""Floor 3. Streams: rows in chunks, from files or generators, read ahead by a thread while the kernels work."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from inspect import isroutine
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from fastbp.utils import check_count

DEPTH = 2  # chunks read ahead
CHUNK_ROWS = 65536  # of a file at a time
OF_ARRAYS = ("__array__", "__dlpack__", "__buffer__", "tocsr")
INDEX = "__index_level_"  # how pandas names the rows' index, which is no column of the table


class Stream:
    """Rows that are read anew in every epoch, in chunks of any size; steps have `batch_size` rows whatever the chunks.

    Parameters
    ----------
    chunks : callable
        Called at the start of each epoch; returns an iterable of (x, y), (x, y, sample_weight), or x alone to predict.
    buffer : int
        Rows that are shuffled together, if the model shuffles. Half of them stay to be mixed with those that come next;
        so this is what is held in memory, and how far a row can move.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> def chunks():
    ...     for k in range(10):
    ...         x = np.random.default_rng(k).normal(size=(100, 4))
    ...         yield x, x.sum(axis=1)
    >>> model = fb.Sequential([fb.Input((4,)), fb.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> history = model.fit(fb.streams.Stream(chunks, buffer=500), batch_size=32, epochs=2, verbose=0)
    >>> history.params["steps"]
    32
    """

    def __init__(self, chunks: Callable[[], Iterable[Any]], buffer: int = CHUNK_ROWS) -> None:
        if not callable(chunks):
            raise TypeError(f"expected chunks as a function that returns an iterable, got {type(chunks).__name__}")
        self.chunks = chunks
        self.buffer = check_count("buffer", buffer, 1)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.chunks())


class Parquet(Stream):
    """Rows of a Parquet file, or of all in a directory, read in pieces; needs pyarrow.

    Parameters
    ----------
    path : path-like or sequence of them
        Files, or directories of them, read in the order of their names.
    target : str or sequence of str, optional
        Columns that are y; none to predict.
    columns : sequence of str, optional
        Columns that are x, in this order; unless given all but the targets, the weight, and the index of pandas.
    weight : str, optional
        Column of the rows' weights.
    buffer : int
        As for `Stream`.

    Raises
    ------
    ImportError
        If pyarrow is missing.
    ValueError
        If there is no such file, or no such column.
    """

    def __init__(
        self,
        path: Any,
        target: str | Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        weight: str | None = None,
        buffer: int = CHUNK_ROWS,
    ) -> None:
        try:
            import pyarrow.dataset as files  # type: ignore[import-untyped]
        except ImportError as error:
            raise ImportError("expected pyarrow to read Parquet files: pip install 'fastbp[data]'") from error
        paths = [Path(each) for each in (path if isinstance(path, (list, tuple)) else [path])]
        for each in paths:
            if not each.exists():
                raise ValueError(f"expected a Parquet file or a directory of them, got {each}, which is not there")
        found = [sorted(each.rglob("*.parquet")) if each.is_dir() else [each] for each in paths]
        names = [str(name) for part in found for name in part]
        if not names:
            raise ValueError(f"expected Parquet files, got none in {', '.join(map(str, paths))}")
        try:
            self._dataset = files.dataset(names, format="parquet")
        except (OSError, ValueError) as error:
            raise ValueError(f"expected Parquet files in {', '.join(map(str, paths))}: {error}") from error
        self.target = [target] if isinstance(target, str) else list(target or [])
        self.weight = weight
        beside = {*self.target, *([weight] if weight else [])}
        names = [name for name in self._dataset.schema.names if not name.startswith(INDEX)]
        self.columns = [name for name in names if name not in beside] if columns is None else list(columns)
        for name in (*self.columns, *beside):
            if name not in self._dataset.schema.names:
                raise ValueError(f"expected columns among {', '.join(self._dataset.schema.names)}, got {name!r}")
        super().__init__(self._read, buffer)

    def _read(self) -> Iterator[Any]:
        names = [*self.columns, *self.target, *([self.weight] if self.weight else [])]
        for table in self._dataset.to_batches(columns=names, batch_size=CHUNK_ROWS):
            if not table.num_rows:
                continue
            x = table.select(self.columns)
            if not self.target:
                yield x
                continue
            y = table.column(self.target[0]) if len(self.target) == 1 else table.select(self.target)
            yield (x, y, table.column(self.weight)) if self.weight else (x, y)


def is_stream(x: Any) -> bool:
    """Whether x yields its rows in pieces: a Stream, an iterator, or an iterable of batches such as a data loader.

    Raises
    ------
    TypeError
        If it is neither that nor an array, but would be if it were called or iterated over.
    """
    if isinstance(x, (Stream, Iterator)):
        return True
    if isinstance(x, (list, tuple, dict, str, bytes, memoryview)) or any(hasattr(x, name) for name in OF_ARRAYS):
        return False
    if isroutine(x):
        raise TypeError(f"expected arrays or what yields batches, got the function {x.__name__}: call it")
    if not isinstance(x, Iterable) and hasattr(x, "__getitem__"):
        raise TypeError(
            f"expected arrays or what yields batches, got {type(x).__name__}, which only has members by number: "
            "give a generator over them, or a Stream made from a function that returns one"
        )
    return isinstance(x, Iterable)


def prefetch(items: Iterable[Any], prepare: Callable[[int, Any], Any], limit: int | None = None) -> Generator[Any]:
    """What `prepare(number, item)` makes of each, at most `limit`, made by a thread that is DEPTH items ahead.

    An error there is raised here, in its turn. When this generator ends or is closed, the thread has ended.
    """
    ready: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
    room = threading.Semaphore(DEPTH - 1)  # the thread reads one while so many wait
    left = threading.Event()
    end = object()

    def work() -> None:
        try:
            with opened(items) as iterator:
                for number, item in enumerate(islice(iterator, limit)):
                    ready.put((prepare(number, item), None))
                    room.acquire()
                    if left.is_set():
                        return
            ready.put((end, None))
        except BaseException as error:
            ready.put((end, error))

    thread = threading.Thread(target=work, name="fastbp-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            room.release()
            if error is not None:
                raise error
            if item is end:
                return
            yield item
    finally:
        left.set()
        room.release()
        thread.join()


@contextmanager
def opened(items: Iterable[Any]) -> Iterator[Iterator[Any]]:
    """An iterator over the items; closed at the end, unless it is the caller's own, who may want to go on with it."""
    iterator = iter(items)
    try:
        yield iterator
    finally:
        if iterator is not items and hasattr(iterator, "close"):
            iterator.close()


def rebatch(chunks: Generator[Any], batch: int, buffer: int, rng: np.random.Generator | None) -> Iterator[Any]:
    """Chunks of whole batches: pairs of Rows and their order, None where they are taken as they lie.

    Parameters
    ----------
    chunks : iterator of Rows
    batch : int
        Every chunk but the last has a multiple of so many rows.
    buffer : int
        Rows shuffled together.
    rng : Generator or None
        None: no shuffling.
    """
    waiting: list[Any] = []  # joined when they are enough: each row is copied once or twice, however small the chunks
    size = 0
    least, kept = (batch, 0) if rng is None else (max(buffer, batch), buffer // 2)
    with closing(chunks):
        for chunk in chunks:
            waiting.append(chunk)
            size += chunk.size
            used = (size - kept) // batch * batch
            if size < least or not used:
                continue
            pool = waiting[0].join(waiting[1:])
            order = None if rng is None else rng.permutation(size)
            yield (pool.part(slice(used)), None) if order is None else (pool, order[:used])
            size -= used
            waiting = []
            if size:
                waiting = [pool.part(slice(used, None)) if order is None else pool.take(order[used:])]
    if size:
        yield waiting[0].join(waiting[1:]), None if rng is None else rng.permutation(size)
