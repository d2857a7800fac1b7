"""The benchmark's own promises: peers compute the same, verdicts are right, the page comes from the results alone."""

import json
import sys
from dataclasses import replace

import documents
import numpy as np
import pytest

sys.path.insert(0, str(documents.ROOT / "bench"))  # its programs find each other as scripts do

import report
import trainers
from parts import bars
from report import ops_page, page, tables
from trainers.worker import hire
from trainers.workload import WORKLOADS, Workload

CLASSES = Workload((4, 16, 3), "tanh", "softmax", batch=40, rows=40)
NORMALIZED = replace(CLASSES, batch_norm=True)
CASES = {
    "normalized": NORMALIZED,
    "tiny": WORKLOADS["tiny"],
    "small": replace(WORKLOADS["small"], batch=60, rows=60),
    "classes": CLASSES,
}
PEERS = [name for name in trainers.PEERS if not trainers.missing(name)]


def data_of(workload):
    if workload.output != "softmax":
        return workload.data()
    x = np.random.default_rng(0).uniform(-1, 1, (workload.rows, 4)).astype(np.float32)
    return x, x[:, :3].argmax(axis=1)


def started(name, workload):
    """A peer with the workload and its data, in its process."""
    worker = hire(name, 1)
    worker.data(*data_of(workload))
    worker.start(workload)
    return worker


@pytest.mark.parametrize("workload", CASES.values(), ids=CASES)
@pytest.mark.parametrize("name", [name for name in PEERS if name not in ("fastbp", "sklearn")])
def test_a_peer_and_fastbp_come_to_the_same_predictions(name, workload):
    if name == "numpy" and workload.batch_norm:
        pytest.skip("it says that it cannot")
    predictions = []
    for side in ("fastbp", name):
        worker = started(side, workload)
        worker.steps(50)
        predictions.append(worker.ask("predict", data_of(workload)[0]))
    # a bias before batch normalisation has no gradient but rounding, which Adam blows up and moving means follow
    np.testing.assert_allclose(*predictions, rtol=0, atol=2e-3 if workload.batch_norm else 2e-4)


@pytest.mark.parametrize("name", PEERS)
def test_epochs_of_batches_teach_every_peer(name):
    worker = started(name, replace(CLASSES, batch=8, rows=400, learning_rate=0.02))
    order = np.random.default_rng(0).permutation(397)  # the last batch is not full
    for _ in range(10):
        worker.epoch(order)
    assert worker.score() > 0.9


@pytest.mark.parametrize("name", [name for name in PEERS if name not in ("numpy", "sklearn")])
def test_epochs_with_dropout_and_batch_normalization_teach_every_peer_that_has_them(name):
    worker = started(name, replace(NORMALIZED, dropout=0.2, batch=8, rows=400, learning_rate=0.02))
    for _ in range(10):
        worker.epoch(np.arange(397))
    assert worker.score() > 0.8


def test_a_step_counts_three_products_a_layer_but_two_for_the_first():
    assert Workload((3, 5, 2), batch=7).step_flops == 2 * 7 * (2 * 15 + 3 * 10)


@pytest.mark.parametrize(
    ("bar", "value", "met"),
    [
        (bars.Bar("jax", 2.5), 2.5, True),
        (bars.Bar("jax", 2.5), 2.499, False),
        (bars.Bar(bars.PEAK, 0.68, "share"), 0.7, True),
        (bars.Bar(bars.STEP, 2e-6, "µs"), 2.1e-6, False),
        (bars.Bar(bars.SLOWDOWN, 1.3, "excess"), 1.2, True),
    ],
)
def test_a_bar_is_a_least_or_a_most(bar, value, met):
    assert bar.met(value) is met


def test_a_bar_without_a_figure_is_not_measured():
    assert [verdict for *_, verdict in bars.verdicts("headline", {"jax": 3.0})] == [
        "met",
        "not measured",
        "not measured",
    ]


def test_every_bar_belongs_to_a_part_and_every_part_has_a_table():
    assert set(bars.BARS) <= set(tables.PARTS)
    assert {module for module, _ in tables.PARTS.values()} == set(tables.TABLES)


def test_the_page_is_the_one_that_the_kept_results_make():
    if not report.RESULTS.exists():
        pytest.skip("nothing kept")
    assert report.PAGE.read_text(encoding="utf-8") == page.text(json.loads(report.RESULTS.read_text(encoding="utf-8")))


def test_the_page_of_ops_is_the_one_that_its_results_make():
    assert ops_page.PAGE.read_text(encoding="utf-8") == ops_page.text(json.loads(ops_page.RESULTS.read_text("utf-8")))
