"""What is mistyped or misplaced in Python is answered in one line, and never goes without an effect."""

import numpy as np
import pytest

import tdr
from tdr.errors import InputError


@pytest.fixture(scope="module")
def pipeline():
    tdr.start("f64")
    return tdr.Pipeline(tdr.TriangleMesh.cube(), resolution=(6, 6))


@pytest.mark.parametrize(
    ("assign", "said"),
    [
        (
            lambda p: setattr(p.shader.settings, "shinyness", 3.0),
            "shader.shinyness must be a known key; got 3.0. .*Did you mean shininess",
        ),
        (lambda p: setattr(p.camera, "fov", 30.0), "fov must be set in the settings; .*Set settings.fov"),
        (lambda p: setattr(p.light_array, "direction", [[0, 0, -1]]), "direction must be set in the settings"),
        (lambda p: setattr(p.shader, "diffuse", 1.0), "diffuse must be set in the settings"),
        (
            lambda p: setattr(p.placement, "position", [0, 0, 0]),
            "mesh.position must be a known key; .*Keys in mesh: albedo, translation",
        ),
        (lambda p: setattr(p.camera.settings, "height", 1.0), "camera.height must be a known key"),
        (lambda p: setattr(p.light_array.settings, "colour", [[1, 1, 1]]), "Did you mean color"),
    ],
)
def test_an_attribute_that_has_no_effect_is_refused(pipeline, assign, said):
    with pytest.raises(InputError, match=said) as error:
        assign(pipeline)
    assert isinstance(error.value, AttributeError)


def test_settings_can_still_be_set(pipeline):
    pipeline.shader.settings.shininess = 5.0
    pipeline.camera.settings.fov = 50.0
    pipeline.light_array.settings.color = [[1.0, 0.5, 0.25]]
    pipeline.placement.scale = 0.5
    pipeline.forward()


def test_images_are_asked_for_by_the_name_of_a_parameter_or_a_column(pipeline):
    images = tdr.compute_jacobian(pipeline, ["light.direction", "mesh.scale"])
    whole = images["light.direction"]
    np.testing.assert_array_equal(images["light.direction.0.y"], whole[:, :, :, 0, 1])
    assert "light.direction" in images
    assert "light.direction.0.x" in images
    assert "light.direction.1.x" not in images
    assert ("light.color" in images) is False
    for name, near in (("light.dirction", "light.direction"), ("light.direction.O.y", "light.direction.0.y")):
        with pytest.raises(InputError, match=f"got '{name}'. Did you mean {near}") as error:
            images[name]
        assert isinstance(error.value, KeyError)
        assert not str(error.value).startswith(("'", '"'))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"mesh": 3}, "mesh must be a TriangleMesh; got int"),
        ({"camera": "perspective"}, "camera must be a Camera; got str"),
        ({"light_array": [[0, 0, -1]]}, "light_array must be a DirectionalLightArray; got list"),
        ({"shader": "blinn_phong"}, "shader must be a shader such as .*; got str"),
        ({"placement": {"scale": 2}}, "placement must be a MeshConfig; got dict"),
        ({"resolution": 64}, r"resolution must be \(height, width\) in pixels; got 64"),
        ({"resolution": (64,)}, r"resolution must be \(height, width\) in pixels; got \(64,\)"),
    ],
)
def test_a_pipeline_is_made_of_its_parts(arguments, said):
    with pytest.raises(InputError, match=said):
        tdr.Pipeline(**{"mesh": tdr.TriangleMesh.cube(), **arguments})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"parameters": 3}, "jacobian.parameters must be a list of parameter names, one or 'all'; got 3"),
        ({"parameters": "light.dirction"}, "got 'light.dirction'.*Did you mean light.direction"),
        ({"parameters": []}, "jacobian.parameters must be a list"),
        ({"cotangent": 1.0}, "jacobian.cotangent must be a list of 3 numbers; got 1.0"),
        ({"method": "backwards"}, "jacobian.method must be one of"),
    ],
)
def test_what_is_differentiated_is_said_in_names(pipeline, arguments, said):
    with pytest.raises(InputError, match=said):
        tdr.compute_jacobian(pipeline, **arguments)


def test_a_single_parameter_may_stand_alone(pipeline):
    assert [p.name for p in tdr.compute_jacobian(pipeline, "mesh.rotation").parameters] == ["mesh.rotation"]
