"""scikit-learn's estimators and ours, side by side: same data, same iterations, same results.

    python bench/sklearn_drop_in.py [--rounds 5] [--write]

Both fit from the same `random_state`; that their losses agree is checked before anything is timed. `--write` makes the
table of docs/sklearn.md of this run.
"""

from __future__ import annotations

import argparse
import datetime
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
from sklearn import neural_network as theirs
from sklearn.datasets import load_digits, make_classification, make_regression
from sklearn.model_selection import GridSearchCV
from timing import alternate, block_of, paired, ratio

import fastbp as fb
from fastbp import sklearn as ours

PAGE = Path(__file__).parent.parent / "docs" / "sklearn.md"
BEGIN, END = "<!-- bench/sklearn_drop_in.py -->", "<!-- end -->"
Data = tuple[np.ndarray, np.ndarray]


class Work(NamedTuple):
    """A line of the table."""

    what: str
    bar: float
    kind: str
    data: Callable[[], Data]
    options: dict[str, Any]


def digits() -> Data:
    return load_digits(return_X_y=True)


def mnist(rows: int) -> Callable[[], Data]:
    def make() -> Data:
        (x, y), _ = fb.datasets.mnist.load_data()
        return (x[:rows].reshape(rows, -1) / 255).astype(np.float32), y[:rows]

    return make


def regression() -> Data:
    X, y = make_regression(20_000, 20, noise=10.0, random_state=0)
    return X, y / y.std()


def classes() -> Data:
    return make_classification(5_000, 50, n_informative=20, n_classes=3, random_state=0)


WORK = [
    Work("digits, 1,797 x 64, the defaults, 200 iterations", 8, "MLPClassifier", digits, {}),
    Work(
        "MNIST, 10,000 rows of float32, (128, 64), batch 32, 5 iterations",
        8,
        "MLPClassifier",
        mnist(10_000),
        {"hidden_layer_sizes": (128, 64), "batch_size": 32, "max_iter": 5},
    ),
    Work(
        "MNIST, 60,000 rows of float32, (256,), batch 200, 2 iterations",
        3,
        "MLPClassifier",
        mnist(60_000),
        {"hidden_layer_sizes": (256,), "max_iter": 2},
    ),
    Work(
        "regression, 20,000 x 20, (64, 64), batch 32, 5 iterations",
        10,
        "MLPRegressor",
        regression,
        {"hidden_layer_sizes": (64, 64), "batch_size": 32, "max_iter": 5},
    ),
    Work(
        "lbfgs, 5,000 x 50, (50,), 50 iterations",
        3,
        "MLPClassifier",
        classes,
        {"hidden_layer_sizes": (50,), "solver": "lbfgs", "max_iter": 50},
    ),
]
ROW_BAR = 8


def fit(module: Any, work: Work, data: Data) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(module, work.kind)(random_state=0, **work.options).fit(*data)


def measure(rounds: int) -> list[tuple[str, float, float, float, float, float]]:
    """What, seconds of theirs and ours, ratio of the best, median ratio, bar."""
    lines = []
    for work in WORK:
        data = work.data()
        a, b = fit(theirs, work, data), fit(ours, work, data)
        np.testing.assert_allclose(b.loss_, a.loss_, rtol=1e-3 if data[0].dtype == np.float32 else 1e-6)
        sides = {"theirs": lambda w=work, d=data: fit(theirs, w, d), "ours": lambda w=work, d=data: fit(ours, w, d)}
        times = alternate({name: block_of(call, 1e-9, pooled=True) for name, call in sides.items()}, rounds)
        lines.append(line(work.what, times, work.bar))
        print(shown(lines[-1]), flush=True)
    X, y = digits()
    pair = {"theirs": fit(theirs, WORK[0], (X, y)), "ours": fit(ours, WORK[0], (X, y))}
    row = X[:1]
    times = alternate(
        {name: block_of(lambda e=each: e.predict_proba(row), pooled=True) for name, each in pair.items()}, 5 * rounds
    )
    lines.append(line("predict_proba of one row of digits", times, ROW_BAR))
    print(shown(lines[-1]))
    return lines


def search(rounds: int) -> str:
    """How long a search takes with one worker and with two, as a sentence."""
    X, y = digits()

    def fit_all(jobs: int, backend: str) -> None:
        estimator = ours.MLPClassifier(max_iter=40, random_state=0)
        grid = GridSearchCV(estimator, {"alpha": [1e-4, 1e-3, 1e-2, 1e-1]}, cv=3, n_jobs=jobs, refit=False)
        with warnings.catch_warnings(), joblib.parallel_backend(backend):
            warnings.simplefilter("ignore")
            grid.fit(X, y)

    ways = {"with `n_jobs=1`": (1, "loky"), "with two processes": (2, "loky"), "with two threads": (2, "threading")}
    os.environ["PYTHONWARNINGS"] = "ignore"  # of the processes
    sides = {name: block_of(lambda way=way: fit_all(*way), 1e-9, pooled=True) for name, way in ways.items()}
    times = alternate(sides, rounds)
    figures = ", ".join(f"{duration(min(found))} {name}" for name, found in times.items())
    return f"A `GridSearchCV` of 12 fits of our classifier on digits, 40 iterations each, takes {figures}."


def line(what: str, times: dict[str, list[float]], bar: float) -> tuple[str, float, float, float, float, float]:
    a, b = times["theirs"], times["ours"]
    return what, min(a), min(b), ratio(a, b), paired(a, b), bar


def duration(seconds: float) -> str:
    return (
        f"{seconds:.2f} s"
        if seconds > 0.1
        else f"{seconds * 1e3:.1f} ms"
        if seconds > 1e-3
        else f"{seconds * 1e6:.1f} µs"
    )


def shown(found: tuple[str, float, float, float, float, float]) -> str:
    what, a, b, best, median, bar = found
    verdict = "met" if best >= bar else "short"
    return f"| {what} | {duration(a)} | {duration(b)} | {best:.1f} | {median:.1f} | {bar:g} | {verdict} |"


def table(lines: list[tuple[str, float, float, float, float, float]], of_search: str) -> str:
    from report import machine

    head = ["| | scikit-learn | fastbp | times as fast | median | bar | |", "|---|---:|---:|---:|---:|---:|---|"]
    found = machine.describe()
    measured = [
        f"Measured on {datetime.date.today()} with {fb.get_num_threads()} threads on {found['processor']};",
        f"{found['system']}; {found['packages']}.",
        "Times are the best of each side, the median is that of the ratios of neighbouring fits.",
    ]
    return "\n".join([*measured, "", *head, *map(shown, lines), "", of_search])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write the table to docs/sklearn.md")
    options = parser.parse_args()
    print(f"{fb.get_num_threads()} threads, {os.cpu_count()} cores")
    lines = measure(options.rounds)
    searched = search(options.rounds)
    print(searched)
    if options.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{table(lines, searched)}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
