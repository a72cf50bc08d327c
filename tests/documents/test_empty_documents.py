"""Documents without pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.files import encrypted_pdf, pdf
from tests.support.serving import connect, error_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def call(root: Path, cache: Path, tool: str, **arguments: Any) -> Any:
    async with connect(root, cache=cache) as client:
        return await client.call_tool(tool, arguments)


def csv(folder: Path, name: str, text: str = "a\n1\n2\n") -> None:
    (folder / name).write_text(text, encoding="utf-8")


async def test_a_document_without_pages_is_not_called_locked(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(encrypted_pdf("x", user_password="u", owner_password="o"))
    (tmp_path / "b.pdf").write_bytes(pdf())
    async with connect(tmp_path, cache=cache) as client:
        await client.call_tool("read_document", {"document": "a.pdf"})
        error = error_of(await client.call_tool("read_document", {"document": "b.pdf"}))
        assert error["code"] == "unreadable_source"
