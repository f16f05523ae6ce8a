"""Settings: what is refused and how it is said, what is accepted, and which parameters a scene has."""

import dataclasses

import numpy as np
import pytest

from tdr.config import (
    SCHEMAS,
    BlinnPhongConfig,
    CheckConfig,
    CheckMode,
    Config,
    CubeConfig,
    ImageConfig,
    JacobianConfig,
    LambertianConfig,
    LightConfig,
    MeshConfig,
    OnFail,
    OrthographicCameraConfig,
    PerspectiveCameraConfig,
    Precision,
    RuntimeConfig,
    Shading,
    SphereConfig,
    TorusConfig,
    TorusKnotConfig,
    reject_unknown_keys,
    select_parameters,
)
from tdr.errors import InputError

NAN, INFINITY = float("nan"), float("inf")
CAMERAS = (PerspectiveCameraConfig, OrthographicCameraConfig)

REFUSED = [
    (MeshConfig, "mesh.albedo", [0.5, -0.1, 0.5], "components of at least 0; got [0.5, -0.1, 0.5]"),
    (MeshConfig, "mesh.albedo", 0.5, "a list of 3 numbers; got 0.5"),
    (MeshConfig, "mesh.translation", [0.0, 1.0], "a list of 3 numbers; got [0.0, 1.0]"),
    (MeshConfig, "mesh.translation", [0.0, INFINITY, 0.0], "3 finite components; got [0.0, inf, 0.0]"),
    (MeshConfig, "mesh.translation", "xyz", "a list of 3 numbers; got 'xyz'"),
    (MeshConfig, "mesh.rotation", [NAN, 0.0, 0.0], "3 finite components; got [nan, 0.0, 0.0]"),
    (MeshConfig, "mesh.rotation", [True, 0.0, 0.0], "3 finite components; got [True, 0.0, 0.0]"),
    (MeshConfig, "mesh.scale", 0.0, "greater than 0; got 0.0"),
    (MeshConfig, "mesh.scale", INFINITY, "greater than 0; got inf"),
    (MeshConfig, "mesh.scale", "1", "greater than 0; got '1'"),
    (SphereConfig, "mesh.subdivisions", -1, "from 0 to 9; got -1"),
    (SphereConfig, "mesh.subdivisions", 10, "from 0 to 9; got 10"),
    (SphereConfig, "mesh.scale", -1.0, "greater than 0; got -1.0"),
    (CubeConfig, "mesh.subdivisions", 10, "from 0 to 9; got 10"),
    (CubeConfig, "mesh.albedo", [0.5, -0.1, 0.5], "at least 0"),
    (TorusConfig, "mesh.subdivisions", 9, "from 0 to 8; got 9"),
    (TorusConfig, "mesh.tube_radius", 0.5, "greater than 0 and less than 0.5; got 0.5"),
    (TorusConfig, "mesh.tube_radius", 0.0, "greater than 0 and less than 0.5; got 0.0"),
    (TorusConfig, "mesh.scale", -1.0, "greater than 0; got -1.0"),
    (TorusKnotConfig, "mesh.subdivisions", 8, "from 0 to 7; got 8"),
    (TorusKnotConfig, "mesh.tube_radius", 0.3, "less than 0.3; got 0.3"),
    (TorusKnotConfig, "mesh.p", 0, "at least 1; got 0"),
    (TorusKnotConfig, "mesh.p", 1.5, "a whole number, at least 1; got 1.5"),
    (TorusKnotConfig, "mesh.q", -3, "at least 1; got -3"),
    (TorusKnotConfig, "mesh.q", 4, "coprime; got 2 and 4"),
    (TorusKnotConfig, "mesh.scale", -1.0, "greater than 0; got -1.0"),
    *((camera, "camera.position", [0.0, 0.0], "a list of 3 numbers; got [0.0, 0.0]") for camera in CAMERAS),
    *((camera, "camera.rotation", [0.0, 0.0, NAN], "3 finite components") for camera in CAMERAS),
    *((camera, "camera.look_at", [0.0, 0.0], "a list of 3 numbers; got [0.0, 0.0]") for camera in CAMERAS),
    *((camera, "camera.look_at", [0.0, 0.0, 3.5], "differ from camera.position") for camera in CAMERAS),
    *((camera, "camera.near", 0.0, "greater than 0; got 0.0") for camera in CAMERAS),
    *((camera, "camera.near", 100.0, "less than camera.far; got near 100.0 and far 100.0") for camera in CAMERAS),
    *((camera, "camera.far", INFINITY, "a finite number; got inf") for camera in CAMERAS),
    (PerspectiveCameraConfig, "camera.fov", 0.0, "greater than 0 and less than 180; got 0.0"),
    (PerspectiveCameraConfig, "camera.fov", 180.0, "greater than 0 and less than 180; got 180.0"),
    (OrthographicCameraConfig, "camera.height", 0.0, "greater than 0; got 0.0"),
    (LightConfig, "light.direction", [], "a list with one 3-vector a light, as in [[1,-1,-1]]; got []"),
    (LightConfig, "light.direction", "down", "a list with one 3-vector a light, as in [[1,-1,-1]]; got 'down'"),
    (
        LightConfig,
        "light.direction",
        [1.0, -1.0, -1.0],
        "a list with one 3-vector a light, as in [[1,-1,-1]]; got [1.0,",
    ),
    (LightConfig, "light.direction", [[1.0, -1.0]], "a list of 3 numbers; got [1.0, -1.0]"),
    (LightConfig, "light.direction", [[0.0, 0.0, 0.0]], "not be the zero vector; got [0.0, 0.0, 0.0]"),
    (LightConfig, "light.direction", [[0.0, 0.0, NAN]], "3 finite components; got [0.0, 0.0, nan]"),
    (LightConfig, "light.color", [[1.0, 1.0, -1.0]], "components of at least 0; got [1.0, 1.0, -1.0]"),
    (
        LightConfig,
        "light.color",
        [[1.0] * 3] * 2,
        "one colour, or one for each light of light.direction, which has 1; got 2",
    ),
    (LightConfig, "light.color", 1.0, "a list with one 3-vector a light"),
    *((BlinnPhongConfig, f"shader.{name}", -0.1, "at least 0; got -0.1") for name in ("ambient", "diffuse")),
    *((BlinnPhongConfig, f"shader.{name}", NAN, "at least 0; got nan") for name in ("specular", "shininess")),
    *((LambertianConfig, f"shader.{name}", -0.1, "at least 0; got -0.1") for name in ("ambient", "diffuse")),
    (ImageConfig, "image.width", 0, "at least 1; got 0"),
    (ImageConfig, "image.width", 2.5, "a whole number, at least 1; got 2.5"),
    (ImageConfig, "image.width", True, "a whole number, at least 1; got True"),
    (ImageConfig, "image.height", -5, "at least 1; got -5"),
    (JacobianConfig, "jacobian.parameters", [], "a list of parameter names, one or 'all'; got []"),
    (JacobianConfig, "jacobian.parameters", 3, "a list of parameter names, one or 'all'; got 3"),
    (JacobianConfig, "jacobian.cotangent", "grey", "'rgb' or a list of 3 numbers; got 'grey'"),
    (JacobianConfig, "jacobian.cotangent", [1.0, 1.0], "a list of 3 numbers; got [1.0, 1.0]"),
    (JacobianConfig, "jacobian.cotangent", [0.0, 0.0, 0.0], "not be the zero vector"),
]


@pytest.mark.parametrize(("schema", "key", "value", "condition"), REFUSED)
def test_refused(schema, key, value, condition):
    with pytest.raises(InputError) as error:
        schema(**{key.split(".")[1]: value})
    message = str(error.value)
    # A condition between two keys may name the other one first.
    assert message.startswith(key) or f"and {key} must" in message or key in ("camera.near", "camera.far")
    assert " must " in message
    assert condition in message
    assert "\n" not in message


ACCEPTED = [
    (SphereConfig, {"subdivisions": 0}),
    (SphereConfig, {"subdivisions": 9}),
    (TorusConfig, {"subdivisions": 8, "tube_radius": 0.499}),
    (TorusKnotConfig, {"subdivisions": 7, "p": 1, "q": 1}),
    (MeshConfig, {"albedo": [0, 0, 0], "translation": (1, 2, 3), "scale": 1}),
    (PerspectiveCameraConfig, {"fov": 179.9, "look_at": [0, 0, 0], "near": 1e-6}),
    (LightConfig, {"direction": [[1, 0, 0], [0, 1, 0]], "color": [[0, 0, 0]]}),
    (LightConfig, {"direction": [[1, 0, 0], [0, 1, 0]], "color": [[0, 0, 0], [2, 2, 2]]}),
    (BlinnPhongConfig, {"ambient": 0, "diffuse": 0, "specular": 0, "shininess": 0}),
    (ImageConfig, {"width": 1, "height": 1}),
    (JacobianConfig, {"parameters": "all", "cotangent": "rgb"}),
]


@pytest.mark.parametrize(("schema", "settings"), ACCEPTED)
def test_accepted_up_to_the_bounds(schema, settings):
    config = schema(**settings)
    assert {name: getattr(config, name) for name in settings} == settings


@pytest.mark.parametrize(
    ("group", "option"),
    # A custom shader needs its file: tests/test_shader_file.py.
    [(group, option) for group, options in SCHEMAS.items() for option in options if option != "custom"],
)
def test_every_option_is_usable_as_it_is_and_its_defaults_are_not_shared(group, option):
    schema = SCHEMAS[group][option]
    first, second = schema(), schema()
    assert first == second
    for field in dataclasses.fields(first):
        if isinstance(getattr(first, field.name), list):
            assert getattr(first, field.name) is not getattr(second, field.name)
    assert dataclasses.is_dataclass(getattr(Config(**{group: first}), group))


def test_an_image_has_fewer_pixels_than_can_be_numbered():
    with pytest.raises(
        InputError, match=r"image\.width \* image\.height must be less than 2147483648; got 65536 \* 32768"
    ):
        ImageConfig(width=65536, height=32768)


def test_known_parameters_in_the_order_of_the_results():
    names = [parameter.name for parameter in Config().known_parameters()]
    assert names == [
        "light.direction",
        "light.color",
        "shader.ambient",
        "shader.diffuse",
        "shader.specular",
        "shader.shininess",
        "mesh.albedo",
        "mesh.translation",
        "mesh.rotation",
        "mesh.scale",
        "camera.position",
        "camera.rotation",
        "camera.fov",
    ]
    other = Config(camera=OrthographicCameraConfig(), shader=LambertianConfig()).known_parameters()
    assert {parameter.name for parameter in other} ^ set(names) == {
        "shader.specular",
        "shader.shininess",
        "camera.fov",
        "camera.height",
    }


def test_parameters_are_selected_by_name_in_the_order_of_the_scene():
    known = Config().known_parameters()
    assert select_parameters(known, "all") == known
    assert [p.name for p in select_parameters(known, ["camera.fov", "light.color"])] == ["light.color", "camera.fov"]
    config = Config(jacobian=JacobianConfig(parameters=["mesh.scale"]))
    assert [parameter.name for parameter in config.selected_parameters()] == ["mesh.scale"]


@pytest.mark.parametrize("shader", [BlinnPhongConfig(), LambertianConfig()])
def test_unknown_parameters_are_refused_with_the_known_ones(shader):
    known = ", ".join(parameter.name for parameter in Config(shader=shader).known_parameters())
    with pytest.raises(InputError) as error:
        Config(shader=shader, jacobian=JacobianConfig(parameters=["light.direction", "gloss"]))
    assert str(error.value) == (f"jacobian.parameters must name parameters of this scene; got 'gloss'. Known: {known}.")


def test_a_parameter_is_asked_for_once():
    with pytest.raises(InputError, match=r"jacobian\.parameters must name each .* once; got 'mesh\.scale' twice"):
        Config(jacobian=JacobianConfig(parameters=["mesh.scale", "light.color", "mesh.scale"]))


def test_cotangents():
    np.testing.assert_array_equal(JacobianConfig().cotangents(), [[1.0, 1.0, 1.0]])
    np.testing.assert_array_equal(JacobianConfig(cotangent=[0.5, 0, -1]).cotangents(), [[0.5, 0.0, -1.0]])
    np.testing.assert_array_equal(JacobianConfig(cotangent="rgb").cotangents(), np.eye(3))


@pytest.mark.parametrize(
    ("size", "settings"),
    [
        (8 * 4 * 6 * 4, {}),
        (8 * 4 * 6 * 3 * 4, {"jacobian": {"cotangent": "rgb"}}),
        (8 * 4 * 6 * 8, {"runtime": RuntimeConfig(Precision.f64)}),
        (8 * 4 * (6 + 3) * 4, {"jacobian": {"parameters": ["light.direction", "mesh.rotation"]}}),
    ],
)
def test_what_needs_all_pixels_is_refused_where_the_arrays_alone_exceed_the_limit(size, settings):
    def make(limit, image=(), **parts):
        jacobian = JacobianConfig(**{"memory_limit": limit, **settings.get("jacobian", {})})
        light = LightConfig([[0, 0, -1], [0, -1, -1]])
        return Config(image=ImageConfig(8, 4, *image), light=light, **{**settings, "jacobian": jacobian, **parts})

    full = CheckConfig(CheckMode.full)
    make(size, image=[True], check=full)
    make(size - 1)
    for key, parts in (("check", {"check": full}), (r"image\.g_buffer", {"image": [True]})):
        with pytest.raises(InputError, match=rf"^{key} must be .* where the Jacobian images exceed .*memory_limit, "):
            make(size - 1, **parts)


def test_keys_that_no_schema_knows_are_refused_with_those_it_knows():
    reject_unknown_keys(Config(), {"image": {"width": 4}, "tracking": {"tags": {"anything": "goes"}}})
    with pytest.raises(InputError, match=r"image\.widht must be a known key; got 4\. Keys in image: width, height"):
        reject_unknown_keys(Config(), {"image": {"widht": 4}})
    with pytest.raises(InputError, match=r"ligth must be a known key; .* at the top level: mesh, camera, light"):
        reject_unknown_keys(Config(), {"ligth": {}})


def test_choices_may_be_given_as_text_and_are_checked():
    assert MeshConfig(shading="flat").shading is Shading.flat
    assert CheckConfig(mode="full", on_fail="warn") == CheckConfig(CheckMode.full, OnFail.warn)
    with pytest.raises(InputError, match=r"mesh\.shading must be one of smooth, flat; got 'flta'"):
        MeshConfig(shading="flta")
    with pytest.raises(InputError, match=r"check\.mode must be one of quick, full, off; got 'fast'"):
        CheckConfig(mode="fast")
