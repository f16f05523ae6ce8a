"""Mesh files: what is read from them, and what is refused."""

import json
import math
import struct
import subprocess
import sys

import numpy as np
import pytest
import trimesh
from mesh_contents import PLY_CORNERS, SOLID, SQUARE, TRIANGLE, gltf, ply

from tdr.errors import InputError
from tdr.scene.mesh import TriangleMesh

EPS = np.finfo(np.float64).eps


@pytest.mark.parametrize(
    ("file_type", "options"),
    [
        ("obj", {}),
        ("ply", {}),
        ("ply", {"encoding": "ascii"}),
        ("stl", {}),
        ("stl_ascii", {}),
        ("off", {}),
        ("glb", {}),
    ],
)
def test_formats_keep_the_triangles_in_their_order(load, file_type, options):
    torus = TriangleMesh.torus(0)
    written = trimesh.Trimesh(torus.vertices, torus.triangles, process=False).export(file_type=file_type, **options)
    mesh = load(f"torus.{file_type.removesuffix('_ascii')}", written)
    # Some formats have single precision, some are written with 8 digits.
    np.testing.assert_allclose(mesh.vertices[mesh.triangles], torus.vertices[torus.triangles], rtol=0, atol=1e-7)
    if "stl" not in file_type:
        np.testing.assert_array_equal(mesh.triangles, torus.triangles)


def test_parts_of_a_scene_are_joined_at_their_places(load):
    box, ball = trimesh.creation.box(), trimesh.creation.icosphere(1)
    mirrored = np.diag([-1.0, 1.0, 1.0, 1.0])
    mirrored[0, 3] = 5.0
    scene = trimesh.Scene()
    scene.add_geometry(box, geom_name="box")
    scene.add_geometry(ball, transform=mirrored)
    scene.add_geometry(box, geom_name="box", transform=trimesh.transformations.translation_matrix([0.0, 7.0, 0.0]))
    mesh = load("scene.glb", scene.export(file_type="glb"))
    assert mesh.num_triangles == 12 + 80 + 12
    # The mirrored part still faces outwards, or its volume would count as negative.
    a, b, c = np.moveaxis(mesh.vertices[mesh.triangles], 1, 0)
    assert np.sum(a * np.cross(b, c)) / 6.0 == pytest.approx(2.0 * box.volume + ball.volume, rel=1e-6)
    np.testing.assert_allclose(
        [mesh.vertices.min(0), mesh.vertices.max(0)], [[-0.5, -1, -1], [6, 7.5, 1]], rtol=0, atol=1e-6
    )


@pytest.mark.parametrize(
    ("text", "triangles"),
    [
        (TRIANGLE + "f 1 2 3\n", [[0, 1, 2]]),
        (
            TRIANGLE + "vt 0 0\nvn 0 0 1\nf 1/1/1 2/1/1 3/1/1\nf 1//1 2//1 3//1\nf 2/1 3/1 1/1",
            [[0, 1, 2]] * 2 + [[1, 2, 0]],
        ),
        (TRIANGLE.replace("\n", " # a comment\r\n") + "# f 9 9 9\r\n\r\nf\t1 2 \\\n3\r\n", [[0, 1, 2]]),
        (
            "usemtl a\n" + TRIANGLE + "f 1 2 3\nusemtl b\nf 2 3 1\nusemtl a\nf 3 1 2\n",
            [[0, 1, 2], [1, 2, 0], [2, 0, 1]],
        ),
        (TRIANGLE + "f -3 -2 -1\n" + TRIANGLE + "f -3 -2 -1\n", [[0, 1, 2], [3, 4, 5]]),
        (SQUARE + "f 1 2 3 4\nf 1 2 3\n", [[0, 1, 2], [0, 2, 3], [0, 1, 2]]),
    ],
    ids=["plain", "references", "layout", "materials", "relative", "polygon"],
)
def test_obj(load, text, triangles):
    assert load("mesh.obj", text).triangles.tolist() == triangles


@pytest.mark.parametrize(
    ("outline", "area"),
    [
        ([(0, 0), (4, 0), (4, 4), (2, 1), (0, 4)], 10.0),
        ([(2, 1), (0, 4), (0, 0), (4, 0), (4, 4)], 10.0),
        ([(0, 0), (2, 1), (4, 0), (2, 3)], 4.0),
        ([(0, 0), (5, 0), (5, 5), (4, 5), (4, 1), (1, 1), (1, 3), (2, 3), (2, 4), (0, 4)], 13.0),
    ],
    ids=["pentagon", "pentagon-from-the-notch", "arrow", "hook"],
)
def test_concave_polygons_are_cut_without_overlaps(load, outline, area):
    text = "".join(f"v {x} {y} {10 + x}\n" for x, y in outline) + "f " + " ".join(map(str, range(1, len(outline) + 1)))
    mesh = load("mesh.obj", text)
    a, b, c = np.moveaxis(mesh.vertices[mesh.triangles][:, :, :2], 1, 0)
    areas = 0.5 * ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])
    assert len(areas) == len(outline) - 2
    assert areas.min() > 0.0
    assert areas.sum() == pytest.approx(area)


HALF, GREEN = ((0.5 + 0.055) / 1.055) ** 2.4, ((188 / 255 + 0.055) / 1.055) ** 2.4  # IEC 61966-2-1
RGBA = "".join(f"property {{0}} {channel}\n" for channel in ("red", "green", "blue", "alpha"))


@pytest.mark.parametrize(
    ("name", "content", "albedo"),
    [
        ("mesh.obj", "v 0 0 0 1 0.5 0.02\nv 1 0 0 1 0.5 0.02\nv 0 1 0 1 0.5 0.02\nf 1 2 3", [1.0, HALF, 0.02 / 12.92]),
        (
            "mesh.ply",
            ply([f"{c} 255 188 0 7" for c in PLY_CORNERS], ["3 0 1 2"], RGBA.format("uchar")),
            [1.0, GREEN, 0.0],
        ),
        ("mesh.ply", ply([f"{c} 1 .5 0 0" for c in PLY_CORNERS], ["3 0 1 2"], RGBA.format("float")), [1.0, HALF, 0.0]),
        ("mesh.glb", gltf(np.full((3, 4), [255, 51, 0, 7], np.uint8)), [1.0, 0.2, 0.0]),
        ("mesh.glb", gltf(np.full((3, 4), [65535, 13107, 0, 7], np.uint16)), [1.0, 0.2, 0.0]),
        ("mesh.glb", gltf(np.full((3, 4), [1.0, 0.25, 0.0, 0.5], np.float32)), [1.0, 0.25, 0.0]),
        ("mesh.ply", ply(PLY_CORNERS, ["3 0 1 2"]), [1.0, 1.0, 1.0]),
    ],
    ids=["obj", "ply", "ply-float", "glb-8-bit", "glb-16-bit", "glb-float", "none"],
)
def test_vertex_colors_become_linear_albedo(load, name, content, albedo):
    np.testing.assert_allclose(load(name, content).vertex_albedo, [albedo] * 3, rtol=1e-12)


def test_ply_vertices_are_not_split_at_texture_seams(load):
    content = ply(
        ["0 0 0 255 0 0", "1 0 0 0 255 0", "0 1 0 0 0 255", "1 1 0 0 0 0"],
        ["3 0 1 2 6 0 0 1 0 0 1", "3 2 1 3 6 .1 .1 .2 .2 .3 .3"],
        "".join(f"property uchar {channel}\n" for channel in ("red", "green", "blue")),
    ).replace("end_header", "property list uchar float texcoord\nend_header")
    mesh = load("mesh.ply", content)
    assert mesh.triangles.tolist() == [[0, 1, 2], [2, 1, 3]]
    assert mesh.vertices[:, :2].tolist() == [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    assert mesh.vertex_albedo.tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]


def test_obj_vertices_without_a_color_are_white(load):
    mesh = load("mesh.obj", "v 0 0 0 0 0 0\nv 1 0 0\nv 0 1 0 0 0 0\nf 1 2 3\n")
    assert mesh.vertex_albedo.tolist() == [[0.0] * 3, [1.0] * 3, [0.0] * 3]


def test_normalize_centers_the_used_vertices_and_scales_them_to_the_unit_sphere(load):
    text = "v 100 100 100\nv 10 0 0\nv 14 0 0\nv 10 2 0\nf 2 3 4\nf 1 1 2\n"
    mesh = load("mesh.obj", text, normalize=True)
    used = mesh.vertices[mesh.triangles].reshape(-1, 3)
    np.testing.assert_allclose(used.min(axis=0), -used.max(axis=0), rtol=0, atol=EPS)
    np.testing.assert_allclose(
        used, np.array([[-2, -1, 0], [2, -1, 0], [-2, 1, 0]]) / math.sqrt(5), rtol=0, atol=4 * EPS
    )
    assert mesh.num_degenerate == 1


PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.obj", "no mesh at all\n", "at least one triangle; got none"),
        ("a.obj", "", "at least one triangle; got none"),
        ("a.obj", PNG, "at least one triangle; got none"),
        ("a.obj", TRIANGLE + "l 1 2 3\n", "at least one triangle; got none"),
        ("a.obj", TRIANGLE + "f 1 2 3\nf 1 2 99\n", "line 5: 'f' must refer to vertices 1 to 3; got 99"),
        ("a.obj", TRIANGLE + "f 0 1 2\n", "line 4: 'f' must be followed by .* got 'f 0 1 2'"),
        ("a.obj", TRIANGLE + "f -4 -2 -1\n" + TRIANGLE, "line 4: 'f' must be followed by"),
        ("a.obj", TRIANGLE + "f 1 2\n", "line 4: 'f' must be followed by at least 3 vertices"),
        ("a.obj", TRIANGLE + "f 1 2 x\n", "line 4: 'f' must be followed by"),
        ("a.obj", "v 0 0\n", "line 1: 'v' must be followed by at least 3 numbers; got 'v 0 0'"),
        ("a.obj", SQUARE.replace("1 0 0", "1 nan 0") + "f 1 2 3 4\n", "vertices must be finite; got 1 .* index 1"),
        ("a.obj", TRIANGLE + "f 1 1 2\n", "all degenerate"),
        ("a.obj", "v 0 0 0 255 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3", r"vertex colours must be in \[0, 1\]; got 255"),
        ("a.ply", "no mesh at all\n", "must be a complete PLY file; .*[Nn]ot a ply"),
        ("a.ply", PNG, "must be a complete PLY file"),
        ("a.ply", ply(PLY_CORNERS, []), "at least one triangle; got none"),
        ("a.ply", ply(PLY_CORNERS, ["3 0 1 3"]), "indices from 0 to 2; got 3"),
        ("a.ply", ply(PLY_CORNERS, ["3 0 1 -1"]), "indices from 0 to 2; got -1"),
        ("a.ply", ply(PLY_CORNERS, ["3 0 1 2"], num_faces=3), "got 1 triangle from 3 faces, with 2 lines missing"),
        ("a.ply", ply(PLY_CORNERS, ["3 0 1 2", "2 0 1"]), "got 1 triangle from 2 faces"),
        ("a.ply", ply(["0 0 nan", *PLY_CORNERS[1:]], ["3 0 1 2"]), "vertices must be finite"),
        ("a.ply", ply(["0 0 word", *PLY_CORNERS[1:]], ["3 0 1 2"]), "must be a complete PLY file"),
        ("a.off", "no mesh at all\n", "must be a complete OFF file"),
        ("a.off", "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 3\n", "range|indices"),
        ("a.off", "OFF\n3 2 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n", "got 1 triangle from 2 faces, with 1 line missing"),
        ("a.off", "OFF 3 2 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n2 0 1\n", "got 1 triangle from 2 faces"),
        ("a.stl", "no mesh at all\n", "at least one triangle; got none"),
        ("a.stl", SOLID + SOLID.removesuffix("endfacet\nendsolid part\n"), "got 1 triangle from 2 faces"),
        ("a.stl", SOLID.replace("1 0 0", "1 0 word"), "must be a complete STL file"),
        ("a.stl", bytes(80) + struct.pack("<I", 2) + bytes(50), "at least one triangle; got none"),
        ("a.glb", "no mesh at all\n", "must be a complete GLB file"),
        ("a.glb", gltf()[:-4], "must be a complete GLB file"),
        ("a.glb", gltf(extensionsRequired=["KHR_draco_mesh_compression"]), "plain triangles; got KHR_draco"),
        ("a.glb", gltf(primitive={"mode": 6}), "plain triangles; got triangle fans"),
        ("a.glb", gltf(accessor={"sparse": {"count": 1}}), "plain triangles; got sparse accessors"),
        ("a.gltf", json.dumps({"asset": {"version": "2.0"}, "buffers": [{"uri": "gone.bin"}]}), "complete GLTF file"),
        ("a.glb", gltf(asset={"version": "1.0"}), "must be of glTF 2.0; got glTF 1.0"),
        ("a.glb", gltf().replace(struct.pack("<I", 2), struct.pack("<I", 1), 1), "must be of glTF 2.0; got glTF 1"),
        ("a.glb", gltf(nodes=[{"mesh": 0, "skin": 0}]), "plain triangles; got skins"),
        ("a.glb", gltf(nodes=[{"mesh": 0, "weights": [0.0, 0.5]}]), "plain triangles; got morph targets with weights"),
        (
            "a.glb",
            gltf(nodes=[{"mesh": 0, "extensions": {"EXT_mesh_gpu_instancing": {}}}]),
            "got EXT_mesh_gpu_instancing",
        ),
        ("a.obj", TRIANGLE + "f 1 2 12345678901234567890123\n", "line 4: 'f' must be followed by .* got 'f 1 2 123"),
        ("a.obj", "v 0 0 0 1.00001 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3", "vertex colours must be in .*; got 1.00001"),
        ("a.docx", "no mesh at all\n", "extension must be one of .*obj.*ply.*stl.*; got '.docx'"),
        ("a", "no mesh at all\n", "extension must be one of"),
    ],
)
def test_bad_files_are_refused_in_one_line_that_names_the_file(load, name, content, message):
    with pytest.raises(InputError, match=message) as error:
        load(name, content)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("mesh.path '")
    assert f"{name}'" in str(error.value)


def test_an_index_beyond_its_part_never_reaches_the_next_part(load):
    content = gltf(nodes=[{"mesh": 0}, {"mesh": 0}], scenes=[{"nodes": [0, 1]}])
    assert load("two.glb", content).triangles.tolist() == [[0, 1, 2], [3, 4, 5]]
    content = content.replace(np.array([0, 1, 2], "<u4").tobytes(), np.array([0, 1, 4], "<u4").tobytes())
    with pytest.raises(InputError, match="indices from 0 to 2; got 4"):
        load("two.glb", content)


@pytest.mark.parametrize("name", ["gone.obj", "gone.ply", "folder.obj", "folder"])
def test_files_that_cannot_be_opened_are_refused(tmp_path, name):
    (tmp_path / "folder.obj").mkdir()
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=rf"mesh.path must name a file that can be read; got '.*{name}'"):
        TriangleMesh.load(tmp_path / name)


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "default", "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def test_loading_prints_nothing(tmp_path):
    (tmp_path / "a.obj").write_text("mtllib gone.mtl\nusemtl a\n" + TRIANGLE + "f 1 2 3\n")
    (tmp_path / "b.ply").write_text(ply(PLY_CORNERS, ["3 0 1 2"]))  # names a texture that is not there
    (tmp_path / "c.stl").write_text(SOLID.replace("1 0 0", "1 0 word"))
    # trimesh warns through its log about geometry that it cannot decompress
    extension = {"KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {"POSITION": 0}}}
    compressed = gltf(primitive={"extensions": extension}).replace(b'"bufferView": 0, "c', b'"bufferVoid": 0, "c')
    (tmp_path / "d.glb").write_bytes(compressed)
    code = """if True:
        import sys
        from tdr.scene.mesh import TriangleMesh
        for path in sys.argv[1:]:
            try:
                TriangleMesh.load(path)
            except ValueError:
                pass
        """
    done = run(code, *sorted(tmp_path.iterdir()))
    assert (done.stdout, done.stderr) == ("", "")


def test_trimesh_is_imported_only_for_the_formats_that_need_it(tmp_path):
    (tmp_path / "a.obj").write_text(TRIANGLE + "f 1 2 3\n")
    code = """if True:
        import sys
        from tdr.scene.mesh import TriangleMesh
        TriangleMesh.load(sys.argv[1]), TriangleMesh.sphere(1), TriangleMesh.torus_knot(0)
        print("trimesh" in sys.modules, "taichi" in sys.modules)
        """
    assert run(code, tmp_path / "a.obj").stdout.split() == ["False", "False"]
