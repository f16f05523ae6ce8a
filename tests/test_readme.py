"""What the README and the pages beside it say to type works."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from composed import settings
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from pages import PAGES, ROOT, blocks, quoted, text_of

import tdr
from tdr.config import SCHEMAS
from tdr.results.array_files import write_arrays

# A piece of a command line that stands in a sentence.
GROUPS = "|".join((*SCHEMAS, "image", "jacobian", "runtime", "tracking", "experiment"))
SETTING = rf"({GROUPS})(\.\w+)*=\S+"


def lines(page: str) -> list[str]:
    """The arguments of each line that starts the experiment."""
    return re.findall(r"^python experiments/jacobian\.py (.*)$", text_of(page), re.MULTILINE)


def pieces(page: str) -> list[str]:
    """What sentences name of command lines, as a whole or in part."""
    named = [text.removeprefix("python experiments/jacobian.py ") for text in quoted(page)]
    named = [text for text in named if all(re.fullmatch(SETTING, word) for word in text.split())]
    return list(dict.fromkeys(text for text in named if "..." not in text))


def shaders(page: str) -> list[str]:
    """The shader files that a page writes down."""
    return [block for block in blocks(page, "python") if "\n@ti.func\ndef reflect" in block]


def programs(page: str) -> list[str]:
    """The programs that a page writes down; those that loop over pixels, over few."""
    found = [block for block in blocks(page, "python") if block not in shaders(page) and not block.startswith(" ")]
    loops = any("for row in" in block for block in found)
    return [block.replace("64", "8").replace("48", "8") if loops else block for block in found]


def once(of_page: Callable[[str], list[str]]) -> list[tuple[str, str]]:
    """Pages and command lines; what several pages say is tried once, unless it names a file that each writes down."""
    found = {}
    for page in PAGES:
        for text in of_page(page):
            found.setdefault((text, page if re.search("my_shader|=mine", text) else ""), (page, text))
    return list(found.values())


LINES, PIECES = once(lines), once(pieces)


@pytest.fixture
def own_files(tmp_path, monkeypatch):
    """A working directory, and a function that writes what a page tells a user to write; it returns overrides."""
    monkeypatch.chdir(tmp_path)

    def write(page: str) -> list[str]:
        for shader in shaders(page):
            Path("my_shader.py").write_text(shader, encoding="utf-8")
        named = {match[1]: block for block in blocks(page, "yaml") if (match := re.match(r"# (conf/\S+)\n", block))}
        for name, block in named.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(block, encoding="utf-8")
        return [f"hydra.searchpath=[file://{tmp_path}/conf]"] if named else []

    return write


def test_pages_and_what_they_say_are_found():
    assert {"README.md", "CONTRIBUTING.md", "docs/sweeps.md"} <= PAGES.keys()
    assert len(lines("README.md")) >= 12
    assert len(pieces("docs/trust.md")) >= 4
    assert [page for page in PAGES if shaders(page)] == ["README.md", "docs/shaders.md"]
    assert {page for page in PAGES if programs(page)} == {"README.md", "docs/outputs.md", "docs/python.md"}
    # A page's files have one name each.
    assert all(len(shaders(page)) <= 1 for page in PAGES)


def compose_all(overrides: list[Override], own: list[str]) -> None:
    """Compose what a command line asks for, each value of a sweep in turn."""
    fixed = [f"{o.key_or_group}={o.get_value_string()}" for o in overrides if not o.is_sweep_override()]
    swept = [f"{o.key_or_group}={v}" for o in overrides if o.is_sweep_override() for v in o.sweep_string_iterator()]
    for varied in [[value] for value in swept] or [[]]:
        settings(*own, *fixed, *varied)


@pytest.mark.parametrize(("page", "arguments"), LINES)
def test_commands_compose(page, arguments, own_files):
    words = shlex.split(arguments, comments=True)
    overrides = OverridesParser.create().parse_overrides([word for word in words if word != "-m"])
    assert ("-m" in words) == any(override.is_sweep_override() for override in overrides)
    compose_all(overrides, own_files(page))


@pytest.mark.parametrize(("page", "arguments"), PIECES)
def test_pieces_of_commands_compose(page, arguments, own_files):
    compose_all(OverridesParser.create().parse_overrides(arguments.split()), own_files(page))


@pytest.mark.parametrize("page", PAGES)
def test_scripts_take_the_options_that_are_named(page):
    for name, arguments in re.findall(r"\b(scripts/\w+\.(?:py|sh))((?: [^`\n]*)?)", text_of(page)):
        source = (ROOT / name).read_text(encoding="utf-8")
        for option in re.findall(r"--\w+", arguments):
            assert option == "--help" or f'"{option}"' in source, (name, option)


@pytest.mark.parametrize("page", [page for page in PAGES if programs(page)])
def test_programs_run_and_agree(page, own_files):
    own_files(page)
    tdr.start("f32")
    folder = Path("outputs/2026-01-31/12-00-00_000000")
    folder.mkdir(parents=True)
    write_arrays(folder, tdr.compute_jacobian(tiny()))
    namespace: dict = {}
    for program in programs(page):
        exec(program, namespace)
        if "for row in" in program:
            again = tdr.compute_jacobian(namespace["pipeline"], ["light.direction"])["light.direction"]
            np.testing.assert_array_equal(namespace["x_image"].astype(np.float32), again[..., 0, 0, 0])
    if page == "README.md":
        assert namespace["jacobian"]["light.direction"].shape == (48, 64, 1, 1, 3)
        assert tdr.check_jacobian(namespace["pipeline"], namespace["jacobian"]).verdict.value == "passed"


def tiny() -> tdr.Pipeline:
    lights = tdr.DirectionalLightArray(direction=[[1, -1, -1]])
    return tdr.Pipeline(tdr.TriangleMesh.sphere(1), light_array=lights, resolution=(8, 8))


@pytest.mark.parametrize("page", [page for page in PAGES if shaders(page)])
@pytest.mark.usefixtures("f64")
def test_shaders_render_and_differentiate(page, own_files):
    own_files(page)
    shader = tdr.CustomShader("my_shader.py")
    pipeline = tdr.Pipeline(tdr.TriangleMesh.sphere(2), shader=shader, resolution=(16, 16))
    jacobian = tdr.compute_jacobian(pipeline, "all")
    values = {}
    for step in (1e-6, -1e-6):
        shader.settings.sharpness = 20.0 + step
        pipeline.forward()
        values[step] = pipeline.output_buffer.to_numpy().sum(-1)
    difference = (values[1e-6] - values[-1e-6]) / 2e-6
    assert np.abs(difference).max() > 1e-3
    np.testing.assert_allclose(jacobian["shader.sharpness"][..., 0], difference, atol=1e-8)


@pytest.mark.usefixtures("f64")
def test_the_mistake_in_a_shader_is_caught_and_its_remedy_works(own_files):
    own_files("docs/shaders.md")
    right = Path("my_shader.py").read_text(encoding="utf-8")
    (fragment,) = [block for block in blocks("docs/shaders.md", "python") if block.startswith(" ")]
    body = right[right.index("    step = ") : right.index("\n\n\n@ti.func\ndef ambient")]
    mistaken = right.replace(body, fragment.rstrip())
    mended = mistaken.replace("range(1, 4)", "ti.static(range(1, 4))")
    for source, verdict in ((mistaken, "failed"), (mended, "passed")):
        Path("my_shader.py").write_text(source, encoding="utf-8")
        shader = tdr.CustomShader("my_shader.py")
        pipeline = tdr.Pipeline(tdr.TriangleMesh.sphere(2), shader=shader, resolution=(24, 24))
        result = tdr.check_jacobian(pipeline, tdr.compute_jacobian(pipeline, ["light.direction", "shader.sharpness"]))
        assert result.verdict.value == verdict, source
        line = source.splitlines().index(next(text for text in source.splitlines() if "    for " in text)) + 1
        named = any(f"my_shader.py line {line}: A run-time loop" in finding for finding in result.findings)
        assert named == (verdict == "failed")
