"""Provenance: where a fact comes from, the source and when it was read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote

Kind = Literal["table", "document", "model"]
"""What a source is to a caller."""


@dataclass(frozen=True, slots=True)
class SourceRef:
    """One source as a result names it.

    `modified` is when it changed last, empty where that isn't known, `read_at` the moment its content was read for this
    answer; both UTC, to the second.
    """

    uri: str
    name: str
    file: str
    modified: str
    fingerprint: str
    read_at: str

    def as_dict(self) -> dict[str, str]:
        """Return all of it, as it goes into an answer."""
        return asdict(self)


def source_uri(kind: Kind, name: str) -> str:
    """Return the resource URI of a source (`table://…`, `document://…`, `model://…`), percent-encoded per RFC 3986."""
    return f"{kind}://{quote(name, safe='/')}"


def utc_text(moment: datetime) -> str:
    """Write a moment as `2026-11-21T08:30:00Z`."""
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def now_text() -> str:
    """Write the present moment, as `utc_text`."""
    return utc_text(datetime.now(UTC))
