"""Zip archives under suspicion: what unpacks to more than a workbook may hold is refused before it is unpacked."""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING, Final

from mcp_context_resources.file_errors import broken
from mcp_context_resources.tables.duckdb_engine.loaders.load_errors import check

if TYPE_CHECKING:
    from mcp_context_resources.workers.job import Job

MAX_UNPACKED_BYTES: Final = 1 << 30
_MAX_RATIO: Final = 300
_RATIO_MATTERS_FROM: Final = 64 << 20
_MAX_MEMBERS: Final = 20_000
_BLOCK_BYTES: Final = 1 << 20
_PARSED_ENDINGS: Final = (".xml", ".rels", ".bin")


def refuse_bomb(job: Job, path: str) -> None:
    """Pass a zip archive whose parts unpack to a bounded size, the one its directory gives.

    Raises `UnreadableSourceError` for a bomb and for a damaged archive, `DeadlineExceededError`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            unpacked = sum(member.file_size for member in members)
            packed = sum(member.compress_size for member in members)
            swollen = unpacked > _RATIO_MATTERS_FROM and unpacked > packed * _MAX_RATIO
            if unpacked > MAX_UNPACKED_BYTES or swollen or len(members) > _MAX_MEMBERS:
                raise broken(
                    path,
                    f"would unpack to {unpacked >> 20:,} MB in {len(members):,} parts, more than is opened here.",
                    "If the file is honest, save the table as CSV or Parquet.",
                )
            for member in members:
                if member.filename.lower().endswith(_PARSED_ENDINGS):
                    _read_through(job, archive, member)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise broken(path, "is damaged: its zip archive can't be unpacked.", "Save or download it again.") from error


def _read_through(job: Job, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Unpack a part no further than its directory entry says; one that lies about its size fails its checksum."""
    with archive.open(member) as part:
        while part.read(_BLOCK_BYTES):
            check(job)
