"""Mesh files: from bytes to arrays, or a message about what is wrong with them."""

from __future__ import annotations

import codecs
import io
import json
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt

from tdr.errors import InputError
from tdr.words import counted

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer[Any]]
Arrays = tuple[FloatArray, IntArray, FloatArray]  # vertices (V, 3), triangles (F, 3), vertex albedo (V, 3)

# By how much float32, or seven decimal digits, may put a colour beyond 0 or 1.
_COLOR_ROUNDING = 1e-6
# More vertices than triangles' indices, int32, can tell apart.
_TOO_MANY = 2**31


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
    bad = values[(values < -_COLOR_ROUNDING) | (values > 1.0 + _COLOR_ROUNDING)]
    if len(bad):
        raise InputError(f"vertex colours must be in [0, 1]; got {bad[0]:.9g}.")
    values = np.clip(values, 0.0, 1.0)
    # IEC 61966-2-1
    return values if linear else np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _as_utf8(data: bytes) -> bytes:
    """A text file's bytes in UTF-8 without a byte-order mark, whatever the mark says that they are in."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace").encode()
    return data.removeprefix(codecs.BOM_UTF8)


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
    text = _as_utf8(path.read_bytes()).decode("utf-8", errors="replace")
    text = re.sub("\r\n?", "\n", text).replace("\\\n", " ")
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
                if len(indices) < 3 or min(indices) < 1 or max(indices) >= _TOO_MANY:
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
    if kind == "stl":
        data = _as_stl(data)
    elif kind in ("ply", "off", "gltf"):
        data = _as_utf8(data)
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
            resolver: Any = trimesh.resolvers.FilePathResolver(str(path))
            if is_gltf:
                data = _without_cameras(data)
                # A URI in glTF may be encoded (RFC 3986).
                resolver = _Decoding(resolver)
            elif kind == "3mf":
                _check_3mf(data)
            loaded = loaders[kind](
                file_obj=io.BytesIO(data),
                file_type=kind,
                resolver=resolver,
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


def _as_stl(data: bytes) -> bytes:
    """An STL file's bytes without what is not STL: a text's byte-order mark, or what follows the last triangle."""
    # In a text these four bytes would be a number of some hundred million.
    size = 84 + 50 * int.from_bytes(data[80:84], "little")
    return data[:size] if 84 < size <= len(data) else _as_utf8(data)


class _Decoding:
    """A resolver of names of trimesh's, for names that may be encoded as in a URI."""

    def __init__(self, files: Any) -> None:
        self._files = files

    def __getitem__(self, name: str) -> bytes:
        try:
            return bytes(self._files[unquote(name)])
        except FileNotFoundError:
            return bytes(self._files[name])


def _without_cameras(data: bytes) -> bytes:
    """A glTF file's bytes without its cameras, in whose nodes and below which trimesh loses meshes.

    Raises:
        InputError: for what trimesh would show wrongly or leave out without a word.
    """
    is_binary = data[:4] == b"glTF"
    version = str(int.from_bytes(data[4:8], "little")) if is_binary else "2"
    length = int.from_bytes(data[12:16], "little")
    tree: dict[str, Any] = {}
    if version == "2":
        tree = json.loads(data[20 : 20 + length] if is_binary else data)
        version = str(tree.get("asset", {}).get("version", "1.0"))
    if not version.startswith("2"):
        raise InputError(f"the file must be of glTF 2.0; got glTF {version}. Save it as glTF 2.0, or as .obj.")
    _check_gltf(tree)
    if not any("camera" in node for node in tree.get("nodes", ())):
        return data
    for node in tree["nodes"]:
        node.pop("camera", None)
    text = json.dumps(tree).encode()
    if not is_binary:
        return text
    text += b" " * (-len(text) % 4)
    rest = data[20 + length :]
    sizes = [number.to_bytes(4, "little") for number in (20 + len(text) + len(rest), len(text))]
    return data[:8] + sizes[0] + sizes[1] + data[16:20] + text + rest


def _check_gltf(tree: dict[str, Any]) -> None:
    """Refuse what the nodes and meshes of a glTF file use and trimesh shows wrongly or leaves out without a word."""
    unread = {
        "KHR_draco_mesh_compression",
        "EXT_meshopt_compression",
        "KHR_meshopt_compression",
        "KHR_mesh_quantization",
        "EXT_mesh_gpu_instancing",
    }.intersection(tree.get("extensionsRequired", ()))
    meshes = tree.get("meshes", ())
    for node in tree.get("nodes", ()):
        unread |= {"EXT_mesh_gpu_instancing"}.intersection(node.get("extensions", ()))
        if "mesh" in node:
            if "skin" in node:
                unread.add("skins")
            if any(node.get("weights", meshes[node["mesh"]].get("weights", ()))):
                unread.add("morph targets with weights")
    for primitive in (primitive for mesh in meshes for primitive in mesh["primitives"]):
        if primitive.get("mode", 4) == 6:
            unread.add("triangle fans")
        attributes = primitive["attributes"]
        used = [attributes.get("POSITION"), attributes.get("COLOR_0"), primitive.get("indices")]
        if any("sparse" in tree["accessors"][i] for i in used if i is not None):
            unread.add("sparse accessors")
    if unread:
        raise InputError(f"the file must hold plain triangles; got {', '.join(sorted(unread))}.")


def _check_3mf(data: bytes) -> None:
    """Refuse a 3MF file that has parts in files of their own, of which trimesh mixes up those of equal numbers."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            if name.endswith(".model") and re.search(
                rb"<(\w+:)?(component|item)\b[^>]*\w:path\s*=", archive.read(name)
            ):
                raise InputError(
                    "the file must hold its parts in one model; got parts in files of their own (3MF's production "
                    "extension). Export it without, as STL or as .obj."
                )


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
