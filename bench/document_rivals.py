"""Readers of PDFs, ours and others', each behind the same wire; the other servers are installed once, apart."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import platformdirs

from bench.document_files import ranges
from bench.document_packages import run_command
from bench.library_server import LIBRARIES
from bench.measure import OURS, BenchError
from bench.serving import our_arguments
from bench.table_rivals import RivalMissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.wire_client import Answer

PDFIUM: Final = "pypdfium2"
PYPDF: Final = "pypdf"
PDF_MCP: Final = "pdf-mcp"
SYLPHX: Final = "@sylphx/pdf-reader-mcp"
_PDF_MCP_VERSION: Final = "3.5.0"
_SYLPHX_VERSION: Final = "2.4.0"
_COMPLETE: Final = "complete"
_SCRIPTS: Final = "Scripts" if os.name == "nt" else "bin"
_SUFFIX: Final = ".exe" if os.name == "nt" else ""
_SETTINGS: Final = ("budget.max_chars=1000000", "documents.ocr=off")


@dataclass(slots=True)
class PageText:
    """What a reader gave of one page, its running heads included."""

    header: str = ""
    body: str = ""
    footer: str = ""

    def __str__(self) -> str:
        return "\n".join(part for part in (self.header, self.body, self.footer) if part)


@dataclass(frozen=True, slots=True)
class PageReader:
    """How a reader of PDFs is started, asked for pages and understood.

    `arguments` makes a tool's arguments of a file and its pages; `more` those that go on after an answer that was cut,
    or None; `texts` takes the pages of an answer; `cache` is where it keeps what it read, if anywhere.
    """

    name: str
    command: tuple[str, ...]
    tool: str
    arguments: Callable[[Path, Sequence[int]], dict[str, Any]]
    texts: Callable[[Answer, Sequence[int]], dict[int, PageText]]
    more: Callable[[dict[str, Any], Answer], dict[str, Any] | None] = lambda _arguments, _answer: None
    variables: dict[str, str] = field(default_factory=dict)
    cache: Path | None = None


def our_reader(folder: Path, scratch: Path) -> PageReader:
    """Return our server over the folder of all files, with its cache in `scratch`."""

    def arguments(path: Path, pages: Sequence[int]) -> dict[str, Any]:
        return {"document": path.relative_to(folder).as_posix(), "pages": _written(pages)}

    def more(asked: dict[str, Any], answer: Answer) -> dict[str, Any] | None:
        rest = answer.message["result"]["structuredContent"].get("next")
        return {**asked, **rest} if rest else None

    command = (sys.executable, *our_arguments(folder, scratch=scratch, settings=_SETTINGS))
    return PageReader(OURS, command, "read_document", arguments, _our_texts, more, cache=scratch / "cache")


def library(name: str) -> PageReader:
    """Return a PDF library in a process of its own."""
    if name not in LIBRARIES:
        raise BenchError(f"There is no library {name}.")

    def arguments(path: Path, pages: Sequence[int]) -> dict[str, Any]:
        return {"path": str(path), "pages": list(pages)}

    def texts(answer: Answer, pages: Sequence[int]) -> dict[int, PageText]:
        blocks = answer.message["result"]["content"]
        return {number: PageText(body=block["text"]) for number, block in zip(pages, blocks, strict=True)}

    program = str(Path(__file__).with_name("library_server.py"))
    return PageReader(name, (sys.executable, program, name), "read", arguments, texts)


def other_servers(scratch: Path) -> tuple[list[PageReader], list[str]]:
    """Return the other servers, installed if need be, and a note for each that can't be had."""
    readers, notes = [], []
    for name, make in ((PDF_MCP, partial(_pdf_mcp, scratch)), (SYLPHX, _sylphx)):
        try:
            readers.append(make())
        except RivalMissingError as error:
            notes.append(f"Without {name}: {error}")
    return readers, notes


def _our_texts(answer: Answer, pages: Sequence[int]) -> dict[int, PageText]:
    entries = answer.message["result"]["structuredContent"]["pages"]
    return {
        entry["number"]: PageText(_text(entry, "header"), entry["text"], _text(entry, "footer"))
        for entry in entries
        if entry["number"] in pages
    }


def _text(entry: dict[str, Any], key: str) -> str:
    """Return a running head: a line, or several."""
    value = entry.get(key) or ""
    return value if isinstance(value, str) else "\n".join(map(str, value))


def _pdf_mcp(scratch: Path) -> PageReader:
    def install(folder: Path) -> None:
        run_command(sys.executable, "-m", "venv", str(folder))
        python = folder / _SCRIPTS / f"python{_SUFFIX}"
        run_command(str(python), "-m", "pip", "install", "--quiet", f"{PDF_MCP}=={_PDF_MCP_VERSION}")

    def arguments(path: Path, pages: Sequence[int]) -> dict[str, Any]:
        return {"path": str(path), "pages": _written(pages)}

    def texts(answer: Answer, pages: Sequence[int]) -> dict[int, PageText]:
        content = answer.message["result"].get("structuredContent") or json.loads(answer.text)
        return {
            entry["page"]: PageText(body=entry.get("text") or "")
            for entry in content.get("pages", [])
            if entry["page"] in pages
        }

    folder = _installed(f"{PDF_MCP}-{_PDF_MCP_VERSION}", install)
    home = scratch / "home"
    home.mkdir(exist_ok=True)
    cache = scratch / "pdf-mcp-cache"
    variables = {"HOME": str(home), "PDF_MCP_CACHE_DIR": str(cache)}
    command = (str(folder / _SCRIPTS / f"{PDF_MCP}{_SUFFIX}"),)
    return PageReader(PDF_MCP, command, "pdf_read_pages", arguments, texts, variables=variables, cache=cache)


def _sylphx() -> PageReader:
    def install(folder: Path) -> None:
        folder.mkdir(parents=True)
        run_command(
            "npm",
            "install",
            "--silent",
            "--no-fund",
            "--no-audit",
            "--prefix",
            str(folder),
            f"{SYLPHX}@{_SYLPHX_VERSION}",
        )

    def arguments(path: Path, pages: Sequence[int]) -> dict[str, Any]:
        wanted = {"include_metadata": False, "include_page_count": False, "include_full_text": False}
        return {"sources": [{"path": str(path), "pages": _written(pages)}], **wanted}

    def texts(answer: Answer, pages: Sequence[int]) -> dict[int, PageText]:
        [source] = json.loads(answer.message["result"]["content"][0]["text"])["results"]
        if not source["success"]:
            raise BenchError(f"{SYLPHX}: {source.get('error', '')[:200]}")
        return {
            entry["page"]: PageText(body=entry["text"])
            for entry in source["data"].get("page_texts", [])
            if entry["page"] in pages
        }

    folder = _installed(f"pdf-reader-mcp-{_SYLPHX_VERSION}", install)
    program = folder / "node_modules" / ".bin" / "pdf-reader-mcp"
    return PageReader(SYLPHX, (str(program),), "read_pdf", arguments, texts)


def _written(pages: Sequence[int]) -> str:
    """Write ascending pages as every one of the servers takes them."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges(pages))


def _installed(name: str, install: Callable[[Path], None]) -> Path:
    """Return the folder a server was installed into, once, in the user's cache folder.

    Raises `RivalMissingError`.
    """
    folder = platformdirs.user_cache_path("fresh-context-bench") / name
    if (folder / _COMPLETE).exists():
        return folder
    print(f"Installing {name} into {folder} (once) ...", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        install(folder)
    except BenchError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise RivalMissingError(f"it could not be installed ({error}).") from error
    (folder / _COMPLETE).touch()
    return folder
