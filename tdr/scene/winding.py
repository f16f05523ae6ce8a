"""Which sides of a mesh's triangles belong together, whatever way each of them is wound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Winding:
    """How the triangles of a mesh are wound.

    Attributes:
        sides: (F,) 1.0, or -1.0 where a triangle is wound against most of those that it is connected with.
        repeated: (F,) bool, whether an earlier triangle has the same three corners, wound alike or not.
    """

    sides: npt.NDArray[np.float64]
    repeated: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, corners: IntArray) -> Winding:
        """Look at triangles (F, 3), given by the numbers of their corners' positions.

        Triangles are connected where an edge is that of exactly two; a repeated one goes with the first. On a surface
        with one side only, as a Moebius strip, all keep their winding.
        """
        count = len(corners)
        lowest = np.argmin(corners, axis=1)[:, None]
        turned = np.take_along_axis(corners, (lowest + np.arange(3)) % 3, axis=1)  # begins with the lowest number
        is_odd = turned[:, 1] > turned[:, 2]
        first = _first_equal(np.sort(corners, axis=1))
        repeated = first != np.arange(count)

        edges = np.stack([corners, np.roll(corners, -1, axis=1)], axis=2)[~repeated].reshape(-1, 2)
        triangle = np.repeat(np.flatnonzero(~repeated), 3)
        ascending = edges[:, 0] < edges[:, 1]
        key = edges.min(axis=1) * (int(corners.max()) + 1) + edges.max(axis=1)
        order = np.argsort(key, kind="stable")
        key, triangle, ascending = key[order], triangle[order], ascending[order]
        begins = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
        pairs = begins[np.diff(np.append(begins, len(key))) == 2]
        a, b = triangle[pairs], triangle[pairs + 1]
        # Neighbours that are wound alike run along their edge in opposite ways.
        alike = ascending[pairs] != ascending[pairs + 1]
        sides = np.ones(count)
        if not alike.all():
            sides = _sides(count, a, b, alike)
        if repeated.any():
            against = is_odd != is_odd[first]
            sides = np.where(repeated, sides[first] * np.where(against, -1.0, 1.0), sides)
        return cls(sides, repeated)

    @property
    def num_reversed(self) -> int:
        """How many triangles are wound against the others; those that repeat another one do not count."""
        return int(np.count_nonzero((self.sides < 0.0) & ~self.repeated))

    @property
    def num_repeated(self) -> int:
        """How many triangles repeat another one."""
        return int(np.count_nonzero(self.repeated))


def _sides(count: int, a: IntArray, b: IntArray, alike: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Sides for connected triangles ``a`` and ``b``, so that most keep theirs."""
    # Each triangle is there twice, once a side; what is connected then lies on one side of the surface.
    other = np.where(alike, 0, count)
    links = coo_array((np.ones(2 * len(a)), (np.append(a, a + count), np.append(b + other, b + count - other))))
    links.resize(2 * count, 2 * count)
    _, labels = connected_components(links, directed=False)
    front, back = labels[:count], labels[count:]
    members = np.bincount(front, minlength=int(labels.max()) + 1)
    # In a tie the triangle that comes first keeps its side, and with it its component.
    earliest = np.full(len(members), count)
    np.minimum.at(earliest, front, np.arange(count))
    loses = members[front] < members[back]
    loses |= (members[front] == members[back]) & (earliest[front] > earliest[back])
    return np.where(loses & (front != back), -1.0, 1.0)


def _first_equal(rows: IntArray) -> IntArray:
    """For each of the rows (F, 3) of numbers from 0 the first that equals it."""
    key = rows[:, 0] * (int(rows.max()) + 1) + rows[:, 1]
    order = np.lexsort((rows[:, 2], key))  # stable: equal rows stay in their order
    begins = np.concatenate([[True], (np.diff(key[order]) != 0) | (np.diff(rows[order, 2]) != 0)])
    first = np.empty(len(rows), dtype=np.int64)
    first[order] = order[np.flatnonzero(begins)][np.cumsum(begins) - 1]
    return first
