"""Plots: what a figure shows, that files are written, and what is said about bad arguments."""

import os
import subprocess
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import fastbp as fb
from fastbp import plots
from fastbp.plots.layout import GAP, lay_out, spread

CURVES = {
    "loss": [0.9, 0.5, 0.3],
    "accuracy": [0.5, 0.7, 0.8],
    "val_loss": [1.0, 0.7, 0.6],
    "val_accuracy": [0, 0.5, 1],
}
POINTS = np.array([[-1.0, 0.0], [-0.5, 1.0], [0.5, 0.2], [1.0, -1.0]])


class Classifier:
    """Predicts by the sign of the first column, as one probability or as one score a class."""

    def __init__(self, outputs):
        self.outputs = outputs

    def predict(self, x, verbose=0):
        p = 1 / (1 + np.exp(-4 * x[:, :1]))
        return p if self.outputs == 1 else np.hstack([1 - p, p] + [0 * p] * (self.outputs - 2))


def lines(axes):
    return {line.get_label(): line.get_ydata().tolist() for line in axes.get_lines()}


def test_history_draws_each_metric_with_its_validation_curve():
    loss, accuracy = plots.history(CURVES).axes
    assert (loss.get_title(), accuracy.get_title()) == ("Loss", "Accuracy")
    assert lines(loss) == {"training": CURVES["loss"], "validation": CURVES["val_loss"]}
    assert lines(accuracy) == {"training": CURVES["accuracy"], "validation": CURVES["val_accuracy"]}
    assert loss.get_xlabel() == "epoch"
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["training", "validation"]


def test_history_takes_what_fit_returns_and_counts_epochs_from_one():
    (axes,) = plots.history(SimpleNamespace(history={"loss": [0.3, 0.2]}, epoch=[5, 6])).axes
    assert axes.get_lines()[0].get_xdata().tolist() == [6, 7]


def test_history_draws_what_validation_alone_has():
    loss, score = plots.history({"loss": [0.3, 0.2], "val_score": [1.0, 2.0]}).axes
    assert (list(lines(loss)), score.get_title(), list(lines(score))) == (["training"], "Score", ["validation"])


def test_history_leaves_out_arrays_also_with_gaps():
    (axes,) = plots.history({"loss": [0.3, 0.2], "matrix": [np.nan, np.eye(2)]}).axes
    assert axes.get_title() == "Loss"


@pytest.mark.parametrize("empty", [{}, {"loss": []}])
def test_history_without_epochs_is_refused(empty):
    with pytest.raises(ValueError, match="at least one epoch, got none"):
        plots.history(empty)


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_decision_regions_draw_rows_by_class_and_count_the_right_ones(outputs):
    (axes,) = plots.decision_regions(Classifier(outputs), POINTS, [0, 0, 1, 0]).axes
    assert axes.get_title() == "Decision regions (3 of 4 rows right)"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["class 0", "class 1"]
    drawn = {item.get_label(): item.get_offsets().tolist() for item in axes.collections if item.get_label()[0] == "c"}
    assert drawn == {"class 0": POINTS[[0, 1, 3]].tolist(), "class 1": POINTS[[2]].tolist()}


@pytest.mark.parametrize("outputs", [1, 2])
def test_decision_regions_border_lies_where_the_prediction_changes(outputs):
    (axes,) = plots.decision_regions(Classifier(outputs), POINTS, [0, 0, 1, 1]).axes
    borders = [path.vertices for item in axes.collections if hasattr(item, "levels") for path in item.get_paths()]
    assert borders
    assert max(np.abs(border[:, 0]).max() for border in borders) < 0.01


def test_decision_regions_work_where_one_class_fills_the_plane():
    (axes,) = plots.decision_regions(Classifier(1), POINTS + 10, np.ones((4, 1), int)).axes
    assert axes.get_title() == "Decision regions (4 of 4 rows right)"


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (np.ones((4, 3)), np.ones(4), r"X of shape \(rows, 2\), got \(4, 3\)"),
        (np.ones((0, 2)), np.ones(0), r"got \(0, 2\)"),
        (np.ones((4, 2)), np.ones(3), "expected 4 labels in y, got 3"),
    ],
)
def test_decision_regions_refuse_arrays_that_do_not_fit(x, y, says):
    with pytest.raises(ValueError, match=says):
        plots.decision_regions(Classifier(1), x, y)


@pytest.mark.parametrize(("suffix", "starts"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_figures_are_written_in_the_format_of_the_suffix(tmp_path, suffix, starts):
    plots.history(CURVES, tmp_path / f"a.{suffix}")
    plots.decision_regions(Classifier(1), POINTS, [0, 0, 1, 1], tmp_path / f"b.{suffix}")
    for name in "ab":
        assert (tmp_path / f"{name}.{suffix}").read_bytes().startswith(starts)


def test_check_path_finds_what_saving_would(tmp_path):
    plots.check_path(tmp_path / "new.png")
    assert not (tmp_path / "new.png").exists()
    with pytest.raises(ValueError, match=r"expected a picture file .*got '\.doc'"):
        plots.check_path(tmp_path / "a.doc")
    with pytest.raises(FileNotFoundError, match="expected an existing folder"):
        plots.check_path(tmp_path / "none" / "a.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(IsADirectoryError, match="got a folder"):
        plots.check_path(tmp_path / "folder.png")


def test_plots_need_no_screen_and_leave_pyplot_alone(tmp_path):
    program = f"""if True:
        import sys
        from fastbp import plots
        assert "matplotlib" not in sys.modules
        plots.history({{"loss": [1.0, 0.5]}}, {str(tmp_path / "a.png")!r})
        assert "matplotlib.pyplot" not in sys.modules
    """
    env = {**os.environ, "MPLBACKEND": "TkAgg"}
    env.pop("DISPLAY", None)
    subprocess.run([sys.executable, "-c", program], check=True, env=env)
    assert (tmp_path / "a.png").stat().st_size > 1000


DRAW = {
    "history": lambda: plots.history(CURVES),
    "decision_regions": lambda: plots.decision_regions(Classifier(1), POINTS, [0, 0, 1, 1]),
    "gradient_flow": lambda: plots.gradient_flow(a_flow()),
    "confusion_matrix": lambda: plots.confusion_matrix([[1]]),
    "weights": lambda: plots.weights(fb.Sequential([fb.Input((2,)), fb.Dense(1)])),
    "model_graph": lambda: plots.model_graph(two_headed()),
}


@pytest.mark.parametrize("name", sorted(set(plots.__all__) - {"check_path"}))
def test_without_matplotlib_the_error_says_what_to_install(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'fastbp\[plot\]'"):
        DRAW[name]()


def texts(figure, panel=0):
    return [text.get_text() for text in figure.axes[panel].texts]


def a_flow(layers=3, epochs=2, **records):
    """What GradientFlow keeps, made up: every measure falls by ten from layer to layer."""
    falling = np.tile(10.0 ** -np.arange(layers)[:, None], (1, epochs))
    names = ("activation", "gradient", "weight_gradient", "update_ratio")
    epoch = list(range(-1, epochs - 1))
    layer_names = [f"layer_{k}" for k in range(layers)]
    return SimpleNamespace(layers=layer_names, epoch=epoch, records={**dict.fromkeys(names, falling), **records})


def test_history_of_a_model_plots_itself(tmp_path):
    model = fb.Sequential([fb.Input((2,)), fb.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(POINTS, np.ones(4), epochs=3, verbose=0)
    (axes,) = history.plot(tmp_path / "a.png").axes
    assert lines(axes)["training"] == history.history["loss"]
    assert (tmp_path / "a.png").stat().st_size > 1000
    with pytest.raises(ValueError, match="at least one epoch"):
        fb.callbacks.History().plot()


def test_gradient_flow_draws_every_measure_of_every_layer():
    panels = plots.gradient_flow(a_flow()).axes
    assert len(panels) == 3
    for axes in panels:
        assert lines(axes) == {"before": [1, 0.1, 0.01], "epoch 1": [1, 0.1, 0.01]}
        assert axes.get_yscale() == "log"
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["layer_0", "layer_1", "layer_2"]


def test_gradient_flow_of_a_training_has_the_numbers_of_its_records():
    fb.utils.set_random_seed(0)
    model = fb.Sequential([fb.Input((2,)), fb.Dense(4, "tanh"), fb.Activation("relu"), fb.Dense(1)])
    model.compile("sgd", "mse")
    flow = fb.callbacks.GradientFlow(POINTS, np.ones(4))
    model.fit(POINTS, np.ones(4), epochs=2, verbose=0, callbacks=flow)
    assert len(flow.layers) == 3
    drawn = lines(plots.gradient_flow(flow).axes[1])
    assert list(drawn) == ["before", "epoch 1", "epoch 2"]
    assert drawn["epoch 2"] == flow.records["gradient"][[0, 2], 2].tolist()  # the relu has no weights


def test_gradient_flow_of_many_layers_and_epochs_counts_layers_and_picks_epochs():
    axes = plots.gradient_flow(a_flow(layers=30, epochs=101)).axes[0]
    assert list(lines(axes)) == ["before", "epoch 20", "epoch 40", "epoch 60", "epoch 80", "epoch 100"]
    assert "counted from the input" in axes.get_xlabel()


def test_gradient_flows_side_by_side_share_their_scales():
    weak = a_flow(gradient=np.full((3, 2), 1e-9))
    figure = plots.gradient_flow({"strong": a_flow(), "weak": weak})
    assert len(figure.axes) == 6
    assert figure.axes[1].get_ylim() == figure.axes[4].get_ylim()
    low, high = figure.axes[1].get_ylim()
    assert low < 1e-9 < 1 < high


def test_gradient_flow_leaves_out_what_has_no_logarithm(tmp_path):
    nothing, holes = np.full((3, 2), np.nan), np.array([[0, np.inf], [np.nan, 1], [2, 3]])
    figure = plots.gradient_flow(a_flow(update_ratio=nothing, gradient=holes), tmp_path / "a.png")
    np.testing.assert_array_equal(lines(figure.axes[1])["before"], [np.nan, np.nan, 2])
    assert texts(figure, 2) == ["nothing to draw"]


@pytest.mark.parametrize("empty", [{}, a_flow(epochs=0), {"a": a_flow(epochs=0)}])
def test_gradient_flow_without_epochs_is_refused(empty):
    with pytest.raises(ValueError, match="at least one epoch, got none"):
        plots.gradient_flow(empty)


def test_confusion_matrix_is_the_same_from_counts_and_from_class_numbers():
    counts = [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    expected = ["1", "1", "0", "0", "2", "0", "1", "0", "0"]
    for figure in (plots.confusion_matrix(counts), plots.confusion_matrix([0, 0, 1, 1, 2], [0, 1, 1, 1, 0])):
        assert texts(figure) == expected  # row by row, true classes down
        assert figure.axes[0].get_title() == "3 of 5 rows right"
        assert figure.axes[0].get_ylabel() == "true class"
    columns = np.array([[0.2], [0.7]]) > 0.5
    assert texts(plots.confusion_matrix(columns, columns, labels=["$a", "b$", "c"])) == [*"100", *"010", *"000"]


@pytest.mark.parametrize(
    ("normalize", "shown"),
    [("true", "0.75 0.25 0.00 0.00"), ("pred", "1.00 1.00 0.00 0.00"), ("all", "0.75 0.25 0.00 0.00")],
)
def test_confusion_matrix_shows_shares_and_none_of_nothing(normalize, shown):
    assert texts(plots.confusion_matrix([[3, 1], [0, 0]], normalize=normalize)) == shown.split()


def test_confusion_matrix_takes_what_the_metric_gives_and_many_classes(tmp_path):
    model = fb.Sequential([fb.Activation("linear", input_shape=(2,))])
    model.compile("sgd", "crossentropy", metrics=["confusion_matrix"])
    matrix = model.evaluate(np.eye(2)[[0, 1, 1]], np.array([0, 0, 1]), verbose=0)[1]
    assert texts(plots.confusion_matrix(matrix)) == ["1", "1", "0", "1"]
    large = plots.confusion_matrix(np.eye(200), path=tmp_path / "a.png")
    assert texts(large) == []
    assert len(large.axes[0].get_xticks()) == 40
    plots.confusion_matrix(np.zeros((1, 1)))


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (([[1, 2]],), ValueError, r"\(classes, classes\), or y_pred beside it, got \(1, 2\)"),
        (([0, 1],), ValueError, r"got \(2,\)"),
        (([[1, -1], [0, 0]],), ValueError, "at least 0"),
        (([[1, np.nan], [0, 0]],), ValueError, "finite"),
        (([["a"]],), ValueError, "matrix of counts"),
        (([0, 1], [0]), ValueError, "expected 2 class numbers in y_pred, as in y_true, got 1"),
        (([0, 1], np.eye(2)), ValueError, r"y_pred of shape \(rows,\), class numbers, got \(2, 2\)"),
        (([0, 1], [0.5, 1]), TypeError, "y_pred"),
        (([0, "a"], [0, 1]), TypeError, "y_true"),
        (([0, -1], [0, 1]), ValueError, "y_true from 0 to 999, got -1 to 0"),
        (([], []), ValueError, "y_true"),
        (([0, 1], [0, 1], ["one"]), ValueError, "y_true from 0 to 0, got 0 to 1"),
        (([[1]], None, ["a", "b"]), ValueError, "expected 1 labels, one for each class, got 2"),
        (([[1]], None, None, "rows"), ValueError, "'true', 'pred', 'all' or None, got 'rows'"),
    ],
)
def test_confusion_matrix_refuses_what_is_none(arguments, error, says):
    with pytest.raises(error, match=says):
        plots.confusion_matrix(*arguments)


def test_weights_draw_each_unit_in_its_place_on_a_scale_around_zero():
    model = fb.Sequential([fb.Input((2, 3)), fb.layers.Flatten(), fb.Dense(5, name="first"), fb.Dense(4)])
    (image,) = (figure := plots.weights(model, count=4)).axes[0].get_images()
    kernel = model.get_weights()[0]
    drawn = np.ma.filled(image.get_array(), np.nan)
    np.testing.assert_array_equal(drawn[:2, :3], kernel[:, 0].reshape(2, 3))
    np.testing.assert_array_equal(drawn[:2, 4:7], kernel[:, 1].reshape(2, 3))
    np.testing.assert_array_equal(drawn[3:5, :3], kernel[:, 2].reshape(2, 3))
    assert np.isnan(drawn[2]).all()
    assert -image.norm.vmin == image.norm.vmax == pytest.approx(np.abs(kernel[:, :4]).max())
    assert figure.axes[0].get_title() == "first: 4 of 5 units, each 2 x 3 weights"


def test_weights_choose_layer_and_shape():
    model = fb.Sequential([fb.Input((7,)), fb.Dense(16), fb.layers.BatchNormalization(), fb.Dense(3, name="last")])
    assert "16 of 16 units, each 1 x 7" in plots.weights(model).axes[0].get_title()
    assert plots.weights(model, layer=1).axes[0].get_title() == "last: 3 of 3 units, each 4 x 4 weights"
    assert "each 2 x 8" in plots.weights(model, (2, 8), 1).axes[0].get_title()
    model.set_weights([0 * array for array in model.get_weights()])
    plots.weights(model)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"shape": (3, 3)}, r"shape of 7 elements, as many as the layer has inputs, got \(3, 3\)"),
        ({"shape": 7}, r"shape as \(rows, columns\), got 7"),
        ({"layer": 1}, "layer"),
        ({"count": 0}, "count"),
    ],
)
def test_weights_refuse_what_is_not_there(options, says):
    with pytest.raises(ValueError, match=says):
        plots.weights(fb.Sequential([fb.Input((7,)), fb.Dense(2)]), **options)


def test_weights_want_a_layer_that_has_some():
    for model in (fb.Sequential([fb.Dense(2)]), fb.Sequential([fb.Input((2,)), fb.Activation("relu")])):
        with pytest.raises(ValueError, match="got none"):
            plots.weights(model)


def two_headed(first="first"):
    a, b = fb.Input((4,), name=first), fb.Input((4,), name="second")
    encoder = fb.Dense(3, "relu", name="encoder")
    both = fb.layers.Add(name="sum")([encoder(a), encoder(b)])
    block = fb.layers.Residual([fb.Dense(3), fb.Activation("relu")], name="block")
    return fb.Model([a, b], [fb.Dense(1, name="one")(block(both)), fb.layers.Concatenate(name="two")([both, a])])


def test_model_graph_has_a_box_for_each_call_and_an_arrow_for_each_tensor_read():
    figure = plots.model_graph(two_headed())
    words = texts(figure)
    assert dict(zip(words[::2], words[1::2], strict=True)) == {
        "first": "Input (4,)",
        "second": "Input (4,)",
        "encoder, call 1 of 2": "Dense relu (3,)",
        "encoder, call 2 of 2": "Dense relu (3,)",
        "sum": "Add (3,)",
        "block": "Residual of 2 layers (3,)",
        "one": "Dense (1,)",
        "two": "Concatenate (7,)",
    }
    kinds = [type(patch).__name__ for patch in figure.axes[0].patches]
    assert kinds.count("FancyBboxPatch") == 8
    assert kinds.count("FancyArrowPatch") == 8
    thick = [patch for patch in figure.axes[0].patches if patch.get_linewidth() > 2]
    assert len(thick) == 2  # the outputs


def test_model_graph_boxes_do_not_overlap_and_lie_below_what_they_read():
    x = fb.Input((4,))
    wide = [fb.Dense(4, name=f"a_rather_long_name_{k}")(x) for k in range(7)]
    y = fb.layers.Concatenate()([*wide, fb.Dense(4)(wide[2]), x])
    for model in (fb.Model(x, y), two_headed()):
        patches = plots.model_graph(model).axes[0].patches
        boxes = [p.get_path().get_extents(p.get_patch_transform()) for p in patches if hasattr(p, "get_boxstyle")]
        assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])
        ends = [p.get_path().vertices for p in patches if not hasattr(p, "get_boxstyle")]
        assert all(path[0, 1] < path[:, 1].max() for path in ends)


def test_model_graph_writes_names_as_they_are(tmp_path):
    name = "<a & $b$_{c} \\frac>"
    figure = plots.model_graph(two_headed(name), tmp_path / "a.svg")
    assert texts(figure)[0] == name
    ElementTree.parse(tmp_path / "a.svg")


def test_model_graph_of_a_model_without_shape_is_refused():
    with pytest.raises(ValueError, match="expected a model of known input shape"):
        plots.model_graph(fb.Sequential([fb.Dense(1)], name="open"))


def test_places_on_a_level_are_the_nearest_that_keep_apart():
    assert spread([0, 10], [1, 1], [1, 1]) == [0, 10]
    room = 1 + GAP
    np.testing.assert_allclose(spread([3, 3, 3], [1, 1, 1], [1, 1, 1]), [3 - room, 3, 3 + room])
    np.testing.assert_allclose(spread([5, 0], [2, 1], [1, 1]), [2.5 - (1.5 + GAP) / 2, 2.5 + (1.5 + GAP) / 2])
    np.testing.assert_allclose(spread([3, 3], [1, 1], [3, 1]), [3 - room / 4, 3 + room * 3 / 4])


def test_order_of_levels_untangles_a_crossing():
    widths = dict.fromkeys("abcd", 1.0)
    across = lay_out(widths, [("a", "d"), ("b", "c")]).across
    assert (across["a"] < across["b"]) == (across["d"] < across["c"])
    assert across["a"] == pytest.approx(across["d"])
