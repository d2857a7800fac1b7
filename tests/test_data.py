"""The edge: what is used in place, what is converted, and what is refused."""

import numpy as np
import pytest

from fastbp import data, losses

FLOAT32 = np.dtype("float32")


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("layout", ["C", "F", "every other row", "reversed", "read-only"])
def test_rows_that_the_gather_reads_are_never_copied(dtype, layout):
    x = np.arange(24).reshape(8, 3).astype(dtype)
    x = {
        "C": x,
        "F": np.asfortranarray(x),
        "every other row": x[::2],
        "reversed": x[::-1, ::-1],
        "read-only": x,
    }[layout]
    x.flags.writeable = layout != "read-only"
    assert data.check_x(x, 3, FLOAT32) is x


def test_memory_mapped_rows_are_never_copied(tmp_path):
    x = np.memmap(tmp_path / "x", np.uint8, "w+", shape=(10, 4))
    assert np.shares_memory(data.check_x(x, 4, FLOAT32), x)


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16", "float16", ">f4", "longdouble"])
def test_rows_of_other_real_types_become_the_models_type_once(dtype):
    x = np.arange(6).reshape(2, 3).astype(dtype)
    checked = data.check_x(x, 3, FLOAT32)
    assert checked.dtype == FLOAT32
    np.testing.assert_array_equal(checked, x)


def test_boolean_rows_are_read_as_bytes_in_place():
    x = np.eye(3, dtype=bool)
    checked = data.check_x(x, 3, FLOAT32)
    assert checked.dtype == np.uint8
    assert np.shares_memory(checked, x)


def test_unaligned_rows_are_copied_and_not_misread():
    x = np.frombuffer(b"\0" + np.arange(6, dtype="f4").tobytes(), np.uint8)[1:].view("f4").reshape(2, 3)
    assert not x.flags.aligned
    checked = data.check_x(x, 3, FLOAT32)
    assert checked.flags.aligned
    np.testing.assert_array_equal(checked, np.arange(6).reshape(2, 3))


def test_images_are_viewed_as_flat_rows():
    x = np.zeros((5, 28, 28), np.uint8)
    checked = data.check_x(x, 784, FLOAT32)
    assert checked.shape == (5, 784)
    assert np.shares_memory(checked, x)


def test_one_dimension_is_one_column_where_the_model_has_one():
    assert data.check_x(np.zeros(5), 1, FLOAT32).shape == (5, 1)
    assert data.check_y(np.zeros(5), 5, 1, losses.get("mse"), FLOAT32).shape == (5, 1)


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (np.zeros((32, 783)), ValueError, r"expected x with 784 columns, got \(32, 783\)"),
        (np.zeros(784), ValueError, r"expected x with 784 columns, got \(784,\)"),
        (np.zeros((0, 784)), ValueError, r"expected x with at least one row, got \(0, 784\)"),
        (np.zeros((2, 784), complex), TypeError, "real numbers, got dtype complex128"),
        (np.full((2, 784), "a"), TypeError, "real numbers, got dtype"),
        (np.full((2, 784), None), TypeError, "real numbers, got dtype object"),
        (np.zeros((2, 784), "M8[s]"), TypeError, "real numbers, got dtype datetime64"),
        (None, TypeError, "got None"),
        ([[1, 2], [3]], ValueError, "rectangular"),
        (1.0, ValueError, r"got \(\)"),
    ],
)
def test_rows_that_do_not_fit_are_refused_with_expected_and_received(x, error, words):
    with pytest.raises(error, match=words):
        data.check_x(x, 784, FLOAT32)


def test_sparse_matrices_are_refused_with_the_way_out():
    class Sparse:
        def toarray(self):
            raise AssertionError

    with pytest.raises(TypeError, match=r"dense array, got Sparse: use .toarray\(\)"):
        data.check_x(Sparse(), 3, FLOAT32)


SPARSE = losses.get("sparse_categorical_crossentropy")


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float32", "float64"])
@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_labels_of_any_whole_type_become_our_own_int32(dtype, shape):
    y = np.array([0, 2, 1, 2]).astype(dtype).reshape(shape)
    labels = data.check_y(y, 4, 3, SPARSE, FLOAT32)
    assert labels.dtype == np.int32
    assert labels.flags.c_contiguous
    np.testing.assert_array_equal(labels, [0, 2, 1, 2])


def test_labels_cannot_be_changed_under_the_kernels_feet():
    y = np.zeros(4, np.int32)
    assert not np.shares_memory(data.check_y(y, 4, 3, SPARSE, FLOAT32), y)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([0, 1, 3, 0], "labels from 0 to 2, got 3"),
        ([0, -1, 1, 0], "labels from 0 to 2, got -1"),
        ([0, 1, 2**40, 0], "labels from 0 to 2, got 1099511627776|got 1.09951e"),
        ([0, 1.5, 1, 0], "whole class indices.*got 1.5"),
        ([0, np.nan, 1, 0], "whole class indices.*got nan"),
        ([0, np.inf, 1, 0], "labels from 0 to 2, got inf"),
        (np.eye(4, 3), r"shape \(4,\).*got \(4, 3\): for one-hot rows use categorical_crossentropy"),
        ([0, 1, 2], "same number of rows, got 4 and 3"),
    ],
)
def test_wrong_labels_are_refused_with_the_wrong_value(y, words):
    with pytest.raises(ValueError, match=words):
        data.check_y(np.asarray(y), 4, 3, SPARSE, FLOAT32)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_dense_targets_are_used_in_place(dtype):
    y = np.eye(4, 3, dtype=dtype)
    assert np.shares_memory(data.check_y(y, 4, 3, losses.get("categorical_crossentropy"), FLOAT32), y)


def test_class_indices_for_a_one_hot_loss_name_both_ways_out():
    with pytest.raises(ValueError, match=r"sparse_categorical_crossentropy, or utils.to_categorical"):
        data.check_y(np.array([0, 1]), 2, 3, losses.get("categorical_crossentropy"), FLOAT32)


@pytest.mark.parametrize(("y", "wrong"), [([-1, 1], "-1"), ([0, 2], "2")])
def test_binary_targets_outside_zero_and_one_are_refused(y, wrong):
    with pytest.raises(ValueError, match=f"between 0 and 1 for binary_crossentropy, got {wrong}"):
        data.check_y(np.array(y), 2, 1, losses.get("bce"), FLOAT32)


@pytest.mark.parametrize(("rows", "share", "at"), [(10, 0.2, 8), (7, 0.5, 3), (100, 0.01, 99)])
def test_a_split_takes_the_last_rows_as_views(rows, share, at):
    x, y = np.zeros((rows, 2)), np.zeros((rows, 1))
    train, validation = data.split(data.Rows((x,), (y,), (None,)), share)
    assert (train.size, validation.size) == (at, rows - at)
    assert np.shares_memory(train.x[0], x)
    assert np.shares_memory(validation.y[0], y)


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_split_outside_its_range_is_refused(share):
    with pytest.raises(ValueError, match=r"validation_split as a finite number in \[0, 1\)"):
        data.split(data.Rows((np.zeros((4, 1)),), (np.zeros((4, 1)),), (None,)), share)


def test_a_split_that_leaves_no_rows_is_refused():
    with pytest.raises(ValueError, match=r"rows on both sides, got 0.9 of 1 rows"):
        data.split(data.Rows((np.zeros((1, 1)),), (np.zeros((1, 1)),), (None,)), 0.9)
