"""What mesh files hold, for tests that read them."""

import json
import struct

import numpy as np

CORNERS = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"
TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"


def ply(vertices, faces, properties="", num_faces=None):
    rows = [*vertices, *faces]
    return (
        f"ply\nformat ascii 1.0\ncomment TextureFile missing.png\nelement vertex {len(vertices)}\n"
        f"property float x\nproperty float y\nproperty float z\n{properties}"
        f"element face {len(faces) if num_faces is None else num_faces}\n"
        f"property list uchar int vertex_indices\nend_header\n" + "".join(f"{row}\n" for row in rows)
    )


def facet(*vertices):
    return "facet normal 0 0 1\nouter loop\n" + "".join(f"vertex {v}\n" for v in vertices) + "endloop\nendfacet\n"


PLY_CORNERS = ["0 0 0", "1 0 0", "0 1 0"]
SOLID = f"solid part\n{facet(*PLY_CORNERS)}endsolid part\n"


def gltf(colors=None, primitive=None, accessor=None, **header):
    """The bytes of a GLB file with the triangle of CORNERS."""
    blobs = [np.array(CORNERS, "<f4").tobytes(), np.array([0, 1, 2], "<u4").tobytes(), b""]
    accessors = [
        {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3", **(accessor or {})},
        {"bufferView": 1, "componentType": 5125, "count": 3, "type": "SCALAR"},
    ]
    attributes = {"POSITION": 0}
    if colors is not None:
        blobs[2] = colors.tobytes()
        component = {"uint8": 5121, "uint16": 5123, "float32": 5126}[colors.dtype.name]
        accessors.append({"bufferView": 2, "componentType": component, "count": 3, "type": "VEC4", "normalized": True})
        attributes["COLOR_0"] = 2
    offsets = np.cumsum([0, *map(len, blobs)]).tolist()
    tree = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 1, **(primitive or {})}]}],
        "accessors": accessors,
        "bufferViews": [
            {"buffer": 0, "byteOffset": start, "byteLength": len(blob)}
            for start, blob in zip(offsets, blobs, strict=False)
        ],
        "buffers": [{"byteLength": offsets[-1]}],
        **header,
    }
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", offsets[-1], 0x004E4942)
    body = chunks + b"".join(blobs)
    return struct.pack("<III", 0x46546C67, 2, 12 + len(body)) + body
