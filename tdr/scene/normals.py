"""Surface normals of a triangle mesh, on the host and in object space."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from tdr.config import Shading
from tdr.scene.mesh import TriangleMesh
from tdr.scene.winding import Winding

FloatArray = npt.NDArray[np.float64]


class NormalsEstimator:
    """The normals that a mesh is shaded with.

    ``smooth``: one normal a vertex, the normals of the triangles around it weighted by their angles there. Vertices
    at one position, as far as float64 can tell, count as one, so that neither a texture seam nor a triangle soup (STL)
    shows. Surfaces are two-sided, so neighbours are taken to be wound alike, and a triangle that repeats another one,
    as on a sheet that has triangles on both sides, does not count (:mod:`tdr.scene.winding`). Where the weighted
    normals cancel nevertheless, the vertex has no normal of its own, and each corner there uses its triangle's.
    ``flat``: one normal a triangle.

    Args:
        mesh: the mesh.
        shading: smooth or flat.

    Attributes:
        shading: smooth or flat.
        normals: (N, 3) float64 unit vectors, object space, read-only.
        triangle_normal_ids: (F, 3) int32, which of ``normals`` each corner of each triangle uses, read-only.
        num_undefined: at how many positions that triangles use the weighted normals cancel.
        num_reversed: how many triangles are wound against their neighbours.
        num_repeated: how many triangles have the corners of an earlier one.

    Source: Thürmer and Wüthrich 1998, "Computing vertex normals from polygonal facets".
    """

    def __init__(self, mesh: TriangleMesh, shading: Shading = Shading.smooth) -> None:
        self.shading: Final = shading
        triangle_normals, angles = _normals_and_angles(mesh.vertices[mesh.triangles])
        own = np.arange(mesh.num_triangles)
        if shading is Shading.flat:
            normals, ids, num_undefined = triangle_normals, np.repeat(own[:, None], 3, axis=1), 0
            num_reversed = num_repeated = 0
        else:
            ids = _position_ids(mesh.vertices)[mesh.triangles]
            num_positions = int(ids.max()) + 1
            winding = Winding.of(ids)
            num_reversed, num_repeated = winding.num_reversed, winding.num_repeated
            angles = np.where(winding.repeated[:, None], 0.0, angles)
            # bincount adds far faster than np.add.at
            total_angle = np.bincount(ids.ravel(), angles.ravel(), num_positions)
            weighted = angles[:, :, None] * (winding.sides[:, None] * triangle_normals)[:, None, :]
            sums = np.stack(
                [np.bincount(ids.ravel(), weighted[..., i].ravel(), num_positions) for i in range(3)], axis=1
            )
            length = np.linalg.norm(sums, axis=1)
            # A sum shorter than this has lost more than half of its digits to cancellation. Positions that no triangle
            # uses have an empty sum.
            defined = length > np.sqrt(np.finfo(np.float64).eps) * total_angle
            num_undefined = int(np.sum(~defined & (total_angle > 0.0)))
            normals = sums[defined] / length[defined, None]
            undefined_corner = ~defined[ids]
            ids = (np.cumsum(defined) - 1)[ids]
            if num_reversed or num_repeated:
                # A pixel's normal is turned to the side that its triangle's winding says is seen.
                turned = (winding.sides < 0.0)[:, None] & ~undefined_corner
                used, ids_of_used = np.unique((ids + turned * len(normals))[~undefined_corner], return_inverse=True)
                normals = np.concatenate([normals, -normals])[used]
                ids[~undefined_corner] = ids_of_used
            fallback = undefined_corner.any(axis=1)
            fallback_ids = len(normals) + np.cumsum(fallback) - 1
            ids = np.where(undefined_corner, fallback_ids[:, None], ids)
            normals = np.concatenate([normals, triangle_normals[fallback]])

        self.normals: Final = normals
        self.triangle_normal_ids: Final = ids.astype(np.int32)
        self.num_undefined: Final = num_undefined
        self.num_reversed: Final = num_reversed
        self.num_repeated: Final = num_repeated
        for array in (self.normals, self.triangle_normal_ids):
            array.setflags(write=False)


def _normals_and_angles(corners: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Unit normals (F, 3) and the angles at the corners (F, 3), radians, of triangles (F, 3 corners, 3)."""
    edges = np.roll(corners, -1, axis=1) - corners  # edge i runs from corner i to the next
    edges /= np.abs(edges).max(axis=(1, 2), keepdims=True)  # so that no product under- or overflows
    normals = np.cross(edges[:, 0], edges[:, 1])
    doubled_area = np.linalg.norm(normals, axis=1, keepdims=True)
    cosines = -np.einsum("fij,fij->fi", edges, np.roll(edges, 1, axis=1))
    return normals / doubled_area, np.arctan2(doubled_area, cosines)


def _position_ids(vertices: FloatArray) -> npt.NDArray[np.int64]:
    """Number the distinct positions among vertices (V, 3) and return each vertex's number (V,).

    Coordinates that rounding alone can tell apart, such as the ends of a seam, which were computed in two ways, are
    equal: by the bound that makes a triangle degenerate.
    """
    bound = 32.0 * np.finfo(np.float64).eps * np.abs(vertices).max()
    ranks = np.empty(vertices.shape, dtype=np.int64)
    for axis in range(3):
        order = np.argsort(vertices[:, axis])
        ranks[order, axis] = np.concatenate([[0], np.cumsum(np.diff(vertices[order, axis]) > bound)])
    order = np.lexsort(ranks.T)
    ranked = ranks[order]
    ids = np.empty(len(vertices), dtype=np.int64)
    ids[order] = np.concatenate([[0], np.cumsum((ranked[1:] != ranked[:-1]).any(axis=1))])
    return ids
