"""The front door: answers before anything heavy is imported, the very answers of the live server, whatever comes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import platformdirs
import psutil
import pytest

from mcp_server import __version__
from mcp_server.cli import configuration
from mcp_server.cli.main import _configuration, _parser
from mcp_server.front_door import manifest_writer, preflight_config
from mcp_server.front_door.answers import CAPABILITIES_KEY, CLIENT_KEY, MANIFEST, VERSION_KEY, Answers, Manifest
from mcp_server.front_door.door import answers_for
from mcp_server.front_door.messages import LongFrame, Message, error_line, frames, judge
from mcp_server.front_door.pending_messages import Arrival, MessageQueue, UnansweredRequests
from mcp_server.front_door.pipes import Outbox, Wire
from mcp_server.front_door.preflight_config import preflight
from mcp_server.server import create_server
from tests.support.serving import EXAMPLE_DATA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HANDSHAKES = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN = "2026-07-28"
CLIENT = {"name": "test", "version": "1"}
ENVELOPE: dict[str, Any] = {"_meta": {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}, CLIENT_KEY: CLIENT}}
LISTS = ("tools/list", "prompts/list", "resources/templates/list")

# Holds back imports until a pipe is closed: of the SDK, or of all but the standard library and the door.
SDK = "top == 'mcp'"
EVERYTHING = "top not in sys.stdlib_module_names and top not in ('mcp_server', 'mcp_context_resources')"
HOLDING = """
import os, sys
class Hold:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if {what}:
            os.read({fd}, 1)
sys.meta_path.insert(0, Hold())
from mcp_server.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def request(number: object, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def initialize(number: object, version: str = "2025-11-25") -> dict[str, Any]:
    return request(number, "initialize", protocolVersion=version, capabilities={}, clientInfo=CLIENT)


def query(number: object, sql: str, **params: Any) -> dict[str, Any]:
    return request(number, "tools/call", name="query_tables", arguments={"sql": sql}, **params)


class Server:
    """A server process spoken to line by line."""

    def __init__(self, folder: Path, *arguments: str, held: str = "") -> None:
        self._held, released = os.pipe() if held else (-1, -1)
        self._release = released
        start = ["-c", HOLDING.format(fd=self._held, what=held)] if held else ["-m", "mcp_server"]
        self.process = subprocess.Popen(
            [sys.executable, *start, "serve", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            pass_fds=(self._held,) if held else (),
        )

    def release(self) -> None:
        for end in {self._held, self._release} - {-1}:
            os.close(end)
        self._held = self._release = -1

    def send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def tell(self, *messages: dict[str, Any]) -> None:
        self.send(b"".join(json.dumps(message).encode() + b"\n" for message in messages))

    def line(self) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def heard(self) -> dict[str, Any]:
        line = self.line()
        assert line, "the server ended"
        heard: dict[str, Any] = json.loads(line)
        return heard

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a request whose answer is the next thing the server says."""
        self.tell(message)
        answer = self.heard()
        assert answer["id"] == message["id"]
        return answer

    def end(self) -> tuple[bytes, bytes]:
        return self.process.communicate(timeout=30)


@contextmanager
def serving(folder: Path, *arguments: str, held: str = "") -> Iterator[Server]:
    server = Server(folder, *arguments, held=held)
    watchdog = threading.Timer(300, server.process.kill)
    watchdog.start()
    try:
        yield server
    finally:
        watchdog.cancel()
        server.release()
        server.process.kill()
        server.process.wait()
        for pipe in (server.process.stdin, server.process.stdout, server.process.stderr):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()


# What the manifest says


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    found = Manifest.read(__version__)
    assert found is not None, "run python -m mcp_server.front_door.manifest_writer"
    return found


@pytest.mark.slow
@pytest.mark.anyio
async def test_the_manifest_is_what_the_server_says_today(request: pytest.FixtureRequest) -> None:
    text = manifest_writer.text(await manifest_writer.manifest())
    if request.config.getoption("--update-snapshots"):
        MANIFEST.write_text(text, encoding="utf-8")
    assert text == MANIFEST.read_text(encoding="utf-8"), "run python -m mcp_server.front_door.manifest_writer"


CONFIGURATIONS: dict[str, list[str]] = {
    "plain": [],
    "one tool": ["--tools", "query_tables"],
    "tools in another order": ["--tools", "read_document, list_sources,query_tables"],
    "tools by assignment": ["--set", f"server.tools=query_tables{os.pathsep}list_sources"],
    "tools as JSON": ["--set", 'server.tools=["map_rows"]'],
    "redaction": ["--redact"],
    "redaction and tools": ["--redact", "--tools", "query_tables"],
    "a remote model": ["--set", "models.remote_hosts=example.org"],
    "a remote model and tools": ["--set", "models.remote_hosts=example.org", "--tools", "run_model,query_tables"],
    "nothing watched": ["--set", "watch.mode=off"],
    "several others": ["--log-level", "debug", "--ignore", "*.csv", "--set", "tables.max_rows=7", "--gpu-layers", "0"],
}
VARYING = {
    "a remote model": {"tools/list"},
    "a remote model and tools": {"tools/list"},
    # Without a handshake answered here, no list is answered here to who makes one.
    "nothing watched": {"initialize", "server/discover", *manifest_writer.LISTS},
}


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("name", CONFIGURATIONS)
async def test_the_door_says_what_the_live_server_says_in_every_configuration(name: str, manifest: Manifest) -> None:
    arguments = _parser().parse_args(["serve", str(EXAMPLE_DATA), *CONFIGURATIONS[name]])
    answers = answers_for(manifest, preflight(arguments, {}, manifest, lambda: EXAMPLE_DATA))
    assert answers is not None
    live = await manifest_writer.spoken(create_server(_configuration(arguments).settings))
    left: set[str] = set()
    for (version, method), result in live.items():
        answer = _answer(answers, version, method)
        if answer is None:
            left.add(method)
        else:
            assert answer == {"result": result}
            assert json.dumps(answer["result"]) == json.dumps(result)
    assert left == VARYING.get(name, set())


def _answer(answers: Answers, version: str, method: str) -> dict[str, Any] | None:
    number = 1
    if version == MODERN:
        return answers.answer(_judged(request(number, method, **ENVELOPE)))
    first = answers.answer(_judged(initialize(number, version)))
    return first if method == "initialize" else answers.answer(_judged(request(number, method)))


def _judged(message: dict[str, Any]) -> Message:
    judged = judge(json.dumps(message).encode())
    assert isinstance(judged, Message)
    return judged


def test_every_setting_that_changes_an_answer_is_among_the_configurations_tried(manifest: Manifest) -> None:
    tried: set[str] = set()
    for given in CONFIGURATIONS.values():
        seen = preflight(_parser().parse_args(["serve", str(EXAMPLE_DATA), *given]), {}, manifest, lambda: EXAMPLE_DATA)
        assert seen is not None
        tried |= seen.keys
    assert {key for key, methods in manifest.settings.items() if methods} <= tried
    assert manifest.settings.keys() == configuration.known_keys().keys()


def test_a_manifest_of_another_version_or_damaged_is_not_believed(tmp_path: Path) -> None:
    assert Manifest.read("0.0.0") is None
    broken = tmp_path / "manifest.json"
    for content in (b"", b"{}", b"[]", b'{"version": "0.1.0", "answers": 3}', MANIFEST.read_bytes()[:5_000]):
        broken.write_bytes(content)
        assert Manifest.read(__version__, broken) is None
    assert Manifest.read(__version__, tmp_path / "none.json") is None


@pytest.mark.parametrize(
    "message",
    [
        request(1, "tools/list"),
        request(1, "initialize"),
        request(1, "initialize", protocolVersion=3, capabilities={}, clientInfo=CLIENT),
        request(1, "initialize", protocolVersion="2025-06-18", capabilities={"roots": 1}, clientInfo=CLIENT),
        request(1, "initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={"name": "x"}),
        request(1, "ping", _meta={"progressToken": 1.5}),
        request(1, "tools/list", **ENVELOPE, cursor="x"),
        request(1, "tools/list", _meta={VERSION_KEY: MODERN}),
        request(1, "tools/list", _meta={VERSION_KEY: 1, CAPABILITIES_KEY: {}}),
        request(1, "tools/list", _meta={VERSION_KEY: MODERN, CAPABILITIES_KEY: []}),
        request(1, "ping", **ENVELOPE),
        request(1, "resources/list", **ENVELOPE),
        request(1, "tools/call", **ENVELOPE),
        request(1, "server/discover"),
    ],
)
def test_what_is_not_plainly_right_is_left_to_the_live_server(message: dict[str, Any], manifest: Manifest) -> None:
    assert Answers(manifest).answer(_judged(message)) is None


# The first look at the configuration


@pytest.mark.parametrize(
    ("given", "variables", "file"),
    [
        ([], {}, ""),
        (["--tools", "query_tables", "--redact", "--ignore", "x", "--gpu-layers", "0", "--log-level", "info"], {}, ""),
        (["--set", "tables.max_rows=5", "--set", "storage.cache_dir=/tmp/x"], {"FRESH_CONTEXT_SERVER_TOOLS": ""}, ""),
        ([], {"FRESH_CONTEXT_TABLES_MAX_ROWS": "5"}, "[budget]\nmax_chars = 9000\n[server]\ntools = ['map_rows']\n"),
    ],
)
def test_the_first_look_sees_the_settings_that_are_read_later(
    given: list[str],
    variables: dict[str, str],
    file: str,
    tmp_path: Path,
    manifest: Manifest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(file)
    arguments = _parser().parse_args(["serve", str(EXAMPLE_DATA), "--config", str(path), *given])
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    read = _configuration(arguments)
    seen = preflight(arguments, variables, manifest, lambda: tmp_path)
    assert seen is not None
    assert seen.keys == set(read.origins)
    assert seen.tools == read.settings.server.tools


def test_folders_of_a_file_are_relative_to_the_file(tmp_path: Path, manifest: Manifest) -> None:
    (tmp_path / "served").mkdir()
    for name, good in (("served", True), ("elsewhere", False)):
        (tmp_path / "fresh-context.toml").write_text(f"[workspace]\nroots = [{name!r}]\n")
        seen = preflight(_parser().parse_args(["serve"]), {"XDG_CONFIG_HOME": "x"}, manifest, lambda: tmp_path)
        assert (seen is not None) is good


@pytest.mark.parametrize(
    ("given", "variables"),
    [
        ([], {}),
        (["/nowhere/at/all"], {}),
        ([str(MANIFEST)], {}),
        ([".", "--config", "/nowhere.toml"], {}),
        ([".", "--set", "tables.max_rows"], {}),
        ([".", "--set", "tables.rows=1"], {}),
        ([".", "--set", "server.tools=[1]"], {}),
        ([".", "--tools", "query"], {}),
        (["."], {"FRESH_CONTEXT_TABLE_ROWS": "1"}),
        (["."], {"FRESH_CONTEXT_CONFIG": "/nowhere.toml"}),
    ],
)
def test_a_configuration_in_doubt_is_not_answered_for(
    given: list[str], variables: dict[str, str], tmp_path: Path, manifest: Manifest
) -> None:
    arguments = _parser().parse_args(["serve", *given])
    assert preflight(arguments, {**variables, "XDG_CONFIG_HOME": "x"}, manifest, lambda: tmp_path) is None


def test_a_flag_the_door_does_not_know_is_in_doubt(tmp_path: Path, manifest: Manifest) -> None:
    arguments = _parser().parse_args(["serve", str(tmp_path)])
    assert preflight(arguments, {"XDG_CONFIG_HOME": "x"}, manifest, lambda: tmp_path)
    arguments.http = "127.0.0.1:8000"
    assert preflight(arguments, {"XDG_CONFIG_HOME": "x"}, manifest, lambda: tmp_path) is None


def test_the_usual_folder_is_the_one_the_settings_are_read_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    found = preflight_config.usual_folder(os.environ)
    assert found in (None, platformdirs.user_config_path("fresh-context", appauthor=False))
    assert sys.platform != "linux" or found is not None
    assert preflight_config.usual_folder({"XDG_CONFIG_HOME": "/x"}) is None


# Lines and queues


def _stream(data: bytes, most: int) -> list[bytes | LongFrame]:
    rest = memoryview(data)

    def read(count: int) -> bytes:
        nonlocal rest
        part, rest = bytes(rest[:7]), rest[7:]
        return part

    return list(frames(read, most))


def test_lines_are_cut_whole_and_the_last_needs_no_end() -> None:
    assert _stream(b'{"a":1}\n\n{"b": "two"}\r\n{"c":3}', 100) == [b'{"a":1}', b"", b'{"b": "two"}\r', b'{"c":3}']
    assert _stream(b"", 100) == []


@pytest.mark.parametrize(
    ("line", "number"),
    [
        (b'{"jsonrpc":"2.0","id":7,"method":"x","params":{"t":"%s"}}', 7),
        (b'{"jsonrpc":"2.0","method":"x","id":"a","params":{"id":8,"t":"%s"}}', "a"),
        (b'{"method":"x","params":{"id":8,"t":"%s"},"jsonrpc":"2.0","id": 9 }', 9),
        (b'{"method":"x","params":{"t":"%s","id":8}}', None),
        (b'{"method":"x","params":{"t":"%s\\"id\\":5}"}}', None),
        (b'{"params":{"id":8,"t":"%s"},"id":9,"method":"x"}', None),
    ],
)
def test_a_line_that_is_too_long_is_refused_by_its_number_where_that_is_certain(line: bytes, number: object) -> None:
    (frame, after) = _stream((line % (b"x" * 50_000)) + b"\n{}", 20_000)
    assert isinstance(frame, LongFrame)
    assert len(frame.beginning) + len(frame.ending) < 4_096
    refused = judge(frame)
    assert not isinstance(refused, Message)
    assert [(refusal.code, refusal.id) for refusal in refused] == [(-32600, number)]
    assert after == b"{}"


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        (b"", []),
        (b" \r", []),
        (b"{", [(-32700, None)]),
        (b"\xff\xfe", [(-32700, None)]),
        (b"[" * 100_000, [(-32700, None)]),
        (b'{"id": ' + b"9" * 5_000 + b"}", [(-32700, None)]),
        (b"3", [(-32600, None)]),
        (b"[]", [(-32600, None)]),
        (
            b'[{"jsonrpc":"2.0","id":1,"method":"a"},{"id":"b","method":"b"},{"method":"n"}]',
            [(-32600, 1), (-32600, "b")],
        ),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', [(-32600, 1)]),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', [(-32600, None)]),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', [(-32600, None)]),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', [(-32600, None)]),
        (b'{"jsonrpc":"2.0","id":1,"method":5}', [(-32600, 1)]),
        (b'{"jsonrpc":"2.0","id":1}', [(-32600, 1)]),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', [(-32600, 1)]),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"t":"\\ud800"}}', [(-32700, 1)]),
        (b'{"jsonrpc":"2.0","id":"\\ud800","method":"a"}', [(-32700, None)]),
        (b'{"jsonrpc":"2.0","id":1,"result":5}', []),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":"x"}}', []),
    ],
)
def test_a_broken_message_gets_the_error_of_the_standard(line: bytes, codes: list[tuple[int, object]]) -> None:
    refused = judge(line)
    assert not isinstance(refused, Message)
    assert [(refusal.code, refusal.id) for refusal in refused] == codes
    for refusal in refused:
        assert json.loads(error_line(refusal))["error"]["message"]


def test_characters_in_two_halves_are_whole() -> None:
    judged = judge(b'{"jsonrpc":"2.0","id":"\\ud83d\\ude00","method":"a"}')
    assert isinstance(judged, Message)
    assert judged.id == "😀"


def test_answers_nobody_reads_are_bounded_and_dropped_in_the_end() -> None:
    reads, written, broken = threading.Event(), [0], threading.Event()

    def write(data: bytes) -> None:
        reads.wait()
        written[0] += len(data)

    outbox = Outbox(write, broken.set, most=1_000)
    outbox.start()
    taken = 0
    while outbox.offer(b"x" * 100):
        taken += 100
    assert taken == 1_000
    outbox.put(b"y", lambda: True)
    assert not outbox.flush(0.0)
    reads.set()
    assert outbox.flush(10.0)
    assert written == [1_000]
    outbox.abandon()
    assert outbox.offer(b"z" * 10_000)
    assert outbox.flush(0.0)


def test_a_pipe_that_broke_is_told_once_and_never_waited_for() -> None:
    told = threading.Event()

    def write(_data: bytes) -> None:
        raise BrokenPipeError

    outbox = Outbox(write, told.set)
    outbox.start()
    outbox.put(b"x")
    assert told.wait(10)
    assert outbox.offer(b"x")


@pytest.mark.slow
def test_what_waits_to_be_served_is_bounded_in_number_and_bytes() -> None:
    for inbox in (MessageQueue(most=3), MessageQueue(most_bytes=3 * len(json.dumps(request(0, "a"))))):
        for number in range(5):
            inbox.put(Arrival("modern", _judged(request(number, "a"))), lambda: True)
        assert [arrival.message.id for arrival in inbox.take()] == [0, 1, 2]
        inbox.put(Arrival("modern", _judged(request(7, "a"))), lambda: True)
        assert inbox.drop("7")
        assert not inbox.drop("7")
        assert inbox.take() == []
        inbox.close()
        inbox.put(Arrival("modern", _judged(request(8, "a"))), bool)
        assert inbox.take() == []


def test_requests_under_way_are_bounded_and_found_again_by_their_era() -> None:
    ledger = UnansweredRequests(most=2)
    assert ledger.begin(1, "handshake")
    assert ledger.begin(1, "modern")
    assert not ledger.begin(2, "modern")
    assert ledger.begin(1, "handshake", swallow=True)
    assert not ledger.end(1, "handshake")
    assert ledger.end(1, "handshake")
    assert ledger.cancel("1") == ("modern",)
    assert ledger.cancel("1") == ()
    assert ledger.begin(2, "modern")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes can't be asked there")
def test_a_client_that_left_is_noticed_without_reading() -> None:
    ours, theirs = os.pipe()
    with open(ours, "rb", buffering=0) as incoming, open(os.devnull, "wb", buffering=0) as outgoing:
        wire = Wire(incoming, outgoing)
        os.write(theirs, b"unread")
        assert not wire.abandoned()
        os.close(theirs)
        assert wire.abandoned()
        assert wire.read(100) == b"unread"


# The door in a process

posix = pytest.mark.skipif(
    sys.platform == "win32", reason="the pipe that holds imports back is handed down as on POSIX"
)


@pytest.mark.slow
@posix
def test_nothing_heavy_is_imported_before_the_first_answers_and_they_are_the_live_servers_to_the_byte(
    tmp_path: Path, cache: Path
) -> None:
    with serving(tmp_path, str(EXAMPLE_DATA), "--set", f"storage.cache_dir={cache}", held=EVERYTHING) as server:
        first = _conversation(server)
        # Behind closed doors: a call that must be answered, one that is cancelled, one of the other era.
        server.tell(
            query("kept", "SELECT 41 + 1"),
            query("cancelled", "SELECT 1"),
            {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "cancelled"}},
        )
        assert server.ask(request("p", "ping"))["result"] == {}
        server.release()
        kept = server.heard()
        assert (kept["id"], kept["result"]["structuredContent"]["rows"]) == ("kept", [[42]])
        second = _conversation(server)
        assert first == second
        assert server.ask(query("kept", "SELECT 43", **ENVELOPE))["result"]["resultType"] == "complete"
        rest, _ = server.end()
    assert rest == b""
    assert server.process.returncode == 0


def _conversation(server: Server) -> list[bytes]:
    """Go through all that the door answers, in both eras and every version, probe and handshake in both orders."""
    lines: list[bytes] = []

    def ask(message: dict[str, Any]) -> None:
        server.tell(message)
        lines.append(server.line())
        assert json.loads(lines[-1])["id"] == message["id"]

    unknown = {"_meta": {**ENVELOPE["_meta"], VERSION_KEY: "2099-01-01"}}
    ask(request("probe", "server/discover", **ENVELOPE))
    ask(request("probe of another", "server/discover", **unknown))
    for number, version in enumerate((*HANDSHAKES, "1999-01-01")):
        ask(initialize(number, version))
        server.tell({"jsonrpc": "2.0", "method": "notifications/initialized"})
        ask(request(number, "ping"))
        for method in _served():
            ask(request(f"{number} {method}", method, _meta={"progressToken": number}))
    ask(request("probe again", "server/discover", **ENVELOPE))
    for method in _served():
        ask(request(method, method, **ENVELOPE))
    return lines


def _served() -> list[str]:
    """Return the lists there are; one that isn't served can only be refused by the live server."""
    found = Manifest.read(__version__)
    assert found is not None
    return [method for method in LISTS if found.result(MODERN, method) is not None]


@pytest.mark.slow
@posix
def test_a_call_that_waits_already_has_its_worker_started_while_the_sdk_is_imported(
    tmp_path: Path, cache: Path
) -> None:
    with serving(tmp_path, str(EXAMPLE_DATA), "--set", f"storage.cache_dir={cache}", held=SDK) as server:
        server.tell(initialize(0), query(1, "SELECT 1"))
        assert server.heard()["id"] == 0
        while not (family := psutil.Process(server.process.pid).children(recursive=True)):
            assert server.process.poll() is None
        server.release()
        assert server.heard()["result"]["structuredContent"]["rows"] == [[1]]
        server.end()
    assert not psutil.wait_procs(family, timeout=10)[1]


@pytest.mark.slow
def test_a_host_that_only_connects_has_no_worker_started(tmp_path: Path, cache: Path) -> None:
    with serving(tmp_path, str(EXAMPLE_DATA), "--set", f"storage.cache_dir={cache / 'unused'}") as server:
        server.tell(initialize(0), {"jsonrpc": "2.0", "method": "notifications/initialized"})
        server.heard()
        for number, method in enumerate(("tools/list", "prompts/list", "no/such/method")):
            server.ask(request(number, method))
        assert psutil.Process(server.process.pid).children(recursive=True) == []


@posix
@pytest.mark.parametrize("doing", ["imports", "nothing"])
def test_the_end_of_input_ends_the_process_at_once_even_while_it_starts(doing: str, tmp_path: Path) -> None:
    with serving(tmp_path, str(EXAMPLE_DATA), held=EVERYTHING) as server:
        if doing == "imports":
            server.ask(initialize(1))
            server.tell(query(2, "SELECT 1"))
        rest, _ = server.end()
    assert server.process.returncode == 0
    if doing == "imports":
        assert json.loads(rest)["id"] == 2
        assert json.loads(rest)["error"]["message"] == "Connection closed"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "No folder to serve"),
        ([".", "--set", "tables.rows=1"], "tables.rows"),
        ([".", "--set", "models.files=nothing.gguf"], "nothing.gguf"),
    ],
)
def test_a_wrong_configuration_is_told_even_to_a_client_that_has_left(
    arguments: list[str], told: str, tmp_path: Path
) -> None:
    with serving(tmp_path, *arguments) as server:
        rest, errors = server.end()
    assert server.process.returncode == 1
    assert rest == b""
    assert told in errors.decode()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Server]:
    """One server that is up, for all that a client may do wrong; each test leaves it as it found it."""
    folder = tmp_path_factory.mktemp("door")
    with serving(folder, str(EXAMPLE_DATA), "--set", f"storage.cache_dir={cache}", "--log-level", "error") as server:
        server.ask(initialize(0))
        server.tell({"jsonrpc": "2.0", "method": "notifications/initialized"})
        server.ask(query("up", "SELECT 1"))
        yield server


@pytest.mark.slow
def test_a_live_server_answers_what_is_broken_and_goes_on(live: Server) -> None:
    live.send(b'{"jsonrpc": \n')
    assert live.heard()["error"]["code"] == -32700
    live.send(b"\n\r\n" + json.dumps([request(1, "ping"), request(2, "ping")]).encode() + b"\n")
    assert [live.heard()["id"], live.heard()["id"]] == [1, 2]
    assert live.ask(request(3, "no/such/method"))["error"]["code"] == -32601
    assert live.ask(request(3, "no/such/method", **ENVELOPE))["error"]["code"] == -32601
    assert live.ask(request(4, "shutdown"))["error"]["code"] == -32601
    assert live.ask(request(5, "tools/list", cursor="x"))["error"]["code"] == -32602
    assert live.ask(request(6, "ping"))["result"] == {}


def test_a_message_of_fifty_megabytes_is_refused_and_not_held(live: Server) -> None:
    before = psutil.Process(live.process.pid).memory_info().rss
    live.send(b'{"jsonrpc":"2.0","id":50,"method":"tools/call","params":{"text":"')
    for _ in range(50):
        live.send(b"x" * (1 << 20))
    live.send(b'"}}\n')
    refused = live.heard()
    assert refused["id"] == 50
    assert "8 MiB" in refused["error"]["message"]
    assert psutil.Process(live.process.pid).memory_info().rss - before < 32 << 20
    assert live.ask(request(51, "ping"))["result"] == {}


@pytest.mark.slow
def test_two_requests_of_one_number_both_get_an_answer(live: Server) -> None:
    live.tell(query(9, "SELECT 1"), query(9, "SELECT 1"), query(9, "SELECT 1", **ENVELOPE))
    answers = [live.heard() for _ in range(3)]
    assert [(answer["id"], answer["result"]["structuredContent"]["rows"]) for answer in answers] == [(9, [[1]])] * 3
    assert sum("resultType" in answer["result"] for answer in answers) == 1


@pytest.mark.slow
def test_a_thousand_calls_at_once_are_all_answered(live: Server) -> None:
    sources = {"name": "list_sources", "arguments": {}}
    nothing = {"name": "query_tables", "arguments": {}}
    calls = [
        request(number, "tools/call", **(nothing if number % 50 else sources), **(ENVELOPE if number % 2 else {}))
        for number in range(1_000)
    ]
    sending = threading.Thread(target=live.tell, args=calls)
    sending.start()
    answers = {answer["id"]: answer["result"] for answer in (live.heard() for _ in calls)}
    sending.join()
    assert sorted(answers) == list(range(1_000))
    for number, result in answers.items():
        assert result["isError"] is bool(number % 50)
        assert ("resultType" in result) is bool(number % 2)


@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_a_cancelled_call_is_not_answered_and_the_next_one_is(live: Server, era: str) -> None:
    params = ENVELOPE if era == "modern" else {}
    live.tell(
        query("long", "SELECT count(*) FROM range(100000000000) a(i) WHERE i % 7 = hash(i) % 5", **params),
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "long"}},
    )
    assert live.ask(query("next", "SELECT 5", **params))["result"]["structuredContent"]["rows"] == [[5]]


@pytest.mark.slow
def test_a_client_that_does_not_read_does_not_hold_up_the_end(tmp_path: Path, cache: Path) -> None:
    with serving(tmp_path, str(EXAMPLE_DATA), "--set", f"storage.cache_dir={cache}") as server:
        server.ask(query("up", "SELECT 1", **ENVELOPE))
        server.tell(*(request(number, "tools/list", **ENVELOPE) for number in range(300)))
        assert server.process.stdin is not None
        server.process.stdin.close()
        assert server.process.wait(30) == 0


@pytest.mark.slow
def test_a_client_that_dies_in_the_middle_of_a_call_leaves_no_process_behind(tmp_path: Path, cache: Path) -> None:
    with serving(tmp_path, str(EXAMPLE_DATA), "--set", f"storage.cache_dir={cache}") as server:
        server.ask(initialize(0))
        server.tell({"jsonrpc": "2.0", "method": "notifications/initialized"})
        server.ask(query("up", "SELECT 1"))
        server.tell(query("long", "SELECT count(*) FROM range(100000000000) a(i) WHERE i % 7 = hash(i) % 5"))
        server.ask(request("p", "ping"))
        family = psutil.Process(server.process.pid).children(recursive=True)
        assert family
        assert server.process.stdin is not None
        assert server.process.stdout is not None
        server.process.stdout.close()
        server.process.stdin.close()
        assert server.process.wait(30) == 0
        _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
