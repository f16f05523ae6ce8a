"""Where vertices and triangles are on the screen; float64."""

import taichi as ti

from tdr.stages.edges import Pixel, Triangle

# Vertices that share the constants of a projection.
BLOCK = 16
# What stands in place of the depth of a vertex behind the near plane (1 - depth_ndc is at most 2 in front of it).
BEHIND = 4.0

# x, y, depth, w
Vertex = ti.types.vector(4, ti.f64)
Matrix = ti.types.matrix(3, 3, ti.f64)
Point = ti.types.vector(3, ti.f64)
Corners = ti.types.vector(3, ti.i32)


def spread(iterations: int) -> int:
    """How far apart those iterations of a loop lie that do something, so that a thread takes so many at a time.

    A CPU's thread gets at least 512 iterations from Taichi, however long each of them takes, and ``loop_config`` has no
    say in it. The idle ones between cost next to nothing. On a GPU each iteration is a thread's.

    Args:
        iterations: how many, a power of two.
    """
    return 512 // iterations if ti.lang.impl.current_cfg().arch in (ti.x64, ti.arm64) else 1


@ti.kernel
def project_vertices(
    vertices: ti.types.ndarray(dtype=Point, ndim=1),
    model: ti.types.ndarray(dtype=ti.f64, ndim=1),
    rotations: ti.types.ndarray(dtype=ti.f64, ndim=3),
    view: ti.types.ndarray(dtype=ti.f64, ndim=1),
    camera: ti.template(),
    height: ti.i32,
    width: ti.i32,
    positions: ti.types.ndarray(dtype=Vertex, ndim=1),
    depths_behind: ti.types.ndarray(dtype=ti.f64, ndim=1),
):
    """Transform vertices to clip space and on to pixels.

    Args:
        vertices: (V, 3) object space.
        model: (4,) scale and translation of the mesh.
        rotations: (2, 3, 3) of the mesh and of the camera.
        view: (7,) camera position, the extent of its view, the aspect ratio, near and far.
        camera: the camera's class.
        height: rows of the image.
        width: columns of the image.
        positions: (V, 4), written: x and y in pixels from the image's top left corner, 1 - depth_ndc, and clip-space
            w. Behind the near plane x and y are not divided by w, and BEHIND stands in place of the depth.
        depths_behind: (V,), written behind the near plane: w - z in clip space.
    """
    num_vertices = vertices.shape[0]
    for item in range((num_vertices + ti.static(BLOCK - 1)) // ti.static(BLOCK) * ti.static(spread(16))):
        if item & ti.static(spread(16) - 1) != 0:
            continue
        block = item // ti.static(spread(16))
        mesh_axes = Matrix([[rotations[0, i, j] for j in range(3)] for i in range(3)])
        to_camera = Matrix([[rotations[1, j, i] for j in range(3)] for i in range(3)])
        linear = model[0] * (to_camera @ mesh_axes)
        shift = to_camera @ Point([model[1 + i] - view[i] for i in range(3)])
        extent, aspect, near, far = view[3], view[4], view[5], view[6]
        first = block * ti.static(BLOCK)
        for v in range(first, ti.min(first + ti.static(BLOCK), num_vertices)):
            position = linear @ vertices[v] + shift
            clip = camera.view_to_clip(position, extent, aspect, near, far)
            w = clip[3]
            x = 0.5 * (w + clip[0]) * width
            y = 0.5 * (w - clip[1]) * height
            depth = w - clip[2]
            if clip[2] + w >= 0.0:
                inverse = 1.0 / w
                positions[v] = Vertex(x * inverse, y * inverse, depth * inverse, w)
            else:
                positions[v] = Vertex(x, y, ti.static(BEHIND), w)
                depths_behind[v] = depth


@ti.func
def to_pixel(vertex):
    """A vertex that is not divided by w yet in pixels."""
    return Pixel(vertex[0] / vertex[3], vertex[1] / vertex[3], vertex[2] / vertex[3])


@ti.func
def above_near(vertex):
    """How far a vertex that is not divided by w is in front of the near plane, in clip units."""
    return 2.0 * vertex[3] - vertex[2]


@ti.func
def cut(inside, outside):
    """Where an edge crosses the near plane; always taken from the inside, so neighbours get the same point."""
    d = above_near(inside)
    return inside + d / (d - above_near(outside)) * (outside - inside)


@ti.func
def corners_of(positions: ti.template(), triangles: ti.template(), t):
    """The corners of a triangle in front of the near plane, in pixels."""
    i = triangles[t][0]
    j = triangles[t][1]
    k = triangles[t][2]
    return Triangle(
        Pixel(positions[i][0], positions[i][1], positions[i][2]),
        Pixel(positions[j][0], positions[j][1], positions[j][2]),
        Pixel(positions[k][0], positions[k][1], positions[k][2]),
    )


@ti.func
def is_across(triangle):
    """Whether a corner of a triangle is behind the near plane."""
    return ti.max(triangle.p[2], triangle.q[2], triangle.r[2]) == ti.static(BEHIND)


@ti.func
def undivided(positions: ti.template(), depths_behind: ti.template(), v):
    """A vertex before the division by w."""
    position = positions[v]
    w = position[3]
    vertex = Vertex(position[0] * w, position[1] * w, position[2] * w, w)
    if position[2] == ti.static(BEHIND):
        vertex = Vertex(position[0], position[1], depths_behind[v], w)
    return vertex


@ti.func
def num_parts(positions: ti.template(), triangles: ti.template(), t):
    """How many triangles are left of triangle t in front of the near plane: 0, 1 or 2."""
    behind = 0
    for i in ti.static(range(3)):
        behind += ti.cast(positions[triangles[t][i]][2] == ti.static(BEHIND), ti.i32)
    return ti.select(behind == 3, 0, ti.select(behind == 1, 2, 1))


@ti.func
def part_of(positions: ti.template(), depths_behind: ti.template(), triangles: ti.template(), t, part):
    """One of the triangles that are left of triangle t in front of the near plane, in pixels."""
    i = triangles[t][0]
    j = triangles[t][1]
    k = triangles[t][2]
    a = undivided(positions, depths_behind, i)
    b = undivided(positions, depths_behind, j)
    c = undivided(positions, depths_behind, k)
    in_a = positions[i][2] != ti.static(BEHIND)
    in_b = positions[j][2] != ti.static(BEHIND)
    in_c = positions[k][2] != ti.static(BEHIND)
    # Turn the triangle until a is the corner that stands alone on its side of the plane.
    is_alone = in_a
    if in_b != in_a and in_b != in_c:
        a, b, c = b, c, a
        is_alone = in_b
    elif in_c != in_a and in_c != in_b:
        a, b, c = c, a, b
        is_alone = in_c
    if is_alone:
        b = cut(a, b)
        c = cut(a, c)
    elif part == 0:
        a = cut(b, a)
    else:
        kept = c
        first = cut(b, a)
        b = c
        c = cut(kept, a)
        a = first
    return Triangle(to_pixel(a), to_pixel(b), to_pixel(c))
