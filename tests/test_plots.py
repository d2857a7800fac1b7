"""Plots: what a figure shows, that files are written, and what is said about bad arguments."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from fastbp import plots

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


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'fastbp\[plot\]'"):
        plots.history(CURVES)
