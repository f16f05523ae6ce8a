"""Projection: the whole numbers that boxes of pixels are found from say the same as the float64 coordinates."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tdr
from tdr.errors import InputError
from tdr.visibility.projection import BEHIND

pytestmark = pytest.mark.usefixtures("f64")

NEAR = 7.5
DISTANCE = 10.0  # of the camera from z = 0
# Rows and columns, the last two with more of them than 16 bits can count.
RESOLUTIONS = [(8, 9), (1, 1), (7, 64), (1, 70000), (70000, 1)]

# Pixels from the middle of the image: corners of pixels and centres, what lies around them, and what is far outside.
coordinate = (
    st.integers(-20, 20).map(lambda n: n / 2)
    | st.floats(-10.0, 10.0)
    | st.floats(-40000.0, 40000.0)
    | st.sampled_from([-1e12, 1e12, 34999.5, 35000.0, -35000.0])
)
corner = st.tuples(coordinate, coordinate, st.floats(-2.0, 4.0))


def centres_between(low: float, high: float, size: int) -> list[int]:
    """Those of ``size`` pixels whose centres are not before low and before high."""
    centres = np.arange(size) + 0.5
    return np.flatnonzero((centres >= low) & (centres < high)).tolist()


@settings(max_examples=300)
@given(st.tuples(corner, corner, corner), st.sampled_from(RESOLUTIONS))
def test_first_pixels_bound_the_same_box_as_the_corners(corners, resolution):
    vertices = np.array(corners)
    assume((np.abs(vertices[:, 2] - (DISTANCE - NEAR)) > 1e-9).all())  # rounding decides about what is on the plane
    camera = tdr.OrthographicCamera(position=[0.0, 0.0, DISTANCE], height=float(resolution[0]), near=NEAR)
    try:
        pipeline = tdr.Pipeline(tdr.TriangleMesh(vertices, [[0, 1, 2]]), camera, resolution=resolution)
    except InputError:
        assume(False)  # no area
    pipeline.passes.find_visible()
    rasterizer = pipeline.passes.rasterizer
    vertices, positions, first_pixels = pipeline.mesh.vertices, rasterizer._positions, rasterizer._first_pixels
    np.testing.assert_array_equal(first_pixels == BEHIND, vertices[:, 2] > DISTANCE - NEAR)
    if (first_pixels == BEHIND).any():
        return
    rows, columns = np.divmod(first_pixels.astype(np.int64), 2 ** resolution[1].bit_length())
    for first, axis, size in ((columns, 0, resolution[1]), (rows, 1, resolution[0])):
        expected = centres_between(positions[:, axis].min(), positions[:, axis].max(), size)
        assert list(range(first.min(), first.max())) == expected
