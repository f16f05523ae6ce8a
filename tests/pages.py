"""The pages that people read: the README, those beside it, and those in ``docs/``."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = {path.relative_to(ROOT).as_posix(): path for folder in (ROOT, ROOT / "docs") for path in folder.glob("*.md")}


def text_of(page: str) -> str:
    """What a page says."""
    return PAGES[page].read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """The blocks of code of one language on a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)


def prose(page: str) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


def quoted(page: str) -> list[str]:
    """What stands in backticks in a page's prose, in one line each."""
    return [re.sub(r"\s+", " ", text) for text in re.findall(r"`([^`]+)`", prose(page))]
