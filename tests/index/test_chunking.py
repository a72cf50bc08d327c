"""Passages: where pages are cut, what stays together, and the headings that passages stand under."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcp_context_resources.index.chunks.chunker import Chunker, OutlineHeading
from mcp_context_resources.index.chunks.text_boundaries import is_boundary, pieces, weight

if TYPE_CHECKING:
    from mcp_context_resources.index.spec import Chunk

TARGET = 400
ENGLISH = "The tram leaves the station at eight and returns at nine. "
JAPANESE = "路面電車は駅前を八時に出発します。"


def chunks_of(*pages: str, target: int = TARGET, markdown: bool = False, **more: list[OutlineHeading]) -> list[Chunk]:
    chunker = Chunker(target, markdown=markdown, **more)
    return [chunk for number, text in enumerate(pages, start=1) for chunk in chunker.add(number, text)]


def headings_of(*pages: str, markdown: bool = False) -> list[tuple[str, ...]]:
    return [chunk.heading for chunk in chunks_of(*pages, markdown=markdown)]


def check(text: str, found: list[Chunk], target: int) -> None:
    """Check what is true of all chunks of a page."""
    covered = [False] * len(text)
    for chunk in found:
        assert chunk.text == text[chunk.start : chunk.end]
        assert chunk.text
        assert weight(chunk.text) <= 2 * target
        covered[chunk.start : chunk.end] = [True] * len(chunk.text)
    assert all(one.end <= other.start for one, other in pairwise(found))
    assert not "".join(sign for sign, there in zip(text, covered, strict=True) if not there).strip()


# Any text

FORMS = ["", "# Title", "3.2 Title", "第3章　目的", "```", "| a | b |", "|---|---|", "- item", "Title", "==="]
LINES = st.lists(
    st.one_of(
        st.text(max_size=60),
        st.text("aé。、. \t|-#`~・1.Ω語が\u3099👩\u200d🇯🇵\r\n\u0301", max_size=80),
        st.sampled_from(FORMS),
        st.builds(str.__mul__, st.sampled_from([ENGLISH, JAPANESE, "x", "語", " "]), st.integers(1, 90)),
    ),
    max_size=25,
).map("\n".join)


@settings(max_examples=150, deadline=None)
@example(text="x" * 5_000, markdown=False)
@example(text="語" * 5_000, markdown=False)
@example(text=" " * 5_000 + "a" + "\n" * 5_000 + "b", markdown=False)
@example(text="e" + "\u0301" * 3_000, markdown=False)
@example(text="\0\x01\x02" * 700, markdown=False)
@given(text=LINES, markdown=st.booleans())
def test_chunks_hold_every_character_once_in_order_and_within_bounds(text: str, markdown: bool) -> None:
    check(text, chunks_of(text, markdown=markdown), TARGET)


@settings(max_examples=60, deadline=None)
@given(text=LINES, piece=st.integers(1, 200))
def test_the_same_chunks_come_out_whatever_the_pieces_a_page_comes_in(text: str, piece: int) -> None:
    whole = Chunker(TARGET).add(1, text)
    chunker = Chunker(TARGET)
    starts = range(0, max(len(text), 1), piece)
    assert [c for at in starts for c in chunker.add(1, text[at : at + piece], ends=at + piece >= len(text))] == whole


def test_a_page_of_millions_of_characters_is_cut_alike_in_any_pieces() -> None:
    text = (ENGLISH * 40 + "\n\n" + JAPANESE * 40 + "\n") * 300
    whole = Chunker(1_200).add(1, text)
    check(text, whole, 1_200)
    chunker = Chunker(1_200)
    step = 333_333
    parts = [chunker.add(1, text[at : at + step], ends=at + step >= len(text)) for at in range(0, len(text), step)]
    assert [chunk for part in parts for chunk in part] == whole
    assert len(parts[0]) == 0 < len(parts[1]), "what is cut is handed over before the page ends"


@settings(max_examples=100, deadline=None)
@given(st.text("aか\u3099é\u0301👩\u200d🚀🇯🇵한\u1161\uff9e🏽 ", max_size=300), st.integers(20, 60))
def test_no_letter_is_torn_from_its_marks(text: str, most: int) -> None:
    assert all(is_boundary(text, start) and is_boundary(text, end) for start, end in pieces(text, 0, len(text), most))


@pytest.mark.parametrize(
    "cluster", ["か\u3099", "e\u0301", "👩\u200d🚀", "🇯🇵", "👍🏽", "ｶﾞ", "\u1100\u1161\u11a8", "\r\n"]
)
def test_what_reads_as_one_character_has_no_place_to_cut_in_it(cluster: str) -> None:
    assert not any(is_boundary(f"a{cluster}b", place) for place in range(2, 1 + len(cluster)))
    assert is_boundary(f"a{cluster}b", 1)
    assert is_boundary(f"a{cluster}b", 1 + len(cluster))


def test_japanese_text_is_cut_at_half_as_many_characters() -> None:
    english = chunks_of(ENGLISH * 100)
    japanese = chunks_of(JAPANESE * 100)
    assert all(TARGET / 2 < len(chunk.text) <= TARGET for chunk in english[:-1])
    assert all(TARGET / 4 < len(chunk.text) <= TARGET / 2 for chunk in japanese[:-1])


# What stays together


def test_chunks_end_where_sentences_end() -> None:
    found = chunks_of(f"{ENGLISH * 30}\n\n{JAPANESE * 60}")
    assert {chunk.text[-1] for chunk in found} == {".", "。"}
    assert {chunk.text[:3] for chunk in found} == {"The", "路面電"}


def test_a_paragraph_that_fits_is_never_cut() -> None:
    paragraph = (ENGLISH * 4).strip()
    found = chunks_of("\n\n".join([paragraph] * 9))
    assert all(chunk.text.replace(paragraph, "").strip() == "" for chunk in found)


def test_a_table_is_kept_whole_and_is_known_as_one() -> None:
    table = "\n".join(["| stop | fare |", "|---|---|", *(f"| Pier {n} | {n * 10} yen |" for n in range(20))])
    found = chunks_of(f"{ENGLISH * 5}\n\n{table}\n\n{ENGLISH * 5}")
    assert [table in chunk.text for chunk in found if chunk.kind == "table"] == [True]


@pytest.mark.parametrize("mark", [" | ", "\t", "   "])
def test_a_long_table_is_cut_between_its_rows_and_later_parts_name_its_columns(mark: str) -> None:
    rows = [mark.join(["stop", "fare", "ward"]), *(mark.join([f"Pier {n}", f"{n} yen", "Harbour"]) for n in range(100))]
    found = chunks_of("\n".join(rows))
    assert {chunk.kind for chunk in found} == {"table"}
    assert [line for chunk in found for line in chunk.text.split("\n")] == rows
    assert found[0].heading == ()
    assert {chunk.heading for chunk in found[1:]} == {(" ".join(rows[0].split()),)}


def test_code_is_kept_together_and_its_comments_are_no_headings() -> None:
    code = "```sh\n" + "# not a heading\nrun --all\n\n" * 12 + "```"
    found = chunks_of(f"# Title\n\n{ENGLISH * 6}\n\n{code}\n\n{ENGLISH * 6}", markdown=True)
    assert sum(code in chunk.text for chunk in found) == 1
    assert {chunk.heading for chunk in found} == {("Title",)}


def test_a_list_stays_with_the_words_that_introduce_it() -> None:
    items = "\n".join(f"- item number {n} of the list" for n in range(9))
    found = chunks_of(f"{ENGLISH * 6}\n\nBring these things with you:\n\n{items}")
    assert [chunk.text for chunk in found if "Bring" in chunk.text] == [f"Bring these things with you:\n\n{items}"]


def test_a_tiny_rest_is_joined_to_its_neighbour() -> None:
    found = chunks_of(f"{ENGLISH * 6}\n\nThe end.")
    assert len(found) == 1
    assert found[0].text.endswith("The end.")


@pytest.mark.parametrize("text", ["", " \n\t ", "\u3000\n\u3000", "\f\x85\u2028"])
def test_a_page_without_text_has_no_chunks(text: str) -> None:
    assert chunks_of(text) == []


def test_no_chunk_reaches_over_the_end_of_a_page() -> None:
    found = chunks_of("One.", "", "Three.")
    assert [(chunk.page, chunk.text, chunk.start) for chunk in found] == [(1, "One.", 0), (3, "Three.", 0)]


# Headings


def test_headings_are_carried_from_page_to_page() -> None:
    found = chunks_of(
        f"# Fares\n\n{ENGLISH * 6}\n\n## Children\n\n{ENGLISH * 6}", ENGLISH, f"# Lost\n\n{ENGLISH}", markdown=True
    )
    assert [(chunk.page, chunk.heading) for chunk in found] == [
        (1, ("Fares",)),
        (1, ("Fares", "Children")),
        (2, ("Fares", "Children")),
        (3, ("Lost",)),
    ]


def test_a_heading_begins_the_chunk_of_what_follows_it() -> None:
    found = chunks_of(f"# Fares\n\n{ENGLISH * 6}\n\n# Lost\n\n## Property\n\n{ENGLISH * 6}", markdown=True)
    assert [chunk.text[:8] for chunk in found] == ["# Fares\n", "# Lost\n\n"]
    assert found[1].heading == ("Lost", "Property")


@pytest.mark.parametrize(
    ("heading", "title"),
    [
        ("1. Fares", "1. Fares"),
        ("1 Fares and tickets", "1 Fares and tickets"),
        ("1.1 Fares", "1.1 Fares"),
        ("１．運賃", "１．運賃"),
        ("第3章　運賃", "第3章 運賃"),
        ("第三章 運賃", "第三章 運賃"),
        ("第2節 小児", "第2節 小児"),
        ("第5条（目的）", "第5条（目的）"),
        ("第五条　この規則は、運賃を定める。", "第五条"),
        ("Chapter 3: Fares", "Chapter 3: Fares"),
        ("APPENDIX B", "APPENDIX B"),
        ("Fares\n=====", "Fares"),
    ],
)
def test_headings_are_known_by_their_form(heading: str, title: str) -> None:
    assert headings_of(f"{heading}\n\n{ENGLISH * 4}") == [(title,)]


@pytest.mark.parametrize(
    "line",
    [
        "3.2 GB of memory are needed",
        "12 Monkeys was shown",
        "1. Open the valve.\n2. Close it.",
        "1. Open\n2. Close",
        "1.1 Fares and tickets ........ 12",
        "第3章では運賃を定める",
        "Section 3 of the rules applies",
        "Chapter 3 Fares 17",
        "2026 Annual Report",
        "# apt-get update",
        "-----\n=====",
    ],
)
def test_what_only_looks_like_a_heading_is_none(line: str) -> None:
    assert headings_of(f"{line}\n\n{ENGLISH * 4}") == [()]


def test_numbers_of_headings_follow_each_other() -> None:
    body = f"\n\n{ENGLISH * 6}\n\n"
    found = headings_of(body.join(["1 Fares", "1.1 Adults", "1.2 Children", "7.4 Tons", "2 Lost", "2.1 Bags", ""]))
    assert found == [
        ("1 Fares",),
        ("1 Fares", "1.1 Adults"),
        ("1 Fares", "1.2 Children"),
        ("1 Fares", "1.2 Children"),
        ("2 Lost",),
        ("2 Lost", "2.1 Bags"),
    ]


def test_numbers_stand_under_the_chapter_they_are_in() -> None:
    body = f"\n\n{ENGLISH * 6}\n\n"
    assert headings_of(body.join(["第2章　運賃", "2.1 大人", "第3章　忘れ物", "3.1 傘", ""])) == [
        ("第2章 運賃",),
        ("第2章 運賃", "2.1 大人"),
        ("第3章 忘れ物",),
        ("第3章 忘れ物", "3.1 傘"),
    ]


def test_an_outline_says_where_headings_stand() -> None:
    outline = [
        OutlineHeading(1, "Fares", 1),
        OutlineHeading(2, "What a ride costs for grown-ups", 1),
        OutlineHeading(2, "Nowhere in the text", 2),
        OutlineHeading(1, "Ｌｏｓｔ　ｐｒｏｐｅｒｔｙ", 3),
    ]
    found = chunks_of(
        f"1. Fares\n\n{ENGLISH * 6}\n\n1.1 What a ride costs\nfor grown-ups\n{ENGLISH * 6}\n1.1.1 No heading\n\nx",
        ENGLISH,
        f"{ENGLISH * 6}\n\n2 LOST PROPERTY\n{ENGLISH * 6}",
        outline=outline,
    )
    assert [(chunk.page, chunk.heading) for chunk in found] == [
        (1, ("Fares",)),
        (1, ("Fares", "What a ride costs for grown-ups")),
        (2, ("Fares", "Nowhere in the text")),
        (3, ("Fares", "Nowhere in the text")),
        (3, ("Ｌｏｓｔ ｐｒｏｐｅｒｔｙ",)),
    ]


@pytest.mark.slow
def test_very_many_headings_cost_no_more_than_their_text() -> None:
    count = 20_000
    text = "".join(f"Title {n}\n" for n in range(count))
    found = chunks_of(text, outline=[OutlineHeading(1 + n % 2, f"Title {n}", 1) for n in range(count)])
    check(text, found, TARGET)
    assert len(found) < count / 10
