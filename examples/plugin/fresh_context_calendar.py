"""Calendars (iCalendar, RFC 5545) for Fresh Context: the events of an `.ics` file, as a document and as a table.

The server imports this module for its declarations alone; `sections` and `events` run in confined worker processes.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mcp_context_resources.documents.converted import Converted, Section
from mcp_context_resources.documents.reader import DocumentReader
from mcp_context_resources.errors import UnreadableSourceError
from mcp_context_resources.tables.reader import TableReader
from mcp_context_resources.text_encoding import decode_text
from mcp_context_resources.workers.job import deadline_exceeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from mcp_context_resources.documents.spec import DocumentFile
    from mcp_context_resources.workers.job import Job

DOCUMENTS = DocumentReader(
    format="calendar",
    title="a calendar",
    endings=(".ics",),
    open="fresh_context_calendar:sections",
    version="1",
    libraries=("fresh-context-calendar",),
)
"""What the entry point `calendar` of documents names."""

TABLES = TableReader(
    format="calendar",
    endings=(".ics",),
    load="fresh_context_calendar:events",
    version="1",
    libraries=("fresh-context-calendar",),
)
"""What the entry point `calendar` of tables names."""

_MAX_BYTES = 64 << 20
_FOLDED = re.compile(r"\r?\n[ \t]")
_LINE = re.compile(r'([A-Za-z0-9-]+)((?:;[A-Za-z0-9-]+=(?:"[^"]*"|[^;:"])*)*):(.*)', re.DOTALL)
_ESCAPED = re.compile(r"\\([\\;,nN])")
_SHOWN = (("LOCATION", "Where"), ("ORGANIZER", "Organizer"), ("STATUS", "Status"), ("RRULE", "Repeats"))


class Event(NamedTuple):
    """An event: when it begins and ends as ISO 8601 (a date where it takes whole days), and what else is said of it."""

    starts: str
    ends: str
    summary: str
    values: dict[str, str]
    attendees: int


class Calendar(NamedTuple):
    """A calendar: its name, the program that wrote it, and its events."""

    name: str
    made_by: str
    events: list[Event]


def sections(job: Job, file: DocumentFile) -> Converted:
    """Read a calendar as a document, an event a section.

    Raises `UnreadableSourceError` for what is no calendar, `DeadlineExceededError`.
    """
    calendar = read(job, file.path, file.encoding)
    parts = [Section(event.summary, 1, _text(event), _markdown(event)) for event in calendar.events]
    properties = {"events": len(parts), "made_by": calendar.made_by}
    if calendar.events:
        properties |= {"first": calendar.events[0].starts, "last": calendar.events[-1].starts}
    return Converted(calendar.name, properties, parts)


def events(job: Job, connection: duckdb.DuckDBPyConnection, path: str, part: str, scratch: Path) -> list[str]:
    """Make the table `data` of a calendar, an event a row; raises as `sections`."""
    del part, scratch
    connection.execute(
        "CREATE TABLE data (starts TIMESTAMP, ends TIMESTAMP, time_zone VARCHAR, summary VARCHAR, location VARCHAR,"
        " organizer VARCHAR, status VARCHAR, repeats VARCHAR, attendees BIGINT, description VARCHAR)"
    )
    insert = "INSERT INTO data VALUES (TRY_CAST(? AS TIMESTAMP), TRY_CAST(? AS TIMESTAMP), ?, ?, ?, ?, ?, ?, ?, ?)"
    for event in read(job, path).events:
        starts, _, zone = event.starts.partition(" ")
        told = [event.values.get(key) for key in ("LOCATION", "ORGANIZER", "STATUS", "RRULE")]
        values = [starts, event.ends.partition(" ")[0], zone or None, event.summary, *told, event.attendees]
        connection.execute(insert, [*values, event.values.get("DESCRIPTION")])
    return []


def read(job: Job, path: str, encoding: str | None = None) -> Calendar:
    """Read a calendar; raises as `sections` does."""
    name = Path(path).name
    if Path(path).stat().st_size > _MAX_BYTES:
        raise UnreadableSourceError(f"{name!r} is larger than {_MAX_BYTES >> 20} MB.", "Export fewer events.")
    text = decode_text(Path(path).read_bytes(), name, encoding).text
    lines = _lines(text)
    if next(lines, ("", "", "")) != ("BEGIN", "", "VCALENDAR"):
        raise UnreadableSourceError(f"{name!r} is no calendar.", "A calendar begins with the line BEGIN:VCALENDAR.")
    told = {"X-WR-CALNAME": "", "PRODID": ""}
    events = []
    for key, _, value in lines:
        if job.should_stop:
            raise deadline_exceeded(job.deadline_seconds)
        if (key, value) == ("BEGIN", "VEVENT"):
            events.append(_event(lines))
        elif key in told:
            told[key] = _plain(value)
    events.sort(key=lambda event: event.starts)
    return Calendar(told["X-WR-CALNAME"], told["PRODID"], events)


def _lines(text: str) -> Iterator[tuple[str, str, str]]:
    """Give the content lines, unfolded: name, parameters, value."""
    for line in _FOLDED.sub("", text).splitlines():
        if found := _LINE.fullmatch(line):
            yield found[1].upper(), found[2], found[3].strip()


def _event(lines: Iterator[tuple[str, str, str]]) -> Event:
    """Read lines up to the end of an event; those of alarms inside it are left out."""
    values: dict[str, str] = {}
    attendees, inside = 0, 0
    for key, parameters, value in lines:
        if (key, value) == ("END", "VEVENT"):
            break
        inside += (key == "BEGIN") - (key == "END")
        if inside or key in ("BEGIN", "END"):
            continue
        attendees += key == "ATTENDEE"
        values.setdefault(key, _moment(value, parameters) if key in ("DTSTART", "DTEND") else _plain(value))
    return Event(values.get("DTSTART", ""), values.get("DTEND", ""), values.get("SUMMARY", ""), values, attendees)


def _moment(value: str, parameters: str) -> str:
    """Write a date or time as ISO 8601, with the name of its zone; what is neither stays as it is."""
    try:
        if len(value) == len("20260105"):
            return date.fromisoformat(value).isoformat()
        moment = datetime.fromisoformat(value).isoformat(timespec="minutes")
    except ValueError:
        return _plain(value)
    zone = re.search(r';TZID="?([^;"]+)', parameters, re.IGNORECASE)
    return f"{moment} {zone[1]}" if zone else moment


def _plain(value: str) -> str:
    """Take the escapes out of a text, and characters that nobody sees."""
    text = _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], value.removeprefix("mailto:"))
    return "".join(character for character in text if character.isprintable() or character == "\n")


def _text(event: Event) -> str:
    return "\n".join([event.summary, *(f"{name}: {value}" for name, value in _told(event)), *_description(event)])


def _markdown(event: Event) -> str:
    lines = [f"# {event.summary}", "", *(f"- **{name}:** {value}" for name, value in _told(event))]
    return "\n".join([*lines, *(f"\n{text}" for text in _description(event))])


def _told(event: Event) -> Iterator[tuple[str, str]]:
    if event.starts:
        yield "When", f"{event.starts} to {event.ends}" if event.ends else event.starts
    for key, name in _SHOWN:
        if value := event.values.get(key):
            yield name, value
    if event.attendees:
        yield "Attendees", str(event.attendees)


def _description(event: Event) -> list[str]:
    return [text] if (text := event.values.get("DESCRIPTION", "")) else []
