"""Train the headline workload with fastbp and its peers, and print the ratios of one run.

    python bench/train.py --peers numpy,torch,jax,sklearn --epochs 3 --threads 2

784-128-64-10, ReLU, softmax and cross-entropy, Adam, batches of 32, float32, the first 48,000 rows of MNIST.

Epochs alternate, fastbp, a peer, fastbp, the next peer, ..., round after round, and a ratio is the median over pairs
of neighbours, so that a slow minute of the machine falls on both.  For every peer fastbp trains a fresh model: the two
of a pair are always equally far in training.  A first epoch of each (compiling, first touch) is not counted.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
import peers
from peers.worker import Worker, environment
from peers.workload import Workload


@dataclass
class Row:
    """One line of the table."""

    name: str
    seconds: list[float] = field(default_factory=list)  # one an epoch, without the warm-up
    ratios: list[float] = field(default_factory=list)  # to fastbp's epoch just before
    accuracy: float = 0.0


def load(rows: int, folder: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """x (rows, 784) float32 in [0, 1] and y (rows,) int64, from IDX files in `folder` or through fastbp."""
    if folder is None:
        from fastbp.datasets import mnist

        (x, y), _ = mnist.load_data()
    else:
        images, labels = (folder / f"train-{part}-ubyte.gz" for part in ("images-idx3", "labels-idx1"))
        x = np.frombuffer(gzip.decompress(images.read_bytes()), np.uint8, offset=16)
        y = np.frombuffer(gzip.decompress(labels.read_bytes()), np.uint8, offset=8)
    return x.reshape(-1, 784)[:rows].astype(np.float32) / np.float32(255), y[:rows].astype(np.int64)


def start(names: list[str], *args) -> dict[str, Worker]:
    """A worker for each peer that is installed and starts; says on stderr which do not."""
    workers = {}
    for name in names:
        try:
            if not peers.available()[name]:
                raise ImportError(f"needs {' and '.join(peers.PEERS[name])}")
            workers[name] = Worker(name, *args)
        except Exception as error:  # a peer that is broken must not cost us the others
            print(f"{name}: left out, {type(error).__name__}: {error}", file=sys.stderr)
    return workers


def measure(workers: dict[str, Worker], ours: Worker | None, rows: int, epochs: int, threads: int, seed: int):
    """Rows of the table, ours first, and the best FMA peak seen (0 without fastbp)."""
    rng = np.random.default_rng(seed)
    table, fastbp, peak = {name: Row(name) for name in workers}, Row("fastbp"), 0.0
    for round_ in range(epochs + 1):
        if ours:
            peak = max(peak, ours.fma_peak(threads))
        for name, worker in workers.items():
            order = rng.permutation(rows)
            base = ours.epoch(order, key=name) if ours else None
            seconds = worker.epoch(order)
            if round_ == 0:
                continue
            table[name].seconds.append(seconds)
            if base is not None:
                fastbp.seconds.append(base)
                table[name].ratios.append(seconds / base)
    for name, worker in workers.items():
        table[name].accuracy = worker.accuracy()
    if not ours or not workers:
        return list(table.values()), peak
    fastbp.ratios, fastbp.accuracy = [1.0], ours.accuracy(key=next(iter(workers)))
    return [fastbp, *table.values()], peak


def show(table: list[Row], peak: float, workload: Workload, steps: int) -> None:
    """Print the table as Markdown."""
    print("| peer    | s/epoch, median | best  | µs/step | GFLOP/s | of FMA peak | time / fastbp | train accuracy |")
    print("|---------|----------------:|------:|--------:|--------:|------------:|--------------:|---------------:|")
    for row in table:
        seconds = median(row.seconds)
        speed = workload.step_flops * steps / seconds
        share = f"{speed / peak:.0%}" if peak else "-"
        ratio = f"{median(row.ratios):.2f}" if row.ratios else "-"
        print(
            f"| {row.name:<7} | {seconds:15.3f} | {min(row.seconds):5.3f} | {seconds / steps * 1e6:7.0f} "
            f"| {speed / 1e9:7.1f} | {share:>11} | {ratio:>13} | {row.accuracy:14.4f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", default="numpy,torch,jax,sklearn", help="comma-separated, of %(default)s")
    parser.add_argument("--epochs", type=int, default=3, help="epochs counted, after one that is not")
    parser.add_argument("--rows", type=int, default=48_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of MNIST's IDX files (default: fastbp's own)")
    args = parser.parse_args()
    names = [name for name in args.peers.split(",") if name != "fastbp"]
    if unknown := set(names) - set(peers.PEERS):
        parser.error(f"expected peers among {', '.join(peers.PEERS)}, got {', '.join(sorted(unknown))}")
    workload = Workload()
    if args.rows % workload.batch or args.epochs < 1:
        parser.error(f"expected rows in multiples of {workload.batch} and at least one epoch")

    environment(args.threads)
    x, y = load(args.rows, args.data)
    workers = start(["fastbp", *names], workload, args.threads, args.seed, x, y)
    ours = workers.pop("fastbp", None)
    table, peak = measure(workers, ours, len(x), args.epochs, args.threads, args.seed)
    widths = "-".join(map(str, workload.sizes))
    known = f"{peak / 1e9:.0f} GFLOP/s" if peak else "unknown, fastbp is not there to measure it"
    print(f"{widths}, batch {workload.batch}, {len(x)} rows, {args.threads} threads, FMA peak {known}")
    show(table, peak, workload, len(x) // workload.batch)


if __name__ == "__main__":
    main()
