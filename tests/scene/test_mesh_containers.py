"""Mesh files as programs write them: marks, tails, encoded names, cameras and parts elsewhere."""

import io
import json
import struct
import urllib.parse
import zipfile

import numpy as np
import pytest
from mesh_contents import CORNERS, PLY_CORNERS, SOLID, gltf, ply

from tdr.errors import InputError

HALF = ((0.5 + 0.055) / 1.055) ** 2.4  # IEC 61966-2-1
TETRAHEDRON = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    ("name", "text", "triangles"),
    [
        ("a.obj", TETRAHEDRON, 4),
        ("a.obj", TETRAHEDRON.replace("\n", "\r\n"), 4),
        ("a.ply", ply(PLY_CORNERS, ["3 0 1 2"]), 1),
        ("a.off", "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n", 1),
        ("a.stl", SOLID, 1),
    ],
)
def test_a_text_may_begin_with_a_byte_order_mark(load, name, text, triangles, encoding):
    mesh = load(name, text.encode(encoding))
    assert mesh.num_triangles == triangles
    corners = mesh.vertices[mesh.triangles].reshape(-1, 3)
    assert corners.min(axis=0).tolist() == [0.0] * 3
    assert corners[:, :2].max(axis=0).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("tail", [bytes(1), bytes(16), b"made by a scanner", bytes(50)])
def test_what_follows_the_last_triangle_of_an_stl_file_is_left(load, tail):
    triangle = struct.pack("<12fH", 0, 0, 1, *np.ravel(CORNERS), 0)
    mesh = load("a.stl", bytes(80) + struct.pack("<I", 2) + 2 * triangle + tail)
    assert mesh.vertices[mesh.triangles].tolist() == [CORNERS, CORNERS]


def test_a_color_that_rounding_puts_beyond_1_is_1(load):
    text = "".join(f"v {row} 1.0000001 0.5 -1e-9\n" for row in PLY_CORNERS)
    assert load("a.obj", text + "f 1 2 3\n").vertex_albedo.tolist() == [[1.0, pytest.approx(HALF), 0.0]] * 3


@pytest.mark.parametrize("name", ["my mesh\u00e4.bin", "100%.bin", "plain.bin"])
@pytest.mark.parametrize("encode", [urllib.parse.quote, str])
def test_the_uri_of_a_buffer_may_be_encoded(load, tmp_path, name, encode):
    data = gltf()
    size = int.from_bytes(data[12:16], "little")
    tree = json.loads(data[20 : 20 + size])
    tree["buffers"][0]["uri"] = encode(name)
    (tmp_path / name).write_bytes(data[28 + size :])
    assert load("a.gltf", json.dumps(tree)).vertices.tolist() == CORNERS


@pytest.mark.parametrize("nodes", [[{"mesh": 0, "camera": 0}], [{"camera": 0, "children": [1]}, {"mesh": 0}]])
@pytest.mark.parametrize("binary", [True, False])
def test_a_mesh_beside_or_below_a_camera_is_there(load, tmp_path, nodes, binary):
    camera = {"type": "perspective", "perspective": {"yfov": 1.0, "znear": 0.1}}
    content = gltf(nodes=nodes, cameras=[camera])
    name = "a.glb"
    if not binary:
        size = int.from_bytes(content[12:16], "little")
        tree = json.loads(content[20 : 20 + size])
        tree["buffers"][0]["uri"], name = "a.bin", "a.gltf"
        (tmp_path / "a.bin").write_bytes(content[28 + size :])
        content = json.dumps(tree)
    mesh = load(name, content)
    assert mesh.vertices[mesh.triangles].tolist() == [CORNERS]


def model(objects, items):
    return (
        '<?xml version="1.0"?><model unit="millimeter" '
        'xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02" '
        'xmlns:p="http://schemas.microsoft.com/3dmanufacturing/production/2015/06">'
        f"<resources>{objects}</resources><build>{items}</build></model>"
    )


PART = (
    '<object id="1" type="model"><mesh><vertices><vertex x="0" y="0" z="0"/><vertex x="1" y="0" z="0"/>'
    '<vertex x="0" y="1" z="0"/></vertices><triangles><triangle v1="0" v2="1" v3="2"/></triangles></mesh></object>'
)
ASSEMBLY = (
    '<object id="1" type="model"><components><component p:path="/3D/a.model" objectid="1"/></components></object>'
)


@pytest.mark.parametrize(
    ("models", "refused"),
    [
        ({"3D/3dmodel.model": model(PART, '<item objectid="1"/>')}, False),
        ({"3D/3dmodel.model": model(ASSEMBLY, '<item objectid="1"/>'), "3D/a.model": model(PART, "")}, True),
        (
            {"3D/3dmodel.model": model("", '<item p:path="/3D/a.model" objectid="1"/>'), "3D/a.model": model(PART, "")},
            True,
        ),
    ],
)
def test_parts_of_a_3mf_file_in_files_of_their_own_are_refused(load, models, refused):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in models.items():
            archive.writestr(name, text)
    if refused:
        with pytest.raises(InputError, match="must hold its parts in one model; got parts in files of their own"):
            load("a.3mf", content.getvalue())
    else:
        assert load("a.3mf", content.getvalue()).num_triangles == 1
