"""Words: how numbers are written, numbers with their nouns, and what is said of several subjects, once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_NAMES = 4  # of the subjects of one sentence, that are written out

# A number by which two sentences may differ and be one: no place, no range, no factor, no part of a name.
_NUMBER = re.compile(
    r"(?<![\w.+])(?<!row )(?<!rows )(?<!column )(?<!columns )(?<!\d to )"
    r"-?\d[\d,]*(?:\.\d+)?(?:e[+-]\d+)?"
    r"(?![\d,]*\.?\w)(?! to | times)"
)


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """How many there are of something: ``1 entry``, ``1,234 entries``.

    Args:
        number: how many.
        singular: what one of them is called.
        plural: what several are called, if it is not the singular with an s.
    """
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def without_links(text: str) -> str:
    """A text of a user's, a file's or a library's for a page in Markdown.

    Args:
        text: the text.

    Returns:
        The same; what looks like a link, a picture or HTML in it stays text.
    """
    return re.sub(r"<(?=[A-Za-z/!?])", r"\\<", text.replace("](", r"]\("))


@dataclass(frozen=True)
class Sentence:
    """A sentence, and what it is said of.

    Attributes:
        text: the sentence.
        subjects: the names of what it applies to.
    """

    text: str
    subjects: tuple[str, ...]

    @property
    def heading(self) -> str:
        """The subjects' names, of many of them the first: ``a, b, c, d and 3 more``."""
        more = len(self.subjects) - _NAMES
        return ", ".join(self.subjects[:_NAMES]) + (f" and {more} more" if more > 0 else "")


def say_once(said: Iterable[tuple[str, str]]) -> list[Sentence]:
    """Collect the subjects of which the same is said.

    Args:
        said: subjects' names, each with a sentence.

    Returns:
        Each sentence once, in the order in which it first came up. Sentences that differ by numbers alone are one,
        which has the least and the largest of each number: ``3 to 12 entries are 0``.
    """
    alike: dict[str, list[tuple[str, str]]] = {}
    for subject, text in said:
        alike.setdefault(_NUMBER.sub("#", text), []).append((subject, text))
    return [
        Sentence(_merged([text for _, text in group]), tuple(dict.fromkeys(subject for subject, _ in group)))
        for group in alike.values()
    ]


def _merged(texts: Sequence[str]) -> str:
    numbers = zip(*map(_NUMBER.findall, texts), strict=True)

    def spread(_: re.Match[str]) -> str:
        ordered = sorted(next(numbers), key=lambda number: float(number.replace(",", "")))
        return ordered[0] if ordered[0] == ordered[-1] else f"{ordered[0]} to {ordered[-1]}"

    return _NUMBER.sub(spread, texts[0])


def format_number(value: float, digits: int = 3) -> str:
    """A number to so many significant digits, with a true minus sign."""
    return f"{value:.{digits}g}".replace("-", "\N{MINUS SIGN}")


def format_decade(exponent: int) -> str:
    """A power of ten: ``10⁻³``."""
    return "10" + str(exponent).translate(_SUPERSCRIPTS)


_SUPERSCRIPTS = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")


def spread_decades(low: int, high: int) -> range:
    """At most six exponents at even distances, to label an axis: from ``low`` or below it to ``high``."""
    step = -(-(high - low) // 5)
    return range(high, low - step, -step)[::-1]
