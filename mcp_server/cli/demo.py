"""`fresh-context demo`: a real client, over stdio, on a copy of the example data; every step shown as it happens."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
import textwrap
import time
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters

from mcp_context_resources.errors import ConfigurationError
from mcp_context_tools.rendering import compact_json, size_text

if TYPE_CHECKING:
    from mcp_types import CallToolResult, ContentBlock

_SHOWN_LINES: Final = 14
_WIDTH: Final = 110

_BUSIEST: Final = """\
SELECT s.停留所名 AS stop, s.区 AS ward, sum(t.boardings) AS boardings
FROM trips t JOIN 停留所 s ON t.stop_no = s.停留所番号
GROUP BY ALL ORDER BY boardings DESC LIMIT 3"""
_RAIN: Final = """\
SELECT w.date, w.rain_mm, sum(t.boardings) FILTER (line = 'Harbour') AS harbour,
       sum(t.boardings) FILTER (line = 'Hill') AS hill
FROM weather w JOIN trips t USING (date)
WHERE w.rain_mm > 80 GROUP BY ALL ORDER BY w.rain_mm DESC"""
_BUDGET: Final = """\
SELECT line, 予算_円 AS budget, sum(fare_yen) AS fares, round(100 * sum(fare_yen) / any_value(予算_円)) AS percent
FROM trips JOIN 予算_運賃収入 ON 路線 = line AND 月 = date_trunc('month', date)
WHERE 月 = '2025-08-01' GROUP BY line, 予算_円 ORDER BY percent"""
_MONTHS: Final = """\
SELECT date_trunc('month', date) AS 月, line AS 路線, sum(fare_yen) AS 運賃収入
FROM trips GROUP BY ALL ORDER BY ALL"""
_STOPS: Final = "SELECT count(*) AS stops FROM 停留所"
_NEAREST: Final = """\
SELECT page, round(cosine_similarity(embedding, embed('忘れ物は何日間保管されますか')), 3) AS likeness
FROM map_handbook ORDER BY likeness DESC LIMIT 3"""
_FARES: Final = "SELECT Ticket, Adult, Child FROM passenger_handbook_p2_t1"


def run(data: Path | None = None, *, with_model: bool = True) -> int:
    """Run the demo and return its exit status: 0 when every step did what it should.

    Raises `ConfigurationError` when the example data isn't there.
    """
    source = data or _shipped_data()
    if not source.is_dir():
        raise ConfigurationError(f"There is no example data in {source}.", "Name its folder with --data.")
    with tempfile.TemporaryDirectory(prefix="fresh-context-demo-") as folder:
        copy = Path(folder) / "tramway"
        shutil.copytree(source, copy)
        return anyio.run(_Demo(copy, with_model=with_model).run)


def _shipped_data() -> Path:
    """Find the example data: inside the installed package, or beside it in a checkout."""
    here = Path(__file__).parents[1]
    shipped = here / "demo_data"
    return shipped if shipped.is_dir() else here.parent / "examples" / "data"


def _in_checkout() -> bool:
    return (Path(__file__).parents[2] / "pyproject.toml").is_file()


class _Demo:
    def __init__(self, data: Path, *, with_model: bool) -> None:
        self._data = data
        self._cache = f"storage.cache_dir={data.parent / 'cache'}"  # nothing stays behind
        self._with_model = with_model
        self._failed = 0

    async def run(self) -> int:
        started = time.perf_counter()
        parameters = StdioServerParameters(
            command=sys.executable,
            args=["-m", "mcp_server", "serve", str(self._data), "--log-level", "warning", "--set", self._cache],
            cwd=self._data.anchor,
        )
        _say("Fresh Context demo: an MCP client starts the server as Claude Desktop would and uses its tools.")
        _say(f"Data: a copy of the example data (a made-up tramway) in {self._data}\n")
        async with Client(parameters) as client:
            tools = (await client.list_tools()).tools
            size = sum(len(tool.model_dump_json(by_alias=True, exclude_none=True)) for tool in tools)
            names = ", ".join(tool.name for tool in tools)
            _say(f"Connected after {time.perf_counter() - started:.1f} s. Tools: {names} ({size:,} bytes).")
            await self._tables(client)
            await self._documents(client)
            await self._search(client)
            await self._safety(client)
            if self._with_model:
                await self._model(client)
        _say(f"\nDone in {time.perf_counter() - started:.1f} s; {self._failed} steps went wrong.")
        command = "uv run fresh-context" if _in_checkout() else "fresh-context"
        _say(f"Next: {command} install claude-desktop ~/Documents   (or: {command} serve --help)")
        return 1 if self._failed else 0

    async def _tables(self, client: Client) -> None:
        await self._step(client, "What is there?", "list_sources", {})
        await self._step(client, "What is in the Japanese (CP932) table?", "describe_table", {"table": "停留所"})
        await self._step(client, "A CP932 file joined to a UTF-8 file", "query_tables", {"sql": _BUSIEST})
        await self._step(client, "CSV joined to Parquet: what heavy rain does", "query_tables", {"sql": _RAIN})
        await self._step(client, "A sheet of an Excel workbook against both", "query_tables", {"sql": _BUDGET})
        if importlib.util.find_spec("vl_convert") is not None:
            await self._step(client, "A chart of it", "plot_query", {"sql": _MONTHS, "title": "月別の運賃収入（円）"})
        await self._step(client, "Count the stops", "query_tables", {"sql": _STOPS})
        stops = next(self._data.rglob("停留所.csv"))
        with stops.open("a", encoding="cp932", newline="") as file:
            file.write("999,新駅,ｼﾝｴｷ,中区,2026-11-21,○\r\n")
        _say(f"\n(Now one line is added to {stops.name} on disk.)")
        await self._step(client, "Count again: the edit is in the very next answer", "query_tables", {"sql": _STOPS})

    async def _documents(self, client: Client) -> None:
        arguments = {"document": "passenger-handbook.pdf", "pages": "4"}
        await self._step(client, "Why did the Hill Line stand still? The handbook, page 4", "read_document", arguments)
        await self._step(
            client,
            "The same in Japanese",
            "read_document",
            {"document": "運行案内.pdf", "pages": "2", "max_chars": 400},
        )
        await self._step(client, "The table on page 2 of the handbook, by SQL", "query_tables", {"sql": _FARES})
        arguments = {"document": "運行案内.pdf", "view": "find", "find": "灯籠まつり"}
        await self._step(client, "Where does it speak of the Lantern Festival?", "read_document", arguments)
        arguments = {"document": "document://passenger-handbook.pdf/page/2#chars=40-115", "view": "image"}
        await self._step(client, "A quote, marked on its page", "read_document", arguments)

    async def _search(self, client: Client) -> None:
        await self._step(
            client, "Find passages, in Japanese and English alike", "search", {"query": "忘れ物の保管期間", "k": 3}
        )
        await self._step(client, "… and rows of tables", "search", {"query": '"fish Monday"', "k": 3})
        arguments = {"question": "What must I pay for a bicycle on the tram?", "max_tokens": 400}
        await self._step(client, "What a model needs to answer, in 400 tokens", "get_context", arguments)

    async def _safety(self, client: Client) -> None:
        passwords = {"sql": "SELECT * FROM read_text('/etc/passwd')"}
        await self._step(client, "Can SQL read other files?", "query_tables", passwords, refused=True)
        await self._step(client, "Can SQL write?", "query_tables", {"sql": "DROP VIEW trips"}, refused=True)

    async def _model(self, client: Client) -> None:
        found = await client.call_tool("list_sources", {"kind": "model"})
        models = (found.structured_content or {}).get("sources")
        if not models:
            _say("\nNo local model is installed: pip install 'fresh-context[starter]' adds a small one.")
            return
        _say("\n(The starter model has 135 million parameters: it reads simple facts off a page, and little more.)")
        arguments: dict[str, Any] = {
            "task": "answer",
            "prompt": "How long is lost property kept?",
            "sources": ["passenger-handbook.pdf"],
        }
        await self._step(
            client, "Ask the local model: an answer with a quote that was verified", "run_model", arguments
        )
        arguments = {
            "task": "extract",
            "prompt": "What does an adult single cost in yen?",
            "sources": ["passenger-handbook.pdf#pages=2"],
            "json_schema": {
                "type": "object",
                "properties": {"adult_single_yen": {"type": "integer"}},
                "required": ["adult_single_yen"],
            },
        }
        await self._step(client, "An answer as JSON, held to a schema (page 2 says 210)", "run_model", arguments)
        if not any("embed" in model["name"] or "e5" in model["name"] for model in models):
            return
        arguments = {"sources": ["passenger-handbook.pdf"], "task": "embed", "table": "handbook"}
        await self._step(client, "Make vectors of the pages of the handbook", "map_rows", arguments)
        await self._step(client, "A Japanese question finds the English page", "query_tables", {"sql": _NEAREST})

    async def _step(
        self, client: Client, title: str, tool: str, arguments: dict[str, Any], *, refused: bool = False
    ) -> None:
        _say(f"\n── {title}")
        _say(textwrap.indent(_call_text(tool, arguments), "   "))
        started = time.perf_counter()
        result = await client.call_tool(tool, arguments)
        elapsed = time.perf_counter() - started
        verdict = "refused, as it should be" if refused else "answered"
        if bool(result.is_error) is not refused:
            self._failed += 1
            verdict = "WENT WRONG"
        _say(_excerpt(result))
        _say(f"   [{verdict} in {elapsed * 1000:,.0f} ms]")


def _call_text(tool: str, arguments: dict[str, Any]) -> str:
    """Write a call for people: SQL as it is, other arguments in short."""
    if "sql" in arguments:
        return f"{tool}:\n" + textwrap.indent(arguments["sql"], "  ")
    shown = [f"{name}={compact_json(value)}" for name, value in arguments.items()]
    return textwrap.fill(f"{tool}({', '.join(shown)})", _WIDTH, subsequent_indent="    ")


def _excerpt(result: CallToolResult) -> str:
    text = "\n".join(_shown(block) for block in result.content)
    lines = [
        part for line in text.splitlines() if line.strip() for part in _folded(line, whole=line.startswith("Source:"))
    ]
    if len(lines) > _SHOWN_LINES:
        head, tail = lines[: _SHOWN_LINES - 2], lines[-1:]
        lines = [*head, f"… {len(lines) - len(head) - 1} more lines …", *tail]
    return textwrap.indent("\n".join(lines), "   │ ")


def _shown(block: ContentBlock) -> str:
    if block.type == "text":
        return block.text
    if block.type == "image":
        return f"[a picture: {block.mime_type}, {size_text(len(block.data) * 3 // 4)}]"
    return f"[{block.type}]"


def _folded(line: str, *, whole: bool) -> list[str]:
    """Fit a line into the terminal: folded when it matters whole, else cut. Japanese characters are two wide."""
    parts, start, width = [], 0, 0
    for i, character in enumerate(line):
        width += 2 if unicodedata.east_asian_width(character) in "WFA" else 1
        if width > _WIDTH:
            if not whole:
                return [f"{line[: i - 2]} …"]
            parts.append(line[start:i])
            start, width = i, 0
    return [*parts, line[start:]]


def _say(text: str) -> None:
    print(text, flush=True)
