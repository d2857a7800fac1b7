"""Tables of pandas, polars and Arrow, and SciPy's sparse matrices, in place of arrays."""

import tracemalloc

import numpy as np
import pytest

import fastbp as fb
from fastbp import tables

RNG = np.random.default_rng(0)
X = RNG.normal(size=(57, 6)) * (RNG.random((57, 6)) < 0.4)
Y = RNG.integers(0, 3, 57)


def model(columns=6, dtype="float32", scale=1.0):
    fb.utils.set_random_seed(0)
    layers = [fb.Input((columns,), scale=scale, dtype=dtype), fb.Dense(8, "tanh"), fb.Dense(3, "softmax")]
    made = fb.Sequential(layers)
    made.compile("adam", "crossentropy", metrics=["accuracy"])
    return made


def trained(x, **options):
    made = model(**options)
    history = made.fit(x, Y, epochs=3, batch_size=10, verbose=0, validation_split=0.2).history
    return history, made.get_weights()


def assert_same(got, want):
    assert got[0] == want[0]
    for one, other in zip(got[1], want[1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", ["csr_matrix", "csr_array", "csc_array", "coo_array", "dok_array"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sparse_rows_train_to_the_same_bits_as_dense_ones(kind, dtype):
    sparse = pytest.importorskip("scipy.sparse")
    matrix = getattr(sparse, kind)(X.astype(dtype))
    dense = X.astype(dtype)
    assert_same(trained(matrix, dtype=dtype, scale=0.5), trained(dense, dtype=dtype, scale=0.5))
    one = model(dtype=dtype)
    np.testing.assert_array_equal(one.predict(matrix), one.predict(dense))
    np.testing.assert_array_equal(one.predict(matrix.tocsr()[5:6]), one.predict(dense[5:6]))
    assert one.evaluate(matrix, Y) == one.evaluate(dense, Y)


def test_wide_sparse_rows_are_gathered_by_columns_too():
    sparse = pytest.importorskip("scipy.sparse")
    wide = sparse.random_array((400, 3000), density=0.01, format="csr", rng=np.random.default_rng(1), dtype="float32")
    y = np.arange(400) % 3

    def weights(x):
        fb.utils.set_random_seed(0)
        made = fb.Sequential([fb.Input((3000,)), fb.Dense(64, "relu"), fb.Dense(3, "softmax")])
        made.compile("adam", "crossentropy")
        made.fit(x, y, epochs=2, batch_size=32, verbose=0)
        return made.get_weights()[0]

    np.testing.assert_array_equal(weights(wide), weights(wide.toarray()))


def test_what_is_stored_twice_is_added():
    sparse = pytest.importorskip("scipy.sparse")
    twice = sparse.csr_array((np.ones(3), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 6))
    one = model()
    np.testing.assert_array_equal(one.predict(twice), one.predict([[0, 2, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]]))


def test_unsound_sparse_matrices_are_refused():
    sparse = pytest.importorskip("scipy.sparse")
    wrong = sparse.csr_array((np.ones(3), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 6))
    for change in (
        ("indices", np.array([1, 9, 0])),
        ("indices", np.array([-1, 1, 0])),
        ("indptr", np.array([0, 5, 3])),
    ):
        broken = wrong.copy()
        setattr(broken, *change)
        with pytest.raises(ValueError, match="sound indices"):
            model().predict(broken)
    with pytest.raises(ValueError, match=r"shape \(rows, 6\), got a sparse matrix of shape \(2, 5\)"):
        model().predict(sparse.csr_array((2, 5)))
    with pytest.raises(TypeError, match="sparse matrix of dtype complex128"):
        model().predict(wrong.astype(complex))
    with pytest.raises(ValueError, match="at least one row"):
        model().predict(sparse.csr_array((0, 6)))
    with pytest.raises(TypeError, match="y as a dense array"):
        model().fit(X, sparse.csr_array(np.eye(57)[:, :3]), verbose=0)


FRAMES = {
    "pandas": lambda module, columns: module.DataFrame(columns),
    "polars": lambda module, columns: module.DataFrame(columns),
    "pyarrow": lambda module, columns: module.table(columns),
}


@pytest.mark.parametrize("library", FRAMES)
def test_tables_are_taken_as_their_columns(library):
    module = pytest.importorskip(library)
    columns = {"a": X[:, 0], "b": np.arange(57), "c": X[:, 1] > 0, "d": X[:, 2].astype("f4")}
    table = FRAMES[library](module, columns)
    array = np.column_stack(list(columns.values())).astype("f8")
    y = FRAMES[library](module, {"label": Y})
    got, want = (model(4).fit(x, t, epochs=2, verbose=0).history for x, t in ((table, y), (array, Y)))
    assert got == want
    np.testing.assert_array_equal(model(4).predict(table), model(4).predict(array))


@pytest.mark.parametrize("library", FRAMES)
def test_a_column_of_text_is_named_in_the_error(library):
    module = pytest.importorskip(library)
    table = FRAMES[library](module, {"age": np.arange(3.0), "town": ["a", "b", "c"]})
    with pytest.raises(TypeError, match=r"got column 'town' of .*turn it into numbers"):
        model(2).predict(table)


def test_missing_values_become_nan_and_blocks_of_one_type_are_not_copied():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": pandas.array([1, None, 3], "Int64"), "b": [0.5, 1.5, 2.5]})
    np.testing.assert_array_equal(tables.as_matrix("x", frame), [[1, 0.5], [np.nan, 1.5], [3, 2.5]])
    block = pandas.DataFrame(X)
    assert np.shares_memory(tables.as_matrix("x", block), block.to_numpy())


@pytest.mark.parametrize("library", FRAMES)
def test_a_column_of_flags_does_not_make_a_table_into_objects(library):
    module = pytest.importorskip(library)
    columns = {f"c{k}": np.ones(10_000, "f4") for k in range(10)} | {"flag": np.ones(10_000, bool)}
    table = FRAMES[library](module, columns)
    tracemalloc.start()
    matrix = tables.as_matrix("x", table)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert matrix.dtype == np.float32
    assert peak < 3 * matrix.nbytes


def test_memory_mapped_pixels_train_as_pixels_in_memory(tmp_path):
    pixels = RNG.integers(0, 256, (57, 6), np.uint8)
    np.save(tmp_path / "pixels.npy", pixels)
    mapped = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    assert_same(trained(mapped, scale=1 / 255), trained(pixels, scale=1 / 255))
