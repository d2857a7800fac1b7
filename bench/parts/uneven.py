"""Part: a step of the headline model while another process keeps one of the cores busy.

Quiet and disturbed blocks alternate.  The workers keep to as many cores as they have threads, and the other process to
one of these: so it takes half a core away, and an ideal division of the work would make a step of n threads
n / (n - 1/2) times as long.  That is the fair slowdown.  Linux only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from statistics import median

import numpy as np
from timing import PAUSE_S, alternate, paired
from trainers.worker import Worker
from trainers.workload import WORKLOADS

from . import Result, Run, bars

ROUNDS = 7
SPIN = "import os, sys\nos.sched_setaffinity(0, [int(sys.argv[1])])\nprint(flush=True)\nwhile True: pass"


class Spinner:
    """A process that keeps one core busy, when it is not stopped."""

    def __init__(self, core: int):
        self.process = subprocess.Popen([sys.executable, "-c", SPIN, str(core)], stdout=subprocess.PIPE)
        self.process.stdout.readline()  # it is on its core
        self.rest()

    def spin(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def rest(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def seconds(self) -> float:
        """Processor time it has had."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            user, system = stat.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def measure(run: Run) -> Result:
    """Seconds a step, quiet and disturbed."""
    workload = WORKLOADS["headline"]
    cores = sorted(os.sched_getaffinity(0))[: run.threads]
    order = np.arange(workload.rows // (10 if run.quick else 1))
    steps, had = len(order) // workload.batch, [0.0, 0.0]  # processor time and wall time of the spinner
    with Worker("fastbp", run.threads) as worker:
        worker.data(*workload.data())
        worker.start(workload)
        worker.call(os.sched_setaffinity, 0, cores)
        spinner = Spinner(cores[0])
        try:

            def quiet():
                return worker.epoch(order) / steps

            def disturbed():
                spinner.spin()
                before, begin = spinner.seconds(), time.perf_counter()
                try:
                    return quiet()
                finally:
                    had[0] += spinner.seconds() - before - PAUSE_S  # alone on its core while the block waits
                    had[1] += time.perf_counter() - begin - PAUSE_S
                    spinner.rest()

            peak = worker.fma_peak()
            quiet()
            taken = alternate({"quiet": quiet, "disturbed": disturbed}, 2 if run.quick else ROUNDS)
        finally:
            spinner.close()
    slowdown, fair = paired(taken["disturbed"], taken["quiet"]), run.threads / (run.threads - 0.5)
    medians = {name: median(seconds) for name, seconds in taken.items()}
    return {
        **medians,
        "workload": str(workload),
        "slowdown": slowdown,
        "fair": fair,
        "spinner": had[0] / had[1],
        "peak": peak,
        "figures": {bars.SLOWDOWN: slowdown / fair},
    }
