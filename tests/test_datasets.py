"""Data sets: what load_data gives, and what it says about files that are missing, damaged or something else."""

import gzip
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from mnist_data import needs_mnist

from fastbp.datasets import digits, mnist, moons
from fastbp.datasets._idx import read_idx


def idx_bytes(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def small_mnist(tmp_path):
    """A folder with the four files, of 12 and 5 random images; and the arrays in them."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name, rows in (("train", 12), ("t10k", 5)):
        arrays[f"{name}-images-idx3-ubyte"] = rng.integers(0, 256, (rows, 28, 28), dtype=np.uint8)
        arrays[f"{name}-labels-idx1-ubyte"] = rng.integers(0, 10, rows, dtype=np.uint8)
    for name, array in arrays.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array)))
    return tmp_path, arrays


# ---- digits


def test_digits_are_bytes_in_a_fixed_split_with_a_fifth_of_each_class_for_testing():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert x_train.shape == (1438, 8, 8)
    assert x_test.shape == (359, 8, 8)
    assert x_train.dtype == x_test.dtype == y_train.dtype == y_test.dtype == np.uint8
    assert x_train.max() == x_test.max() == 16
    share = np.bincount(y_test) / (np.bincount(y_train) + np.bincount(y_test))
    assert np.abs(share - 0.2).max() < 0.005


def test_digits_are_the_rows_of_the_uci_set():
    original = pytest.importorskip("sklearn.datasets").load_digits()
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    ours = np.column_stack([np.concatenate([x_train, x_test]).reshape(1797, 64), np.concatenate([y_train, y_test])])
    theirs = np.column_stack([original.data, original.target])
    assert np.array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])


def test_digits_arrays_are_the_callers_own():
    digits.load_data()[0][0][:] = 99
    assert digits.load_data()[0][0].max() == 16


# ---- moons


def test_moons_without_noise_lie_on_two_half_circles():
    (x, y), _ = moons.load_data(501, noise=0, test_split=0)
    assert np.bincount(y).tolist() == [250, 251]
    upper, lower = x[y == 0].astype(float), x[y == 1].astype(float)
    np.testing.assert_allclose(np.hypot(*upper.T), 1, atol=1e-6)
    np.testing.assert_allclose(np.hypot(*(lower - (1, 0.5)).T), 1, atol=1e-6)
    assert upper[:, 1].min() > -1e-6
    assert lower[:, 1].max() < 0.5 + 1e-6


def test_moons_noise_has_the_deviation_asked_for():
    (x, y), _ = moons.load_data(20000, noise=0.05, test_split=0)
    radius = np.hypot(*(x[y == 1].astype(float) - (1, 0.5)).T)
    assert radius.std() == pytest.approx(0.05, rel=0.03)


def test_moons_split_and_types():
    (x_train, y_train), (x_test, y_test) = moons.load_data()
    assert (x_train.shape, y_train.shape, x_test.shape, y_test.shape) == ((1200, 2), (1200,), (800, 2), (800,))
    assert x_train.dtype == np.float32
    assert set(np.unique(y_test)) == {0, 1}


def test_moons_follow_from_the_seed():
    def draw(seed):
        return moons.load_data(50, seed=seed)[0][0]

    assert np.array_equal(draw(3), draw(3))
    assert not np.array_equal(draw(3), draw(4))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n": 1}, "n as a whole number of at least 2, got 1"),
        ({"n": 10.5}, "n as a whole number"),
        ({"noise": -1}, "noise as a finite number"),
        ({"noise": float("nan")}, "noise as a finite number"),
        ({"test_split": 1}, "test_split below 1"),
        ({"test_split": -0.1}, "test_split"),
        ({"seed": -1}, "seed"),
    ],
)
def test_moons_refuse_options_out_of_range(options, says):
    with pytest.raises((TypeError, ValueError), match=says):
        moons.load_data(**options)


# ---- MNIST and its file format


@needs_mnist
def test_mnist_has_the_shapes_keras_gives():
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    assert (x_train.shape, y_train.shape) == ((60000, 28, 28), (60000,))
    assert (x_test.shape, y_test.shape) == ((10000, 28, 28), (10000,))
    assert x_train.dtype == y_train.dtype == np.uint8
    assert y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert x_train.mean() == pytest.approx(33.3184, abs=1e-4)


def check_small(loaded, arrays):
    for array, expected in zip((array for pair in loaded for array in pair), arrays.values(), strict=True):
        assert np.array_equal(array, expected)


def test_mnist_reads_a_folder_given_or_named_by_the_environment(small_mnist, monkeypatch):
    folder, arrays = small_mnist
    check_small(mnist.load_data(folder), arrays)
    monkeypatch.setenv("FASTBP_DATA_DIR", str(folder))
    check_small(mnist.load_data(), arrays)


def test_mnist_reads_a_subfolder_and_files_that_are_not_gzipped(small_mnist):
    folder, arrays = small_mnist
    (folder / "deeper" / "mnist").mkdir(parents=True)
    for name, array in arrays.items():
        (folder / "deeper" / "mnist" / name).write_bytes(idx_bytes(array))
    check_small(mnist.load_data(str(folder / "deeper")), arrays)


def test_mnist_names_the_missing_file(small_mnist):
    folder, _ = small_mnist
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"t10k-labels-idx1-ubyte\.gz in "):
        mnist.load_data(folder)


def test_mnist_without_a_folder_and_without_pooch_says_what_to_do(monkeypatch):
    monkeypatch.delenv("FASTBP_DATA_DIR", raising=False)
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"pip install 'fastbp\[data\]'.*FASTBP_DATA_DIR"):
        mnist.load_data()


def test_mnist_downloads_each_file_with_its_hash_into_the_cache(small_mnist, monkeypatch):
    folder, arrays = small_mnist
    pooch = pytest.importorskip("pooch")
    asked = []

    def retrieve(url, known_hash, fname, path):
        asked.append((url, known_hash, Path(path).name))
        return folder / fname

    monkeypatch.delenv("FASTBP_DATA_DIR", raising=False)
    monkeypatch.setattr(pooch, "retrieve", retrieve)
    check_small(mnist.load_data(), arrays)
    assert [url for url, _, _ in asked] == [f"{mnist.MIRROR}{name}.gz" for name in arrays]
    assert all(len(digest) == len("sha256:") + 64 and cache == "mnist" for _, digest, cache in asked)


@pytest.mark.parametrize(
    ("name", "array", "says"),
    [
        ("train-images-idx3-ubyte", np.zeros((12, 27, 28), np.uint8), r"28 x 28, got an array of shape \(12, 27, 28\)"),
        ("train-labels-idx1-ubyte", np.zeros(11, np.uint8), "12 labels, one for each image, got 11"),
        ("t10k-labels-idx1-ubyte", np.full(5, 10, np.uint8), "labels 0 to 9, got 10"),
        ("t10k-labels-idx1-ubyte", np.zeros((5, 1), np.uint8), "starts with 00 00 08 01, got 00 00 08 02"),
    ],
)
def test_mnist_refuses_files_that_do_not_fit_together(small_mnist, name, array, says):
    folder, _ = small_mnist
    (folder / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array)))
    with pytest.raises(ValueError, match=rf"{name}\.gz: expected .*{says}"):
        mnist.load_data(folder)


WHOLE = idx_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_idx_files_are_read_in_shape_and_writable(tmp_path, pack):
    (tmp_path / "a").write_bytes(pack(WHOLE))
    array = read_idx(tmp_path / "a", 3)
    assert np.array_equal(array, np.arange(24).reshape(2, 3, 4))
    array[:] = 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "got an empty file"),
        (b"\x00\x00\x0d\x03" + WHOLE[4:], "starts with 00 00 08 03, got 00 00 0d 03"),
        (WHOLE[:10], "header of 16 bytes, got 10"),
        (WHOLE[:-1], r"expected 24 bytes of data \(2 x 3 x 4\), got 23"),
        (WHOLE + b"x", "expected 24 bytes of data .* got more"),
        (b"\x00\x00\x08\x03" + b"\xff" * 12, "got 0"),
        (gzip.compress(WHOLE)[:-9], "expected a whole gzip file"),
        (gzip.compress(WHOLE)[:20] + b"\xff" * 20, "expected a whole gzip file"),
    ],
    ids=["empty", "magic", "header", "short", "long", "lying sizes", "gz short", "gz damaged"],
)
def test_idx_reader_says_which_file_is_damaged_and_how(tmp_path, content, says):
    (tmp_path / "images").write_bytes(content)
    with pytest.raises(ValueError, match=rf"images: .*{says}"):
        read_idx(tmp_path / "images", 3)
