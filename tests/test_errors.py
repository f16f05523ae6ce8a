"""What messages about a user's input are made of."""

import pytest

from tdr.errors import did_you_mean


@pytest.mark.parametrize(
    ("name", "ending"),
    [("titled", " Did you mean tilted?"), ("frontl", " Did you mean frontal?"), ("xyz", ""), ("", "")],
)
def test_the_nearest_name_is_offered_if_one_is_near(name, ending):
    assert did_you_mean(name, ["frontal", "tilted", "three_point"]) == ending


def test_any_names_will_do():
    assert did_you_mean("widht", iter({"width": 1, "height": 2})) == " Did you mean width?"
    assert did_you_mean("widht", []) == ""
