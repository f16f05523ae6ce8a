import pytest

from tdr.words import Sentence, counted, say_once, without_links


def merged(*texts):
    """What is said where each text is said of a subject of its own."""
    return [sentence.text for sentence in say_once((str(i), text) for i, text in enumerate(texts))]


def test_one_is_not_several():
    assert [counted(number, "job") for number in (0, 1, 2, 12345)] == ["0 jobs", "1 job", "2 jobs", "12,345 jobs"]
    assert [counted(number, "entry", "entries") for number in (1, 3)] == ["1 entry", "3 entries"]


def test_a_sentence_is_said_once_of_all_its_subjects():
    said = [("a", "It is 0."), ("b", "It is not."), ("c", "It is 0."), ("a", "It is 0.")]
    assert say_once(said) == [Sentence("It is 0.", ("a", "c")), Sentence("It is not.", ("b",))]
    assert say_once([]) == []


def test_many_subjects_are_cut():
    assert Sentence("", ("a",)).heading == "a"
    assert Sentence("", tuple("abcd")).heading == "a, b, c, d"
    assert Sentence("", tuple("abcdef")).heading == "a, b, c, d and 2 more"


def test_sentences_that_differ_by_numbers_have_the_least_and_the_largest():
    texts = [f"At {n} of 512 pixels, cosine {c}; up to {e} there." for n, c, e in [(9, -0.5, "2e-05"), (1, 0.25, 3.5)]]
    assert merged(*texts, texts[0]) == ["At 1 to 9 of 512 pixels, cosine -0.5 to 0.25; up to 2e-05 to 3.5 there."]
    assert merged("1,234 entries", "99 entries") == ["99 to 1,234 entries"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("at row 3, column 5", "at row 4, column 5"),
        ("at row 3, column 5", "at row 3, column 6"),
        ("all in rows 3 to 9,", "all in rows 3 to 8,"),
        ("all in columns 3 to 9,", "all in columns 2 to 9,"),
        ("of a neighbour (row +1, column -1)", "of a neighbour (row +0, column -1)"),
        ("are 2 times", "are 3 times"),
        ("are 1.5 times", "are -0.25 times"),
        ("are 1/2 times", "are 1/3 times"),
        ("by light.direction.0.x", "by light.direction.1.x"),
        ("passes through float32", "passes through float64"),
        ("my_shader2.py", "my_shader3.py"),
    ],
)
def test_places_factors_and_names_are_not_merged(first, second):
    assert merged(first, second) == [first, second]


def test_what_looks_like_a_link_in_a_users_text_stays_text():
    text = "mesh.path 'a ![x](http://example.org/x.png) <img src=y> [b](c).obj': 1 < 2 in [0, 1]"
    shown = without_links(text)
    assert "![x]\\(http" in shown
    assert "[b]\\(c)" in shown
    assert "\\<img src=y>" in shown
    assert "1 < 2 in [0, 1]" in shown
    assert shown.replace("\\", "") == text
