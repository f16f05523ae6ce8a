"""Triangles in pixels: which pixel centres they contain, and how near they are there; float64."""

from tdr.backend import ti

# By how much, in pixels, the computed end of a row may be off; the edge function decides about what lies within.
SLACK = 0.01
# Along an edge that is flatter than this the end of a row is not computed, because rounding would exceed the slack.
FLATTEST = 1e-6
# Pixels of a row that are looked at together.
RUN = 64

# Rows and columns from the first to before the end.
Box = ti.types.struct(first_row=ti.i32, end_row=ti.i32, first_column=ti.i32, end_column=ti.i32)
# x, y, and 1 - depth_ndc: 2 at the near plane, 0 at the far one.
Pixel = ti.types.vector(3, ti.f64)
Triangle = ti.types.struct(p=Pixel, q=Pixel, r=Pixel)


@ti.func
def clamp(x, low, high):
    """The number of a range that is nearest to x. Taichi's min and max, which mind NaN, take three times as long."""
    return ti.select(x > low, ti.select(x < high, x, high), low)


@ti.func
def first_centre(x, size):
    """The first of ``size`` pixels whose centre is not before x; ``size`` if there is none."""
    # Cut before the conversion to int, which a point far outside would overflow.
    return ti.cast(ti.ceil(clamp(x, 0.0, ti.cast(size, ti.f64)) - 0.5), ti.i32)


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
def edge_function(p, q, x, y):
    """Twice the area of p, q and a point; positive to the right of the edge from p to q (y points down).

    Swapped ends change the sign and nothing else, whatever is rounded, so neighbours agree about a shared edge.
    """
    return (p[0] - x) * (q[1] - y) - (p[1] - y) * (q[0] - x)


@ti.func
def side_of(value, p, q):
    """An edge function's value; where it is 0, a number with the sign that it has a little further to the right.

    Along a horizontal edge it is the sign a little further down. So a centre on an edge belongs to the triangle of
    which it is a top or left edge.
    """
    tie = ti.select(p[1] != q[1], p[1] - q[1], q[0] - p[0])
    return ti.select(value != 0.0, value, tie)


@ti.func
def is_front(side_0, side_1, side_2):
    """Whether a point is in a triangle that runs counter-clockwise on the screen, by its sides of the three edges."""
    return (side_0 < 0.0) & (side_1 < 0.0) & (side_2 < 0.0)


@ti.func
def is_back(side_0, side_1, side_2):
    """Whether a point is in a triangle that runs clockwise on the screen, by its sides of the three edges."""
    return (side_0 > 0.0) & (side_1 > 0.0) & (side_2 > 0.0)


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
def key_of(depth, t, id_bits):
    """What triangle t of this depth (1 - depth_ndc) writes to a pixel; 0 beyond the far plane.

    A key holds the depth in its high bits (the bits of a positive double sort like the number) and the id, from 1, in
    its low bits, so that the largest key at a pixel is the nearest triangle.
    """
    shift = ti.cast(id_bits, ti.u64)
    key = ((ti.bit_cast(depth, ti.u64) >> shift) << shift) | ti.cast(t + 1, ti.u64)
    return ti.select(depth >= 0.0, key, ti.cast(0, ti.u64))


@ti.func
def key_at(triangle, row, column, cull_back_faces, t, id_bits):
    """The key of triangle t at a pixel; 0 unless the triangle contains the pixel's centre."""
    p = triangle.p
    q = triangle.q
    r = triangle.r
    x = ti.cast(column, ti.f64) + 0.5
    y = ti.cast(row, ti.f64) + 0.5
    beside_r = edge_function(p, q, x, y)
    beside_p = edge_function(q, r, x, y)
    beside_q = edge_function(r, p, x, y)
    sides = side_of(beside_r, p, q), side_of(beside_p, q, r), side_of(beside_q, r, p)
    is_covered = is_front(*sides) | (is_back(*sides) & (cull_back_faces == 0))
    # Barycentric; a copy of the triangle that runs the other way round, p, r, q, comes to the same number.
    area = (beside_q + beside_r) + beside_p
    depth = p[2] + (beside_q * (q[2] - p[2]) + beside_r * (r[2] - p[2])) / area
    return ti.select(is_covered, key_of(depth, t, id_bits), ti.cast(0, ti.u64))


@ti.func
def slope_of(p, q, area):
    """By how much an edge from p to q moves along x from row to row, and which end of a row it bounds.

    Args:
        p: its start.
        q: its end.
        area: its triangle's, signed.

    Returns:
        The slope, and 1 for the first pixel of a row, -1 for the last, 0 for neither, because it is too flat.
    """
    dx = q[0] - p[0]
    dy = q[1] - p[1]
    slope = ti.cast(0.0, ti.f64)
    side = 0
    if ti.abs(dy) > ti.static(FLATTEST) * ti.abs(dx):
        slope = dx / dy
        side = ti.select((dy > 0.0) == (area > 0.0), -1, 1)
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
    q = triangle.q
    r = triangle.r
    area = signed_area(triangle)
    if area != 0.0:
        depth_x, depth_y = depth_plane(triangle, area)
        # Rounding may put the depth of a sliver beyond those of its corners.
        lowest = ti.min(p[2], q[2], r[2])
        highest = ti.max(p[2], q[2], r[2])
        slope_pq, side_pq = slope_of(p, q, area)
        slope_qr, side_qr = slope_of(q, r, area)
        slope_rp, side_rp = slope_of(r, p, area)
        for row in range(box.first_row, box.end_row):
            first = box.first_column
            last = box.end_column - 1
            y = ti.cast(row, ti.f64) + 0.5
            for start, slope, side in ti.static(
                ((p, slope_pq, side_pq), (q, slope_qr, side_qr), (r, slope_rp, side_rp))
            ):
                if side != 0:
                    crossing = start[0] + slope * (y - start[1]) - 0.5
                    # Cut before the conversion to int, which a point far outside would overflow.
                    crossing = ti.min(ti.max(crossing, -2.0), ti.cast(box.end_column + 1, ti.f64))
                    if side == 1:
                        first = ti.max(first, ti.cast(ti.ceil(crossing - ti.static(SLACK)), ti.i32))
                    else:
                        last = ti.min(last, ti.cast(ti.floor(crossing + ti.static(SLACK)), ti.i32))
            while first <= last and not contains(triangle, first, y):
                first += 1
            while first < last and not contains(triangle, last, y):
                last -= 1
            depth_row = p[2] + depth_y * (y - p[1])
            if ti.static(not is_shared):
                # Skip runs that are hidden. Nothing is written in this loop, so it is compiled to vector instructions.
                num_seen = 0
                while first <= last and num_seen == 0:
                    for column in range(first, ti.min(first + ti.static(RUN), last + 1)):
                        depth = depth_row + depth_x * (ti.cast(column, ti.f64) + 0.5 - p[0])
                        key = key_of(clamp(depth, lowest, highest), t, id_bits)
                        num_seen += ti.cast(key > keys[row, column], ti.i32)
                    if num_seen == 0:
                        first += ti.static(RUN)
            for column in range(first, last + 1):
                depth = depth_row + depth_x * (ti.cast(column, ti.f64) + 0.5 - p[0])
                key = key_of(clamp(depth, lowest, highest), t, id_bits)
                if key > keys[row, column]:
                    if ti.static(is_shared):
                        ti.atomic_max(keys[row, column], key)
                    else:
                        keys[row, column] = key


@ti.func
def contains(triangle, column, y):
    """Whether a triangle contains the centre of a pixel of the row at y."""
    x = ti.cast(column, ti.f64) + 0.5
    p = triangle.p
    q = triangle.q
    r = triangle.r
    side_0 = side_of(edge_function(p, q, x, y), p, q)
    side_1 = side_of(edge_function(q, r, x, y), q, r)
    side_2 = side_of(edge_function(r, p, x, y), r, p)
    return is_front(side_0, side_1, side_2) | is_back(side_0, side_1, side_2)
