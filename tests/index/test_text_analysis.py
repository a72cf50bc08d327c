"""How texts and queries are taken apart into words: folding, Japanese, identifiers, phrases, places in the original."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_context_resources.index.analysis import japanese
from mcp_context_resources.index.analysis.folding import fold, fold_with_places
from mcp_context_resources.index.analysis.terms import terms_of
from mcp_context_resources.index.ranking.marking import MOST_SPANS, Marker
from mcp_context_resources.index.ranking.phrases import phrase_of, plain
from mcp_context_resources.index.ranking.query import MOST_WORDS, parse_query

ALPHABET = st.sampled_from("abzé ﬁÅßｶﾞﾊﾟがガ東京都①ー\n\u3000-_.19,０Ⅳ한글ไทहि\u0301\u3099\u200b👍\ud800İ")
TEXTS = st.text(ALPHABET, max_size=60) | st.text(max_size=40)


def marked(text: str, query: str) -> list[str]:
    return [text[start:end] for start, end in Marker(parse_query(query)).spans(text)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("café", "cafe"),
        ("ＡＢＣ１２３", "ABC123"),
        ("ﾃﾞｰﾀﾍﾞｰｽ", "データベース"),
        ("コンピュータ", "こんぴゅーた"),
        ("ﬁne", "FINE"),
        ("co\u00adoperate", "cooperate"),
        ("東京\n都庁", "東京都庁"),
        ("が", "か\u3099"),
        ("1,234", "1234"),
        ("it’s", "it's"),
    ],
)
def test_what_is_read_alike_has_the_same_surface(one: str, other: str) -> None:
    assert terms_of(one).surface == terms_of(other).surface


def test_voiced_and_plain_kana_stay_different() -> None:
    assert terms_of("かき").surface != terms_of("がき").surface


@pytest.mark.parametrize(
    ("written", "whole", "parts"),
    [
        ("ISO-9001", "iso9001", {"iso", "9001"}),
        ("iso9001", "iso9001", {"iso", "9001"}),
        ("E_404", "e404", {"e", "404"}),
        ("foo.bar()", "foobar", {"foo", "bar"}),
        ("v1.2.3", "v1.2.3", {"v", "1", "2", "3"}),
        ("src/app/main.py", "srcappmainpy", {"src", "app", "main", "py"}),
        ("a.b@example.org", "abexampleorg", {"a", "b", "example", "org"}),
        ("getUserName", "getusername", {"get", "user", "name"}),
        ("1,234.56", "1234.56", {"1234", "56"}),
        ("C++", "c++", {"c"}),
    ],
)
def test_an_identifier_is_found_whole_and_by_part(written: str, whole: str, parts: set[str]) -> None:
    terms = terms_of(written)
    assert whole in terms.words
    assert set(terms.surface) == parts


def test_versions_that_differ_in_their_dots_stay_different() -> None:
    assert not {"v1.2.3"} & set(terms_of("v12.3").words)
    assert "314" not in terms_of("3.14").words


def test_english_words_are_found_in_other_forms() -> None:
    assert terms_of("running servers").words[0] == terms_of("runs").words[0]
    assert terms_of("PDFs").words == terms_of("PDF").words


def test_every_single_character_of_a_script_without_spaces_is_kept() -> None:
    assert terms_of("京都タワー").characters == ["京", "都", "た", "わ", "ー"]
    assert terms_of("서울").surface == ["서울"]


@pytest.mark.skipif(not list(japanese.morphemes("会議")), reason="no dictionary installed")
def test_japanese_words_are_found_in_their_dictionary_form() -> None:
    assert terms_of("打合せ").words == terms_of("打ち合わせ").words
    assert "さーばー" in terms_of("server").loans
    assert terms_of("サーバ").words == ["さーばー"]
    assert marked("会議の資料を見せてください", "見せる") == ["見せ"]
    assert parse_query("会議の資料について教えてください").shown == ("会議", "資料", "教え")


def test_without_a_dictionary_pairs_of_characters_find_japanese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(japanese, "_tokenizer", lambda: None)
    japanese.loan_word.cache_clear()
    wanted = parse_query("会議の資料を配布")
    assert wanted.shown == ("会議", "資料", "配布")
    assert terms_of("会議の資料").words == []
    assert [word.parts for word in wanted.words] == [("会議",), ("資料",), ("配布",)]
    assert parse_query("서울").shown == ("서울",)
    japanese.loan_word.cache_clear()


@pytest.mark.parametrize("query", ["", "   ", "😀👍", "!!! ...", "「」", '""', "-", '-""', "\x00", "\ud800"])
def test_a_query_of_nothing_but_signs_leaves_no_words(query: str) -> None:
    wanted = parse_query(query)
    assert wanted.words == ()
    assert wanted.phrases == ()


def test_stop_words_alone_are_looked_for() -> None:
    assert parse_query("to be or not to be").shown == ("to", "be", "or", "not")
    assert parse_query("what is the refund").shown == ("refund",)


def test_a_hundred_kilobytes_of_query_are_cut() -> None:
    wanted = parse_query(" ".join(f"word{number}" for number in range(12_000)))
    assert 0 < len(wanted.words) <= MOST_WORDS
    assert 0 < len(parse_query("東" * 100_000).words) <= MOST_WORDS


@pytest.mark.parametrize("query", [".*", "[a-z]+(", "a AND (b OR", 'field:"x', "~2 ^3 +x -", "\\", "*", "((((", "\"'`"])
def test_no_sign_is_syntax(query: str) -> None:
    parse_query(query)
    assert phrase_of(query) is None or phrase_of(query)


def test_phrases_are_read_in_the_quotes_of_both_languages() -> None:
    wanted = parse_query('「返金の申請」 "lost property" 『規約』 “in full” -draft -「古い版」 -5')
    assert [phrase.text for phrase in wanted.phrases] == ["返金の申請", "lost property", "規約", "in full"]
    assert wanted.without_terms == {"draft"}
    assert [phrase.text for phrase in wanted.without_phrases] == ["古い版"]
    assert "5" in wanted.shown


def test_nothing_but_unwanted_words_are_looked_for_instead() -> None:
    assert parse_query("-draft").shown == ("draft",)


@pytest.mark.parametrize(
    ("phrase", "text", "stands"),
    [
        ("lost property", "The LOST\n property office", True),
        ("lost property", "lost my property", False),
        ("cat", "category", False),
        ("cat", "猫catです", True),
        ("東京都", "東京\n都庁", True),
        ("データ", "ﾃﾞｰﾀﾍﾞｰｽ", True),
        ("cafe", "Café", True),
        ("都", "京都", True),
    ],
)
def test_a_phrase_stands_only_where_it_is_written(phrase: str, text: str, stands: bool) -> None:
    found = phrase_of(phrase)
    assert found is not None
    assert found.stands_in(plain(fold(text))) is stands


@pytest.mark.parametrize(
    ("text", "query", "places"),
    [
        ("ﾃﾞｰﾀﾍﾞｰｽの設定", "データベース", ["ﾃﾞｰﾀﾍﾞｰｽ"]),
        ("the ＩＳＯ－９００１ norm", "iso 9001", ["ＩＳＯ－９００１"]),
        ("a cafe\u0301 here", "café", ["cafe\u0301"]),
        ("oﬃce hours", "office", ["oﬃce"]),
        ("東京\n都庁へ", "「東京都庁」", ["東京\n都庁"]),
        ("runs and running", "run", ["runs", "running"]),
        ("京都と東京", "京都 東京", ["京都", "東京"]),
        ("no such thing", "other", []),
        ("error E_404 again", "e404", ["E_404"]),
        ("error E_404 again", "404", ["404"]),
    ],
)
def test_the_places_found_are_those_of_the_original(text: str, query: str, places: list[str]) -> None:
    assert marked(text, query) == places


@given(TEXTS)
@settings(max_examples=150, deadline=None)
def test_folding_keeps_track_of_every_character(text: str) -> None:
    folded = fold_with_places(text)
    assert folded.text == fold(text)
    last = 0
    for place in range(len(folded.text)):
        start, end = folded.original(place, place + 1)
        assert 0 <= start < end <= len(text)
        assert start >= last
        last = start


@pytest.mark.slow
@given(TEXTS, TEXTS)
@settings(max_examples=150, deadline=None)
def test_every_place_holds_a_word_of_the_query(text: str, query: str) -> None:
    wanted = parse_query(query)
    terms = {term for word in wanted.words for term in word.terms}
    surfaces = {plain(fold(word.text)) for word in wanted.words}
    last = 0
    places = Marker(wanted).spans(text)
    assert len(places) <= MOST_SPANS
    for start, end in places:
        assert last <= start < end <= len(text)
        last = end
        inside = plain(fold(text[start:end]))
        found = terms_of(text[start:end])
        assert (
            terms & set(found.words)
            or any(surface in inside for surface in surfaces)
            or any(phrase.stands_in(inside) for phrase in wanted.phrases)
        )
