"""The redactor: finds secrets and personal data in texts and results, and puts placeholders in their place."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fnmatch import translate
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import ConfigurationError
from mcp_context_resources.redaction.columns import kind_by_sign
from mcp_context_resources.redaction.finding import BREAK, KINDS, LITERAL, Finding, Legible, legible, merged, plain
from mcp_context_resources.redaction.restoring import Restorer
from mcp_context_resources.redaction.structured import CURSOR_KEY, walked, walked_cursor
from mcp_context_resources.redaction.vault import PLACEHOLDER, Vault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mcp_context_resources.redaction.finding import Detector
    from mcp_context_resources.redaction.settings import RedactionSettings

# A detector knows these by their form alone, so it has found every one.
_BY_FORM: Final = frozenset({"email", "phone", "card", "my_number", "ssn", "ip"})
_LEAST_KNOWN: Final = 4
_LEAST_TELLING: Final = 6
_DIGIT: Final = re.compile("[0-9]")
_FILLING: Final = re.compile(r"[\s().-]")


@dataclass(frozen=True, slots=True)
class Redacted:
    """A result after redaction; `counts` has the number of different values taken out, by kind."""

    text: str
    data: dict[str, Any]
    counts: dict[str, int]


class Redactor:
    """Replaces values by placeholders and turns them back, with one vault for as long as it lives.

    It keeps secrets from getting out by accident. It can't know names of people, values written in words, or parts
    of a value that a statement cut out.

    Raises `ConfigurationError` when the libraries of the `redact` extra are missing or a phone region is unknown.
    """

    def __init__(self, settings: RedactionSettings) -> None:
        self._kinds = frozenset(settings.kinds) | {LITERAL}
        self._detectors = _detectors(settings)
        self._vault = Vault(settings.max_values)
        allowed = "|".join(translate(plain(glob)) for glob in settings.allow)
        self._allowed = re.compile(allowed) if allowed else None

    def text(self, text: str, known: Mapping[str, str] | None = None) -> str:
        """Redact one text, and in it also `known` values (value → kind)."""
        return self._redacted([text], known or {}, {})[0][0]

    def find(self, text: str, known: Mapping[str, str] | None = None) -> list[Finding]:
        """Return where values stand in a text, in order and without overlap, `known` ones (value → kind) too."""
        return merged(self._find(text, known or {}))

    def result(self, text: str, data: dict[str, Any], known: Mapping[str, str] | None = None) -> Redacted:
        """Redact both channels of a result; a value that one channel shows as such is taken out of both."""
        parts, signs = _parts_of(data)
        cursors = _cursors_of(data)
        around = re.split(f"({'|'.join(map(re.escape, cursors))})", text) if cursors else [text]
        texts = around[::2]
        cells: dict[int, str] = {}
        for place, (part, sign) in enumerate(zip(parts, signs, strict=True), start=len(texts)):
            if kind := (kind_by_sign(sign, legible(part)) if sign else None) or self._kind_before(part):
                cells[place] = kind
        values = dict(known or {})
        if text:
            values |= {parts[place - len(texts)].strip(): kind for place, kind in cells.items()}
        replaced, counts = self._redacted([*texts, *parts], values, cells)
        shown, rest = replaced[: len(texts)], iter(replaced[len(texts) :])

        def visit(value: str | float, _sign: int | None) -> str | float:
            new = next(rest)
            return value if new == _written(value) else new

        new_data = walked(data, visit)
        changed = dict(zip(cursors, _cursors_of(new_data), strict=True))
        pieces = [shown[place // 2] if place % 2 == 0 else changed[piece] for place, piece in enumerate(around)]
        return Redacted("".join(pieces), new_data, counts)

    def restored(self, arguments: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Turn placeholders in a call's arguments back; also returns the values that were used (value → kind).

        Raises `InvalidInputError` for a placeholder that stands for nothing.
        """
        restorer = Restorer(self._vault)
        return {name: _restored(name, value, restorer) for name, value in arguments.items()}, restorer.used

    def _kind_before(self, part: str) -> str | None:
        """Return the kind of a whole value found before, perhaps under a name that told more.

        A common word may well be someone's password; it is left.
        """
        kind = self._vault.kind_of(part) if len(part) >= _LEAST_TELLING else None
        return kind if kind and _DIGIT.search(part) else None

    def _redacted(
        self, texts: Sequence[str], known: Mapping[str, str], cells: Mapping[int, str]
    ) -> tuple[list[str], dict[str, int]]:
        """Redact texts and count; `known` are values wherever they stand, `cells` the texts that are a value whole."""
        joined = BREAK.join(texts)
        findings = merged([*self._find(joined, known), *self._whole(texts, cells)])
        used: dict[str, set[str]] = {}
        replaced: list[str] = []
        start, place = 0, 0
        for text in texts:
            end, pieces, at = start + len(text), [], start
            while place < len(findings) and findings[place].start < end:
                finding = findings[place]
                written = finding.value or joined[finding.start : finding.end]
                placeholder = self._vault.placeholder(finding.kind, finding.normal or written, written)
                used.setdefault(finding.kind, set()).add(placeholder)
                pieces += [joined[at : finding.start], placeholder]
                at, place = finding.end, place + 1
            replaced.append("".join([*pieces, joined[at:end]]) if pieces else text)
            start = end + len(BREAK)
        return replaced, {kind: len(used[kind]) for kind in (*KINDS, LITERAL) if kind in used}

    def _find(self, joined: str, known: Mapping[str, str]) -> Iterator[Finding]:
        for match in PLACEHOLDER.finditer(joined):
            yield Finding(*match.span(), LITERAL, match[0])
        page = Legible(joined)
        seen: set[str] = set()
        for detector in self._detectors:
            for finding in detector.find(page):
                written = joined[finding.start : finding.end]
                if finding.kind in self._kinds and not self._is_allowed(written):
                    if finding.kind in _BY_FORM:
                        seen.add(written)
                    yield finding
        for value, kind in known.items():
            if value not in seen and kind in self._kinds and not self._is_allowed(value):
                yield from _occurrences(joined, value, kind)

    def _whole(self, texts: Sequence[str], cells: Mapping[int, str]) -> Iterator[Finding]:
        start = 0
        for place, text in enumerate(texts):
            value, kind = text.strip(), cells.get(place)
            if kind is not None and kind in self._kinds and not self._is_allowed(value):
                at = start + text.index(value)
                yield Finding(at, at + len(value), kind, _normal(value, kind))
            start += len(text) + len(BREAK)

    def _is_allowed(self, written: str) -> bool:
        return self._allowed is not None and self._allowed.match(plain(written)) is not None


def _detectors(settings: RedactionSettings) -> list[Detector]:
    try:
        from mcp_context_resources.redaction.contacts import EmailAddresses, PhoneNumbers, PostalCodes
        from mcp_context_resources.redaction.credentials import Credentials
        from mcp_context_resources.redaction.identity import IdentityNumbers
        from mcp_context_resources.redaction.networks import NetworkAddresses
    except ImportError as error:
        raise ConfigurationError(
            f"Redaction is asked for, but {error.name} isn't installed.", "Run pip install 'fresh-context[redact]'."
        ) from error
    wanted: list[tuple[set[str], Detector]] = [
        ({"secret"}, Credentials()),
        ({"email"}, EmailAddresses()),
        ({"card", "bank_account", "my_number", "ssn", "id_document"}, IdentityNumbers()),
        ({"phone"}, PhoneNumbers(settings.phone_regions)),
        ({"postal_code"}, PostalCodes()),
        ({"ip"}, NetworkAddresses()),
    ]
    return [detector for kinds, detector in wanted if kinds & set(settings.kinds)]


def _parts_of(data: dict[str, Any]) -> tuple[list[str], list[int | None]]:
    """Return the texts and numbers of data as texts, and what the name of each one's column says."""
    parts: list[str] = []
    signs: list[int | None] = []

    def visit(value: str | float, sign: int | None) -> str | float:
        parts.append(_written(value))
        signs.append(sign)
        return value

    walked(data, visit)
    return parts, signs


def _written(value: str | float) -> str:
    return value if isinstance(value, str) else str(value)


def _cursors_of(data: dict[str, Any]) -> list[str]:
    cursor = data.get(CURSOR_KEY)
    return [cursor] if isinstance(cursor, str) else []


def _occurrences(text: str, value: str, kind: str) -> Iterator[Finding]:
    """Find a value wherever it stands alone, also as CSV and JSON escape it."""
    if len(value) < _LEAST_KNOWN:
        return
    normal = _normal(value, kind)
    for form in dict.fromkeys((value, value.replace('"', '""'), json.dumps(value, ensure_ascii=False)[1:-1])):
        at = text.find(form)
        while at >= 0:
            end = at + len(form)
            if not (_joins(text[at - 1 : at], form[0]) or _joins(form[-1], text[end : end + 1])):
                yield Finding(at, end, kind, normal, value if form != value else "")
            at = text.find(form, end)


def _normal(value: str, kind: str) -> str:
    return value if kind == "secret" else _FILLING.sub("", plain(value))


def _joins(left: str, right: str) -> bool:
    """Say whether two characters make one word or number."""
    return left.isascii() and right.isascii() and left.isalnum() and right.isalnum()


def _restored(name: str, value: Any, restorer: Restorer) -> Any:
    if isinstance(value, dict):
        return {restorer.text(key): _restored(key, item, restorer) for key, item in value.items()}
    if isinstance(value, list):
        return [_restored(name, item, restorer) for item in value]
    if not isinstance(value, str):
        return value
    if name == "cursor":
        return walked_cursor(value, lambda part, _sign: restorer.text(str(part)))
    return restorer.sql(value) if name == "sql" else restorer.text(value)
