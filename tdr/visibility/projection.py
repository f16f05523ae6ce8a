"""Where vertices and triangles are on the screen; float64."""

from tdr.backend import ti
from tdr.visibility.edges import Pixel, Triangle, first_centre

# Vertices that are computed together, in vector instructions, and how many blocks of them a thread takes at once.
BLOCK = 16
BLOCKS = 64
# What stands in place of the first pixel of a vertex behind the near plane.
BEHIND = 0xFFFFFFFF

# x, y, depth, w
Vertex = ti.types.vector(4, ti.f64)
Matrix = ti.types.matrix(3, 3, ti.f64)
Point = ti.types.vector(3, ti.f64)
Corners = ti.types.vector(3, ti.i32)


@ti.func
def spread(count):
    """How far apart those ``count`` iterations of a loop are to lie that do something, so that all threads get some.

    Taichi gives each thread of a CPU one part of a loop, of at least 512 iterations, however long each of them takes,
    and ``loop_config`` has no say in it. The idle iterations between cost next to nothing, and there are none where
    there is enough to do. On a GPU each iteration is a thread's.
    """
    distance = 1
    if ti.static(ti.cfg.arch in (ti.x64, ti.arm64)):
        least = ti.static(512 * ti.cfg.cpu_max_num_threads)
        distance = ti.max(1, (least + count - 1) // ti.max(1, count))
    return distance


def is_shared() -> bool:
    """Whether several threads write to an array at the same time; one alone needs no atomic operations."""
    config = ti.cfg
    return config.arch not in (ti.x64, ti.arm64) or config.cpu_max_num_threads > 1


@ti.kernel
def project_vertices(
    vertices: ti.types.ndarray(dtype=Point, ndim=1),
    model: ti.types.ndarray(dtype=ti.f64, ndim=1),
    rotations: ti.types.ndarray(dtype=ti.f64, ndim=3),
    view: ti.types.ndarray(dtype=ti.f64, ndim=1),
    camera: ti.template(),
    height: ti.i32,
    width: ti.i32,
    column_bits: ti.i32,
    positions: ti.types.ndarray(dtype=Vertex, ndim=1),
    first_pixels: ti.types.ndarray(dtype=ti.u32, ndim=1),
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
        column_bits: how many bits of a first pixel are its column's.
        positions: (V, 4), written: x and y in pixels from the image's top left corner, 1 - depth_ndc, and clip-space
            w. Behind the near plane the first three are not divided by w.
        first_pixels: (V,), written: the first row and the first column whose centres are not before the vertex, as
            row << column_bits | column, cut to the image; BEHIND behind the near plane.
    """
    num_vertices = vertices.shape[0]
    num_items = (num_vertices + ti.static(BLOCKS * BLOCK - 1)) // ti.static(BLOCKS * BLOCK)
    distance = spread(num_items)
    for item in range(num_items * distance):
        if item % distance != 0:
            continue
        mesh_axes = Matrix([[rotations[0, i, j] for j in range(3)] for i in range(3)])
        to_camera = Matrix([[rotations[1, j, i] for j in range(3)] for i in range(3)])
        linear = model[0] * (to_camera @ mesh_axes)
        shift = to_camera @ Point([model[1 + i] - view[i] for i in range(3)])
        extent, aspect, near, far = view[3], view[4], view[5], view[6]
        # What writes to no array but its own is compiled to vector instructions.
        x = ti.Vector([0.0] * ti.static(BLOCK), ti.f64)
        y = ti.Vector([0.0] * ti.static(BLOCK), ti.f64)
        depth = ti.Vector([0.0] * ti.static(BLOCK), ti.f64)
        w = ti.Vector([0.0] * ti.static(BLOCK), ti.f64)
        pixel = ti.Vector([0] * ti.static(BLOCK), ti.u32)
        for block in range(ti.static(BLOCKS)):
            first = (item // distance * ti.static(BLOCKS) + block) * ti.static(BLOCK)
            num = ti.min(ti.static(BLOCK), num_vertices - first)
            for n in range(num):
                clip = camera.view_to_clip(linear @ vertices[first + n] + shift, extent, aspect, near, far)
                w[n] = clip[3]
                is_in_front = clip[2] + clip[3] >= 0.0
                inverse = ti.select(is_in_front, 1.0 / clip[3], 1.0)
                x[n] = 0.5 * (clip[3] + clip[0]) * width * inverse
                y[n] = 0.5 * (clip[3] - clip[1]) * height * inverse
                depth[n] = (clip[3] - clip[2]) * inverse
                row = ti.cast(first_centre(y[n], height), ti.u32)
                column = ti.cast(first_centre(x[n], width), ti.u32)
                pixel[n] = ti.select(is_in_front, (row << ti.cast(column_bits, ti.u32)) | column, ti.u32(BEHIND))
            for n in range(num):
                positions[first + n] = Vertex(x[n], y[n], depth[n], w[n])
                first_pixels[first + n] = pixel[n]


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
    """The corners of a triangle in pixels, if none is behind the near plane."""
    i = triangles[t][0]
    j = triangles[t][1]
    k = triangles[t][2]
    return Triangle(
        Pixel(positions[i][0], positions[i][1], positions[i][2]),
        Pixel(positions[j][0], positions[j][1], positions[j][2]),
        Pixel(positions[k][0], positions[k][1], positions[k][2]),
    )


@ti.func
def num_parts(first_pixels: ti.template(), triangles: ti.template(), t):
    """How many triangles are left of triangle t in front of the near plane: 0, 1 or 2."""
    behind = 0
    for i in ti.static(range(3)):
        behind += ti.cast(first_pixels[triangles[t][i]] == ti.u32(BEHIND), ti.i32)
    return ti.select(behind == 3, 0, ti.select(behind == 1, 2, 1))


@ti.func
def undivided(position, is_in_front):
    """A vertex before the division by w, which those behind the near plane have not seen."""
    w = position[3]
    vertex = position
    if is_in_front:
        vertex = Vertex(position[0] * w, position[1] * w, position[2] * w, w)
    return vertex


@ti.func
def part_of(positions: ti.template(), first_pixels: ti.template(), triangles: ti.template(), t, part):
    """One of the triangles that are left of triangle t in front of the near plane, in pixels."""
    triangle = corners_of(positions, triangles, t)
    i = triangles[t][0]
    j = triangles[t][1]
    k = triangles[t][2]
    in_a = first_pixels[i] != ti.u32(BEHIND)
    in_b = first_pixels[j] != ti.u32(BEHIND)
    in_c = first_pixels[k] != ti.u32(BEHIND)
    if not (in_a and in_b and in_c):
        a = undivided(positions[i], in_a)
        b = undivided(positions[j], in_b)
        c = undivided(positions[k], in_c)
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
        triangle = Triangle(to_pixel(a), to_pixel(b), to_pixel(c))
    return triangle
