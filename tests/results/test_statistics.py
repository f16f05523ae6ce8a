import math

import numpy as np
import pytest
from synthetic import every_parameter, jacobian_images, one_column

from tdr.results.statistics import LargestEntry, count_clipped, count_not_finite, survey


def statistics(images, name="shader.diffuse"):
    numbers = survey(images).statistics
    return {key.removeprefix(f"{name}/"): value for key, value in numbers.items() if key.startswith(f"{name}/")}


class TestColumnStatistics:
    def test_known_numbers(self):
        images = one_column([[1, -3, 0], [0, 0, 2]], triangle_id=[[0, 0, 7], [-1, -1, 3]])
        assert statistics(images) == {
            "max_abs": 3,
            "mean_abs": 1.5,
            "min": -3,
            "max": 2,
            "l2": math.sqrt(14),
            "nonzero": 0.75,
            "nonfinite": 0,
        }

    def test_only_covered_pixels_count_for_the_mean_and_the_share(self):
        numbers = statistics(one_column([[1, 8], [0, 8]], triangle_id=[[0, -1], [0, -1]]))
        assert (numbers["mean_abs"], numbers["nonzero"], numbers["max"]) == (0.5, 0.5, 8)

    def test_the_extremes_need_not_surround_zero(self):
        numbers = statistics(one_column([[2, 5]]))
        assert (numbers["min"], numbers["max"], numbers["max_abs"]) == (2, 5, 5)
        numbers = statistics(one_column([[-2, -5]]))
        assert (numbers["min"], numbers["max"], numbers["max_abs"]) == (-5, -2, 5)

    def test_entries_that_are_not_finite_are_counted_and_left_out(self):
        images = one_column([[math.nan, 4, math.inf], [-math.inf, -2, 0]], triangle_id=[[0, 0, 0], [0, 0, -1]])
        assert statistics(images) == {
            "max_abs": 4,
            "mean_abs": 3,
            "min": -2,
            "max": 4,
            "l2": math.sqrt(20),
            "nonzero": 0.4,
            "nonfinite": 3,
        }

    @pytest.mark.parametrize(("entry", "nonfinite"), [(0, 0), (math.nan, 6)])
    def test_nothing_to_describe_is_zero(self, entry, nonfinite):
        images = one_column(np.full((2, 3), entry), triangle_id=np.full((2, 3), -1))
        assert set(statistics(images).items()) == {
            *((key, 0) for key in ("max_abs", "mean_abs", "min", "max", "l2", "nonzero")),
            ("nonfinite", nonfinite),
        }

    def test_nonzero_is_a_share_of_pixels_not_of_channels(self):
        assert statistics(one_column([[[0, 0, 1], [2, 2, 2], [0, 0, 0], [0, 0, 0]]]))["nonzero"] == 0.5

    def test_every_column_has_its_own_numbers(self):
        entries = np.arange(6.0).reshape(1, 1, 1, 2, 3)
        numbers = survey(jacobian_images({"light.direction": entries}, lights=2)).statistics
        assert {key: value for key, value in numbers.items() if key.endswith("/max")} == {
            f"light.direction.{light}.{axis}/max": 3 * light + i for light in (0, 1) for i, axis in enumerate("xyz")
        }

    def test_an_image_of_many_bands(self):
        entries = np.random.default_rng(0).standard_normal((500, 400, 3))
        triangle_id = np.random.default_rng(1).integers(-1, 1, (500, 400))
        entries[triangle_id < 0] = 0
        numbers = statistics(one_column(entries, triangle_id=triangle_id))
        assert numbers == pytest.approx(
            {
                "max_abs": np.abs(entries).max(),
                "mean_abs": np.abs(entries[triangle_id >= 0]).mean(),
                "min": entries.min(),
                "max": entries.max(),
                "l2": np.linalg.norm(entries),
                "nonzero": 1,
                "nonfinite": 0,
            }
        )


class TestLargestEntries:
    def test_where_they_are_and_in_which_order(self):
        entries = np.zeros((2, 3, 1, 3))
        entries[0, 1, 0, 0], entries[1, 2, 0, 1], entries[1, 0, 0, 2] = 1, -7, 3
        entries[0, 0, 0, 2] = -2
        assert survey(jacobian_images({"mesh.rotation": entries})).largest == [
            LargestEntry("mesh.rotation.y", 1, 2, None, -7),
            LargestEntry("mesh.rotation.z", 1, 0, None, 3),
            LargestEntry("mesh.rotation.x", 0, 1, None, 1),
        ]

    def test_every_column_has_one(self):
        assert len(survey(every_parameter()).largest) == 27

    def test_the_channel_is_named_where_there_are_three(self):
        entries = np.zeros((2, 2, 3))
        entries[1, 0, 2] = 5
        assert survey(one_column(entries)).largest == [LargestEntry("shader.diffuse", 1, 0, 2, 5)]

    def test_entries_that_are_not_finite_are_left_out(self):
        assert survey(one_column([[math.inf, -2, math.nan]])).largest == [
            LargestEntry("shader.diffuse", 0, 1, None, -2)
        ]
        assert survey(one_column([[math.nan]])).largest == []


def test_components_that_srgb_cannot_encode_are_counted():
    linear = np.array([[[-0.5, 1.5, math.nan], [math.inf, 0, 1]]])
    assert count_clipped(linear) == 4
    assert count_not_finite(linear) == 2


def test_metrics_are_the_statistics_and_what_is_not_finite_is_counted_over_all_columns():
    values = {"shader.diffuse": np.array([[[math.nan], [1]]]), "shader.specular": np.array([[[math.inf], [2]]])}
    surveyed = survey(jacobian_images(values))
    assert surveyed.nonfinite == 2
    assert surveyed.metrics()["jacobian/shader.diffuse/max_abs"] == 1
    assert len(surveyed.metrics()) == len(surveyed.statistics)
