"""docs/performance.md as text: what is said, and where the tables and pictures of the results go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from parts import PARTS, Result
from parts.bars import BARS, verdicts
from trainers.workload import WORKLOADS

from . import tables

PAGE = """\
# Performance

<!-- Written by bench/peers.py --write. Change the text in bench/report/page.py, and a figure by measuring it. -->

How fast fastbp is, against what else one might use, and where its time goes. Every figure on this page was put here by
the program that measured it, [bench/peers.py](../bench/peers.py):

```sh
pip install '.[bench]'
python bench/peers.py --write
```

The figures hold on the machine they were measured on; the ratios travel better than the times.
{quick}
{measured}

## Bars

What we want to reach on the workloads below, and whether we did: {tally}.

{bars}

## What falls short, and why

- **Cores hand data to each other.** Where two cores share a cache that is cheap; on a virtual machine they often do
  not, and then small and middle-sized steps take up to half as long again, while a peer on one thread does not notice.
  The weights of a large first layer stay with the core that changes them since its sum is cut in halves, which took a
  quarter off the headline's step in such minutes; activations and the gradients of hidden layers still cross. Sharing
  row-major weights by columns was slower: the prefetchers of the cores take neighbouring columns from each other.
- **Adam is bound by division.** A square root and a quotient an element occupy the divider longer than all else of the
  update; in the roofline below that is why the gradients of weights reach less than the products without an update.
  Newton's method instead, and the update of one tile amid the product of the next, were both tried and slower.
- **Wide layers are bound by memory** in the update: weights and moments are read and written once a step and exceed the
  caches. The products around it run at some four fifths of the peak, and in this class every peer has a good product.
- **Prediction of one row** reads the weights from the second-level cache once, which is half of its time; the rest is
  Python between the call and the kernel.

## Method

- **In turn, in one run.** Blocks alternate: fastbp, a peer, fastbp, the next peer, and so on, round after round. A
  ratio is the median over pairs of neighbours, so that a slow moment of the machine falls on both of a pair. A first
  round, which compiles and touches memory first, is not counted.
- **Everybody in the best form we know.** Each peer has a process of its own and is tried with all threads and with one;
  the better one is in the table, and says so. JAX is jitted, an epoch is one `lax.scan`, and its buffers are donated.
  PyTorch is eager with a fused optimizer and shuffles an epoch in one go. NumPy is written by hand, with few
  allocations. scikit-learn is `partial_fit` on rows in order. fastbp is `fit`, as a user would write it.
- **The same computation.** All start from the same weights, scikit-learn excepted, with the same constants of Adam. The
  last column of a table says what they came to: the accuracy on the rows of training after the same number of epochs,
  or the error after the same number of steps from the start.
- **A step** counts the shuffling and gathering of rows where a batch is a part of them. Where it is all of them, nobody
  gathers, and a block is many steps in one call.
- **FLOPs** are those of the matrix products alone, a multiply-add as two. The **FMA peak** is what all
  threads of the run reach on multiply-adds in registers, measured between the rounds, the best of a part; also beside a
  peer that did better with one. A speed is that of the median.

{training}

## Prediction

{predict}

## Sweeps

Does the time follow the work? Each point is the best of a few short blocks. The curves of JAX and PyTorch are their
better one, of one thread and of all. A dotted line is the time that the FMA peak would take.

{sweeps}

## Where the time of a step goes

Each op of a step, by `model.program(...).profile()`: its share of the wall time of a step on all threads. Bytes count
every tensor that an op touches once, wherever it lies. So a point may stand above the roof of memory, when what it
touches was still in a cache. Bandwidth is that of NumPy adding two arrays into a third, two reads and a write: arrays
that no cache holds, on all threads at once, and arrays that fit the second-level cache, on one thread, times the
threads.

{roofline}

To see the same of a model of your own:

{example}

## Cores that are not ours alone

The headline's step while another process keeps one of the cores busy. Work is shared in small pieces that whoever is
free takes, so the busy core should cost its share and no more. Fair is the time that the cores left over would take.

{uneven}
"""

EXAMPLE = """\
```python
import fastbp as fb

model = fb.Sequential([fb.Input((784,)), fb.Dense(128, "relu"), fb.Dense(64, "relu"), fb.Dense(10, "softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
print(model.program("train", batch_size=32).describe(profile=True))
```"""

TITLES = {
    "headline": "The headline: MNIST in batches of 32",
    "normalized": "The headline with batch normalisation and dropout",
    "medium": "Medium",
    "wide": "Wide",
    "tiny": "Tiny: what a step costs when there is nothing to compute",
    "small": "Small: many rows, few columns",
}
QUICK = """
> These are figures of a smoke run (`--quick`), to see that the page comes out. They are not to be quoted.
"""


def text(results: dict[str, Any]) -> str:
    """The page."""
    met = [verdict for name in BARS if name in results for *_, verdict in verdicts(name, results[name]["figures"])]
    return PAGE.format(
        quick=QUICK if any(result["quick"] for result in results.values()) else "",
        measured="\n".join(measured(results)),
        tally=f"{met.count('met')} of {sum(map(len, BARS.values()))} are met",
        bars="\n".join(bars(results)),
        training="\n\n".join(f"## {TITLES[name]}\n\n{part(name, results)}" for name in WORKLOADS),
        example=EXAMPLE,
        **{name: part(name, results) + pictures(name, results) for name in PARTS if name not in WORKLOADS},
    )


def measured(results: dict[str, Result]) -> Iterator[str]:
    """On what, when, and how fast it was then."""
    machines = list({str(result["machine"]): result["machine"] for result in results.values()}.values())
    for number, machine in enumerate(machines, 1):
        name = f"Machine {number}: " if len(machines) > 1 else ""
        yield f"- {name}{machine['processor']}; {machine['system']}; {machine['packages']}."
    yield ""
    head = ["part", "date", *(["machine"] if len(machines) > 1 else []), "threads", "FMA peak, GFLOP/s"]
    rows = []
    for name in (name for name in PARTS if name in results):
        result = results[name]
        which = [machines.index(result["machine"]) + 1] if len(machines) > 1 else []
        rows.append([name, result["date"], *which, result["threads"], f"{result['peak'] / 1e9:.0f}"])
    yield from tables.table(head, rows, words=2)


def bars(results: dict[str, Result]) -> Iterator[str]:
    rows = [(name, *line) for name in BARS for line in verdicts(name, results.get(name, {}).get("figures", {}))]
    yield from tables.table(["part", "bar", "measured", ""], rows, words=4)


def part(name: str, results: dict[str, Result]) -> str:
    """The table of a part, without its bars."""
    if name not in results:
        return "Not measured yet."
    return "\n".join(tables.TABLES[PARTS[name][0]](results[name])).rstrip()


def pictures(name: str, results: dict[str, Result]) -> str:
    """The links to the pictures of a part."""
    if name not in results:
        return ""
    if name == "sweeps":
        return "".join(
            f"\n\n![Time of a step by {swept}](performance/{swept}.svg)" for swept in results[name]["points"]
        )
    return "\n\n![Roofline](performance/roofline.svg)" if name == "roofline" else ""
