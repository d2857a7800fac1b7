"""What `pytest bench --write` adds to a run of pytest-benchmark: the page of docs that shows it."""

from __future__ import annotations

import datetime
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # where the programs of this folder find each other


def pytest_addoption(parser):
    parser.addoption("--write", action="store_true", help="write docs/performance/ops.md from this run")


@pytest.fixture(scope="session")
def copied(request):
    """Bytes a second, read and written, of copies by all threads; measured now and then during the run."""
    rates: list[float] = []
    request.config.copied = rates
    source, target = np.ones((4096, 4096), np.float32), np.ones((4096, 4096), np.float32)

    def measure():
        rates.append(max(_copy(source, target) for _ in range(5)))

    measure()
    return measure


def _copy(source, target):
    """NumPy's copy releases the GIL, so threads of Python do."""
    from fastbp import get_num_threads

    count = get_num_threads()
    pieces = [slice(len(source) * i // count, len(source) * (i + 1) // count) for i in range(count)]
    threads = [threading.Thread(target=np.copyto, args=(target[piece], source[piece])) for piece in pieces]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 2 * source.nbytes / (time.perf_counter() - begin)


def pytest_sessionfinish(session):
    config = session.config
    benchmarks = getattr(config, "_benchmarksession", None)
    if not config.getoption("--write") or benchmarks is None or not benchmarks.benchmarks:
        return
    from report import machine, ops_page

    import fastbp

    ops_page.keep(
        {
            "date": datetime.date.today().isoformat(),
            "threads": fastbp.get_num_threads(),
            "machine": machine.describe(),
            "copy": max(config.copied),
            "functions": _functions(benchmarks.benchmarks),
        }
    )


def _functions(benchmarks):
    """Best and median of each side of each function and size."""
    from test_ops import ROWS

    from fastbp import ops

    functions: dict = {}
    for bench in benchmarks:
        name, size = bench.params["name"], " x ".join(map(str, bench.params["size"]))
        family = getattr(ops, name).__module__.rpartition(".")[2]
        line = functions.setdefault(name, {"family": family, "moves": ROWS[name].moves, "sizes": {}})
        side = line["sizes"].setdefault(size, {}).setdefault(bench.params["which"], {"best": np.inf, "median": np.inf})
        side["best"] = min(side["best"], bench.stats.min)
        side["median"] = min(side["median"], bench.stats.median)
    return functions
