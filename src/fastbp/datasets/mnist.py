"""Floor 4. MNIST, 70,000 handwritten digits of 28x28 pixels: from a folder, else downloaded once and checked."""

import os
from pathlib import Path

import numpy as np

from fastbp.datasets._idx import read_idx

Pair = tuple[np.ndarray, np.ndarray]

MIRROR = "https://storage.googleapis.com/cvdf-datasets/mnist/"

# File name -> SHA-256 of the .gz file on the mirror. A copy that was packed again has another one and loads just as
# well from a folder, where the format is checked and the hash is not.
FILES = {
    "train-images-idx3-ubyte": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def load_data(path: str | os.PathLike[str] | None = None) -> tuple[Pair, Pair]:
    """Load MNIST [1]_ as Keras does: 60,000 images to train on and 10,000 to test with.

    Parameters
    ----------
    path : path-like, optional
        Folder that holds the four IDX files (``train-images-idx3-ubyte`` and so on, with or without ``.gz``), itself
        or in a subfolder ``mnist``. By default the folder named by the environment variable ``FASTBP_DATA_DIR``;
        when that is not set, the files are downloaded into the user's cache, checked by SHA-256.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuple of tuple of ndarray
        Images, uint8 of shape (60000, 28, 28) and (10000, 28, 28), 0 (paper) to 255 (ink);
        labels, uint8 of shape (60000,) and (10000,), 0 to 9.

    Raises
    ------
    FileNotFoundError
        If the folder lacks one of the files.
    ValueError
        If a file is truncated or is not what its name says, or if a download has the wrong hash.
    ImportError
        If the files must be downloaded and pooch is not installed (extra ``data``).

    References
    ----------
    .. [1] Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document recognition",
       Proceedings of the IEEE 86(11), 1998.

    Examples
    --------
    >>> from fastbp.datasets import mnist
    >>> (x_train, y_train), (x_test, y_test) = mnist.load_data()  # doctest: +SKIP
    >>> x_train.shape, y_test.shape  # doctest: +SKIP
    ((60000, 28, 28), (10000,))
    """
    folder = path if path is not None else os.environ.get("FASTBP_DATA_DIR") or None
    paths = _download() if folder is None else [_find(Path(folder), name) for name in FILES]
    x_train, y_train, x_test, y_test = (
        read_idx(file, 3 if "images" in name else 1) for name, file in zip(FILES, paths, strict=True)
    )
    _check_pair(x_train, y_train, *paths[:2])
    _check_pair(x_test, y_test, *paths[2:])
    return (x_train, y_train), (x_test, y_test)


def _find(folder: Path, name: str) -> Path:
    """The path of one of the four files under `folder`."""
    for candidate in (folder / "mnist" / f"{name}.gz", folder / "mnist" / name, folder / f"{name}.gz", folder / name):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f"expected {name}.gz in {folder} or {folder / 'mnist'}, found none")


def _download() -> list[Path]:
    """The paths of the four files in the user's cache, downloaded where they are not there yet."""
    try:
        import pooch  # type: ignore[import-untyped]
    except ImportError:
        raise ImportError(
            "MNIST must be downloaded and that needs pooch: pip install 'fastbp[data]', "
            "or set FASTBP_DATA_DIR to a folder that holds the files"
        ) from None
    cache = pooch.os_cache("fastbp") / "mnist"
    return [
        Path(pooch.retrieve(f"{MIRROR}{name}.gz", known_hash=f"sha256:{digest}", fname=f"{name}.gz", path=cache))
        for name, digest in FILES.items()
    ]


def _check_pair(x: np.ndarray, y: np.ndarray, x_path: Path, y_path: Path) -> None:
    """Images and labels belong together: same rows, 28x28 pixels, labels 0 to 9."""
    if x.shape[1:] != (28, 28) or len(x) == 0:
        raise ValueError(f"{x_path}: expected images of 28 x 28, got an array of shape {x.shape}")
    if len(y) != len(x):
        raise ValueError(f"{y_path}: expected {len(x):,} labels, one for each image, got {len(y):,}")
    if y.max() > 9:
        raise ValueError(f"{y_path}: expected labels 0 to 9, got {y.max()}")
