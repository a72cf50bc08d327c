"""Zip archives under suspicion: parts are unpacked one by one, within bounds, and XML declares nothing of its own."""

from __future__ import annotations

import re
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.documents.markup.conversion_errors import check, library, reason
from mcp_context_resources.errors import PasswordRequiredError
from mcp_context_resources.file_errors import broken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_context_resources.workers.job import Job

MAX_UNPACKED_BYTES: Final = 256 << 20
"""What all parts read from one archive may unpack to."""

MAX_PART_BYTES: Final = 96 << 20
"""What one part may unpack to: parsed XML takes ten times its size."""

_MAX_RATIO: Final = 300
_RATIO_MATTERS_FROM: Final = 16 << 20
_MAX_MEMBERS: Final = 20_000
_BLOCK_BYTES: Final = 1 << 20
_HINT: Final = "If the file is honest, save a smaller copy of it."
_DECLARED: Final = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)|<\0!\0D\0O\0C\0|\0<\0!\0D\0O\0C", re.IGNORECASE)


class Archive:
    """An open zip archive that counts what it unpacks."""

    def __init__(self, job: Job, path: str, zipped: zipfile.ZipFile) -> None:
        self.path = path
        self._job = job
        self._zipped = zipped
        self._left = MAX_UNPACKED_BYTES
        self.names = frozenset(zipped.namelist())

    def read(self, name: str) -> bytes:
        """Unpack a part.

        Raises `UnreadableSourceError` when it is not there or would unpack to too much, `DeadlineExceededError`.
        """
        try:
            entry = self._zipped.getinfo(name)
        except KeyError as error:
            raise broken(self.path, f"is damaged: its part {name[:100]!r} is missing.", "Save it again.") from error
        most = min(self._left, MAX_PART_BYTES)
        if entry.file_size > most or entry.file_size > max(_RATIO_MATTERS_FROM, entry.compress_size * _MAX_RATIO):
            raise broken(self.path, f"would unpack to more than is opened here ({entry.file_size >> 20:,} MB).", _HINT)
        blocks = []
        with self._zipped.open(entry) as part:
            while block := part.read(_BLOCK_BYTES):
                check(self._job)
                self._left -= len(block)
                blocks.append(block)
        return b"".join(blocks)

    def xml(self, name: str) -> Any:
        """Parse a part as XML without any declaration of its own.

        Raises `UnreadableSourceError`, `ContextError` where lxml isn't installed, `DeadlineExceededError`.
        """
        return parsed(self.read(name), self.path, name)


@contextmanager
def opened(job: Job, path: str) -> Iterator[Archive]:
    """Open a zip archive for the time of a block, in which damage found later is told as such.

    Raises `UnreadableSourceError`, `PasswordRequiredError` when its parts are encrypted.
    """
    try:
        with zipfile.ZipFile(path) as zipped:
            entries = zipped.infolist()
            if len(entries) > _MAX_MEMBERS:
                raise broken(path, f"holds {len(entries):,} parts, more than is opened here.", _HINT)
            if any(entry.flag_bits & 1 for entry in entries):
                raise PasswordRequiredError(
                    f"The parts of {path.rpartition('/')[2]!r} are encrypted.", "Save a copy without a password."
                )
            yield Archive(job, path, zipped)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise broken(
            path, "is damaged: its zip archive can't be unpacked.", "Save it again, or get a whole copy."
        ) from error


def parsed(content: bytes, path: str, name: str) -> Any:
    """Parse XML strictly: no document type, no entities, no network, 256 levels at most.

    Raises `UnreadableSourceError`, `ContextError` where lxml isn't installed.
    """
    etree = library("lxml.etree", path)
    refuse_declarations(content, path, name)
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(content, parser)
    except (etree.LxmlError, ValueError) as error:
        raise broken(path, f"is damaged: its part {name[:100]!r} is not XML: {reason(error, path)}.") from error


def refuse_declarations(content: bytes, path: str, name: str) -> None:
    """Pass XML that declares no document type and no entities; office programs write neither.

    Raises `UnreadableSourceError`.
    """
    if _DECLARED.search(content):
        raise broken(
            path, f"declares entities in its part {name[:100]!r}, which are not expanded here.", "Save it again."
        )
