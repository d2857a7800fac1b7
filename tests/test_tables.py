"""The user's own files and the tasks made of them: what is read, how it is scaled and split, and what is refused."""

import numpy as np
import pytest

from fastbp.datasets.files import read_csv, read_npz
from fastbp.datasets.task import load_task, make_task

# ---- the user's files


def save_npz(path, **arrays):
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("keys", [("x", "y"), ("X", "Y"), ("X", "y")])
def test_npz_with_x_and_y_has_no_test_set(tmp_path, keys):
    x, y = np.ones((4, 3)), np.arange(4)
    train, test = read_npz(save_npz(tmp_path / "a.npz", **dict(zip(keys, (x, y), strict=True))))
    assert np.array_equal(train[0], x)
    assert np.array_equal(train[1], y)
    assert test is None


def test_npz_with_a_test_set_gives_both(tmp_path):
    arrays = {"x_train": np.ones((4, 3)), "y_train": np.arange(4), "x_test": np.zeros((2, 3)), "y_test": np.arange(2)}
    (_, y_train), (x_test, _) = read_npz(save_npz(tmp_path / "a.npz", **arrays, more=np.ones(1)))
    assert np.array_equal(y_train, arrays["y_train"])
    assert np.array_equal(x_test, arrays["x_test"])


def test_npz_refuses_python_objects(tmp_path):
    path = save_npz(tmp_path / "a.npz", x=np.array([{}, []], dtype=object), y=np.arange(2))
    with pytest.raises(ValueError, match=r"a\.npz: expected .*plain arrays.*allow_pickle=False"):
        read_npz(path)


def test_npz_names_the_arrays_expected_and_found(tmp_path):
    with pytest.raises(ValueError, match="expected the arrays x_train, y_train, x_test, y_test or x, y, got images, y"):
        read_npz(save_npz(tmp_path / "a.npz", images=np.ones(2), y=np.ones(2)))


@pytest.mark.parametrize("keep", [0, 1, 300, -30])
def test_npz_that_is_truncated_is_a_value_error_with_its_name(tmp_path, keep):
    path = save_npz(tmp_path / "a.npz", x=np.ones((40, 30)), y=np.arange(40))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"a\.npz: expected a whole \.npz file"):
        read_npz(path)


def table(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "x", "y", "kind"),
    [
        ("1,2,0\n3,4,1\n", [[1, 2], [3, 4]], [0, 1], "i"),
        ("a,b,kind\n1,2,0\n3,4,1\n", [[1, 2], [3, 4]], [0, 1], "i"),
        ("\ufeffa,b,kind\r\n1,2,yes\r\n\r\n3,4,no\r\n", [[1, 2], [3, 4]], ["yes", "no"], "U"),
        ("1,2,0.5\n3,4,1\n", [[1, 2], [3, 4]], [0.5, 1], "f"),
        ('1, 2,"a, b"\n-3e1,4,c', [[1, 2], [-30, 4]], ["a, b", "c"], "U"),
    ],
    ids=["no header", "header", "bom, blank line, text", "floats", "quoted"],
)
def test_csv_last_column_is_the_target(tmp_path, text, x, y, kind):
    features, targets = read_csv(table(tmp_path, text))
    assert features.tolist() == x
    assert targets.tolist() == y
    assert targets.dtype.kind == kind


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected at least one row of data, got none"),
        ("a,b\n", "expected at least one row of data, got none"),
        ("1\n2\n", "line 1: expected comma-separated features and a target, got one column"),
        ("1;2;3\n4;5;6\n", "line 1: expected comma-separated features"),
        ("1,2,0\n3,4\n", "line 2: expected 3 columns, got 2"),
        ("a,b,c\n1,2,0\n3,x,1\n", "line 3, column 2: expected a number, got 'x'"),
        ("1,2,0\n3,,1\n", "line 2, column 2: expected a number, got ''"),
        ("1,2,0\n3,4, \n", "line 2: expected a target"),
        ("1,2,0\n\n3,nan,1\n", "line 3: expected finite numbers"),
        ("1,2,0.5\n3,4,inf\n", "line 2: expected finite numbers"),
    ],
)
def test_csv_errors_name_file_and_line(tmp_path, text, says):
    with pytest.raises(ValueError, match=rf"table\.csv.*{says}"):
        read_csv(table(tmp_path, text))


def test_csv_that_is_not_text_is_a_value_error_with_its_name(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"1,2\n\xff\xfe,3\n")
    with pytest.raises(ValueError, match=r"table\.csv: expected a comma-separated text file in UTF-8"):
        read_csv(path)


# ---- tasks


def test_task_scales_bytes_by_their_largest_and_leaves_them_bytes():
    task = load_task("digits")
    assert task.x_train.dtype == np.uint8
    assert task.scale == 1 / 16


def test_task_standardises_with_the_training_rows_only():
    rng = np.random.default_rng(0)
    x, x_test = rng.normal(5, 3, (50, 4)), rng.normal(9, 1, (20, 4))
    x[:, 2] = 7  # a constant column has no deviation to divide by
    task = make_task((x, np.arange(50) % 3), (x_test, np.arange(20) % 3))
    np.testing.assert_allclose(task.x_train.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(task.x_train.std(axis=0), [1, 1, 0, 1], atol=1e-6)
    deviation = np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
    np.testing.assert_allclose(task.x_test, (x_test - x.mean(axis=0)) / deviation, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("y", "head"),
    [
        (np.arange(30) % 3, (3, "softmax", "sparse_categorical_crossentropy", "accuracy")),
        (np.eye(3)[np.arange(30) % 3], (3, "softmax", "sparse_categorical_crossentropy", "accuracy")),
        (np.arange(30) % 2 == 0, (1, "sigmoid", "binary_crossentropy", "accuracy")),
        (np.array(["no", "yes"] * 15), (1, "sigmoid", "binary_crossentropy", "accuracy")),
        (np.linspace(0, 1, 30), (1, "linear", "mse", "mae")),
        (np.random.default_rng(0).random((30, 2)), (2, "linear", "mse", "mae")),
    ],
    ids=["integers", "one-hot", "booleans", "text", "floats", "two floats a row"],
)
def test_task_chooses_the_last_layer_and_loss_by_the_target(y, head):
    assert make_task((np.random.default_rng(0).random((30, 2)), y)).head == head


def test_task_keeps_each_target_with_its_row_when_it_splits_and_shuffles():
    labels = np.repeat([30, 10, 20], 20)
    task = make_task((labels.astype(np.uint8), labels), seed=5)
    assert (len(task.x_train), len(task.x_test)) == (48, 12)
    for x, y in ((task.x_train, task.y_train), (task.x_test, task.y_test)):
        assert np.array_equal(task.classes[y], x[:, 0])
    assert len(set(task.y_train[-10:])) > 1  # the rows came sorted by class


@pytest.mark.parametrize(
    ("train", "test", "says"),
    [
        ((np.ones((4, 2)), np.arange(3)), None, "expected 4 training targets, one a row"),
        ((np.ones((0, 2)), np.ones(0)), None, r"shape \(rows, columns\), got \(0, 2\)"),
        ((np.array(["a", "b"]), np.arange(2)), None, "expected numeric training features"),
        ((np.full((4, 2), np.nan), np.arange(4) % 2), None, "expected finite training features"),
        ((np.ones((4, 2)), np.array([0, 1, np.inf, 2])), None, "expected finite training targets"),
        ((np.ones((4, 2)), np.zeros(4, int)), None, "expected classes from 2 to half the number of rows, got 1"),
        ((np.ones((40, 2)), np.arange(40)), None, "got 40 in 40 rows .*floats"),
        ((np.ones((4, 2)), np.ones((4, 2), int)), None, "expected one class label a row"),
        ((np.ones((1, 2)), np.ones(1)), None, "at least 2 rows"),
        ((np.ones((4, 2)), np.arange(4) % 2), (np.ones((4, 3)), np.arange(4) % 2), "2 columns as in training, got 3"),
    ],
)
def test_task_refuses_arrays_that_do_not_fit(train, test, says):
    with pytest.raises(ValueError, match=says):
        make_task(train, test)


def test_unknown_data_set_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"unknown data set 'digist': did you mean 'digits'\?.*\.npz or \.csv"):
        load_task("digist")
