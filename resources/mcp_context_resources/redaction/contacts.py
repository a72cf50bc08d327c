"""Contacts: how to reach people, e-mail addresses, phone numbers, Japanese postal codes."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, Final

from phonenumbers import (
    NumberParseException,
    PhoneMetadata,
    PhoneNumber,
    is_possible_number,
    is_valid_number,
    parse,
)
from phonenumbers.phonenumberutil import SUPPORTED_REGIONS

from mcp_context_resources.errors import ConfigurationError
from mcp_context_resources.redaction.finding import Finding, digits_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mcp_context_resources.redaction.finding import Legible

_LOCAL: Final = string.ascii_letters + string.digits + "._%+'-"
_MOST_LOCAL: Final = 64
_WIDE_LOCAL: Final = re.compile(r"[^\W\d_]{1,20}\Z")
_DOMAIN: Final = re.compile(
    r"(?:@|%40)\n?((?:[A-Za-z0-9][A-Za-z0-9-]{0,62}\.)+(?:[A-Za-z]{2,24}|xn--[A-Za-z0-9-]{2,59}))(?![A-Za-z0-9])"
)
# `logo@2x.png` is a picture for dense screens.
_DENSE: Final = re.compile(r"[0-9](?:\.[0-9])?x\.")

_BEFORE: Final = r"(?<![0-9A-Za-z])(?<![0-9][-.])"
# An extension may follow: `x12`.
_AFTER: Final = r"(?!(?!x[0-9])[0-9A-Za-z])(?!-[0-9])(?!\.[0-9]*[1-9])"
_GAP: Final = r"(?:[ .-]|-[ ]?\n)?"
_INTERNATIONAL: Final = re.compile(
    rf"(?<![0-9A-Za-z+])\+[0-9](?:(?:[ .-]|-[ ]?\n|[ ]?\(0?|\)[ -]?)?[0-9]){{7,14}}{_AFTER}"
)
_TRUNK: Final = re.compile(
    rf"{_BEFORE}(?:\(?0[1-9][0-9]{{0,3}}\)?{_GAP}\(?[0-9]{{1,4}}\)?{_GAP}[0-9]{{3,4}}"
    rf"|0[1-9](?:[ .-]?[0-9]{{2}}){{4}}){_AFTER}"
)
_AMERICAN: Final = re.compile(
    rf"{_BEFORE}(?:1[-. ])?(?:\([2-9][0-9]{{2}}\)[ -]?[0-9]{{3}}[-. ][0-9]{{4}}"
    rf"|[2-9][0-9]{{2}}([-.])[0-9]{{3}}\1[0-9]{{4}}){_AFTER}"
)
_REMEMBERED: Final = 8_192

_PREFECTURE: Final = r"(?:北海道|東京都|大阪府|京都府|[一-龥]{2,3}県|[一-龥ヶ]{1,6}[市区郡])"
_POSTAL_MARKS: Final = ("〒", "郵便番号", "postal code", "postcode", "zip code", "zipcode")
_MARKED: Final = re.compile(r"[ :]{0,3}([0-9]{3}-?[0-9]{4})(?![0-9-])")
_ADDRESSED: Final = re.compile(rf"{_BEFORE}([0-9]{{3}}-[0-9]{{4}})(?=[\s,\"]{{0,3}}{_PREFECTURE})")
_PLACE_MARKS: Final = "県市区郡都府道"


class EmailAddresses:
    """Finds e-mail addresses, also where a line ends at the @."""

    def find(self, page: Legible) -> Iterator[Finding]:
        """Find addresses; the part before the @ may be Japanese."""
        text = page.text
        if "@" not in text and "%40" not in text:
            return
        for match in _DOMAIN.finditer(text):
            at, domain = match.start(), match[1]
            head = text[max(0, at - _MOST_LOCAL) : at]
            local = head[len(head.rstrip(_LOCAL)) :].lstrip("._%+'-")
            if not local and (wide := _WIDE_LOCAL.search(head)):
                local = wide[0]
            if local and not _DENSE.match(domain):
                yield Finding(at - len(local), match.end(), "email", f"{local}@{domain}".casefold())


class PhoneNumbers:
    """Finds phone numbers of some regions, and of all with a country code.

    Only what is written like one and is valid for its country: a number of ten digits without a leading 0 or +
    is left, and so are dates and amounts. Raises `ConfigurationError` for an unknown region.
    """

    def __init__(self, regions: Sequence[str]) -> None:
        if unknown := [region for region in regions if region.upper() not in SUPPORTED_REGIONS]:
            raise ConfigurationError(
                f"The region {unknown[0]!r} in redaction.phone_regions is unknown.", "Use codes such as JP, US, GB."
            )
        known = [PhoneMetadata.metadata_for_region(region.upper()) for region in regions]
        plans = [(plan.country_code or 0, plan.national_prefix) for plan in known if plan is not None]
        self._trunk_codes = [code for code, prefix in plans if prefix == "0"]
        self._american = any(code == 1 for code, _ in plans)
        self._meanings: dict[str, str] = {}

    def find(self, page: Legible) -> Iterator[Finding]:
        """Find phone numbers."""
        if "+" in page.text:
            yield from self._valid(_INTERNATIONAL.finditer(page.text))
        if self._trunk_codes:
            yield from self._valid(page.matches(_TRUNK))
        if self._american:
            yield from self._valid(page.matches(_AMERICAN))

    def _valid(self, matches: Iterable[re.Match[str]]) -> Iterator[Finding]:
        for match in matches:
            written = match[0]
            meaning = self._meanings.get(written)
            if meaning is None:
                if len(self._meanings) >= _REMEMBERED:
                    self._meanings.clear()
                meaning = self._meanings[written] = self._meaning(written) or ""
            if meaning:
                start = match.start() + (written[0] == "(" and ")" not in written)
                yield Finding(start, match.end(), "phone", meaning)

    def _meaning(self, written: str) -> str | None:
        """Return a valid number as +81312345678."""
        digits = digits_of(written)
        if written[0] == "+":
            return _international(written)
        if written.lstrip("(")[0] != "0":
            return _valid(1, digits[-10:])
        return next(filter(None, (_valid(code, digits[1:]) for code in self._trunk_codes)), None)


def _international(written: str) -> str | None:
    try:
        number = parse(written.replace("\n", ""), None)
    except NumberParseException:
        return None
    return f"+{number.country_code}{number.national_number}" if is_valid_number(number) else None


def _valid(code: int, national: str) -> str | None:
    number = PhoneNumber(country_code=code, national_number=int(national))
    return f"+{code}{national}" if is_possible_number(number) and is_valid_number(number) else None


class PostalCodes:
    """Finds Japanese postal codes: after 〒 or the word, or before an address. Bare ones may be anything."""

    def find(self, page: Legible) -> Iterator[Finding]:
        """Find postal codes."""
        matches = [_MARKED.match(page.text, end) for _, end in page.after(_POSTAL_MARKS)]
        if any(mark in page.text for mark in _PLACE_MARKS):
            matches += _ADDRESSED.finditer(page.text)
        for match in filter(None, matches):
            yield Finding(*match.span(1), "postal_code", digits_of(match[1]))
