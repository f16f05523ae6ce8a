"""Where a light stands, as angles in degrees, and the direction along which it then travels.

The angles are those of a dome around the z axis, along which the default camera looks: the azimuth turns
counter-clockwise from the image's right, and the elevation rises from the image plane (0, grazing) towards the camera
(90, frontal); below 0 the light comes from behind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def direction_from_angles(azimuth: float, elevation: float) -> list[float]:
    """The unit vector along which a light travels: ``-(cos el cos az, cos el sin az, sin el)``.

    Args:
        azimuth: degrees, any finite number.
        elevation: degrees, in [-90, 90].

    Returns:
        x, y and z, world space; components that are 0 or 1 at multiples of 90 degrees are so exactly.
    """
    cos_azimuth, sin_azimuth = _cosine_and_sine(azimuth)
    cos_elevation, sin_elevation = _cosine_and_sine(elevation)
    to_light = (cos_elevation * cos_azimuth, cos_elevation * sin_azimuth, sin_elevation)
    # 0 - 0 is 0, where -0.0 would be printed as such.
    return [0.0 - component for component in to_light]


def angles_of_direction(direction: Sequence[float]) -> tuple[float, float]:
    """The azimuth and the elevation of a light that travels along a direction.

    Args:
        direction: x, y and z, world space, of any length but zero.

    Returns:
        Degrees; the azimuth in (-180, 180], 0 where the direction is along the z axis.
    """
    # Scaled first, so that no square over- or underflows.
    largest = max(map(abs, direction))
    x, y, z = (0.0 - component / largest for component in direction)
    return math.degrees(math.atan2(y, x)), math.degrees(math.atan2(z, math.hypot(x, y)))


def _cosine_and_sine(degrees: float) -> tuple[float, float]:
    """Exact at multiples of 90, where ``math.cos(math.radians(90))`` is 6e-17."""
    within = math.remainder(degrees, 360.0)
    quarters = round(within / 90.0)
    rest = math.radians(within - 90.0 * quarters)
    cosine, sine = math.cos(rest), math.sin(rest)
    return ((cosine, sine), (-sine, cosine), (-cosine, -sine), (sine, -cosine))[quarters % 4]
