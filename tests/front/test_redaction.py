"""Redaction: what is found and what is left, placeholders that come back, and nothing secret on the wire."""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.shared.exceptions import MCPError

from mcp_context_resources.errors import ConfigurationError, InvalidInputError
from mcp_context_resources.provenance import source_uri
from mcp_context_resources.redaction.contacts import PhoneNumbers
from mcp_context_resources.redaction.finding import Legible
from mcp_context_resources.redaction.redactor import Redactor
from mcp_context_resources.redaction.settings import RedactionSettings
from mcp_server.redaction.redacting import Redaction, redact_logs
from mcp_server.server import create_server
from tests.support.files import pdf
from tests.support.serving import connect, data_of, error_of, settings_for, text_of, wire_chars

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mcp_types import CallToolResult

pytestmark = pytest.mark.anyio

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAu1SU1LfVLPHCozMxH2Mo\n-----END RSA PRIVATE KEY-----"
HEADERS = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AABBCCDDEEFF00112233445566778899"
KEY_LINES = "\n".join(f"MIIEpAIBAAKCAQEA{place:04}{'abcdEFGH' * 5}ZZZZ" for place in range(20))
LONG_KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{HEADERS}\n\n{KEY_LINES}\nq1W==\n-----END RSA PRIVATE KEY-----"
CERTIFICATE = f"-----BEGIN CERTIFICATE-----\n{KEY_LINES}\n-----END CERTIFICATE-----"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

# Text → the same with the kind of each value in its place.
FOUND: dict[str, str] = {
    "write to Taro.Yamada+x@mail.example.co.jp.": "write to <email>.",
    "連絡先taro@example.comまで": "連絡先<email>まで",
    "ｔａｒｏ＠ｅｘａｍｐｌｅ．ｃｏｍ": "<email>",
    "太郎@example.jp": "<email>",
    "O'Brien o'brien@example.ie": "O'Brien <email>",
    "taro@\nexample.com": "<email>",
    "document://taro%40example.com": "document://<email>",
    "電話03-1234-5678": "電話<phone>",
    "TEL/090-1234-5678": "TEL/<phone>",
    "090-1234-\n5678": "<phone>",
    "（03）1234-5678": "<phone>",
    "03(1234)5678": "<phone>",
    "０３－１２３４－５６７８": "<phone>",
    "０９０ー１２３４ー５６７８": "<phone>",
    "09012345678": "<phone>",
    "2,090-1234-5678,345": "2,<phone>,345",
    "taro_09012345678.pdf": "taro_<phone>.pdf",
    "1,212-555-2368x12": "1,<phone>x12",
    "03-1234-5678/03-1234-5679 10": "<phone>/<phone> 10",
    "+81 3-1234-5678 / +44 20 7946 0958": "<phone> / <phone>",
    "(212) 555-0123, 212-555-2368": "<phone>, <phone>",
    r"tel:\n03-1234-5678": r"tel:\n<phone>",
    "〒123-4567": "〒<postal_code>",
    "〒１００−０００１　東京都": "〒<postal_code>　東京都",
    "100-0001 東京都千代田区": "<postal_code> 東京都千代田区",
    "Postal code: 530-0001": "Postal code: <postal_code>",
    "マイナンバーは1234-5678-9018": "マイナンバーは<my_number>",
    "row 1,123456789018,x": "row 1,<my_number>,x",
    "１２３４ ５６７８ ９０１８": "<my_number>",
    "個人番号 202611221012": "個人番号 <my_number>",
    "card 4111 1111 1111 1111": "card <card>",
    "3782-822463-10005": "<card>",
    "IBAN GB82 WEST 1234 5698 7654 32 AND MORE": "IBAN <bank_account> AND MORE",
    "普通 1234567": "普通 <bank_account>",
    "SSN 536-90-4399": "SSN <ssn>",
    "運転免許証番号 123456789012": "運転免許証番号 <id_document>",
    "Passport No. TK1234567": "Passport No. <id_document>",
    "Server 192.168.1.20 and 10.0.0.1": "Server <ip> and <ip>",
    "2001:db8::ff00:42:8329": "<ip>",
    "postgres://user:s3cr3t@db.example.com:5432/x": "postgres://user:<secret>@db.example.com:5432/x",
    "password = hunter": "password = <secret>",
    '{"db_password": "correct horse"}': '{"db_password": "<secret>"}',
    "パスワード：sakura2026": "パスワード：<secret>",
    "パスワードは sakura2026 です": "パスワードは <secret> です",
    "api_key: 'abcDEF123'": "api_key: '<secret>'",
    "AKIAIOSFODNN7EXAMPLE": "<secret>",
    'aws_secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"': 'aws_secret_access_key = "<secret>"',
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789": "<secret>",
    "key sk-proj-abcdefghijklmnopqrstuvwx1234 end": "key <secret> end",
    "xoxb-123456789012-abcdefabcdef": "<secret>",
    "Authorization: Bearer abcdef1234567890abcdef": "Authorization: Bearer <secret>",
    f"t {JWT} u": "t <secret> u",
    f"before\n{KEY}\nafter": "before\n<secret>\nafter",
    KEY[:60]: "<secret>",
    f"before\n{LONG_KEY}\nafter": "before\n<secret>\nafter",
    LONG_KEY[:900]: "<secret>",
    f"{LONG_KEY[:110]}\x00{KEY_LINES}": "<secret>\n\x00<secret>",
    f"{LONG_KEY[150:]}\nafter": "<secret>\nafter",
    f"page 2\n{LONG_KEY[510:900]}\nmore": "page 2\n<secret>\nmore",
    f"{CERTIFICATE}\n{KEY_LINES}": f"{CERTIFICATE}\n<secret>",
    f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\n{KEY_LINES}": "<secret>",
}

LEFT = (
    "2026-11-22",
    "2026-11-22T08:30:00Z 10:20:30",
    "22/11/2026, 20261122, 202611221012",
    "1,234,567,890 yen",
    "12345678901",
    "1234567890",
    "2125551234",
    "part 123-4567",
    "version 192.168.1.20, v1.2.3.4",
    "3.2.1.4 Scope",
    "127.0.0.1",
    "ISBN 978-4-16-148410-0",
    "react@18.2.0",
    "logo@2x.png",
    "@example on social media",
    "0000012345",
    "3.14159265358979",
    "0.1234567890",
    "123456789018.5",
    "Passwords must be long. Password: required",
    "password_reset_url = https://example.com/reset",
    "password = ********",
    "password: ${DB_PASSWORD}",
    "password = settings.password",
    "secretary: Taro2",
    "The secret is simple.",
    "d41d8cd98f00b204e9800998ecf8427e",
    "550e8400-e29b-41d4-a716-446655440000",
    "std::string a::b 12:34:56:78",
    "1234 5678 9012",
    "AB-03-1234-5678-90",
    "lot 4111111111111112",
    "10.1016/j.cell.2020.01.001",
    CERTIFICATE,
    CERTIFICATE[:900],
    CERTIFICATE[100:],
    "\n".join(f"{place:064x}" for place in range(9**40, 9**40 + 4)),
    "第3章 2025-03-15 の記録、合計 98,765,432 円",
)

PEOPLE = """\
id,name,email,phone,my_number,password,amount
1,桜,sakura@example.com,090-1234-5678,123456789018,hunter2,12345678901
2,Taro,taro@example.com,03-1234-5678,215813456784,"say ""cheese"", 2 times",2026
3,Ken,sakura@example.com,+81 90 1234 5678,600000000006,Tr0ub4dor,7
"""
PLAIN = ("sakura@", "taro@", "1234-5678", "1234 5678", "123456789018", "215813456784", "hunter2", "cheese", "Tr0ub")
ON: dict[str, Any] = {"enabled": True}


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor(RedactionSettings())


@pytest.fixture
def people(tmp_path: Path) -> Path:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "people.csv").write_text(PEOPLE, encoding="utf-8")
    return folder


def kinds_shown(text: str) -> str:
    redactor = Redactor(RedactionSettings(max_values=0))
    shown = redactor.text(text)
    for kind in RedactionSettings().kinds:
        shown = shown.replace(f"<{kind.upper()}>", f"<{kind}>")
    return shown


def wire(result: CallToolResult) -> str:
    return json.dumps(result.model_dump(mode="json"), ensure_ascii=False)


def assert_nothing_plain(result: CallToolResult) -> None:
    sent = wire(result)
    assert [value for value in PLAIN if value in sent] == []


@pytest.mark.parametrize("text", FOUND)
def test_secrets_and_personal_data_are_found(text: str) -> None:
    assert kinds_shown(text) == FOUND[text]


@pytest.mark.parametrize("text", LEFT)
def test_what_only_looks_like_personal_data_is_left(redactor: Redactor, text: str) -> None:
    assert redactor.text(text) == text


def test_a_value_keeps_its_placeholder_and_another_way_to_write_it_shows_the_same_number() -> None:
    redactor = Redactor(RedactionSettings())
    assert redactor.text("a@example.com b@example.com") == "<EMAIL_1> <EMAIL_2>"
    assert redactor.text("A@Example.com a@example.com") == "<EMAIL_1.2> <EMAIL_1>"
    assert (
        redactor.text("03-1234-5678, +81 3 1234 5678, ０３－１２３４－５６７８")
        == "<PHONE_1>, <PHONE_1.2>, <PHONE_1.3>"
    )


def test_text_that_looks_like_a_placeholder_is_told_apart_from_ours() -> None:
    redactor = Redactor(RedactionSettings())
    shown = redactor.text("<EMAIL_1> is not taro@example.com")
    assert shown == "<LITERAL_1> is not <EMAIL_1>"
    assert redactor.restored({"prompt": shown})[0] == {"prompt": "<EMAIL_1> is not taro@example.com"}


pieces = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [*FOUND, *LEFT, "<", ">", "%3C", "&gt;", "<EMAIL_1>", "%3cphone_2%3e", "\\", "\x00", "İ", "ー", "'"]
    ),
)


@settings(deadline=None)
@given(st.lists(pieces, max_size=12).map("".join))
def test_what_was_redacted_comes_back_exactly(text: str) -> None:
    redactor = Redactor(RedactionSettings())
    assert redactor.restored({"prompt": redactor.text(text)})[0]["prompt"] == text


@settings(deadline=None)
@given(st.lists(pieces, max_size=12))
def test_both_channels_of_a_result_are_redacted_alike_and_come_back(parts: list[str]) -> None:
    redactor = Redactor(RedactionSettings())
    redacted = redactor.result("\n".join(parts), {"lines": parts})
    assert redactor.restored({"lines": redacted.data["lines"], "text": redacted.text})[0] == {
        "lines": parts,
        "text": "\n".join(parts),
    }


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("call 090-1234-5678.md", "call%20%3CPHONE_1%3E.md"),
        ("資料/山田090-1234-5678.md", f"{quote('資料/山田')}%3CPHONE_1%3E.md"),
        ("日本 bob@example.co.jp 50% メモ.md", f"{quote('日本 ')}%3CEMAIL_1%3E{quote(' 50% メモ.md')}"),
        ("card 4111 1111 1111 1111, #2.md", "card%20%3CCARD_1%3E,%20%232.md"),
        ("<EMAIL_1>.md", "%3CLITERAL_1%3E.md"),
        ("第1章 50%.md", quote("第1章 50%.md")),
    ],
)
def test_values_are_found_in_uris_as_in_names(name: str, shown: str) -> None:
    redaction = Redaction(RedactionSettings())
    uri = source_uri("document", name)
    for text in (f"See {uri}/page/2#chars=0-40.", f"[{uri}]", uri):
        redacted = redaction.text(text)
        assert redacted == text.replace(uri, f"document://{shown}")
        assert unquote(str(redaction.call({"text": redacted}).arguments["text"])) == unquote(text)
    redacted = redaction.text(f"{name}: {uri}")
    assert unquote(redacted.partition(": ")[2]) == f"document://{redacted.partition(': ')[0]}"


def test_a_file_that_holds_the_marks_of_uris_is_shown_as_it_is() -> None:
    redaction = Redaction(RedactionSettings())
    marks = "\U00100000\U00100010\U00100001 \U00100000"
    assert redaction.text(f"{marks} document://a%20b%40c.jp {marks}") == (
        f"{marks} document://a%20%3CEMAIL_1%3E {marks}"
    )


def test_a_value_in_sql_stays_inside_its_quotes() -> None:
    redactor = Redactor(RedactionSettings())
    redactor.text("o'brien@example.com 123456789018 03-1234-5678")
    redactor.text("password=\"it's' OR 1=1 --\"")
    given = (
        "SELECT '<EMAIL_1>', \"<EMAIL_1>\", <EMAIL_1>, <MY_NUMBER_1>, <PHONE_1>, E'\\n<EMAIL_1>', '%3CEMAIL_1%3E'"
        " -- <EMAIL_1>\n/* <EMAIL_1> */ WHERE p = '<SECRET_1>' AND q = $1 AND r < 2"
    )
    assert redactor.restored({"sql": given})[0]["sql"] == (
        "SELECT 'o''brien@example.com', \"o'brien@example.com\", 'o''brien@example.com', 123456789018, '03-1234-5678',"
        " E'\\no''brien@example.com', 'o''brien@example.com'"
        " -- <EMAIL_1>\n/* <EMAIL_1> */ WHERE p = 'it''s'' OR 1=1 --' AND q = $1 AND r < 2"
    )


def test_a_placeholder_that_stands_for_nothing_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="<EMAIL_7>"):
        Redactor(RedactionSettings()).restored({"params": [{"x": "<EMAIL_7>"}]})


def test_a_full_vault_still_hides_and_loses_no_key() -> None:
    redactor = Redactor(RedactionSettings(max_values=1))
    redacted = redactor.result("", {"map": {f"p{i}@example.com": i for i in range(4)}})
    assert redacted.data == {"map": {"<EMAIL_1>": 0, "<EMAIL>": 1, "<EMAIL> (3)": 2, "<EMAIL> (4)": 3}}


def test_settings_choose_kinds_regions_and_what_may_be_shown() -> None:
    text = "x@ours.example y@theirs.example 03-1234-5678 10.0.0.1"
    assert Redactor(RedactionSettings(kinds=("ip",))).text(text).endswith("03-1234-5678 <IP_1>")
    assert Redactor(RedactionSettings(allow=("*@OURS.example", "10.*"))).text(text) == (
        "x@ours.example <EMAIL_1> <PHONE_1> 10.0.0.1"
    )
    assert "03-1234-5678" in Redactor(RedactionSettings(phone_regions=("US",))).text(text)
    with pytest.raises(ConfigurationError, match="'XX'"):
        Redactor(RedactionSettings(phone_regions=("JP", "XX")))


def test_numbers_become_text_only_where_they_are_personal() -> None:
    rows = [[123456789018, 123456789017, 4111111111111111, 2.5, True, None, 123456789018.0]]
    data = {"rows": rows, "size": 123456789018}
    assert Redactor(RedactionSettings()).result("", data).data == {
        "rows": [["<MY_NUMBER_1>", 123456789017, "<CARD_1>", 2.5, True, None, "<MY_NUMBER_1>.0"]],
        "size": 123456789018,
    }


def test_the_name_of_a_column_tells_what_its_values_do_not() -> None:
    data = {
        "columns": [{"name": "user_password", "type": "VARCHAR"}, {"name": "電話番号"}, {"name": "郵便番号"}, "n"],
        "rows": [["open sesame", 312345678, "123-4567", 7], ["no", None, "unknown", 8]],
    }
    redacted = Redactor(RedactionSettings()).result('"open sesame",312345678,123-4567,7\nno,,unknown,8\n', data)
    assert redacted.data["rows"] == [["<SECRET_1>", "<PHONE_1>", "<POSTAL_CODE_1>", 7], ["no", None, "unknown", 8]]
    assert redacted.text == '"<SECRET_1>",<PHONE_1>,<POSTAL_CODE_1>,7\nno,,unknown,8\n'
    assert redacted.counts == {"secret": 1, "phone": 1, "postal_code": 1}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "hunter22x") for name in ("password1", "password_2", "pass", "db_pass", "user_pw", "ログインPW")),
        *((name, "さくらもち") for name in ("パスワード１", "初期パスワード（仮）", "合言葉", "new_password_old")),
        *(("token", "abcdefgh12345"), ("pin", "48392"), ("pin", 48392), ("暗証番号2", 4839)),
    ],
)
def test_columns_of_secrets_are_known_by_variants_of_their_names(name: str, value: str | int) -> None:
    data = {"columns": [name], "rows": [[value]]}
    assert Redactor(RedactionSettings()).result("", data).data["rows"] == [["<SECRET_1>"]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("token", "understandably"), ("token_count", 12345678), ("tokens", "abcdefgh12345"), ("pin", 12)),
        *(("pin_code", "560034"), ("compass", "north-west"), ("pass", "passed"), ("bypass", "valve 7")),
    ],
)
def test_columns_whose_names_only_resemble_those_of_secrets_are_left(name: str, value: str | int) -> None:
    data = {"columns": [name], "rows": [[value]]}
    assert Redactor(RedactionSettings()).result("", data).data["rows"] == [[value]]


def test_a_cursor_hides_names_and_still_works() -> None:
    redactor = Redactor(RedactionSettings())
    cursor = base64.urlsafe_b64encode(b'["table", "taro@example.com", 3]').decode().rstrip("=")
    redacted = redactor.result(f"go on with cursor={cursor}.", {"next_cursor": cursor})
    new = redacted.data["next_cursor"]
    assert json.loads(base64.urlsafe_b64decode(new + "=" * (-len(new) % 4))) == ["table", "<EMAIL_1>", 3]
    assert redacted.text == f"go on with cursor={new}."
    assert redactor.restored({"cursor": new})[0] == {"cursor": cursor}


@pytest.mark.slow
async def test_rows_are_redacted_in_both_channels_and_counted(people: Path, cache: Path) -> None:
    async with connect(people, cache=cache, redaction=ON) as client:
        result = await client.call_tool("query_tables", {"sql": "SELECT * FROM people ORDER BY id"})
        assert_nothing_plain(result)
        data = data_of(result)
        assert data["rows"][0][1:] == ["桜", "<EMAIL_1>", "<PHONE_1>", "<MY_NUMBER_1>", "<SECRET_1>", 12345678901]
        assert data["rows"][2][2] == "<EMAIL_1>"
        assert data["redacted"] == {"secret": 3, "email": 2, "my_number": 3, "phone": 3}
        assert "Redacted: 3 secret, 2 email, 3 my_number, 3 phone." in text_of(result)
        assert "12345678901" in text_of(result)
        for name, arguments in {
            "describe_table": {"table": "people"},
            "list_sources": {},
            "query_tables": {"sql": "SUMMARIZE people"},
        }.items():
            assert_nothing_plain(await client.call_tool(name, arguments))


async def test_a_placeholder_works_in_sql_and_params_and_its_value_is_never_shown(people: Path, cache: Path) -> None:
    async with connect(people, cache=cache, redaction=ON) as client:
        shown = data_of(await client.call_tool("query_tables", {"sql": "SELECT * FROM people ORDER BY id"}))["rows"]
        for sql, params in (
            (f"SELECT name, email FROM people WHERE email = '{shown[1][2]}'", None),
            ("SELECT name, email FROM people WHERE email = ?", [shown[1][2]]),
            (f"SELECT name, email FROM people WHERE my_number = {shown[1][4]}", None),
            ("SELECT name, email FROM people WHERE my_number = $n", {"n": shown[1][4]}),
            (f"SELECT name, email FROM people WHERE password = '{shown[1][5]}'", None),
        ):
            result = await client.call_tool("query_tables", {"sql": sql, "params": params})
            assert data_of(result)["rows"] == [["Taro", shown[1][2]]]
            assert_nothing_plain(result)
        # Under another name no pattern knows a password, but it was given or found before.
        for sql in (f"SELECT '{shown[1][5]}' AS x", "SELECT password AS x FROM people WHERE id = 2"):
            aliased = await client.call_tool("query_tables", {"sql": sql})
            assert data_of(aliased)["rows"] == [[shown[1][5]]]


async def test_errors_that_quote_a_value_are_redacted(people: Path, cache: Path) -> None:
    async with connect(people, cache=cache, redaction=ON) as client:
        shown = data_of(await client.call_tool("query_tables", {"sql": "SELECT * FROM people ORDER BY id"}))["rows"]
        for sql in (
            "SELECT CAST(email AS INTEGER) FROM people",
            f"SELECT CAST('{shown[0][5]}' AS INTEGER)",
            f"SELECT * FROM people WHERE missing = '{shown[0][2]}'",
        ):
            result = await client.call_tool("query_tables", {"sql": sql})
            error_of(result)
            assert_nothing_plain(result)
        error = error_of(await client.call_tool("query_tables", {"sql": "SELECT '<EMAIL_99>'"}))
        assert error["code"] == "invalid_input"


async def test_documents_are_redacted_and_pictures_refused(people: Path, cache: Path) -> None:
    (people / "letter.pdf").write_bytes(pdf("Write to taro@example.com or call 03-1234-5678 on 2026-11-22"))
    (people / "notes.md").write_text(
        "# 連絡先\n\n電話は０３－１２３４－５６７８、password: hunter2\n", encoding="utf-8"
    )
    async with connect(people, cache=cache, redaction=ON) as client:
        letter = await client.call_tool("read_document", {"document": "letter.pdf"})
        assert "Write to <EMAIL_1> or call <PHONE_1> on 2026-11-22" in text_of(letter)
        assert_nothing_plain(letter)
        notes = await client.call_tool("read_document", {"document": "notes.md"})
        assert "電話は<PHONE_1.2>、password: <SECRET_1>" in text_of(notes)
        found = await client.call_tool("read_document", {"document": "letter.pdf", "find": "<EMAIL_1>"})
        assert data_of(found)["redacted"] == {"email": 1, "phone": 1}
        assert_nothing_plain(found)
        picture = await client.call_tool("read_document", {"document": "letter.pdf", "view": "image"})
        assert "Pictures can't be redacted" in error_of(picture)["message"]
        assert [block.type for block in picture.content] == ["text"]
        chart = await client.call_tool("plot_query", {"sql": "SELECT name, amount FROM people"})
        assert "Pictures can't be redacted" in error_of(chart)["message"]


@pytest.mark.slow
async def test_names_of_files_are_redacted_and_still_open_them(people: Path, cache: Path) -> None:
    (people / "taro@example.com.csv").write_text("a\n1\n")
    async with connect(people, cache=cache, redaction=ON) as client:
        listed = await client.call_tool("list_sources", {"pattern": "*.csv"})
        assert_nothing_plain(listed)
        assert "taro%40" not in wire(listed)
        [source] = [entry for entry in data_of(listed)["sources"] if "EMAIL" in entry["file"]]
        for name in (source["name"], source["uri"]):
            assert data_of(await client.call_tool("describe_table", {"table": name}))["rows"] == 1


async def test_saved_results_are_redacted_as_text_and_refused_otherwise(people: Path, cache: Path) -> None:
    async with connect(people, cache=cache, redaction=ON) as client:
        for form in ("csv", "json", "parquet"):
            sql = "SELECT * FROM people ORDER BY id"
            uri = data_of(await client.call_tool("query_tables", {"sql": sql, "save": form}))["saved"]["uri"]
            if form == "parquet":
                with pytest.raises(MCPError, match="can't be redacted"):
                    await client.read_resource(uri)
                continue
            [content] = (await client.read_resource(uri)).contents
            text = content.model_dump()["text"]
            assert [value for value in PLAIN if value in text] == []
            assert "桜" in text
            assert "12345678901" in text
            if form == "json":
                assert [json.loads(line)["email"] for line in text.splitlines()] == [
                    "<EMAIL_1>",
                    "<EMAIL_2>",
                    "<EMAIL_1>",
                ]


@pytest.mark.slow
async def test_longer_placeholders_keep_the_budget(people: Path, cache: Path) -> None:
    lines = "".join(f"〒{i // 100:03}-{i:04}\n" for i in range(1_000, 4_000))
    (people / "places.csv").write_text(f"place\n{lines}", encoding="utf-8")
    async with connect(people, cache=cache, redaction=ON, budget={"max_chars": 4_000}) as client:
        result = await client.call_tool("query_tables", {"sql": "FROM places", "max_rows": 500})
        data = data_of(result)
        assert wire_chars(result) <= 4_000
        assert data["truncated"]
        assert data["rows"][0] == ["〒<POSTAL_CODE_1>"]
        following = await client.call_tool(
            "query_tables", {"sql": "FROM places", "max_rows": 500, "cursor": data["next_cursor"]}
        )
        assert data_of(following)["rows"][0] == [f"〒<POSTAL_CODE_{len(data['rows']) + 1}>"]


@pytest.mark.parametrize(("data", "fits"), [({"rows": 3}, True), ({"more": ["a@b.jp " * 90] * 4}, False)])
async def test_a_tool_that_may_take_minutes_runs_once(
    data: dict[str, Any], fits: bool, people: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mcp_context_tools.catalogue import TOOLS
    from mcp_context_tools.tool import Tool as ContextTool
    from mcp_context_tools.tool import ToolInput, ToolResult

    rooms: list[int] = []

    async def run(services: Any, _given: Any, _report: Any) -> ToolResult:
        rooms.append(services.budget.max_chars)
        return ToolResult("\n".join(f"a{place}@b.jp" for place in range(500)), data)

    tool: ContextTool[Any] = ContextTool("write", "Write", "Writes.", ToolInput, run)
    monkeypatch.setattr("mcp_server.server.TOOLS", (*TOOLS, tool))
    async with connect(people, cache=cache, redaction=ON, budget={"max_chars": 4_000}) as client:
        result = await client.call_tool("write", {})
    assert rooms == [3_600]
    if fits:
        assert "[cut: with placeholders" in text_of(result)
        assert data_of(result)["rows"] == 3
        assert 3_900 < wire_chars(result) <= 4_000
    else:
        assert "too long for 4,000 characters" in error_of(result)["message"]


def test_saved_csv_with_a_huge_cell_is_redacted_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    redaction = Redaction(RedactionSettings())
    huge = "x" * 140_000
    assert redaction.saved(f"a,b\nt@example.com,{huge}\n".encode(), "csv") == f"a,b\n<EMAIL_1>,{huge}\n"
    monkeypatch.setattr("mcp_server.redaction.redacting._MOST_CELL", 131_072)
    with pytest.raises(InvalidInputError, match="can't be read"):
        redaction.saved(f"a\n{huge}\n".encode(), "csv")


async def test_progress_is_redacted(people: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mcp_context_tools.catalogue import TOOLS
    from mcp_context_tools.tool import Tool as ContextTool
    from mcp_context_tools.tool import ToolInput, ToolResult

    async def run(_services: Any, _given: Any, report: Any) -> ToolResult:
        await report(1, 2, "reading taro@example.com")
        return ToolResult("done", {})

    tool: ContextTool[Any] = ContextTool("slow", "Slow", "Reports.", ToolInput, run)
    monkeypatch.setattr("mcp_server.server.TOOLS", (*TOOLS, tool))
    heard: list[str | None] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message)

    async with connect(people, cache=cache, redaction=ON) as client:
        await client.call_tool("slow", {}, progress_callback=hear)
    assert heard == ["reading <EMAIL_1>"]


async def test_a_picture_of_any_tool_is_refused(people: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mcp_context_tools.catalogue import TOOLS
    from mcp_context_tools.tool import Image, ToolInput, ToolResult
    from mcp_context_tools.tool import Tool as ContextTool

    async def run(_services: Any, _given: Any, _report: Any) -> ToolResult:
        return ToolResult("drawn", {}, (Image("image/png", b"picture"),))

    tool: ContextTool[Any] = ContextTool("draw", "Draw", "Draws.", ToolInput, run)
    monkeypatch.setattr("mcp_server.server.TOOLS", (*TOOLS, tool))
    async with connect(people, cache=cache, redaction=ON) as client:
        result = await client.call_tool("draw", {})
        assert "Pictures can't be redacted" in error_of(result)["message"]
        assert [block.type for block in result.content] == ["text"]


@pytest.fixture
def record_factory() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(before)


@pytest.mark.usefixtures("record_factory")
def test_log_lines_and_tracebacks_are_redacted(caplog: pytest.LogCaptureFixture) -> None:
    redact_logs(RedactionSettings())
    log = logging.getLogger("fresh_context")
    try:
        raise ValueError("no such user: taro@example.com")
    except ValueError:
        log.exception("%s failed", "call of 090-1234-5678")
    assert "taro@" not in caplog.text
    assert "ValueError: no such user: <EMAIL>" in caplog.text
    assert "call of <PHONE> failed" in caplog.text


@pytest.mark.usefixtures("record_factory")
def test_a_log_line_that_cannot_be_formatted_and_a_stack_are_redacted(caplog: pytest.LogCaptureFixture) -> None:
    redact_logs(RedactionSettings())
    log = logging.getLogger("fresh_context")
    log.warning("%(user)s failed", {"name": "taro@example.com"})
    log.warning("failed %s", "here", stack_info=True)  # hanako@example.com
    assert "%(user)s failed {'name': '<EMAIL>'}" in caplog.text
    assert "# <EMAIL>" in caplog.text
    assert "@example" not in caplog.text


def test_a_number_that_another_thread_made_forgotten_is_still_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetting(dict[str, Any]):
        def __setitem__(self, written: str, meaning: Any) -> None:
            """Keep nothing, as when all is cleared at this moment."""

    phones = PhoneNumbers(["JP"])
    monkeypatch.setattr(phones, "_meanings", Forgetting())
    assert [finding.normal for finding in phones.find(Legible("03-1234-5678"))] == ["+81312345678"]


def test_without_its_libraries_redaction_refuses_to_start(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "mcp_context_resources.redaction.contacts", raising=False)
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    with pytest.raises(ConfigurationError, match="phonenumbers") as caught:
        create_server(settings_for(tmp_path, cache=cache, redaction=ON))
    assert "fresh-context[redact]" in caught.value.hint


@pytest.mark.slow
def test_nothing_of_it_is_imported_while_it_is_off(tmp_path: Path) -> None:
    code = (
        "import sys; from mcp_server.server import create_server; from mcp_server.settings import Settings;"
        f"create_server(Settings.model_validate({{'workspace': {{'roots': [{str(tmp_path)!r}]}}}}));"
        "print([name for name in ('detect_secrets', 'phonenumbers', 'stdnum') if name in sys.modules])"
    )
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"


def test_hostile_text_is_searched_in_bounded_time() -> None:
    size = 60_000
    texts = (
        *(f"{KEY[:31]}\n{'A' * 16} " * (size // 50), "-----END PRIVATE KEY-----" * (size // 25)),
        *(
            f"{'A1z' * 21}\n" * (size // 64),
            "a: " * (size // 3) + KEY[-29:],
            f"{'a' * 15}\n" * (size // 16) + KEY[-29:],
        ),
        *("eyJ" * (size // 3), "a@" * (size // 2), "password=" * (size // 9), KEY[:31] * (size // 31)),
        *(
            "://a:" * (size // 5),
            "AA00AAAA " * (size // 9),
            "1 " * (size // 2),
            "ab:" * (size // 3),
            "0-" * (size // 2),
        ),
    )
    # Each takes minutes where time grows with the square of the size; nothing but coming to an end is checked.
    redactor = Redactor(RedactionSettings())
    assert all(redactor.restored({"x": redactor.text(text)})[0]["x"] == text for text in texts)
