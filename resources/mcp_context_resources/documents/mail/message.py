"""Messages of e-mail (RFC 5322, MIME) through the standard library."""

from __future__ import annotations

import email
import email.errors
import email.utils
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.documents.converted import Converted, Section
from mcp_context_resources.documents.mail.headers import RawHeaders, addresses, decoded, file_name, header
from mcp_context_resources.documents.markup.conversion_errors import INSTALL_HINT, check
from mcp_context_resources.documents.markup.plain_text import cut_at_paragraphs
from mcp_context_resources.documents.markup.rich_text import escaped, visible
from mcp_context_resources.documents.markup.section_builder import SectionBuilder
from mcp_context_resources.errors import ContextError, DeadlineExceededError
from mcp_context_resources.file_errors import broken

if TYPE_CHECKING:
    from email.message import Message

    from mcp_context_resources.documents.spec import DocumentFile
    from mcp_context_resources.workers.job import Job

_MAX_BYTES: Final = 64 << 20
_MAX_PARTS: Final = 1_000
_DEEPEST: Final = 20
_MAX_BOUNDARIES: Final = 2_000
_PEOPLE: Final = ("From", "To", "Cc", "Bcc", "Reply-To")
_SHOWN: Final = 20


def convert(job: Job, file: DocumentFile) -> Converted:
    """Read a message: a section with its headers and the list of attachments, its body, messages attached to it.

    Plain text is preferred to HTML, which needs lxml. Attachments are named, not opened.

    Raises `UnreadableSourceError`, `DeadlineExceededError`.
    """
    if (size := Path(file.path).stat().st_size) > _MAX_BYTES:
        raise broken(
            file.path, f"has {size >> 20:,} MB; up to {_MAX_BYTES >> 20} MB of mail are read.", "Export it again."
        )
    content = Path(file.path).read_bytes()
    if content.lower().count(b"boundary=") > _MAX_BOUNDARIES:
        raise broken(file.path, f"holds more than {_MAX_BOUNDARIES:,} nested or attached messages.", "Split the file.")
    try:
        message = email.message_from_bytes(content.removeprefix(b"\xef\xbb\xbf"), policy=RawHeaders())
    except RecursionError as error:
        raise broken(file.path, "is nested too deeply to be a real message.") from error
    if not any(message.get(name) for name in ("From", "To", "Subject", "Date", "Received", "Message-ID")):
        raise broken(file.path, "is no e-mail message: it has no header lines.")
    reader = _MessageConverter(job, file.path)
    reader.message(message, 0)
    properties = reader.properties | ({"attachments": reader.attachments} if reader.attachments else {})
    return Converted(header(message, "Subject"), properties, reader.sections, reader.notes())


class _MessageConverter:
    """Reads a message and those attached to it."""

    def __init__(self, job: Job, path: str) -> None:
        self._job, self._path = job, path
        self.sections: list[Section] = []
        self.attachments: list[dict[str, Any]] = []
        self.properties: dict[str, Any] = {}
        self._notes: list[str] = []
        self._parts = 0

    def message(self, message: Message, depth: int) -> None:
        """Read one message; `depth` counts the messages it is attached to."""
        head = _head(message)
        if not depth:
            self.properties = {key: value for key, value in head.items() if key != "subject"}
        bodies: list[Message] = []
        inner: list[Message] = []
        first = len(self.attachments)
        self._sort(message, bodies, inner, 0)
        place = len(self.sections)
        for body in bodies:
            self._body(body)
        self.sections.insert(place, _head_section(head, self.attachments[first:], depth))
        for attached in inner:
            if depth < _DEEPEST:
                self.message(attached, depth + 1)
            else:
                self._note(f"Messages attached more than {_DEEPEST} levels deep are left out.")

    def notes(self) -> list[str]:
        return self._notes

    def _sort(self, part: Message, bodies: list[Message], inner: list[Message], depth: int) -> None:
        """Tell bodies to be shown, attachments and attached messages apart."""
        check(self._job)
        self._parts += 1
        if self._parts > _MAX_PARTS or depth > _DEEPEST:
            self._note("Parts beyond a thousand, or nested more than twenty levels deep, are left out.")
            return
        kind = part.get_content_type()
        payload: Any = part.get_payload()
        if kind == "message/rfc822" and isinstance(payload, list):
            inner += payload[:1]
        elif kind == "multipart/alternative" and isinstance(payload, list):
            self._alternative(payload, bodies, inner, depth)
        elif isinstance(payload, list):
            for child in payload:
                self._sort(child, bodies, inner, depth + 1)
        elif kind in ("text/plain", "text/html") and not _is_attached(part):
            bodies.append(part)
        elif not (kind.startswith("multipart/") or (kind == "text/plain" and not payload)):
            content = part.get_payload(decode=True)
            size = len(content) if isinstance(content, bytes) else 0
            self.attachments.append({"name": file_name(part) or "(no name)", "type": kind, "bytes": size})

    def _alternative(self, parts: list[Any], bodies: list[Message], inner: list[Message], depth: int) -> None:
        """Choose of several renderings of the same: plain text, if it holds any."""
        found: list[list[Message]] = []
        for part in parts:
            found.append([])
            self._sort(part, found[-1], inner, depth + 1)
        plain = [each for each in found if each and all(body.get_content_type() == "text/plain" for body in each)]
        filled = [each for each in plain if any(_text(body).strip() for body in each)]
        bodies += (filled or [each for each in found if each] or [[]])[0]

    def _body(self, body: Message) -> None:
        text = _text(body)
        if body.get_content_type() == "text/html":
            self._page(text)
        elif text.strip():
            if body.get_param("format") == "flowed":
                text = _unflowed(text)
            parts = cut_at_paragraphs(self._job, visible(text).strip("\n"))
            self.sections += [Section("", 0, part, escaped(part)) for part in parts]

    def _page(self, text: str) -> None:
        from mcp_context_resources.documents.markup.html_blocks import HtmlBlocks
        from mcp_context_resources.documents.markup.web_page import tree

        builder = SectionBuilder(self._job)
        blocks = HtmlBlocks(self._job, builder)
        try:
            if text.strip():
                page, notes = tree(text, self._path)
                self._notes += notes
                blocks.add(page)
        except DeadlineExceededError:
            raise
        except ContextError as error:
            hint = f" {INSTALL_HINT}." if "isn't installed" in error.message else ""
            self._note(f"Its HTML body is left out: {error.message}{hint}")
        self.sections += builder.sections()
        self._notes += [*blocks.notes(), *builder.notes]

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)


def _head(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = {"subject": header(message, "Subject")}
    for name in _PEOPLE:
        people = addresses(message, name)
        if people:
            found[name.lower().replace("-", "_")] = people[0] if name == "From" and len(people) == 1 else people
    if date := header(message, "Date"):
        found["date"] = _iso(date)
    if identifier := header(message, "Message-ID"):
        found["message_id"] = identifier
    if answered := header(message, "In-Reply-To"):
        found["in_reply_to"] = answered
    return found


def _head_section(head: dict[str, Any], attachments: list[dict[str, Any]], depth: int) -> Section:
    subject = head["subject"] or "(no subject)"
    label = f"Attached message: {subject}" if depth else subject
    lines = [label]
    for key in (*(name.lower().replace("-", "_") for name in _PEOPLE), "date"):
        if value := head.get(key):
            people = value if isinstance(value, list) else [value]
            more = f", and {len(people) - _SHOWN:,} more" if len(people) > _SHOWN else ""
            lines.append(f"{key.replace('_', '-').title()}: {', '.join(people[:_SHOWN])}{more}")
    lines += [
        f"Attachment: {attachment['name']} ({attachment['type']}, {attachment['bytes']:,} bytes)"
        for attachment in attachments[:100]
    ]
    level = min(depth + 1, 6)
    title, *rest = (escaped(line) for line in lines)
    markdown = "\n\n".join(filter(None, [f"{'#' * level} {title}", "  \n".join(rest)]))
    return Section(label[:300], level, "\n".join(lines), markdown)


def _is_attached(part: Message) -> bool:
    return part.get_content_disposition() == "attachment" or bool(file_name(part))


def _text(part: Message) -> str:
    content = part.get_payload(decode=True)
    try:
        charset = part.get_content_charset()
    except (LookupError, ValueError, email.errors.MessageError):
        charset = None
    return decoded(content, charset) if isinstance(content, bytes) and content else ""


def _unflowed(text: str) -> str:
    """Join the lines that a mailer cut for width (RFC 3676): those that end in a blank, signatures apart."""
    lines: list[str] = []
    flowing = False
    for stuffed in visible(text).split("\n"):
        line = stuffed if stuffed.startswith(">") else stuffed.removeprefix(" ")
        if flowing and not line.startswith(">") and line != "-- ":
            lines[-1] += line
        else:
            lines.append(line)
        flowing = line.endswith(" ") and line != "-- " and not line.startswith(">")
    return "\n".join(lines)


def _iso(date: str) -> str:
    try:
        return email.utils.parsedate_to_datetime(date).isoformat()
    except (ValueError, TypeError, OverflowError):
        return date
