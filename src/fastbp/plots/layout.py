"""Floor 4. Layout: where the boxes of a graph go, in layers from top to bottom (Sugiyama, Tagawa & Toda 1981).

Each box lies below all that it reads. An edge over several levels passes through a point on each level between, which
takes part in the ordering as if it were a box, so that edges go around boxes.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

ORDERINGS, PLACINGS = 12, 200  # sweeps down and up again
GAP = 0.35  # between neighbours on a level, in the unit of the widths

Edge = tuple[Hashable, Hashable]
Neighbours = Mapping[Hashable, Sequence[Hashable]]


class Layout(NamedTuple):
    """The centre of every box, its level, and for every edge the points between its ends."""

    across: dict[Hashable, float]
    level: dict[Hashable, int]
    bends: list[list[tuple[float, int]]]


def lay_out(widths: Mapping[Hashable, float], edges: Sequence[Edge]) -> Layout:
    """Place boxes of these widths; edges lead from boxes to later ones in the order of `widths`."""
    level = find_levels(list(widths), edges)
    levels: list[list[Hashable]] = [[] for _ in range(1 + max(level.values()))]
    for box in widths:
        levels[level[box]].append(box)
    chains = []
    for number, (source, target) in enumerate(edges):
        points = [("bend", number, row) for row in range(level[source] + 1, level[target])]
        for point in points:
            levels[point[2]].append(point)
        chains.append([source, *points, target])

    above: dict[Hashable, list[Hashable]] = {item: [] for row in levels for item in row}
    below: dict[Hashable, list[Hashable]] = {item: [] for item in above}
    for chain in chains:
        for upper, lower in pairwise(chain):
            above[lower].append(upper)
            below[upper].append(lower)

    order_levels(levels, above, below)
    across = place_levels(levels, above, below, {item: widths.get(item, 0.1) for item in above})
    bends = [[(across[point], row) for row, point in enumerate(chain[1:-1], level[chain[0]] + 1)] for chain in chains]
    return Layout({box: across[box] for box in widths}, level, bends)


def find_levels(boxes: Sequence[Hashable], edges: Sequence[Edge]) -> dict[Hashable, int]:
    """One below the lowest that a box reads; boxes that read nothing right above their first reader."""
    level = dict.fromkeys(boxes, 0)
    place = {box: k for k, box in enumerate(boxes)}
    for source, target in sorted(edges, key=lambda edge: place[edge[1]]):
        level[target] = max(level[target], level[source] + 1)
    read = {target for _, target in edges}
    for box in boxes:
        readers = [level[target] for source, target in edges if source == box]
        if box not in read and readers:
            level[box] = min(readers) - 1
    return level


def order_levels(levels: list[list[Hashable]], above: Neighbours, below: Neighbours) -> None:
    """Sort each level by where its neighbours are, on average, on the level before; this untangles most crossings."""
    for sweep in range(ORDERINGS):
        down = sweep % 2 == 0
        neighbours, rows = (above, levels[1:]) if down else (below, levels[-2::-1])
        at = {item: (k + 0.5) / len(row) for row in levels for k, item in enumerate(row)}
        for row in rows:
            row.sort(key=lambda item: mean([at[x] for x in neighbours[item]] or [at[item]]))
            at.update({item: (k + 0.5) / len(row) for k, item in enumerate(row)})


def place_levels(
    levels: list[list[Hashable]], above: Neighbours, below: Neighbours, width: Mapping[Hashable, float]
) -> dict[Hashable, float]:
    """Coordinates: each item as near to its neighbours as its level's order and widths let it.

    Level by level, the sum of squares over all edges becomes less.
    """
    near = {item: [*above[item], *below[item]] for item in width}
    across: dict[Hashable, float] = dict.fromkeys(width, 0.0)
    for sweep in range(PLACINGS):
        for row in levels if sweep % 2 == 0 else reversed(levels):
            wanted = [mean([across[x] for x in near[item]] or [across[item]]) for item in row]
            places = spread(wanted, [width[item] for item in row], [len(near[item]) or 1 for item in row])
            across.update(zip(row, places, strict=True))
    return across


def spread(wanted: Sequence[float], widths: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The places nearest to those wanted, in weighted least squares, that keep the order and do not overlap.

    With the room that the items before one need taken off its place, this is isotonic regression: neighbours in the
    wrong order are pooled at their mean (Ayer et al. 1955).
    """
    offsets = [0.0]
    for left, right in pairwise(widths):
        offsets.append(offsets[-1] + (left + right) / 2 + GAP)
    pools: list[tuple[float, float, int]] = []  # mean, weight and number of items
    for target, offset, weight in zip(wanted, offsets, weights, strict=True):
        place, count = target - offset, 1
        while pools and pools[-1][0] > place:
            other, more, number = pools.pop()
            place = (place * weight + other * more) / (weight + more)
            weight, count = weight + more, count + number
        pools.append((place, weight, count))
    places = [place for place, _, count in pools for _ in range(count)]
    return [place + offset for place, offset in zip(places, offsets, strict=True)]


def mean(numbers: Sequence[float]) -> float:
    """Of at least one."""
    return sum(numbers) / len(numbers)
