"""Losses and metrics of fastbp.ops: weights, reductions, values at the edges, and what is refused."""

import importlib.util
import inspect
import threading
import time

import numpy as np
import pytest
from references import LOSSES, ROWS, Draw
from references_loss import reduced

import fastbp as fb
from fastbp.ops.edge import REALS, row_numbers

ops = fb.ops
DTYPES = ("float32", "float64")
ELEMENTWISE = [
    *(
        "mean_squared_error",
        "mean_absolute_error",
        "huber",
        "log_cosh",
        "quantile",
        "poisson",
        "hinge",
        "squared_hinge",
    ),
    *("cosine_similarity", "kl_divergence", "sigmoid_binary_cross_entropy", "binary_cross_entropy"),
]
CATEGORICAL = ["softmax_cross_entropy", "categorical_cross_entropy"]
needs_torch = pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="PyTorch is not installed")


def positive(dtype="float64", rows=6, columns=5):
    draw = Draw(0)
    return draw.probability(rows, columns).astype(dtype), draw.probability(rows, columns).astype(dtype)


# ---- the references


def test_the_reference_gradient_by_a_variance_is_the_derivative():
    draw, h = Draw(0), 1e-6
    mean, t, v, direction = draw.normal(7, 5), draw.normal(7, 5), draw.rng.uniform(0.5, 2, (7, 5)), draw.normal(7, 5)
    loss = LOSSES["gaussian_nll"]
    change = (loss(mean, t, v + h * direction)[0] - loss(mean, t, v - h * direction)[0]) / (2 * h)
    np.testing.assert_allclose((loss(mean, t, v)[2] * direction).sum(axis=1), change, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", [n for n in ROWS if n.endswith("weighted mean")])
def test_the_gradient_of_a_weighted_mean_is_the_derivative_of_its_value(name):
    """Of the reference, by differences: so that weights and reductions are checked too, not only the loss of a row."""
    row, h = ROWS[name], 1e-6
    p, *others = row.inputs(Draw(0), 9, 4)
    direction = Draw(1).normal(9, 4)
    above, below = (row.reference(p + step * direction, *others)[0] for step in (h, -h))
    got = (row.reference(p, *others)[1] * direction).sum()
    np.testing.assert_allclose(got, (above - below) / (2 * h), rtol=1e-5, atol=1e-7)


# ---- weights and reductions


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [1, 3, 17, 40])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_reductions_and_weights_follow_from_the_rows(name, columns, dtype):
    p, t = positive(dtype, 11, columns)
    function, weight = getattr(ops, name), np.arange(11.0) % 4
    rows = function(p, t, reduction="none")
    for reduction in ("none", "sum", "mean"):
        for given in (None, weight):
            got = function(p, t, reduction=reduction, sample_weight=given)
            wanted = reduced([np.float64(a) for a in rows], np.ones(11) if given is None else given, reduction)
            for a, b in zip(got, wanted, strict=True):
                np.testing.assert_allclose(a, b, rtol=20 * np.finfo(dtype).eps, atol=20 * np.finfo(dtype).eps)
            assert isinstance(got[0], np.ndarray if reduction == "none" else float)


@pytest.mark.parametrize("columns", [1, 3, 17, 40])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("name", [*ELEMENTWISE, *CATEGORICAL, "gaussian_nll"])
def test_a_row_of_weight_0_counts_nothing_whatever_it_holds(name, reduction, columns):
    p, t = positive(rows=7, columns=columns)
    weight = np.array([1.0, 0.0, 2.0, 0.0, 0.0, 1.0, 0.0])
    there = weight > 0
    more = (t.copy(),) if name == "gaussian_nll" else ()
    clean = getattr(ops, name)(
        p[there], t[there], *(a[there] for a in more), sample_weight=weight[there], reduction=reduction
    )
    p[1], p[3], t[3], t[4] = np.nan, np.inf, np.nan, -np.inf
    for a in more:
        a[6] = np.nan
    value, *gradients = getattr(ops, name)(p, t, *more, sample_weight=weight, reduction=reduction)
    np.testing.assert_allclose(value[there] if reduction == "none" else value, clean[0], rtol=1e-14)
    for got, want in zip(gradients, clean[1:], strict=True):
        np.testing.assert_array_equal(got[there], want)
        np.testing.assert_array_equal(got[~there], 0)
    if reduction == "none":
        np.testing.assert_array_equal(value[~there], 0)


@pytest.mark.parametrize("name", [*ELEMENTWISE, *CATEGORICAL])
def test_a_mean_over_no_rows_that_count_is_nan_and_its_gradient_0(name):
    p, t = positive()
    value, gradient = getattr(ops, name)(p, t, sample_weight=np.zeros(6))
    assert np.isnan(value)
    np.testing.assert_array_equal(gradient, 0)
    value, gradient = getattr(ops, name)(p[:0], t[:0])
    assert np.isnan(value)
    assert gradient.shape == (0, 5)
    assert getattr(ops, name)(p[:0], t[:0], reduction="sum")[0] == 0


@pytest.mark.parametrize("ignored", [-100, -1, 2])
def test_ignored_rows_count_nothing_whatever_they_hold(ignored):
    z, labels = Draw(0).normal(6, 4), np.array([0, ignored, 3, 1, ignored, 0])
    there = labels != ignored
    z[1] = np.nan
    value, gradient = ops.softmax_cross_entropy(z, labels, ignore_index=ignored)
    wanted = ops.softmax_cross_entropy(z[there], labels[there])
    np.testing.assert_allclose(value, wanted[0], rtol=1e-14)
    np.testing.assert_array_equal(gradient[there], wanted[1])
    np.testing.assert_array_equal(gradient[~there], 0)


def test_class_weights_of_one_hot_rows_are_those_of_their_labels():
    z, labels, weight = Draw(0).normal(6, 4), np.array([0, 3, 3, 1, 2, 0]), [1.0, 0.5, 0.0, 4.0]
    by_label = ops.softmax_cross_entropy(z, labels, class_weight=weight)
    by_row = ops.softmax_cross_entropy(z, np.eye(4)[labels], class_weight=weight)
    np.testing.assert_allclose(by_label[0], by_row[0], rtol=1e-15)
    np.testing.assert_allclose(by_label[1], by_row[1], rtol=1e-14, atol=1e-16)


@needs_torch
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_losses_agree_with_those_of_pytorch(reduction):
    import torch
    from torch.nn import functional as f

    draw = Draw(3)
    z, t, labels = draw.normal(9, 5), draw.probability(9, 5), draw.labels(9, 5).astype(np.int64)
    of_class, v = draw.probability(5), draw.probability(9, 5)
    labels[4] = -100

    def check(ours, theirs, leaf, per_row):
        theirs.sum().backward() if reduction == "none" else theirs.backward()
        value = theirs.detach().numpy()
        np.testing.assert_allclose(
            ours[0], value.mean(axis=1) if reduction == "none" and per_row else value, rtol=1e-13
        )
        share = z.shape[1] if reduction == "none" and per_row else 1
        np.testing.assert_allclose(ours[1], leaf.grad.numpy() / share, rtol=1e-12, atol=1e-16)

    leaf = torch.tensor(z, requires_grad=True)
    theirs = f.cross_entropy(leaf, torch.tensor(labels), weight=torch.tensor(of_class), reduction=reduction)
    ours = ops.softmax_cross_entropy(z, labels, class_weight=of_class, ignore_index=-100, reduction=reduction)
    check(ours, theirs, leaf, False)
    if reduction == "sum":
        return  # theirs are sums over columns too
    leaf = torch.tensor(z, requires_grad=True)
    theirs = f.binary_cross_entropy_with_logits(
        leaf, torch.tensor(t), pos_weight=torch.tensor(2.5, dtype=torch.float64), reduction=reduction
    )
    check(ops.sigmoid_binary_cross_entropy(z, t, pos_weight=2.5, reduction=reduction), theirs, leaf, True)
    leaf, variance = torch.tensor(z, requires_grad=True), torch.tensor(v, requires_grad=True)
    theirs = f.gaussian_nll_loss(leaf, torch.tensor(t), variance, eps=0.3, reduction=reduction)
    ours = ops.gaussian_nll(z, t, v, 0.3, reduction=reduction)
    check(ours, theirs, leaf, True)
    share = z.shape[1] if reduction == "none" else 1
    np.testing.assert_allclose(ours[2], variance.grad.numpy() / share, rtol=1e-12, atol=1e-15)
    leaf = torch.tensor(z, requires_grad=True)
    theirs = f.huber_loss(leaf, torch.tensor(t), delta=0.7, reduction=reduction)
    check(ops.huber(z, t, 0.7, reduction=reduction), theirs, leaf, True)


# ---- places


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [1, 5, 40])
@pytest.mark.parametrize("name", [*ELEMENTWISE, "categorical_cross_entropy", "gaussian_nll"])
def test_the_gradient_may_replace_the_prediction(name, columns, dtype):
    p, t = positive(dtype, 7, columns)
    more = (t.copy(),) if name == "gaussian_nll" else ()
    wanted = getattr(ops, name)(p, t, *more)
    got = getattr(ops, name)(p, t, *more, out=p)
    assert got[1] is p
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 31, 32, 33, 70])
@pytest.mark.parametrize("columns", [1, 3, 10, 16, 37])
def test_labels_and_rows_of_zeros_and_ones_give_the_same(rows, columns, dtype):
    draw = Draw(0)
    z, labels, weight = draw.normal(rows, columns).astype(dtype), draw.labels(rows, columns), np.arange(rows) % 3 / 2
    one_hot = np.eye(columns, dtype=dtype)[labels]
    wanted = ops.softmax_cross_entropy(z, one_hot, sample_weight=weight, reduction="none")
    z[weight == 0] = np.nan
    got = ops.softmax_cross_entropy(z, labels, sample_weight=weight, reduction="none")
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=8 * np.finfo(dtype).eps, atol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gradient_of_softmax_may_replace_logits_where_targets_are_labels(dtype):
    z, labels = Draw(0).normal(7, 19).astype(dtype), Draw(0).labels(7, 19)
    wanted = ops.softmax_cross_entropy(z, labels)
    for target, options in ((np.eye(19, dtype=dtype)[labels], {}), (labels, {"label_smoothing": 0.1})):
        with pytest.raises(ValueError, match="out not to overlap"):
            ops.softmax_cross_entropy(z, target, **options, out=z)
    got = ops.softmax_cross_entropy(z, labels, out=z)
    assert got[0] == wanted[0]
    np.testing.assert_array_equal(z, wanted[1])


def test_out_may_not_overlap_the_target():
    p, t = positive()
    with pytest.raises(ValueError, match="out not to overlap"):
        ops.mean_squared_error(p, t, out=t)


@pytest.mark.parametrize("name", ELEMENTWISE[:8])
def test_vectors_are_columns(name):
    p, t = positive(rows=40, columns=1)
    for a, b in ((p[:, 0], t[:, 0]), (np.repeat(p[:, 0], 2)[::2], t[::-1, 0][::-1])):
        value, gradient = getattr(ops, name)(a, b)
        assert value == getattr(ops, name)(p, t)[0]
        np.testing.assert_array_equal(gradient, getattr(ops, name)(p, t)[1][:, 0])


# ---- values at the edges


@pytest.mark.parametrize("dtype", DTYPES)
def test_losses_of_huge_errors_are_finite_where_the_mathematics_is(dtype):
    big = np.finfo(dtype).max / 8
    p, t = np.full((2, 3), big, dtype), np.zeros((2, 3), dtype)
    np.testing.assert_allclose(ops.huber(p, t)[0], big, rtol=1e-6)
    np.testing.assert_allclose(ops.log_cosh(p, t)[0], big, rtol=1e-6)
    np.testing.assert_allclose(ops.quantile(p, t)[0], big / 2, rtol=1e-6)
    np.testing.assert_allclose(ops.sigmoid_binary_cross_entropy(p, t, pos_weight=2.0)[0], big, rtol=1e-6)
    np.testing.assert_allclose(ops.sigmoid_binary_cross_entropy(-p, t, pos_weight=2.0)[0], 0, atol=1e-30)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_nan_stays_in_its_row(name):
    for columns in (1, 3, 40):
        p, t = positive(columns=columns)
        clean = getattr(ops, name)(p, t, reduction="none")
        p[2, columns - 1] = np.nan
        value, gradient = getattr(ops, name)(p, t, reduction="none")
        np.testing.assert_array_equal(np.isnan(value), np.arange(6) == 2)
        others = np.arange(6) != 2
        np.testing.assert_array_equal(gradient[others], clean[1][others])


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_cosh_is_accurate_for_small_and_large_errors(dtype):
    e = np.concatenate([np.logspace(-12, 2, 4001), np.linspace(0.9, 1.1, 501)]).astype(dtype)
    value, gradient = ops.log_cosh(e, np.zeros_like(e), reduction="none")
    wide = e.astype(np.longdouble)
    small = np.log1p(2 * np.sinh(np.minimum(wide, 1) / 2) ** 2)
    want = np.where(wide < 1, small, wide + np.log1p(np.exp(-2 * wide)) - np.log(np.longdouble(2)))
    np.testing.assert_allclose(value, want.astype(dtype), rtol=8 * np.finfo(dtype).eps)
    np.testing.assert_allclose(gradient, np.tanh(wide).astype(dtype), rtol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_at_kinks_are_the_documented_ones(dtype):
    zero = np.zeros((1, 1), dtype)
    for name in ("mean_absolute_error", "quantile", "huber", "log_cosh"):
        assert getattr(ops, name)(zero, zero)[1] == 0
    assert ops.hinge(zero + 1, zero + 1)[1] == 0
    assert ops.hinge(zero, zero) == (1.0, 1.0)  # a target of 0 is -1
    assert ops.cosine_similarity(zero, zero)[0] == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_logsumexp_and_argmax_take_nan_and_inf_as_numpy_does(dtype):
    inf, nan = np.inf, np.nan
    rows = [
        [1, inf, -inf],
        [inf, inf, 1],
        [-inf] * 3,
        [-inf, nan, 3],
        [inf, nan, 1],
        [nan] * 3,
        [-inf, 2, 2],
        [0.0, -0.0, 0.0],
    ]
    for columns in (3, 19, 140):
        x = np.full((len(rows), columns), -inf, dtype)
        x[:, -3:] = rows
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(ops.logsumexp(x), np.logaddexp.reduce(x, axis=1), rtol=1e-6)
        np.testing.assert_array_equal(ops.argmax(x), x.argmax(axis=1))
        np.testing.assert_array_equal(ops.argmax(x[:, ::-1]), x[:, ::-1].argmax(axis=1))
        np.testing.assert_array_equal(ops.argmax(x, 0), x.argmax(axis=0))


def test_logsumexp_of_any_number_of_axes():
    x = Draw(0).normal(2, 3, 4)
    for axis in (-3, -2, -1, 0, 1, 2):
        np.testing.assert_allclose(ops.logsumexp(x, axis), np.logaddexp.reduce(x, axis=axis), rtol=1e-14)
    np.testing.assert_allclose(ops.logsumexp(x[0, 0]), np.logaddexp.reduce(x[0, 0]), rtol=1e-14)
    np.testing.assert_array_equal(ops.logsumexp(np.zeros((3, 0))), -np.inf)
    assert ops.logsumexp(np.zeros((0, 3))).shape == (0,)


def test_row_sum_has_the_same_bits_in_every_layout():
    x = Draw(0).normal(37, 531)
    for other in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x[::-1, ::-1].copy()[::-1, ::-1]):
        np.testing.assert_array_equal(ops.row_sum(other), ops.row_sum(x))


def test_top_k_takes_ties_for_right_and_a_nan_of_its_own_for_wrong():
    scores = np.array([[1.0, 1.0, 1.0, 0.0], [np.nan, 2.0, 1.0, 0.0], [np.nan, 2.0, 1.0, 0.0]])
    assert ops.top_k_accuracy(scores[:1], [2], k=1) == 1
    assert ops.top_k_accuracy(scores[1:], [1, 2], k=2) == 0.5
    assert ops.top_k_accuracy(scores[1:2], [0], k=4) == 0
    assert ops.top_k_accuracy(scores, np.eye(4)[[0, 1, 2]], k=7) == 1


def test_metrics_of_no_rows():
    assert np.isnan(ops.accuracy(np.zeros((0, 3)), np.zeros(0, int)))
    assert np.isnan(ops.accuracy(np.zeros(0), np.zeros(0)))
    assert np.isnan(ops.top_k_accuracy(np.zeros((0, 3)), np.zeros(0, int)))
    np.testing.assert_array_equal(ops.confusion_counts([], [], 2), np.zeros((2, 2)))
    for dtype in REALS:
        assert ops.one_hot([], 3, dtype).shape == (0, 3)


@pytest.mark.parametrize("kind", ["u1", "i2", "u4", "i8", "u8", ">i4"])
def test_labels_may_be_of_any_integer_type(kind):
    z, labels = Draw(0).normal(6, 4), np.array([0, 3, 3, 1, 2, 0])
    for given in (labels.astype(kind), np.repeat(labels.astype(kind), 2)[::2]):
        assert ops.softmax_cross_entropy(z, given)[0] == ops.softmax_cross_entropy(z, labels)[0]


def test_classes_are_counted_as_numpy_counts_them():
    true, predicted = Draw(0).labels(1000, 7), Draw(1).labels(1000, 7)
    wanted = np.bincount(7 * true + predicted, minlength=49).reshape(7, 7)
    got = ops.confusion_counts(true, predicted, 7)
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got, wanted)


# ---- targets and weights

BINARY = ["sigmoid_binary_cross_entropy", "binary_cross_entropy"]
DISTRIBUTIONS = [*CATEGORICAL, "kl_divergence"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", [np.array, np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2]])
@pytest.mark.parametrize("name", [*BINARY, *DISTRIBUTIONS])
def test_targets_that_are_no_probabilities_are_refused_but_in_rows_that_do_not_count(name, layout, dtype):
    function, weight = getattr(ops, name), np.arange(6) != 3
    wrong = (-1e-6, 1.0001, np.nan, np.inf) if name in BINARY else (-1e-6, np.nan, np.inf, -np.inf)
    for place in ((3, 0), (3, 4)):
        for value in wrong:
            p, t = positive(dtype)
            t[place] = value
            for weights in (None, np.ones(6)):
                out = np.full_like(p, 7)
                with pytest.raises(ValueError, match=r"expected target (from 0 to 1|finite and at least 0), got"):
                    function(p, layout(t), sample_weight=weights, out=out)
                assert (out == 7).all()
            assert np.isfinite(function(p, layout(t), sample_weight=weight)[0])


@pytest.mark.parametrize("name", BINARY)
def test_targets_of_exactly_0_and_1_are_taken(name):
    assert np.isfinite(getattr(ops, name)([0.5, 0.5, 0.5], [0.0, 1.0, -0.0])[0])


@pytest.mark.parametrize("name", CATEGORICAL)
def test_labels_may_stand_in_a_column(name):
    p, labels = positive()[0], np.array([0, 4, 3, 1, 2, 0])
    want = getattr(ops, name)(p, labels)
    got = getattr(ops, name)(p, labels[:, None])
    assert got[0] == want[0]
    np.testing.assert_array_equal(got[1], want[1])
    assert ops.accuracy(p, labels[:, None]) == ops.accuracy(p, labels)
    np.testing.assert_array_equal(ops.one_hot(labels[:, None], 5), ops.one_hot(labels, 5))


def test_class_weights_may_be_a_mapping_that_leaves_classes_out():
    z, labels = Draw(0).normal(6, 4), np.array([0, 3, 3, 1, 2, 0])
    want = ops.softmax_cross_entropy(z, labels, class_weight=[1, 1, 0.5, 4])
    got = ops.softmax_cross_entropy(z, labels, class_weight={3: 4, np.int64(2): 0.5})
    assert got[0] == want[0]
    np.testing.assert_array_equal(got[1], want[1])
    for given, error, says in (
        ({4: 1.0}, ValueError, "class_weight for labels as a whole number from 0 to 3, got 4"),
        ({"cat": 1.0}, TypeError, "class_weight for labels as a whole number, got 'cat'"),
        ({1: "a"}, TypeError, r"class_weight\[1\] as a number, got 'a'"),
        ({1: -1.0}, ValueError, r"class_weight\[1\] as a finite number"),
    ):
        with pytest.raises(error, match=says):
            ops.softmax_cross_entropy(z, labels, class_weight=given)


@needs_torch
def test_a_class_weight_multiplies_the_smoothed_loss_as_a_whole_where_pytorch_weighs_its_terms():
    import torch

    z, labels, weight = Draw(0).normal(6, 4), np.array([0, 3, 3, 1, 2, 0]), np.array([1.0, 2.0, 0.5, 4.0])
    ours, _ = ops.softmax_cross_entropy(z, labels, class_weight=weight, label_smoothing=0.2, reduction="none")
    losses = -ops.log_softmax(z)
    own = losses[np.arange(6), labels]
    np.testing.assert_allclose(ours, weight[labels] * (0.8 * own + 0.2 * losses.mean(axis=1)), rtol=1e-13)
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor(z), torch.tensor(labels), torch.tensor(weight), label_smoothing=0.2, reduction="none"
    )
    np.testing.assert_allclose(theirs, 0.8 * weight[labels] * own + 0.2 * (weight * losses).mean(axis=1), rtol=1e-13)


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ({"sample_weight": [1e39, 1.0, 1.0]}, "expected sample_weight to be finite in float32"),
        ({"sample_weight": [1e30] * 3, "class_weight": [1e30] * 4}, "expected sample_weight and class_weight to be"),
    ],
)
def test_weights_that_overflow_in_the_type_of_the_prediction_are_refused(weights, says):
    with pytest.raises(ValueError, match=says):
        ops.softmax_cross_entropy(P.astype("f4"), LABELS, **weights)
    assert np.isfinite(ops.softmax_cross_entropy(P, LABELS, **weights)[0])


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x, tiny: ops.gaussian_nll(x, x, x, tiny), "epsilon"),
        (lambda x, tiny: ops.huber(x, x, tiny), "delta"),
        (lambda x, tiny: ops.sigmoid_binary_cross_entropy(x, x, pos_weight=tiny), "pos_weight"),
        (lambda x, tiny: ops.quantile(x, x, tiny), "q"),
        (lambda x, tiny: ops.quantile(x, x, 1 - 1e-12), "q"),
        (lambda x, tiny: ops.huber(x, x, 1e39), "delta"),
        (lambda x, tiny: ops.layer_norm(x, epsilon=tiny), "epsilon"),
        (lambda x, tiny: ops.rms_norm(x, epsilon=tiny), "epsilon"),
        (lambda x, tiny: ops.group_norm(x, 2, epsilon=tiny), "epsilon"),
        (lambda x, tiny: ops.batch_norm(x, epsilon=tiny), "epsilon"),
    ],
)
def test_a_constant_has_to_be_in_its_range_as_float32_too(call, name):
    call(P, 1e-50)
    with pytest.raises(ValueError, match=rf"expected {name} as a finite number in \(0, .* in float32, got"):
        call(P.astype("f4"), 1e-50)


def test_other_threads_run_while_labels_are_checked():
    labels, stop, count = np.zeros(10_000_000, np.int64), threading.Event(), [0]

    def counting():
        while not stop.is_set():
            count[0] += 1
            time.sleep(1e-4)

    thread = threading.Thread(target=counting)
    thread.start()
    most = 0
    for _ in range(50):
        before = count[0]
        row_numbers("index", labels, 1)
        most = max(most, count[0] - before)
        if most > 5:
            break
    stop.set()
    thread.join()
    assert most > 5, "a thread that counts all the time did so at most this often during a call"


# ---- what is refused

P = np.full((3, 4), 0.25)
LABELS = np.array([0, 1, 2])


@pytest.mark.parametrize("name", [*ELEMENTWISE, *CATEGORICAL])
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"reduction": "average"}, r"unknown reduction 'average' \(known: none, sum, mean\)"),
        ({"sample_weight": [1.0, 1.0]}, r"expected sample_weight with shape \(3,\), got \(2,\)"),
        ({"sample_weight": [1.0, -1.0, 1.0]}, "expected sample_weight to be finite and at least 0, got -1.0 to 1.0"),
        ({"sample_weight": [1.0, np.nan, 1.0]}, "expected sample_weight to be finite"),
        ({"sample_weight": [1.0, np.inf, 1.0]}, "expected sample_weight to be finite"),
        ({"out": np.zeros((3, 3))}, r"expected out as a float64 array of shape \(3, 4\)"),
    ],
)
def test_bad_options_of_every_loss_are_refused(name, options, says):
    with pytest.raises(ValueError, match=says):
        getattr(ops, name)(P, P.copy(), **options)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (
            lambda: ops.softmax_cross_entropy(P, LABELS, label_smoothing=1.0),
            ValueError,
            r"label_smoothing as a finite number in \[0, 1\), got 1",
        ),
        (
            lambda: ops.softmax_cross_entropy(P, LABELS, label_smoothing=np.nan),
            ValueError,
            "label_smoothing as a finite number",
        ),
        (
            lambda: ops.binary_cross_entropy(P, P, label_smoothing=-0.1),
            ValueError,
            "label_smoothing as a finite number",
        ),
        (lambda: ops.softmax_cross_entropy(P, [0, 1, 4]), ValueError, "target of labels from 0 to 3, got 0 to 4"),
        (lambda: ops.softmax_cross_entropy(P, [0, -1, 7], ignore_index=-1), ValueError, "from 0 to 3, got 0 to 7"),
        (lambda: ops.softmax_cross_entropy(P, [2**32, 1, 1]), ValueError, "labels from 0 to 3"),
        (lambda: ops.softmax_cross_entropy(P, np.array([2**63, 1, 1], "u8")), ValueError, "labels from 0 to 3"),
        (
            lambda: ops.softmax_cross_entropy(P, [0.0, 1.0, 2.0]),
            ValueError,
            "target of integers where it is a vector, got dtype float64",
        ),
        (lambda: ops.softmax_cross_entropy(P, [0, 1]), ValueError, r"target with shape \(3,\), got \(2,\)"),
        (lambda: ops.softmax_cross_entropy(P, P[:2]), ValueError, r"target with shape \(3, 4\), got \(2, 4\)"),
        (lambda: ops.softmax_cross_entropy(P[0], [1]), ValueError, r"logits with shape \(rows, columns\)"),
        (
            lambda: ops.softmax_cross_entropy(P, P.copy(), ignore_index=1),
            ValueError,
            "labels where ignore_index is given",
        ),
        (
            lambda: ops.softmax_cross_entropy(P, LABELS, ignore_index=0.5),
            TypeError,
            "ignore_index as a whole number, got 0.5",
        ),
        (
            lambda: ops.softmax_cross_entropy(P, LABELS, class_weight=[1.0]),
            ValueError,
            r"class_weight with shape \(4,\)",
        ),
        (
            lambda: ops.softmax_cross_entropy(P, LABELS, class_weight=[1, 1, 1, -1]),
            ValueError,
            "class_weight to be finite",
        ),
        (lambda: ops.softmax_cross_entropy(P, LABELS, sample_weight=["a"] * 3), TypeError, "sample_weight of real"),
        (lambda: ops.sigmoid_binary_cross_entropy(P, P, pos_weight=0.0), ValueError, "pos_weight as a finite number"),
        (
            lambda: ops.sigmoid_binary_cross_entropy(P, P, pos_weight=np.nan),
            ValueError,
            "pos_weight as a finite number",
        ),
        (lambda: ops.mean_squared_error(P, P[:2]), ValueError, r"target with the shape of prediction, \(3, 4\)"),
        (lambda: ops.mean_squared_error(P, P.astype("f4")), TypeError, "target of dtype float64"),
        (
            lambda: ops.mean_squared_error(P[None], P[None]),
            ValueError,
            r"expected prediction with shape \(rows, columns\)",
        ),
        (lambda: ops.mean_squared_error(1.0, 1.0), ValueError, r"expected prediction with shape \(rows, columns\)"),
        (lambda: ops.huber(P, P, 0), ValueError, r"delta as a finite number in \(0, inf\), got 0"),
        (lambda: ops.quantile(P, P, 1.0), ValueError, r"q as a finite number in \(0, 1\)"),
        (lambda: ops.gaussian_nll(P, P, P[:2]), ValueError, "variance with the shape of mean"),
        (lambda: ops.gaussian_nll(P, P, P, -1.0), ValueError, "epsilon as a finite number"),
        (lambda: ops.one_hot([0, 3], 3), ValueError, "labels from 0 to 2, got 0 to 3"),
        (lambda: ops.one_hot([0.0], 3), TypeError, "labels as integers, got dtype float64"),
        (lambda: ops.one_hot([0], 3, "i4"), TypeError, "dtype float32 or float64"),
        (lambda: ops.one_hot([], 0), ValueError, "classes as a whole number of at least 1"),
        (lambda: ops.accuracy(P, [0, 1, 4]), ValueError, "labels from 0 to 3"),
        (lambda: ops.accuracy(P[:, 0], [0, 1]), ValueError, r"target with shape \(3,\) or \(3, 1\), got \(2,\)"),
        (lambda: ops.accuracy(P[:, :0], LABELS), ValueError, "at least one column"),
        (lambda: ops.softmax_cross_entropy(P[:, :0], LABELS), ValueError, "logits with at least one column"),
        (lambda: ops.top_k_accuracy(P, LABELS, k=0), ValueError, "k as a whole number of at least 1"),
        (lambda: ops.confusion_counts([0], [0, 1], 2), ValueError, r"predicted_labels with shape \(1,\), got \(2,\)"),
        (lambda: ops.confusion_counts([0], [2], 2), ValueError, "predicted_labels of labels from 0 to 1"),
        (lambda: ops.argmax(P[:, :0]), ValueError, "at least one element along axis"),
        (lambda: ops.argmax(P, 2), ValueError, "axis as a whole number from -2 to 1, got 2"),
        (lambda: ops.logsumexp(P, 2), ValueError, "axis as a whole number from -2 to 1, got 2"),
        (lambda: ops.logsumexp(1.0), ValueError, "expected x with at least one axis, got a scalar"),
        (lambda: ops.row_sum(P[0]), ValueError, "expected x with shape"),
    ],
)
def test_bad_input_is_refused_with_what_was_expected(call, error, says):
    with pytest.raises(error, match=says):
        call()


@pytest.mark.parametrize("name", [*ELEMENTWISE, *CATEGORICAL, "gaussian_nll"])
def test_every_loss_ends_in_the_same_options(name):
    names = list(inspect.signature(getattr(ops, name)).parameters)
    assert names[-3:] == ["sample_weight", "reduction", "out"]
