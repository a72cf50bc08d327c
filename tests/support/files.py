"""Makers of test files: small, valid where they say so, and broken in one chosen way where not."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING

import pypdf
from pypdf.constants import UserAccessPermissions

if TYPE_CHECKING:
    from pathlib import Path


def pdf(*pages: str) -> bytes:
    """Write a valid PDF with one line of ASCII text on each page; an empty text makes a page without any."""
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for i, text in enumerate(pages):
        content = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode() if text else b""
        bodies += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >>"
            + f" /Contents {5 + 2 * i} 0 R >>".encode(),
            f"<< /Length {len(content)} >>\nstream\n".encode() + content + b"\nendstream",
        ]
    return _with_table(bodies)


def _with_table(bodies: list[bytes]) -> bytes:
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010d} 00000 n \n".encode() for offset in offsets)
    out += f"trailer\n<< /Size {len(bodies) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def encrypted_pdf(text: str, *, user_password: str, owner_password: str) -> bytes:
    """Encrypt a one-page PDF with RC4-128, which needs no cryptography package; printing alone is permitted."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf(text)))
    writer.encrypt(
        user_password,
        owner_password,
        algorithm="RC4-128",
        permissions_flag=UserAccessPermissions.PRINT,
    )
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def gz(path: Path, content: bytes) -> None:
    """Write `content` gzipped, always the same bytes."""
    path.write_bytes(gzip.compress(content, mtime=0))


def folder_bytes(folder: Path) -> dict[str, bytes]:
    """Read every regular file below `folder`, to see whether anything changed."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
