"""What a running server tells of its work: the log, the metrics and traces; and what it keeps to itself."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx2
import psutil
import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from mcp_context_resources.errors import ConfigurationError, NotFoundError
from mcp_context_resources.workers.confinement import Confinement
from mcp_context_resources.workers.observation import WorkerRun, observing
from mcp_context_resources.workers.pool import WorkerPool
from mcp_server import __version__
from mcp_server.cli.main import _parser
from mcp_server.front_door.answers import Manifest
from mcp_server.front_door.preflight_config import preflight
from mcp_server.http.app import http_app
from mcp_server.http.authentication import KnownTokens
from mcp_server.http.metrics import Metrics
from mcp_server.http.settings import HttpSettings
from mcp_server.logging.call_log import Call, call_log_of
from mcp_server.logging.logs import JsonFormatter, TextFormatter, discreet_traceback
from mcp_server.logging.span_export import DiscreetExporter
from mcp_server.logging.standard_error import PatientWriter
from mcp_server.logging.stderr_capture import Printed
from mcp_server.logging.telemetry import exporting, traces_endpoint
from mcp_server.server import create_server
from mcp_server.settings import TelemetrySettings
from tests.support import worker_jobs
from tests.support.files import pdf
from tests.support.http_serving import TOKEN, client_of, listening
from tests.support.logged_server import LEGACY, MODERN, ROOT, logged
from tests.support.otlp_collector import attributes_of, collecting
from tests.support.serving import connect, data_of, settings_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ERAS = pytest.mark.parametrize("era", [LEGACY, MODERN])
ENDLESS = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE (a.range * b.range) % 7 = 1"
SECRETS = ("geheimnis-der-zelle", "secret of the page", "literal-of-the-statement", "words of the user", "隠し事")
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = tmp_path / "files"
    files.mkdir()
    (files / "people.csv").write_text("id,word\n1,geheimnis-der-zelle\n2,隠し事\n", encoding="utf-8")
    (files / "pages.pdf").write_bytes(pdf("secret of the page"))
    return files


def lines_of(log: str) -> list[dict[str, Any]]:
    """Read a log in JSON: every line is an object with the four members that all have."""
    lines = [json.loads(line) for line in log.split("\n") if line]
    for line in lines:
        assert {"time", "level", "logger", "message"} <= line.keys(), line
        assert line["time"].endswith("Z")
        assert len(line["time"]) == len("2026-11-22T16:36:24.010Z")
    return lines


def calls_of(log: str) -> list[dict[str, Any]]:
    return [line for line in lines_of(log) if line["logger"] == "fresh_context.calls"]


# The line of a call


@pytest.mark.slow
@ERAS
def test_each_call_is_one_json_line_that_says_how_it_went_and_nothing_of_contents(
    era: str, folder: Path, cache: Path
) -> None:
    with logged(folder, cache, "--log-format", "json", era=era) as server:
        server.call("query_tables", sql="SELECT *, 'literal-of-the-statement' FROM people")
        server.call("query_tables", sql="SELECT CAST(word AS INTEGER) FROM people")
        server.call("query_tables", sql="SELECT 'literal-of-the-statement' FROM nowhere")
        server.call("read_document", document="pages.pdf")
        server.ask("prompts/get", name="ask_my_files", arguments={"question": "words of the user"})
        server.ask("tools/call", name="no_such_tool", arguments={"sql": "literal-of-the-statement"})
        endless = server.send("tools/call", name="query_tables", arguments={"sql": ENDLESS})
        server.call("query_tables", sql="SELECT 1")
        server.tell({"method": "notifications/cancelled", "params": {"requestId": endless}})
        server.call("query_tables", sql="SELECT 2")
        log = server.end()

    calls = calls_of(log)
    told = [(line["method"], line.get("tool", line.get("prompt")), line["outcome"], line.get("code")) for line in calls]
    assert sorted(told, key=str) == sorted(
        [
            ("tools/call", "query_tables", "ok", None),
            ("tools/call", "query_tables", "error", "sql_error"),
            ("tools/call", "query_tables", "error", "sql_error"),
            ("tools/call", "read_document", "ok", None),
            ("prompts/get", "ask_my_files", "ok", None),
            ("tools/call", "no_such_tool", "refused", "-32602"),
            ("tools/call", "query_tables", "ok", None),
            ("tools/call", "query_tables", "ok", None),
            ("tools/call", "query_tables", "cancelled", None),
        ],
        key=str,
    )
    first = calls[0]
    assert (first["rows"], first["sources"], first["source_count"]) == (2, ["people"], 1)
    assert (first["protocol"], first["client"], first["level"]) == (era, "tests 7", "info")
    assert first["ms"] >= first["worker_ms"] > 0
    assert calls[3]["sources"] == ["pages.pdf"]
    assert all(line["bytes"] > 100 for line in calls if line["outcome"] in ("ok", "error"))
    for secret in SECRETS:
        assert secret not in log


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[list[dict[str, Any]]]:
    """The lines of calls to a server in this process, as they come."""
    found: list[dict[str, Any]] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if hasattr(record, "fields"):
                found.append({**record.said, **record.fields})  # type: ignore[attr-defined]

    handler = Keeping()
    log = logging.getLogger("fresh_context.calls")
    log.addHandler(handler)
    with caplog.at_level(logging.INFO, "fresh_context.calls"):
        yield found
    log.removeHandler(handler)


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["legacy", MODERN])
async def test_the_size_told_is_that_of_the_answer_on_the_wire(
    mode: str, folder: Path, cache: Path, told: list[dict[str, Any]]
) -> None:
    async with Client(create_server(settings_for(folder, cache=cache)), mode=mode) as client:
        result = await client.call_tool("query_tables", {"sql": "SELECT word FROM people"})
    written = len(result.model_dump_json(by_alias=True, exclude_unset=True).encode())
    assert told[-1]["bytes"] == written
    assert told[-1]["rows"] == 2


@pytest.mark.slow
@pytest.mark.anyio
async def test_prompts_and_resources_are_told_by_name_with_the_code_of_their_error(
    folder: Path, cache: Path, told: list[dict[str, Any]]
) -> None:
    (folder / "other.pdf").write_bytes(pdf("another page"))
    async with connect(folder, cache=cache) as client:
        await client.get_prompt("explore_table", {"table": "people"})
        with pytest.raises(MCPError):
            await client.get_prompt("explore_table", {"table": "nobody"})
        await client.get_prompt("summarize_document", {"document": str(folder / "pages.pdf")})
        await client.get_prompt("compare_documents", {"a": "pages.pdf", "b": "document://other.pdf"})
        await client.get_prompt("ask_my_files", {"question": "geheimnis-der-zelle"})
        await client.read_resource("table://people")
        with pytest.raises(MCPError):
            await client.read_resource("document://nothing.pdf")
    shown = [(line.get("prompt") or line.get("uri"), line["outcome"], line["code"], line["sources"]) for line in told]
    assert shown == [
        ("explore_table", "ok", None, ["people"]),
        ("explore_table", "error", "not_found", None),
        ("summarize_document", "ok", None, ["pages.pdf"]),
        ("compare_documents", "ok", None, ["pages.pdf", "other.pdf"]),
        ("ask_my_files", "ok", None, ["people"]),
        ("table://people", "ok", None, None),
        ("document://nothing.pdf", "error", "not_found", None),
    ]


@pytest.mark.slow
@pytest.mark.anyio
async def test_who_called_over_http_and_the_number_of_a_proxy_are_told(
    folder: Path, cache: Path, told: list[dict[str, Any]]
) -> None:
    http = HttpSettings(tokens=(TOKEN,))  # type: ignore[arg-type]
    app = http_app(create_server(settings_for(folder, cache=cache)), http, KnownTokens([TOKEN]))
    async with listening(app, http) as origin:
        async with client_of(f"{origin}/mcp", "legacy") as client:
            await client.call_tool("query_tables", {"sql": "SELECT 1"})
        body = {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "list_sources", "arguments": {}}}
        headers = {
            "Authorization": f"Bearer {TOKEN}",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": LEGACY,
            "X-Request-Id": "abc-123",
        }
        async with httpx2.AsyncClient(timeout=60) as plain:
            await plain.post(f"{origin}/mcp", json=body, headers=headers)
    first, second = (line for line in told if line["method"] == "tools/call")
    assert first["subject"] == second["subject"] == "token-0"
    assert (first["request_id"], second["request_id"], second["id"]) == (None, "abc-123", "9")
    assert TOKEN not in str(told)


@pytest.mark.anyio
async def test_a_name_of_a_stranger_is_shortened_and_what_fails_to_hear_fails_no_call(
    folder: Path, cache: Path, told: list[dict[str, Any]]
) -> None:
    server = create_server(settings_for(folder, cache=cache))
    heard: list[Call] = []

    def failing(_call: Call) -> None:
        raise ValueError("deaf")

    calls = call_log_of(server)
    calls.tell(failing)
    calls.tell(heard.append)
    async with Client(server) as client:
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool("x" * 5000, {})
        assert data_of(await client.call_tool("query_tables", {"sql": "SELECT 1"}))["rows"] == [[1]]
    assert len(told[0]["tool"]) < 400
    assert [call.outcome for call in heard if call.method == "tools/call"] == ["refused", "ok"]


@pytest.mark.slow
def test_arguments_are_told_when_asked_for_and_redacted_where_redaction_is_on(folder: Path, cache: Path) -> None:
    flags = ("--set", "server.log_arguments=true", "--log-format", "json", "--redact")
    with logged(folder, cache, *flags) as server:
        server.call("query_tables", sql="SELECT 'taro@example.com', 'literal-of-the-statement'")
        server.ask("resources/read", uri="table://taro@example.com")
        log = server.end()
    query, read = calls_of(log)
    assert json.loads(query["arguments"])["sql"] == "SELECT '<EMAIL>', 'literal-of-the-statement'"
    assert read["uri"] == "table://<EMAIL>"
    assert "taro@" not in log


@pytest.mark.slow
def test_text_lines_name_what_they_tell_and_can_not_be_forged(folder: Path, cache: Path) -> None:
    with logged(folder, cache) as server:
        server.call("query_tables", sql="SELECT * FROM people")
        server.ask("tools/call", name="x\n2026-01-01 ERROR fresh_context: forged\x1b[2J", arguments={})
        log = server.end()
    serving, query, unknown = log.splitlines()
    assert " INFO fresh_context: serving " in serving
    assert " INFO fresh_context.calls: tools/call query_tables ok ms=" in query
    assert " rows=2 " in query
    assert " sources=people " in query
    assert r"x\u000a2026-01-01 ERROR fresh_context: forged\u001b[2J refused -32602" in unknown


@pytest.mark.slow
def test_at_level_warning_calls_are_not_told(folder: Path, cache: Path) -> None:
    with logged(folder, cache, "--log-level", "warning") as server:
        server.call("query_tables", sql="SELECT 1")
        assert server.end() == ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGSEGV")
def test_a_worker_that_crashes_is_told_in_the_line_of_its_call(folder: Path, cache: Path) -> None:
    with logged(folder, cache, "--log-format", "json") as server:
        server.call("query_tables", sql="SELECT 1")
        workers = psutil.Process(server.process.pid).children(recursive=True)

        def spent() -> float:
            return sum(float(worker.cpu_times().user) for worker in workers)

        before = spent()
        endless = server.send("tools/call", name="query_tables", arguments={"sql": ENDLESS})
        while spent() < before + 0.2:
            assert server.process.poll() is None
        for worker in workers:
            worker.send_signal(signal.SIGSEGV)
        assert server.answer_to(endless)["result"]["isError"]
        server.call("query_tables", sql="SELECT 1")
        log = server.end()
    told = [(line["outcome"], line.get("code")) for line in calls_of(log)]
    assert told == [("ok", None), ("error", "worker_crashed"), ("ok", None)]


def test_the_front_door_is_as_quick_with_json_logs(folder: Path) -> None:
    arguments = _parser().parse_args(["serve", str(folder), "--log-format", "json", "--log-level", "debug"])
    manifest = Manifest.read(__version__)
    assert manifest is not None
    seen = preflight(arguments, {}, manifest, lambda: folder)
    assert seen is not None
    assert seen.certain


# Nothing but JSON

PRINTING = """
import os, subprocess, sys, threading, warnings
from mcp_server.logging.logs import start_logging
from mcp_server.settings import Settings
start_logging(Settings.model_validate({settings}))
print("printed by taro@example.com", file=sys.stderr)
warnings.warn("warned about taro@example.com")
os.write(2, b"written to the descriptor\\n")
subprocess.run([sys.executable, "-c", "raise ValueError('said by a child, taro@example.com')"])
def fail():
    raise OSError(2, "no such thing", "/of/taro@example.com")
thread = threading.Thread(target=fail, name="worker of the test")
thread.start()
thread.join()
raise KeyError("cell of taro@example.com")
"""


def printed(**settings: dict[str, Any]) -> str:
    code = PRINTING.replace("{settings}", repr(settings))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False, timeout=60
    )
    assert done.returncode == 1
    return done.stderr


def test_in_json_everything_that_anything_prints_or_raises_is_a_line() -> None:
    lines = lines_of(printed(server={"log_format": "json"}))
    by_message = {line["message"]: line for line in lines}
    assert by_message["printed by taro@example.com"]["logger"] == "stderr"
    assert by_message["written to the descriptor"]["level"] == "warning"
    assert any("UserWarning: warned about" in line["message"] for line in lines if line["logger"] == "py.warnings")
    child = by_message["ValueError was printed"]
    assert child["exception"].splitlines() == [
        "Traceback (most recent call last):",
        '  File "<string>", line 1, in <module>',
        "ValueError",
    ]
    assert (
        "FileNotFoundError: [Errno 2] no such thing: '/of/taro" in by_message["worker of the test failed"]["exception"]
    )
    fatal = by_message["the server failed"]
    assert fatal["level"] == "critical"
    assert fatal["exception"].startswith("KeyError (what it says")
    assert "cell of" not in fatal["exception"]
    assert "line 15, in <module>" in fatal["exception"]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["json", "text"])
def test_with_redaction_what_is_printed_and_tracebacks_are_redacted(form: str) -> None:
    log = printed(server={"log_format": form, "log_arguments": True}, redaction={"enabled": True})
    assert "taro@" not in log
    for said in ("printed by <EMAIL>", "warned about <EMAIL>", "said by a child, <EMAIL>", "cell of <EMAIL>"):
        assert said in log


@pytest.mark.slow
def test_a_server_that_can_not_start_says_why_in_json(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mcp_server", "serve"]
    for arguments, environ, code in (
        ([str(tmp_path / "nowhere"), "--log-format", "json"], {}, "configuration"),
        ([str(tmp_path), "--set", "no.such=1"], {"FRESH_CONTEXT_SERVER_LOG_FORMAT": "json"}, "configuration"),
    ):
        done = subprocess.run(
            [*command, *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=60,
        )
        assert done.returncode == 1
        (line,) = lines_of(done.stderr)
        assert (line["level"], line["code"]) == ("error", code)
        assert line["hint"]


@pytest.fixture
def printing(caplog: pytest.LogCaptureFixture) -> Iterator[tuple[Printed, list[float]]]:
    """What hears printed lines, and the time it goes by: the last number of the list."""
    times = [0.0]
    with caplog.at_level(logging.WARNING):
        yield Printed(whole=False, clock=lambda: times[-1]), times


def logged_lines(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(JsonFormatter().format(record) for record in caplog.records)


def test_a_traceback_printed_in_pieces_is_one_message_and_its_end_may_be_missing(
    caplog: pytest.LogCaptureFixture, printing: tuple[Printed, list[float]]
) -> None:
    printed, times = printing
    first, frame = "Traceback (most recent call last):", '  File "x", line 1, in f'
    for line in ("before", first, frame, "    raise", "a.B: words"):
        printed.hear(line)
    times.append(60.0)
    for line in ("after", first, "  File", "人の言葉: 秘密"):
        printed.hear(line)
    times.append(120.0)
    printed.hear("last")
    assert [record.getMessage() for record in caplog.records] == [
        "before", "a.B was printed", "after", "an exception was printed", "last",
    ]  # fmt: skip
    assert caplog.records[1].fields["exception"].endswith("    raise\na.B")  # type: ignore[attr-defined]


def test_nothing_is_logged_of_what_a_printed_exception_says(
    caplog: pytest.LogCaptureFixture, printing: tuple[Printed, list[float]]
) -> None:
    printed, _ = printing

    secret = SECRETS[0]

    def chained() -> None:
        try:
            raise KeyError(secret)
        except KeyError as error:
            raise ValueError(f"{secret}\n {secret}\n{secret}: more") from error

    def grouped() -> None:
        inner = ExceptionGroup(f"of\n{secret}", [raised(chained), OSError(f"{secret}\n  {secret}")])
        raise ExceptionGroup(secret, [TypeError(secret), inner, NotFoundError(f"{secret}\n{secret}: it")])

    def mistyped() -> None:
        compile(f"'{secret}' = = 1", "cell", "exec")

    for make in (chained, grouped, mistyped):
        for line in "".join(traceback.format_exception(raised(make))).split("\n"):
            if line.strip():  # blank lines are never heard
                printed.hear(line.rstrip())
    printed.hear("/x/library.py:7: UserWarning: something else")
    log = logged_lines(caplog)
    assert secret not in log
    for kind in ("KeyError", "ValueError", "ExceptionGroup", "OSError", "TypeError", "NotFoundError", "SyntaxError"):
        assert kind in log
    assert ", in chained" in log
    assert "is withheld" in log
    assert "something else" in log


IGNORED = """
import sys
from mcp_server.logging.logs import start_logging
from mcp_server.settings import Settings
start_logging(Settings.model_validate({"server": {"log_format": sys.argv[1]}}))
class Held:
    def __repr__(self):
        return sys.argv[2]
    def __del__(self):
        raise ValueError(sys.argv[2] + chr(10) + sys.argv[2])
Held()
"""


@pytest.mark.parametrize("form", ["json", "text"])
def test_an_exception_that_nothing_can_catch_tells_where_but_not_what_it_says(form: str) -> None:
    command = [sys.executable, "-c", IGNORED, form, SECRETS[0]]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert "an exception was ignored in Held.__del__" in done.stderr
    assert "ValueError (what it says" in done.stderr
    assert ", in __del__" in done.stderr
    assert SECRETS[0] not in done.stderr


# What an exception says


def raised(make: Any) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
        make()
    return caught.value


def test_a_traceback_tells_where_but_not_what_an_exception_quotes() -> None:
    said = "a cell of a file"

    def inner() -> None:
        raise ValueError(said)

    def outer() -> None:
        try:
            inner()
        except ValueError as error:
            raise ExceptionGroup(said, [NotFoundError(said), TypeError(said), OSError(28, "No space")]) from error

    text = discreet_traceback(raised(outer))
    assert said not in text
    assert "Caused by: ValueError (what it says" in text
    assert "Grouped in it: OSError: [Errno 28] No space" in text
    assert "mcp_context_resources.errors.NotFoundError (what it says" in text
    assert ", in inner" in text


def test_a_traceback_of_a_worker_keeps_its_places_only() -> None:
    remote = type("RemoteTraceback", (Exception,), {})(
        'Traceback (most recent call last):\n  File "/x/job.py", line 7, in query\n    run(sql)\nduckdb.Error: a cell\n'
    )
    error = RuntimeError("duckdb.Error: a cell")
    error.__cause__ = remote
    text = discreet_traceback(error)
    assert 'File "/x/job.py", line 7, in query' in text
    assert "cell" not in text


def test_exceptions_that_cause_each_other_end() -> None:
    one, other = ValueError("a"), ValueError("b")
    one.__cause__, other.__cause__ = other, one
    assert discreet_traceback(one).count("ValueError") == 2


# Lines


def record_of(message: str, *args: object, **extra: Any) -> logging.LogRecord:
    record = logging.LogRecord("test", logging.INFO, "", 0, message, args, None)
    record.__dict__.update(extra)
    return record


def test_a_json_line_is_one_line_whatever_is_in_it() -> None:
    nasty = "a\nb\x85c\u2028d\x1b[0m\udc80 日本語"
    line = JsonFormatter().format(record_of("%s", nasty, fields={"note": nasty, "none": None, "message": "mine"}))
    assert line.splitlines() == [line]
    assert line.isprintable()
    parsed = json.loads(line)
    assert parsed["message"] == parsed["note"] == nasty
    assert "日本語" in line
    assert "none" not in parsed


def test_lines_are_bounded() -> None:
    fields = {"long": "x" * 100_000, "nested": {"sql": "y" * 100_000}, "many": ["z" * 100_000]}
    for formatter in (JsonFormatter(), TextFormatter()):
        assert len(formatter.format(record_of("m" * 100_000, fields=fields))) < 20_000


def test_a_message_that_does_not_fit_its_arguments_is_told_as_it_is() -> None:
    assert json.loads(JsonFormatter().format(record_of("%d rows", "no")))["message"] == "%d rows ('no',)"


def test_a_host_that_does_not_read_the_log_stops_nobody_and_is_told_what_it_missed() -> None:
    reading, writing = os.pipe()
    try:
        writer = PatientWriter(writing, lambda count: f"{count} missing")
        for number in range(5000):
            writer.write(f"{number} {'x' * 100}")
        kept = os.read(reading, 1 << 20).decode().splitlines()
        writer.write("the last")
        missing, last = os.read(reading, 1 << 20).decode().split("\n")[-3:-1]
    finally:
        os.close(reading)
        os.close(writing)
    assert 0 < len(kept) < 5000
    assert missing.endswith("missing")
    assert 5000 - len(kept) <= int(missing.split()[0]) <= 5000 - len(kept) + 1
    assert last == "the last"


def test_a_log_nobody_can_read_any_more_stops_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        PatientWriter(writing, str).write("line")
    finally:
        os.close(writing)


# Workers


@pytest.fixture
async def pool() -> Any:
    pool = WorkerPool(
        "test", size=1, preload=("tests.support.worker_jobs",), confinement=Confinement(memory_bytes=1 << 30)
    )
    yield pool
    await pool.aclose()


@pytest.mark.anyio
async def test_the_observer_of_a_call_hears_of_its_jobs_and_of_no_others(pool: WorkerPool) -> None:
    runs: list[WorkerRun] = []
    with observing(runs.append):
        async with anyio.create_task_group() as group:
            group.start_soon(partial(pool.run, worker_jobs.pid, deadline=60))
            group.start_soon(partial(pool.run, worker_jobs.pid, deadline=60))
        with pytest.raises(Exception, match="SIGABRT"):
            await pool.run(worker_jobs.abort, deadline=60)
    await pool.run(worker_jobs.pid, deadline=60)
    assert [(run.pool, run.job, run.failed) for run in runs] == [
        ("test", "pid", ""),
        ("test", "pid", ""),
        ("test", "abort", "worker_crashed"),
    ]
    first, second, _ = runs
    assert first.asked <= first.began <= first.ended <= second.began <= second.ended


# Metrics


@pytest.mark.anyio
async def test_metrics_have_errors_rows_bytes_and_the_time_of_workers_by_tool() -> None:
    metrics = Metrics()

    def call(name: str, **known: Any) -> Call:
        return Call("tools/call", name, "1", LEGACY, "", "", "", "", **known)

    metrics.count(call("query_tables", outcome="ok", rows=7, size=500, seconds=0.2, waited=0.5, worked=1.5))
    metrics.count(call("query_tables", outcome="error", code="sql_error", size=100))
    metrics.count(call("made_up", outcome="refused", code="-32602"))
    lines = dict(line.rsplit(" ", 1) for line in (await metrics.text()).decode().splitlines() if line[0] != "#")
    assert float(lines['fresh_context_tool_rows_total{tool="query_tables"}']) == 7
    assert float(lines['fresh_context_tool_answer_bytes_sum{tool="query_tables"}']) == 600
    assert float(lines['fresh_context_tool_errors_total{code="sql_error",tool="query_tables"}']) == 1
    assert float(lines['fresh_context_tool_queue_seconds_total{tool="query_tables"}']) == 0.5
    assert float(lines['fresh_context_tool_worker_seconds_total{tool="query_tables"}']) == 1.5
    assert not [line for line in lines if "made_up" in line]


# Traces


@pytest.mark.slow
@ERAS
def test_traces_tell_what_was_done_under_the_span_of_the_caller_and_nothing_of_contents(
    era: str, folder: Path, cache: Path
) -> None:
    meta = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    with collecting() as collector:
        flags = ("--set", f"telemetry.endpoint={collector.url}", "--log-format", "json")
        with logged(folder, cache, *flags, era=era) as server:
            sql = "SELECT *, 'literal-of-the-statement' FROM people"
            server.ask("tools/call", name="query_tables", arguments={"sql": sql}, _meta=meta)
            server.call("describe_table", table="literal-of-the-statement")
            server.ask("resources/read", uri="table://geheimnis-der-zelle")
            log = server.end()
    assert set(collector.paths) == {"/v1/traces"}
    assert collector.resource["service.name"] == "fresh-context"
    assert collector.resource["service.version"]
    query = collector.named("tools/call query_tables")
    assert (query.trace_id.hex(), query.parent_span_id.hex()) == (TRACE, "b7ad6b7169203331")
    known = attributes_of(query)
    assert (known["gen_ai.tool.name"], known["mcp.protocol.version"]) == ("query_tables", era)
    told = {key.removeprefix("fresh_context."): value for key, value in known.items()}
    assert (told["outcome"], told["rows"], told["sources"]) == ("ok", 2, 1)
    assert told["bytes"] == calls_of(log)[0]["bytes"]
    assert calls_of(log)[0]["trace_id"] == TRACE
    work = [span for span in collector.spans if span.parent_span_id == query.span_id]
    assert len(work) >= told["worker.jobs"] >= 1
    assert {attributes_of(span)["fresh_context.worker.pool"] for span in work} == {"table"}
    assert all(span.trace_id.hex() == TRACE and span.end_time_unix_nano > span.start_time_unix_nano for span in work)
    missing = attributes_of(collector.named("tools/call describe_table"))
    assert missing["fresh_context.code"] == "not_found"
    read = collector.named("resources/read")
    assert read.status.code == 2
    assert read.status.message == ""
    sent = b"".join(collector.bodies).decode(errors="replace")
    for secret in SECRETS:
        assert secret not in sent


@pytest.mark.slow
def test_a_collector_that_does_not_answer_keeps_no_server(folder: Path, cache: Path) -> None:
    with collecting(answers=False) as collector:
        with logged(folder, cache, "--set", f"telemetry.endpoint={collector.url}/v1/traces") as server:
            server.call("query_tables", sql="SELECT 1")
            server.end()
        assert collector.paths == ["/v1/traces"]


@pytest.mark.slow
def test_standard_variables_of_this_machine_are_enough(folder: Path, cache: Path) -> None:
    with collecting() as collector:
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_SERVICE_NAME": "my files",
            "HTTP_PROXY": "http://127.0.0.1:9",
        }
        with logged(folder, cache, environ=environ) as server:
            server.call("query_tables", sql="SELECT 1")
            server.end()
    assert collector.resource["service.name"] == "my files"
    assert collector.named("tools/call query_tables")


def test_spans_leave_with_known_attributes_and_short_names_only() -> None:
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = DiscreetExporter(memory, lambda text: text.replace("taro@example.com", "<EMAIL>"))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    known: dict[str, str | int] = {
        "gen_ai.tool.name": "of taro@example.com",
        "sql": "SELECT 1",
        "fresh_context.rows": 3,
    }
    span = provider.get_tracer("test").start_span("tools/call " + "x" * 5000, attributes=known)
    span.record_exception(ValueError("a cell"))
    span.set_status(StatusCode.ERROR, "a cell")
    span.end()
    (sent,) = memory.get_finished_spans()
    assert sent.attributes == {"gen_ai.tool.name": "of <EMAIL>", "fresh_context.rows": 3}
    assert len(sent.name) <= 201
    assert (sent.events, sent.status.description) == ((), None)
    assert sent.status.status_code is StatusCode.ERROR
    provider.shutdown()


@pytest.mark.parametrize(
    ("endpoint", "environ", "url"),
    [
        ("", {}, None),
        ("http://127.0.0.1:4318", {}, "http://127.0.0.1:4318/v1/traces"),
        ("https://collector.example/otlp/v1/traces", {}, "https://collector.example/otlp/v1/traces"),
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318/"}, "http://localhost:4318/v1/traces"),
        ("", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://[::1]:4318/mine"}, "http://[::1]:4318/mine"),
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.example:4318"}, None),
        ("off", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, None),
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_SDK_DISABLED": "true"}, None),
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, None),
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_TRACES_EXPORTER": "none"}, None),
    ],
)
def test_traces_go_where_someone_wants_them(endpoint: str, environ: dict[str, str], url: str | None) -> None:
    assert traces_endpoint(TelemetrySettings(endpoint=endpoint), environ) == url


def test_variables_that_name_another_machine_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    traces_endpoint(TelemetrySettings(), {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.example:4318"})
    assert "OTEL_EXPORTER_OTLP_ENDPOINT names another machine" in caplog.text
    assert "telemetry.endpoint" in caplog.text


def test_without_the_extra_a_chosen_endpoint_is_an_error_and_a_variable_is_a_hint(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with (
        pytest.raises(ConfigurationError, match=r"fresh-context\[telemetry\]"),
        exporting(TelemetrySettings(endpoint="http://127.0.0.1:4318"), {}),
    ):
        raise AssertionError
    caplog.set_level(logging.INFO)
    with exporting(TelemetrySettings(), {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}):
        assert "install fresh-context[telemetry]" in caplog.text


@pytest.mark.slow
def test_nothing_of_traces_is_imported_where_nobody_wants_them() -> None:
    code = (
        "import sys; from mcp_server import stdio, server; from mcp_server.logging.telemetry import exporting;"
        " from mcp_server.settings import Settings\n"
        "with exporting(Settings().telemetry, {}): pass\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "endpoint",
    ["localhost:4318", "ftp://localhost", "http://", "http://localhost?x=1", "http://me:word@localhost", "http://a:x"],
)
def test_an_endpoint_that_is_no_url_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        TelemetrySettings(endpoint=endpoint)
