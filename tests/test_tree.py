"""The tree stays one that a person can hold in mind; which room may import which is checked by ``lint-imports``."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tdr"

LINES, ROOMS, TOP = 400, 10, 12


def wings() -> dict[str, list[Path]]:
    """Wing -> its rooms."""
    folders = sorted(path for path in PACKAGE.iterdir() if (path / "__init__.py").exists())
    return {folder.name: [room for room in folder.glob("*.py") if room.name != "__init__.py"] for folder in folders}


def test_no_module_is_too_long_to_be_read_at_once():
    modules = [path for folder in ("tdr", "experiments", "scripts", "tests") for path in (ROOT / folder).rglob("*.py")]
    assert len(modules) > 100
    assert {path.name for path in modules if len(path.read_text(encoding="utf-8").splitlines()) > LINES} == set()


def test_no_wing_has_too_many_rooms():
    assert len(wings()) > 10
    assert {name for name, rooms in wings().items() if len(rooms) > ROOMS} == set()
    assert len(list(PACKAGE.glob("*.py"))) <= TOP


def test_what_a_wing_is_for_is_said_where_it_begins():
    for name in wings():
        assert (PACKAGE / name / "__init__.py").read_text(encoding="utf-8").startswith('"""'), name


def test_tests_lie_where_what_they_test_lies():
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert folders <= {*wings(), "experiments", "scripts"}
    assert {*wings()} <= folders, "each wing is tested"
