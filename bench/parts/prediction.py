"""Part: predictions of the headline model, of one row per call and of many rows in one call."""

from __future__ import annotations

from functools import partial
from statistics import median

import numpy as np
from timing import alternate
from trainers.workload import WORKLOADS

from . import Result, Run, bars
from .contest import Contest

MANY = 10_000
ROUNDS = 9


def measure(run: Run) -> Result:
    """Lines of both tables, and how near the larger one comes to its largest product alone."""
    workload, rounds = WORKLOADS["headline"], 2 if run.quick else ROUNDS
    data = tuple(array[:MANY] for array in workload.data())
    result: Result = {"workload": str(workload), "row_flops": workload.row_flops, "many": MANY, "peak": 0.0}
    for rows, name in ((1, "one"), (MANY, "all")):

        def block(worker, key, rows=rows):
            return worker.calls("predict", rows)

        def trial(worker, key, block=block):
            worker.epoch(np.arange(workload.batch))  # scikit-learn does not predict untrained
            return block(worker, key)

        contest = Contest(workload, data, run.threads, trial)
        sides, peak = contest.run(block, rounds)
        result |= {name: [side.plain() for side in sides], "peak": max(peak, result["peak"])}
    calls = {method: partial(contest.ours.calls, method, MANY) for method in ("predict", "first_product")}
    taken = alternate(calls, rounds)
    product = 2 * MANY * workload.sizes[0] * workload.sizes[1]
    share = median(
        (MANY * workload.row_flops / ours) / (product / theirs)
        for ours, theirs in zip(taken["predict"], taken["first_product"], strict=True)
    )
    result |= {"left_out": contest.left_out, "product": {"flops": product, "median": median(taken["first_product"])}}
    figures = {line["name"]: line["ratio"] for line in result["one"][1:]}
    result["figures"] = {**figures, bars.CALL: result["one"][0]["median"], bars.GEMM: share}
    return result
