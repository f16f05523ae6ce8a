"""Mesh files: from bytes to arrays, or a message about what is wrong with them."""

from __future__ import annotations

import io
import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tdr.errors import InputError
from tdr.words import counted

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer[Any]]
Arrays = tuple[FloatArray, IntArray, FloatArray]  # vertices (V, 3), triangles (F, 3), vertex albedo (V, 3)


def read_mesh_file(path: Path) -> Arrays:
    """Read a mesh file: OBJ, and every other format that trimesh reads.

    Args:
        path: the file; its extension tells the format.

    Returns:
        Vertices (V, 3) float64, triangles (F, 3), F may be 0, and the vertices' albedo (V, 3), linear RGB.

    Raises:
        InputError: if the file is incomplete, or holds something that would come out wrong.
        OSError: if it cannot be opened.
    """
    return _read_obj(path) if path.suffix.lower() == ".obj" else _read_with_trimesh(path)


def as_rows_of_three(name: str, values: npt.ArrayLike) -> FloatArray:
    """A copy of the values as a finite float64 array of shape (N, 3).

    Raises:
        InputError: if they are not finite numbers of that shape; the message calls them ``name``.
    """
    try:
        rows = np.array(values, dtype=np.float64, order="C")
    except (TypeError, ValueError):
        raise InputError(f"{name} must be numbers of shape (V, 3); got {type(values).__name__}.") from None
    if rows.ndim != 2 or rows.shape[1] != 3:
        raise InputError(f"{name} must have shape (V, 3); got {rows.shape}.")
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise InputError(f"{name} must be finite; got {len(bad)} with NaN or infinity, the first at index {bad[0]}.")
    return rows


def check_indices(triangles: IntArray, num_vertices: int) -> None:
    """Check that triangles or polygons, (F, n), refer to vertices that exist.

    Raises:
        InputError: for the first that does not.
    """
    bad = np.argwhere((triangles < 0) | (triangles >= num_vertices))
    if len(bad):
        triangle, corner = bad[0]
        raise InputError(
            f"triangles must hold vertex indices from 0 to {num_vertices - 1}; "
            f"got {triangles[triangle, corner]} in triangle {triangle}."
        )


def triangulate(vertices: FloatArray, polygons: IntArray) -> IntArray:
    """Cut polygons (M, n) into triangles (M, n - 2, 3).

    Raises:
        InputError: if a polygon has fewer than 3 corners or a vertex that does not exist.
    """
    size = polygons.shape[1]
    if size < 3:
        raise InputError(f"faces must have at least 3 corners; got {size}.")
    check_indices(polygons, len(vertices))
    triangles = polygons[:, [[0, i, i + 1] for i in range(1, size - 1)]]
    if size > 3:
        # A fan around corner 0 will do, unless one of its triangles faces away from the polygon.
        a, b, c = np.moveaxis(vertices[triangles], 2, 0)
        areas = np.cross(b - a, c - a)
        fits = (np.sum(areas * areas.sum(axis=1, keepdims=True), axis=2) >= 0.0).all(axis=1)
        for i in np.flatnonzero(~fits):
            triangles[i] = polygons[i][_clip_ears(vertices[polygons[i]])]
    return triangles


def _clip_ears(points: FloatArray) -> list[list[int]]:
    """Cut one polygon (n, 3) that does not cross itself into n - 2 triangles (Meisters 1975)."""
    area = np.cross(points[1:-1] - points[0], points[2:] - points[0]).sum(axis=0)
    triangles = []
    left = list(range(len(points)))
    while len(left) > 2:
        for i in range(len(left)):
            ear = [left[i - 1], left[i], left[(i + 1) % len(left)]]
            corners = points[ear]
            sides = np.roll(corners, -1, axis=0) - corners
            others = points[[k for k in left if k not in ear]]
            inside = (np.cross(sides, others[:, None] - corners) @ area > 0.0).all(axis=1)
            if np.cross(sides[0], sides[1]) @ area > 0.0 and not inside.any():
                break
        # A polygon that crosses itself may have no ear left; nothing is right for it, so the last corner goes.
        triangles.append(ear)
        left.remove(ear[1])
    return triangles


def _albedo(colors: npt.ArrayLike, *, linear: bool) -> FloatArray:
    """Vertex colours (V, 3 or 4), integers or in [0, 1] and linear or sRGB-encoded, as linear RGB (V, 3)."""
    values = np.asarray(colors)[:, :3]
    if values.dtype.kind in "iu":
        values = values / (65535.0 if values.dtype == np.uint16 else 255.0)
    values = as_rows_of_three("vertex colours", values)
    bad = values[(values < 0.0) | (values > 1.0)]
    if len(bad):
        raise InputError(f"vertex colours must be in [0, 1]; got {bad[0]:g}.")
    # IEC 61966-2-1
    return values if linear else np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _read_obj(path: Path) -> Arrays:
    """Read a Wavefront OBJ file.

    trimesh is not asked because it takes index 0 for 1, resolves relative indices against the whole file instead of
    the vertices so far, leaves out faces with too few corners, and reorders triangles, all without a word.
    """
    coordinates: list[float] = []
    colors: list[float] = []
    colored: list[int] = []
    corners: list[int] = []
    sizes: list[int] = []
    line_numbers: list[int] = []
    num_vertices = 0
    text = path.read_text(encoding="utf-8", errors="replace").replace("\\\n", " ")
    for number, line in enumerate(re.sub("#.*", "", text).split("\n"), 1):
        words = line.split()
        keyword = words[0] if words else ""
        try:
            if keyword == "v":
                coordinates += (float(words[1]), float(words[2]), float(words[3]))
                if len(words) >= 7:
                    colors += (float(words[4]), float(words[5]), float(words[6]))
                    colored.append(num_vertices)
                num_vertices += 1
            elif keyword == "f":
                indices = [int(word.partition("/")[0]) for word in words[1:]]
                if min(indices) < 0:
                    indices = [i if i >= 0 else num_vertices + 1 + i for i in indices]
                if len(indices) < 3 or min(indices) < 1:
                    raise ValueError
                corners += indices
                sizes.append(len(indices))
                line_numbers.append(number)
        except (ValueError, IndexError):
            what = "at least 3 numbers" if keyword == "v" else "at least 3 vertices, counted from 1 or back from -1"
            raise InputError(f"line {number}: '{keyword}' must be followed by {what}; got {line[:80]!r}.") from None

    index, size = np.array(corners, dtype=np.int64) - 1, np.array(sizes, dtype=np.int64)
    start = np.cumsum(size) - size
    bad = np.flatnonzero(index >= num_vertices)
    if len(bad):
        number = line_numbers[np.searchsorted(start, bad[0], side="right") - 1]
        raise InputError(f"line {number}: 'f' must refer to vertices 1 to {num_vertices}; got {index[bad[0]] + 1}.")
    vertices = as_rows_of_three("vertices", np.array(coordinates).reshape(-1, 3))
    albedo = np.ones_like(vertices)
    albedo[colored] = _albedo(np.array(colors).reshape(-1, 3), linear=False)
    triangles = np.empty((len(index) - 2 * len(size), 3), dtype=np.int64)
    for n in np.unique(size):
        which = np.flatnonzero(size == n)
        polygons = index[start[which, None] + np.arange(n)]
        triangles[(start - 2 * np.arange(len(size)))[which, None] + np.arange(n - 2)] = triangulate(vertices, polygons)
    return vertices, triangles, albedo


def _read_with_trimesh(path: Path) -> Arrays:
    """Read any other mesh file, all parts of its scene joined."""
    import trimesh  # takes longer to import than most meshes to build

    data = path.read_bytes()
    kind = path.suffix.lower().removeprefix(".")
    known = trimesh.exchange.load.mesh_formats()
    loaders: dict[str, Any] = trimesh.exchange.load.mesh_loaders
    if kind not in known:
        raise InputError(f"the file's extension must be one of {', '.join(sorted(known))}; got {path.suffix!r}.")
    vertices: list[FloatArray] = [np.empty((0, 3))]
    triangles: list[IntArray] = [np.empty((0, 3), dtype=np.int64)]
    albedo: list[FloatArray] = [np.empty((0, 3))]
    num_vertices = 0
    log, log_was_disabled = trimesh.util.log, trimesh.util.log.disabled
    try:
        log.disabled = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Where NumPy does not refuse words among numbers yet, it warns and drops the rest of the numbers.
            warnings.filterwarnings("error", message="string or file could not be read to its end")
            is_gltf = kind in ("glb", "gltf")
            if is_gltf:
                _check_gltf(data)
            loaded = loaders[kind](
                file_obj=io.BytesIO(data),
                file_type=kind,
                resolver=trimesh.resolvers.FilePathResolver(str(path)),
                skip_materials=True,
                fix_texture=False,  # else vertices are split and reordered
            )
            for part, matrix in _placed(loaded):
                positions = as_rows_of_three("vertices", part["vertices"])
                corners = triangulate(positions, np.asarray(part["faces"], dtype=np.int64)).reshape(-1, 3)
                if np.linalg.det(matrix) < 0.0:
                    corners = corners[:, ::-1]
                colors = part.get("vertex_colors")
                vertices.append(positions @ matrix[:3, :3].T + matrix[:3, 3])
                triangles.append(corners + num_vertices)
                albedo.append(np.ones_like(positions) if colors is None else _albedo(colors, linear=is_gltf))
                num_vertices += len(positions)
            if kind in ("ply", "off", "stl"):
                _check_complete(kind, data, sum(map(len, triangles)))
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 (trimesh's parsers raise anything)
        reason = " ".join(str(error).split()).rstrip(".!") or type(error).__name__
        raise InputError(
            f"the file must be a complete {kind.upper()} file; trimesh says: {reason[:200]}. "
            f"If it is one, save it with triangles only or as .obj."
        ) from None
    finally:
        log.disabled = log_was_disabled
    return np.concatenate(vertices), np.concatenate(triangles), np.concatenate(albedo)


def _placed(loaded: dict[str, Any]) -> list[tuple[dict[str, Any], FloatArray]]:
    """The meshes among what a loader of trimesh returns, each with the (4, 4) matrix that places it in its scene."""
    import trimesh

    geometry = loaded.get("geometry", {"mesh": loaded})
    if "graph" in loaded:
        graph: Any = trimesh.Scene().graph
        for edge in loaded["graph"]:
            graph.update(**edge)
        placed = [(geometry[name], matrix) for matrix, name in (graph[node] for node in graph.nodes_geometry)]
    else:
        placed = [(part, np.eye(4)) for part in geometry.values()]
    return [(part, matrix) for part, matrix in placed if part.get("faces") is not None and len(part["faces"]) > 0]


def _check_gltf(data: bytes) -> None:
    """Refuse what trimesh would show wrongly or leave out without a word."""
    header = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")] if data[:4] == b"glTF" else data)
    unread = {
        "KHR_draco_mesh_compression",
        "EXT_meshopt_compression",
        "KHR_meshopt_compression",
        "KHR_mesh_quantization",
        "EXT_mesh_gpu_instancing",
    }.intersection(header.get("extensionsRequired", ()))
    for primitive in (primitive for mesh in header.get("meshes", ()) for primitive in mesh["primitives"]):
        if primitive.get("mode", 4) == 6:
            unread.add("triangle fans")
        used = [primitive["attributes"].get("POSITION"), primitive.get("indices")]
        if any("sparse" in header["accessors"][i] for i in used if i is not None):
            unread.add("sparse accessors")
    if unread:
        raise InputError(f"the file must hold plain triangles; got {', '.join(sorted(unread))}.")


def _check_complete(kind: str, data: bytes, num_triangles: int) -> None:
    """Refuse a text file that ends early or has faces without corners: trimesh reads the rest without a word."""
    num_faces = missing = 0
    if kind == "stl":
        # A binary file is not read at all unless its size is right.
        if len(data) != 84 + 50 * num_triangles:
            num_faces = len(re.findall(rb"^\s*facet\b", data, re.IGNORECASE | re.MULTILINE))
    elif kind == "off" or b"ascii" in data.splitlines()[1]:
        rows = [row for line in data.splitlines() if (row := line.partition(b"#")[0].split())]
        if kind == "off":
            first = 1 if len(rows[0]) > 1 else 2  # the counts may stand on the line of the word OFF
            num_vertices, num_faces = [int(token) for token in rows[first - 1] if token.isdigit()][:2]
            num_rows = num_vertices + num_faces
        else:
            first = rows.index([b"end_header"]) + 1
            counts = {row[1]: int(row[2]) for row in rows[:first] if row[0] == b"element"}
            num_faces, num_rows = counts.get(b"face", 0), sum(counts.values())
        missing = max(0, num_rows - len(rows[first:]))
    if missing or num_triangles < num_faces:
        lines = f", with {counted(missing, 'line')} missing" if missing else ""
        raise InputError(
            f"the file must be a complete {kind.upper()} file; got {counted(num_triangles, 'triangle')} "
            f"from {counted(num_faces, 'face')}{lines}."
        )
