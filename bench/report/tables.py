"""The table of each part, as lines of Markdown: printed by the run, and put into the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from parts import PARTS, Result
from parts.bars import verdicts
from trainers import PEERS


def table(head: list[str], rows: Iterable[Iterable[object]], words: int = 1) -> Iterator[str]:
    """A Markdown table; the first columns have words, the others numbers."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * words + "---:|" * (len(head) - words)
    for row in rows:
        yield "| " + " | ".join(str(cell) for cell in row) + " |"


def lines(part: str, result: Result) -> Iterator[str]:
    """All that there is to say of a part."""
    yield from TABLES[PARTS[part][0]](result)
    if met := verdicts(part, result["figures"]):
        yield ""
        yield from table(["bar", "measured", ""], met, words=3)


def micro(seconds: float) -> str:
    """Microseconds, in about three digits."""
    value = seconds * 1e6
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def side(line: Result, threads: int) -> str:
    """The name of a side, with its threads where it did better with one."""
    title = PEERS[line["name"]].title
    return f"{title} (1 thread)" if line["threads"] < threads else title


def peak(result: Result) -> str:
    return f"{result['peak'] / 1e9:.0f} GFLOP/s"


def absent(left_out: dict[str, str]) -> Iterator[str]:
    """Who is not in a table and why."""
    if left_out:
        yield ""
        yield " ".join(f"Without {PEERS[name].short}: {why.rstrip('.')}." for name, why in left_out.items())


def training(result: Result) -> Iterator[str]:
    threads, flops = result["threads"], result["flops"]
    yield f"{result['workload']}; {threads} threads, FMA peak {peak(result)}."
    yield ""
    head = ["", "µs a step, median", "best", "GFLOP/s", "of FMA peak", "time / fastbp", result["scored"]]
    yield from table(
        head,
        (
            (
                side(line, threads),
                micro(line["median"]),
                micro(line["best"]),
                f"{flops / line['median'] / 1e9:.2f}",
                f"{flops / line['median'] / result['peak']:.1%}",
                f"{line['ratio']:.2f}",
                f"{line['score']:.4f}",
            )
            for line in result["lines"]
        ),
    )
    yield from absent(result["left_out"])
    yield from trials(result["lines"])


def trials(sides: list[Result]) -> Iterator[str]:
    """What led to the number of threads of each peer."""
    tried = [
        f"{PEERS[line['name']].short} "
        + ", ".join(f"{micro(seconds)} µs on {count}" for count, seconds in line["trials"].items())
        for line in sides
        if len(line["trials"]) > 1
    ]
    if tried:
        yield ""
        yield f"Tried beforehand with 1 thread and with all: {'; '.join(tried)}."


def prediction(result: Result) -> Iterator[str]:
    many, threads = result["many"], result["threads"]
    yield "One row per call, from Python:"
    yield ""
    head = ["", "µs a call, median", "best", "time / fastbp"]
    yield from table(
        head,
        (
            (side(line, threads), micro(line["median"]), micro(line["best"]), f"{line['ratio']:.2f}")
            for line in result["one"]
        ),
    )
    yield ""
    yield f"{many:,} rows in one call; {threads} threads, FMA peak {peak(result)}:"
    yield ""
    work, product = many * result["row_flops"], result["product"]
    rows = [
        (side(line, threads), micro(line["median"]), f"{work / line['median'] / 1e9:.1f}", f"{line['ratio']:.2f}")
        for line in result["all"]
    ]
    alone = micro(product["median"]), f"{product['flops'] / product['median'] / 1e9:.1f}", ""
    yield from table(
        ["", "µs a call, median", "GFLOP/s", "time / fastbp"],
        [*rows, ("its first product alone, fastbp.ops.matmul", *alone)],
    )
    yield from absent(result["left_out"])


def sweeps(result: Result) -> Iterator[str]:
    for name, points in result["points"].items():
        yield f"Time of a step in µs by {name}; the rate is that of the better one."
        yield ""
        yield from swept(SWEPT[name], points, list(result["peaks"]))
        yield ""
    yield from teams(result["teams"])
    yield ""
    yield from types(result["types"])


def swept(what: str, points: list[Result], counts: list[str]) -> Iterator[str]:
    """One sweep: fastbp on each number of threads, its rate, and the peers where they were measured."""
    peers = sorted({peer for point in points for peer in point["seconds"]} - {"fastbp"})
    rows = []
    for point in points:
        ours = point["seconds"]["fastbp"]
        theirs = (point["seconds"].get(peer) for peer in peers)
        row = [f"{point['value']:,}", f"{point['flops'] / 1e6:.2f}", *(micro(ours[count]) for count in counts)]
        row.append(f"{point['flops'] / min(ours.values()) / 1e9:.1f}")
        rows.append(row + [micro(min(peer.values())) if peer else "" for peer in theirs])
    head = [what, "MFLOP a step", *(f"fastbp, {plural(int(count))}" for count in counts), "GFLOP/s"]
    yield from table([*head, *(PEERS[peer].short for peer in peers)], rows, words=0)


SWEPT = {"depth": "hidden layers of 128", "width": "two hidden layers of", "batch": "rows a batch"}


def plural(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def teams(points: list[Result]) -> Iterator[str]:
    yield "Time of a step in µs by threads, and how many times faster than one."
    yield ""
    counts = list(points[0]["seconds"]["fastbp"])
    rows = []
    for point in points:
        taken = point["seconds"]["fastbp"]
        rows.append([point["value"], *(f"{micro(taken[n])} ({taken['1'] / taken[n]:.2f})" for n in counts)])
    yield from table(["", *(plural(int(n)) for n in counts)], rows)


def types(points: list[Result]) -> Iterator[str]:
    yield "Time of a step in µs by real type."
    yield ""
    rows = []
    for point in points:
        single, double = (min(point["seconds"][name].values()) for name in ("float32", "float64"))
        rows.append((point["value"], micro(single), micro(double), f"{double / single:.2f}"))
    yield from table(["", "float32", "float64", "float64 / float32"], rows)


def roofline(result: Result) -> Iterator[str]:
    roofs = {name: f"{rate / 1e9:.0f} GB/s" for name, rate in result["bandwidth"].items()}
    yield f"FMA peak {peak(result)}; from memory {roofs['memory']}, from second-level caches {roofs['cache']}."
    for program in result["programs"].values():
        yield ""
        yield f"{program['workload']}:"
        yield ""
        total = sum(op["seconds"] for op in program["ops"])
        yield from table(
            ["phase", "op", "what it computes", "MFLOP", "KB", "FLOP/byte", "µs", "of the step", "GFLOP/s", "of peak"],
            (operation(op, total, result["peak"]) for op in program["ops"]),
            words=3,
        )


def operation(op: Result, total: float, peak: float) -> list[Any]:
    """A row of the table of ops."""
    rate = op["flops"] / op["seconds"] if op["seconds"] else 0.0
    return [
        op["phase"],
        op["op"],
        op["formula"],
        f"{op['flops'] / 1e6:.3f}",
        f"{op['bytes'] / 1024:.1f}",
        f"{op['flops'] / op['bytes']:.2f}",
        f"{op['seconds'] * 1e6:.2f}",
        f"{op['seconds'] / total:.1%}",
        f"{rate / 1e9:.1f}",
        f"{rate / peak:.0%}",
    ]


def uneven(result: Result) -> Iterator[str]:
    yield from table(
        ["", "µs a step, median"],
        [("quiet", micro(result["quiet"])), ("one core shared", micro(result["disturbed"]))],
    )
    yield ""
    yield (
        f"{result['slowdown']:.2f} times as long (median over neighbouring pairs), where {result['fair']:.2f} is fair. "
        f"The other process had {result['spinner']:.0%} of its core."
    )


TABLES = {
    "training": training,
    "prediction": prediction,
    "sweeps": sweeps,
    "roofline": roofline,
    "uneven": uneven,
}
