"""Floor 4. The user's own tables: FILE.npz and FILE.csv, read into arrays and checked."""

import csv
import os
import zipfile
import zlib
from array import array
from collections.abc import Iterator

import numpy as np

FilePath = str | os.PathLike[str]
Pair = tuple[np.ndarray, np.ndarray]

WITH_TEST = ("x_train", "y_train", "x_test", "y_test")
WITHOUT_TEST = ("x", "y")


def read_npz(path: FilePath) -> tuple[Pair, Pair | None]:
    """Read a NumPy archive of features and targets.

    Parameters
    ----------
    path : path-like
        A ``.npz`` file with the arrays ``x_train, y_train, x_test, y_test``, or ``x, y`` (also ``X``, ``Y``). No
        pickled object is ever loaded.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuple of tuple of ndarray
        The arrays as they are stored; the second pair is None when the file has only ``x`` and ``y``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, holds Python objects or lacks these arrays; the message names the file.

    Examples
    --------
    >>> import numpy as np, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "table.npz")
    >>> np.savez(path, x=np.zeros((5, 2)), y=np.arange(5))
    >>> (x, y), test = read_npz(path)
    >>> x.shape, y.shape, test
    ((5, 2), (5,), None)
    """
    with open(path, "rb") as file:
        try:
            with np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
                arrays = {key: archive[key] for key in archive.files if key.lower() in WITH_TEST + WITHOUT_TEST}
                found = archive.files
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise ValueError(f"{path}: expected a whole .npz file of plain arrays, got: {error}") from None
    arrays = {key.lower(): value for key, value in arrays.items()}
    if all(key in arrays for key in WITH_TEST):
        x_train, y_train, x_test, y_test = (arrays[key] for key in WITH_TEST)
        return (x_train, y_train), (x_test, y_test)
    if all(key in arrays for key in WITHOUT_TEST):
        return (arrays["x"], arrays["y"]), None
    raise ValueError(
        f"{path}: expected the arrays {', '.join(WITH_TEST)} or {', '.join(WITHOUT_TEST)}, "
        f"got {', '.join(found) or 'an empty archive'}"
    )


def read_csv(path: FilePath) -> Pair:
    """Read a comma-separated table whose last column is the target.

    A first line with a feature that is not a number is taken for column names and skipped.

    Parameters
    ----------
    path : path-like
        A UTF-8 text file: at least one numeric feature, then the target; every line of equal width, nothing missing.

    Returns
    -------
    x : ndarray of float64, shape (rows, columns)
        The features.
    y : ndarray, shape (rows,)
        The targets: int64 if every one is written as an integer, else float64 if every one is a number, else str.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the table is empty, ragged, or has a missing or non-numeric feature; the message names file and line.

    Examples
    --------
    >>> import tempfile, os, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "flowers.csv")
    >>> _ = path.write_text("length,width,kind\\n1.5,0.2,rose\\n0.3,0.9,lily\\n")
    >>> x, y = read_csv(path)
    >>> x.tolist(), y.tolist()
    ([[1.5, 0.2], [0.3, 0.9]], ['rose', 'lily'])
    """
    features = array("d")
    targets: list[str] = []
    lines: list[int] = []
    width = 0
    for line, row in _rows(path):
        if width == 0:
            width = len(row)
            if width < 2:
                raise ValueError(f"{path}, line {line}: expected comma-separated features and a target, got one column")
            if not all(_is_number(cell) for cell in row[:-1]):
                continue
        _check_row(path, line, row, width)
        features.extend(map(float, row[:-1]))
        targets.append(row[-1].strip())
        lines.append(line)
    if not targets:
        raise ValueError(f"{path}: expected at least one row of data, got none")
    x = np.frombuffer(features).reshape(len(targets), width - 1)
    y = _parse_targets(targets)
    finite = np.isfinite(x).all(axis=1) & (np.isfinite(y) if y.dtype.kind == "f" else True)
    if not finite.all():
        raise ValueError(f"{path}, line {lines[int(np.argmin(finite))]}: expected finite numbers, got NaN or infinity")
    return x, y


def _rows(path: FilePath) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) for each line of the table that is not blank."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            for row in reader:
                if row:
                    yield reader.line_num, row
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: expected a comma-separated text file in UTF-8, got: {error}") from None


def _check_row(path: FilePath, line: int, row: list[str], width: int) -> None:
    """One row has the width of the first, numbers for features, and a target."""
    if len(row) != width:
        raise ValueError(f"{path}, line {line}: expected {width} columns, got {len(row)}")
    for column, cell in enumerate(row[:-1], start=1):
        if not _is_number(cell):
            raise ValueError(f"{path}, line {line}, column {column}: expected a number, got {cell!r}")
    if not row[-1].strip():
        raise ValueError(f"{path}, line {line}: expected a target in the last column, got an empty cell")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _parse_targets(cells: list[str]) -> np.ndarray:
    """Cells as int64 where all are integers, else float64 where all are numbers, else str."""
    for dtype, parse in ((np.int64, int), (np.float64, float)):
        try:
            return np.array([parse(cell) for cell in cells], dtype)
        except (ValueError, OverflowError):
            continue
    return np.array(cells)
