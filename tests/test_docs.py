"""The pages name what is there: links, files, modules and functions; the plan of the code has every room."""

import ast
import functools
import importlib
import itertools
import re

import pytest
from pages import PAGES, ROOT, prose, quoted, text_of

FOLDERS = ("tdr", "conf", "scripts", "experiments", "tests", "docs", "hydra_plugins")
# Tags of MLflow, which are called as modules are.
TAGS = {"tdr.check", "tdr.sweep", "tdr.error", "tdr.uid"}


def heading_ids(page: str) -> list[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        path = (PAGES[page].parent / name).resolve() if name else PAGES[page]
        assert path.exists(), target
        assert path.is_relative_to(ROOT), target
        if heading:
            assert heading in heading_ids(path.relative_to(ROOT).as_posix()), target


@pytest.mark.parametrize("page", PAGES)
def test_paths_exist(page):
    # The changelog also names files that are gone.
    for text in quoted(page) if page != "CHANGELOG.md" else []:
        for word in text.split():
            path = word.rstrip(":,;")
            if path.startswith(tuple(f"{folder}/" for folder in FOLDERS)) and not re.search(r"[<*…]|mine", path):
                assert (ROOT / path).exists(), text


@pytest.mark.parametrize("page", PAGES)
def test_modules_and_names_are_there(page):
    gone = (
        {name for line in text_of(page).splitlines() for name in old_names(line)} if page == "CHANGELOG.md" else set()
    )
    for text in quoted(page):
        match = re.fullmatch(r"(tdr(?:\.\w+)+)(\(.*\))?", text)
        assert not match or text in TAGS | gone or resolves(match[1]), text
    for module, name in re.findall(r"^from (tdr[\w.]*) import (\w+)$", text_of(page), re.MULTILINE):
        assert resolves(f"{module}.{name}"), (module, name)


def old_names(line: str) -> list[str]:
    """The names in the first column of a table."""
    return re.findall(r"`([^`]+)`", line.split("|")[1]) if line.startswith("|") else []


def resolves(name: str) -> bool:
    """Whether a dotted name is a module's, or that of something in one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        try:
            functools.reduce(getattr, parts[end:], found)
        except AttributeError:
            return False
        return True
    return False


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading of the plan."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", text_of("docs/architecture.md"), re.M | re.S)
    table = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_plan_has_every_room_once():
    wing, planned = "", []
    for first, room, _ in rows("The rooms"):
        if first:
            wing = first.strip("*").replace("(none)", "")
        else:
            planned.append(f"{wing}/{room.strip('`')}".lstrip("/"))
    paths = [path.relative_to(ROOT / "tdr") for path in (ROOT / "tdr").rglob("*.py") if path.stem != "__init__"]
    rooms = {path.with_suffix("").as_posix() for path in paths}
    assert (rooms - set(planned), set(planned) - rooms) == (set(), set())
    assert len(planned) == len(rooms)


def test_the_walk_goes_through_functions_that_are_there():
    steps = [re.findall(r"((?:`[^`]+`(?: and )?)+) in (\S+\.py)", where) for _, where in rows(r"A walk: [^\n]*")]
    assert len(steps) > 15
    assert all(steps)
    for functions, file in itertools.chain.from_iterable(steps):
        names = defined((ROOT / file).read_text(encoding="utf-8"))
        assert set(re.findall(r"`([^`]+)`", functions)) <= names, file


def test_changes_go_to_rooms_that_are_there():
    named = [
        room for _, where in rows(r"Where does it go\?") for room in re.findall(r"`([a-z_]+(?:/[a-z_]+)?)`", where)
    ]
    assert len(named) > 15
    for room in named:
        assert (ROOT / "tdr" / room).is_dir() or (ROOT / "tdr" / f"{room}.py").is_file(), room


def defined(source: str) -> set[str]:
    """The functions, classes, methods and names of a module."""
    names = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names
