"""The documents of a set as pages of PDFs, and another server's search over these files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from bench.document_rivals import PDF_MCP, other_servers
from bench.measure import BenchError
from bench.search_scores import DEPTH
from bench.wire_client import wired

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PDF_SEARCH: Final = f"{PDF_MCP} search"
_TOOL: Final = "pdf_corpus_search"
_PAGES: Final = 30
_MOST_CHARS: Final = {"en": 2400, "ja": 1200}
_MARGIN: Final = 40
_WITHIN_SECONDS: Final = 300.0

Places = dict[tuple[str, int], str]
"""Which document stands on which page of which file."""


def write_pdfs(folder: Path, documents: Mapping[str, str], language: str) -> Places:
    """Write documents into PDFs of thirty pages, a document a page, cut where its page is full; return the places."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfgen.canvas import Canvas
    from reportlab.platypus import Frame, Paragraph

    folder.mkdir(parents=True, exist_ok=True)
    font = {"en": "Helvetica", "ja": "HeiseiMin-W3"}[language]
    if language == "ja":
        pdfmetrics.registerFont(UnicodeCIDFont(font))
    style = ParagraphStyle("text", fontName=font, fontSize=8, leading=10, wordWrap="CJK" if language == "ja" else None)
    places: Places = {}
    keys = list(documents)
    width, height = A4
    for start in range(0, len(keys), _PAGES):
        name = f"{start // _PAGES + 1:03}.pdf"
        canvas = Canvas(str(folder / name), pagesize=A4)
        for page, key in enumerate(keys[start : start + _PAGES], 1):
            lines = documents[key][: _MOST_CHARS[language]].split("\n")
            paragraphs = [Paragraph(escape(line), style) for line in lines if line.strip()]
            Frame(_MARGIN, _MARGIN, width - 2 * _MARGIN, height - 2 * _MARGIN).addFromList(paragraphs, canvas)
            canvas.showPage()
            places[name, page] = key
        canvas.save()
    return places


async def other_search(folder: Path, places: Places, queries: Sequence[str], scratch: Path) -> list[list[str]]:
    """Let the other server search a folder of PDFs by words; returns the documents found for each query.

    Raises `BenchError` where it can't be installed, doesn't answer or fails.
    """
    servers, notes = other_servers(scratch)
    server = next((server for server in servers if server.name == PDF_MCP), None)
    if server is None:
        raise BenchError(" ".join(note for note in notes if PDF_MCP in note) or f"There is no {PDF_MCP}.")
    # Its vectors need a model that it downloads: where it can't, it says so after a long wait. By words it needs none.
    asked = {"paths": str(folder), "mode": "keyword", "top_k": DEPTH, "excerpt_style": "snippet"}
    found = []
    print(f"{PDF_SEARCH}: {len(queries)} queries over {len(places)} pages ...", file=sys.stderr, flush=True)
    async with wired(server.command, folder, variables=server.variables) as client:
        # Its first answer comes with what it could read in its time; ask until all is read.
        for query in [queries[0], queries[0], *queries]:
            number = await client.begin("tools/call", {"name": _TOOL, "arguments": {**asked, "query": query}})
            answer = await client.answer(number, within=_WITHIN_SECONDS)
            content = answer.message.get("result", {}).get("structuredContent") or json.loads(answer.text)
            if answer.failed or "error" in content:
                raise BenchError(f"{PDF_SEARCH} failed: {answer.text[:200]}")
            hits = [places.get((Path(hit["path"]).name, hit["page"]), "") for hit in content["matches"]]
            found.append([hit for hit in hits if hit])
    return found[2:]
