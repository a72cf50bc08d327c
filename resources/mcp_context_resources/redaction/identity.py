"""Identity numbers of a person or an account: My Number, cards, IBAN, US social security, documents."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from stdnum import iban, luhn
from stdnum.jp import in_ as my_number
from stdnum.us import ssn

from mcp_context_resources.redaction.finding import Finding, digits_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_context_resources.redaction.finding import Legible

_BEFORE: Final = r"(?<![0-9A-Za-z])(?<![0-9][-.])"
_AFTER: Final = r"(?![0-9A-Za-z])(?!-[0-9])(?!\.[0-9]*[1-9])"

_MY_NUMBER: Final = re.compile(
    rf"{_BEFORE}(?<![0-9]{{4}}[ -])[0-9]{{4}}([ -]?)[0-9]{{4}}\1[0-9]{{4}}{_AFTER}(?![ -][0-9]{{4}}(?![0-9]))"
)
_MY_NUMBER_WORD: Final = re.compile(r"マイナンバー|個人番号|my ?number|individual number", re.IGNORECASE)
_MINUTE: Final = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d")
_WORD_CHARS: Final = 30

_CARD: Final = re.compile(
    rf"{_BEFORE}(?:[0-9]{{4}}([ -])[0-9]{{4}}\1[0-9]{{4}}\1[0-9]{{2,4}}|3[0-9]{{3}}([ -])[0-9]{{6}}\2[0-9]{{4,5}}"
    rf"|[0-9]{{13,19}}){_AFTER}"
)
# Issuers and how long their numbers are; others are left, as a tenth of all numbers passes the check.
_ISSUERS: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|35(?:2[89]|[3-8]\d)\d{12}|6(?:011|5\d\d|4[4-9]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}|62\d{14,17}"
)

_IBAN: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_SSN: Final = re.compile(rf"{_BEFORE}[0-9]{{3}}-[0-9]{{2}}-[0-9]{{4}}{_AFTER}")

# Numbers without a check digit are told by the word before them: kind, words, what follows.
_NAMED: Final = (
    (
        "bank_account",
        ("口座番号", "口座no", "口座", "普通", "当座", "account number", "account no"),
        re.compile(r"[\s:.]{0,3}([0-9]{6,8}|[0-9]{3}-[0-9]{4})(?![0-9A-Za-z-])"),
    ),
    (
        "id_document",
        (
            *("免許番号", "免許証番号", "免許証の番号", "旅券番号", "パスポート番号", "在留カード番号", "保険証番号"),
            *("passport number", "passport no", "license number", "licence number", "license no", "licence no"),
        ),
        re.compile(r"[\s:.はが]{0,3}((?=[A-Z]{0,2}[0-9-]{0,2}[0-9]{4})[A-Z0-9][A-Z0-9-]{5,15})(?![0-9A-Za-z])"),
    ),
)


class IdentityNumbers:
    """Finds numbers of people and accounts that check digits or the word before them confirm."""

    def find(self, page: Legible) -> Iterator[Finding]:
        """Find My Number, cards, bank accounts, social security and documents."""
        yield from _my_numbers(page)
        yield from _cards(page)
        yield from _ibans(page.text)
        for number in page.matches(_SSN):
            if ssn.is_valid(number[0]):
                yield Finding(*number.span(), "ssn", digits_of(number[0]))
        for kind, words, following in _NAMED:
            for _, end in page.after(words):
                if named := following.match(page.text, end):
                    yield Finding(*named.span(1), kind, named[1].replace("-", ""))


def _my_numbers(page: Legible) -> Iterator[Finding]:
    for match in page.matches(_MY_NUMBER):
        digits = digits_of(match[0])
        if not my_number.is_valid(digits):
            continue
        start = match.start()
        named = _MY_NUMBER_WORD.search(page.text, max(0, start - _WORD_CHARS), start)
        if named or not _MINUTE.fullmatch(match[0]):
            yield Finding(*match.span(), "my_number", digits)


def _cards(page: Legible) -> Iterator[Finding]:
    for match in page.matches(_CARD):
        digits = digits_of(match[0])
        if _ISSUERS.fullmatch(digits) and luhn.is_valid(digits) and len(set(digits)) > 1:
            yield Finding(*match.span(), "card", digits)


def _ibans(text: str) -> Iterator[Finding]:
    for match in _IBAN.finditer(text):
        written = match[0]
        # Words in capitals may follow; the number ends where it checks.
        while len(written) >= 15:
            number = written.replace(" ", "")
            if _checks(number) and iban.is_valid(number):
                yield Finding(match.start(), match.start() + len(written), "bank_account", number)
                break
            written = written.rpartition(" ")[0]


def _checks(number: str) -> bool:
    """Say whether an IBAN's check digits are right (ISO 7064, mod 97): far cheaper than all of its form."""
    return int("".join(str(int(char, 36)) for char in number[4:] + number[:4])) % 97 == 1
