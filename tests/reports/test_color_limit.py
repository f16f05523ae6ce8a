import math

import numpy as np
import pytest
from synthetic import RGB, jacobian_images, one_column

from tdr.reports.color_limit import ColorLimit, color_limit


class TestColorLimit:
    def limit(self, entries):
        images = one_column(entries)
        return color_limit(images, images.parameters[0])

    def test_the_largest_magnitude(self):
        assert self.limit([[1, -3, 0, 2]]) == ColorLimit(3, 0, False, 0)

    def test_all_columns_and_channels_share_it(self):
        entries = np.zeros((2, 2, 3, 3))
        entries[0, 0, 1, 2], entries[1, 1, 2, 0] = -8, 5
        images = jacobian_images({"light.color": entries[:, :, :, None]}, cotangents=RGB)
        assert color_limit(images, images.parameters[0]).value == 8

    def test_an_outlier_does_not_set_it_and_is_counted(self):
        entries = np.ones((20, 50))
        entries[3, 4], entries[5, 6], entries[10:] = 1000, -4.5, 0
        limit = self.limit(entries)
        assert limit == ColorLimit(1, 2, False, 0)
        assert str(limit) == "scale ±1, 2 entries beyond"

    @pytest.mark.parametrize(("largest", "limit", "beyond"), [(-4, 4, 0), (-4.1, 1, 1)])
    def test_an_outlier_exceeds_the_rest_more_than_four_times(self, largest, limit, beyond):
        entries = np.ones((20, 50))
        entries[3, 4] = largest
        assert self.limit(entries) == ColorLimit(limit, beyond, False, 0)

    def test_more_than_one_percent_are_no_outliers(self):
        entries = np.ones((20, 50))
        entries[0, :20] = 1000
        assert self.limit(entries) == ColorLimit(1000, 0, False, 0)

    @pytest.mark.parametrize("width", [1000, 1024])
    def test_a_regular_pattern_does_not_mislead_it_in_a_large_image(self, width):
        entries = np.ones((1024, width))
        entries[::16, ::16] = 1000
        assert self.limit(entries) == ColorLimit(1, entries[::16, ::16].size, False, 0)

    def test_entries_that_are_not_finite_do_not_count(self):
        assert self.limit([[math.nan, -2, math.inf]]) == ColorLimit(2, 0, False, 2)

    @pytest.mark.parametrize("entry", [0, math.nan])
    def test_nothing_to_scale_says_so(self, entry):
        limit = self.limit([[entry]])
        assert limit == ColorLimit(1, 0, True, int(not math.isfinite(entry)))
        assert "all zero" in str(limit)
