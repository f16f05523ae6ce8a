"""Triangles in pixels: which pixel centres they contain, and how near they are there; float64."""

import taichi as ti

# By how much, in pixels, the computed end of a row may be off; the edge function decides about what lies within.
SLACK = 0.01
# Along an edge that is flatter than this the end of a row is not computed, because rounding would exceed the slack.
FLATTEST = 1e-6
# Pixels of a row that are looked at together.
RUN = 64

Edge = ti.types.struct(x=ti.f64, y=ti.f64, dx=ti.f64, dy=ti.f64)
# Rows and columns from the first to before the end.
Box = ti.types.struct(first_row=ti.i32, end_row=ti.i32, first_column=ti.i32, end_column=ti.i32)
# x, y, and 1 - depth_ndc: 2 at the near plane, 0 at the far one.
Pixel = ti.types.vector(3, ti.f64)
Triangle = ti.types.struct(p=Pixel, q=Pixel, r=Pixel)


@ti.func
def first_centre(x, size):
    """The first of ``size`` pixels whose centre is not before x; ``size`` if there is none."""
    # Cut before the conversion to int, which a point far outside would overflow.
    return ti.cast(ti.ceil(ti.min(ti.max(x, 0.0), ti.cast(size, ti.f64)) - 0.5), ti.i32)


@ti.func
def bounding_box(triangle, height, width):
    """The pixels whose centres may be in a triangle, cut to the image.

    A centre on the right end of the box is left out, and one on its lower end: the fill rule gives it to a neighbour.
    """
    p = triangle.p
    q = triangle.q
    r = triangle.r
    return Box(
        first_centre(ti.min(p[1], q[1], r[1]), height),
        first_centre(ti.max(p[1], q[1], r[1]), height),
        first_centre(ti.min(p[0], q[0], r[0]), width),
        first_centre(ti.max(p[0], q[0], r[0]), width),
    )


@ti.func
def signed_area(triangle):
    """Twice the area of a triangle; negative where it runs counter-clockwise on the screen (y points down)."""
    p = triangle.p
    q = triangle.q
    r = triangle.r
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


@ti.func
def make_edge(p, q, orientation):
    """The edge from p to q of a triangle, or from q to p with orientation -1, so that the inside is to its right.

    It starts at that end which comes first on the screen, so that the neighbour, which sees the edge the other way
    round, computes the same numbers with the other sign.
    """
    is_last = (q[0] < p[0]) | ((q[0] == p[0]) & (q[1] < p[1]))
    return Edge(
        ti.select(is_last, q[0], p[0]),
        ti.select(is_last, q[1], p[1]),
        orientation * (q[0] - p[0]),
        orientation * (q[1] - p[1]),
    )


@ti.func
def contains(edge, x, y):
    """Whether a point is on the triangle's side of an edge; points on a top or left edge are (y points down).

    Rounding keeps the edge function monotone along a row, so the covered pixels of a row are an interval.
    """
    value = edge.dx * (y - edge.y) - edge.dy * (x - edge.x)
    is_top_left = (edge.dy < 0.0) | ((edge.dy == 0.0) & (edge.dx > 0.0))
    return (value > 0.0) | ((value == 0.0) & is_top_left)


@ti.func
def make_edges(triangle, area):
    """The three edges of a triangle."""
    orientation = ti.select(area < 0.0, ti.cast(-1.0, ti.f64), ti.cast(1.0, ti.f64))
    return (
        make_edge(triangle.p, triangle.q, orientation),
        make_edge(triangle.q, triangle.r, orientation),
        make_edge(triangle.r, triangle.p, orientation),
    )


@ti.func
def depth_plane(triangle, area):
    """1 - depth_ndc of a triangle as a function of the screen: its change along x and along y."""
    p = triangle.p
    q = triangle.q
    r = triangle.r
    inverse = ti.cast(1.0, ti.f64) / area
    return (
        ((q[2] - p[2]) * (r[1] - p[1]) - (r[2] - p[2]) * (q[1] - p[1])) * inverse,
        ((r[2] - p[2]) * (q[0] - p[0]) - (q[2] - p[2]) * (r[0] - p[0])) * inverse,
    )


@ti.func
def depth_at(triangle, row, column):
    """1 - depth_ndc of a triangle at a pixel's centre."""
    depth_x, depth_y = depth_plane(triangle, signed_area(triangle))
    x = ti.cast(column, ti.f64) + 0.5
    y = ti.cast(row, ti.f64) + 0.5
    return triangle.p[2] + depth_y * (y - triangle.p[1]) + depth_x * (x - triangle.p[0])


@ti.func
def key_of(depth, triangle, t, id_bits):
    """What triangle t of this depth (1 - depth_ndc) writes to a pixel; 0 beyond the far plane.

    A key holds the depth in its high bits (the bits of a positive double sort like the number) and the id, from 1, in
    its low bits, so that the largest key at a pixel is the nearest triangle.
    """
    p = triangle.p
    q = triangle.q
    r = triangle.r
    # Rounding may put the depth of a sliver beyond those of its corners.
    within = ti.min(ti.max(depth, ti.min(p[2], q[2], r[2])), ti.max(p[2], q[2], r[2]))
    shift = ti.cast(id_bits, ti.u64)
    key = ((ti.bit_cast(within, ti.u64) >> shift) << shift) | ti.cast(t + 1, ti.u64)
    return ti.select(within >= 0.0, key, ti.cast(0, ti.u64))


@ti.func
def covers(triangle, row, column):
    """Whether a triangle contains a pixel's centre."""
    x = ti.cast(column, ti.f64) + 0.5
    y = ti.cast(row, ti.f64) + 0.5
    area = signed_area(triangle)
    edge_0, edge_1, edge_2 = make_edges(triangle, area)
    return (area != 0.0) & contains(edge_0, x, y) & contains(edge_1, x, y) & contains(edge_2, x, y)


@ti.func
def slope_of(edge):
    """By how much an edge moves along x from row to row, and which end of a row it bounds.

    Returns:
        The slope, and 1 for the first pixel of a row, -1 for the last, 0 for neither, because it is too flat.
    """
    slope = ti.cast(0.0, ti.f64)
    side = 0
    if ti.abs(edge.dy) > ti.static(FLATTEST) * ti.abs(edge.dx):
        slope = edge.dx / edge.dy
        side = ti.select(edge.dy > 0.0, -1, 1)
    return slope, side


@ti.func
def draw_rows(triangle, box, t, id_bits, keys: ti.template(), is_shared: ti.template()):
    """Write a triangle's key to each pixel that it covers in a box.

    Args:
        triangle: the triangle, in pixels.
        box: the pixels.
        t: its number.
        id_bits: see :func:`key_of`.
        keys: (H, W); each keeps the largest value.
        is_shared: whether other threads may write to the same pixels.
    """
    p = triangle.p
    area = signed_area(triangle)
    if area != 0.0:
        depth_x, depth_y = depth_plane(triangle, area)
        edge_0, edge_1, edge_2 = make_edges(triangle, area)
        slope_0, side_0 = slope_of(edge_0)
        slope_1, side_1 = slope_of(edge_1)
        slope_2, side_2 = slope_of(edge_2)
        for row in range(box.first_row, box.end_row):
            first = box.first_column
            last = box.end_column - 1
            y = ti.cast(row, ti.f64) + 0.5
            for edge, slope, side in ti.static(
                ((edge_0, slope_0, side_0), (edge_1, slope_1, side_1), (edge_2, slope_2, side_2))
            ):
                if side != 0:
                    crossing = edge.x + slope * (y - edge.y) - 0.5
                    # Cut before the conversion to int, which a point far outside would overflow.
                    crossing = ti.min(ti.max(crossing, -2.0), ti.cast(box.end_column + 1, ti.f64))
                    if side == 1:
                        first = ti.max(first, ti.cast(ti.ceil(crossing - ti.static(SLACK)), ti.i32))
                    else:
                        last = ti.min(last, ti.cast(ti.floor(crossing + ti.static(SLACK)), ti.i32))
            while first <= last and not is_inside(edge_0, edge_1, edge_2, first, y):
                first += 1
            while first < last and not is_inside(edge_0, edge_1, edge_2, last, y):
                last -= 1
            depth_row = p[2] + depth_y * (y - p[1])
            if ti.static(not is_shared):
                # Skip runs that are hidden. Nothing is written in this loop, so it is compiled to vector instructions.
                num_seen = 0
                while first <= last and num_seen == 0:
                    for column in range(first, ti.min(first + ti.static(RUN), last + 1)):
                        depth = depth_row + depth_x * (ti.cast(column, ti.f64) + 0.5 - p[0])
                        num_seen += ti.cast(key_of(depth, triangle, t, id_bits) > keys[row, column], ti.i32)
                    if num_seen == 0:
                        first += ti.static(RUN)
            for column in range(first, last + 1):
                depth = depth_row + depth_x * (ti.cast(column, ti.f64) + 0.5 - p[0])
                key = key_of(depth, triangle, t, id_bits)
                if key > keys[row, column]:
                    if ti.static(is_shared):
                        ti.atomic_max(keys[row, column], key)
                    else:
                        keys[row, column] = key


@ti.func
def is_inside(edge_0, edge_1, edge_2, column, y):
    """Whether a triangle contains the centre of a pixel of the row at y."""
    x = ti.cast(column, ti.f64) + 0.5
    return contains(edge_0, x, y) and contains(edge_1, x, y) and contains(edge_2, x, y)
