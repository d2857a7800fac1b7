"""Floor 4. The IDX format of MNIST: a magic number, the sizes, then the bytes; plain or gzipped."""

import gzip
import math
import os
import zlib
from typing import BinaryIO, cast

import numpy as np

UNSIGNED_BYTE = 0x08  # third byte of the magic number: the type of the elements
CHUNK = 1 << 20


def read_idx(path: str | os.PathLike[str], ndim: int) -> np.ndarray:
    """Read one IDX file of unsigned bytes.

    Parameters
    ----------
    path : path-like
        The file; one that starts as a gzip stream is decompressed, whatever its name.
    ndim : int
        Number of dimensions the file must have.

    Returns
    -------
    ndarray of uint8
        The array, with `ndim` dimensions.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a whole IDX file of unsigned bytes with `ndim` dimensions. The message names the file, what was
        expected and what was found.
    """
    with open(path, "rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=file) if gzipped else file)
        try:
            sizes = _read_header(stream, path, ndim)
            expected = math.prod(sizes)
            data = _read_at_most(stream, expected + 1)  # one more than there should be: a longer file is noticed
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path}: expected a whole gzip file, got a damaged one ({error})") from None
    if len(data) != expected:
        received = "more" if len(data) > expected else f"{len(data):,}"
        shape = " x ".join(map(str, sizes))
        raise ValueError(f"{path}: expected {expected:,} bytes of data ({shape}), got {received}")
    return np.frombuffer(data, np.uint8).reshape(sizes)


def _read_header(stream: BinaryIO, path: str | os.PathLike[str], ndim: int) -> tuple[int, ...]:
    """The sizes of the dimensions, big-endian in the file, after the magic number (0, 0, type, ndim)."""
    expected = bytes([0, 0, UNSIGNED_BYTE, ndim])
    magic = stream.read(4)
    if magic != expected:
        received = magic.hex(" ") or "an empty file"
        raise ValueError(f"{path}: expected an IDX file that starts with {expected.hex(' ')}, got {received}")
    header = stream.read(4 * ndim)
    if len(header) != 4 * ndim:
        raise ValueError(f"{path}: expected a header of {4 + 4 * ndim} bytes, got {4 + len(header)}")
    return tuple(int.from_bytes(header[i : i + 4], "big") for i in range(0, 4 * ndim, 4))


def _read_at_most(stream: BinaryIO, count: int) -> bytearray:
    """Up to `count` bytes, piece by piece: a header that lies about the sizes asks for no memory."""
    data = bytearray()
    while len(data) < count and (piece := stream.read(min(CHUNK, count - len(data)))):
        data += piece
    return data
