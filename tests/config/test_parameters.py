"""The registry: what a declaration says about a parameter, and how columns are named."""

import dataclasses

from tdr.config.parameters import COLOR, VECTOR, Parameter, Reads, columns_of, differentiable, parameters_of


@dataclasses.dataclass
class Lamp:
    name: str = "lamp"
    color: list = differentiable([[1.0, 0.5, 0.25]], components=COLOR, per_light=True)  # noqa: RUF009
    power: float = differentiable(2.0, per_light=True, unit="W")
    position: list = differentiable([0.0, 0.0, 0.0], components=VECTOR, reads=Reads.POSE)  # noqa: RUF009
    gain: float = differentiable(1.0)


color, power, position, gain = parameters_of("lamp", Lamp)


def test_parameters_are_the_declared_fields_in_their_order():
    assert power == Parameter("lamp.power", (), Reads.SHADING, per_light=True, unit="W")
    assert position == Parameter("lamp.position", VECTOR, Reads.POSE, per_light=False, unit="1")
    assert [p.name for p in (color, power, position, gain)] == [
        f"lamp.{n}" for n in ("color", "power", "position", "gain")
    ]
    assert parameters_of("lamp", Lamp()) == (color, power, position, gain)


def test_sizes_and_shapes():
    assert [p.size for p in (color, power, position, gain)] == [3, 1, 3, 1]
    assert [p.shape(2) for p in (color, power, position, gain)] == [(2, 3), (2,), (3,), ()]


def test_defaults_are_not_shared():
    first, second = Lamp(), Lamp()
    first.color[0][0] = 7.0
    first.position[0] = 7.0
    assert second.color == [[1.0, 0.5, 0.25]]
    assert second.position == [0.0, 0.0, 0.0]
    assert Lamp().color == [[1.0, 0.5, 0.25]]


def test_columns_are_named_and_indexed_in_the_order_of_the_numbers():
    columns = columns_of([gain, color, power, position], num_lights=2)
    assert [(c.name, c.index) for c in columns] == [
        ("lamp.gain", ()),
        ("lamp.color.0.r", (0, 0)),
        ("lamp.color.0.g", (0, 1)),
        ("lamp.color.0.b", (0, 2)),
        ("lamp.color.1.r", (1, 0)),
        ("lamp.color.1.g", (1, 1)),
        ("lamp.color.1.b", (1, 2)),
        ("lamp.power.0", (0,)),
        ("lamp.power.1", (1,)),
        ("lamp.position.x", (0,)),
        ("lamp.position.y", (1,)),
        ("lamp.position.z", (2,)),
    ]
    assert [c.parameter for c in columns if c.name.startswith("lamp.power")] == [power, power]
