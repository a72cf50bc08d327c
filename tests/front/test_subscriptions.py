"""Subscriptions: clients of both eras hear of the changes they asked for, over every transport."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import unicodedata
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import anyio
import httpx2
import pytest
import xlsxwriter
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.server.runner import serve_loop
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp.shared.subscriptions import ResourceUpdated
from mcp_types import (
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    ResourceListChangedNotification,
    ResourceUpdatedNotification,
    jsonrpc_message_adapter,
)

from mcp_context_resources.index.service import SearchIndex
from mcp_context_resources.watch.service import Watch
from mcp_server.server import create_server
from mcp_server.subscriptions import connections, service
from mcp_server.subscriptions.uris import Register, keys_of_uri
from tests.front.test_stdio import INITIALIZE
from tests.support.document_files import drawn, page_of, write_table
from tests.support.http_serving import LEGACY, MODERN, TOKEN, headers_for, request_of, servers
from tests.support.serving import settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    from mcp.server.lowlevel.server import Server

    from mcp_context_tools.tool import Services
    from tests.support.http_serving import HttpServer

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:resources/:mcp.shared.exceptions.MCPDeprecationWarning"),
]

LIST = "the list"
HELLO: dict[str, Any] = json.loads(json.dumps(INITIALIZE))["params"]
EVENTS = {"mode": "events", "debounce_ms": 20}
POLLING = {"mode": "polling", "poll_seconds": 0.1, "debounce_ms": 20}
by_era = pytest.mark.parametrize("era", ["legacy", MODERN])


class Ears:
    """What a client hears."""

    def __init__(self, following: Callable[[], Awaitable[str]]) -> None:
        self._following = following

    async def next(self) -> str:
        """Wait for what is heard next: the list, or a URI."""
        with anyio.fail_after(60):
            return await self._following()

    async def until(self, *expected: str) -> set[str]:
        """Wait until all of these were heard, and return all that was."""
        heard: set[str] = set()
        while not heard >= set(expected):
            heard.add(await self.next())
        return heard


@asynccontextmanager
async def hearing(
    target: Any, era: str, *uris: str, listed: Callable[[str], bool] | None = None
) -> AsyncIterator[tuple[Client, Ears]]:
    """Connect a client to a server, process or transport that wants to hear of the list and of these URIs.

    Of the resources that the server lists it wants to hear, too, where `listed` says so.
    """
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def handle(message: Any) -> None:
        if isinstance(message, ResourceListChangedNotification):
            await heard.put(LIST)
        elif isinstance(message, ResourceUpdatedNotification):
            await heard.put(str(message.params.uri))

    async with Client(target, mode=era, message_handler=handle) as client:
        if listed is not None:
            uris += tuple(filter(listed, [str(one.uri) for one in (await client.list_resources()).resources]))
        if era == "legacy":
            for uri in uris:
                await client.subscribe_resource(uri)
            yield client, Ears(heard.get)
            return
        async with client.listen(resources_list_changed=True, resource_subscriptions=uris) as stream:

            async def following() -> str:
                event = await anext(stream)
                return event.uri if isinstance(event, ResourceUpdated) else LIST

            yield client, Ears(following)


@asynccontextmanager
async def in_memory(
    root: Path, cache: Path, era: str, *uris: str, how: dict[str, Any] = EVENTS, **sections: Any
) -> AsyncIterator[tuple[Client, Ears]]:
    """Connect a client in this process."""
    server = create_server(settings_for(root, cache=cache, watch=how, **sections))
    async with hearing(server, era, *uris) as connected:
        yield connected


def workbook(path: Path, *sheets: str, rows: int = 2) -> None:
    temporary = path.with_suffix(".tmp")
    with xlsxwriter.Workbook(str(temporary)) as book:
        for name in sheets:
            sheet = book.add_worksheet(name)
            for row in range(rows + 1):
                sheet.write_row(row, 0, ("月", "円") if not row else (row, row * 100))
    temporary.replace(path)


def with_table(path: Path, *rows: Sequence[str]) -> None:
    path.write_bytes(drawn(page_of("Fares"), lambda canvas: write_table(canvas, [("line", "fare"), *rows])))


def of(kind: str, name: str) -> str:
    return f"{kind}://{quote(name)}"


@pytest.mark.slow
@pytest.mark.parametrize("how", [EVENTS, POLLING], ids=["events", "polling"])
@by_era
async def test_a_table_and_its_schema_change_with_its_file(
    era: str, how: dict[str, Any], tmp_path: Path, cache: Path
) -> None:
    (tmp_path / "売上.csv").write_text("a\n1\n")
    wanted = (of("table", "売上"), of("table", "売上") + "/schema")
    async with in_memory(tmp_path, cache, era, *wanted, how=how) as (_, ears):
        (tmp_path / "売上.csv").write_text("a\n2\n3\n")
        assert await ears.until(*wanted) == set(wanted)
        (tmp_path / "売上.csv").unlink()
        assert await ears.until(LIST, *wanted) == {LIST, *wanted}
        (tmp_path / "売上.csv").write_text("a\n1\n")
        assert await ears.until(LIST, *wanted) == {LIST, *wanted}


@pytest.mark.slow
@by_era
async def test_what_is_written_as_a_path_is_heard_of_as_it_is_read(era: str, tmp_path: Path, cache: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "n.md").write_text("# One\n")
    (tmp_path / "t.csv").write_text("a\n1\n")
    wanted = ("document://./sub/n.md", "document://sub/../sub/n.md/page/1", "table://t.csv", "table://./t.csv")
    async with in_memory(tmp_path, cache, era, *wanted) as (_, ears):
        (tmp_path / "sub" / "n.md").write_text("# Two\n")
        (tmp_path / "t.csv").write_text("a\n2\n3\n")
        assert await ears.until(*wanted) == set(wanted)


@by_era
async def test_a_file_that_a_link_leads_to_is_watched_wherever_it_lies(era: str, tmp_path: Path, cache: Path) -> None:
    (tmp_path / ".store").mkdir()
    (tmp_path / ".store" / "real.csv").write_text("a\n1\n")
    (tmp_path / "linked.csv").symlink_to(tmp_path / ".store" / "real.csv")
    async with in_memory(tmp_path, cache, era, "table://linked") as (_, ears):
        (tmp_path / ".store" / "real.csv").write_text("a\n1\n2\n")
        assert await ears.next() == "table://linked"


@pytest.mark.slow
async def test_a_subscription_that_is_ended_before_it_began_tells_nothing(tmp_path: Path, cache: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("n\n1\n")
    async with in_memory(tmp_path, cache, "legacy") as (client, ears):
        async with anyio.create_task_group() as group:
            group.start_soon(client.subscribe_resource, "table://a")
            await anyio.lowlevel.checkpoint()
            group.start_soon(client.unsubscribe_resource, "table://a")
        await client.subscribe_resource("table://b")
        for name in "ab":
            (tmp_path / f"{name}.csv").write_text("n\n1\n2\n")
        assert await ears.next() == "table://b"


@by_era
@pytest.mark.parametrize(
    ("uri", "code"), [("document://" + "x" * 100_000, -32602), ("table://nowhere", -32602), ("other://x", -32602)]
)
async def test_subscribing_to_nothing_is_refused_in_few_words(
    era: str, uri: str, code: int, tmp_path: Path, cache: Path
) -> None:
    (tmp_path / "a.csv").write_text("n\n1\n")
    async with in_memory(tmp_path, cache, era) as (client, _):
        if era == "legacy":
            with pytest.raises(MCPError) as refused:
                await client.subscribe_resource(uri)
        else:
            with pytest.raises(MCPError) as refused:
                await client.read_resource(uri)
    assert refused.value.error.code == code
    assert len(str(refused.value.error)) < 20_000
    assert uri.startswith(refused.value.error.data["uri"])


@pytest.mark.slow
@by_era
async def test_a_file_in_a_folder_that_is_one_table_changes_both(era: str, tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "trips"
    folder.mkdir()
    for month in ("jan", "feb"):
        (folder / f"{month}.csv").write_text("line,count\nblue,1\n")
    async with in_memory(tmp_path, cache, era, "table://trips", "table://jan", "table://feb") as (_, ears):
        (folder / "feb.csv").write_text("line,count\nblue,1\nred,2\n")
        assert await ears.until("table://trips", "table://feb") == {"table://trips", "table://feb"}
        (folder / "mar.csv").write_text("line,count\nblue,1\n")
        assert await ears.until(LIST, "table://trips") == {LIST, "table://trips"}


@pytest.mark.slow
@by_era
async def test_a_workbook_changes_all_tables_in_it_and_a_new_sheet_the_list(
    era: str, tmp_path: Path, cache: Path
) -> None:
    workbook(tmp_path / "予算.xlsx", "収入", "支出")
    sheets = [of("table", f"予算_{name}") for name in ("収入", "支出")]
    async with in_memory(tmp_path, cache, era, *sheets) as (_, ears):
        workbook(tmp_path / "予算.xlsx", "収入", "支出", rows=5)
        assert await ears.until(*sheets) == set(sheets)
        workbook(tmp_path / "予算.xlsx", "収入", "支出", "予備費")
        assert await ears.until(LIST, *sheets) == {LIST, *sheets}


@by_era
async def test_a_document_changes_its_pages_pictures_and_tables(era: str, tmp_path: Path, cache: Path) -> None:
    with_table(tmp_path / "料金 表.pdf", ("blue", "210"))
    (tmp_path / "other.md").write_text("# Other\n")
    name = quote("料金 表.pdf")
    wanted = [f"document://{name}{view}" for view in ("", "/page/2", "/page/2/image", "/page/1#chars=0-5")]
    wanted.append(of("table", "料金_表_p2_t1"))
    async with in_memory(tmp_path, cache, era, *wanted, "document://other.md") as (_, ears):
        with_table(tmp_path / "料金 表.pdf", ("blue", "210"), ("red", "240"))
        assert await ears.until(*wanted) == set(wanted)


@by_era
async def test_a_uri_is_told_as_it_was_written(era: str, tmp_path: Path, cache: Path) -> None:
    (tmp_path / "ガイド.csv").write_text("a\n1\n")
    decomposed = unicodedata.normalize("NFD", "ガイド")
    wanted = ["table://ガイド", of("table", "ガイド"), f"table://{decomposed}", of("table", decomposed)]
    async with in_memory(tmp_path, cache, era, *wanted) as (_, ears):
        (tmp_path / "ガイド.csv").write_text("a\n1\n2\n")
        assert await ears.until(*wanted) == set(wanted)


@by_era
async def test_a_placeholder_in_a_uri_stands_for_what_it_hides(era: str, tmp_path: Path, cache: Path) -> None:
    (tmp_path / "taro.yamada@example.com.md").write_text("# Letters\n")
    server = create_server(settings_for(tmp_path, cache=cache, watch=EVENTS, redaction={"enabled": True}))
    async with hearing(server, era, listed=lambda uri: uri.startswith("document://")) as (_, ears):
        (tmp_path / "taro.yamada@example.com.md").write_text("# More letters\n")
        heard = await ears.next()
    assert "EMAIL" in heard
    assert "taro" not in heard


@pytest.mark.parametrize(
    "uri",
    [
        "table://nowhere",
        "document://nowhere.pdf/page/1",
        "document://a.md/image",
        "document://../../etc/passwd",
        "model://nowhere",
        "result://0123456789abcdef0123456789abcdef.csv",
        "table://nowhere_p1_t1",
        "https://example.org/a.md",
        "a.md",
        "",
    ],
)
async def test_what_is_not_there_cannot_be_subscribed_to(uri: str, tmp_path: Path, cache: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n")
    async with in_memory(tmp_path, cache, "legacy") as (client, _):
        with pytest.raises(MCPError) as told:
            await client.subscribe_resource(uri)
    assert (told.value.error.code, told.value.error.data) == (-32602, {"uri": uri})


async def test_in_the_new_era_what_is_not_there_yet_is_heard_of_once_it_is(tmp_path: Path, cache: Path) -> None:
    async with in_memory(tmp_path, cache, MODERN, "document://later.md/page/1", "strange:// #%zz") as (_, ears):
        (tmp_path / "later.md").write_text("# Here\n")
        assert await ears.until(LIST, "document://later.md/page/1")


async def test_who_unsubscribes_hears_no_more_of_it(tmp_path: Path, cache: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.md").write_text("# One\n")
    async with in_memory(tmp_path, cache, "legacy", "document://a.md", "document://b.md") as (client, ears):
        await client.unsubscribe_resource("document://a.md")
        await client.unsubscribe_resource("document://never.md")
        (tmp_path / "a.md").write_text("# Two\n")
        (tmp_path / "b.md").write_text("# Two\n")
        assert await ears.next() == "document://b.md"
        (tmp_path / "c.md").write_text("# New\n")
        assert await ears.next() == LIST


async def test_subscriptions_are_bounded(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (service, connections):
        monkeypatch.setattr(module, "MOST_URIS", 2)
    uris = []
    for name in "abc":
        (tmp_path / f"{name}.md").write_text("# One\n")
        uris.append(f"document://{name}.md")
    async with in_memory(tmp_path, cache, "legacy", uris[0], uris[0], uris[1]) as (client, _):
        with pytest.raises(MCPError, match="More than 2 subscriptions"):
            await client.subscribe_resource(uris[2])
        await client.unsubscribe_resource(uris[0])
        await client.subscribe_resource(uris[2])
    async with (
        Client(create_server(settings_for(tmp_path, cache=cache, watch=EVENTS)), mode=MODERN) as client,
        client.listen(resource_subscriptions=[uris[0], *uris]) as stream,
    ):
        assert stream.honored.resource_subscriptions == uris[:2]


async def test_the_search_index_is_told_too(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = anyio.Event()
    monkeypatch.setattr(SearchIndex, "notice", lambda _index: told.set())
    async with in_memory(tmp_path, cache, MODERN):
        (tmp_path / "new.md").write_text("# New\n")
        with anyio.fail_after(60):
            await told.wait()


class Raw:
    """A connection with a handshake, spoken to message by message; it reads only when told to."""

    def __init__(self, server: Server[Services], services: Services) -> None:
        self.incoming, self._taken = anyio.create_memory_object_stream[SessionMessage | Exception]()
        self._said, self.outgoing = anyio.create_memory_object_stream[SessionMessage]()
        self._server, self._services = server, services

    async def run(self) -> None:
        await serve_loop(self._server, self._taken, self._said, lifespan_state=self._services)

    async def ask(self, method: str, **params: Any) -> Any:
        await self.incoming.send(SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=method, method=method, params=params)))
        while not isinstance(answer := await self.read(), JSONRPCResponse):
            pass
        return answer.result

    async def read(self) -> Any:
        with anyio.fail_after(60):
            return (await self.outgoing.receive()).message

    async def shake_hands(self) -> None:
        await self.ask("initialize", **HELLO)
        note = JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized")
        await self.incoming.send(SessionMessage(note))

    def close(self) -> None:
        self.incoming.close()
        self.outgoing.close()


@pytest.mark.slow
async def test_a_connection_hears_only_of_its_own_and_holds_up_no_other(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watches: list[Watch] = []
    init = Watch.__init__

    def noted(watch: Watch, *given: Any, **more: Any) -> None:
        watches.append(watch)
        init(watch, *given, **more)

    monkeypatch.setattr(Watch, "__init__", noted)
    (tmp_path / "a.md").write_text("# One\n")
    server = create_server(settings_for(tmp_path, cache=cache, watch=EVENTS))
    async with server.lifespan(server) as services, anyio.create_task_group() as group:
        stuck, idle, ready = (Raw(server, services) for _ in range(3))
        for raw in (stuck, idle, ready):
            group.start_soon(raw.run)
            await raw.shake_hands()
        for raw in (stuck, ready):
            await raw.ask("resources/subscribe", uri="document://a.md")
        for size in range(20):  # the stuck one never takes any of these
            (tmp_path / "a.md").write_text("# Two\n" * (size + 2))
            note = await ready.read()
            assert (note.method, note.params) == ("notifications/resources/updated", {"uri": "document://a.md"})
        (tmp_path / "b.md").write_text("# New\n")
        assert (await idle.read()).method == "notifications/resources/list_changed"
        (watch,) = watches
        assert watch.awake
        for raw in (stuck, idle, ready):
            raw.close()
        with anyio.fail_after(60):
            while watch.awake:  # nobody is left who listens
                await anyio.lowlevel.checkpoint()


def test_a_register_forgets_a_uri_with_the_last_who_wanted_it() -> None:
    register = Register()
    for _ in range(2):
        register.add({"table://A": "table://A"})
    register.add({"table://%61": "table://%61"})
    (key,) = keys_of_uri("table://a")
    register.remove({"table://A": "table://A"})
    assert register.about([key, key, ("table", "b")]) == ["table://A", "table://%61"]
    register.remove({"table://A": "table://A", "table://%61": "table://%61"})
    assert not register.about([key])
    assert not register._by_key
    assert not len(register)


def test_what_two_clients_write_alike_may_mean_two_things() -> None:
    register = Register()
    register.add({"document://./a.pdf": "document://./a.pdf"})
    register.add({"document://./a.pdf": "document://a.pdf"})
    assert register.about([("document", "a.pdf")]) == ["document://./a.pdf"]


@pytest.mark.parametrize(
    ("uri", "about"),
    [
        ("table://Trips/schema", ("table", "trips")),
        ("TABLE://trips", ("table", "trips")),
        ("table://trips?limit=3", ("table", "trips")),
        ("table://guide_p3_t1", ("tables of", "guide")),
        ("document://a/page/3.pdf", ("document", "a/page/3.pdf")),
        ("document://a/page/3.pdf/page/2/image", ("document", "a/page/3.pdf")),
        ("document://100%25%20%231.md/page/1", ("document", "100% #1.md")),
        ("document://C# guide.md", ("document", "c# guide.md")),
        ("document://手引き.pdf/page/4#chars=1-9", ("document", "手引き.pdf")),
        ("model://tiny.gguf", ("model", "tiny.gguf")),
    ],
)
def test_a_uri_is_about_the_source_in_it(uri: str, about: tuple[str, str]) -> None:
    assert about in keys_of_uri(uri)


@pytest.mark.parametrize("uri", ["", "table", "table:a", "table://", "result://a", "ui://viewer", "://", "file:///a"])
def test_other_uris_are_about_no_source(uri: str) -> None:
    assert not keys_of_uri(uri)


async def test_what_is_told_is_declared_and_nothing_else(tmp_path: Path, cache: Path) -> None:
    async with in_memory(tmp_path, cache, "legacy") as (client, _):
        told = client.server_capabilities.model_dump(exclude_none=True)
    assert told["resources"] == {"subscribe": True, "list_changed": True}
    assert told["tools"] == told["prompts"] == {"list_changed": False}
    async with Client(create_server(settings_for(tmp_path, cache=cache)), mode="auto") as client:
        told = client.server_capabilities.model_dump(exclude_none=True)
    assert told["resources"] == {"subscribe": True, "list_changed": True}


async def test_with_watching_off_nothing_is_declared_or_served(tmp_path: Path, cache: Path) -> None:
    off = create_server(settings_for(tmp_path, cache=cache, watch={"mode": "off"}))
    for era in ("legacy", "auto"):
        async with Client(off, mode=era) as client:
            told = client.server_capabilities.model_dump(exclude_none=True)
            assert told["resources"] == {"subscribe": False, "list_changed": False}
            if era == "legacy":
                with pytest.raises(MCPError) as error:
                    await client.subscribe_resource("table://a")
                assert error.value.error.code == -32601


def process(root: Path, cache: Path) -> StdioServerParameters:
    flags = [f"storage.cache_dir={cache}", "watch.mode=events"]
    arguments = ["-m", "mcp_server", "serve", str(root), *(part for flag in flags for part in ("--set", flag))]
    return StdioServerParameters(command=sys.executable, args=arguments)


@pytest.mark.slow
@by_era
async def test_a_client_over_stdio_hears_of_changes(era: str, tmp_path: Path, cache: Path) -> None:
    root = tmp_path / "資料"
    root.mkdir()
    (root / "規約.md").write_text("# 規約\n")
    page = of("document", "規約.md") + "/page/1"
    async with hearing(process(root, cache), era, page) as (client, ears):
        (root / "規約.md").write_text("# 規約\n\n改訂\n")
        assert await ears.next() == page
        (root / "規約.md").rename(root / "新規約.md")
        assert await ears.until(LIST, page) == {LIST, page}
        names = [one.name for one in (await client.list_resources()).resources]
        assert "新規約.md" in names


@pytest.mark.slow
def test_the_process_ends_with_its_input_while_a_stream_is_open(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n")
    parameters = process(tmp_path, cache)
    body = request_of(MODERN, "subscriptions/listen", notifications={"resourcesListChanged": True})
    with subprocess.Popen(
        [parameters.command, *parameters.args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(json.dumps(body).encode() + b"\n")
        running.stdin.flush()
        note = jsonrpc_message_adapter.validate_json(running.stdout.readline())
        assert isinstance(note, JSONRPCNotification)
        assert note.method == "notifications/subscriptions/acknowledged"
        running.communicate(timeout=60)
    assert running.returncode == 0


@pytest.fixture(scope="module")
def start(cache: Path) -> Iterator[Callable[..., HttpServer]]:
    with servers(cache) as starting:
        yield starting


@asynccontextmanager
async def over_http(url: str, era: str, *uris: str) -> AsyncIterator[tuple[Client, Ears]]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60) as http,
        hearing(streamable_http_client(url, http_client=http), era, *uris) as connected,
    ):
        yield connected


@pytest.mark.slow
async def test_a_client_over_http_hears_of_changes_until_the_server_stops(
    tmp_path: Path, start: Callable[..., HttpServer]
) -> None:
    (tmp_path / "売上.csv").write_text("a\n1\n")
    server = start(tmp_path)
    async with over_http(server.url, MODERN, of("table", "売上")) as (_, ears):
        (tmp_path / "売上.csv").write_text("a\n1\n2\n")
        assert await ears.next() == of("table", "売上")
        (tmp_path / "費用.csv").write_text("b\n1\n")
        assert LIST in await ears.until(LIST)
        server.process.terminate()
        with pytest.raises(StopAsyncIteration):  # said in so many words, not cut off
            await ears.until("nothing")
    assert await anyio.to_thread.run_sync(server.wait) == 0


@pytest.mark.slow
async def test_a_session_over_http_hears_of_changes(tmp_path: Path, start: Callable[..., HttpServer]) -> None:
    (tmp_path / "a.md").write_text("# One\n")
    server = start(tmp_path, sessions=True)
    async with over_http(server.url, "legacy", "document://a.md") as (client, ears):
        assert client.server_capabilities.resources is not None
        assert client.server_capabilities.resources.subscribe
        size = 1
        heard: set[str] = set()
        with anyio.move_on_after(60):
            while not heard:  # the client opens its stream for this in its own time
                size += 1
                (tmp_path / "a.md").write_text("# More\n" * size)
                with anyio.move_on_after(0.5):
                    heard.add(await ears.next())
        assert heard == {"document://a.md"}


@pytest.mark.slow
async def test_without_sessions_nobody_with_a_handshake_is_promised_anything(
    tmp_path: Path, start: Callable[..., HttpServer]
) -> None:
    server = start(tmp_path)
    async with httpx2.AsyncClient(timeout=60) as http:
        body = request_of(LEGACY, "initialize", **HELLO)
        answer = await http.post(server.url, json=body, headers=headers_for(LEGACY, "initialize"))
        told = json.loads(next(line for line in answer.text.splitlines() if line.startswith("data:"))[5:])
        assert told["result"]["capabilities"]["resources"] == {"subscribe": False, "listChanged": False}
        body = request_of(LEGACY, "resources/subscribe", uri="table://a")
        answer = await http.post(server.url, json=body, headers=headers_for(LEGACY, "resources/subscribe"))
        assert '"code":-32601' in answer.text
